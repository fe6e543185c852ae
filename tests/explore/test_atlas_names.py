from __future__ import annotations

import numpy as np
import polars as pl

from tastemap.data.ids import IdMap
from tastemap.data.item_table import ItemTable
from tastemap.explore.atlas.names import Term, list_terms, name_regions

# Forty items a region: horror films of the 1970s, films for children, and dramas like those of all regions.
REGIONS = np.repeat(np.arange(3, dtype=np.int32), 40)
GENRES = ["Drama|Horror"] * 40 + ["Drama|Children"] * 40 + ["Drama"] * 40
TITLES = (
    [f"The {'Night' if n < 12 else 'Fog'[: n % 4]} of {n} (197{n % 10})" for n in range(40)]
    + [f"The {'Bear' if n < 12 else 'Cat'[: n % 4]} and {n} (199{n % 10})" for n in range(40)]
    + [f"The Something {chr(97 + n % 26) * 4} ({1950 + n})" for n in range(40)]
)


def make_table() -> tuple[ItemTable, IdMap]:
    items = IdMap(pl.Series(range(120)), "item")
    return ItemTable.from_frame(pl.DataFrame({"item": range(120), "genre": GENRES})), items


def test_regions_are_named_by_the_values_words_and_decades_that_they_have_more_often() -> None:
    table, items = make_table()
    terms = list_terms(np.arange(120), table.align(items), pl.Series(TITLES))
    regions = name_regions(REGIONS, terms, np.arange(120))
    assert [region.terms for region in regions] == [
        (Term("value", "Horror"), Term("decade", "1970"), Term("word", "night")),
        (Term("value", "Children"), Term("decade", "1990"), Term("word", "bear")),
        (),
    ]


def test_words_that_stand_with_any_word_name_nothing() -> None:
    terms = list_terms(np.arange(120), None, pl.Series(TITLES))
    assert not {"the", "and", "of"} & {term.text for term in terms.terms}


def test_the_members_of_a_region_begin_with_the_most_popular() -> None:
    terms = list_terms(np.arange(120), None, None)
    regions = name_regions(REGIONS, terms, np.arange(120))
    assert [region.members[0] for region in regions] == [39, 79, 119]
    assert [region.terms for region in regions] == [()] * 3


def test_two_regions_with_one_name_get_another_term_to_tell_them_apart() -> None:
    regions = np.repeat(np.arange(4, dtype=np.int32), 40)
    values = (
        ["Horror|Sea|Rain|Snow|Fish"] * 40 + ["Horror|Sea|Rain|Snow|Bird"] * 40 + ["Other"] * 80
    )  # fmt: skip
    items = IdMap(pl.Series(range(160)), "item")
    table = ItemTable.from_frame(pl.DataFrame({"item": range(160), "genre": values})).align(items)
    named = name_regions(regions, list_terms(np.arange(160), table, None), np.ones(160, np.int64))
    assert set(named[0].terms) != set(named[1].terms)


def test_a_column_of_years_becomes_decades_and_other_numbers_nothing() -> None:
    items = IdMap(pl.Series(range(6)), "item")
    frame = pl.DataFrame({"item": range(6), "year": [1991, 1992, 1999, 2001, 2002, 2003], "price": [1, 2, 3, 4, 5, 6]})
    terms = list_terms(np.arange(6), ItemTable.from_frame(frame).align(items), None)
    assert terms.terms == [Term("decade", "1990"), Term("decade", "2000")]
    assert terms.items.tolist() == [0, 1, 2, 3, 4, 5]
    assert terms.codes.tolist() == [0, 0, 0, 1, 1, 1]


def test_items_that_are_not_on_the_map_do_not_count() -> None:
    table, items = make_table()
    rows = np.arange(80, 120)
    terms = list_terms(rows, table.align(items), None)
    assert terms.terms == [Term("value", "Drama")]
    assert terms.items.tolist() == list(range(40))


def test_titles_that_are_missing_are_no_titles() -> None:
    terms = list_terms(np.arange(4), None, pl.Series(["Sea", None, "Sea", "Sea"]))
    assert terms.terms == [Term("word", "sea")]
    assert terms.items.tolist() == [0, 2, 3]
