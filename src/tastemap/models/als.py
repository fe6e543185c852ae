"""Implicit alternating least squares."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Literal, NamedTuple, Self, get_args, get_type_hints

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap import parallel
from tastemap.data.frames import as_kind
from tastemap.data.interactions import Interactions
from tastemap.data.pairs import Rows, read_only
from tastemap.errors import DataError, DivergenceError
from tastemap.kernels.als import cg_rows, cholesky_rows, subspace_rows
from tastemap.kernels.random import fill_uniform, mix
from tastemap.kernels.simd import LANES, aligned
from tastemap.models.base import Explanation, Floats, Model, RowNumbers
from tastemap.models.inputs import LARGEST_FLOAT, check_amount, check_choice, check_whole
from tastemap.models.ranking import Catalogue, Hidden, Lists, top_k
from tastemap.models.similar import Space
from tastemap.models.training import Options, State, train

# A block of rows for one thread: pairs, where a row counts for as many more.
BLOCK_PAIRS = 1 << 14
ROW_COST = 32

NO_PRIOR = aligned(0, LANES)

# Rows of a matrix product that one thread does at a time.
PRODUCT_ROWS = 1024


@dataclass(kw_only=True)
class ImplicitALS(Model):
    """Matrix factorization of implicit feedback by alternating least squares.

    s(u, i) = x_u . y_i
    minimise   sum over pairs in S of  alpha w (1 - s)^2  +  unobserved_weight  sum over all pairs of  s^2
               + regularization (sum_u r_u |x_u|^2 + sum_i r_i |y_i|^2)
               r_u = (n_u + unobserved_weight n_items)^frequency_exponent,   r_i likewise
    update     x_u = (sum_S alpha w y y' + unobserved_weight Y'Y + regularization r_u I)^-1  sum_S alpha w y
               for all users at once, then for all items; the last half-step solves the users exactly

    factors : the length of x_u and y_i
    epochs : how often users and items are both solved
    alpha : the weight of an observed pair for each unit of its own weight w
    unobserved_weight : the weight of s = 0 for every pair, observed or not (alpha_0); higher means more caution towards
        what nobody has chosen, and lower suits large, sparse catalogues
    regularization : lambda. With regularization_scale="frequency" it need not grow with the data
    frequency_exponent : nu, how much more frequent users and items are regularized; 0 treats all alike
    loss : "rendle" as above; "hu" gives an observed pair the confidence unobserved_weight + alpha w and the target 1
        (Hu et al. with unobserved_weight=1)
    regularization_scale : "frequency" as above; "count": r_u = n_u, the number of the user's pairs; "none": r_u = 1
    solver : "cg" improves each row by cg_steps preconditioned conjugate-gradient steps; "subspace" solves 16 factors of
        a row at a time exactly, one round over all of them, at 1.7 times the time; "cholesky" solves the
        whole row exactly, at three to eight times
    cg_steps : 2 steps reach the objective that others need 3 to 4 for
    seed : of the items' random start

    user_factors_, item_factors_ : float32, (n_users, factors) and (n_items, factors)

    similar_items and similar_users compare y_i' A0^-1/2 and x_u' A0^1/2, where A0 = unobserved_weight Y'Y +
    regularization r I belongs to a user with next to no history. Their products are still the scores. The cosine of two
    items is then the correlation that the model expects between their scores, whatever basis the factors are in; the
    cosine of plain factors leans towards what is popular.

    Weights count as confidence. Folding in the history of a training user gives the fitted row to 1e-4. `explain` is
    exact. `update` solves the items that have new pairs and then all users, exactly; the other items stay.

    Rendle et al., Revisiting the performance of iALS on item recommendation benchmarks, RecSys 2022; Hu, Koren and
    Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008. Conjugate gradients: Takács, Pilászy
    and Tikk, Applications of the conjugate gradient method for implicit feedback collaborative filtering, RecSys 2011;
    here in the basis in which the Gram matrix is diagonal, which makes its product free and its diagonal a
    preconditioner. Subspaces: Rendle et al., iALS++: speeding up matrix factorization with subspace optimization, 2021;
    here in the same basis, whose blocks hardly depend on each other: an epoch ends as low as with exact solutions.
    """

    factors: int = 64
    epochs: int = 16
    alpha: float = 1.0
    unobserved_weight: float = 0.2
    regularization: float = 0.3
    frequency_exponent: float = 0.5
    loss: Literal["rendle", "hu"] = "rendle"
    regularization_scale: Literal["frequency", "count", "none"] = "frequency"
    solver: Literal["cg", "cholesky", "subspace"] = "cg"
    cg_steps: int = 2
    seed: int = 0

    _fitted: ClassVar[tuple[str, ...]] = ("user_factors_", "item_factors_")

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        for name in ("factors", "epochs", "cg_steps"):
            check_whole(name, getattr(self, name), lowest=1)
        for name in ("alpha", "unobserved_weight", "regularization", "frequency_exponent"):
            check_amount(name, getattr(self, name))
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

    # -- learning -----------------------------------------------------------------------------------------------------

    def _learn(self, interactions: Interactions, options: Options) -> None:
        _check_weights(interactions)
        task = _Alternation(self, interactions)
        identity = {"class": type(self).__name__, "parameters": asdict(self), "data": ""}
        if options.checkpoint is not None:
            self._fingerprint = identity["data"] = interactions.fingerprint()
        state, self.history_ = train(task, identity, options, _HINT)
        self.item_factors_ = _narrowed(state["items"], self.factors)
        task.solve_users_exactly(state)
        self.user_factors_ = _narrowed(state["users"], self.factors)
        if not np.isfinite(self.user_factors_).all():
            raise DivergenceError(f"the users have no finite solution for the items learned; {_HINT}")

    def _learn_more(self, before: Self, news: Interactions) -> None:
        interactions = self._training("update")
        _check_weights(interactions)
        width = _width(self.factors)
        users, items = (
            _widened(before.user_factors_, width, len(self._users)),
            _widened(before.item_factors_, width, len(self._items)),
        )
        sides = _Sides(self, interactions)
        touched_users = self._users.find(news.users.ids.gather(np.flatnonzero(np.diff(news.by_user.indptr))))
        touched_items = self._items.find(news.items.ids.gather(np.flatnonzero(np.diff(news.by_item.indptr))))
        # New users need a vector before new items can be solved from them. When items have moved, every user has.
        users[touched_users] = _solve_exactly(self, sides.users.only(touched_users), users[touched_users], items)
        items[touched_items] = _solve_exactly(self, sides.items.only(touched_items), items[touched_items], users)
        _solve_exactly(self, sides.users, users, items)
        if not (np.isfinite(users).all() and np.isfinite(items).all()):
            raise DivergenceError(f"the new interactions have no finite solution; {_HINT}")
        self.user_factors_, self.item_factors_ = (
            _narrowed(users, self.factors),
            _narrowed(items, self.factors),
        )

    # -- what the base class asks -------------------------------------------------------------------------------------

    def _queries(self, rows: RowNumbers) -> Floats:
        return self.user_factors_[rows]

    @property
    def _vectors(self) -> Floats:
        return self.item_factors_

    def _fold_in(self, histories: Rows) -> Floats:
        side = _Side(histories, self._ridge(np.diff(histories.indptr), self._n_active_items))
        P = np.zeros((len(histories.indptr) - 1, _width(self.factors)), np.float32)
        folded = _narrowed(_solve_exactly(self, side, P, self._wide_items, self._weighted_gram), self.factors)
        if not np.isfinite(folded).all():
            raise DataError(
                "a history has no finite solution: scale its weights like the training's, or raise regularization"
            )
        return folded

    @cached_property
    def _item_space(self) -> Space:
        with parallel.one_blas_thread():
            return Space(self.item_factors_ @ self._prior_bases[0], np.flatnonzero(self.popularity_))

    @cached_property
    def _user_space(self) -> Space:
        with parallel.one_blas_thread():
            return Space(self.user_factors_ @ self._prior_bases[1], self._active_users())

    @cached_property
    def _prior_bases(self) -> tuple[Floats, Floats]:
        """A0^-1/2 and A0^1/2, float32 (factors, factors), where A0 is the A of a user with next to no history."""
        factors = self.factors
        ridge = self._ridge(np.array([1]), self._n_active_items)[0]
        eigenvalues, vectors = np.linalg.eigh(self._weighted_gram[:factors, :factors] + ridge * np.eye(factors))
        roots = np.sqrt(np.maximum(eigenvalues, 1e-6 * eigenvalues[-1]))
        return (vectors / roots).astype(np.float32), (vectors * roots).astype(np.float32)

    def explain(self, user: Any, item: Any, *, frame: str | None = None) -> Explanation:
        """Return which items of the user's history the score of an item comes from, exactly.

        x_u is a sum over the history, A^-1 sum b_j y_j with the A of the class docstring, so the score x_u . y_i is the
        sum of the contributions b_j y_i' A^-1 y_j. A contribution may be negative.
        """
        self._check_fitted()
        row = int(self._active_rows(pl.Series([user]), "raise", hint="They have no history to explain from.")[0])
        column = int(self._active(self._items, pl.Series([item]), self.popularity_)[0])
        pairs = self._training("explain").by_user
        mine = slice(pairs.indptr[row], pairs.indptr[row + 1])
        Y = self.item_factors_[pairs.indices[mine]].astype(np.float64)
        c = self.alpha * pairs.data[mine].astype(np.float64)
        b = c + self._missing
        factors = self.factors
        with parallel.one_blas_thread():  # its bits depend on the number of BLAS threads
            A = self._weighted_gram[:factors, :factors] + (Y.T * c) @ Y
            A[np.diag_indices(factors)] += self._ridge(np.array([len(c)]), self._n_active_items)[0]
            contributions = b * (Y @ np.linalg.solve(A, self.item_factors_[column].astype(np.float64)))
        order = np.argsort(-contributions, kind="stable")
        columns = {
            self._items.name: self._items.take(pairs.indices[mine][order]),
            "contribution": contributions[order],
        }
        return Explanation(as_kind(pl.DataFrame(columns), frame or self._frame), "exact", float(contributions.sum()))

    @property
    def _missing(self) -> float:
        """What the target of an observed pair adds to its confidence."""
        return self.unobserved_weight if self.loss == "hu" else 0.0

    def _ridge(self, counts: npt.NDArray[Any], n_others: int) -> Floats:
        """Return regularization times r for rows with this many pairs."""
        if self.regularization_scale == "frequency":
            scale = (counts + self.unobserved_weight * n_others) ** self.frequency_exponent
        elif self.regularization_scale == "count":
            scale = counts
        else:
            scale = np.ones(len(counts))
        if np.max(self.regularization * scale) > LARGEST_FLOAT:
            raise ValueError(
                f"regularization {self.regularization} at frequency_exponent {self.frequency_exponent} is more than "
                "32-bit floats hold: lower one of them"
            )
        return (self.regularization * scale).astype(np.float32)

    @cached_property
    def _n_active_items(self) -> int:
        return int(np.count_nonzero(self.popularity_))

    @cached_property
    def _wide_items(self) -> Floats:
        return _widened(self.item_factors_, _width(self.factors), len(self.item_factors_))

    @cached_property
    def _weighted_gram(self) -> Floats:
        return (self.unobserved_weight * _gram(self._wide_items)).astype(np.float32)


_HINT = "raise regularization, lower alpha, or scale the weights down"


def _check_weights(interactions: Interactions) -> None:
    lowest = interactions.matrix.data.min()
    if lowest < 0:
        raise DataError(
            f"ImplicitALS takes weights as confidence, which cannot be negative, got {lowest:g}: leave them out"
        )


class _Side(NamedTuple):
    """One half-step's problem: the pairs of each row and its regularization."""

    pairs: Rows
    ridge: Floats

    def blocks(self) -> list[tuple[int, int]]:
        """Cut the rows into runs of about equal work. They depend on the data alone."""
        work = self.pairs.indptr + ROW_COST * np.arange(len(self.pairs.indptr))
        cuts = np.searchsorted(work, np.arange(0, work[-1], BLOCK_PAIRS))
        cuts = np.unique(np.append(cuts, len(work) - 1)).tolist()
        return list(pairwise(cuts))

    def only(self, rows: RowNumbers) -> _Side:
        """Return the same problem for some of the rows."""
        indptr, indices, data = self.pairs
        lengths = np.diff(indptr)[rows]
        starts = np.concatenate(([0], np.cumsum(lengths)))
        places = np.repeat(indptr[rows] - starts[:-1], lengths) + np.arange(starts[-1])
        return _Side(read_only(Rows(starts, indices[places], data[places])), self.ridge[rows])


