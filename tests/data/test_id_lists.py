"""Every array-like of NumPy, pandas, polars and pyarrow is a list of ids, wherever ids are taken."""

from __future__ import annotations

import array
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

import tastemap as tm

TEXTS, NUMBERS = ["a", "b", "c"], [1, 2, 3]

# What hands out the ids of a list, by name; each is made anew, for a generator is read once only.
OF_BOTH: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
    "iterator": iter,
    "generator": lambda ids: (one for one in ids),
    "map": lambda ids: map(type(ids[0]), ids),
    "keys": lambda ids: dict.fromkeys(ids).keys(),
    "values": lambda ids: dict(enumerate(ids)).values(),
    "numpy": np.array,
    "numpy of objects": lambda ids: np.array(ids, object),
    "numpy reversed twice": lambda ids: np.array(ids[::-1])[::-1],
    "numpy masked": lambda ids: np.ma.masked_array(ids),
    "list of numpy's values": lambda ids: [*np.array(ids)],
    "list of arrays without dimensions": lambda ids: [np.array(one) for one in ids],
    "pandas series": pd.Series,
    "pandas values": lambda ids: pd.Series(ids).values,
    "pandas array": lambda ids: pd.Series(ids).array,
    "pandas unique": lambda ids: pd.Series([*ids, *ids]).unique(),
    "pandas objects": lambda ids: pd.Series(ids, dtype=object),
    "pandas array of objects": lambda ids: pd.Series(ids, dtype=object).array,
    "pandas index": pd.Index,
    "pandas index values": lambda ids: pd.Index(ids).values,
    "pandas category": lambda ids: pd.Series(ids, dtype="category"),
    "pandas categorical": pd.Categorical,
    "pandas categorical index": pd.CategoricalIndex,
    "pandas nullable": lambda ids: pd.Series(ids).convert_dtypes().array,
    "pandas arrow": lambda ids: pd.Series(ids, dtype=pd.ArrowDtype(pa.array(ids).type)),
    "pandas arrow array": lambda ids: pd.Series(ids, dtype=pd.ArrowDtype(pa.array(ids).type)).array,
    "pandas groups": lambda ids: pd.DataFrame({"id": ids}).groupby("id").groups.keys(),
    "polars": pl.Series,
    "list of polars' values": lambda ids: [*pl.Series(ids)],
    "pyarrow": pa.array,
    "pyarrow chunks": lambda ids: pa.chunked_array([ids[:1], ids[1:]]),
    "pyarrow dictionary": lambda ids: pa.array(ids).dictionary_encode(),
    "pyarrow column": lambda ids: pa.table({"id": ids}).column("id"),
    "list of pyarrow's values": lambda ids: [*pa.array(ids)],
}
OF_TEXTS: dict[str, Callable[[list[str]], Any]] = {
    "numpy variable width": lambda ids: np.array(ids, np.dtypes.StringDType()),
    "numpy bytes": lambda ids: np.array(ids, "S"),
    "list of numpy's bytes": lambda ids: [*np.array(ids, "S")],
    "pandas string": lambda ids: pd.Series(ids, dtype="string"),
    "pandas string array": lambda ids: pd.array(ids, dtype="string"),
    "pandas string of python": lambda ids: pd.Series(ids, dtype=pd.StringDtype("python")).array,
    "pandas string of arrow": lambda ids: pd.Series(ids, dtype=pd.StringDtype("pyarrow")).array,
    "pandas arrow dictionary": lambda ids: pd.Series(pd.arrays.ArrowExtensionArray(pa.array(ids).dictionary_encode())),
    "polars categorical": lambda ids: pl.Series(ids, dtype=pl.Categorical),
    "polars enum": lambda ids: pl.Series(ids, dtype=pl.Enum(ids)),
    "pyarrow large": lambda ids: pa.array(ids, pa.large_string()),
    "pyarrow view": lambda ids: pa.array(ids, pa.string_view()),
}
OF_NUMBERS: dict[str, Callable[[list[int]], Any]] = {
    "range": lambda ids: range(ids[0], ids[-1] + 1),
    "buffer": lambda ids: array.array("q", ids),
    "pandas range": lambda ids: pd.RangeIndex(ids[0], ids[-1] + 1),
    "pandas sparse": lambda ids: pd.arrays.SparseArray(ids),
    **{
        f"numpy {kind}": lambda ids, kind=kind: np.array(ids, kind)
        for kind in ("i1", "i2", "i4", ">i8", "u1", "u2", "u4", "u8")
    },
    **{f"pandas {kind}": lambda ids, kind=kind: pd.array(ids, dtype=kind) for kind in ("Int8", "UInt16", "Int64")},
    **{f"pyarrow {kind}": lambda ids, kind=kind: pa.array(ids, kind) for kind in ("int8", "uint32", "uint64")},
    "polars small": lambda ids: pl.Series(ids, dtype=pl.UInt8),
}
CASES = [
    *(pytest.param(TEXTS, make, id=f"texts: {name}") for name, make in (OF_BOTH | OF_TEXTS).items()),
    *(pytest.param(NUMBERS, make, id=f"numbers: {name}") for name, make in (OF_BOTH | OF_NUMBERS).items()),
]


def fit_model(ids: list[Any]) -> tm.Model:
    pairs = [(user, item) for row, user in enumerate(ids) for item in ids if item != ids[row - 1]]
    frame = pl.DataFrame(pairs, schema=["user", "item"], orient="row")
    return tm.ItemKNN(neighbours=2, shrinkage=0).fit(tm.Interactions.from_frame(frame))


