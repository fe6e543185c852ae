"""A sparse matrix times a dense one, some rows of the product at a time."""

from __future__ import annotations

from tastemap.kernels.core.jit import jit
from tastemap.kernels.core.simd import LANES, add, load_row, multiply_add, splat, store_row, zeros


@jit
def sparse_rows(indptr, indices, values, start, stop, X, out):
    """Set rows start..stop of out to those of the product with X; a row without entries becomes zero.

    indptr int64, indices int32, values float32: CSR. X, out float32 (rows, width), width a multiple of LANES.
    """
    width = X.shape[1]
    whole = width // (2 * LANES) * 2 * LANES
    for u in range(start, stop):
        first, end = indptr[u], indptr[u + 1]
        last = end - (end - first) % 2
        # Two registers of two rows: four sums hide each other's latency, and neighbouring cache lines come together.
        for f in range(0, whole, 2 * LANES):
            a, b, c, d = zeros(), zeros(), zeros(), zeros()
            for j in range(first, last, 2):
                v, w = splat(values[j]), splat(values[j + 1])
                a = multiply_add(v, load_row(X, indices[j], f), a)
                b = multiply_add(v, load_row(X, indices[j], f + LANES), b)
                c = multiply_add(w, load_row(X, indices[j + 1], f), c)
                d = multiply_add(w, load_row(X, indices[j + 1], f + LANES), d)
            if last < end:
                v = splat(values[last])
                a = multiply_add(v, load_row(X, indices[last], f), a)
                b = multiply_add(v, load_row(X, indices[last], f + LANES), b)
            store_row(out, u, f, add(a, c))
            store_row(out, u, f + LANES, add(b, d))
        if whole < width:
            a, c = zeros(), zeros()
            for j in range(first, last, 2):
                a = multiply_add(splat(values[j]), load_row(X, indices[j], whole), a)
                c = multiply_add(splat(values[j + 1]), load_row(X, indices[j + 1], whole), c)
            if last < end:
                a = multiply_add(splat(values[last]), load_row(X, indices[last], whole), a)
            store_row(out, u, whole, add(a, c))
