"""The largest singular values of a sparse matrix and their vectors, with the same bits for any number of threads.

Subspace iteration from a random start: Halko, Martinsson and Tropp, Finding structure with randomness, SIAM Review
2011. Sparse products add in a fixed order; dense ones are cut into blocks of rows, each on one BLAS thread.
"""

from __future__ import annotations

import numpy as np

from tastemap import parallel
from tastemap.data._pairs import Rows
from tastemap.kernels.core.random import fill_uniform
from tastemap.kernels.ease import WINDOW, add_rows
from tastemap.training.wide import width_of, zeros
from tastemap.typing import Doubles, Floats, RowNumbers

# Vectors beyond those asked for, which the ones asked for converge faster by.
SPARE = 32
# How often the start is multiplied by the matrix and its transpose.
PASSES = 6
# The rows of a product that one thread computes at a time.
BLOCK_ROWS = 256
PRODUCT_ROWS = 1024
# The shares of the largest eigenvalue of a Gram matrix below which a direction is what rounding left.
NOTHING = 1e-10


def find_singular(by_row: Rows, by_column: Rows, most: int, state: np.uint64) -> tuple[Doubles, Floats]:
    """Return the largest singular values, float64 (n,), descending, and the right vectors, float32 (columns, n).

    by_row, by_column : the matrix and its transpose
    most : the most values; there are fewer where the rank is lower
    state : of the random start

    Where most + SPARE is at least the rank the values are exact up to rounding.
    """
    n_rows, n_columns = len(by_row.counts), len(by_column.counts)
    n = min(most + SPARE, n_rows, n_columns)
    Q, Y = zeros(n_columns, _width(n)), zeros(n_rows, _width(n))
    fill_uniform(Q, n, state, 1.0)
    for _ in range(PASSES):
        _multiply(by_row, Q, Y)
        _multiply(by_column, Y, Q)
        _orthonormalize(Q, n)
    _orthonormalize(Q, n)  # once more, for what rounding left of the smallest directions
    _multiply(by_row, Q, Y)
    squares, basis = _decompose(_gram(Y, n))
    kept = squares[:most] > NOTHING * squares[0]
    vectors = np.ascontiguousarray(_rotate(Q, basis)[:, :most][:, kept])
    largest = np.abs(vectors).argmax(axis=0)
    vectors *= np.sign(vectors[largest, np.arange(vectors.shape[1])])  # of the two that differ in sign one for all
    return np.sqrt(squares[:most][kept]), vectors


def multiply(pairs: Rows, rows: RowNumbers, B: Floats, columns: RowNumbers) -> Floats:
    """Return the product of rows of a sparse matrix with columns of B: float32, (rows, columns).

    B : its width is a multiple of LANES, and at least WINDOW
    columns : in ascending order
    """
    out = np.empty((len(rows), len(columns)), np.float32)
    add_rows(*pairs, rows, B, columns, np.empty(WINDOW, np.float32), out)
    return out


def _width(n: int) -> int:
    return max(width_of(n), WINDOW)


def _multiply(pairs: Rows, B: Floats, out: Floats) -> None:
    blocks, columns = parallel.row_blocks(len(out), BLOCK_ROWS), np.arange(B.shape[1])

    def one(b: int) -> None:
        out[blocks[b]] = multiply(pairs, np.arange(blocks[b].start, blocks[b].stop), B, columns)

    parallel.run(one, len(blocks))


def _orthonormalize(Q: Floats, n: int) -> None:
    """Replace the columns by an orthonormal basis of the space they span, and by zeros where they are too many."""
    squares, basis = _decompose(_gram(Q, n))
    kept = squares > NOTHING * squares[0]
    Q[:, :n] = _rotate(Q, basis * np.divide(1, np.sqrt(squares), out=np.zeros(n), where=kept))


def _decompose(gram: Doubles) -> tuple[Doubles, Doubles]:
    """Return the eigenvalues, descending and none below 0, and the eigenvectors in columns."""
    with parallel.one_blas_thread():  # its bits depend on the number of BLAS threads
        values, vectors = np.linalg.eigh(gram)
    return np.maximum(values[::-1], 0), vectors[:, ::-1]


def _gram(Q: Floats, n: int) -> Doubles:
    """Return Q'Q of the first n columns: the products of at most 32 blocks of rows, added in order."""
    blocks = parallel.row_blocks(len(Q), max(PRODUCT_ROWS, -(-len(Q) // 32)))
    parts = np.empty((len(blocks), n, n))

    def one(b: int) -> None:
        rows = Q[blocks[b], :n].astype(np.float64)
        np.matmul(rows.T, rows, out=parts[b])

    parallel.run(one, len(blocks))
    gram: Doubles = parts.sum(axis=0)
    return gram


def _rotate(Q: Floats, basis: Doubles) -> Floats:
    """Return Q times the basis, float32 (rows, n)."""
    n = len(basis)
    out, basis = np.empty((len(Q), n), np.float32), basis.astype(np.float32)
    blocks = parallel.row_blocks(len(Q), PRODUCT_ROWS)

    def one(b: int) -> None:
        out[blocks[b]] = Q[blocks[b], :n] @ basis

    parallel.run(one, len(blocks))
    return out
