"""The steps of BPR and WARP: an item of the user is pulled up, and one that the user does not have is pushed down.

One step, for a user u, an item i of theirs and an item j drawn from the others, where s_ui = p_u . q_i + b_i:

    p_u += rate_u (pull (q_i - q_j) - ridge_p (p_u - mean_u))
    q_i += rate_i ( pull p_u - ridge_q (q_i - mean_i)),      b_i += rate_i ( pull - ridge_q (b_i - its mean))
    q_j += rate_j (-pull p_u - ridge_q (q_j - mean_j)),      b_j += rate_j (-pull - ridge_q (b_j - its mean))

What stands in brackets is read before anything is written. Each of the three rows has a rate of its own, rate /
sqrt(squares), where rate falls by `fall` from each pair of the bucket to the next, and squares then grows by the square
of the row's bracket over the number of factors: Duchi, Hazan and Singer, Adaptive subgradient methods, JMLR 2011, with
one number a row.

    BPR     j is the first item drawn;   pull = w sigmoid(s_uj - s_ui),   loss = -w ln sigmoid(s_ui - s_uj)
    WARP    items are drawn until one has s_uj > s_ui - 1; found at the n-th draw, it is j, with
            pull = w rank_weights[n],   loss = pull (1 - s_ui + s_uj);   where none is found there is no step

A row is `width` numbers, whole cache lines, all that a step needs of it:

    column    0 .. factors - 1   factors    factors + 1   factors + 2   .. width - 1
    user      p                  1          squares       0             0
    item      q                  bias       0             squares       0

so the inner product of two rows is p . q + bias, and the bias is one more factor of the item.

Arguments, the same in all functions:

    bucket          sgd.Bucket: the pairs (u, i, w), the items of the block, and the bucket's random state
    P, Q            float32 (n_users, width), (n_items, width): the rows of users and items, changed in place
    rule            Rule: how a step is made
    u, i, j         rows of P and Q
    pull            float32: how strongly i and j are driven apart
    rate            float32: of the pair, before it is divided by the root of a row's squares
    skipped         int64 (1,): grows by the pairs that take no step because TRIES draws met only the user's own items
    pool            int32 (any,): items of the block, by place, as often as they are popular; read where `by_popularity`
    by_popularity   bool: draw from `pool`; else every item of the block alike
    rank_weights    float32 (most draws + 1,): L of the rank that a violation at the n-th draw speaks for; [0] is unused
    n_items         how many items the block has
    positives       uint8 (items of the block,): 1 for the items of the user at hand, else 0
    members         int32 (items of the block,): their rows of Q
    reach           float32 (items of the block, 2), written: how far a score can come, see `measure_reach`
    state, counter  uint64: a draw is a function of state + counter, which is counted up by every draw
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tastemap.kernels.core.jit import jit, jit_exact
from tastemap.kernels.core.random import draw_below, mix
from tastemap.kernels.core.simd import (
    LANES,
    load,
    load_row,
    multiply,
    multiply_add,
    prefetch_row,
    splat,
    store_draws,
    store_row,
    subtract,
    total,
    zeros,
)

TRIES = 20  # draws for one negative before a step is given up
AHEAD = 64  # pairs from now whose user's row is fetched
GROUP = LANES // 2  # negatives that WARP draws at once
MARGINS = 1e-4, 1e-5  # of what bounds a score, in shares of length and bias: ten times what rounding adds to a score


class Rule(NamedTuple):
    """How a step is made.

    rate : float32, of a bucket's first pair, before it is divided by the root of a row's squares
    fall : float32, how much lower `rate` is for each next pair
    ridge_p, ridge_q : float32, the regularization of a user's and of an item's row
    means_p, means_q : float32, as P and Q: what rows are drawn towards; without rows they stand for zeros
    learned_p, learned_q : float32, (width,): 1 where a column is learned, else 0
    squares : the column of the users' squares, factors + 1; the items' is the next
    learn_items : False leaves the items as they are
    """

    rate: np.float32
    fall: np.float32
    ridge_p: np.float32
    ridge_q: np.float32
    means_p: Any
    means_q: Any
    learned_p: Any
    learned_q: Any
    squares: int
    learn_items: bool


@jit
def bpr_bucket(bucket, P, Q, rule, skipped, pool, by_popularity):
    """Take BPR's step for every pair of a bucket; return the sum of the losses, float64."""
    users, items, members = bucket.users, bucket.items, bucket.members
    positives = np.zeros(members.shape[0], np.uint8)
    counter = np.uint64(0)
    loss = 0.0
    k = 0
    while k < users.shape[0]:
        end = _mark(users, items, k, positives)
        u = users[k]
        for m in range(k, end):
            _fetch_ahead(P, users, m)
            drawn, counter = draw_negative(members.shape[0], pool, by_popularity, positives, bucket.state, counter)
            if drawn < 0:
                skipped[0] += 1
                continue
            i, j, w = members[items[m]], members[drawn], bucket.values[m]
            x = _difference(P, u, Q, i, j)
            # -ln sigmoid(x) and sigmoid(-x), of exp(-|x|), which never overflows.
            e = np.exp(-np.abs(x))
            loss += w * (np.log1p(e) + max(-x, np.float32(0)))
            pull = np.float32(w * (e if x > 0 else np.float32(1)) / (1 + e))
            step(P, u, Q, i, j, pull, _rate_of(rule, m), rule)
        _unmark(items, k, end, positives)
        k = end
    return loss


