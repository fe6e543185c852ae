"""The row solver of rating models: each row of P is the minimum of a quadratic over its own ratings, given Q.

A row x that comes in as z leaves as the minimum of

    sum over its ratings of (r - mean - x . q_i)^2  +  scale sum_f ridge_f (x_f - z_f)^2,      x_fixed = z_fixed

so that column `fixed`, 1 in P, meets the biases of Q. The step that it takes is

    x = z + (sum y y' + scale D)^-1  sum y (r - mean - z . q_i),    y = q_i with 0 in column `fixed`,  D = diag(ridge)

Arguments of `rating_rows`:

    indptr, indices, ratings    int64 (n_rows + 1,), int32 (pairs,), float32 (pairs,): the ratings of each row of P, CSR
    start, stop                 the rows to solve: start up to stop - 1
    P                           float32 (n_rows, width): what rows are pulled towards, z, and the result
    Q                           float32 (n_columns, width): the other side, which stays
    ridge                       float32 (width,): the regularization of each column, above 0 except for biases
    scale                       float32 (n_rows,): what the regularization of each row is multiplied with
    mean                        float32: the mean rating
    fixed                       the column of P that stays 1

`width` is a multiple of LANES.
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.dense import add_outer, cholesky, solve
from tastemap.kernels.core.jit import jit
from tastemap.kernels.core.simd import (
    LANES,
    allocate,
    load,
    load_row,
    multiply_add,
    prefetch_row,
    splat,
    store,
    store_row,
    total,
    zeros,
)
from tastemap.kernels.implicit_als import CHOLESKY_TILE, PREFETCH


@jit
def rating_rows(indptr, indices, ratings, start, stop, P, Q, ridge, scale, mean, fixed):
    """Solve rows exactly; one without ratings stays. Return the sum of their minima, float64."""
    width = P.shape[1]
    last = indices.shape[0] - 1
    distance = max(1, PREFETCH // width)
    A = allocate(width, width)
    Y = allocate(CHOLESKY_TILE, width)
    Z = allocate(CHOLESKY_TILE, width)
    scratch = allocate(2, width)
    x, target = scratch[0], scratch[1]
    objective = 0.0

    for u in range(start, stop):
        first = indptr[u]
        n = indptr[u + 1] - first
        if n == 0:
            continue
        for i in range(width):
            for f in range(i // LANES * LANES, width, LANES):
                store_row(A, i, f, zeros())
            A[i, i] = scale[u] * ridge[i]
            target[i] = 0
        for offset in range(0, n, CHOLESKY_TILE):
            m = min(CHOLESKY_TILE, n - offset)
            for k in range(m):
                at = first + offset + k
                i = indices[at]
                ahead = indices[min(at + distance, last)]
                score = zeros()
                for f in range(0, width, LANES):
                    prefetch_row(Q, ahead, f)
                    y = load_row(Q, i, f)
                    store_row(Y, k, f, y)
                    score = multiply_add(y, load_row(P, u, f), score)
                Y[k, fixed] = 0
                error = ratings[at] - mean - total(score)
                objective += np.float64(error) * error
                for f in range(0, width, LANES):
                    store(target, f, multiply_add(splat(error), load_row(Y, k, f), load(target, f)))
            add_outer(A, 0, Y, Y, m)
        A[fixed, fixed] = 1
        for f in range(width):
            x[f] = target[f]
        cholesky(A, Y, Z)
        solve(A, x)
        for f in range(width):
            P[u, f] += x[f]
            objective -= target[f] * x[f]
    return objective
