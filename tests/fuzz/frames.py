"""Frames of every library with odd columns: refused in one sentence, or read without losing or mixing a pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import strategies as st

import tastemap as tm
from fuzz import draw, small_models
from fuzz.verdict import NotMade, ask, ensure, without_refusal

_DTYPES = ["", "", "", "Int8", "Int64", "UInt64", "Float32", "Float64", "Categorical", "Boolean", "Date", "Datetime"]
_DTYPES += ["Int128", "Decimal", "Binary", "List", "Struct", "Null", "Duration", "Time", "Enum", "Object"]
_PANDAS = ["", "", "object", "Int64", "Float64", "string", "category", "boolean", "datetime64[ns]", "timedelta64[ns]"]
_PANDAS += ["int64[pyarrow]", "string[pyarrow]", "complex128", "float16", "uint64", "datetime64[ns, Asia/Tokyo]"]
_NAMES = [
    "user",
    "item",
    "weight",
    "time",
    "",
    " ",
    "*",
    "^.*$",
    "^user$",
    "a\nb",
    "rank",
    "score",
    "neighbour",
    "row",
    "id",
]
_KINDS = ["dict", "polars", "lazy", "pandas", "pyarrow", "arrays"]

_odd = st.one_of(
    st.none(), draw.wrong, draw.texts, draw.integers, st.floats(), st.booleans(), st.dates(), st.datetimes(),
    st.uuids(), st.binary(max_size=3), st.decimals(allow_nan=True), st.fractions(), st.complex_numbers(),
    st.timedeltas(),
)  # fmt: skip


@st.composite
def _column(draw_: st.DrawFn, numbers: list[int]) -> list[Any]:
    """Return a column with one value for each number: distinct ids, odd ids, or anything."""
    kind = draw_(st.sampled_from(["ids"] * 5 + ["texts", "integers", "floats", "some odd", "anything"]))
    if kind == "ids":
        names = draw_(draw.ids(1 + max(numbers)))
        return [names[number] for number in numbers]
    each: Any = {"texts": draw.texts, "integers": draw.integers, "floats": st.floats(), "anything": _odd}.get(kind)
    if each is not None:
        return draw_(st.lists(each, min_size=len(numbers), max_size=len(numbers)))
    names = draw_(draw.ids(1 + max(numbers)))
    odd = draw_(st.dictionaries(st.sampled_from(range(len(numbers))), _odd, max_size=3))
    return [odd.get(place, names[number]) for place, number in enumerate(numbers)]


@st.composite
def _inputs(draw_: st.DrawFn) -> dict[str, Any]:
    # Half of the inputs are regular, so that what comes after the reading is tried too.
    if draw_(st.booleans()):
        table = draw_(draw.tables())
        kind, model = draw_(st.sampled_from(_KINDS)), draw_(st.sampled_from([None, *small_models.NAMES]))
        options = {"weight": "weight"} if "weight" in table else {}
        return {"kind": kind, "columns": table, "dtypes": {}, "options": options, "rows": "all", "model": model}
    found = draw_(draw.pairs(most=25, distinct=draw_(st.booleans())))
    if draw_(st.integers(0, 9)) == 0:
        found = found[:1]
    users, items = [u for u, _ in found], [i for _, i in found]
    columns = {"user": draw_(_column(users)), "item": draw_(_column(items))}
    options: dict[str, Any] = {}
    if draw_(st.booleans()):
        each = draw_(st.sampled_from([draw.weights, draw.weights, draw.odd_weights, _odd, draw.small]))
        columns["weight"] = draw_(st.lists(each, min_size=len(found), max_size=len(found)))
        options["weight"] = "weight"
        if draw_(st.integers(0, 7)) == 0:
            options["event_weights"] = draw_(
                st.one_of(
                    draw.wrong, st.tuples(st.just("weight"), st.dictionaries(draw.texts, draw.odd_weights, max_size=3))
                )
            )
            options.pop("weight")
    if draw_(st.booleans()):
        times = st.sampled_from([draw.small, draw.integers, st.datetimes(), st.dates(), st.floats(), _odd])
        columns["time"] = draw_(st.lists(draw_(times), min_size=len(found), max_size=len(found)))
        options["time"] = "time"
    if draw_(st.booleans()):
        options["duplicates"] = draw_(st.sampled_from(["sum", "mean", "last", "max", "error", "first", None]))
    if draw_(st.booleans()):
        options["allow_negative"] = draw_(st.booleans())
    if draw_(st.integers(0, 5)) == 0:
        options["duplicates_time"] = draw_(st.sampled_from(["last", "max", "min", "x"]))
    if draw_(st.integers(0, 7)) == 0:
        options[draw_(st.sampled_from(["users", "items"]))] = draw_(st.one_of(st.just(draw_(draw.ids(9))), draw.wrong))
    if draw_(st.integers(0, 5)) == 0:
        old, new = draw_(st.sampled_from(sorted(columns))), draw_(st.sampled_from(_NAMES))
        columns = {new if name == old else name: values for name, values in columns.items()}
        options[old] = new
    if draw_(st.integers(0, 9)) == 0:
        options[draw_(st.sampled_from(["user", "item", "weight", "time"]))] = draw_(
            st.one_of(st.sampled_from(_NAMES), draw.wrong)
        )
    kind = draw_(st.sampled_from(_KINDS))
    dtypes = {name: draw_(st.sampled_from(_PANDAS if kind == "pandas" else _DTYPES)) for name in columns}
    rows = draw_(st.sampled_from(["all"] * 9 + ["none"]))
    model = draw_(st.sampled_from([None, None, *small_models.NAMES]))
    return {"kind": kind, "columns": columns, "dtypes": dtypes, "options": options, "rows": rows, "model": model}


INPUTS = _inputs()


def _make(value: dict[str, Any]) -> Any:
    """Return the frame; raises whatever its library refuses."""
    columns = {name: values[:0] if value["rows"] == "none" else values for name, values in value["columns"].items()}
    kind, dtypes = value["kind"], value["dtypes"]
    if kind == "dict":
        return columns
    if kind == "arrays":
        return {
            name: np.array(values) if dtypes.get(name, "") else np.array(values, object)
            for name, values in columns.items()
        }
    if kind == "pandas":
        made = {name: pd.Series(values, dtype=dtypes.get(name, "") or None) for name, values in columns.items()}
        frame = pd.concat(made.values(), axis=1, keys=made.keys()) if made else pd.DataFrame()
        return frame.set_index(frame.columns[0], drop=False) if dtypes.get("user") == "category" else frame
    series = {
        name: _cast(pl.Series(name, values, strict=False), dtypes.get(name, ""), values)
        for name, values in columns.items()
    }
    frame = pl.DataFrame(series)
    if kind == "pyarrow":
        return frame.to_arrow()
    return frame.lazy() if kind == "lazy" else frame


def _cast(series: pl.Series, dtype: str, values: list[Any]) -> pl.Series:
    if not dtype:
        return series
    if dtype == "Object":
        return pl.Series(series.name, values, dtype=pl.Object)
    if dtype == "Enum":
        texts = series.cast(pl.String)
        return texts.cast(pl.Enum(texts.drop_nulls().unique()))
    if dtype == "List":
        return series.implode().new_from_index(0, len(series)) if len(series) else series
    if dtype == "Struct":
        return series.to_frame().to_struct(series.name)
    return series.cast(getattr(pl, dtype), strict=False)


def check(value: dict[str, Any]) -> None:
    try:
        frame = _make(value)
    except BaseException as error:
        raise NotMade from error
    options = value["options"]
    data = tm.Interactions.from_frame(frame, **options)
    check_data(data)
    distinct = _count_pairs(value)
    ensure(distinct is None or len(data) == distinct, "reading changed the number of distinct pairs")
    with without_refusal("reading the same frame again"):
        again = tm.Interactions.from_frame(frame, **options)
    ensure(data.fingerprint() == again.fingerprint(), "reading twice gives other data")
    _check_copies(data)
    if value["model"] is not None:
        model = ask(small_models.make(value["model"]).fit, data, progress=False)
        if model is not None:
            small_models.check_answers(model)


def check_data(data: tm.Interactions) -> None:
    """Check that interactions are as their docstring says."""
    matrix = data.matrix
    ensure(matrix.shape == (len(data.users), len(data.items)), "the matrix has another shape than the id maps")
    ensure(matrix.dtype == np.float32 and np.isfinite(matrix.data).all(), "a weight is not finite")
    ensure(matrix.has_canonical_format, "the matrix is not canonical")
    rows = data.row_of_pair()
    ensure(len(set(zip(rows.tolist(), matrix.indices.tolist(), strict=True))) == len(data), "a pair comes twice")
    ensure(sorted(data.input_order.tolist()) == list(range(len(data))), "the input order is no permutation")
    ensure(len(set(data.users)) == len(data.users) and len(set(data.items)) == len(data.items), "ids are not distinct")
    repr(data)


def _count_pairs(value: dict[str, Any]) -> int | None:
    """Return the number of distinct pairs where plain Python can tell it."""
    columns, options = value["columns"], value["options"]
    pair = [options.get("user", "user"), options.get("item", "item")]
    if value["rows"] == "none" or any(name not in columns for name in pair):
        return None
    known = [columns[name] for name in pair]
    for values, name in zip(known, pair, strict=True):
        kinds = {type(one) for one in values}
        if kinds not in ({int}, {str}) or value["dtypes"].get(name, "") not in ("", "Int64", "UInt64"):
            return None
    return len(set(zip(*known, strict=True)))


def _check_copies(data: tm.Interactions) -> None:
    """Check that the data come back from a frame, and that a split neither loses nor invents a pair."""
    frame = data.to_frame("polars")
    ensure(len(frame) == len(data), "to_frame has another number of rows")
    names = data.columns
    if len({names.user, names.item, names.weight}) == 3:
        with without_refusal("what to_frame returns"):
            back = tm.Interactions.from_frame(
                frame,
                user=names.user,
                item=names.item,
                weight=names.weight,
                users=data.users,
                items=data.items,
                allow_negative=True,
            )
        ensure((back.matrix != data.matrix).nnz == 0, "to_frame and from_frame give other data")
    parts = ask(tm.split.random, data, 0.5)
    if parts is not None:
        ensure(sum(map(len, parts)) == len(data), "a split loses pairs")
