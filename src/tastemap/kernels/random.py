"""Randomness as a function of counters: the same numbers whatever the order or the number of threads.

splitmix64: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.jit import jit_exact


@jit_exact
def mix(state):
    """One splitmix64 output: a bijection of 64 bits in which every input bit reaches every output bit."""
    z = np.uint64(state) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@jit_exact
def fill_uniform(out, state, deviation):
    """Fill `out` (float32, n x d) with uniform numbers of mean 0 and the given standard deviation.

    Element j is a function of (state, j) alone. Uniform rather than normal numbers: they take no logarithm, so the bits
    are the same on every machine, and a factorization forgets the shape of its start.
    """
    n_rows, n_columns = out.shape
    half_width = deviation * np.sqrt(3.0)
    for i in range(n_rows):
        for j in range(n_columns):
            bits = mix(np.uint64(state) + np.uint64(i * n_columns + j)) >> np.uint64(11)
            unit = np.float64(bits) * 2.0**-53
            out[i, j] = np.float32((2.0 * unit - 1.0) * half_width)
