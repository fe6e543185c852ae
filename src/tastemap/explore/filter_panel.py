"""Where somebody chooses the filters of lists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from tastemap.data.conditions import parse_condition
from tastemap.errors import TastemapError
from tastemap.explore import texts
from tastemap.explore.filters import Filters
from tastemap.explore.frame import Visit, tell_error
from tastemap.explore.parts import Tag, button, choice, slide, within_page, write

# The most values of a column that are proposed.
PROPOSED = 100

LIMITS = ("1", "2", "3", "5")


class FilterPanel:
    """Conditions, diversity, age and limits, folded away until somebody wants them.

    filters : as they are now
    on_change : is called when they are others
    with_diversity : whether lists can be made diverse, new and limited, or only be filtered
    """

    def __init__(self, visit: Visit, on_change: Callable[[], Awaitable[None]], *, with_diversity: bool = True) -> None:
        self.filters = Filters.of(visit.query)
        self._visit, self._on_change = visit, on_change
        knows_age = with_diversity and all(served.model.state.knows_age for served in visit.desk.models)
        if not knows_age:
            self.filters = replace(self.filters, since="")
        self._table = visit.desk.models[0].table
        if self._table is None and not with_diversity:
            return
        with Tag("details", classes="filters", open=self._count() > 0 or None) as details:
            self._summary = Tag("summary", self._summarise())
            with Tag("div", classes="fields"):
                if self._table is not None:
                    self._add_conditions()
                if with_diversity:
                    slide(texts.DIVERSITY, self.filters.diversity, self._set_diversity)
                    if knows_age:
                        choice(texts.AGE, {"": texts.ANY_AGE, **texts.AGES}, self.filters.since, self._set_since)
                    if self._table is not None:
                        self._add_limits()
            self._set = Tag("ul", classes="chips")
            self._fault = Tag("div")
        # A page draws every element again with each change, those that nobody sees too.
        details.on("toggle", within_page(self._propose), args=[])
        self._show_conditions()

    def _add_conditions(self) -> None:
        assert self._table is not None
        kinds = self._table.kinds
        if not kinds:
            return
        self._column, self._sign, self._value = next(iter(kinds)), "=", ""
        choice(texts.COLUMN, {name: name for name in kinds}, self._column, self._set_column)
        choice(texts.SIGN, texts.SIGNS, self._sign, lambda sign: setattr(self, "_sign", sign))
        self._values = Tag("datalist")
        field = write(
            texts.VALUE, lambda value: setattr(self, "_value", value), list=self._values.html_id, autocomplete="off"
        )
        field.on(
            "input", lambda event: setattr(self, "_value", str(event.args)), js_handler="(e) => emit(e.target.value)"
        )
        field.on("keydown.enter", within_page(self._add), args=[])
        button(texts.ADD_FILTER, self._add)

    def _add_limits(self) -> None:
        assert self._table is not None
        names = list(self._table.kinds)
        column, most = next(iter(self.filters.at_most.items()), ("", 0))
        limits = {"0": texts.NO_LIMIT, **{limit: limit for limit in LIMITS}}
        self._limited, self._most = column or (names[0] if names else ""), most
        if names:
            choice(texts.AT_MOST, limits, str(most), self._set_most)
            choice(texts.COLUMN, {name: name for name in names}, self._limited, self._set_limited)

    def _propose(self) -> None:
        if self._table is None or not self._table.kinds:
            return
        self._values.clear()
        with self._values:
            for value, count in self._table.common_values(self._column, PROPOSED):
                Tag("option", self._visit.numbers.whole(count), value=value)

    def _set_column(self, column: str) -> None:
        self._column = column
        self._propose()

    async def _add(self) -> None:
        self._fault.clear()
        if not self._value.strip():
            return
        text = f"{self._column}{self._sign}{self._value.strip()}"
        try:
            parse_condition(text)
            self._visit.desk.models[0].filter([text])
        except TastemapError as error:
            with self._fault:
                tell_error(error)
            return
        if text not in self.filters.where:
            await self._change(replace(self.filters, where=(*self.filters.where, text)))

    async def _remove(self, text: str) -> None:
        await self._change(replace(self.filters, where=tuple(one for one in self.filters.where if one != text)))

    async def _set_diversity(self, text: str) -> None:
        await self._change(replace(self.filters, diversity=float(text)))

    async def _set_since(self, age: str) -> None:
        await self._change(replace(self.filters, since=age))

    async def _set_most(self, text: str) -> None:
        self._most = int(text)
        await self._limit()

    async def _set_limited(self, column: str) -> None:
        self._limited = column
        await self._limit()

    async def _limit(self) -> None:
        await self._change(replace(self.filters, at_most={self._limited: self._most} if self._most else {}))

    async def _change(self, filters: Filters) -> None:
        if filters == self.filters:
            return
        self.filters = filters
        self._summary.text = self._summarise()
        self._show_conditions()
        await self._on_change()

    def _show_conditions(self) -> None:
        self._set.clear()
        with self._set:
            for text in self.filters.where:
                with Tag("li", classes="chip"):
                    Tag("span", text)
                    name = texts.REMOVE_FILTER.format(filter=text)
                    button("×", partial(self._remove, text), "small", name)

    def _count(self) -> int:
        filters = self.filters
        return len(filters.where) + bool(filters.diversity) + len(filters.at_most) + bool(filters.since)

    def _summarise(self) -> str:
        number = self._count()
        return texts.FILTERS_SET.format(number=number) if number else texts.FILTERS
