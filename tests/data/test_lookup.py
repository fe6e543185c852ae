"""What a table says of items."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd
import polars as pl
import pytest

from tastemap.data._lookup import as_texts, look_up
from tastemap.data.ids import IdMap
from tastemap.errors import DataError

ITEMS = IdMap([7, 3, 9, 4], "film")
FILMS = {"film": [3, 8, 7, 3, None], "title": ["Three", "Eight", "Seven", "Again", "Nobody"], "year": [1, 2, 3, 4, 5]}


def test_ids_get_their_first_row_and_absent_ids_get_nulls() -> None:
    found = look_up(ITEMS, pl.Series([4, 3, 7, 3]), FILMS)
    assert found.columns == ["title", "year"]
    assert found.rows() == [(None, None), ("Three", 1), ("Seven", 3), ("Three", 1)]


@pytest.mark.parametrize("columns", ["year", ["year"], ["year", "year"]])
def test_columns_may_be_named(columns: Any) -> None:
    found = look_up(ITEMS, pl.Series([7]), pd.DataFrame(FILMS).dropna().astype({"film": int}), columns=columns)
    assert found.to_dict(as_series=False) == {"year": [3]}


def test_the_column_of_ids_may_have_another_name_and_may_be_asked_for() -> None:
    table = pl.DataFrame(FILMS).rename({"film": "movie_id"})
    assert look_up(ITEMS, pl.Series([7]), table, "movie_id", ["movie_id", "title"]).rows() == [(7, "Seven")]
    assert look_up(ITEMS, pl.Series([7]), table.select("movie_id"), "movie_id").is_empty()
    with pytest.raises(DataError, match="there is no column 'film', only 'movie_id', 'title', 'year'"):
        look_up(ITEMS, pl.Series([7]), table)


def test_a_table_of_other_items_is_refused() -> None:
    with pytest.raises(DataError, match="the column 'film' names no item of the model: it has 1, 2, the model 7, 3, 9"):
        look_up(ITEMS, pl.Series([7]), {"film": [1, 2], "title": ["a", "b"]})


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pl.Series(["a", None]), ["a", None]),
        (pl.Series([1, None]), ["1", None]),
        (pl.Series([0.5, float("nan")]), ["0.5", None]),
        (pl.Series([True, False]), ["true", "false"]),
        (pl.Series([date(2010, 12, 31)]), ["2010-12-31"]),
        (pl.Series([["a", "b"], [], None]), ["a|b", "", None]),
        (pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)), ["1|2"]),
        (pl.Series(["a"], dtype=pl.Categorical), ["a"]),
    ],
)
def test_a_column_becomes_texts(column: pl.Series, texts: list[Any]) -> None:
    assert as_texts(column).to_list() == texts


@pytest.mark.parametrize("values", [[b"a"], [timedelta(1)], [{"a": 1}], [[[1]]]])
def test_a_column_that_is_not_text_is_refused(values: list[Any]) -> None:
    with pytest.raises(DataError, match=r"column 'x' holds .*, which is no text: leave it out"):
        as_texts(pl.Series("x", values))
