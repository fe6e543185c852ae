"""Events, what users did after a model was fitted: one JSON object a line of a journal."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import polars as pl

from tastemap.data._checks import LARGEST_FLOAT
from tastemap.data._spelling import find_missing
from tastemap.errors import DataError, ParameterError, show
from tastemap.files.journal import list_files, read_lines
from tastemap.files.paths import name_file
from tastemap.forks import check_polars_threads

_SMALLEST_FLOAT = float(np.finfo(np.float32).tiny)
_KEYS = ("user", "item", "weight", "time")
_TEXTS = dict.fromkeys(_KEYS, pl.String)
_TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "user": pl.String,
    "item": pl.String,
    "weight": pl.Float64,
    "time": pl.Datetime("us", "UTC"),
}
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# How `write_event` spells times, and polars' name for it, which takes more; and what may not be an id or a weight, but
# that polars gives as the same text as one in quotes.
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]{1,6})?Z$"
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.fZ"
_NO_ID = r"^(?:[\[{]|true$|false$|-?[0-9]+(?:\.|e|E)|-?[0-9]{20})"
_QUOTED_WEIGHT = re.compile(rb'"weight"\s*:\s*"')


class Event(NamedTuple):
    """What a user did with an item.

    user, item : ids as they are spelled
    weight : None where none was given: a like of usual weight. 0 takes a like back
    time : in microseconds since 1970 UTC
    more : what else was said, kept in the journal
    """

    user: str
    item: str
    weight: float | None
    time: int
    more: dict[str, Any]


def parse_event(found: bytes | Mapping[str, Any], *, now: int | None = None) -> Event:
    """Read an event: ``{"user": 4, "item": "260", "weight": 1.0, "time": "2026-11-28T12:00:00Z"}``.

    found : a line of a journal, or the object that it spells. Ids are texts or whole numbers; a time is a text in the
        form of ISO 8601, in UTC where it has no distance from it, or a number of seconds since 1970
    now : the time of an event without one, in microseconds since 1970 UTC; None refuses it

    Raises DataError, in one sentence, for anything else.
    """
    if isinstance(found, bytes):
        found = _parse_line(found)
    if not isinstance(found, Mapping):
        raise DataError(f"an event must be a JSON object, got {show(found)}")
    given = found.get("time")
    if given is None and now is None:
        raise DataError("the event has no 'time'", column="time")
    moment = now if given is None else read_moment(given)
    if moment is None:
        raise DataError(
            f"the time of an event must be such as 2026-11-28T12:00:00Z or seconds since 1970, got {show(given)}",
            column="time",
        )
    more = {name: value for name, value in found.items() if name not in _KEYS}
    return Event(_read_id(found, "user"), _read_id(found, "item"), _read_weight(found.get("weight")), moment, more)


def write_event(event: Event) -> bytes:
    """Return the line of an event in a journal, without its end."""
    weight = {} if event.weight is None else {"weight": event.weight}
    moment = (_START + event.time * _MICROSECOND).replace(tzinfo=None).isoformat() + "Z"
    return json.dumps({"user": event.user, "item": event.item, **weight, "time": moment, **event.more}).encode()


def tell_time() -> int:
    """Return the time now, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def read_moment(value: object) -> int | None:
    """Return a time in microseconds since 1970 UTC; None for what is none.

    value : a datetime, a text in the form of ISO 8601, or seconds since 1970; UTC where no distance from it is given
    """
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            value = _START + timedelta(seconds=value)
        if not isinstance(value, datetime):
            return None
        return ((value if value.tzinfo else value.replace(tzinfo=UTC)) - _START) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def read_events(folder: Path, since: Any = None) -> pl.DataFrame:
    """Return the events of a journal by time, those of one time in the order of the journal.

    since : the time of the first, as for `read_moment`; None takes all

    The columns are user and item, as they are spelled, weight, null where none was given, and time. Raises DataError
    where the folder holds no event, and for a line that is none, with its file and its number.
    """
    moment = None if since is None else read_moment(since)
    if since is not None and moment is None:
        raise ParameterError(
            f"since must be a time such as 2026-11-28T12:00:00Z, got {show(since)}", parameter="since", value=since
        )
    check_polars_threads()
    parts = [tabulate(read_lines(path), name_file(path)) for path in list_files(folder)]
    table = pl.concat(parts) if parts else pl.DataFrame(schema=_TYPES)
    if table.is_empty():
        raise DataError(f"{name_file(folder)} holds no journal of events" + " yet" * folder.is_dir(), path=folder)
    if moment is not None:
        table = table.filter(table["time"].dt.epoch("us") >= moment)
    if table.is_empty():
        raise DataError(f"the journal {name_file(folder)} holds no event since {since}", path=folder)
    return table.sort("time", maintain_order=True)


def tabulate(lines: bytes, label: str) -> pl.DataFrame:
    """Return the events in lines of a journal as `read_events` does, in their order.

    label : what the lines come from, for messages

    Raises DataError, which has the number of the line, from 1, for one that is no event.
    """
    table = _read_at_once(lines)
    return _read_one_by_one(lines, label) if table is None else table


def _read_at_once(lines: bytes) -> pl.DataFrame | None:
    """Return the events where all are spelled as `write_event` does, None where that is not sure."""
    try:
        texts = pl.read_ndjson(io.BytesIO(lines), schema=_TEXTS)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    for name in ("user", "item"):
        ids = texts[name]
        if len(find_missing(ids, keep_na=True)) or ids.str.contains(_NO_ID).any():
            return None
    weights = texts["weight"].cast(pl.Float64, strict=False)
    times = texts["time"].str.to_datetime(_TIME_FORMAT, time_unit="us", time_zone="UTC", strict=False)
    is_right = (weights == 0) | ((weights >= _SMALLEST_FLOAT) & (weights <= LARGEST_FLOAT))
    if weights.null_count() > texts["weight"].null_count() or not is_right.all() or _QUOTED_WEIGHT.search(lines):
        return None
    if times.null_count() or not texts["time"].str.contains(_TIME).all() or (times.dt.year() < 1).any():
        return None
    return texts.with_columns(weights, times)


def _read_one_by_one(lines: bytes, label: str) -> pl.DataFrame:
    rows = []
    for number, line in enumerate(lines.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(parse_event(line)[:4])
        except DataError as error:
            raise error.about(f"line {number} of {label}", "correct it or take it out") from None
    return pl.DataFrame(rows, schema=_TYPES, orient="row")


def _parse_line(line: bytes) -> Any:
    try:
        return json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise DataError(f"an event must be a JSON object, got {show(line.decode('utf-8', 'replace'))}") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _read_id(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if value is None:
        raise DataError(f"the event has no {name!r}", column=name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    # Of what JSON can spell, half a surrogate pair is no text.
    if not isinstance(value, str) or not value.strip() or (not value.isascii() and _is_broken(value)):
        raise DataError(f"the {name} of an event must be a text or a whole number, got {show(value)}", column=name)
    return value


def _is_broken(text: str) -> bool:
    return any("\ud800" <= mark <= "\udfff" for mark in text)


def _read_weight(value: object) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (value == 0 or _SMALLEST_FLOAT <= value <= LARGEST_FLOAT):  # type: ignore[operator]
        raise DataError(
            f"the weight of an event must be 0 or a number from {_SMALLEST_FLOAT:.2g} to {LARGEST_FLOAT:.2g}, got "
            f"{show(value)}",
            column="weight",
        )
    return float(value)  # type: ignore[arg-type]
