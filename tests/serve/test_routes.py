"""The routes that are no lists of items answer as the library does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tastemap as tm
import tastemap.serve
from serve.asking import ask, ask_raw


@pytest.fixture(scope="module")
def als() -> tm.Model:
    pairs = [(user, item) for user in range(1, 13) for item in range(1, 10) if (user * item) % 3 or user == item]
    frame = pl.DataFrame(pairs, schema=["user", "item"], orient="row")
    return tm.ImplicitALS(factors=4, epochs=3).fit(tm.Interactions.from_frame(frame), progress=False)


@pytest.fixture(scope="module")
def service(als: tm.Model, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("served")
    als.save(folder / "als.st")
    tm.Popular().fit(als.interactions, progress=False).save(folder / "popular.st")  # type: ignore[arg-type]
    als.save(folder / "lean.st", interactions=False)
    titles = ["Amélie (2001)", "Brazil", "Casablanca", "The Dreamers", "Eraserhead", "Fargo", "Gilda", "Heat", "Ida"]
    pl.DataFrame({"item": range(1, 10), "title": titles}).write_csv(folder / "items.csv")
    names = [folder / name for name in ("als.st", "popular.st", "lean.st")]
    return tastemap.serve.app(names, items=folder / "items.csv")


def get(service: Any, url: str, status: int = 200) -> Any:
    got, answer = asyncio.run(ask(service, "GET", url))
    assert got == status, answer
    return answer


def post(service: Any, url: str, body: Any = None, status: int = 200) -> Any:
    got, answer = asyncio.run(ask(service, "POST", url, body))
    assert got == status, answer
    return answer


def test_scores_are_those_that_lists_show(service: Any, als: tm.Model) -> None:
    assert get(service, "/predict?user=3&item=4")["score"] == float(als.predict(3, 4)[0])
    pairs = [[1, 2], ["2", 5], [1, "3"]]
    assert post(service, "/predict", {"pairs": pairs})["scores"] == als.predict([1, 2, 1], [2, 5, 3]).tolist()


def test_similar_users_are_those_of_the_library(service: Any, als: tm.Model) -> None:
    near = als.similar_users(5, k=4, frame="polars")
    answer = get(service, "/similar/users?user=5&k=3&offset=1")
    expected = list(zip(near["neighbour"].cast(pl.String), near["score"].to_list(), strict=True))
    assert [(one["user"], one["score"]) for one in answer["users"]] == expected[1:]


def test_reasons_are_those_of_the_library(service: Any, als: tm.Model) -> None:
    why = als.explain(3, 4, frame="polars")
    for answer in (get(service, "/explain?user=3&item=4"), post(service, "/explain", {"user": 3, "item": 4})):
        assert answer["score"] == why.score
        assert answer["how"] == "exact"
        assert [int(one["item"]) for one in answer["contributions"]] == why.frame["item"].to_list()
        assert [one["contribution"] for one in answer["contributions"]] == why.frame["contribution"].to_list()
        assert answer["contributions"][0]["title"]
    told = get(service, "/explain?user=3&item=4&model=popular", 422)
    assert told["error"]["message"] == "the scores of Popular do not come from the user's own history"


@pytest.mark.parametrize(
    ("text", "items", "near"),
    [
        ("amelie", ["1"], False),
        ("DREAM", ["4"], False),
        ("7", ["7"], False),
        ("Casablanka", ["3"], True),
        ("zzz", [], True),
    ],
)
def test_search_takes_what_people_type(service: Any, text: str, items: list[str], near: bool) -> None:
    answer = get(service, f"/search?q={text}")
    assert [one["item"] for one in answer["items"]] == items
    assert answer["near"] == near


def test_what_is_known_of_items_users_and_models(service: Any, als: tm.Model) -> None:
    item = get(service, "/items/4")
    assert (item["item"], item["title"], item["pairs"]) == (
        "4",
        "The Dreamers",
        int(als.popularity_[als.items.find([4])[0]]),
    )
    user = get(service, "/users/3")
    assert user["pairs"] == len(user["history"])
    assert "history" not in get(service, "/users/3?model=lean")
    models = get(service, "/models")["models"]
    assert [model["model"] for model in models] == ["als", "popular", "lean"]
    assert models[0]["parameters"] == als.used_.get_params()
    assert (models[0]["users"], models[0]["items"]) == (11, 9)
    assert get(service, "/models/als")["card"] == als.card()
    ready = get(service, "/health/ready")
    assert ready == {"ready": True, "models": {model["model"]: model["digest"] for model in models}, "failed": {}}
    assert get(service, "/health/live") == {"live": True}


def test_every_answer_has_the_digest_of_the_file(service: Any) -> None:
    digest = get(service, "/models/als")["digest"]
    for url in ("/recommend?user=3", "/similar/items?item=3", "/similar/users?user=3", "/search?q=ida", "/items/3"):
        answer = get(service, url)
        assert (answer["model"], answer["digest"]) == ("als", digest)


@pytest.mark.parametrize(
    ("method", "url", "status", "sentence"),
    [
        ("GET", "/nothing", 404, None),
        ("GET", "/items/99", 404, "the model knows no item '99'"),
        ("GET", "/users/ann", 404, "the model knows no user 'ann'"),
        ("GET", "/models/x", 404, "there is no model 'x', only 'als', 'popular', 'lean'"),
        ("GET", "/search", 422, "q is missing"),
        ("POST", "/predict", 400, None),
        ("DELETE", "/recommend", 405, None),
        ("PUT", "/predict", 405, None),
        ("GET", "/recommend/batch", 405, None),
        ("GET", "/reload", 405, None),
        ("POST", "/events", 422, "this server keeps no events: start it with --events FOLDER"),
        ("GET", "/similar/users?user=1&model=popular", 422, None),
        ("GET", "/recommend?user=1&model=lean", 422, None),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_sentence(
    service: Any, method: str, url: str, status: int, sentence: str | None
) -> None:
    got, answer = asyncio.run(ask(service, method, url))
    assert got == status, answer
    assert answer["error"]["message"] == (sentence or answer["error"]["message"])
    assert answer["error"]["message"]


def test_the_page_describes_all_routes_and_needs_no_network(service: Any) -> None:
    schema = get(service, "/openapi.json")
    assert {"/recommend", "/recommend/batch", "/similar/items", "/predict", "/events", "/reload"} <= schema[
        "paths"
    ].keys()
    fields = {field["name"] for field in schema["paths"]["/recommend"]["get"]["parameters"]}
    assert {"user", "k", "offset", "exclude", "where", "model"} <= fields
    status, page, _ = asyncio.run(ask_raw(service, "GET", "/docs"))
    assert status == 200
    assert b"http" not in page.replace(b"http-equiv", b"")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
        status, content, _ = asyncio.run(ask_raw(service, "GET", f"/docs/{name}"))
        assert status == 200
        assert name.encode() in page
        assert len(content) > 100_000
    assert asyncio.run(ask_raw(service, "GET", "/docs/other.js"))[0] == 404


def test_a_model_is_read_again(tmp_path: Path, als: tm.Model) -> None:
    als.save(tmp_path / "m.st")
    own = tastemap.serve.app(tmp_path / "m.st")
    before = get(own, "/models/m")["digest"]
    assert post(own, "/reload") == {"models": [{"model": "m", "digest": before, "changed": False}]}
    tm.Popular().fit(als.interactions, progress=False).save(tmp_path / "m.st")  # type: ignore[arg-type]
    (one,) = post(own, "/reload", {"model": "m"})["models"]
    assert one["changed"]
    assert get(own, "/models/m")["class"] == "Popular"
    (tmp_path / "m.st").write_bytes(b"broken")
    told = post(own, "/reload", status=409)
    assert "is no whole tastemap model" in told["error"]["message"]
    assert get(own, "/recommend?user=3")["digest"] == one["digest"]
    assert list(get(own, "/health/ready")["failed"]) == ["m"]
    post(own, "/reload", {"model": "x"}, 404)
