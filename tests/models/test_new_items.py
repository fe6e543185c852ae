"""Only what is new is recommended on request."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tastemap as tm
import tastemap.serve
from serve.asking import ask

FIRST = {"a": 1, "b": 2, "c": 8, "d": 9, "e": 20}  # the day of the first pair of each item


def read(day: Any, **more: Any) -> tm.Interactions:
    """Return pairs in which users 1 to 4 take each item on the day of its first pair and on later ones."""
    rows = [(user, item, day(min(first + user - 1, 28))) for item, first in FIRST.items() for user in range(1, 5)]
    rows = [row for row in rows if row[:2] not in {(4, "d"), (4, "b"), (4, "e")}]
    return tm.Interactions.from_frame(pl.DataFrame(rows, schema=["user", "item", "time"], orient="row"), time="time")


def as_is(day: int) -> int:
    return day


def as_seconds(day: int) -> int:
    return int(datetime(2024, 1, day, tzinfo=UTC).timestamp())


def as_date(day: int) -> date:
    return date(2024, 1, day)


def listed(model: tm.Model, **asked: Any) -> list[str]:
    shown: list[str] = model.recommend(4, exclude_seen=False, frame="polars", **asked)["item"].to_list()
    return sorted(shown)


@pytest.mark.parametrize("cls", [tm.Popular, tm.EASE, tm.ImplicitALS])
def test_items_with_an_earlier_pair_are_left_out(cls: Any) -> None:
    model = cls().fit(read(as_is), progress=False)
    assert listed(model, since=8) == ["c", "d", "e"]
    assert listed(model, since=8.5) == ["d", "e"]
    assert listed(model, since=0) == sorted(FIRST)
    assert listed(model, since=99) == []
    assert sorted(model.recommend_for(["a"], since=8)["item"]) == ["c", "d", "e"]
    assert sorted(model.recommend(4, since=8)["item"]) == ["d", "e"]
    assert sorted(model.recommend(4, since=8, candidates=["a", "d"])["item"]) == ["d"]


@pytest.mark.parametrize("day", [as_seconds, as_date])
def test_a_moment_or_how_long_ago(day: Any) -> None:
    model = tm.Popular().fit(read(day))
    for since in ("2024-01-09", date(2024, 1, 9), datetime(2024, 1, 9, tzinfo=UTC), "13d", timedelta(days=13), "312h"):
        assert listed(model, since=since) == ["d", "e"]  # the latest pair is of January 22


def test_lists_of_everybody_are_of_what_is_new(tmp_path: Path) -> None:
    model = tm.Popular().fit(read(as_is))
    model.recommend_all(tmp_path / "lists.parquet", since=9, exclude_seen=False)
    assert set(pl.read_parquet(tmp_path / "lists.parquet")["item"]) == {"d", "e"}


def test_an_item_without_a_pair_is_new() -> None:
    films = tm.Features.from_frame(
        {"item": ["a", "b", "new"], "genre": ["war", "noir", "war"]}, id="item", columns="genre"
    )
    model = tm.ImplicitALS(factors=4).fit(read(as_is), item_features=films, progress=False)
    assert listed(model, since=20) == ["e", "new"]


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    model = tm.Popular().fit(read(as_is))
    for since, message in (
        ("2024-01-01", "since must be a number as the times are, got '2024-01-01'"),
        ("3d", "since must be a number, because the times are numbers of an unknown unit"),
        (True, "since must be a number as the times are, got True"),
    ):
        with pytest.raises(tm.ParameterError, match=message):
            model.recommend(4, since=since)
    with pytest.raises(tm.DataError, match="recommending what is new needs times, and the training pairs"):
        tm.Popular().fit(tm.Interactions.from_frame({"user": [1], "item": [1]})).recommend(since=1)
    model.save(tmp_path / "bare", interactions=False)
    with pytest.raises(tm.NotSupportedError, match="recommending what is new needs the training pairs"):
        tm.load(tmp_path / "bare").recommend(4, since=1, exclude_seen=False)


def test_the_service_lists_what_is_new(tmp_path: Path) -> None:
    model = tm.Popular().fit(read(as_seconds))
    model.save(tmp_path / "model.st")
    items = pl.DataFrame(
        {"item": list("abcde"), "title": list("ABCDE"), "genre": ["war", "war", "noir", "noir", "noir"]}
    )
    items.write_csv(tmp_path / "items.csv")

    async def run() -> None:
        app = tastemap.serve.app(tmp_path / "model.st", items=tmp_path / "items.csv")
        for query, found in (
            ("since=2024-01-09", ["d", "e"]),
            (f"since={as_seconds(8)}", ["c", "d", "e"]),
            ("since=2024-01-02&where=genre%3Dwar", ["b"]),
            ("since=13d&candidates=a&candidates=d", ["d"]),
        ):
            status, answer = await ask(app, "GET", f"/recommend?user=4&seen=true&{query}")
            assert (status, sorted(one["item"] for one in answer["items"])) == (200, found)
        status, told = await ask(app, "GET", "/recommend?user=4&since=soon")
        assert (status, told["error"]["message"]) == (422, "since must be an ISO date or datetime, got 'soon'")

    asyncio.run(run())
