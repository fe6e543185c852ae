"""Matrices as kernels take them: each row fills whole registers, with zeros in the columns beyond the factors."""

from __future__ import annotations

import numpy as np

from tastemap import memory
from tastemap.errors import Remedy
from tastemap.kernels.core.simd import LANES, allocate
from tastemap.typing import Floats


def width_of(factors: int) -> int:
    """Return the number of columns that kernels work on: `factors` rounded up to whole registers."""
    return -(-factors // LANES) * LANES


def ask_for_factors(model: str, factors: int, n_rows: int, n_squares: int = 0, more: int = 0) -> None:
    """Raise DataError where there is no memory for learning the factors of n_rows users and items.

    model : the name of its class
    n_squares : the number of matrices (factors, factors) that are in use at a time
    more : the number of rows that the model learns or computes beside these
    """
    # The rows as kernels take them, and their copy without the columns beyond the factors.
    needed = 4 * factors * (2 * n_rows + more + n_squares * factors)
    memory.ask(
        f"{model} with {factors:,} factors of {n_rows:,} users and items",
        needed,
        "lower factors",
        Remedy("leave out rare ids with interactions.core(...).compact()", "core", ...),
    )


def zeros(n_rows: int, width: int) -> Floats:
    """Return float32 zeros, (n_rows, width), aligned to cache lines."""
    wide: Floats = allocate(n_rows, width)
    wide[:] = 0
    return wide


def widen(factors: Floats, width: int, n_rows: int) -> Floats:
    """Return a copy of size (n_rows, width), with zeros in the added rows and columns."""
    wide = zeros(n_rows, width)
    wide[: len(factors), : factors.shape[1]] = factors
    return wide


def narrow(wide: Floats, factors: int) -> Floats:
    """Return a copy without the columns beyond the factors."""
    return np.ascontiguousarray(wide[:, :factors])
