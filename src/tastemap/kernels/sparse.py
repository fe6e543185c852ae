"""A sparse matrix times a dense one, rows of the product at a time."""

from __future__ import annotations

from tastemap.kernels.jit import jit
from tastemap.kernels.simd import LANES, add, load_row, multiply_add, splat, store_row, zeros


@jit
def sparse_rows(indptr, indices, values, start, stop, X, out):
    """Set rows start..stop of out to those of the product with X; a row without entries becomes zero.

    indptr int64, indices int32, values float32: CSR. X, out float32 (rows, width), width a multiple of LANES.
    """
    width = X.shape[1]
    for u in range(start, stop):
        first, end = indptr[u], indptr[u + 1]
        pairs = first + (end - first) // 4 * 4
        for f in range(0, width, LANES):
            # Four sums hide each other's latency.
            a, b, c, d = zeros(), zeros(), zeros(), zeros()
            for j in range(first, pairs, 4):
                a = multiply_add(splat(values[j]), load_row(X, indices[j], f), a)
                b = multiply_add(splat(values[j + 1]), load_row(X, indices[j + 1], f), b)
                c = multiply_add(splat(values[j + 2]), load_row(X, indices[j + 2], f), c)
                d = multiply_add(splat(values[j + 3]), load_row(X, indices[j + 3], f), d)
            for j in range(pairs, end):
                a = multiply_add(splat(values[j]), load_row(X, indices[j], f), a)
            store_row(out, u, f, add(add(a, b), add(c, d)))
