from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import knn as reference
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.kernels.item_knn import LONG, add_similarities, nearest_items, nearest_of_sums
from tastemap.ranking.top_k import Ties

Array = npt.NDArray[Any]


def rows_of(V: Array) -> Rows:
    """Return the CSR arrays of what is not NaN."""
    here = ~np.isnan(V)
    indptr = np.concatenate(([0], np.cumsum(here.sum(axis=1))))
    return freeze_rows(Rows(indptr, np.nonzero(here)[1].astype(np.int32), V[here].astype(np.float32)))


@settings(max_examples=40)
@given(
    n_users=st.integers(1, 9),
    n_items=st.integers(1, 13),
    most=st.integers(1, 14),
    share=st.sampled_from([0.1, 0.5, 1.0]),
    shrinkage=st.sampled_from([0.0, 2.5]),
    exponent=st.sampled_from([0.5, 1.0, 2.0]),
    seed=st.integers(0, 2**32),
)
def test_the_nearest_are_those_of_the_full_sort_ties_by_place(
    n_users: int, n_items: int, most: int, share: float, shrinkage: float, exponent: float, seed: int
) -> None:
    expect_nearest(n_users, n_items, most, share, shrinkage, exponent, seed)


@pytest.mark.parametrize("most", [LONG, 170])
@pytest.mark.parametrize(("n_users", "n_items", "share"), [(1, 700, 0.7), (2, 700, 0.4), (9, 400, 0.5), (5, 260, 1.0)])
@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_many_nearest_are_those_of_the_full_sort_too(
    n_users: int, n_items: int, most: int, share: float, exponent: float
) -> None:
    expect_nearest(n_users, n_items, most, share, 2.5, exponent, seed=n_items - 1)


def expect_nearest(
    n_users: int, n_items: int, most: int, share: float, shrinkage: float, exponent: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    here = rng.random((n_users, n_items)) < share
    # Few different values, whose products and sums no rounding touches: there are ties.
    V, H = (np.where(here, rng.choice([0.0, 0.5, 1.0], here.shape), np.nan) for _ in range(2))
    products = (np.nan_to_num(V).T @ np.nan_to_num(H)) ** exponent
    n_both = here.T.astype(float) @ here
    expected = np.float32(products * np.divide(n_both, n_both + shrinkage, out=np.zeros_like(n_both), where=n_both > 0))
    first = seed % n_items
    places, row_at = Ties.of(rng.permutation(n_items))
    rows = rows_of(np.where(n_both > 0, n_both, np.nan))
    sums = (np.nan_to_num(V).T @ np.nan_to_num(H))[n_both > 0]
    searches = (
        partial(nearest_items, *rows_of(V.T), *rows_of(H)),
        partial(nearest_of_sums, rows.indptr, rows.indices, sums, n_both[n_both > 0]),
    )
    for search in searches:
        near = np.full((n_items - first, most), -1, np.int32)
        similarities, counts = np.full(near.shape, np.nan, np.float32), np.full(len(near), -1)
        common = np.full(near.shape, -1, np.int32)
        search(first, shrinkage, exponent, places, row_at, near, similarities, common, counts)
        for r, own in enumerate(reference.nearest(expected, most, places)[first:]):
            assert near[r, : counts[r]].tolist() == own
            assert similarities[r, : counts[r]].tolist() == expected[first + r, own].tolist()
            assert common[r, : counts[r]].tolist() == n_both[first + r, own].tolist()


@settings(max_examples=30)
@given(n_users=st.integers(1, 7), n_items=st.integers(1, 13), seed=st.integers(0, 2**32))
def test_scores_are_sums_over_the_history_in_order(n_users: int, n_items: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    W = np.where(rng.random((n_users, n_items)) < 0.5, rng.random((n_users, n_items)), np.nan).astype(np.float32)
    of = np.where(rng.random((n_items, n_items)) < 0.5, rng.random((n_items, n_items)), np.nan).astype(np.float32)
    people, items = rng.permutation(n_users), np.flatnonzero(rng.random(n_items) < 0.6)
    out = np.full((n_users, len(items)), np.nan, np.float32)
    add_similarities(*rows_of(W), people, *rows_of(of), np.full(n_items, np.nan), items, out)
    expected = np.zeros((n_users, n_items))
    for r, u in enumerate(people):
        for j in np.flatnonzero(~np.isnan(W[u])):
            expected[r] += np.float64(W[u, j]) * np.nan_to_num(of[j]).astype(np.float64)
    np.testing.assert_array_equal(out, np.float32(expected[:, items]))
