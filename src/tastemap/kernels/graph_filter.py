"""The item kernel of a graph of users and items, a sparse product of its columns, and scores by dense products.

    entry (i, j) = scale  sum over users u of v_ui v_uj      where at least one user has a pair with both
    score        = p_r . q_i

Arguments of `count_entries` and `fill_entries`:

    item_ptr, users, item_values      int64 (n_items + 1,), int32 (pairs,), float32 (pairs,): the values v, CSR by item
    user_ptr, items, user_values      int64 (n_users + 1,), int32 (pairs,), float32 (pairs,): the same by user
    first                             the item of row 0 of the block
    counts                            int64 (rows,), written: the number of entries of each row
    scale                             float64
    starts                            int64 (n_items + 1,): where the entries of each row begin
    near, entries                     int32 (any,), float32 (any,), written from starts[first] on: the items j of the
                                      entries, in the order in which they are met, and the entries
    rows                              the number of rows of the block

and of `add_products`:

    P                                 float32 (people, d)
    tiles                             float32 (any, TILE): row t d + f has coordinate f of q_i for items t TILE and on
    columns                           int64 (any,), ascending: which items
    sums                              float32 (4, TILE): scratch
    out                               float32 (people, columns), to which the products are added
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact
from tastemap.kernels.core.simd import LANES, load_row, multiply_add, splat_row, store_row, zeros

# The items of a tile: with four people their sums stay in registers.
TILE = 2 * LANES


@jit_exact
def count_entries(item_ptr, users, item_values, user_ptr, items, user_values, first, counts):
    """Set counts[r] to the number of items that share a user with item first + r, itself among them."""
    met_by = np.full(item_ptr.shape[0] - 1, -1)
    for r in range(counts.shape[0]):
        i = first + r
        n = 0
        for p in range(item_ptr[i], item_ptr[i + 1]):
            u = users[p]
            for q in range(user_ptr[u], user_ptr[u + 1]):
                n += met_by[items[q]] != i
                met_by[items[q]] = i
        counts[r] = n


@jit_exact
def fill_entries(item_ptr, users, item_values, user_ptr, items, user_values, first, rows, scale, starts, near, entries):
    """Set the entries of the rows of items first ... first + rows - 1, each summed over users in ascending order."""
    n_items = item_ptr.shape[0] - 1
    met_by, totals = np.full(n_items, -1), np.empty(n_items)
    for i in range(first, first + rows):
        end = starts[i]
        for p in range(item_ptr[i], item_ptr[i + 1]):
            u, v = users[p], np.float64(item_values[p])
            for q in range(user_ptr[u], user_ptr[u + 1]):
                j = items[q]
                if met_by[j] != i:
                    met_by[j] = i
                    near[end] = j
                    end += 1
                    totals[j] = 0.0
                totals[j] += v * np.float64(user_values[q])
        for e in range(starts[i], end):
            entries[e] = np.float32(scale * totals[near[e]])


@jit_exact
def add_products(P, tiles, columns, sums, out):
    """Add p_r . q_i to out[r, c] for item i = columns[c], four people at a time; the last may be one person again."""
    n, d = P.shape
    n_columns = columns.shape[0]
    first = 0
    while first < n_columns:
        tile = columns[first] // TILE
        last = first + 1
        while last < n_columns and columns[last] // TILE == tile:
            last += 1
        for r in range(0, n, 4):
            r1, r2, r3 = min(r + 1, n - 1), min(r + 2, n - 1), min(r + 3, n - 1)
            a0, a1, a2, a3 = zeros(), zeros(), zeros(), zeros()
            b0, b1, b2, b3 = zeros(), zeros(), zeros(), zeros()
            for f in range(d):
                a, b = load_row(tiles, tile * d + f, 0), load_row(tiles, tile * d + f, LANES)
                p0, p1, p2, p3 = splat_row(P, r, f), splat_row(P, r1, f), splat_row(P, r2, f), splat_row(P, r3, f)
                a0, b0 = multiply_add(p0, a, a0), multiply_add(p0, b, b0)
                a1, b1 = multiply_add(p1, a, a1), multiply_add(p1, b, b1)
                a2, b2 = multiply_add(p2, a, a2), multiply_add(p2, b, b2)
                a3, b3 = multiply_add(p3, a, a3), multiply_add(p3, b, b3)
            store_row(sums, 0, 0, a0)
            store_row(sums, 0, LANES, b0)
            store_row(sums, 1, 0, a1)
            store_row(sums, 1, LANES, b1)
            store_row(sums, 2, 0, a2)
            store_row(sums, 2, LANES, b2)
            store_row(sums, 3, 0, a3)
            store_row(sums, 3, LANES, b3)
            for k in range(min(4, n - r)):
                for c in range(first, last):
                    out[r + k, c] += sums[k, columns[c] - tile * TILE]
        first = last
