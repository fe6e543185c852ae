from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tastemap as tm
from reference.pairs import gather
from tastemap.data import _gather
from tastemap.data._numbering import Numbering
from tastemap.kernels.pairs import mark_places, rank_places, sort_rows

IDS = st.integers(-3, 40) | st.sampled_from([-(2**63), 2**63 - 1, 10**12])
ROWS = st.lists(st.tuples(IDS, IDS, st.sampled_from([0.25, 1.0, 3.0]), st.integers(-5, 5)), min_size=1, max_size=200)
LONG = [(7, item % 90, 1.0 + item % 3, -item) for item in range(300)]  # a user whose rows are sorted by digits


@pytest.mark.parametrize("duplicates_time", ["last", "max", "min"])
@pytest.mark.parametrize("duplicates", ["sum", "mean", "last", "max"])
@given(rows=ROWS, cut=st.integers(0, 200), floats=st.booleans())
@example(rows=LONG, cut=100, floats=True)
@settings(max_examples=25)
def test_rows_become_pairs_as_one_by_one(
    rows: list[tuple[int, int, float, int]], cut: int, floats: bool, duplicates: str, duplicates_time: str
) -> None:
    table = pl.DataFrame(rows, schema=["user", "item", "weight", "time"], orient="row")
    if floats:
        table = table.with_columns(pl.col("time").cast(pl.Float64))
    data = tm.Interactions.from_frame(
        iter([table[:cut], table[cut:]]),
        weight="weight",
        time="time",
        duplicates=duplicates,  # type: ignore[arg-type]
        duplicates_time=duplicates_time,  # type: ignore[arg-type]
    )
    expected = gather(rows, duplicates, duplicates_time)
    order = np.arange(len(data)) if data.order is None else data.order
    assert data.time is not None
    found = zip(data.row_of_pair(), data.matrix.indices, data.matrix.data, data.time, order, strict=True)
    assert [tuple(one) for one in found] == [(u, i, np.float32(w), t, rank) for u, i, w, t, rank in expected]
    assert data.users.ids.to_list() == list(dict.fromkeys(user for user, *_ in rows))
    assert data.items.ids.to_list() == list(dict.fromkeys(item for _, item, *_ in rows))


@given(st.lists(st.lists(IDS, max_size=30), min_size=1, max_size=6), st.booleans())
def test_ids_are_numbered_by_their_first_appearance_whatever_table_finds_them(
    pieces: list[list[int]], as_texts: bool
) -> None:
    numbering, known = Numbering("user", None, "users"), dict[int, int]()
    for piece in pieces:
        column = pl.Series("user", piece, dtype=pl.Int64)
        if as_texts:
            column = column.cast(pl.String)
        assert numbering.number(column).tolist() == [known.setdefault(one, len(known)) for one in piece]
    ids = numbering.make_map().ids.to_list()
    assert ids == [str(one) if as_texts else one for one in known]


def test_near_and_far_ids_share_their_numbers() -> None:
    numbering = Numbering("user", None, "users")
    near = pl.Series("user", np.arange(5_000))
    assert numbering.number(near).tolist() == list(range(5_000))
    far = pl.Series("user", [2**62, 4_999, -(2**62), 0, 2**62])
    assert numbering.number(far).tolist() == [5_000, 4_999, 5_001, 0, 5_000]
    more = pl.Series("user", np.arange(100_000) * 2**40)
    assert numbering.number(more).tolist() == [0, *range(5_002, 105_001)]
    assert numbering.number(near).tolist() == list(range(5_000))


@given(st.lists(st.integers(0, 70_000), max_size=300), st.integers(1, 3))
def test_rows_of_a_user_are_sorted_and_equal_ones_stay_as_they_are(items: list[int], spare: int) -> None:
    columns, order = np.array(items, np.int32), np.arange(len(items), dtype=np.int32)
    indptr, sizes = np.array([0, len(items)]), np.zeros(1, np.int64)
    n_bytes = min(max((max(items, default=0).bit_length() + 7) // 8, 1) + spare, 4)
    scratch = np.empty((2, len(items)), np.uint64), np.empty(len(items), np.int32)
    sort_rows(indptr, 0, 1, columns, order, *scratch, n_bytes, sizes)
    expected = np.argsort(items, kind="stable")
    assert order.tolist() == expected.tolist()
    assert columns.tolist() == sorted(items)
    assert sizes.tolist() == [len(set(items))]


@given(st.sets(st.integers(0, 300)))
def test_places_become_ranks(chosen: set[int]) -> None:
    places = np.array(sorted(chosen, key=lambda place: place * 7 % 301), np.int32)
    marks = np.zeros(5, np.uint64)
    mark_places(places, marks, 0, 2)
    mark_places(places, marks, 2, 5)
    before = np.concatenate(([0], np.cumsum([bin(word).count("1") for word in marks.tolist()])))
    ranks = places.copy()
    rank_places(ranks, marks, before, 0, len(ranks))
    assert ranks.tolist() == [sorted(chosen).index(place) for place in places]


def test_threads_and_parts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "user": random.integers(300, size=20_000),
            "item": random.zipf(1.3, 20_000) % 500,
            "time": random.random(20_000),
        }
    )
    options = {"time": "time", "duplicates": "sum", "duplicates_time": "min"}
    whole = tm.Interactions.from_frame(table, **options)  # type: ignore[arg-type]
    monkeypatch.setattr(_gather, "_FEW", 0)
    monkeypatch.setattr(_gather, "_AT_ONCE", 1_000)
    for threads in (1, 2, 5):
        with tm.threads(threads):
            parts = tm.Interactions.from_frame(
                (table[start : start + 777] for start in range(0, len(table), 777)),
                **options,  # type: ignore[arg-type]
            )
        assert parts.fingerprint() == whole.fingerprint()
        assert parts.order is not None
        assert parts.time is not None
        np.testing.assert_array_equal(parts.order, whole.order)
        np.testing.assert_array_equal(parts.time, whole.time)
