"""Moments and durations in the unit of times."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tastemap.data.clock import Clock
from tastemap.errors import ParameterError

SECONDS, MILLISECONDS, DATES, NUMBERS = Clock(1, False), Clock(1000, False), Clock(1_000_000, True), Clock(None, False)


@pytest.mark.parametrize(
    ("time", "kind", "clock"),
    [
        ([1_700_000_000, 1_100_000_000], pl.Int64(), SECONDS),
        ([1_700_000_000.5], pl.Float64(), SECONDS),
        ([1_700_000_000_000], pl.Int64(), MILLISECONDS),
        ([0, 1_700_000_000], pl.Int64(), NUMBERS),
        ([1_700_000_000, 1_700_000_000_000], pl.Int64(), NUMBERS),
        ([2020, 2021], pl.Int64(), NUMBERS),
        ([], pl.Int64(), NUMBERS),
        ([5], pl.Date(), DATES),
        ([5], pl.Datetime("us", "UTC"), DATES),
        (None, None, NUMBERS),
    ],
)
def test_numbers_are_seconds_or_milliseconds_where_all_can_be(time: Any, kind: Any, clock: Clock) -> None:
    assert Clock.of(None if time is None else np.array(time), kind) == clock


def test_a_moment_is_in_the_unit_of_the_times() -> None:
    for moment in ("2020-01-02", date(2020, 1, 2), datetime(2020, 1, 2), "2020-01-02T01:00+01:00"):
        assert SECONDS.read_moment(moment, "now") == 1_577_923_200
        assert MILLISECONDS.read_moment(moment, "now") == 1_577_923_200_000
        assert DATES.read_moment(moment, "now") == 1_577_923_200_000_000
    assert SECONDS.read_moment(10**30, "now") == 1e30
    assert NUMBERS.read_moment(7, "now") == SECONDS.read_moment(7, "now") == 7


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("30d", 30 * 86_400),
        ("1w", 7 * 86_400),
        ("12h", 43_200),
        ("30m", 1_800),
        ("1d12h", 129_600),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        (timedelta(hours=1), 3_600),
    ],
)
def test_a_duration_is_in_the_unit_of_the_times(duration: Any, seconds: float) -> None:
    for clock in (SECONDS, MILLISECONDS, DATES):
        assert clock.read_duration(duration, "half_life") == seconds * clock.ticks
    assert NUMBERS.read_duration(2.5, "half_life") == SECONDS.read_duration(2.5, "half_life") == 2.5


@pytest.mark.parametrize(
    ("clock", "duration", "message"),
    [
        (
            SECONDS,
            "30 days",
            "half_life must be such as '30d' or '12h', a timedelta or a number of units, got '30 days'",
        ),
        (SECONDS, "1mo", "half_life must be such as '30d'"),
        (SECONDS, "", "half_life must be such as '30d'"),
        (SECONDS, None, "half_life must be such as '30d'"),
        (SECONDS, True, "half_life must be such as '30d'"),
        (SECONDS, 0, "half_life must be above 0 and finite, got 0"),
        (SECONDS, float("nan"), "half_life must be above 0 and finite, got nan"),
        (SECONDS, 10**400, "half_life must be above 0 and finite, got 1000"),
        (SECONDS, "9" * 400 + "d", "half_life must be above 0 and finite, got '999"),
        (SECONDS, "0d", "half_life must be above 0 and finite, got '0d'"),
        (SECONDS, timedelta(-1), "half_life must be above 0 and finite, got"),
        (DATES, 30, "half_life must be such as '30d', because the times are dates, got 30"),
        (NUMBERS, "30d", "half_life must be a number, because the times are numbers of an unknown unit"),
    ],
)
def test_what_is_no_duration_is_refused(clock: Clock, duration: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        clock.read_duration(duration, "half_life")


@pytest.mark.parametrize(
    ("clock", "moment", "message"),
    [
        (DATES, 5, "now must be a date, a datetime or an ISO string as the times are, got 5"),
        (DATES, "soon", "now must be an ISO date or datetime, got 'soon'"),
        (SECONDS, 10**400, "now must be a finite number as the times are, got 1000"),
        (NUMBERS, "2020-01-01", "now must be a number as the times are, got '2020-01-01'"),
        (SECONDS, None, "now must be a date, a datetime or an ISO string as the times are, got None"),
        (SECONDS, float("inf"), "now must be a finite number as the times are, got inf"),
    ],
)
def test_what_is_no_moment_is_refused(clock: Clock, moment: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        clock.read_moment(moment, "now")


def test_a_moment_is_written_as_a_date_where_it_is_one() -> None:
    assert SECONDS.format(1_577_923_200) == DATES.format(1_577_923_200_000_000) == "2020-01-02"
    assert NUMBERS.format(12_345) == "12,345"
    assert datetime(2020, 1, 2, tzinfo=UTC).timestamp() == 1_577_923_200
