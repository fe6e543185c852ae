from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tastemap as tm
from tastemap.data.frames import as_kind, kind_of, list_values, name_values, to_polars, to_series
from tastemap.errors import DataError, suggest

FRAME = pl.DataFrame(
    {
        "id": pl.Series([1, 2**63], dtype=pl.UInt64),
        "name": ["a", "b"],
        "score": pl.Series([0.5, -1], dtype=pl.Float32),
        "at": pl.Series([datetime(2020, 1, 1, tzinfo=UTC), datetime(1960, 1, 1, tzinfo=UTC)]),
    }
)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_a_frame_survives_the_way_out_and_back(kind: str) -> None:
    out = as_kind(FRAME, kind)
    assert kind_of(out) == kind
    assert to_polars(out).equals(FRAME)
    assert to_polars(out, ["name", "id"]).columns == ["name", "id"]
    assert to_polars(out, ["name"], optional=["rank", "at"]).columns == ["name", "at"]
    empty = as_kind(FRAME.clear(), kind)
    assert len(to_polars(empty)) == 0


def test_pandas_alone_is_enough() -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import polars as pl\n"
        "from tastemap.data.frames import as_kind, to_polars\n"
        "f = pl.DataFrame({'i': [1, 2], 's': ['a', 'b'], 'x': [.5, 1.]})\n"
        "p = as_kind(f, 'pandas')\n"
        "assert to_polars(p).equals(f)\n"
        "assert to_polars(p.convert_dtypes()).equals(f)\n"
        "try: as_kind(f, 'pyarrow')\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "frame='pyarrow' needs pyarrow, which is not installed: run 'pip install pyarrow' or pass frame='polars'\n"
    )


def test_importing_the_data_layer_imports_no_other_frame_library() -> None:
    code = (
        "import sys, tastemap.data.interactions, tastemap.split, tastemap.datasets\n"
        "print([m for m in ('pandas', 'pyarrow', 'duckdb', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="frame must be 'pandas', 'polars' or 'pyarrow', got 'arrow'"):
        as_kind(FRAME, "arrow")
    with pytest.raises(DataError, match="cannot read a int as a frame: pass a pandas, polars or pyarrow frame"):
        to_polars(3)
    with pytest.raises(DataError, match=re.escape("columns must be of one length, got {'a': 1, 'b': 2}")):
        to_polars({"a": [1], "b": [1, 2]})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series([1, None], dtype="Int64"), pl.Series([1, None], dtype=pl.Int64)),
        (pd.Series(["a", None]), pl.Series(["a", None])),
        (pd.Series(["a", None], dtype=object), pl.Series(["a", None])),
        (pd.Series(pd.Categorical(["b", None, "a"])), pl.Series(["b", None, "a"])),
        (pd.Series(pd.Categorical([7, 3])), pl.Series([7, 3])),
        (pd.Series([1, None]), pl.Series([1.0, float("nan")])),
        (np.array(["a", "b"]), pl.Series(["a", "b"])),
        (np.array([1, 2**63], dtype=object), pl.Series([1, 2**63], dtype=pl.UInt64)),
        (np.array(["2020-01-01"], dtype="datetime64[s]"), pl.Series([datetime(2020, 1, 1)])),
        (pa.array([1, 2], pa.int32()), pl.Series([1, 2], dtype=pl.Int32)),
        ((value for value in (1, 2)), pl.Series([1, 2])),
        ([1, 2.5], pl.Series([1.0, 2.5])),
        (["a", None], pl.Series(["a", None])),
    ],
)
def test_any_values_become_a_series(values: Any, expected: pl.Series) -> None:
    series = to_series(values, "x")
    assert series.name == "x"
    assert series.dtype == expected.dtype
    assert series.equals(expected, null_equal=True)


