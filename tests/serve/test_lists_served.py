"""Lists over HTTP are those of the library, to the bit, whoever else asks at the time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
import tastemap.serve
from serve.asking import ask, ask_raw

MODELS: dict[str, Callable[[], tm.Model]] = {
    "als": lambda: tm.ImplicitALS(factors=8, epochs=4),
    "bpr": lambda: tm.BPR(factors=8, epochs=4),
    "ease": lambda: tm.EASE(),
    "knn": lambda: tm.ItemKNN(),
    "popular": lambda: tm.Popular(),
}


def make_interactions(n_users: int = 60, n_items: int = 40) -> tm.Interactions:
    rng = np.random.default_rng(5)
    liked = rng.random((n_users, n_items)) < 0.2 + 0.5 * (np.add.outer(np.arange(n_users), np.arange(n_items)) % 4 == 0)
    users, items = np.nonzero(liked)
    frame = pl.DataFrame({"user": [f"u{n}" for n in users], "item": items + 100})
    return tm.Interactions.from_frame(frame)


@pytest.fixture(scope="module")
def fitted() -> dict[str, tm.Model]:
    data = make_interactions()
    return {name: make().fit(data, progress=False) for name, make in MODELS.items()}


@pytest.fixture(scope="module")
def files(fitted: dict[str, tm.Model], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    for name, model in fitted.items():
        model.save(folder / f"{name}.safetensors")
    return {name: folder / f"{name}.safetensors" for name in fitted}


@pytest.fixture(scope="module")
def service(files: dict[str, Path]) -> Any:
    return tastemap.serve.app(files)


def pairs_of(frame: pl.DataFrame) -> list[tuple[str, float]]:
    return list(zip(frame["item"].cast(pl.String), frame["score"].to_list(), strict=True))


def listed(answer: dict[str, Any]) -> list[tuple[str, float]]:
    """Return items and scores; the digits of these are those of 32-bit floats."""
    return [(one["item"], float(np.float32(one["score"]))) for one in answer["items"]]


def asked(service: Any, *requests: dict[str, Any], path: str = "/recommend") -> list[Any]:
    async def run() -> list[Any]:
        return list(await asyncio.gather(*(ask(service, "POST", path, request) for request in requests)))

    return asyncio.run(run())


@pytest.mark.parametrize("name", MODELS)
def test_lists_are_those_of_the_library(service: Any, fitted: dict[str, tm.Model], name: str) -> None:
    model, (history, weights) = fitted[name], ([101, 105, 120], {"101": 1, "105": 1, "120": 1})
    cases: list[tuple[dict[str, Any], pl.DataFrame]] = [
        ({"user": "u3"}, model.recommend("u3", frame="polars")),
        ({"user": "u3", "k": 40, "seen": True}, model.recommend("u3", k=40, exclude_seen=False, frame="polars")),
        ({"user": "u4", "exclude": [103, "107"]}, model.recommend("u4", exclude=[103, 107], frame="polars")),
        (
            {"user": "u4", "candidates": [101, "104", 110, 111]},
            model.recommend("u4", candidates=[101, 104, 110, 111], frame="polars"),
        ),
        ({"user": "new", "on_unknown": "popular"}, model.recommend("new", on_unknown="popular", frame="polars")),
        ({"history": history}, model.recommend_for(history, frame="polars")),
        ({"history": weights, "k": 3}, model.recommend_for(history, k=3, frame="polars")),
        ({"user": "someone", "history": history}, model.recommend_for(history, frame="polars")),
    ]
    answers = asked(service, *({**request, "model": name} for request, _ in cases))
    for (request, expected), (status, answer) in zip(cases, answers, strict=True):
        assert status == 200, answer
        assert answer["model"] == name
        assert listed(answer) == pairs_of(expected), request
        assert ("user" in answer) == ("user" in request)


@pytest.mark.parametrize("name", ["als", "ease", "knn"])
def test_a_user_and_what_happened_since_are_one_history(service: Any, fitted: dict[str, tm.Model], name: str) -> None:
    model = fitted[name]
    data = model.interactions
    assert data is not None
    own = data.items.take(data.by_user.indices[: data.by_user.indptr[1]]).to_list()
    user, new = data.users[0], next(item for item in model.items if item not in own)
    ((status, answer),) = asked(service, {"user": user, "history": [new], "model": name})
    assert status == 200
    expected = model.recommend_for([*own, new], frame="polars")
    assert [item for item, _ in listed(answer)] == [item for item, _ in pairs_of(expected)]
    assert np.allclose([s for _, s in listed(answer)], [s for _, s in pairs_of(expected)], rtol=1e-5)


def test_nobody_can_tell_who_else_asked(service: Any, fitted: dict[str, tm.Model]) -> None:
    rng = np.random.default_rng(1)
    users = [f"u{n}" for n in range(60)]
    requests = [
        {
            "user": user,
            "model": str(rng.choice([*MODELS])),
            "k": int(rng.integers(1, 30)),
            "offset": int(rng.integers(0, 9)),
        }
        for user in users * 4
    ]
    for request in requests[::7]:
        request["history"] = [int(item) for item in rng.choice(40, 3, replace=False) + 100]
    for request in requests[::5]:
        request["exclude"] = [int(item) for item in rng.choice(40, 3, replace=False) + 100]

    async def alone() -> list[bytes]:
        return [(await ask_raw(service, "POST", "/recommend", request))[1] for request in requests]

    async def together() -> list[bytes]:
        answers = await asyncio.gather(*(ask_raw(service, "POST", "/recommend", request) for request in requests))
        return [content for _, content, _ in answers]

    async def as_one_batch() -> bytes:
        return (await ask_raw(service, "POST", "/recommend/batch", {"requests": requests}))[1]

    expected = asyncio.run(alone())
    assert asyncio.run(together()) == expected
    assert asyncio.run(as_one_batch()) == b'{"answers":[' + b",".join(expected) + b"]}"


@pytest.mark.parametrize("path", ["/recommend", "/similar/items"])
def test_pages_are_parts_of_the_whole_list(service: Any, path: str) -> None:
    who = {"user": "u7"} if path == "/recommend" else {"item": 104}
    ((_, whole),) = asked(service, {**who, "k": 25}, path=path)
    pages = asked(service, *({**who, "k": 5, "offset": offset} for offset in range(0, 30, 5)), path=path)
    together = list(itertools.chain.from_iterable(page["items"] for _, page in pages))
    assert together[:25] == whole["items"]
    ((_, behind),) = asked(service, {**who, "offset": 5_000}, path=path)
    assert behind["items"] == []


@pytest.mark.parametrize("name", ["als", "bpr", "ease", "knn"])
def test_similar_items_are_those_of_the_library(service: Any, fitted: dict[str, tm.Model], name: str) -> None:
    model = fitted[name]
    near = model.similar_items(104, k=12, frame="polars").rename({"item": "asked", "neighbour": "item"})
    kept = near.filter(~pl.col("item").is_in([near["item"][0], near["item"][3]]))
    (_, plain), (_, without) = asked(
        service,
        {"item": 104, "k": 12, "model": name},
        {"item": "104", "k": 10, "exclude": [near["item"][0], near["item"][3]], "model": name},
        path="/similar/items",
    )
    assert listed(plain) == pairs_of(near)
    assert listed(without) == pairs_of(kept)
    popular = int(np.median(model.popularity_))
    ((_, answer),) = asked(service, {"item": 104, "min_pairs": popular, "model": name}, path="/similar/items")
    assert listed(answer) == pairs_of(
        model.similar_items(104, min_pairs=popular, frame="polars").rename({"item": "asked", "neighbour": "item"})
    )


def test_the_fault_of_one_harms_no_other(service: Any) -> None:
    requests = [
        {"user": "u1"},
        {"user": "nobody"},
        {"k": 5},
        {"user": "u1", "candidates": [1]},
        {"history": [1]},
        {"history": {"101": 0}},
        {"history": {"101": -1}},
        {"user": "u1", "model": "other"},
        {"user": "u1", "k": 0},
        {"user": "u2"},
    ]
    answers = asked(service, *requests)
    assert [status for status, _ in answers] == [200, 404, 422, 404, 404, 422, 422, 404, 422, 200]
    sentences = [answer["error"]["message"] for status, answer in answers if status != 200]
    assert sentences == [
        "the model knows no user 'nobody'",
        "name a user, or the history of a new one",
        "the model knows no item '1'",
        "1 of 1 items of the history are not in the model, '1': leave them out",
        "the history holds no like: give at least one of its items a weight that counts as one",
        "weights of a history must not be negative",
        "there is no model 'other', only 'als', 'bpr', 'ease' and 2 more",
        "k must be greater than or equal to 1, got 0",
    ]
    ((status, batch),) = asked(service, {"requests": requests}, path="/recommend/batch")
    assert status == 200
    assert batch["answers"] == [answer for _, answer in answers]
