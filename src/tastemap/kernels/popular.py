"""What a person has, and what is popular.

Arguments of `own_and_popular`:

    indptr, indices, data    int64 (n + 1,), int32 (pairs,), float32 (pairs,): histories, CSR
    rows                     int64 (people,): whose
    shares                   float32 (n_items,): each item's share of popularity
    fill                     bool: whether items that a person does not have are recommended too
    items                    int64 (columns,), ascending: which scores
    out                      float32 (people, columns), written
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact


@jit_exact
def own_and_popular(indptr, indices, data, rows, shares, fill, items, out):
    """Set out[r, c] to the weight in CSR row rows[r] of item items[c], plus its share.

    An item that the row does not have gets its share alone where `fill`, else -inf.
    """
    for r in range(rows.shape[0]):
        p, end = indptr[rows[r]], indptr[rows[r] + 1]
        for c in range(items.shape[0]):
            i = items[c]
            while p < end and indices[p] < i:
                p += 1
            if p < end and indices[p] == i:
                out[r, c] = data[p] + shares[i]
            else:
                out[r, c] = shares[i] if fill else -np.inf
