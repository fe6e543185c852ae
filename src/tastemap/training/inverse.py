"""The inverse of a large symmetric matrix: in place, on all threads, with the same bits for any number of threads.

BLAS splits a product differently for every number of its threads, which changes the bits. Here the matrix is cut into
tiles of a fixed size, every product of two tiles is one task on one BLAS thread, and the tasks of one elimination step
run at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from tastemap import parallel
from tastemap.typing import Doubles

# Smaller tiles read memory more often; larger ones leave cores idle at the end of a step.
TILE = 256

# A pivot that elimination has shrunk to this share of its first value has few digits left.
SMALLEST_PIVOT = 1e-10


class Symmetric:
    """A symmetric float64 matrix (n, n) stored as its lower triangle, in half the memory of the whole matrix.

    blocks : runs of TILE rows
    rows : rows[b] has the rows of block b up to the last column of that block; only the lower half of its tile on the
        diagonal is used
    """

    def __init__(self, n: int) -> None:
        self.blocks = parallel.row_blocks(n, TILE)
        self.rows = [np.empty((block.stop - block.start, block.stop)) for block in self.blocks]

    def tile(self, i: int, j: int) -> Doubles:
        """Return a view of the tile in block row i and block column j <= i."""
        return self.rows[i][:, self.blocks[j]]

    def diagonal(self) -> Doubles:
        """Return a copy of the diagonal."""
        return np.concatenate([np.diagonal(self.tile(b, b)) for b in range(len(self.blocks))])


def invert(A: Symmetric, after_step: Callable[[], None] = lambda: None) -> None:
    """Replace a positive definite matrix by minus its inverse.

    Sweeps one block k after the other (Beaton 1964): with K the inverse of the tile A_kk and V the rest of the block
    column, A <- A - V K V' outside it, the block column becomes V K, and A_kk becomes -K. A_kk is then the Schur
    complement of the blocks before it, as in a Cholesky factorization. All sweeps take n^3 operations.

    after_step : called after each block, such as for a progress bar

    Raises np.linalg.LinAlgError where the matrix is not positive definite in float64.
    """
    largest = A.diagonal()
    with parallel.one_blas_thread():
        for k in range(len(A.blocks)):
            _sweep(A, k, largest[A.blocks[k]])
            after_step()


def _sweep(A: Symmetric, k: int, largest: Doubles) -> None:
    blocks, n_blocks = A.blocks, len(A.blocks)
    K = _invert_tile(A.tile(k, k), largest)
    V, W = np.empty((2, blocks[-1].stop, len(K)))

    def multiply(i: int) -> None:
        if i != k:
            V[blocks[i]] = A.tile(k, i).T if i < k else A.tile(i, k)
            np.matmul(V[blocks[i]], K, out=W[blocks[i]])

    tiles = [(i, j) for i in range(n_blocks) for j in range(i + 1) if k not in (i, j)]

    def subtract(t: int) -> None:
        i, j = tiles[t]
        tile = A.tile(i, j)
        tile -= W[blocks[i]] @ V[blocks[j]].T

    parallel.run(multiply, n_blocks)
    parallel.run(subtract, len(tiles))
    for i in range(k):
        A.tile(k, i)[:] = W[blocks[i]].T
    for i in range(k + 1, n_blocks):
        A.tile(i, k)[:] = W[blocks[i]]
    A.tile(k, k)[:] = -K


def _invert_tile(tile: Doubles, largest: Doubles) -> Doubles:
    """Return the inverse of a tile given by its lower half; `largest` is its diagonal before the first step."""
    from scipy.linalg import lapack

    lower, failed = lapack.dpotrf(tile, lower=1)
    if failed or not (np.diagonal(lower) ** 2 >= SMALLEST_PIVOT * largest).all():
        raise np.linalg.LinAlgError("the matrix is not positive definite")
    inverse, _ = lapack.dpotri(lower, lower=1)
    whole: Doubles = np.tril(inverse) + np.tril(inverse, -1).T
    return whole


def estimate_seconds(operations: float) -> float:
    """Estimate how long products of tiles of so many operations take, from the time of one product."""
    tile = np.ones((TILE, TILE))
    with parallel.one_blas_thread():
        product = tile @ tile
        started = time.perf_counter()
        np.matmul(tile, tile, out=product)
        return (time.perf_counter() - started) / (2 * TILE**3) * operations / parallel.n_threads()
