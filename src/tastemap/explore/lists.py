"""Lists of several models side by side, which change while somebody chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from nicegui import context

from tastemap.explore import texts
from tastemap.explore.desk import Entry
from tastemap.explore.frame import Visit, make_address, tell_error
from tastemap.explore.parts import Tag, link, switch
from tastemap.serve.served import Served

# Takes a model and returns its list.
Ask = Callable[[Served], Awaitable[Sequence[Entry]]]
# Takes a model and its list and returns what is said below each item.
Explain = Callable[[Served, Sequence[Entry]], Awaitable[Sequence[str]]]
# Adds what stands beside an item, such as buttons.
Decorate = Callable[[Served, Entry], None]


class Lists:
    """A column for each model that is shown.

    decorate : adds what stands beside each item
    """

    def __init__(self, visit: Visit, decorate: Decorate | None = None) -> None:
        self._visit, self._decorate = visit, decorate
        self._before = dict[str, list[str]]()
        self._asked = 0
        self._columns = dict[str, Tag]()
        self._told = Tag("p", classes="told", role="status")
        with Tag("div", classes="side-by-side"):
            for served in visit.shown:
                with Tag("section", classes="model", aria_label=served.name):
                    with Tag("h2"):
                        Tag("span", served.name)
                        kind = type(served.model).__name__
                        if kind.lower() != served.name.lower():
                            Tag("small", kind)
                    self._columns[served.name] = Tag("div")

    async def show(self, ask: Ask, explain: Explain | None = None, compare: bool = False) -> None:
        """Show the list of every model; a model that fails says why in its place.

        compare : mark what is new or moved since the lists that were shown before
        """
        self._asked += 1
        asked = self._asked
        lists = await asyncio.gather(*(ask(served) for served in self._visit.shown), return_exceptions=True)
        if asked != self._asked:  # somebody has asked for others already
            return
        reasons = dict[str, list[Tag]]()
        for served, entries in zip(self._visit.shown, lists, strict=True):
            column = self._columns[served.name]
            column.clear()
            with column:
                if isinstance(entries, Exception):
                    tell_error(entries)
                elif isinstance(entries, BaseException):
                    raise entries
                else:
                    reasons[served.name] = self._fill(served, entries, compare)
        self._told.text = texts.UPDATED
        if explain is not None:
            for served, entries in zip(self._visit.shown, lists, strict=True):
                if served.name in reasons and not isinstance(entries, BaseException):
                    await self._say_why(served, entries, explain, reasons[served.name], asked)

    def clear(self, text: str) -> None:
        """Show a text in place of all lists."""
        self._asked += 1
        self._before = {}
        self._told.text = text
        for column in self._columns.values():
            column.clear()

    def _fill(self, served: Served, entries: Sequence[Entry], compare: bool) -> list[Tag]:
        before = self._before.get(served.name, []) if compare else []
        if not compare:
            self._before[served.name] = [entry.item for entry in entries]
        if not entries:
            Tag("p", texts.EMPTY)
            return []
        reasons = []
        with Tag("ol", classes="list"):
            for place, entry in enumerate(entries):
                with Tag("li"):
                    with Tag("div", classes="line"):
                        link(entry.name, make_address("/", {"item": entry.item}), "name")
                        if before:
                            self._mark(entry.item, place, before)
                        Tag("span", self._visit.numbers.score(entry.score), "score")
                    reasons.append(Tag("p", classes="why"))
                    if self._decorate is not None:
                        self._decorate(served, entry)
        return reasons

    def _mark(self, item: str, place: int, before: Sequence[str]) -> None:
        if item not in before:
            Tag("span", texts.NEW, "mark new")
            return
        moved = before.index(item) - place
        if moved:
            text = (texts.UP if moved > 0 else texts.DOWN).format(places=abs(moved))
            Tag("span", text, "mark up" if moved > 0 else "mark down")

    async def _say_why(
        self, served: Served, entries: Sequence[Entry], explain: Explain, places: Sequence[Tag], asked: int
    ) -> None:
        try:
            said = await explain(served, entries)
        except Exception as error:
            if asked == self._asked:
                with self._columns[served.name]:
                    tell_error(error)
            return
        if asked == self._asked and not context.client.is_deleted:
            for place, text in zip(places, said, strict=True):
                place.text = text


def choose_models(visit: Visit, on_change: Callable[[Sequence[str]], None]) -> None:
    """Let somebody choose which models are shown; nothing where there is one."""
    if len(visit.desk.models) < 2:
        return
    shown = {served.name: True for served in visit.shown}

    def change(name: str, is_on: bool) -> None:
        shown[name] = is_on
        on_change([served.name for served in visit.desk.models if shown.get(served.name)])

    with Tag("fieldset", classes="models"):
        Tag("legend", texts.MODELS_SHOWN)
        for served in visit.desk.models:
            name = served.name
            switch(name, name in shown, partial(change, name), name)


def say_reasons(visit: Visit, contributions: Sequence[tuple[str, float]]) -> str:
    """Return a reason: the items that add most to a score, with their shares of what adds to it."""
    whole = sum(part for _, part in contributions if part > 0)
    best = [(name, part) for name, part in contributions if part > 0][:2]
    if not best:
        return texts.NO_REASON
    return texts.BECAUSE.format(names=", ".join(f"{name} {visit.numbers.percent(part / whole)}" for name, part in best))


def address_of_models(names: Sequence[str]) -> Mapping[str, str]:
    """Return the parameter of an address that says which models are shown."""
    return {"models": ",".join(names)}
