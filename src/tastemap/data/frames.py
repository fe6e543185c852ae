"""Turns frames of any kind into polars frames, and results back into the kind that came in."""

from __future__ import annotations

import importlib
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from decimal import Decimal
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import polars as pl
import polars.selectors as cs

from tastemap.errors import DataError, ParameterError, first_line, name_some, show, suggest
from tastemap.files.whole import whole_file
from tastemap.forks import check_polars_threads
from tastemap.typing import FrameKind

NAME_ONE = "name one of these"

_FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n")
_LARGEST_DECIMAL = 10**19


def kind_of(frame: object) -> FrameKind:
    """Name the library of the frames that results come in: that of ``frame``, or polars for relations and arrays."""
    library = type(frame).__module__.partition(".")[0]
    return cast(FrameKind, library) if library in ("pandas", "pyarrow") else "polars"


def check_kind(kind: str) -> FrameKind:
    """Return ``kind`` if it names a known library, else raise ParameterError."""
    if not isinstance(kind, str) or kind not in get_args(FrameKind):
        raise ParameterError(
            f"frame must be 'pandas', 'polars' or 'pyarrow', got {show(kind)}", parameter="frame", value=kind
        )
    return cast(FrameKind, kind)


def to_polars(frame: Any, columns: Sequence[str] | None = None, optional: Sequence[str] = ()) -> pl.DataFrame:
    """Turn a frame into a polars frame.

    frame : pandas, polars (eager or lazy) or pyarrow, a DuckDB relation, a dict of columns, or anything else
        that narwhals understands
    columns : the columns to keep, in this order; None keeps all. Only these are converted.
    optional : columns to keep behind these, where the frame has them

    Raises DataError where a column is missing or the frame is of an unknown kind, TastemapError in a process forked
    from one that had used polars.
    """
    check_polars_threads()
    if isinstance(frame, pl.DataFrame):
        return _select(frame, columns, optional)
    if isinstance(frame, pl.LazyFrame):
        return _collect(frame, columns, optional)
    if isinstance(frame, Mapping):
        named = {str(name): values for name, values in frame.items()}
        return _from_columns(
            {name: to_series(named[name], name) for name in _check_names(list(named), columns, optional)}
        )
    if kind_of(frame) == "pandas" and hasattr(frame, "columns"):
        existing = [str(name) for name in frame.columns]
        by_name = {name: position for position, name in enumerate(existing)}
        names = _check_names(existing, columns, optional)
        return pl.DataFrame([_from_pandas(frame.iloc[:, by_name[name]], name) for name in names])
    if hasattr(frame, "__arrow_c_stream__"):
        if hasattr(frame, "select") and hasattr(frame, "column_names"):  # a pyarrow table
            return _as_frame(frame.select(_check_names(frame.column_names, columns, optional)))
        return _select(_as_frame(frame), columns, optional)
    return _select(_read_with_narwhals(frame), columns, optional)


def as_kind(frame: pl.DataFrame, kind: str) -> Any:
    """Turn a polars frame into a frame of ``kind``: "pandas", "polars" or "pyarrow".

    Needs the library of that kind and no other. Raises ValueError for another kind and ImportError where the
    library is not installed.
    """
    kind = check_kind(kind)
    if kind == "polars":
        return frame
    try:
        library = importlib.import_module(kind)
    except ImportError as error:
        raise ImportError(
            f"frame={kind!r} needs {kind}, which is not installed: run 'pip install {kind}' or pass frame='polars'"
        ) from error
    if kind == "pyarrow":
        check_polars_threads()
        return frame.to_arrow()
    # polars' own to_pandas needs pyarrow as well.
    return library.DataFrame({column.name: _to_pandas(column, library) for column in frame})


