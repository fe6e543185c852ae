"""The unit of times, and moments and durations in it."""

from __future__ import annotations

import re
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tastemap.errors import DataError, ParameterError, Remedy, show
from tastemap.typing import Array

Moment = int | float | str | date | datetime
Duration = int | float | str | timedelta

_MICROSECONDS = 1_000_000
_START = datetime(1970, 1, 1, tzinfo=UTC)
# Numbers between these are seconds, or milliseconds, since 1970: the years 1980 to 2100.
_FIRST_SECOND, _LAST_SECOND = 315_532_800, 4_102_444_800
_UNITS = {1: "seconds since 1970", 1_000: "milliseconds since 1970", _MICROSECONDS: "dates"}
# Seconds of polars' words for durations of a fixed length.
_WORDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_LARGEST = sys.float_info.max
_NUMBER = r"-?\d+(?:\.\d+)?"
_DURATION = r"(?:\d+(?:\.\d+)?(?:us|ms|s|m|h|d|w))+"


class Clock(NamedTuple):
    """The unit of times.

    ticks : how many units make a second; None where that is not known
    is_dated : whether the times are dates or datetimes, in microseconds since 1970 UTC
    """

    ticks: int | None
    is_dated: bool

    @classmethod
    def of(cls, time: Array | None, kind: pl.DataType | None) -> Clock:
        """Return the unit of times of a type in frames: numbers are seconds or milliseconds where all can be that."""
        if isinstance(kind, pl.Date | pl.Datetime):
            return cls(_MICROSECONDS, True)
        if time is not None and len(time):
            low, high = time.min(), time.max()
            for ticks in (1, 1_000):
                if _FIRST_SECOND * ticks <= low and high < _LAST_SECOND * ticks:
                    return cls(ticks, False)
        return cls(None, False)

    @property
    def takes_dates(self) -> bool:
        """Whether a date is a moment in this unit."""
        return self.ticks is not None

    def read_moment(self, moment: Any, argument: str) -> Any:
        """Return a moment in this unit.

        moment : a date, a datetime or an ISO text, in UTC unless it names its zone; a number where times are numbers

        Raises ParameterError for anything else.
        """
        if _is_number(moment):
            if self.is_dated or not abs(moment) <= _LARGEST:  # of NaN too
                way = "a date, a datetime or an ISO string" if self.is_dated else "a finite number"
                raise _make_error(f"{argument} must be {way} as the times are", argument, moment)
            return moment if abs(moment) < 1 << 63 else float(moment)
        if not isinstance(moment, str | date) or not self.takes_dates:
            way = "a date, a datetime or an ISO string" if self.takes_dates else "a number"
            raise _make_error(f"{argument} must be {way} as the times are", argument, moment)
        if isinstance(moment, str):
            try:
                moment = datetime.fromisoformat(moment)
            except ValueError:
                raise _make_error(f"{argument} must be an ISO date or datetime", argument, moment) from None
        if not isinstance(moment, datetime):
            moment = datetime(moment.year, moment.month, moment.day)
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _START
        microseconds = (since.days * 86_400 + since.seconds) * _MICROSECONDS + since.microseconds
        return microseconds if self.is_dated else microseconds / (_MICROSECONDS // int(self.ticks or 1))

    def read_duration(self, duration: Any, argument: str) -> float:
        """Return a duration above 0 in this unit.

        duration : a text such as "30d", "12h" or "1d12h", of w, d, h, m for minutes, s, ms and us; a timedelta; or a
            number of units where times are numbers

        Raises ParameterError for anything else.
        """
        if _is_number(duration):
            if self.is_dated:
                raise _make_error(f"{argument} must be such as '30d', because the times are dates", argument, duration)
            return _check_positive(duration, argument, duration)
        if isinstance(duration, timedelta):
            seconds = duration.total_seconds()
        elif isinstance(duration, str) and re.fullmatch(_DURATION, duration):
            seconds = sum(float(n) * _WORDS[word] for n, word in re.findall(r"([\d.]+)([a-z]+)", duration))
        else:
            rule = "must be such as '30d' or '12h', a timedelta" + ("" if self.is_dated else " or a number of units")
            raise _make_error(f"{argument} {rule}", argument, duration)
        if self.ticks is None:
            raise _make_error(
                f"{argument} must be a number, because the times are numbers of an unknown unit, no seconds since 1970",
                argument,
                duration,
            )
        return _check_positive(seconds * self.ticks, argument, duration)

    def read_since(self, since: Any, latest: Any, argument: str) -> Any:
        """Return the moment that a moment is, as `read_moment` takes it, or a duration before the latest time.

        Durations are those of `read_duration`, but no numbers, which are moments; a number may be a text too.
        """
        if isinstance(since, timedelta) or (isinstance(since, str) and re.fullmatch(_DURATION, since)):
            return latest - self.read_duration(since, argument)
        if isinstance(since, str) and not self.is_dated and re.fullmatch(_NUMBER, since):
            since = float(since)
        return self.read_moment(since, argument)

    def can_take(self, other: Clock) -> bool:
        """Return whether times in another unit can be put into this one."""
        if self.is_dated or other.is_dated:
            return self.ticks is not None and other.ticks is not None
        return self.ticks == other.ticks or None in (self.ticks, other.ticks)

    def take(self, time: Array, other: Clock) -> Array:
        """Return times of another unit in this one: dates as seconds or milliseconds since 1970, and the reverse.

        Numbers of an unknown unit are taken to be of the same unit as other numbers. Raises DataError where `can_take`
        says no.
        """
        if not self.can_take(other):
            raise DataError(
                f"the times are {_name(other)}, and those known are {_name(self)}",
                Remedy("bring all times in one unit", "time", ...),
            )
        if self.ticks is None or other.ticks is None or self.ticks == other.ticks:
            return time
        if self.ticks > other.ticks:
            return (time * (self.ticks // other.ticks)).astype(np.int64)
        return time // (other.ticks // self.ticks)

    def format(self, value: Any) -> str:
        """Return a time as text: its date, where that is known."""
        if self.ticks is None:
            return f"{value:,}"
        return str(datetime.fromtimestamp(int(value / self.ticks), UTC).date())


def _name(clock: Clock) -> str:
    return "numbers of an unknown unit" if clock.ticks is None else _UNITS[clock.ticks]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _check_positive(value: float, argument: str, given: Any) -> float:
    if not 0 < value <= _LARGEST:
        raise _make_error(f"{argument} must be above 0 and finite", argument, given)
    return float(value)


def _make_error(problem: str, argument: str, value: Any) -> ParameterError:
    return ParameterError(f"{problem}, got {show(value)}", parameter=argument, value=value)
