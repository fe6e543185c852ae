"""Gives each item of a map a colour by what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from tastemap.data.item_table import AlignedTable, Column
from tastemap.explore import texts
from tastemap.explore.atlas.names import YEARS
from tastemap.explore.numbers import Numbers
from tastemap.typing import Array, Ints, RowNumbers

# Ten colours that can be told from each other and seen on a light and on a dark ground, and one for all others.
COLOURS = (
    "#4e79d6", "#e8833a", "#3fa15c", "#d64a4f", "#9a6fd0", "#a1745f", "#e07fc1", "#17a8b8", "#b9a427", "#6f8f2f",
)  # fmt: skip
OTHERS = "#98a0aa"

# From few to much, for classes of numbers: parts of viridis that can be seen on both grounds.
SCALE = ("#5b3b8c", "#3b5f9a", "#2b8a8c", "#2fae74", "#86c440", "#d9c31f")

# Of texts that a map can be coloured by a value has so many items on average; of those that it is at first, more.
FEW_ITEMS, USUAL_ITEMS = 2, 5

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Shades(NamedTuple):
    """The colours of a map's items.

    codes : int32, (n,): the class of each item
    names, colours : of the classes
    """

    codes: Ints
    names: list[str]
    colours: list[str]


def list_columns(table: AlignedTable | None) -> list[str]:
    """Return the columns that a map can be coloured by: those in which several items have a value in common."""
    if table is None:
        return []
    return [name for name in table.kinds if _can_colour(table.column(name))]


def find_start(table: AlignedTable | None) -> str | None:
    """Return the column that a map is coloured by before somebody chooses; None for its regions."""
    for name in list_columns(table):
        assert table is not None
        column = table.column(name)
        if column.kind == "text" and len(column.rows) >= USUAL_ITEMS * len(column.distinct):
            return name
    return None


def shade_column(rows: RowNumbers, column: Column, numbers: Numbers) -> Shades:
    """Return colours by a column: of texts its ten most frequent values, of numbers and dates six classes.

    rows : int64, (n,): the row of each item in the catalogue, ascending
    """
    place = np.minimum(np.searchsorted(rows, column.rows), max(len(rows) - 1, 0))
    is_here = rows[place] == column.rows if len(rows) else np.zeros(len(column.rows), np.bool_)
    item, codes = place[is_here], column.codes[is_here]
    counts = np.bincount(codes, minlength=len(column.distinct))
    if column.kind in ("number", "date"):
        classes, names = _cut(column, counts, numbers)
        colours = [SCALE[place] for place in np.linspace(0, len(SCALE) - 1, len(names)).round().astype(int)]
        title_of_rest = texts.NO_VALUE
    else:
        chosen = np.lexsort((np.arange(len(counts)), -counts))[: len(COLOURS)]
        chosen = chosen[counts[chosen] > 0]
        classes = np.full(len(counts), -1, np.int32)
        classes[chosen] = np.arange(len(chosen))
        names = [str(column.distinct[value]) for value in chosen]
        colours = list(COLOURS[: len(names)])
        title_of_rest = texts.OTHER_VALUES
    out = np.full(len(rows), len(names), np.int32)
    of_value = classes[codes]
    is_frequent = of_value >= 0
    # Of several values of an item the first counts, so it is written last.
    out[item[is_frequent][::-1]] = of_value[is_frequent][::-1]
    return Shades(out, [*names, title_of_rest], [*colours, OTHERS])


def shade_regions(regions: Ints, names: Sequence[str]) -> Shades:
    """Return colours by region, which repeat after the tenth."""
    return Shades(regions, list(names), [COLOURS[place % len(COLOURS)] for place in range(len(names))])


def _can_colour(column: Column) -> bool:
    if column.kind in ("number", "date"):
        return len(column.distinct) > 1
    return len(column.rows) >= FEW_ITEMS * len(column.distinct) > FEW_ITEMS


def _cut(column: Column, counts: Array, numbers: Numbers) -> tuple[Ints, list[str]]:
    """Return the class of each distinct value, of at most six with about as many items, and the classes' names."""
    distinct = column.distinct
    if not len(distinct):
        return np.empty(0, np.int32), []
    share = (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1)
    classes = np.minimum((share * len(SCALE)).astype(np.int32), len(SCALE) - 1)
    classes = np.unique(classes, return_inverse=True)[1].reshape(-1).astype(np.int32)
    names = []
    for one in range(int(classes.max()) + 1):
        own = distinct[classes == one]
        low, high = (_write(column, own[end], numbers) for end in (0, -1))
        names.append(low if low == high else texts.FROM_TO.format(low=low, high=high))
    return classes, names


def _write(column: Column, value: float, numbers: Numbers) -> str:
    if column.kind == "date":
        return (_EPOCH + timedelta(microseconds=int(value))).date().isoformat()
    is_year = YEARS[0] <= column.distinct[0] and column.distinct[-1] <= YEARS[1]
    return str(int(value)) if is_year else numbers.score(float(value)) if value % 1 else numbers.whole(float(value))
