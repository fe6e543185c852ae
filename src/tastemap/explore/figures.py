"""Charts of one series, and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from tastemap.explore.parts import Tag

Options = Mapping[str, Any]


def draw(title: str, across: Options, series: Options, *, from_zero: bool = True) -> None:
    """Draw a chart of one series; a screen reader gets its title, so that a table or a sentence belongs beside it.

    across, series : the axis and the series as ECharts takes them
    """
    # Greys and a blue that can be read on light and on dark ground.
    quiet = {"axisLabel": {"color": "#7a8594", "hideOverlap": True}, "splitLine": {"lineStyle": {"color": "#8884"}}}
    options = {
        "grid": {"left": 8, "right": 12, "top": 16, "bottom": 8, "containLabel": True},
        "tooltip": {"trigger": "axis"},
        "color": ["#3b82c4"],
        "xAxis": {**quiet, **across},
        "yAxis": {"type": "value", "scale": not from_zero, **quiet},
        "series": [series],
        "animation": False,
    }
    ui.echart(options).classes("chart").props(f'role=img aria-label="{title}"')


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table whose first column names its rows."""
    with Tag("div", classes="scroll", tabindex="0", role="region", aria_label=columns[0]), Tag("table"):
        with Tag("thead"), Tag("tr"):
            for column in columns:
                Tag("th", column, scope="col")
        with Tag("tbody"):
            for first, *rest in rows:
                with Tag("tr"):
                    Tag("th", first, scope="row")
                    for value in rest:
                        Tag("td", value)
