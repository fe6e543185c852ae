"""The page People: a user's history beside what each model recommends, and what changes without some of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from nicegui import ui

from tastemap.explore import texts
from tastemap.explore.desk import Entry
from tastemap.explore.filter_panel import FilterPanel
from tastemap.explore.filters import Filters
from tastemap.explore.frame import Visit, make_address
from tastemap.explore.lists import Lists, address_of_models, choose_models, say_reasons
from tastemap.explore.parts import Tag, button, link, switch
from tastemap.explore.pick import Pick, Proposal
from tastemap.serve.served import Served

# Items of a history that are shown at first, and people to start with.
FIRST, STARTS = 30, 8


async def build_people(visit: Visit) -> None:
    """Fill the page."""
    user = visit.query.get("user", "")
    Tag("h1", texts.PEOPLE_TITLE)
    Pick(texts.SEARCH_PERSON, lambda text: propose_people(visit, text), lambda found: _open(visit, user=found))
    told = await visit.desk.describe_user(user) if user else None
    if told is None:
        if user:
            Tag("p", texts.UNKNOWN_PERSON.format(person=user), "error", role="alert")
        Tag("p", texts.PEOPLE_INTRO)
        Tag("p", texts.START_WITH_PERSON)
        with Tag("ul", classes="chips"):
            for person in visit.desk.list_people(STARTS):
                with Tag("li", classes="chip"):
                    link(person.name, make_address("/people", {"user": person.user}))
                    Tag("small", texts.PAIRS.format(pairs=visit.numbers.whole(person.pairs)))
        return

    compared: Filters | None = None

    async def show() -> None:
        nonlocal compared
        without = history.without
        if without and compared != panel.filters:  # with what the lists without them are compared
            await lists.show(lambda served: visit.desk.recommend(served.name, {"user": user}, panel.filters))
        compared = panel.filters
        visit.remember({"user": user, **names, "without": without, **panel.filters.as_query()})
        asked = {"user": user, "without": without}

        async def ask(served: Served) -> Sequence[Entry]:
            return await visit.desk.recommend(served.name, asked, panel.filters)

        async def say(served: Served, entries: Sequence[Entry]) -> Sequence[str]:
            why = await visit.desk.explain(served, asked, [entry.item for entry in entries])
            return [say_reasons(visit, parts) for parts in why]

        await lists.show(ask, say, compare=bool(without))

    names = {"models": visit.query.get("models", "")}
    Tag("h2", told["name"] if told["name"] != told["user"] else texts.PERSON.format(person=told["user"]))
    link(texts.ON_MAP, make_address("/map", {"user": user, **names}), "button")
    choose_models(visit, lambda chosen: _open(visit, user=user, **address_of_models(chosen)))
    panel = FilterPanel(visit, show)
    with Tag("div", classes="beside"):
        history = _History(visit, told, show)
        lists = Lists(visit)
    await show()


class _History:
    """The items of a user, each with a switch.

    without : the items that are switched off
    """

    def __init__(self, visit: Visit, told: dict[str, Any], on_change: Any) -> None:
        self._visit, self._on_change = visit, on_change
        pairs = told.get("history")
        self.without: list[str] = []
        with Tag("section", classes="history", aria_label=texts.HISTORY_NAME):
            Tag("h3", texts.HISTORY.format(pairs=visit.numbers.whole(told["pairs"])))
            if pairs is None:
                Tag("p", texts.HISTORY_MISSING)
                return
            own = {one["item"] for one in pairs}
            self.without = [item for item in visit.query.getlist("without") if item in own]
            Tag("p", texts.SWITCH_HINT, "hint")
            self._told = Tag("p", self._tell(), "told", role="status")
            has_times = any("time" in one for one in pairs)  # then the newest come first
            self._pairs = pairs if has_times else sorted(pairs, key=lambda one: -one["weight"])
            self._weighted = len({one["weight"] for one in pairs}) > 1
            self._rows = Tag("ul", classes="switches")
            self._fill(self._pairs[:FIRST])
            if len(pairs) > FIRST:
                pairs_told = visit.numbers.whole(len(pairs))
                self._more = button(texts.MORE_HISTORY.format(pairs=pairs_told), self._show_more)

    def _show_more(self) -> None:
        self._more.delete()
        self._fill(self._pairs[FIRST:])

    def _fill(self, pairs: Sequence[dict[str, Any]]) -> None:
        with self._rows:
            for one in pairs:
                item, name = one["item"], one.get("title") or one["item"]
                with Tag("li"):
                    is_on = item not in self.without
                    switch(texts.SWITCH.format(name=name), is_on, partial(self._switch, item))
                    link(name, make_address("/", {"item": item}), "name")
                    if "time" in one:
                        Tag("small", one["time"])
                    if self._weighted:
                        Tag("span", self._visit.numbers.score(one["weight"]), "score")

    async def _switch(self, item: str, is_on: bool) -> None:
        self.without = [one for one in self.without if one != item] + ([] if is_on else [item])
        self._told.text = self._tell()
        await self._on_change()

    def _tell(self) -> str:
        if not self.without:
            return ""
        names = [entry.name for entry in self._visit.desk.name_items(self.without)]
        return texts.SWITCHED.format(names=texts.join(names))


async def propose_people(visit: Visit, text: str) -> tuple[list[Proposal], bool]:
    """Return the users whom a text may mean."""
    found = await visit.desk.find_people(text)
    pairs = [texts.PAIRS.format(pairs=visit.numbers.whole(person.pairs)) for person in found]
    return [Proposal(person.user, person.name, detail) for person, detail in zip(found, pairs, strict=True)], False


def _open(visit: Visit, **query: str) -> None:
    kept = {name: visit.query.get(name, "") for name in ("models",)}
    ui.navigate.to(make_address(visit.path, {**kept, **query}))
