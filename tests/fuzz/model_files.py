"""Model files: flipped bytes, and wrong contents under a right digest; refused, or as good a model as any."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import tastemap as tm
from fuzz import files, small_models
from fuzz.mutation import mutate, some_mutations
from fuzz.verdict import NotMade, ask, ensure

VARIANTS = ["letters", "numbers", "features", "bare"]


@st.composite
def _inputs(draw_: st.DrawFn) -> dict[str, Any]:
    base = {"model": draw_(st.sampled_from(small_models.NAMES)), "variant": draw_(st.sampled_from(VARIANTS))}
    if draw_(st.integers(0, 5)) == 0:
        return base | {"bytes": draw_(some_mutations)}
    return base | {"contents": draw_(files.changes)}


INPUTS = _inputs()


@cache
def whole_file(name: str, variant: str) -> Path:
    """Return the file of a whole model."""
    letters = variant != "numbers"
    pairs = [(u, i) for u in range(7) for i in range(6) if (u * i) % 3 != 1]
    table = {
        "user": [f"u{u}" if letters else 7 * u for u, _ in pairs],
        "item": [f"i{i}" if letters else 100 - i for _, i in pairs],
        "weight": [1.0 + (u + i) % 5 for u, i in pairs],
    }
    more: dict[str, Any] = {}
    if variant == "features" and tm.MODELS[name].abilities.features:
        told = {"item": [f"i{i}" for i in range(7)], "genre": [f"g{i % 3}" for i in range(7)]}
        people = {"user": [f"u{u}" for u in range(8)], "age": [f"a{u % 2}" for u in range(8)]}
        more = {
            "item_features": tm.Features.from_frame(told, id="item", columns="genre"),
            "user_features": tm.Features.from_frame(people, id="user", columns="age"),
        }
    model = small_models.make(name).fit(small_models.read(table), progress=False, **more)
    path = Path(tempfile.mkdtemp()) / "model"
    model.save(path, interactions=variant != "bare")
    return path


@cache
def _contents(name: str, variant: str) -> files.Contents:
    return files.read(whole_file(name, variant))


def check(value: dict[str, Any]) -> None:
    base = value["model"], value["variant"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        if "bytes" in value:
            path.write_bytes(mutate(whole_file(*base).read_bytes(), value["bytes"]))
        elif not files.write(path, _contents(*base), value["contents"]):
            raise NotMade
        model = tm.load(path)
    _use(model)


def _use(model: Any) -> None:
    """Ask all that a model can be asked; a file that was not refused makes a model as any other."""
    small_models.check_answers(model, may_refuse=True)
    model.card()
    repr(model)
    users, items = list(model.users), list(model.items)
    for interactions in (True, False):
        shown = ask(model.recommend, users[:3], k=4, exclude_seen=interactions, on_unknown="popular", frame="polars")
        ensure(shown is None or shown["score"].is_finite().all(), "a score is not finite")
    ask(model.recommend_for, items[:2], k=4)
    ask(model.similar_users, users[:2], k=3)
    ask(model.scoring_vectors)
    ask(model.item_vectors)
    table = {"user": [users[0], users[-1]], "item": [items[-1], items[0]], "weight": [2.0, 1.0]}
    news = ask(lambda: small_models.read(table))
    if news is not None:
        small_models.check_measured(model, news)
        updated = ask(model.update, news)
        if updated is not None:
            small_models.check_answers(updated, may_refuse=True)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "again"), interactions=model.interactions is not None)
        tm.load(Path(folder, "again"))
