"""The options of the chart that draws a map."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from tastemap.explore.atlas.making import Map
from tastemap.explore.shades import Shades
from tastemap.typing import Counts, Floats, RowNumbers

Options = dict[str, Any]

# The shares of the items that are drawn larger, the most popular ones, and by how much.
SIZES = ((1.0, 1.0), (0.15, 1.5), (0.02, 3.0))

# Pixels of an item that is drawn smallest: fewer the more there are.
LARGEST, SMALLEST, PIXELS = 8.0, 2.5, 300.0

# Up to so many items of a series are shapes of their own, which light up.
SHAPES = 2000

# Around the places, and where names are written inwards, in shares of the map.
MARGIN, EDGE = 0.04, 0.1

# Names are dark with a light edge, in any theme.
PLATE = {"fontSize": 13, "color": "#10151b", "textBorderColor": "rgba(255,255,255,0.9)", "textBorderWidth": 4}

# Letters of a title on the map.
LONGEST = 28

# What is shown over the map: the series' names, and how they look.
OVERLAYS: dict[str, dict[str, Any]] = {
    "history": {"symbol": "diamond", "symbolSize": 15, "color": "#ffffff", "borderColor": "#111111"},
    "listed": {"symbol": "circle", "symbolSize": 15, "color": "#ffd400", "borderColor": "#111111"},
    "found": {"symbol": "pin", "symbolSize": 34, "color": "#e4002b", "borderColor": "#ffffff"},
}

# In the browser: the places of a series, from float32 in base64. Lists of 50,000 places, which Vue would watch one by
# one, took twice as long as all the rest.
PLACES = "new Float32Array(Uint8Array.from(atob('{base64}'), (sign) => sign.charCodeAt(0)).buffer)"

# In the browser: what a point is. Texts are shown as texts, never as HTML.
TOOLTIP = """((series) => (point) => {{
  const own = series[point.seriesIndex];
  const box = document.createElement("div");
  const lines = own ? [own[1][point.dataIndex], own[0]] : point.value.slice(2);
  for (const text of lines) box.append(text, document.createElement("br"));
  return box;
}})({series})"""


class Drawing(NamedTuple):
    """A chart's options, and the places in the map's rows of the items of each of its series of items."""

    options: Options
    members: list[RowNumbers]


def draw(found: Map, shades: Shades, names: Sequence[str], popularity: Counts, region_names: dict[str, Any]) -> Drawing:
    """Return the drawing of a map.

    names : of the items
    popularity : int64, (n,): the number of training pairs of each item
    region_names : of each level
    """
    places = found.atlas.places
    size_class, pixels = _choose_sizes(popularity)
    series, members, told = list[Options](), list[RowNumbers](), list[tuple[str, list[str]]]()
    for size in range(len(SIZES)):
        # The class of the others comes last and is drawn first, so that it hides nothing.
        for code in reversed(range(len(shades.names))):
            own = np.flatnonzero((size_class == size) & (shades.codes == code))
            if len(own):
                members.append(own)
                told.append((shades.names[code], [names[place] for place in own.tolist()]))
                series.append(_make_series(places[own], shades.colours[code], pixels * SIZES[size][1]))
    overlays = [_make_overlay(name) for name in OVERLAYS]
    low, high = _find_window(places)
    labels = [
        _make_labels(level, found.centres[level], region_names[level], low[0], high[0]) for level in found.regions
    ]
    options = {
        "animation": False,
        "grid": {"left": 0, "right": 0, "top": 0, "bottom": 0},
        "xAxis": {"type": "value", "show": False, "min": low[0], "max": high[0]},
        "yAxis": {"type": "value", "show": False, "min": low[1], "max": high[1]},
        "dataZoom": [
            {"type": "inside", "id": "x", "xAxisIndex": 0, "filterMode": "none", "minSpan": 1, "throttle": 0},
            {"type": "inside", "id": "y", "yAxisIndex": 0, "filterMode": "none", "minSpan": 1, "throttle": 0},
        ],
        "tooltip": {
            "trigger": "item",
            "confine": True,
            "transitionDuration": 0,
            ":formatter": TOOLTIP.format(series=orjson.dumps(told).decode()),
        },
        "series": [*series, *labels, *overlays],
    }
    return Drawing(options, members)


def mark(name: str, places: Floats, titles: Sequence[str], kind: str) -> Options:
    """Return the options that show items over the map in place of those that were shown.

    name : of the overlay
    titles : of the items, most important first
    kind : what they are, for the tooltip
    """
    data = [
        {"name": _shorten(title), "value": [*np.round(place.astype(np.float64), 3).tolist(), title, kind]}
        for place, title in zip(places, titles, strict=True)
    ]
    return {"id": name, "data": data}


def _shorten(title: str) -> str:
    return title if len(title) <= LONGEST else title[: LONGEST - 1].rstrip() + "…"


def show_level(level: str) -> list[Options]:
    """Return the options that show the names of one level of regions."""
    return [{"id": name, "label": {"show": name == level}} for name in ("near", "far")]


def _choose_sizes(popularity: Counts) -> tuple[RowNumbers, float]:
    n = len(popularity)
    rank = np.empty(n, np.int64)
    rank[np.argsort(-popularity, kind="stable")] = np.arange(n)
    chosen = np.zeros(n, np.int64)
    for place, (share, _) in enumerate(SIZES):
        chosen[rank < share * n] = place
    return chosen, min(max(PIXELS / max(n, 1) ** 0.5, SMALLEST), LARGEST)


def _find_window(places: Floats) -> tuple[list[float], list[float]]:
    low, high = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    space = MARGIN * np.maximum(high - low, 1)
    return (low - space).round(4).tolist(), (high + space).round(4).tolist()


def _make_series(places: Floats, colour: str, pixels: float) -> Options:
    return {
        "type": "scatter",
        ":data": PLACES.format(base64=b64encode(places.astype("<f4").tobytes()).decode()),
        "dimensions": ["x", "y"],
        "symbolSize": round(pixels, 1),
        "itemStyle": {"color": colour, "opacity": 0.8},
        "large": True,
        "largeThreshold": SHAPES,
        "progressive": 0,
        "cursor": "pointer",
    }


def _make_labels(level: str, centres: Floats, names: Sequence[str], low: float, high: float) -> Options:
    """Return the names of a level of regions; those near the edges, low and high, are written inwards."""
    return {
        "id": level,
        "type": "scatter",
        "silent": True,
        "symbolSize": 1,
        "itemStyle": {"color": "transparent", "opacity": 1},  # which names inherit
        "data": [
            {
                "name": name,
                "value": np.round(place.astype(np.float64), 3).tolist(),
                "label": {"position": _find_side(float(place[0]), low, high)},
            }
            for name, place in zip(names, centres, strict=True)
        ],
        "label": {"show": level == "far", "formatter": "{b}", "fontWeight": "bold", **PLATE},
        "labelLayout": {"hideOverlap": True},
        "z": 5,
    }


def _find_side(x: float, low: float, high: float) -> str:
    share = (x - low) / (high - low)
    return "right" if share < EDGE else "left" if share > 1 - EDGE else "inside"


def _make_overlay(name: str) -> Options:
    look = OVERLAYS[name]
    return {
        "id": name,
        "type": "scatter",
        "data": [],
        "symbol": look["symbol"],
        "symbolSize": look["symbolSize"],
        "itemStyle": {"color": look["color"], "borderColor": look["borderColor"], "borderWidth": 2, "opacity": 1},
        "label": {
            "show": name != "history", "formatter": "{b}", "position": "right", **PLATE,
        },
        "labelLayout": {"hideOverlap": True},
        "cursor": "pointer",
        "z": 10,
    }  # fmt: skip
