"""Each encoder by itself; what `Features` makes of them is tested there."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from tastemap.data._encoders import Bins, Hot, Number, as_names, check_use, make_encoders
from tastemap.errors import DataError

NONE: dict[str, Any] = {"separator": None, "categorical": (), "bins": {}, "scale": False}


def encode(encoder: Any, values: list[Any]) -> list[list[float]]:
    matrix = encoder.encode(pl.DataFrame({"x": values}, strict=False))
    assert matrix.dtype == np.float32
    assert matrix.shape == (len(values), len(encoder.names))
    dense: list[list[float]] = matrix.toarray().tolist()
    return dense


def test_each_column_gets_the_encoder_of_its_type() -> None:
    table = pl.DataFrame({"word": ["a"], "flag": [True], "number": [1], "code": [1], "cut": [1], "many": [["a"]]})
    encoders = make_encoders(table, **{**NONE, "categorical": ["code"], "bins": {"cut": 2}})
    assert [type(encoder) for encoder in encoders] == [Hot, Hot, Number, Hot, Bins, Hot]
    assert [encoder.columns for encoder in encoders] == [(name,) for name in table.columns]


def test_each_value_is_one_feature_and_new_values_are_ignored() -> None:
    hot = Hot.of(pl.Series("x", ["b", "a", "b", None, ""]), "strings", None, scale=True)
    assert hot.names == ("x=a", "x=b")
    assert encode(hot, ["b", "c", None]) == [[0, 1], [0, 0], [0, 0]]


def test_several_values_share_a_row_of_unit_length() -> None:
    column = pl.Series("x", ["a|b| b ", "c"])
    root = float(np.float32(1 / np.sqrt(2)))
    assert encode(Hot.of(column, "strings", "|", scale=True), ["b|a", "c"]) == [[root, root, 0], [0, 0, 1]]
    assert encode(Hot.of(column, "strings", "|", scale=False), ["b|a", "c"]) == [[1, 1, 0], [0, 0, 1]]


def test_an_edge_belongs_to_the_range_above_it() -> None:
    cut = Bins.of(pl.Series("x", [1, 2, 3, 4]), 2)
    assert cut.names == ("x<3", "3<=x")
    assert encode(cut, [2.9, 3.0, None, -100.0]) == [[1, 0], [0, 1], [0, 0], [1, 0]]
    assert Bins.of(pl.Series("x", [0.5, 0.5, 0.5]), 3).names == ("x",)


def test_a_number_is_standardised_and_clipped_to_three_deviations() -> None:
    number = Number.of(pl.Series("x", [0, 2, None]), scale=True)
    assert (number.mean, number.deviation) == (1, 1)
    assert encode(number, [3.0, 100.0, -100.0, None]) == [[2], [3], [-3], [0]]
    assert encode(Number.of(pl.Series("x", [0, 2]), scale=False), [100.0]) == [[100]]
    assert encode(Number.of(pl.Series("x", [5, 5]), scale=True), [7.0]) == [[0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Hot.of(pl.Series("x", [None, ""]), "strings", None, scale=True), "'x' has no value in any row"),
        (lambda: Bins.of(pl.Series("x", ["a"]), 2), "bins cuts numbers, and column 'x' holds String values"),
        (lambda: Number.of(pl.Series("x", [float("inf")]), scale=True), "not finite, inf in row 0"),
        (lambda: Number.of(pl.Series("x", [1e308, -1e308, 1e308]), scale=True), "numbers too large to average"),
        (lambda: encode(Number.of(pl.Series("x", [1.0]), scale=False), [1e39]), "too large for 32-bit floats"),
        (lambda: encode(Number.of(pl.Series("x", [1.0]), scale=False), ["a"]), "held numbers .* holds String now"),
        (
            lambda: encode(Hot.of(pl.Series("x", ["a"]), "strings", None, scale=True), [1]),
            "held strings .* Int64",
        ),
    ],
)
def test_a_column_that_no_encoder_fits_is_refused(make: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


def test_a_column_has_one_use() -> None:
    assert as_names("a") == ["a"]
    assert as_names(("a", "b")) == ["a", "b"]
    check_use("id", ["a", "b"])
    for columns, message in (([], "at least one column"), (["a", "a"], "has one use"), (["id"], "has one use")):
        with pytest.raises(ValueError, match=message):
            check_use("id", columns)
