"""Chooses the items of lists among those that were ranked, one after the other. ranking/rerank.py has the formula.

Arguments of `choose`:

    rows, scores   int32 (n, depth), float32 (n, depth): ranked lists, best first
    counts         int64 (n,): the filled places of each
    alike          float32 (n, pool, pool): how alike the items in the first places are; pool 0 for no diversity
    diversity      float64, from 0 to 1
    indptr         int64 (n_items + 1,): where the values of each item begin; (0,) without limits
    values         int32: their numbers
    most           int64 (values,): how many items with each value a list may have
    used           int64 (values,): scratch of zeros, and zeros again at the end
    chosen         int32 (n, k), written: the places of the chosen ones, in the order of the new list, -1 behind them
    sizes          int64 (n,), written: how many were chosen

and of `look_up`:

    starts, near, values   int64 (n_items + 1,), int32, float32: the stored neighbours of each item
    rows                   int32 (n, m): lists of items, -1 for none
    place                  int32 (n_items,): scratch of -1, and -1 again at the end
    out                    float32 (n, m, m), written: the value stored for each two items of a list, 0 for none
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact


@jit_exact
def choose(rows, scores, counts, alike, diversity, indptr, values, most, used, chosen, sizes):
    """Choose up to k items of each list: by diversity among the first places, in order behind them, within limits."""
    n, k = chosen.shape
    widest = alike.shape[1]
    worth = np.empty(widest)
    nearest = np.empty(widest)
    is_left = np.empty(widest, np.bool_)
    has_limits = indptr.shape[0] > 0
    for r in range(n):
        size = 0
        pool = min(widest, counts[r])
        if pool > 0:
            low, spread = np.float64(scores[r, pool - 1]), np.float64(scores[r, 0]) - np.float64(scores[r, pool - 1])
            for i in range(pool):
                worth[i] = (np.float64(scores[r, i]) - low) / spread if spread > 0.0 else 0.0
                nearest[i] = 0.0
                is_left[i] = True
        while size < k and size < pool:
            best, highest = -1, -np.inf
            for i in range(pool):
                if is_left[i]:
                    value = (1.0 - diversity) * worth[i] - diversity * nearest[i]
                    if value > highest:
                        best, highest = i, value
            if best < 0:
                break
            is_left[best] = False
            if has_limits and not take(rows[r, best], indptr, values, most, used):
                continue
            chosen[r, size] = best
            size += 1
            for i in range(pool):
                nearest[i] = max(nearest[i], np.float64(alike[r, best, i]))
        for i in range(pool, counts[r]):
            if size == k:
                break
            if has_limits and not take(rows[r, i], indptr, values, most, used):
                continue
            chosen[r, size] = i
            size += 1
        sizes[r] = size
        for i in range(size, k):
            chosen[r, i] = -1
        if has_limits:
            for i in range(size):
                item = rows[r, chosen[r, i]]
                for j in range(indptr[item], indptr[item + 1]):
                    used[values[j]] = 0


@jit_exact
def take(item, indptr, values, most, used):
    """Count an item's values as used and return True, or False where one of them was used as often as it may be."""
    for j in range(indptr[item], indptr[item + 1]):
        if used[values[j]] >= most[values[j]]:
            return False
    for j in range(indptr[item], indptr[item + 1]):
        used[values[j]] += 1
    return True


@jit_exact
def look_up(starts, near, values, rows, place, out):
    """Set out[r, a, b] to what is stored for item rows[r, a] and its neighbour rows[r, b]."""
    n, m = rows.shape
    for r in range(n):
        for b in range(m):
            if rows[r, b] >= 0:
                place[rows[r, b]] = b
        for a in range(m):
            for b in range(m):
                out[r, a, b] = 0.0
            if rows[r, a] < 0:
                continue
            for j in range(starts[rows[r, a]], starts[rows[r, a] + 1]):
                b = place[near[j]]
                if b >= 0:
                    out[r, a, b] = values[j]
        for b in range(m):
            if rows[r, b] >= 0:
                place[rows[r, b]] = -1
