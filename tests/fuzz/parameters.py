"""Parameters of all models at their ends and of wrong types: refused by name, or learned from with right answers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from hypothesis import strategies as st

import tastemap as tm
from fuzz import draw, small_models
from fuzz.verdict import ensure, without_refusal

# What every machine can do; more of it has to be refused with the figure, or to work.
WHOLE = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 1000, 10**5, 10**6, 10**9, 2**31 - 1, 2**31, 2**62, 2**63, 2**64, 0, -1]
AMOUNTS = [0, 0.0, -0.0, 1e-45, 1e-30, 1e-8, 0.01, 0.5, 1.0, 1, 10, 1e3, 1e6, 1e20, 1e38, 3.4e38, 3.5e38, 1e300, -1e-9]
SEEDS = [0, 1, 2**31, 2**32, 2**63, 2**64 - 1, 2**64, -1]
_NUMPY = [
    np.int8(3),
    np.int16(8),
    np.uint8(5),
    np.int64(4),
    np.float32(0.5),
    np.float64(2.0),
    np.float16(1),
    np.bool_(1),
    np.array(3),
    np.array([1, 2]),
]

# Loops of so many epochs or steps end some day, which no check can wait for.
_LOOPS = {"epochs": [1, 2, 3, 5, 0, -1, 2**64], "cg_steps": [1, 2, 3, 50, 0, -1]}


def _values(name: str, kind: Any) -> Any:
    if name in _LOOPS:
        likely: list[Any] = _LOOPS[name]
    elif get_origin(kind) is Literal:
        likely = [*get_args(kind)] * 3
    else:
        likely = {int: SEEDS if name == "seed" else WHOLE, float: AMOUNTS, bool: [True, False]}.get(kind, AMOUNTS)
    odd = [one for one in [*draw.WRONG, *_NUMPY] if name not in _LOOPS or not _is_many(one)]
    return st.one_of(*[st.sampled_from(likely)] * 5, st.sampled_from(odd))


def _is_many(value: Any) -> bool:
    return isinstance(value, int | float) and value > 100


def _is_far(value: Any) -> bool:
    """Tell whether a parameter is so small or large that a history may have no finite solution with it."""
    return isinstance(value, int | float) and not 1e-9 < value <= 1e3


@st.composite
def _inputs(draw_: st.DrawFn) -> dict[str, Any]:
    name = draw_(st.sampled_from(small_models.NAMES))
    kinds = get_type_hints(tm.MODELS[name])
    own = [field.name for field in fields(tm.MODELS[name])]
    changed = draw_(st.lists(st.sampled_from(own), max_size=3, unique=True)) if own else []
    return {
        "model": name,
        "parameters": {key: draw_(_values(key, kinds[key])) for key in changed},
        "table": draw_(draw.tables()),
        "validation": draw_(st.integers(0, 4)) == 0,
        "threads": draw_(st.sampled_from([1, 1, 2])),
    }


INPUTS = _inputs()


def check(value: dict[str, Any]) -> None:
    with without_refusal("a regular table"):
        data = small_models.read(value["table"])
    model = small_models.make(value["model"], **value["parameters"])
    repr(model)
    with tm.threads(value["threads"]):
        model.fit(data, validation=data if value["validation"] else None, progress=False)
        small_models.check_answers(model, may_refuse=any(map(_is_far, value["parameters"].values())))
        again = small_models.make(value["model"], **value["parameters"]).fit(data, progress=False)
    for name in model.fitted_arrays:
        one, other = getattr(model, name), getattr(again, name)
        ensure(value["validation"] or np.array_equal(one, other), "learning twice gives other bits")
    small_models.check_measured(model, data)
