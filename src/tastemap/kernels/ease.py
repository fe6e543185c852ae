"""EASE: the Gram matrix of sparse rows, the weights from its inverse, and scores as sums of weight rows.

Sums are float64 over exact products of float32 numbers, each in one fixed order, so that no block changes a bit.

With X the weights of all pairs, those of a user multiplied by the user's own number, a ridge on the diagonal of X'X, P
the inverse of that and s a scale of every item:

    gram      X'X                                                  `gram_rows`
    W         W_ij = -P_ij / P_jj (s_i / s_j) for i != j, else 0    `fill_weights`
    scores    x_u W                                                `add_rows`

Arguments of `gram_rows`:

    item_ptr, users, item_weights    int64 (n_items + 1,), int32 (pairs,), float32 (pairs,): the pairs, CSR by item
    user_ptr, items, user_weights    int64 (n_users + 1,), int32 (pairs,), float32 (pairs,): the same by user
    first                            the item of row 0 of `out`
    out                              float64 (rows, at least first + rows), written

of `fill_weights`:

    entries                          float64 (rows, any): entries[a, first + b] is -P[rows[a], columns[b]]
    first                            the column of `entries` with columns[0]
    rows, columns                    int64 (rows,), int64 (columns,): items
    row_precision, column_precision  float64 (rows,), float64 (columns,): the diagonal of P at rows and columns
    row_scale, column_scale          float64 (rows,), float64 (columns,): s at rows and columns
    W                                float32 (n_items, width), written where j != i

and of `add_rows`:

    indptr, indices, data            int64 (n + 1,), int32 (pairs,), float32 (pairs,): histories, CSR
    rows                             int64 (people,): whose
    W                                float32 (n_items, width): width a multiple of LANES and at least WINDOW
    items                            int64 (columns,), ascending: which scores
    window                           float32 (WINDOW,): scratch
    out                              float32 (people, columns), written
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact
from tastemap.kernels.core.simd import LANES, load_row, multiply_add_double, splat, store_rounded, zeros_double

# Columns whose sums stay in registers while a history is read; narrower rows are padded to it.
WINDOW = 4 * LANES


@jit_exact
def gram_rows(item_ptr, users, item_weights, user_ptr, items, user_weights, first, out):
    """Set out[r, j] = sum over users u of w_ui w_uj for item i = first + r and j <= i, and 0 for j > i."""
    for r in range(out.shape[0]):
        i = first + r
        out[r, :] = 0.0
        for p in range(item_ptr[i], item_ptr[i + 1]):
            u, w = users[p], np.float64(item_weights[p])
            for q in range(user_ptr[u], user_ptr[u + 1]):
                j = items[q]
                if j > i:
                    break
                out[r, j] += w * np.float64(user_weights[q])


@jit_exact
def fill_weights(entries, first, rows, columns, row_precision, column_precision, row_scale, column_scale, W):
    """Set W[i, j] = -P[i, j] / P[j, j] s[i] / s[j] and W[j, i] likewise for i in `rows`, j in `columns`, j < i."""
    n_rows, n_columns = rows.shape[0], columns.shape[0]
    for a in range(n_rows):
        i = rows[a]
        for b in range(n_columns):
            j = columns[b]
            if j < i:
                W[i, j] = np.float32(entries[a, first + b] / column_precision[b] * (row_scale[a] / column_scale[b]))
    for b in range(n_columns):
        j = columns[b]
        for a in range(n_rows):
            i = rows[a]
            if j < i:
                W[j, i] = np.float32(entries[a, first + b] / row_precision[a] * (column_scale[b] / row_scale[a]))


@jit_exact
def add_rows(indptr, indices, data, rows, W, items, window, out):
    """Set out[r, c] = sum over the pairs (j, w) in CSR row rows[r] of w W[j, items[c]]."""
    n, width = rows.shape[0], W.shape[1]
    n_items = items.shape[0]
    first = 0
    while first < n_items:
        # Whole cache lines from the next item on; their part of all rows of W stays in the cache over many people.
        start = min(items[first] // LANES * LANES, width - WINDOW)
        last = first + 1
        while last < n_items and items[last] < start + WINDOW:
            last += 1
        for r in range(n):
            s0, s1, s2, s3 = zeros_double(), zeros_double(), zeros_double(), zeros_double()
            for p in range(indptr[rows[r]], indptr[rows[r] + 1]):
                j, w = indices[p], splat(data[p])
                s0 = multiply_add_double(w, load_row(W, j, start), s0)
                s1 = multiply_add_double(w, load_row(W, j, start + LANES), s1)
                s2 = multiply_add_double(w, load_row(W, j, start + 2 * LANES), s2)
                s3 = multiply_add_double(w, load_row(W, j, start + 3 * LANES), s3)
            store_rounded(window, 0, s0)
            store_rounded(window, LANES, s1)
            store_rounded(window, 2 * LANES, s2)
            store_rounded(window, 3 * LANES, s3)
            for c in range(first, last):
                out[r, c] = window[items[c] - start]
        first = last
