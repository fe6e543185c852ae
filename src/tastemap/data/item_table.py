"""What is known of items, in columns: compiled once to what filters and limits on lists need."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl

from tastemap.data._checks import check_whole
from tastemap.data._lookup import look_up
from tastemap.data._pairs import freeze
from tastemap.data.conditions import Condition
from tastemap.data.frames import check_columns, to_polars
from tastemap.data.ids import IdMap
from tastemap.errors import DataError, ParameterError, find_close, name_some, show, suggest
from tastemap.typing import Array, Flags, Ints, RowNumbers

# The bytes of masks that are kept for conditions that come again.
MASKS_BYTES = 64 << 20

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_WORDS = (pl.String, pl.Categorical, pl.Enum)
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Limits(NamedTuple):
    """How many items of one value a list may have.

    indptr, values : int64 (n_items + 1,) and int32: the values of each item, numbered over all limited columns
    most : int64, (values,): how many items of each value
    """

    indptr: RowNumbers
    values: Ints
    most: RowNumbers


@dataclass(frozen=True, eq=False)
class ItemTable:
    """A table of items, one row an item: genres, years, titles.

    frame : with the ids in `id_column`; of an id that repeats, the first row counts
    separator : what stands between the values of a text that has several, such as Action|Comedy
    """

    frame: pl.DataFrame
    id_column: str
    separator: str = "|"

    def __post_init__(self) -> None:
        check_columns([self.id_column], self.frame.columns)

    @classmethod
    def from_frame(cls, frame: Any, *, id: str = "item", separator: str = "|") -> Self:
        """Make a table of a frame of any kind, or a dict of columns.

        id : the column of ids
        separator : what stands between the values of texts that have several; a column may also hold lists

        Raises DataError where there is no such column.
        """
        if not isinstance(separator, str) or not separator:
            raise ParameterError(
                f"separator must be one or more characters, got {show(separator)}",
                parameter="separator",
                value=separator,
            )
        return cls(to_polars(frame), id, separator)

    @property
    def columns(self) -> list[str]:
        """The columns beside the ids."""
        return [name for name in self.frame.columns if name != self.id_column]

    def align(self, items: IdMap) -> AlignedTable:
        """Return the table in the order of an id map's rows; DataError where it names none of its ids."""
        return AlignedTable(look_up(items, items.ids, self.frame, self.id_column), self.separator)


class _Column(NamedTuple):
    """The values of a column, those of each item one after the other.

    indptr : int64, (n_items + 1,)
    values : all values; texts, numbers, dates or truths
    """

    indptr: RowNumbers
    values: pl.Series


