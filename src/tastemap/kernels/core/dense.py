"""Small dense systems, one a row: outer products summed, factorized and solved in place.

Matrices are `width` columns wide, a multiple of LANES, and start on a cache line.
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit
from tastemap.kernels.core.simd import (
    LANES,
    load,
    load_row,
    multiply,
    multiply_add,
    splat,
    splat_row,
    store,
    store_row,
    total,
    zeros,
)

GROUP = 8  # rows that one pass works on at once: eight independent sums hide each other's latency


@jit
def add_outer(A, start, Z, Y, n):
    """Add to A the sum over the first n rows of z y', on and above the diagonal, from row `start` on.

    Eight rows of A stay in registers while Z and Y run past. Whole registers are worked on, so numbers just below the
    diagonal change as well; nothing reads them.
    """
    width = A.shape[1]
    for i in range(start, width, GROUP):
        for f in range(i // LANES * LANES, width, LANES):
            a0, a1, a2, a3 = (
                load_row(A, i, f),
                load_row(A, i + 1, f),
                load_row(A, i + 2, f),
                load_row(A, i + 3, f),
            )
            a4, a5, a6, a7 = (
                load_row(A, i + 4, f),
                load_row(A, i + 5, f),
                load_row(A, i + 6, f),
                load_row(A, i + 7, f),
            )
            for k in range(n):
                y = load_row(Y, k, f)
                a0 = multiply_add(splat_row(Z, k, i), y, a0)
                a1 = multiply_add(splat_row(Z, k, i + 1), y, a1)
                a2 = multiply_add(splat_row(Z, k, i + 2), y, a2)
                a3 = multiply_add(splat_row(Z, k, i + 3), y, a3)
                a4 = multiply_add(splat_row(Z, k, i + 4), y, a4)
                a5 = multiply_add(splat_row(Z, k, i + 5), y, a5)
                a6 = multiply_add(splat_row(Z, k, i + 6), y, a6)
                a7 = multiply_add(splat_row(Z, k, i + 7), y, a7)
            store_row(A, i, f, a0)
            store_row(A, i + 1, f, a1)
            store_row(A, i + 2, f, a2)
            store_row(A, i + 3, f, a3)
            store_row(A, i + 4, f, a4)
            store_row(A, i + 5, f, a5)
            store_row(A, i + 6, f, a6)
            store_row(A, i + 7, f, a7)


@jit
def cholesky(A, Y, Z):
    """A = U'U in place, U upper triangular: LANES rows of U, then what they leave of the rest. Y and Z are scratch."""
    width = A.shape[1]
    for start in range(0, width, LANES):
        for k in range(LANES):
            i = start + k
            pivot = A[i, i]
            # Padding leaves zero rows: their pivot must not spread infinity.
            scale = splat(1 / np.sqrt(pivot) if pivot != 0 else np.float32(0))
            for f in range(start, width, LANES):
                u = multiply(scale, load_row(A, i, f))
                store_row(A, i, f, u)
                store_row(Y, k, f, u)
                store_row(Z, k, f, multiply(splat(np.float32(-1)), u))
            for j in range(i + 1, start + LANES):
                v = splat_row(Z, k, j)
                for f in range(start, width, LANES):
                    store_row(A, j, f, multiply_add(v, load_row(Y, k, f), load_row(A, j, f)))
        add_outer(A, start + LANES, Z, Y, LANES)


@jit
def solve(U, x):
    """Multiply x by (U'U)^-1. Only the diagonal and what is above it are read."""
    width = x.shape[0]
    for i in range(width):
        v = x[i] / U[i, i] if U[i, i] != 0 else np.float32(0)
        x[i] = v
        end = (i // LANES + 1) * LANES
        for f in range(i + 1, end):
            x[f] -= v * U[i, f]
        for f in range(end, width, LANES):
            store(x, f, multiply_add(splat(-v), load_row(U, i, f), load(x, f)))
    for i in range(width - 1, -1, -1):
        end = (i // LANES + 1) * LANES
        s = x[i]
        for f in range(i + 1, end):
            s -= U[i, f] * x[f]
        sums = zeros()
        for f in range(end, width, LANES):
            sums = multiply_add(load_row(U, i, f), load(x, f), sums)
        x[i] = (s - total(sums)) / U[i, i] if U[i, i] != 0 else np.float32(0)
