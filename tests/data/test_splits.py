from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemap.data import splits
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError


def read(users: list[int], times: list[Any] | None = None) -> Interactions:
    columns: dict[str, list[Any]] = {"user": users, "item": list(range(len(users)))}
    if times is None:
        return Interactions.from_frame(columns)
    return Interactions.from_frame({**columns, "time": times}, time="time")


def items(interactions: Interactions) -> list[int]:
    return interactions.to_frame()["item"].to_list()


def test_a_random_split_follows_the_published_recipe_in_input_order() -> None:
    users = np.random.default_rng(5).integers(0, 9, 300)
    whole = read(users.tolist())
    train, test = splits.random(whole, test=0.3, seed=42)
    held = np.random.default_rng(42).random(300) < 0.3
    assert items(test) == np.flatnonzero(held).tolist()
    assert items(train) == np.flatnonzero(~held).tolist()
    assert train.users is test.users is whole.users


def test_the_recipe_holds_for_the_likes_of_movielens_1m(ml1m_ratings: Interactions) -> None:
    likes = ml1m_ratings.at_least(4).binarize()
    train, test = splits.random(likes, test=0.2, seed=42)
    held = np.random.default_rng(42).random(575_281) < 0.2
    assert test.to_frame().equals(likes.to_frame().filter(held))
    assert len(train) + len(test) == 575_281


def test_a_split_by_time_has_one_moment_for_all() -> None:
    whole = read([1, 1, 2, 2], [10, 30, 20, 40])
    train, test = splits.by_time(whole, at=30)
    assert (items(train), items(test)) == ([0, 2], [1, 3])


def test_a_share_by_time_never_tears_a_tie() -> None:
    train, test = splits.by_time(read([1] * 5, [1, 2, 2, 2, 3]), test=0.4)
    assert (items(train), items(test)) == ([0], [1, 2, 3, 4])
    train, test = splits.by_time(read([1] * 4, [1, 1, 1, 3]), test=0.5)
    assert (items(train), items(test)) == ([0, 1, 2], [3])


def test_the_last_fifth_of_movielens_1m_is_exact(ml1m_ratings: Interactions) -> None:
    train, test = splits.by_time(ml1m_ratings, test=0.2)
    assert train.time is not None
    assert test.time is not None
    assert train.time.max() < test.time.min()
    assert len(test) >= 200_042
    assert np.count_nonzero(test.time > test.time.min()) < 200_042


@pytest.mark.parametrize(
    "at",
    [
        date(2020, 1, 2),
        datetime(2020, 1, 2),
        datetime(2020, 1, 2, tzinfo=UTC),
        "2020-01-02",
        "2020-01-02T01:00+01:00",
    ],
)
@pytest.mark.parametrize("zone", [None, UTC])
def test_moments_are_dates_datetimes_or_iso_text(at: Any, zone: Any) -> None:
    times = [datetime(2020, 1, day, tzinfo=zone) for day in (1, 2, 3)]
    train, test = splits.by_time(read([1, 2, 3], times), at=at)
    assert (items(train), items(test)) == ([0], [1, 2])


def test_the_last_pairs_of_each_user_are_held_out() -> None:
    #             0  1  2  3  4  5
    whole = read([1, 2, 1, 1, 3, 2], [9, 5, 1, 9, 7, 4])
    train, test = splits.leave_last(whole)
    assert items(test) == [1, 3]  # of equal times the later row; user 3 has one pair and keeps it
    assert items(train) == [0, 2, 4, 5]
    assert items(splits.leave_last(whole, 2)[1]) == [0, 3]
    assert items(splits.leave_last(whole, after=9)[1]) == [3]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=2, max_size=40),
    st.integers(1, 3),
    st.floats(0.05, 0.95),
    st.integers(0, 9),
)
def test_parts_are_disjoint_and_complete(rows: list[tuple[int, int]], n: int, share: float, seed: int) -> None:
    users, times = [u for u, _ in rows], [t for _, t in rows]
    whole = read(users, times)
    for split in (
        lambda: splits.random(whole, share, seed=seed),
        lambda: splits.by_time(whole, test=share),
        lambda: splits.leave_last(whole, n),
    ):
        try:
            train, test = split()
        except DataError:
            continue
        assert sorted(items(train) + items(test)) == list(range(len(rows)))
        assert len(train) > 0
        assert len(test) > 0
        assert whole.to_frame()[items(test)].equals(test.to_frame())


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30), st.integers(1, 3))
def test_the_last_are_those_of_a_sorted_list(rows: list[tuple[int, int]], n: int) -> None:
    expected = []
    for user in {u for u, _ in rows}:
        own = sorted((t, place) for place, (u, t) in enumerate(rows) if u == user)
        expected += [place for _, place in own[-n:]] if len(own) > n else []
    whole = read([u for u, _ in rows], [t for _, t in rows])
    if expected:
        assert items(splits.leave_last(whole, n)[1]) == sorted(expected)
    else:
        with pytest.raises(DataError, match=f"the test part is empty with n={n}: all {len(rows)} pairs"):
            splits.leave_last(whole, n)


NUMBERS, DATES = [1, 2, 3], [date(2020, 1, day) for day in (1, 2, 3)]


@pytest.mark.parametrize(
    ("split", "times", "options", "error", "message"),
    [
        (splits.random, None, {"test": 1.0}, ValueError, "test must be a share between 0 and 1, got 1.0"),
        (
            splits.random,
            None,
            {"test": 1e-9},
            DataError,
            "the test part is empty with test=1e-09 and seed=0: all 3",
        ),
        (
            splits.by_time,
            None,
            {"test": 0.5},
            DataError,
            "a split by time needs times: pass time= to from_frame",
        ),
        (splits.by_time, NUMBERS, {}, ValueError, "pass either at or test, got at=None and test=None"),
        (splits.by_time, NUMBERS, {"at": 1, "test": 0.5}, ValueError, "pass either at or test, got at=1 and"),
        (splits.by_time, NUMBERS, {"at": 1}, DataError, "the training part is empty with at=1: all 3 pairs"),
        (splits.by_time, NUMBERS, {"at": 4}, DataError, "the test part is empty with at=4"),
        (splits.by_time, [5, 5, 5], {"test": 0.5}, DataError, "all 3 pairs have the same time"),
        (splits.by_time, NUMBERS, {"at": "2020-01-01"}, ValueError, "at must be a number as the times are"),
        (
            splits.by_time,
            DATES,
            {"at": 3},
            ValueError,
            "at must be a date, a datetime or an ISO string as the times",
        ),
        (splits.by_time, DATES, {"at": "soon"}, ValueError, "at must be an ISO date or datetime, got 'soon'"),
        (splits.leave_last, None, {}, DataError, "a split by time needs times"),
        (splits.leave_last, NUMBERS, {"n": 0}, ValueError, "n must be at least 1, got 0"),
    ],
)
def test_arguments_and_empty_parts_are_refused(
    split: Any, times: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        split(read([1, 2, 3], times), **options)
