"""Top-k to the same bits, however the scores were made.

The bits of a matrix product depend on its shape, so it only proposes: `propose` keeps the best few candidates of a
block of approximate scores, `rescore` scores those few by one dot product in a fixed order, `sort_lists` puts them in
order, and `decide` checks, with a bound on the rounding, that no other item can belong among the first k. The rare user
for whom that cannot be shown is ranked by `rank_exactly`, which scores everything in the fixed order. Scores that were
made in a fixed order to begin with need no second look: `propose` and `sort_lists` rank them.

The order is (score descending, place ascending), where `places` says how ties are settled. So that comparing two
entries takes no look into that table, heaps and lists hold places, and `row_at` turns them back into items.

Arguments, the same in all functions:

    P, Q                           float32 (n, d), (columns, d): queries and candidates; a score is their product
    p                              float32 (d,): one query
    a, b                           float32 (d,): two vectors
    rows                           int64 (n,). Of `pair_scores` the row of P of each pair, as `columns` is that of Q; of
                                   `hide` the CSR row with each query's hidden items, -1 for none
    out                            float32 (n,), written
    scores                         float32 (n, block): the scores of columns first .. first + block - 1. Of `decide` and
                                   `sort_lists` (n, k), of `rank_exactly` (k,): lists
    columns                        of `pair_scores` int64 (n,): the row of Q of each pair
    items                          int64 (columns or more,): the item row of each column
    places                         int32 (n_items,): the place of each item row in the order that settles ties
    row_at                         int32 (n_items,): the item row at each place
    listed                         int32 (n, k), of `rank_exactly` (k,), written: the places of the items of lists
    first                          the column that the block begins with
    indptr, indices                int64 (any,), int32 (any,): hidden items, CSR
    position                       int32 (n_items,): an item's column, -1 where it is no candidate
    heap_scores, heap_places       float32 (n, capacity), int32 (n, capacity): the best so far, the worst at the root
    sizes                          int64 (n,): the filled places of each heap or list
    roots                          float64 (n,): the worst approximate score in a full heap, -inf in one with room
    longest                        float64: the largest norm of a row of Q
    sorted_scores, sorted_places   as heap_scores and heap_places, best first by exact score
    k                              how many to keep
    counts                         int64 (n,), written: the filled places of each list
    unsure                         bool (n,), written: whether what was not proposed might belong among the first k
    hidden                         bool (columns or more,): which candidates are hidden
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.heap import push, replace_root
from tastemap.kernels.core.jit import jit_exact
from tastemap.kernels.core.radix import scratch, sort
from tastemap.kernels.core.simd import (
    LANES,
    any_at_least,
    load,
    load_row,
    multiply_add_double,
    splat,
    total,
    zeros_double,
)

UNIT_ROUNDOFF = 2.0**-24
SMALLEST = 2.0**-149  # below it a product is lost altogether, whatever its relative error
LARGEST = 2.0**127


@jit_exact
def dot(a, b):
    """Return the product of two vectors, summed in float64 in one fixed order: the same bits on any machine."""
    n = a.shape[0]
    whole = n // LANES * LANES
    sums = zeros_double()
    for f in range(0, whole, LANES):
        sums = multiply_add_double(load(a, f), load(b, f), sums)
    score = total(sums)
    for f in range(whole, n):
        score += np.float64(a[f]) * np.float64(b[f])
    return score


@jit_exact
def pair_scores(P, Q, rows, columns, out):
    """Set out[j] = P[rows[j]] . Q[columns[j]], the score that every ranking shows for that pair."""
    for j in range(rows.shape[0]):
        out[j] = np.float32(dot(P[rows[j]], Q[columns[j]]))


@jit_exact
def hide(scores, first, indptr, indices, position, rows):
    """Set the scores of hidden items to -inf."""
    n_rows, n_columns = scores.shape
    for r in range(n_rows):
        if rows[r] < 0:
            continue
        for j in range(indptr[rows[r]], indptr[rows[r] + 1]):
            column = position[indices[j]] - first
            if 0 <= column < n_columns:
                scores[r, column] = -np.inf


@jit_exact
def propose(scores, first, items, places, heap_scores, heap_places, sizes):
    """Merge a block of approximate scores into each row's heap of the best items so far, the worst at the root."""
    n_rows, n_columns = scores.shape
    capacity = heap_scores.shape[1]
    for r in range(n_rows):
        size = sizes[r]
        column = 0
        while column < n_columns and size < capacity:
            if scores[r, column] > -np.inf:
                push(heap_scores[r], heap_places[r], size, scores[r, column], places[items[first + column]])
                size += 1
            column += 1
        sizes[r] = size
        if size < capacity:
            continue
        # Most are worse: pass a register at a time.
        while column < n_columns:
            stop = min(column + LANES, n_columns)
            if stop - column < LANES or any_at_least(load_row(scores, r, column), splat(heap_scores[r, 0])):
                for j in range(column, stop):
                    score, root = scores[r, j], heap_scores[r, 0]
                    if score > root or (score == root and places[items[first + j]] < heap_places[r, 0]):
                        replace_root(heap_scores[r], heap_places[r], size, score, places[items[first + j]])
            column = stop


@jit_exact
def rescore(P, Q, row_at, position, heap_scores, heap_places, sizes, roots):
    """Put exact scores in place of approximate ones, and keep the worst of these in `roots`."""
    capacity = heap_scores.shape[1]
    for r in range(P.shape[0]):
        roots[r] = np.float64(heap_scores[r, 0]) if sizes[r] == capacity else -np.inf
        for j in range(sizes[r]):
            heap_scores[r, j] = np.float32(dot(P[r], Q[position[row_at[heap_places[r, j]]]]))


@jit_exact
def decide(P, longest, sorted_scores, sorted_places, sizes, roots, k, listed, scores, counts, unsure):
    """Keep the first k of each row's candidates, which are in the order of their exact scores."""
    n_rows, width = P.shape
    capacity = sorted_scores.shape[1]
    for r in range(n_rows):
        reach = np.sqrt(dot(P[r], P[r])) * longest
        count = min(k, sizes[r])
        counts[r] = count
        for j in range(count):
            listed[r, j] = sorted_places[r, j]
            scores[r, j] = sorted_scores[r, j]
        if sizes[r] == capacity:
            # |computed - true| <= (width + 1) u |p| |q| for the product, half of u |p| |q| for the rounded exact score.
            slack = 2.0 * (width + 2) * (UNIT_ROUNDOFF * reach + SMALLEST)
            unsure[r] = not (np.float64(sorted_scores[r, count - 1]) > roots[r] + slack)
        else:
            unsure[r] = False
        # Beyond float32 the product may have met inf - inf, and what is NaN was not even proposed.
        unsure[r] |= not (reach < LARGEST)


@jit_exact
def sort_lists(scores, listed, sizes):
    """Put each row's candidates in order, best first."""
    keys, digits = scratch(scores.shape[1])
    for r in range(sizes.shape[0]):
        sort(scores[r], listed[r], sizes[r], keys, digits)


@jit_exact
def rank_exactly(p, Q, items, places, hidden, k, listed, scores):
    """Find the k best rows of Q that are not hidden, by their exact scores with p, as a heap; return how many."""
    size = 0
    for j in range(Q.shape[0]):
        if hidden[j]:
            continue
        score = np.float32(dot(p, Q[j]))
        if size < k:
            push(scores, listed, size, score, places[items[j]])
            size += 1
        elif score > scores[0] or (score == scores[0] and places[items[j]] < listed[0]):
            replace_root(scores, listed, size, score, places[items[j]])
    return size
