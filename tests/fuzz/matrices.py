"""SciPy matrices of every format, whole and with arrays that do not fit each other: read rightly, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

import tastemap as tm
from fuzz import draw, small_models
from fuzz.frames import check_data
from fuzz.verdict import NotMade, ensure

_FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]
_DTYPES = ["float64", "float32", "int8", "int64", "uint64", "bool", "complex128", "float16", "object"]
_damage = st.tuples(
    st.sampled_from(["indices", "indptr", "data"]),
    st.floats(0, 1),
    st.sampled_from([-1, -5, 1, 7, 10**6, 2**31 - 1, -(2**31), 2**40, float("nan"), float("inf")]),
)


@st.composite
def _inputs(draw_: st.DrawFn) -> dict[str, Any]:
    found = draw_(draw.pairs(distinct=draw_(st.booleans())))
    n_users, n_items = draw.columns(found)
    return {
        "pairs": found,
        "values": [draw_(draw.weights) for _ in found],
        "more": draw_(st.sampled_from([(0, 0), (0, 0), (1, 2), (3, 0)])),
        "format": draw_(st.sampled_from(_FORMATS)),
        "array": draw_(st.booleans()),
        "dtype": draw_(st.sampled_from(["float64"] * 8 + _DTYPES)),
        "damage": draw_(st.one_of(st.just([]), st.lists(_damage, min_size=1, max_size=2))),
        "users": draw_(st.one_of(st.none(), draw.ids(n_users), draw.wrong)),
        "items": draw_(st.one_of(st.none(), draw.ids(n_items), draw.wrong)),
        "read": draw_(st.sampled_from(["interactions", "interactions", "features"])),
        "allow_negative": draw_(st.booleans()),
        "model": draw_(st.sampled_from([None, *small_models.NAMES])),
    }


INPUTS = _inputs()


def _make(value: dict[str, Any]) -> Any:
    n_users, n_items = (n + more for n, more in zip(draw.columns(value["pairs"]), value["more"], strict=True))
    rows, columns = np.array(value["pairs"]).T
    with np.errstate(all="ignore"):
        values = np.array(value["values"]).astype(value["dtype"])
    kind = sp.coo_array if value["array"] else sp.coo_matrix
    matrix = kind((values, (rows, columns)), shape=(n_users, n_items)).asformat(value["format"])
    for name, share, number in value["damage"]:
        array = getattr(matrix, name)
        if name != "data" and number != number:
            raise NotMade
        array.reshape(-1)[int(share * (array.size - 1))] = number
    return matrix


def check(value: dict[str, Any]) -> None:
    try:
        with np.errstate(all="ignore"):
            matrix = _make(value)
    except Exception as error:
        raise NotMade from error
    if value["read"] == "features":
        ids = value["users"] if value["users"] is not None else list(range(matrix.shape[0]))
        features = tm.Features.from_csr(matrix, ids=ids)
        ensure(np.isfinite(features.matrix.data).all(), "a feature is not finite")
        ensure(features.matrix.shape == matrix.shape, "features have another shape")
        return
    ids = {"users": value["users"], "items": value["items"]}
    data = tm.Interactions.from_csr(matrix, allow_negative=value["allow_negative"], **ids)
    check_data(data)
    if not value["damage"]:
        ensure(len(data) <= len(set(value["pairs"])), "reading a matrix invents pairs")
        ensure(data.matrix.shape == matrix.shape, "reading a matrix changes its shape")
    if value["model"] is not None:
        small_models.check_answers(small_models.make(value["model"]).fit(data, progress=False))
