"""Lists out of the rows of a table.

Arguments of `place_rows`:

    who, items       int64 (n,): the list and the item of each row of the table; -1 is no list
    order            float64 (n,): ascends within a list
    lists            int32 (n_lists, places), written: what is beyond the places is left out
    counts           int64 (n_lists,), zeros: becomes the rows of each list
    group_of_item    int64 (n_items,), zeros: scratch
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact

UNORDERED = -2
PLACED = -1


@jit_exact
def place_rows(who, items, order, lists, counts, group_of_item):
    """Put items[j] behind what list who[j] has. Return PLACED, UNORDERED, or a row that is repeated.

    UNORDERED: the rows of a list are not together, or its order falls. A row is repeated where its item is in its list.
    """
    before, group, last = -1, 0, -np.inf
    for j in range(who.shape[0]):
        row, item = who[j], items[j]
        if row != before:
            before, group, last = row, group + 1, -np.inf
            if row >= 0 and counts[row]:
                return UNORDERED
        if row < 0:
            continue
        if order[j] < last:
            return UNORDERED
        if group_of_item[item] == group:
            return j
        last, group_of_item[item] = order[j], group
        if counts[row] < lists.shape[1]:
            lists[row, counts[row]] = item
        counts[row] += 1
    return PLACED