def escape_formulas(column: pl.Series) -> pl.Series:
    """Return a column with ' before every text that a spreadsheet would run as a formula; others as they are.

    Such a text begins with =, +, -, @, a tab or the end of a line, and is no number. The name is treated likewise.
    """
    name = f"'{column.name}" if column.name.startswith(_FORMULA_MARKS) else column.name
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype != pl.String:
        return column.alias(name)
    may_run = column.str.contains(r"^[=+\-@\t\r\n]") & ~column.str.contains(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
    return pl.select(pl.when(may_run).then("'" + column).otherwise(column)).to_series().alias(name)


def write_parquet(path: str | Path, parts: Iterable[pl.DataFrame]) -> None:
    """Write frames of one schema, one after the other, to a Parquet file: whole or not at all.

    Each is a file of its own until all are there: polars waits for a part with all its threads, and would take the time
    of those that make it.
    """
    check_polars_threads()
    with whole_file(path) as temporary:
        pieces = []
        for number, part in enumerate(parts):
            pieces.append(temporary.with_name(f"{number}.parquet"))
            part.write_parquet(pieces[-1])
        if len(pieces) == 1:
            pieces[0].replace(temporary)
        else:
            pl.scan_parquet(pieces, glob=False).sink_parquet(temporary)


def to_series(values: Any, name: str = "") -> pl.Series:
    """Turn a list, tuple, iterable, array or a series of any library into a polars Series called ``name``.

    Python values are never cast: UUIDs become their strings, NumPy's fixed-width bytes are UTF-8, and a mixture of
    types raises DataError.
    """
    if isinstance(values, pl.Series):
        series = values.alias(name)
        return _from_objects(series.to_list(), name) if series.dtype == pl.Object else series
    if isinstance(values, np.ndarray):
        return _from_numpy(values, name)
    if hasattr(values, "columns"):
        raise DataError(f"{name or 'values'} must be one column, got a {type(values).__name__}: pass frame[{name!r}]")
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise DataError(f"{name or 'values'} must be a list, an array or a series, got {show(values)}")
    if kind_of(values) == "pandas":
        return _from_pandas(values, name)
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        return pl.Series(name, values)
    if hasattr(values, "__array__"):
        return _from_numpy(np.asarray(values), name)
    return _from_objects(list(list_values(values)), name)


def is_single(values: Any) -> bool:
    """Tell whether what a caller passed is one value, such as an id, rather than a list, an array or a series."""
    if getattr(values, "ndim", None) == 0 or not isinstance(values, Iterable):
        return True
    return isinstance(values, str | bytes) or hasattr(values, "as_py")  # pyarrow's scalars


def list_values(values: Any) -> Any:
    """Return what can be read once only, or has no order, as a list, one value as a list of it, others as they are."""
    if is_single(values):
        return [values]
    if isinstance(values, set | frozenset):
        return sorted(values, key=str)  # the order of a set of texts differs from process to process
    return list(values) if isinstance(values, Iterator | KeysView | ValuesView) else values


def name_of(values: Any, otherwise: str) -> str:
    """Return the name of a series, or `otherwise` where it has none that is a text."""
    name = getattr(values, "name", None)
    return name if isinstance(name, str) and name else otherwise


def name_values(column: pl.Series, limit: int = 3) -> str:
    """Name the first values of a column for a message."""
    return name_some(list_first(column, limit))


def list_first(column: pl.Series, limit: int) -> list[Any]:
    """Return the first values of a column for a message."""
    first = column.head(limit)
    try:
        return first.to_list()
    except (pl.exceptions.PanicException, ValueError):  # a day or moment that no date of Python can be
        return first.to_physical().to_list()


def check_columns(columns: Iterable[str], existing: Sequence[str]) -> None:
    """Raise DataError for the first of ``columns`` that does not exist or whose name is a pattern to polars."""
    for column in columns:
        check_name(column)
        if column not in existing:
            known = name_some(existing, 12)
            raise DataError(
                f"there is no column {column!r}, only {known}{suggest(column, existing, f': {NAME_ONE}')}",
                column=column,
            )


def check_name(column: object) -> None:
    """Raise DataError for a name of a column that polars takes for none, or for a pattern of names."""
    if isinstance(column, str) and (column in ("", "*") or (column.startswith("^") and column.endswith("$"))):
        raise DataError(f"{column!r} is no name for a column, or a pattern of names: rename it", column=column)
    if isinstance(column, str) and column.encode(errors="replace").decode() != column:
        raise DataError(f"{column!r} is no Unicode text, and so no name for a column: rename it", column=column)


def _check_names(existing: Sequence[str], columns: Sequence[str] | None, optional: Sequence[str]) -> list[str]:
    check_columns(columns or (), existing)
    names = list(existing) if columns is None else [*columns, *(name for name in optional if name in existing)]
    repeated = {name for name, times in Counter(existing).items() if times > 1 and name in names}
    if repeated:
        raise DataError(f"the frame has several columns called {name_some(repeated)}: rename all but one")
    return names


def _select(frame: pl.DataFrame, columns: Sequence[str] | None, optional: Sequence[str]) -> pl.DataFrame:
    # Not select(), to which a name such as "*" or "^a.*$" is a pattern.
    frame = frame[_check_names(frame.columns, columns, optional)]
    objects = [column for column in frame if column.dtype == pl.Object]
    return frame.with_columns(to_series(column, column.name) for column in objects) if objects else frame


def _collect(frame: pl.LazyFrame, columns: Sequence[str] | None, optional: Sequence[str]) -> pl.DataFrame:
    try:
        names = _check_names(frame.collect_schema().names(), columns, optional)
        table = frame.select(cs.by_name(*names)).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(f"polars cannot collect the LazyFrame ({first_line(error)}): collect it first") from error
    return _select(table, names, ())


def _from_columns(columns: Mapping[str, pl.Series]) -> pl.DataFrame:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"columns must be of one length, got {lengths}")
    return pl.DataFrame(columns)


