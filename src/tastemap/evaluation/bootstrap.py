"""Bootstrap intervals of means over users: each resample draws as many users as there are, with replacement."""

from __future__ import annotations

import numpy as np

from tastemap import parallel
from tastemap.kernels.significance import sum_resamples
from tastemap.typing import Doubles

CONFIDENCE = 0.95
RESAMPLES = 1000

# The number of resamples that one thread draws at a time.
_BLOCK = 50


def resample(values: Doubles, state: np.uint64) -> Doubles:
    """Return the sums over each resample's users of values, float64 (users, columns): float64 (RESAMPLES, columns)."""
    columns = np.ascontiguousarray(values.T)
    sums = np.empty((RESAMPLES, len(columns)))
    blocks = parallel.row_blocks(RESAMPLES, _BLOCK)

    def draw_block(b: int) -> None:
        times = np.empty(len(values), np.uint8)  # no user is drawn 256 times
        sum_resamples(columns, state, blocks[b].start, times, sums[blocks[b]])

    parallel.run(draw_block, len(blocks))
    return sums


def ends(means: Doubles) -> tuple[float, float]:
    """Return both ends of the percentile interval of resampled means."""
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
