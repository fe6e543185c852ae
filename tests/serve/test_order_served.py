"""Order over HTTP: a history is told with the newest first, and what comes next changes without the last item."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
import tastemap.serve
from serve.asking import ask

DAYS = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 12, 31), "1d", eager=True)


def walks() -> tm.Interactions:
    """Sixty users who walk through thirty items, mostly to the next one; all of two items on a day."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(60):
        items = (rng.integers(30) + np.cumsum(rng.integers(1, 4, 8))) % 30
        rows += [(user, int(item), DAYS[10 + place // 2]) for place, item in enumerate(dict.fromkeys(items.tolist()))]
    frame = pl.DataFrame(rows, schema=["user", "item", "day"], orient="row")
    return tm.Interactions.from_frame(frame, time="day")


@pytest.fixture(scope="module")
def model() -> tm.NextItem:
    return tm.NextItem(regularization=5.0).fit(walks(), progress=False)


@pytest.fixture(scope="module")
def service(model: tm.NextItem, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path: Path = tmp_path_factory.mktemp("models") / "next.safetensors"
    model.save(path)
    return tastemap.serve.app([path])


def get(service: Any, path: str) -> Any:
    status, told = asyncio.run(ask(service, "GET", path))
    assert status == 200, told
    return told


def post(service: Any, **asked: Any) -> list[str]:
    status, told = asyncio.run(ask(service, "POST", "/recommend", asked))
    assert status == 200, told
    return [one["item"] for one in told["items"]]


def test_a_history_is_told_with_the_newest_first(service: Any) -> None:
    own = walks().to_frame("polars").filter(user=7)
    history = get(service, "/users/7")["history"]
    assert [one["item"] for one in history] == [str(item) for item in own["item"].reverse()]
    assert [one["time"] for one in history] == [str(day) for day in own["day"].reverse()]


def test_what_comes_next_changes_without_the_last_item(service: Any, model: tm.NextItem) -> None:
    own = walks().to_frame("polars").filter(user=7)["item"].to_list()
    whole, without = post(service, user=7, k=5), post(service, user=7, without=[own[-1]], k=5)
    assert without != whole
    for asked, history in ((whole, own), (without, own[:-1])):
        want = model.recommend_for(history, exclude=own, k=5, frame="polars")
        assert asked == [str(item) for item in want["item"]]


def test_a_given_history_counts_in_its_order(service: Any, model: tm.NextItem) -> None:
    for history in ([3, 4, 20], [20, 4, 3]):
        want = model.recommend_for(history, k=5, frame="polars")
        assert post(service, history=history, k=5) == [str(item) for item in want["item"]]
    assert post(service, history=[3, 4, 20], k=5) != post(service, history=[20, 4, 3], k=5)
