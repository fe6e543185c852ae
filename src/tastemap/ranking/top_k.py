"""The blocked top-k that recommend, similar and evaluate share. kernels/ranking.py explains why its bits never vary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from tastemap import memory, parallel
from tastemap.data._checks import check_rows
from tastemap.data._pairs import Rows, freeze
from tastemap.errors import DataError
from tastemap.kernels import ranking as kernels
from tastemap.typing import Floats, Ints, RowNumbers

# A block of scores takes 2 MB for each thread, whatever the catalogue's size: it stays in the second-level cache.
BLOCK_QUERIES = 64
BLOCK_ITEMS = 8192

# Candidates beyond k that the approximate scores may propose; with more, an exact second pass is rarer.
SPARE = 16

# With so many items a query or a block takes milliseconds, and is worth a thread of its own.
MANY_ITEMS = 1 << 16

# Up to this many queries, scoring in the fixed order costs less than setting up a matrix product.
FEW_QUERIES = 4


class Lists(NamedTuple):
    """Ranked lists as arrays; only the first counts[r] places of row r are filled, the others hold -1 and -inf.

    rows : int32, (n, k): item rows, best first
    scores : float32, (n, k)
    counts : int64, (n,)
    """

    rows: npt.NDArray[np.int32]
    scores: Floats
    counts: RowNumbers

    def of(self, block: slice) -> Lists:
        """Return views of some of the lists."""
        return Lists(self.rows[block], self.scores[block], self.counts[block])


class Ties(NamedTuple):
    """The order in which rows with equal scores come.

    places : int32, (n,): the place of each row
    rows : int32, (n,): the row at each place
    """

    places: Ints
    rows: Ints

    @classmethod
    def of(cls, places: npt.NDArray[np.integer[Any]]) -> Self:
        """Make the order from the place of each row, such as `IdMap.tie_order`."""
        rows = np.empty(len(places), np.int32)
        rows[places] = np.arange(len(places), dtype=np.int32)
        # Read-only, because kernels are compiled once, for arrays of one kind.
        return cls(freeze(places.astype(np.int32, copy=False)), freeze(rows))


class Hidden(NamedTuple):
    """Items to leave out: for query r those in row rows[r] (int64) of a CSR over all items; row -1 has none."""

    items: Rows
    rows: RowNumbers

    def of(self, chosen: npt.NDArray[np.bool_] | RowNumbers | slice) -> Hidden:
        """Return the same for some of the queries."""
        return Hidden(self.items, self.rows[chosen])


class Candidates(ABC):
    """The items that may be recommended, and how they are scored.

    n_items : the number of all items, known or not
    rows : int64, ascending: the item rows that may appear; None for all
    """

    def __init__(self, n_items: int, rows: RowNumbers | None = None) -> None:
        self.n_items = n_items
        self.rows = np.arange(n_items) if rows is None else check_rows("item rows", rows, n_items)
        if (self.rows[1:] <= self.rows[:-1]).any():
            raise ValueError("the rows of candidates must ascend, each once: pass np.unique(rows)")

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def position(self) -> npt.NDArray[np.int32]:
        """The column of each item row among the candidates, -1 for other items: int32, (n_items,)."""
        position = np.full(self.n_items, -1, np.int32)
        position[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        return position

    @abstractmethod
    def fill(self, queries: Any, k: int, hidden: Sequence[Hidden], ties: Ties, lists: Lists) -> None:
        """Fill the lists of all queries; `lists.rows` gets places among the ties, not item rows."""

    @abstractmethod
    def pair_scores(self, queries: Any, who: RowNumbers, items: RowNumbers) -> Floats:
        """Return the score that lists have for query who[j] and the candidate in item row items[j]: float32, (n,)."""

    def score_all(self, queries: Any, items: RowNumbers) -> Floats:
        """Return the scores that lists have for all queries and the candidates in item rows, ascending: (n, items)."""
        n, n_items = len(queries), len(items)
        who = np.repeat(np.arange(n), n_items)
        return self.pair_scores(queries, who, np.tile(items, n)).reshape(n, n_items)


class VectorCandidates(Candidates):
    """Candidates with a vector each; a score is the product of query and vector.

    vectors : float32, (n_items, d); queries are float32, (n, d)
    """

    def __init__(self, vectors: Floats, rows: RowNumbers | None = None) -> None:
        super().__init__(len(vectors), rows)
        self.vectors = np.ascontiguousarray(vectors if len(self) == len(vectors) else vectors[self.rows])

    @cached_property
    def longest(self) -> float:
        """The largest norm of the candidates' vectors."""
        return float(np.sqrt(np.max(np.einsum("if,if->i", self.vectors, self.vectors, dtype=np.float64), initial=0)))

    def fill(self, queries: Floats, k: int, hidden: Sequence[Hidden], ties: Ties, lists: Lists) -> None:
        """Propose candidates by matrix products, then score the proposed ones again in a fixed order."""
        n, is_long = len(queries), len(self) >= MANY_ITEMS
        queries = np.ascontiguousarray(queries, np.float32)
        if n <= FEW_QUERIES:

            def rank(r: int) -> None:
                _rank_exactly(queries, self, k, hidden, r, ties, lists)

            if is_long:
                _run(rank, n)
            else:
                for r in range(n):
                    rank(r)
            return
        # Where a block takes long, no thread stands idle beside it.
        people = min(BLOCK_QUERIES, -(-n // parallel.n_threads())) if is_long else BLOCK_QUERIES
        blocks = parallel.row_blocks(n, people)
        parallel.run(lambda b: _rank_block(queries, self, k, hidden, blocks[b], ties, lists), len(blocks))

    def pair_scores(self, queries: Floats, who: RowNumbers, items: RowNumbers) -> Floats:
        """Return the products, added in the fixed order."""
        out = np.empty(len(who), np.float32)
        kernels.pair_scores(queries, self.vectors, who, self.position[items].astype(np.int64), out)
        return out


class ComputedCandidates(Candidates):
    """Candidates whose scores a model computes itself, for a block of queries and a run of items at a time.

    The order of additions in a score may depend on its query and its item only, so that the batch changes no bit. The
    subclass chooses its queries; they have a length and can be sliced.
    """

    # The most queries and the most scores in a block: with fewer queries a block has more items.
    people: int = BLOCK_QUERIES
    cells: int = BLOCK_QUERIES * BLOCK_ITEMS

    @abstractmethod
    def block_scores(self, queries: Any, items: RowNumbers, out: Floats) -> None:
        """Set out[r, c], float32, to the score of query r and item row items[c]; -inf is never listed.

        items : in ascending order
        """

    def score_all(self, queries: Any, items: RowNumbers) -> Floats:
        """Return the scores of a block."""
        out = np.empty((len(queries), len(items)), np.float32)
        self.block_scores(queries, items, out)
        return out

    def fill(self, queries: Any, k: int, hidden: Sequence[Hidden], ties: Ties, lists: Lists) -> None:
        """Score a block at a time, hide what is left out, and keep the k best."""
        blocks = parallel.row_blocks(len(queries), self.people)

        def rank(b: int) -> None:
            mine = [some.of(blocks[b]) for some in hidden]
            self._rank_block(queries[blocks[b]], mine, ties, lists.of(blocks[b]))

        _run(rank, len(blocks))

    def _rank_block(self, queries: Any, hidden: Sequence[Hidden], ties: Ties, lists: Lists) -> None:
        n = len(queries)
        run = min(max(self.cells // n, 1), len(self))
        buffer = np.empty(n * run, np.float32)
        for first in range(0, len(self), run):
            items = self.rows[first : first + run]
            scores = buffer[: n * len(items)].reshape(n, len(items))
            self.block_scores(queries, items, scores)
            for pairs, rows in hidden:
                kernels.hide(scores, first, pairs.indptr, pairs.indices, self.position, rows)
            # The scores are final, so the lists themselves serve as heaps.
            kernels.propose(scores, first, self.rows, ties.places, lists.scores, lists.rows, lists.counts)
        kernels.sort_lists(lists.scores, lists.rows, lists.counts)

    def pair_scores(self, queries: Any, who: RowNumbers, items: RowNumbers) -> Floats:
        """Return the scores, computed for one query and its items at a time."""
        order = np.lexsort((items, who))
        starts = np.searchsorted(who[order], np.arange(len(queries) + 1))
        out = np.empty(len(who), np.float32)
        blocks = parallel.row_blocks(len(queries), self.people)

        def score(b: int) -> None:
            for r in range(blocks[b].start, blocks[b].stop):
                mine = order[starts[r] : starts[r + 1]]
                scores = np.empty((1, len(mine)), np.float32)
                self.block_scores(queries[r : r + 1], items[mine], scores)
                out[mine] = scores[0]

        _run(score, len(blocks))
        return out


def ask_for_lists(n: int, k: int, place: int = 8) -> None:
    """Raise DataError where n lists of k items take more memory than is free.

    place : the bytes that an item of a list takes
    """
    memory.ask(f"{n:,} lists of {k:,} items", n * k * place, "lower k", "ask for fewer at a time")


def check_finite(scores: Floats) -> Floats:
    """Return scores; raises DataError where one is more than a float32 holds."""
    if not np.isfinite(scores).all():
        raise DataError("some scores are more than 32-bit floats hold: scale the weights down and fit again")
    return scores


def _run(task: Callable[[int], None], n_blocks: int) -> None:
    if n_blocks == 1:
        task(0)  # a single query need not ask for the thread pool or set up BLAS
    else:
        parallel.run(task, n_blocks)


def top_k(queries: Any, catalogue: Candidates, k: int, hidden: Sequence[Hidden], ties: Ties) -> Lists:
    """Return for each query the k best of the catalogue, the highest score first.

    queries : as the catalogue takes them, float32 (n, d) for `VectorCandidates`
    ties : the order of items with equal scores

    The lists do not depend on the batch, the blocks or the threads.
    """
    n, k = len(queries), min(int(k), len(catalogue))
    for items, rows in hidden:
        check_rows("rows of hidden items", rows, len(items.indptr) - 1, lowest=-1)
    ask_for_lists(n, k)
    lists = Lists(np.full((n, k), -1, np.int32), np.full((n, k), -np.inf, np.float32), np.zeros(n, np.int64))
    if n and k:
        catalogue.fill(queries, k, hidden, ties, lists)
    filled = lists.rows >= 0
    lists.rows[filled] = ties.rows[lists.rows[filled]]
    return lists


def _rank_block(
    queries: Floats,
    catalogue: VectorCandidates,
    k: int,
    hidden: Sequence[Hidden],
    block: slice,
    ties: Ties,
    lists: Lists,
) -> None:
    P, Q = queries[block], catalogue.vectors
    n = len(P)
    # One place more than there are items: such a heap is never full, so no item is dropped.
    capacity = min(k + SPARE, len(Q) + 1)
    heap_scores = np.empty((n, capacity), np.float32)
    heap_places = np.empty((n, capacity), np.int32)
    sizes = np.zeros(n, np.int64)
    buffer = np.empty(n * min(BLOCK_ITEMS, len(Q)), np.float32)
    for first in range(0, len(Q), BLOCK_ITEMS):
        vectors = Q[first : first + BLOCK_ITEMS]
        scores = buffer[: n * len(vectors)].reshape(n, len(vectors))
        np.matmul(P, vectors.T, out=scores)
        for items, rows in hidden:
            kernels.hide(scores, first, items.indptr, items.indices, catalogue.position, rows[block])
        kernels.propose(scores, first, catalogue.rows, ties.places, heap_scores, heap_places, sizes)
    roots, unsure = np.empty(n), np.zeros(n, np.bool_)
    kernels.rescore(P, Q, ties.rows, catalogue.position, heap_scores, heap_places, sizes, roots)
    kernels.sort_lists(heap_scores, heap_places, sizes)
    kernels.decide(
        P,
        catalogue.longest,
        heap_scores,
        heap_places,
        sizes,
        roots,
        k,
        lists.rows[block],
        lists.scores[block],
        lists.counts[block],
        unsure,
    )
    for r in np.flatnonzero(unsure):
        _rank_exactly(queries, catalogue, k, hidden, block.start + int(r), ties, lists)


def _rank_exactly(
    queries: Floats, catalogue: VectorCandidates, k: int, hidden: Sequence[Hidden], r: int, ties: Ties, lists: Lists
) -> None:
    mask = np.zeros(len(catalogue) + 1, np.bool_)  # items that are not candidates mark the last place
    for items, rows in hidden:
        if rows[r] >= 0:
            mask[catalogue.position[items.indices[items.indptr[rows[r]] : items.indptr[rows[r] + 1]]]] = True
    mine = lists.of(slice(r, r + 1))
    mine.counts[0] = kernels.rank_exactly(
        queries[r], catalogue.vectors, catalogue.rows, ties.places, mask, k, mine.rows[0], mine.scores[0]
    )
    kernels.sort_lists(mine.scores, mine.rows, mine.counts)
