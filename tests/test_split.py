from __future__ import annotations

import re
import warnings
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemap import split as splits
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError, TastemapWarning

# Times of these tests are drawn from a few.
pytestmark = pytest.mark.filterwarnings("ignore:the first pair held out")


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


def test_the_users_whose_last_pair_is_tied_are_counted() -> None:
    #             0  1  2  3  4  5  6
    whole = read([1, 1, 1, 2, 2, 3, 3], [9, 9, 1, 4, 5, 7, 7])
    with pytest.warns(TastemapWarning, match=r"of 2 of 3 users \(66.7%\) has the time of one that stays") as warned:
        splits.leave_last(whole)
    assert warned[0].filename == __file__
    assert warned[0].message.facts == {"tied": 2, "users": 3}  # type: ignore[union-attr]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splits.leave_last(whole, 2)  # all that is tied is held out


def test_windows_roll_over_the_latest_pairs() -> None:
    whole = read([1, 2] * 5, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    windows = [(items(train), items(test)) for train, test in splits.rolling(whole, 3, test=0.2)]
    assert windows == [([6, 7, 8, 9], [4, 5]), ([4, 5, 6, 7, 8, 9], [2, 3]), ([2, 3, 4, 5, 6, 7, 8, 9], [0, 1])]
    tied = read([1] * 6, [0, 1, 2, 2, 2, 3])
    assert [(items(train), items(test)) for train, test in splits.rolling(tied, 2, test=0.2)] == [
        ([0, 1], [2, 3, 4]),
        ([0, 1, 2, 3, 4], [5]),
    ]
    with pytest.raises(ValueError, match=r"10 windows with test=0.1 leave nothing to train on: lower test"):
        splits.rolling(whole, 10)
    with pytest.raises(DataError, match=r"the times are too few for 2 windows with test=0.1: lower k"):
        splits.rolling(read([1] * 30, [0] * 10 + [1] * 20), 2)


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


def test_folds_follow_the_documented_recipe_in_input_order() -> None:
    users = np.random.default_rng(5).integers(0, 9, 11).tolist()
    rank = np.argsort(np.argsort(np.random.default_rng(7).random(11)))
    for fold, (train, test) in enumerate(splits.k_fold(read(users), 3, seed=7)):
        assert items(test) == np.flatnonzero(rank % 3 == fold).tolist()
        assert items(train) == np.flatnonzero(rank % 3 != fold).tolist()


@given(st.lists(st.integers(0, 4), min_size=2, max_size=40), st.data(), st.integers(0, 9))
def test_every_pair_is_tested_in_one_fold(users: list[int], data: st.DataObject, seed: int) -> None:
    k = data.draw(st.integers(2, min(len(users), 8)))
    whole = read(users)
    folds = list(splits.k_fold(whole, k, seed=seed))
    sizes = [len(test) for _, test in folds]
    assert len(folds) == k
    assert max(sizes) - min(sizes) <= 1
    assert sorted(item for _, test in folds for item in items(test)) == list(range(len(users)))
    for train, test in folds:
        assert sorted(items(train) + items(test)) == list(range(len(users)))
        assert train.users is test.users is whole.users
    again = list(splits.k_fold(whole, k, seed=seed))
    assert [items(test) for _, test in again] == [items(test) for _, test in folds]


def test_another_seed_makes_other_folds_and_holds_out_other_users() -> None:
    whole = read(list(range(20)) * 3)
    assert len({tuple(items(next(splits.k_fold(whole, seed=seed))[1])) for seed in range(5)}) == 5
    assert len({tuple(items(splits.by_user(whole, 0.3, seed=seed)[2])) for seed in range(5)}) == 5


@given(
    st.lists(st.integers(0, 7), min_size=2, max_size=60),
    st.floats(0.05, 0.95),
    st.floats(0.05, 0.95),
    st.integers(0, 9),
)
def test_users_held_out_are_new_with_a_history_and_a_test(
    users: list[int], share: float, history: float, seed: int
) -> None:
    counts = {user: users.count(user) for user in users}
    eligible = {user for user, count in counts.items() if count >= 2}
    wanted = max(1, round(share * len(eligible)))
    whole = read(users)
    if not eligible or wanted == len(counts):
        with pytest.raises(DataError, match=r"no user has two pairs|nobody is left"):
            splits.by_user(whole, share, history=history, seed=seed)
        return
    train, known, test = parts = splits.by_user(whole, share, history=history, seed=seed)
    assert sorted(item for part in parts for item in items(part)) == list(range(len(users)))
    trained, folded, tested = ({users[item] for item in items(part)} for part in parts)
    assert folded == tested
    assert tested <= eligible
    assert len(tested) == wanted
    assert trained == set(users) - tested
    for user in tested:
        n_known = sum(users[item] == user for item in items(known))
        assert n_known == min(max(round(history * counts[user]), 1), counts[user] - 1)
    assert all(part.users is whole.users and part.items is whole.items for part in (train, known, test))
    assert items(splits.by_user(whole, share, history=history, seed=seed)[1]) == items(known)


def test_every_pair_of_a_user_may_be_in_the_history() -> None:
    whole = read([1] * 5 + [2] * 5)
    histories = [tuple(items(splits.by_user(whole, 0.5, history=0.6, seed=seed)[1])) for seed in range(60)]
    assert all(len(known) == 3 for known in histories)
    assert {item for known in histories for item in known} == set(range(10))


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
        (splits.leave_last, NUMBERS, {"n": 0}, ValueError, "n must be a whole number of at least 1, got 0"),
        (splits.leave_last, NUMBERS, {"n": 1.5}, ValueError, "n must be a whole number of at least 1, got 1.5"),
        (splits.random, None, {"test": "0.2"}, ValueError, "test must be a share between 0 and 1, got '0.2'"),
        (splits.random, None, {"seed": -1}, ValueError, "seed must be a whole number of at least 0, got -1"),
        (splits.by_user, None, {"seed": None}, ValueError, "seed must be a whole number of at least 0, got None"),
        (splits.k_fold, None, {"k": 3, "seed": 0.5}, ValueError, "seed must be a whole number of at least 0, got 0.5"),
        (splits.k_fold, None, {"k": 1}, ValueError, "k must be a whole number of at least 2, got 1"),
        (splits.k_fold, None, {"k": 2.0}, ValueError, "k must be a whole number of at least 2, got 2.0"),
        (splits.k_fold, None, {"k": True}, ValueError, "k must be a whole number of at least 2, got True"),
        (splits.k_fold, None, {"k": 4}, DataError, "4 folds need as many pairs, got 3: lower k"),
        (splits.by_user, None, {"test": 0}, ValueError, "test must be a share between 0 and 1, got 0"),
        (splits.by_user, None, {"history": 1.0}, ValueError, "history must be a share between 0 and 1, got 1.0"),
        (splits.by_user, None, {}, DataError, "no user has two pairs, one for the history and one for the test"),
    ],
)
def test_arguments_and_empty_parts_are_refused(
    split: Any, times: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        split(read([1, 2, 3], times), **options)


@pytest.mark.parametrize(
    "split",
    [splits.random, splits.by_time, splits.leave_last, splits.rolling, splits.k_fold, splits.by_user],
    ids=lambda it: it.__name__,
)
def test_an_argument_that_is_not_interactions_is_refused(split: Any) -> None:
    frame = read([1, 1, 2]).to_frame()
    with pytest.raises(DataError, match=f"{split.__name__} takes tastemap.Interactions, got DataFrame: make them"):
        split(frame)


def test_holding_everybody_out_is_refused() -> None:
    with pytest.raises(DataError, match=r"nobody is left to train on with test=0\.9: all 2 users would be held out"):
        splits.by_user(read([1, 1, 2, 2]), 0.9)
