"""Checks that learning has set arrays that a file can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tastemap.errors import DivergenceError

# The kinds of NumPy types in a file: booleans, whole numbers, floats.
KINDS = "biuf"


def check_arrays(model: str, wanted: Sequence[str], arrays: Mapping[str, object], n_users: int, n_items: int) -> None:
    """Raise TypeError where a fitted array is missing, does not hold numbers or has the wrong length.

    model : the name of its class
    wanted : the names of all fitted arrays; those that begin with user_ or item_ have a row for each user or item

    Raises DivergenceError for numbers that are not finite.
    """
    rows = {"user": n_users, "item": n_items}
    for name in wanted:
        if name not in arrays:
            raise TypeError(f"{model} names {name!r} among its fitted arrays, and learning did not set it")
        array = arrays[name]
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{model}.{name} must be a NumPy array, got {type(array).__name__}")
        if array.dtype.kind not in KINDS or not array.ndim:
            raise TypeError(
                f"{model}.{name} must be an array of numbers in at least one dimension, got {array.dtype} of shape "
                f"{array.shape}"
            )
        side = name.partition("_")[0]
        if len(array) != rows.get(side, len(array)):
            raise TypeError(f"{model}.{name} must have a row for each {side}: got {len(array)} for {rows[side]}")
        # If any number is not finite, the smallest or the largest is not, and finding these takes no memory.
        if array.dtype.kind == "f" and array.size and not np.isfinite([array.min(), array.max()]).all():
            raise DivergenceError(
                f"{model}.{name} holds numbers that are not finite: change the parameters, or scale the weights down"
            )
