"""The common base of BPR and WARP: everything but the loss."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from tastemap import parallel
from tastemap.data._checks import check_amount, check_whole
from tastemap.data._pairs import Rows, rows_at
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, Specs
from tastemap.errors import DataError, DivergenceError
from tastemap.kernels.pairwise import Rule
from tastemap.kernels.sgd import Bucket, permute_rows
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.models.shared.needs import Needs
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.randomness import Stream, derive_state
from tastemap.ranking.scorer import FactorScorer, Lean, Scorer
from tastemap.ranking.top_k import Hidden, Lists, Ties, VectorCandidates, top_k
from tastemap.training.grid import NO_REACH, Grid
from tastemap.training.loop import Options
from tastemap.training.side_features import mean_factors
from tastemap.training.sides import FEATURE_STEPS, NO_MEANS, Side
from tastemap.training.update import find_paces, train_on
from tastemap.training.wide import is_finite, random_rows, width_of, zeros
from tastemap.typing import Array, Arrays, Counts, Floats, Ints, RowNumbers

# The largest weight that counts, in multiples of the mean, so that one huge count does not dominate its rows.
HEAVIEST = 1.5

# Training has diverged when its mean loss is this many times the loss where all scores are equal.
BLOWN_UP = 20

# The list from which items are drawn by popularity has at most this many places for each item.
PLACES = 16

Kernel = Callable[..., float]
Pool = Callable[[Bucket], Ints]


@dataclass(kw_only=True, eq=False)
class PairwiseModel(Model):
    """A model s(u, i) = p_u . q_i + b_i that learns from a user's item and a negative drawn from the others."""

    factors: int = 64
    epochs: int | None = None
    learning_rate: float = 1.0
    regularization: float | None = None
    feature_regularization: float = 100.0
    seed: int = 0

    # The first value of each row's sum of squared gradients. At four times this value steps are half as long.
    _first_squares: ClassVar[float] = 1.0
    # Whether rates fall to 0 over the epochs, in a straight line.
    _rates_fall: ClassVar[bool] = False

    fitted_arrays: ClassVar[Specs] = {
        "user_factors_": ArraySpec(dtype="float32", shape=("users", "factors")),
        "item_factors_": ArraySpec(dtype="float32", shape=("items", "factors")),
        "item_biases_": ArraySpec(dtype="float32", shape=("items",)),
        "user_squares_": ArraySpec(dtype="float32", shape=("users",), at_least=0),
        "item_squares_": ArraySpec(dtype="float32", shape=("items",), at_least=0),
        "skipped_": ArraySpec(dtype="int64", shape=(1,), at_least=0),
    }
    abilities: ClassVar[Abilities] = Abilities(
        features=True, similar_items=True, similar_users=True, explains="leave-one-out", epochs=True
    )
    feature_search_space: ClassVar[SearchSpace] = {"feature_regularization": Range(5.0, 1000.0, log=True)}

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        check_whole("factors", self.factors, lowest=1)
        for name in ("learning_rate", "feature_regularization"):
            check_amount(name, getattr(self, name))
        check_amount("regularization", self.regularization, or_none=True)
        if self.learning_rate == 0:
            raise ValueError("learning_rate must be above 0: with 0 nothing is learned")
        check_whole("seed", self.seed, lowest=0)

    def find_sizes(self, activity: Counts, popularity: Counts) -> dict[str, int]:
        """Return the sizes that shapes name; the factors of items' features have a column for the bias."""
        columns = {"user_features.columns": self.factors, "item_features.columns": self.factors + 1}
        return {**super().find_sizes(activity, popularity), **columns}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], header: dict[str, Any]) -> Self:
        """Make a fitted model from what `save` wrote; older files hold the unit of weights in an array."""
        if "mean_weight_" in arrays and "unit" not in header:
            unit = arrays["mean_weight_"].reshape(-1)[:1].tolist()
            arrays = {name: array for name, array in arrays.items() if name != "mean_weight_"}
            header = {**header, "unit": unit[0] if unit else None}
        return super().from_arrays(arrays, header)

    @abstractmethod
    def _make_work(self, n_items: int, pool: Pool) -> Kernel:
        """Return work(bucket, P, Q, rule, skipped): it makes the steps of a bucket and returns the sum of the losses.

        pool : takes a bucket and returns the numbers of its items within `members`, each as often as it is popular
        skipped : int64, (1,); `work` adds the number of pairs without a step
        """

    def _measure_reach(self, Q: Floats, members: Ints) -> Floats:
        """Return how far the scores of these rows of Q can come, for buckets that learn no items.

        float32, (members, 2), as `measure_reach` in kernels/pairwise.py makes it; no rows where the model has no use
        for it
        """
        return NO_REACH

    @abstractmethod
    def _blind_loss(self, n_items: int) -> float:
        """Return the loss of a pair of mean weight where all scores are equal."""

    # -- learning -----------------------------------------------------------------------------------------------------

    def find_needs(self, sizes: Mapping[str, int]) -> Needs:
        """Return what the steps take: rows in whole registers, the pairs dealt for an epoch, and features."""
        n_users, n_items, n_pairs, factors = (sizes[name] for name in ("users", "items", "pairs", "factors"))
        width, n_rows = width_of(factors + 3), n_users + n_items
        rows = {"rows as kernels take them": 4 * width * n_rows, "weights of rows": 17 * n_rows}
        dealt = {"pairs dealt for an epoch": 12 * n_pairs + 13 * n_rows}
        described = {"user": n_users, "item": n_items}
        described = {side: n for side, n in described.items() if sizes[f"{side}_features"]}
        features = {
            "factors of features": 4
            * width
            * sum(2 * n + 4 * sizes[f"{side}_features"] for side, n in described.items())
        }
        answering, scoring = FactorScorer.find_scoring(sizes, factors, item_biases=True)
        return Needs(
            learning=(
                {**rows, **dealt, **features},
                {**rows, **features, "fitted arrays": 4 * factors * n_rows + 20 * n_rows},
            ),
            answering=answering,
            scoring=scoring,
            of_user=4 * (factors + 1),
        )

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Make the steps of all pairs, epoch by epoch."""
        task = _Descent(self, interactions.by_user, self._start(), learn_features=True)
        state = self.run_epochs(task, options, _HINT)
        task.finish(state)
        del task  # the dealt pairs are larger than the fitted arrays
        self._keep(state)

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Make the steps of all pairs for some epochs, starting from the rows of `before`; then fold in the new users.

        Rows that are known move in proportion to their shares of new pairs: see training/update.py.
        """
        interactions = self.state.training("update")
        start = self._start()
        learned = before._rows()
        for side, squares, features, features_before in (
            ("users", before.user_squares_, self.state.user_features, before.state.user_features),
            ("items", before.item_squares_, self.state.item_features, before.state.item_features),
        ):
            old = np.flatnonzero(squares)
            if features is not None and features_before is not None:
                # New rows start at their features' factors; changed features move a row by the change of these.
                means = features.means_of(features.known_rows)
                start[side][:, : means.shape[1]] = means
                means_before = features_before.means_of(rows_at(features_before.known_rows, old))
                learned[side][old, : means.shape[1]] += means[old] - means_before
            start[side][old] = learned[side][old]
        task = _Descent(self, interactions.by_user, start, learn_features=False)
        users, items = find_paces(before.state.training("update"), interactions)
        self._keep(train_on(task, task.start(), {"users": users, "items": items}, _HINT))
        # New users have had a part of the epochs of a fit; folded in they get all.
        self._fold_in_users(np.setdiff1d(np.flatnonzero(self.activity_), np.flatnonzero(before.user_squares_)))

    def _start(self) -> Arrays:
        """Return the first rows of users and items: small random factors, zeros for rows without a pair."""
        users, items = (
            random_rows(
                counts > 0,
                width_of(self.factors + 3),
                self.factors,
                derive_state(self.seed, stream),
                0.1 / math.sqrt(self.factors),
            )
            for counts, stream in ((self.activity_, Stream.FIRST_USERS), (self.popularity_, Stream.FIRST_ITEMS))
        )
        users[:, self.factors] = 1
        users[:, self._squares] = items[:, self._squares + 1] = self._first_squares
        return {"users": users, "items": items, "skipped": np.zeros(1, np.int64)}

    def _fold_in_users(self, rows: RowNumbers) -> None:
        """Give users the rows that new ones with their histories and features get."""
        features = self.state.user_features
        wide = self._fold_in.rows(
            rows_at(self.state.training("update").by_user, rows),
            None if features is None else rows_at(features.known_rows, rows),
        )
        self.user_factors_[rows] = wide[:, : self.factors]
        self.user_squares_[rows] = wide[:, self._squares]

    def _rows(self) -> Arrays:
        """Return the learned rows of users and items as the kernels take them."""
        users = self._empty(len(self.user_factors_))
        users[:, : self.factors] = self.user_factors_
        users[:, self.factors] = 1
        users[:, self._squares] = self.user_squares_
        return {"users": users, "items": self._wide_items(self.item_factors_, self.item_biases_, self.item_squares_)}

    def _wide_items(self, factors: Floats, biases: Floats, squares: Floats) -> Floats:
        items = self._empty(len(factors))
        items[:, : self.factors], items[:, self.factors], items[:, self._squares + 1] = factors, biases, squares
        return items

    def _empty(self, n_rows: int) -> Floats:
        return zeros(n_rows, width_of(self.factors + 3))

    def _keep(self, state: Arrays) -> None:
        users, items, factors = state["users"], state["items"], self.factors
        self.user_factors_ = users[:, :factors].copy()
        self.item_factors_ = items[:, :factors].copy()
        self.item_biases_ = items[:, factors].copy()
        self.user_squares_ = np.where(self.activity_ > 0, users[:, self._squares], 0).astype(np.float32)
        # What lost its last pair knows nothing any more, as if it had never had one.
        self.user_factors_[self.activity_ == 0] = 0
        self.item_factors_[self.popularity_ == 0] = 0
        self.item_biases_[self.popularity_ == 0] = 0
        self.skipped_ = state["skipped"].copy()
        self.item_squares_ = np.where(self.popularity_ > 0, items[:, self._squares + 1], 0).astype(np.float32)
        if not is_finite(users, items):
            raise DivergenceError(f"training ended with factors that are not finite; {_HINT}")
        if self.state.user_features is not None:
            self.user_factors_ = self.state.user_features.place(self.user_factors_, self.activity_)
        self.place_items()

    def place_items(self) -> None:
        """Give the items without a training pair the sum of their features' factors and biases."""
        if self.state.item_features is not None:
            rows = np.hstack([self.item_factors_, self.item_biases_[:, None]])
            placed = self.state.item_features.place(rows, self.popularity_)
            self.item_factors_, self.item_biases_ = placed[:, : self.factors].copy(), placed[:, self.factors].copy()
            grown = np.zeros(len(placed) - len(self.item_squares_), np.float32)
            self.item_squares_ = np.append(self.item_squares_, grown)

    @property
    def _squares(self) -> int:
        """The column of a user's sum of squared gradients; that of an item is the next column."""
        return self.factors + 1

    def _make_rule(
        self, width: int, means_users: Floats, means_items: Floats, rate: float, fall: float, *, learn_items: bool
    ) -> Rule:
        """Return the rule of a bucket: `rate` and `fall` are in multiples of the learning rate."""
        learned_users, learned_items = np.zeros(width, np.float32), np.zeros(width, np.float32)
        learned_users[: self.factors] = 1
        learned_items[: self.factors + 1] = 1
        ridge = np.float32(self.used_.regularization)
        first = self.learning_rate * math.sqrt(self._first_squares)
        return Rule(
            rate=np.float32(first * rate),
            fall=np.float32(first * fall),
            ridge_p=ridge,
            ridge_q=ridge,
            means_p=means_users,
            means_q=means_items,
            learned_p=learned_users,
            learned_q=learned_items,
            squares=self._squares,
            learn_items=learn_items,
        )

    # -- answering ----------------------------------------------------------------------------------------------------

    def make_scorer(self) -> Scorer:
        """Return the scorer of the fitted arrays."""
        return FactorScorer(
            **self.known,
            user_factors=self.user_factors_,
            item_factors=self.item_factors_,
            item_biases=self.item_biases_,
            fold_in=self._fold_in,
        )

    @property
    def _fold_in(self) -> _FoldIn:
        user_features = self.state.user_features
        return _FoldIn(
            self.used_,
            self.item_factors_,
            self.item_biases_,
            self.item_squares_,
            self.popularity_,
            None if user_features is None else user_features.factors_,
        )


