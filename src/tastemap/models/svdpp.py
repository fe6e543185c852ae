"""SVD++: ratings from factors and from what was rated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from tastemap import parallel
from tastemap.data._checks import check_amount
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, Specs
from tastemap.kernels.sgd import Bucket
from tastemap.kernels.svd import svdpp_bucket
from tastemap.models.shared.needs import Parts
from tastemap.models.shared.ratings import RatingModel, RatingTask, RowSolver
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.models.svd import SVD, Descent
from tastemap.training.spread import gather, spread
from tastemap.training.wide import zeros
from tastemap.typing import Array, Arrays, Floats

# The number of rows of a matrix product that one thread computes at a time.
PRODUCT_ROWS = 1024

# How often an epoch moves the implicit factors; each time costs two passes over all pairs.
MOVES = 8


@dataclass(kw_only=True, eq=False)
class SVDpp(SVD):
    """SVD++: SVD that also learns from which items a user has rated, whatever the ratings.

    s(u, i) = mu + b_u + b_i + (p_u + z_u) . q_i,    z_u = |N(u)|^-1/2 sum of y_j over the items N(u) that u has rated
    minimise   sum over the ratings of   (r - s)^2  +  sigma regularization (|p_u|^2 + |q_i|^2)
                                                    +  bias_regularization (b_u^2 + b_i^2)
                                                    +  sigma implicit_regularization |y_i|^2
               sigma: the standard deviation of the ratings, so that the parameters mean the same on every scale
    step       e = r - s
               p_u += rate / sigma (e q_i - sigma regularization p_u)
               q_i += rate / sigma (e (p_u + z_u) - sigma regularization q_i)
               b_u += rate (e - bias_regularization b_u),    b_i += rate (e - bias_regularization b_i)
               with the values before the step on the right, for every rating in random order, once an epoch:
               svdpp_bucket in kernels/svd.py; and up to 8 times an epoch, with the ratings since the last time, of
               which n_j are of item j, for all items j at once
               y_j += implicit rate / sigma (sum over those whose user has j of |N(u)|^-1/2 e q_i
                                             - n_j sigma implicit_regularization y_j)
               rate = learning_rate (1 - epoch / epochs), epoch from 0; the implicit rate is implicit_learning_rate
               times the same

    Where a rating is further than 8 sigma from mu, the sigma in rate / sigma is an eighth of that distance: steps
    towards one huge count would diverge. Ratings in stars are hardly ever so far.

    factors : the length of p_u, q_i and y_i
    epochs : how often every rating is used
    learning_rate : of p, q and the biases in the first epoch
    regularization, bias_regularization : of factors and biases, for each rating
    implicit_learning_rate : of y in the first epoch. A step is shortened where it would go beyond the lowest point in
        its direction
    implicit_regularization : of y, for each rating
    seed : of the random start and of the order of the ratings

    user_factors_, item_factors_ : float32, (n_users, factors) and (n_items, factors): p_u + z_u and q_i
    implicit_factors_ : float32, (n_items, factors): y
    user_biases_, item_biases_ : float32, (n_users,) and (n_items,); a row without a rating has zero factors and bias
    mean_, deviation_ : float32, (1,): mu and sigma of the training data; sigma is 1 where all ratings are the same
    range_ : float32, (2,): the lowest and the highest rating. `predict` and the lists show scores within it; lists are
        ordered before

    Weights, fold-in, `update`, `explain` and similar items and users are as in SVD; N(u) of a new user is the items of
    the history, and an update moves y_j as far as q_j.

    Koren, Factorization meets the neighborhood: a multifaceted collaborative filtering model, KDD 2008. Moving all y at
    once with the sum of their gradients, rather than for every rating, makes an epoch cost little more than one of SVD.
    """

    factors: int = 50
    implicit_learning_rate: float = 0.005
    implicit_regularization: float = 0.05

    search_space: ClassVar[SearchSpace] = {
        **SVD.search_space,
        "implicit_learning_rate": Range(0.001, 0.02, log=True),
        "implicit_regularization": Range(0.01, 0.2, log=True),
    }
    fitted_arrays: ClassVar[Specs] = {
        **RatingModel.fitted_arrays,
        "implicit_factors_": ArraySpec(dtype="float32", shape=("items", "factors")),
    }

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        super().check()
        for name in ("implicit_learning_rate", "implicit_regularization"):
            check_amount(name, getattr(self, name))

    def _task(self, interactions: Interactions) -> RatingTask:
        return _ImplicitDescent(self, interactions)

    def _take(self, state: Arrays) -> None:
        super()._take(state)
        self.implicit_factors_ = np.ascontiguousarray(state["implicit"][:, : self.factors])

    def _find_learning(self, sizes: Mapping[str, int], width: int) -> tuple[Parts, ...]:
        n_users, n_items, n_pairs = sizes["users"], sizes["items"], sizes["pairs"]
        start, descent = super()._find_learning(sizes, width)
        implicit = {"implicit factors": 4 * width * n_items, "values of pairs": 8 * n_pairs}
        # Of the users the sums of y and its gradients, and how far a step moves them; of the items a step, twice.
        moves = {"sums of implicit factors": 4 * width * (4 * n_users + 2 * n_items)}
        return ({**start, "values of pairs": 8 * n_pairs}, {**descent, **implicit, **moves})

    def _start_from(self, before: Self, state: Arrays) -> None:
        """Put the rows of `before` in the place of random ones, each user's with the implicit part of all ratings."""
        old, layout = np.flatnonzero(before.activity_), self._layout
        implicit = layout.widen(before.implicit_factors_)
        state["implicit"][: len(implicit)] = implicit
        parts = spread(self.state.training("update").by_user).multiply(state["implicit"])
        state["users"] += parts
        super()._start_from(before, state)
        state["users"][old] += parts[old] - spread(before.state.training("update").by_user).multiply(implicit)[old]

    def _find_paces(self, before: Self, interactions: Interactions) -> dict[str, Floats]:
        paces = super()._find_paces(before, interactions)
        return paces | {"implicit": paces["items"]}

    @property
    def _fitted_solver(self) -> RowSolver:
        return replace(self._solver, implicit_factors=self.implicit_factors_)


