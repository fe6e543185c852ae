"""The factors of features: a sparse ridge regression with one right side a column, by conjugate gradients.

    minimise over W   sum_i weight_i |y_i - F_i W|^2  +  regularization |W|^2

F is sparse, rows x features; all dense matrices are `width` columns wide, a multiple of LANES. Every column is a
problem of its own and takes steps of its own length. The kernels work on some rows of a result; what is summed over all
rows comes back as one sum a call, to be added in a fixed order. With T = weight (y - F W), one step is

    image = F' (weight F direction) + regularization direction      `spread_rows`, of T = weight F direction
    W += step direction,   residual -= step image                   `step_features`
    direction = inverse residual + turn direction                   `turn_features`

Arguments, the same in all functions:

    indptr, indices, values      int64 (n_features + 1,), int32 (entries,), float32 (entries,): the transpose of F, CSR
    start, stop                  the features to work on: start up to stop - 1
    T                            float32 (n_rows, width): what is spread
    P                            float32 (n_features, width): what regularization multiplies
    regularization               float32
    out                          float32 (n_features, width), written
    W                            float32 (n_features, width): the features' factors, changed in place
    residual, direction, image   float32 (n_features, width): minus half the gradient, where to go, what that changes
    step, turn                   float32 (width,): one length a column
    inverse                      float32 (n_features,): the preconditioner, the inverse of the system's diagonal
    sums                         float32 (width,), added to
"""

from __future__ import annotations

from tastemap.kernels.core.jit import jit
from tastemap.kernels.core.simd import (
    LANES,
    add,
    load,
    load_row,
    multiply,
    multiply_add,
    splat,
    store,
    store_row,
    zeros,
)


@jit
def spread_rows(indptr, indices, values, start, stop, T, P, regularization, out, sums):
    """Set out_j = F_j' T + regularization P_j for every feature j; sums += P_j out_j, column by column."""
    width = P.shape[1]
    for j in range(start, stop):
        for f in range(0, width, LANES):
            p = load_row(P, j, f)
            even = multiply(splat(regularization), p)
            odd = zeros()
            first, last = indptr[j], indptr[j + 1]
            for e in range(first, last - 1, 2):
                even = multiply_add(splat(values[e]), load_row(T, indices[e], f), even)
                odd = multiply_add(splat(values[e + 1]), load_row(T, indices[e + 1], f), odd)
            if (last - first) % 2 == 1:
                even = multiply_add(splat(values[last - 1]), load_row(T, indices[last - 1], f), even)
            result = add(even, odd)
            store_row(out, j, f, result)
            store(sums, f, multiply_add(p, result, load(sums, f)))


@jit
def step_features(start, stop, W, residual, direction, image, step, inverse, sums):
    """Go W += step direction, residual -= step image; sums += inverse residual^2, of the new residual."""
    width = W.shape[1]
    for j in range(start, stop):
        for f in range(0, width, LANES):
            length = load(step, f)
            store_row(W, j, f, multiply_add(length, load_row(direction, j, f), load_row(W, j, f)))
            back = multiply(splat(-1.0), length)
            left = multiply_add(back, load_row(image, j, f), load_row(residual, j, f))
            store_row(residual, j, f, left)
            store(sums, f, multiply_add(multiply(splat(inverse[j]), left), left, load(sums, f)))


@jit
def turn_features(start, stop, residual, inverse, turn, direction):
    """Set direction = inverse residual + turn direction."""
    width = residual.shape[1]
    for j in range(start, stop):
        for f in range(0, width, LANES):
            steepest = multiply(splat(inverse[j]), load_row(residual, j, f))
            store_row(direction, j, f, multiply_add(load(turn, f), load_row(direction, j, f), steepest))
