"""Makes models from texts: their names, NAME=VALUE for a parameter, NAME=VALUES for what a search tries."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any, Literal

from tastemap.errors import ParameterError, name_some, suggest
from tastemap.models import MODELS
from tastemap.models.shared.base import Model
from tastemap.models.shared.parameters import make_unknown_error
from tastemap.models.shared.search import Range


def make_models(names: Sequence[str], settings: Iterable[str] = (), *, seed: int = 0) -> list[Model]:
    """Make models; each takes the settings that it has a parameter for.

    settings : texts NAME=VALUE

    Raises ParameterError for an unknown name, for a setting that no model has a parameter for, and for one that is out
    of range or not written so.
    """
    for name in names:
        if name not in MODELS:
            raise ParameterError(
                f"there is no model {name!r}, only {name_some(MODELS, 30)}{suggest(name, MODELS)}",
                parameter="model",
                value=name,
            )
    parameters = [_find_parameters(MODELS[name]) for name in names]
    kinds = {key: kind for own in parameters for key, kind in own.items()}
    values: dict[str, Any] = {"seed": seed}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ParameterError(
                f"settings must be NAME=VALUE, e.g. factors=128, got {setting!r}", parameter="settings", value=setting
            )
        if key not in kinds:
            have = "has" if len(names) == 1 else "have"
            raise make_unknown_error(f"{' and '.join(names)} {have}", {key: text}, kinds)
        values[key] = _parse(key, text, kinds[key])
    models = []
    for name, own in zip(names, parameters, strict=True):
        model = MODELS[name](**{key: value for key, value in values.items() if key in own})
        model.check()  # before the data are read
        models.append(model)
    return models


def make_space(model: Model, settings: Iterable[str]) -> dict[str, Any]:
    """Return the values to try for each parameter of a model, as `tune` takes them.

    settings : texts NAME=VALUES; the values are LOW:HIGH, LOW:HIGH:log, or several with commas

    Raises ParameterError for a parameter that the model lacks, and for a setting that is not written so.
    """
    kinds = _find_parameters(type(model))
    space: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not text:
            raise ParameterError(
                f"space must be NAME=VALUES, e.g. epochs=10:40 or epochs=10,20,40, got {setting!r}",
                parameter="space",
                value=setting,
            )
        if key not in kinds:
            raise make_unknown_error(f"{type(model).__name__} has", {key: text}, kinds)
        parts = text.split(":")
        if len(parts) == 1:
            space[key] = [_parse(key, value, kinds[key]) for value in text.split(",")]
        elif _is_number(kinds[key]) and (len(parts) == 2 or parts[2:] == ["log"]):
            low, high = (_parse(key, end, kinds[key]) for end in parts[:2])
            space[key] = Range(low, high, log=len(parts) == 3)
        else:
            raise ParameterError(
                f"space of {key} must be LOW:HIGH or LOW:HIGH:log of numbers, or values, got {text!r}",
                parameter="space",
                value=setting,
            )
    return space


def _find_parameters(model: type[Model]) -> dict[str, Any]:
    hints = typing.get_type_hints(model)
    return {field.name: hints[field.name] for field in fields(model)}


def _is_number(kind: Any) -> bool:
    return kind in (int, float) or any(one in (int, float) for one in typing.get_args(kind))


def _parse(name: str, text: str, kind: Any) -> Any:
    """Read a value of a parameter's type, e.g. ``int``, ``float | None`` or ``Literal["cg", "cholesky"]``."""
    choices = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        if text not in choices:
            raise ParameterError(
                f"{name} must be one of {', '.join(map(repr, choices))}, got {text!r}", parameter=name, value=text
            )
        return text
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        if type(None) in choices and text.lower() == "none":
            return None
        wanted = next(choice for choice in choices if choice is not type(None))
        try:
            return _parse(name, text, wanted)
        except ParameterError:
            if str not in choices:
                raise
            return text
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
        raise ParameterError(f"{name} must be {wanted}, got {text!r}", parameter=name, value=text) from None
