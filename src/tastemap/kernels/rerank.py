"""Chooses from ranked lists: by relevance and by what the list has already, and with at most so many items of a value.

The lists are taken as they come, best first; a tie goes to the item that comes first. What a row gets depends on that
row alone.

Arguments, the same in all functions:

    rows, scores                   int32 (n, depth), float32 (n, depth): item rows and scores, best first
    counts                         int64 (n,): the filled places of each list
    relevance                      float64 (n, pool), written: the scores of the first places, scaled to 0..1
    closeness                      float64 (n, pool), written: to the nearest item chosen so far, at least 0
    similarities                   float32 (n, pool): to the item that was chosen last
    is_open                        bool (n, pool), written: what may still be chosen
    chosen                         int64 (n, k), written: places in the list, in the order in which they are chosen
    listed                         int64 (n,), written: how many are chosen
    last                           int64 (n,), written: the item row that was chosen last, -1 for none
    diversity                      from 0 to 1
    first                          the place that the rest begins with
    starts, values                 int64 (n_items + 1,), int32 (any,): the limited values of each item, CSR
    most                           int64 (n_values,): how many items with this value a list may have
    used                           int64 (n_values,), zeros: scratch, zeros again in the end
    vectors, items, others, out    of `compare_vectors` float32 (n_items, d), int64 (n,), int32 (n, m), float32 (n, m)
    indptr, indices, data          of `look_up_pairs` a CSR with ascending indices: int64, int32, float32
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact
from tastemap.kernels.ranking import dot


@jit_exact
def open_pool(scores, counts, relevance, closeness, is_open):
    """Scale the scores of each pool to 0..1, all 1 where they are equal, and open its filled places."""
    pool = relevance.shape[1]
    for r in range(relevance.shape[0]):
        size = min(pool, counts[r])
        if not size:
            continue
        low, high = np.float64(scores[r, size - 1]), np.float64(scores[r, 0])
        for j in range(size):
            relevance[r, j] = (np.float64(scores[r, j]) - low) / (high - low) if high > low else 1.0
            closeness[r, j] = 0.0
            is_open[r, j] = True


@jit_exact
def choose(rows, relevance, closeness, is_open, diversity, starts, values, most, chosen, listed, last):
    """Choose for each list the open place with the highest (1 - d) relevance - d closeness, and close what is full."""
    n, pool = relevance.shape
    for r in range(n):
        best, highest = -1, -np.inf
        for j in range(pool):
            if is_open[r, j]:
                gain = (1.0 - diversity) * relevance[r, j] - diversity * closeness[r, j]
                if gain > highest:
                    best, highest = j, gain
        last[r] = -1
        if best < 0:
            continue
        item = rows[r, best]
        last[r] = item
        is_open[r, best] = False
        chosen[r, listed[r]] = best
        listed[r] += 1
        for p in range(starts[item], starts[item + 1]):
            value, times = values[p], 0
            for c in range(listed[r]):
                other = rows[r, chosen[r, c]]
                for q in range(starts[other], starts[other + 1]):
                    times += values[q] == value
            if times < most[value]:
                continue
            for j in range(pool):
                if is_open[r, j]:
                    for q in range(starts[rows[r, j]], starts[rows[r, j] + 1]):
                        if values[q] == value:
                            is_open[r, j] = False


@jit_exact
def come_closer(similarities, last, closeness):
    """Raise the closeness of each pool to the similarities with the item that was chosen last."""
    for r in range(closeness.shape[0]):
        if last[r] >= 0:
            for j in range(closeness.shape[1]):
                closeness[r, j] = max(closeness[r, j], np.float64(similarities[r, j]))


@jit_exact
def choose_rest(rows, counts, first, starts, values, most, used, chosen, listed):
    """Choose further places of each list, in order, whose values are not full, until the list is."""
    k = chosen.shape[1]
    for r in range(rows.shape[0]):
        for c in range(listed[r]):
            item = rows[r, chosen[r, c]]
            for p in range(starts[item], starts[item + 1]):
                used[values[p]] += 1
        for j in range(first, counts[r]):
            if listed[r] == k:
                break
            item, has_room = rows[r, j], True
            for p in range(starts[item], starts[item + 1]):
                has_room &= used[values[p]] < most[values[p]]
            if not has_room:
                continue
            chosen[r, listed[r]] = j
            listed[r] += 1
            for p in range(starts[item], starts[item + 1]):
                used[values[p]] += 1
        for c in range(listed[r]):
            item = rows[r, chosen[r, c]]
            for p in range(starts[item], starts[item + 1]):
                used[values[p]] = 0


@jit_exact
def compare_vectors(vectors, items, others, out):
    """Set out[r, j] to the product of the vectors of items[r] and others[r, j], 0 where either is -1."""
    for r in range(others.shape[0]):
        for j in range(others.shape[1]):
            out[r, j] = 0.0
            if items[r] >= 0 and others[r, j] >= 0:
                out[r, j] = np.float32(dot(vectors[items[r]], vectors[others[r, j]]))


@jit_exact
def look_up_pairs(indptr, indices, data, items, others, out):
    """Set out[r, j] to the entry of row items[r] and column others[r, j], 0 where there is none or either is -1."""
    for r in range(others.shape[0]):
        for j in range(others.shape[1]):
            out[r, j] = 0.0
            if items[r] < 0:
                continue
            low, stop = indptr[items[r]], indptr[items[r] + 1]
            high = stop
            while low < high:
                middle = (low + high) // 2
                if indices[middle] < others[r, j]:
                    low = middle + 1
                else:
                    high = middle
            if low < stop and indices[low] == others[r, j]:
                out[r, j] = data[low]
