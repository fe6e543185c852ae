"""Gradient steps of SVD and SVD++ for the ratings of one bucket, one rating after the other.

SVD, for a rating r of user u and item i, where s_ui = mean + b_u + b_i + p_u . q_i:

    e = r - s_ui
    p_u += rate (e q_i - ridge p_u),      b_u += bias_rate (e - bias_ridge b_u)
    q_i += rate (e p_u - ridge q_i),      b_i += bias_rate (e - bias_ridge b_i)

SVD++ has v_u = p_u + z_u in the place of p_u, of which z_u stays until the bucket is done, and sums up what the items
of z_u are to move by:

    v_u += rate (e q_i - ridge (v_u - z_u)),    q_i += rate (e v_u - ridge q_i),    g_u += e q_i

All old values are read before any is written. A row is `width` numbers, a multiple of LANES:

    column    0 .. factors - 1   .. width - 3   width - 2   width - 1
    user      p, or v            0              b           1
    item      q                  0              1           b

so the score is mean plus the product of two rows, and each bias is a factor that meets the other's 1. Only the last
register needs masks: for the bias, which has a rate and a ridge of its own, and for the 1, which stays.

Arguments, the same in all functions:

    bucket    sgd.Bucket: the ratings; its random state is not used
    P, V      float32 (n_users, width): the rows of users, changed in place
    Q         float32 (n_items, width): the rows of items, changed in place
    Z         float32 (n_users, width): the users' implicit parts z; the last two columns are 0
    G         float32 (n_users, width), added to: the sums of e q
    mean      float32: the mean rating
    rates     Rates: of factors and biases
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tastemap.kernels.core.jit import jit
from tastemap.kernels.core.simd import LANES, allocate, load_row, multiply, multiply_add, splat, store_row, total


class Rates(NamedTuple):
    """How far a step goes, float32 each.

    rate, ridge : the learning rate and the regularization of factors
    bias_rate, bias_ridge : those of biases
    """

    rate: np.float32
    ridge: np.float32
    bias_rate: np.float32
    bias_ridge: np.float32


@jit
def svd_bucket(bucket, P, Q, mean, rates):
    """Take SVD's step for every rating; return the sum of the squared errors before the steps, float64."""
    users, items, ratings, members = bucket.users, bucket.items, bucket.values, bucket.members
    last = P.shape[1] - LANES
    rate = rates.rate
    keep = splat(1 - rate * rates.ridge)
    masks = _make_masks(rates)
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
            # p <- (rate e) q + (1 - rate ridge) p, and q likewise
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
def svdpp_bucket(bucket, V, Q, Z, G, mean, rates):
    """Take SVD++'s step for every rating; return the sum of the squared errors before the steps, float64."""
    users, items, ratings, members = bucket.users, bucket.items, bucket.values, bucket.members
    last = V.shape[1] - LANES
    rate, ridge = rates.rate, rates.ridge
    keep, lose = splat(1 - rate * ridge), splat(rate * ridge)
    masks = _make_masks(rates)
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
            # v <- (rate e) q + (1 - rate ridge) v + (rate ridge) z,   q <- (rate e) v + (1 - rate ridge) q
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
    """Return the product of two rows."""
    sums = multiply(load_row(P, u, 0), load_row(Q, i, 0))
    for f in range(LANES, P.shape[1], LANES):
        sums = multiply_add(load_row(P, u, f), load_row(Q, i, f), sums)
    return total(sums)


@jit
def _make_masks(rates):
    """Return float32 (4, LANES): what a user's last register learns at and what it keeps; the same for an item."""
    masks = allocate(4, LANES)
    for side in range(2):
        bias, one = LANES - 2 + side, LANES - 1 - side
        for f in range(LANES):
            masks[2 * side, f] = rates.rate
            masks[2 * side + 1, f] = 1 - rates.rate * rates.ridge
        masks[2 * side, one] = 0
        masks[2 * side + 1, one] = 1
        masks[2 * side, bias] = rates.bias_rate
        masks[2 * side + 1, bias] = 1 - rates.bias_rate * rates.bias_ridge
    return masks
