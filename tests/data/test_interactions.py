from __future__ import annotations

import copy
import math
import pickle
import re
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError, ParameterError, UnknownIdError

NAN, INF = float("nan"), float("inf")


def read(**columns: Any) -> Interactions:
    uses = {name: name for name in ("weight", "time") if name in columns}
    return Interactions.from_frame(columns, **uses)


def test_the_most_popular_items_are_kept_and_equal_ones_by_tie_order() -> None:
    data = Interactions.from_frame({"user": [1, 1, 1, 2, 2, 3, 3], "item": [5, 6, 7, 5, 6, 5, 8]})
    assert data.top_items(2).to_frame("polars").rows() == [(1, 5, 1), (1, 6, 1), (2, 5, 1), (2, 6, 1), (3, 5, 1)]
    first = min((7, 8), key=lambda item: data.items.tie_order[data.items.rows([item])[0]])
    kept = data.top_items(3)
    assert set(kept.to_frame("polars")["item"]) == {5, 6, first}
    assert kept.items is data.items
    assert data.top_items(4) is data
    with pytest.raises(ValueError, match="n must be"):
        data.top_items(0)


def test_rows_follow_first_appearance_and_the_matrix_holds_the_weights() -> None:
    ratings = read(user=["b", "a", "b"], item=[7, 7, 3], weight=[1, 2, 3])
    assert list(ratings.users) == ["b", "a"]
    assert list(ratings.items) == [7, 3]
    assert ratings.matrix.toarray().tolist() == [[1, 3], [2, 0]]
    assert (len(ratings), ratings.n_users, ratings.n_items, ratings.shape) == (3, 2, 2, (2, 2))


def test_the_matrix_is_canonical_float32_csr_and_cannot_be_written() -> None:
    ratings = read(user=[1, 0, 1, 0], item=[5, 6, 6, 5], weight=[1, 2, 3, 4], time=[1, 2, 3, 4])
    m = ratings.matrix
    assert m.dtype == np.float32
    assert m.has_canonical_format
    m.tocoo().tocsr().check_format()
    for array in (
        m.data,
        m.indices,
        m.indptr,
        ratings.time,
        ratings.order,
        *ratings.by_user,
        *ratings.by_item,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
    for rows, matrix in ((ratings.by_user, m), (ratings.by_item, ratings.transposed)):
        assert [array.dtype for array in rows] == [np.int64, np.int32, np.float32]
        assert rows.data is not None
        np.testing.assert_array_equal(rows.indices, matrix.indices)


def test_without_weights_every_pair_weighs_one() -> None:
    assert read(user=[1, 2], item=[1, 1]).matrix.data.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("policy", "weight", "order"),
    [("sum", 6.0, [0, 2, 1, 3]), ("mean", 3.0, None), ("last", 5.0, None), ("max", 5.0, None)],
)
def test_duplicates_are_merged_as_asked(small: pl.DataFrame, policy: Any, weight: float, order: Any) -> None:
    events = Interactions.from_frame(small, weight="weight", duplicates=policy)
    assert len(events) == 4
    assert events.matrix[0, 0] == weight
    pairs = events.to_frame().select("user", "item").rows()
    first = [("b", 7), ("a", 7), ("b", 3), ("c", 9)]
    assert pairs == (first if policy != "last" else [*first[1:], first[0]])


@pytest.mark.parametrize(("policy", "time"), [("last", 10), ("max", 50), ("min", 10)])
def test_the_time_of_duplicates_has_its_own_policy(small: pl.DataFrame, policy: Any, time: int) -> None:
    events = Interactions.from_frame(small, weight="weight", time="time", duplicates="sum", duplicates_time=policy)
    assert events.to_frame().row(0) == ("b", 7, 6.0, time)


