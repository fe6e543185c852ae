from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from tastemap.data.sources.dates import parse_times
from tastemap.errors import DataError


@pytest.mark.parametrize(
    "text",
    [
        ["2010-12-01T08:26:00", "2010-12-31T00:00:00"],
        ["2010-12-01 08:26", "2010-12-31 00:00"],
        ["12/1/2010 8:26", "12/31/2010 0:00"],
        ["1/12/2010 8:26", "31/12/2010 0:00"],
        ["01.12.10 08:26:00", "31.12.10 00:00:00"],
        ["12-01-2010 08:26", "12-31-2010 00:00"],
    ],
)
def test_the_order_of_day_and_month_is_the_one_that_suits_every_row(text: list[str]) -> None:
    times = parse_times(pl.Series("at", [None, *text]), "orders.csv")
    assert times.to_list() == [None, datetime(2010, 12, 1, 8, 26), datetime(2010, 12, 31)]


def test_dates_need_no_clock() -> None:
    assert parse_times(pl.Series(["31.12.2010"]), "").to_list() == [datetime(2010, 12, 31)]


def test_dates_that_suit_both_orders_are_refused() -> None:
    with pytest.raises(DataError, match=r"^o\.csv: column 'at' may be read by .*, such as '1/2/2010' in row 1: write"):
        parse_times(pl.Series("at", ["2/2/2010", "1/2/2010"]), "o.csv")
    # On these days both orders mean the same.
    assert parse_times(pl.Series(["2/2/2010", "3/3/2010"]), "")[0] == datetime(2010, 2, 2)


@pytest.mark.parametrize("text", ["yesterday", "12/2010", "13/13/2010", "1 Dec 2010", "2010-13-01"])
def test_other_text_is_named(text: str) -> None:
    with pytest.raises(DataError, match=f"holds text that is no date or time, '{text}' in row"):
        parse_times(pl.Series("at", ["31/12/2010", text]), "")
    with pytest.raises(DataError, match=f"holds text that is no date or time, '{text}' in row 0"):
        parse_times(pl.Series("at", [text]), "")
