"""Models made from their names and --set, fitted and measured."""

from __future__ import annotations

import difflib
import time
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tastemap.cli.output import note
from tastemap.errors import DataError, name_some

if TYPE_CHECKING:
    import polars as pl

    from tastemap import Interactions
    from tastemap.evaluation.comparison import Comparison


def is_model(path: Path) -> bool:
    """Tell a model file from data by its name or its first bytes."""
    if not path.exists():
        raise DataError(f"there is no file {path}")
    if path.suffix == ".safetensors" or path.is_dir():
        return not path.is_dir()
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def make_models(names: Sequence[str], settings: list[str] | None, seed: int) -> list[Any]:
    """Make models; each takes the settings it has a parameter for, and some model must have it."""
    import tastemap as tm

    for name in names:
        if name not in tm.MODELS:
            raise ValueError(f"there is no model {name!r}, only {name_some(tm.MODELS, 30)}{_meant(name, tm.MODELS)}")
    parameters = [_parameters(tm.MODELS[name]) for name in names]
    kinds = {key: kind for own in parameters for key, kind in own.items()}
    values: dict[str, Any] = {"seed": seed}
    for setting in settings or ():
        key, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"--set takes NAME=VALUE, e.g. factors=128, got {setting!r}")
        if key not in kinds:
            have = "has" if len(names) == 1 else "have"
            some = f"only {name_some(kinds, 30)}" if kinds else "nor any other"
            raise ValueError(f"{' and '.join(names)} {have} no parameter {key!r}, {some}{_meant(key, kinds)}")
        values[key] = _typed(key, text, kinds[key])
    models = []
    for name, own in zip(names, parameters, strict=True):
        model = tm.MODELS[name](**{key: value for key, value in values.items() if key in own})
        model.check()  # before the data are read
        models.append(model)
    return models


def space_of(model: Any, settings: list[str] | None) -> dict[str, Any]:
    """Return what --space says to try for which parameter of a model."""
    import tastemap as tm

    kinds = _parameters(type(model))
    space: dict[str, Any] = {}
    for setting in settings or ():
        key, equals, text = setting.partition("=")
        if not equals or not text:
            raise ValueError(f"--space takes NAME=VALUES, e.g. epochs=10:40 or epochs=10,20,40, got {setting!r}")
        if key not in kinds:
            raise ValueError(f"{type(model).__name__} has no parameter {key!r}{_meant(key, kinds)}")
        parts = text.split(":")
        if len(parts) == 1:
            space[key] = [_typed(key, value, kinds[key]) for value in text.split(",")]
        elif kinds[key] in (int, float) and (len(parts) == 2 or parts[2:] == ["log"]):
            low, high = (_typed(key, end, kinds[key]) for end in parts[:2])
            space[key] = tm.Range(low, high, log=len(parts) == 3)
        else:
            raise ValueError(f"--space {key} must be LOW:HIGH or LOW:HIGH:log of numbers, or values, got {text!r}")
    return space


def fitted(model: Any, train: Interactions, checkpoint: Path | None = None) -> tuple[Any, float]:
    """Fit a model and say how many seconds that took."""
    started = time.perf_counter()
    model.fit(train, checkpoint=checkpoint)
    return model, time.perf_counter() - started


def described_board(board: Comparison) -> list[dict[str, Any]]:
    """Return what was measured of each model, the best first, for JSON."""
    rows = []
    for name in board.ranking(board.metrics[0]):
        result = board.evaluations[name]
        intervals = {metric.name: board.interval(name, metric) for metric in board.metrics}
        rows.append(
            {
                "model": name,
                "parameters": asdict(board.models[name]),
                "metrics": {
                    metric: {end: row[end] for end in ("mean", "low", "high")} for metric, row in intervals.items()
                },
                "users": result.n_users,
                "skipped": result.n_skipped,
                "unknown_items": result.n_unknown_items,
                "unrated": result.n_unrated,
                "fit_seconds": None if board.fit_seconds is None else board.fit_seconds[name],
                "score_seconds": board.score_seconds[name],
            }
        )
    return rows


def described(model: Any) -> dict[str, Any]:
    """Return what a fitted model is and knows, for JSON."""
    return {
        "model": type(model).__name__,
        "parameters": asdict(model),
        "users": len(model.users),
        "items": len(model.items),
        "history": model.interactions is not None,
        "card": model.card(),
    }


def recommend_to_strangers(model: Any, data: Interactions, k: int) -> pl.DataFrame:
    """Recommend to users from what the data say of them, whether the model knows them or not."""
    import polars as pl

    known, n_unknown = data.align(data.users, model.items)
    if n_unknown:
        note(f"left out {n_unknown:,} of {len(data):,} pairs: the model does not know their items")
    if not len(known):
        raise DataError("the model knows none of the items in the history: the ids may be of another data set")
    user, item, weight = data.columns.user, data.columns.item, data.columns.weight
    histories = known.to_frame("polars").group_by(user, maintain_order=True).agg(item, weight)
    each = [dict(zip(items, weights, strict=True)) for _, items, weights in histories.iter_rows()]
    frame = model.recommend_for(each, k=k, frame="polars")
    answer: pl.DataFrame = frame.select(histories[user].gather(frame["history"]), pl.exclude("history"))
    return answer


def on_threads(n: int | None) -> AbstractContextManager[None]:
    """Work on ``n`` threads, or on as many as without --threads."""
    import tastemap as tm

    return nullcontext() if n is None else tm.threads(n)


def _parameters(model: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(model)
    return {field.name: hints[field.name] for field in fields(model)}


def _typed(name: str, text: str, kind: Any) -> Any:
    """Read a value of a parameter's type, e.g. ``int``, ``float | None`` or ``Literal["cg", "cholesky"]``."""
    choices = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        if text not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {text!r}")
        return text
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        if type(None) in choices and text.lower() == "none":
            return None
        return _typed(name, text, next(choice for choice in choices if choice is not type(None)))
    readers: dict[Any, tuple[str, Callable[[str], Any]]] = {
        bool: ("true or false", lambda text: {"true": True, "false": False}[text.lower()]),
        int: ("a whole number", int),
        float: ("a number", float),
    }
    if kind not in readers:
        return text
    wanted, read = readers[kind]
    try:
        return read(text)
    except (KeyError, ValueError):
        raise ValueError(f"{name} must be {wanted}, got {text!r}") from None


def _meant(name: str, existing: Iterable[str]) -> str:
    by_lower = {known.lower(): known for known in existing}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""
