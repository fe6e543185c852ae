"""Reads the columns of interactions into arrays, or says what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from tastemap.data._checks import LARGEST_FLOAT
from tastemap.data._spelling import find_missing
from tastemap.data.dates import parse_times
from tastemap.data.frames import name_values
from tastemap.data.ids import name_rows
from tastemap.errors import DataError, ParameterError, Remedy, name_some, show
from tastemap.typing import Array

_SMALL = (pl.Float32, pl.Int8, pl.UInt8, pl.Int16, pl.UInt16, pl.Boolean)


def drop_missing(
    table: pl.DataFrame, columns: Sequence[str], names: Mapping[str, bool]
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Leave out the rows in which one of the columns has a null, a NaN, no text, or a word for a missing value.

    names : the columns of ids and of events, and whether words for missing ones are names there

    Returns the others, and which columns had such rows. Raises DataError where no other is left.
    """
    known = table.select(pl.selectors.by_name(*dict.fromkeys(columns))).with_columns(
        pl.selectors.float().fill_nan(None)
    )
    missing = {name: find_missing(known[name], keep_na=names.get(name, False)) for name in columns}
    keep = np.ones(len(table), dtype=bool)
    for rows in missing.values():
        keep[rows.to_numpy()] = False
    lacking = tuple(name for name, rows in missing.items() if len(rows))
    if len(table) and not keep.any():
        has_words = any(name in names and not known[name].is_null().all() for name in lacking)
        ways = [Remedy("pass keep_na=True if words such as NA are names", "keep_na", True)] if has_words else []
        raise DataError(f"no row is left: each lacks a value in {name_some(lacking)}", *ways, columns=lacking)
    return table if keep.all() else table.filter(keep), lacking


def _check_numbers(column: pl.Series, name: str, first: int) -> None:
    """Raise DataError that names the other values of a column of text in which most values are numbers."""
    is_number = column.cast(pl.Float64, strict=False).is_finite().fill_null(False)
    wrong = np.flatnonzero(~is_number.to_numpy())
    if 0 < len(wrong) < len(column) / 2 + 1 and is_number.any():
        raise DataError(
            f"column {name!r} has what is no number, {name_some(column.gather(wrong[:3]).to_list())} in "
            f"{name_rows(wrong + first)}",
            "fill these rows with numbers",
            "leave them out",
            column=name,
            rows=wrong + first,
        )


def read_weights(column: pl.Series, name: str, first: int = 0) -> Array:
    """Return a column of numbers as float64, or float32 where that holds them exactly.

    first : the row of the table where the column begins, here and below
    """
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        if column.dtype == pl.String:
            _check_numbers(column, name, first)
        raise DataError(
            f"column {name!r} holds {column.dtype} values ({name_values(column)} in "
            f"{name_rows(range(first, first + min(3, len(column))))}), and weights are numbers",
            Remedy("cast it first", "cast", "numbers"),
            Remedy(f"pass event_weights=({name!r}, {{value: weight}})", "event_weights", ...),
            column=name,
        )
    _check_nulls(column, name, "weight", first)
    # float64 until duplicates are merged; float32 input is exact in itself.
    return column.cast(pl.Float32 if column.dtype in _SMALL else pl.Float64).to_numpy()


def read_event_weights(events: pl.Series, weights: Mapping[Any, float], first: int = 0) -> Array:
    """Return the weight of each event, float64."""
    name = events.name
    if events.dtype.is_nested() or events.dtype == pl.Object:
        raise DataError(f"column {name!r} holds {events.dtype} values, and events are texts or numbers", column=name)
    _check_nulls(events, name, "event", first)
    distinct = events.unique(maintain_order=True)
    unknown = [event for event in distinct if event not in weights]
    if unknown:
        row = first + events.is_in(pl.Series(unknown).implode()).arg_true()[0]
        raise DataError(
            f"column {name!r} has events without a weight, {name_some(unknown, 10)}, first in row {row}",
            Remedy("add them to event_weights", "event_weights", ...),
            "filter these rows out",
            column=name,
            events=tuple(unknown),
        )
    values = [weights[event] for event in distinct]
    for event, value in zip(distinct, values, strict=True):
        if not isinstance(value, int | float | np.integer | np.floating | Decimal) or not abs(value) <= LARGEST_FLOAT:
            raise ParameterError(
                f"event_weights must map events to numbers, got {show(value)} for {show(event)}",
                parameter="event_weights",
                value=value,
            )
    numbers = pl.Series([float(value) for value in values], dtype=pl.Float64)
    table = pl.DataFrame({"event": distinct, "weight": numbers})
    return events.to_frame("event").join(table, on="event", how="left", maintain_order="left")["weight"].to_numpy()