@dataclass(frozen=True, eq=False)
class _FoldIn(Lean):
    """Folds in new users: makes the steps of all epochs for each of them; the items stay as they are.

    parameters : an unfitted model with the parameters
    item_factors, item_biases, item_squares : as fitted
    popularity : int64, (n_items,)
    feature_factors : float32, (features, factors): those of the users' features, None without any
    """

    parameters: PairwiseModel
    item_factors: Floats
    item_biases: Floats
    item_squares: Floats
    popularity: Counts
    feature_factors: Floats | None

    def __call__(self, histories: Rows, features: Rows | None) -> tuple[Floats, None]:
        """Return the factors of new users, float32 (n, factors), and None for their biases."""
        return np.ascontiguousarray(self.rows(histories, features)[:, : self.parameters.factors]), None

    def rows(self, histories: Rows, features: Rows | None) -> Floats:
        """Return the rows of new users as the kernels take them."""
        model, Q = self.parameters, self._items
        factors, epochs = model.factors, model.epochs
        assert epochs is not None  # the parameters are those that were used
        members = self._members
        place = np.zeros(len(Q), np.int32)
        place[members] = np.arange(len(members))
        P = model._empty(len(histories.counts))
        if features is not None and self.feature_factors is not None:
            P[:, :factors] = mean_factors(self.feature_factors, features)
        drawn_to = P.copy()
        P[:, factors] = 1
        P[:, model._squares] = model._first_squares
        # Their own items are no negatives, so popularity comes from the training pairs.
        work = model._make_work(len(members), lambda bucket: self._popular_items)
        state = derive_state(model.seed, Stream.FOLD_IN)

        def fold(person: int) -> None:
            mine = slice(histories.indptr[person], histories.indptr[person + 1])
            own = histories.indices[mine]
            # An item of the history with features alone is a positive too, and is never drawn as a negative.
            described = own[self.popularity[own] == 0]
            among = np.append(members, described) if len(described) else members
            places = place[own]
            places[self.popularity[own] == 0] = len(members) + np.arange(len(described))
            items, values = np.tile(places, epochs), np.tile(histories.data[mine], epochs)
            # Each user is user 0 of a bucket of their own, so no result depends on the other users in the call.
            bucket = Bucket(
                block=0,
                users=np.zeros(len(items), np.int32),
                items=items,
                values=np.minimum(values, np.float32(HEAVIEST)),
                members=among,
                state=state,
                reach=NO_REACH if len(described) else self._reach,
            )
            alone = slice(person, person + 1)
            # All epochs are one bucket here.
            fall = 1 / max(len(items), 1) if model._rates_fall else 0
            rule = model._make_rule(Q.shape[1], drawn_to[alone], NO_MEANS, 1, fall, learn_items=False)
            work(bucket, P[alone], Q, rule, np.zeros(1, np.int64))

        parallel.run(fold, len(P))
        if not np.isfinite(P).all():
            raise DataError(
                "a history cannot be learned from: scale its weights like the training's, or lower learning_rate"
            )
        return P

    @cached_property
    def _popular_items(self) -> Ints:
        """The numbers of the items with a pair, each as often as it is popular."""
        return _repeat_by_count(self.popularity[self.popularity > 0])

    @cached_property
    def _members(self) -> Ints:
        """The numbers of the items with a pair: int32."""
        return np.flatnonzero(self.popularity).astype(np.int32)

    @cached_property
    def _reach(self) -> Floats:
        """How far the scores of the members can come."""
        return self.parameters._measure_reach(self._items, self._members)

    @cached_property
    def _items(self) -> Floats:
        """The items as the kernels take them."""
        return self.parameters._wide_items(self.item_factors, self.item_biases, self.item_squares)


