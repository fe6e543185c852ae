"""Turns columns of a frame into sparse features: one-hots, multi-hots, bins and standardised numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from tastemap.data._checks import check_text, check_whole
from tastemap.data.frames import name_values
from tastemap.data.ids import name_rows
from tastemap.errors import DataError, name_some, show
from tastemap.typing import Array

Kind = Literal["strings", "booleans", "numbers", "lists"]

# A standardised number goes no farther from its mean than this many standard deviations.
FARTHEST = 3.0

_WORDS = (pl.String, pl.Categorical, pl.Enum)


class Encoder(Protocol):
    """Turns some columns of a frame into features, the same ones for every frame.

    columns : the columns that it reads
    names : the name of each feature
    """

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    def encode(self, table: pl.DataFrame) -> sp.csr_matrix:
        """Return the features of every row: float32, (rows, names)."""
        ...


def make_encoders(
    table: pl.DataFrame,
    *,
    separator: str | Mapping[str, str] | None,
    categorical: Sequence[str],
    bins: Mapping[str, int],
    scale: bool,
) -> list[Encoder]:
    """Return one encoder for each column of a table, fitted to it; the arguments are those of `Features.from_frame`.

    Raises ValueError for arguments that do not fit the columns, DataError for a column that no encoder fits.
    """
    if not isinstance(bins, Mapping):
        raise ValueError(f"bins must be a dict of columns and their numbers of ranges, got {show(bins)}")
    by_column = isinstance(separator, Mapping)
    separators = dict(separator) if isinstance(separator, Mapping) else dict.fromkeys(table.columns, separator)
    for argument, given in (("separator", separators), ("categorical", categorical), ("bins", bins)):
        for name in given:
            if name not in table.columns:
                among = name_some(table.columns, 12)
                raise ValueError(f"{argument} names {show(name)}, which is not among columns: {among}")
    for name, text in separators.items():
        if text is not None and not (isinstance(text, str) and text):
            raise ValueError(f"separator must be one or more characters, got {show(text)}")
        if by_column and table[name].dtype not in _WORDS:
            raise DataError(
                f"separator cuts strings, and column {name!r} holds {table[name].dtype} values: leave it out"
            )
    for name, n_bins in bins.items():
        check_whole(f"bins of {name!r}", n_bins, lowest=2)
    encoders: list[Encoder] = []
    for column in table:
        is_code = column.name in categorical
        kind = _find_kind(column, is_code)
        if column.name in bins:
            encoders.append(Bins.of(column, bins[column.name]))
        elif kind == "numbers" and not is_code:
            encoders.append(Number.of(column, scale))
        else:
            encoders.append(Hot.of(column, kind, separators.get(column.name), scale))
    return encoders


def as_names(columns: str | Sequence[str], argument: str = "columns") -> list[str]:
    """Return one name or many as a list; raise ParameterError for anything else."""
    names = [columns] if isinstance(columns, str) or not isinstance(columns, Iterable) else list(columns)
    for name in names:
        check_text(argument, name)
    return names


def check_use(id: str, columns: Sequence[str]) -> None:
    """Raise ValueError where no column is named, or one twice."""
    check_text("id", id)
    if not columns:
        raise ValueError("columns must name at least one column")
    if len({id, *columns}) <= len(columns):
        raise ValueError(f"each column has one use, got {', '.join(map(show, (id, *columns)))}")


@dataclass(frozen=True, eq=False)
class Hot:
    """Makes one feature for each value, "column=value": 1 where a row has it, or 1 / sqrt(number of its values).

    kind : what the column holds
    separator : what stands between the values of one string; None takes the string as one value
    values : the known values as strings, sorted; others are ignored
    scale : whether a row's values are scaled to unit length
    """

    column: str
    kind: Kind
    separator: str | None
    values: pl.Series
    scale: bool

    @classmethod
    def of(cls, column: pl.Series, kind: Kind | None, separator: str | None, scale: bool) -> Hot:
        """Make an encoder for the values that a column has; raises DataError where it has none."""
        values = _find_values(column, separator)["value"].unique().sort()
        if kind is None or values.is_empty():
            raise _make_empty_error(column.name)
        return cls(column.name, kind, separator, values, scale)

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that it reads."""
        return (self.column,)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each feature, "column=value"."""
        return tuple(f"{self.column}={value}" for value in self.values)

    def encode(self, table: pl.DataFrame) -> sp.csr_matrix:
        """Return the features of every row: float32, (rows, names)."""
        column = table[self.column]
        kind = _find_kind(column, categorical=self.kind == "numbers")
        if kind not in (self.kind, None):
            raise DataError(
                f"column {self.column!r} held {self.kind} when its features were made and holds {column.dtype} now: "
                "cast it"
            )
        codes = pl.DataFrame({"value": self.values, "code": np.arange(len(self.values))})
        found = _find_values(column, self.separator).join(codes, on="value")
        rows = found["row"].to_numpy()
        n_values = np.bincount(rows, minlength=len(column))
        ones = 1 / np.sqrt(n_values[rows]) if self.scale else np.ones(len(rows))
        return _make_matrix(ones, rows, found["code"].to_numpy(), (len(column), len(self.values)))


@dataclass(frozen=True, eq=False)
class Bins:
    """Makes one feature for each range of numbers, 1 for the range in which a row's number lies.

    edges : float64, ascending: a range goes from an edge, which belongs to it, up to the next; the first and the last
        are open
    """

    column: str
    edges: npt.NDArray[np.float64]

    @classmethod
    def of(cls, column: pl.Series, n_bins: int) -> Bins:
        """Make an encoder for ranges of about equally many rows; there are fewer ranges where numbers repeat."""
        if not column.dtype.is_numeric():
            raise DataError(f"bins cuts numbers, and column {column.name!r} holds {column.dtype} values: cast it first")
        _, numbers = _find_numbers(column)
        if not len(numbers):
            raise _make_empty_error(column.name)
        # Edges are numbers of the column, so that no range is empty; more ranges than numbers have no more edges.
        n_bins = min(n_bins, max(len(numbers), 2))
        edges = np.quantile(numbers, np.arange(1, n_bins) / n_bins, method="higher")
        return cls(column.name, np.unique(edges[edges > numbers.min()]))

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that it reads."""
        return (self.column,)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each feature, e.g. "year<1980", "1980<=year<1990", "1990<=year"."""
        shown = [str(int(edge)) if edge.is_integer() else str(edge) for edge in self.edges.tolist()]
        lows, highs = ["", *(f"{low}<=" for low in shown)], [*(f"<{high}" for high in shown), ""]
        return tuple(f"{low}{self.column}{high}" for low, high in zip(lows, highs, strict=True))

    def encode(self, table: pl.DataFrame) -> sp.csr_matrix:
        """Return the features of every row: float32, (rows, names)."""
        rows, numbers = _find_numbers(table[self.column])
        codes = np.searchsorted(self.edges, numbers, side="right")
        return _make_matrix(np.ones(len(rows)), rows, codes, (len(table), len(self.edges) + 1))


@dataclass(frozen=True, eq=False)
class Number:
    """Makes one feature of a column of numbers: (number - mean) / deviation, clipped to -limit and limit."""

    column: str
    mean: float
    deviation: float
    limit: float

    @classmethod
    def of(cls, column: pl.Series, scale: bool) -> Number:
        """Make an encoder with the mean and standard deviation of a column; without `scale`, with 0, 1 and no limit."""
        _, numbers = _find_numbers(column)
        if not len(numbers):
            raise _make_empty_error(column.name)
        if not scale:
            return cls(column.name, 0.0, 1.0, np.inf)
        with np.errstate(over="ignore", invalid="ignore"):  # reported below
            mean, deviation = float(numbers.mean()), float(numbers.std())
        if not np.isfinite([mean, deviation]).all():
            raise DataError(f"column {column.name!r} has numbers too large to average: divide them first")
        return cls(column.name, mean, deviation, FARTHEST)

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that it reads."""
        return (self.column,)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the column."""
        return (self.column,)

    def encode(self, table: pl.DataFrame) -> sp.csr_matrix:
        """Return the feature of every row: float32, (rows, 1)."""
        rows, numbers = _find_numbers(table[self.column])
        # A column of equal numbers has no deviation to scale by, so its feature is 0 for every number.
        values = (numbers - self.mean) / self.deviation if self.deviation else np.zeros(len(numbers))
        values = values.clip(-self.limit, self.limit)
        if len(values) and np.abs(values).max() > np.finfo(np.float32).max:
            raise DataError(f"column {self.column!r} has numbers too large for 32-bit floats: divide them first")
        return _make_matrix(values, rows, np.zeros(len(rows), dtype=np.int64), (len(table), 1))


def _find_kind(column: pl.Series, categorical: bool) -> Kind | None:
    """Name what a column holds, None where it holds only nulls; raise DataError for what cannot be a feature."""
    dtype = column.dtype
    if isinstance(dtype, pl.List | pl.Array):
        if dtype.inner in (*_WORDS, pl.Boolean, pl.Null) or dtype.inner.is_integer():
            return "lists"
        way = "pass a matrix of them to Features.from_csr"
    elif dtype in _WORDS:
        return "strings"
    elif dtype == pl.Boolean:
        return "booleans"
    elif dtype == pl.Null:
        return None
    elif dtype.is_integer() or (dtype.is_numeric() and not categorical):
        return "numbers"
    elif dtype.is_numeric():
        way = "cast it to integers or strings, or leave it out of categorical"
    else:
        way = "cast it to numbers or strings, or leave it out"
    shown = name_values(column.drop_nulls(), 2)
    raise DataError(f"column {column.name!r} holds {dtype} values ({shown}), which make no features: {way}")


def _find_values(column: pl.Series, separator: str | None) -> pl.DataFrame:
    """Return the values of each row, each once: int64 `row`, string `value`. Nulls and "" are not values."""
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    table = pl.DataFrame({"row": np.arange(len(column)), "value": column})
    if isinstance(column.dtype, pl.List):
        table = table.explode("value")
    elif separator is not None and column.dtype in _WORDS:
        parts = pl.col("value").cast(pl.String).str.split(separator)
        table = table.with_columns(parts).explode("value").with_columns(pl.col("value").str.strip_chars())
    table = table.with_columns(pl.col("value").cast(pl.String))
    return table.filter(pl.col("value") != "").unique()


def _find_numbers(column: pl.Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the rows that have a number, and these numbers; raise DataError where one is not finite."""
    if not (column.dtype.is_numeric() or column.dtype == pl.Null):
        raise DataError(
            f"column {column.name!r} held numbers when its features were made and holds {column.dtype} now: cast it"
        )
    floats = column.cast(pl.Float64)
    bad = (~floats.is_finite()).arg_true()
    if len(bad):
        raise DataError(
            f"column {column.name!r} has values that are not finite, {floats[bad[0]]} in {name_rows(bad)}: "
            "fill them, or make them nulls where the number is not known, as polars' fill_nan(None) and pandas' "
            "convert_dtypes() do"
        )
    return column.is_not_null().arg_true().to_numpy().astype(np.int64), floats.drop_nulls().to_numpy()


def _make_empty_error(name: str) -> DataError:
    return DataError(f"column {name!r} has no value in any row: leave it out of columns")


def _make_matrix(values: Array, rows: Array, codes: Array, shape: tuple[int, int]) -> sp.csr_matrix:
    return sp.csr_matrix((values.astype(np.float32), (rows, codes)), shape=shape)
