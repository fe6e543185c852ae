"""What users do counts in their lists at once, until a model has learned it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tastemap as tm
import tastemap.serve
from serve.asking import ask
from tastemap.data.events import Event
from tastemap.serve import events as events_module
from tastemap.serve.shelf import Shelf
from tastemap.serve.since import Since, find_news


@pytest.fixture(scope="module")
def data() -> tm.Interactions:
    pairs = [(user, item) for user in range(1, 13) for item in range(1, 10) if (user + item) % 3]
    return tm.Interactions.from_frame(pl.DataFrame(pairs, schema=["user", "item"], orient="row"))


def save(data: tm.Interactions, path: Path) -> tm.Model:
    model = tm.EASE().fit(data, progress=False)
    model.save(path)
    return model


def items_of(answer: dict[str, Any]) -> list[int]:
    return [int(one["item"]) for one in answer["items"]]


def test_an_event_counts_at_once_and_is_not_recommended_again(data: tm.Interactions, tmp_path: Path) -> None:
    model = save(data, tmp_path / "m.st")
    own = data.items.take(data.by_user.indices[: data.by_user.indptr[1]]).to_list()
    new = next(item for item in model.items if item not in own)

    async def run() -> None:
        service = tastemap.serve.app(tmp_path / "m.st", events=tmp_path / "events")
        _, before = await ask(service, "GET", "/recommend?user=1")
        assert new in items_of(before)
        assert await ask(service, "POST", "/events", {"user": "1", "item": new}) == (200, {"accepted": 1})
        _, after = await ask(service, "GET", "/recommend?user=1")
        assert items_of(after) == model.recommend_for([*own, new])["item"].to_list()
        many = [{"user": "someone", "item": item} for item in (1, "2")] + [{"user": "1", "item": "unknown"}]
        assert await ask(service, "POST", "/events", {"events": many}) == (200, {"accepted": 3})
        _, someone = await ask(service, "GET", "/recommend?user=someone")
        assert items_of(someone) == model.recommend_for([1, 2])["item"].to_list()
        # A like that is taken back leaves the history and is not listed.
        await ask(service, "POST", "/events", {"user": "1", "item": own[0], "weight": 0})
        _, without = await ask(service, "GET", "/recommend?user=1")
        expected = model.recommend_for([*own[1:], new], exclude=[own[0]])["item"].to_list()
        assert items_of(without) == expected
        # Another server finds in the journal what this one wrote.
        again = tastemap.serve.app(tmp_path / "m.st", events=tmp_path / "events")
        assert (await ask(again, "GET", "/recommend?user=1"))[1] == without

    asyncio.run(run())


def test_wrong_events_are_refused_and_none_is_taken(data: tm.Interactions, tmp_path: Path) -> None:
    save(data, tmp_path / "m.st")

    async def run() -> None:
        service = tastemap.serve.app(tmp_path / "m.st", events=tmp_path / "events")
        for wrong in ({}, {"user": 1}, {"user": 1, "item": None}, {"user": 1, "item": 2, "time": "soon"}):
            status, told = await ask(service, "POST", "/events", {"events": [{"user": 1, "item": 2}, wrong]})
            assert status == 422
            assert told["error"]["message"]
        _, answer = await ask(service, "GET", "/recommend?user=1")
        assert 2 in items_of(answer)

    asyncio.run(run())


def test_processes_see_the_events_of_each_other(
    data: tm.Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "PAUSE", 0.02)
    save(data, tmp_path / "m.st")

    async def run() -> None:
        one, other = (tastemap.serve.app(tmp_path / "m.st", events=tmp_path / "events") for _ in range(2))
        assert 2 in items_of((await ask(other, "GET", "/recommend?user=1"))[1])
        await ask(one, "POST", "/events", {"user": 1, "item": 2})
        for _ in range(200):
            await asyncio.sleep(0.02)
            if 2 not in items_of((await ask(other, "GET", "/recommend?user=1"))[1]):
                return
        pytest.fail("the other process saw nothing in 4 s")

    asyncio.run(run())


def test_what_a_model_has_learned_is_forgotten(data: tm.Interactions, tmp_path: Path) -> None:
    model = save(data, tmp_path / "m.st")
    since = Since()
    for event in (Event("1", "2", None, 5, {}), Event("1", "5", 1.0, 5, {}), Event("2", "2", 0.0, 5, {})):
        since.add(event)
    since.add(Event("1", "2", 2.0, 4, {}))  # came late
    old = Shelf({"m": tmp_path / "m.st"}).get("m")
    assert find_news(old, 1, since.of(1)) == {old.find_item(2): 1.0, old.find_item(5): 1.0}
    news = tm.Interactions.from_frame(pl.DataFrame({"user": [1, 1], "item": [2, 5]}))
    model.update(news).save(tmp_path / "m.st")
    new = Shelf({"m": tmp_path / "m.st"}).get("m")
    assert find_news(new, 1, since.of(1)) == {}
    since.forget([old, new], since.users)
    assert len(since) == 3
    since.forget([new], since.users)
    assert len(since) == 1  # the like taken back is no part of the model yet
    assert find_news(new, "2", since.of("2")) == {new.find_item(2): 0.0}
