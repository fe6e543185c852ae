"""Maps between external ids and row numbers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data._checks import check_rows, check_text
from tastemap.data._pairs import freeze
from tastemap.data.frames import check_name, is_single, list_first, list_values, name_values, to_series
from tastemap.errors import DataError, Remedy, UnknownIdError, name_some, show
from tastemap.forks import has_polars_threads
from tastemap.typing import Ints, RowNumbers

_LIMITS = {np.dtype(kind): (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for kind in (np.int64, np.uint64)}

# Up to here a Python loop over a dict beats building a polars join.
_FEW = 2_000

# Integer ids whose range is at most this many times their number are found in a table, others by a search.
_SPREAD = 8


class IdMap:
    """The one-to-one map between external ids and rows 0..n-1.

    ids : distinct integers (64 bits, exactly) or strings; a polars Series or anything that becomes one. UUIDs
        and categories count as their strings. The i-th id stands for row i.
    name : the caller's column name, used for result columns and in messages

    An id is never cast: 4 and "4" are different ids, and looking one up in a map of the other type raises
    UnknownIdError. Raises DataError where the ids are of another type, missing or not distinct.
    """

    def __init__(self, ids: Any, name: str = "user") -> None:
        check_text("name", name)
        check_name(name)
        self.name = name
        self.ids: pl.Series = check_ids(to_series(ids, name), name)
        if _count_distinct(self.ids) != len(self.ids):
            repeated = self.ids.filter(self.ids.is_duplicated()).unique(maintain_order=True)
            raise DataError(f"ids must be distinct, but {name!r} repeats {name_some(repeated)}")
        self._sorted: tuple[npt.NDArray[Any], RowNumbers] | None = None
        self._table: RowNumbers | None = None
        self._by_string: dict[str, int] | None = None
        self._tie_order: Ints | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[int | str]:
        return iter(self.ids)

    @overload
    def __getitem__(self, row: int) -> int | str: ...
    @overload
    def __getitem__(self, row: slice) -> list[int | str]: ...
    def __getitem__(self, row: int | slice) -> int | str | list[int | str]:
        if isinstance(row, slice):
            return self.ids[row].to_list()
        value: int | str = self.ids[int(row)]
        return value

    def __contains__(self, value: object) -> bool:
        return self._has_right_type(value) and self._find_row(value) >= 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IdMap):
            return NotImplemented
        if self is other:
            return True
        if self.holds_strings != other.holds_strings or len(self) != len(other):
            return False
        if self.ids.dtype == other.ids.dtype:
            return self.ids.equals(other.ids)
        # Int64 and UInt64 would meet as floats; what does not fit in Int64 becomes null, which no id is.
        return self.ids.cast(pl.Int64, strict=False).equals(other.ids.cast(pl.Int64, strict=False))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        more = f" and {len(self) - 3:,} more" if len(self) > 3 else ""
        return f"IdMap: {len(self):,} ids of {self.name!r}: {name_some(self.ids.head(3))}{more}"

    def __reduce__(self) -> tuple[Any, ...]:
        return IdMap, (self.ids, self.name)

    @property
    def holds_strings(self) -> bool:
        """Whether the ids are strings; else they are integers."""
        return self.ids.dtype == pl.String

    @property
    def tie_order(self) -> Ints:
        """The place of each id among those with equal scores: int32, (n,), read-only.

        Ids are in the order of their XXH64 with seed 42, as unsigned numbers: of the 8 bytes of an integer, the lowest
        first, or of a string in UTF-8. Unlike the rows, this order does not depend on the data, and says nothing about
        popularity; and other systems can compute it, such as Spark with `xxhash64`.
        """
        if self._tie_order is None:
            places = np.empty(len(self), np.int32)
            places[np.argsort(_hash(self.ids), kind="stable")] = np.arange(len(self), dtype=np.int32)
            self._tie_order = freeze(places)  # whole before it is assigned, so that threads never see half of it
        return self._tie_order

    def take(self, rows: npt.ArrayLike) -> pl.Series:
        """Return the ids of ``rows``, integers of shape (n,), as a polars Series called ``name``.

        Raises UnknownIdError for rows that do not exist.
        """
        return self.ids[check_rows("rows", rows, len(self))].alias(self.name)

    def extend(self, more: IdMap) -> IdMap:
        """Return a map in which these ids keep their rows, and the ids that only ``more`` has come behind them.

        Returns this map itself where ``more`` has no other ids. Raises UnknownIdError where the ids of one are strings
        and those of the other integers, DataError where some do not fit among 64-bit integers with the others.
        """
        unknown = self.find(more.ids) < 0
        if not unknown.any():
            return self
        new = more.ids.filter(pl.Series(unknown))
        added = new.cast(self.ids.dtype, strict=False)
        if added.null_count():
            misfits = name_some(new.filter(added.is_null()))
            raise DataError(f"{misfits} do not fit among the {self.ids.dtype} ids of {self.name!r}")
        return IdMap(pl.concat([self.ids, added.alias(self.ids.name)]), self.name)

    def find(self, ids: Any) -> RowNumbers:
        """Return the rows of ``ids``, int64, -1 for those not in the map: an array that the caller may write to.

        ids : a list, tuple or iterable, or an array or series of NumPy, polars, pandas or pyarrow. Raises
            UnknownIdError for values of another type than the map's ids.
        """
        if isinstance(ids, list | tuple) and len(ids) <= _FEW and all(map(self._has_right_type, ids)):
            return np.array([self._find_row(value) for value in ids], dtype=np.int64)
        series = self._as_own_type(ids)
        if not self.holds_strings:
            return self._find_integers(series.to_numpy())
        if len(series) <= _FEW or not has_polars_threads():
            return np.array([self._find_row(value) for value in series], dtype=np.int64)
        table = pl.DataFrame({"id": self.ids, "row": np.arange(len(self))})
        found = series.to_frame("id").join(table, on="id", how="left", maintain_order="left")
        return found["row"].fill_null(-1).to_numpy(writable=True)

    def find_among(self, ids: Any, among: npt.NDArray[np.bool_]) -> RowNumbers:
        """Return the rows of ``ids`` as `find` does, -1 also for those whose row is not marked.

        among : bool, (len(self),): the marks
        """
        rows = self.find(ids)
        return np.where(np.append(among, False)[rows], rows, -1)  # row -1 takes the False at the end

    def rows(self, ids: Any, hint: str | Remedy | None = None) -> RowNumbers:
        """Return the rows of ``ids``, int64; raises UnknownIdError naming those not in the map.

        ids : as for `find`
        hint : the remedy in the message, a `Remedy` or a text such as "pass on_unknown='popular' to rank them anyway"
        """
        ids = list_values(ids)  # read twice
        found = self.find(ids)
        if len(found) and found.min() < 0:
            unknown = to_series(ids, self.name).gather(np.flatnonzero(found < 0))
            distinct = unknown.unique(maintain_order=True).to_list()
            raise UnknownIdError(
                f"{len(unknown)} of {len(found)} {_pluralise(self.name)} were not in the training data: "
                f"{name_some(distinct)}.",
                *([hint] if hint else []),
                column=self.name,
                ids=distinct,
            )
        return found

    def _has_right_type(self, value: object) -> bool:
        if self.holds_strings:
            return isinstance(value, str | uuid.UUID)
        return isinstance(value, int | np.integer) and not isinstance(value, bool)

    def _check_types(self, values: Any) -> None:
        for value in values:
            if not self._has_right_type(value):
                raise self._make_type_error(value)

    def _make_type_error(self, value: object) -> UnknownIdError:
        kind = "strings" if self.holds_strings else "integers"
        type_ = f" of type {type(value).__name__}" if is_single(value) else ""
        return UnknownIdError(
            f"{_pluralise(self.name)} are {kind} here and never cast, got {show(value)}{type_}",
            column=self.name,
            ids=[value],
        )

    def _as_own_type(self, ids: Any) -> pl.Series:
        try:
            series = to_series(ids, self.name)
        except DataError:
            if isinstance(ids, list | tuple | np.ndarray):
                self._check_types(list(ids))
            raise
        if series.is_empty():
            return series.cast(self.ids.dtype)
        if self.holds_strings and series.dtype in (pl.Categorical, pl.Enum):
            series = series.cast(pl.String)
        if series.null_count():
            raise self._make_type_error(None)
        if not (series.dtype == pl.String if self.holds_strings else series.dtype.is_integer()):
            raise self._make_type_error(list_first(series, 1)[0])
        return series

    def _find_row(self, value: Any) -> int:
        """Return the row of one id of the right type, or -1."""
        if self.holds_strings:
            if self._by_string is None:
                # Built whole before it is assigned, so that threads never see half of it.
                self._by_string = {value: row for row, value in enumerate(self.ids)}
            return self._by_string.get(str(value), -1)
        keys, rows = self._sort_keys()
        low, high = _LIMITS[keys.dtype]
        if not low <= value <= high:
            return -1
        key = keys.dtype.type(value)
        place = keys.searchsorted(key)
        return int(rows[place]) if place < len(keys) and keys[place] == key else -1

    def _find_integers(self, values: npt.NDArray[Any]) -> RowNumbers:
        keys, rows = self._sort_keys()
        if not len(keys):
            return np.full(len(values), -1, dtype=np.int64)
        # Compared with NumPy's own integers, so that no 64-bit value passes through a float.
        fits = np.ones(len(values), dtype=bool)
        if keys.dtype == np.uint64 and values.dtype.kind == "i":
            fits = values >= 0
        elif keys.dtype == np.int64 and values.dtype == np.uint64:
            fits = values <= np.uint64(np.iinfo(np.int64).max)
        asked = values.astype(keys.dtype, copy=False)
        low, high = int(keys[0]), int(keys[-1])
        if high - low < _SPREAD * len(keys) and len(asked) > _FEW:
            if self._table is None:
                table = np.full(high - low + 2, -1)  # the last place is for values outside the range of the ids
                table[(keys - keys[0]).astype(np.int64)] = rows
                self._table = table
            # As unsigned numbers, values below the lowest id lie beyond the highest.
            offsets = np.minimum((asked - keys[0]).view(np.uint64), np.uint64(len(self._table) - 1))
            found = self._table[offsets.view(np.int64)]
            return found if fits.all() else np.where(fits, found, -1)
        places = np.minimum(keys.searchsorted(asked), len(keys) - 1)
        return np.where(fits & (keys[places] == asked), rows[places], -1)

    def _sort_keys(self) -> tuple[npt.NDArray[Any], RowNumbers]:
        if self._sorted is None:
            values = self.ids.to_numpy()
            order = np.argsort(values, kind="stable")
            self._sorted = values[order], order.astype(np.int64, copy=False)
        return self._sorted


def _hash(ids: pl.Series) -> npt.NDArray[np.uint64]:
    """Return the XXH64 of each id, uint64, (n,)."""
    hashes = np.empty(len(ids), np.uint64)
    # Here, not above: reading data needs no kernel, and importing numba takes longer than reading a small file.
    from tastemap.kernels.core.xxhash64 import hash_integers, hash_texts

    if ids.dtype == pl.String:
        text = (ids.str.join("").item() or "").encode()
        ends = ids.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy()
        hash_texts(np.frombuffer(text, np.uint8), freeze(ends), hashes)
    else:
        hash_integers(freeze(ids.to_numpy().view(np.uint64)), hashes)
    return hashes


def check_ids(ids: pl.Series, column: str, first: int = 0) -> pl.Series:
    """Return ids as Int64, UInt64 or String, exactly; raise DataError where some are missing or of another type.

    first : the row of the table where the column begins
    """
    if ids.null_count():
        rows = ids.is_null().arg_true().to_numpy() + first
        raise DataError(
            f"column {column!r} has no id in {name_rows(rows)}",
            Remedy(f"drop these rows first, e.g. with drop_nulls({column!r})", "drop_nulls", True),
            column=column,
            rows=rows,
        )
    if ids.dtype in (pl.String, pl.Int64, pl.UInt64):
        return ids
    if ids.dtype in (pl.Categorical, pl.Enum):
        return ids.cast(pl.String)
    if ids.dtype.is_integer():
        return _narrow(ids, column)
    if ids.is_empty() and ids.dtype == pl.Null:
        return ids.cast(pl.Int64)
    raise DataError(
        f"column {column!r} holds {ids.dtype} values ({name_values(ids)} in "
        f"{name_rows(range(first, first + min(3, len(ids))))}), and ids are integers or strings",
        Remedy(_choose_remedy(ids, column, first), "cast", "ids"),
        column=column,
    )


def _narrow(ids: pl.Series, column: str) -> pl.Series:
    for dtype in (pl.Int64, pl.UInt64):
        cast = ids.cast(dtype, strict=False)
        if not cast.null_count():
            return cast
    raise DataError(
        f"column {column!r} holds integers that do not fit in 64 bits", "cast them to strings", column=column
    )


def _choose_remedy(ids: pl.Series, column: str, first: int) -> str:
    if ids.dtype.is_float():
        missing = ids.is_nan().arg_true().to_numpy() + first
        if len(missing):
            return f"leave out {name_rows(missing)}, without an id (NaN), and cast the column to integers"
        return f"cast it first, e.g. pl.col({column!r}).cast(pl.Int64), in pandas frame[{column!r}].astype('int64')"
    return f"cast it first, e.g. pl.col({column!r}).cast(pl.String), in pandas frame[{column!r}].astype(str)"


def restore_whole_ids(ids: pl.Series) -> pl.Series:
    """Return ids that were stored as floats, such as 17850.0, as Int64, and all others as they are.

    pandas turns integers into floats where some are missing; NaN becomes null here. Floats stay as they are where one
    is not a whole number, or is 2**53 or more, where floats no longer tell neighbouring whole numbers apart.
    """
    if not ids.dtype.is_float():
        return ids
    known = ids.fill_nan(None)
    is_whole = (known.floor() == known) & (known.abs() < 2**53)
    return known.cast(pl.Int64) if is_whole.fill_null(True).all() else ids


def add_to_hash(digest: Any, ids: pl.Series) -> None:
    """Feed integers or strings to a hash of ``hashlib``, so that no two series give the same bytes."""
    digest.update(f"{ids.dtype}{len(ids)}".encode())
    if ids.dtype == pl.String:
        digest.update(np.ascontiguousarray(ids.str.len_bytes().to_numpy()).data)
        digest.update((ids.str.join("").item() or "").encode())
    else:
        digest.update(np.ascontiguousarray(ids.to_numpy()).data)


def name_rows(rows: Any) -> str:
    """Name the first few of the rows for a message: ``row 4`` or ``rows 0, 3, 7 and 2 more``."""
    return f"row {rows[0]}" if len(rows) == 1 else f"rows {name_some(int(row) for row in rows)}"


def _count_distinct(ids: pl.Series) -> int:
    # Models are loaded in forked servers too, where polars has no threads.
    return ids.n_unique() if has_polars_threads() else len(set(ids))


def _pluralise(name: str) -> str:
    return f"{name}s" if name in ("user", "item") else f"{name} values"
