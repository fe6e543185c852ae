"""Matrices as kernels take them: each row fills whole registers, with zeros in the columns beyond the factors."""

from __future__ import annotations

import numpy as np

from tastemap.data.specs import find_extremes
from tastemap.kernels.core.random import fill_uniform
from tastemap.kernels.core.simd import LANES, allocate
from tastemap.typing import Flags, Floats


def width_of(factors: int) -> int:
    """Return the number of columns that kernels work on: `factors` rounded up to whole registers."""
    return -(-factors // LANES) * LANES


def zeros(n_rows: int, width: int) -> Floats:
    """Return float32 zeros, (n_rows, width), aligned to cache lines."""
    wide: Floats = allocate(n_rows, width)
    wide[:] = 0
    return wide


def random_rows(has_pairs: Flags, width: int, factors: int, state: np.uint64, deviation: float) -> Floats:
    """Return rows of uniform numbers of mean 0, and zeros beyond the factors and in rows without a pair."""
    wide = zeros(len(has_pairs), width)
    fill_uniform(wide, factors, state, deviation)
    wide[~has_pairs] = 0
    return wide


def widen(factors: Floats, width: int, n_rows: int) -> Floats:
    """Return a copy of size (n_rows, width), with zeros in the added rows and columns."""
    wide = zeros(n_rows, width)
    wide[: len(factors), : factors.shape[1]] = factors
    return wide


def is_finite(*arrays: Floats) -> bool:
    """Tell whether all numbers are finite, without arrays of flags."""
    return all(bool(np.isfinite(find_extremes(array)).all()) for array in arrays)


def narrow(wide: Floats, factors: int) -> Floats:
    """Return a copy without the columns beyond the factors."""
    return np.ascontiguousarray(wide[:, :factors])