class _Sides:
    """Both half-steps' problems for some interactions."""

    def __init__(self, model: ImplicitALS, interactions: Interactions) -> None:
        pairs_of_users, pairs_of_items = interactions.by_user, interactions.by_item
        self.users = _Side(pairs_of_users, model._ridge(np.diff(pairs_of_users.indptr), interactions.n_items))
        self.items = _Side(pairs_of_items, model._ridge(np.diff(pairs_of_items.indptr), interactions.n_users))


class _Alternation:
    """The training of one model on one set of interactions, as the epoch loop wants it.

    The state is the two factor matrices, `users` and `items`, each float32 (rows, width).
    """

    def __init__(self, model: ImplicitALS, interactions: Interactions) -> None:
        self.epochs = model.epochs
        self._model = model
        self._interactions = interactions
        sides = _Sides(model, interactions)
        self._users, self._items = sides.users, sides.items

    def start(self) -> State:
        """Return the users at zero (the first half-step solves them) and the items at random."""
        model = self._model
        n_users, n_items = self._interactions.shape
        width = _width(model.factors)
        items = np.empty((n_items, model.factors), np.float32)
        # A compiled function gives back a Python int, which the next one would take for an int64.
        fill_uniform(items, np.uint64(mix(np.uint64(model.seed))), 0.1 / np.sqrt(model.factors))
        items[np.diff(self._items.pairs.indptr) == 0] = 0
        return {"users": _widened(items[:0], width, n_users), "items": _widened(items, width, n_items)}

    def train_epoch(self, state: State, epoch: int) -> float:
        """Solve the users, then the items; return the objective."""
        users, items = state["users"], state["items"]
        self._half_step(self._users, users, items)
        objective = self._half_step(self._items, items, users)
        # The items' half-step counts the pairs and its own regularization; the users' is still to add.
        squares = np.einsum("uf,uf->u", users, users, dtype=np.float64)
        return objective + float(self._users.ridge @ squares)

    def rank(self, state: State, rows: RowNumbers, k: int) -> Lists:
        """Rank the unseen items of some users with the factors as they are."""
        rankable = np.flatnonzero(np.diff(self._items.pairs.indptr))
        return top_k(state["users"][rows], Catalogue(state["items"], rankable), k, [Hidden(self._users.pairs, rows)])

    def solve_users_exactly(self, state: State) -> None:
        """End with the users that belong to the items, so that folding in gives the same."""
        _solve_exactly(self._model, self._users, state["users"], state["items"])

    def _half_step(self, side: _Side, P: Floats, Q: Floats) -> float:
        gram = _gram(Q)
        if not np.isfinite(gram).all():
            return np.nan
        if self._model.solver == "cholesky":
            weighted = (self._model.unobserved_weight * gram).astype(np.float32)
            return _run(self._model, cholesky_rows, side, P, Q, weighted)
        eigenvalues, basis = _eigenbasis(gram, self._model.factors)
        _rotate(Q, basis)
        _rotate(P, basis)
        diagonal = (self._model.unobserved_weight * eigenvalues).astype(np.float32)
        if self._model.solver == "subspace":
            return _run(self._model, subspace_rows, side, P, Q, diagonal)
        return _run(self._model, cg_rows, side, P, Q, diagonal, int(self._model.cg_steps))


