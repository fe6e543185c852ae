"""The common base of models that predict ratings; their scores are clipped to the range of the ratings."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from tastemap import parallel
from tastemap.data._checks import LARGEST_FLOAT, check_amount, check_whole
from tastemap.data._pairs import Rows
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, Specs
from tastemap.errors import DataError, DivergenceError, TastemapWarning
from tastemap.kernels.core.random import fill_uniform
from tastemap.kernels.explicit_als import rating_rows
from tastemap.models.shared.base import Model
from tastemap.models.shared.needs import Needs, Parts
from tastemap.randomness import Stream, derive_state
from tastemap.ranking.scorer import FactorScorer, Lean, Scorer
from tastemap.ranking.top_k import Hidden, Lists, Ties, VectorCandidates, top_k
from tastemap.training.loop import Options
from tastemap.training.spread import spread
from tastemap.training.wide import is_finite, width_of, zeros
from tastemap.typing import Arrays, Counts, Doubles, Floats, RowNumbers


class Layout:
    """The columns of the rows that kernels work on: a user is [p, 0 ..., b, 1], an item is [q, 0 ..., 1, b].

    The product of a user and an item is p . q + b_u + b_i. Without biases the last two columns are 0.
    """

    def __init__(self, factors: int, biases: bool = True) -> None:
        self.factors = factors
        self.width = width_of(factors + 2)
        self.user_bias, self.item_bias = self.width - 2, self.width - 1
        self._one = float(biases)

    def users(self, n_rows: int, factors: Floats | None = None, biases: Floats | None = None) -> Floats:
        """Return n_rows users, float32 (n_rows, width); rows beyond the factors given are zero."""
        return self._rows(n_rows, factors, biases, self.user_bias, self.item_bias)

    def items(self, n_rows: int, factors: Floats | None = None, biases: Floats | None = None) -> Floats:
        """Return n_rows items, as `users` does."""
        return self._rows(n_rows, factors, biases, self.item_bias, self.user_bias)

    def widen(self, factors: Floats) -> Floats:
        """Return the factors with zeros in the other columns: float32 (rows, width)."""
        rows = zeros(len(factors), self.width)
        rows[:, : self.factors] = factors
        return rows

    def _rows(self, n_rows: int, factors: Floats | None, biases: Floats | None, bias: int, one: int) -> Floats:
        rows = zeros(n_rows, self.width)
        if factors is not None:
            rows[: len(factors), : self.factors] = factors
        if biases is not None:
            rows[: len(biases), bias] = biases
        rows[:, one] = self._one
        return rows


@dataclass(kw_only=True, eq=False)
class RatingModel(Model):
    """The base class of models that predict ratings: s(u, i) = mean_ + b_u + b_i + p_u . q_i.

    user_factors_, item_factors_ : float32, (n_users, factors) and (n_items, factors): p and q
    user_biases_, item_biases_ : float32, (n_users,) and (n_items,)
    mean_ : float32, (1,): the mean rating of the training data
    deviation_ : float32, (1,): the standard deviation of the ratings, 1 where that is 0. Ratings c times as large have
        factors sqrt(c) times as large, so the regularization of factors is multiplied by the deviation: parameters then
        mean the same on every scale
    range_ : float32, (2,): the lowest and the highest training rating; lists are ordered by score, and scores are then
        clipped to this range
    """

    factors: int = 64
    epochs: int = 10
    regularization: float | None = 0.05
    bias_regularization: float | None = 0.02
    seed: int = 0

    fitted_arrays: ClassVar[Specs] = {
        "user_factors_": ArraySpec(dtype="float32", shape=("users", "factors")),
        "item_factors_": ArraySpec(dtype="float32", shape=("items", "factors")),
        "user_biases_": ArraySpec(dtype="float32", shape=("users",)),
        "item_biases_": ArraySpec(dtype="float32", shape=("items",)),
        "mean_": ArraySpec(dtype="float32", shape=(1,)),
        "deviation_": ArraySpec(dtype="float32", shape=(1,), above=0),
        "range_": ArraySpec(dtype="float32", shape=(2,), ascending=True),
    }

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        for name in ("factors", "epochs"):
            check_whole(name, getattr(self, name), lowest=1)
        for name in ("regularization", "bias_regularization"):
            check_amount(name, getattr(self, name), or_none=getattr(type(self), name) is None)
        if self.regularization == 0:
            raise ValueError(
                "regularization must be above 0, got 0: without it few ratings do not determine a row's factors"
            )
        check_whole("seed", self.seed, lowest=0)

    # -- learning -----------------------------------------------------------------------------------------------------

    # Which parameter to change when training diverges.
    _hint: ClassVar[str]

    @abstractmethod
    def _task(self, interactions: Interactions) -> RatingTask:
        """Return the task of the epoch loop."""

    def find_needs(self, sizes: Mapping[str, int]) -> Needs:
        """Return what the rows take, in whole registers, and what `_find_learning` says."""
        n_rows, factors, width = sizes["users"] + sizes["items"], sizes["factors"], width_of(sizes["factors"] + 2)
        rows = {"rows as kernels take them": 4 * width * n_rows}
        ended = {**rows, "fitted arrays": 4 * (factors + 1) * n_rows}
        phases = [{**rows, **more} for more in self._find_learning(sizes, width)]
        answering, scoring = FactorScorer.find_scoring(sizes, factors, user_biases=True, item_biases=True)
        return Needs(
            learning=({"deviations of ratings": 8 * sizes["pairs"]}, *phases, ended),
            answering=answering,
            scoring=scoring,
            of_user=4 * (factors + 2),
            by_item=True,
        )

    @abstractmethod
    def _find_learning(self, sizes: Mapping[str, int], width: int) -> tuple[Parts, ...]:
        """Return the phases of learning as `Needs` has them, beside the rows; rows have `width` numbers."""

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Train in epochs."""
        self._take_ratings(interactions)
        self._take(self.run_epochs(self._task(interactions), options, self._hint))

    def _take(self, state: Arrays) -> None:
        """Set the fitted arrays from the final state."""
        self._take_users(state["users"])
        self._take_items(state["items"])

    @cached_property
    def _layout(self) -> Layout:
        return Layout(self.factors, self._has_biases)

    @property
    def _has_biases(self) -> bool:
        return True

    def _take_ratings(self, interactions: Interactions) -> None:
        """Set mean_, deviation_ and range_; warn where all ratings are the same."""
        ratings = interactions.matrix.data
        self.mean_ = np.array([ratings.mean(dtype=np.float64) if self._has_biases else 0], np.float32)
        self.deviation_ = np.array([ratings.std(dtype=np.float64) or 1], np.float32)
        self.range_ = _range_of(interactions)
        if self.range_[0] == self.range_[1]:
            same = TastemapWarning(
                f"every weight is {self.range_[0]:g}, so {type(self).__name__}, which predicts ratings, has nothing to "
                "tell apart",
                "fit ImplicitALS to rank items by who chose what",
            )
            warnings.warn(same, stacklevel=4)

    def keep_to_range(self, scores: Floats) -> Floats:
        """Return scores clipped to the range of the ratings."""
        return np.clip(scores, *self.range_)

    def _take_update(self, users: Floats, items: Floats) -> None:
        """Set the arrays of users and items after an update; DivergenceError where these are not finite."""
        if not is_finite(users, items):
            raise DivergenceError(f"the new interactions have no finite solution; {self._hint}")
        self._take_users(users)
        self._take_items(items)

    def _keep_scale(self, before: RatingModel, interactions: Interactions) -> None:
        """Set mean_ and deviation_ as before, and range_ anew."""
        self.mean_, self.deviation_, self.range_ = before.mean_, before.deviation_, _range_of(interactions)

    def _take_users(self, wide: Floats) -> None:
        self.user_factors_ = np.ascontiguousarray(wide[:, : self.factors])
        self.user_biases_ = wide[:, self._layout.user_bias].copy()

    def _take_items(self, wide: Floats) -> None:
        self.item_factors_ = np.ascontiguousarray(wide[:, : self.factors])
        self.item_biases_ = wide[:, self._layout.item_bias].copy()

    @property
    def _solver(self) -> RowSolver:
        return RowSolver(
            self._layout,
            float(self.mean_[0]),
            float(self.deviation_[0]),
            self.used_.regularization,
            self.used_.bias_regularization,
            self._scales_with_count,
        )

    @property
    def _scales_with_count(self) -> bool:
        return True

    @property
    def _fitted_solver(self) -> RowSolver:
        return self._solver

    # -- answering ----------------------------------------------------------------------------------------------------

    def make_scorer(self) -> Scorer:
        """Return the scorer of the fitted arrays."""
        return FactorScorer(
            **self.known,
            user_factors=self.user_factors_,
            item_factors=self.item_factors_,
            user_biases=self.mean_ + self.user_biases_,
            item_biases=self.item_biases_,
            score_range=self.range_,
            fold_in=_FoldIn(self._fitted_solver, self.item_factors_, self.item_biases_),
        )

    @property
    def unstated_weight(self) -> float:
        """The weight of an item that a history names without one: the highest rating."""
        return float(self.range_[1])

    @property
    def disliked_weight(self) -> float:
        """The weight of an item that is disliked: the lowest rating."""
        return float(self.range_[0])