@jit
def warp_bucket(bucket, P, Q, rule, skipped, rank_weights):
    """Take WARP's step for every pair of a bucket; return the sum of the losses, float64, NaN where scores are lost.

    Most items that are drawn cannot be violations: by the inequality of Cauchy and Schwarz no score is above
    |p_u| |q_j| + b_j, which takes two numbers of an item and not its row. Only the others are scored. GROUP items are
    drawn at a time; those behind a violation are not looked at.
    """
    users, items, members = bucket.users, bucket.items, bucket.members
    positives = np.zeros(members.shape[0], np.uint8)
    reach = bucket.reach
    if reach.shape[0] < members.shape[0]:
        reach = np.empty((members.shape[0], 2), np.float32)
        measure_reach(Q, members, rule, reach)
    drawn = np.zeros(GROUP, np.int64)
    left = np.zeros(GROUP, np.int64)  # which of them may be violations
    counter = np.uint64(0)
    max_sampled = rank_weights.shape[0] - 1
    loss = 0.0
    k = 0
    while k < users.shape[0]:
        end = _mark(users, items, k, positives)
        u = users[k]
        for m in range(k, end):
            _fetch_ahead(P, users, m)
            i = members[items[m]]
            threshold = _score(P, u, Q, i) - 1
            if not np.isfinite(threshold):
                return np.nan
            length = _length(P, u, rule.learned_p)
            sampled = 0
            found, score = -1, threshold
            while sampled < max_sampled and found < 0:
                n = min(GROUP, max_sampled - sampled)
                n, counter = _draw_group(drawn, n, members, positives, bucket.state, counter)
                if n == 0:
                    break
                n_left = 0
                for g in range(n):
                    j = np.uint64(drawn[g])
                    left[n_left] = g
                    # Not `>`: what cannot be compared is scored.
                    n_left += not (length * reach[j, 0] + reach[j, 1] <= threshold)
                for g in range(n_left):
                    score = _score(P, u, Q, members[drawn[left[g]]])
                    if score > threshold:
                        found = drawn[left[g]]
                        n = left[g] + 1
                        break
                sampled += n
            if found < 0:
                if sampled == 0:
                    skipped[0] += 1
                continue
            pull = bucket.values[m] * rank_weights[sampled]
            loss += pull * (score - threshold)
            step(P, u, Q, i, members[found], pull, _rate_of(rule, m), rule)
            if rule.learn_items:
                _measure_row(Q, i, rule, reach, np.int64(items[m]))
                _measure_row(Q, members[found], rule, reach, found)
        _unmark(items, k, end, positives)
        k = end
    return loss


@jit
def measure_reach(Q, members, rule, reach):
    """Set reach[j] to numbers (l, b) of item j: none of its scores, as they are computed, is above |p_u| l + b."""
    for j in range(members.shape[0]):
        _measure_row(Q, members[j], rule, reach, j)


@jit
def _measure_row(Q, i, rule, reach, j):
    """Set reach[j] to what `measure_reach` says of row i of Q."""
    bias = Q[i, rule.squares - 1]
    reach[j, 0] = _length(Q, i, rule.learned_p) * np.float32(1 + MARGINS[0])
    reach[j, 1] = bias + np.abs(bias) * np.float32(MARGINS[1])


@jit
def _length(A, i, used):
    """Return |p| or |q|, of row i."""
    sums = zeros()
    for f in range(0, A.shape[1], LANES):
        v = multiply(load(used, f), load_row(A, i, f))
        sums = multiply_add(v, v, sums)
    return np.sqrt(total(sums))


