"""What is known of items: columns of texts, numbers and dates, from which conditions choose items."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Generic, Literal, NamedTuple, Self, TypeVar

import numpy as np
import polars as pl

from tastemap.data._checks import check_text, check_whole
from tastemap.data._pairs import freeze
from tastemap.data.conditions import Condition, Value, read_conditions
from tastemap.data.frames import check_columns, to_polars
from tastemap.data.ids import IdMap
from tastemap.errors import DataError, ParameterError, find_close, name_some, show, suggest
from tastemap.typing import Array, Flags, Ints, RowNumbers

# What is kept: masks of conditions, and limits, of a catalogue; and catalogues that a table is aligned to.
MASKS_KEPT = 256
CATALOGUES_KEPT = 4

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Integers that NumPy has no type for.
_WIDE = tuple(getattr(pl, name) for name in ("Int128", "UInt128") if hasattr(pl, name))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Made = TypeVar("Made")
Kind = Literal["text", "number", "date", "bool"]


class Column(NamedTuple):
    """The values of a column, of any number an item.

    kind : what they are
    rows : int64, (n,): the row of each value's item, ascending
    codes : int32, (n,): the place of each value among the distinct ones
    distinct : the distinct values, ascending: texts as objects, numbers, or dates as microseconds since 1970
    """

    kind: Kind
    rows: RowNumbers
    codes: Ints
    distinct: Array


class Limits(NamedTuple):
    """How often values may be listed: a CSR of the values of each item.

    indptr : int64, (n_items + 1,)
    values : int32, (any,)
    most : int64, (number of values,): how many items with this value a list may have
    """

    indptr: RowNumbers
    values: Ints
    most: RowNumbers


class ItemTable:
    """What is known of items, one row an item: from it `where` and `at_most` choose.

    Texts compare exactly, numbers and dates by size. An item without a row, or with nothing in a column, fulfils no
    condition on it but "!=". Make one with `from_frame`, once: it remembers what it computed for a model's items.
    """

    def __init__(self, ids: IdMap, columns: Mapping[str, Column], others: Mapping[str, str]) -> None:
        self.ids = ids
        self._columns, self._others = dict(columns), dict(others)
        self._aligned: list[AlignedTable] = []

    @classmethod
    def from_frame(cls, frame: Any, id: str = "item", separator: str | None = "|") -> Self:
        """Make a table from a frame of any kind.

        id : the column of ids
        separator : what stands between the values of a text, as in "Comedy|Drama"; None where texts are one value

        Columns may hold texts, categories, numbers, dates, times, True and False, and lists of these; others, such as
        nested lists, may not be asked for. Raises DataError where an id is missing or repeated, or a column is missing.
        """
        check_text("id", id)
        if separator is not None:
            check_text("separator", separator)
        table = to_polars(frame)
        check_columns([id], table.columns)
        ids = IdMap(table[id], id)
        columns: dict[str, Column] = {}
        others: dict[str, str] = {}
        for column in table:
            if column.name == id:
                continue
            made = _make_column(column, separator or None)
            if made is None:
                others[column.name] = str(column.dtype)
            else:
                columns[column.name] = made
        return cls(ids, columns, others)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return (
            f"ItemTable: {len(self):,} items by {self.ids.name!r}, with {name_some(self.columns, 12) or 'no columns'}"
        )

    @property
    def columns(self) -> list[str]:
        """The names of the columns, without that of the ids."""
        return [*self._columns, *self._others]

    def align(self, items: IdMap) -> AlignedTable:
        """Return the table in the rows of a model's items; the last few are kept.

        Raises UnknownIdError where the ids of one are texts and those of the other integers, DataError where the table
        has none of the items.
        """
        for kept in list(self._aligned):
            if kept.items is items:
                return kept
        rows = items.find(self.ids.ids)
        if len(items) and not (rows >= 0).any():
            raise DataError(
                f"the column {self.ids.name!r} names no item of the model: it has {name_some(self.ids.ids.head(3))}, "
                f"the model {name_some(items.ids.head(3))}"
            )
        aligned = AlignedTable(items, {name: _place(own, rows) for name, own in self._columns.items()}, self._others)
        self._aligned = [aligned, *self._aligned][:CATALOGUES_KEPT]
        return aligned


class _Kept(Generic[Made]):
    """Keeps what was computed last, by a key, in any number of threads."""

    def __init__(self) -> None:
        self._made: OrderedDict[Hashable, Made] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made = make()
        with self._lock:
            self._made[key] = made
            while len(self._made) > MASKS_KEPT:
                self._made.popitem(last=False)
        return made


class AlignedTable:
    """An `ItemTable` in the rows of a catalogue.

    items : the map of the catalogue's rows
    """

    def __init__(self, items: IdMap, columns: Mapping[str, Column], others: Mapping[str, str]) -> None:
        self.items = items
        self._columns, self._others = dict(columns), dict(others)
        self._masks, self._limits = _Kept[Flags](), _Kept[Limits]()

    @property
    def kinds(self) -> dict[str, Kind]:
        """The columns that conditions may name, and what each holds."""
        return {name: column.kind for name, column in self._columns.items()}

    def column(self, name: str) -> Column:
        """Return the values of a column; raises DataError where there is none that conditions may name."""
        return self._find(name)

    def texts_of(self, row: int) -> list[str]:
        """Return the values of an item in all columns of texts."""
        texts = list[str]()
        for column in self._columns.values():
            if column.kind == "text":
                own = slice(*np.searchsorted(column.rows, [row, row + 1]))
                texts += column.distinct[column.codes[own]].tolist()
        return list(dict.fromkeys(texts))

    def common_values(self, name: str, most: int) -> list[tuple[str, int]]:
        """Return the most frequent values of a column, as conditions write them, and how many items have each."""
        column = self._find(name)
        counts = np.bincount(column.codes, minlength=len(column.distinct))
        order = np.lexsort((np.arange(len(counts)), -counts))[:most]
        return [
            (_show_value(column.kind, column.distinct[place]), int(counts[place])) for place in order if counts[place]
        ]

    def select(self, where: Any) -> Flags:
        """Return which items fulfil all conditions: bool, (n_items,).

        where : as `read_conditions` takes it

        Raises DataError for an unknown column, ParameterError for a value that the column cannot have, or that no item
        of the table has.
        """
        chosen = np.ones(len(self.items), np.bool_)
        for condition in read_conditions(where):
            chosen &= self._mask(condition)
        return chosen

    def limit(self, at_most: Mapping[str, int]) -> Limits:
        """Return the values of items, of all these columns, and how often each may be listed.

        at_most : the most items with one value, of one column or several: {"genre": 2}

        Raises DataError for an unknown column, ParameterError where a number is not whole and at least 1.
        """
        if not isinstance(at_most, Mapping):
            raise ParameterError(
                f"at_most must be numbers by column, such as {{'genre': 2}}, got {show(at_most)}",
                parameter="at_most",
                value=at_most,
            )
        for column, most in at_most.items():
            check_whole("at_most", most, lowest=1)
            self._find(column)
        key = tuple(sorted((column, min(int(most), 2**62)) for column, most in at_most.items()))
        return self._limits.get(key, lambda: self._make_limits(key))

    def _mask(self, condition: Condition) -> Flags:
        key = condition, tuple(map(type, condition.values))  # 1 and True are equal
        return self._masks.get(key, lambda: self._make_mask(condition))

    def _make_mask(self, condition: Condition) -> Flags:
        column = self._find(condition.column)
        if condition.sign in ("=", "!="):
            wanted = np.zeros(len(column.distinct), np.bool_)
            for value in condition.values:
                wanted[_find_value(condition.column, column, value)] = True
        else:
            wanted = _compare(condition, column)
        mask = np.zeros(len(self.items), np.bool_)
        mask[column.rows[wanted[column.codes]]] = True
        if condition.sign == "!=":
            mask = ~mask
        return mask

    def _make_limits(self, key: Sequence[tuple[str, int]]) -> Limits:
        rows, values, most = [np.empty(0, np.int64)], [np.empty(0, np.int32)], [np.empty(0, np.int64)]
        first = 0
        for name, highest in key:
            column = self._columns[name]
            rows.append(column.rows)
            values.append(column.codes + first)
            most.append(np.full(len(column.distinct), highest))
            first += len(column.distinct)
        row_of_value, own = np.concatenate(rows), np.concatenate(values)
        order = np.argsort(row_of_value, kind="stable")
        indptr = np.concatenate(([0], np.cumsum(np.bincount(row_of_value, minlength=len(self.items)))))
        return Limits(
            freeze(indptr.astype(np.int64)), freeze(own[order].astype(np.int32)), freeze(np.concatenate(most))
        )

    def _find(self, name: Any) -> Column:
        if name in self._columns:
            return self._columns[name]
        if name in self._others:
            raise DataError(
                f"column {name!r} holds {self._others[name]}, which items cannot be chosen by: make texts, numbers or "
                "lists of these of it",
                column=name,
            )
        known = list(self._columns)
        names = name_some(known, 12) or "none but the ids"
        raise DataError(
            f"the items have no column {show(name)}, only {names}{suggest(name, known)}", column=name, columns=known
        )


def _make_column(column: pl.Series, separator: str | None) -> Column | None:
    """Return the values of a column; None where their type has no order and no spelling."""
    frame = pl.DataFrame({"row": pl.Series(np.arange(len(column))), "value": column.alias("value")})
    value = pl.col("value")
    if isinstance(column.dtype, pl.Array):
        frame = frame.with_columns(value.arr.to_list())
    if isinstance(frame["value"].dtype, pl.List):
        frame = frame.explode("value")
    dtype = frame["value"].dtype
    kind: Kind
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        kind, texts = "text", frame.with_columns(value.cast(pl.String))
        if separator is not None:
            texts = texts.with_columns(value.str.split(separator)).explode("value")
        texts = texts.with_columns(value.str.strip_chars())
        frame = texts.filter(value != "")
    elif dtype == pl.Boolean:
        kind = "bool"
    elif dtype.is_integer() and dtype not in _WIDE:
        kind = "number"
    elif dtype.is_float() or dtype.is_decimal():
        kind, frame = "number", frame.with_columns(value.cast(pl.Float64).fill_nan(None))
    elif dtype == pl.Date or isinstance(dtype, pl.Datetime):
        moments = value.cast(pl.Datetime("us", getattr(dtype, "time_zone", None)))
        kind, frame = "date", frame.with_columns(moments.to_physical())
    else:
        return None
    frame = frame.filter(value.is_not_null()).unique(maintain_order=True)
    distinct = frame["value"].unique().sort()
    places = pl.Series(np.arange(len(distinct), dtype=np.int32))
    codes = frame["value"].replace_strict(distinct, places, return_dtype=pl.Int32)
    shown = np.array(distinct.to_list(), object) if kind == "text" else distinct.to_numpy()
    return Column(kind, frame["row"].to_numpy(), codes.to_numpy(), shown)


def _place(column: Column, rows: RowNumbers) -> Column:
    """Return a column in the rows of a catalogue: rows[r] is that of row r, -1 for none."""
    own = rows[column.rows]
    kept = own >= 0
    own, codes = own[kept], column.codes[kept]
    order = np.argsort(own, kind="stable")
    return column._replace(rows=freeze(own[order]), codes=freeze(codes[order]))


def _find_value(name: str, column: Column, value: Value) -> int:
    """Return the place of a value among the distinct ones; raises ParameterError where no item has it."""
    wanted = _read_value(name, column.kind, value)
    if column.kind == "text":
        place = int(np.searchsorted(column.distinct, wanted))
    else:
        place = int(np.count_nonzero(column.distinct < wanted))
    if place < len(column.distinct) and column.distinct[place] == wanted:
        return place
    known = column.distinct.tolist() if column.kind == "text" else []
    close = find_close(wanted, known)
    if close is not None:
        hint = f"; did you mean {close!r}?"
    elif column.kind == "text":
        hint = f": it has {name_some(known, 12)}" if known else ": it is empty"
    elif len(column.distinct):
        low, high = (_show_value(column.kind, column.distinct[end]) for end in (0, -1))
        hint = f": it goes from {low} to {high}"
    else:
        hint = ": it is empty"
    raise ParameterError(f"no item has {show(value)} in column {name!r}{hint}", parameter="where", value=value)


def _compare(condition: Condition, column: Column) -> Flags:
    """Return which of the distinct values stand to the condition's as its sign says."""
    name, sign, (value,) = condition.column, condition.sign, condition.values
    if column.kind in ("text", "bool"):
        what = "texts" if column.kind == "text" else "True and False"
        raise ParameterError(
            f"column {name!r} holds {what}, which {sign} does not compare: use = or !=",
            parameter="where",
            value=str(condition),
        )
    bound = _read_value(name, column.kind, value)
    compare = {">=": np.greater_equal, "<=": np.less_equal, ">": np.greater, "<": np.less}[sign]
    wanted: Flags = compare(column.distinct, bound)
    return wanted


