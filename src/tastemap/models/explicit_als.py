"""Explicit alternating least squares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from tastemap import parallel
from tastemap.data._checks import check_choice, check_switch
from tastemap.data._pairs import rows_at
from tastemap.data.interactions import Interactions
from tastemap.errors import DivergenceError
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.explain import solve
from tastemap.models.shared.needs import Parts
from tastemap.models.shared.ratings import RatingModel, RatingTask
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.models.shared.totals import Totals
from tastemap.randomness import Stream
from tastemap.training.wide import is_finite
from tastemap.typing import Arrays, Doubles, Floats, Ints

# The regularization of factors and biases where rows have one rating, and the most of both: see benchmarks/defaults.py.
STRENGTH, BIAS_STRENGTH = 0.6, 0.3
STRONGEST = 0.16


@dataclass(kw_only=True, eq=False)
class ExplicitALS(RatingModel):
    """Matrix factorization of ratings by alternating least squares.

    s(u, i) = mu + b_u + b_i + p_u . q_i
    minimise   sum over the ratings of  (r - s)^2
               + sum_u n_u (sigma regularization |p_u|^2 + bias_regularization b_u^2)  +  the same sum over the items
               n_u, n_i: the numbers of ratings of a user and an item
               sigma: the standard deviation of the ratings, so that the parameters mean the same on every scale
    update     for all users at once, then for all items, each at the minimum for the other side as it is:
               [p_u, b_u] = (sum y y' + n_u D)^-1  sum y (r - mu - b_i),   y = [q_i, 1]    over the user's ratings
               [q_i, b_i] = (sum x x' + n_i D)^-1  sum x (r - mu - b_u),   x = [p_u, 1]    over the item's ratings
               D = diag(sigma regularization for every factor, bias_regularization)
               rating_rows in kernels/explicit_als.py. The last half-step solves the users again

    factors : the length of p_u and q_i
    epochs : how often users and items are both solved
    biases : False leaves mu, b_u and b_i out: s(u, i) = p_u . q_i
    regularization, bias_regularization : of factors and biases. By default 0.6 n^-0.5 and 0.3 n^-0.5, both at most
        0.16, where n is the number of ratings divided by that of users and items; with the scale "none" 2 n times that
    regularization_scale : "count" as above, "none" puts 1 in the place of n_u and n_i
    seed : of the items' random start

    user_factors_, item_factors_ : float32, (n_users, factors) and (n_items, factors)
    user_biases_, item_biases_ : float32, (n_users,) and (n_items,); a row without a rating has zero factors and bias
    mean_, deviation_ : float32, (1,): mu, 0 without biases, and sigma, 1 where all ratings are the same
    range_ : float32, (2,): the lowest and the highest rating. `predict` and the lists show scores within it; lists are
        ordered before

    Weights are the ratings, of any sign. Only observed ratings count and a missing rating is no sign of dislike, so the
    top of a list has items that the user would rate highly, chosen or not; ImplicitALS ranks by what users choose.
    Fold-in of a known user's ratings gives the fitted row to 1e-4. `explain` is exact. `update` solves the
    items that have new ratings and then all users; the other items, mu and sigma stay.
    similar_items and similar_users compare q and p as they say; biases are left out.

    Bell and Koren, Scalable collaborative filtering with jointly derived neighborhood interpolation weights, ICDM 2007;
    Zhou et al., Large-scale parallel collaborative filtering for the Netflix prize, AAIM 2008 (the scale "count").
    """

    regularization: float | None = None
    bias_regularization: float | None = None
    biases: bool = True
    regularization_scale: Literal["count", "none"] = "count"

    # These parameters mean the same on every scale of ratings.
    search_space: ClassVar[SearchSpace] = {
        "epochs": Range(5, 30, log=True),
        "regularization": Range(0.02, 0.5, log=True),
        "bias_regularization": Range(0.005, 0.5, log=True),
    }
    abilities: ClassVar[Abilities] = Abilities(
        ratings=True, similar_items=True, similar_users=True, explains="exact", folds_in_exactly=True, epochs=True
    )
    _hint: ClassVar[str] = "raise regularization, or scale the ratings down"

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        super().check()
        check_switch("biases", self.biases)
        check_choice("regularization_scale", self.regularization_scale, ("count", "none"))

    def find_defaults_from(self, totals: Totals) -> dict[str, Any]:
        """Return both regularizations by the formulas of the class docstring."""
        n = totals.pairs / (len(totals.users) + len(totals.items))
        scale = 1.0 if self._scales_with_count else 2 * n
        return {
            "regularization": scale * min(STRENGTH / n**0.5, STRONGEST),
            "bias_regularization": scale * min(BIAS_STRENGTH / n**0.5, STRONGEST),
        }

    def _find_learning(self, sizes: Mapping[str, int], width: int) -> tuple[Parts, ...]:
        n_users, n_items = sizes["users"], sizes["items"]
        systems = {
            "systems of equations": 4 * width * (width + 66) * parallel.n_threads(),
            "weights of rows": 12 * max(n_users, n_items),
        }
        return (
            {**systems, "random start": 4 * sizes["factors"] * n_items},
            {**systems, "rows being solved": 4 * width * max(n_users, n_items)},
            {
                "fitted arrays": 4 * (sizes["factors"] + 1) * (n_users + n_items),
                **systems,
                "users solved": 4 * width * n_users,
            },
        )

    def _task(self, interactions: Interactions) -> RatingTask:
        return _Alternation(self, interactions)

    def _take(self, state: Arrays) -> None:
        self._take_items(state["items"])
        # End by solving the users for the final items, so that fold-in gives the same.
        users = self._solver.solve_users(self.state.training("fit").by_user, state["items"])
        if not is_finite(users):
            raise DivergenceError(f"the users have no finite solution for the items learned; {self._hint}")
        self._take_users(users)

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Solve the users and items that have new ratings, and then all users."""
        interactions = self.state.training("update")
        self._keep_scale(before, interactions)
        solver, layout = self._solver, self._layout
        users = layout.users(len(self.state.users), before.user_factors_, before.user_biases_)
        items = layout.items(len(self.state.items), before.item_factors_, before.item_biases_)
        touched_users = self.state.users.find(news.users.ids.gather(news.by_user.with_pairs))
        touched_items = self.state.items.find(news.items.ids.gather(news.by_item.with_pairs))
        # New users need a vector before new items can be solved from them. Changed items then change every user.
        users[touched_users] = solver.solve_users(rows_at(interactions.by_user, touched_users), items)
        solved = layout.items(len(touched_items))
        solver.half_step(rows_at(interactions.by_item, touched_items), solved, users, layout.item_bias)
        items[touched_items] = solved
        self._take_update(solver.solve_users(interactions.by_user, items), items)

    @property
    def _has_biases(self) -> bool:
        return self.biases

    @property
    def _scales_with_count(self) -> bool:
        return self.regularization_scale == "count"

    def contributions(self, user: int, item: int, items: Ints, weights: Floats) -> tuple[Doubles, float]:
        """Return (r - mu - b_j) q_i' A^-1 y_j for every rating of the user, and mu + b_u + b_i.

        p_u is a sum over the ratings, the factors' rows of A^-1 sum y (r - mu - b_j) with A as in the class docstring.
        A contribution is negative where the user dislikes something similar.
        """
        f = self.factors
        used = self.used_
        ridge = np.append(np.full(f, self.deviation_[0] * used.regularization), used.bias_regularization)
        Y = np.hstack([self.item_factors_[items], np.full((len(items), 1), self.biases)]).astype(np.float64)
        q = np.append(self.item_factors_[item], 0).astype(np.float64)
        left = weights.astype(np.float64) - self.mean_ - self.item_biases_[items]
        with parallel.one_blas_thread():  # its bits depend on the number of BLAS threads
            A = Y.T @ Y + np.diag(ridge * self._solver.scale(np.array([len(items)]))[0])
            if not self.biases:
                A[f, f] = 1
            contributions = left * (Y @ solve(A, q))
        return contributions, float(self.mean_[0] + self.user_biases_[user] + self.item_biases_[item])


class _Alternation(RatingTask):
    """Solves users and items in turn."""

    def start(self) -> Arrays:
        """Return the users at zero (the first half-step solves them) and the items at random."""
        layout, (n_users, n_items) = self._model._layout, self._interactions.shape
        size = 0.1 / np.sqrt(self._model.factors)
        factors = self._random_factors(self._interactions.by_item, Stream.FIRST_ITEMS_ALONE, size)
        return {"users": layout.users(n_users), "items": layout.items(n_items, factors)}

    def train_epoch(self, state: Arrays, epoch: int) -> float:
        """Solve the users, then the items; return the objective."""
        model, users, items = self._model, state["users"], state["items"]
        layout, of_users, of_items = model._layout, self._interactions.by_user, self._interactions.by_item
        users[...] = layout.users(len(users))
        model._solver.half_step(of_users, users, items, layout.user_bias)
        items[...] = layout.items(len(items))
        objective = model._solver.half_step(of_items, items, users, layout.item_bias)
        # The items' half-step counts the ratings and its own regularization; the users' is still to add.
        return objective + model._solver.penalty(users, of_users, layout.user_bias)
