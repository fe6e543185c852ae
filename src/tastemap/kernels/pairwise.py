"""Steps that pull a positive item up and push a negative one down for a user, shared by BPR and WARP.

Rows are `width` numbers, whole cache lines. A user's row holds p, a 1, the sum of its squared steps, and zeros; an
item's q, its bias, a 0, the sum of its squared steps, and zeros. So the inner product of two rows is p . q + bias, and
all that a step needs of a row comes with it.
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit, jit_exact
from tastemap.kernels.core.random import mix
from tastemap.kernels.core.simd import (
    LANES,
    load,
    load_row,
    multiply,
    multiply_add,
    prefetch_row,
    splat,
    store_row,
    subtract,
    total,
    totals,
    zeros,
)
from tastemap.kernels.sgd import below

TRIES = 20  # draws for one negative before a step is given up
AHEAD = 64  # pairs from now whose user's row is fetched


@jit_exact
def mark(users, items, k, positives):
    """Mark the items of the user whose pairs start at k, and return where they end."""
    end = k
    while end < users.shape[0] and users[end] == users[k]:
        positives[items[end]] = 1
        end += 1
    return end


@jit_exact
def unmark(items, start, end, positives):
    """Take the marks back."""
    for k in range(start, end):
        positives[items[k]] = 0


@jit_exact
def draw_negative(n_items, pool, by_popularity, positives, state, counter):
    """Return an item without a mark, and the counter after the last draw; -1 where TRIES draws met marks only.

    by_popularity: draw from `pool`, int32, where items stand as often as they are popular; else any item of the block.
    """
    for _ in range(TRIES):
        bits = mix(state + counter)
        j = np.int64(pool[below(pool.shape[0], bits)]) if by_popularity else below(n_items, bits)
        counter += np.uint64(1)
        if positives[j] == 0:
            return j, counter
    return np.int64(-1), counter


@jit
def difference(P, u, Q, i, j):
    """The user's score of item i less that of item j."""
    sums = zeros()
    for f in range(0, P.shape[1], LANES):
        sums = multiply_add(load_row(P, u, f), subtract(load_row(Q, i, f), load_row(Q, j, f)), sums)
    return total(sums)


@jit
def fetch_ahead(P, users, k):
    """Ask for the user's row of a later pair."""
    u = users[min(k + AHEAD, users.shape[0] - 1)]
    for f in range(0, P.shape[1], LANES):
        prefetch_row(P, u, f)


@jit
def step(P, u, Q, i, j, pull, rate, ridge_p, ridge_q, means_p, means_q, learned_p, learned_q, squares, learn_items):
    """One step on a user's row and two items': up the gradient of pull (s_ui - s_uj) - ridge/2 |row - mean|^2.

    A row's step is rate / sqrt(its sum of squared gradients before this one), which then grows by the square of this
    one, averaged over the row (Duchi et al. 2011, one number a row).
    means: what rows are drawn towards, float32 as P and Q, or with no rows for 0. learned float32 (width): 1 where a
    column is learned, else 0. squares: the column of the users' sums; the items' is the next. learn_items: False leaves
    the items as they are.
    """
    width = P.shape[1]
    rate_p = splat(rate / np.sqrt(P[u, squares]))
    rate_i = splat(rate / np.sqrt(Q[i, squares + 1]))
    rate_j = splat(rate / np.sqrt(Q[j, squares + 1]))
    up, down = splat(pull), splat(-pull)
    down_p, down_q = splat(-ridge_p), splat(-ridge_q)
    sum_p, sum_i, sum_j = zeros(), zeros(), zeros()
    for f in range(0, width, LANES):
        p, a, b = load_row(P, u, f), load_row(Q, i, f), load_row(Q, j, f)
        gap_p, gap_a, gap_b = p, a, b
        if means_p.shape[0] > 0:
            gap_p = subtract(p, load_row(means_p, u, f))
        if means_q.shape[0] > 0:
            gap_a = subtract(a, load_row(means_q, i, f))
            gap_b = subtract(b, load_row(means_q, j, f))
        own, theirs = load(learned_p, f), load(learned_q, f)
        step_p = multiply(own, multiply_add(up, subtract(a, b), multiply(down_p, gap_p)))
        step_a = multiply(theirs, multiply_add(up, p, multiply(down_q, gap_a)))
        step_b = multiply(theirs, multiply_add(down, p, multiply(down_q, gap_b)))
        sum_p = multiply_add(step_p, step_p, sum_p)
        sum_i = multiply_add(step_a, step_a, sum_i)
        sum_j = multiply_add(step_b, step_b, sum_j)
        store_row(P, u, f, multiply_add(rate_p, step_p, p))
        if learn_items:
            store_row(Q, i, f, multiply_add(rate_i, step_a, a))
            store_row(Q, j, f, multiply_add(rate_j, step_b, b))
    mean = np.float32(1) / np.float32(squares - 1)
    P[u, squares] += total(sum_p) * mean
    if learn_items:
        Q[i, squares + 1] += total(sum_i) * mean
        Q[j, squares + 1] += total(sum_j) * mean


@jit
def scores_of_eight(P, u, Q, members, drawn):
    """The user's scores of eight items of a block, twice."""
    i0, i1, i2, i3 = members[drawn[0]], members[drawn[1]], members[drawn[2]], members[drawn[3]]
    i4, i5, i6, i7 = members[drawn[4]], members[drawn[5]], members[drawn[6]], members[drawn[7]]
    s0, s1, s2, s3, s4, s5, s6, s7 = zeros(), zeros(), zeros(), zeros(), zeros(), zeros(), zeros(), zeros()
    for f in range(0, P.shape[1], LANES):
        v = load_row(P, u, f)
        s0 = multiply_add(load_row(Q, i0, f), v, s0)
        s1 = multiply_add(load_row(Q, i1, f), v, s1)
        s2 = multiply_add(load_row(Q, i2, f), v, s2)
        s3 = multiply_add(load_row(Q, i3, f), v, s3)
        s4 = multiply_add(load_row(Q, i4, f), v, s4)
        s5 = multiply_add(load_row(Q, i5, f), v, s5)
        s6 = multiply_add(load_row(Q, i6, f), v, s6)
        s7 = multiply_add(load_row(Q, i7, f), v, s7)
    return totals(s0, s1, s2, s3, s4, s5, s6, s7)
