"""A fitted model as the server holds it: with its file's digest, and what the items' file says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson
import polars as pl

from tastemap.data._pairs import Rows, divide_weights, freeze_rows, rows_at
from tastemap.data._spelling import parse_number
from tastemap.data.clock import Clock
from tastemap.data.conditions import Condition, read_conditions
from tastemap.data.ids import IdMap
from tastemap.data.item_table import AlignedTable
from tastemap.data.recency import find_recency
from tastemap.errors import NotSupportedError, UnknownIdError, show
from tastemap.models.shared.answers import Choice
from tastemap.models.shared.base import Model
from tastemap.models.shared.inputs import take_weights
from tastemap.ranking.scorer import Scorer
from tastemap.ranking.top_k import Candidates
from tastemap.serve.fragments import Fragments
from tastemap.service.lookup import Lookup
from tastemap.service.search import Search
from tastemap.typing import Array, Flags, Ints, RowNumbers

# The bytes that the candidates of filters may take, each of some 400 bytes an item.
KEPT_BYTES = 1 << 29

# The unit of the times of events.
EVENTS = Clock(1_000_000, is_dated=True)


@dataclass(frozen=True, eq=False)
class Served:
    """A model that is being served; it never changes, a new file makes a new one.

    name : the name that requests call it by
    digest : of its file
    titles : String, (n_items,): the title of each item, null where it has none; None without a file of items
    table : what filters ask of the file of items; None without one
    known : a row of that file for each item; None without one
    items_file, item_id : the file of items and its column of ids; None without one
    loaded : seconds since 1970 at which it was read
    """

    name: str
    path: Path
    model: Model
    digest: str
    titles: pl.Series | None = None
    table: AlignedTable | None = None
    known: pl.DataFrame | None = None
    items_file: Path | None = None
    item_id: str | None = None
    loaded: float = field(default_factory=time.time)

    @property
    def scorer(self) -> Scorer:
        """What ranks items."""
        return self.model.scorer

    @cached_property
    def search(self) -> Search:
        """What finds items by title."""
        return Search(self.model.items, self.titles, self.model.popularity_)

    @cached_property
    def lookup(self) -> Lookup:
        """What finds items while somebody types."""
        return Lookup(self.search)

    @cached_property
    def head(self) -> dict[str, str]:
        """What every answer has of the model."""
        return {"model": self.name, "digest": self.digest}

    @cached_property
    def start(self) -> bytes:
        """The beginning of every answer as JSON."""
        return orjson.dumps(self.head)[:-1]

    # -- ids ----------------------------------------------------------------------------------------------------------

    def find_user(self, user: str | int) -> int:
        """Return the row of a user with a training pair or features, else -1."""
        row = _find_row(self.model.users, user)
        return row if row >= 0 and self.model.state.known_users[row] else -1

    def find_item(self, item: str | int) -> int:
        """Return the row of an item with a training pair or features, else -1."""
        row = _find_row(self.model.items, item)
        return row if row >= 0 and self.model.state.known_items[row] else -1

    def require_user(self, user: str | int) -> int:
        """Return the row of a user; raises UnknownIdError."""
        row = self.find_user(user)
        if row < 0:
            raise _make_unknown_error(user, self.model.users, "user")
        return row

    def require_item(self, item: str | int) -> int:
        """Return the row of an item; raises UnknownIdError."""
        row = self.find_item(item)
        if row < 0:
            raise _make_unknown_error(item, self.model.items, "item")
        return row

    def name_items(self, rows: Ints | RowNumbers) -> list[dict[str, Any]]:
        """Return the id and, with a file of items, the title of each row."""
        return [orjson.loads(fragment + b"}") for fragment in self.fragments.take(rows)]

    def name_users(self, rows: Ints | RowNumbers) -> list[str]:
        """Return the id of each row as a text."""
        names: list[str] = self.model.users.take(rows).cast(pl.String).to_list()
        return names

    @cached_property
    def fragments(self) -> Fragments:
        """What answers say of each item."""
        return Fragments(self.model.items, self.titles)

    # -- what may be listed -------------------------------------------------------------------------------------------

    def filter(self, where: Any) -> tuple[Condition, ...]:
        """Return conditions on items; raises ParameterError and DataError for those that cannot be asked."""
        conditions = read_conditions(where)
        if conditions:
            self.require_table().select(conditions)
        return conditions

    def require_table(self) -> AlignedTable:
        """Return what is known of items; raises NotSupportedError without a file of it."""
        if self.table is None:
            raise NotSupportedError("this server knows no columns of items: start it with --items FILE")
        return self.table

    def find_candidates(self, conditions: tuple[Condition, ...], since: str | None = None) -> RowNumbers:
        """Return the rows of the known items that fulfil conditions, and are new since then."""
        chosen = self.model.state.known_items.copy()
        if conditions:
            chosen &= self.require_table().select(conditions)
        if since is not None:
            chosen &= self.model.state.find_new(since)
        return np.flatnonzero(chosen)

    @cached_property
    def candidates_of(self) -> Callable[[tuple[Condition, ...], str | None], Candidates]:
        """Returns the candidates that fulfil conditions and are new since then; the latest are kept."""
        size = max(int(KEPT_BYTES / (400 * max(len(self.model.items), 1))), 4)
        return lru_cache(maxsize=size)(lambda *chosen: self.scorer.among(self.find_candidates(*chosen)))

    def choose(self, among: Candidates, diversity: float, at_most: Mapping[str, int]) -> Choice:
        """Return how lists are chosen from what is ranked."""
        limits = self.require_table().limit(at_most) if at_most else None
        return Choice(among, self.model.item_space if diversity else None, diversity, limits)

    # -- histories ----------------------------------------------------------------------------------------------------

    def merge_history(
        self,
        row: int,
        news: Mapping[int, float | None],
        without: Sequence[int] = (),
        moments: Mapping[int, int] | None = None,
    ) -> Rows:
        """Return the history of a user with what came since as the scorer takes it: one row over the items.

        row : of the user, -1 for a new one
        news : weights by item row, as the training's file had them, the newest last; None for the weight of an item
            without one. An item of weight 0, or below the bound of the training, leaves a history of likes
        without : rows of items of the user's own history that do not count
        moments : when what came since was, in microseconds since 1970 UTC, by item row; what is not there was last
        """
        state = self.model.state
        items, weights, own = np.empty(0, np.int32), np.empty(0, np.float32), slice(0, 0)
        if row >= 0 and state.interactions is not None:
            pairs = state.training("a history").by_user
            own = slice(pairs.indptr[row], pairs.indptr[row + 1])
            items, weights = pairs.indices[own], pairs.data[own]
        came = np.fromiter(news, np.int32, len(news))
        stays = ~np.isin(items, [*news, *without])
        unstated = self.model.unstated_weight
        given = np.array([np.nan if weight is None else weight for weight in news.values()], np.float64)
        ratings = self.model.abilities.ratings
        taken, is_like = take_weights(given, state.columns, ratings=ratings)
        taken = np.where(np.isnan(given), unstated, divide_weights(taken, state.unit))
        is_like |= np.isnan(given)
        items = np.append(items[stays], came[is_like])
        weights = np.append(weights[stays], taken[is_like]).astype(np.float32)
        order = np.argsort(items)
        history = freeze_rows(Rows(np.array([0, len(items)]), items[order].astype(np.int32), weights[order]))
        if not self.model.abilities.uses_order:
            return history
        places, time = self._find_order(own, stays, came[is_like], moments or {})
        by_input = np.argsort(places[order], kind="stable")
        return self.model.weigh_histories(
            history, find_recency(history.indptr, None if time is None else time[order], by_input)
        )

    def _find_order(
        self, own: slice, stays: Flags, came: Ints, moments: Mapping[int, int]
    ) -> tuple[RowNumbers, Array | None]:
        """Return the place in input order, and the time, of what stays of a known history and of what came since.

        own : the pairs of the history
        """
        state = self.model.state
        known = np.empty(0, np.int64)
        times: Array | None = known if state.time_type is not None and state.clock.can_take(EVENTS) else None
        if state.interactions is not None:
            position, time = state.interactions.recency
            known = -position[own][stays].astype(np.int64)
            times = None if time is None or times is None else time[own][stays]
        places = np.append(known, np.arange(1, len(came) + 1))
        if times is None:
            return places, None
        dated = np.array([item in moments for item in came.tolist()], bool)
        if not len(times) and not dated.any():
            return places, None
        given = state.clock.take(np.array([moments.get(item, 0) for item in came.tolist()], np.int64), EVENTS)
        latest = max([*times.tolist(), *given[dated].tolist()], default=0)
        return places, np.append(times, np.where(dated, given, latest))

    def find_features(self, rows: RowNumbers) -> Rows | None:
        """Return the features of users by their rows, none for row -1; None where the model has none."""
        own = self.model.state.user_features
        return None if own is None or own.rows is None else rows_at(own.rows, rows)

    def warm(self) -> Self:
        """Rank once in each way, so that no request waits for it."""
        _ = self.scorer.catalogue, self.scorer.ties, self.fragments
        abilities = self.model.abilities
        known = np.flatnonzero(self.model.state.known_users)[:8]
        if self.scorer.seen is not None:
            self.scorer.recommend(known, 1)
            self.scorer.recommend(known[:1], 1)
            if len(known):
                history = self.merge_history(int(known[0]), {})
                self.scorer.rank_queries(self.scorer.fold(history, self.find_features(known[:1])), 1)
        if abilities.similar_items:
            self.model.item_space.nearest(np.flatnonzero(self.model.state.known_items)[:1], 1, "cosine")
        return self


def _find_row(ids: IdMap, value: str | int) -> int:
    if ids.holds_strings:
        return int(ids.find([str(value)])[0])
    number = parse_number(value) if isinstance(value, str) else value
    return -1 if number is None else int(ids.find([number])[0])


def _make_unknown_error(value: str | int, ids: IdMap, what: str) -> UnknownIdError:
    return UnknownIdError(f"the model knows no {what} {show(str(value))}", column=ids.name, ids=[str(value)])
