"""Factorization of ratings by stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from tastemap.data._checks import check_amount
from tastemap.data._pairs import rows_at
from tastemap.data.interactions import Interactions
from tastemap.kernels.sgd import Bucket
from tastemap.kernels.svd import Rates, svd_bucket
from tastemap.models.explicit_als import ExplicitALS
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.models.shared.needs import Parts
from tastemap.models.shared.ratings import RatingModel, RatingTask
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.randomness import Stream
from tastemap.training.grid import Grid
from tastemap.training.update import find_paces, train_on
from tastemap.typing import Arrays, Floats

# The standard deviation of the factors at the start.
START = 0.003

# Ratings further from the mean than this many standard deviations shorten the steps of factors, which diverge
# otherwise.
TAIL = 8.0


@dataclass(kw_only=True, eq=False)
class SVD(RatingModel):
    """Matrix factorization of ratings with biases by stochastic gradient descent.

    s(u, i) = mu + b_u + b_i + p_u . q_i
    minimise   sum over the ratings of   (r - s)^2  +  sigma regularization (|p_u|^2 + |q_i|^2)
                                                    +  bias_regularization (b_u^2 + b_i^2)
               sigma: the standard deviation of the ratings, so that the parameters mean the same on every scale
    step       e = r - s
               p_u += rate / sigma (e q_i - sigma regularization p_u),    b_u += rate (e - bias_regularization b_u)
               q_i += rate / sigma (e p_u - sigma regularization q_i),    b_i += rate (e - bias_regularization b_i)
               with the values before the step on the right; rate = learning_rate (1 - epoch / epochs), epoch from 0
               for every rating in random order, once an epoch: svd_bucket in kernels/svd.py

    Where a rating is further than 8 sigma from mu, the sigma in rate / sigma is an eighth of that distance: steps
    towards one huge count would diverge. Ratings in stars are hardly ever so far.

    factors : the length of p_u and q_i
    epochs : how often every rating is used
    learning_rate : of the first epoch
    regularization, bias_regularization : of factors and biases, for each rating
    seed : of the random start and of the order of the ratings

    user_factors_, item_factors_ : float32, (n_users, factors) and (n_items, factors)
    user_biases_, item_biases_ : float32, (n_users,) and (n_items,); a row without a rating has zero factors and bias
    mean_, deviation_ : float32, (1,): mu and sigma of the training data; sigma is 1 where all ratings are the same
    range_ : float32, (2,): the lowest and the highest rating. `predict` and the lists show scores within it; lists are
        ordered before

    Weights are the ratings, of any sign. Only observed ratings count and a missing rating is no sign of dislike, so the
    top of a list has items that the user would rate highly, chosen or not; ImplicitALS ranks by what users choose.
    Fold-in finds the exact minimum for the fitted items, and predicts as well as a fitted user: on MovieLens 1M and
    100K the RMSE of known users differs by .001 and .005. `update` takes a quarter of the epochs over all ratings,
    starting from the fitted rows, with rates that fall to 0 again: what an epoch would add to a known row is multiplied
    by the share of its ratings that are new, times 4 and at most 1. So rows without new ratings stay as they are, as do
    mu and sigma, and many updates train no row too far. New users are solved exactly afterwards. `explain` leaves out
    one rating at a time, of the 200 highest; contributions do not add up to the score.
    similar_items and similar_users compare q and p as they say; biases are left out.

    Koren, Bell and Volinsky, Matrix factorization techniques for recommender systems, Computer 42(8), 2009. The order
    of the ratings is that of Gemulla et al., KDD 2011, so that threads neither meet nor change the result.
    """

    factors: int = 100
    epochs: int = 30
    learning_rate: float = 0.035
    regularization: float = 0.05
    bias_regularization: float = 0.02

    # These parameters mean the same on every scale of ratings. Above a rate of 0.1 the steps diverge.
    search_space: ClassVar[SearchSpace] = {
        "epochs": Range(10, 60, log=True),
        "learning_rate": Range(0.005, 0.1, log=True),
        "regularization": Range(0.01, 0.5, log=True),
        "bias_regularization": Range(0.003, 0.2, log=True),
    }
    abilities: ClassVar[Abilities] = Abilities(
        ratings=True, similar_items=True, similar_users=True, explains="leave-one-out", epochs=True
    )
    _hint: ClassVar[str] = "lower learning_rate or regularization, or damp ratings with a long tail by log2()"

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        super().check()
        check_amount("learning_rate", self.learning_rate)
        if self.learning_rate == 0:
            raise ValueError("learning_rate must be above 0, got 0: with it nothing is learned")

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Take the steps of all ratings for some epochs, starting from the rows of `before`; then solve the new users.

        Rows that are known move in proportion to their shares of new ratings: see training/update.py.
        """
        interactions = self.state.training("update")
        self._keep_scale(before, interactions)
        task = self._task(interactions)
        state = task.start()
        self._start_from(before, state)
        state = train_on(task, state, self._find_paces(before, interactions), self._hint)
        self._take(state)
        new = np.setdiff1d(np.flatnonzero(self.activity_), np.flatnonzero(before.activity_))
        state["users"][new] = self._fitted_solver.solve_users(rows_at(interactions.by_user, new), state["items"])
        self._take_update(state["users"], state["items"])

    def _start_from(self, before: Self, state: Arrays) -> None:
        """Put the rows of users and items with a rating in `before` in the place of random ones."""
        layout = self._layout
        for rows, counts, known in (
            (
                state["users"],
                before.activity_,
                layout.users(len(before.users), before.user_factors_, before.user_biases_),
            ),
            (
                state["items"],
                before.popularity_,
                layout.items(len(before.items), before.item_factors_, before.item_biases_),
            ),
        ):
            old = np.flatnonzero(counts)
            rows[old] = known[old]

    def _find_paces(self, before: Self, interactions: Interactions) -> dict[str, Floats]:
        users, items = find_paces(before.state.training("update"), interactions)
        return {"users": users, "items": items}

    def _find_learning(self, sizes: Mapping[str, int], width: int) -> tuple[Parts, ...]:
        n_rows = sizes["users"] + sizes["items"]
        dealt = {"pairs dealt for an epoch": 12 * sizes["pairs"] + 13 * n_rows, "weights of rows": 12 * n_rows}
        return ({"random start": 4 * sizes["factors"] * n_rows}, dealt)

    def make_leaner(self) -> Model:
        """Return ExplicitALS with as many factors, which deals no pairs."""
        return ExplicitALS(factors=self.factors)

    def _task(self, interactions: Interactions) -> RatingTask:
        return Descent(self, interactions)


