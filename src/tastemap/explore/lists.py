"""Lists of several models side by side, which change while somebody chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from nicegui import context

from tastemap.explore import texts
from tastemap.explore.desk import Entry
from tastemap.explore.frame import Visit, make_address, tell_error
from tastemap.explore.parts import Tag, switch
from tastemap.serve.served import Served

Answer = TypeVar("Answer")

# How many places a list has.
PLACES = 10

# Takes a model and returns its list.
Ask = Callable[[Served], Awaitable[Sequence[Entry]]]
# Takes a model and its list and returns what is said below each item.
Explain = Callable[[Served, Sequence[Entry]], Awaitable[Sequence[str]]]
# Makes what stands beside an item of a model's list, such as buttons, and returns what puts it right for an item.
Decorate = Callable[[Served], Callable[[Entry], None]]


class Lists:
    """A column for each model that is shown.

    decorate : makes what stands beside each item
    k : how many places a list has
    """

    def __init__(self, visit: Visit, decorate: Decorate | None = None, k: int = PLACES) -> None:
        self._visit = visit
        self._before = dict[str, Sequence[Entry]]()
        self._asked = 0
        self._told = Tag("p", classes="told", role="status")
        with Tag("div", classes="side-by-side"):
            self._columns = {served.name: _Column(visit, served, decorate, k) for served in visit.shown}

    async def show(
        self,
        ask: Ask,
        explain: Explain | None = None,
        compare: bool = False,
        together: Callable[[], None] = lambda: None,
    ) -> None:
        """Show the list of every model; a model that fails says why in its place.

        compare : mark what is new or moved since the lists that were shown before
        together : changes what is to change with the lists: a browser draws the whole page at each change
        """
        self._asked += 1
        asked = self._asked
        answers = await asyncio.gather(*(_try(ask(served)) for served in self._visit.shown))
        if asked != self._asked:  # somebody has asked for others already
            return
        together()
        for served, entries in zip(self._visit.shown, answers, strict=True):
            if isinstance(entries, Exception):
                self._columns[served.name].fail(entries)
                continue
            self._columns[served.name].fill(entries, self._before.get(served.name, ()) if compare else ())
            if not compare:
                self._before[served.name] = entries
        self._told.text = texts.UPDATED
        if explain is None:
            return
        for served, entries in zip(self._visit.shown, answers, strict=True):
            if not isinstance(entries, Exception):
                said = await _try(explain(served, entries))
                if asked != self._asked or context.client.is_deleted:
                    return
                self._columns[served.name].say(said)

    def clear(self, text: str) -> None:
        """Show a text in place of all lists."""
        self._asked += 1
        self._before = {}
        self._told.text = text
        for column in self._columns.values():
            column.fill((), ())


class _Column:
    """The list of a model: its places are made once, and take other items when the list changes."""

    def __init__(self, visit: Visit, served: Served, decorate: Decorate | None, k: int) -> None:
        with Tag("section", classes="model", aria_label=served.name):
            with Tag("h2"):
                Tag("span", served.name)
                kind = type(served.model).__name__
                if kind.lower() != served.name.lower():
                    Tag("small", kind)
            self._list = Tag("ol", classes="list")
            with self._list:
                self._places = [_Place(visit, served, decorate) for _ in range(k)]
            self._gone = Tag("p", classes="gone")
            self._fault = Tag("div")

    def fill(self, entries: Sequence[Entry], before: Sequence[Entry]) -> None:
        self._fault.clear()
        items, items_before = [entry.item for entry in entries], [entry.item for entry in before]
        gone = [entry.name for entry in before if entry.item not in items]
        self._gone.change(texts.GONE.format(names=texts.join(gone)) if gone else "")
        self._list.set_visibility(bool(entries))
        for number, place in enumerate(self._places):
            if number < len(entries):
                place.fill(entries[number], _find_move(items[number], number, items_before))
            else:
                place.hide()
        if not entries:
            with self._fault:
                Tag("p", texts.EMPTY)

    def fail(self, error: Exception) -> None:
        self.fill((), ())
        self._fault.clear()
        with self._fault:
            tell_error(error)

    def say(self, said: Sequence[str] | Exception) -> None:
        if isinstance(said, Exception):
            with self._fault:
                tell_error(said)
            return
        for place, text in zip(self._places, said, strict=False):
            place.say(text)


class _Place:
    """A place of a list."""

    def __init__(self, visit: Visit, served: Served, decorate: Decorate | None) -> None:
        self._numbers = visit.numbers
        with Tag("li") as self._item:
            with Tag("div", classes="line"):
                self._name = Tag("a", classes="name")
                self._mark = Tag("span")
                self._score = Tag("span", classes="score")
            self._why = Tag("p", classes="why")
            self._change = decorate(served) if decorate is not None else None

    def fill(self, entry: Entry, move: tuple[str, str]) -> None:
        self._item.set_visibility(True)
        self._name.change(entry.name).set(href=make_address("/", {"item": entry.item}))
        self._score.change(self._numbers.score(entry.score))
        self._mark.change(move[1]).restyle(move[0])
        self._why.change("")
        if self._change is not None:
            self._change(entry)

    def hide(self) -> None:
        self._item.set_visibility(False)

    def say(self, text: str) -> None:
        self._why.change(text)


def _find_move(item: str, number: int, before: Sequence[str]) -> tuple[str, str]:
    """Return the style and the text that say how an item has moved, empty where it has not."""
    if not before:
        return "mark", ""
    if item not in before:
        return "mark new", texts.NEW
    places = before.index(item) - number
    if not places:
        return "mark", ""
    if places > 0:
        return "mark up", texts.UP.format(places=places)
    return "mark down", texts.DOWN.format(places=-places)


async def _try(answer: Awaitable[Answer]) -> Answer | Exception:
    """Return an answer, or the error that it ends with."""
    try:
        return await answer
    except Exception as error:
        return error


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
