from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemap.data._pairs import Rows, freeze_rows
from tastemap.kernels.core.simd import allocate
from tastemap.kernels.graph_filter import TILE, add_products, count_entries, fill_entries

Array = npt.NDArray[Any]


def rows_of(V: Array) -> Rows:
    """Return the CSR arrays of what is not 0."""
    indptr = np.concatenate(([0], np.cumsum((V != 0).sum(axis=1))))
    return freeze_rows(Rows(indptr, np.nonzero(V)[1].astype(np.int32), V[V != 0]))


@settings(max_examples=40)
@given(
    n_users=st.integers(1, 9),
    n_items=st.integers(1, 13),
    share=st.sampled_from([0.1, 0.5, 1.0]),
    block=st.integers(1, 5),
    seed=st.integers(0, 2**32),
)
def test_entries_are_the_products_of_columns_with_a_user_in_common(
    n_users: int, n_items: int, share: float, block: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    V = np.where(rng.random((n_users, n_items)) < share, rng.choice([0.5, 1 / 3, 2], (n_users, n_items)), 0)
    V = V.astype(np.float32)
    pairs = *rows_of(V.T), *rows_of(V)
    counts = np.full(n_items, -1)
    for first in range(0, n_items, block):
        count_entries(*pairs, first, counts[first : first + block])
    in_common = (V != 0).T.astype(int) @ (V != 0)
    assert counts.tolist() == (in_common > 0).sum(axis=1).tolist()
    starts = np.concatenate(([0], np.cumsum(counts)))
    near, entries = np.full(starts[-1], -1, np.int32), np.full(starts[-1], np.nan, np.float32)
    for first in range(0, n_items, block):
        fill_entries(*pairs, first, min(block, n_items - first), 2.5, starts, near, entries)
    expected = np.zeros((n_items, n_items))
    for v in V.astype(np.float64):
        expected += np.outer(v, v)
    for i in range(n_items):
        own = slice(starts[i], starts[i + 1])
        assert sorted(near[own].tolist()) == np.flatnonzero(in_common[i]).tolist()
        np.testing.assert_array_equal(entries[own], np.float32(2.5 * expected[i, near[own]]))


@settings(max_examples=30)
@given(
    n=st.integers(1, 9),
    d=st.integers(0, 7),
    n_items=st.sampled_from([1, TILE - 1, TILE, 2 * TILE + 3]),
    chosen=st.sampled_from([0.1, 0.5, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_products_are_added_whoever_else_and_whatever_items_are_asked(
    n: int, d: int, n_items: int, chosen: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    P, Q = rng.random((n, d), np.float32), rng.random((n_items, d), np.float32)
    n_tiles = -(-n_items // TILE)
    tiles = allocate(n_tiles * d, TILE)
    tiles[:] = np.nan  # what lies beyond the items must not matter
    for i in range(n_items):
        for f in range(d):
            tiles[i // TILE * d + f, i % TILE] = Q[i, f]
    columns, sums = np.flatnonzero(rng.random(n_items) < chosen), np.empty((4, TILE), np.float32)
    before = rng.random((n, len(columns)), np.float32)
    out = before.copy()
    add_products(P, tiles, columns, sums, out)
    np.testing.assert_allclose(out, before + P @ Q[columns].T, rtol=1e-5)
    for r in range(n):
        alone = before[r : r + 1].copy()
        add_products(P[r : r + 1], tiles, columns, sums, alone)
        np.testing.assert_array_equal(alone[0], out[r])