def test_one_value_is_told_from_many_and_a_set_has_one_order() -> None:
    assert list_values("abc") == ["abc"]
    assert list_values(5) == [5]
    assert list_values((5, 6)) == (5, 6)
    assert list_values({"c", "a", "b"}) == ["a", "b", "c"]
    assert list_values(iter("ab")) == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [1, "a"],
            "column 'x' mixes int and str: 1 in row 0, 'a' in row 1; turn them all into one type first",
        ),
        ([1, True], "column 'x' mixes int and bool"),
        ([object()], "column 'x' holds object objects, which have no column type"),
        (np.eye(2), "x must have one dimension, got an array of shape (2, 2)"),
        (5, "x must be a list, an array or a series, got 5"),
    ],
)
def test_mixtures_and_objects_are_refused(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        to_series(values, "x")


def test_the_keys_of_a_dict_are_texts() -> None:
    assert to_polars({1: [2, 3]}).to_dict(as_series=False) == {"1": [2, 3]}
    with pytest.raises(DataError, match="there is no column 'user', only '1'"):
        to_polars({1: [2, 3]}, ["user"])


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    assert suggest("User", ["user", "item"]) == "; did you mean 'user'?"
    assert suggest("itme", ["Item", "user"]) == "; did you mean 'Item'?"
    assert suggest("x", ["user"]) == ""
    assert suggest("x", ["user"], ": name one of these") == ": name one of these"
    with pytest.raises(AttributeError, match=r"^module 'tastemap' has no attribute 'WRAP'; did you mean 'WARP'\?$"):
        tm.WRAP  # type: ignore[attr-defined]  # noqa: B018


MAKERS = [dict, pl.DataFrame, lambda columns: pl.DataFrame(columns).lazy(), pd.DataFrame, pa.table]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", ["", "*", "^.*$", "^u.*$"])
def test_a_name_that_polars_takes_for_a_pattern_is_refused_where_it_is_used(make: Any, name: str) -> None:
    frame = make({"user": [1, 2], name: ["a", "b"], "u2": ["c", "d"]})
    with pytest.raises(DataError, match=r"is no name for a column, or a pattern of names: rename it"):
        to_polars(frame, ["user", name])
    assert to_polars(frame, ["u2", "user"]).rows() == [("c", 1), ("d", 2)]
    with pytest.raises(DataError, match="is no name for a column"):
        tm.IdMap([1], name)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame([[1, 2, 3]], columns=["user", "user", "item"]),
        pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["user", "user", "item"]),
    ],
    ids=["pandas", "pyarrow"],
)
def test_a_column_that_is_there_twice_is_refused_where_it_is_used(frame: Any) -> None:
    with pytest.raises(DataError, match="the frame has several columns called 'user': rename all but one"):
        to_polars(frame, ["user", "item"])
    assert to_polars(frame, ["item"]).rows() == [(3,)]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (pl.scan_csv("none.csv"), "No such file"),
        (pl.LazyFrame({"user": ["x"], "item": [1]}).with_columns(pl.col("user").cast(pl.Int64)), "conversion from"),
        (pl.LazyFrame({"user": [1]}).select("item"), "item"),
    ],
)
def test_a_lazy_frame_that_fails_is_one_sentence(frame: pl.LazyFrame, reason: str) -> None:
    with pytest.raises(
        DataError, match=f"polars cannot collect the LazyFrame .*{reason}.*: collect it first"
    ) as caught:
        to_polars(frame, ["user", "item"])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("wrap", [list, lambda values: pd.Series(values, dtype=object)], ids=["list", "pandas"])
def test_decimals_have_no_nan_and_an_end(wrap: Any) -> None:
    assert to_series(wrap([Decimal("1.5"), Decimal("NaN")]), "w").to_list() == [Decimal("1.5"), None]
    for large in (Decimal("Infinity"), Decimal("1e30")):
        with pytest.raises(DataError, match=r"column 'w' has a number too large for a column, .* in row 1"):
            to_series(wrap([Decimal(1), large]), "w")


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(DataError, match=r"column 'user' has what is no Unicode text, '\\ud800'"):
        to_series(["a", "\ud800"], "user")


def test_a_signalling_nan_of_pandas_is_told() -> None:
    frame = pd.DataFrame({"user": pd.Series([Decimal("sNaN"), Decimal(1)], dtype=object)})
    with pytest.raises(DataError, match="column 'user' holds a decimal that is no number, sNaN"):
        to_polars(frame)


@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("us")])
def test_a_day_that_python_has_no_date_for_is_named_by_its_number(dtype: pl.DataType) -> None:
    days = pl.Series("item", [-(2**31) if dtype == pl.Date else -(2**62)]).cast(dtype)
    assert name_values(days) == str(days.to_physical()[0])
