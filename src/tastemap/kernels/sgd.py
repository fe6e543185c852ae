"""Dealing pairs into a grid whose blocks share no rows, for stochastic gradient descent without races.

Users and items are shuffled and cut into B blocks each, and the pairs lie in the B x B buckets in between. The buckets
(b, (b + s) mod B) of a stratum s touch different rows: B threads may work on them at once, and what they learn does not
depend on how many threads there are. Gemulla et al., Large-scale matrix factorization with distributed stochastic
gradient descent, KDD 2011.
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact
from tastemap.kernels.core.random import mix


@jit_exact
def below(n, bits):
    """A number from 0 to n - 1 from 64 random bits; n is at most 2^31."""
    return np.int64(((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@jit_exact
def shuffle(order, state):
    """Put `order` (int32) in a random order that is a function of the state."""
    for i in range(order.shape[0] - 1, 0, -1):
        j = below(i + 1, mix(state + np.uint64(i)))
        order[i], order[j] = order[j], order[i]


@jit_exact
def deal(indptr, indices, weights, people, start, blocks, places, state, counts, users, items, values):
    """Deal the pairs of one block of users into its buckets, one after the other, a user's pairs together.

    people int32: the block's users in their order. start: where the block's pairs begin. blocks uint8 and places int32,
    (n_items): the block of an item and its number within. Out: counts int64 (n_blocks), pairs in each bucket; users
    int32, items int32 (the item's number within its block) and values float32, (pairs) each.
    """
    n_blocks = counts.shape[0]
    counts[:] = 0
    # Unsigned numbers index without a look at their sign, which took a third of the time.
    for u in people:
        for p in range(indptr[u], indptr[u + 1]):
            counts[blocks[np.uint32(indices[p])]] += 1
    cursors = np.empty(n_blocks, np.int64)
    for c in range(n_blocks):
        cursors[c] = start
        start += counts[c]
    for u in people:
        first, end = indptr[u], indptr[u + 1]
        # A user's pairs come in their order, from any one on: a shuffle would take a tenth of an epoch.
        turn = first + below(max(end - first, 1), mix(state + np.uint64(u)))
        for begin, stop in ((turn, end), (first, turn)):
            for p in range(begin, stop):
                i = np.uint32(indices[p])
                c = blocks[i]
                k = np.uint64(cursors[c])
                users[k] = u
                items[k] = places[i]
                values[k] = weights[p]
                cursors[c] += 1
