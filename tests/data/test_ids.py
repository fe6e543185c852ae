from __future__ import annotations

import pickle
import re
import threading
import uuid
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from tastemap.data.ids import IdMap, restore_whole_ids
from tastemap.errors import DataError, ParameterError, UnknownIdError

INT64_MAX, UINT64_MAX = 2**63 - 1, 2**64 - 1


def test_ids_and_rows_are_one_to_one() -> None:
    users = IdMap(["c", "a", "b"])
    assert list(users) == ["c", "a", "b"]
    assert len(users) == 3
    assert users[1] == "a"
    assert users[:2] == ["c", "a"]
    assert users[-1:] == ["b"]
    assert "b" in users
    assert "z" not in users
    assert users.rows(["b", "c"]).tolist() == [2, 0]
    assert users.find(["b", "z"]).tolist() == [2, -1]


def test_a_map_counts_the_ids_that_it_does_not_show() -> None:
    assert repr(IdMap(range(3_898))) == "IdMap: 3,898 ids of 'user': 0, 1, 2 and 3,895 more"
    assert repr(IdMap(["a", "b", "c"], "item")) == "IdMap: 3 ids of 'item': 'a', 'b', 'c'"


def test_take_returns_a_series_under_the_callers_name() -> None:
    movies = IdMap([10, 20, 30], name="movie_id")
    taken = movies.take(np.array([2, 0, 2]))
    assert taken.name == "movie_id"
    assert taken.to_list() == [30, 10, 30]
    assert movies.take([]).to_list() == []
    for rows in ([3], [-1], np.array([1 << 40])):
        with pytest.raises(UnknownIdError, match="rows go from 0 to 2, got"):
            movies.take(rows)
    with pytest.raises(ValueError, match="rows must be whole numbers in one dimension, got float64"):
        movies.take([1.7])


@pytest.mark.parametrize("ids", [[0, INT64_MAX, -(2**63)], [0, UINT64_MAX, INT64_MAX, 2**63]], ids=["int64", "uint64"])
def test_64_bit_ids_are_exact(ids: list[int]) -> None:
    m = IdMap(ids)
    assert list(m) == ids
    assert m.rows(ids).tolist() == list(range(len(ids)))
    assert m.rows(pl.Series(ids)).tolist() == list(range(len(ids)))
    for near in (INT64_MAX - 1, UINT64_MAX - 1, -1, 2**80):
        assert m.find([near]).tolist() == [-1]
        assert near not in m


def test_signed_and_unsigned_never_meet_as_floats() -> None:
    signed, unsigned = IdMap([-1, INT64_MAX]), IdMap(pl.Series([UINT64_MAX, INT64_MAX], dtype=pl.UInt64))
    assert signed.find(np.array([UINT64_MAX, INT64_MAX], dtype=np.uint64)).tolist() == [-1, 1]
    assert unsigned.find(np.array([-1, INT64_MAX])).tolist() == [-1, 1]
    assert signed != unsigned
    assert IdMap([1, 2]) == IdMap(pl.Series([1, 2], dtype=pl.UInt64))


@pytest.mark.parametrize(
    "wrap",
    [
        list,
        tuple,
        np.array,
        pl.Series,
        pd.Series,
        pd.Index,
        pa.array,
        lambda v: pa.chunked_array([v[:1], v[1:]]),
    ],
)
@pytest.mark.parametrize("ids", [["a", "b", "z"], [4, 5, 99]], ids=["strings", "integers"])
def test_any_kind_of_array_is_looked_up(wrap: Any, ids: list[Any]) -> None:
    assert IdMap(ids[:2]).find(wrap(ids)).tolist() == [0, 1, -1]
    assert list(IdMap(wrap(ids))) == ids


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32])
def test_smaller_integers_are_widened(dtype: Any) -> None:
    m = IdMap(pl.Series([3, 100], dtype=dtype))
    assert m.ids.dtype == pl.Int64
    assert m.rows(pl.Series([100], dtype=dtype)).tolist() == [1]


def test_uuids_and_categories_count_as_their_strings() -> None:
    one = uuid.uuid4()
    m = IdMap([one, "b"])
    assert m[0] == str(one)
    assert m.rows([one, str(one)]).tolist() == [0, 0]
    assert m.rows(pl.Series(["b", str(one)], dtype=pl.Categorical)).tolist() == [1, 0]
    assert m.rows(pd.Series(pd.Categorical(["b", "b"]))).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("ids", "asked", "kind"),
    [
        ([4, 5], ["4"], "integers"),
        ([4, 5], [4.0], "integers"),
        ([4, 5], [True], "integers"),
        ([4, 5], [None], "integers"),
        ([4, 5], [4, "5"], "integers"),
        ([4, 5], pl.Series(["4"]), "integers"),
        ([4, 5], np.array([4.0]), "integers"),
        (["4", "5"], [4], "strings"),
        (["4", "5"], np.array([4]), "strings"),
        (["4", "5"], pl.Series(["4", None]), "strings"),
    ],
)
def test_an_id_of_another_type_is_never_cast(ids: list[Any], asked: Any, kind: str) -> None:
    with pytest.raises(UnknownIdError, match=f"users are {kind} here and never cast, got "):
        IdMap(ids).find(asked)