def test_sums_are_made_in_float64() -> None:
    events = Interactions.from_frame(
        {"user": [0, 0, 0], "item": [0, 0, 0], "w": [2.0**24, 1.0, 1.0]}, weight="w", duplicates="sum"
    )
    assert events.matrix[0, 0] == 2**24 + 2


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 9), st.integers(0, 9)),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from(["sum", "mean", "last", "max"]),
    st.sampled_from(["last", "max", "min"]),
)
def test_the_matrix_equals_a_dict_of_pairs(rows: list[tuple[int, ...]], policy: Any, time_policy: Any) -> None:
    users, items, weights, times = (list(column) for column in zip(*rows, strict=True))
    events = Interactions.from_frame(
        {"u": users, "i": items, "w": weights, "t": times},
        user="u",
        item="i",
        weight="w",
        time="t",
        duplicates=policy,
        duplicates_time=time_policy,
    )
    groups: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for u, i, w, t in rows:
        if policy == "last" and (u, i) in groups:
            groups[u, i] = groups.pop((u, i))
        groups[u, i].append((w, t))
    merge = {"sum": sum, "mean": lambda v: sum(v) / len(v), "last": lambda v: v[-1], "max": max, "min": min}
    expected = [
        (u, i, np.float32(merge[policy]([w for w, _ in g])), merge[time_policy]([t for _, t in g]))
        for (u, i), g in groups.items()
    ]
    assert events.to_frame().rows() == expected
    assert list(events.users) == list(dict.fromkeys(users))
    assert list(events.items) == list(dict.fromkeys(items))
    dense = events.matrix.toarray()
    for u, i, w, _ in expected:
        assert dense[events.users.rows([u])[0], events.items.rows([i])[0]] == w
    assert events.matrix.nnz == len(expected)
    assert (np.diff(events.matrix.indices)[np.diff(events.row_of_pair()) == 0] > 0).all()
    np.testing.assert_array_equal(events.transposed.toarray(), dense.T)


def test_events_are_weighted_by_name() -> None:
    frame = {"person": ["p", "p", "q"], "article": ["x", "x", "x"], "event": ["VIEW", "LIKE", "VIEW"]}
    options: dict[str, Any] = {"user": "person", "item": "article", "duplicates": "sum"}
    events = Interactions.from_frame(frame, event_weights=("event", {"VIEW": 1, "LIKE": 2.5}), **options)
    assert events.matrix.toarray().tolist() == [[3.5], [1]]
    assert events.to_frame().columns == ["person", "article", "weight"]
    with pytest.raises(DataError, match=r"column 'event' has events without a weight, 'LIKE', first in row 1: add"):
        Interactions.from_frame(frame, event_weights=("event", {"VIEW": 1}), **options)
    with pytest.raises(ParameterError, match="event_weights must map events to numbers"):
        Interactions.from_frame(frame, event_weights=("event", {"VIEW": 1, "LIKE": "two"}), **options)


