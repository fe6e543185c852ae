"""Models whose scores are sums of rows of weights over the history: how they score, and how they compare items."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from tastemap import parallel
from tastemap.kernels import ease as kernels
from tastemap.kernels.core.simd import LANES, allocate
from tastemap.ranking.scorer import Histories
from tastemap.ranking.similar import Closeness, check_metric, nearest
from tastemap.ranking.top_k import ComputedCandidates, Lists, Ties
from tastemap.training.inverse import TILE
from tastemap.typing import Doubles, Floats, Ints, RowNumbers


class Sums(ComputedCandidates):
    """Scores as sums of the weights' rows over the history; queries are `Histories` that name these rows.

    weights : float32, (rows, `find_width` of the items with a pair)
    place : int64, (n_items,): the column of each item, -1 for items without a training pair; None where these are the
        item rows
    """

    # A large block, whose users share the weights in the cache.
    people = 512

    def __init__(self, weights: Floats, place: RowNumbers | None, rows: RowNumbers) -> None:
        super().__init__(len(weights) if place is None else len(place), rows)
        self._weights, self._place = weights, place

    def block_scores(self, queries: Histories, items: RowNumbers, out: Floats) -> None:
        """Set out[r, c] to the score of query r and item items[c], 0 for items without a training pair."""
        places = items if self._place is None else self._place[items]
        has_pairs = places >= 0
        scores = out if has_pairs.all() else np.empty((len(out), np.count_nonzero(has_pairs)), np.float32)
        window = np.empty(kernels.WINDOW, np.float32)
        kernels.add_rows(*queries.pairs, queries.rows, self._weights, places[has_pairs], window, scores)
        if scores is not out:
            out[:] = 0
            out[:, has_pairs] = scores


class WeightSpace:
    """Compares items by W, or by its symmetric form W_ij root_j / root_i, which models call their cosine.

    weights : float32, (n, k, width): W_ij of the items with a training pair is the sum of weights[i, :, j]
    place : int64, (n_items,): the place of each item among these, -1 for the others
    roots : float64, (n_items,): what makes W symmetric, or nearly so
    active : int64: the rows of the items with a training pair, ascending
    model : the name of the model's class, for messages
    """

    def __init__(
        self, weights: Floats, place: RowNumbers, roots: Doubles, active: RowNumbers, ties: Ties, model: str
    ) -> None:
        self._weights, self._place, self._roots, self._active = weights, place, roots, active
        self._ties, self._model = ties, model

    def nearest(self, rows: RowNumbers, k: int, metric: Closeness, among: RowNumbers | None = None) -> Lists:
        """Return the k nearest neighbours of each row, the row itself left out."""
        check_metric(metric, ("cosine", "dot"), f"{self._model} compares items by its weights and has no vectors")
        roots = self._roots if metric == "cosine" else np.ones_like(self._roots)
        among = self._active if among is None else among
        return nearest(rows, _Similarities(self._weights, self._place, roots, among), rows, k, self._ties)

    def similarities(self, rows: RowNumbers, others: Ints) -> Floats:
        """Return r_ij / sqrt(t_i t_j) of rows[r] and others[r], at most 1: float32, (n, m).

        r : the cosine as `nearest` has it, the mean of both directions; t_i is the highest of item i. They are low,
            because many items explain each one: without t a diversity would change no list
        """
        own, place = rows[:, None], self._place
        has_both = (own >= 0) & (others >= 0) & (place[own] >= 0) & (place[others] >= 0)
        ratio = self._roots[others] / self._roots[own]
        there, back = (
            self._weights[place[one], :, place[other]].sum(axis=-1) for one, other in ((own, others), (others, own))
        )
        both = there * ratio + back / ratio
        highest = np.sqrt(self._highest[place[own]] * self._highest[place[others]])
        return np.where(has_both, np.minimum(both / 2 / highest, 1), 0).astype(np.float32)

    @cached_property
    def _highest(self) -> Doubles:
        """The highest cosine of each row of W: float64, 1 where none is above 0."""
        roots = self._roots[self._place >= 0]
        n, itself = len(roots), np.arange(len(roots))
        highest = np.empty(n)
        for i in itself:
            row = self._weights[i, :, :n].sum(axis=0) * roots
            highest[i] = row[itself != i].max(initial=0)
        highest /= roots
        return np.where(highest > 0, highest, 1)


class _Similarities(ComputedCandidates):
    """Entry [i, j] of W, times root_j / root_i; queries are item rows i, of items with a training pair."""

    def __init__(self, weights: Floats, place: RowNumbers, roots: Any, rows: RowNumbers) -> None:
        super().__init__(len(place), rows)
        self._weights, self._place, self._roots = weights, place, roots

    def block_scores(self, queries: RowNumbers, items: RowNumbers, out: Floats) -> None:
        places = self._place[items]
        own = self._weights[self._place[queries]].sum(axis=1)
        out[:] = own[:, places] * self._roots[items] / self._roots[queries][:, None]
        out[:, places < 0] = 0


def find_width(n: int) -> int:
    """Return the length of the rows of weights of n items: whole cache lines, and at least one window of the kernel."""
    return max(-(-n // LANES) * LANES, kernels.WINDOW)


def make_zeros(n_rows: int, n: int) -> Floats:
    """Return rows of zeros for n items."""
    W: Floats = allocate(n_rows, find_width(n))
    W[:] = 0
    return W


def find_half(n: int) -> int:
    """Return the bytes of half of a float64 matrix, in whole tiles."""
    return sum(8 * (block.stop - block.start) * block.stop for block in parallel.row_blocks(n, TILE))
