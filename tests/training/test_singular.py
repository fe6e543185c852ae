"""The largest singular values of sparse matrices against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap.data._pairs import Rows, rows_of
from tastemap.training import singular
from tastemap.training.singular import find_singular

Array = npt.NDArray[Any]
STATE = np.uint64(7)


def both_ways(A: Array) -> tuple[Rows, Rows]:
    return rows_of(sp.csr_matrix(A)), rows_of(sp.csr_matrix(A.T))


def random(n_rows: int, n_columns: int, share: float = 0.3) -> Array:
    rng = np.random.default_rng(0)
    return np.where(rng.random((n_rows, n_columns)) < share, rng.random((n_rows, n_columns)), 0).astype(np.float32)


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "most"), [(40, 30, 5), (30, 40, 29), (20, 33, 50), (1, 5, 2), (5, 1, 2)]
)
def test_of_a_small_matrix_they_are_exact(n_rows: int, n_columns: int, most: int) -> None:
    A = random(n_rows, n_columns, 0.6)
    values, V = find_singular(*both_ways(A), most, STATE)
    _, s, rows = np.linalg.svd(A.astype(np.float64))
    n = min(most, len(s))
    np.testing.assert_allclose(values, s[:n], rtol=1e-5)
    np.testing.assert_allclose(V @ V.T, rows[:n].T @ rows[:n], atol=2e-5)
    assert V.shape == (n_columns, n)


def test_of_a_large_matrix_the_largest_are_exact_and_the_others_hold_nearly_as_much() -> None:
    A = random(900, 700, 0.02)
    values, V = find_singular(*both_ways(A), 64, STATE)
    s = np.linalg.svd(A, compute_uv=False)
    np.testing.assert_allclose(values[:5], s[:5], rtol=1e-3)
    assert 0.97 * s[:64] @ s[:64] < values @ values <= s[:64] @ s[:64] * 1.0001
    np.testing.assert_allclose(V.T @ V, np.eye(64), atol=1e-5)


def test_there_are_no_more_than_the_rank() -> None:
    rng = np.random.default_rng(0)
    A = (rng.random((50, 3)) @ rng.random((3, 40))).astype(np.float32)
    values, V = find_singular(*both_ways(A), 10, STATE)
    assert V.shape == (40, 3)
    np.testing.assert_allclose(values, np.linalg.svd(A, compute_uv=False)[:3], rtol=1e-4)


def test_of_both_signs_the_one_with_the_largest_number_above_0_is_taken() -> None:
    _, V = find_singular(*both_ways(random(40, 30)), 6, STATE)
    assert (V[np.abs(V).argmax(axis=0), np.arange(6)] > 0).all()


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(singular, "BLOCK_ROWS", 16)
    monkeypatch.setattr(singular, "PRODUCT_ROWS", 8)
    pairs = both_ways(random(300, 200, 0.1))
    found = []
    for n in (1, 2, 5):
        with tm.threads(n):
            found.append(find_singular(*pairs, 20, STATE))
    for values, V in found[1:]:
        np.testing.assert_array_equal(values, found[0][0])
        np.testing.assert_array_equal(V, found[0][1])
