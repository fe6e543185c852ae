"""The one blocked top-k behind recommend, similar and evaluate. How its bits are kept: see kernels/ranking.py."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data.pairs import Rows
from tastemap.kernels import ranking as kernels

Floats = npt.NDArray[np.float32]

# A block of scores takes 2 MB a thread whatever the catalogue's size: it stays in the second-level cache.
BLOCK_QUERIES = 64
BLOCK_ITEMS = 8192

# Candidates beyond k that the approximate scores may propose; more make an exact second pass rarer.
SPARE = 16

# Up to here scoring in the fixed order costs less than setting up a matrix product.
FEW_QUERIES = 4


class Lists(NamedTuple):
    """Ranked lists as arrays; only the first counts[r] places of row r are filled, the others hold -1 and -inf.

    rows int32 (n, k): item rows, best first. scores float32 (n, k). counts int64 (n).
    """

    rows: npt.NDArray[np.int32]
    scores: Floats
    counts: npt.NDArray[np.int64]


class Hidden(NamedTuple):
    """Items kept out of the lists: for query r those in row rows[r] (int64) of a CSR over all items; -1 hides none."""

    items: Rows
    rows: npt.NDArray[np.int64]

    def of(self, chosen: npt.NDArray[np.bool_] | slice) -> Hidden:
        """Return the same for some of the queries."""
        return Hidden(self.items, self.rows[chosen])


class Catalogue:
    """The items that may be recommended, ready for ranking.

    vectors float32 (n_items, d): a score is query . vector. rows: the item rows that may appear, ascending; None: all.
    """

    def __init__(self, vectors: Floats, rows: npt.NDArray[np.int64] | None = None) -> None:
        self.n_items = len(vectors)
        everything = rows is None or len(rows) == len(vectors)
        self.rows = np.arange(self.n_items) if rows is None else rows
        self.vectors = np.ascontiguousarray(vectors if everything else vectors[self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def position(self) -> npt.NDArray[np.int32]:
        """An item row's column among the candidates, -1 where it is none: int32, (n_items,)."""
        position = np.full(self.n_items, -1, np.int32)
        position[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        return position

    @cached_property
    def longest(self) -> float:
        """The largest norm of a vector."""
        return float(np.sqrt(np.max(np.einsum("if,if->i", self.vectors, self.vectors, dtype=np.float64), initial=0)))


def top_k(queries: Floats, catalogue: Catalogue, k: int, hidden: Sequence[Hidden] = ()) -> Lists:
    """Return for each query the k best of the catalogue by (score descending, item row ascending).

    queries float32 (n, d). The lists do not depend on the batch, the blocks or the threads.
    """
    n, k = len(queries), min(int(k), len(catalogue))
    queries = np.ascontiguousarray(queries, np.float32)
    lists = Lists(np.full((n, k), -1, np.int32), np.full((n, k), -np.inf, np.float32), np.zeros(n, np.int64))
    if n <= FEW_QUERIES:
        for r in range(n):
            _rank_exactly(queries, catalogue, k, hidden, r, lists)
    elif k:
        blocks = parallel.row_blocks(n, BLOCK_QUERIES)
        parallel.run(lambda b: _rank_block(queries, catalogue, k, hidden, blocks[b], lists), len(blocks))
    filled = lists.rows >= 0
    lists.rows[filled] = catalogue.rows[lists.rows[filled]]
    return lists


def _rank_block(
    queries: Floats, catalogue: Catalogue, k: int, hidden: Sequence[Hidden], block: slice, lists: Lists
) -> None:
    P, Q = queries[block], catalogue.vectors
    n = len(P)
    # One place more than there are items: a heap that can hold all is never full, and nothing is left out.
    capacity = min(k + SPARE, len(Q) + 1)
    heap_scores = np.empty((n, capacity), np.float32)
    heap_columns = np.empty((n, capacity), np.int32)
    sizes = np.zeros(n, np.int64)
    buffer = np.empty(n * min(BLOCK_ITEMS, len(Q)), np.float32)
    for first in range(0, len(Q), BLOCK_ITEMS):
        vectors = Q[first : first + BLOCK_ITEMS]
        scores = buffer[: n * len(vectors)].reshape(n, len(vectors))
        np.matmul(P, vectors.T, out=scores)
        for items, rows in hidden:
            kernels.hide(scores, first, items.indptr, items.indices, catalogue.position, rows[block])
        kernels.propose(scores, first, heap_scores, heap_columns, sizes)
    unsure = np.zeros(n, np.bool_)
    kernels.decide(
        P,
        Q,
        catalogue.longest,
        heap_scores,
        heap_columns,
        sizes,
        k,
        lists.rows[block],
        lists.scores[block],
        lists.counts[block],
        unsure,
    )
    for r in np.flatnonzero(unsure):
        _rank_exactly(queries, catalogue, k, hidden, block.start + int(r), lists)


def _rank_exactly(
    queries: Floats, catalogue: Catalogue, k: int, hidden: Sequence[Hidden], r: int, lists: Lists
) -> None:
    mask = np.zeros(len(catalogue) + 1, np.bool_)  # the last place takes the items that are no candidates
    for items, rows in hidden:
        if rows[r] >= 0:
            mask[catalogue.position[items.indices[items.indptr[rows[r]] : items.indptr[rows[r] + 1]]]] = True
    lists.counts[r] = kernels.rank_exactly(queries[r], catalogue.vectors, mask, k, lists.rows[r], lists.scores[r])
