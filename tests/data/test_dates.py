from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import tastemap as tm
from tastemap.data.dates import parse_times
from tastemap.errors import DataError


@pytest.mark.parametrize(
    "text",
    [
        ["2010-12-01T08:26:00", "2010-12-31T00:00:00"],
        ["2010-12-01 08:26", "2010-12-31 00:00"],
        ["2010/12/1 8:26", "2010/12/31"],
        ["20101201T08:26:00", "20101231 00:00"],
        ["12/1/2010 8:26", "12/31/2010 0:00"],
        ["1/12/2010 8:26", "31/12/2010 0:00"],
        ["12/1/2010 8:26 AM", "12/31/2010 12:00:00 am"],
        ["01.12.10 08:26:00", "31.12.10 00:00:00"],
        ["12-01-2010 08:26", "12-31-2010 00:00"],
        ["01-Dec-2010 08:26", "31-DEC-2010"],
        ["1 December 2010, 08:26", "31 Dec 10"],
        ["Dec 1, 2010 8:26AM", "December 31, 2010"],
        ["12 01, 2010 08:26", "12 31, 2010"],
        ["Wed Dec  1 08:26:00 2010", "Dec 31 00:00:00 2010"],
        ["Monday, 1 Dec 2010 08:26:00.000", "31 Dec 2010 00:00"],
    ],
)
def test_the_order_of_day_and_month_is_the_one_that_suits_every_row(text: list[str]) -> None:
    times = parse_times(pl.Series("at", [None, *text]))
    assert times.to_list() == [None, datetime(2010, 12, 1, 8, 26), datetime(2010, 12, 31)]


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28 16:04:25 UTC",
        "2026-11-28T16:04:25Z",
        "2026-11-28T16:04:25.000000Z",
        "2026-11-28 16:04:25+00:00",
        "2026-11-28 18:04:25 +0200",
        "Sat, 28 Nov 2026 16:04:25 GMT",
        "28 Nov 2026 11:04:25 -0500",
        "28/Nov/2026:17:04:25 +0100",
        "Sat Nov 28 16:04:25 +0000 2026",
        "Sat Nov 28 16:04:25 UTC 2026",
    ],
)
def test_times_with_a_distance_from_utc_are_in_utc(text: str) -> None:
    assert parse_times(pl.Series([text, None])).to_list() == [datetime(2026, 11, 28, 16, 4, 25, tzinfo=UTC), None]


def test_times_with_and_without_a_distance_are_not_mixed() -> None:
    texts = ["2026-11-28 16:04:25", "2026-11-28 16:04:25Z", "2026-11-28 16:04:25+01:00"]
    with pytest.raises(DataError, match=r"^column 'at' has times .*UTC, '.*25Z' in row 1, .*, '.*25' in row 0: write"):
        parse_times(pl.Series("at", texts))


def test_numbers_in_texts_stay_numbers() -> None:
    assert parse_times(pl.Series(["1341100800", None])).to_list() == [1341100800, None]
    assert parse_times(pl.Series(["1341100800000"])).to_list() == [1341100800000]
    assert parse_times(pl.Series(["1341100800.25", "7"])).to_list() == [1341100800.25, 7.0]


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical])
def test_texts_in_frames_are_read_as_those_in_files(kind: pl.DataType, tmp_path: Path) -> None:
    texts = ["13/12/2010 8:26 PM", "1/12/2010 9:00 AM"]
    frame = pl.DataFrame({"user": [1, 2], "item": [5, 6], "at": texts}, schema_overrides={"at": kind})
    path = tmp_path / "times.csv"
    frame.write_csv(path)
    for data in (tm.Interactions.from_frame(frame, time="at"), tm.Interactions.from_file(path, time="at")):
        assert data.to_frame()["at"].to_list() == [datetime(2010, 12, 13, 20, 26), datetime(2010, 12, 1, 9)]


def test_dates_need_no_clock() -> None:
    assert parse_times(pl.Series(["31.12.2010"])).to_list() == [datetime(2010, 12, 31)]


def test_dates_that_suit_both_orders_are_refused() -> None:
    with pytest.raises(DataError, match=r"^column 'at' may be read by .*, such as '1/2/2010' in row 1: write"):
        parse_times(pl.Series("at", ["2/2/2010", "1/2/2010"]))
    # On these days both orders mean the same.
    assert parse_times(pl.Series(["2/2/2010", "3/3/2010"]))[0] == datetime(2010, 2, 2)


@pytest.mark.parametrize(
    "text", ["yesterday", "12/2010", "13/13/2010", "1 Foo 2010", "2010-13-01", "1/2/2010 8:26 EST"]
)
def test_other_text_is_named(text: str) -> None:
    with pytest.raises(DataError, match=f"holds text that is no date or time, '{text}' in row 1"):
        parse_times(pl.Series("at", ["31/12/2010", text]))
    with pytest.raises(DataError, match=f"holds text that is no date or time, '{text}' in row 0"):
        parse_times(pl.Series("at", [text]))


def test_milliseconds_are_shown_as_days() -> None:
    data = tm.Interactions.from_frame({"user": [1], "item": [2], "at": [1433221332117]}, time="at")
    assert repr(data).endswith(", 2015-06-02 to 2015-06-02")
    assert data.to_frame()["at"].to_list() == [1433221332117]