def check_event_weights(given: object) -> None:
    """Raise ParameterError where ``given`` is not a pair of a column and a mapping from events to weights."""
    is_pair = isinstance(given, tuple | list) and len(given) == 2
    if not is_pair or not isinstance(given[0], str) or not isinstance(given[1], Mapping):  # type: ignore[index]
        raise ParameterError(
            f"event_weights must be a pair of a column and weights, e.g. ('event', {{'view': 1}}), got {show(given)}",
            parameter="event_weights",
            value=given,
        )


def check_weights(weights: Array, name: str, allow_negative: bool, first: int = 0) -> None:
    """Raise DataError for weights that are not finite, or negative and not allowed to be."""
    low, high = weights.min(initial=np.inf), weights.max(initial=-np.inf)
    # A NaN makes both comparisons false.
    if not (low > -np.inf and high < np.inf):
        rows = np.flatnonzero(~np.isfinite(weights))
        raise DataError(
            f"column {name!r} has weights that are not finite, {weights[rows[0]]} in {name_rows(rows + first)}",
            "drop these rows or fill them first",
            column=name,
            rows=rows + first,
        )
    if low < 0 and not allow_negative:
        rows = np.flatnonzero(weights < 0)
        raise DataError(
            f"column {name!r} has negative weights, {weights[rows[0]]:g} in {name_rows(rows + first)}",
            "drop these rows",
            Remedy("pass allow_negative=True if they are ratings", "allow_negative", True),
            column=name,
            rows=rows + first,
        )


def _check_nulls(column: pl.Series, name: str, what: str, first: int) -> None:
    if column.null_count():
        rows = column.is_null().arg_true().to_numpy() + first
        raise DataError(
            f"column {name!r} has no {what} in {name_rows(rows)}",
            Remedy("drop these rows or fill them first", "drop_nulls", True),
            column=name,
            rows=rows,
        )


def read_times(column: pl.Series, name: str, first: int = 0) -> tuple[Array, pl.DataType]:
    """Return times as int64 or float64, dates as microseconds since 1970 UTC, and their type in frames.

    Texts are read as `parse_times` does.
    """
    _check_nulls(column, name, "time", first)
    column = parse_times(column)
    kind = column.dtype
    if isinstance(kind, pl.Date | pl.Datetime):
        zone = kind.time_zone if isinstance(kind, pl.Datetime) else None
        stored = pl.Date() if isinstance(kind, pl.Date) else pl.Datetime("us", zone)
        return column.cast(pl.Datetime("us", zone)).to_physical().to_numpy(), stored
    if kind.is_integer():
        whole = column.cast(pl.Int64, strict=False)
        _check_nulls(whole, name, "time that fits in 64 bits", first)
        return whole.to_numpy(), pl.Int64()
    if kind.is_float():
        values = column.cast(pl.Float64).to_numpy()
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise DataError(
                f"column {name!r} has times that are not finite, {values[bad[0]]} in {name_rows(bad + first)}",
                "drop these rows or fill them first",
                column=name,
                rows=bad + first,
            )
        return values, pl.Float64()
    raise DataError(
        f"column {name!r} holds {kind} values ({name_values(column)}), and times are numbers, dates or datetimes",
        Remedy("cast it first", "cast", "times"),
        column=name,
    )


def times_to_series(time: Array, kind: pl.DataType | None) -> pl.Series:
    """Return times in the type in which `read_times` found them: dates as dates, whole numbers as whole numbers."""
    series = pl.Series(time)
    if isinstance(kind, pl.Date):
        return series.cast(pl.Datetime("us")).cast(pl.Date)
    return series if kind is None else series.cast(kind)
