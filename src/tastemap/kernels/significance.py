"""Sums over users with random signs, and over users drawn with replacement. evaluation/significance.py says why."""

from __future__ import annotations

import numpy as np

from tastemap.kernels.jit import jit_exact
from tastemap.kernels.random import mix


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
def resampled_sums(values, state, first, out):
    """out[r] = sum of as many rows of `values` as there are, drawn with replacement by (state, first + r).

    values float64 (n_users, columns), n_users below 2^32. out float64 (resamples, columns).
    """
    n_users, n_columns = values.shape
    size = np.uint64(n_users)
    half = np.uint64(32)
    low = np.uint64(0xFFFFFFFF)
    for r in range(out.shape[0]):
        own = mix(state + np.uint64(first + r))
        for c in range(n_columns):
            out[r, c] = 0.0
        bits = np.uint64(0)
        for draw in range(n_users):
            # A draw takes half of 64 random bits: even to 2^-32 of the number of users.
            bits = mix(own + np.uint64(draw)) if draw % 2 == 0 else bits >> half
            u = np.int64(((bits & low) * size) >> half)
            for c in range(n_columns):
                out[r, c] += values[u, c]
