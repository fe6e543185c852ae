"""What fit must leave behind: arrays that a file can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tastemap.errors import DivergenceError

if TYPE_CHECKING:
    from tastemap.models.shared.base import Model

# What a file of arrays holds: switches, whole numbers, floats.
KINDS = "biuf"


def check_learned(model: Model) -> None:
    """Raise where a fitted array is absent, no array of numbers, of the wrong length or not finite.

    An array whose name begins with user_ or item_ has a row for each. The sentence names the class and the array.
    """
    name = type(model).__name__
    rows = {"user": len(model.users), "item": len(model.items)}
    for part in model._fitted:
        if not hasattr(model, part):
            raise TypeError(f"{name} names {part!r} among its fitted arrays, and learning did not set it")
        array = getattr(model, part)
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name}.{part} must be a NumPy array, got {type(array).__name__}")
        if array.dtype.kind not in KINDS or not array.ndim:
            raise TypeError(
                f"{name}.{part} must be an array of numbers in at least one dimension, got {array.dtype} of shape "
                f"{array.shape}"
            )
        side = part.partition("_")[0]
        if len(array) != rows.get(side, len(array)):
            raise TypeError(f"{name}.{part} must have a row for each {side}: got {len(array)} for {rows[side]}")
        # The least and the largest are not finite where any number is not, and take no memory to find.
        if array.dtype.kind == "f" and array.size and not np.isfinite([array.min(), array.max()]).all():
            raise DivergenceError(
                f"{name}.{part} holds numbers that are not finite: change the parameters, or scale the weights down"
            )
