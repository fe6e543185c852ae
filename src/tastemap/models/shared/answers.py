"""The answers of fitted models: they take ids and return frames."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Unpack, overload

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data._checks import check_choice, check_share, check_whole
from tastemap.data._pairs import Rows, merge_rows
from tastemap.data.features import Features, check_features
from tastemap.data.frames import as_kind, check_kind, list_values, to_polars, to_series
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions
from tastemap.data.item_table import AlignedTable, ItemTable, Limits
from tastemap.data.recency import Recency
from tastemap.data.sinks.base import TableParts
from tastemap.data.sinks.opening import open_sink
from tastemap.engines import import_spark, is_spark
from tastemap.errors import (
    DataError,
    NotSupportedError,
    ParameterError,
    Remedy,
    TastemapWarning,
    UnknownIdError,
    name_some,
)
from tastemap.files.arrays import as_json, compute_digest
from tastemap.memory import fit_block
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.asked import Audience, ItemLikeness, Likeness, Listing, NewListing, OnUnknown
from tastemap.models.shared.inputs import (
    UNKNOWN_ITEM,
    check_known,
    is_frame,
    read_disliked,
    read_exclusions,
    read_histories,
)
from tastemap.models.shared.likes import warn_of_other_weights
from tastemap.models.shared.state import State
from tastemap.progress import WAIT, make_bar
from tastemap.ranking.audience import rank_users
from tastemap.ranking.rerank import Rank, rank_diverse
from tastemap.ranking.scorer import FactorScorer, Scorer, make_alike_warning
from tastemap.ranking.similar import Closeness, Space, find_trust, find_turns
from tastemap.ranking.top_k import Candidates, Hidden, Lists, Ties, ask_for_lists
from tastemap.typing import Arrays, Doubles, Flags, Floats, FrameKind, RowNumbers

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame as SparkFrame

    from tastemap.ranking.similar import Neighbours

# The number of users whose lists `recommend_all` holds in memory at a time.
USERS_AT_ONCE = 1 << 16

# The number of places of lists that `recommend_all` holds in memory at a time: fewer users where lists are long.
PLACES_AT_ONCE = 1 << 22

# The number of scores that `recommend_all` works out at a time, about: fewer users where items are many, so that parts
# are done, and kept, every few seconds.
SCORES_AT_ONCE = 1 << 32

# What a place of a list takes until it is a row of a frame: ids, rank and score, and the arrays that they are made of.
PLACE_BYTES = 64

_UNKNOWN_USER = Remedy(
    "pass on_unknown='popular' to give them the most popular items, or 'skip' to leave them out", "on_unknown", ...
)


_UNKNOWN_CANDIDATE = "leave them out of the candidates"


class ScoringVectors(NamedTuple):
    """Vectors whose products are the scores, before ratings are clipped to their range.

    users : float32, (n_users, d)
    items : float32, (n_items, d)
    """

    users: Floats
    items: Floats


class Choice(NamedTuple):
    """How lists are chosen.

    among : the items that may be listed
    space : compares items, for a diversity
    diversity, limits : as `rank_diverse` takes them
    """

    among: Candidates
    space: Neighbours | None
    diversity: float
    limits: Limits | None

    def rank(self, rank: Rank, n: int, k: int) -> Lists:
        """Return n lists of k items, chosen from what `rank` lists."""
        return rank_diverse(rank, n, k, len(self.among), space=self.space, diversity=self.diversity, limits=self.limits)


class Answers(ABC):
    """The methods by which every fitted model answers, from its `state` and its `scorer`.

    scorer : scores items for users from plain arrays; a server or another process needs nothing else
    """

    abilities: ClassVar[Abilities]

    @property
    @abstractmethod
    def state(self) -> State:
        """What the model knows of its training data; raises NotFittedError before `fit`."""

    @abstractmethod
    def identify(self) -> str:
        """Return a hash of the fitted model and its training data: equal models have equal ones."""

    @abstractmethod
    def make_scorer(self) -> Scorer:
        """Return a scorer made of the fitted arrays; `self.known` has the arguments that all scorers take."""

    @abstractmethod
    def ask_for_answers(self) -> None:
        """Raise DataError where what the first answer makes of the fitted arrays takes more memory than is free."""

    @property
    def scorer(self) -> Scorer:
        """The scorer: scores items for users from plain arrays; raises NotFittedError before `fit`."""
        _ = self.state  # raises before `fit`
        return self._scorer

    @cached_property
    def _scorer(self) -> Scorer:
        self.ask_for_answers()
        made: object = self.make_scorer()
        if not isinstance(made, Scorer):
            raise TypeError(f"{type(self).__name__}.make_scorer must return a Scorer, got {type(made).__name__}")
        return made

    @property
    def seen(self) -> Rows | None:
        """The histories of the known users as scorers take them, None where a file left the training pairs out."""
        return None if self.state.interactions is None else self.take_seen("scoring")

    def take_seen(self, purpose: str) -> Rows:
        """Return the histories of the known users as scorers take them; raises as `State.given` does."""
        self.state.given(purpose)
        return self._seen

    @cached_property
    def _seen(self) -> Rows:
        return self.take_histories(self.state.training("scoring"))

    def take_histories(self, pairs: Interactions) -> Rows:
        """Return pairs over the items, with weights in the model's units, as histories that scorers take.

        Raises DataError where the model uses times, and those of the pairs are of another unit than the training's.
        """
        if not self.abilities.uses_order:
            return pairs.by_user
        return self.weigh_histories(pairs.by_user, self.state.take_recency(pairs))

    # -- what models may override -------------------------------------------------------------------------------------

    @property
    def unstated_weight(self) -> float:
        """The weight of an item in a history without weights: 1, the mean of the training; for ratings the highest."""
        return 1.0

    @property
    def disliked_weight(self) -> float:
        """The weight of an item that is disliked: that of a like, which then counts against; for ratings the lowest."""
        return 1.0

    def weigh_histories(self, histories: Rows, recency: Recency) -> Rows:
        """Return histories in which what is recent counts otherwise, with other weights.

        histories : CSR arrays over the items, one row for each user, with weights in the model's units
        recency : of their pairs

        Models whose abilities have uses_order=True override it: scorers, explanations and folding in take histories
        that it has weighed. For others it raises NotSupportedError.
        """
        raise NotSupportedError(f"{type(self).__name__} does not use the order of histories")

    def make_item_space(self) -> Neighbours:
        """Return the space in which items are compared: by default their factors.

        Raises NotSupportedError for a model that has no similar items.
        """
        if not self.abilities.similar_items or not isinstance(self.scorer, FactorScorer):
            raise NotSupportedError(self._say_unable("similar items"))
        state = self.state
        trust = find_trust(state.popularity, None if state.item_features is None else state.item_features.described)
        active, ties = np.flatnonzero(state.known_items), state.items.tie_order
        return Space(self.scorer.item_factors, active, ties, self._turns[0], trust)

    def make_user_space(self) -> Neighbours:
        """Return the space in which users are compared: by default their factors.

        Raises NotSupportedError for a model that has no similar users.
        """
        if not self.abilities.similar_users or not isinstance(self.scorer, FactorScorer):
            raise NotSupportedError(self._say_unable("similar users"))
        state = self.state
        active, ties = np.flatnonzero(state.known_users), state.users.tie_order
        return Space(self.scorer.user_factors, active, ties, self._turns[1])

    @cached_property
    def _turns(self) -> tuple[Doubles, Doubles]:
        assert isinstance(self.scorer, FactorScorer)
        return find_turns(self.scorer.item_factors, self.state.popularity)

    @property
    def item_space(self) -> Neighbours:
        """The space in which items are compared; raises NotFittedError before `fit`, NotSupportedError without one."""
        _ = self.state
        return self._item_space

    @cached_property
    def _item_space(self) -> Neighbours:
        return self.make_item_space()

    @property
    def user_space(self) -> Neighbours:
        """The space in which users are compared; raises NotFittedError before `fit`, NotSupportedError without one."""
        _ = self.state
        return self._user_space

    @cached_property
    def _user_space(self) -> Neighbours:
        return self.make_user_space()

    def _say_unable(self, what: str, *, verb: str = "knows") -> str:
        return f"{type(self).__name__} {verb} no {what}: fit ImplicitALS for them"

    # -- recommend ----------------------------------------------------------------------------------------------------

    @overload
    def recommend(
        self,
        users: Any = None,
        *,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Any = None,
        exclude: Any = None,
        where: Any = None,
        since: Any = None,
        diversity: float = 0.0,
        at_most: Mapping[str, int] | None = None,
        item_table: Any = None,
        on_unknown: OnUnknown = "raise",
        frame: None = None,
    ) -> Any: ...
    @overload
    def recommend(self, users: Any = None, *, frame: Literal["pandas"], **asked: Unpack[Listing]) -> pd.DataFrame: ...
    @overload
    def recommend(self, users: Any = None, *, frame: Literal["polars"], **asked: Unpack[Listing]) -> pl.DataFrame: ...
    @overload
    def recommend(self, users: Any = None, *, frame: Literal["pyarrow"], **asked: Unpack[Listing]) -> pa.Table: ...
    def recommend(
        self,
        users: Any = None,
        *,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Any = None,
        exclude: Any = None,
        where: Any = None,
        since: Any = None,
        diversity: float = 0.0,
        at_most: Mapping[str, int] | None = None,
        item_table: Any = None,
        on_unknown: OnUnknown = "raise",
        frame: FrameKind | None = None,
    ) -> Any:
        """Return the k best items of each user: a frame of user, item, rank (from 1) and score.

        users : an id, ids in a list, set, iterable, or array or series of any library, or None for every user with a
            training pair or features
        exclude_seen : leave out the items of the user's own training pairs
        candidates : only these items may appear (ids), even those without a training pair or features
        exclude : items that may not appear: ids, or a frame of pairs under the training data's column names
        where : conditions on columns of the items, all of which must hold: "genre=Drama|Comedy" (any of two),
            "genre!=Horror" (none of), "year>=1990", also with <=, > and <; or {"genre": ["Drama", "Comedy"],
            "year>=": 1990}; or a list of conditions. An item without a value fulfils no condition but !=
        since : only what is new: items without a training pair before this moment, a date, a datetime or an ISO text,
            or a number where times are numbers; or before so long ago, such as "30d", counted from the latest time of
            the training. Items without a pair are new too
        diversity : from 0, the order of the scores, to 1: the next item is the one with the highest
            (1 - diversity) r - diversity c among the 100 best; r is the score, scaled to 0..1 within these, c the
            highest similarity to an item already listed, at least 0: the cosine of `similar_items` without the factor
            of m_j, for EASE and ItemKNN their own over the highest of either item. Behind these come the others, by
            score. Scores stay those of the model. Try .2 or .3
        at_most : how many items of one value of a column a list may hold: {"genre": 2}; with several columns or values
            all must have room
        item_table : what is known of the items, for where and at_most: an `ItemTable`, which is prepared once, or a
            frame with one row an item and the ids under their name in the training data
        on_unknown : for users without a training pair or features: "raise" raises UnknownIdError, "popular" gives them
            the most popular items (the score is then the number of training pairs), "skip" leaves them out
        frame : "pandas", "polars" or "pyarrow"; None for the kind of the training data

        A user for whom fewer than k items are left gets fewer rows. Items with equal scores come in the order of a hash
        of their ids, `IdMap.tie_order`. A warning counts the lists of at least two items that all have the score 0, or
        one score and neither training pairs nor features: the model cannot tell these items apart.

        A list with a diversity or at_most is the beginning of every longer one, as without them.

        Raises DataError for an unknown column, and for `since` where the training had no times, ParameterError for a
        condition on a value that no item has and for what is no moment, NotSupportedError for a diversity where the
        model compares no items.

        Carbonell and Goldstein, The use of MMR, diversity-based reranking for reordering documents and producing
        summaries, SIGIR 1998.
        """
        choice = self.make_choice(candidates, where, since, diversity, at_most, item_table)
        shown, n_alike, n_lists = self._recommend(users, k, exclude_seen, choice, exclude, on_unknown, frame)
        if n_alike:
            warnings.warn(make_alike_warning(n_alike, n_lists), stacklevel=2)
        return shown

    def _recommend(
        self,
        users: Any,
        k: int,
        exclude_seen: bool,
        choice: Choice,
        exclude: Any,
        on_unknown: OnUnknown,
        frame: FrameKind | None,
    ) -> tuple[Any, int, int]:
        """Return what `recommend` returns, the number of lists as `count_alike` counts them, and of all lists."""
        state, kind = self.state, self._choose_kind(frame)
        check_whole("k", k, lowest=1)
        check_choice("on_unknown", on_unknown, ("raise", "popular", "skip"))
        if users is None:
            rows = np.flatnonzero(state.known_users)
            ids = state.users.take(rows)
        else:
            ids = to_series(list_values(users), state.users.name)
            ids = ids if len(ids) else state.users.ids.clear()  # an empty list has no type of its own
            rows = self._user_rows(ids, _UNKNOWN_USER) if on_unknown == "raise" else state.find_users(ids)
            if on_unknown == "skip":
                ids, rows = ids.filter(pl.Series(rows >= 0)), rows[rows >= 0]
        hidden = [self.scorer.hide_seen(rows)] if exclude_seen else []
        if exclude is not None:
            hidden.append(read_exclusions(exclude, ids, state.users, state.items))
        _ask_for_lists(len(rows), k, len(choice.among))

        def rank(some: RowNumbers, depth: int) -> Lists:
            return self.scorer.rank(rows[some], depth, [one.of(some) for one in hidden], choice.among)

        lists = choice.rank(rank, len(rows), k)
        return self.list_items(ids, lists, kind), self.scorer.count_alike(lists), len(rows)

    @overload
    def recommend_for(
        self,
        history: Any,
        *,
        k: int = 10,
        weights: Any = None,
        times: Any = None,
        disliked: Any = None,
        user_features: Features | None = None,
        exclude_seen: bool = True,
        candidates: Any = None,
        exclude: Any = None,
        where: Any = None,
        since: Any = None,
        diversity: float = 0.0,
        at_most: Mapping[str, int] | None = None,
        item_table: Any = None,
        frame: None = None,
    ) -> Any: ...
    @overload
    def recommend_for(self, history: Any, *, frame: Literal["pandas"], **asked: Unpack[NewListing]) -> pd.DataFrame: ...
    @overload
    def recommend_for(self, history: Any, *, frame: Literal["polars"], **asked: Unpack[NewListing]) -> pl.DataFrame: ...
    @overload
    def recommend_for(self, history: Any, *, frame: Literal["pyarrow"], **asked: Unpack[NewListing]) -> pa.Table: ...
    def recommend_for(
        self,
        history: Any,
        *,
        k: int = 10,
        weights: Any = None,
        times: Any = None,
        disliked: Any = None,
        user_features: Features | None = None,
        exclude_seen: bool = True,
        candidates: Any = None,
        exclude: Any = None,
        where: Any = None,
        since: Any = None,
        diversity: float = 0.0,
        at_most: Mapping[str, int] | None = None,
        item_table: Any = None,
        frame: FrameKind | None = None,
    ) -> Any:
        """Return the k best items for new users, folded in from their histories: a frame of history, item, rank, score.

        history : of one user item ids or {item id: weight}; a list of either for several users, whom the column
             `history` numbers from 0; or with the ids of the users, which come in place of the numbers, in the order in
             which they first appear:
             Interactions : their weights as they are, in the unit of what was passed to `fit`
             a frame or dict of columns : users, items and, if it has them, weights and times, by the names of the
                 training's columns. What the training did to weights is done to these: `Interactions.at_least`, `log2`,
                 `binarize`
             {user id: history}, or a pandas Series of lists as groupby().agg(list) makes it, whose index holds the ids
        weights : one weight for each item id, in the unit of what was passed to `fit`, such as log2(1 + plays) after a
            fit to `interactions.log2()`; None for their mean, or, where the model predicts ratings, for the highest
            rating, because an item named without a rating is taken as liked.
            An item of weight 0 is not liked: models of likes leave it out of the history
        times : one time for each item id, in the unit of the training's times, for models that use the order of a
            history. Without times the order is that in which the items are given, the newest last; so it is between
            equal times. Other models ignore it
        disliked : item ids, or with several users a list of them for each: they are not listed, and what is like them
            comes later. Where the model predicts ratings they have the lowest one; in models of likes a dislike is a
            quarter of a like with the sign turned: s(history) - .25 s(disliked)
        user_features : the new users' features: by their ids, or without ids one row for each history in the same
            order. A history may then be empty ([], or [[], []] for two users). Without this argument a model with user
            features treats the new users as users without features
        exclude_seen : leave out the items of the history
        candidates, exclude, where, since, diversity, at_most, item_table, frame : as for `recommend`

        Raises UnknownIdError for items that are not in the training data, DataError for an empty history without user
        features, and for an item that is disliked and in the history.
        """
        state, kind = self.state, self._choose_kind(frame)
        check_whole("k", k, lowest=1)
        self._check_more_features(user_features, None)
        if isinstance(history, Interactions):
            warn_of_other_weights("recommend_for", state.columns, history, stacklevel=2)
        histories, people, has_ids = self._read_histories(
            history, weights, times, may_be_empty=user_features is not None
        )
        hidden = [Hidden(histories, np.arange(len(people)))] if exclude_seen else []
        against = None
        if disliked is not None:
            against = read_disliked(disliked, histories, state, self.disliked_weight)
            hidden.append(Hidden(against, np.arange(len(people))))
        if exclude is not None:
            if is_frame(exclude) and not has_ids:
                raise ValueError("exclude must be item ids here: a frame of pairs needs users with ids")
            hidden.append(read_exclusions(exclude, people, state.users, state.items))
        if has_ids and user_features is not None:
            user_features = user_features.only(people)
        queries = self.fold(histories, self._features_of(len(people), user_features), against)
        choice = self.make_choice(candidates, where, since, diversity, at_most, item_table)
        _ask_for_lists(len(people), k, len(choice.among))

        def rank(some: RowNumbers, depth: int) -> Lists:
            own = queries if len(some) == len(people) else queries[some]
            return self.scorer.rank_queries(own, depth, [one.of(some) for one in hidden], choice.among)

        lists = choice.rank(rank, len(people), k)
        n_alike = self.scorer.count_alike(lists)
        if n_alike:
            warnings.warn(make_alike_warning(n_alike, len(people)), stacklevel=2)
        return self.list_items(people, lists, kind)

    @overload
    def recommend_all(
        self,
        target: str | Path,
        *,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Any = None,
        exclude: Any = None,
        where: Any = None,
        since: Any = None,
        diversity: float = 0.0,
        at_most: Mapping[str, int] | None = None,
        item_table: Any = None,
        table: str | None = None,
        password_file: str | Path | None = None,
        progress: bool | None = None,
    ) -> None: ...
    @overload
    def recommend_all(
        self,
        target: SparkFrame | None = None,
        *,
        histories: SparkFrame | None = None,
        fold_in: Literal["new", "all"] = "new",
        **asked: Unpack[Listing],
    ) -> SparkFrame: ...
    def recommend_all(
        self,
        target: Any = None,
        *,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Any = None,
        exclude: Any = None,
        where: Any = None,
        since: Any = None,
        diversity: float = 0.0,
        at_most: Mapping[str, int] | None = None,
        item_table: Any = None,
        table: str | None = None,
        password_file: str | Path | None = None,
        progress: bool | None = None,
        histories: Any = None,
        fold_in: Literal["new", "all"] = "new",
        on_unknown: OnUnknown = "raise",
    ) -> Any:
        """Write the recommendations of every user with a training pair or features to files or a table.

        target : a Parquet file; a folder of them, which is there or is written lists/; a DuckDB file, which ends in
            .duckdb or .db; or an address, postgresql://user@host/shop or duckdb:///shop.duckdb; or a Spark frame of
            users, for whom a Spark frame of lists is returned, as `tastemap.spark.recommend_all` says
        k, exclude_seen, candidates, exclude, where, since, diversity, at_most, item_table : as for `recommend`
        table : the name of the table in a database, or schema.name; None is "recommendations"
        password_file : a file whose first line is the password of the address; None leaves it to the address, and of
            PostgreSQL to PGPASSWORD and .pgpass
        progress : a bar on stderr; None shows one where stderr is a terminal, after two seconds
        histories, fold_in, on_unknown : on Spark alone

        Files and tables have the columns and rows that `recommend` returns, and are there whole or not at all: until
        then one of an earlier call stays. A table with other columns is not replaced. Users are ranked in batches, so
        memory does not grow with their number or with k. Each batch is a file of the folder, and a transaction of
        DuckDB: if the process is killed or interrupted, the same call with an equal model goes on behind the last whole
        one, and the result has the same bits. PostgreSQL takes all of them in one transaction and starts again.

        Raises OSError where files cannot be written, DataError where a database refuses, ParameterError for a `table`
        that is no name, MissingPackageError where the driver, of the extra "database", is not installed.
        """
        if is_spark(target) or is_spark(histories):
            if table is not None or password_file is not None:
                raise ValueError("table and password_file are about databases: write the Spark frame of lists there")
            return import_spark().recommend_all(
                self,
                target,
                histories=histories,
                fold_in=fold_in,
                k=k,
                exclude_seen=exclude_seen,
                candidates=candidates,
                exclude=exclude,
                where=where,
                since=since,
                diversity=diversity,
                at_most=at_most,
                item_table=item_table,
                on_unknown=on_unknown,
            )
        if histories is not None:
            raise DataError("histories is a Spark frame here: pass others to recommend_for")
        sink = open_sink(target, table=table, password_file=password_file)
        check_whole("k", k, lowest=1)
        choice = self.make_choice(candidates, where, since, diversity, at_most, item_table)
        exclude = exclude if exclude is None or is_frame(exclude) else list_values(exclude)  # each batch reads them
        longest = max(min(k, len(choice.among)), 1)
        at_once = fit_block(count_at_once(longest, len(choice.among)), PLACE_BYTES * longest)
        users = self.state.users.take(np.flatnonzero(self.state.known_users))
        n_alike = n_lists = 0

        def make_part(number: int) -> pl.DataFrame:
            nonlocal n_alike, n_lists
            some = users[number * at_once : (number + 1) * at_once]
            shown: pl.DataFrame
            shown, alike, _ = self._recommend(some, k, exclude_seen, choice, exclude, "raise", "polars")
            n_alike, n_lists = n_alike + alike, n_lists + len(some)
            bar.update(number * at_once + len(some) - bar.n)  # parts that are there from before count too
            return shown

        def name_work() -> str:
            how = {"model": self.identify(), "k": k, "seen": exclude_seen, "diversity": diversity, "users": at_once}
            arrays: Arrays = {"among": choice.among.rows}
            arrays |= {} if choice.limits is None else choice.limits._asdict()
            if exclude is not None:
                names = [self.state.users.name, self.state.items.name]
                hidden = to_polars(exclude, names) if is_frame(exclude) else to_series(exclude).to_frame()
                arrays["exclude"] = hidden.hash_rows().to_numpy()
            return compute_digest(as_json(how), arrays)

        sink.check()
        with make_bar(len(users), progress, unit="user", about="recommending", wait=WAIT) as bar:
            sink.write(TableParts(math.ceil(len(users) / at_once), make_part, name_work))
        if n_alike:
            warnings.warn(make_alike_warning(n_alike, n_lists), stacklevel=2)
        return None

    def recommend_rows(self, rows: npt.ArrayLike, k: int = 10, *, exclude_seen: bool = True) -> Lists:
        """Return the k best items of user rows: item rows int32 (n, k), scores float32 (n, k), counts int64 (n).

        exclude_seen : leave out the items of the user's own training pairs

        Raises UnknownIdError for rows that do not exist.
        """
        return self.scorer.recommend(rows, k, exclude_seen=exclude_seen)

    @overload
    def users_for(
        self, items: Any, k: int = 10, *, exclude_seen: bool = True, candidates: Any = None, frame: None = None
    ) -> Any: ...
    @overload
    def users_for(self, items: Any, *, frame: Literal["pandas"], **asked: Unpack[Audience]) -> pd.DataFrame: ...
    @overload
    def users_for(self, items: Any, *, frame: Literal["polars"], **asked: Unpack[Audience]) -> pl.DataFrame: ...
    @overload
    def users_for(self, items: Any, *, frame: Literal["pyarrow"], **asked: Unpack[Audience]) -> pa.Table: ...
    def users_for(
        self,
        items: Any,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        candidates: Any = None,
        frame: FrameKind | None = None,
    ) -> Any:
        """Return the k users with the highest score for each item: a frame of item, user, rank (from 1) and score.

        items : an id or ids
        exclude_seen : leave out the users who have a training pair with the item
        candidates : only these users may appear (ids); None for every user with a training pair or features
        frame : "pandas", "polars" or "pyarrow"; None for the kind of the training data

        The scores are those of `recommend` and `predict`, to the bit. Scores of one user compare items: of models whose
        scores grow with the number of a user's pairs, such as `EASE`, the list shows active users first. Users with
        equal scores come in the order of a hash of their ids, `IdMap.tie_order`; a warning counts the lists that have
        one score throughout, as all of `Popular` do.

        Raises UnknownIdError for ids without a training pair or features, NotSupportedError where the training pairs
        are needed and a file left them out.
        """
        state, kind = self.state, self._choose_kind(frame)
        check_whole("k", k, lowest=1)
        rows = self._item_rows(to_series(list_values(items), state.items.name))
        users = np.flatnonzero(state.known_users)
        if candidates is not None:
            users = np.unique(self._user_rows(to_series(list_values(candidates), state.users.name), _UNKNOWN_CANDIDATE))
        _ask_for_lists(len(rows), k, len(users))
        hidden = [Hidden(state.given("leaving out seen items").by_item, rows)] if exclude_seen else []
        lists, n_alike = rank_users(self.scorer, rows, users, k, hidden, Ties.of(state.users.tie_order))
        if n_alike:
            warning = TastemapWarning(
                f"the model cannot tell the users of {n_alike:,} of {len(rows):,} lists apart: they have one score "
                "throughout, and their order means nothing",
                alike=n_alike,
                lists=len(rows),
            )
            warnings.warn(warning, stacklevel=2)
        return self._list_pairs(state.items.take(rows), lists, state.users, kind)

    # -- similar ------------------------------------------------------------------------------------------------------

    @overload
    def similar_items(
        self,
        items: Any,
        *,
        k: int = 10,
        metric: Closeness = "cosine",
        candidates: Any = None,
        min_pairs: int = 0,
        where: Any = None,
        item_table: Any = None,
        frame: None = None,
    ) -> Any: ...
    @overload
    def similar_items(self, items: Any, *, frame: Literal["pandas"], **asked: Unpack[ItemLikeness]) -> pd.DataFrame: ...
    @overload
    def similar_items(self, items: Any, *, frame: Literal["polars"], **asked: Unpack[ItemLikeness]) -> pl.DataFrame: ...
    @overload
    def similar_items(self, items: Any, *, frame: Literal["pyarrow"], **asked: Unpack[ItemLikeness]) -> pa.Table: ...
    def similar_items(
        self,
        items: Any,
        *,
        k: int = 10,
        metric: Closeness = "cosine",
        candidates: Any = None,
        min_pairs: int = 0,
        where: Any = None,
        item_table: Any = None,
        frame: FrameKind | None = None,
    ) -> Any:
        """Return the k items most similar to each item, itself left out: a frame of item, neighbour, rank, score.

        items : an id or ids
        metric : "cosine" as below; of the items' factors themselves, "plain_cosine", "dot" and "euclidean", whose
            score is minus the distance, so that a higher score is nearer
        candidates : only these items may appear (ids)
        min_pairs : only items with at least so many training pairs may appear, because what is learned from a few is
            little more than chance; 0 for all, by default
        where, item_table : conditions on the neighbours, as for `recommend`

        The cosine of models with factors y_i, without biases:
        score      cos(z_i, z_j) m_j / (m_j + 3),    z = A^-1/2 y
                   A = C / c + (.03 + d / N) I,    d the length of y, c the mean of C's eigenvalues
                   C = sum of n_i^3/4 y_i y_i' / |y_i|^2 over the N items with a training pair, n_i of them
                   m_j = n_j, and 3 more where j has features

        z lies along all directions alike; plain cosines are high where two items share no more than what most share,
        such as being popular. The factor keeps out what is near by chance: it is 1/4 for a neighbour with one training
        pair and .95 with 57. EASE and ItemKNN have similarities of their own, as their docstrings say.

        Raises UnknownIdError for items without a training pair or features, NotSupportedError for a model without
        similar items.
        """
        kind = self._choose_kind(frame)
        rows = self._item_rows(to_series(list_values(items), self.state.items.name))
        among = None if candidates is None else self._candidate_rows(candidates)
        check_whole("k", k, lowest=1)
        check_whole("min_pairs", min_pairs, lowest=0)
        if min_pairs:
            among = np.flatnonzero(self.state.known_items) if among is None else among
            among = among[self.state.popularity[among] >= min_pairs]
        if where is not None:
            among = np.flatnonzero(self.state.known_items) if among is None else among
            among = among[self._align("where", item_table).select(where)[among]]
        _ask_for_lists(len(rows), k, len(self.state.items))
        lists = self._item_space.nearest(rows, k, metric, among)
        return self._list_neighbours(self.state.items, rows, lists, kind)

    @overload
    def similar_users(self, users: Any, *, k: int = 10, metric: Closeness = "cosine", frame: None = None) -> Any: ...
    @overload
    def similar_users(self, users: Any, *, frame: Literal["pandas"], **asked: Unpack[Likeness]) -> pd.DataFrame: ...
    @overload
    def similar_users(self, users: Any, *, frame: Literal["polars"], **asked: Unpack[Likeness]) -> pl.DataFrame: ...
    @overload
    def similar_users(self, users: Any, *, frame: Literal["pyarrow"], **asked: Unpack[Likeness]) -> pa.Table: ...
    def similar_users(
        self, users: Any, *, k: int = 10, metric: Closeness = "cosine", frame: FrameKind | None = None
    ) -> Any:
        """Return the k most similar users of each user: a frame of user, neighbour, rank, score.

        metric : as for `similar_items`, where "cosine" is that of A^1/2 x_u, with A of the items: about the correlation
            of two users' scores, if no item's factors were longer than another's. How many pairs a user has does not
            count
        """
        kind = self._choose_kind(frame)
        rows = self._user_rows(to_series(list_values(users), self.state.users.name), "They have no vector to compare.")
        check_whole("k", k, lowest=1)
        _ask_for_lists(len(rows), k, len(self.state.users))
        lists = self._user_space.nearest(rows, k, metric)
        return self._list_neighbours(self.state.users, rows, lists, kind)

    def item_vectors(self) -> tuple[pl.Series, Floats]:
        """Return the ids of all items with a training pair or features, and the vectors that `similar_items` compares.

        The ids are a Series, the vectors float32 (items, d), one row for each id: the z of `similar_items`, whose
        cosines are its scores before the factor of m_j. They contain no biases; for vectors whose products are scores
        see `scoring_vectors`.

        Raises NotSupportedError for a model that does not compare items by vectors.
        """
        _ = self.state
        space = self._item_space if self.abilities.similar_items else None
        if not isinstance(space, Space):
            raise NotSupportedError(
                f"{type(self).__name__} has no vectors of users and items: fit ImplicitALS for them"
            )
        return self.state.items.take(space.active), space.turned[space.active]

    def scoring_vectors(self) -> ScoringVectors:
        """Return vectors of all users and items, in the order of their rows, whose products are the scores.

        They contain the biases, as an index for maximum inner product search needs. Users and items without a training
        pair or features have a vector too, but it has no meaning.

        Raises NotSupportedError for a model whose scores are not products of vectors.
        """
        scorer = self.scorer
        if not isinstance(scorer, FactorScorer):
            raise NotSupportedError(
                f"{type(self).__name__} has no vectors of users and items: fit ImplicitALS for them"
            )
        return ScoringVectors(scorer.queries(np.arange(len(self.state.users))), scorer.item_vectors)

    # -- predict, explain ---------------------------------------------------------------------------------------------

    def predict(self, users: Any, items: Any) -> Floats:
        """Return one score for each pair, float32 (n,): the score that `recommend` shows.

        users, items : ids, as many of both; a single id is paired with all of the other side

        Raises UnknownIdError for ids without a training pair or features.
        """
        user_ids, item_ids = (to_series(list_values(ids), name) for ids, name in ((users, "user"), (items, "item")))
        if len(user_ids) > 1 < len(item_ids) and any(isinstance(ids, set | frozenset) for ids in (users, items)):
            raise ValueError("a set has no order, so it cannot be paired: pass users and items as lists")
        rows = self._user_rows(user_ids, "They have no vector to score with.")
        columns = self._item_rows(item_ids)
        if len(rows) != len(columns) and 1 not in (len(rows), len(columns)):
            raise ValueError(f"users and items must be pairs: got {len(rows)} users and {len(columns)} items")
        rows, columns = np.broadcast_arrays(rows, columns)
        distinct, place = np.unique(rows, return_inverse=True)
        return self.scorer.score_pairs(self.scorer.queries(distinct), place.astype(np.int64), columns)

    def fold(self, histories: Rows, features: Rows | None = None, disliked: Rows | None = None) -> Any:
        """Return the scorer's queries of new users: of who dislikes some items as well.

        histories, disliked : CSR arrays over the items, a row for each new user, with weights in the model's units
        features : CSR arrays over the features of the training
        """
        if disliked is None or not len(disliked.indices) or self.abilities.explains is None:
            return self.scorer.fold(histories, features)
        if self.abilities.ratings:
            return self.scorer.fold(merge_rows(histories, disliked), features)
        return self.scorer.oppose(self.scorer.fold(histories, features), disliked)

    # -- ids in, frames out -------------------------------------------------------------------------------------------

    def _read_histories(
        self, history: Any, weights: Any, times: Any, *, may_be_empty: bool
    ) -> tuple[Rows, pl.Series, bool]:
        """Return what new users' histories are as scorers take them, the users, and whether these have ids."""
        asked = read_histories(
            history,
            weights,
            self.state,
            times=times,
            unweighted=self.unstated_weight,
            ratings=self.abilities.ratings,
            ordered=self.abilities.uses_order,
            may_be_empty=may_be_empty,
        )
        check_known(asked.pairs.indices, self.state, "leave them out of the history")
        pairs = asked.pairs if asked.recency is None else self.weigh_histories(asked.pairs, asked.recency)
        return pairs, asked.people, asked.has_ids

    def _choose_kind(self, frame: FrameKind | None) -> FrameKind:
        """Return the kind of frame to answer with; a wrong one is refused before any work."""
        return self.state.frame_kind if frame is None else check_kind(frame)

    def candidates(self, candidates: Any = None) -> Candidates:
        """Return the items to rank: those with these ids, or the whole catalogue for None."""
        return self.scorer.catalogue if candidates is None else self.scorer.among(self._candidate_rows(candidates))

    def make_choice(
        self,
        candidates: Any,
        where: Any,
        since: Any,
        diversity: float,
        at_most: Mapping[str, int] | None,
        item_table: Any,
    ) -> Choice:
        """Return which items may be listed, and how lists are chosen from their ranking."""
        check_share("diversity", diversity)
        among = self.candidates(candidates)
        chosen = np.ones(len(among.rows), np.bool_)
        if where is not None:
            chosen &= self._align("where", item_table).select(where)[among.rows]
        if since is not None:
            chosen &= self.state.find_new(since)[among.rows]
        among = among if chosen.all() else self.scorer.among(among.rows[chosen])
        limits = self._align("at_most", item_table).limit(at_most) if at_most else None
        return Choice(among, self.item_space if diversity else None, diversity, limits)

    def _align(self, parameter: str, table: Any) -> AlignedTable:
        """Return what is known of the items in their rows; `parameter` needs it."""
        items = self.state.items
        if table is None:
            raise ParameterError(
                f"{parameter} needs what is known of the items",
                Remedy("pass a table of them as item_table=", "item_table", ...),
                parameter=parameter,
                value=None,
            )
        own = table if isinstance(table, ItemTable) else ItemTable.from_frame(table, items.name)
        return own.align(items)

    def _candidate_rows(self, candidates: Any) -> RowNumbers:
        items = self.state.items
        return np.unique(items.rows(to_series(list_values(candidates), items.name), UNKNOWN_ITEM))

    def _user_rows(self, ids: pl.Series, hint: str | Remedy) -> RowNumbers:
        return _find_known(self.state.users, ids, self.state.known_users, hint)

    def _item_rows(self, ids: pl.Series) -> RowNumbers:
        return _find_known(self.state.items, ids, self.state.known_items, UNKNOWN_ITEM)

    def _features_of(self, n_people: int, features: Features | None) -> Rows | None:
        """Return the features of new users, numbered as in the training; None without any."""
        own = self.state.user_features
        if features is None or own is None:
            return None
        rows = own.translate(features)
        if len(rows.counts) != n_people:
            raise DataError(f"user_features must have a row for each history: got {len(rows.counts)} for {n_people}")
        return rows

    def _check_more_features(self, users: Features | None, items: Features | None) -> None:
        """Raise NotSupportedError where features are given for a side that was fitted without features."""
        self._check_takes_features(users, items)
        sides = (("user_features", users, self.state.user_features), ("item_features", items, self.state.item_features))
        for name, given, own in sides:
            check_features(name, given)
            if given is not None and own is None:
                raise NotSupportedError(
                    f"the model was fitted without {name}, so it cannot use them now: pass them to fit"
                )

    def _check_takes_features(self, *given: Features | None) -> None:
        """Raise NotSupportedError where features are given and the model takes none."""
        if any(features is not None for features in given) and not self.abilities.features:
            raise NotSupportedError(
                f"{type(self).__name__} takes no features: leave them out, or fit ImplicitALS or WARP"
            )

    def list_items(self, who: pl.Series, lists: Lists, kind: FrameKind) -> Any:
        """Return lists as results show them, a frame of user, item, rank and score; `who` has the ids of the users."""
        return self._list_pairs(who, lists, self.state.items, kind)

    def _list_pairs(self, whose: pl.Series, lists: Lists, listed: IdMap, kind: FrameKind) -> Any:
        repeated, ranks, filled = _flatten(lists)
        columns = {
            whose.name: whose.gather(repeated),
            listed.name: listed.take(lists.rows[filled]),
            "rank": ranks,
            "score": lists.scores[filled],
        }
        return as_kind(pl.DataFrame(columns), kind)

    def _list_neighbours(self, ids: IdMap, rows: RowNumbers, lists: Lists, kind: FrameKind) -> Any:
        repeated, ranks, filled = _flatten(lists)
        columns = {
            ids.name: ids.take(rows[repeated]),
            "neighbour": ids.take(lists.rows[filled]),
            "rank": ranks,
            "score": lists.scores[filled],
        }
        return as_kind(pl.DataFrame(columns), kind)