@dataclass(frozen=True, eq=False)
class RowSolver:
    """Solves rows of users for given items, or rows of items for given users, by regularized least squares.

    layout, mean : the columns of rows, and the mean rating
    deviation : the standard deviation of the ratings, which multiplies the regularization of factors
    regularization, bias_regularization : the model's parameters
    scales_with_count : whether the regularization of a row is multiplied by the number of its ratings
    implicit_factors : float32, (n_items, factors): regularization pulls a user towards their sum over the user's items,
        divided by the root of the number of these; None pulls towards zeros
    """

    layout: Layout
    mean: float
    deviation: float
    regularization: float
    bias_regularization: float
    scales_with_count: bool
    implicit_factors: Floats | None = None

    def solve_users(self, pairs: Rows, items: Floats) -> Floats:
        """Return the rows of users, float32 (users, width), solved from their pairs and from rows of items."""
        priors = None
        if self.implicit_factors is not None:
            wide = self.layout.widen(self.implicit_factors)
            priors = spread(pairs).multiply(wide)[:, : self.layout.factors]
        users = self.layout.users(len(pairs.counts), priors)
        self.half_step(pairs, users, items, self.layout.user_bias)
        return users

    def half_step(self, pairs: Rows, P: Floats, Q: Floats, bias: int) -> float:
        """Solve the rows of P in place; regularization pulls them towards their values before the call.

        bias : the column of the biases in P

        Returns the sum of the rows' objectives, added in block order.
        """
        mean, fixed = np.float32(self.mean), self._fixed(bias)
        scale, ridge = self.scale(pairs.counts), self._ridge(bias).astype(np.float32)
        blocks = parallel.solver_blocks(pairs.indptr, P.shape[1])
        objectives = np.zeros(len(blocks))

        def solve(b: int) -> None:
            start, stop = blocks[b]
            objectives[b] = rating_rows(
                *pairs, start=start, stop=stop, P=P, Q=Q, ridge=ridge, scale=scale, mean=mean, fixed=fixed
            )

        parallel.run(solve, len(blocks))
        return float(objectives.sum())

    def penalty(self, rows: Floats, pairs: Rows, bias: int) -> float:
        """Return the regularization of rows with these pairs, whose biases are in column `bias`."""
        ridge = self._ridge(bias)
        ridge[self._fixed(bias)] = 0
        with np.errstate(all="ignore"):  # an overflow shows in the objective
            squares = np.einsum("uf,uf,f->u", rows, rows, ridge, dtype=np.float64)
            return float(self.scale(pairs.counts) @ squares)

    def scale(self, counts: Counts) -> Floats:
        """Return the factor of each row's regularization, given the numbers of ratings: float32, (rows,).

        Raises ValueError where the regularization of a row is more than 32-bit floats hold.
        """
        if not self.scales_with_count:
            counts = np.ones_like(counts)
        if self._ridge(self.layout.user_bias).max() * counts.max(initial=0) > LARGEST_FLOAT:
            raise ValueError(
                f"regularization {self.regularization} (biases: {self.bias_regularization}) times the ratings of a row "
                "is more than 32-bit floats hold: lower it, or scale the ratings down"
            )
        return counts.astype(np.float32)

    def _fixed(self, bias: int) -> int:
        """Return the column of ones in rows whose biases are in column `bias`."""
        return self.layout.user_bias + self.layout.item_bias - bias

    def _ridge(self, bias: int) -> Doubles:
        """Return the regularization of every column of a row: float64, (width,)."""
        ridge = np.full(self.layout.width, self.deviation * self.regularization)
        ridge[bias] = self.bias_regularization
        return ridge


