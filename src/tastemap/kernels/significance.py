"""Sums over users with random signs, and over users drawn with replacement. evaluation/significance.py says why.

Arguments of `sum_with_signs`:

    values        float64 (n_users,)
    state         uint64: the random state
    first_word    the number of the first word of 64 signs
    out           float64 (flips,), flips a multiple of 64, written

and of `sum_resamples`:

    values        float64 (columns, n_users), n_users below 2^32
    state         uint64: the random state
    first         the number of the first resample
    times         uint8 (n_users,): scratch, how often each user is drawn
    out           float64 (resamples, columns), written
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact
from tastemap.kernels.core.random import mix


@jit_exact
def sum_with_signs(values, state, first_word, out):
    """Set out[f] to the sum of values[u] with the sign of bit f % 64 of a word of (state, first_word + f // 64, u).

    The sums go through the users u in order.
    """
    n_users = values.shape[0]
    for word in range(out.shape[0] // 64):
        own = mix(state + np.uint64(first_word + word))
        sums = out[64 * word : 64 * word + 64]
        sums[:] = 0.0
        for u in range(n_users):
            bits = mix(own + np.uint64(u))
            value = values[u]
            for flip in range(64):
                sums[flip] += value if (bits >> np.uint64(flip)) & np.uint64(1) else -value


@jit_exact
def sum_resamples(values, state, first, times, out):
    """Set out[r] to the sum of the values of n_users users, drawn with replacement by (state, first + r)."""
    n_columns, n_users = values.shape
    size = np.uint64(n_users)
    half = np.uint64(32)
    low = np.uint64(0xFFFFFFFF)
    whole = n_users // 4 * 4
    for r in range(out.shape[0]):
        own = mix(state + np.uint64(first + r))
        # Draws go here and there, so they touch one byte a user; the values are read in order.
        times[:] = 0
        for draw in range(0, n_users, 2):
            # A draw takes half of 64 random bits: even to 2^-32 of the number of users.
            bits = mix(own + np.uint64(draw))
            times[((bits & low) * size) >> half] += 1
            if draw + 1 < n_users:
                times[((bits >> half) * size) >> half] += 1
        for c in range(n_columns):
            # Four sums, because an addition waits for the one before.
            a = b = d = e = 0.0
            for u in range(0, whole, 4):
                a += times[u] * values[c, u]
                b += times[u + 1] * values[c, u + 1]
                d += times[u + 2] * values[c, u + 2]
                e += times[u + 3] * values[c, u + 3]
            for u in range(whole, n_users):
                a += times[u] * values[c, u]
            out[r, c] = (a + b) + (d + e)
