"""The training data that a fitted model keeps beside its learned arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl

from tastemap.data._pairs import Rows, count_rows, divide_weights, freeze_rows
from tastemap.data.clock import Clock
from tastemap.data.features import Features
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Columns, Interactions
from tastemap.data.recency import Recency
from tastemap.errors import DataError, make_no_pairs_error, name_some
from tastemap.training.side_features import SideFeatures
from tastemap.typing import Array, Counts, Flags, FrameKind, RowNumbers

# Results have columns with these names beside the columns of the training data.
RESULT_COLUMNS = ("rank", "score", "neighbour", "history", "contribution")


@dataclass(frozen=True, eq=False, kw_only=True)
class State:
    """The training data of a fitted model. It never changes: an update makes a new state.

    users, items : the id maps
    columns : the caller's names of the columns
    frame_kind : the kind of frame of results
    popularity, activity : int64, (n_items,) and (n_users,): the number of training pairs of each item and user
    interactions : the training pairs as they were given, None where a file left them out
    time_type : the type of the training's times in frames, None where it had none
    unit : the weight that models see as 1: the mean weight of the first training's likes, 1 for models of ratings
    user_features, item_features : the features of users and items, None without any
    known_fingerprint : the fingerprint of the training pairs that a file stores, None where they can be hashed
    """

    users: IdMap
    items: IdMap
    columns: Columns
    frame_kind: FrameKind
    popularity: Counts
    activity: Counts
    interactions: Interactions | None
    time_type: pl.DataType | None = None
    unit: float = 1.0
    user_features: SideFeatures | None = None
    item_features: SideFeatures | None = None
    known_fingerprint: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        # What is computed from these, such as the pairs in units, can be computed again.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(
        cls,
        interactions: Interactions,
        user_features: SideFeatures | None = None,
        item_features: SideFeatures | None = None,
        *,
        unit: float = 1.0,
    ) -> Self:
        """Return the state of training pairs and features whose ids are all in the id maps.

        Raises DataError where the user or item column has the name of a column of results.
        """
        users, items = interactions.users, interactions.items
        check_names(users.name, items.name)
        return cls(
            users=users,
            items=items,
            columns=interactions.columns,
            frame_kind=interactions.frame_kind,
            popularity=count_rows(interactions.matrix.indices, len(items)),
            activity=interactions.by_user.counts,
            interactions=interactions,
            time_type=interactions.time_type,
            unit=unit,
            user_features=user_features,
            item_features=item_features,
        )

    @classmethod
    def learn(cls, interactions: Interactions, users: Features | None, items: Features | None, *, unit: float) -> Self:
        """Return the state of a new training, with the ids of the features added to the id maps.

        Raises DataError where features describe none of the ids of the interactions.
        """
        check_describe("user_features", users, interactions.users)
        check_describe("item_features", items, interactions.items)
        known = extend(interactions, users, items)
        return cls.of(
            known,
            None if users is None else SideFeatures.of(users, known.users),
            None if items is None else SideFeatures.of(items, known.items),
            unit=unit,
        )

    def merge(
        self,
        news: Interactions,
        users: Features | None = None,
        items: Features | None = None,
        *,
        ratings: bool,
        ordered: bool = False,
    ) -> State:
        """Return the state with more pairs and features; known pairs take the new weight.

        ratings : whether 0 is a rating; else a pair of weight 0 leaves
        ordered : whether the pairs keep their input order, which files keep too for models that use it
        """
        merged = extend(self.given("update").merge(news), users, items)
        merged = merged if ordered else merged.forget_order()
        return State.of(
            merged if ratings else merged.likes(),
            self.user_features and self.user_features.extend(merged.users, users),
            self.item_features and self.item_features.extend(merged.items, items),
            unit=self.unit,
        )

    def add_items(self, features: Features) -> State:
        """Return the state with more items from features alone; items with a training pair keep their features."""
        assert self.item_features is not None
        items = self.items.extend(features.ids)
        popularity = np.append(self.popularity, np.zeros(len(items) - len(self.items), np.int64))
        news = features.only(features.ids.take(np.flatnonzero(popularity[items.find(features.ids.ids)] == 0)))
        interactions = self.interactions and self.interactions.extend(self.users, items)
        return replace(
            self,
            items=items,
            popularity=popularity,
            interactions=interactions,
            item_features=self.item_features.extend(items, news),
            known_fingerprint=self.known_fingerprint if interactions is None else None,
        )

    def training(self, purpose: str) -> Interactions:
        """Return the training pairs with weights in multiples of `unit`; raises as `given`."""
        self.given(purpose)
        assert self._in_units is not None
        return self._in_units

    @cached_property
    def _in_units(self) -> Interactions | None:
        return self.interactions and self.interactions.divide(self.unit)

    def in_units(self, pairs: Rows) -> Rows:
        """Return pairs with weights in multiples of `unit`."""
        return freeze_rows(pairs._replace(data=divide_weights(pairs.data, self.unit)))

    def given(self, purpose: str) -> Interactions:
        """Return the training pairs as they were given.

        Raises NotSupportedError, which names the purpose, where a file left them out.
        """
        if self.interactions is None:
            raise make_no_pairs_error(purpose)
        return self.interactions

    @property
    def fingerprint(self) -> str | None:
        """A hash of the training pairs and ids, None where it is unknown."""
        if self.known_fingerprint is None and self.interactions is not None:
            return self.interactions.fingerprint()
        return self.known_fingerprint

    @cached_property
    def clock(self) -> Clock:
        """The unit of the training's times."""
        return Clock.of(None if self.interactions is None else self.interactions.time, self.time_type)

    def find_new(self, since: Any) -> Flags:
        """Return which items have no training pair before a moment, those without any pair too: bool, (n_items,).

        since : a moment, or a duration before the latest time, as `Clock.read_since` takes it

        Raises NotSupportedError where a file left the training pairs out, DataError where they have no times.
        """
        time = self.given("recommending what is new").time
        if time is None:
            raise DataError(
                "recommending what is new needs times, and the training pairs have none", "fit it to pairs with times"
            )
        is_new: Flags = self._first_times >= self.clock.read_since(since, time.max(), "since")
        return is_new

    @property
    def knows_age(self) -> bool:
        """Whether `find_new` can be asked with durations."""
        return self.interactions is not None and self.interactions.time is not None and self.clock.takes_dates

    @cached_property
    def _first_times(self) -> Array:
        """The earliest time of each item's training pairs, infinity for items without any: float64, (n_items,)."""
        assert self.interactions is not None
        first = np.full(len(self.items), np.inf)
        np.minimum.at(first, self.interactions.matrix.indices, self.interactions.time)
        return first

    def take_recency(self, pairs: Interactions) -> Recency:
        """Return how recent pairs are, with times in the unit of the training's; without where the training has none.

        Raises DataError where their times are of another unit that cannot be converted.
        """
        position, time = pairs.recency
        return Recency(position, self.take_times(time, pairs.clock))

    def take_times(self, time: Array | None, clock: Clock) -> Array | None:
        """Return times in the unit of the training's times, None where the training has none."""
        return None if time is None or self.time_type is None else self.clock.take(time, clock)

    @cached_property
    def known_users(self) -> Flags:
        """Which users have a training pair or features: bool, (n_users,)."""
        return _find_known(self.activity, self.user_features)

    @cached_property
    def known_items(self) -> Flags:
        """Which items have a training pair or features: bool, (n_items,)."""
        return _find_known(self.popularity, self.item_features)

    def find_users(self, ids: Any) -> RowNumbers:
        """Return the rows of users, -1 for those without a training pair or features."""
        return self.users.find_among(ids, self.known_users)


def check_names(*names: str) -> None:
    """Raise DataError where a column has the name of a column of results."""
    taken = {*RESULT_COLUMNS} & {*names}
    if taken:
        raise DataError(f"the column {min(taken)!r} has the name of a column in results: rename it before reading")


def extend(interactions: Interactions, users: Features | None, items: Features | None) -> Interactions:
    """Return the interactions on id maps that also hold the ids of the features."""
    return interactions.extend(
        interactions.users if users is None else interactions.users.extend(users.ids),
        interactions.items if items is None else interactions.items.extend(items.ids),
    )


def check_describe(name: str, features: Features | None, ids: IdMap) -> None:
    """Raise DataError where features describe no id of the interactions."""
    if features is not None and not (ids.find(features.ids.ids) >= 0).any():
        raise DataError(
            f"{name} describe none of the {ids.name!r} of the interactions: they have "
            f"{name_some(features.ids.ids.head(3))}, these {name_some(ids.ids.head(3))}"
        )


def _find_known(n_pairs: Counts, features: SideFeatures | None) -> Flags:
    return n_pairs > 0 if features is None else (n_pairs > 0) | features.described
