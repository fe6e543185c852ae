from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import ease as reference
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.kernels.core.simd import allocate
from tastemap.kernels.ease import LANES, WINDOW, add_rows, fill_weights, gram_rows

Array = npt.NDArray[Any]


def matrix(n_users: int, n_items: int, share: float, seed: int) -> Array:
    """Return weights, 0 where there is no pair."""
    rng = np.random.default_rng(seed)
    here = rng.random((n_users, n_items)) < share
    return np.where(here, rng.choice([0.5, 1.0, 3.0, 1 / 3], here.shape), 0).astype(np.float32)


def rows_of(X: Array) -> Rows:
    indptr = np.concatenate(([0], np.cumsum((X != 0).sum(axis=1))))
    return freeze_rows(Rows(indptr, np.nonzero(X)[1].astype(np.int32), X[X != 0]))


def padded(B: Array) -> Array:
    wide: Array = allocate(len(B), max(-(-B.shape[1] // LANES) * LANES, WINDOW))
    wide[:] = np.nan  # what lies beyond the items must not matter
    wide[:, : B.shape[1]] = B
    return wide


@settings(max_examples=30)
@given(
    n_users=st.integers(1, 9), n_items=st.integers(1, 13), share=st.sampled_from([0.2, 0.6, 1.0]), seed=st.integers(0)
)
def test_gram_rows_are_sums_over_users(n_users: int, n_items: int, share: float, seed: int) -> None:
    X = matrix(n_users, n_items, share, seed)
    first = seed % n_items
    out = np.full((n_items - first, n_items), np.nan)
    gram_rows(*rows_of(X.T), *rows_of(X), first, out)
    expected = np.tril(X.astype(np.float64).T @ X.astype(np.float64))[first:]
    np.testing.assert_allclose(out, expected, rtol=1e-14)


@settings(max_examples=30)
@given(
    n_users=st.integers(1, 7),
    n_items=st.sampled_from([1, 5, LANES, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW + 5]),
    chosen=st.sampled_from([0.05, 0.5, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_added_rows_are_the_sums_in_order_whatever_items_are_asked(
    n_users: int, n_items: int, chosen: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    X = matrix(n_users, n_items, 0.4, seed)
    B = rng.standard_normal((n_items, n_items)).astype(np.float32)
    items = np.flatnonzero(rng.random(n_items) < chosen)
    people = rng.permutation(n_users)
    out = np.full((n_users, len(items)), np.nan, np.float32)
    add_rows(*rows_of(X), people, padded(B), items, np.empty(WINDOW, np.float32), out)
    np.testing.assert_array_equal(out, reference.sums_of_rows(X[people], B, items))


@pytest.mark.parametrize(("first", "second"), [(range(4, 7), range(2)), (range(3), range(3)), ([5, 8], [0, 6])])
def test_weights_are_the_inverse_divided_by_its_diagonal_and_scaled(first: Any, second: Any) -> None:
    rng = np.random.default_rng(0)
    random, scale = rng.standard_normal((20, 9)), rng.uniform(1, 5, 9)
    P = random.T @ random
    rows, columns = np.array(first), np.array(second)
    W = np.full((9, WINDOW), np.nan, np.float32)
    entries = np.full((len(rows), 3 + len(columns)), np.nan)
    entries[:, 3:] = -P[np.ix_(rows, columns)]
    precision = np.diag(P)
    fill_weights(entries, 3, rows, columns, precision[rows], precision[columns], scale[rows], scale[columns], W)
    pairs = {(i, j) for i in first for j in second if j < i}
    for i in range(9):
        for j in range(9):
            expected = -P[i, j] / P[j, j] * scale[i] / scale[j] if {(i, j), (j, i)} & pairs else np.nan
            np.testing.assert_allclose(W[i, j], expected, rtol=1e-6)