OK: dict[str, list[Any]] = {
    "user": [1, 2, 3],
    "item": ["x", "y", "z"],
    "weight": [1, 2, 3],
    "time": [1, 2, 3],
}


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("user", [1, None, None], "column 'user' has no id in rows 1, 2: pass drop_nulls=True to leave such rows out"),
        (
            "user",
            [1.0, 2.0, 3.0],
            "column 'user' holds Float64 values (1.0, 2.0, 3.0 in rows 0, 1, 2), and ids are",
        ),
        ("user", [1.0, NAN, 3.0], "leave out row 1, without an id (NaN), and cast"),
        ("user", [True, False, True], "column 'user' holds Boolean values"),
        ("user", [date(2020, 1, 1)] * 3, "column 'user' holds Date values"),
        ("user", [1, "2", 3], "column 'user' mixes int and str: 1 in row 0, '2' in row 1"),
        (
            "user",
            [[1], [2], [3]],
            "column 'user' holds List(Int64) values ([1], [2], [3] in rows 0, 1, 2), and ids",
        ),
        ("item", ["x", None, "z"], "column 'item' has no id in row 1"),
        (
            "weight",
            [1, None, 3],
            "column 'weight' has no weight in row 1: drop these rows or fill them first",
        ),
        ("weight", [1, NAN, NAN], "column 'weight' has weights that are not finite, nan in rows 1, 2: drop"),
        ("weight", [1, 2, INF], "column 'weight' has weights that are not finite, inf in row 2"),
        ("weight", [1, 2, -INF], "column 'weight' has weights that are not finite, -inf in row 2"),
        ("weight", [1, 2, 1e39], "column 'weight' has weights too large for 32-bit floats"),
        (
            "weight",
            [-1, 2, -3],
            "column 'weight' has negative weights, -1 in rows 0, 2: drop these rows, or pass",
        ),
        (
            "weight",
            ["1", "2", "3"],
            "column 'weight' holds String values ('1', '2', '3' in rows 0, 1, 2), and weights",
        ),
        ("time", [1, None, 3], "column 'time' has no time in row 1"),
        ("time", [1.0, NAN, 3.0], "column 'time' has times that are not finite, nan in row 1"),
        (
            "time",
            ["mon", "tue", "wed"],
            "column 'time' holds text that is no date or time, 'mon' in rows 0, 1, 2",
        ),
        ("time", [1, 2, 2**64 - 1], "column 'time' has no time that fits in 64 bits in row 2"),
    ],
)
def test_unusable_values_are_rejected_with_column_rows_and_remedy(column: str, values: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read(**{**OK, column: values})
    assert "\n" not in str(caught.value)


def test_a_float_too_large_for_float32_is_caught_without_a_warning() -> None:
    with pytest.raises(DataError, match="too large for 32-bit floats"):
        read(user=[1], item=[1], weight=[1e300])


def test_negative_weights_are_taken_when_allowed() -> None:
    jokes = Interactions.from_frame({"user": [1], "item": [1], "w": [-9.5]}, weight="w", allow_negative=True)
    assert jokes.matrix[0, 0] == -9.5


def test_zero_weights_stay_pairs() -> None:
    ratings = read(user=[1, 1], item=[1, 2], weight=[0, 2])
    assert len(ratings) == 2
    assert ratings.n_items == 2
    assert len(ratings.transposed.data) == 2


def test_a_duplicate_pair_is_named_with_its_rows_and_the_remedy(small: pl.DataFrame) -> None:
    message = (
        "user 'b' and item 7 come together in rows 0, 4 (pairs that come more than once: 1): "
        "say what to do with them, e.g. duplicates='last' or duplicates='sum'"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        Interactions.from_frame(small, weight="weight")


def test_unknown_columns_are_answered_with_the_closest() -> None:
    message = "there is no column 'movie', only 'user_id', 'movie_id'; did you mean 'movie_id'?"
    for wrap in (
        dict,
        pl.DataFrame,
        pd.DataFrame,
        lambda f: pl.DataFrame(f).to_arrow(),
        lambda f: pl.LazyFrame(f),
    ):
        with pytest.raises(DataError, match=re.escape(message)):
            Interactions.from_frame(wrap({"user_id": [1], "movie_id": [1]}), user="user_id", item="movie")


def test_no_rows_are_rejected() -> None:
    with pytest.raises(DataError, match="there are no rows"):
        read(user=[], item=[])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"duplicates": "first"},
            "duplicates must be one of 'error', 'sum', 'mean', 'last', 'max', got 'first'",
        ),
        ({"duplicates_time": "mean"}, "duplicates_time must be one of 'last', 'max', 'min', got 'mean'"),
        ({"weight": "weight", "event_weights": ("time", {})}, "pass weight or event_weights, not both"),
        ({"weight": "user"}, "each column has one use, got 'user', 'item', 'user'"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Interactions.from_frame(OK, **options)


def test_given_maps_are_used_and_unknown_ids_refused() -> None:
    users = IdMap([9, 2, 1])
    ratings = Interactions.from_frame({"user": [1, 2], "item": ["a", "b"]}, users=users)
    assert ratings.users is users
    assert ratings.matrix.toarray().tolist() == [[0, 0], [0, 1], [1, 0]]
    assert (ratings.shape, ratings.n_users) == ((3, 2), 2)
    with pytest.raises(UnknownIdError, match=r"1 of 2 users were not in the training data: 5\. Leave users out"):
        Interactions.from_frame({"user": [1, 5], "item": ["a", "b"]}, users=[9, 2, 1])


ROWS: dict[str, list[Any]] = {"u": ["b", "a"], "i": [2**63 - 1, 3], "rating": [4.5, 3.0], "at": [20, 10]}


@pytest.mark.parametrize(
    ("kind", "frame"),
    [
        ("polars", pl.DataFrame(ROWS)),
        ("polars", pl.LazyFrame(ROWS)),
        ("polars", ROWS),
        ("pandas", pd.DataFrame(ROWS)),
        ("pandas", pd.DataFrame(ROWS).convert_dtypes()),
        ("pandas", pd.DataFrame(ROWS).astype({"u": object})),
        ("pandas", pd.DataFrame(ROWS).astype({"u": "category"})),
        ("pandas", pd.DataFrame(ROWS).convert_dtypes(dtype_backend="pyarrow")),
        ("pyarrow", pl.DataFrame(ROWS).to_arrow()),
    ],
)
def test_every_kind_of_frame_goes_out_as_it_came_in(kind: str, frame: Any) -> None:
    ratings = Interactions.from_frame(frame, user="u", item="i", weight="rating", time="at")
    assert ratings.frame_kind == kind
    out = ratings.to_frame()
    assert type(out).__module__.partition(".")[0] == kind
    assert pl.DataFrame(
        {name: list(out[name].to_pylist() if kind == "pyarrow" else out[name]) for name in ROWS}
    ).rows() == list(zip(*ROWS.values(), strict=True))
    for other in ("pandas", "polars", "pyarrow"):
        assert type(ratings.to_frame(other)).__module__.partition(".")[0] == other


def test_a_duckdb_relation_gives_polars() -> None:
    with duckdb.connect() as connection:
        relation = connection.sql(
            "select 'b' as u, 18446744073709551615::ubigint as i union all select 'a', 3::ubigint"
        )
        ratings = Interactions.from_frame(relation, user="u", item="i")
    assert ratings.frame_kind == "polars"
    assert sorted(ratings.to_frame().rows()) == [("a", 3, 1.0), ("b", 2**64 - 1, 1.0)]


def test_uuids_become_strings() -> None:
    ids = [uuid.uuid4(), uuid.uuid4()]
    for wrap in (dict, pd.DataFrame, pl.DataFrame):
        assert list(Interactions.from_frame(wrap({"user": ids, "item": [1, 2]})).users) == [str(i) for i in ids]


MOMENTS = [datetime(2021, 5, 4, 3, 2, 1, 7), datetime(1969, 1, 1)]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Lisbon"])
def test_datetimes_are_kept_as_microseconds_and_given_back(unit: Any, zone: str | None) -> None:
    column = pl.Series(MOMENTS).cast(pl.Datetime(unit, zone))
    for frame in ("polars", "pandas", "pyarrow"):
        ratings = Interactions.from_frame({"user": [2, 1], "item": [1, 1], "t": column}, time="t")
        assert ratings.time is not None
        assert ratings.time.dtype == np.int64
        assert ratings.time[1] == round(datetime(1969, 1, 1, tzinfo=UTC).timestamp() * 1e6)
        again = Interactions.from_frame(ratings.to_frame(frame), time="t")
        assert again.to_frame("polars")["t"].to_list() == column.cast(pl.Datetime("us", zone)).to_list()


def test_dates_and_floats_come_back_as_they_were() -> None:
    days = [date(2020, 2, 29), date(1960, 1, 1)]
    assert read(user=[1, 2], item=[1, 2], time=days).to_frame()["time"].to_list() == days
    assert read(user=[1, 2], item=[1, 2], time=[0.5, -2.5]).to_frame()["time"].to_list() == [0.5, -2.5]


def test_csr_matrices_are_copied_and_numbered() -> None:
    source = sp.coo_array(([1.0, 2.0, 3.0], ([1, 0, 1], [0, 1, 0])), shape=(2, 3))
    ratings = Interactions.from_csr(source, items=["x", "y", "z"])
    assert ratings.matrix.toarray().tolist() == [[0, 2, 0], [4, 0, 0]]
    assert list(ratings.users) == [0, 1]
    assert ratings.to_frame().rows() == [(0, "y", 2.0), (1, "x", 4.0)]
    assert ratings.n_items == 2
    own = sp.csr_matrix(np.eye(2, dtype=np.float32))
    taken = Interactions.from_csr(own)
    own.data[:] = 7
    assert taken.matrix.data.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("matrix", "options", "message"),
    [
        (np.eye(2), {}, "got a ndarray: wrap a dense one in scipy.sparse.csr_array"),
        (sp.csr_array((2, 3)), {}, "the matrix has no entries: got 2 x 3"),
        (sp.csr_array([[NAN]]), {}, "weights that are not finite"),
        (sp.csr_array([[-1.0]]), {}, "negative weights"),
        (sp.csr_array([[1.0]]), {"users": [1, 2]}, "users must name the 1 users of the matrix, got 2 ids"),
    ],
)
def test_matrices_are_checked(matrix: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        Interactions.from_csr(matrix, **options)


def test_filters_keep_the_maps_and_the_input_order() -> None:
    ratings = read(user=[2, 1, 2, 3], item=[1, 1, 5, 1], weight=[4, 5, 3, 4], time=[1, 2, 3, 4])
    likes = ratings.at_least(4).binarize()
    assert likes.users is ratings.users
    assert likes.items is ratings.items
    assert likes.to_frame().rows() == [(2, 1, 1.0, 1), (1, 1, 1.0, 2), (3, 1, 1.0, 4)]
    assert (likes.shape, likes.n_items) == ((3, 2), 1)
    assert likes.compact().shape == (3, 1)
    assert ratings.to_frame().rows()[2] == (2, 5, 3.0, 3)
    with pytest.raises(DataError, match="no weight is at least 6: the largest is 5"):
        ratings.at_least(6)


@pytest.mark.parametrize(
    ("filtered", "message"),
    [
        (lambda data: data.at_least("3"), "at_least must be a number, got '3'"),
        (lambda data: data.at_least(float("nan")), "at_least must be a number, got nan"),
        (lambda data: data.core(min_per_user=1.5), "min_per_user must be a whole number of at least 0, got 1.5"),
        (lambda data: data.core(min_per_item=[2]), r"min_per_item must be a whole number of at least 0, got \[2\]"),
        (lambda data: data.pick([[True], [True, False]]), r"mask must be bool of shape \(2,\)"),
    ],
)
def test_filters_refuse_what_is_no_bound(filtered: Callable[[Interactions], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        filtered(read(user=[1, 2], item=[1, 2]))


def test_a_bound_beyond_all_floats_is_above_every_weight() -> None:
    with pytest.raises(DataError, match=r"no weight is at least 1e\+39: the largest is 5"):
        read(user=[1], item=[1], weight=[5]).at_least(1e39)


@pytest.mark.parametrize("names", [("user", "weight"), ("weight", "item")])
def test_ids_in_a_column_with_the_name_of_the_weights_are_not_taken_for_weights(names: tuple[str, str]) -> None:
    user, item = names
    counted = Interactions.from_frame({user: [1, 2], item: [3, 4]}, user=user, item=item)
    assert counted.to_frame().columns == [user, item, "weights"]
    assert counted.to_frame().rows() == [(1, 3, 1.0), (2, 4, 1.0)]
    named = Interactions.from_frame({user: [1, 2], item: [3, 4], "n": [5, 6]}, user=user, item=item, weight="n")
    assert named.to_frame().rows() == [(1, 3, 5.0), (2, 4, 6.0)]


def test_log2_damps_exactly() -> None:
    assert read(user=[1, 1], item=[1, 2], weight=[1, 7]).log2().matrix.data.tolist() == [1, 3]


def test_core_repeats_until_stable() -> None:
    # Dropping user 3 leaves item 30 with one user, so it goes too, and user 2 with it.
    users = [1, 1, 0, 0, 2, 2, 3]
    items = [10, 20, 10, 20, 10, 30, 30]
    core = read(user=users, item=items).core(min_per_user=2, min_per_item=2)
    assert core.to_frame().select("user", "item").rows() == [(1, 10), (1, 20), (0, 10), (0, 20)]
    assert list(core.compact().users) == [1, 0]
    with pytest.raises(DataError, match="nothing is left with min_per_user=9 and min_per_item=1: lower"):
        core.core(min_per_user=9)


def test_pick_takes_a_mask_in_input_order() -> None:
    ratings = read(user=[2, 1, 2], item=[5, 1, 1], weight=[1, 2, 3])
    assert ratings.pick([True, False, True]).to_frame()["weight"].to_list() == [1, 3]
    again = ratings.pick([False, True, True]).pick([False, True])
    assert again.to_frame().rows() == [(2, 1, 3.0)]
    with pytest.raises(ValueError, match=r"mask must be bool of shape \(3,\), got int64 of \(3,\)"):
        ratings.pick([0, 1, 1])


def test_align_moves_to_other_maps_and_counts_what_they_lack() -> None:
    test = read(user=["a", "b", "z", "a"], item=[3, 2, 2, 9], weight=[1, 2, 3, 4], time=[4, 3, 2, 1])
    users, items = IdMap(["b", "a"]), IdMap([2, 3, 4])
    moved, dropped = test.align(users, items)
    assert dropped == 2
    assert moved.matrix.toarray().tolist() == [[2, 0, 0], [0, 1, 0]]
    assert moved.to_frame().rows() == [("a", 3, 1.0, 4), ("b", 2, 2.0, 3)]
    assert moved.users is users
    same, none = moved.align(IdMap(["b", "a"]), items)
    assert none == 0
    assert same.to_frame().equals(moved.to_frame())
    nobody, all_of_them = test.align(IdMap(["q"]), items)
    assert (len(nobody), all_of_them) == (0, 4)
    with pytest.raises(UnknownIdError, match="integers here"):
        test.align(IdMap([1]), items)


def test_the_fingerprint_covers_matrix_and_ids_only() -> None:
    def one(**changes: Any) -> str:
        return read(**{"user": ["a", "bc"], "item": [1, 2], "weight": [1, 2], **changes}).fingerprint()

    assert one() == one()
    assert re.fullmatch("[0-9a-f]{32}", one())
    assert one() == one(time=[5, 6])
    assert len({one(), one(weight=[1, 3]), one(user=["ab", "c"]), one(item=[1, 3]), one(item=["1", "2"])}) == 5


def test_repr_is_one_line() -> None:
    ratings = read(user=[1, 1], item=[1, 2], weight=[1, 4.5], time=[956703932, 1046454590])
    assert repr(ratings) == ("Interactions: 2 pairs, 1 users x 2 items, weights 1 to 4.5, 2000-04-25 to 2003-02-28")
    assert repr(read(user=[1], item=[1])) == "Interactions: 1 pairs, 1 users x 1 items, weights 1"
    assert repr(read(user=[1], item=[1], time=[7])).endswith("weights 1, 7 to 7")


def test_copies_and_pickles_are_equal() -> None:
    ratings = read(user=[1, 0], item=[1, 2], weight=[1, 4.5], time=[3, 4])
    for other in (copy.deepcopy(ratings), pickle.loads(pickle.dumps(ratings))):
        assert other.fingerprint() == ratings.fingerprint()
        assert other.to_frame().equals(ratings.to_frame())


def test_results_join_the_item_table(ml1m_ratings: Interactions) -> None:
    frame = ml1m_ratings.to_frame()
    movies = pl.DataFrame({"movie_id": pl.Series([1193], dtype=pl.Int32), "title": ["One Flew Over"]})
    assert frame.join(movies, on="movie_id")["title"].n_unique() == 1


def test_movielens_1m_is_as_published(ml1m_ratings: Interactions) -> None:
    assert (len(ml1m_ratings), ml1m_ratings.n_users, ml1m_ratings.n_items) == (1_000_209, 6_040, 3_706)
    assert len(ml1m_ratings.at_least(4)) == 575_281
    assert ml1m_ratings.to_frame().row(0) == (1, 1193, 5.0, 978300760)
    np.testing.assert_array_equal(ml1m_ratings.transposed.toarray(), ml1m_ratings.matrix.toarray().T)


def test_the_values_that_made_a_column_of_numbers_one_of_text_are_named() -> None:
    frame = {"user": [1, 2, 3, 4], "item": [1, 2, 3, 4], "weight": ["5", "nan", "4.5", "three"]}
    with pytest.raises(DataError, match=r"'weight' has what is no number, 'nan', 'three' in rows 1, 3: fill"):
        Interactions.from_frame(frame, weight="weight")


@pytest.mark.parametrize("word", ["", "  ", "NA", "nan", "None", "<NA>", r"\N"])
def test_a_text_for_a_missing_id_is_none(word: str) -> None:
    frame = pd.DataFrame({"user": ["ann", word, None, "bob"], "item": ["x", "y", "y", word]})
    with pytest.raises(
        DataError, match=r"column 'user' has no id in rows 1, 2.*: pass drop_nulls=True to leave"
    ) as caught:
        Interactions.from_frame(frame)
    assert caught.value.remedies[0].parameter == "drop_nulls"
    assert Interactions.from_frame(frame, drop_nulls=True).to_frame("polars").rows() == [("ann", "x", 1)]
    if word.strip():
        assert caught.value.remedies[1].parameter == "keep_na"
        named = Interactions.from_frame(frame, drop_nulls=True, keep_na=True)
        assert named.to_frame("polars").rows() == [("ann", "x", 1), (word, "y", 1), ("bob", word, 1)]
        # What the id maps know is a name.
        again = Interactions.from_frame(frame.drop(index=2), users=named.users, items=named.items)
        assert again.n_users == 3


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["ann", "", "NA"])])
def test_a_category_for_a_missing_id_is_none(dtype: Any) -> None:
    frame = pl.DataFrame({"user": pl.Series(["ann", "", "NA"], dtype=dtype), "item": [1, 2, 3]})
    with pytest.raises(DataError, match=r"column 'user' has no id in rows 1, 2, but 'NA': pass drop_nulls=True"):
        Interactions.from_frame(frame)
    assert Interactions.from_frame(frame, drop_nulls=True).to_frame().rows() == [("ann", 1, 1)]
    assert Interactions.from_frame(frame, drop_nulls=True, keep_na=True).users.ids.to_list() == ["ann", "NA"]


