"""Checks of sparse matrices that others made: kernels read where their indices point, and check nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from tastemap import memory
from tastemap.errors import DataError
from tastemap.typing import Array

# Kernels number rows and columns in 32 bits.
MOST = int(np.iinfo(np.int32).max)

# What an id takes: its row, and what is counted and looked up by row.
_ID_BYTES = 48


def take_matrix(matrix: Any, of: str) -> sp.csr_matrix:
    """Return a copy of a scipy sparse matrix of any format: float32 CSR, rows sorted, entries stored twice summed.

    of : what its rows and columns are, for messages

    Raises DataError for anything else, values that are no numbers, and indices that lie outside its shape or do not fit
    each other. Values may be too large for float32: they become infinite.
    """
    if not sp.issparse(matrix) or matrix.ndim != 2:
        raise DataError(
            f"matrix must be a scipy sparse matrix of {of}, got a {type(matrix).__name__}: "
            "wrap a dense one in scipy.sparse.csr_array"
        )
    if matrix.dtype.kind not in "biuf":
        raise DataError(f"matrix must hold real numbers, got {matrix.dtype}: convert it with astype('float32')")
    n_rows, n_columns = matrix.shape
    if max(n_rows, n_columns) > MOST:
        raise DataError(
            f"the matrix has {n_rows:,} x {n_columns:,} {of}, and {MOST:,} is the most: leave out empty ones"
        )
    memory.ask(f"a matrix of {n_rows:,} x {n_columns:,} {of}", _ID_BYTES * (n_rows + n_columns), "leave out empty ones")
    with np.errstate(over="ignore"):
        try:
            own = sp.csr_matrix(_copy_checked(matrix), dtype=np.float32)
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"the matrix cannot be read as CSR, its parts do not fit: {error}") from error
        own.sum_duplicates()
    return own


def check_matrix(matrix: Any, shape: tuple[int, int]) -> None:
    """Raise DataError for anything but a canonical CSR matrix, float32, of this shape."""
    if not sp.issparse(matrix) or matrix.format != "csr" or matrix.dtype != np.float32 or matrix.shape != shape:
        got = f"{matrix.format} of {matrix.dtype}, {matrix.shape}" if sp.issparse(matrix) else type(matrix).__name__
        raise DataError(f"matrix must be scipy CSR of float32, {shape}, got {got}: pass it to from_csr")
    check_csr(matrix.indptr, matrix.indices, matrix.data, shape)


def check_csr(
    indptr: Array,
    indices: Array,
    data: Array,
    shape: tuple[int, int],
    *,
    sorted_rows: bool = True,
    across: str = "column",
) -> None:
    """Raise DataError where the arrays are no CSR matrix of this shape.

    sorted_rows : whether the columns of a row must ascend, each once, as kernels take them
    across : what the indices number, for messages
    """
    for name, array, kinds in (("indptr", indptr, "iu"), ("indices", indices, "iu"), ("data", data, "biuf")):
        if getattr(array, "ndim", None) != 1 or array.dtype.kind not in kinds:
            raise _make_error(f"{name} is no list of numbers")
    n_rows, n_columns = shape
    starts = indptr.astype(np.int64, copy=False)
    if len(starts) != n_rows + 1:
        raise _make_error(f"indptr must have {n_rows + 1:,} entries for {n_rows:,} rows, got {len(starts):,}")
    if starts[0] != 0 or (starts[1:] < starts[:-1]).any():
        raise _make_error("indptr must ascend from 0")
    if len(data) != len(indices) or starts[-1] > len(indices) or (sorted_rows and starts[-1] < len(indices)):
        raise _make_error(f"indptr ends at {starts[-1]:,}, for {len(indices):,} indices and {len(data):,} values")
    if not sorted_rows:
        check_indices(indices[: starts[-1]], n_columns, across)
    else:
        ascends = indices[1:] > indices[:-1]
        first = starts[1:-1]
        ascends[first[(first > 0) & (first < len(indices))] - 1] = True  # a row may begin anywhere
        if not ascends.all():
            raise _make_error("the columns of a row must ascend, each once")
        filled = starts[1:] > starts[:-1]  # of these the first and the last column are the least and the largest
        check_indices(np.append(indices[starts[:-1][filled]], indices[starts[1:][filled] - 1]), n_columns, across)


def check_indices(indices: Array, n: int, what: str) -> None:
    """Raise DataError where an index of a matrix is not among its n rows or columns."""
    if len(indices) and not (indices.min() >= 0 and indices.max() < n):
        raise _make_error(f"it has {n:,} {what}s, and its {what} indices go from {indices.min()} to {indices.max()}")


def _make_error(problem: str) -> DataError:
    return DataError(
        f"the matrix is damaged: {problem}", "make it again, e.g. scipy.sparse.coo_array((values, (rows, columns)))"
    )


def _copy_checked(matrix: Any) -> Any:
    """Return a copy that nobody else can change, as CSR, CSC or COO, whose indices have been checked."""
    n_rows, n_columns = matrix.shape
    if matrix.format == "lil":
        lengths = [[len(own) for own in part] for part in (matrix.rows, matrix.data)]
        if lengths[0] != lengths[1] or len(lengths[0]) != n_rows:
            raise _make_error("its rows have other lengths than their values")
        matrix = matrix.tocsr()
    if matrix.format == "dia" and (matrix.data.ndim != 2 or matrix.offsets.shape != matrix.data.shape[:1]):
        raise _make_error("it must have an offset for each diagonal")
    if matrix.format in ("csr", "csc"):
        indptr, indices, data = (np.array(part) for part in (matrix.indptr, matrix.indices, matrix.data))
        shape, across = ((n_rows, n_columns), "column") if matrix.format == "csr" else ((n_columns, n_rows), "row")
        check_csr(indptr, indices, data, shape, sorted_rows=False, across=across)
        indices, data = indices[: indptr[-1]], data[: indptr[-1]]  # SciPy allows for spare places
        indptr, indices = (part.astype(_index_type(len(indices)), copy=False) for part in (indptr, indices))
        # Made anew, because flags such as has_canonical_format of the other may be wrong.
        made = sp.csr_matrix if matrix.format == "csr" else sp.csc_matrix
        return made((data, indices, indptr), shape=matrix.shape)
    if matrix.format == "bsr":
        (n, m), blocks = matrix.blocksize, matrix.data
        check_csr(matrix.indptr, matrix.indices, blocks[:, 0, 0], (n_rows // n, n_columns // m), sorted_rows=False)
    own = matrix if matrix.format == "coo" else matrix.tocoo()
    rows, columns, data = (np.array(part) for part in (*own.coords, own.data))
    if matrix.format == "bsr":  # the zeros that fill its blocks are no entries
        rows, columns, data = (part[own.data != 0] for part in (rows, columns, data))
    if not rows.shape == columns.shape == data.shape == (len(data),):
        raise _make_error(f"it has {len(rows):,} rows, {len(columns):,} columns and {len(data):,} values")
    check_indices(rows, n_rows, "row")
    check_indices(columns, n_columns, "column")
    return sp.coo_matrix((data, (rows, columns)), shape=matrix.shape)


def _index_type(n: int) -> type:
    return np.int32 if n <= MOST else np.int64
