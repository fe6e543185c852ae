from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tastemap.data._spelling import MISSING, find_missing, parse_number, read_ids, respell_ids


@pytest.mark.parametrize(
    ("texts", "ids", "dtype"),
    [
        (["7", "0", "-5"], [7, 0, -5], pl.Int64),
        (["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)], pl.Int64),
        (["18446744073709551615", "0"], [2**64 - 1, 0], pl.UInt64),
        (["7", None], [7, None], pl.Int64),
    ],
)
def test_usual_spellings_are_numbers(texts: list[Any], ids: list[Any], dtype: Any) -> None:
    read = read_ids(pl.Series("user", texts))
    assert (read.to_list(), read.dtype, read.name) == (ids, dtype, "user")


@pytest.mark.parametrize(
    "other", ["007", "-0", "+7", " 7", "7 ", "7.0", "7e5", "7_000", "0x7", "７", "--7", "18446744073709551616", "a"]
)
def test_one_other_spelling_leaves_all_ids_texts(other: str) -> None:
    texts = pl.Series([str(number) for number in range(20_000)] + [other])
    assert read_ids(texts).equals(texts)
    assert read_ids(texts, drop_nulls=True).equals(texts)


def test_numbers_of_both_signs_beyond_64_bits_stay_texts() -> None:
    assert read_ids(pl.Series(["18446744073709551615", "-1"])).to_list() == ["18446744073709551615", "-1"]


@pytest.mark.parametrize("word", ["", "  ", " " * 20, "\t", " NA ", *MISSING])
def test_what_stands_for_a_missing_id_is_found(word: str) -> None:
    numbers, names = pl.Series(["1", word, "3", None]), pl.Series(["Ann", word, "Nancy", None])
    assert find_missing(numbers).to_list() == find_missing(names).to_list() == [1, 3]
    assert find_missing(names, keep_na=True).to_list() == ([3] if word.strip() else [1, 3])
    assert read_ids(numbers, drop_nulls=True).to_list() == [1, None, 3, None]
    assert read_ids(names, drop_nulls=True).to_list() == ["Ann", None, "Nancy", None]
    # Where no row is left out, an error can show the word.
    assert read_ids(numbers).to_list() == numbers.to_list() == ["1", word, "3", None]


def test_missing_ids_of_other_types_are_nulls_alone() -> None:
    assert find_missing(pl.Series([1, None])).to_list() == [1]
    assert find_missing(pl.Series([None, None])).to_list() == [0, 1]


def test_ids_take_the_type_of_others_where_they_are_spelled_so() -> None:
    assert respell_ids(pl.Series(["7", "007", "NA", None]), pl.Int64()).to_list() == [7, None, None, None]
    assert respell_ids(pl.Series([7, -1]), pl.String()).to_list() == ["7", "-1"]
    assert respell_ids(pl.Series([7, -1]), pl.UInt64()).to_list() == [7, None]
    assert respell_ids(pl.Series(["007"]), pl.String()).to_list() == ["007"]
    assert (parse_number("007"), parse_number("+7"), parse_number("7\n")) == (None, None, None)
    assert (parse_number("7"), parse_number("-12"), parse_number("0")) == (7, -12, 0)