class Descent(RatingTask):
    """Trains SVD by a gradient step for each rating."""

    _model: SVD

    def __init__(self, model: SVD, interactions: Interactions) -> None:
        super().__init__(model, interactions)
        self._grid = Grid(interactions.by_user, len(interactions.items), model.seed)
        self._mean = np.float32(model.mean_[0])
        self._deviation = float(model.deviation_[0])
        furthest = float(np.abs(model.range_.astype(np.float64) - float(self._mean)).max())
        self._spread = max(self._deviation, furthest / TAIL)

    def start(self) -> Arrays:
        """Return small random factors and zero biases."""
        layout, of_users, of_items = self._model._layout, self._interactions.by_user, self._interactions.by_item
        users = self._random_factors(of_users, Stream.FIRST_USERS, START)
        items = self._random_factors(of_items, Stream.FIRST_ITEMS, START)
        return {"users": layout.users(len(users), users), "items": layout.items(len(items), items)}

    def train_epoch(self, state: Arrays, epoch: int) -> float:
        """Use every rating once; return the sum of the squared errors on the way, and the regularization at the end."""
        users, items = state["users"], state["items"]
        rates = self._rates(epoch)

        def work(bucket: Bucket) -> float:
            return float(svd_bucket(bucket, users, items, self._mean, rates))

        return self._grid.run(epoch, work) + self._penalty(users, items)

    def _rates(self, epoch: int) -> Rates:
        model, rate = self._model, self._model.learning_rate * self._fall(epoch)
        with np.errstate(over="ignore"):  # an overflow shows in the objective
            return Rates(
                rate=np.float32(rate / self._spread),
                ridge=np.float32(model.regularization * self._deviation),
                bias_rate=np.float32(rate),
                bias_ridge=np.float32(model.bias_regularization),
            )

    def _penalty(self, users: Floats, items: Floats) -> float:
        layout, of_users, of_items = self._model._layout, self._interactions.by_user, self._interactions.by_item
        of_items_too = self._model._solver.penalty(items, of_items, layout.item_bias)
        return self._model._solver.penalty(users, of_users, layout.user_bias) + of_items_too

    def _fall(self, epoch: int) -> float:
        """Return the share of the learning rates that applies in an epoch."""
        return 1 - epoch / self.epochs
