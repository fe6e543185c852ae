"""What every model does: fit, recommend, find what is similar, predict, explain, update, save."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data._checks import check_choice, check_whole
from tastemap.data._pairs import Rows
from tastemap.data.features import Features, check_features
from tastemap.data.frames import as_kind, check_kind, to_series, write_parquet
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Columns, Interactions, check_interactions
from tastemap.errors import DataError, NotFittedError, NotSupportedError, Remedy, UnknownIdError, name_some
from tastemap.files.arrays import write_arrays
from tastemap.metrics.lists import RATING_METRICS
from tastemap.models.shared import stored
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.inputs import UNKNOWN_ITEM, as_many, excluded, folded, is_frame
from tastemap.models.shared.search import SearchSpace
from tastemap.ranking.similar import Closeness, Space
from tastemap.ranking.top_k import Candidates, Hidden, Lists, VectorCandidates, top_k
from tastemap.training.loop import Epoch, Options
from tastemap.training.side_features import SideFeatures
from tastemap.typing import Floats, RowNumbers

OnUnknown = Literal["raise", "popular", "skip"]

# Users whose lists `recommend_all` holds in memory at a time.
USERS_AT_ONCE = 1 << 16

_RESULT_COLUMNS = {"rank", "score", "neighbour", "history", "contribution"}

_UNKNOWN_USER = Remedy(
    "pass on_unknown='popular' to give them the most popular items, or 'skip' to leave them out", "on_unknown", ...
)


class Explanation(NamedTuple):
    """Why a user is recommended an item.

    frame : the items of the user's history and their contribution to the score, largest first
    kind : "exact" where the contributions and the baseline add up to the score, or "leave-one-out"
    score : the score explained, before a rating is kept to its range
    baseline : the part of the score that comes from no item of the history, but from features or biases
    """

    frame: Any
    kind: Literal["exact", "leave-one-out"]
    score: float
    baseline: float = 0.0


@dataclass(kw_only=True)
class Model(ABC):
    """The contract of all models. Hyper-parameters are dataclass fields that `fit` checks; what it learns ends in `_`.

    users, items : the id maps of the training data
    interactions : the training data itself, None where the model was saved without it
    popularity_, activity_ : int64, (n_items,) and (n_users,): in how many training pairs an item and a user are
    epochs_ : one `Epoch` for every epoch trained, empty for models that train without epochs
    search_space : what `tastemap.tune` tries for which parameter; empty where none is worth searching. `factors` is
        never in it: more is nearly always better and costs more, so it is a budget
    feature_search_space : the same for the parameters that mean something only where features are given
    abilities : what the model can do
    """

    search_space: ClassVar[SearchSpace] = {}
    feature_search_space: ClassVar[SearchSpace] = {}
    abilities: ClassVar[Abilities] = Abilities()
    # Names of the fitted arrays that a file holds, beside the ids, the popularity and the training pairs.
    _fitted: ClassVar[tuple[str, ...]] = ()

    def fit(
        self,
        interactions: Interactions,
        *,
        user_features: Features | None = None,
        item_features: Features | None = None,
        validation: Interactions | None = None,
        patience: int | None = None,
        metric: str = "ndcg@10",
        callbacks: Callable[[Epoch], None] | Iterable[Callable[[Epoch], None]] = (),
        progress: bool | None = None,
        checkpoint: str | Path | None = None,
    ) -> Self:
        """Learn from interactions and return the model itself. Whatever was learned before is forgotten.

        user_features, item_features : what is known of users and items beside the interactions. Ids that only they
            have are added to the id maps, so that the model knows these users and items too
        validation : held-out interactions; `metric` is measured after every epoch on their users with a training pair
            or features and items of the training's id map
        metric : a metric of the first k places, such as "ndcg@10"; of models that predict ratings also "rmse" and
            "mae", of the pairs whose user and item have a training pair
        patience : stop when `metric` has not improved for this many epochs, and keep the best epoch
        callbacks : called after every epoch with an `Epoch`; an error in one ends the training and is passed on
        progress : a bar on stderr; None shows one where stderr is a terminal
        checkpoint : a file that is written during training. If it exists, training goes on from it, and ends with
            the same bits as if it had never stopped

        A model that trains without epochs refuses patience, callbacks and checkpoint, and measures no validation part.

        Raises ValueError for a parameter out of range, DivergenceError when the objective is no longer finite,
        ModelFileError for the checkpoint of another training, NotSupportedError for features where the model takes
        none.
        """
        check_interactions("fit", interactions)
        if not len(interactions):
            raise DataError("there is nothing to learn from: the interactions hold no pair")
        self.check()
        self._check_takes_features(user_features, item_features)
        _check_describes("user_features", user_features, interactions.users)
        _check_describes("item_features", item_features, interactions.items)
        interactions = _described(interactions, user_features, item_features)
        if validation is not None:
            check_interactions("validation", validation)
            validation = _measurable(validation, interactions, user_features, metric in RATING_METRICS)
        listeners = (callbacks,) if callable(callbacks) else tuple(callbacks)
        options = Options(validation, patience, metric, listeners, progress, checkpoint)
        options.check(predicts_ratings=self.abilities.ratings)
        if not self.abilities.epochs:
            options.check_without_epochs(type(self).__name__)
        self._forget()
        try:
            self._remember(
                interactions,
                None if user_features is None else SideFeatures.of(user_features, interactions.users),
                None if item_features is None else SideFeatures.of(item_features, interactions.items),
            )
            self._learn(interactions, options)
        except BaseException:
            self._forget()  # half a model must not pass for a fitted one
            raise
        return self

    def check(self) -> None:  # noqa: B027 - a model without parameters has nothing to check
        """Raise ValueError for a hyper-parameter out of range."""

    @abstractmethod
    def _learn(self, interactions: Interactions, options: Options) -> None:
        """Set the fitted arrays."""

    @abstractmethod
    def _queries(self, rows: RowNumbers) -> Any:
        """Return what the catalogue scores for user rows: their vectors, float32 (n, d), unless `_among` is another."""

    @abstractmethod
    def _fold_in(self, histories: Rows) -> Any:
        """Return the same for people known by their history alone."""

    def _among(self, rows: RowNumbers) -> Candidates:
        """Return the items in these rows, ready for ranking; a model whose scores are no products has its own kind."""
        return VectorCandidates(self._vectors, rows)

    @property
    def _vectors(self) -> Floats:
        """The items' vectors, float32 (n_items, d): a score is query . vector."""
        raise NotSupportedError(self._no_vectors)

    def _shown(self, scores: Floats) -> Floats:
        """Return scores as they are shown; lists are ordered before."""
        return scores

    @property
    def _liking(self) -> float:
        """The weight of an item that a history names without one."""
        return 1.0

    def _fold_in_described(self, histories: Rows, features: Rows) -> Floats:
        """Return the vectors of people known by a history, which may be empty, and features, float32 (n, d)."""
        raise NotSupportedError(self._no_features)

    def _place_items(self) -> None:
        """Give the items without a training pair the vectors of their features."""
        raise NotSupportedError(self._no_features)

    # -- what is known ------------------------------------------------------------------------------------------------

    @property
    def users(self) -> IdMap:
        """The users of the training data: external id <-> row."""
        self._check_fitted()
        return self._users

    @property
    def items(self) -> IdMap:
        """The items of the training data: external id <-> row."""
        self._check_fitted()
        return self._items

    @property
    def interactions(self) -> Interactions | None:
        """The training data, None where the model was saved without it."""
        self._check_fitted()
        return self._interactions

    def _remember(
        self, interactions: Interactions, user_features: SideFeatures | None, item_features: SideFeatures | None
    ) -> None:
        taken = _RESULT_COLUMNS & {interactions.users.name, interactions.items.name}
        if taken:
            raise DataError(f"the column {min(taken)!r} has the name of a column in results: rename it before reading")
        self._users, self._items = interactions.users, interactions.items
        self._interactions: Interactions | None = interactions
        self._columns: Columns = interactions.columns
        self._frame: str = interactions.frame_kind
        self._fingerprint: str | None = None
        self.popularity_ = np.bincount(interactions.matrix.indices, minlength=len(self._items)).astype(np.int64)
        self.activity_ = interactions.by_user.counts
        self.epochs_: list[Epoch] = []
        self._user_features, self._item_features = user_features, item_features

    def _forget(self) -> None:
        parameters = {field.name for field in fields(self)}
        for name in [name for name in vars(self) if name not in parameters]:
            delattr(self, name)

    def _check_fitted(self) -> None:
        if not hasattr(self, "_users"):
            raise NotFittedError(f"this {type(self).__name__} has learned nothing yet", "call fit first")

    def _training(self, purpose: str) -> Interactions:
        if self._interactions is None:
            raise NotSupportedError(
                f"{purpose} needs the training pairs, and this model was saved with interactions=False",
                what="no interactions",
                purpose=purpose,
            )
        return self._interactions

    def _identity(self, options: Options) -> dict[str, Any]:
        """Return what a checkpoint must share with this training; it takes time where there is one to write."""
        identity: dict[str, Any] = {"class": type(self).__name__, "parameters": asdict(self), "data": ""}
        if options.checkpoint is not None:
            self._fingerprint = identity["data"] = self._training("a checkpoint").fingerprint()
            for name, features in (("user_features", self._user_features), ("item_features", self._item_features)):
                identity[name] = None if features is None else features.fingerprint()
        return identity

    @cached_property
    def _known_users(self) -> npt.NDArray[np.bool_]:
        """Which users have a vector: those with a training pair or features."""
        return _known(self.activity_, self._user_features)

    @cached_property
    def _known_items(self) -> npt.NDArray[np.bool_]:
        """Which items have a vector: those with a training pair or features."""
        return _known(self.popularity_, self._item_features)

    def _check_takes_features(self, *given: Features | None) -> None:
        """Raise NotSupportedError where features are given and the model takes none."""
        if any(features is not None for features in given) and not self.abilities.features:
            raise NotSupportedError(self._no_features)

    @property
    def _no_features(self) -> str:
        """The sentence for a model that takes none."""
        from tastemap.models import MODELS

        able = " or ".join(name for name, cls in MODELS.items() if cls.abilities.features)
        return f"{type(self).__name__} takes no features: leave them out, or fit {able}"

    @property
    def _no_vectors(self) -> str:
        """The sentence for a model that has none."""
        return f"{type(self).__name__} has no vectors of users and items: fit ImplicitALS for them"

    def _check_more_features(self, users: Features | None, items: Features | None) -> None:
        """Raise where features are given for a side that was fitted without."""
        self._check_takes_features(users, items)
        for name, given, own in (
            ("user_features", users, self._user_features),
            ("item_features", items, self._item_features),
        ):
            check_features(name, given)
            if given is not None and own is None:
                raise NotSupportedError(
                    f"the model was fitted without {name}, so it cannot use them now: pass them to fit"
                )

    # -- recommend ----------------------------------------------------------------------------------------------------

    def recommend(
        self,
        users: Any = None,
        *,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Any = None,
        exclude: Any = None,
        on_unknown: OnUnknown = "raise",
        frame: str | None = None,
    ) -> Any:
        """Return the k best items of each user: a frame of user, item, rank (from 1) and score.

        users : an id, ids, or None for every user with a training pair or features
        exclude_seen : leave out the items of the user's own training pairs
        candidates : only these items may appear (ids); named here, items without a training pair or features may appear
            as well
        exclude : items that may not appear: ids, or a frame of pairs under the training data's column names
        on_unknown : users without a training pair or features raise UnknownIdError, get the most "popular" items (their
            score is then the number of training pairs), or are "skip"ped
        frame : "pandas", "polars" or "pyarrow"; None for the kind of the training data

        A user for whom fewer than k items are left gets fewer rows.
        """
        self._check_fitted()
        check_whole("k", k, lowest=1)
        check_choice("on_unknown", on_unknown, ("raise", "popular", "skip"))
        if users is None:
            rows = self._active_users()
            ids = self._users.take(rows)
        else:
            ids = to_series(as_many(users), self._users.name)
            ids = ids if len(ids) else self._users.ids.clear()  # nothing has no type of its own
            rows = self._active_rows(ids, on_unknown)
            if on_unknown == "skip":
                ids, rows = ids.filter(pl.Series(rows >= 0)), rows[rows >= 0]
        hidden = self.seen(rows) if exclude_seen else []
        if exclude is not None:
            hidden.append(excluded(exclude, ids, self._users, self._items))
        return self._as_frame(ids, self.rank(rows, k, hidden, self.catalogue(candidates)), frame)

    def recommend_for(
        self,
        history: Any,
        *,
        k: int = 10,
        weights: Any = None,
        user_features: Features | None = None,
        exclude_seen: bool = True,
        candidates: Any = None,
        exclude: Any = None,
        frame: str | None = None,
    ) -> Any:
        """Return the k best items for people known by their history alone: a frame of history, item, rank and score.

        history : item ids, {item id: weight}, or a list of either for many people; the column `history` numbers them
            from 0
        weights : the weights of item ids, as many; None for 1, or, where the model predicts ratings, for the highest
            rating of the training data: who names an item without a rating likes it
        user_features : the people's features, a row for each history in the same order, whatever its id; a history may
            then be empty ([], or [[], []] for two people). Without them a model with user features takes the people for
            users without any
        exclude_seen : leave out what is in the history
        candidates, exclude, frame : as for `recommend`

        Raises UnknownIdError for items that are not in the training data, DataError for an empty history of somebody
        without features.
        """
        self._check_fitted()
        check_whole("k", k, lowest=1)
        self._check_more_features(user_features, None)
        histories = folded(
            history,
            weights,
            self._items,
            unweighted=self._liking,
            allow_negative=self.abilities.ratings,
            may_be_empty=user_features is not None,
        )
        if not self._known_items[histories.indices].all():
            without = self._items.take(histories.indices[~self._known_items[histories.indices]])
            raise UnknownIdError(f"{name_some(without)} have no training pair: leave them out of the history")
        people = pl.Series("history", np.arange(len(histories.indptr) - 1))
        hidden = [Hidden(histories, np.arange(len(people)))] if exclude_seen else []
        if exclude is not None:
            if is_frame(exclude):
                raise ValueError("exclude must be item ids here: a frame of pairs needs users with ids")
            hidden.append(excluded(exclude, people, self._users, self._items))
        lists = self._ranked(self.folded(histories, user_features), self.catalogue(candidates), k, hidden)
        return self._as_frame(people, lists, frame)

    def folded(self, histories: Rows, user_features: Features | None = None) -> Any:
        """Return what the catalogue scores for people known by histories of known items, for `rank`."""
        if user_features is None or self._user_features is None:
            return self._fold_in(histories)
        rows = self._user_features.translated(user_features)
        if len(rows.indptr) != len(histories.indptr):
            raise DataError(
                f"user_features must have a row for each history: got {len(rows.indptr) - 1} for "
                f"{len(histories.indptr) - 1}"
            )
        return self._fold_in_described(histories, rows)

    def recommend_all(
        self, path: str | Path, *, k: int = 10, exclude_seen: bool = True, candidates: Any = None, exclude: Any = None
    ) -> None:
        """Write the recommendations of every user with a training pair or features to a Parquet file, some at a time.

        The file holds what `recommend` returns, and is written whole or not at all. Memory does not grow with users.
        """
        self._check_fitted()
        users = self._users.take(self._active_users())
        parts = (
            self.recommend(
                users[start : start + USERS_AT_ONCE],
                k=k,
                exclude_seen=exclude_seen,
                candidates=candidates,
                exclude=exclude,
                frame="polars",
            )
            for start in range(0, len(users), USERS_AT_ONCE)
        )
        write_parquet(path, parts)

    def recommend_rows(self, rows: npt.ArrayLike, k: int = 10, *, exclude_seen: bool = True) -> Lists:
        """Recommend by user rows and return arrays: item rows int32 (n, k), scores float32 (n, k), counts int64 (n)."""
        self._check_fitted()
        check_whole("k", k, lowest=1)
        rows = np.atleast_1d(rows)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise ValueError(f"rows must be whole numbers in one dimension, got {rows.dtype} of shape {rows.shape}")
        rows = rows.astype(np.int64)
        if rows.size and not (rows.min() >= 0 and rows.max() < len(self._users)):
            raise UnknownIdError(f"user rows go from 0 to {len(self._users) - 1}, got {rows.min()} to {rows.max()}")
        return self.rank(rows, k, self.seen(rows) if exclude_seen else [])

    def rank(
        self,
        rows: RowNumbers,
        k: int,
        hidden: Sequence[Hidden] = (),
        catalogue: Candidates | None = None,
        queries: Callable[[RowNumbers], Any] | None = None,
    ) -> Lists:
        """Rank the catalogue for user rows; row -1 is a stranger and gets the most popular items.

        hidden : what is left out, for the same rows; catalogue : None for every item with a training pair
            or features; queries : what the catalogue scores for some of the rows, None for the users of the training
        """
        catalogue = self._catalogue if catalogue is None else catalogue
        queries = self._queries if queries is None else queries
        is_known = rows >= 0
        if is_known.all():
            return self._ranked(queries(rows), catalogue, k, hidden)
        by_popularity = self._by_popularity if catalogue is self._catalogue else self._counted(catalogue.rows)
        one_for_all = np.ones((int((~is_known).sum()), 1), np.float32)
        known = self._ranked(queries(rows[is_known]), catalogue, k, [h.of(is_known) for h in hidden])
        strangers = top_k(one_for_all, by_popularity, k, [h.of(~is_known) for h in hidden])
        # Lists of the known come first, then those of the strangers; put each where its user stands.
        place = np.argsort(np.concatenate([np.flatnonzero(is_known), np.flatnonzero(~is_known)]))
        return Lists(
            np.concatenate([known.rows, strangers.rows])[place],
            np.concatenate([known.scores, strangers.scores])[place],
            np.concatenate([known.counts, strangers.counts])[place],
        )

    def _ranked(self, queries: Any, catalogue: Candidates, k: int, hidden: Sequence[Hidden]) -> Lists:
        lists = top_k(queries, catalogue, k, hidden)
        filled = lists.rows >= 0
        lists.scores[filled] = self._shown(lists.scores[filled])
        return lists

    def catalogue(self, candidates: Any = None) -> Candidates:
        """Return what is ranked: the candidates (ids), or every item with a training pair or features."""
        return self._catalogue if candidates is None else self._among(self._candidate_rows(candidates))

    def seen(self, rows: RowNumbers) -> list[Hidden]:
        """Return the training items of user rows, for `rank` to leave out."""
        return [Hidden(self._training("leaving out seen items").by_user, rows)]

    # -- similar ------------------------------------------------------------------------------------------------------

    def similar_items(
        self,
        items: Any,
        *,
        k: int = 10,
        metric: Closeness = "cosine",
        candidates: Any = None,
        frame: str | None = None,
    ) -> Any:
        """Return the k items most like each item: a frame of item, neighbour, rank and score. Itself is left out.

        items : an id or ids
        metric : "cosine", "dot", or "euclidean", whose score is minus the distance, so that more is always nearer
        candidates : only these items may appear (ids)

        Raises UnknownIdError for items without a training pair or features.
        """
        self._check_fitted()
        rows = self._active(self._items, to_series(as_many(items), self._items.name), self._known_items)
        among = None if candidates is None else self._candidate_rows(candidates)
        lists = self._item_space.nearest(rows, k, metric, among)
        return self._neighbours(self._items, rows, lists, frame)

    def similar_users(self, users: Any, *, k: int = 10, metric: Closeness = "cosine", frame: str | None = None) -> Any:
        """Return the k users most like each user: a frame of user, neighbour, rank and score; as `similar_items`."""
        self._check_fitted()
        ids = to_series(as_many(users), self._users.name)
        rows = self._active_rows(ids, "raise", hint="They have no vector to compare.")
        lists = self._user_space.nearest(rows, k, metric)
        return self._neighbours(self._users, rows, lists, frame)

    def item_vectors(self) -> tuple[pl.Series, Floats]:
        """Return the items with a training pair or features, and the vectors in which `similar_items` compares them.

        The ids, a polars Series in the order of the rows, and float32 (items, d), one vector an item. Biases are not in
        them, and those of ImplicitALS are its factors turned and scaled as its docstring says.

        Raises NotSupportedError for a model that compares items otherwise or not at all.
        """
        self._check_fitted()
        if not hasattr(self, "item_factors_"):
            raise NotSupportedError(self._no_vectors)
        space = self._item_space
        return self._items.take(space.active), space.vectors[space.active]

    @cached_property
    def _item_space(self) -> Space:
        """The vectors in which items are compared."""
        return Space(self._vectors, np.flatnonzero(self._known_items))

    @cached_property
    def _user_space(self) -> Space:
        """The vectors in which users are compared."""
        return Space(self._queries(np.arange(len(self._users))), self._active_users())

    def _neighbours(self, ids: IdMap, rows: RowNumbers, lists: Lists, frame: str | None) -> Any:
        repeated, ranks, filled = _flat(lists)
        columns = {
            ids.name: ids.take(rows[repeated]),
            "neighbour": ids.take(lists.rows[filled]),
            "rank": ranks,
            "score": lists.scores[filled],
        }
        return as_kind(pl.DataFrame(columns), frame or self._frame)

    # -- predict, explain ---------------------------------------------------------------------------------------------

    def predict(self, users: Any, items: Any) -> Floats:
        """Return one score a pair, float32 (n,): the one that `recommend` shows. One id is taken for all pairs.

        Raises UnknownIdError for ids without a training pair or features.
        """
        self._check_fitted()
        user_ids, item_ids = (to_series(as_many(ids), name) for ids, name in ((users, "user"), (items, "item")))
        rows = self._active_rows(user_ids, "raise", hint="They have no vector to score with.")
        columns = self._active(self._items, item_ids, self._known_items)
        if len(rows) != len(columns) and 1 not in (len(rows), len(columns)):
            raise ValueError(f"users and items must be pairs: got {len(rows)} users and {len(columns)} items")
        rows, columns = np.broadcast_arrays(rows, columns)
        distinct, place = np.unique(rows, return_inverse=True)
        return self.pair_scores(self._queries(distinct), place.astype(np.int64), columns)

    def pair_scores(self, queries: Any, who: RowNumbers, items: RowNumbers) -> Floats:
        """Return the score that is shown for query who[j] and the known item in row items[j]."""
        return self._shown(self._catalogue.pair_scores(queries, who, items))

    def explain(self, user: Any, item: Any, *, frame: str | None = None) -> Explanation:
        """Return which items of the user's history the score of an item comes from."""
        raise NotSupportedError(f"the scores of {type(self).__name__} do not come from the user's own history")

    def _history_and_item(self, user: Any, item: Any) -> tuple[npt.NDArray[np.int32], Floats, int]:
        """Return the rows and the weights of a user's training items and the row of an item, to explain its score."""
        self._check_fitted()
        row = int(self._active_rows(pl.Series([user]), "raise", hint="They have no history to explain from.")[0])
        column = int(self._active(self._items, pl.Series([item]), self._known_items)[0])
        pairs = self._training("explain").by_user
        mine = slice(pairs.indptr[row], pairs.indptr[row + 1])
        return pairs.indices[mine], pairs.data[mine], column

    def _explained(
        self,
        items: npt.NDArray[np.int32],
        contributions: npt.NDArray[np.float64],
        frame: str | None,
        baseline: float = 0.0,
    ) -> Explanation:
        """Return the explanation of a score that is the sum of contributions and a baseline."""
        shown = self._contributions(items, contributions, frame)
        return Explanation(shown, "exact", float(contributions.sum()) + baseline, baseline)

    def _contributions(
        self, items: npt.NDArray[np.int32], contributions: npt.NDArray[np.float64], frame: str | None
    ) -> Any:
        """Return a frame of items and their contributions, the largest first."""
        order = np.argsort(-contributions, kind="stable")
        columns = {self._items.name: self._items.take(items[order]), "contribution": contributions[order]}
        return as_kind(pl.DataFrame(columns), frame or self._frame)

    # -- update, save -------------------------------------------------------------------------------------------------

    def update(
        self,
        interactions: Interactions,
        *,
        user_features: Features | None = None,
        item_features: Features | None = None,
    ) -> Self:
        """Return a new model that knows these interactions too; this one stays as it is.

        user_features, item_features : of new ids, and of known ones whose features have changed, made like those of the
            training (`Features.transform`). The factors of features stay as they were learned

        A pair that was known takes the new weight; unknown users and items are added to the id maps. How far the
        learning goes is said by each model.
        """
        self._check_fitted()
        check_interactions("update", interactions)
        self._check_more_features(user_features, item_features)
        merged = _described(self._training("update").merge(interactions), user_features, item_features)
        updated = type(self)(**asdict(self))
        updated._remember(
            merged,
            self._user_features and self._user_features.extended(merged.users, user_features),
            self._item_features and self._item_features.extended(merged.items, item_features),
        )
        updated.epochs_ = list(self.epochs_)
        updated._learn_more(self, interactions)
        return updated

    def add_items(self, features: Features) -> Self:
        """Return a new model that can recommend these items too, from their features alone; this one stays as it is.

        features : of the items, made like those of the training (`Features.transform`)

        Their ids are added to the id map, and the items get the sum of their features' factors at once. Items with a
        training pair stay as they are: `update` takes changed features of these.

        Raises NotSupportedError where the model was fitted without item features, DataError for features that were not
        in the training.
        """
        self._check_fitted()
        if features is None:
            raise DataError("add_items takes tastemap.Features, got None: make them with Features.transform")
        self._check_more_features(None, features)
        assert self._item_features is not None
        items = self._items.extended(features.ids)
        grown = type(self)(**asdict(self))
        for name in ("_users", "_columns", "_frame", "_fingerprint", "_user_features", "activity_", *self._fitted):
            setattr(grown, name, getattr(self, name))
        grown.epochs_ = list(self.epochs_)
        grown._items, grown._interactions = items, None
        if self._interactions is not None:
            grown._interactions, grown._fingerprint = self._interactions.extended(self._users, items), None
        grown.popularity_ = np.append(self.popularity_, np.zeros(len(items) - len(self._items), np.int64))
        news = features.only(features.ids.take(np.flatnonzero(grown.popularity_[items.find(features.ids.ids)] == 0)))
        grown._item_features = self._item_features.extended(items, news)
        grown._place_items()
        return grown

    @abstractmethod
    def _learn_more(self, before: Self, news: Interactions) -> None:
        """Set the fitted arrays from those of `before`, for the merged interactions."""

    def save(self, path: str | Path, *, interactions: bool = True) -> None:
        """Write the model to one safetensors file; a file of that name is replaced only by the whole new one.

        interactions : keep the training pairs, which leaving out seen items, `explain` and `update` need; without them
            the file is smaller and holds no person's history
        """
        self._check_fitted()
        write_arrays(path, stored.arrays_of(self, interactions), "model", stored.header_of(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], header: dict[str, Any]) -> Self:
        """Make a fitted model from what `save` wrote; `tastemap.load` calls it."""
        model = cls(**header["parameters"])
        stored.restore(model, arrays, header)
        return model

    def card(self) -> str:
        """Return a description of the fitted model in Markdown: parameters, data, training, versions."""
        self._check_fitted()
        return stored.card(self)

    # -- ids in, frames out -------------------------------------------------------------------------------------------

    @cached_property
    def _catalogue(self) -> Candidates:
        # An item without a training pair or features has no score worth showing.
        return self._among(np.flatnonzero(self._known_items))

    @cached_property
    def _by_popularity(self) -> Candidates:
        return self._counted(self._catalogue.rows)

    def _counted(self, rows: RowNumbers) -> Candidates:
        """Return the items in these rows as a stranger sees them: for a query of 1 their number of training pairs."""
        return VectorCandidates(self.popularity_.astype(np.float32)[:, None], rows)

    def _candidate_rows(self, candidates: Any) -> RowNumbers:
        return np.unique(self._items.rows(to_series(as_many(candidates), self._items.name), UNKNOWN_ITEM))

    def _active_users(self) -> RowNumbers:
        return np.flatnonzero(self._known_users)

    @property
    def known_items(self) -> npt.NDArray[np.bool_]:
        """Which items have a training pair or features: bool, (n_items,)."""
        return self._known_items

    def known_rows(self, ids: Any) -> RowNumbers:
        """Return the rows of users, -1 for those without a training pair or features."""
        return self.users.find_among(ids, self._known_users)

    def _active_rows(self, ids: pl.Series, on_unknown: str, hint: str | Remedy = _UNKNOWN_USER) -> RowNumbers:
        """Return the users' rows, -1 for those without a training pair or features unless that raises."""
        if on_unknown == "raise":
            return self._active(self._users, ids, self._known_users, hint)
        return self.known_rows(ids)

    @staticmethod
    def _active(
        ids: IdMap, wanted: pl.Series, known: npt.NDArray[np.bool_], hint: str | Remedy = UNKNOWN_ITEM
    ) -> RowNumbers:
        """Return the rows of ids, each of which must be known by a training pair or features."""
        rows = ids.rows(wanted, hint)
        if not known[rows].all():
            without = [ids[int(row)] for row in rows[known[rows] == 0]]
            raise UnknownIdError(
                f"{len(without)} of {len(rows)} {ids.name} values have no training pair: {name_some(without)}.",
                hint,
                column=ids.name,
                ids=without,
            )
        return rows

    def _as_frame(self, who: pl.Series, lists: Lists, frame: str | None) -> Any:
        repeated, ranks, filled = _flat(lists)
        columns = {
            who.name: who.gather(repeated),
            self._items.name: self._items.take(lists.rows[filled]),
            "rank": ranks,
            "score": lists.scores[filled],
        }
        return as_kind(pl.DataFrame(columns), check_kind(frame or self._frame))


