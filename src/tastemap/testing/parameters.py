"""Checks of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from tastemap.errors import NotFittedError, ParameterNameError
from tastemap.models.shared.base import Model
from tastemap.models.shared.search import ends, nearest
from tastemap.testing.data import (
    Make,
    arrays,
    data,
    ensure,
    ensure_refused,
    ensure_same_model,
    make_changed,
    make_described,
    make_fitted,
    people,
    quietly,
    temporary_folder,
)

# Invalid values of each type. Only the model knows which other values are out of range.
NO_VALUES: dict[object, list[Any]] = {
    int: [2.5, True, "6", None],
    float: [float("nan"), True, "1", None],
    bool: [1, "yes", None],
}


def check_parameters_change_what_is_learned(make: Make, others: Mapping[str, Any] | None = None) -> None:
    """Every parameter, given another value, changes the learned arrays or the lists."""
    plain = make_fitted(make)
    takes_features = plain.abilities.features
    rich = make_described(make) if takes_features else plain
    for name, kind in _kinds(make).items():
        if others and others.get(name) is ...:
            continue
        value = getattr(plain.used_, name)
        values = [others[name]] if others and name in others else _others(kind, value)
        ensure(values, f"others must say another value of {name} than {value!r}")
        for other in values:
            changed = {name: other}
            differs = _differ(plain, make_fitted(make, **changed))
            differs = differs or (takes_features and _differ(rich, make_described(make, **changed)))
            ensure(
                differs, f"{name}={other!r} must change something; if it is too near {value!r}, say another in others"
            )


@quietly
def check_parameters_are_read_and_set(make: Make) -> None:
    """get_params has what the constructor takes; set_params forgets what was learned, and refuses unknown names."""
    model = make_fitted(make)
    given = model.get_params()
    ensure(given == {name: getattr(model, name) for name in _kinds(make)}, "get_params must have each parameter")
    ensure(type(model)(**given).get_params() == given, "a model made with get_params must have the same parameters")
    for wrong in (lambda: model.set_params(no_such_parameter=1), lambda: make_changed(make, no_such_parameter=1)):
        ensure_refused(
            wrong, ParameterNameError, type(model).__name__, "'no_such_parameter'", what="a parameter with no such name"
        )
    ensure_refused(lambda: type(model)(*[3]), TypeError, type(model).__name__, 3, what="a parameter without a name")
    ensure(model.set_params() is model and model.users is not None, "set_params without any must leave a model fitted")
    if given:
        ensure(model.set_params(**given) is model, "set_params must return the model itself")
        ensure_refused(lambda: model.recommend(), NotFittedError, "fit", what="recommend after set_params")
    ensure_same_model(model.fit(data(), progress=False), make_fitted(make), "fit after set_params must learn the same")


def check_wrong_types_of_parameters_are_refused(make: Make) -> None:
    """Fit refuses values of another type with ValueError, in a sentence with the parameter's name and the value."""
    for name, kind in _kinds(make).items():
        wrong = ["no such choice", None] if get_origin(kind) is Literal else NO_VALUES.get(kind, [])
        if _may_be_none(make, name):
            wrong = [value for value in wrong if value is not None]
        for value in wrong:
            ensure_refused(
                partial(make_fitted, make, **{name: value}),
                ValueError,
                name,
                repr(value),
                what=f"{name}={value!r}",
            )


def check_numpy_numbers_are_as_good(make: Make) -> None:
    """A parameter given as a number of NumPy gives the same model as a Python number, and a file can hold it."""
    model = make_fitted(make)
    for name, kind in _kinds(make).items():
        value = getattr(model.used_, name)
        if not isinstance(value, int | float):
            continue
        types = (np.bool_,) if isinstance(value, bool) else (np.int16, np.int64) if kind is int else (np.float64,)
        for of_numpy in [kind(value) for kind in types if kind(value) == value]:
            other, model = make_fitted(make, **{name: of_numpy}), make_fitted(make, **{name: value})
            kept = getattr(other, name)
            ensure(
                not isinstance(kept, np.generic),
                f"fit must make a Python number of {name}={of_numpy!r}, and keeps {kept!r}",
            )
            with temporary_folder() as folder:
                other.save(folder / "numpy")
                model.save(folder / "python")
                same = (folder / "numpy").read_bytes() == (folder / "python").read_bytes()
                ensure_same_model(other, model, f"{name} as a number of NumPy must learn the same")
                ensure(same, f"{name} as a number of NumPy must give the same file")


@quietly
def check_search_space(make: Make) -> None:
    """The search space contains the default, has numbers of the parameter's type, and its ends can be fitted."""
    cls = type(make())
    ensure(
        not {"factors", "seed"} & cls.search_space.keys(),
        "search_space must not hold factors or seed: more is nearly always better, and a seed no setting",
    )
    for name, values in cls.search_space.items():
        default = getattr(cls(), name)
        inside = default is None or nearest(values, default) == default
        ensure(inside, f"search_space must hold the default of {name}, {default!r}")
        types = {type(value) for value in ends(values)}
        own = type(getattr(make_fitted(make).used_, name))
        ensure(types == {own}, f"search_space must have values of {name} of the default's type, got {types}")
    space = {name: ends(values) for name, values in cls.search_space.items()}
    tried = [{name: end} for name, values in space.items() for end in values]
    tried += [{name: values[corner] for name, values in space.items()} for corner in (0, -1)]
    for some in tried:
        lists = make_fitted(make, **some).recommend(people(), k=3, exclude_seen=False)
        ensure(len(lists) == 3 * len(people()), f"with {some} everybody must get a list")
        ensure(lists["score"].is_finite().all(), f"with {some} scores must be finite")


def _kinds(make: Make) -> dict[str, Any]:
    """Return the type of each parameter, without the None that stands for what the data say."""
    model = make()
    hints = get_type_hints(type(model))
    return {field.name: _without_none(hints[field.name]) for field in fields(model)}


def _without_none(kind: Any) -> Any:
    kinds = [one for one in get_args(kind) if one is not type(None)]
    return kinds[0] if type(None) in get_args(kind) and len(kinds) == 1 else kind


def _may_be_none(make: Make, name: str) -> bool:
    return type(None) in get_args(get_type_hints(type(make()))[name])


def _others(kind: Any, value: Any) -> list[Any]:
    """Return other values of the type, an empty list where none can be chosen."""
    if get_origin(kind) is Literal:
        return [choice for choice in get_args(kind) if choice != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    return [value * 0.73 or 0.37] if isinstance(value, float) else []


def _differ(one: Model, other: Model) -> bool:
    """Tell whether two models have learned something else or list something else."""
    theirs = arrays(other)
    if not all(np.array_equal(array, theirs[name]) for name, array in arrays(one).items()):
        return True
    asked: dict[str, Any] = {"k": 100, "frame": "polars"}
    same_lists = one.recommend(exclude_seen=False, **asked).equals(other.recommend(exclude_seen=False, **asked))
    return not (same_lists and one.recommend_for([100, 103], **asked).equals(other.recommend_for([100, 103], **asked)))
