"""Checks of arguments, each with its one sentence."""

from __future__ import annotations

import numpy as np

from tastemap.data.features import Features
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError

LARGEST_FLOAT = float(np.finfo(np.float32).max)


def check_interactions(purpose: str, interactions: object) -> None:
    """Raise DataError where something else than Interactions was passed."""
    if not isinstance(interactions, Interactions):
        raise DataError(
            f"{purpose} takes tastemap.Interactions, got {type(interactions).__name__}: make them with "
            "Interactions.from_frame, from_file or from_csr"
        )


def check_whole(name: str, value: object, *, lowest: int) -> None:
    """Raise ValueError where a value is no whole number from `lowest` to what 64 bits hold."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
        raise ValueError(f"{name} must be a whole number of at least {lowest}, got {value!r}")
    if value >= 2**64:
        raise ValueError(f"{name} must be below 2**64, got {value!r}")


def check_not_negative(model: str, interactions: Interactions) -> None:
    """Raise DataError where a weight is negative."""
    lowest = interactions.matrix.data.min()
    if lowest < 0:
        raise DataError(f"{model} has no meaning for negative weights, got {lowest:g}: leave them out")


def check_features(purpose: str, features: object) -> None:
    """Raise DataError where something else than Features was passed."""
    if features is not None and not isinstance(features, Features):
        raise DataError(
            f"{purpose} takes tastemap.Features, got {type(features).__name__}: make them with Features.from_frame, "
            "Features.from_csr or text_features"
        )


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
