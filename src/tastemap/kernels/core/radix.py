"""Sorts long lists: by digits of 11 bits, where a heap would compare every entry with a dozen others."""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.heap import sort as heapsort
from tastemap.kernels.core.jit import jit_exact

# From here on counting digits is faster than a heap.
LONG = 256

DIGIT = 11
BUCKETS = 1 << DIGIT
DIGITS = 6


@jit_exact
def scratch(longest):
    """Return what `sort` works in, for lists of up to `longest` entries."""
    room = longest if longest >= LONG else 0
    return np.empty((2, room), np.uint64), np.empty((DIGITS, BUCKETS if room else 0), np.int64)


@jit_exact
def sort(scores, places, size, keys, counts):
    """Order the first `size` entries by (score descending, place ascending). No score may be NaN.

    scores float32, places int32, at least 0. keys, counts: of `scratch`.
    """
    if size < LONG:
        heapsort(scores, places, size)
        return
    bits = scores.view(np.uint32)
    mask = np.uint64(BUCKETS - 1)
    counts[:] = 0
    for j in range(size):
        scores[j] += np.float32(0)  # -0 and 0 are equal
        # The bits of a float rise with it where it is positive and fall where it is negative: here it is the reverse.
        rising = bits[j] if bits[j] >> np.uint32(31) else ~(bits[j] | np.uint32(1 << 31))
        key = (np.uint64(rising) << np.uint64(32)) | np.uint64(places[j])
        keys[0, j] = key
        for digit in range(DIGITS):
            counts[digit, (key >> np.uint64(digit * DIGIT)) & mask] += 1
    now = 0
    for digit in range(DIGITS):
        shift = np.uint64(digit * DIGIT)
        if counts[digit, (keys[now, 0] >> shift) & mask] == size:
            continue  # all have the same digit
        start = 0
        for bucket in range(BUCKETS):
            start, counts[digit, bucket] = start + counts[digit, bucket], start
        for j in range(size):
            key = keys[now, j]
            bucket = (key >> shift) & mask
            keys[1 - now, counts[digit, bucket]] = key
            counts[digit, bucket] += 1
        now = 1 - now
    for j in range(size):
        key = keys[now, j]
        places[j] = np.int32(key & np.uint64(0xFFFFFFFF))
        rising = np.uint32(key >> np.uint64(32))
        bits[j] = rising if rising >> np.uint32(31) else ~rising & np.uint32(0x7FFFFFFF)
