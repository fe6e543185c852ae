"""Embarrassingly shallow autoencoder: every item is predicted from all others by one linear regression."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Self

import numpy as np

from tastemap import memory, parallel
from tastemap.data._checks import check_amount
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, Specs
from tastemap.errors import DivergenceError, ModelFileError, Remedy
from tastemap.kernels import ease as kernels
from tastemap.kernels.core.simd import LANES, allocate
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.progress import is_shown, make_bar
from tastemap.ranking.scorer import Histories, HistoryScorer, Scorer, check_range, largest_size
from tastemap.ranking.similar import Closeness, Neighbours, check_metric, nearest
from tastemap.ranking.top_k import ComputedCandidates, Lists, Ties
from tastemap.training.inverse import TILE, Symmetric, invert
from tastemap.training.loop import Options
from tastemap.typing import Array, Counts, Doubles, Floats, Ints, RowNumbers

# The number of rows of the Gram matrix that one thread sums at a time.
GRAM_ROWS = 16


@dataclass(kw_only=True, eq=False)
class EASE(Model):
    """Linear regression of every item on all others, for all items at once.

    s(u, i) = x_u . B_i = sum over the history of w_uj B_ji
    minimise   sum_u |x_u - x_u B|^2 + regularization |B|^2   with a diagonal of B that is zero
    solution   B_ij = -P_ij / P_jj for i != j,   P = (X'X + regularization I)^-1

    X holds the weights of the pairs in multiples of their mean, and 0 for all others. The solution is direct and uses
    no random numbers. X'X, B and the scores are gram_rows, fill_weights and add_rows in kernels/ease.py.

    regularization : lambda, in units of X'X: an item's entry there is the sum of its squared weights, so what suits
        grows with the data, and not with the unit of the weights. For likes from 200 to 1000 are usual

    weights_ : float32, (n, at least n): B of the n items with a training pair, in the order of their rows; the rows of
        B are filled up with zeros to whole cache lines. For all other items B is 0
    item_precisions_ : float64, (n_items,): the diagonal of P

    The progress bar shows the memory and time needed: for n items with a pair 8 n^2 bytes while it learns and half of
    that afterwards, and n^3 operations. Items without a pair cost nothing. Raises DataError where the memory is not
    available, DivergenceError where regularization is too small to solve the equations in 64 bits.

    Fold-in is exact, since scores depend on the history only; so is `explain`. `update` learns again from all pairs.
    similar_items by "cosine" is the partial correlation -P_ij / sqrt(P_ii P_jj), which removes the influence of all
    other items; by "dot" it is B_ij, which having i adds to the score of j and which favours popular items.

    Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019. The inverse: training/inverse.py.
    """

    regularization: float = 500.0

    # In units of an item's squared weights: tens for the orders of a shop, thousands for millions of likes.
    search_space: ClassVar[SearchSpace] = {"regularization": Range(10.0, 10_000.0, log=True)}
    abilities: ClassVar[Abilities] = Abilities(
        similar_items=True, explains="exact", folds_in_exactly=True, squares_items=True
    )
    fitted_arrays: ClassVar[Specs] = {
        "weights_": ArraySpec(dtype="float32", shape=("paired_items", "columns")),
        "item_precisions_": ArraySpec(dtype="float64", shape=("items",), above=0),
    }

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        check_amount("regularization", self.regularization)
        if self.regularization == 0:
            raise ValueError("regularization must be above 0, got 0: without it the equations may have no one solution")

    def ask_for_memory(self) -> None:
        """Raise DataError where the equations of all items take more memory than is free."""
        n = int(np.count_nonzero(self.popularity_))
        memory.ask(
            f"EASE of {n:,} items",
            _memory(n),
            Remedy("leave out rare items with interactions.core(min_per_item=...)", "core", ...),
            "fit ImplicitALS",
        )

    def find_sizes(self, activity: Counts, popularity: Counts) -> dict[str, int]:
        """Return the sizes that shapes in `fitted_arrays` name."""
        sizes = super().find_sizes(activity, popularity)
        return {**sizes, "columns": _width(sizes["paired_items"])}

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Solve the equations of all items at once."""
        active = np.flatnonzero(self.popularity_)
        n_items, n = interactions.shape[1], len(active)
        about = _estimate_cost(n) if is_shown(options.progress) else ""
        with make_bar(-(-n // TILE), options.progress, unit="step", about=about) as shown:
            A = _gram(interactions.compact())
            for b in range(len(A.blocks)):
                A.tile(b, b)[np.diag_indices(len(A.rows[b]))] += self.regularization
            try:
                invert(A, lambda: shown.update(1))
            except np.linalg.LinAlgError as reason:
                raise DivergenceError(
                    f"regularization {self.regularization:g} is too small for weights of this size and number: "
                    "raise it, or scale the weights down"
                ) from reason
        self.item_precisions_ = np.full(n_items, 1 / self.regularization)
        self.item_precisions_[active] = -A.diagonal()
        self.weights_ = _make_weights(A, self.item_precisions_[active])
        check_range(interactions.by_user, largest_size(self.weights_), "a user")

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Learn again from all pairs."""
        self.learn(self.state.training("update"), Options())

    def make_scorer(self) -> Scorer:
        """Return the scorer of the fitted arrays."""
        place = None if self.popularity_.all() else self._place
        return HistoryScorer(
            **self.known,
            make_candidates=partial(_Sums, self.weights_, place),
            coefficients=self.weights_,
            place=place,
        )

    def make_item_space(self) -> Neighbours:
        """Return the space in which items are compared: by B, or by partial correlations."""
        ties, active = Ties.of(self.items.tie_order), np.flatnonzero(self.popularity_)
        return _ItemSpace(self.weights_, self._place, self.item_precisions_, active, ties)

    def contributions(self, user: int, item: int, items: Ints, weights: Floats) -> tuple[Doubles, float]:
        """Return w_uj B_ji for every item j of the history."""
        return weights.astype(np.float64) * self.weights_[self._place[items], self._place[item]], 0.0

    @cached_property
    def _place(self) -> RowNumbers:
        """The row in B of each item: int64, (n_items,), -1 for items without a training pair."""
        return np.where(self.popularity_ > 0, np.cumsum(self.popularity_ > 0) - 1, -1)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], header: dict[str, Any]) -> Self:
        """Make a fitted model from what `save` wrote; older files hold B of all items, with or without pairs."""
        if "item_weights_" in arrays and "weights_" not in arrays:
            rest = {name: array for name, array in arrays.items() if name != "item_weights_"}
            arrays = {**rest, "weights_": _drop_idle(arrays["item_weights_"], rest.get("popularity_"))}
        return super().from_arrays(arrays, header)


class _Sums(ComputedCandidates):
    """Scores as sums of the weights' rows over the history; queries are `Histories`."""

    # A large block, whose users share the weights in the cache.
    people = 512

    def __init__(self, weights: Floats, place: RowNumbers | None, rows: RowNumbers) -> None:
        super().__init__(len(weights) if place is None else len(place), rows)
        self._weights, self._place = weights, place

    def block_scores(self, queries: Histories, items: RowNumbers, out: Floats) -> None:
        places = items if self._place is None else self._place[items]
        has_pairs = places >= 0
        scores = out if has_pairs.all() else np.empty((len(out), np.count_nonzero(has_pairs)), np.float32)
        window = np.empty(kernels.WINDOW, np.float32)
        kernels.add_rows(*queries.pairs, queries.rows, self._weights, places[has_pairs], window, scores)
        if scores is not out:
            out[:] = 0
            out[:, has_pairs] = scores


class _ItemSpace:
    """Compares items by B or by partial correlations; see the docstring of EASE."""

    def __init__(self, weights: Floats, place: RowNumbers, precisions: Any, active: RowNumbers, ties: Ties) -> None:
        self._weights, self._place, self._active, self._ties = weights, place, active, ties
        self._roots = np.sqrt(precisions)

    def nearest(self, rows: RowNumbers, k: int, metric: Closeness, among: RowNumbers | None = None) -> Lists:
        """Return the k nearest neighbours of each row, the row itself left out."""
        check_metric(metric, ("cosine", "dot"), "EASE compares items by its weights and has no vectors")
        roots = self._roots if metric == "cosine" else np.ones_like(self._roots)
        among = self._active if among is None else among
        return nearest(rows, _Similarities(self._weights, self._place, roots, among), rows, k, self._ties)


class _Similarities(ComputedCandidates):
    """Entry [i, j] of B, times root_j / root_i; queries are item rows i, of items with a training pair."""

    def __init__(self, weights: Floats, place: RowNumbers, roots: Any, rows: RowNumbers) -> None:
        super().__init__(len(place), rows)
        self._weights, self._place, self._roots = weights, place, roots

    def block_scores(self, queries: RowNumbers, items: RowNumbers, out: Floats) -> None:
        places = self._place[items]
        out[:] = self._weights[self._place[queries]][:, places] * self._roots[items] / self._roots[queries][:, None]
        out[:, places < 0] = 0


def _gram(interactions: Interactions) -> Symmetric:
    """Return X'X."""
    by_item, by_user = interactions.by_item, interactions.by_user
    A = Symmetric(len(interactions.items))
    parts = [(b, part) for b in range(len(A.blocks)) for part in parallel.row_blocks(len(A.rows[b]), GRAM_ROWS)]
    parts.reverse()  # later rows are longer, and the longest tasks should not be the last

    def add_up(p: int) -> None:
        b, part = parts[p]
        kernels.gram_rows(*by_item, *by_user, A.blocks[b].start + part.start, A.rows[b][part])

    parallel.run(add_up, len(parts))
    return A


def _width(n: int) -> int:
    """Return the length of the rows of B of n items: whole cache lines, and at least one window of the kernel."""
    return max(-(-n // LANES) * LANES, kernels.WINDOW)


def _make_weights(A: Symmetric, precisions: Any) -> Floats:
    """Return B, given minus P and its diagonal."""
    B = _zeros(len(precisions))
    items = np.arange(len(precisions))
    tiles = [(i, j) for i in range(len(A.blocks)) for j in range(i + 1)]

    def fill(t: int) -> None:
        i, j = tiles[t]
        rows, columns = items[A.blocks[i]], items[A.blocks[j]]
        kernels.fill_weights(A.rows[i], A.blocks[j].start, rows, columns, precisions[rows], precisions[columns], B)

    parallel.run(fill, len(tiles))
    return B


def _zeros(n: int) -> Floats:
    """Return zeros in the shape of B of n items."""
    B: Floats = allocate(n, _width(n))
    B[:] = 0
    return B


def _drop_idle(B: Array, popularity: Array | None) -> Array:
    """Return the rows and columns that B of an older file has for items with a pair."""
    if popularity is None or popularity.ndim != 1 or B.ndim != 2 or not len(popularity) == len(B) <= B.shape[1]:
        raise ModelFileError(f"its array 'item_weights_' must have a row and a column an item, got shape {B.shape}")
    active = np.flatnonzero(popularity)
    if len(active) == len(B):
        return B
    kept = _zeros(len(active))
    for row, item in enumerate(active):  # not at once, which would take as much memory again
        kept[row, : len(active)] = B[item, active]
    return kept


def _memory(n: int) -> int:
    """Return the most bytes that learning takes: half of a float64 matrix and a whole float32 one."""
    return 4 * n * (n + TILE) + 4 * n * n


def _estimate_cost(n: int) -> str:
    """Describe the memory and time of learning, estimated from the time of one product of tiles."""
    tile = np.ones((TILE, TILE))
    with parallel.one_blas_thread():
        product = tile @ tile
        started = time.perf_counter()
        np.matmul(tile, tile, out=product)
        seconds = (time.perf_counter() - started) / (2 * TILE**3) * n**3 / parallel.n_threads()
    return f"EASE, {n:,} items, {_memory(n) / 1e9:.1f} GB, about {max(seconds, 1):.0f} s"