class AlignedTable:
    """What is known of the items of an id map: a row for each row of the map, null where nothing is known."""

    def __init__(self, frame: pl.DataFrame, separator: str) -> None:
        self.frame, self._separator = frame, separator
        self._column = lru_cache(maxsize=None)(self._read_column)
        self._mask = lru_cache(maxsize=max(MASKS_BYTES // max(len(frame), 1), 8))(self._compute_mask)

    def mask(self, conditions: tuple[Condition, ...]) -> Flags:
        """Return which items fulfil all conditions: bool, (n_items,).

        An item without a value fulfils only conditions that exclude values; one with several fulfils a condition where
        one of them does. Raises DataError for a column that is missing, and for a value that no item has.
        """
        kept = np.ones(len(self.frame), np.bool_)
        for condition in conditions:
            kept &= self._mask(condition)
        return kept

    def limit(self, at_most: Mapping[str, int]) -> Limits:
        """Return the limits of lists by column: {"genre": 2} is at most two items of each genre."""
        if not isinstance(at_most, Mapping):
            raise ParameterError(
                f"at_most must be columns and numbers such as {{'genre': 2}}, got {show(at_most)}",
                parameter="at_most",
                value=at_most,
            )
        counts = np.zeros(len(self.frame), np.int64)
        owners, numbers, most = [np.empty(0, np.int64)], [np.empty(0, np.int32)], [np.empty(0, np.int64)]
        n_values = 0
        for name, n in at_most.items():
            check_whole(f"at_most of {name!r}", n, lowest=1)
            column = self._column(name)
            lengths = np.diff(column.indptr)
            distinct, codes = np.unique(column.values.rank("dense").to_numpy(), return_inverse=True)
            owners.append(np.repeat(np.arange(len(lengths)), lengths))
            numbers.append((n_values + codes).astype(np.int32))
            most.append(np.full(len(distinct), n))
            counts, n_values = counts + lengths, n_values + len(distinct)
        order = np.argsort(np.concatenate(owners), kind="stable")
        indptr = np.concatenate(([0], np.cumsum(counts)))
        return Limits(freeze(indptr), freeze(np.concatenate(numbers)[order]), freeze(np.concatenate(most)))

    def _read_column(self, name: str) -> _Column:
        if name not in self.frame.columns:
            names = self.frame.columns
            raise DataError(
                f"the table of items has no column {show(name)}, only {name_some(names, 12)}{suggest(name, names)}",
                column=name,
            )
        column = self.frame[name]
        if column.dtype in _WORDS:
            column = column.cast(pl.String).str.split(self._separator)
        elif not isinstance(column.dtype, pl.List | pl.Array):
            column = column.to_frame().select(pl.concat_list(name))[name]
        kind: Any = column.dtype
        if kind.inner.is_nested() or not (kind.inner in _WORDS or kind.inner.is_numeric() or _is_dated(kind.inner)):
            raise DataError(f"column {name!r} holds {kind.inner}, which no condition compares with", column=name)
        inner = pl.element().cast(pl.String).str.strip_chars() if kind.inner in _WORDS else pl.element()
        inner = inner.fill_nan(None) if kind.inner.is_float() else inner
        column = column.cast(pl.List(kind.inner)).list.eval(inner).list.drop_nulls()
        if kind.inner in _WORDS:
            column = column.list.eval(pl.element().filter(pl.element() != "")).list.unique(maintain_order=True)
        lengths = column.list.len().fill_null(0).to_numpy()
        indptr = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        return _Column(indptr, column.filter(pl.Series(lengths > 0)).explode())

    def _compute_mask(self, condition: Condition) -> Flags:
        column = self._column(condition.column)
        fulfils = _COMPARE.get(condition.sign)
        if fulfils is None:
            hit = column.values.is_in(_find_values(column.values, condition))
        elif column.values.dtype == pl.String:
            raise DataError(
                f"column {condition.column!r} holds texts, which {condition.sign} does not compare: use = or !=",
                column=condition.column,
            )
        else:
            hit = fulfils(column.values, _read_value(column.values.dtype, condition.values[0], condition))
        before: Array = np.concatenate(([0], np.cumsum(hit.to_numpy())))
        has_hit: Flags = before[column.indptr[1:]] > before[column.indptr[:-1]]
        return freeze(~has_hit if condition.sign == "!=" else has_hit)  # type: ignore[no-any-return]


def _is_dated(kind: Any) -> bool:
    return bool(kind == pl.Boolean or kind.is_temporal())


def _find_values(known: pl.Series, condition: Condition) -> list[Any]:
    """Return the values of a column that a condition names; raises DataError where it has one of them not."""
    values = [_read_value(known.dtype, value, condition) for value in condition.values]
    if known.dtype != pl.String:
        return values
    distinct = known.unique().to_list()
    by_lower: dict[str, list[str]] = {}
    for value in distinct:
        by_lower.setdefault(value.lower(), []).append(value)
    found: list[str] = []
    for value in values:
        same = [value] if value in by_lower.get(value.lower(), ()) else by_lower.get(value.lower(), [])
        if not same:
            close = find_close(value, distinct)
            ending = f"; did you mean {close!r}?" if close else f": it has {name_some(sorted(distinct), 5)}"
            raise DataError(
                f"no item has {value!r} in the column {condition.column!r}{ending}", column=condition.column
            )
        found += same
    return found


def _read_value(kind: Any, value: Any, condition: Condition) -> Any:
    """Return a value in the type of a column; raises DataError for one that has no such."""
    try:
        if kind == pl.String:
            return str(value)
        if kind == pl.Boolean:
            return value if isinstance(value, bool) else _TRUTHS[str(value).lower()]
        if kind.is_numeric() and not isinstance(value, date):
            number = float(value)
            if number == number:
                return number
        elif kind == pl.Date:
            return value if isinstance(value, date) else date.fromisoformat(str(value))
        elif kind == pl.Datetime:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
            return pl.Series([moment]).cast(kind)[0]
    except (ValueError, KeyError, TypeError, pl.exceptions.PolarsError):
        pass
    what = "a number" if kind.is_numeric() else "true or false" if kind == pl.Boolean else "a date such as 2020-12-31"
    raise DataError(f"column {condition.column!r} is compared with {what}, got {show(value)}", column=condition.column)
