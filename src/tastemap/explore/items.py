"""The page Items: an item, and its neighbours under each model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui

from tastemap.explore import texts
from tastemap.explore.desk import Entry
from tastemap.explore.filter_panel import FilterPanel
from tastemap.explore.frame import Visit, make_address
from tastemap.explore.lists import Lists, address_of_models, choose_models
from tastemap.explore.parts import Tag, button, choice, link
from tastemap.explore.pick import Pick, Proposal
from tastemap.serve.served import Served

# Columns of the file of items that are shown, and popular items to start with.
MOST_FACTS, STARTS = 12, 12


async def build_items(visit: Visit) -> None:
    """Fill the page."""
    item = visit.query.get("item", "")
    Tag("h1", texts.ITEMS_TITLE)
    Pick(texts.SEARCH_ITEM, lambda text: propose_items(visit, text), lambda found: _open(visit, item=found))
    told = await visit.desk.describe_item(item) if item else None
    if told is None:
        if item:
            Tag("p", texts.UNKNOWN_ITEM.format(item=item), "error", role="alert")
        Tag("p", texts.ITEMS_INTRO)
        Tag("p", texts.START_WITH)
        with Tag("ul", classes="chips"):
            for entry in visit.desk.list_popular(STARTS):
                with Tag("li", classes="chip"):
                    link(entry.name, make_address("/", {"item": entry.item}))
        return
    _show_item(visit, told)
    metric = visit.query.get("metric", "cosine")
    metric = metric if metric in texts.METRICS else "cosine"

    async def change(chosen: str) -> None:
        nonlocal metric
        metric = chosen
        await show()

    async def show() -> None:
        visit.remember({"item": item, "metric": metric, **names, "where": panel.filters.where})

        async def ask(served: Served) -> Sequence[Entry]:
            return await visit.desk.find_similar(served.name, item, metric, panel.filters)

        await lists.show(ask, say)

    async def say(served: Served, entries: Sequence[Entry]) -> Sequence[str]:
        both = await visit.desk.compare_items(served, item, [entry.item for entry in entries])
        who.tell_counts(served, entries, [count for _, count in both])
        return [texts.SHARED.format(values=texts.join(values)) if values else "" for values, _ in both]

    names = {"models": visit.query.get("models", "")}
    with Tag("div", classes="fields"):
        choice(texts.METRIC, texts.METRICS, metric, change)
        choose_models(visit, lambda chosen: _open(visit, item=item, metric=metric, **address_of_models(chosen)))
    panel = FilterPanel(visit, show, with_diversity=False)
    who = _Who(visit, item, told.get("title") or item)
    lists = Lists(visit, who.add_button)
    await show()


async def propose_items(visit: Visit, text: str) -> tuple[list[Proposal], bool]:
    """Return the items that a text may mean."""
    found, near = await visit.desk.find_items(text)
    return [Proposal(entry.item, entry.name, entry.item if entry.title else "") for entry in found], near


def _show_item(visit: Visit, told: dict[str, Any]) -> None:
    with Tag("section", classes="item"):
        Tag("h2", told.get("title") or told["item"])
        Tag("p", texts.LIKED_BY.format(people=visit.numbers.whole(told["pairs"])))
        facts = {name: value for name, value in told.items() if name not in ("item", "title", "pairs")}
        with Tag("dl", classes="facts"):
            for name, value in list(facts.items())[:MOST_FACTS]:
                if value is not None and str(value) != told.get("title"):
                    with Tag("div"):
                        Tag("dt", name)
                        Tag("dd", str(value).replace("|", ", "))
        with Tag("div", classes="fields"):
            link(texts.OPEN_TASTE, make_address("/taste", {"like": told["item"]}), "button")
            models = visit.query.get("models", "")
            link(texts.ON_MAP, make_address("/map", {"item": told["item"], "models": models}), "button")


def _open(visit: Visit, **query: str) -> None:
    kept = {name: visit.query.get(name, "") for name in ("models", "metric")}
    ui.navigate.to(make_address(visit.path, {**kept, **query}))


class _Who:
    """Tells which people have two items."""

    def __init__(self, visit: Visit, item: str, name: str) -> None:
        self._visit, self._item, self._name = visit, item, name
        self._buttons = dict[tuple[str, str], Tag]()
        with ui.dialog() as self._dialog, Tag("div", classes="dialog"):
            self._content = Tag("div")
            button(texts.CLOSE, self._dialog.close)

    def add_button(self, served: Served) -> Callable[[Entry], None]:
        """Add a button that opens the list of people."""
        at: Entry | None = None

        async def show() -> None:
            if at is not None:
                await self._show(served, at)

        made = button("", show, "small")

        def change(entry: Entry) -> None:
            nonlocal at
            at = entry
            name = texts.WHO_BOTH.format(first=self._name, second=entry.name)
            made.set(aria_label=name, title=name).set_visibility(False)
            self._buttons[served.name, entry.item] = made

        return change

    def tell_counts(self, served: Served, entries: Sequence[Entry], counts: Sequence[int]) -> None:
        """Write on the buttons how many people have both items; where nobody has there is none."""
        for entry, count in zip(entries, counts, strict=True):
            if count and (made := self._buttons.get((served.name, entry.item))) is not None:
                made.change(texts.BOTH.format(people=self._visit.numbers.whole(count)))
                made.set_visibility(True)

    async def _show(self, served: Served, entry: Entry) -> None:
        both = await self._visit.desk.find_both(served, self._item, entry.item)
        title = texts.WHO_BOTH.format(first=self._name, second=entry.name)
        self._content.clear()
        with self._content:
            Tag("h2", title)
            Tag("p", texts.BOTH.format(people=self._visit.numbers.whole(both.count)))
            with Tag("ul", classes="chips"):
                for user in both.users:
                    with Tag("li", classes="chip"):
                        person = self._visit.desk.name_person(served, user)
                        link(person.name, make_address("/people", {"user": user}))
            if both.count > len(both.users):
                more = both.count - len(both.users)
                Tag("p", texts.WHO_MORE.format(people=self._visit.numbers.whole(more)))
        self._dialog.props["aria-label"] = title
        self._dialog.open()
