"""Events are cut into sessions where users pause."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemap as tm

NIGHT = datetime(2024, 1, 1)


def clicks(**minutes: list[int]) -> pl.DataFrame:
    rows = [
        (user, f"item {n}", NIGHT + timedelta(minutes=at)) for user, own in minutes.items() for n, at in enumerate(own)
    ]
    return pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")


def test_a_session_ends_where_a_user_pauses_for_longer() -> None:
    events = clicks(ann=[0, 30, 61, 62], bob=[5])
    assert tm.split_sessions(events)["session"].to_list() == [0, 0, 1, 1, 2]
    for gap in ("31m", timedelta(minutes=31), "1h"):
        assert tm.split_sessions(events, gap=gap)["session"].to_list() == [0, 0, 0, 0, 1]
    turned = events.reverse()
    assert tm.split_sessions(turned)["session"].to_list() == [0, 2, 2, 1, 1]  # bob's row comes first now
    assert tm.split_sessions(turned).drop("session").equals(turned)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), min_size=1), st.integers(1, 9))
def test_sessions_are_those_of_a_walk_through_each_users_events(rows: Any, gap: int) -> None:
    table = pl.DataFrame(rows, schema=["user", "time"], orient="row")
    expected, number = {}, -1
    for user in dict.fromkeys(user for user, _ in rows):
        last = None
        for time, place in sorted((time, place) for place, (own, time) in enumerate(rows) if own == user):
            number += last is None or time - last > gap
            last, expected[place] = time, number
    assert tm.split_sessions(table, gap=gap)["session"].to_list() == [expected[place] for place in range(len(rows))]


def test_sessions_are_users_that_recommend_by_what_somebody_does_now() -> None:
    events = clicks(ann=[0, 1, 100, 101], bob=[3, 4])
    data = tm.Interactions.from_frame(tm.split_sessions(events), user="session", time="time")
    assert data.n_users == 3
    assert list(data.users) == [0, 1, 2]


def test_frames_go_out_as_they_came_in() -> None:
    events = clicks(ann=[0, 90]).to_pandas()
    shown = tm.split_sessions(
        events.rename(columns={"user": "who", "time": "at"}), user="who", time="at", session="visit"
    )
    assert isinstance(shown, pd.DataFrame)
    assert list(shown.columns) == ["who", "item", "at", "visit"]
    assert shown["visit"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (
            {"user": [1], "time": [5]},
            {"gap": "30m"},
            "gap must be a number, because the times are numbers of",
        ),
        ({"user": [1], "time": [NIGHT]}, {"gap": 5}, "gap must be such as '30d', because the times are dates, got 5"),
        ({"user": [1], "time": [5]}, {"gap": 0}, "gap must be above 0 and finite, got 0"),
        ({"user": [1, None], "time": [5, 6]}, {"gap": 1}, "column 'user' has no id in row 1: drop these rows first"),
        ({"user": [1, 2], "time": [5, None]}, {"gap": 1}, "column 'time' has no time in row 1"),
        ({"user": [1], "at": [5]}, {"gap": 1}, "there is no column 'time', only 'user', 'at'"),
        ({"user": [1], "time": [5], "session": [1]}, {"gap": 1}, "there is a column 'session' already: name the new"),
        ({"user": [1], "time": [5]}, {"user": 3}, "user must be a text, got 3"),
    ],
)
def test_what_cannot_be_cut_is_refused(columns: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tm.split_sessions(pl.DataFrame(columns), **options)
