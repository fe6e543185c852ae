"""Dealing pairs into a grid whose blocks share no rows, for stochastic gradient descent without races.

Users and items are shuffled and cut into B blocks each, and the pairs lie in the B x B buckets in between. The buckets
(b, (b + s) mod B) of a stratum s touch different rows: B threads may work on them at once, and what they learn does not
depend on how many threads there are. Gemulla et al., Large-scale matrix factorization with distributed stochastic
gradient descent, KDD 2011.

Arguments of `shuffle`:

    order                       int32 (any,), put in another order
    state                       uint64: the random state

of `permute_rows`:

    rows                        float32 (n, width), put in another order
    order                       int32 (n,): which row comes to each place

and of `deal`:

    indptr, indices, weights    int64 (n_users + 1,), int32 (pairs,), float32 (pairs,): all pairs, CSR by user
    people                      int32 (any,): the users of one block in their order
    start                       where the pairs of the block begin among the dealt ones
    blocks, places              uint8 (n_items,), int32 (n_items,): the block of an item, and its number within
    state                       uint64: the random state of the epoch's deal
    counts                      int64 (n_blocks,), written: the pairs in each bucket of the block
    users, items, values        int32 (pairs,), int32 (pairs,), float32 (pairs,), written: the dealt pairs
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tastemap.kernels.core.jit import jit_exact
from tastemap.kernels.core.random import draw_below, mix


class Bucket(NamedTuple):
    """The pairs of one block of users and one block of items, a user's pairs together.

    block : the block of users. No other bucket of it is worked at the same time
    users : int32, (pairs,)
    items : int32, (pairs,): an item is its place within `members`
    values : float32, (pairs,)
    members : int32, (items of the block,): their rows
    state : uint64, the bucket's own random state
    reach : float32, (items of the block, 2): what `measure_reach` in pairwise.py says of them; none where it is to be
        found
    """

    block: int
    users: Any
    items: Any
    values: Any
    members: Any
    state: np.uint64
    reach: Any


@jit_exact
def shuffle(order, state):
    """Put `order` (int32) in a random order that is a function of the state (uint64)."""
    for i in range(order.shape[0] - 1, 0, -1):
        j = draw_below(i + 1, mix(state + np.uint64(i)))
        order[i], order[j] = order[j], order[i]


@jit_exact
def permute_rows(rows, order):
    """Put row order[k] at place k, for every k, in the place of the rows themselves; order is int32, (rows,)."""
    n, width = rows.shape
    is_done = np.zeros(n, np.bool_)
    kept = np.empty(width, np.float32)
    for start in range(n):
        if is_done[start]:
            continue
        for f in range(width):
            kept[f] = rows[start, f]
        k = start
        while True:
            is_done[k] = True
            source = order[k]
            if source == start:
                break
            for f in range(width):
                rows[k, f] = rows[source, f]
            k = source
        for f in range(width):
            rows[k, f] = kept[f]


@jit_exact
def deal(indptr, indices, weights, people, start, blocks, places, state, counts, users, items, values):
    """Deal the pairs of one block of users into its buckets, one after the other, a user's pairs together."""
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
        turn = first + draw_below(max(end - first, 1), mix(state + np.uint64(u)))
        for begin, stop in ((turn, end), (first, turn)):
            for p in range(begin, stop):
                i = np.uint32(indices[p])
                c = blocks[i]
                k = np.uint64(cursors[c])
                users[k] = u
                items[k] = places[i]
                values[k] = weights[p]
                cursors[c] += 1