def _as_frame(frame: Any) -> pl.DataFrame:
    try:
        return pl.DataFrame(frame)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"cannot read a {type(frame).__name__} as a frame: {first_line(error)}") from error


def _read_with_narwhals(frame: Any) -> pl.DataFrame:
    import narwhals

    try:
        wrapped = narwhals.from_native(frame)
    except TypeError as error:
        raise DataError(
            f"cannot read a {type(frame).__name__} as a frame: pass a pandas, polars or pyarrow frame, "
            "a DuckDB relation or a dict of columns"
        ) from error
    eager = wrapped.collect() if isinstance(wrapped, narwhals.LazyFrame) else wrapped
    return eager.to_polars()


def _from_numpy(values: np.ndarray[Any, Any], name: str) -> pl.Series:
    if values.ndim != 1:
        raise DataError(f"{name or 'values'} must have one dimension, got an array of shape {values.shape}")
    if values.dtype.kind in "OUST" or isinstance(values, np.ma.MaskedArray):
        return _from_objects([*values] if values.dtype.kind == "S" else values.tolist(), name)
    if values.dtype.kind == "M" and np.datetime_data(values.dtype)[0] in "shm":
        values = values.astype("datetime64[us]")
    try:
        return pl.Series(name, values)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"column {name!r} holds {values.dtype} values, which have no column type", column=name
        ) from error


def _from_pandas(values: Any, name: str) -> pl.Series:
    """Read a pandas Series, Index or array, with pyarrow only where pandas itself keeps the values in it."""
    if getattr(values, "nlevels", 1) > 1:
        raise DataError(
            f"{name or 'values'} must be one column, got an index of {values.nlevels} levels: pass one of them"
        )
    if not hasattr(values, "array"):
        pandas = importlib.import_module("pandas")
        try:
            values = pandas.Series(values)
        except (TypeError, ValueError) as error:
            raise DataError(f"cannot read a {type(values).__name__} as a column: pass a list") from error
    if values.dtype == "category":
        check_polars_threads()
        codes = pl.Series(values.cat.codes if hasattr(values, "cat") else values.codes).cast(pl.Int64)
        categories = to_series(values.cat.categories if hasattr(values, "cat") else values.categories, name)
        known = codes.replace({-1: None}).cast(pl.UInt32)
        return categories.gather(known).alias(name)
    zone = getattr(values.dtype, "tz", None)
    if zone is not None:
        naive = (values.dt if hasattr(values, "dt") else values).tz_convert(None)
        return _from_pandas(naive, name).dt.replace_time_zone("UTC").dt.convert_time_zone(str(zone))
    if isinstance(values.dtype, np.dtype) and values.dtype.kind != "O":
        return _from_numpy(values.to_numpy(), name)
    if "pyarrow" in str(getattr(values.dtype, "storage", values.dtype)):
        return pl.Series(name, values.array.__arrow_array__())
    try:
        pairs = zip(values.tolist(), values.isna().tolist(), strict=True)
    except ArithmeticError as error:  # pandas compares each decimal, and a signalling NaN refuses
        raise DataError(f"column {name!r} holds a decimal that is no number, sNaN", column=name) from error
    return _from_objects([None if missing else value for value, missing in pairs], name)


