"""Embarrassingly shallow autoencoder: every item is predicted from all others by one linear regression."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from tastemap import parallel
from tastemap.data._checks import check_amount
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError, DivergenceError
from tastemap.kernels import ease as kernels
from tastemap.kernels.core.simd import LANES, allocate
from tastemap.memory import available_memory
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.progress import is_shown, make_bar
from tastemap.ranking.scorer import Histories, HistoryScorer, Scorer, check_range, largest_size
from tastemap.ranking.similar import Closeness, Neighbours, check_metric, nearest
from tastemap.ranking.top_k import ComputedCandidates, Lists
from tastemap.training.inverse import TILE, Symmetric, invert
from tastemap.training.loop import Options
from tastemap.typing import Doubles, Floats, Ints, RowNumbers

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

    item_weights_ : float32, (n_items, at least n_items): B, its rows filled up with zeros to whole cache lines
    item_precisions_ : float64, (n_items,): the diagonal of P

    The progress bar shows the memory and time needed: for n items 8 n^2 bytes while it learns and half of that
    afterwards, and n^3 operations. Raises DataError where the memory is not available, DivergenceError where
    regularization is too small to solve the equations in 64 bits.

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
    fitted_arrays: ClassVar[tuple[str, ...]] = ("item_weights_", "item_precisions_")

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        check_amount("regularization", self.regularization)
        if self.regularization == 0:
            raise ValueError("regularization must be above 0, got 0: without it the equations may have no one solution")

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Solve the equations of all items at once."""
        active = np.flatnonzero(self.popularity_)
        n_items, n = interactions.shape[1], len(active)
        _check_memory(n, n_items)
        about = _estimate_cost(n, n_items) if is_shown(options.progress) else ""
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
        self.item_weights_ = _make_weights(A, active, self.item_precisions_)
        check_range(interactions.by_user, largest_size(self.item_weights_), "a user")

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Learn again from all pairs."""
        self.learn(self.state.training("update"), Options())

    def make_scorer(self) -> Scorer:
        """Return the scorer of the fitted arrays."""
        return HistoryScorer(
            **self.known, make_candidates=partial(_Sums, self.item_weights_), coefficients=self.item_weights_
        )

    def make_item_space(self) -> Neighbours:
        """Return the space in which items are compared: by B, or by partial correlations."""
        return _ItemSpace(self.item_weights_, self.item_precisions_, np.flatnonzero(self.popularity_))

    def contributions(self, user: int, item: int, items: Ints, weights: Floats) -> tuple[Doubles, float]:
        """Return w_uj B_ji for every item j of the history."""
        return weights.astype(np.float64) * self.item_weights_[items, item], 0.0


class _Sums(ComputedCandidates):
    """Scores as sums of the weights' rows over the history; queries are `Histories`."""

    # A large block, whose users share the weights in the cache.
    people = 512

    def __init__(self, weights: Floats, rows: RowNumbers) -> None:
        super().__init__(len(weights), rows)
        self._weights = weights

    def block_scores(self, queries: Histories, items: RowNumbers, out: Floats) -> None:
        window = np.empty(kernels.WINDOW, np.float32)
        kernels.add_rows(*queries.pairs, queries.rows, self._weights, items, window, out)


class _ItemSpace:
    """Compares items by B or by partial correlations; see the docstring of EASE."""

    def __init__(self, weights: Floats, precisions: Any, active: RowNumbers) -> None:
        self._weights, self._active = weights, active
        self._roots = np.sqrt(precisions)

    def nearest(self, rows: RowNumbers, k: int, metric: Closeness, among: RowNumbers | None = None) -> Lists:
        """Return the k nearest neighbours of each row, the row itself left out."""
        check_metric(metric, ("cosine", "dot"), "EASE has no vectors with a distance between them")
        roots = self._roots if metric == "cosine" else np.ones_like(self._roots)
        return nearest(rows, _Similarities(self._weights, roots, self._active if among is None else among), rows, k)


class _Similarities(ComputedCandidates):
    """Entry [i, j] of B, times root_j / root_i; queries are item rows i."""

    def __init__(self, weights: Floats, roots: Any, rows: RowNumbers) -> None:
        super().__init__(len(weights), rows)
        self._weights, self._roots = weights, roots

    def block_scores(self, queries: RowNumbers, items: RowNumbers, out: Floats) -> None:
        out[:] = self._weights[queries][:, items] * self._roots[items] / self._roots[queries][:, None]


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


def _make_weights(A: Symmetric, active: RowNumbers, precisions: Any) -> Floats:
    """Return B, given minus P of the active items."""
    n_items = len(precisions)
    B: Floats = allocate(n_items, max(-(-n_items // LANES) * LANES, kernels.WINDOW))
    B[:] = 0
    tiles = [(i, j) for i in range(len(A.blocks)) for j in range(i + 1)]

    def fill(t: int) -> None:
        i, j = tiles[t]
        rows, columns = active[A.blocks[i]], active[A.blocks[j]]
        kernels.fill_weights(A.rows[i], A.blocks[j].start, rows, columns, precisions[rows], precisions[columns], B)

    parallel.run(fill, len(tiles))
    return B


def _memory(n: int, n_items: int) -> int:
    """Return the most bytes that learning takes: half of a float64 matrix and a whole float32 one."""
    return 4 * n * (n + TILE) + 4 * n_items * n_items


def _check_memory(n: int, n_items: int) -> None:
    available = available_memory()
    if available is not None and _memory(n, n_items) > available:
        raise DataError(
            f"EASE of {n:,} items takes {_memory(n, n_items) / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free: "
            "leave out rare items with interactions.core(min_per_item=...), or fit ImplicitALS"
        )


def _estimate_cost(n: int, n_items: int) -> str:
    """Describe the memory and time of learning, estimated from the time of one product of tiles."""
    tile = np.ones((TILE, TILE))
    with parallel.one_blas_thread():
        product = tile @ tile
        started = time.perf_counter()
        np.matmul(tile, tile, out=product)
        seconds = (time.perf_counter() - started) / (2 * TILE**3) * n**3 / parallel.n_threads()
    return f"EASE, {n:,} items, {_memory(n, n_items) / 1e9:.1f} GB, about {max(seconds, 1):.0f} s"