def _solve_exactly(model: ImplicitALS, side: _Side, P: Floats, Q: Floats, gram: Floats | None = None) -> Floats:
    """Solve the rows of P in place, and return it."""
    if gram is None:
        gram = (model.unobserved_weight * _gram(Q)).astype(np.float32)
    _run(model, cholesky_rows, side, P, Q, gram)
    return P


def _run(model: ImplicitALS, kernel: Any, side: _Side, P: Floats, Q: Floats, gram: Floats, *more: int) -> float:
    """Run a row solver over all blocks and return the sum of the rows' objectives, added in block order."""
    blocks = side.blocks()
    objectives = np.zeros(len(blocks))
    alpha, missing = np.float32(model.alpha), np.float32(model._missing)

    def solve(b: int) -> None:
        objectives[b] = kernel(*side.pairs, *blocks[b], P, Q, gram, side.ridge, NO_PRIOR, alpha, missing, *more)

    parallel.run(solve, len(blocks))
    return float(objectives.sum())


def _width(factors: int) -> int:
    """Return the columns that the kernels work on: whole registers."""
    return -(-factors // LANES) * LANES


def _widened(factors: Floats, width: int, n_rows: int) -> Floats:
    """Return a copy with columns and rows of zeros added."""
    wide: Floats = aligned(n_rows, width)
    wide[:] = 0
    wide[: len(factors), : factors.shape[1]] = factors
    return wide


def _narrowed(wide: Floats, factors: int) -> Floats:
    return np.ascontiguousarray(wide[:, :factors])


def _gram(Q: Floats) -> npt.NDArray[np.float64]:
    """Return Q'Q, the products of at most 32 blocks of rows added in order."""
    blocks = parallel.row_blocks(len(Q), max(PRODUCT_ROWS, -(-len(Q) // 32)))
    parts = np.empty((len(blocks), Q.shape[1], Q.shape[1]), np.float32)
    parallel.run(lambda b: np.matmul(Q[blocks[b]].T, Q[blocks[b]], out=parts[b]), len(blocks))
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
