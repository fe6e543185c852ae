from __future__ import annotations

import numpy as np
import polars as pl

from tastemap.data.ids import IdMap
from tastemap.data.item_table import AlignedTable, ItemTable
from tastemap.explore.numbers import Numbers
from tastemap.explore.shades import COLOURS, OTHERS, find_start, list_columns, shade_column, shade_regions


def align(**columns: list[object]) -> AlignedTable:
    n = len(next(iter(columns.values())))
    table = ItemTable.from_frame(pl.DataFrame({"item": range(n), **columns}))
    return table.align(IdMap(pl.Series(range(n)), "item"))


def test_the_ten_most_frequent_values_have_colours_and_the_rest_is_grey() -> None:
    values = [letter for place, letter in enumerate("abcdefghijkl") for _ in range(12 - place)]
    shades = shade_column(np.arange(len(values)), align(kind=values).column("kind"), Numbers())
    assert shades.names == [*"abcdefghij", "others"]
    assert shades.colours == [*COLOURS, OTHERS]
    assert np.bincount(shades.codes).tolist() == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2 + 1]


def test_of_several_values_the_first_frequent_one_counts() -> None:
    table = align(genre=["Comedy|Drama", "Drama|Comedy", "Drama", None])
    shades = shade_column(np.arange(4), table.column("genre"), Numbers())
    assert [shades.names[code] for code in shades.codes] == ["Comedy", "Drama", "Drama", "others"]


def test_numbers_have_six_classes_with_as_many_items_and_years_no_commas() -> None:
    table = align(year=list(range(1960, 1996)), price=[1000.0 * n for n in range(1, 37)])
    years = shade_column(np.arange(36), table.column("year"), Numbers())
    assert years.names[:2] == ["1960 to 1965", "1966 to 1971"]
    assert years.names[-1] == "unknown"
    assert np.bincount(years.codes, minlength=7).tolist() == [6, 6, 6, 6, 6, 6, 0]
    assert len(set(years.colours)) == 7
    prices = shade_column(np.arange(36), table.column("price"), Numbers())
    assert prices.names[0] == "1,000 to 6,000"


def test_items_without_a_number_are_grey() -> None:
    shades = shade_column(np.arange(4), align(year=[1990, None, 1991, 1990]).column("year"), Numbers())
    assert [shades.names[code] for code in shades.codes] == ["1990", "unknown", "1991", "1990"]


def test_dates_are_written_as_dates() -> None:
    table = align(day=pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 6), eager=True).to_list())
    assert shade_column(np.arange(6), table.column("day"), Numbers()).names[0] == "2020-01-01"


def test_only_the_items_of_the_map_count() -> None:
    shades = shade_column(np.array([1, 3]), align(kind=["a", "b", "a", "b", "a"]).column("kind"), Numbers())
    assert shades.names == ["b", "others"]
    assert shades.codes.tolist() == [0, 0]


def test_columns_whose_values_are_all_different_colour_nothing() -> None:
    table = align(title=[f"Film {n}" for n in range(20)], genre=["A", "B"] * 10, year=list(range(20)))
    assert list_columns(table) == ["genre", "year"]
    assert find_start(table) == "genre"
    assert find_start(None) is None


def test_regions_have_the_colours_in_turn() -> None:
    shades = shade_regions(np.arange(12, dtype=np.int32), [str(n) for n in range(12)])
    assert shades.colours[:2] == shades.colours[10:] == list(COLOURS[:2])
