"""The routes that are no lists of items, on FastAPI, which also describes all of them in the OpenAPI page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import resources
from importlib.metadata import version
from typing import Any

import numpy as np
import orjson
import polars as pl
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from tastemap.data._checks import as_python
from tastemap.data._pairs import rows_at
from tastemap.data.events import Event
from tastemap.errors import NotSupportedError, TastemapError
from tastemap.serve.asked import (
    Asked,
    Explain,
    Find,
    Named,
    Pair,
    Pairs,
    Recommend,
    SimilarItems,
    SimilarUsers,
    read_object,
)
from tastemap.serve.errors import RefusedError, describe_error
from tastemap.serve.metrics import Metrics
from tastemap.serve.served import Served
from tastemap.serve.shelf import Shelf
from tastemap.serve.since import Since
from tastemap.serve.tastes import read_taste

# The files of the OpenAPI page: they come with a package, so that it needs no network.
PAGE_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}

_EVENT = {
    "type": "object",
    "required": ["user", "item"],
    "properties": {
        "user": {"type": ["string", "integer"]},
        "item": {"type": ["string", "integer"]},
        "weight": {"type": "number", "default": 1, "description": "0 takes a like back"},
        "time": {"type": ["string", "number"], "description": "ISO 8601, or seconds since 1970; absent, now"},
    },
}
_SEVERAL = {"type": "object", "required": ["events"], "properties": {"events": {"type": "array", "items": _EVENT}}}
EVENTS = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": [_EVENT, _SEVERAL]}}}}}

# Requests for other things than lists that are at work at a time; each may use all threads of the kernels.
AT_ONCE = 4

Json = dict[str, Any]


def make_routes(
    shelf: Shelf, since: Since, metrics: Metrics, *, take_events: Callable[[Json], Awaitable[int]] | None
) -> FastAPI:
    """Make the application of all routes but the lists of items, which it only describes.

    take_events : writes events down, None where no folder for them was given
    """
    api = FastAPI(
        title="tastemap",
        version=version("tastemap"),
        description="Recommendations, similar items and the reasons why, from fitted models.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a path that is no route is answered with 404, not with a place to try instead
    )
    limiter = CapacityLimiter(AT_ONCE)

    def add(path: str, kind: type[Asked], work: Callable[[Served, Any], Json], *methods: str, summary: str) -> None:
        async def answer(request: Request) -> Response:
            asked = await _read(request, kind)
            served = shelf.get(asked.model)
            return _respond(served.head | await to_thread.run_sync(work, served, asked, limiter=limiter))

        for method in methods:
            extra = describe_query(kind) if method == "GET" else describe_body(kind)
            api.add_api_route(path, answer, methods=[method], summary=summary, openapi_extra=extra, response_model=None)

    def explain_since(served: Served, asked: Explain) -> Json:
        return explain(served, asked, since.of(asked.user))

    add("/similar/users", SimilarUsers, find_similar_users, "GET", "POST", summary="The users who are most like a user")
    add("/predict", Pair, predict_one, "GET", summary="The score of an item for a user")
    add("/predict", Pairs, predict, "POST", summary="The scores of pairs of users and items")
    add("/explain", Explain, explain_since, "GET", "POST", summary="What each item of a history adds to a score")
    add("/search", Find, search, "GET", summary="The items whose titles or ids match a text")

    @api.get("/items/{item:path}", summary="What is known of an item")
    async def show_item(item: str, request: Request) -> Response:
        served = shelf.get(Named.of_query(request.scope["query_string"]).model)
        return _respond(served.head | await to_thread.run_sync(describe_item, served, item, limiter=limiter))

    @api.get("/users/{user:path}", summary="What is known of a user")
    async def show_user(user: str, request: Request) -> Response:
        served = shelf.get(Named.of_query(request.scope["query_string"]).model)
        return _respond(served.head | await to_thread.run_sync(describe_user, served, user, limiter=limiter))

    @api.get("/models", summary="The models")
    async def show_models() -> Response:
        return _respond({"models": [describe_model(served) for served in shelf.models]})

    @api.get("/models/{name}", summary="A model, with its card")
    async def show_model(name: str) -> Response:
        served = shelf.get(name)
        return _respond(describe_model(served) | {"card": str(served.model.card())})

    @api.get("/health/live", summary="Whether the server answers")
    async def tell_alive() -> Response:
        return _respond({"live": True})

    @api.get("/health/ready", summary="Whether there are models, and which could not be read again")
    async def tell_ready() -> Response:
        digests = {served.name: served.digest for served in shelf.models}
        return _respond({"ready": True, "models": digests, "failed": shelf.failed})

    @api.get("/metrics", summary="What Prometheus reads")
    async def show_metrics() -> Response:
        content = await to_thread.run_sync(metrics.render, shelf.models)
        return Response(content, media_type="text/plain; version=0.0.4; charset=utf-8")

    @api.post("/reload", summary="Read the models' files again", openapi_extra=describe_body(Named))
    async def reload(request: Request) -> Response:
        body = await request.body()
        name = Named.of_body(body or b"{}").model
        wanted = [shelf.get(name).name] if name is not None else [served.name for served in shelf.models]
        outcomes, faults = [], []
        for one in wanted:
            try:
                outcomes.append(await shelf.reload(one))
            except (ValueError, OSError, MemoryError) as error:
                faults.append(error)
        if faults:
            told = describe_error(faults[0])[1]
            return _respond(told, 409)
        models = [{"model": one.model, "digest": one.digest, "changed": one.changed} for one in outcomes]
        return _respond({"models": models})

    @api.post("/events", summary="Write down what users did", openapi_extra=EVENTS)
    async def post_events(request: Request) -> Response:
        if take_events is None:
            raise NotSupportedError("this server keeps no events: start it with --events FOLDER")
        return _respond({"accepted": await take_events(read_object(await request.body()))})

    for path, asks in (("/recommend", Recommend), ("/similar/items", SimilarItems)):
        _describe_lists(api, path, asks)
    _add_page(api)

    async def show_error(request: Request, error: Exception) -> Response:
        status, told = describe_error(error)
        return _respond(told, status)

    for kind in (Exception, HTTPException, RefusedError, TastemapError, ValueError, OSError):
        api.add_exception_handler(kind, show_error)
    return api


# -- answers ----------------------------------------------------------------------------------------------------------


def find_similar_users(served: Served, asked: SimilarUsers) -> Json:
    """Return the users who are most like a user."""
    row = served.require_user(asked.user)
    lists = served.model.user_space.nearest(np.array([row]), asked.depth, asked.metric)
    place = slice(asked.offset, min(asked.depth, int(lists.counts[0])))
    names, scores = served.name_users(lists.rows[0, place]), lists.scores[0, place].tolist()
    users = [{"user": name, "score": score} for name, score in zip(names, scores, strict=True)]
    return {"user": str(asked.user), "users": users}


def predict_one(served: Served, asked: Pair) -> Json:
    """Return the score of an item for a user."""
    return {"user": str(asked.user), "item": str(asked.item), "score": _score(served, [(asked.user, asked.item)])[0]}


def predict(served: Served, asked: Pairs) -> Json:
    """Return the scores of pairs."""
    return {"scores": _score(served, asked.pairs)}


def _score(served: Served, pairs: list[tuple[str | int, str | int]]) -> list[float]:
    rows = np.array([served.require_user(user) for user, _ in pairs])
    items = np.array([served.require_item(item) for _, item in pairs])
    distinct, place = np.unique(rows, return_inverse=True)
    scores: list[float] = served.scorer.score_pairs(served.scorer.queries(distinct), place, items).tolist()
    return scores


def explain(served: Served, asked: Explain, events: Sequence[Event]) -> Json:
    """Return what each item of a history adds to the score of an item, or of several."""
    model, scorer = served.model, served.scorer
    items = asked.wanted
    targets = np.array([served.require_item(item) for item in items])
    taste = read_taste(served, asked, events)
    if taste.history is None:
        rows = np.array([taste.row])
        history = rows_at(model.take_seen("explain"), rows)
        query = scorer.queries(rows)
    else:
        history = taste.history
        query = model.fold(history, served.find_features(np.array([taste.row])), taste.disliked)
    parts = model.take_apart(taste.row, targets, history, taste.disliked)
    if model.abilities.explains == "exact":
        scores = parts.shares.sum(axis=1) + parts.baselines
    else:
        scores = scorer.score_pairs(query, np.zeros(len(targets), np.int64), targets)
    named = served.name_items(parts.items)
    told = []
    for item, shares, baseline, score in zip(items, parts.shares, parts.baselines, scores.tolist(), strict=True):
        order = np.lexsort((scorer.ties.places[parts.items], -shares))
        told.append(
            {
                "item": str(item),
                "score": score,
                "baseline": float(baseline),
                "how": model.abilities.explains,
                "contributions": [{**named[place], "contribution": float(shares[place])} for place in order],
            }
        )
    who = {} if asked.user is None else {"user": str(asked.user)}
    return who | (told[0] if asked.items is None else {"explanations": told})


def search(served: Served, asked: Find) -> Json:
    """Return the items that a text may mean, the likeliest first, or those that are spelt nearly so."""
    rows = served.lookup.find(asked.q, asked.k)
    is_near = not len(rows)
    if is_near:
        rows = served.search.find_near(asked.q, asked.k)
    return {"q": asked.q, "near": is_near, "items": served.name_items(rows)}


def describe_item(served: Served, item: str) -> Json:
    """Return what is known of an item."""
    row = served.require_item(item)
    told = {**served.name_items(np.array([row]))[0], "pairs": int(served.model.popularity_[row])}
    known = {} if served.known is None else served.known.row(row, named=True)
    return {**told, **{name: value for name, value in known.items() if name not in told}}


def describe_user(served: Served, user: str) -> Json:
    """Return what is known of a user: the history, where the file of the model has it; the newest first, with dates,
    where it has times.
    """
    row = served.require_user(user)
    told = {"user": served.name_users(np.array([row]))[0], "pairs": int(served.model.activity_[row])}
    data = served.model.interactions
    if data is None:
        return told
    pairs = data.by_user
    own = slice(pairs.indptr[row], pairs.indptr[row + 1])
    named, weights = served.name_items(pairs.indices[own]), pairs.data[own].tolist()
    history = [{**one, "weight": weight} for one, weight in zip(named, weights, strict=True)]
    if data.time is None:
        return told | {"history": history}
    time = data.time[own]
    given = np.arange(len(time)) if data.order is None else data.order[own]
    clock = served.model.state.clock
    newest_first = np.lexsort((given, time))[::-1].tolist()
    return told | {"history": [{**history[at], "time": clock.format(time[at])} for at in newest_first]}


def describe_model(served: Served) -> Json:
    """Return what a model is and what it was trained on."""
    model = served.model
    parameters = {name: as_python(value) for name, value in model.used_.get_params().items()}
    return served.head | {
        "class": type(model).__name__,
        "parameters": parameters,
        "pairs": int(model.popularity_.sum()),
        "users": int(np.count_nonzero(model.state.known_users)),
        "items": int(np.count_nonzero(model.state.known_items)),
        "loaded": pl.from_epoch(pl.Series([served.loaded])).dt.to_string("iso:strict")[0] + "Z",
    }


# -- HTTP -------------------------------------------------------------------------------------------------------------


async def _read(request: Request, kind: type[Asked]) -> Asked:
    if request.method == "GET":
        return kind.of_query(request.scope["query_string"])
    return kind.of_body(await request.body())


def _respond(told: Mapping[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(told, default=str), status, media_type="application/json")


# -- the OpenAPI page -------------------------------------------------------------------------------------------------


def describe_query(kind: type[BaseModel]) -> Json:
    """Describe the fields of a request as parameters of a query."""
    schema = kind.model_json_schema()
    required = schema.get("required", ())
    return {
        "parameters": [
            {"name": name, "in": "query", "required": name in required, "schema": _as_query(field)}
            | ({"description": field["description"]} if "description" in field else {})
            for name, field in schema["properties"].items()
        ]
    }


def describe_body(kind: type[BaseModel]) -> Json:
    """Describe a request as a JSON body."""
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _as_query(field: Json) -> Json:
    """Return the schema of a field as a query has it: objects are texts there."""
    return {name: value for name, value in field.items() if name not in ("description", "title")}


def _describe_lists(api: FastAPI, path: str, kind: type[Asked]) -> None:
    """Describe a route that is answered before a request comes here."""

    async def answer() -> Response:  # pragma: no cover - never reached
        raise NotSupportedError(f"{path} is answered elsewhere")

    batch = {"type": "object", "properties": {"requests": {"type": "array", "items": kind.model_json_schema()}}}
    batch_body = {"requestBody": {"required": True, "content": {"application/json": {"schema": batch}}}}
    summary = (kind.__doc__ or "").replace("Asks for t", "T").strip().rstrip(".")
    for method, extra in (("GET", describe_query(kind)), ("POST", describe_body(kind))):
        api.add_api_route(path, answer, methods=[method], summary=summary, openapi_extra=extra)
    api.add_api_route(
        f"{path}/batch", answer, methods=["POST"], summary=f"{summary}, many at once", openapi_extra=batch_body
    )


def _add_page(api: FastAPI) -> None:
    @api.get("/docs", include_in_schema=False)
    async def show_page() -> Response:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="tastemap",
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="data:,",
        )

    # Read once: no request reaches the file system.
    files = {name: (resources.files("fastapi_offline") / "static" / name).read_bytes() for name in PAGE_FILES}

    @api.get("/docs/{name}", include_in_schema=False)
    async def show_file(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return Response(files[name], media_type=PAGE_FILES[name])