class _ImplicitDescent(Descent):
    """Trains SVD++: gradient steps for each rating, and a step of the implicit factors after every few strata.

    The state's `users` hold p + z, and `implicit` holds y: float32 (n_items, width).
    """

    _model: SVDpp

    def __init__(self, model: SVDpp, interactions: Interactions) -> None:
        super().__init__(model, interactions)
        of_items = interactions.by_item
        self._counts = [pairs.counts for pairs in (interactions.by_user, of_items)]
        self._of_users = spread(interactions.by_user)
        self._of_items = gather(of_items, self._counts[0])

    def start(self) -> Arrays:
        """Return small random factors, zero biases and a zero implicit part."""
        state = super().start()
        return state | {"implicit": zeros(*state["items"].shape)}

    def train_epoch(self, state: Arrays, epoch: int) -> float:
        """Make the steps of SVD, and those of the implicit factors in between; return the objective."""
        model, fall = self._model, self._fall(epoch)
        users, items, implicit = state["users"], state["items"], state["implicit"]
        rates = self._rates(epoch)
        n_strata = self._grid.n_blocks
        between = -(-n_strata // MOVES)
        Z, G = self._of_users.multiply(implicit), zeros(*users.shape)
        done = 0

        def work(bucket: Bucket) -> float:
            return float(svdpp_bucket(bucket, users, items, Z, G, self._mean, rates))

        def after() -> None:
            nonlocal done
            done += 1
            waiting = (done - 1) % between + 1
            if waiting == between or done == n_strata:
                self._move(state, Z, G, waiting / n_strata, model.implicit_learning_rate * fall / self._spread)

        errors = self._grid.run(epoch, work, after)
        squares = np.einsum("if,if->i", implicit, implicit, dtype=np.float64)
        penalty = self._deviation * model.implicit_regularization * float(self._counts[1] @ squares)
        return errors + self._penalty(users - Z, items) + penalty

    def _move(self, state: Arrays, Z: Floats, G: Floats, share: float, rate: float) -> None:
        """Move y down its gradient, and z with it; G holds every user's sum of e q over a share of the ratings."""
        items, implicit = state["items"], state["implicit"]
        n_users, n_items = (share * counts for counts in self._counts)
        ridge = self._deviation * self._model.implicit_regularization * n_items
        with np.errstate(all="ignore"):  # an overflow shows in the objective
            step = self._of_items.multiply(G)
            step[:, -2:] = 0  # of the biases
            step -= ridge.astype(np.float32)[:, None] * implicit
            moved = self._of_users.multiply(step)
            squares = np.einsum("if,if->i", step, step, dtype=np.float64)
            # Along the step the objective is almost a parabola; its curvature uses the same mean of q q' for all users.
            curvature = ridge @ squares + _curvature(moved, _mean_square(items, n_items), n_users)
            length = np.float32(min(rate, squares.sum() / curvature) if curvature > 0 else 0)
            moved *= length
            implicit += length * step
            state["users"] += moved
            Z += moved
        G[:] = 0


def _mean_square(Q: Floats, counts: Array) -> Floats:
    """Return the mean of q q' over the ratings."""
    with parallel.one_blas_thread():  # its bits depend on the number of BLAS threads
        mean: Floats = ((Q.T * (counts / counts.sum())) @ Q).astype(np.float32)
    return mean


def _curvature(Z: Floats, C: Floats, counts: Array) -> float:
    """Return the sum over users of count z' C z, added in a fixed order."""
    blocks = parallel.row_blocks(len(Z), PRODUCT_ROWS)
    sums = np.zeros(len(blocks))

    def add_up(b: int) -> None:
        mine = Z[blocks[b]]
        sums[b] = counts[blocks[b]] @ np.einsum("uf,uf->u", mine @ C, mine, dtype=np.float64)

    parallel.run(add_up, len(blocks))
    return float(sums.sum())
