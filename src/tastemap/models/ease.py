"""Embarrassingly shallow autoencoder: every item is predicted from all others by one linear regression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Self

import numpy as np

from tastemap import parallel
from tastemap.data._checks import check_amount, check_share
from tastemap.data._pairs import Rows, freeze_rows, sum_rows
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, Specs
from tastemap.errors import DivergenceError, ModelFileError
from tastemap.kernels import ease as kernels
from tastemap.models.implicit_als import ImplicitALS
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.models.shared.item_weights import Sums, WeightSpace, find_half, find_width, make_zeros
from tastemap.models.shared.needs import Needs
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.models.shared.totals import Totals
from tastemap.progress import is_shown, make_bar
from tastemap.ranking.scorer import HistoryScorer, Scorer, check_range, largest_size
from tastemap.ranking.similar import Neighbours
from tastemap.ranking.top_k import Ties
from tastemap.training.inverse import TILE, Symmetric, estimate_seconds, invert
from tastemap.training.loop import Options
from tastemap.typing import Array, Counts, Doubles, Floats, Ints, RowNumbers

# The number of rows of the Gram matrix that one thread sums at a time.
GRAM_ROWS = 16

# The default regularization is as much as this many pairs add to G. Chosen on held-out likes of the training parts of
# six public sets and of others made of them, of 200 to 13,000 items; from 80 to 200 lists are nearly as good.
RIDGE = 110.0

# EASE without what came after its first paper, as files of earlier versions hold it.
PLAIN = {"dropout": 0.0, "user_exponent": 0.0, "item_exponent": 0.0}


@dataclass(kw_only=True, eq=False)
class EASE(Model):
    """Linear regression of every item on all others, for all items at once.

    s(u, i) = sum over the history of w_uj W_ji,   W_ji = n_j^item_exponent B_ji n_i^-item_exponent
    minimise   sum_u n_u^-user_exponent |x_u - x_u B|^2 + sum_j lambda_j |B_j|^2   with a diagonal of B that is zero
    where      lambda_j = regularization + dropout / (1 - dropout) G_jj
    solution   B_ij = -P_ij / P_jj for i != j,   P = (G + diag(lambda))^-1,   G = sum_u n_u^-user_exponent x_u x_u'

    X holds the weights x of the pairs in multiples of their mean, and 0 for all others; n_u = sum_i x_ui^2 and
    n_j = sum_u x_uj^2, which of ones are numbers of pairs. The solution is direct and uses no random numbers. The Gram
    matrix G, W and the scores are gram_rows, fill_weights and add_rows in kernels/ease.py.

    regularization : the part of lambda_j that all items share, in units of G, whose entry G_jj is n_j where
        user_exponent is 0. If None: 110 sum(G_jj) / pairs, what 110 pairs add to an entry on average
    dropout : from 0 to below 1. A regression that saw each weight with this probability as 0, in all possible ways,
        would learn the second part of lambda_j: what is frequent is regularized more, and leans less on itself
    user_exponent : from 0 to 1, how much less a user with many pairs counts: 0 counts every pair alike, 1 every user
    item_exponent : from 0 to 1, how far popular items are moved down in lists, and up in histories

    With dropout, user_exponent and item_exponent 0 this is EASE as first published.

    weights_ : float32, (n, at least n): W of the n items with a training pair, in the order of their rows; the rows of
        W are filled up with zeros to whole cache lines. For all other items W is 0
    item_precisions_ : float64, (n_items,): the diagonal of P
    item_scales_ : float64, (n_items,): n_j^item_exponent, 1 for items without a training pair

    The progress bar shows the memory and time needed: for n items with a pair 8 n^2 bytes while it learns and half of
    that afterwards, and n^3 operations. Items without a pair cost nothing. Raises DataError where the memory is not
    available, DivergenceError where regularization is too small to solve the equations in 64 bits.

    Fold-in is exact, since scores depend on the history only; so is `explain`. `update` learns again from all pairs.
    similar_items by "cosine" is the partial correlation -P_ij / sqrt(P_ii P_jj), which removes the influence of all
    other items; by "dot" it is W_ij, which having i adds to the score of j.

    Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019; dropout: Steck, Autoencoders that don't
    overfit towards the identity, NeurIPS 2020; exponents: Park et al., Why is normalization necessary for linear
    recommenders?, SIGIR 2025. The inverse: training/inverse.py.
    """

    regularization: float | None = None
    dropout: float = 0.65
    user_exponent: float = 0.5
    item_exponent: float = 0.15

    # What suits is about 5 for a few thousand people's orders, 30 for likes of millions, and 10 to 1000 with a
    # user_exponent of 0.
    search_space: ClassVar[SearchSpace] = {
        "regularization": Range(1.0, 1_000.0, log=True),
        "dropout": Range(0.0, 0.8),
        "user_exponent": Range(0.0, 1.0),
        "item_exponent": Range(0.0, 0.5),
    }
    abilities: ClassVar[Abilities] = Abilities(
        similar_items=True, explains="exact", folds_in_exactly=True, squares_items=True
    )
    fitted_arrays: ClassVar[Specs] = {
        "weights_": ArraySpec(dtype="float32", shape=("paired_items", "columns")),
        "item_precisions_": ArraySpec(dtype="float64", shape=("items",), above=0),
        "item_scales_": ArraySpec(dtype="float64", shape=("items",), above=0),
    }

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        check_amount("regularization", self.regularization, or_none=True)
        if self.regularization == 0:
            raise ValueError("regularization must be above 0, got 0: without it the equations may have no one solution")
        check_share("dropout", self.dropout)
        if self.dropout == 1:
            raise ValueError("dropout must be below 1, got 1: nothing would be left to learn from")
        check_share("user_exponent", self.user_exponent)
        check_share("item_exponent", self.item_exponent)

    def find_defaults_from(self, totals: Totals) -> dict[str, Any]:
        """Return the regularization that is as much as 110 pairs."""
        trace = float((totals.squares ** (1 - self.user_exponent)).sum())
        return {"regularization": RIDGE * trace / totals.pairs}

    def find_needs(self, sizes: Mapping[str, int]) -> Needs:
        """Return what the equations of all items take: half of a float64 matrix, then W beside it."""
        n, n_pairs, n_users = sizes["paired_items"], sizes["pairs"], sizes["users"]
        half = {"half of the inverse": find_half(n)}
        compact = {"pairs of known ids": 12 * n_pairs + 28 * n_users + 60 * n}
        return Needs(
            learning=(
                {**compact, **half, "pairs with shares": 16 * n_pairs},
                {**half, "a step's blocks": 2 * 8 * TILE * n},
                {**half, "fitted arrays": 4 * n * find_width(n) + 16 * sizes["items"]},
            ),
            scoring={"scores of a block": 4 * 512 * 1024 * parallel.n_threads()},
        )

    def estimate_seconds(self, sizes: Mapping[str, int]) -> float:
        """Return about how long the inverse takes."""
        return estimate_seconds(sizes["paired_items"] ** 3)

    def make_leaner(self) -> Model:
        """Return ImplicitALS, whose memory does not grow with the square of the items."""
        return ImplicitALS()

    def find_sizes(self, activity: Counts, popularity: Counts) -> dict[str, int]:
        """Return the sizes that shapes in `fitted_arrays` name."""
        sizes = super().find_sizes(activity, popularity)
        return {**sizes, "columns": find_width(sizes["paired_items"])}

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Solve the equations of all items at once."""

        def sum_up() -> tuple[Symmetric, Doubles]:
            compact = interactions.compact()
            return _gram(compact, self.user_exponent), sum_rows(compact.by_item, power=2)

        self.solve(sum_up, options.progress)
        check_range(interactions.by_user, largest_size(self.weights_), "a user")

    def solve(self, sum_up: Callable[[], tuple[Symmetric, Doubles]], progress: bool | None) -> None:
        """Set the fitted arrays from the Gram matrix.

        sum_up : returns G of the n items with a training pair, and of each the sum of its squared weights, float64 (n,)
        """
        active = np.flatnonzero(self.popularity_)
        n_items, n, regularization = len(self.popularity_), len(active), self.used_.regularization
        seconds = self.estimate_seconds({"paired_items": n}) if is_shown(progress) else 0.0
        gigabytes = (find_half(n) + 4 * n * find_width(n)) / 1e9
        about = f"EASE, {n:,} items, {gigabytes:.1f} GB, about {max(seconds, 1):.0f} s"
        with make_bar(-(-n // TILE), progress, unit="step", about=about) as shown:
            A, squares = sum_up()
            ridge = regularization + self.dropout / (1 - self.dropout) * A.diagonal()
            for b, block in enumerate(A.blocks):
                A.tile(b, b)[np.diag_indices(len(A.rows[b]))] += ridge[block]
            try:
                invert(A, lambda: shown.update(1))
            except np.linalg.LinAlgError as reason:
                raise DivergenceError(
                    f"regularization {regularization:g} is too small for weights of this size and number: "
                    "raise it, or scale the weights down"
                ) from reason
        self.item_precisions_ = np.full(n_items, 1 / regularization)
        self.item_precisions_[active] = -A.diagonal()
        self.item_scales_ = np.ones(n_items)
        self.item_scales_[active] = squares**self.item_exponent
        self.weights_ = _make_weights(A, self.item_precisions_[active], self.item_scales_[active])

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Learn again from all pairs."""
        self.learn(self.state.training("update"), Options())

    def make_scorer(self) -> Scorer:
        """Return the scorer of the fitted arrays."""
        place = None if self.popularity_.all() else self._place
        return HistoryScorer(
            **self.known,
            make_candidates=partial(Sums, self.weights_, place),
            coefficients=self.weights_,
            place=place,
        )

    def make_item_space(self) -> Neighbours:
        """Return the space in which items are compared: by W, or by partial correlations."""
        ties, active = Ties.of(self.items.tie_order), np.flatnonzero(self.popularity_)
        roots = np.sqrt(self.item_precisions_) * self.item_scales_
        return WeightSpace(self.weights_[:, None], self._place, roots, active, ties, "EASE")

    def contributions(self, user: int, item: int, items: Ints, weights: Floats) -> tuple[Doubles, float]:
        """Return w_uj W_ji for every item j of the history."""
        return weights.astype(np.float64) * self.weights_[self._place[items], self._place[item]], 0.0

    @cached_property
    def _place(self) -> RowNumbers:
        """The row in W of each item: int64, (n_items,), -1 for items without a training pair."""
        return np.where(self.popularity_ > 0, np.cumsum(self.popularity_ > 0) - 1, -1)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], header: dict[str, Any]) -> Self:
        """Make a fitted model from what `save` wrote; older ones lack exponents, or have W of all items."""
        if "item_weights_" in arrays and "weights_" not in arrays:
            rest = {name: array for name, array in arrays.items() if name != "item_weights_"}
            arrays = {**rest, "weights_": _drop_idle(arrays["item_weights_"], rest.get("popularity_"))}
        parameters = header.get("parameters")
        if isinstance(parameters, dict) and not PLAIN.keys() & parameters:
            header = {**header, "parameters": {**parameters, **PLAIN}}
            arrays = {"item_scales_": np.ones_like(arrays.get("item_precisions_", np.empty(0))), **arrays}
        return super().from_arrays(arrays, header)


def _gram(interactions: Interactions, user_exponent: float) -> Symmetric:
    """Return G, as the product of two matrices of half the exponent."""
    by_item, by_user = interactions.by_item, interactions.by_user
    share = sum_rows(by_user, power=2) ** (-user_exponent / 2)
    by_item = _multiply(by_item, share[by_item.indices])
    by_user = _multiply(by_user, np.repeat(share, by_user.counts))
    A = Symmetric(len(interactions.items))
    parts = [(b, part) for b in range(len(A.blocks)) for part in parallel.row_blocks(len(A.rows[b]), GRAM_ROWS)]
    parts.reverse()  # later rows are longer, and the longest tasks should not be the last

    def add_up(p: int) -> None:
        b, part = parts[p]
        kernels.gram_rows(*by_item, *by_user, A.blocks[b].start + part.start, A.rows[b][part])

    parallel.run(add_up, len(parts))
    return A


def _multiply(rows: Rows, by: Doubles) -> Rows:
    """Return rows with every weight multiplied by its own number."""
    return freeze_rows(rows._replace(data=(rows.data * by).astype(np.float32)))


def _make_weights(A: Symmetric, precisions: Doubles, scales: Doubles) -> Floats:
    """Return W, given minus P, its diagonal and the items' scales."""
    W = make_zeros(len(precisions), len(precisions))
    items = np.arange(len(precisions))
    tiles = [(i, j) for i in range(len(A.blocks)) for j in range(i + 1)]

    def fill(t: int) -> None:
        i, j = tiles[t]
        rows, columns = A.blocks[i], A.blocks[j]
        kernels.fill_weights(
            A.rows[i],
            columns.start,
            items[rows],
            items[columns],
            precisions[rows],
            precisions[columns],
            scales[rows],
            scales[columns],
            W,
        )

    parallel.run(fill, len(tiles))
    return W


def _drop_idle(W: Array, popularity: Array | None) -> Array:
    """Return the rows and columns that W of an older file has for items with a pair."""
    if popularity is None or popularity.ndim != 1 or W.ndim != 2 or not len(popularity) == len(W) <= W.shape[1]:
        raise ModelFileError(f"its array 'item_weights_' must have a row and a column an item, got shape {W.shape}")
    active = np.flatnonzero(popularity)
    if len(active) == len(W):
        return W
    kept = make_zeros(len(active), len(active))
    for row, item in enumerate(active):  # not at once, which would take as much memory again
        kept[row, : len(active)] = W[item, active]
    return kept
