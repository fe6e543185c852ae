"""Nearest neighbours among the vectors of users or of items."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, Protocol, get_args

import numpy as np

from tastemap.data._checks import check_choice, check_whole
from tastemap.data._pairs import Rows, freeze, freeze_rows
from tastemap.errors import NotSupportedError, show
from tastemap.kernels.rerank import compare_vectors
from tastemap.parallel import one_blas_thread, row_blocks
from tastemap.ranking.top_k import Candidates, Hidden, Lists, Ties, VectorCandidates, check_finite, top_k
from tastemap.typing import Counts, Doubles, Flags, Floats, Ints, RowNumbers

# The number of differences of vectors' entries that are held in memory at a time.
GAPS_AT_ONCE = 1 << 22

# The number of vectors that are turned at a time.
ROWS_AT_ONCE = 1 << 14

# What every eigenvalue of the scatter gets, in multiples of their mean: hardly used directions are not blown up.
RIDGE = 0.03

# With so many training pairs half of an item's cosine counts; features count as so many pairs.
SHRINKAGE = 3

Closeness = Literal["cosine", "plain_cosine", "dot", "euclidean"]


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

    def similarities(self, rows: RowNumbers, others: Ints) -> Floats:
        """Return the similarity of rows[r] to each of others[r], at most 1, and 0 where either is -1: float32, (n, m).

        rows : int64, (n,)
        others : int32, (n, m)
        """
        ...


class Space:
    """Compares vectors with each other. It prepares each metric once, when it is first used.

    cosine         trust_j cos(z_q, z_j),    z = turn' y
    plain_cosine   cos(y_q, y_j)
    dot            y_q . y_j
    euclidean      -|y_q - y_j|

    vectors : float32, (n, d): the y
    active : int64: the rows that may be neighbours, ascending
    tie_order : int32, (n,): the place of each row among neighbours that are equally near, as `IdMap.tie_order` gives it
    turn : float64, (d, d): from `find_turns`
    trust : float64, (n,), from `find_trust`; None for 1
    """

    def __init__(
        self,
        vectors: Floats,
        active: RowNumbers,
        tie_order: Ints,
        turn: Doubles,
        trust: Doubles | None = None,
    ) -> None:
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self.active = active
        self._turn, self._trust = turn, trust
        self._ties = Ties.of(tie_order)
        self._prepared: dict[str, tuple[Floats, Floats, VectorCandidates]] = {}

    @cached_property
    def turned(self) -> Floats:
        """The z of all rows, float32, (n, d)."""
        out = np.empty(self.vectors.shape, np.float32)
        with one_blas_thread():  # its bits depend on the number of BLAS threads
            for block in row_blocks(len(out), ROWS_AT_ONCE):
                out[block] = self.vectors[block].astype(np.float64) @ self._turn
        return out

    def nearest(self, rows: RowNumbers, k: int, metric: Closeness, among: RowNumbers | None = None) -> Lists:
        """Return the k nearest neighbours of each row without the row itself; nearer neighbours score higher.

        metric : as the class docstring explains
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

    def similarities(self, rows: RowNumbers, others: Ints) -> Floats:
        """Return cos(z_r, z_j), without trust, of rows[r] and others[r, j]: float32, (n, m); 0 where one is -1."""
        out = np.empty(others.shape, np.float32)
        compare_vectors(freeze(self._units), rows, others, out)
        return out

    @cached_property
    def _units(self) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):  # reported by the check
            units: Floats = check_finite(_scale_to_one(self.turned))
            return units

    def _prepare(self, metric: Closeness) -> tuple[Floats, Floats]:
        """Return queries and vectors whose products order neighbours by the metric."""
        vectors = self.vectors
        if metric == "dot":
            return vectors, vectors
        if metric == "plain_cosine":
            unit = _scale_to_one(vectors)
            return unit, unit
        if metric == "cosine":
            unit = self._units
            return unit, unit if self._trust is None else unit * self._trust.astype(np.float32)[:, None]
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


def find_turns(items: Floats, n_pairs: Counts) -> tuple[Doubles, Doubles]:
    """Return what turns items' and users' vectors into those whose cosines compare them, float64, (d, d).

    items     A^-1/2,    A = C / c + (.03 + d / N) I
              C = sum of n_i^3/4 y_i y_i' / |y_i|^2 over the N items with n_i > 0, c the mean of its eigenvalues
    users     A^1/2, so that the product of a user and an item is the score as before

    items : float32, (n_items, d): the y
    n_pairs : int64, (n_items,): the number n_i of training pairs of each

    C is the scatter of the items' directions: an item counts more the more is known of it, however long its vector.
    Where items lie along a few directions, such as that of popularity, all their cosines are high; turned, they lie
    along all directions alike, and what is left is what tells an item from the others. The fewer items there are for
    each factor, the less is known of C, and the less they are turned. The cosine of two users is then
    about the correlation of their scores of items that are as long as each other.
    """
    n, d = items.shape
    C = np.zeros((d, d))
    with one_blas_thread():  # its bits depend on the number of BLAS threads
        for block in row_blocks(n, ROWS_AT_ONCE):
            part = items[block] * (n_pairs[block] ** 0.375 / _lengths(items[block]))[:, None]
            C += part.T @ part
        c = np.trace(C) / d
        if c == 0:  # no item has a direction
            return np.eye(d), np.eye(d)
        eigenvalues, axes = np.linalg.eigh(C / c)
        roots = np.sqrt(np.maximum(eigenvalues, 0) + RIDGE + d / np.count_nonzero(n_pairs))
        return (axes / roots) @ axes.T, (axes * roots) @ axes.T


def find_trust(n_pairs: Counts, described: Flags | None) -> Doubles:
    """Return m / (m + 3) for items with m training pairs, where features count as 3 more: float64, (n_items,).

    described : bool, (n_items,): which items have features; None for none

    What a model learned of an item that one person has is little more than that person's vector: it is near to what it
    happens to be near to.
    """
    m = n_pairs if described is None else n_pairs + SHRINKAGE * described
    return m / (m + SHRINKAGE)


def _lengths(vectors: Floats) -> Doubles:
    """Return the length of each vector, 1 for a vector of zeros: float64, (n,)."""
    squares = np.einsum("if,if->i", vectors, vectors, dtype=np.float64)
    return np.sqrt(np.where(squares > 0, squares, 1))


def _scale_to_one(vectors: Floats) -> Floats:
    return vectors / _lengths(vectors).astype(np.float32)[:, None]
