"""Checkpoints: an interrupted training goes on to the same bits; damaged files and those of others are refused."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tastemap as tm
from fuzz import draw, files, small_models
from fuzz.mutation import mutate, some_mutations
from fuzz.verdict import NotMade, ensure, without_refusal

_NAMES = [name for name in small_models.NAMES if tm.MODELS[name].abilities.epochs]
_EPOCHS = 4


@st.composite
def _inputs(draw_: st.DrawFn) -> dict[str, Any]:
    value = {
        "model": draw_(st.sampled_from(_NAMES)),
        "after": draw_(st.integers(1, _EPOCHS)),
        "patience": draw_(st.sampled_from([None, None, 1, 2])),
    }
    kind = draw_(st.sampled_from(["whole", "contents", "contents", "contents", "bytes", "another"]))
    if kind == "whole":
        value["table"] = draw_(draw.tables())
    elif kind == "another":
        value["seed"] = 1
    else:
        value[kind] = draw_(files.changes if kind == "contents" else some_mutations)
    return value


INPUTS = _inputs()


class _Stop(Exception):  # noqa: N818 - it ends a training
    pass


@cache
def usual_data() -> tm.Interactions:
    pairs = [(u, i) for u in range(7) for i in range(6) if (u * i) % 3 != 1]
    return small_models.read(
        {
            "user": [f"u{u}" for u, _ in pairs],
            "item": [i for _, i in pairs],
            "weight": [1.0 + (u + i) % 5 for u, i in pairs],
        }
    )


def _fit(value: dict[str, Any], data: tm.Interactions, *, stop: bool = False, **more: Any) -> Any:
    if value["patience"] is not None:
        more |= {"validation": data, "patience": value["patience"]}

    def end(epoch: tm.Epoch) -> None:
        if stop and epoch.epoch == value["after"]:
            raise _Stop

    model = small_models.make(value["model"], epochs=_EPOCHS, seed=more.pop("seed", 0))
    return model.fit(data, progress=False, callbacks=end, **more)


def _write(value: dict[str, Any], data: tm.Interactions, path: Path) -> None:
    """Write the checkpoint of a training that ends within a later epoch."""
    import contextlib

    with contextlib.suppress(_Stop):
        _fit(value, data, stop=True, checkpoint=path)


@cache
def _base(name: str, after: int, patience: int | None) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "checkpoint")
        _write({"model": name, "after": after, "patience": patience}, usual_data(), path)
        return path.read_bytes() if path.exists() else b""


def check(value: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "checkpoint")
        if "table" in value:
            _check_resumes(value, path)
            return
        whole = _base(value["model"], value["after"], value["patience"])
        if not whole:
            raise NotMade
        path.write_bytes(mutate(whole, value["bytes"]) if "bytes" in value else whole)
        if "contents" in value and not files.write(path, files.read(path), value["contents"]):
            raise NotMade
        model = _fit(value, usual_data(), checkpoint=path, seed=value.get("seed", 0))
        ensure("seed" not in value, "the checkpoint of another seed is taken")
        small_models.check_answers(model, may_refuse="contents" in value)


def _check_resumes(value: dict[str, Any], path: Path) -> None:
    data = small_models.read(value["table"])
    whole = _fit(value, data)
    _write(value, data, path)
    with without_refusal("going on from a checkpoint"):
        resumed = _fit(value, data, checkpoint=path)
    for name in whole.fitted_arrays:
        ensure(np.array_equal(getattr(whole, name), getattr(resumed, name)), "a resumed training ends with other bits")
