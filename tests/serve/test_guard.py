"""The guard before the application: who may ask, how much, how long."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import orjson
import pytest

from serve.asking import ask, ask_raw
from tastemap.serve import guard as guarding
from tastemap.serve.guard import Guard, name_route, send_json
from tastemap.serve.metrics import Metrics


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body, after as many seconds as the query says."""
    if scope["path"] == "/fail":
        raise ZeroDivisionError("a secret")
    await asyncio.sleep(float(scope["query_string"] or 0))
    body = (await receive())["body"]
    await send_json(send, 200, orjson.dumps({"got": len(body)}))


def make(**options: Any) -> Guard:
    return Guard(echo, Metrics(), **{"token": None, **options})


def get(guard: Guard, url: str = "/recommend", **headers: str) -> tuple[int, Any]:
    status, answer = asyncio.run(
        ask(guard, "GET", url, headers={name.replace("_", "-"): v for name, v in headers.items()})
    )
    return status, answer.get("error", {}).get("message")


def test_a_token_guards_everything_but_health() -> None:
    guard = make(token="abc")
    sentence = "this needs the header Authorization: Bearer with the server's token"
    assert get(guard) == (401, sentence)
    for wrong in ("abc", "Bearer abcd", "Bearer ab", "Bearer", "bearer abc", "Basic abc", ""):
        assert get(guard, authorization=wrong) == (401, sentence)
    assert get(guard, authorization="Bearer abc")[0] == 200
    for path in ("/metrics", "/reload", "/docs", "/", "/health", "/healthy"):
        assert get(guard, path)[0] == 401
    assert get(guard, "/health/live")[0] == get(guard, "/health/ready")[0] == 200
    _, _, headers = asyncio.run(ask_raw(guard, "GET", "/recommend"))
    assert headers["www-authenticate"] == "Bearer"


def test_only_names_of_the_server_are_answered() -> None:
    guard = make(hosts=["Taste.Example"])
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000", "[::1]", "taste.example:80", "TASTE.example"):
        assert get(guard, host=host)[0] == 200, host
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil", "10.0.0.1", "", "[::2]", "::1:8000"):
        assert get(guard, host=host)[0] == 403, host
    assert get(make(hosts=["0.0.0.0"]), host="10.0.0.1:8000")[0] == 200
    assert get(make(hosts=["0.0.0.0"]), host="evil.example")[0] == 403
    assert get(make(hosts=["*"]), host="any.example")[0] == 200


def test_pages_of_others_may_not_ask() -> None:
    guard = make()
    assert get(guard, origin="http://127.0.0.1:8000")[0] == 200
    assert get(guard, origin="http://127.0.0.1:8000", sec_fetch_site="same-origin")[0] == 200
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8001"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ):
        assert get(guard, **headers) == (403, "pages of other origins may not ask this server")


def test_bodies_have_a_limit_and_those_of_events_a_larger_one() -> None:
    guard = make()

    def post(path: str, size: int, **headers: str) -> int:
        status: int = asyncio.run(ask(guard, "POST", path, b"x" * size, headers))[0]
        return status

    assert asyncio.run(ask(guard, "POST", "/recommend", b"x" * 1000)) == (200, {"got": 1000})
    assert post("/recommend", 1 << 20) == 200
    assert post("/recommend", (1 << 20) + 1) == 413
    assert post("/events", (1 << 20) + 1) == 200
    assert post("/events", (8 << 20) + 1) == 413
    assert post("/recommend", (1 << 20) + 1, **{"content-length": "5"}) == 413  # as it comes
    assert post("/recommend", 3, **{"content-length": "-1"}) == 400


def test_a_body_that_does_not_come_and_an_answer_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "BODY_SECONDS", 0.05)
    monkeypatch.setattr(guarding, "ANSWER_SECONDS", 0.05)
    guard = make()
    assert get(guard, "/recommend?0.01")[0] == 200
    assert get(guard, "/recommend?5") == (503, "the answer took longer than 0.05 s: ask for less")

    async def never(scope: Any) -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            await asyncio.sleep(5)

        async def send(message: Any) -> None:
            sent.append(message)

        await guard(scope, receive, send)
        return sent

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/recommend",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    start, body = asyncio.run(never(scope))
    assert start["status"] == 408
    assert orjson.loads(body["body"])["error"]["message"] == "the body did not come within 0.05 s"


def test_a_mistake_of_the_server_tells_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    status, message = get(make(), "/fail")
    assert (status, message) == (500, "the server made a mistake: its log has the details")
    assert "a secret" in caplog.text  # the traceback


def test_long_paths_are_refused() -> None:
    assert get(make(), "/" + "x" * 17_000)[0] == 414
    assert get(make(), "/recommend?" + "x" * 17_000)[0] == 414


def test_answers_are_counted_by_route_and_status() -> None:
    metrics = Metrics()
    guard = Guard(echo, metrics, token=None)
    for path in ("/recommend", "/recommend", "/items/4", "/items/a/b", "/strange", "/health/live"):
        get(guard, path)
    get(guard, host="evil.example")
    counted = metrics.render([]).decode()
    for line in (
        'tastemap_requests_total{route="/recommend",status="200"} 2.0',
        'tastemap_requests_total{route="/recommend",status="403"} 1.0',
        'tastemap_requests_total{route="/items/{item}",status="200"} 2.0',
        'tastemap_requests_total{route="other",status="200"} 1.0',
        'tastemap_request_seconds_count{route="/recommend"} 3.0',
    ):
        assert line in counted.splitlines()


def test_routes_are_few() -> None:
    assert name_route("/models/a/b") == "/models/{name}"
    assert name_route("/users/4") == "/users/{user}"
    assert {name_route(path) for path in ("/", "", "/x", "//", "/items", "/../etc/passwd", "/x/items/4")} == {"other"}


def test_requests_are_logged_without_users_and_tokens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tastemap.requests")
    assert get(make(token="abc"), "/users/bob?0", authorization="Bearer abc")[0] == 200
    (record,) = caplog.records
    assert record.getMessage().startswith("GET /users/{user} 200 ")
    assert not any(private in str(vars(record)) for private in ("bob", "abc"))