@dataclass(frozen=True, eq=False)
class _FoldIn(Lean):
    """Folds in new users: solves their rows for the fitted items.

    item_factors, item_biases : as fitted
    """

    solver: RowSolver
    item_factors: Floats
    item_biases: Floats

    def __call__(self, histories: Rows, features: Rows | None) -> tuple[Floats, Floats]:
        """Return the factors of new users, float32 (n, factors), and the mean plus their biases, float32 (n,)."""
        layout = self.solver.layout
        users = self.solver.solve_users(histories, self._wide_items)
        if not np.isfinite(users).all():
            raise DataError(
                "a history has no finite solution",
                "pass ratings like the training's",
                "fit with parameters nearer to their defaults",
            )
        return users[:, : layout.factors], np.float32(self.solver.mean) + users[:, layout.user_bias]

    @cached_property
    def _wide_items(self) -> Floats:
        return self.solver.layout.items(len(self.item_factors), self.item_factors, self.item_biases)


class RatingTask(ABC):
    """Trains a rating model on some interactions, for the epoch loop.

    The state's `users` and `items` are rows in the columns of `Layout`: float32 (rows, width).
    """

    def __init__(self, model: RatingModel, interactions: Interactions) -> None:
        self.epochs: int = model.used_.epochs
        self._model = model
        self._interactions = interactions

    @abstractmethod
    def start(self) -> Arrays:
        """Return the rows before the first epoch."""

    @abstractmethod
    def train_epoch(self, state: Arrays, epoch: int) -> float:
        """Train one epoch in place and return the objective."""

    def rank(self, state: Arrays, rows: RowNumbers, k: int) -> Lists:
        """Rank the unseen items of user rows with the current factors."""
        # Without the mean rating: it is the same for all items.
        rankable = self._interactions.by_item.with_pairs
        seen = Hidden(self._interactions.by_user, rows)
        catalogue, ties = VectorCandidates(state["items"], rankable), Ties.of(self._model.items.tie_order)
        return top_k(state["users"][rows], catalogue, k, [seen], ties)

    def predict(self, state: Arrays, users: RowNumbers, items: RowNumbers) -> Floats:
        """Return the predicted ratings of pairs of rows with the current factors: float32, (pairs,)."""
        catalogue = VectorCandidates(state["items"])
        return self._model.keep_to_range(self._model.mean_ + catalogue.pair_scores(state["users"], users, items))

    def _random_factors(self, pairs: Rows, stream: Stream, deviation: float) -> Floats:
        """Return random factors for rows with these pairs, from seed and stream; zeros for rows without a pair."""
        factors = np.empty((len(pairs.indptr) - 1, self._model.factors), np.float32)
        size = deviation * np.sqrt(np.float64(self._model.deviation_[0]))
        fill_uniform(factors, self._model.factors, derive_state(self._model.seed, stream), size)
        factors[~pairs.has_pairs] = 0
        return factors


def _range_of(interactions: Interactions) -> Floats:
    ratings = interactions.matrix.data
    return np.array([ratings.min(), ratings.max()], np.float32)