@jit
def step(P, u, Q, i, j, pull, rate, rule):
    """Take the step of the module's docstring; a is the row of item i and b that of item j."""
    width = P.shape[1]
    squares = rule.squares
    rate_p = splat(rate / np.sqrt(P[u, squares]))
    rate_i = splat(rate / np.sqrt(Q[i, squares + 1]))
    rate_j = splat(rate / np.sqrt(Q[j, squares + 1]))
    up, down = splat(pull), splat(-pull)
    down_p, down_q = splat(-rule.ridge_p), splat(-rule.ridge_q)
    sum_p, sum_i, sum_j = zeros(), zeros(), zeros()
    for f in range(0, width, LANES):
        p, a, b = load_row(P, u, f), load_row(Q, i, f), load_row(Q, j, f)
        gap_p, gap_a, gap_b = p, a, b
        if rule.means_p.shape[0] > 0:
            gap_p = subtract(p, load_row(rule.means_p, u, f))
        if rule.means_q.shape[0] > 0:
            gap_a = subtract(a, load_row(rule.means_q, i, f))
            gap_b = subtract(b, load_row(rule.means_q, j, f))
        own, theirs = load(rule.learned_p, f), load(rule.learned_q, f)
        # step_p = pull (a - b) - ridge_p (p - mean)
        # step_a =  pull p - ridge_q (a - mean)
        # step_b = -pull p - ridge_q (b - mean)
        step_p = multiply(own, multiply_add(up, subtract(a, b), multiply(down_p, gap_p)))
        step_a = multiply(theirs, multiply_add(up, p, multiply(down_q, gap_a)))
        step_b = multiply(theirs, multiply_add(down, p, multiply(down_q, gap_b)))
        sum_p = multiply_add(step_p, step_p, sum_p)
        sum_i = multiply_add(step_a, step_a, sum_i)
        sum_j = multiply_add(step_b, step_b, sum_j)
        # p += rate_p step_p,   a += rate_i step_a,   b += rate_j step_b
        store_row(P, u, f, multiply_add(rate_p, step_p, p))
        if rule.learn_items:
            store_row(Q, i, f, multiply_add(rate_i, step_a, a))
            store_row(Q, j, f, multiply_add(rate_j, step_b, b))
    mean = np.float32(1) / np.float32(squares - 1)
    P[u, squares] += total(sum_p) * mean
    if rule.learn_items:
        Q[i, squares + 1] += total(sum_i) * mean
        Q[j, squares + 1] += total(sum_j) * mean


@jit
def _rate_of(rule, m):
    """Return the rate of the m-th pair of the bucket."""
    return rule.rate - rule.fall * np.float32(m)


@jit
def _score(P, u, Q, i):
    """Return s_ui."""
    sums = zeros()
    for f in range(0, P.shape[1], LANES):
        sums = multiply_add(load_row(P, u, f), load_row(Q, i, f), sums)
    return total(sums)


@jit
def _difference(P, u, Q, i, j):
    """Return s_ui - s_uj."""
    sums = zeros()
    for f in range(0, P.shape[1], LANES):
        sums = multiply_add(load_row(P, u, f), subtract(load_row(Q, i, f), load_row(Q, j, f)), sums)
    return total(sums)


@jit_exact
def _draw_group(drawn, n, members, positives, state, counter):
    """Draw n items as `draw_negative` draws them one by one; return how many there are, and the new counter.

    drawn : int64 (GROUP,), written: their places among the members, int32 (n_items,)
    """
    n_items = members.shape[0]
    store_draws(drawn, 0, n_items, state + counter)
    marks = np.uint8(0)
    for g in range(n):
        marks |= positives[drawn[g]]
    if marks == 0:
        return n, counter + np.uint64(n)
    for g in range(n):
        j, counter = draw_negative(n_items, members, False, positives, state, counter)
        if j < 0:
            return g, counter
        drawn[g] = j
    return n, counter


@jit_exact
def draw_negative(n_items, pool, by_popularity, positives, state, counter):
    """Return an item without a mark, by its place in the block, and the new counter; -1 where TRIES met marks only."""
    for _ in range(TRIES):
        bits = mix(state + counter)
        j = np.int64(pool[draw_below(pool.shape[0], bits)]) if by_popularity else draw_below(n_items, bits)
        counter += np.uint64(1)
        if positives[j] == 0:
            return j, counter
    return np.int64(-1), counter


@jit_exact
def _mark(users, items, k, positives):
    """Mark the items of the user whose pairs start at k, and return where they end."""
    end = k
    while end < users.shape[0] and users[end] == users[k]:
        positives[items[end]] = 1
        end += 1
    return end


@jit_exact
def _unmark(items, start, end, positives):
    """Take the marks back."""
    for k in range(start, end):
        positives[items[k]] = 0


@jit
def _fetch_ahead(P, users, k):
    """Ask for the user's row of a later pair."""
    u = users[min(k + AHEAD, users.shape[0] - 1)]
    for f in range(0, P.shape[1], LANES):
        prefetch_row(P, u, f)
