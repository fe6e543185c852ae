"""Neighbours of items by a sparse product of their columns, and scores from them.

    sim(i, j) = n_ij / (n_ij + shrinkage)  (sum over users u of v_ui h_uj)^exponent      n_ij users have both
    score of i = sum over the pairs (j, w) of a history of  w sim(i, j)       if j is a neighbour of i

Arguments of `nearest_items`:

    item_ptr, users, item_values      int64 (n_items + 1,), int32 (pairs,), float32 (pairs,): the values v, CSR by item
    user_ptr, items, user_values      int64 (n_users + 1,), int32 (pairs,), float32 (pairs,): the values h, CSR by user
    first                             the item of row 0 of `neighbours`
    shrinkage, exponent               float64: a number of users; above 0
    places, row_at                    int32 (n_items,), int32 (n_items,): the order of equally similar items: the place
                                      of each item, and the item at each place
    neighbours, similarities          int32 (rows, most), float32 (rows, most), written: each item's nearest
    common                            int32 (rows, most), written: how many users have both
    counts                            int64 (rows,), written: the filled places of each row

and of `add_similarities`:

    indptr, indices, data             int64 (n + 1,), int32 (pairs,), float32 (pairs,): histories, CSR
    rows                              int64 (people,): whose
    starts, near, similarities        int64 (n_items + 1,), int32 (any,), float32 (any,): for each item j the items that
                                      have it as a neighbour, and their similarity to it, CSR
    totals                            float64 (n_items,): scratch
    items                             int64 (columns,): which scores
    out                               float32 (people, columns), written
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.heap import push, replace_root, sort, worse
from tastemap.kernels.core.jit import jit_exact


@jit_exact
def nearest_items(
    item_ptr,
    users,
    item_values,
    user_ptr,
    items,
    user_values,
    first,
    shrinkage,
    exponent,
    places,
    row_at,
    neighbours,
    similarities,
    common,
    counts,
):
    """Find the nearest items of item first + r for every row r of `neighbours`, best first.

    What is not above 0 is left out.
    """
    n_items, most = item_ptr.shape[0] - 1, neighbours.shape[1]
    totals, shared = np.zeros(n_items), np.zeros(n_items, np.int64)
    met = np.empty(n_items, np.int32)  # what has something in common: in sparse data a small part of all
    for r in range(neighbours.shape[0]):
        i = first + r
        n_met = 0
        for p in range(item_ptr[i], item_ptr[i + 1]):
            u, v = users[p], np.float64(item_values[p])
            for q in range(user_ptr[u], user_ptr[u + 1]):
                j = items[q]
                if shared[j] == 0:
                    met[n_met] = j
                    n_met += 1
                shared[j] += 1
                totals[j] += v * np.float64(user_values[q])
        size = 0
        for m in range(n_met):
            j = met[m]
            total = totals[j] if exponent == 1.0 else totals[j] ** exponent
            similarity = np.float32(total * (shared[j] / (shared[j] + shrinkage)))
            totals[j] = 0.0
            if j == i or not similarity > 0:
                continue
            if size < most:
                push(similarities[r], neighbours[r], size, similarity, places[j])
                size += 1
            elif worse(similarities[r, 0], neighbours[r, 0], similarity, places[j]):
                replace_root(similarities[r], neighbours[r], size, similarity, places[j])
        sort(similarities[r], neighbours[r], size)
        for m in range(size):
            neighbours[r, m] = row_at[neighbours[r, m]]
            common[r, m] = shared[neighbours[r, m]]
        for m in range(n_met):
            shared[met[m]] = 0
        counts[r] = size


@jit_exact
def add_similarities(indptr, indices, data, rows, starts, near, similarities, totals, items, out):
    """Set out[r, c] = the score of items[c] from CSR row rows[r], summed in float64 in the order of the history."""
    for r in range(rows.shape[0]):
        totals[:] = 0.0
        for p in range(indptr[rows[r]], indptr[rows[r] + 1]):
            j, w = indices[p], np.float64(data[p])
            for q in range(starts[j], starts[j + 1]):
                totals[near[q]] += w * np.float64(similarities[q])
        for c in range(items.shape[0]):
            out[r, c] = np.float32(totals[items[c]])
