"""Checks of numbers, switches and choices; each raises one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np

from tastemap.errors import ParameterError, UnknownIdError, show
from tastemap.typing import RowNumbers

LARGEST_FLOAT = float(np.finfo(np.float32).max)
_OR_NONE = ", or None for what the data say"


def as_python(value: object) -> Any:
    """Return a number or a text of NumPy as one of Python, any other value as it is.

    Python's numbers have no width in which a computation could overflow.
    """
    for kind, own in ((np.bool_, bool), (np.integer, int), (np.floating, float), (np.str_, str)):
        if isinstance(value, kind):
            return own(value)
    return value


def _is_real(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def check_whole(name: str, value: object, *, lowest: int, or_none: bool = False) -> None:
    """Raise ParameterError where a value is not a whole number of at least `lowest` and below 2**64.

    or_none : None is a value too
    """
    if or_none and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
        raise ParameterError(
            f"{name} must be a whole number of at least {lowest}{_OR_NONE * or_none}, got {show(value)}",
            parameter=name,
            value=value,
        )
    if value >= 2**64:
        raise ParameterError(f"{name} must be below 2**64, got {show(value)}", parameter=name, value=value)


def check_amount(name: str, value: object, *, or_none: bool = False) -> None:
    """Raise ParameterError where a value is not a number from 0 to the largest 32-bit float.

    or_none : None is a value too
    """
    if or_none and value is None:
        return
    if not _is_real(value) or not 0 <= as_python(value) <= LARGEST_FLOAT:
        raise ParameterError(
            f"{name} must be a number from 0 to {LARGEST_FLOAT:.2g}{_OR_NONE * or_none}, got {show(value)}",
            parameter=name,
            value=value,
        )


def check_share(name: str, value: object) -> None:
    """Raise ParameterError where a value is not a number from 0 to 1."""
    if not _is_real(value) or not 0 <= as_python(value) <= 1:
        raise ParameterError(f"{name} must be a number from 0 to 1, got {show(value)}", parameter=name, value=value)


def check_rows(what: str, rows: Any, n: int, *, lowest: int = 0) -> RowNumbers:
    """Return row numbers as int64; raise ValueError for others than whole numbers, UnknownIdError for rows beyond n."""
    array = np.atleast_1d(rows)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{what} must be whole numbers in one dimension, got {array.dtype} of shape {array.shape}")
    if array.size and not (array.min() >= lowest and array.max() < n):
        raise UnknownIdError(f"{what} go from {lowest} to {n - 1}, got {array[(array < lowest) | (array >= n)][0]}")
    own: RowNumbers = array.astype(np.int64, copy=False)
    return own


def check_switch(name: str, value: object) -> None:
    """Raise ParameterError where a value is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise ParameterError(f"{name} must be True or False, got {show(value)}", parameter=name, value=value)


def check_text(name: str, value: object) -> None:
    """Raise ParameterError where a value is no text, such as the name of a column."""
    if not isinstance(value, str):
        raise ParameterError(f"{name} must be a text, got {show(value)}", parameter=name, value=value)


def check_number(name: str, value: object) -> None:
    """Raise ParameterError where a value is not a number, infinity included."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or value != value:  # NaN is no number, and unequal to itself
        raise ParameterError(f"{name} must be a number, got {show(value)}", parameter=name, value=value)


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise ParameterError where a value is not among the choices."""
    # Not "in": an array would be compared number by number.
    if not any(isinstance(value, type(choice)) and value == choice for choice in choices):
        raise ParameterError(
            f"{name} must be one of {', '.join(map(repr, choices))}, got {show(value)}", parameter=name, value=value
        )
