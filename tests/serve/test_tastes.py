"""Tastes over HTTP: what is disliked, a history without some of its items, and reasons for any of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import tastemap as tm
import tastemap.serve
from serve.asking import ask
from serve.running import likes

MODELS = {"als": tm.ImplicitALS(factors=8, epochs=3), "warp": tm.WARP(factors=8), "ease": tm.EASE()}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("models")
    for name, model in MODELS.items():
        model.fit(likes(), progress=False).save(folder / f"{name}.safetensors")
    return tastemap.serve.app([folder / f"{name}.safetensors" for name in MODELS])


def post(service: Any, path: str, expected: int = 200, **asked: Any) -> Any:
    status, told = asyncio.run(ask(service, "POST", path, asked))
    assert status == expected, told
    return told


def items_of(told: Any) -> list[str]:
    return [one["item"] for one in told["items"]]


@pytest.mark.parametrize("name", MODELS)
def test_what_is_disliked_counts_as_in_the_library(service: Any, name: str) -> None:
    told = post(service, "/recommend", model=name, history=[1, 2, 3], disliked=[4, 5], k=20)
    own = MODELS[name].recommend_for([1, 2, 3], disliked=[4, 5], k=20)
    assert items_of(told) == [str(item) for item in own["item"]]
    assert [one["score"] for one in told["items"]] == pytest.approx(own["score"].to_list(), rel=1e-6)


def test_a_batch_keeps_tastes_apart(service: Any) -> None:
    several = [{"history": [1, 2], "disliked": [3]}, {"history": [1, 2]}, {"user": 7, "disliked": [4]}, {"user": 7}]
    together = post(service, "/recommend/batch", requests=several)["answers"]
    assert together == [post(service, "/recommend", **one) for one in several]
    assert len({tuple(items_of(answer)) for answer in together}) == 4


def test_a_known_user_dislikes_too(service: Any) -> None:
    model = MODELS["ease"]
    own = likes().to_frame("polars").filter(user=7)["item"].to_list()
    told = post(service, "/recommend", model="ease", user=7, disliked=[1 if 1 not in own else 2], k=20)
    want = model.recommend_for(own, disliked=[1 if 1 not in own else 2], k=20)
    assert items_of(told) == [str(item) for item in want["item"]]


def test_an_item_of_the_history_is_switched_off(service: Any) -> None:
    own = likes().to_frame("polars").filter(user=7)["item"].to_list()
    told = post(service, "/recommend", model="ease", user=7, without=[own[0]], k=300)
    want = MODELS["ease"].recommend_for(own[1:], exclude=[own[0]], k=300)
    assert items_of(told) == [str(item) for item in want["item"]], "and it is not recommended"
    nothing = post(service, "/recommend", model="ease", user=7, without=own, k=5, on_unknown="popular")
    popular = tm.Popular().fit(likes(), progress=False).recommend_for([own[0]], exclude=own, k=5)
    assert items_of(nothing) == [str(item) for item in popular["item"]]


def test_wrong_tastes_are_refused_in_a_sentence(service: Any) -> None:
    told = post(service, "/recommend", 422, history=[1, 2], disliked=[2])
    assert told["error"]["message"] == "'2' are both in the history and disliked"
    assert "name a user" in post(service, "/recommend", 422, disliked=[2])["error"]["message"]
    assert post(service, "/recommend", history=[1, 2], disliked=["nobody knows"])["items"]
    assert post(service, "/explain", 422, history=[1], item=2, items=[3])["error"]["message"] == (
        "name one item, or several as items"
    )
    assert "name one item" in post(service, "/explain", 422, history=[1])["error"]["message"]


@pytest.mark.parametrize("name", MODELS)
def test_reasons_of_a_new_taste_are_those_of_the_library(service: Any, name: str) -> None:
    told = post(service, "/explain", model=name, history=[1, 2, 3], disliked=[4], items=[10, 20])
    for one, item in zip(told["explanations"], (10, 20), strict=True):
        why = MODELS[name].explain_for([1, 2, 3], item, disliked=[4])
        assert one["item"] == str(item)
        assert one["how"] == why.kind
        assert one["score"] == pytest.approx(why.score, rel=1e-5)
        want = [(str(reason), share) for reason, share in why.frame.iter_rows()]
        assert [(part["item"], part["contribution"]) for part in one["contributions"]] == want


def test_reasons_follow_what_is_switched_off(service: Any) -> None:
    own = likes().to_frame("polars").filter(user=7)["item"].to_list()
    whole = post(service, "/explain", model="ease", user=7, item=300)
    without = post(service, "/explain", model="ease", user=7, item=300, without=own[:3])
    assert {part["item"] for part in whole["contributions"]} == {str(item) for item in own}
    assert {part["item"] for part in without["contributions"]} == {str(item) for item in own[3:]}


def test_the_token_is_shown_once_in_the_address_of_a_page(tmp_path: Path) -> None:
    MODELS["ease"].save(tmp_path / "ease.safetensors")
    service = tastemap.serve.app(tmp_path / "ease.safetensors", token="secret")

    async def visit() -> None:
        from serve.asking import ask_raw

        status, body, _ = await ask_raw(service, "GET", "/explore/people?user=1")
        assert (status, body) == (401, b"this page needs the server's token: open it as /explore/?token=TOKEN")
        status, _, _ = await ask_raw(service, "GET", "/explore/?token=wrong")
        assert status == 401
        status, _, headers = await ask_raw(service, "GET", "/explore/people?user=1&token=secret")
        assert (status, headers["location"]) == (303, "/explore/people?user=1")
        assert "secret" not in headers["set-cookie"]
        assert "HttpOnly" in headers["set-cookie"]
        cookie = headers["set-cookie"].partition(";")[0]
        status, _, _ = await ask_raw(service, "GET", "/models", headers={"cookie": cookie})
        assert status == 200
        status, _, _ = await ask_raw(service, "GET", "/models", headers={"cookie": "tastemap=other"})
        assert status == 401

    asyncio.run(visit())


def test_links_from_other_sites_open_pages_and_nothing_else(service: Any) -> None:
    async def visit(path: str, **headers: str) -> int:
        status, _ = await ask(
            service, "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        return int(status)

    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert asyncio.run(visit("/explore/nowhere", **link)) == 404
    assert asyncio.run(visit("/models", **link)) == 403


def test_pages_of_other_origins_get_no_connection(service: Any) -> None:
    async def connect(origin: str) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        headers = [(b"host", b"127.0.0.1:8000"), (b"origin", origin.encode())]
        scope = {"type": "websocket", "path": "/explore/_nicegui_ws", "query_string": b"", "headers": headers}

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await service(scope, receive, send)
        return sent

    (closed,) = asyncio.run(connect("http://elsewhere.example"))
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    assert "other origins" in closed["reason"]
