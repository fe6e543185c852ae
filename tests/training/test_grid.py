"""The grid of conflict-free stochastic gradient descent: complete, disjoint, shuffled, the same on any threads."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import tastemap as tm
from tastemap.data._pairs import Rows, rows_of
from tastemap.kernels.sgd import Bucket, permute_rows, shuffle
from tastemap.training import grid as sgd
from tastemap.training.grid import Grid


def some_pairs(n_users: int, n_items: int, share: float, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    matrix = sp.random_array((n_users, n_items), density=share, rng=rng, format="csr", dtype=np.float32)
    matrix.sort_indices()
    matrix.data = np.arange(1, len(matrix.data) + 1, dtype=np.float32)  # each pair has a value of its own
    return rows_of(matrix)


def dealt(grid: Grid, epoch: int = 0, *, in_order: bool = False) -> list[list[Bucket]]:
    """Return the buckets of every stratum."""
    strata: list[list[Bucket]] = [[]]

    def keep(bucket: Bucket) -> float:
        strata[-1].append(Bucket(*map(copy.copy, bucket)))
        return 1.0

    with tm.threads(1):
        assert grid.run(epoch, keep, after=lambda: strata.append([]), in_order=in_order) == grid.n_blocks**2
    return strata[:-1]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sgd, "BLOCK_ROWS", 8)
    monkeypatch.setattr(sgd, "BUCKET_PAIRS", 8)


@pytest.mark.usefixtures("small_blocks")
def test_every_pair_is_dealt_once_and_a_stratum_shares_no_row() -> None:
    pairs = some_pairs(53, 41, 0.2)
    strata = dealt(Grid(pairs, 41, seed=3))
    assert len(strata) == 4  # of the five that there are rows for, so that they are even
    users = np.repeat(np.arange(53), np.diff(pairs.indptr))
    expected = sorted(zip(users, pairs.indices, pairs.data, strict=True))
    got = [(u, b.members[i], v) for s in strata for b in s for u, i, v in zip(b.users, b.items, b.values, strict=True)]
    assert sorted(got) == expected
    for stratum in strata:
        assert sorted(i for b in stratum for i in b.members) == sorted(set(pairs.indices))
        people = [u for b in stratum for u in set(b.users)]
        assert len(people) == len(set(people))
        assert max(len(b.members) for b in stratum) - min(len(b.members) for b in stratum) <= 4
    for bucket in (b for s in strata for b in s):
        groups = 1 + np.count_nonzero(np.diff(bucket.users)) if len(bucket.users) else 0
        assert groups == len(set(bucket.users))  # a user's pairs lie together


@pytest.mark.usefixtures("small_blocks")
def test_the_items_of_a_block_lie_side_by_side_where_their_rows_stand_in_order() -> None:
    grid = Grid(some_pairs(53, 41, 0.05), 41, seed=3)
    order = grid.order_items(epoch=1)
    assert len(order) < 41  # some have no pair
    scattered, lying = (itertools.chain(*dealt(grid, 1, in_order=in_order)) for in_order in (False, True))
    for bucket, ordered in zip(scattered, lying, strict=True):
        assert ordered.members.tolist() == list(range(ordered.members[0], ordered.members[-1] + 1))
        assert order[ordered.members].tolist() == bucket.members.tolist()
        assert all(np.array_equal(*both) for both in zip(bucket[1:4], ordered[1:4], strict=True))


@given(st.permutations(range(12)), st.integers(1, 3))
def test_rows_are_put_in_an_order_and_back(order: list[int], width: int) -> None:
    rows = np.arange(12 * width, dtype=np.float32).reshape(12, width)
    moved, places = rows.copy(), np.array(order, np.int32)
    permute_rows(moved, places)
    assert np.array_equal(moved, rows[places])
    permute_rows(moved, np.argsort(places).astype(np.int32))
    assert np.array_equal(moved, rows)


@pytest.mark.usefixtures("small_blocks")
def test_epochs_and_seeds_deal_anew_and_threads_deal_alike() -> None:
    pairs = some_pairs(40, 60, 0.3)

    def flat(grid: Grid, epoch: int) -> list[tuple[int, ...]]:
        return [tuple(b.users) + tuple(b.members[b.items]) + (int(b.state),) for s in dealt(grid, epoch) for b in s]

    first = flat(Grid(pairs, 60, seed=1), 0)
    assert first == flat(Grid(pairs, 60, seed=1), 0)
    assert len({str(first), str(flat(Grid(pairs, 60, seed=1), 1)), str(flat(Grid(pairs, 60, seed=2), 0))}) == 3
    assert len({b[-1] for b in first}) == len(first)
    for n in (2, 5):
        with tm.threads(n):
            rows = np.zeros(40)

            def work(bucket: Bucket, rows: np.ndarray = rows) -> float:
                for place, u in enumerate(bucket.users):
                    rows[u] = rows[u] * 1.5 + bucket.members[bucket.items[place]]  # the order matters
                return float(rows.sum())

            Grid(pairs, 60, seed=1).run(0, work)
        with tm.threads(1):
            alone = np.zeros(40)
            Grid(pairs, 60, seed=1).run(0, lambda bucket, alone=alone: work(bucket, alone))
        np.testing.assert_array_equal(rows, alone)


@pytest.mark.usefixtures("small_blocks")
def test_an_item_of_a_user_is_in_every_place_equally_often() -> None:
    pairs = some_pairs(8, 8, 1.0)
    grid = Grid(pairs, 8, seed=0)
    firsts = np.zeros(8)
    for epoch in range(800):
        for bucket in dealt(grid, epoch)[0]:
            starts = np.flatnonzero(np.append(True, np.diff(bucket.users) != 0))
            np.add.at(firsts, bucket.members[bucket.items[starts]], 1)
    assert np.abs(firsts / firsts.sum() - 1 / 8).max() < 5 * np.sqrt(1 / 8 / firsts.sum())


@given(st.integers(0, 50), st.integers(0, 2**64 - 1))
def test_a_shuffle_keeps_every_number(n: int, state: int) -> None:
    order = np.arange(n, dtype=np.int32)
    shuffle(order, np.uint64(state))
    assert sorted(order) == list(range(n))


@pytest.mark.parametrize(
    ("shape", "blocks"),
    [
        (lambda: some_pairs(5, 7, 1.0), 1),
        (lambda: some_pairs(1100, 1100, 0.05), 2),  # 60,500 pairs
        (lambda: some_pairs(1100, 1100, 0.02), 1),  # 24,200 pairs
    ],
)
def test_the_number_of_blocks_follows_from_the_data(shape: Callable[[], Rows], blocks: int) -> None:
    pairs = shape()
    assert Grid(pairs, int(pairs.indices.max()) + 1, seed=0).n_blocks == blocks
