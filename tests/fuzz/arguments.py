"""Arguments of the public functions, at their ends and of wrong types, each beside right ones."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import strategies as st

import tastemap as tm
from fuzz import draw, small_models
from fuzz.verdict import ensure
from tastemap.files.journal import Journal

_USERS, _ITEMS = ["a", "b", "c", "d", "e"], [10, 20, 30, 40, 50, 60]
_KS = [1, 2, 3, 10, 100, 10**4, 10**6, 10**9, 2**31, 2**63, 0, -1]
_METRICS = [
    "ndcg@3",
    "recall@2",
    "auc",
    "auc@2",
    "rmse",
    "mae",
    "coverage@2",
    "gini@2",
    "diversity@2",
    "novelty@2",
    "ndcg",
    "ndcg@0",
    "x@3",
    "map@-1",
]
_METRICS += ["ndcg@1000000", "ndcg@9999999999999999999999", ""]
_KINDS = "tuple set array object polars pandas index pyarrow iterator chunked unique frame pandas-array category dict"


def _container(values: list[Any], kind: str) -> Any:
    makers: dict[str, Any] = {
        "list": list,
        "tuple": tuple,
        "set": set,
        "array": np.array,
        "object": lambda v: np.array(v, object),
        "polars": pl.Series,
        "pandas": pd.Series,
        "index": pd.Index,
        "pyarrow": pa.array,
        "iterator": iter,
        "chunked": lambda v: pa.chunked_array([v]),
        "unique": lambda v: pd.Series(v).unique(),
        "frame": lambda v: pd.DataFrame({"user": v}),
        "pandas-array": lambda v: pd.Series(v).array,
        "category": lambda v: pd.Series(v, dtype="category"),
        "dict": lambda v: dict.fromkeys(v, 1.0),
        "nested": lambda v: [v],
    }
    return makers[kind](values)


_kinds = st.sampled_from(["list"] * 4 + [*_KINDS.split(), "nested"])


def _ids(known: list[Any]) -> Any:
    """Return a container of ids, as its values and its kind; or one thing that is no container."""
    several = st.lists(st.one_of(*[st.sampled_from(known)] * 4, draw.wrong, draw.integers, draw.texts), max_size=4)
    right = st.lists(st.sampled_from(known), max_size=4)
    return st.one_of(st.tuples(right, _kinds), st.tuples(several, _kinds), st.sampled_from(known), draw.wrong)


def _made(value: Any) -> Any:
    return _container(*value) if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], list) else value


_users, _items = _ids(_USERS), _ids(_ITEMS)
_k = st.one_of(st.sampled_from(_KS), st.sampled_from(_KS), draw.wrong)
_candidates = st.one_of(st.none(), st.none(), _items)
_metric = st.one_of(st.sampled_from(["cosine", "plain_cosine", "dot", "euclidean"]), draw.wrong)
_frame = st.one_of(st.none(), st.sampled_from(["polars", "pandas", "pyarrow"]), draw.wrong)
_names = st.one_of(st.lists(st.sampled_from(_METRICS), max_size=3), st.sampled_from(_METRICS), draw.wrong)
_share = st.one_of(st.floats(0, 1), draw.wrong)
_seed = st.one_of(st.just(0), draw.wrong)

# The arguments of each function, required ones first.
CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "recommend": (
        {},
        {
            "users": _users,
            "k": _k,
            "exclude_seen": st.booleans(),
            "candidates": _candidates,
            "exclude": _candidates,
            "on_unknown": st.one_of(st.sampled_from(["raise", "popular", "skip"]), draw.wrong),
            "frame": _frame,
        },
    ),
    "recommend_for": (
        {"history": _items},
        {
            "k": _k,
            "weights": st.one_of(st.none(), st.lists(draw.odd_weights, max_size=4), draw.wrong),
            "candidates": _candidates,
            "exclude": _candidates,
            "frame": _frame,
        },
    ),
    "recommend_rows": ({"rows": st.one_of(st.lists(st.integers(-1, 6), max_size=4), draw.wrong)}, {"k": _k}),
    "recommend_all": ({}, {"k": _k, "candidates": _candidates, "exclude": _candidates}),
    "similar_items": ({"items": _items}, {"k": _k, "metric": _metric, "candidates": _candidates, "frame": _frame}),
    "similar_users": ({"users": _users}, {"k": _k, "metric": _metric, "frame": _frame}),
    "predict": ({"users": _users, "items": _items}, {}),
    "explain": (
        {"user": st.one_of(st.sampled_from(_USERS), _users), "item": st.one_of(st.sampled_from(_ITEMS), _items)},
        {"frame": _frame},
    ),
    "evaluate": (
        {},
        {
            "metrics": _names,
            "exclude": st.one_of(st.just("train"), st.none(), draw.wrong),
            "on_unknown": st.one_of(st.sampled_from(["skip", "popular"]), draw.wrong),
            "candidates": _candidates,
        },
    ),
    "fit": (
        {},
        {
            "patience": st.one_of(st.integers(-1, 3), draw.wrong),
            "metric": st.one_of(st.sampled_from(_METRICS), draw.wrong),
            "callbacks": draw.wrong,
            "validation": st.one_of(st.just("data"), draw.wrong),
            "user_features": draw.wrong,
            "checkpoint": st.sampled_from([None, "", ".", "no/such/folder", "a\x00b", 5]),
        },
    ),
    "update": ({"interactions": draw.wrong}, {}),
    "add_items": ({"features": draw.wrong}, {}),
    "save": (
        {"path": st.sampled_from(["", ".", "m", "no/such/folder/m", "x" * 300, "a\x00b", "\ud800", None, 5, b"m"])},
        {"interactions": st.one_of(st.booleans(), draw.wrong)},
    ),
    "load": ({"path": st.one_of(st.sampled_from(["", ".", "/dev/null", "no", "a\x00b", "\ud800"]), draw.wrong)}, {}),
    "from_file": (
        {"path": st.one_of(st.sampled_from(["", ".", "/dev/null", "no", "a\x00b", "\ud800"]), draw.wrong)},
        {"separator": draw.wrong},
    ),
    "from_events": (
        {"folder": st.one_of(st.sampled_from(["", ".", "events", "/dev/null", "no", "a\x00b", "\ud800"]), draw.wrong)},
        {"since": draw.wrong, "duplicates": draw.wrong, "zeros": draw.wrong, "like": draw.wrong},
    ),
    "from_frame": ({"df": draw.wrong}, {}),
    "from_csr": ({"matrix": draw.wrong}, {"users": _users, "items": _items}),
    "id_map": ({"ids": st.one_of(_users, _items)}, {"name": st.one_of(draw.texts, draw.wrong)}),
    "at_least": ({"weight": draw.wrong}, {}),
    "core": ({}, {"min_per_user": draw.wrong, "min_per_item": draw.wrong}),
    "pick": ({"mask": st.one_of(st.lists(st.booleans(), min_size=14, max_size=14), draw.wrong)}, {}),
    "random": ({}, {"test": _share, "seed": _seed}),
    "by_user": ({}, {"test": _share, "history": _share, "seed": _seed}),
    "k_fold": ({}, {"k": draw.wrong, "seed": _seed}),
    "leave_last": ({}, {"n": draw.wrong, "after": draw.wrong}),
    "by_time": ({}, {"at": draw.wrong, "test": _share}),
    "compare": ({}, {"metrics": _names}),
    "cross_validate": ({}, {"k": draw.wrong, "metrics": _names, "seed": _seed}),
    "evaluate_lists": ({"lists": draw.wrong}, {"metrics": _names}),
    "features": ({"frame": draw.wrong}, {"id": draw.wrong, "columns": draw.wrong}),
    "text_features": ({"frame": draw.wrong}, {"id": draw.wrong, "columns": draw.wrong}),
    "range": ({"low": draw.wrong, "high": draw.wrong}, {"log": draw.wrong}),
    "threads": ({"n": draw.wrong.filter(lambda n: not isinstance(n, int) or n < 10)}, {}),
}


@st.composite
def _inputs(draw_: st.DrawFn) -> dict[str, Any]:
    call = draw_(st.sampled_from(sorted(CALLS)))
    required, optional = CALLS[call]
    chosen = draw_(st.lists(st.sampled_from(sorted(optional)), max_size=2, unique=True)) if optional else []
    arguments = {name: draw_(of) for name, of in required.items()}
    return {
        "model": draw_(st.sampled_from(small_models.NAMES)),
        "call": call,
        "arguments": arguments | {name: draw_(optional[name]) for name in chosen},
    }


INPUTS = _inputs()


@cache
def _data() -> tm.Interactions:
    pairs = [(u, i) for u in range(5) for i in range(6) if (u + i) % 2 or u == i]
    times = list(range(len(pairs)))
    table = {
        "user": [_USERS[u] for u, _ in pairs],
        "item": [_ITEMS[i] for _, i in pairs],
        "weight": [1.0 + (u * i) % 5 for u, i in pairs],
        "time": times,
    }
    return tm.Interactions.from_frame(table, weight="weight", time="time")


@cache
def _model(name: str) -> Any:
    return small_models.make(name).fit(_data(), progress=False)


def check(value: dict[str, Any]) -> None:
    try:
        arguments = {name: _made(given) for name, given in value["arguments"].items()}
    except Exception:
        return
    call, data, model = value["call"], _data(), _model(value["model"])
    with tempfile.TemporaryDirectory() as folder:
        _run(call, arguments, data, model, Path(folder))


def _run(call: str, arguments: dict[str, Any], data: tm.Interactions, model: Any, folder: Path) -> None:
    functions: dict[str, Any] = {
        "evaluate": lambda **more: tm.evaluate(model, data, **more),
        "compare": lambda **more: tm.compare([model], data, **more),
        "cross_validate": lambda **more: tm.cross_validate([tm.Popular()], data, **more),
        "evaluate_lists": lambda lists, **more: tm.evaluate_lists(lists, data, **more),
        "fit": lambda **more: _fit(model, data, more),
        "recommend_all": lambda **more: model.recommend_all(folder / "lists.parquet", **more),
        "save": lambda path, **more: model.save(folder / path if isinstance(path, str) else path, **more),
        "load": lambda path: tm.load(path),
        "from_file": tm.Interactions.from_file,
        "from_events": lambda **more: _read_events(folder, **more),
        "from_frame": tm.Interactions.from_frame,
        "from_csr": tm.Interactions.from_csr,
        "id_map": tm.IdMap,
        "at_least": data.at_least,
        "core": data.core,
        "pick": data.pick,
        "random": lambda **more: tm.split.random(data, **more),
        "by_user": lambda **more: tm.split.by_user(data, **more),
        "k_fold": lambda **more: list(tm.split.k_fold(data, **more)),
        "leave_last": lambda **more: tm.split.leave_last(data, **more),
        "by_time": lambda **more: tm.split.by_time(data, **more),
        "features": lambda frame, **more: tm.Features.from_frame(frame, **{"id": "item", "columns": "x", **more}),
        "text_features": lambda frame, **more: tm.text_features(frame, **{"id": "item", "columns": "x", **more}),
        "range": tm.Range,
        "threads": lambda n: tm.threads(n).__enter__(),
    }
    function = functions[call] if call in functions else getattr(model, call)
    answer = function(**arguments)
    if call == "save":
        tm.load(folder / arguments["path"])
    if call in ("recommend", "recommend_for", "similar_items", "similar_users"):
        frame = pl.DataFrame(answer) if not isinstance(answer, pd.DataFrame) else pl.from_pandas(answer)
        ensure(frame["score"].is_finite().all(), "a score is not finite")
        ensure((frame["rank"] >= 1).all(), "a rank is below 1")
    if call in ("evaluate", "evaluate_lists"):
        means = {
            name: mean
            for name, mean in answer.means.items()
            if name.partition("@")[0] not in ("rmse", "mae", "novelty")
        }
        ensure(all(np.isnan(mean) or 0 <= mean <= 1 + 1e-9 for mean in means.values()), "a mean is not between 0 and 1")


def _read_events(place: Path, folder: Any, **more: Any) -> tm.Interactions:
    Journal(place / "events").append([b'{"user": "1", "item": "2", "time": "2026-11-28T12:00:00Z"}'])
    return tm.Interactions.from_events(place / "events" if folder == "events" else folder, **more)


def _fit(model: Any, data: tm.Interactions, more: dict[str, Any]) -> None:
    if more.get("validation") == "data":
        more = {**more, "validation": data}
    fresh = model.clone()
    fresh.fit(data, progress=False, **more)
    small_models.check_answers(fresh)
