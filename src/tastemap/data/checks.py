"""Checks of arguments that data and models share."""

from __future__ import annotations

import numpy as np

from tastemap.data.interactions import Interactions
from tastemap.errors import DataError


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