def read_one(name: str, value: Any) -> pl.Series:
    """Return a single id as a series; raise ValueError for several."""
    ids = to_series(list_values(value), name)
    if len(ids) != 1:
        raise ValueError(f"{name} must be one id, got {len(ids)}: explain one pair at a time")
    return ids


def _find_known(ids: IdMap, wanted: pl.Series, known: Flags, hint: str | Remedy) -> RowNumbers:
    """Return the rows of ids, each of which must have a training pair or features."""
    rows = ids.rows(wanted, hint)
    if not known[rows].all():
        without = [ids[int(row)] for row in rows[~known[rows]]]
        raise UnknownIdError(
            f"{len(without)} of {len(rows)} {ids.name} values have no training pair: {name_some(without)}.",
            hint,
            column=ids.name,
            ids=without,
        )
    return rows


def _ask_for_lists(n: int, k: int, most: int) -> None:
    """Raise DataError where frames of n lists, of k items or of as many as there are, take more memory than is free."""
    ask_for_lists(n, min(k, most), PLACE_BYTES)


def _flatten(lists: Lists) -> tuple[RowNumbers, RowNumbers, Flags]:
    """Return the list of each filled place, its rank from 1, and the mask of filled places."""
    n, k = lists.rows.shape
    filled = np.arange(k) < lists.counts[:, None]
    return np.repeat(np.arange(n), lists.counts), np.broadcast_to(np.arange(1, k + 1), (n, k))[filled], filled


def count_at_once(longest: int, n_items: int) -> int:
    """Return for how many users lists are made at a time, where there are many."""
    return max(min(USERS_AT_ONCE, PLACES_AT_ONCE // longest, max(SCORES_AT_ONCE // max(n_items, 1), 1 << 10)), 1)
