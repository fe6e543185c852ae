"""Gathers the rows of tables that come one after the other, and makes a matrix of them.

A row takes 8 bytes while it waits, 8 more with a weight and 8 with a time: its ids are numbers at once, and the columns
of the table are let go. Making the matrix takes 8 more for a while, never a second copy of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from tastemap import parallel
from tastemap.data._columns import check_weights, drop_missing, read_event_weights, read_times, read_weights
from tastemap.data._numbering import Numbering
from tastemap.data._pairs import ascends, make_csr
from tastemap.data.dates import parse_times
from tastemap.data.ids import IdMap, name_rows
from tastemap.data.sources.streams import Stream
from tastemap.errors import DataError, Remedy
from tastemap.progress import WAIT, make_bar
from tastemap.typing import Array

# Rows that a kernel takes at a time, so that Ctrl-C comes in between.
_AT_ONCE = 1 << 22

# So few rows are placed by one thread.
_FEW = 1 << 18


class Use(NamedTuple):
    """The columns of a table by their use, as the options of `Interactions.from_frame`."""

    user: str
    item: str
    weight: str | None
    time: str | None
    event_weights: Any

    @property
    def weighing(self) -> str | None:
        """The column from which weights are made."""
        return self.weight if self.event_weights is None else str(self.event_weights[0])

    @property
    def columns(self) -> list[str]:
        """All columns that are read."""
        return [name for name in (self.user, self.item, self.weighing, self.time) if name is not None]


class Gathered(NamedTuple):
    """What was gathered, as the fields of `Interactions`."""

    matrix: sp.csr_matrix
    users: IdMap
    items: IdMap
    time: Array | None
    time_type: pl.DataType | None
    order: Array | None


class _Pieces:
    """The values of a column as they came, which become one array when all are there."""

    def __init__(self) -> None:
        self._pieces: list[Array] = []

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def append(self, values: Array) -> None:
        self._pieces.append(values)

    def take_each(self) -> Iterator[Array]:
        """Give the pieces one after the other, and forget them."""
        self._pieces.reverse()
        while self._pieces:
            yield self._pieces.pop()

    def take(self) -> Any:
        """Return all values, and forget them."""
        whole, at = np.empty(len(self), self._pieces[0].dtype), 0
        for piece in self.take_each():
            whole[at : at + len(piece)] = piece
            at += len(piece)
        return whole


class Gatherer:
    """Takes tables one after the other; the options are those of `Interactions.from_frame`."""

    def __init__(
        self, use: Use, *, users: Any, items: Any, allow_negative: bool, drop_nulls: bool, keep_na: bool
    ) -> None:
        self.use = use
        self.allow_negative, self.drop_nulls = allow_negative, drop_nulls
        self._names = {use.user: keep_na or users is not None, use.item: keep_na or items is not None}
        if use.event_weights is not None:
            self._names[use.event_weights[0]] = True  # an event may be called none
        self._numberings = (
            Numbering(use.user, users, "users", keep_na=keep_na),
            Numbering(use.item, items, "items", keep_na=keep_na),
        )
        self._rows = (_Pieces(), _Pieces())
        self._weights = _Pieces()
        self._times = _Pieces()
        self._time_type: pl.DataType | None = None
        self._texts: list[pl.Series] = []
        self._n_read = 0
        self._nothing_left: DataError | None = None

    def add_all(self, stream: Stream) -> None:
        """Take the rows of tables that come one after the other, and close what gives them."""
        bar = make_bar(stream.n_rows, None, unit="row", about="reading", wait=WAIT)
        with closing(stream.tables), bar as shown:
            for table in stream.tables:
                self.add(table)
                shown.update(len(table))

    def add(self, table: pl.DataFrame) -> None:
        """Take the rows of a table with the columns of `Use`; raises DataError for what is wrong with them."""
        first = self._n_read
        self._n_read += len(table)
        if self.drop_nulls and len(table):
            try:
                table, _ = drop_missing(table, table.columns, self._names)
            except DataError as error:
                self._nothing_left = error
                return
        if table.is_empty():
            return

        # Both at once where rows are many, and the mistakes of users first.
        errors: list[Exception | None] = [None, None]

        def number(c: int) -> None:
            try:
                self._rows[c].append(self._numberings[c].number(table[self.use.columns[c]], first))
            except Exception as error:
                errors[c] = error

        if len(table) > _FEW:
            parallel.run(number, 2, uses_blas=False)
        else:
            number(0)
            number(1)
        for raised in filter(None, errors):
            raise raised
        name = self.use.weighing
        if name is not None:
            if self.use.event_weights is not None:
                weights = read_event_weights(table[name], self.use.event_weights[1], first)
            else:
                weights = read_weights(table[name], name, first)
            check_weights(weights, name, self.allow_negative, first)
            self._weights.append(weights.astype(np.float64))  # until they are merged
        if self.use.time is not None:
            self._add_times(table[self.use.time], first)

    def _add_times(self, column: pl.Series, first: int) -> None:
        if column.dtype == pl.String or self._texts:
            # The order of days and months is that which suits every row: all are read together at the end.
            self._texts.append(column)
            return
        times, kind = read_times(column, column.name, first)
        if self._time_type is None:
            self._time_type = kind
        elif kind != self._time_type:
            raise DataError(
                f"column {column.name!r} holds {kind} values from row {first} on, and {self._time_type} values before",
                Remedy("cast it first", "cast", "times"),
                column=column.name,
            )
        self._times.append(times.copy())  # the column is let go

    def _take_times(self) -> tuple[Array | None, pl.DataType | None]:
        if self._texts:
            return read_times(parse_times(pl.concat(self._texts)), str(self.use.time))
        return (self._times.take(), self._time_type) if len(self._times) else (None, None)

    def finish(self, duplicates: str, duplicates_time: str) -> Gathered:
        """Return the matrix of all rows; raises DataError where there are none, and for pairs that come twice."""
        n = len(self._rows[0])
        if not n:
            if self._nothing_left is not None:
                raise self._nothing_left
            raise DataError("there are no rows: interactions need at least one")
        from tastemap.kernels import pairs

        bar = make_bar(5, None, unit="step", about="sorting", wait=WAIT)
        users, items = (one.make_map() for one in self._numberings)
        del self._numberings
        indptr, columns, order = self._sort(len(users))
        bar.update()
        sizes = _sort_rows(indptr, columns, order, len(items))
        bar.update()
        runs = np.concatenate(([0], np.cumsum(sizes)))
        is_merged = runs[-1] < n
        if is_merged and duplicates == "error":
            _raise_duplicate(indptr, columns, order, sizes, users, items)
        policy = {"sum": pairs.SUM, "mean": pairs.MEAN, "last": pairs.LAST, "max": pairs.MAX, "min": pairs.MIN}
        how = policy.get(duplicates, pairs.SUM)

        blocks = parallel.even_blocks(indptr, 1 << 18)

        def each(kernel: Callable[..., Any], values: Array | None, *arguments: Any) -> list[Any]:
            found: list[Any] = [None] * len(blocks)

            def work(b: int) -> None:
                given = (indptr, runs, *blocks[b], columns, order)
                if values is None:
                    kernel(*given, *arguments)
                else:
                    own = np.empty(_find_longest(indptr, blocks[b]), values.dtype)
                    found[b] = kernel(*given, values, arguments[0], own, arguments[1])

            parallel.run(work, len(blocks), uses_blas=False)
            return found

        data = np.ones(runs[-1], np.float32)
        if self.use.weighing is not None or (is_merged and how == pairs.SUM):
            weights = self._weights.take() if self.use.weighing is not None else np.ones(n)
            n_lost = sum(each(pairs.merge_weights, weights, how, data))
            del weights
            source = self.use.weighing
            if not np.isfinite(data).all():
                raise DataError(f"column {source!r} has weights too large for 32-bit floats: divide them first")
            if n_lost:
                raise DataError(f"column {source!r} has weights too small for 32-bit floats: multiply them first")
        bar.update()
        times, time_type = self._take_times()
        if times is not None:
            merged_times = np.empty(runs[-1], np.int64)
            each(pairs.merge_times, _as_sortable(times), policy[duplicates_time], merged_times)
            times = _as_sortable(merged_times.view(times.dtype)).view(times.dtype)
        bar.update()
        if is_merged:
            own_columns, own_order = np.empty(runs[-1], columns.dtype), np.empty(runs[-1], order.dtype)
            each(pairs.merge_places, None, how, own_columns, own_order)
            columns, order = own_columns, own_order
        places = _rank(order, n) if is_merged else order
        bar.update()
        bar.close()
        matrix = make_csr(runs, columns, data, len(items))
        return Gathered(matrix, users, items, times, time_type, None if ascends(places) else places)

    def _sort(self, n_users: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], Array]:
        """Return the rows by user, each user's as they came: where they start, their items and places."""
        from tastemap.kernels.pairs import group_rows

        n, n_parts = len(self._rows[0]), 1
        if n > _FEW:
            n_parts = min(parallel.n_threads(), n_users)
        rows = list(self._rows[0].take_each())
        counts = np.zeros(n_users, np.int64)
        for piece in rows:
            counts += np.bincount(piece, minlength=n_users)
        indptr = np.concatenate(([0], np.cumsum(counts)))
        # Each thread places the rows of some users, whichever these are.
        cuts = np.searchsorted(indptr, np.arange(n_parts + 1) * (n / n_parts)).clip(0, n_users)
        cuts[0], cuts[-1] = 0, n_users
        by_user = np.empty(n, np.int32)
        order = np.empty(n, np.int32 if n <= np.iinfo(np.int32).max else np.int64)
        ends, first = indptr[:-1].copy(), 0
        rows.reverse()
        for items in self._rows[1].take_each():
            users = rows.pop()

            def place(part: int, users: Array = users, items: Array = items, first: int = first) -> None:
                begin, end = int(cuts[part]), int(cuts[part + 1])
                group_rows(users, items, first, begin, end, ends, by_user, order)

            parallel.run(place, n_parts, uses_blas=False)
            first += len(users)
        return indptr, by_user, order


