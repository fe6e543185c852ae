"""Matrices that others made are checked whole before a kernel reads where their indices point."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from tastemap import memory
from tastemap.data.features import Features
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError


def damage(kind: str, part: str, at: Any, value: Any) -> Any:
    """Return a matrix of a format, 3 x 4, with one entry of one of its arrays changed."""
    matrix = sp.coo_array(([1.0, 2.0, 3.0], ([0, 1, 2], [3, 1, 0])), shape=(3, 4)).asformat(kind)
    getattr(matrix, part)[at] = value
    return matrix


FAR = 1 << 30


@pytest.mark.parametrize("read", [Interactions.from_csr, partial(Features.from_csr, ids=["a", "b", "c"])])
@pytest.mark.parametrize(
    ("kind", "part", "at", "value", "message"),
    [
        ("csr", "indices", 1, 4, "it has 4 columns, and its column indices go from 0 to 4"),
        ("csr", "indices", 1, FAR, f"its column indices go from 0 to {FAR}"),
        ("csr", "indices", 1, -1, "its column indices go from -1 to 3"),
        ("csr", "indptr", 0, 1, "indptr must ascend from 0"),
        ("csr", "indptr", 1, 3, "indptr must ascend from 0"),
        ("csr", "indptr", 1, -FAR, "indptr must ascend from 0"),
        ("csr", "indptr", 3, FAR, f"indptr ends at {FAR:,}, for 3 indices and 3 values"),
        ("csc", "indices", 1, FAR, f"it has 3 rows, and its row indices go from 0 to {FAR}"),
        ("csc", "indptr", 4, FAR, f"indptr ends at {FAR:,}"),
        ("bsr", "indices", 0, FAR, f"its column indices go from 0 to {FAR}"),
        ("bsr", "indptr", 1, -1, "indptr must ascend from 0"),
        ("coo", "row", 0, FAR, f"it has 3 rows, and its row indices go from 1 to {FAR}"),
        ("coo", "col", 0, -2, "it has 4 columns, and its column indices go from -2 to 1"),
        ("lil", "rows", 0, [FAR], f"its column indices go from 0 to {FAR}"),
        ("lil", "rows", 0, [1, 2], "its rows have other lengths than their values"),
        ("dok", "_dict", (0, FAR), 1.0, f"axis 1 index {FAR} exceeds matrix dimension 4"),
    ],
)
def test_indices_outside_a_matrix_of_any_format_are_refused(
    read: Any, kind: str, part: str, at: Any, value: Any, message: str
) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        read(damage(kind, part, at, value))


def shorten(kind: str, part: str) -> Any:
    matrix = sp.coo_array(([1.0, 2.0, 3.0], ([0, 1, 2], [3, 1, 0])), shape=(3, 4)).asformat(kind)
    setattr(matrix, part, getattr(matrix, part)[:-1])
    return matrix


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        *((kind, part) for kind in ("csr", "csc", "bsr") for part in ("indptr", "indices", "data")),
        *(("coo", "data"), ("dia", "offsets"), ("dia", "data"), ("lil", "rows"), ("lil", "data")),
    ],
)
def test_arrays_of_a_matrix_that_do_not_fit_each_other_are_refused(kind: str, part: str) -> None:
    with pytest.raises(DataError, match=r"the matrix (is damaged|cannot be read)"):
        Interactions.from_csr(shorten(kind, part))


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr", "coo", "dia", "lil", "dok"])
@pytest.mark.parametrize("make", [sp.coo_array, sp.coo_matrix])
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float64, bool])
def test_every_format_of_matrix_and_type_of_number_is_taken(kind: str, make: Any, dtype: Any) -> None:
    dense = np.array([[0, 1, 0], [1, 0, 1]])
    taken = Interactions.from_csr(make(dense).astype(dtype).asformat(kind))
    assert taken.matrix.toarray().tolist() == dense.tolist()


def test_the_zeros_that_fill_the_blocks_of_a_matrix_are_no_pairs() -> None:
    blocks = sp.bsr_array(np.array([[1, 0, 0, 0], [0, 2, 0, 0]]), blocksize=(2, 2))
    assert blocks.nnz == 4
    assert len(Interactions.from_csr(blocks)) == 2
    assert Features.from_csr(blocks, ids=[1, 2]).matrix.nnz == 2


def test_a_matrix_is_read_by_its_arrays_not_by_its_flags() -> None:
    matrix = sp.csr_matrix((np.ones(4), [2, 0, 1, 1], [0, 2, 4]), shape=(2, 3))
    matrix.has_canonical_format = matrix.has_sorted_indices = True  # neither is so
    assert Interactions.from_csr(matrix).by_user.indices.tolist() == [0, 2, 1]
    spare = sp.csr_matrix((np.ones(3), [0, 1, FAR], [0, 1, 2]), shape=(2, 2))
    assert len(Interactions.from_csr(spare)) == 2


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (sp.csr_array([[1j]]), "matrix must hold real numbers, got complex128"),
        (sp.coo_array(([1.0], ([0], [0])), shape=(1, 1 << 33)), "and 2,147,483,647 is the most"),
    ],
)
def test_numbers_and_sizes_that_kernels_cannot_take_are_refused(matrix: Any, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        Interactions.from_csr(matrix)


def test_a_matrix_whose_ids_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
    wide = sp.coo_array(([1.0], ([0], [0])), shape=(1, 10**9))
    with pytest.raises(
        DataError, match=r"a matrix of 1 x 1,000,000,000 users x items takes 48\.0 GB, and 1\.0 GB are free"
    ):
        Interactions.from_csr(wide)


GOOD = (np.array([0, 2, 3]), np.array([0, 2, 1]), np.ones(3, np.float32))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"indices": [0, 3, 1]}, {}, "its column indices go from 0 to 3"),
        ({"indices": [2, 0, 1]}, {}, "the columns of a row must ascend, each once"),
        ({"indices": [0, 0, 1]}, {}, "the columns of a row must ascend, each once"),
        ({"indptr": [0, 4, 3]}, {}, "indptr must ascend from 0"),
        ({"data": np.ones(3)}, {}, "matrix must be scipy CSR of float32, (2, 3), got csr of float64"),
        ({"shape": (2, 4)}, {}, "matrix must be scipy CSR of float32, (2, 3), got csr of float32, (2, 4)"),
        ({}, {"time": np.arange(2)}, "time must be int64 or float64 of shape (3,), got int64 of shape (2,)"),
        ({}, {"order": np.array([0, 1, 1])}, "order must be a permutation of 0..2"),
        ({}, {"order": np.array([0, 1, 9])}, "order must be a permutation of 0..2"),
    ],
)
def test_the_constructor_refuses_arrays_that_are_not_as_it_says(
    change: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    indptr, indices, data = (
        change.get(name, part) for name, part in zip(("indptr", "indices", "data"), GOOD, strict=True)
    )
    matrix = sp.csr_matrix((data, GOOD[1], GOOD[0]), shape=change.get("shape", (2, 3)))
    matrix.indptr[:], matrix.indices[:] = indptr, indices
    with pytest.raises(DataError, match=re.escape(message)):
        Interactions(matrix, IdMap([1, 2], "user"), IdMap([1, 2, 3], "item"), **options)
    if not options:
        with pytest.raises(DataError, match=re.escape(message)):
            Features(matrix, IdMap([1, 2], "id"), ["a", "b", "c"])
