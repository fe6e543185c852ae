"""What half-steps of alternating solvers share: rows cut into blocks, matrices as wide as the kernels want them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tastemap.data.pairs import Rows
from tastemap.kernels.simd import LANES, aligned

Floats = npt.NDArray[np.float32]

# A block of rows for one thread: pairs, where a row counts for as many more.
BLOCK_PAIRS = 1 << 14
ROW_COST = 32


def blocks_of(pairs: Rows, size: int = BLOCK_PAIRS) -> list[tuple[int, int]]:
    """Cut rows into runs (start, stop) of about `size` pairs. They depend on the data alone."""
    work = pairs.indptr + ROW_COST * np.arange(len(pairs.indptr))
    cuts = np.searchsorted(work, np.arange(0, work[-1], size))
    cuts = np.unique(np.append(cuts, len(work) - 1)).tolist()
    return list(pairwise(cuts))


def width_of(columns: int) -> int:
    """Return the columns that the kernels work on: whole registers."""
    return -(-columns // LANES) * LANES


def wide_zeros(n_rows: int, columns: int) -> Floats:
    """Return rows of zeros, float32 (n_rows, width_of(columns)), on cache lines."""
    wide: Floats = aligned(n_rows, width_of(columns))
    wide[:] = 0
    return wide
