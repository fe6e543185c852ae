from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
from tastemap.data.conditions import read_conditions

ITEMS = tm.IdMap(["a", "b", "c", "d", "e"], "item")
FRAME = pl.DataFrame(
    {
        "item": ["d", "c", "b", "a", "unknown"],
        "genre": ["Drama", None, " Comedy| Drama ", "Horror", "Western"],
        "year": [1990, 2001, None, 1985, 1990],
        "price": [1.5, float("nan"), 2.0, 0.5, 9.0],
        "added": [date(2020, 1, 1), date(2021, 6, 1), None, date(2020, 1, 2), None],
        "adult": [False, True, False, None, None],
        "tags": [[1, 2], [], [2], None, [3]],
        "cast": [[["x"]], None, None, None, None],
    }
)
TABLE = tm.ItemTable.from_frame(FRAME)


def choose(where: Any, table: tm.ItemTable = TABLE) -> str:
    """Return the chosen items, one letter each."""
    return "".join(np.array(list(ITEMS))[table.align(ITEMS).select(where)])


@pytest.mark.parametrize(
    ("where", "chosen"),
    [
        ("genre=Drama", "bd"),
        ("genre=Drama|Horror", "abd"),
        ("genre!=Drama", "ace"),
        (" genre = Comedy | Horror ", "ab"),
        ("year>=1990", "cd"),
        ("year>1990", "c"),
        ("year<=1990", "ad"),
        ("year<1990.5", "ad"),
        ("year=1990", "d"),
        ("year!=1990", "abce"),
        ("year>=1e3", "acd"),
        ("price>=1", "bd"),
        ("price=2", "b"),
        ("added>=2020-01-02", "ac"),
        ("added>2021-06-01T00:00:00", ""),
        ("added=2020-01-01", "d"),
        ("adult=true", "c"),
        ("adult!=True", "abde"),
        ("tags=2", "bd"),
        ("tags<=1", "d"),
        ({"genre": "Drama"}, "bd"),
        ({"genre": ["Drama", "Horror"], "year>=": 1986}, "d"),
        ({"genre!=": {"Drama", "Horror"}}, "ce"),
        ({"year": np.array([1990, 2001])}, "cd"),
        ({"year": pl.Series([1990, 2001])}, "cd"),
        (("genre", "=", ["Drama", "Comedy"]), "bd"),
        (("added", "<", datetime(2020, 1, 1, 12, tzinfo=UTC)), "d"),
        (("adult", "=", False), "bd"),
        (tm.Condition("year", ">", (1990,)), "c"),
        (["genre=Drama", "year>=1980", {"adult": False}], "d"),
        (["genre=Drama", "genre=Horror"], ""),
        ([], "abcde"),
        (None, "abcde"),
    ],
)
def test_conditions_choose_items(where: Any, chosen: str) -> None:
    assert choose(where) == chosen


def test_equal_filters_are_equal() -> None:
    one = read_conditions(["genre=Drama|Comedy", "year>=1990"])
    assert one == read_conditions([("year", ">=", "1990"), {"genre": ["Comedy", "Drama", "Comedy"]}, "year>=1990"])
    assert len({one, read_conditions(list(one))}) == 1
    assert [str(condition) for condition in one] == ["genre=Comedy|Drama", "year>=1990"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("genre=drama", "no item has 'drama' in column 'genre'; did you mean 'Drama'?"),
        ("genre=Jazz", "no item has 'Jazz' in column 'genre': it has 'Comedy', 'Drama', 'Horror', 'Western'"),
        ("year=1991", "no item has '1991' in column 'year': it goes from 1985 to 2001"),
        ("added=2022-01-01", "in column 'added': it goes from 2020-01-01T00:00:00 to 2021-06-01T00:00:00"),
        ("genres=Drama", "the items have no column 'genres', only .*; did you mean 'genre'?"),
        ("item=a", "the items have no column 'item'"),
        ("cast=x", "column 'cast' holds List.*, which items cannot be chosen by"),
        ("year=new", "column 'year' holds numbers, and 'new' is none of these"),
        ("year>=nan", "column 'year' holds numbers, and 'nan' is none of these"),
        ("year>=1_990", "column 'year' holds numbers"),
        (("year", ">", True), "column 'year' holds numbers, and True is none of these"),
        ("added>=1990", "column 'added' holds dates, such as 1990-12-31, and '1990' is none of these"),
        ("adult=1", "column 'adult' holds True and False, and '1' is none of these"),
        ({"genre": 3}, "column 'genre' holds texts, and 3 is none of these"),
        ("genre>Drama", "column 'genre' holds texts, which > does not compare: use = or !="),
        ("adult>false", "column 'adult' holds True and False, which > does not compare"),
        ("year>=1990|2000", r"column 'year' holds numbers, and '1990\|2000' is none of these"),
        (("year", ">=", [1990, 2000]), ">= in the condition on 'year' takes one value"),
        ("genre", "'genre' is no condition: write it as"),
        ("=Drama", "'=Drama' is no condition"),
        ("genre=|", "is no condition"),
        ({"genre": []}, "the condition on 'genre' has no value"),
        ({"genre": {"a": 1}}, "needs a value or a list of values"),
        ({3: "a"}, "a condition must name a column, got 3"),
        ({"genre": None}, "None in the condition on 'genre' is no text, number or date"),
        ({"year>=": float("nan")}, "nan in the condition on 'year' is no text, number or date"),
        (tm.Condition, "where must be conditions such as"),
        (3, "where must be conditions such as 'genre=Drama', got 3"),
        ([["genre=Drama"]], "where must not hold a list within a list"),
    ],
)
def test_what_is_no_condition_is_refused_in_a_sentence(where: Any, message: str) -> None:
    with pytest.raises((tm.ParameterError, tm.DataError), match=message):
        choose(where)
    with pytest.raises(tm.ParameterError, match="the sign of a condition must be one of"):
        tm.Condition("genre", "~", ("a",))  # type: ignore[arg-type]