def _read_value(name: str, kind: Kind, value: Value) -> Any:
    """Return a value as the column's type holds it; raises ParameterError where it is none of that type."""
    read = {"text": _read_text, "number": _read_number, "date": _read_date, "bool": _read_bool}[kind](value)
    if read is None:
        what = {
            "text": "texts",
            "number": "numbers",
            "date": "dates, such as 1990-12-31",
            "bool": "True and False",
        }[kind]
        raise ParameterError(
            f"column {name!r} holds {what}, and {show(value)} is none of these", parameter="where", value=value
        )
    return read


def _read_text(value: Value) -> str | None:
    return value.strip() if isinstance(value, str) else None


def _read_number(value: Value) -> int | float | None:
    if isinstance(value, str):
        if len(value) > 300 or not _NUMBER.fullmatch(value):
            return None
        value = float(value) if set(value) & set(".eE") else int(value)
    if isinstance(value, bool | date):
        return None
    # A whole number is compared as one, to the last digit.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read_date(value: Value) -> int | None:
    """Return a date as microseconds since 1970; times without a zone are taken as UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, date):
        return None
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    past = moment - _EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def _read_bool(value: Value) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _show_value(kind: Kind, value: Any) -> str:
    if kind == "date":
        return str(np.datetime64(int(value), "us").astype("datetime64[s]"))
    return str(value)
