"""Lists with more variety: items that are unlike those before them, and few of one kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data._checks import check_share
from tastemap.data.item_table import Limits
from tastemap.kernels import rerank as kernels
from tastemap.ranking.top_k import Lists
from tastemap.typing import Floats, Ints

# The places that diversity chooses among: a constant, so that the list for a smaller k begins that for a larger one.
POOL = 100

# The lists that are chosen at a time; each has a matrix of POOL x POOL.
LISTS_AT_ONCE = 64

# How much deeper a ranking is searched where limits left places empty.
DEEPER = 4

_NO_LIMITS = Limits(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))


class Alike(Protocol):
    """Tells how alike items are; the spaces in which models compare items do."""

    def similarities(self, rows: npt.NDArray[np.int32]) -> Floats:
        """Return the similarity of each two items of a list: rows int32 (n, m), -1 for none; float32 (n, m, m)."""
        ...


@dataclass(frozen=True)
class Variety:
    """How lists are chosen from what is ranked, place by place:

    next       argmax over the items left of (1 - d) r_i - d max_j s_ij,    j the items chosen so far
               r_i = (score_i - lowest) / (highest - lowest),  s_ij = alike_ij / the largest alike, at least 0

    among the best 100 items, d the diversity; behind them in the order of scores. An item is skipped where a value of
    a limited column was listed as often as it may be; then the ranking is searched deeper, until the list is full.

    diversity : from 0, the order of scores, to 1
    space : how alike items are; None where diversity is 0
    limits : None for none

    Carbonell and Goldstein, The use of MMR, diversity-based reranking, SIGIR 1998.
    """

    diversity: float = 0.0
    space: Alike | None = None
    limits: Limits | None = None

    def __post_init__(self) -> None:
        check_share("diversity", self.diversity)

    def rank(self, rank: Callable[[int], Lists], k: int) -> Lists:
        """Return lists of k items; their scores stay what they were.

        rank : returns the ranked lists of a length
        """
        if not self.diversity and self.limits is None:
            return rank(k)
        depth = max(k if self.limits is None else DEEPER * k, POOL if self.diversity else 0)
        while True:
            ranked = rank(depth)
            lists = self.choose(ranked, k)
            may_have_more = (ranked.counts == depth) & (lists.counts < k)
            if not may_have_more.any():
                return lists
            depth *= DEEPER

    def choose(self, ranked: Lists, k: int) -> Lists:
        """Return the first k items of ranked lists, chosen place by place."""
        limits = self.limits or _NO_LIMITS
        n, depth = ranked.rows.shape
        chosen, sizes = np.full((n, min(k, depth)), -1, np.int32), np.zeros(n, np.int64)
        blocks = parallel.row_blocks(n, LISTS_AT_ONCE)

        def work(b: int) -> None:
            block = blocks[b]
            kernels.choose(
                *ranked.of(block),
                self._compare(ranked.rows[block, :POOL]),
                float(self.diversity),
                *limits,
                np.zeros(len(limits.most), np.int64),
                chosen[block],
                sizes[block],
            )

        parallel.run(work, len(blocks))
        is_filled = chosen >= 0
        places = np.where(is_filled, chosen, 0)
        rows = np.where(is_filled, np.take_along_axis(ranked.rows, places, 1), np.int32(-1))
        scores = np.where(is_filled, np.take_along_axis(ranked.scores, places, 1), np.float32(-np.inf))
        return Lists(rows, scores, sizes)

    def _compare(self, rows: Ints) -> Floats:
        """Return how alike the items of each list are, in multiples of the largest, at least 0: (n, m, m)."""
        if not self.diversity or not rows.shape[1]:
            return np.empty((len(rows), 0, 0), np.float32)
        assert self.space is not None
        alike = np.maximum(self.space.similarities(rows), np.float32(0))
        is_there = rows >= 0
        alike *= is_there[:, :, None] & is_there[:, None, :]
        diagonal = np.arange(rows.shape[1])
        alike[:, diagonal, diagonal] = 0
        largest = alike.max(axis=(1, 2), keepdims=True)
        return np.ascontiguousarray(alike / np.where(largest > 0, largest, np.float32(1)), np.float32)
