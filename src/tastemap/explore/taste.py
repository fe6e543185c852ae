"""The page My taste: what somebody likes and dislikes, and every model's list for it, live."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from tastemap.explore import texts
from tastemap.explore.code import write_code
from tastemap.explore.desk import Entry
from tastemap.explore.filter_panel import FilterPanel
from tastemap.explore.frame import Visit, make_address
from tastemap.explore.items import propose_items
from tastemap.explore.lists import Lists, address_of_models, choose_models, say_reasons
from tastemap.explore.parts import Tag, button, choice, link
from tastemap.explore.pick import Pick
from tastemap.serve.served import Served

# Popular items to start with, and the most items that a taste holds: an address must hold them too.
STARTS, MOST = 24, 200


async def build_taste(visit: Visit) -> None:
    """Fill the page."""
    await _TastePage(visit).build()


class _TastePage:
    """What somebody said, by item: True for a like, False for a dislike."""

    def __init__(self, visit: Visit) -> None:
        self._visit, self._desk = visit, visit.desk
        said = dict.fromkeys(visit.query.getlist("dislike"), False)
        said |= dict.fromkeys(visit.query.getlist("like"), True)
        known = {entry.item: entry.name for entry in visit.desk.name_items(list(said)[:MOST])}
        self._said = {item: said[item] for item in known}
        self._names = known
        self._shown = dict[str, tuple[Tag, _Opinions]]()
        self._model = visit.shown[0].name
        self._unknown = [item for item in list(said)[:MOST] if item not in known]

    async def build(self) -> None:
        visit = self._visit
        Tag("h1", texts.TASTE_TITLE)
        Tag("p", texts.TASTE_INTRO)
        for item in self._unknown:
            Tag("p", texts.UNKNOWN_ITEM.format(item=item), "error", role="alert")
        Pick(texts.SEARCH_ITEM, lambda text: propose_items(visit, text), lambda item: self._say(item, True))
        choose_models(visit, self._choose_models)
        self._panel = FilterPanel(visit, self._show)
        with Tag("div", classes="beside"):
            with Tag("section", classes="history", aria_label=texts.TASTE):
                Tag("h2", texts.TASTE)
                self._rows = Tag("ul", classes="said")
                self._over = button(texts.START_OVER, self._start_over)
                self._starts = Tag("div")
            self._lists = Lists(visit, self._add_buttons)
        self._add_share()
        await self._show()

    # -- what is said -------------------------------------------------------------------------------------------------

    async def _say(self, item: str, likes: bool | None) -> None:
        """Take in that an item is liked or disliked, or, for None, neither."""
        if likes is None:
            self._said.pop(item, None)
        elif len(self._said) < MOST or item in self._said:
            if item not in self._names:
                self._names |= {entry.item: entry.name for entry in self._desk.name_items([item])}
            self._said[item] = likes
        await self._show()

    async def _start_over(self) -> None:
        self._said = {}
        await self._show()

    @property
    def _likes(self) -> list[str]:
        return [item for item, likes in self._said.items() if likes]

    @property
    def _dislikes(self) -> list[str]:
        return [item for item, likes in self._said.items() if not likes]

    def _query(self) -> dict[str, Any]:
        models = {"models": self._visit.query.get("models", "")}
        return {"like": self._likes, "dislike": self._dislikes, **models, **self._panel.filters.as_query()}

    def _choose_models(self, chosen: Sequence[str]) -> None:
        ui.navigate.to(make_address("/taste", {**self._query(), **address_of_models(chosen)}))

    # -- what is shown ------------------------------------------------------------------------------------------------

    async def _show(self) -> None:
        if not self._likes:
            self._show_said()
            self._lists.clear(texts.TASTE_ONLY_DISLIKED if self._said else texts.TASTE_EMPTY)
            return
        asked = {"history": self._likes, "disliked": self._dislikes}

        async def ask(served: Served) -> Sequence[Entry]:
            return await self._desk.recommend(served.name, asked, self._panel.filters)

        async def say(served: Served, entries: Sequence[Entry]) -> Sequence[str]:
            why = await self._desk.explain(served, asked, [entry.item for entry in entries])
            return [say_reasons(self._visit, parts) for parts in why]

        await self._lists.show(ask, say, together=self._show_said)

    def _show_said(self) -> None:
        self._visit.remember(self._query())
        self._show_share()
        self._over.set_visibility(bool(self._said))
        self._starts.clear()
        if not self._said:
            self._add_starts()
        for item in [item for item in self._shown if item not in self._said]:
            self._shown.pop(item)[0].delete()
        with self._rows:
            for item, likes in self._said.items():
                name = self._names[item]
                if item not in self._shown:
                    with Tag("li") as row:
                        link(name, make_address("/", {"item": item}), "name")
                        opinions = _Opinions(self._say)
                        removes = texts.REMOVE_NAME.format(name=name)
                        button("×", partial(self._say, item, None), "small", removes)
                    self._shown[item] = row, opinions
                self._shown[item][1].change(item, name, likes)

    def _add_starts(self) -> None:
        with self._starts:
            Tag("p", texts.START_WITH)
            with Tag("ul", classes="chips"):
                for entry in self._desk.list_popular(STARTS):
                    with Tag("li", classes="chip"):
                        Tag("span", entry.name)
                        _Opinions(self._say).change(entry.item, entry.name, None)

    def _add_buttons(self, served: Served) -> Callable[[Entry], None]:
        with Tag("div", classes="opinions"):
            opinions = _Opinions(self._say)
        return lambda entry: opinions.change(entry.item, entry.name, None)

    # -- what is shared -----------------------------------------------------------------------------------------------

    def _add_share(self) -> None:
        names = {served.name: served.name for served in self._visit.shown}
        with Tag("section", classes="share", aria_label=texts.SHARE) as self._share:
            Tag("h2", texts.SHARE)
            with Tag("div", classes="fields"):
                button(texts.COPY_LINK, self._copy_link)
                self._on_map = link(texts.ON_MAP, "", "button")
                if len(names) > 1:
                    choice(texts.SHARE_MODEL, names, self._model, self._choose_model)
            self._about = Tag("p")
            self._code = Tag("pre", classes="code", tabindex="0", role="region", aria_label=texts.SHARE_LINES)
            button(texts.COPY_CODE, lambda: self._copy(json.dumps(self._code.text)))

    def _show_share(self) -> None:
        self._share.set_visibility(bool(self._likes))
        if self._likes:
            served = self._desk.get(self._model)
            said = {"like": self._likes, "dislike": self._dislikes, "model": self._model}
            self._on_map.set(href=make_address("/map", said))
            self._about.change(texts.SHARE_CODE.format(model=self._model))
            self._code.change(write_code(served, self._likes, self._dislikes, self._panel.filters))

    def _choose_model(self, name: str) -> None:
        self._model = name
        self._show_share()

    def _copy_link(self) -> None:
        self._copy("window.location.href")

    def _copy(self, expression: str) -> None:
        ui.run_javascript(f"navigator.clipboard?.writeText({expression})")
        ui.notify(texts.COPIED)


class _Opinions:
    """Two buttons, to like an item and to dislike it."""

    def __init__(self, say: Callable[[str, bool], Awaitable[None]]) -> None:
        self._item = ""
        self._like = button(texts.LIKE, lambda: say(self._item, True), "small")
        self._dislike = button(texts.DISLIKE, lambda: say(self._item, False), "small")

    def change(self, item: str, name: str, likes: bool | None) -> None:
        """Take an item; likes says what was said of it."""
        self._item = item
        like, dislike = texts.LIKE_NAME.format(name=name), texts.DISLIKE_NAME.format(name=name)
        self._like.set(aria_label=like, title=like, aria_pressed=_press(likes is True))
        self._dislike.set(aria_label=dislike, title=dislike, aria_pressed=_press(likes is False))


def _press(is_pressed: bool) -> str:
    return "true" if is_pressed else "false"
