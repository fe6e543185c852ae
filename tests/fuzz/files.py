"""Files of tastemap's own format with wrong contents and a right digest, made from whole ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from safetensors import safe_open

from fuzz import draw
from tastemap.files.arrays import write_arrays

# Numbers that are no place in an array, or no size of one.
_ODD = [-1, 0, 1, 2, 5, 100, 10**6, 2**31 - 1, 2**31, 2**62, 2**63 - 1, -(2**31), -(2**63)]
_FLOATS = [float("nan"), float("inf"), float("-inf"), 0.0, -1.0, 1e38, -1e38, 3.4e38, 1e-45, 1e30]
_DTYPES = ["int8", "int32", "int64", "uint8", "uint64", "float16", "float32", "float64", "bool"]
_SHAPES = ["empty", "one", "scalar", "two dimensions", "column", "transposed", "three dimensions"]

_on_array = st.one_of(
    st.tuples(st.just("set"), st.floats(0, 1), st.sampled_from(_ODD)),
    st.tuples(st.just("set float"), st.floats(0, 1), st.sampled_from(_FLOATS)),
    st.tuples(st.just("fill"), st.sampled_from(_ODD)),
    st.tuples(st.just("cast"), st.sampled_from(_DTYPES)),
    st.tuples(st.just("shape"), st.sampled_from(_SHAPES)),
    st.tuples(st.just("cut"), st.integers(1, 5)),
    st.tuples(st.just("extend"), st.integers(1, 5)),
    st.tuples(st.just("reverse")),
    st.tuples(st.just("shuffle"), st.integers(0, 99)),
    st.tuples(st.just("repeat first")),
    st.tuples(st.just("add"), st.sampled_from([-1, 1, 2])),
    st.tuples(st.just("remove")),
    st.tuples(st.just("rename"), st.floats(0, 1)),
)
_on_header = st.one_of(
    st.tuples(st.just("value"), draw.wrong),
    st.tuples(st.just("remove")),
    st.tuples(st.just("add"), draw.texts),
    st.tuples(st.just("swap"), st.floats(0, 1)),
)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("array"), st.floats(0, 1), _on_array),
        st.tuples(st.just("array"), st.floats(0, 1), _on_array),
        st.tuples(st.just("header"), st.floats(0, 1), _on_header),
    ),
    min_size=1,
    max_size=3,
)

Contents = tuple[dict[str, Any], dict[str, Any]]


def read(path: Path) -> Contents:
    """Return the arrays and the header of a whole file."""
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
        text = file.metadata()["tastemap"].partition(" ")[2]
    return arrays, json.loads(text)


def write(path: Path, contents: Contents, damage: list[Any]) -> bool:
    """Write contents with changes under a right digest; return whether they could be made."""
    arrays, header = dict(contents[0]), copy.deepcopy(contents[1])
    try:
        for where, share, change in damage:
            if where == "array":
                _change_array(arrays, share, change)
            else:
                _change_header(header, share, change)
        kind, _ = header.pop("kind"), header.pop("format", None)
        write_arrays(path, arrays, kind, header)
    except Exception:
        return False
    return True


def _pick(share: float, among: Any) -> Any:
    names = list(among)
    return names[min(int(share * len(names)), len(names) - 1)]


def _change_array(arrays: dict[str, Any], share: float, change: tuple[Any, ...]) -> None:
    name = _pick(share, arrays)
    old, (kind, *how) = np.array(arrays[name]), change
    if kind == "remove":
        del arrays[name]
    elif kind == "rename":
        arrays[_pick(how[0], arrays)] = arrays.pop(name)
    else:
        arrays[name] = _change(old, kind, how)


def _change(old: Any, kind: str, how: list[Any]) -> Any:
    flat = old.reshape(-1)
    with np.errstate(all="ignore"):
        if kind in ("set", "set float"):
            number = how[1] if kind == "set float" or old.dtype.kind == "f" else np.array(how[1]).astype(old.dtype)
            if flat.size:
                flat[int(how[0] * (flat.size - 1))] = number
            return old
        if kind == "fill":
            return np.full_like(old, np.array(how[0]).astype(old.dtype))
        if kind == "cast":
            return old.astype(how[0])
        if kind == "add":
            return (old + np.array(how[0]).astype(old.dtype)).astype(old.dtype)
    if kind == "shape":
        return _reshape(old, how[0])
    if kind == "cut":
        return old[: -how[0]]
    if kind == "extend":
        return np.concatenate([old, old[: how[0]]])
    if kind == "reverse":
        return old[::-1].copy()
    if kind == "shuffle":
        return np.random.default_rng(how[0]).permutation(old)
    return np.repeat(old[:1], len(old), axis=0)  # repeat first


def _reshape(old: Any, shape: str) -> Any:
    shapes = {
        "empty": lambda: old[:0],
        "one": lambda: old[:1],
        "scalar": lambda: old.reshape(-1)[0].reshape(()),
        "two dimensions": lambda: np.stack([old, old]),
        "column": lambda: old.reshape(-1, 1),
        "transposed": lambda: np.ascontiguousarray(old.T),
        "three dimensions": lambda: old.reshape(1, 1, -1),
    }
    return shapes[shape]()


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, own in inside for place in _places(own, (*path, key))]


def _change_header(header: dict[str, Any], share: float, change: tuple[Any, ...]) -> None:
    place = _pick(share, _places(header))
    inside: Any = header
    for key in place[:-1]:
        inside = inside[key]
    kind, *how = change
    if kind == "value":
        inside[place[-1]] = how[0]
    elif kind == "remove":
        del inside[place[-1]]
    elif kind == "add":
        inside[how[0]] = 1
    elif kind == "swap":
        other = _pick(how[0], _places(header))
        target: Any = header
        for key in other[:-1]:
            target = target[key]
        inside[place[-1]], target[other[-1]] = target[other[-1]], inside[place[-1]]