def _known(n_pairs: RowNumbers, features: SideFeatures | None) -> npt.NDArray[np.bool_]:
    """Return which rows have a training pair or features."""
    return n_pairs > 0 if features is None else (n_pairs > 0) | features.described


def _check_describes(name: str, features: Features | None, ids: IdMap) -> None:
    """Raise DataError where features are something else or of other ids than those of the interactions."""
    check_features(name, features)
    if features is not None and not (ids.find(features.ids.ids) >= 0).any():
        raise DataError(
            f"{name} describe none of the {ids.name!r} of the interactions: they have "
            f"{name_some(features.ids.ids.head(3))}, these {name_some(ids.ids.head(3))}"
        )


def _described(interactions: Interactions, users: Features | None, items: Features | None) -> Interactions:
    """Return the interactions on id maps that hold the features' ids too."""
    return interactions.extended(
        interactions.users if users is None else interactions.users.extended(users.ids),
        interactions.items if items is None else interactions.items.extended(items.ids),
    )


def _measurable(
    validation: Interactions, train: Interactions, user_features: Features | None, ratings: bool
) -> Interactions:
    """Return the validation pairs of users that training can learn something of, on the training's id maps.

    ratings : whether they are compared with predictions, which takes an item with a training pair as well
    """
    validation, _ = validation.align(train.users, train.items)
    if len(validation):
        learned = train.by_user.has_pairs
        if user_features is not None:
            learned |= user_features.align(train.users).has_pairs
        measurable = learned[validation.row_of_pair()]
        if ratings:
            measurable &= train.by_item.has_pairs[validation.matrix.indices]
        validation = validation.pick(measurable[validation.input_order])
    if not len(validation):
        pair = ": no pair can be compared" if ratings else ""
        raise DataError(f"validation shares no user with a training pair and no item with the training data{pair}")
    return validation


def _flat(lists: Lists) -> tuple[RowNumbers, RowNumbers, npt.NDArray[np.bool_]]:
    """Return for every filled place the list it is in, its rank from 1, and the mask of filled places."""
    n, k = lists.rows.shape
    filled = np.arange(k) < lists.counts[:, None]
    return np.repeat(np.arange(n), lists.counts), np.broadcast_to(np.arange(1, k + 1), (n, k))[filled], filled