def _from_objects(values: list[Any], name: str) -> pl.Series:
    types = {type(value) for value in values} - {type(None)}
    if any(hasattr(t, "as_py") or issubclass(t, np.ndarray | np.bytes_) for t in types):
        values = [_as_python(value, name) for value in values]
        types = {type(value) for value in values} - {type(None)}
    if types and all(issubclass(t, uuid.UUID | str) for t in types):
        try:
            return pl.Series(name, [None if v is None else str(v) for v in values], dtype=pl.String)
        except UnicodeEncodeError as error:
            raise DataError(f"column {name!r} has what is no Unicode text, {error.object!r}", column=name) from error
    if types and all(issubclass(t, int | np.integer) and t is not bool for t in types):
        return _from_integers(values, name)
    if types and all(issubclass(t, int | float | np.integer | np.floating) and t is not bool for t in types):
        return pl.Series(name, [None if v is None else float(v) for v in values], dtype=pl.Float64)
    if types == {Decimal}:
        values = _check_decimals(values, name)
    if len(types) > 1:
        raise _make_mixture_error(values, name)
    try:
        series = pl.Series(name, values)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise DataError(f"cannot read {name or 'the values'} as a column: {error}") from error
    if series.dtype == pl.Object:
        raise DataError(f"column {name!r} holds {types.pop().__name__} objects, which have no column type", column=name)
    return series


def _as_python(value: Any, name: str) -> Any:
    """Return a scalar of pyarrow, an array without dimensions or NumPy's bytes as a value of Python."""
    if isinstance(value, np.bytes_):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"column {name!r} holds bytes that are no UTF-8: decode them first", column=name) from error
    if hasattr(value, "as_py"):
        return value.as_py()
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _from_integers(values: list[Any], name: str) -> pl.Series:
    for dtype in (pl.Int64, pl.UInt64):
        try:
            return pl.Series(name, [None if v is None else int(v) for v in values], dtype=dtype)
        except (TypeError, OverflowError):
            continue
    raise DataError(f"column {name!r} holds integers that do not fit in 64 bits together", column=name)


def _check_decimals(values: list[Any], name: str) -> list[Any]:
    """Return decimals with None for NaN; raise DataError where one does not fit in a column, of which polars panics."""
    for row, value in enumerate(values):
        if value is not None and not value.is_nan() and not (value.is_finite() and abs(value) < _LARGEST_DECIMAL):
            raise DataError(f"column {name!r} has a number too large for a column, {value} in row {row}", column=name)
    return [None if value is None or value.is_nan() else value for value in values]


def _make_mixture_error(values: list[Any], name: str) -> DataError:
    row, value = next((row, v) for row, v in enumerate(values) if v is not None)
    other_row, other = next((row, v) for row, v in enumerate(values) if v is not None and type(v) is not type(value))
    return DataError(
        f"column {name!r} mixes {type(value).__name__} and {type(other).__name__}: {value!r} in row {row}, "
        f"{other!r} in row {other_row}; turn them all into one type first",
        column=name,
    )


def _to_pandas(column: pl.Series, pandas: Any) -> Any:
    if column.dtype == pl.String:
        return pandas.Series(
            column.to_list(), dtype="str" if int(pandas.__version__.partition(".")[0]) >= 3 else object
        )
    if column.dtype in (pl.Categorical, pl.Enum):
        return pandas.Categorical(column.cast(pl.String).to_list())
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone:
        naive = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        zone = column.dtype.time_zone
        return pandas.Series(naive.to_numpy()).dt.tz_localize("UTC").dt.tz_convert(zone)
    if column.dtype.is_nested():
        return pandas.Series(column.to_list(), dtype=object)
    return pandas.Series(column.to_numpy())
