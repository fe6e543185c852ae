"""The page Map: all items as points, near each other where the same people like them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from nicegui import context, ui

from tastemap.explore import texts
from tastemap.explore.atlas.making import Cartographer, Making, Map
from tastemap.explore.atlas.names import Region, Term
from tastemap.explore.chart import OVERLAYS, Drawing, Options, draw, mark, show_level
from tastemap.explore.filters import Filters
from tastemap.explore.frame import Visit, make_address, tell_error
from tastemap.explore.items import propose_items
from tastemap.explore.parts import Tag, button, choice, link
from tastemap.explore.people import propose_people
from tastemap.explore.pick import Pick
from tastemap.explore.shades import OTHERS, Shades, find_start, list_columns, shade_column, shade_regions
from tastemap.serve.served import Served
from tastemap.typing import RowNumbers

# Seconds between two looks at a map that is being made.
PAUSE = 0.5

# What a map takes on a usual machine: seconds, and items a second beyond.
FIRST_SECONDS, ITEMS_A_SECOND = 15, 1000

# Below this part of the map the names of small regions are shown, and buttons zoom by so much.
NEAR_PART, ZOOM = 0.45, 0.6

# The part of the map that is shown around a region or an item, in per cent.
AROUND = 25.0

# The best known items of a region that are named, and the most items of a list and of a history that are shown.
KNOWN, LISTED, MOST_HISTORY = 3, 10, 500

# What stands in an address for the colours of regions.
BY_REGION = "*"

Window = list[tuple[float, float]]
WHOLE: Window = [(0.0, 100.0), (0.0, 100.0)]


async def build_map(cartographer: Cartographer, visit: Visit) -> None:
    """Fill the page."""
    Tag("h1", texts.MAP_TITLE)
    Tag("p", texts.MAP_INTRO)
    named = visit.query.get("model") or visit.query.get("models", "").partition(",")[0]
    names = {served.name: served.name for served in visit.desk.models}
    served = visit.desk.get(named if named in names else next(iter(names)))
    making = cartographer.ask(served)
    with Tag("div", classes="fields above") as fields:
        page = _MapPage(visit, served, fields)
        if len(names) > 1:
            choice(texts.MAP_MODEL, names, served.name, page.choose_model)
    with Tag("div", classes="stack") as place:
        told = _Progress(served) if making.map is None and making.fault is None else None
    page.add_chart()

    async def look() -> None:
        if making.map is None and making.fault is None:
            if told is not None:
                told.show(making)
            return
        timer.cancel()
        place.clear()
        try:
            if making.map is not None and len(making.map.atlas.rows):
                await page.show(making.map)
                return
            with place:
                if making.map is None:
                    Tag("p", texts.FAILED.format(sentence=making.fault), "error", role="alert")
                else:
                    Tag("p", texts.MAP_EMPTY)
        except Exception as error:
            with place:
                tell_error(error)
        page.remove_chart()

    timer = ui.timer(PAUSE, look, immediate=True)


class _Progress:
    """How far a map is that is being made."""

    def __init__(self, served: Served) -> None:
        n = int(np.count_nonzero(served.model.popularity_))
        self._seconds = FIRST_SECONDS + n // ITEMS_A_SECOND
        Tag("p", texts.MAP_MAKING)
        self._stage = Tag("p", texts.MAP_STAGES["wait"], role="status")
        stages = len(texts.MAP_STAGES)
        self._bar = Tag("progress", classes="progress", max=str(stages), value="0", aria_label=texts.MAP_MAKING)
        self._time = Tag("p", classes="told")

    def show(self, making: Making) -> None:
        """Show the stage and the time."""
        stage = texts.MAP_STAGES[making.stage]
        if self._stage.text != stage:
            self._stage.text = stage
            self._bar.set(value=str(list(texts.MAP_STAGES).index(making.stage)))
        seconds = round(time.monotonic() - making.began)
        self._time.text = texts.MAP_TIME.format(seconds=seconds, all=max(self._seconds, seconds))


class _MapPage:
    """The map of a model, and what is shown on it.

    fields : where it is chosen what is shown
    """

    def __init__(self, visit: Visit, served: Served, fields: Tag) -> None:
        self._visit, self._served, self._desk, self._fields = visit, served, visit.desk, fields
        self._user = visit.query.get("user", "")
        self._said = {name: visit.query.getlist(name) for name in ("like", "dislike")}
        self._item = visit.query.get("item", "")
        start = find_start(served.table) or ""
        self._colour = visit.query.get("colour", start)
        if self._colour not in list_columns(served.table):
            self._colour = BY_REGION
        self._window = WHOLE
        self._level = "far"
        self._is_drawn = False
        self._marked = dict[str, RowNumbers]()

    def choose_model(self, name: str) -> None:
        """Show the map of another model."""
        ui.navigate.to(make_address("/map", {**self._query(), "model": name}))

    def add_chart(self) -> None:
        """Add the place for the map: the browser loads what draws it while the map is made or read."""
        with Tag("div", classes="line") as self._above:
            self._told = Tag("p", classes="told", role="status")
            self._hide = button(texts.MAP_HIDE, self._take_off, "small")
            self._hide.set_visibility(False)
        with Tag("div", classes="map") as self._canvas:
            self._chart = ui.echart({})
        self._chart.on("componentClick", self._open_point, js_handler=_CLICKED)
        self._chart.on("chart:datazoom", self._see, js_handler=_ZOOMED, throttle=0.1)
        self._below = Tag("div", classes="stack")

    def remove_chart(self) -> None:
        """Take away the place for the map."""
        for part in (self._above, self._canvas, self._below):
            part.delete()

    async def show(self, found: Map) -> None:
        """Fill the page with a map."""
        self._map = found
        self._names = {
            level: [self._name_region(region) for region in regions] for level, regions in found.regions.items()
        }
        columns = {name: name for name in list_columns(self._served.table)}
        with self._fields:
            choice(texts.MAP_COLOUR, {BY_REGION: texts.MAP_BY_REGION, **columns}, self._colour, self._choose_colour)
            Pick(texts.MAP_FIND, lambda text: propose_items(self._visit, text), self._find)
            Pick(texts.MAP_PERSON, lambda text: propose_people(self._visit, text), self._choose_person)
        with self._below:
            with Tag("div", classes="fields"):
                button(texts.MAP_ZOOM_IN, partial(self._zoom, ZOOM))
                button(texts.MAP_ZOOM_OUT, partial(self._zoom, 1 / ZOOM))
                button(texts.MAP_WHOLE, lambda: self._move(WHOLE))
            with Tag("div", classes="legend", role="group", aria_label=texts.MAP_LEGEND):
                self._marks, self._swatches = Tag("ul", classes="chips"), Tag("ul", classes="chips")
            Tag("p", f"{self._say_size()} {texts.MAP_HINT}", "hint")
            self._list_regions()
        n_regions = len(self._names["far"])
        name = texts.MAP_NAME.format(items=self._whole(len(found.atlas.rows)), regions=self._whole(n_regions))
        self._chart.props["role"], self._chart.props["aria-label"] = "img", name
        await self._draw()

    # -- the chart ----------------------------------------------------------------------------------------------------

    async def _draw(self) -> None:
        colour = self._colour
        drawing, shades = await asyncio.to_thread(self._prepare)
        if context.client.is_deleted or colour != self._colour:  # somebody has chosen another already
            return
        self._drawing, self._is_drawn = drawing, False
        self._show_legend(shades)
        await self._show_overlays()
        self._window, self._level = WHOLE, "far"
        self._chart.props["options"] = drawing.options
        self._chart.update()
        self._is_drawn = True

    def _prepare(self) -> tuple[Drawing, Shades]:
        served, atlas = self._served, self._map.atlas
        if self._colour != BY_REGION and served.table is not None:
            shades = shade_column(atlas.rows, served.table.column(self._colour), self._visit.numbers)
        else:
            shades = shade_regions(atlas.far, self._names["far"])
        names = self._name_places(np.arange(len(atlas.rows)))
        return draw(self._map, shades, names, served.model.popularity_[atlas.rows], self._names), shades

    def _show_legend(self, shades: Shades) -> None:
        counts = np.bincount(shades.codes, minlength=len(shades.names))
        self._swatches.clear()
        with self._swatches:
            for name, colour, count in zip(shades.names, shades.colours, counts, strict=True):
                if count or colour != OTHERS:
                    self._add_swatch(name, f"background:{colour}", count)

    def _show_marks(self, shown: dict[str, int], kinds: dict[str, str]) -> None:
        self._marks.clear()
        with self._marks:
            for name, count in shown.items():
                look = OVERLAYS[name]
                style = f"background:{look['color']};outline:2px solid {look['borderColor']}"
                if count:
                    self._add_swatch(kinds[name], style + (";border-radius:0" if name == "history" else ""), count)

    def _add_swatch(self, name: str, style: str, count: float) -> None:
        with Tag("li", classes="swatch"):
            Tag("span", classes="dot", style=style, aria_hidden="true")
            Tag("span", name)
            Tag("small", self._whole(count))

    async def _open_point(self, event: Any) -> None:
        series, name, number = event.args
        members = self._marked[name] if name in self._marked else self._drawing.members[series]
        row = self._map.atlas.rows[members[number]]
        item = self._desk.name_rows(self._served, np.array([row]))[0].item
        ui.navigate.to(make_address("/", {"item": item}))

    def _see(self, event: Any) -> None:
        """Take in which part of the map is seen."""
        seen = dict(zip("xy", self._window, strict=True))
        seen |= {axis: (float(start), float(end)) for axis, start, end in event.args if axis in seen}
        self._window = list(seen.values())
        self._show_names()

    def _change(self, series: Sequence[Options]) -> None:
        """Change series of the chart, without sending the others again."""
        for own in self._drawing.options["series"]:
            for new in series:
                if own.get("id") == new["id"]:
                    own.update({**new, "label": {**own["label"], **new.get("label", {})}})
        if self._is_drawn:
            self._chart.run_chart_method("setOption", {"series": series})

    def _show_names(self) -> None:
        part = max(end - start for start, end in self._window) / 100
        level = "near" if part < NEAR_PART else "far"
        if level != self._level:
            self._level = level
            self._change(show_level(level))

    def _zoom(self, factor: float) -> None:
        window = []
        for start, end in self._window:
            half = min((end - start) * factor, 100) / 2
            middle = min(max((start + end) / 2, half), 100 - half)
            window.append((middle - half, middle + half))
        self._move(window)

    def _move(self, window: Window) -> None:
        """Show a part of the map: per cent from left and from below."""
        self._window = window
        axes = zip("xy", window, strict=True)
        batch = [{"dataZoomId": axis, "start": start, "end": end} for axis, (start, end) in axes]
        if self._is_drawn:
            self._chart.run_chart_method("dispatchAction", {"type": "dataZoom", "batch": batch})
        self._show_names()

    def _move_to(self, centre: Sequence[float]) -> None:
        """Show the surroundings of a place."""
        options = self._drawing.options
        window = []
        for axis, value in zip(("xAxis", "yAxis"), centre, strict=True):
            low, high = options[axis]["min"], options[axis]["max"]
            middle = min(max(100 * (value - low) / (high - low), AROUND / 2), 100 - AROUND / 2)
            window.append((middle - AROUND / 2, middle + AROUND / 2))
        self._move(window)

    def _show_place(self, centre: Sequence[float]) -> None:
        """Show the surroundings of a place to somebody who may have scrolled away from the map."""
        self._move_to(centre)
        ui.run_javascript(f"getHtmlElement({self._canvas.id}).scrollIntoView({{block: 'center'}})")

    async def _choose_colour(self, name: str) -> None:
        self._colour = name
        self._visit.remember(self._query())
        await self._draw()

    # -- what is shown over it ----------------------------------------------------------------------------------------

    async def _show_overlays(self) -> None:
        """Show a person's or one's own history, what is recommended for it, and the item that was found."""
        history, asked, said = list[str](), dict[str, Any](), ""
        sentence, kinds = texts.MAP_SHOWN_PERSON, texts.MAP_OVERLAYS
        if self._user:
            told = await self._desk.describe_user(self._user)
            if told is None:
                said = texts.UNKNOWN_PERSON.format(person=self._user)
            else:
                history = [one["item"] for one in (told.get("history") or [])[:MOST_HISTORY]]
                asked, name = {"user": self._user}, told["name"]
        elif self._said["like"]:
            history, asked, name = self._said["like"], {"history": self._said["like"]}, ""
            asked |= {"disliked": self._said["dislike"]} if self._said["dislike"] else {}
            sentence, kinds = texts.MAP_SHOWN_TASTE, texts.MAP_TASTE_OVERLAYS
        try:
            listed = await self._desk.recommend(self._served.name, asked, Filters(), LISTED) if asked else []
        except Exception as error:
            listed = []
            with self._canvas:
                tell_error(error)
        shown = {
            "history": self._mark("history", history, kinds),
            "listed": self._mark("listed", [entry.item for entry in listed], kinds),
            "found": self._mark("found", [self._item] if self._item else [], kinds),
        }
        self._show_marks(shown, kinds)
        if asked:
            numbers = {name: self._whole(shown[name]) for name in ("history", "listed")}
            said = sentence.format(name=name, **numbers)
        if self._item:
            said = f"{said} {self._tell_found(shown['found'] > 0)}".strip()
        self._told.text = said or texts.MAP_READY
        self._hide.set_visibility(bool(asked or self._item))

    def _mark(self, name: str, items: Sequence[str], kinds: dict[str, str]) -> int:
        """Show items over the map and return how many of them are on it."""
        places = self._find_places(items)
        self._marked[name] = places
        self._change([mark(name, self._map.atlas.places[places], self._name_places(places), kinds[name])])
        return len(places)

    def _tell_found(self, is_on: bool) -> str:
        name = next((entry.name for entry in self._desk.name_items([self._item])), self._item)
        if not is_on:
            return texts.MAP_NOT_ON.format(name=name)
        region = self._map.atlas.near[self._find_places([self._item])[0]]
        return texts.MAP_FOUND.format(name=name, region=self._names["near"][region])

    async def _find(self, item: str) -> None:
        self._item = item
        self._visit.remember(self._query())
        await self._show_overlays()
        places = self._find_places([item])
        if len(places):
            self._move_to(self._map.atlas.places[places[0]].tolist())

    async def _choose_person(self, user: str) -> None:
        self._user, self._said = user, {"like": [], "dislike": []}
        self._visit.remember(self._query())
        await self._show_overlays()

    async def _take_off(self) -> None:
        self._user, self._item, self._said = "", "", {"like": [], "dislike": []}
        self._visit.remember(self._query())
        await self._show_overlays()

    # -- regions ------------------------------------------------------------------------------------------------------

    def _list_regions(self) -> None:
        with Tag("section", classes="regions", aria_label=texts.REGIONS):
            Tag("h2", texts.REGIONS)
            self._add_table("far")
            near = self._map.regions["near"]
            if len(near) > len(self._map.regions["far"]):
                with Tag("details"):
                    Tag("summary", texts.REGIONS_SMALL.format(number=self._whole(len(near))))
                    self._add_table("near")

    def _add_table(self, level: str) -> None:
        regions, names = self._map.regions[level], self._names[level]
        with Tag("table", classes="table"):
            with Tag("thead"), Tag("tr"):
                for heading in (texts.REGION, texts.REGION_ITEMS, texts.REGION_KNOWN):
                    Tag("th", heading, scope="col")
                Tag("td")
            with Tag("tbody"):
                for place in sorted(range(len(regions)), key=lambda one: -len(regions[one].members)):
                    with Tag("tr"):
                        Tag("th", names[place], scope="row")
                        Tag("td", self._whole(len(regions[place].members)), "number")
                        with Tag("td"), Tag("ul", classes="known"):
                            for entry in self._list_known(regions[place]):
                                with Tag("li"):
                                    link(entry.name, make_address("/", {"item": entry.item}))
                        centre = self._map.centres[level][place].tolist()
                        with Tag("td"):
                            name = texts.MAP_TO_REGION.format(region=names[place])
                            button(texts.MAP_TO_REGION_SHORT, partial(self._show_place, centre), "small", name)

    def _list_known(self, region: Region) -> Sequence[Any]:
        return self._desk.name_rows(self._served, self._map.atlas.rows[region.members[:KNOWN]])

    def _name_region(self, region: Region) -> str:
        if not region.terms:
            return texts.REGION_AROUND.format(item=self._name_places(region.members[:1])[0])
        return ", ".join(_word(term) for term in region.terms)

    # -- items --------------------------------------------------------------------------------------------------------

    def _find_places(self, items: Sequence[str]) -> RowNumbers:
        """Return the places in the map's rows of the items that are on it."""
        wanted = np.array([self._served.find_item(item) for item in items], np.int64)
        rows = self._map.atlas.rows
        found = np.minimum(np.searchsorted(rows, wanted), len(rows) - 1)
        places: RowNumbers = found[rows[found] == wanted]
        return places

    def _name_places(self, places: RowNumbers) -> list[str]:
        rows, titles = self._map.atlas.rows[places], self._served.titles
        ids = [str(one) for one in self._served.model.items.take(rows)]
        if titles is None:
            return ids
        return [own if title is None else title for own, title in zip(ids, titles.gather(rows), strict=True)]

    def _say_size(self) -> str:
        shown, known = len(self._map.atlas.rows), int(np.count_nonzero(self._served.model.popularity_))
        text = texts.MAP_OF if shown == known else texts.MAP_OF_MOST
        return text.format(items=self._whole(shown), all=self._whole(known))

    def _whole(self, number: float) -> str:
        return self._visit.numbers.whole(number)

    def _query(self) -> dict[str, Any]:
        return {
            "model": self._served.name if len(self._desk.models) > 1 else "",
            "colour": self._colour,
            "user": self._user,
            "item": self._item,
            **self._said,
        }


def _word(term: Term) -> str:
    if term.kind == "word":
        return texts.REGION_WORD.format(word=term.text)
    return texts.REGION_DECADE.format(decade=term.text) if term.kind == "decade" else term.text


_CLICKED = "(e) => e.componentType === 'series' && emit([e.seriesIndex, e.seriesId, e.dataIndex])"
_ZOOMED = "(e) => emit((e.batch ?? [e]).map((zoom) => [zoom.dataZoomId, zoom.start, zoom.end]))"
