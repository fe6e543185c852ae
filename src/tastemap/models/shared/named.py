"""Gives each of several models a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tastemap.errors import name_some, show
from tastemap.models.shared.base import Model
from tastemap.models.shared.registry import MODELS

Models = Mapping[str, Model] | Sequence[Model] | Model


def name_models(models: Models) -> dict[str, Any]:
    """Return models by name: that of the dict, else that of the class, where a second of a class gets " 2".

    Raises ValueError for an empty list, for anything but a model, and for a model given twice.
    """
    if isinstance(models, Model | type):
        models = [models]
    if isinstance(models, str) or hasattr(models, "shape") or not isinstance(models, Mapping | Iterable):
        raise ValueError(f"models must be a list of models, or a dict of them by name, got {show(models)}")
    if isinstance(models, Mapping):
        named: dict[str, Any] = dict(models)
    else:
        named, counts = {}, dict[str, int]()
        for model in models:
            name = type(model).__name__
            counts[name] = counts.get(name, 0) + 1
            named[name if counts[name] == 1 else f"{name} {counts[name]}"] = model
    if not named:
        raise ValueError("models must name at least one")
    for name, model in named.items():
        if isinstance(model, type) and issubclass(model, Model):
            raise ValueError(f"models must be instances, got the class {model.__name__}: pass {model.__name__}()")
        if not isinstance(model, Model):
            meant = f": pass {model}()" if isinstance(model, str) and model in MODELS else ""
            raise ValueError(f"models must be models of tastemap, got {show(model)}{meant}")
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"the names of models must be text, got {show(name)}")
    if len({id(model) for model in named.values()}) < len(named):
        same = [name for name, model in named.items() if sum(model is other for other in named.values()) > 1]
        raise ValueError(f"{name_some(same)} are one and the same model: make an instance for each")
    return named
