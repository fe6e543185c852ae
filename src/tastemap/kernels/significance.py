"""Sums over users with random signs, and over users drawn with replacement. evaluation/significance.py says why."""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact
from tastemap.kernels.core.random import mix


@jit_exact
def signed_sums(values, state, first_word, out):
    """out[f] = sum over users u of values[u] with the sign of bit f % 64 of a word of (state, first_word + f // 64, u).

    values float64 (n_users). out float64 (flips), flips a multiple of 64. The sums go through the users in order.
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
def resampled_sums(values, state, first, times, out):
    """out[r] = sum over as many users as there are, drawn with replacement by (state, first + r), of their values.

    values float64 (columns, n_users), n_users below 2^32. times uint8 (n_users): receives how often each is drawn. out
    float64 (resamples, columns).
    """
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
