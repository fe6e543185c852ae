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

Arguments of `nearest_of_sums`, which finds the same from sums that are there:

    starts, others                    int64 (n_items + 1,), int32 (any,): for each item i those j that share users, CSR
    totals, shared                    float64 (any,), float64 (any,): their sums of products, and numbers of users
    first                             the item of row 0 of `neighbours`
    shrinkage, exponent, places, row_at, neighbours, similarities, common, counts    as above

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

# From so many neighbours on most of what an item meets is passed over before the heap. A positive float32 rises with
# its bits: without the last 20 they are steps of an eighth at most.
LONG = 100
STEP_BITS = np.uint32(20)
STEPS = 1 << 11


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
    n_items = item_ptr.shape[0] - 1
    # Of every item the sum of the products, and the number of users as a float: together in one line of the cache.
    sums = np.zeros((n_items, 2))
    met = np.empty(n_items + 1, np.int32)  # what has something in common: in sparse data a small part of all
    found = np.empty(n_items, np.float32)
    steps, counted = found.view(np.uint32), np.zeros(STEPS, np.int64)
    for r in range(neighbours.shape[0]):
        i = first + r
        n_met, n_steps = 0, 0
        for p in range(item_ptr[i], item_ptr[i + 1]):
            n_steps += user_ptr[users[p] + 1] - user_ptr[users[p]]
        everywhere = n_steps > n_items
        for p in range(item_ptr[i], item_ptr[i + 1]):
            u, v = users[p], np.float64(item_values[p])
            if everywhere:
                for q in range(user_ptr[u], user_ptr[u + 1]):
                    j = np.uint32(items[q])
                    sums[j, 0] += v * np.float64(user_values[q])
                    sums[j, 1] += 1.0
            else:
                for q in range(user_ptr[u], user_ptr[u + 1]):
                    j = np.uint32(items[q])
                    met[n_met] = j
                    n_met += sums[j, 1] == 0.0
                    sums[j, 0] += v * np.float64(user_values[q])
                    sums[j, 1] += 1.0
        if everywhere:
            for j in range(n_items):
                met[n_met] = j
                n_met += sums[j, 1] > 0.0
        counts[r] = _choose(
            i,
            met,
            n_met,
            sums,
            found,
            steps,
            counted,
            shrinkage,
            exponent,
            places,
            row_at,
            neighbours[r],
            similarities[r],
            common[r],
        )


@jit_exact
def nearest_of_sums(
    starts,
    others,
    totals,
    shared,
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
    """Find the nearest items of item first + r for every row r of `neighbours`, best first, from sums of products."""
    n_items = starts.shape[0] - 1
    sums = np.zeros((n_items, 2))
    met = np.empty(n_items + 1, np.int32)
    found = np.empty(n_items, np.float32)
    steps, counted = found.view(np.uint32), np.zeros(STEPS, np.int64)
    for r in range(neighbours.shape[0]):
        i, n_met = first + r, 0
        for p in range(starts[i], starts[i + 1]):
            met[n_met] = others[p]
            n_met += 1
            sums[others[p], 0], sums[others[p], 1] = totals[p], shared[p]
        counts[r] = _choose(
            i,
            met,
            n_met,
            sums,
            found,
            steps,
            counted,
            shrinkage,
            exponent,
            places,
            row_at,
            neighbours[r],
            similarities[r],
            common[r],
        )


@jit_exact
def _choose(
    i,
    met,
    n_met,
    sums,
    found,
    steps,
    counted,
    shrinkage,
    exponent,
    places,
    row_at,
    neighbours,
    similarities,
    common,
):
    """Choose the nearest of the n_met items that item i shares users with, return how many, and clear their sums."""
    most = neighbours.shape[0]
    if exponent != 1.0:
        for m in range(n_met):
            sums[met[m], 0] **= exponent
    for m in range(n_met):
        total, shared = sums[met[m], 0], sums[met[m], 1]
        similarity = np.float32(total * (shared / (shared + shrinkage)))
        found[m] = similarity if similarity > 0 and met[m] != i else np.float32(0)
    # What lies in a step below that of the worst neighbour need not pass through the heap.
    enough = np.uint32(0)
    if most >= LONG and n_met > 2 * most:
        for m in range(n_met):
            counted[steps[m] >> STEP_BITS] += 1
        step, better = STEPS - 1, counted[STEPS - 1]
        while better < most:
            step -= 1
            better += counted[step]
        enough = np.uint32(step) << STEP_BITS
        counted[:] = 0
    size = 0
    for m in range(n_met):
        if steps[m] < enough or found[m] == 0:
            continue
        similarity, place = found[m], places[met[m]]
        if size < most:
            push(similarities, neighbours, size, similarity, place)
            size += 1
        elif worse(similarities[0], neighbours[0], similarity, place):
            replace_root(similarities, neighbours, size, similarity, place)
    sort(similarities, neighbours, size)
    for m in range(size):
        neighbours[m] = row_at[neighbours[m]]
        common[m] = np.int32(sums[neighbours[m], 1])
    for m in range(n_met):
        sums[met[m]] = 0.0
    return size


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