def _sort_rows(indptr: Array, columns: Array, order: Array, n_items: int) -> npt.NDArray[np.int64]:
    """Sort the rows of each user by item, in place; return how many distinct items each user has."""
    from tastemap.kernels.pairs import sort_rows

    sizes = np.zeros(len(indptr) - 1, np.int64)
    n_bytes = max((max(n_items - 1, 1).bit_length() + 7) // 8, 1)
    blocks = parallel.even_blocks(indptr, 1 << 18)

    def sort(b: int) -> None:
        start, stop = blocks[b]
        longest = _find_longest(indptr, blocks[b])
        keys, moved = np.empty((2, longest), np.uint64), np.empty(longest, order.dtype)
        sort_rows(indptr, start, stop, columns, order, keys, moved, n_bytes, sizes)

    parallel.run(sort, len(blocks), uses_blas=False)
    return sizes


def _find_longest(indptr: Array, block: tuple[int, int]) -> int:
    return int(np.diff(indptr[block[0] : block[1] + 1]).max())


def _rank(places: Array, n: int) -> Array:
    """Replace distinct places below n by their ranks among each other; return them."""
    from tastemap.kernels.pairs import mark_places, rank_places

    marks = np.zeros(n // 64 + 1, np.uint64)
    n_parts = parallel.n_threads() if n > _FEW else 1
    cuts = np.linspace(0, len(marks), n_parts + 1).astype(np.int64)
    blocks = parallel.row_blocks(len(places), _AT_ONCE)
    for block in blocks:

        def mark(part: int, block: slice = block) -> None:
            mark_places(places[block], marks, int(cuts[part]), int(cuts[part + 1]))

        parallel.run(mark, n_parts, uses_blas=False)
    before = np.concatenate(([0], np.cumsum(np.bitwise_count(marks), dtype=np.int64)))

    def rank(b: int) -> None:
        rank_places(places, marks, before, blocks[b].start, blocks[b].stop)

    parallel.run(rank, len(blocks), uses_blas=False)
    return places


def _as_sortable(times: Array) -> npt.NDArray[np.int64]:
    """Return whole numbers in the order of the times; of floats, and of these whole numbers the floats' bits again."""
    bits: npt.NDArray[np.int64] = times.view(np.int64)
    if times.dtype.kind == "f":
        # The bits of negative floats ascend the other way round. -0 and 0 are one time.
        bits = np.where(bits < 0, bits ^ np.int64(np.iinfo(np.int64).max), bits)
    return bits


def _raise_duplicate(indptr: Array, columns: Array, order: Array, sizes: Array, users: IdMap, items: IdMap) -> None:
    """Raise DataError that names the pair which the rows repeat first, and its rows."""
    n_repeated, first, found = 0, len(columns), (0, 0, 0)
    for user in np.flatnonzero(sizes < np.diff(indptr)).tolist():
        own, places = (array[indptr[user] : indptr[user + 1]] for array in (columns, order))
        starts = np.flatnonzero(np.append(True, own[1:] != own[:-1]))
        ends = np.append(starts[1:], len(own))
        repeated = np.flatnonzero(ends - starts > 1)
        n_repeated += len(repeated)
        again = places[starts[repeated] + 1]
        if again.min() < first:
            run = repeated[np.argmin(again)]
            first, found = int(again.min()), (user, int(starts[run]), int(ends[run]))
    user, start, end = found
    low = int(indptr[user])
    raise DataError(
        f"user {users[user]!r} and item {items[columns[low + start]]!r} come together in "
        f"{name_rows(order[low + start : low + end])} (pairs that come more than once: {n_repeated:,})",
        Remedy("say what to do with them, e.g. duplicates='last' or duplicates='sum'", "duplicates", ...),
        pairs=n_repeated,
    )
