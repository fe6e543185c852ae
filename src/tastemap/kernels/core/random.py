"""Randomness as a function of counters: the same numbers whatever the order or the number of threads.

splitmix64: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
"""

from __future__ import annotations

import math

import numpy as np

from tastemap.kernels.core.jit import jit_exact

# Of `mix`, here and in simd.py.
INCREMENT = 0x9E3779B97F4A7C15
SHIFTS = 30, 27, 31
MULTIPLIERS = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@jit_exact
def mix(state):
    """One splitmix64 output: a bijection of 64 bits in which every input bit reaches every output bit."""
    z = np.uint64(state) + np.uint64(INCREMENT)
    z = (z ^ (z >> np.uint64(SHIFTS[0]))) * np.uint64(MULTIPLIERS[0])
    z = (z ^ (z >> np.uint64(SHIFTS[1]))) * np.uint64(MULTIPLIERS[1])
    return z ^ (z >> np.uint64(SHIFTS[2]))


@jit_exact
def draw_below(n, bits):
    """Return a number from 0 to n - 1 from 64 random bits; n is at most 2^31."""
    return np.int64(((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@jit_exact
def fill_uniform(out, n_columns, state, deviation):
    """Fill the first columns of `out` (float32) with uniform numbers of mean 0 and the given standard deviation.

    The j-th number is a function of (state, j) alone. Uniform rather than normal numbers: they take no logarithm, so
    the bits are the same on every machine, and a factorization forgets the shape of its start.
    """
    half_width = deviation * np.sqrt(3.0)
    for i in range(out.shape[0]):
        for j in range(n_columns):
            bits = mix(np.uint64(state) + np.uint64(i * n_columns + j)) >> np.uint64(11)
            unit = np.float64(bits) * 2.0**-53
            out[i, j] = np.float32((2.0 * unit - 1.0) * half_width)


@jit_exact
def exponential(bits):
    """Return -ln u of the uniform number u in (0, 1) that 64 random bits make: an exponential number of mean 1.

    A library's logarithm may differ in the last bit from one machine to another. This one is a few sums, products and
    quotients, each rounded as IEEE 754 says: ln f = 2 artanh((f - 1) / (f + 1)), whose series ends here below 2^-53.
    """
    # An odd number of 53 bits, so that u is never 0 or 1.
    fraction, exponent = math.frexp((np.float64(bits >> np.uint64(12)) + 0.5) * 2.0**-52)
    if fraction < 0.7071067811865476:
        fraction *= 2.0
        exponent -= 1
    s = (fraction - 1.0) / (fraction + 1.0)
    square = s * s
    series = 0.0
    for n in range(21, 0, -2):
        series = series * square + 1.0 / n
    return -(exponent * 0.6931471805599453 + 2.0 * s * series)


@jit_exact
def race(states, rates, items, out):
    """out[r, c] = rate / e for item items[c], e an exponential number of (states[r], item): the first to arrive wins.

    The highest is item i with a probability proportional to rates[i], the next one likewise among the rest, and so on:
    1 / out are the arrival times of independent Poisson processes. states uint64, rates float64 (n_items).
    """
    for r in range(states.shape[0]):
        for c in range(items.shape[0]):
            time = exponential(mix(states[r] + np.uint64(items[c])))
            out[r, c] = np.float32(rates[items[c]] / time)


@jit_exact
def states_of_rows(state, out):
    """out[r] = a state, uint64, that depends on `state` and r alone."""
    for r in range(out.shape[0]):
        out[r] = mix(state + np.uint64(r))


@jit_exact
def states_of_sets(indptr, indices, state, out):
    """out[r] = a state, uint64, that depends on `state` and the members of CSR row r alone."""
    for r in range(out.shape[0]):
        own = mix(state)
        for p in range(indptr[r], indptr[r + 1]):
            own = mix(own + np.uint64(indices[p]))
        out[r] = own
