"""Implicit alternating least squares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, Self, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data._checks import LARGEST_FLOAT, check_amount, check_choice, check_whole
from tastemap.data._pairs import Rows, rows_at
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, Specs
from tastemap.errors import DataError, DivergenceError
from tastemap.kernels.implicit_als import cg_rows, cholesky_rows, subspace_rows
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.models.shared.explain import solve
from tastemap.models.shared.needs import Needs
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.models.shared.totals import Totals
from tastemap.randomness import Stream, derive_state
from tastemap.ranking.scorer import FactorScorer, Lean, Scorer
from tastemap.ranking.top_k import Hidden, Lists, Ties, VectorCandidates, top_k
from tastemap.training.loop import Options
from tastemap.training.side_features import SideFeatures, mean_factors
from tastemap.training.sides import FEATURE_STEPS, NO_MEANS, Side
from tastemap.training.wide import is_finite, narrow, random_rows, widen, width_of, zeros
from tastemap.typing import Arrays, Counts, Doubles, Flags, Floats, Ints, RowNumbers

# The number of rows of a matrix product that one thread computes at a time.
PRODUCT_ROWS = 1024


@dataclass(kw_only=True, eq=False)
class ImplicitALS(Model):
    """Matrix factorization of implicit feedback by alternating least squares.

    s(u, i) = x_u . y_i
    minimise   sum over pairs in S of  alpha w (1 - s)^2  +  unobserved_weight  sum over all pairs of  s^2
               + regularization (sum_u r_u |x_u|^2 + sum_i r_i |y_i|^2)
               r_u = (n_u + unobserved_weight n_items)^frequency_exponent,  n_u the pairs of the user,
               r_i = (n_i + unobserved_weight n_users)^frequency_exponent,  n_i those of the item
    update     for all users at once, then for all items, x_u and y_i at the minimum for the other side as it is:
               A_u x_u = t_u,   A_u = sum_S alpha w y y' + unobserved_weight Y'Y + regularization r_u I,
                                t_u = sum_S alpha w y      over the items y of the user
               A_i y_i = t_i,   A_i = sum_S alpha w x x' + unobserved_weight X'X + regularization r_i I,
                                t_i = sum_S alpha w x      over the users x of the item
               by cholesky_rows, cg_rows or subspace_rows in kernels/implicit_als.py, from the epoch before's row x:
               "cholesky"   x = A^-1 t
               "cg"         r = t - A x,  p = M^-1 r,  M the diagonal of A; then cg_steps times, with a = r' M^-1 r,
                            x += a / (p' A p) p,   r -= a / (p' A p) A p,   p = M^-1 r + (r' M^-1 r / a) p
               "subspace"   for every block B of 16 factors in turn  x_B += A_BB^-1 (t - A x)_B
               the last two in the basis in which Y'Y, or X'X, is diagonal. The last half-step solves the users exactly

    With features of items y_i = F_i W + d_i, the sum of the factors of the item's features plus a part of its own:
    minimise   the same with r_i |d_i|^2 for r_i |y_i|^2, plus feature_regularization regularization r |W|^2,
               r the mean of the r_i
    update     t_i = sum_S alpha w x + regularization r_i F_i W, which draws y_i to F_i W instead of 0; before the
               items' half-step two conjugate-gradient steps for W given Y, at the end as many as it takes
    and the same for x_u with features of users. Users and items without a training pair take no part, and get F_i W.

    factors : the length of x_u and y_i
    epochs : how often users and items are both solved
    alpha : the weight of an observed pair of mean weight; w is the pair's own in multiples of the mean
    unobserved_weight : the weight of s = 0 for every pair, observed or not (alpha_0); higher means more caution towards
        what nobody has chosen, lower suits large, sparse catalogues. None is 7 alpha density, but at least 0.02 alpha
        and at most 0.2 alpha; density = pairs / (n_users n_items)
    regularization : lambda. None is alpha (1.64 n_items^-0.2 + 0.64 n_users / pairs), but at most
        0.25 alpha (pairs density)^0.25: 0.2 to 0.5 for most data, more for few items, all of which find factors enough,
        and where people have few pairs. For another regularization_scale or frequency_exponent it is multiplied so that
        the mean ridge of the items stays
    frequency_exponent : nu, how much more frequent users and items are regularized; 0 treats all alike
    loss : "rendle" as above; "hu" gives an observed pair the confidence unobserved_weight + alpha w and the target 1
        (Hu et al. with unobserved_weight=1): t_u = sum_S (unobserved_weight + alpha w) y, and the same in t_i
    regularization_scale : "frequency" as above; "count": r_u = n_u, the number of the user's pairs; "none": r_u = 1
    solver : "cg" improves each row by cg_steps preconditioned conjugate-gradient steps; "subspace" solves 16 factors of
        a row at a time exactly, one round over all of them, at 1.7 times the time; "cholesky" solves the whole row
        exactly, at three to eight times
    cg_steps : 2 steps reach the objective that others need 3 to 4 for
    feature_regularization : how many times more the factors of features are regularized than an average row's own part
    seed : of the items' random start

    user_factors_, item_factors_ : float32, (n_users, factors) and (n_items, factors)

    Weights count as confidence. Fold-in of a known user's history (and features) gives the fitted row to 1e-4.
    `explain` is exact; its `baseline` is the part of the score from the user's features. `update` solves the items that
    have new pairs or changed features and then all users, exactly; the other items and the features' factors stay.

    Rendle et al., Revisiting the performance of iALS on item recommendation benchmarks, RecSys 2022; Hu, Koren and
    Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008. Conjugate gradients: Takács, Pilászy
    and Tikk, Applications of the conjugate gradient method for implicit feedback collaborative filtering, RecSys 2011;
    here in the basis in which the Gram matrix is diagonal, which makes its product free and its diagonal a
    preconditioner. Subspaces: Rendle et al., iALS++: speeding up matrix factorization with subspace optimization, 2021;
    here in the same basis, whose blocks hardly depend on each other: an epoch ends as low as with exact solutions.
    Features: Kula, Metadata embeddings for user and item cold-start recommendations, CBRecSys 2015.
    """

    factors: int = 64
    epochs: int = 16
    alpha: float = 1.0
    unobserved_weight: float | None = None
    regularization: float | None = None
    frequency_exponent: float = 0.5
    loss: Literal["rendle", "hu"] = "rendle"
    regularization_scale: Literal["frequency", "count", "none"] = "frequency"
    solver: Literal["cg", "cholesky", "subspace"] = "cg"
    cg_steps: int = 2
    feature_regularization: float = 5.0
    seed: int = 0

    # alpha is left out: only its ratios to unobserved_weight and regularization count. The best unobserved_weight falls
    # with the size and emptiness of the catalogue, the best regularization grows as the exponent falls.
    search_space: ClassVar[SearchSpace] = {
        "epochs": Range(8, 32, log=True),
        "unobserved_weight": Range(0.002, 2.0, log=True),
        "regularization": Range(0.01, 3.0, log=True),
        "frequency_exponent": Range(0.2, 1.0),
    }
    fitted_arrays: ClassVar[Specs] = {
        "user_factors_": ArraySpec(dtype="float32", shape=("users", "factors")),
        "item_factors_": ArraySpec(dtype="float32", shape=("items", "factors")),
    }
    feature_search_space: ClassVar[SearchSpace] = {"feature_regularization": Range(0.5, 100.0, log=True)}
    abilities: ClassVar[Abilities] = Abilities(
        features=True, similar_items=True, similar_users=True, explains="exact", folds_in_exactly=True, epochs=True
    )

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        for name in ("factors", "epochs", "cg_steps"):
            check_whole(name, getattr(self, name), lowest=1)
        for name in ("alpha", "frequency_exponent", "feature_regularization"):
            check_amount(name, getattr(self, name))
        for name in ("unobserved_weight", "regularization"):
            check_amount(name, getattr(self, name), or_none=True)
        if self.alpha == 0:
            raise ValueError("alpha must be above 0: with 0 the observed pairs weigh nothing")
        if self.unobserved_weight == 0 and self.regularization == 0:
            raise ValueError(
                "unobserved_weight and regularization cannot both be 0: then not every row has one solution"
            )
        kinds = get_type_hints(type(self))
        for name in ("loss", "regularization_scale", "solver"):
            check_choice(name, getattr(self, name), get_args(kinds[name]))
        check_whole("seed", self.seed, lowest=0)

    def find_defaults_from(self, totals: Totals) -> dict[str, Any]:
        """Return unobserved_weight and regularization by the formulas of the class docstring."""
        # Its numbers were chosen on splits of the training parts of the sets of benchmarks/defaults.py, and checked on
        # smaller and emptier sets made of these.
        pairs, n_users, n_items = totals.pairs, len(totals.users), len(totals.items)
        density = pairs / n_users / n_items
        weight = self.unobserved_weight
        if weight is None:
            weight = self.alpha * min(max(7 * density, 0.02), 0.2)
        # What popularity alone explains is about (pairs density)^.25 large: more than that would leave nothing.
        strength = min(1.64 * n_items**-0.2 + 0.64 * n_users / pairs, 0.25 * (pairs * density) ** 0.25)
        counts = totals.items
        usual = np.sqrt(counts + weight * n_users).mean()
        scale = float(usual / self._scales(counts, weight * n_users).mean())
        return {"unobserved_weight": weight, "regularization": self.alpha * strength * scale}

    def find_sizes(self, activity: Counts, popularity: Counts) -> dict[str, int]:
        """Return the sizes that shapes name."""
        columns = {f"{side}_features.columns": self.factors for side in ("user", "item")}
        return {**super().find_sizes(activity, popularity), **columns}

    # -- learning -----------------------------------------------------------------------------------------------------

    def find_needs(self, sizes: Mapping[str, int]) -> Needs:
        """Return what both sides take: rows in whole registers, their weights, systems of equations, and features."""
        n_users, n_items, factors = sizes["users"], sizes["items"], sizes["factors"]
        width, n_rows = width_of(factors), n_users + n_items
        blocks = min(32, -(-max(n_users, n_items) // PRODUCT_ROWS))
        always = {
            "rows as kernels take them": 4 * width * n_rows,
            "weights of rows": 17 * n_rows,
            "systems of equations": 4
            * width
            * (width * (blocks + parallel.n_threads() + 8) + 1024 * parallel.n_threads()),
        }
        sides = {"user": n_users, "item": n_items}
        described = {side: n for side, n in sides.items() if sizes[f"{side}_features"]}
        if described:
            # The sums of the features' factors, what is solved for, and the features' own rows.
            always["factors of features"] = (
                4 * width * sum(2 * n + 4 * sizes[f"{side}_features"] for side, n in described.items())
            )
        narrowed = 4 * factors * n_rows if width != factors else 0
        placed = 4 * factors * max(described.values(), default=0)
        answering, scoring = FactorScorer.find_scoring(sizes, factors)
        return Needs(
            learning=({**always, "fitted arrays": narrowed + placed},),
            answering=answering,
            scoring=scoring,
            of_user=4 * factors,
            by_item=True,
        )

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Solve users and items in turn, and end by solving the users for the final items."""
        user_features, item_features = self.state.user_features, self.state.item_features
        if self.used_.regularization == 0 and (user_features or item_features):
            raise ValueError("regularization must be above 0 where there are features: it ties the factors to them")
        task = _Alternation(self, interactions, user_features, item_features)
        arrays = self.run_epochs(task, options, _HINT)
        task.finish(arrays)
        self._keep(arrays["users"], arrays["items"], "the users have no finite solution for the items learned")

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Solve the items that have new pairs or changed features, and then all users."""
        state, old = self.state, before.state
        interactions = state.training("update")
        sides = _make_sides(self, interactions, state.user_features, state.item_features)
        users = sides[0].take_over(before.user_factors_, before.activity_)
        items = sides[1].take_over(before.item_factors_, before.popularity_)
        of_users, of_items = (side.learned_problem(self.factors) for side in sides)
        touched_users = _find_touched(state.users, news.users, news.by_user, old.user_features, state.user_features)
        touched_items = _find_touched(state.items, news.items, news.by_item, old.item_features, state.item_features)
        # New users need a vector before new items can be solved from them. Changed items then change every user.
        users[touched_users] = _solve_exactly(self, of_users.only(touched_users), users[touched_users], items)
        items[touched_items] = _solve_exactly(self, of_items.only(touched_items), items[touched_items], users)
        _solve_exactly(self, of_users, users, items)
        self._keep(users, items, "the new interactions have no finite solution")

    def _keep(self, users: Floats, items: Floats, problem: str) -> None:
        self.user_factors_, self.item_factors_ = narrow(users, self.factors), narrow(items, self.factors)
        if not is_finite(self.user_factors_, self.item_factors_):
            raise DivergenceError(f"{problem}; {_HINT}")
        if self.state.user_features is not None:
            self.user_factors_ = self.state.user_features.place(self.user_factors_, self.activity_)
        self.place_items()

    def place_items(self) -> None:
        """Give the items without a training pair the sum of their features' factors."""
        if self.state.item_features is not None:
            self.item_factors_ = self.state.item_features.place(self.item_factors_, self.popularity_)

    # -- answering ----------------------------------------------------------------------------------------------------

    def make_scorer(self) -> Scorer:
        """Return the scorer of the fitted arrays."""
        return FactorScorer(
            **self.known, user_factors=self.user_factors_, item_factors=self.item_factors_, fold_in=self._fold_in
        )

    @cached_property
    def _fold_in(self) -> _FoldIn:
        state = self.state
        return _FoldIn(
            self.used_,
            self.item_factors_,
            state.popularity > 0,
            None if state.user_features is None else state.user_features.factors_,
        )

    def contributions(self, user: int, item: int, items: Ints, weights: Floats) -> tuple[Doubles, float]:
        """Return b_j y_i' A^-1 y_j for every item j of the history, which may be negative, and the part from m.

        x_u is A^-1 (sum b_j y_j + regularization r_u m), a sum over the history, with A as in the class docstring and
        m = F_u W, the factors of the user's features, 0 without any. So the score x_u . y_i is a sum as well.
        """
        Y = self.item_factors_[items].astype(np.float64)
        y = self.item_factors_[item].astype(np.float64)
        c = self.alpha * weights.astype(np.float64)
        b = c + self._missing
        factors, features = self.factors, self.state.user_features
        m = np.zeros(factors)
        if features is not None:
            m += features.means_of(rows_at(features.known_rows, np.array([user])))[0]  # those of user -1 are zeros
        with parallel.one_blas_thread():  # its bits depend on the number of BLAS threads
            ridge = self._ridge(np.array([len(c)]), self._fold_in.n_items)[0]
            A = self._fold_in.gram[:factors, :factors] + (Y.T * c) @ Y
            A[np.diag_indices(factors)] += ridge
            seen_from_the_item = solve(A, y)
            contributions = b * (Y @ seen_from_the_item)
            # Without a history x_u is m.
            baseline = float(ridge * m @ seen_from_the_item) if len(c) else float(m @ y)
        return contributions, baseline

    @property
    def _missing(self) -> float:
        """The addition to the weight of an observed pair in t: unobserved_weight for the loss "hu", else 0."""
        return self.used_.unobserved_weight if self.loss == "hu" else 0.0

    def _ridge(self, counts: npt.NDArray[Any], n_others: int) -> Floats:
        """Return regularization times r for rows with this many pairs."""
        used = self.used_
        ridges: npt.NDArray[Any] = used.regularization * self._scales(counts, used.unobserved_weight * n_others)
        if np.max(ridges) > LARGEST_FLOAT:
            raise ValueError(
                f"regularization {used.regularization} at frequency_exponent {used.frequency_exponent} is more than "
                "32-bit floats hold: lower one of them"
            )
        return ridges.astype(np.float32)

    def _scales(self, counts: npt.NDArray[Any], unobserved: float) -> npt.NDArray[Any]:
        """Return r of rows with this many pairs, whose weights of s = 0 add up to `unobserved`."""
        if self.regularization_scale == "frequency":
            return (counts + unobserved) ** self.frequency_exponent
        return counts if self.regularization_scale == "count" else np.ones(len(counts))


@dataclass(frozen=True, eq=False)
class _FoldIn(Lean):
    """Folds in new users: solves their rows for the fitted items.

    parameters : an unfitted model with the parameters
    item_factors : float32, (n_items, factors)
    has_pairs : bool, (n_items,): which items have a training pair
    feature_factors : float32, (features, factors): those of the users' features, None without any
    """

    parameters: ImplicitALS
    item_factors: Floats
    has_pairs: Flags
    feature_factors: Floats | None

    def __call__(self, histories: Rows, features: Rows | None) -> tuple[Floats, None]:
        """Return the factors of new users, float32 (n, factors), and None for their biases."""
        if features is None or self.feature_factors is None:
            return self._solve(histories, np.empty((0, self.parameters.factors), np.float32)), None
        means = mean_factors(self.feature_factors, features)
        return np.where(histories.has_pairs[:, None], self._solve(histories, means), means), None

    def _solve(self, histories: Rows, means: Floats) -> Floats:
        """Solve the histories; regularization pulls each row towards its mean, and no means stand for zeros."""
        model = self.parameters
        width = width_of(model.factors)
        ridge = model._ridge(histories.counts, self.n_items)
        problem = _Problem(histories, ridge, widen(means, width, len(means)))
        P = np.zeros((len(ridge), width), np.float32)
        solved = narrow(_solve_exactly(model, problem, P, self._wide_items, self.gram), model.factors)
        if not np.isfinite(solved).all():
            raise DataError(
                "a history has no finite solution: scale its weights like the training's, or raise regularization"
            )
        return solved

    @cached_property
    def n_items(self) -> int:
        """The number of items with a training pair."""
        return int(np.count_nonzero(self.has_pairs))

    @cached_property
    def gram(self) -> Floats:
        """unobserved_weight Y'Y, float32 (width, width)."""
        # Items without a pair take no part in training, so they are not among the unobserved ones.
        Q = self._wide_items if self.n_items == len(self.has_pairs) else self._wide_items * self.has_pairs[:, None]
        gram: Floats = (self.parameters.used_.unobserved_weight * _gram(Q)).astype(np.float32)
        return gram

    @cached_property
    def _wide_items(self) -> Floats:
        if self.item_factors.shape[1] == width_of(self.parameters.factors):
            return self.item_factors  # no copy: processes may share them
        return widen(self.item_factors, width_of(self.parameters.factors), len(self.item_factors))


_HINT = "raise regularization, lower alpha, or scale the weights down"


def _find_touched(
    ids: IdMap, new_ids: IdMap, news: Rows, before: SideFeatures | None, features: SideFeatures | None
) -> RowNumbers:
    """Return the rows with new pairs or other features than before, ascending."""
    touched = np.zeros(len(ids), bool)
    touched[ids.find(new_ids.ids.gather(news.with_pairs))] = True
    if before is not None and features is not None:
        touched |= features.differs_from(before.extend(ids, None))
    return np.flatnonzero(touched)


class _Problem(NamedTuple):
    """The problem of a half-step: the pairs of each row, its regularization, and the prior that this pulls it towards.

    ridge : float32, (rows,)
    prior : float32, (rows, width); an array without rows stands for zeros
    """

    pairs: Rows
    ridge: Floats
    prior: Floats = NO_MEANS

    def only(self, rows: RowNumbers) -> _Problem:
        """Return the same problem for some of the rows."""
        prior = self.prior[rows] if len(self.prior) else self.prior
        return _Problem(rows_at(self.pairs, rows), self.ridge[rows], prior)


class _Side(Side):
    """One side of the factorization and its least-squares problem."""

    def __init__(
        self, model: ImplicitALS, name: str, pairs: Rows, n_others: int, features: SideFeatures | None
    ) -> None:
        n_pairs = pairs.counts
        self._pairs = pairs
        self._ridge = model._ridge(n_pairs, n_others)
        super().__init__(name, n_pairs > 0, self._ridge, features, model.feature_regularization)

    def problem(self, state: Arrays) -> _Problem:
        """Return the problem of a half-step with the current factors of the features."""
        return _Problem(self._pairs, self._ridge, self.means(state))

    def own_penalty(self, state: Arrays) -> float:
        """Return the regularization of the rows' own parts."""
        own = state[self.name] if self.features is None else state[self.name] - self.means(state)
        return float(self._weights @ np.einsum("uf,uf->u", own, own, dtype=np.float64))

    def learned_problem(self, factors: int) -> _Problem:
        """Return the problem with the learned factors of the features."""
        if self.features is None:
            return _Problem(self._pairs, self._ridge)
        means = self.features.means_of(self.features.known_rows)
        return _Problem(self._pairs, self._ridge, widen(means, width_of(factors), len(means)))

    def take_over(self, factors: Floats, n_pairs: npt.NDArray[np.int64]) -> Floats:
        """Return the factors from which an update starts: rows without a pair before get their features' factors, or 0.

        factors : float32, (rows before, factors)
        n_pairs : int64, (rows before,)
        """
        n_rows = len(self.has_pairs)
        if self.features is not None:
            n_pairs = np.append(n_pairs, np.zeros(n_rows - len(n_pairs), np.int64))
            factors = self.features.place(factors, n_pairs) * self.has_pairs[:, None]
        return widen(factors, width_of(factors.shape[1]), n_rows)


def _make_sides(
    model: ImplicitALS,
    interactions: Interactions,
    user_features: SideFeatures | None,
    item_features: SideFeatures | None,
) -> tuple[_Side, _Side]:
    by_user, by_item = interactions.by_user, interactions.by_item
    return (
        _Side(model, "users", by_user, int(np.count_nonzero(by_item.counts)), user_features),
        _Side(model, "items", by_item, int(np.count_nonzero(by_user.counts)), item_features),
    )


class _Alternation:
    """Trains one model on one set of interactions, for the epoch loop.

    The state is the two factor matrices, `users` and `items`, each float32 (rows, width), and for a side with features
    their factors, float32 (features, width).
    """

    def __init__(
        self,
        model: ImplicitALS,
        interactions: Interactions,
        user_features: SideFeatures | None = None,
        item_features: SideFeatures | None = None,
    ) -> None:
        self.epochs: int = model.used_.epochs
        self._model = model
        self._interactions = interactions
        self._users, self._items = _make_sides(model, interactions, user_features, item_features)

    def start(self) -> Arrays:
        """Return the users at zero (the first half-step solves them) and the items at random."""
        model = self._model
        width, state = width_of(model.factors), derive_state(model.seed, Stream.FIRST_ITEMS_ALONE)
        items = random_rows(self._items.has_pairs, width, model.factors, state, 0.1 / math.sqrt(model.factors))
        return self._users.start(zeros(self._interactions.shape[0], width)) | self._items.start(items)

    def train_epoch(self, state: Arrays, epoch: int) -> float:
        """Solve the users, then the items, each after the factors of its features; return the objective."""
        if epoch:  # random first rows say nothing about features
            self._users.solve_features(state, FEATURE_STEPS)
        self._half_step(self._users, self._items, state)
        # The items' half-step counts the pairs and the items' own regularization; the rest is still to add.
        penalty = self._users.own_penalty(state)
        if epoch:
            self._items.solve_features(state, FEATURE_STEPS)
        objective = self._half_step(self._items, self._users, state)
        return objective + penalty + self._users.feature_penalty(state) + self._items.feature_penalty(state)

    def rank(self, state: Arrays, rows: RowNumbers, k: int) -> Lists:
        """Rank the unseen items of user rows with the current factors."""
        catalogue = VectorCandidates(self._items.place(state), np.flatnonzero(self._items.known))
        hidden = Hidden(self._interactions.by_user, rows)
        return top_k(self._users.place(state)[rows], catalogue, k, [hidden], Ties.of(self._model.items.tie_order))

    def finish(self, state: Arrays) -> None:
        """Solve the users for the final items and features, so that fold-in gives the same."""
        for side in (self._users, self._items):
            side.finish_features(state, self._model.factors)
        _solve_exactly(self._model, self._users.problem(state), state["users"], state["items"])

    def _half_step(self, side: _Side, other: _Side, state: Arrays) -> float:
        model = self._model
        P, Q = state[side.name], state[other.name]
        gram = _gram(Q)
        if not np.isfinite(gram).all():
            return np.nan
        if model.solver == "cholesky":
            weighted = (model.used_.unobserved_weight * gram).astype(np.float32)
            return _run(model, cholesky_rows, side.problem(state), P, Q, weighted)
        eigenvalues, basis = _eigenbasis(gram, model.factors)
        for factors in state.values():
            _rotate(factors, basis)
        diagonal = (model.used_.unobserved_weight * eigenvalues).astype(np.float32)
        if model.solver == "subspace":
            return _run(model, subspace_rows, side.problem(state), P, Q, diagonal)
        return _run(model, cg_rows, side.problem(state), P, Q, diagonal, steps=int(model.cg_steps))


def _solve_exactly(model: ImplicitALS, problem: _Problem, P: Floats, Q: Floats, gram: Floats | None = None) -> Floats:
    """Solve the rows of P in place, and return it."""
    if gram is None:
        gram = (model.used_.unobserved_weight * _gram(Q)).astype(np.float32)
    _run(model, cholesky_rows, problem, P, Q, gram)
    return P


def _run(model: ImplicitALS, kernel: Any, problem: _Problem, P: Floats, Q: Floats, gram: Floats, **more: int) -> float:
    """Run a row solver over all blocks and return the sum of the rows' objectives, added in block order."""
    blocks = parallel.solver_blocks(problem.pairs.indptr, P.shape[1])
    objectives = np.zeros(len(blocks))
    alpha, missing = np.float32(model.alpha), np.float32(model._missing)

    def solve(b: int) -> None:
        start, stop = blocks[b]
        objectives[b] = kernel(
            *problem.pairs,
            start=start,
            stop=stop,
            P=P,
            Q=Q,
            gram=gram,
            ridge=problem.ridge,
            prior=problem.prior,
            alpha=alpha,
            missing=missing,
            **more,
        )

    parallel.run(solve, len(blocks))
    return float(objectives.sum())


def _gram(Q: Floats) -> npt.NDArray[np.float64]:
    """Return Q'Q: the products of at most 32 blocks of rows, added in order."""
    blocks = parallel.row_blocks(len(Q), max(PRODUCT_ROWS, -(-len(Q) // 32)))
    parts = np.empty((len(blocks), Q.shape[1], Q.shape[1]), np.float32)

    def multiply(b: int) -> None:
        with np.errstate(all="ignore"):  # an overflow shows in the result
            np.matmul(Q[blocks[b]].T, Q[blocks[b]], out=parts[b])

    parallel.run(multiply, len(blocks))
    gram: npt.NDArray[np.float64] = parts.sum(axis=0, dtype=np.float64)
    return gram


def _eigenbasis(gram: npt.NDArray[np.float64], factors: int) -> tuple[npt.NDArray[np.float64], Floats]:
    """Return the eigenvalues (width) and the eigenvectors in columns (width, width), zero beyond the factors."""
    width = len(gram)
    eigenvalues, basis = np.zeros(width), np.zeros((width, width), np.float32)
    with parallel.one_blas_thread():  # its bits depend on the number of BLAS threads
        values, vectors = np.linalg.eigh(gram[:factors, :factors])
    eigenvalues[:factors] = np.maximum(values, 0)
    basis[:factors, :factors] = vectors
    return eigenvalues, basis


def _rotate(P: Floats, basis: Floats) -> None:
    """P <- P basis. Rotating users and items alike changes no score."""
    blocks = parallel.row_blocks(len(P), PRODUCT_ROWS)

    def rotate(b: int) -> None:
        P[blocks[b]] = P[blocks[b]] @ basis

    parallel.run(rotate, len(blocks))
