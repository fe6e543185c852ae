"""Reads dates and times that are written as text."""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from tastemap.data.ids import name_rows
from tastemap.errors import DataError

_WAY = "write all as 2010-12-31 08:26:00"

# How a date is written -> its formats, with the day first and with the month first where both are possible; and what
# stands behind the clock. {mark} is the sign between numbers, and %B takes short names of months too.
_DATES = (
    (r"\d{4}(?P<mark>[-/.])\d{1,2}(?P=mark)\d{1,2}", ("%Y{mark}%m{mark}%d",), ""),
    (r"\d{1,2}(?P<mark>[-/.])\d{1,2}(?P=mark)\d{4}", ("%d{mark}%m{mark}%Y", "%m{mark}%d{mark}%Y"), ""),
    (r"\d{1,2}(?P<mark>[-/.])\d{1,2}(?P=mark)\d\d", ("%d{mark}%m{mark}%y", "%m{mark}%d{mark}%y"), ""),
    (r"\d{8}(?=[T ])", ("%Y%m%d",), ""),
    (r"\d{1,2}(?P<mark>[- /])[A-Za-z]{3,9}(?P=mark)\d{4}", ("%d{mark}%B{mark}%Y",), ""),
    (r"\d{1,2}(?P<mark>[- /])[A-Za-z]{3,9}(?P=mark)\d\d", ("%d{mark}%B{mark}%y",), ""),
    (r"[A-Za-z]{3,9}\.? +\d{1,2}(?P<comma>,?) +\d{4}", ("%B %d{comma} %Y",), ""),
    (r"\d{1,2} \d{1,2}, \d{4}", ("%m %d, %Y",), ""),
    (r"[A-Za-z]{3,9} +\d{1,2}", ("%B %d",), " %Y"),
)
_WEEKDAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? +"
_CLOCK = (
    r"(?:(?P<gap>T|:|,? +)\d{1,2}:\d\d(?P<seconds>:\d\d)?(?P<fraction>\.\d+)?(?P<half> ?[AaPp][Mm])?)?"
    r"(?P<zone> ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
)
_SHAPES = tuple(
    (f"(?P<weekday>{_WEEKDAY})?{date}{_CLOCK}{' [0-9]{4}' if end else ''}", formats, end)
    for date, formats, end in _DATES
)
_NUMBER = r"^-?\d+(?:\.\d*)?$"


class _Shape(NamedTuple):
    """How times are written: the formats of polars, of one or two orders of day and month."""

    formats: tuple[str, ...]
    has_weekday: bool
    has_zone: bool


def looks_like_time(text: str) -> bool:
    """Return whether a text is a date, not a number alone."""
    return _find_shape(text) is not None


def parse_times(column: pl.Series) -> pl.Series:
    """Return a column of texts, which may be categories, as datetimes or numbers; another column as it is.

    Texts are numbers, such as seconds since 1970, or dates in the ways that `_DATES` lists, with or without a clock, AM
    or PM and a distance from UTC: with one they become times in UTC. Days and months in numbers are in the one order
    that suits every row.

    Raises DataError where a text is not a date, where both orders suit and mean different days, and where only some
    texts have a distance from UTC.
    """
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype != pl.String:
        return column
    if (numbers := _parse_numbers(column)) is not None:
        return numbers
    times, other = _parse(column, 0), None
    if times.has_orders:
        other = _parse(column, 1)
        if other.values.null_count() < times.values.null_count():
            times, other = other, times
    bad = (times.values.is_null() & column.is_not_null()).arg_true()
    if len(bad):
        raise DataError(
            f"column {column.name!r} holds text that is no date or time, {column[bad[0]]!r} in {name_rows(bad)}",
            _WAY,
            column=column.name,
            rows=bad.to_numpy(),
        )
    if len(times.with_zone) and len(times.without_zone):
        first, second = int(times.with_zone[0]), int(times.without_zone[0])
        raise DataError(
            f"column {column.name!r} has times with a distance from UTC, {column[first]!r} in row {first}, and without "
            f"one, {column[second]!r} in row {second}",
            "write all with it or all without",
            column=column.name,
            rows=times.without_zone.to_numpy(),
        )
    if other is not None and other.values.null_count() == times.values.null_count():
        unsure = (other.values != times.values).arg_true()
        if len(unsure):
            raise DataError(
                f"column {column.name!r} may be read by day and month or by month and day, such as "
                f"{column[unsure[0]]!r} in {name_rows(unsure)}",
                _WAY,
                column=column.name,
                rows=unsure.to_numpy(),
            )
    return times.values.dt.replace_time_zone("UTC") if len(times.with_zone) else times.values


class _Times(NamedTuple):
    """What was read: datetimes without a zone, and the rows of texts with a distance from UTC and without one."""

    values: pl.Series
    with_zone: pl.Series
    without_zone: pl.Series
    has_orders: bool


def _parse_numbers(column: pl.Series) -> pl.Series | None:
    known = column.drop_nulls()
    if known.is_empty() or not known.head(100).str.contains(_NUMBER).all() or not known.str.contains(_NUMBER).all():
        return None
    whole = column.cast(pl.Int64, strict=False)
    return whole if whole.null_count() == column.null_count() else column.cast(pl.Float64)


def _parse(column: pl.Series, order: int) -> _Times:
    """Read texts by the shape of the first, those that are left by the shape of the first of these, and so on."""
    times = pl.Series(column.name, [None], dtype=pl.Datetime("us")).new_from_index(0, len(column))
    zones: dict[bool, list[pl.Series]] = {True: [], False: []}
    left = column.is_not_null().arg_true()
    tried = set[_Shape]()
    has_orders = False
    while len(left):
        shape = _find_shape(column[int(left[0])])
        if shape is None or shape in tried:
            break
        tried.add(shape)
        has_orders = has_orders or len(shape.formats) > 1
        texts = column.gather(left)
        if shape.has_weekday:  # polars refuses a wrong one, and it says nothing more
            texts = texts.str.replace(f"^{_WEEKDAY}", "")
        read = texts.str.to_datetime(shape.formats[order % len(shape.formats)], time_unit="us", strict=False)
        read, is_read = read.dt.replace_time_zone(None), read.is_not_null()
        done = left.filter(is_read)
        times = read.alias(column.name) if len(done) == len(column) else times.scatter(done, read.filter(is_read))
        zones[shape.has_zone].append(done)
        left = left.filter(~is_read)
    return _Times(times, _join(zones[True]), _join(zones[False]), has_orders)


def _join(rows: list[pl.Series]) -> pl.Series:
    return pl.concat([part.cast(pl.Int64) for part in rows]).sort() if rows else pl.Series([], dtype=pl.Int64)


def _find_shape(text: str) -> _Shape | None:
    for pattern, formats, end in _SHAPES:
        found = re.fullmatch(pattern, text)
        if found is None:
            continue
        marks = {name: value or "" for name, value in found.groupdict().items()}
        clock = ""
        if found["gap"]:
            clock = found["gap"].rstrip() or " "
            clock += " " if clock == "," else ""
            clock += "%I:%M" if found["half"] else "%H:%M"
            clock += ":%S" if found["seconds"] else ""
            clock += "%.f" if found["fraction"] else ""
            clock += marks["half"][:-2] + "%p" if found["half"] else ""
        zone = marks["zone"]
        if zone[-1:].isdigit():
            zone = zone[: zone.index(zone.strip())] + "%z"
        return _Shape(
            tuple(one.format_map(marks) + clock + zone + end for one in formats),
            bool(found["weekday"]),
            bool(zone),
        )
    return None
