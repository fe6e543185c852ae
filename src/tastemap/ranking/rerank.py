"""Lists that are diverse, or hold at most so many items of a value: chosen from what a ranking lists, row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from tastemap import parallel
from tastemap.data._checks import check_share
from tastemap.data._pairs import freeze
from tastemap.data.item_table import Limits
from tastemap.kernels import rerank as kernels
from tastemap.ranking.top_k import Lists
from tastemap.typing import Floats, Ints, RowNumbers

# How many of the best items a diverse list is chosen from. It is the same for all k, so that a list of k items is the
# beginning of every longer one.
POOL = 100

# With limits, so many times the places wanted are ranked at first, and twice as many each time that does not suffice.
DEEPER = 4

# The lists that are chosen together, and the places of lists that are ranked at a time.
LISTS_AT_ONCE = 128
PLACES_AT_ONCE = 1 << 22

# Ranks some of the lists, which it gets by their numbers, to a depth.
Rank = Callable[[RowNumbers, int], Lists]


class Similar(Protocol):
    """Tells how similar items are; `Neighbours` do."""

    def similarities(self, rows: RowNumbers, others: Ints) -> Floats:
        """Return the similarity of item rows[r] to each of others[r], at most 1: float32, (n, m); 0 where one is -1."""
        ...


def rank_diverse(
    rank: Rank,
    n: int,
    k: int,
    n_items: int,
    *,
    space: Similar | None = None,
    diversity: float = 0.0,
    limits: Limits | None = None,
) -> Lists:
    """Return n lists of k items, each chosen from what `rank` lists: the next item is the one with the highest

    (1 - diversity) r - diversity max(0, highest similarity to an item chosen before)

    among the POOL best whose values are not full; r is the score, scaled to 0..1 within the pool. Behind the pool items
    come in the order of `rank`.

    n_items : the number of items that may be listed
    space : compares the items; needed with a diversity
    diversity : from 0, the order of the scores, to 1
    limits : the most items of a value that a list may hold

    A list is the beginning of every longer one, and depends on its own ranking alone. Scores stay those of `rank`, and
    ties its order.

    Carbonell and Goldstein, The use of MMR, diversity-based reranking, SIGIR 1998.
    """
    check_share("diversity", diversity)
    if not diversity and limits is None:
        return rank(np.arange(n), k)
    k = min(k, n_items)
    depth = min(max(k if limits is None else DEEPER * k, POOL if diversity else 1), n_items)
    out = Lists(np.full((n, k), -1, np.int32), np.full((n, k), -np.inf, np.float32), np.zeros(n, np.int64))
    wanted = np.arange(n) if k else np.arange(0)
    while len(wanted):
        short = []
        for block in parallel.row_blocks(len(wanted), max(PLACES_AT_ONCE // depth, 1)):
            some = wanted[block]
            ranked = rank(some, depth)
            out.rows[some], out.scores[some], out.counts[some] = _choose(ranked, k, space, float(diversity), limits)
            short.append(some[(out.counts[some] < k) & (ranked.counts == depth)])
        wanted = np.concatenate(short) if depth < n_items else np.arange(0)
        depth = min(2 * depth, n_items)
    return out


def _choose(ranked: Lists, k: int, space: Similar | None, diversity: float, limits: Limits | None) -> Lists:
    n = len(ranked.rows)
    chosen, listed = np.full((n, k), -1, np.int64), np.zeros(n, np.int64)
    blocks = parallel.row_blocks(n, LISTS_AT_ONCE)

    def choose(b: int) -> None:
        _choose_block(ranked.of(blocks[b]), space, diversity, limits, chosen[blocks[b]], listed[blocks[b]])

    if len(blocks) == 1:
        choose(0)
    else:
        parallel.run(choose, len(blocks), uses_blas=False)
    filled = np.arange(k) < listed[:, None]
    places = np.where(filled, chosen, 0)
    return Lists(
        np.where(filled, np.take_along_axis(ranked.rows, places, 1), np.int32(-1)),
        np.where(filled, np.take_along_axis(ranked.scores, places, 1), np.float32(-np.inf)),
        listed,
    )


def _choose_block(
    ranked: Lists,
    space: Similar | None,
    diversity: float,
    limits: Limits | None,
    chosen: RowNumbers,
    listed: RowNumbers,
) -> None:
    rows, scores, counts = ranked
    n, k = chosen.shape
    if limits is None:
        starts, values, most = np.zeros(int(rows.max(initial=0)) + 2, np.int64), np.empty(0, np.int32), np.empty(0, int)
        starts, values, most = freeze(starts), freeze(values), freeze(most)
    else:
        starts, values, most = limits
    first = 0
    if diversity:
        assert space is not None
        first = min(POOL, rows.shape[1])
        pool = np.ascontiguousarray(rows[:, :first])
        relevance, closeness = np.zeros((n, first)), np.zeros((n, first))
        is_open, last = np.zeros((n, first), np.bool_), np.empty(n, np.int64)
        kernels.open_pool(scores, counts, relevance, closeness, is_open)
        for step in range(min(k, first)):
            kernels.choose(pool, relevance, closeness, is_open, diversity, starts, values, most, chosen, listed, last)
            if step + 1 < min(k, first):
                kernels.come_closer(space.similarities(last, pool), last, closeness)
    kernels.choose_rest(rows, counts, first, starts, values, most, np.zeros(len(most), np.int64), chosen, listed)
