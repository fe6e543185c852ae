"""Pairs as CSR arrays: sorting, merging and freezing them, all in linear time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tastemap import parallel
from tastemap.data._checks import LARGEST_FLOAT
from tastemap.errors import DataError
from tastemap.typing import Array, Counts, Doubles, Flags, Floats, RowNumbers

# The weights that `sum_rows` reads at a time.
SUMMED_AT_ONCE = 1 << 16

# The smallest 32-bit float of full precision.
SMALLEST_FLOAT = float(np.finfo(np.float32).tiny)


class Rows(NamedTuple):
    """The three arrays of a CSR matrix in the types the kernels take.

    indptr : int64, (rows + 1,)
    indices : int32, (pairs,), ascending within a row
    data : float32, (pairs,)
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    data: npt.NDArray[np.float32]

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_frozen, tuple(self)

    @property
    def counts(self) -> Counts:
        """How many pairs each row has: int64, (rows,)."""
        return np.diff(self.indptr)

    @property
    def has_pairs(self) -> Flags:
        """Which rows have a pair: bool, (rows,)."""
        has_pairs: Flags = self.counts > 0
        return has_pairs

    @property
    def with_pairs(self) -> RowNumbers:
        """The rows with a pair, int64, ascending."""
        return np.flatnonzero(self.counts)


def rows_of(matrix: Any) -> Rows:
    """Return the arrays of a CSR matrix with sorted rows in the kernels' types, copied only where needed."""
    return freeze_rows(
        Rows(
            matrix.indptr.astype(np.int64, copy=False),
            matrix.indices.astype(np.int32, copy=False),
            matrix.data.astype(np.float32, copy=False),
        )
    )


def rows_at(rows: Rows, places: npt.NDArray[np.int64]) -> Rows:
    """Return the rows at ``places``, in their order; place -1 gives an empty row."""
    starts, entries = entries_at(rows.indptr, places)
    return freeze_rows(Rows(starts, rows.indices[entries], rows.data[entries]))


