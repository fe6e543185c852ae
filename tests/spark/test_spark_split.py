"""Splits of Spark frames have the rows of one machine."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm

pytestmark = pytest.mark.xdist_group("spark")


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    """Two hundred pairs, each once, in the order of a number; many have equal times."""
    random = np.random.default_rng(3)
    pairs = random.permutation(20 * 30)[:200]
    return pl.DataFrame(
        {
            "user": [f"u{number}" for number in pairs // 30],
            "item": pairs % 30,
            "time": random.integers(0, 40, 200),
            "row": np.arange(200),
        }
    ).with_columns(day=pl.datetime(2026, 1, 1) + pl.duration(days="time"))


def rows(parts: Any) -> list[set[tuple[Any, ...]]]:
    """Return the pairs of two parts, from Spark or from here."""
    if isinstance(parts[0], tm.Interactions):
        return [set(part.to_frame("polars").select("user", "item").rows()) for part in parts]
    return [{(row["user"], row["item"]) for row in part.select("user", "item").collect()} for part in parts]


@pytest.mark.parametrize(
    "asked",
    [
        {"at": 20},
        {"test": 0.2},
        {"test": 0.999},
        {"at": "2026-01-20", "time": "day"},
        {"at": datetime(2026, 1, 20, 12), "time": "day"},
        {"test": 0.3, "time": "day"},
    ],
)
def test_a_split_by_time_has_the_rows_of_one_machine(
    events: pl.DataFrame, to_spark: Callable[[pl.DataFrame], Any], asked: dict[str, Any]
) -> None:
    time = asked.get("time", "time")
    here = tm.Interactions.from_frame(events, time=time)
    given = {name: value for name, value in asked.items() if name != "time"}
    assert rows(tm.split.by_time(to_spark(events), **asked)) == rows(tm.split.by_time(here, **given))


def hear(split: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Return the parts of a split, and what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", tm.TastemapWarning)
        parts = split()
    return parts, [str(one.message) for one in caught if isinstance(one.message, tm.TastemapWarning)]


# The ties are meant.
@pytest.mark.filterwarnings("ignore:the first pair held out of:tastemap.errors.TastemapWarning")
@pytest.mark.parametrize("asked", [{}, {"n": 3}, {"n": 2, "after": 15}])
def test_the_last_of_each_user_are_those_of_one_machine(
    events: pl.DataFrame, to_spark: Callable[[pl.DataFrame], Any], asked: dict[str, Any]
) -> None:
    here = tm.Interactions.from_frame(events, time="time")
    far, said = hear(lambda: tm.split.leave_last(to_spark(events), **asked, order="row"))
    right, said_here = hear(lambda: tm.split.leave_last(here, **asked))
    assert said == [text.replace("the order of the input", "column 'row'") for text in said_here]
    assert len(said) == (asked.get("n", 1) > 1)  # of their last rows alone no two have the same time
    assert rows(far) == rows(right)
    assert far[0].columns == events.columns
    # Without an order the higher item of equal times is last, as where rows are in the order of items.
    sorted_here = tm.Interactions.from_frame(events.sort("item"), time="time")
    assert rows(tm.split.leave_last(to_spark(events), **asked)) == rows(tm.split.leave_last(sorted_here, **asked))


def test_what_cannot_be_split_is_told(events: pl.DataFrame, to_spark: Callable[[pl.DataFrame], Any]) -> None:
    far = to_spark(events)
    with pytest.raises(tm.DataError, match="the test part is empty with at=50: all 200 pairs fall into the other"):
        tm.split.by_time(far, at=50)
    with pytest.raises(tm.DataError, match="the training part is empty with at=0"):
        tm.split.by_time(far, at=0)
    with pytest.raises(tm.DataError, match="the Spark frame has no column 'when', only 'user'"):
        tm.split.leave_last(far, time="when")
    with pytest.raises(tm.DataError, match="column 'user' holds string values, and times are numbers"):
        tm.split.by_time(far, at=3, time="user")
    with pytest.raises(tm.DataError, match="column 'time' has no time in 200 of 200 rows"):
        tm.split.by_time(to_spark(events.with_columns(time=pl.lit(None, pl.Int64))), test=0.5)
    with pytest.raises(tm.DataError, match="all 200 rows have the same time, so no moment parts them"):
        tm.split.by_time(to_spark(events.with_columns(time=pl.lit(7))), test=0.5)
    with pytest.raises(ValueError, match="pass either at or test"):
        tm.split.by_time(far)
    with pytest.raises(tm.ParameterNameError, match="time is about Spark frames"):
        tm.split.by_time(tm.Interactions.from_frame(events, time="time"), at=3, time="time")  # type: ignore[call-overload]