def test_a_mixture_of_types_is_named_by_its_wrong_value() -> None:
    many = [4] * 3_000 + ["5"]
    with pytest.raises(UnknownIdError, match="got '5' of type str"):
        IdMap([4]).find(many)
    assert "4" not in IdMap([4])
    assert 4.0 not in IdMap([4])


def test_unknown_ids_are_counted_and_named_with_the_way_out() -> None:
    message = (
        "4 of 5 users were not in the training data: 'a', 'b', 'c' and 1 more. "
        "Pass on_unknown='popular' to rank them anyway."
    )
    with pytest.raises(UnknownIdError, match=re.escape(message)):
        IdMap(["k"]).rows(["a", "b", "k", "c", "d"], "Pass on_unknown='popular' to rank them anyway.")
    with pytest.raises(UnknownIdError, match=r"1 of 1 movie_id values were not in the training data: 9\.$"):
        IdMap([1], name="movie_id").rows([9])


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (
            pl.Series([INT64_MAX], dtype=pl.Datetime),
            "time_zone=None) values (9223372036854775807 in row 0), and",
        ),
        ([1.5], "holds Float64 values (1.5 in row 0), and ids are integers or strings: cast it first"),
        ([1.5], ".cast(pl.Int64), in pandas frame["),
        ([True, False], "holds Boolean values (True, False in rows 0, 1)"),
        ([1, None], "has no id in row 1: drop these rows first"),
        (["a", 1], "mixes str and int: 'a' in row 0, 1 in row 1"),
        ([1, 2, 1], "ids must be distinct, but 'user' repeats 1"),
        ([2**64], "integers that do not fit in 64 bits"),
        ([-1, UINT64_MAX], "integers that do not fit in 64 bits"),
        ("abc", "user must be a list, an array or a series, got 'abc'"),
    ],
)
def test_values_that_are_not_ids_are_rejected(ids: Any, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        IdMap(ids)


@pytest.mark.parametrize("name", [None, 5, ["user"]])
def test_the_name_of_ids_is_a_text(name: Any) -> None:
    with pytest.raises(ParameterError, match="name must be a text, got"):
        IdMap([1, 2], name)


def test_many_strings_are_found_like_few() -> None:
    m = IdMap([f"u{i}" for i in range(5_000)])
    asked = pl.Series([f"u{i}" for i in range(4_999, -10, -1)])
    expected = [*range(4_999, -1, -1), *[-1] * 9]
    assert m.find(asked).tolist() == expected
    assert np.concatenate([m.find(asked[s : s + 100]) for s in range(0, len(asked), 100)]).tolist() == expected


@given(st.lists(st.integers(-(2**63), INT64_MAX), unique=True), st.lists(st.integers(-(2**63), INT64_MAX)))
def test_integers_are_found_as_in_a_dict(ids: list[int], others: list[int]) -> None:
    m, reference = IdMap(pl.Series(ids, dtype=pl.Int64)), {value: row for row, value in enumerate(ids)}
    asked = ids[::-1] + others
    expected = [reference.get(value, -1) for value in asked]
    assert m.find(asked).tolist() == expected
    assert m.find(pl.Series(asked, dtype=pl.Int64)).tolist() == expected


@pytest.mark.parametrize("shift", [0, -(2**63), 2**63 - 4_000, 2**64 - 4_000])
def test_ids_close_to_each_other_are_found_in_a_table(shift: int) -> None:
    rng = np.random.default_rng(0)
    ids = [shift + int(i) for i in rng.permutation(3_900)[:1_500]]
    m = IdMap(ids)
    rows = {value: row for row, value in enumerate(ids)}
    asked = [shift + int(i) for i in rng.integers(0, 3_950, 5_000)]
    for values in (asked, [*asked, 0, -1, 2**62, INT64_MAX, -(2**63)]):
        dtype = pl.UInt64 if max(values) >= 2**63 else pl.Int64
        values = [value for value in values if value >= 0 or dtype == pl.Int64]
        assert m.find(pl.Series(values, dtype=dtype)).tolist() == [rows.get(value, -1) for value in values]


def test_ids_may_be_found_among_some_rows_only() -> None:
    m = IdMap(["a", "b", "c"])
    assert m.find_among(["c", "x", "b", "a"], np.array([True, False, True])).tolist() == [2, -1, -1, 0]
    assert IdMap([]).find_among([7], np.zeros(0, bool)).tolist() == [-1]


def test_an_empty_map_finds_no_id() -> None:
    m = IdMap(pl.Series([], dtype=pl.Int64))
    assert len(m) == 0
    assert m.find([1]).tolist() == [-1]
    assert m.find(np.array([1, 2])).tolist() == [-1, -1]
    assert m.rows([]).tolist() == []


def test_equality_and_pickling_follow_the_ids() -> None:
    m = IdMap(["a", "b"], name="u")
    assert m == IdMap(["a", "b"], name="v")
    assert m != IdMap(["b", "a"])
    assert m != IdMap(["a"])
    assert IdMap([1]) != IdMap(["1"])
    m.rows(["a"])
    copy = pickle.loads(pickle.dumps(m))
    assert copy == m
    assert copy.name == "u"


@pytest.mark.parametrize("ids", [list(range(20_000)), [str(i) for i in range(20_000)]], ids=["integers", "strings"])
def test_first_lookups_from_many_threads_agree(ids: list[Any]) -> None:
    m, wrong = IdMap(ids), []
    start = threading.Barrier(8)

    def look_up(row: int) -> None:
        start.wait()
        if m.rows([ids[row]]).tolist() != [row]:
            wrong.append(row)

    threads = [threading.Thread(target=look_up, args=(row,)) for row in range(0, 16_000, 2_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("ids", "restored"),
    [
        ([17850.0, None, float("nan"), 0.0], pl.Series([17850, None, None, 0])),
        ([-(2.0**53) + 1, 2.0**53 - 1], pl.Series([-(2**53) + 1, 2**53 - 1])),
        ([1.0, 2.0**53], pl.Series([1.0, 2.0**53])),
        ([1.0, 2.5], pl.Series([1.0, 2.5])),
        ([1.0, float("inf")], pl.Series([1.0, float("inf")])),
        (["17850.0"], pl.Series(["17850.0"])),
        ([2**63], pl.Series([2**63], dtype=pl.UInt64)),
    ],
)
def test_integers_kept_as_floats_become_integers_again(ids: list[Any], restored: pl.Series) -> None:
    found = restore_whole_ids(pl.Series(ids))
    assert found.dtype == restored.dtype
    assert found.to_list() == restored.to_list()


@pytest.mark.parametrize(
    "ids",
    [list(range(-20, 40)), [UINT64_MAX, 2**63, 0, 7], ["", "a", "я", "x" * 40, "b"], []],
    ids=["int64", "uint64", "strings", "none"],
)
def test_ties_are_in_the_order_of_a_hash_of_the_id(ids: list[Any]) -> None:
    def digest(one: Any) -> int:
        own = one.encode() if isinstance(one, str) else (one % 2**64).to_bytes(8, "little")
        return xxhash.xxh64_intdigest(own, 42)

    tied = IdMap(ids)
    order = tied.tie_order
    assert (order.dtype, order.shape) == (np.int32, (len(ids),))
    assert [ids[row] for row in np.argsort(order)] == sorted(ids, key=digest)
    assert tied.tie_order is order
    with pytest.raises(ValueError, match="read-only"):
        order[:] = 0


def test_the_order_of_ties_keeps_to_known_ids_and_types() -> None:
    some = IdMap([5, 9, 1])
    more = some.extend(IdMap([9, 7, 3]))
    assert [one for one in np.array(more)[np.argsort(more.tie_order)] if one in some] == list(
        np.array(some)[np.argsort(some.tie_order)]
    )
    unsigned = IdMap(pl.Series([5, 9, 1], dtype=pl.UInt64))
    assert unsigned.tie_order.tolist() == some.tie_order.tolist()


@pytest.mark.parametrize("make", [int, str], ids=["integers", "strings"])
@pytest.mark.parametrize("n", [3, 5000])
def test_rows_that_were_found_may_be_written_to(n: int, make: type) -> None:
    users = IdMap([make(number) for number in range(n)])
    for ids in ([make(number) for number in range(1, n + 1)], users.ids, users.ids.head(0)):
        assert users.find(ids).flags.writeable


@pytest.mark.parametrize("ids", [["a"], pd.Series(["a"]), pl.Series(["a"])])
def test_a_name_that_is_no_unicode_is_refused(ids: Any) -> None:
    with pytest.raises(DataError, match="is no Unicode text, and so no name for a column: rename it"):
        IdMap(ids, "\ud800")