def entries_at(
    indptr: npt.NDArray[np.int64], places: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where the rows at ``places`` start, one after the other, and which pairs they have."""
    lengths = np.append(np.diff(indptr), 0)[places]  # place -1 takes the 0 at the end
    starts = np.concatenate(([0], np.cumsum(lengths)))
    return starts, np.repeat(indptr[places] - starts[:-1], lengths) + np.arange(starts[-1])


def merge_rows(first: Rows, second: Rows) -> Rows:
    """Return rows with the pairs of both, ascending; a pair may be in one of them only."""
    n = len(first.indptr) - 1
    rows = np.concatenate([np.repeat(np.arange(n), np.diff(both.indptr)) for both in (first, second)])
    indices, data = (np.concatenate([getattr(both, name) for both in (first, second)]) for name in ("indices", "data"))
    order = np.lexsort((indices, rows))
    return freeze_rows(Rows(first.indptr + second.indptr, indices[order], data[order]))


def divide_weights(weights: Floats | Doubles, unit: float) -> Floats:
    """Return weights as multiples of ``unit``: float32, (pairs,). No weight above 0 becomes 0.

    Raises DataError for a multiple that is more than 32-bit floats hold.
    """
    if unit == 1:
        return weights.astype(np.float32, copy=False)
    heaviest = float(max(weights.max(initial=0), -weights.min(initial=0)))
    if heaviest / unit > LARGEST_FLOAT:
        raise DataError(
            f"a weight of {heaviest:.3g} is too large beside the mean weight of the training, {unit:.3g}: bring "
            "weights of one unit"
        )
    # Division takes 64 bits, because the unit may be too small or too large for 32; in parts, to save memory.
    multiples = np.empty(len(weights), np.float32)
    for part in parallel.row_blocks(len(weights), 1 << 20):
        exact = weights[part] / np.float64(unit)
        multiples[part] = np.where(exact > 0, np.maximum(exact, SMALLEST_FLOAT), exact)
    return multiples


def freeze_rows(rows: Rows) -> Rows:
    """Return the same arrays as read-only views: kernels are compiled once, for CSR arrays of that kind."""
    return Rows(*map(freeze, rows))


def _make_frozen(*arrays: Array) -> Rows:
    """Make rows of copied arrays, which are no longer read-only."""
    return freeze_rows(Rows(*arrays))


def freeze(array: Any) -> Any:
    """Return a read-only view of an array; None stays None."""
    if array is None:
        return None
    view = array.view()
    view.flags.writeable = False
    return view


def freeze_matrix(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Make the arrays of a matrix read-only."""
    for name in ("data", "indices", "indptr"):
        setattr(matrix, name, freeze(getattr(matrix, name)))
    return matrix


def make_csr(indptr: Array, indices: Array, data: Array, n_columns: int) -> sp.csr_matrix:
    """Make a canonical CSR matrix from arrays that are sorted by row and column."""
    # SciPy needs both index arrays in one type: mixed ones break tocoo().
    index = np.int32 if len(data) <= np.iinfo(np.int32).max else np.int64
    matrix = sp.csr_matrix((len(indptr) - 1, n_columns), dtype=np.float32)
    matrix.indptr = indptr.astype(index, copy=False)
    matrix.indices = indices.astype(index, copy=False)
    matrix.data = data.astype(np.float32, copy=False)
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix


def count_rows(rows: Array, n_rows: int) -> Counts:
    """Return how often each row number comes: int64, (n_rows,)."""
    counts = np.zeros(n_rows, np.int64)
    # NumPy counts a copy in 64 bits, which of all pairs would be the largest array of some fits.
    for part in parallel.row_blocks(len(rows), count_at_once(n_rows)):
        counts += np.bincount(rows[part], minlength=n_rows)
    return counts


def count_at_once(n_rows: int) -> int:
    """Return how many row numbers `count_rows` counts at a time: as many as there are rows, or a million."""
    return max(n_rows, 1 << 20)


def sum_rows(rows: Rows, power: int = 1) -> Doubles:
    """Return the sum of the weights of each row that has a pair, or of a power of them: float64."""
    starts, ends = rows.indptr[:-1][rows.has_pairs], rows.indptr[1:][rows.has_pairs]
    sums = np.empty(len(starts))
    # In 64 bits all weights at once would be the largest array of some fits.
    cuts = np.unique(np.append(np.searchsorted(starts, np.arange(0, len(rows.data), SUMMED_AT_ONCE)), len(starts)))
    for first, last in pairwise(cuts):
        weights = rows.data[starts[first] : ends[last - 1]].astype(np.float64)
        weights **= power
        sums[first:last] = np.add.reduceat(weights, starts[first:last] - starts[first])
    return sums


def indptr_of(rows: Array, n_rows: int) -> npt.NDArray[np.int64]:
    """Return where each row starts, from the sorted row numbers."""
    return np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=n_rows))))


def order_by(codes: Array, n_codes: int) -> Array:
    """Return the stable order that sorts ``codes`` (0..n_codes-1), in linear time."""
    # SciPy transposes by counting: with one entry a row, a column then lists its rows in order.
    n = len(codes)
    index = np.int32 if n <= np.iinfo(np.int32).max else np.int64
    one_each = sp.csr_matrix(
        (np.ones(n, np.int8), codes.astype(index, copy=False), np.arange(n + 1, dtype=index)),
        shape=(n, n_codes),
    )
    order: Array = one_each.tocsc().indices
    return order


def order_by_pair(users: Array, items: Array, n_users: int, n_items: int) -> Array:
    """Return the stable order of the pairs by user, then item."""
    by_item = order_by(items, n_items)
    order: Array = by_item[order_by(users[by_item], n_users)]
    return order


def starts_of(users: Array, items: Array) -> Array:
    """Return where each distinct pair starts among sorted pairs."""
    new = np.ones(len(users), dtype=bool)
    new[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    return np.flatnonzero(new)


def ascends(places: Array) -> bool:
    """Return whether each place lies behind the one before."""
    blocks = parallel.row_blocks(len(places) - 1, 1 << 20)
    return all(bool((places[1:][part] > places[:-1][part]).all()) for part in blocks)


def ranks_of(places: Array) -> Array | None:
    """Return each place's rank among the distinct ``places``; None where they ascend already."""
    n = len(places)
    if n < 2 or ascends(places):
        return None
    seen = np.zeros(int(places.max()) + 1, dtype=bool)
    seen[places] = True
    rank: Array = np.cumsum(seen, dtype=np.int32 if n <= np.iinfo(np.int32).max else np.int64) - 1
    ranks: Array = rank[places]
    return ranks
