"""Checks of numbers, switches and choices, each with its one sentence."""

from __future__ import annotations

import numpy as np

LARGEST_FLOAT = float(np.finfo(np.float32).max)


def check_whole(name: str, value: object, *, lowest: int) -> None:
    """Raise ValueError where a value is no whole number from `lowest` to what 64 bits hold."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
        raise ValueError(f"{name} must be a whole number of at least {lowest}, got {value!r}")
    if value >= 2**64:
        raise ValueError(f"{name} must be below 2**64, got {value!r}")


def check_amount(name: str, value: object) -> None:
    """Raise ValueError where a value is no number from 0 to what a 32-bit float holds."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= LARGEST_FLOAT:  # type: ignore[operator]
        raise ValueError(f"{name} must be a number from 0 to {LARGEST_FLOAT:.2g}, got {value!r}")


def check_share(name: str, value: object) -> None:
    """Raise ValueError where a value is no number from 0 to 1."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1:  # type: ignore[operator]
        raise ValueError(f"{name} must be a number from 0 to 1, got {value!r}")


def check_switch(name: str, value: object) -> None:
    """Raise ValueError where a value is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}")


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise ValueError where a value is not among the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
