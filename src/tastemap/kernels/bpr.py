"""One bucket of Bayesian personalised ranking."""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit
from tastemap.kernels.pairwise import difference, draw_negative, fetch_ahead, mark, step, unmark


@jit
def bpr_bucket(
    users, items, values, members, state, P, Q, rate, ridge_p, ridge_q, means_p, means_q, learned_p, learned_q, squares,
    learn_items, skipped, pool, by_popularity,
):  # fmt: skip
    """Take a step for every pair with an item drawn from the block's others; return the sum of -w ln sigmoid(s_i-s_j).

    Arguments as in `sgd.deal`, `pairwise.step` and `pairwise.draw_negative`; state uint64. skipped int64 (1): grows by
    the pairs for which no negative was found.
    """
    positives = np.zeros(members.shape[0], np.uint8)
    counter = np.uint64(0)
    loss = 0.0
    k = 0
    while k < users.shape[0]:
        end = mark(users, items, k, positives)
        u = users[k]
        for m in range(k, end):
            fetch_ahead(P, users, m)
            drawn, counter = draw_negative(members.shape[0], pool, by_popularity, positives, state, counter)
            if drawn < 0:
                skipped[0] += 1
                continue
            i, j = members[items[m]], members[drawn]
            x = difference(P, u, Q, i, j)
            e = np.exp(-np.abs(x))
            loss += values[m] * (np.log1p(e) + max(-x, np.float32(0)))
            pull = values[m] * (e if x > 0 else np.float32(1)) / (1 + e)
            step(
                P, u, Q, i, j, pull, rate, ridge_p, ridge_q, means_p, means_q, learned_p, learned_q, squares,
                learn_items,
            )  # fmt: skip
        unmark(items, k, end, positives)
        k = end
    return loss
