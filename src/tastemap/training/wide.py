"""Matrices as the kernels want them: rows of whole registers, the columns beyond the factors zero."""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.simd import LANES, allocate
from tastemap.typing import Floats


def width_of(factors: int) -> int:
    """Return the columns that the kernels work on."""
    return -(-factors // LANES) * LANES


def zeros(n_rows: int, width: int) -> Floats:
    """Return zeros."""
    wide: Floats = allocate(n_rows, width)
    wide[:] = 0
    return wide


def widened(factors: Floats, width: int, n_rows: int) -> Floats:
    """Return a copy with columns and rows of zeros added."""
    wide = zeros(n_rows, width)
    wide[: len(factors), : factors.shape[1]] = factors
    return wide


def narrowed(wide: Floats, factors: int) -> Floats:
    """Return a copy without the columns beyond the factors."""
    return np.ascontiguousarray(wide[:, :factors])
