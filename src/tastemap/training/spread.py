"""Sums over the items of each user's history, as products with a sparse matrix: z and its transpose in SVD++."""

from __future__ import annotations

import numpy as np

from tastemap import parallel
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.kernels.core.sparse import sparse_rows
from tastemap.training.wide import zeros
from tastemap.typing import Counts, Floats

# The number of pairs that one thread multiplies at a time.
PRODUCT_PAIRS = 1 << 16


class Sparse:
    """A sparse matrix prepared for products with wide rows."""

    def __init__(self, pairs: Rows, values: Floats) -> None:
        self._pairs = freeze_rows(pairs._replace(data=values))
        self._blocks = parallel.even_blocks(pairs.indptr, PRODUCT_PAIRS)

    def multiply(self, X: Floats) -> Floats:
        """Return the product with X: float32, (rows, width)."""
        out = zeros(len(self._pairs.indptr) - 1, X.shape[1])

        def multiply(b: int) -> None:
            start, stop = self._blocks[b]
            sparse_rows(*self._pairs, start=start, stop=stop, X=X, out=out)

        parallel.run(multiply, len(self._blocks))
        return out


def spread(pairs: Rows) -> Sparse:
    """Return the matrix with z = matrix y: z_u = |N(u)|^-1/2 sum of y_j over the items N(u) of user u."""
    counts = pairs.counts
    return Sparse(pairs, np.repeat(_shares(counts), counts))


def gather(pairs: Rows, counts: Counts) -> Sparse:
    """Return the transpose of that matrix, from the pairs by item; counts are the numbers of pairs of the users."""
    return Sparse(pairs, _shares(counts)[pairs.indices])


def _shares(counts: Counts) -> Floats:
    """Return |N|^-1/2 for each count |N|."""
    return (1 / np.sqrt(np.maximum(counts, 1))).astype(np.float32)