def test_rows_without_a_weight_or_a_time_are_left_out_on_request() -> None:
    frame = {"user": [1, 1, 1, 2], "item": [1, 2, 3, 1], "w": [1.0, None, 3.0, 4.0], "t": [1, 2, None, 4]}
    read = Interactions.from_frame(frame, weight="w", time="t", drop_nulls=True)
    assert read.to_frame().rows() == [(1, 1, 1, 1), (2, 1, 4, 4)]
    with pytest.raises(DataError, match=r"^no row is left: each lacks a value in 'user': pass keep_na=True if"):
        Interactions.from_frame({"user": ["NA"], "item": [1]}, drop_nulls=True)
    with pytest.raises(DataError, match=r"^no row is left: each lacks a value in 'w'$"):
        Interactions.from_frame({"user": [1], "item": [1], "w": [float("nan")]}, weight="w", drop_nulls=True)


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("event",),
        ("event", {"VIEW": 1}, 2),
        "event",
        ("event", None),
        ("event", [1, 2]),
        ({"VIEW": 1}, "event"),
        {"VIEW": 1, "LIKE": 2},
        (None, {"VIEW": 1}),
        5,
    ],
    ids=str,
)
def test_event_weights_are_a_pair_of_a_column_and_a_mapping(given: Any, tmp_path: Path) -> None:
    frame = {"user": [1], "item": [2], "event": ["VIEW"]}
    pl.DataFrame(frame).write_csv(tmp_path / "r.csv")
    for read in (partial(Interactions.from_frame, frame), partial(Interactions.from_file, tmp_path / "r.csv")):
        with pytest.raises(ParameterError, match="event_weights must be a pair of a column and weights") as caught:
            read(event_weights=given)
        assert (caught.value.parameter, caught.value.value) == ("event_weights", given)


