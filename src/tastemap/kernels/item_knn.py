"""Neighbours of items by a sparse product of their columns, and scores from them."""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.heap import push, replace_root, sort, worse
from tastemap.kernels.core.jit import jit_exact


@jit_exact
def nearest_items(
    item_ptr, users, item_values, user_ptr, items, user_values, first, shrinkage, neighbours, similarities, counts
):
    """Find the nearest items of item first + r for every row r of `neighbours`, best first.

    sim(i, j) = n_ij / (n_ij + shrinkage)  sum over users u of v_ui v_uj, where n_ij users have a pair with both. Of
    equal ones the lower row comes first; what is not above 0 is left out. The values v come as CSR twice, by item and
    by user. neighbours int32 and similarities float32, (rows, most), of which counts[r] places are filled.
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
            similarity = np.float32(totals[j] * (shared[j] / (shared[j] + shrinkage)))
            totals[j], shared[j] = 0.0, 0
            if j == i or not similarity > 0:
                continue
            if size < most:
                push(similarities[r], neighbours[r], size, similarity, j)
                size += 1
            elif worse(similarities[r, 0], neighbours[r, 0], similarity, j):
                replace_root(similarities[r], neighbours[r], size, similarity, j)
        sort(similarities[r], neighbours[r], size)
        counts[r] = size


@jit_exact
def add_similarities(indptr, indices, data, rows, starts, near, similarities, totals, items, out):
    """out[r, c] = sum over the pairs (j, w) in CSR row rows[r] of w sim(items[c], j), in float64 in the order of j.

    near[starts[j] : starts[j + 1]] are the items that j is a neighbour of. totals float64 (n_items): scratch.
    """
    for r in range(rows.shape[0]):
        totals[:] = 0.0
        for p in range(indptr[rows[r]], indptr[rows[r] + 1]):
            j, w = indices[p], np.float64(data[p])
            for q in range(starts[j], starts[j + 1]):
                totals[near[q]] += w * np.float64(similarities[q])
        for c in range(items.shape[0]):
            out[r, c] = np.float32(totals[items[c]])