def test_limits_hold_the_values_of_each_item() -> None:
    starts, values, most = TABLE.align(ITEMS).limit({"genre": 2, "year": 1})
    assert starts.tolist() == [0, 2, 4, 5, 7, 7]
    assert most.tolist() == [2, 2, 2, 2, 1, 1, 1]  # four genres, three years
    assert [sorted(values[a:b].tolist()) for a, b in pairwise(starts)] == [
        [2, 4],
        [0, 1],
        [6],
        [1, 5],
        [],
    ]
    for at_most, message in (({"genre": 0}, "at least 1, got 0"), ({"genre": 1.5}, "whole"), (3, "by column")):
        with pytest.raises(tm.ParameterError, match=message):
            TABLE.align(ITEMS).limit(at_most)  # type: ignore[arg-type]
    with pytest.raises(tm.DataError, match=r"no column 'gener', only .*did you mean 'genre'"):
        TABLE.align(ITEMS).limit({"gener": 1})


def test_a_table_is_aligned_once() -> None:
    table = tm.ItemTable.from_frame(FRAME.to_dict(as_series=False))
    aligned = table.align(ITEMS)
    assert table.align(ITEMS) is aligned
    assert choose("genre=Drama", table) == "bd"
    assert repr(table).startswith("ItemTable: 5 items by 'item', with 'genre', 'year'")
    assert table.columns[-1] == "cast"


def test_texts_may_be_one_value() -> None:
    table = tm.ItemTable.from_frame(FRAME, separator=None)
    assert choose({"genre": "Comedy| Drama"}, table) == "b"
    assert choose("genre=Drama", table) == "d"


def test_whole_numbers_compare_to_the_last_digit() -> None:
    table = tm.ItemTable.from_frame({"item": ["a", "b", "c"], "n": [2**53, 2**53 + 1, 2**63 - 1]})
    assert choose(f"n>{2**53}", table) == "bc"
    assert choose(f"n={2**53 + 1}", table) == "b"
    assert choose(f"n<{10**30}", table) == "abc"
    assert choose("n<1e999", table) == "abc"


def test_all_types_of_columns_are_read() -> None:
    frame = pl.DataFrame({"item": ["a", "b", "c"]}).with_columns(
        small=pl.Series([1, 2, None], dtype=pl.UInt8),
        exact=pl.Series(["1.50", "2.25", None]).str.to_decimal(scale=2),
        category=pl.Series(["x", "y", "x"], dtype=pl.Categorical),
        zoned=pl.Series([datetime(2020, 1, 1, hour, tzinfo=UTC) for hour in range(3)]).dt.convert_time_zone(
            "Asia/Tokyo"
        ),
        nothing=pl.Series([None, None, None]),
        pair=pl.Series([["p", "q"], ["q", "q"], [None, "p"]], dtype=pl.Array(pl.String, 2)),
        gap=pl.Series([1, 2, 3], dtype=pl.Duration),
    )
    table = tm.ItemTable.from_frame(frame)
    assert choose("small>1", table) == "b"
    assert choose("exact=2.25", table) == "b"
    assert choose("category=x", table) == "ac"
    assert choose("zoned>=2020-01-01T10:00:00+09:00", table) == "bc"
    assert choose("pair=p", table) == "ac"
    for where, message in (("nothing=1", "in column 'nothing': it is empty"), ("gap=1", "'gap' holds Duration")):
        with pytest.raises((tm.ParameterError, tm.DataError), match=message):
            choose(where, table)
    assert choose({"small": 1}, table) == "a"
    with pytest.raises(tm.ParameterError, match="True is none of these"):  # though it equals 1
        choose({"small": True}, table)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"item": ["a", "a"], "x": [1, 2]}, "ids must be distinct, but 'item' repeats 'a'"),
        ({"item": ["a", None], "x": [1, 2]}, "column 'item' has no id in row 1"),
        ({"items": ["a"]}, "there is no column 'item'"),
        ({"item": ["z"], "x": [1]}, "the column 'item' names no item of the model"),
        ({"item": [1], "x": [1]}, "never cast"),
        ("genre", "cannot read a str as a frame"),
    ],
)
def test_odd_tables_are_refused_in_a_sentence(frame: Any, message: str) -> None:
    with pytest.raises((tm.DataError, tm.UnknownIdError), match=message):
        tm.ItemTable.from_frame(frame).align(ITEMS)