@pytest.mark.parametrize("weight", [math.nan, math.inf, "2", None, 1j, [1], 10**400, 1e39])
def test_the_weight_of_an_event_is_a_number(weight: Any) -> None:
    with pytest.raises(ParameterError, match=r"event_weights must map events to numbers, got .* for 'VIEW'"):
        Interactions.from_frame({"user": [1], "item": [2], "e": ["VIEW"]}, event_weights=("e", {"VIEW": weight}))


@pytest.mark.parametrize(
    "events", [[[1], [2]], [{"a": 1}, {"a": 2}], np.array([1j, 2j])], ids=["lists", "structs", "complex"]
)
def test_events_of_other_types_are_refused(events: Any) -> None:
    frame = {"user": [1, 2], "item": [2, 3], "e": events}
    with pytest.raises(DataError, match="column 'e' holds"):
        Interactions.from_frame(frame, event_weights=("e", {1: 1}))


@pytest.mark.parametrize("name", [None, 5, ["user"]])
def test_the_name_of_a_column_is_a_text(name: Any) -> None:
    with pytest.raises(ParameterError, match="user must be the name of a column, got"):
        Interactions.from_frame({"user": [1], "item": [2]}, user=name)
    for use in ("weight", "time") if name is not None else ():
        with pytest.raises(ParameterError, match=f"{use} must be the name of a column, got"):
            Interactions.from_frame({"user": [1], "item": [2]}, **{use: name})


