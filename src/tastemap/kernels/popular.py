"""What a person has, and what is popular."""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact


@jit_exact
def own_and_popular(indptr, indices, data, rows, shares, fill, items, out):
    """out[r, c] = the weight in CSR row rows[r] of item items[c], plus its share; items ascend.

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
