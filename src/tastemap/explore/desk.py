"""What pages ask: each question goes to the HTTP service's own functions, in the same process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any, TypeVar

import numpy as np
import orjson
import polars as pl
from anyio import CapacityLimiter, to_thread

from tastemap.data._pairs import Rows
from tastemap.data.ids import IdMap
from tastemap.errors import TastemapError
from tastemap.evaluation.evaluate import evaluate
from tastemap.explore.filters import Filters
from tastemap.explore.measures import Compared, DataFigures, compare_lists, describe_data
from tastemap.serve.asked import Explain, Recommend, SimilarItems
from tastemap.serve.routes import describe_item, describe_user
from tastemap.serve.served import Served
from tastemap.serve.service import App
from tastemap.service.lookup import Lookup
from tastemap.service.reading import Reading
from tastemap.service.search import Search
from tastemap.service.titles import Titles
from tastemap.typing import RowNumbers

logger = logging.getLogger("tastemap.explore")

# Seconds that the first page has for itself.
PAUSE = 1.0

# Questions of pages that are at work at a time, beside lists, which have a thread of their own.
AT_ONCE = 4

# Users who are named of those who have two items.
MOST_NAMED = 20

Answer = TypeVar("Answer")
Json = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """An item of a list.

    title : None where the item has none
    """

    item: str
    title: str | None
    score: float = 0.0

    @property
    def name(self) -> str:
        """What people call it."""
        return self.title or self.item


@dataclass(frozen=True)
class Person:
    """A user who can be looked at.

    pairs : the number of training pairs
    """

    user: str
    name: str
    pairs: int


@dataclass(frozen=True)
class Both:
    """Who has two items: how many users, and some of them."""

    count: int
    users: Sequence[str]


@dataclass(frozen=True)
class Board:
    """How good models are on held-out pairs.

    figures : for each model the mean of each metric, with the ends of its interval
    """

    users: int
    metrics: Sequence[str]
    figures: Mapping[str, Sequence[tuple[float, float, float]]]


class Desk:
    """Answers what pages ask of the models of a service.

    names : the names of users: columns item, which has their ids, and title
    test, reading : a file of pairs that the models were not trained on, and how it is read
    """

    def __init__(
        self, app: App, names: pl.DataFrame | None = None, test: Path | None = None, reading: Reading | None = None
    ) -> None:
        self._app, self._names, self._test, self._reading = app, names, test, reading or Reading()
        self._known = dict[Hashable, Any]()
        self._limiter = CapacityLimiter(AT_ONCE)
        # Those who type wait for an index that is being made; all others do not.
        self._typing = CapacityLimiter(AT_ONCE)
        self._lookups = dict[int, tuple[IdMap, Lookup]]()

    @classmethod
    def of(cls, app: App, users: Path | None, test: Path | None, reading: Reading | None = None) -> Desk:
        """Make a desk; raises DataError for files of users and of held-out pairs that cannot be read."""
        first, reading = app.shelf.get(None).model, reading or Reading()
        if test is not None:
            reading.read(test, like=first)
        names = None
        if users is not None:
            names = Titles.read(users, first.users, id_column=reading.user, id_parameter="user").frame
        return cls(app, names, test, reading)

    def prepare(self) -> None:
        """Have the models rank once, and make the index of titles, in a thread: the first page is there before."""

        def prepare() -> None:
            for served in self.models:
                try:
                    served.warm()
                except (TastemapError, ValueError) as error:
                    logger.error("%s: %s", served.name, error)
            self.models[0].lookup.make()

        thread = Timer(PAUSE, prepare)
        thread.daemon = True
        thread.start()

    # -- models -------------------------------------------------------------------------------------------------------

    @property
    def models(self) -> list[Served]:
        """The models, in the order in which they were named."""
        return self._app.shelf.models

    def get(self, model: str) -> Served:
        """Return a model by its name; raises UnknownModelError."""
        return self._app.shelf.get(model)

    def find_holder(self, item: str) -> Served | None:
        """Return the first model that knows an item."""
        return next((served for served in self.models if served.find_item(item) >= 0), None)

    def find_knower(self, user: str) -> Served | None:
        """Return the first model that knows a user."""
        return next((served for served in self.models if served.find_user(user) >= 0), None)

    # -- lists --------------------------------------------------------------------------------------------------------

    async def recommend(self, model: str, asked: Mapping[str, Any], filters: Filters, k: int = 10) -> list[Entry]:
        """Return a list; raises the library's error where there is none.

        asked : who asks, as fields of a request: user, history, disliked, without
        """
        return await self._list(Recommend.of({**asked, **filters.as_asked(), "model": model, "k": k}))

    async def find_similar(self, model: str, item: str, metric: str, filters: Filters, k: int = 10) -> list[Entry]:
        """Return the neighbours of an item; raises the library's error where it has none."""
        where = list(filters.where)
        return await self._list(
            SimilarItems.of({"model": model, "item": item, "metric": metric, "where": where, "k": k})
        )

    async def _list(self, asked: Recommend | SimilarItems) -> list[Entry]:
        answer = orjson.loads(await self._app.ask(asked))
        return [Entry(one["item"], one.get("title"), one["score"]) for one in answer["items"]]

    async def explain(
        self, served: Served, asked: Mapping[str, Any], items: Sequence[str]
    ) -> list[list[tuple[str, float]]]:
        """Return for each item what the items of the history add to its score, by their names, the largest first.

        asked : as for `recommend`

        It is empty where the scores of a model do not come from a history.
        """
        if not items or served.model.abilities.explains is None:
            return [[] for _ in items]
        question = Explain.of({**asked, "model": served.name, "items": list(items)})
        told = await self._run(lambda: self._app.explain(question))
        return [
            [(part.get("title") or part["item"], part["contribution"]) for part in one["contributions"]]
            for one in told["explanations"]
        ]

    # -- items --------------------------------------------------------------------------------------------------------

    async def find_items(self, text: str, k: int = 8) -> tuple[list[Entry], bool]:
        """Return the items that a text may mean, and whether they are only spelt nearly so."""

        def find() -> tuple[list[Entry], bool]:
            first, *others = self.models
            differing = [first, *(served for served in others if served.model.items != first.model.items)]
            for is_near in (False, True):
                for served in differing:
                    rows = served.search.find_near(text, k) if is_near else served.lookup.find(text, k)
                    if len(rows):
                        return self.name_rows(served, rows), is_near
            return [], True

        return await to_thread.run_sync(find, limiter=self._typing)

    def name_rows(self, served: Served, rows: RowNumbers) -> list[Entry]:
        """Return the items in rows of a model."""
        return [Entry(one["item"], one.get("title")) for one in served.name_items(np.asarray(rows))]

    def name_items(self, items: Sequence[str]) -> list[Entry]:
        """Return items by their ids, in the titles of the first model that knows each; unknown ones are left out."""
        named = []
        for item in items:
            served = self.find_holder(item)
            if served is not None:
                named += self.name_rows(served, np.array([served.find_item(item)]))
        return named

    def list_popular(self, k: int) -> list[Entry]:
        """Return the items of the first model that most people have."""
        served = self.models[0]
        order = np.argsort(-served.model.popularity_, kind="stable")[:k]
        return self.name_rows(served, order)

    async def describe_item(self, item: str) -> Json | None:
        """Return what is known of an item; None where no model knows it."""
        served = self.find_holder(item)
        return None if served is None else await self._run(lambda: describe_item(served, item))

    async def compare_items(self, served: Served, item: str, others: Sequence[str]) -> list[tuple[list[str], int]]:
        """Return for each other item the values that both have, and how many users have both."""

        def compare() -> list[tuple[list[str], int]]:
            own = served.find_item(item)
            rows = [served.find_item(other) for other in others]
            values = self._find_values(served, [own, *rows])
            people = _find_people(served, own)
            counts = [len(np.intersect1d(people, _find_people(served, row), assume_unique=True)) for row in rows]
            return [
                ([value for value in values[0] if value in own_values], count)
                for own_values, count in zip(values[1:], counts, strict=True)
            ]

        return await self._run(compare)

    async def find_both(self, served: Served, first: str, second: str) -> Both:
        """Return who has two items."""

        def find() -> Both:
            people = np.intersect1d(
                _find_people(served, served.find_item(first)), _find_people(served, served.find_item(second))
            )
            return Both(len(people), served.name_users(people[:MOST_NAMED]))

        return await self._run(find)

    @property
    def columns(self) -> list[str]:
        """The columns of items that lists can be filtered by."""
        table = self.models[0].table
        return [] if table is None else list(table.kinds)

    def _find_values(self, served: Served, rows: Sequence[int]) -> list[list[str]]:
        """Return the texts that the file of items says of each row."""
        table = served.table
        if table is None:
            return [[] for _ in rows]
        return [table.texts_of(row) for row in rows]

    # -- people -------------------------------------------------------------------------------------------------------

    async def find_people(self, text: str, k: int = 8) -> list[Person]:
        """Return the users whose id, or name in the file of users, a text may be."""

        def find() -> list[Person]:
            served = self.find_knower(text.strip())
            found = [] if served is None else [self.name_person(served, text.strip())]
            if self._names is not None:
                rows = self._look_up_users(self.models[0], self._names).find(text, k)
                users = self.models[0].name_users(rows)
                known = [one.user for one in found]
                found += [self.name_person(self.models[0], user) for user in users if user not in known]
            return found[:k]

        return await to_thread.run_sync(find, limiter=self._typing)

    def _look_up_users(self, served: Served, titles: pl.DataFrame) -> Lookup:
        """Return what finds users by their names; it is made once for the users of a model."""
        ids = served.model.users
        known = self._lookups.get(id(ids))
        if known is None:
            names = pl.DataFrame({"item": ids.ids}).join(titles, on="item", how="left", maintain_order="left")
            known = ids, Lookup(Search(ids, names["title"], served.model.activity_))
            self._lookups = {id(ids): known}
        return known[1]

    def name_person(self, served: Served, user: str) -> Person:
        """Return a user of a model with a name, which is the id where the file of users has none."""
        row = served.require_user(user)
        name = user
        if self._names is not None:
            found = self._names.filter(self._names["item"] == served.model.users[row])["title"].to_list()
            name = found[0] if found else user
        return Person(served.name_users(np.array([row]))[0], name, int(served.model.activity_[row]))

    def list_people(self, k: int) -> list[Person]:
        """Return some users of the first model, from those with short histories to those with long ones."""
        served = self.models[0]
        active = np.flatnonzero(served.model.activity_ > 0)
        order = active[np.argsort(served.model.activity_[active], kind="stable")]
        places = np.unique(np.linspace(0.25, 0.98, k) * (len(order) - 1)).astype(int)
        return [self.name_person(served, user) for user in served.name_users(order[places])]

    async def describe_user(self, user: str) -> Json | None:
        """Return what is known of a user, from the first model that has the history; None where no model knows it."""

        def describe() -> Json | None:
            knowers = [served for served in self.models if served.find_user(user) >= 0]
            if not knowers:
                return None
            holder = next((served for served in knowers if served.model.interactions is not None), knowers[0])
            return describe_user(holder, user) | {"name": self.name_person(holder, user).name}

        return await self._run(describe)

    # -- data and models ----------------------------------------------------------------------------------------------

    async def describe_data(self) -> tuple[str, DataFigures] | None:
        """Return the first model that has its training data, and what they are like; None where none has them."""
        for served in self.models:
            data = served.model.interactions
            if data is not None:
                return served.name, await self._remember(("data", served.digest), partial(describe_data, data))
        return None

    async def compare_lists(self) -> Compared:
        """Return what the lists of all models are like."""
        models = self.models
        return await self._remember(("lists", *(one.digest for one in models)), lambda: compare_lists(models))

    async def measure(self, metrics: Sequence[str]) -> Board | None:
        """Return how good all models are on the held-out pairs; None without any."""
        models, test = self.models, self._test
        if test is None:
            return None

        def measure() -> Board:
            figures = {}
            for served in models:
                held = self._reading.read(test, like=served.model).data
                measured = evaluate(served.model, held, metrics=metrics, on_unknown="skip")
                figures[served.name] = [(row["mean"], row["low"], row["high"]) for row in measured.frame.to_dicts()]
            return Board(measured.n_users, list(metrics), figures)

        return await self._remember(("board", *(one.digest for one in models), *metrics), measure)

    async def _remember(self, key: Hashable, work: Callable[[], Answer]) -> Answer:
        """Return what work returns; what was returned for the key before is the answer again."""
        if key not in self._known:
            self._known[key] = await self._run(work)
        found: Answer = self._known[key]
        return found

    # -- work ---------------------------------------------------------------------------------------------------------

    async def _run(self, work: Callable[[], Answer]) -> Answer:
        return await to_thread.run_sync(work, limiter=self._limiter)


def _find_people(served: Served, item: int) -> RowNumbers:
    """Return the rows of the users who have an item, none where the model's file has no histories."""
    data = served.model.interactions
    if data is None or item < 0:
        return np.empty(0, np.int64)
    pairs: Rows = data.by_item
    return pairs.indices[pairs.indptr[item] : pairs.indptr[item + 1]].astype(np.int64)