def test_the_bound_that_is_known_is_the_highest_and_finite() -> None:
    data = Interactions.from_frame({"user": [1, 1, 2], "item": [1, 2, 1], "w": [1.0, 3.0, 5.0]}, weight="w")
    assert data.at_least(2).at_least(1).columns.least == 2
    assert data.at_least(-np.inf).columns.least is None
    low = Interactions.from_frame({"user": [1, 1], "item": [1, 2], "w": [-3.0, -1.0]}, weight="w", allow_negative=True)
    with pytest.raises(DataError, match="no weight is at least 0: the largest is -1"):
        low.at_least(0)


def test_rows_without_an_id_or_a_weight_are_left_out_but_no_known_id() -> None:
    frame = pl.DataFrame({"user": ["NA", "x", "x"], "item": [1, 2, 3], "w": [1.0, float("nan"), 2.0]})
    read = Interactions.from_frame(frame, weight="w", users=["NA", "x"], drop_nulls=True)
    assert read.to_frame()["user"].to_list() == ["NA", "x"]
    assert len(Interactions.from_frame(frame, weight="w", drop_nulls=True)) == 1


def test_what_weights_went_through_is_kept() -> None:
    data = read(user=[1, 1, 1], item=[1, 2, 3], weight=[1, 3, 7])
    assert (data.columns.damping, data.log2().columns.damping) == (None, "log2")
    assert data.log2().binarize().columns.damping == data.binarize().log2().columns.damping == "binarize"
    damped = data.at_least(2).log2()
    assert (damped.columns.least, damped.columns.damping) == (2, "log2")
    # A bound of logarithms is one of the weights before.
    assert data.log2().at_least(3).columns.least == 7
    assert data.binarize().at_least(1).columns.least is None


def test_words_for_a_missing_weight_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("user,item,rating,time\n1,a,05,2020-01-01\n1,b,NA,2020-01-02\n2,b,4,NULL\n2,a,3,2020-01-03\n")
    columns = {"user": "user", "item": "item", "weight": "rating"}
    told = "column 'rating' has no weight in row 1: drop these rows or fill them first"
    with pytest.raises(DataError, match=told):
        Interactions.from_file(path, **columns)
    assert Interactions.from_file(path, **columns, drop_nulls=True).matrix.data.tolist() == [5, 3, 4]
    assert len(Interactions.from_file(path, **columns, time="time", drop_nulls=True)) == 2