_HINT = "lower learning_rate, or regularization if that is large"


class _Descent:
    """Trains one model on some pairs, for the epoch loop.

    The state is the rows of users and items as the kernels take them, with their sums of squared gradients, and for a
    side with features the factors of these.
    learn_features : False keeps the features' factors as they are, and regularizes rows towards them
    """

    def __init__(self, model: PairwiseModel, pairs: Rows, start: Arrays, *, learn_features: bool) -> None:
        self.epochs: int = model.used_.epochs
        self._model = model
        self._pairs = pairs
        self._start = start
        self._learn_features = learn_features
        ridge = model.feature_regularization
        activity, popularity = model.activity_, model.popularity_
        self._users = Side("users", activity > 0, activity.astype(np.float32), model.state.user_features, ridge)
        self._items = Side("items", popularity > 0, popularity.astype(np.float32), model.state.item_features, ridge)
        self._grid = Grid(self._pairs, len(start["items"]), model.seed)
        n_items = int(np.count_nonzero(popularity))
        # The items of the bucket's pairs are each as often as it is popular.
        self._work = model._make_work(n_items, lambda bucket: bucket.items)
        self._columns = model.factors + 1
        self._too_much = BLOWN_UP * model._blind_loss(n_items)

    def start(self) -> Arrays:
        """Return the rows before the first epoch."""
        users, items, skipped = self._start["users"], self._start["items"], self._start["skipped"]
        state = self._users.start(users) | self._items.start(items) | {"skipped": skipped}
        if not self._learn_features:
            for side in (self._users, self._items):
                if side.features is not None and side.features.factors_ is not None:
                    W = side.features.factors_
                    state[f"{side.name}.features"][:, : W.shape[1]] = W
        return state

    def train_epoch(self, state: Arrays, epoch: int) -> float:
        """Make a step for every pair; return the mean loss of the steps, without regularization."""
        users, items = state["users"], state["items"]
        if epoch and self._learn_features:  # random first rows say nothing about features
            for side in (self._users, self._items):
                side.solve_features(state, FEATURE_STEPS)
        means_users, means_items = self._users.means(state), self._items.means(state)
        order = self._order_items(epoch)
        rate = 1 - epoch / self.epochs if self._model._rates_fall else 1
        rule = self._model._make_rule(items.shape[1], means_users, means_items, rate, 0, learn_items=True)
        skipped = np.zeros((self._grid.n_blocks, 1), np.int64)

        def work(bucket: Bucket) -> float:
            np.minimum(bucket.values, np.float32(HEAVIEST), out=bucket.values)
            return self._work(bucket, users, items, rule, skipped[bucket.block])

        # Side by side, the rows of a block of items are in reach of a core's caches, and of those of addresses.
        permute_rows(items, order)
        if len(means_items):
            permute_rows(means_items, order)
        try:
            loss = self._grid.run(epoch, work, in_order=True) / len(self._pairs.data)
        finally:
            places = np.empty_like(order)
            places[order] = np.arange(len(order), dtype=np.int32)
            permute_rows(items, places)
        state["skipped"] += skipped.sum()
        if not loss < self._too_much:
            raise DivergenceError(f"training diverged in epoch {epoch + 1}: a pair's mean loss is {loss:.3g}; {_HINT}")
        return loss

    def _order_items(self, epoch: int) -> Ints:
        """Return the order of the epoch's blocks, and behind it the items without a pair: int32, (n_items,)."""
        dealt = self._grid.order_items(epoch)
        is_dealt = np.zeros(len(self._model.popularity_), bool)
        is_dealt[dealt] = True
        return np.concatenate([dealt, np.flatnonzero(~is_dealt).astype(np.int32)])

    def finish(self, state: Arrays) -> None:
        """Solve the features' factors for the final rows."""
        self._users.finish_features(state, self._columns - 1)
        self._items.finish_features(state, self._columns)

    def rank(self, state: Arrays, rows: RowNumbers, k: int) -> Lists:
        """Rank the unseen items of user rows with the current factors."""
        queries = self._users.place(state)[rows, : self._columns]
        queries[:, -1] = 1
        catalogue = VectorCandidates(self._items.place(state)[:, : self._columns], np.flatnonzero(self._items.known))
        return top_k(queries, catalogue, k, [Hidden(self._pairs, rows)], Ties.of(self._model.items.tie_order))


def _repeat_by_count(counts: Counts) -> Ints:
    """Return the numbers from 0 to len(counts) - 1, each repeated by its count; in proportion if that is too long.

    The result has at most PLACES times len(counts) numbers: int32.
    """
    ends = np.cumsum(counts)
    n = min(int(ends[-1]), PLACES * len(counts))
    often: Ints = np.searchsorted(ends, (np.arange(n) + 0.5) * (ends[-1] / n), side="right").astype(np.int32)
    return often
