"""Reads dates and times that a file holds as text."""

from __future__ import annotations

import re

import polars as pl

from tastemap.data.ids import name_rows
from tastemap.errors import DataError

# 31/12/2010, 12/31/10 8:26 or 31.12.2010 08:26:00.
_NUMBERS = re.compile(r"\d{1,2}([./-])\d{1,2}\1(\d{4}|\d{2})(?: \d{1,2}:\d\d(:\d\d)?)?")


def parse_times(column: pl.Series, label: str) -> pl.Series:
    """Return text as datetimes: ISO, or numbers in the one order, day/month or month/day, that suits every row.

    label : the name of the source, for messages

    Raises DataError where some text is not a date, or where both orders suit and mean different days.
    """
    known = column.drop_nulls()
    numbers = _NUMBERS.fullmatch(known[0]) if len(known) else None
    readings = [_parse_iso(column)] if numbers is None else _parse_both_orders(column, numbers)
    times = min(readings, key=pl.Series.null_count)
    bad = (times.is_null() & column.is_not_null()).arg_true()
    if len(bad):
        raise DataError(
            f"{label}: column {column.name!r} holds text that is no date or time, {column[bad[0]]!r} in "
            f"{name_rows(bad)}",
            "write all as 2010-12-31 08:26:00",
            column=column.name,
            rows=bad.to_numpy(),
        )
    other = readings[-1]
    unsure = (other != times).arg_true()
    if len(unsure) and not (other.is_null() & column.is_not_null()).any():
        raise DataError(
            f"{label}: column {column.name!r} may be read by day and month or by month and day, such as "
            f"{column[unsure[0]]!r} in {name_rows(unsure)}",
            "write all as 2010-12-31 08:26:00",
            column=column.name,
            rows=unsure.to_numpy(),
        )
    return times


def _parse_iso(column: pl.Series) -> pl.Series:
    try:
        return column.str.to_datetime(strict=False)
    except pl.exceptions.ComputeError:  # polars recognises no format
        return pl.Series(column.name, [None] * len(column), dtype=pl.Datetime("us"))


def _parse_both_orders(column: pl.Series, numbers: re.Match[str]) -> list[pl.Series]:
    mark, year, seconds = numbers.groups()
    clock = "" if ":" not in numbers[0] else " %H:%M" if seconds is None else " %H:%M:%S"
    end = f"{mark}%{'y' if len(year) == 2 else 'Y'}{clock}"
    return [
        column.str.to_datetime(f"{first}{mark}{second}{end}", time_unit="us", strict=False)
        for first, second in (("%d", "%m"), ("%m", "%d"))
    ]


def looks_like_time(text: str) -> bool:
    """Return whether a text begins as a date does that has its parts in numbers."""
    return bool(re.match(r"\d{4}-\d\d-\d\d|\d{1,2}([./-])\d{1,2}\1\d{2,4}\b", text))
