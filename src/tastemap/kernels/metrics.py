"""Metrics of many lists at once. Their definitions are in tastemap/metrics/definitions.py.

Arguments, the same in all functions:

    lists                            int32 (n, any length): item rows, best first
    counts                           int64 (n,): the filled places of each list. Of `count_reachable` int64 (n, 3),
                                     written
    rows                             int64 (n,): the CSR row with each list's test items
    indptr, indices                  int64 (n_rows + 1,), int32 (pairs,): the test items, CSR, ascending in a row. Of
                                     `diversities` the vectors of the items
    data                             float32 (pairs,): the numbers of these vectors
    cutoffs                          int64 (m,), ascending, at least 1
    reachable                        int64 (n, 3), for auc alone: what `count_reachable` counts
    relevant                         bool (all items that lists or test items name,), False, and so again in the end
    values                           float64 (n, m), of `ranking_metrics` (n, m, 7), written
    information                      float64 (n_items,): -log2 of the share of users who have an item
    norms                            float64 (n_items,): the lengths of the items' vectors
    sums                             float64 (columns of the vectors,): 0, and so again in the end
    rankable                         bool (n_items,): which items are ranked where they are not hidden
    n_rankable                       how many
    hidden_indptr, hidden_indices    int64 (any,), int32 (any,): the hidden items, ascending within a row
    hidden_rows                      int64 (n,): the CSR row with each list's hidden items, -1 for none
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact

# The last axis of `ranking_metrics`' values.
RANKING_METRICS = ("precision", "recall", "hit_rate", "ndcg", "map", "mrr", "auc")


@jit_exact
def ranking_metrics(lists, counts, rows, indptr, indices, cutoffs, reachable, relevant, values):
    """Set values[r, c] to every metric at cutoffs[c], in the order of RANKING_METRICS, of list r."""
    longest = lists.shape[1]
    for r in range(lists.shape[0]):
        longest = max(longest, indptr[rows[r] + 1] - indptr[rows[r]])
    longest = min(longest, cutoffs[-1])  # what a cut-off has beyond the lists and the test items is never looked at
    discount = np.empty(longest)
    ideal = np.empty(longest + 1)
    ideal[0] = 0.0
    for place in range(longest):
        discount[place] = 1.0 / np.log2(place + 2.0)
        ideal[place + 1] = ideal[place] + discount[place]
    for r in range(lists.shape[0]):
        start, stop = indptr[rows[r]], indptr[rows[r] + 1]
        n_relevant = stop - start
        for p in range(start, stop):
            relevant[indices[p]] = True
        findable = reachable[r, 1]
        n_negative = reachable[r, 0] - findable
        hits = 0
        gain = 0.0
        precisions = 0.0
        first = 0.0
        ordered = 0.0  # pairs of a hit and an item that is no hit, in the right order
        place = 0
        for c in range(cutoffs.shape[0]):
            k = cutoffs[c]
            end = min(k, counts[r])
            while place < end:
                if relevant[lists[r, place]]:
                    hits += 1
                    gain += discount[place]
                    precisions += hits / (place + 1.0)
                    if hits == 1:
                        first = 1.0 / (place + 1.0)
                    ordered += n_negative - (place + 1 - hits)
                place += 1
            tied = 0.5 * (findable - hits) * (n_negative - (place - hits))
            values[r, c, 0] = hits / k
            values[r, c, 1] = hits / n_relevant if n_relevant else np.nan
            values[r, c, 2] = 1.0 if hits else 0.0
            values[r, c, 3] = gain / ideal[min(k, n_relevant)] if n_relevant else np.nan
            values[r, c, 4] = precisions / min(k, n_relevant) if n_relevant else np.nan
            values[r, c, 5] = first
            values[r, c, 6] = (ordered + tied) / (n_relevant * n_negative) if n_relevant and n_negative else 0.5
        for p in range(start, stop):
            relevant[indices[p]] = False


@jit_exact
def novelties(lists, counts, cutoffs, information, values):
    """Set values[r, c] to the mean of information[item] over the first cutoffs[c] places of list r, 0 without any."""
    for r in range(lists.shape[0]):
        total = 0.0
        place = 0
        for c in range(cutoffs.shape[0]):
            end = min(cutoffs[c], counts[r])
            while place < end:
                total += information[lists[r, place]]
                place += 1
            values[r, c] = total / place if place else 0.0


@jit_exact
def diversities(lists, counts, cutoffs, indptr, indices, data, norms, sums, values):
    """Set values[r, c] to the mean of 1 - cosine over the pairs of the first cutoffs[c] items of list r, 0 without any.

    The cosines of all pairs are half of what |sum of the unit vectors|^2 has beyond the vectors' own squares; it grows
    with every coordinate that is added.
    """
    for r in range(lists.shape[0]):
        square = 0.0
        own = 0.0
        place = 0
        for c in range(cutoffs.shape[0]):
            end = min(cutoffs[c], counts[r])
            while place < end:
                item = lists[r, place]
                place += 1
                if norms[item] == 0.0:
                    continue
                for p in range(indptr[item], indptr[item + 1]):
                    step = data[p] / norms[item]
                    column = indices[p]
                    square += step * (2.0 * sums[column] + step)
                    own += step * step
                    sums[column] += step
            pairs = place * (place - 1.0)
            values[r, c] = max(0.0, 1.0 - (square - own) / pairs) if place > 1 else 0.0
        for j in range(place):
            item = lists[r, j]
            for p in range(indptr[item], indptr[item + 1]):
                sums[indices[p]] = 0.0


@jit_exact
def count_reachable(rankable, n_rankable, hidden_indptr, hidden_indices, hidden_rows, indptr, indices, rows, counts):
    """Set counts[r] to the items that a user's whole ranking has, how many test items, and how many of them are hidden.

    A test item beyond the catalogue is never ranked.
    """
    n_items = rankable.shape[0]
    for r in range(rows.shape[0]):
        i = i_end = 0
        if hidden_rows[r] >= 0:
            i, i_end = hidden_indptr[hidden_rows[r]], hidden_indptr[hidden_rows[r] + 1]
        ranked = n_rankable
        for p in range(i, i_end):
            ranked -= rankable[hidden_indices[p]]
        findable = 0
        hidden = 0
        for p in range(indptr[rows[r]], indptr[rows[r] + 1]):
            item = indices[p]
            if item >= n_items:
                break  # sorted: all that follow are unknown too
            while i < i_end and hidden_indices[i] < item:
                i += 1
            if i < i_end and hidden_indices[i] == item:
                hidden += 1
            elif rankable[item]:
                findable += 1
        counts[r, 0] = ranked
        counts[r, 1] = findable
        counts[r, 2] = hidden
