"""Reads the JSON headers of files, and compares them with the types that declare what they hold."""

from __future__ import annotations

import json
import sys
from types import UnionType
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from tastemap.errors import show

_NAMES = {str: "text", int: "a whole number", float: "a finite number", bool: "true or false", type(None): "null"}


def read_json(text: str) -> Any:
    """Return what JSON says; raises ValueError, in one sentence, where it is none, or holds a name twice."""
    try:
        value = json.loads(text, object_pairs_hook=_make_object)
        json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except UnicodeEncodeError as error:
        raise ValueError("it holds text that is no Unicode") from error
    return value


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("it holds a name twice")
    return made


def find_misfit(value: object, kind: Any, name: str = "the header") -> str | None:
    """Return in which way JSON is not of a type, as a sentence; None where it is.

    kind : a TypedDict, dict, list, Literal, union, int, float, bool, str, None or Any, of which each may hold others
    name : what to call the value
    """
    if is_typeddict(kind):
        return _find_misfit_of_object(value, kind, name)
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if any(find_misfit(value, part) is None for part in parts) else _say_wrong(value, kind, name)
    inner: list[object] = []
    if origin is dict and isinstance(value, dict):
        inner = list(value.values())
    elif origin is list and isinstance(value, list):
        inner = value
    elif not _is_plain(value, kind):
        return _say_wrong(value, kind, name)
    return next((misfit for one in inner if (misfit := find_misfit(one, parts[-1], f"an entry of {name}"))), None)


def _find_misfit_of_object(value: object, kind: Any, name: str) -> str | None:
    if not isinstance(value, dict):
        return _say_wrong(value, dict, name)
    for key, own in get_type_hints(kind, include_extras=True).items():
        may_lack = get_origin(own) is NotRequired
        if key in value:
            misfit = find_misfit(value[key], get_args(own)[0] if may_lack else own, f"{key!r} in {name}")
            if misfit is not None:
                return misfit
        elif not may_lack:
            return f"{name} lacks {key!r}"
    return None


def _is_plain(value: object, kind: Any) -> bool:
    """Tell whether a value is of a type that holds no others."""
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return any(type(value) is type(choice) and value == choice for choice in get_args(kind))
    if isinstance(value, bool):
        return kind is bool
    if kind is float:  # a comparison takes whole numbers of any size
        return isinstance(value, int | float) and abs(value) <= sys.float_info.max
    if kind is int:
        return isinstance(value, int) and abs(value) < 2**63
    return kind in (str, type(None)) and isinstance(value, kind)


def _say_wrong(value: object, kind: Any, name: str) -> str:
    return f"{name} must be {_name_kind(kind)}, got {show(value, 60)}"


def _name_kind(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(_name_kind(part) for part in parts)
    if origin is Literal:
        return f"one of {', '.join(map(repr, parts))}"
    return _NAMES.get(kind) or ("a list" if origin is list else "an object")
