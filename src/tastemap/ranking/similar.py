"""Nearest neighbours among the vectors of users or of items."""

from __future__ import annotations

from typing import Any, Literal, Protocol, get_args

import numpy as np

from tastemap.data._checks import check_choice, check_whole
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.errors import NotSupportedError, show
from tastemap.parallel import row_blocks
from tastemap.ranking.top_k import Candidates, Hidden, Lists, Ties, VectorCandidates, check_finite, top_k
from tastemap.typing import Floats, Ints, RowNumbers

# The number of differences of vectors' entries that are held in memory at a time.
GAPS_AT_ONCE = 1 << 22

Closeness = Literal["cosine", "dot", "euclidean"]


def check_metric(metric: Closeness, known: tuple[Closeness, ...] = get_args(Closeness), reason: str = "") -> None:
    """Raise ValueError for anything but a metric, NotSupportedError with the reason if the model does not have it."""
    check_choice("metric", metric, get_args(Closeness))
    if metric not in known:
        raise NotSupportedError(f"{reason}: metric must be {' or '.join(map(repr, known))} here, got {show(metric)}")


def nearest(queries: Any, catalogue: Candidates, rows: RowNumbers, k: int, ties: Ties) -> Lists:
    """Return the k best candidates for each query; query r leaves out its own row, rows[r]."""
    check_whole("k", k, lowest=1)
    itself = Rows(np.arange(len(rows) + 1), rows.astype(np.int32), np.empty(0, np.float32))
    return top_k(queries, catalogue, k, [Hidden(freeze_rows(itself), np.arange(len(rows)))], ties)


class Neighbours(Protocol):
    """Finds the nearest rows of users or of items; `Answers.make_item_space` and `make_user_space` return one."""

    def nearest(self, rows: RowNumbers, k: int, metric: Closeness, among: RowNumbers | None = None) -> Lists:
        """Return the k nearest neighbours of each row without the row itself.

        among : the rows that may be neighbours, ascending; None for all
        """
        ...


class Space:
    """Compares vectors with each other. It prepares each metric once, when it is first used.

    vectors : float32, (n, d)
    active : int64: the rows that may be neighbours, ascending
    tie_order : int32, (n,): the place of each row among neighbours that are equally near, as `IdMap.tie_order` gives it
    """

    def __init__(self, vectors: Floats, active: RowNumbers, tie_order: Ints) -> None:
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self.active = active
        self._ties = Ties.of(tie_order)
        self._prepared: dict[str, tuple[Floats, Floats, VectorCandidates]] = {}

    def nearest(self, rows: RowNumbers, k: int, metric: Closeness, among: RowNumbers | None = None) -> Lists:
        """Return the k nearest neighbours of each row without the row itself; nearer neighbours score higher.

        metric : "cosine", "dot", or "euclidean", scored as minus the distance
        among : the rows that may be neighbours, ascending; None for all active ones
        """
        check_metric(metric)
        if metric not in self._prepared:  # if two threads come first, both prepare the same
            with np.errstate(over="ignore", invalid="ignore"):  # reported by the check
                queries, vectors = map(check_finite, self._prepare(metric))
            self._prepared[metric] = queries, vectors, VectorCandidates(vectors, self.active)
        queries, vectors, catalogue = self._prepared[metric]
        if among is not None:
            catalogue = VectorCandidates(vectors, among)
        lists = nearest(queries[rows], catalogue, rows, k, self._ties)
        check_finite(lists.scores[lists.rows >= 0])
        return self._order_by_distance(rows, lists) if metric == "euclidean" else lists

    def _prepare(self, metric: Closeness) -> tuple[Floats, Floats]:
        """Return queries and vectors whose products order neighbours by the metric."""
        vectors = self.vectors
        if metric == "dot":
            return vectors, vectors
        squares = np.einsum("if,if->i", vectors, vectors, dtype=np.float64)
        if metric == "cosine":
            norms = np.sqrt(np.where(squares > 0, squares, 1)).astype(np.float32)
            unit = vectors / norms[:, None]
            return unit, unit
        # |a - b|^2 = |a|^2 - 2 (a.b - |b|^2 / 2), rounding is least if the vectors lie around the origin.
        vectors = vectors - vectors.mean(axis=0)
        squares = np.einsum("if,if->i", vectors, vectors, dtype=np.float64)
        ones = np.ones((len(vectors), 1), np.float32)
        halves = (-0.5 * squares)[:, None].astype(np.float32)
        return np.hstack([vectors, ones]), np.hstack([vectors, halves])

    def _order_by_distance(self, rows: RowNumbers, lists: Lists) -> Lists:
        """Set each neighbour's score to minus its distance, and order by these scores."""
        scores = np.empty(lists.rows.shape, np.float32)
        cells = max(lists.rows.shape[1] * self.vectors.shape[1], 1)
        for block in row_blocks(len(rows), max(GAPS_AT_ONCE // cells, 1)):
            gaps = self.vectors[rows[block]][:, None, :].astype(np.float64) - self.vectors[lists.rows[block]]
            scores[block] = -np.sqrt(np.einsum("nkf,nkf->nk", gaps, gaps)).astype(np.float32)
        scores[np.arange(lists.rows.shape[1]) >= lists.counts[:, None]] = -np.inf
        order = np.lexsort((self._ties.places[lists.rows], -scores))
        return Lists(np.take_along_axis(lists.rows, order, 1), np.take_along_axis(scores, order, 1), lists.counts)
