"""One bucket of the weighted approximate-rank pairwise loss."""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit
from tastemap.kernels.core.simd import LANES, load_row, multiply_add, store, total, zeros
from tastemap.kernels.pairwise import draw_negative, fetch_ahead, mark, scores_of_eight, step, unmark

GROUP = 8  # negatives that are scored at once


@jit
def warp_bucket(
    users, items, values, members, state, P, Q, rate, ridge_p, ridge_q, means_p, means_q, learned_p, learned_q, squares,
    learn_items, skipped, rank_weights,
):  # fmt: skip
    """Take a step for every pair with the first drawn item that violates the margin; return the sum of the losses.

    rank_weights float32 (max_sampled + 1): the weight of a violation found at the n-th draw. Other arguments as in
    `bpr_bucket`.
    """
    positives = np.zeros(members.shape[0], np.uint8)
    drawn = np.zeros(GROUP, np.int64)
    scores = np.empty(LANES, np.float32)
    counter = np.uint64(0)
    max_sampled = rank_weights.shape[0] - 1
    loss = 0.0
    k = 0
    while k < users.shape[0]:
        end = mark(users, items, k, positives)
        u = users[k]
        for m in range(k, end):
            fetch_ahead(P, users, m)
            i = members[items[m]]
            sums = zeros()
            for f in range(0, P.shape[1], LANES):
                sums = multiply_add(load_row(P, u, f), load_row(Q, i, f), sums)
            threshold = total(sums) - 1
            if not np.isfinite(threshold):
                return np.nan
            sampled = 0
            found = -1
            while sampled < max_sampled and found < 0:
                n = min(GROUP, max_sampled - sampled)
                for g in range(n):
                    j, counter = draw_negative(members.shape[0], items, False, positives, state, counter)
                    if j < 0:
                        n = g
                        break
                    drawn[g] = j
                if n == 0:
                    break
                store(scores, 0, scores_of_eight(P, u, Q, members, drawn))
                for g in range(n):
                    sampled += 1
                    if scores[g] > threshold:
                        found = g
                        break
            if found < 0:
                if sampled == 0:
                    skipped[0] += 1
                continue
            pull = values[m] * rank_weights[sampled]
            loss += pull * (scores[found] - threshold)
            j = members[drawn[found]]
            step(
                P, u, Q, i, j, pull, rate, ridge_p, ridge_q, means_p, means_q, learned_p, learned_q, squares,
                learn_items,
            )  # fmt: skip
        unmark(items, k, end, positives)
        k = end
    return loss
