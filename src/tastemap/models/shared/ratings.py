"""Models that predict ratings: factors and bias of a row side by side, scores kept to the range of the ratings."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data._checks import LARGEST_FLOAT, check_amount, check_whole
from tastemap.data._pairs import Rows, rows_at
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError, DivergenceError
from tastemap.kernels.core.random import fill_uniform
from tastemap.kernels.explicit_als import rating_rows
from tastemap.models.shared.base import Model
from tastemap.randomness import Stream, derive_state
from tastemap.ranking.similar import Space
from tastemap.ranking.top_k import Hidden, Lists, VectorCandidates, top_k
from tastemap.training.loop import Options, train
from tastemap.training.wide import width_of, zeros
from tastemap.typing import Arrays, Floats, RowNumbers


class Layout:
    """Where things are in the rows that kernels work on: a user [p, 0 ..., b, 1], an item [q, 0 ..., 1, b].

    The product of a user and an item is then p . q + b_u + b_i. Without biases both columns are 0 everywhere.
    """

    def __init__(self, factors: int, biases: bool = True) -> None:
        self.factors = factors
        self.width = width_of(factors + 2)
        self.user_bias, self.item_bias = self.width - 2, self.width - 1
        self._one = float(biases)

    def users(self, n_rows: int, factors: Floats | None = None, biases: Floats | None = None) -> Floats:
        """Return n_rows users, float32 (n_rows, width), of which the last may be new: zero factors and bias."""
        return self._rows(n_rows, factors, biases, self.user_bias, self.item_bias)

    def items(self, n_rows: int, factors: Floats | None = None, biases: Floats | None = None) -> Floats:
        """Return n_rows items; as `users`."""
        return self._rows(n_rows, factors, biases, self.item_bias, self.user_bias)

    def _rows(self, n_rows: int, factors: Floats | None, biases: Floats | None, bias: int, one: int) -> Floats:
        rows = zeros(n_rows, self.width)
        if factors is not None:
            rows[: len(factors), : self.factors] = factors
        if biases is not None:
            rows[: len(biases), bias] = biases
        rows[:, one] = self._one
        return rows


@dataclass(kw_only=True)
class RatingModel(Model):
    """What models that predict ratings share: s(u, i) = mean_ + b_u + b_i + p_u . q_i.

    user_factors_, item_factors_ : float32, (n_users, factors) and (n_items, factors): p and q
    user_biases_, item_biases_ : float32, (n_users,) and (n_items,)
    mean_ : float32, (1,): the mean rating of the training data
    deviation_ : float32, (1,): the standard deviation of the ratings, 1 where that is 0. Ratings c times as large come
        with factors sqrt(c) times as large, hence the regularization of factors is multiplied with the deviation:
        parameters then mean the same on every scale
    range_ : float32, (2,): its lowest and its highest rating; scores are shown within, and ordered before
    """

    factors: int = 64
    epochs: int = 10
    regularization: float = 0.075
    bias_regularization: float = 0.03
    seed: int = 0

    # Whether the fitted users are the exact minimum for the items, all of them.
    _ends_with_users: ClassVar[bool] = False
    _fitted: ClassVar[tuple[str, ...]] = (
        "user_factors_",
        "item_factors_",
        "user_biases_",
        "item_biases_",
        "mean_",
        "deviation_",
        "range_",
    )

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        for name in ("factors", "epochs"):
            check_whole(name, getattr(self, name), lowest=1)
        for name in ("regularization", "bias_regularization"):
            check_amount(name, getattr(self, name))
        if self.regularization == 0:
            raise ValueError(
                "regularization must be above 0, got 0: without it few ratings do not determine a row's factors"
            )
        check_whole("seed", self.seed, lowest=0)

    # -- learning -----------------------------------------------------------------------------------------------------

    # Which parameter to change when training leaves the numbers that floats hold.
    _hint: ClassVar[str]

    @abstractmethod
    def _task(self, interactions: Interactions) -> RatingTask:
        """Return what the epoch loop trains."""

    def _learn(self, interactions: Interactions, options: Options) -> None:
        self._take_ratings(interactions)
        state, self.epochs_ = train(self._task(interactions), self._identity(options), options, self._hint)
        self._take(state)

    def _take(self, state: Arrays) -> None:
        """Set what was learned."""
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
            warnings.warn(
                f"every weight is {self.range_[0]:g}, so {type(self).__name__}, which predicts ratings, has nothing to "
                "tell apart: fit ImplicitALS to rank items by who chose what",
                stacklevel=4,
            )

    def _take_users(self, wide: Floats) -> None:
        self.user_factors_ = np.ascontiguousarray(wide[:, : self.factors])
        self.user_biases_ = wide[:, self._layout.user_bias].copy()

    def _take_items(self, wide: Floats) -> None:
        self.item_factors_ = np.ascontiguousarray(wide[:, : self.factors])
        self.item_biases_ = wide[:, self._layout.item_bias].copy()

    def _learn_more(self, before: Self, news: Interactions) -> None:
        interactions = self._training("update")
        self.mean_, self.deviation_, self.range_ = before.mean_, before.deviation_, _range_of(interactions)
        self._keep_rest(before)
        users = self._layout.users(len(self._users), before.user_factors_, before.user_biases_)
        items = self._layout.items(len(self._items), before.item_factors_, before.item_biases_)
        touched_users = self._users.find(news.users.ids.gather(news.by_user.with_pairs))
        touched_items = self._items.find(news.items.ids.gather(news.by_item.with_pairs))
        # New users need a vector before new items can be solved from them.
        users[touched_users] = self._solved_users(rows_at(interactions.by_user, touched_users), items)
        solved = self._layout.items(len(touched_items))
        self._half_step(rows_at(interactions.by_item, touched_items), solved, users, self._layout.item_bias)
        items[touched_items] = solved
        again = np.arange(len(users)) if self._ends_with_users else touched_users
        users[again] = self._solved_users(rows_at(interactions.by_user, again), items)
        if not (np.isfinite(users).all() and np.isfinite(items).all()):
            raise DivergenceError(
                "the new interactions have no finite solution: raise regularization, or scale the ratings down"
            )
        self._take_users(users)
        self._take_items(items)

    def _keep_rest(self, before: Self) -> None:  # a model with nothing else has nothing to do
        """Take from the model before what an update leaves as it is."""

    def _solved_users(self, pairs: Rows, items: Floats) -> Floats:
        """Return the wide rows of users that belong to their pairs and to wide rows of items."""
        users = self._layout.users(len(pairs.indptr) - 1, self._user_priors(pairs))
        self._half_step(pairs, users, items, self._layout.user_bias)
        return users

    def _half_step(self, pairs: Rows, P: Floats, Q: Floats, bias: int) -> float:
        """Solve the rows of P, whose biases are in column `bias`, pulled towards what they come in as.

        Returns the sum of the rows' objectives, added in block order.
        """
        mean, fixed = np.float32(self.mean_[0]), self._fixed(bias)
        scale, ridge = self._scale(pairs.counts), self._ridge(bias).astype(np.float32)
        blocks = parallel.even_blocks(pairs.indptr)
        objectives = np.zeros(len(blocks))

        def solve(b: int) -> None:
            start, stop = blocks[b]
            objectives[b] = rating_rows(
                *pairs, start=start, stop=stop, P=P, Q=Q, ridge=ridge, scale=scale, mean=mean, fixed=fixed
            )

        parallel.run(solve, len(blocks))
        return float(objectives.sum())

    def _penalty(self, rows: Floats, pairs: Rows, bias: int) -> float:
        """Return the regularization of rows with these pairs, whose biases are in column `bias`."""
        ridge = self._ridge(bias)
        ridge[self._fixed(bias)] = 0
        with np.errstate(all="ignore"):  # numbers that are not finite show in the objective
            squares = np.einsum("uf,uf,f->u", rows, rows, ridge, dtype=np.float64)
            return float(self._scale(pairs.counts) @ squares)

    def _fixed(self, bias: int) -> int:
        """Return the column of ones in rows whose biases are in column `bias`."""
        return self._layout.user_bias + self._layout.item_bias - bias

    def _ridge(self, bias: int) -> npt.NDArray[np.float64]:
        """Return the regularization of every column of a row: float64, (width,)."""
        ridge = np.full(self._layout.width, float(self.deviation_[0]) * self.regularization)
        ridge[bias] = self.bias_regularization
        return ridge

    def _scale(self, counts: RowNumbers) -> Floats:
        """Return what the regularization of rows with so many ratings is multiplied with."""
        if self._ridge(self._layout.user_bias).max() * counts.max(initial=0) > LARGEST_FLOAT:
            raise ValueError(
                f"regularization {self.regularization} (biases: {self.bias_regularization}) times the ratings of a row "
                "is more than 32-bit floats hold: lower it, or scale the ratings down"
            )
        return counts.astype(np.float32)

    def _user_priors(self, pairs: Rows) -> Floats | None:
        """Return the factors that regularization pulls users with these pairs towards, None for zeros."""
        return None

    # -- what the base class asks -------------------------------------------------------------------------------------

    def _queries(self, rows: RowNumbers) -> Floats:
        return self._as_queries(self.user_factors_[rows], self.user_biases_[rows])

    def _as_queries(self, factors: Floats, biases: Floats) -> Floats:
        return np.hstack([factors, (self.mean_ + biases)[:, None], np.ones((len(factors), 1), np.float32)])

    @cached_property
    def _vectors(self) -> Floats:
        ones = np.ones((len(self.item_factors_), 1), np.float32)
        return np.hstack([self.item_factors_, ones, self.item_biases_[:, None]])

    def _shown(self, scores: Floats) -> Floats:
        return np.clip(scores, *self.range_)

    @property
    def _liking(self) -> float:
        return float(self.range_[1])

    @cached_property
    def _wide_items(self) -> Floats:
        return self._layout.items(len(self.item_factors_), self.item_factors_, self.item_biases_)

    def _fold_in(self, histories: Rows) -> Floats:
        users = self._solved_users(histories, self._wide_items)
        if not np.isfinite(users).all():
            raise DataError("a history has no finite solution: its weights must be ratings like the training's")
        return self._as_queries(users[:, : self.factors], users[:, self._layout.user_bias])

    @cached_property
    def _item_space(self) -> Space:
        return Space(self.item_factors_, np.flatnonzero(self.popularity_))

    @cached_property
    def _user_space(self) -> Space:
        return Space(self.user_factors_, self._active_users())


class RatingTask(ABC):
    """The training of a rating model on some interactions, as the epoch loop wants it.

    The state's `users` and `items` are wide rows as `Layout` has them.
    """

    def __init__(self, model: RatingModel, interactions: Interactions) -> None:
        self.epochs = model.epochs
        self._model = model
        self._interactions = interactions

    @abstractmethod
    def start(self) -> Arrays:
        """Return the rows before the first epoch."""

    @abstractmethod
    def train_epoch(self, state: Arrays, epoch: int) -> float:
        """Train one epoch in place and return the objective."""

    def rank(self, state: Arrays, rows: RowNumbers, k: int) -> Lists:
        """Rank the unseen items of some users with the rows as they are."""
        # The mean, which is left out, is the same for all items.
        rankable = self._interactions.by_item.with_pairs
        seen = Hidden(self._interactions.by_user, rows)
        return top_k(state["users"][rows], VectorCandidates(state["items"], rankable), k, [seen])

    def predict(self, state: Arrays, users: RowNumbers, items: RowNumbers) -> Floats:
        """Return the ratings of pairs with the rows as they are."""
        catalogue = VectorCandidates(state["items"])
        return self._model._shown(self._model.mean_ + catalogue.pair_scores(state["users"], users, items))

    def _random_factors(self, pairs: Rows, stream: Stream, deviation: float) -> Floats:
        """Return factors for rows with these pairs, a function of seed and stream; zeros for a row without any."""
        factors = np.empty((len(pairs.indptr) - 1, self._model.factors), np.float32)
        size = deviation * np.sqrt(np.float64(self._model.deviation_[0]))
        fill_uniform(factors, derive_state(self._model.seed, stream), size)
        factors[~pairs.has_pairs] = 0
        return factors


def _range_of(interactions: Interactions) -> Floats:
    ratings = interactions.matrix.data
    return np.array([ratings.min(), ratings.max()], np.float32)
