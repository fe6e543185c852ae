"""Ranking metrics of many lists at once. Their definitions are in evaluation/metrics.py."""

from __future__ import annotations

import numpy as np

from tastemap.kernels.jit import jit_exact

RANKING_METRICS = ("precision", "recall", "hit_rate", "ndcg", "map", "mrr")


@jit_exact
def ranking_metrics(lists, counts, rows, indptr, indices, k, values):
    """values[r] = every metric at k, in the order of RANKING_METRICS, of list r.

    lists int32 (n, at least k or the longest list): item rows. counts int64 (n): filled places. rows int64 (n): the CSR
    row with the list's test items; indices must be sorted within a row. values float64 (n, 6).
    """
    discount = np.empty(k)
    for place in range(k):
        discount[place] = 1.0 / np.log2(place + 2.0)
    for r in range(lists.shape[0]):
        start, stop = indptr[rows[r]], indptr[rows[r] + 1]
        n_relevant = stop - start
        hits = 0
        gain = 0.0
        precisions = 0.0
        first = 0.0
        for place in range(min(k, counts[r])):
            item = lists[r, place]
            low, high = start, stop
            while low < high:
                middle = (low + high) // 2
                if indices[middle] < item:
                    low = middle + 1
                else:
                    high = middle
            if low < stop and indices[low] == item:
                hits += 1
                gain += discount[place]
                precisions += hits / (place + 1.0)
                if hits == 1:
                    first = 1.0 / (place + 1.0)
        ideal = 0.0
        for place in range(min(k, n_relevant)):
            ideal += discount[place]
        values[r, 0] = hits / k
        values[r, 1] = hits / n_relevant if n_relevant else np.nan
        values[r, 2] = 1.0 if hits else 0.0
        values[r, 3] = gain / ideal if n_relevant else np.nan
        values[r, 4] = precisions / min(k, n_relevant) if n_relevant else np.nan
        values[r, 5] = first


@jit_exact
def shared_pairs(indptr, indices, rows, other_indptr, other_indices, other_rows):
    """How many items rows[r] of one CSR and other_rows[r] of another share, over all r; rows sorted, -1 for none."""
    shared = 0
    for r in range(rows.shape[0]):
        if rows[r] < 0 or other_rows[r] < 0:
            continue
        i, j = indptr[rows[r]], other_indptr[other_rows[r]]
        while i < indptr[rows[r] + 1] and j < other_indptr[other_rows[r] + 1]:
            if indices[i] == other_indices[j]:
                shared += 1
            step = indices[i] <= other_indices[j]
            if other_indices[j] <= indices[i]:
                j += 1
            if step:
                i += 1
    return shared
