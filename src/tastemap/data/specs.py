"""Declares what arrays must be, and finds what is wrong with arrays before anything uses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tastemap import parallel
from tastemap.typing import Array

# A part of an array that is checked at once: it stays in the second-level cache.
PART_NUMBERS = 1 << 17


@dataclass(frozen=True, kw_only=True)
class ArraySpec:
    """What an array must be.

    dtype : its NumPy type, such as "float32"
    shape : the size of each dimension: a number, or the name of a size. "users" and "items" are the numbers of ids,
        "paired_items" is that of items with a training pair, the name of a whole parameter such as "factors" is its
        value, and any other name is a size that all arrays with this name in their shapes share. "items+1" is one more
    at_least, above, below : the limits of its numbers; `below` is a number, or the name of a size as in `shape`
    ascending : whether no number may be less than the one before it
    starts : the name of the array whose rows begin at these numbers: from 0 to its length, never descending
    rows : the name of the array that says where the rows of this one start; numbers ascend within each row, each once

    Floats are finite in any case.
    """

    dtype: str
    shape: tuple[int | str, ...]
    at_least: float | None = None
    above: float | None = None
    below: int | str | None = None
    ascending: bool = False
    starts: str | None = None
    rows: str | None = None


Specs = Mapping[str, ArraySpec]


class Fault(NamedTuple):
    """What is wrong with an array.

    name : that of the array
    problem : the end of a sentence that begins with the name: "must be ...", "holds ..."
    is_infinite : whether a number is not finite, which training may cause as well
    """

    name: str
    problem: str
    is_infinite: bool = False


def find_fault(arrays: Mapping[str, object], specs: Specs, sizes: Mapping[str, int]) -> Fault | None:
    """Return the first thing that is wrong with declared arrays, None where all is as declared.

    sizes : the known sizes by name; those of other names come from the first array that has them
    """
    sizes = dict(sizes)
    for name, spec in specs.items():
        if name not in arrays:
            return Fault(name, "is missing")
        problem = _find_wrong_kind(arrays[name], spec, sizes)
        if problem is not None:
            return Fault(name, problem)
    known: dict[str, Any] = dict(arrays)
    for name, spec in specs.items():
        fault = _find_wrong_number(name, spec, known, sizes)
        if fault is not None:
            return fault
    return None


def _find_wrong_kind(array: object, spec: ArraySpec, sizes: dict[str, int]) -> str | None:
    """Say what is wrong with the type or the shape of an array; add the sizes that it is the first to have."""
    if not isinstance(array, np.ndarray):
        return f"must be a NumPy array, got {type(array).__name__}"
    if array.dtype == np.dtype(spec.dtype) and array.ndim == len(spec.shape):
        for size, length in zip(spec.shape, array.shape, strict=True):
            if isinstance(size, str):
                name, more = _read_size(size)
                sizes.setdefault(name, length - more)
        if array.shape == tuple(find_size(size, sizes) for size in spec.shape):
            return None
    wanted = ", ".join(_name_size(size, sizes) for size in spec.shape) + ("," if len(spec.shape) == 1 else "")
    return f"must be {spec.dtype} of shape ({wanted}), got {array.dtype} of shape {array.shape}"


def _find_wrong_number(name: str, spec: ArraySpec, arrays: dict[str, Array], sizes: Mapping[str, int]) -> Fault | None:
    array = arrays[name]
    low, high = find_extremes(array)
    if not np.isfinite([low, high]).all():
        return Fault(name, "holds numbers that are not finite", is_infinite=True)
    below = None if spec.below is None else find_size(spec.below, sizes)
    if array.size:
        if spec.at_least is not None and low < spec.at_least:
            return Fault(name, f"must be at least {spec.at_least:g}, and holds {low}")
        if spec.above is not None and low <= spec.above:
            return Fault(name, f"must be above {spec.above:g}, and holds {low}")
        if below is not None and high >= below:
            return Fault(name, f"must be below {below}, and holds {high}")
        if array.dtype == np.bool_ and high > 1:
            return Fault(name, "must be true or false")
    if (spec.ascending or spec.starts is not None) and not _ascends(array):
        return Fault(name, "must never descend")
    if spec.starts is not None:
        length = len(arrays[spec.starts])
        if not len(array) or array[0] != 0 or array[-1] != length:
            return Fault(name, f"must go from 0 to {length}, the length of {spec.starts!r}")
    if spec.rows is not None and not _ascends_in_rows(array, arrays[spec.rows]):
        return Fault(name, f"must ascend within the rows of {spec.rows!r}, each number once")
    return None


def find_extremes(array: Array) -> tuple[Any, Any]:
    """Return the least and the greatest number, NaN where one is none, and 0 and 0 for an empty array."""
    if not array.size:
        return 0, 0
    if array.dtype == np.bool_:
        array = array.view(np.uint8)  # a byte of a file may be neither 0 nor 1
    parts = _cut(array)
    ends = np.empty((len(parts), 2), array.dtype)

    # If any number is not finite, the least or the greatest is not, and finding these takes no memory.
    def find(p: int) -> None:
        ends[p] = array[parts[p]].min(), array[parts[p]].max()

    _run(find, len(parts))
    return ends[:, 0].min(), ends[:, 1].max()


def _ascends(numbers: Array) -> bool:
    return _holds(numbers, lambda first, before, after: bool((after >= before).all()))


def _ascends_in_rows(numbers: Array, starts: Array) -> bool:
    """Tell whether numbers ascend within rows, each number once; the rows begin at `starts`."""

    def ascends(first: int, before: Array, after: Array) -> bool:
        held = after > before
        inside = slice(*np.searchsorted(starts, (first + 1, first + 1 + len(after))))
        held[starts[inside] - (first + 1)] = True  # a row starts here, with any number
        return bool(held.all())

    return _holds(numbers, ascends)


def _holds(numbers: Array, ask: Callable[[int, Array, Array], bool]) -> bool:
    """Tell whether all parts of an array hold to something.

    ask : takes the place of a part, its numbers that have one behind them, and those behind them
    """
    parts = _cut(numbers)
    held = np.empty(len(parts), np.bool_)

    def run(p: int) -> None:
        first, behind = parts[p].start, numbers[parts[p].start + 1 : parts[p].stop + 1]
        held[p] = ask(first, numbers[first : first + len(behind)], behind)

    _run(run, len(parts))
    return bool(held.all())


def _run(task: Callable[[int], None], n_parts: int) -> None:
    if n_parts == 1:
        task(0)  # without asking for the thread pool
    else:
        parallel.run(task, n_parts, uses_blas=False)


def _cut(array: Array) -> list[slice]:
    """Cut an array into parts of whole rows."""
    return parallel.row_blocks(len(array), max(PART_NUMBERS * len(array) // max(array.size, 1), 1))


def _read_size(size: str) -> tuple[str, int]:
    """Return the name of a size, and what is added to it."""
    name, _, more = size.partition("+")
    return name, int(more or 0)


def find_size(size: int | str, sizes: Mapping[str, int], *, otherwise: int | None = None) -> int:
    """Return the number that a dimension of a shape stands for; `otherwise` for a name that has none."""
    if isinstance(size, int):
        return size
    name, more = _read_size(size)
    return sizes[name] + more if otherwise is None else sizes.get(name, otherwise) + more


def _name_size(size: int | str, sizes: Mapping[str, int]) -> str:
    if isinstance(size, int) or _read_size(size)[0] not in sizes:
        return str(size)
    return f"{size} = {find_size(size, sizes)}"
