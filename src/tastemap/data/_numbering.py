"""Numbers ids by their first appearance, in columns that come one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data._pairs import freeze
from tastemap.data._spelling import find_missing
from tastemap.data.ids import IdMap, check_ids, name_rows
from tastemap.errors import DataError, Remedy, name_some

_FEWEST = 1 << 10  # places of the table of a few ids
_NEAR = 1 << 16  # ids that lie in a range of so many, or of fewer than there were rows, are found by their place in it


class Numbering:
    """The numbers of the ids of one column.

    name : the column
    known : `IdMap` or ids to use; others raise UnknownIdError. None numbers ids by their first appearance
    argument : the name of the parameter that gave `known`, for messages
    keep_na : take words for missing ids as names; those that are known are names anyway
    """

    def __init__(self, name: str, known: Any, argument: str, *, keep_na: bool = False) -> None:
        self.name = name
        self.known = known if known is None or isinstance(known, IdMap) else IdMap(known, name)
        self.argument = argument
        self.keep_na = keep_na or known is not None
        self._dtype: pl.DataType | None = None
        self._n = 0
        # Texts become numbers of polars' own first, which are as exact, and take no sorting.
        self._texts = pl.Categorical(pl.Categories.random())
        self._held = pl.Series(dtype=self._texts)  # without a series of them, polars forgets the numbers
        self._new_texts: list[pl.Series] = []
        self._n_rows = 0
        self._distinct = np.empty(_FEWEST, np.int64)
        self._low, self._near = 0, np.empty(0, np.int32)
        self._table: npt.NDArray[np.int64] | None = None
        if self.known is not None:
            self._dtype = self.known.ids.dtype
            self._number(self._as_integers(self.known.ids))

    def number(self, column: pl.Series, first: int = 0) -> npt.NDArray[np.int32]:
        """Return the number of each id, int32, (len(column),); `first` is the row of the table where it begins.

        Raises DataError where an id is missing or of another type than those before, UnknownIdError where it is not
        known.
        """
        before = self._n
        self._check_not_missing(column, column, first)
        ids = check_ids(column, self.name, first)
        if self.known is not None and ids.dtype != self.known.ids.dtype:
            return self.known.rows(ids, self._remedy).astype(np.int32)
        self._check_type(ids, first)
        rows = self._number(self._as_integers(ids))
        if self._n > before:
            if self.known is not None:
                self.known.rows(ids, self._remedy)  # raises
            if ids.dtype == pl.String:
                # Numbers rise by one where an id comes first.
                highest = np.maximum.accumulate(np.append(np.int32(before - 1), rows))
                new = ids.gather(np.flatnonzero(highest[1:] > highest[:-1]))
                self._new_texts.append(new)
                self._check_not_missing(new, column, first)  # a word for a missing id is among them, and they are few
        return rows

    def make_map(self) -> IdMap:
        """Return the map of all ids that were numbered."""
        return self.known or IdMap(self._list_ids(), self.name)

    @property
    def _remedy(self) -> Remedy:
        return Remedy(f"leave {self.argument} out to take every id", self.argument)

    def _check_not_missing(self, some: pl.Series, column: pl.Series, first: int) -> None:
        """Raise DataError where some ids are missing, with their rows in the column."""
        if some is column and column.dtype == pl.String:
            lacks = column.null_count() > 0
        else:
            lacks = len(find_missing(some, keep_na=self.keep_na)) > 0
        if lacks:
            raise _make_missing_error(column, self.name, find_missing(column, keep_na=self.keep_na), first)

    def _check_type(self, ids: pl.Series, first: int) -> None:
        """Raise DataError where ids are of another type than the earlier ones, and cannot be numbered among them."""
        if self._dtype is None or ids.dtype == self._dtype:
            self._dtype = ids.dtype
            return
        kinds = {self._dtype, ids.dtype}
        if kinds == {pl.Int64, pl.UInt64}:
            signed, unsigned = self._list_ids(), ids
            if ids.dtype == pl.Int64:
                signed, unsigned = unsigned, signed
            is_huge = unsigned.cast(pl.Int64, strict=False).null_count() > 0
            if not is_huge or signed.min() >= 0:  # type: ignore[operator]
                self._dtype = pl.UInt64() if is_huge else pl.Int64()
                return
        raise DataError(
            f"column {self.name!r} holds {ids.dtype} values from row {first} on, such as {name_some(ids.head(1))}, and "
            f"{self._dtype} values before",
            Remedy("cast it first", "cast", "ids"),
            column=self.name,
        )

    def _as_integers(self, ids: pl.Series) -> npt.NDArray[np.int64]:
        if ids.dtype == pl.String:
            ids = ids.cast(self._texts).to_physical().cast(pl.Int64)
        return ids.to_numpy().view(np.int64)

    def _list_ids(self) -> pl.Series:
        """Return the id of each number."""
        if self._new_texts:
            return pl.concat(self._new_texts).alias(self.name)
        distinct = self._distinct[: self._n]
        return pl.Series(self.name, distinct.view(np.uint64) if self._dtype == pl.UInt64 else distinct)

    def _number(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        # Here, not above: importing numba takes as long as reading a small file.
        from tastemap.kernels.pairs import number_far, number_near

        self._n_rows += len(ids)
        rows, done = np.empty(len(ids), np.int32), 0
        while done < len(ids):
            some, out = freeze(ids[done:]), rows[done:]
            if self._table is None:
                n_done, self._n = number_near(some, np.int64(self._low), self._near, self._distinct, self._n, out)
            else:
                n_done, self._n = number_far(some, self._table, self._distinct, self._n, out)
            done += n_done
            if done < len(ids):
                self._make_room(ids[done:])
        return rows

    def _make_room(self, ids: npt.NDArray[np.int64]) -> None:
        """Make the tables larger for the first of these ids."""
        if self._n == len(self._distinct):
            self._distinct = np.append(self._distinct, np.empty(self._n, np.int64))
        if self._n >= np.iinfo(np.int32).max:
            raise DataError(f"column {self.name!r} has more than {self._n:,} ids, which is the most", column=self.name)
        known = self._distinct[: self._n]
        if self._table is None:
            if 0 <= int(ids[0]) - self._low < len(self._near):
                return
            low = min(int(ids.min()), int(known.min(initial=ids[0])))
            span = max(int(ids.max()), int(known.max(initial=ids[0]))) - low + 1
            if span <= max(_NEAR, self._n_rows):
                self._low, self._near = low, np.full(span + span // 4, -1, np.int32)
                self._near[known - low] = np.arange(self._n)
                return
        elif 2 * self._n < len(self._table):
            return
        from tastemap.kernels.pairs import number_far

        size = 1 << max(4 * self._n, _FEWEST).bit_length()
        self._table, self._near = np.full((size, 2), -1, np.int64), self._near[:0]
        number_far(freeze(known.copy()), self._table, np.empty(self._n, np.int64), 0, np.empty(self._n, np.int32))


def _make_missing_error(column: pl.Series, name: str, missing: pl.Series, first: int) -> DataError:
    rows = missing.to_numpy() + first
    texts = column.gather(missing).drop_nulls().cast(pl.String).unique()
    problem = f"column {name!r} has no id in {name_rows(rows)}"
    ways = [Remedy("pass drop_nulls=True to leave such rows out", "drop_nulls", True)]
    words = sorted(text for text in texts if text.strip())
    if words:
        problem = f"{problem}, but {name_some(words)}"
        ways.append(Remedy("keep_na=True if these are names", "keep_na", True))
    return DataError(problem, *ways, column=name, rows=rows)