MODELS = {str(ids): fit_model(ids) for ids in (TEXTS, NUMBERS)}


@pytest.mark.parametrize(("ids", "make"), CASES)
def test_whatever_hands_out_ids_is_a_list_of_them(ids: list[Any], make: Callable[[list[Any]], Any]) -> None:
    model: Any = MODELS[str(ids)]
    two, is_ordered = ids[:2], not isinstance(make(ids), set | frozenset)
    every: dict[str, Any] = {"exclude_seen": False}
    assert model.recommend(make(two)).equals(model.recommend(two))
    assert model.recommend(candidates=make(two), **every).equals(model.recommend(candidates=two, **every))
    assert model.recommend(exclude=make(two), **every).equals(model.recommend(exclude=two, **every))
    assert model.recommend_for(make(two)).equals(model.recommend_for(two))
    assert model.recommend_for([make(two), make(ids[:1])]).equals(model.recommend_for([two, ids[:1]]))
    assert model.similar_items(make(two)).equals(model.similar_items(two))
    assert model.similar_items(two, candidates=make(ids[1:])).equals(model.similar_items(two, candidates=ids[1:]))
    assert model.predict(make(two), ids[0]).tolist() == model.predict(two, ids[0]).tolist()
    measured = [
        tm.evaluate(model, model.interactions, candidates=named, exclude=None).means for named in (make(ids), ids)
    ]
    assert measured[0] == measured[1]
    assert [*tm.IdMap(make(ids)).ids] == ids
    assert tm.IdMap(ids).find(make(ids[1:])).tolist() == [1, 2]
    assert tm.IdMap(ids).rows(make(ids[1:])).tolist() == [1, 2]
    assert tm.Interactions.from_frame({"user": make(ids), "item": make(ids)}, users=make(ids), items=make(ids)).users
    if not is_ordered:
        with pytest.raises(ValueError, match="a set has no order, so it cannot be paired"):
            model.predict(make(two), make(two))
        return
    assert model.predict(make(two), make(two)).tolist() == model.predict(two, two).tolist()
    matrix = sp.csr_array(np.eye(3, dtype=np.float32))
    made = tm.Interactions.from_csr(matrix, users=make(ids), items=pl.Series("item", ids))
    assert [*made.users] == ids
    features = tm.Features.from_csr(matrix, ids=make(ids))
    assert [*features.only(make(ids[1:])).ids] == ids[1:]
    assert [*tm.Features.from_frame({"id": make(ids), "kind": TEXTS}, id="id", columns="kind").ids] == ids


@pytest.mark.parametrize("number", [np.int8(2), np.uint64(2), np.array(2), pa.scalar(2), pd.Series([2])[0]])
@pytest.mark.parametrize(
    "text", ["b", np.str_("b"), np.array("b"), pa.scalar("b"), pd.Series(["b"])[0], np.bytes_("b")]
)
def test_one_id_is_a_list_of_one(number: Any, text: Any) -> None:
    for one, ids in ((number, NUMBERS), (text, TEXTS)):
        model: Any = MODELS[str(ids)]
        assert model.recommend(one).equals(model.recommend([ids[1]]))
        assert model.similar_items(one).equals(model.similar_items([ids[1]]))
        assert model.recommend_for(one).equals(model.recommend_for([ids[1]]))
        assert model.predict(one, one).tolist() == model.predict(ids[1], ids[1]).tolist()
        assert model.explain(one, one).frame.equals(model.explain(ids[1], ids[1]).frame)


def test_uuids_are_looked_up_as_their_strings() -> None:
    ids = [uuid.UUID(int=n) for n in range(3)]
    model: Any = fit_model([str(one) for one in ids])
    assert model.recommend(ids[0]).equals(model.recommend(str(ids[0])))
    assert model.recommend(np.array(ids, object)).equals(model.recommend([str(one) for one in ids]))


@pytest.mark.parametrize(
    "wrong",
    [
        pd.MultiIndex.from_tuples([("a", "b"), ("b", "c")]),
        pd.interval_range(0, 3),
        pd.period_range("2020", periods=2, freq="D"),
        pd.array([True, False]),
        pd.array(["a", None], dtype="string"),
        np.ma.masked_array(["a", "b"], [True, False]),
        np.array([b"\xff"]),
        np.array([("a", 1)], dtype=[("x", "U1"), ("y", int)]),
        np.array([1 + 2j]),
        np.array([["a"]]),
        np.array([object()]),
        pa.array([["a"]]),
        pa.array([None, "a"]),
        pl.Series([["a"]]),
        pl.col("a"),
        object(),
        None,
        3.5,
        b"a",
    ],
)
def test_what_holds_no_ids_is_refused_in_a_sentence(wrong: Any) -> None:
    model: Any = MODELS[str(TEXTS)]
    first = next(iter(wrong)) if isinstance(wrong, pd.MultiIndex | np.ndarray | pl.Series) else None
    are_histories = isinstance(first, tuple | np.ndarray | pl.Series)  # a list of items for each of several people
    asks = [model.similar_items, tm.IdMap, model.items.find, *([] if are_histories else [model.recommend_for])]
    for ask in asks:
        with pytest.raises((tm.TastemapError, ValueError)) as caught:
            ask(wrong)
        assert "\n" not in str(caught.value)
