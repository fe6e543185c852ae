"""The item kernel of a graph of users and items: a sparse product of its columns.

    entry (i, j) = scale  sum over users u of v_ui v_uj      where at least one user has a pair with both

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
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact


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
                if met_by[items[q]] != i:
                    met_by[items[q]] = i
                    n += 1
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
