"""Gradient steps of SVD and SVD++ for the ratings of one bucket.

The score of a user and an item is the product of their rows, float32 (rows, width), width a multiple of LANES. A user's
row is [p, 0 ..., b, 1], an item's [q, 0 ..., 1, b]: only the last register needs masks, for the bias, which has a
regularization of its own, and for the 1, which stays.
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit
from tastemap.kernels.core.simd import LANES, aligned, load_row, multiply, multiply_add, splat, store_row, total


@jit
def svd_bucket(users, items, ratings, members, P, Q, mean, rate, ridge, bias_rate, bias_ridge):
    """Make a step for every rating, one after the other; return the sum of the squared errors before the steps.

    e = r - mean - p . q;   p += rate (e q - ridge p),   q += rate (e p - ridge q);   biases with a rate and a ridge of
    their own
    users, items int32, ratings float32: (pairs), an item as its place in `members`, int32. The rest float32.
    """
    last = P.shape[1] - LANES
    keep = splat(1 - rate * ridge)
    masks = _masks(rate, ridge, bias_rate, bias_ridge)
    learn_user, keep_user = load_row(masks, 0, 0), load_row(masks, 1, 0)
    learn_item, keep_item = load_row(masks, 2, 0), load_row(masks, 3, 0)
    errors = 0.0
    n = users.shape[0]
    half = (n + 1) // 2
    for first in range(half):
        # A bucket holds a user's ratings together. In turn with another's, no step waits for the one before.
        for k in range(first, n, half):
            u, i = users[k], members[items[k]]
            error = ratings[k] - mean - _score(P, Q, u, i)
            errors += np.float64(error) * error
            step, missed = splat(rate * error), splat(error)
            for f in range(0, last, LANES):
                p, q = load_row(P, u, f), load_row(Q, i, f)
                store_row(P, u, f, multiply_add(step, q, multiply(keep, p)))
                store_row(Q, i, f, multiply_add(step, p, multiply(keep, q)))
            p, q = load_row(P, u, last), load_row(Q, i, last)
            store_row(P, u, last, multiply_add(multiply(missed, learn_user), q, multiply(keep_user, p)))
            store_row(Q, i, last, multiply_add(multiply(missed, learn_item), p, multiply(keep_item, q)))
    return errors


@jit
def svdpp_bucket(users, items, ratings, members, V, Q, Z, G, mean, rate, ridge, bias_rate, bias_ridge):
    """As `svd_bucket`, where a user's row is v = z + p and the implicit part z stays; adds e q to the row of G.

    e = r - mean - v . q;   v += rate (e q - ridge (v - z)),   q += rate (e v - ridge q),   g += e q
    Z, G float32, as V; the last two columns of Z are 0.
    """
    last = V.shape[1] - LANES
    keep, lose = splat(1 - rate * ridge), splat(rate * ridge)
    masks = _masks(rate, ridge, bias_rate, bias_ridge)
    learn_user, keep_user = load_row(masks, 0, 0), load_row(masks, 1, 0)
    learn_item, keep_item = load_row(masks, 2, 0), load_row(masks, 3, 0)
    errors = 0.0
    n = users.shape[0]
    half = (n + 1) // 2
    for first in range(half):
        for k in range(first, n, half):
            u, i = users[k], members[items[k]]
            error = ratings[k] - mean - _score(V, Q, u, i)
            errors += np.float64(error) * error
            step, missed = splat(rate * error), splat(error)
            for f in range(0, last, LANES):
                v, q = load_row(V, u, f), load_row(Q, i, f)
                kept = multiply_add(lose, load_row(Z, u, f), multiply(keep, v))
                store_row(V, u, f, multiply_add(step, q, kept))
                store_row(Q, i, f, multiply_add(step, v, multiply(keep, q)))
                store_row(G, u, f, multiply_add(missed, q, load_row(G, u, f)))
            v, q = load_row(V, u, last), load_row(Q, i, last)
            kept = multiply_add(lose, load_row(Z, u, last), multiply(keep_user, v))
            store_row(V, u, last, multiply_add(multiply(missed, learn_user), q, kept))
            store_row(Q, i, last, multiply_add(multiply(missed, learn_item), v, multiply(keep_item, q)))
            store_row(G, u, last, multiply_add(missed, q, load_row(G, u, last)))
    return errors


@jit
def _score(P, Q, u, i):
    sums = multiply(load_row(P, u, 0), load_row(Q, i, 0))
    for f in range(LANES, P.shape[1], LANES):
        sums = multiply_add(load_row(P, u, f), load_row(Q, i, f), sums)
    return total(sums)


@jit
def _masks(rate, ridge, bias_rate, bias_ridge):
    """Return a user's last register of rates and what it keeps of itself; the same for an item."""
    masks = _aligned(4, LANES)
    for side in range(2):
        bias, one = LANES - 2 + side, LANES - 1 - side
        for f in range(LANES):
            masks[2 * side, f] = rate
            masks[2 * side + 1, f] = 1 - rate * ridge
        masks[2 * side, one] = 0
        masks[2 * side + 1, one] = 1
        masks[2 * side, bias] = bias_rate
        masks[2 * side + 1, bias] = 1 - bias_rate * bias_ridge
    return masks


_aligned = jit(aligned)
