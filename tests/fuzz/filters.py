"""Conditions and limits on odd tables of items: refused in one sentence, or items chosen, whatever the order."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st

import tastemap as tm
from fuzz import draw
from fuzz.features import COLUMNS
from fuzz.verdict import NotMade, ensure
from tastemap.data.conditions import read_conditions

_SIGNS = ("=", "!=", ">=", "<=", ">", "<")
_names = st.one_of(st.sampled_from(sorted(COLUMNS)), st.sampled_from(sorted(COLUMNS)), draw.texts)
_values = st.one_of(st.one_of(*COLUMNS.values()), draw.wrong)
_many = st.one_of(_values, st.lists(_values, max_size=3))
_conditions = st.one_of(
    st.builds("{}{}{}".format, _names, st.sampled_from(_SIGNS), _values),
    st.tuples(_names, st.sampled_from(_SIGNS), _many),
    st.dictionaries(st.builds("{}{}".format, _names, st.sampled_from(["", *_SIGNS])), _many, max_size=2),
    draw.wrong,
)


@st.composite
def _inputs(draw_: st.DrawFn) -> dict[str, Any]:
    n = draw_(st.integers(1, 9))
    chosen = draw_(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4, unique=True))
    return {
        "columns": {name: draw_(st.lists(COLUMNS[name], min_size=n, max_size=n)) for name in chosen},
        "separator": draw_(st.one_of(st.just("|"), st.just("|"), draw.wrong)),
        "where": draw_(st.one_of(st.lists(_conditions, max_size=3), _conditions)),
        "at_most": draw_(st.one_of(st.dictionaries(_names, st.integers(1, 3), max_size=2), draw.wrong)),
    }


INPUTS = _inputs()


def check(value: dict[str, Any]) -> None:
    n = len(next(iter(value["columns"].values())))
    try:
        frame = pl.DataFrame({"item": range(n), **value["columns"]}, strict=False)
    except Exception as error:
        raise NotMade from error
    items = tm.IdMap(list(range(n, -1, -1)), "item")
    table = tm.ItemTable.from_frame(frame, separator=value["separator"])
    aligned = table.align(items)
    repr(table)
    conditions = read_conditions(value["where"])
    hash(conditions)
    ensure(read_conditions(list(conditions[::-1])) == conditions, "conditions depend on their order")
    chosen = aligned.select(value["where"])
    ensure(chosen.dtype == bool and chosen.shape == (n + 1,), "a mask has another shape than the items")
    ensure(not conditions or (tm.ItemTable.align(table, items).select(conditions) == chosen).all(), "masks differ")
    for one in conditions:
        if one.sign == "=":
            none = aligned.select(tm.Condition(one.column, "!=", one.values))
            ensure((aligned.select(one) != none).all(), "none of them is not what any of them leaves")
        ensure(one.sign == "!=" or not aligned.select(one)[0], "an item without a row fulfils a condition")
    starts, values, most = aligned.limit(value["at_most"])
    ensure(starts[-1] == len(values) and (np.diff(starts) >= 0).all(), "the limits are no CSR")
    ensure(not len(values) or values.max() < len(most), "a value has no limit")
