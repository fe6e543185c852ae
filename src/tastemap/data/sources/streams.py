"""Frames as a source of tables that come one after the other, of which one at a time is in memory."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any, NamedTuple

import polars as pl

from tastemap.data.frames import check_columns, to_polars
from tastemap.errors import DataError, first_line
from tastemap.forks import check_polars_threads

# The rows of a table: enough for the threads, and little beside millions.
ROWS = 1 << 20


class Stream(NamedTuple):
    """Tables that come one after the other; how many rows they have, None where that is not known."""

    tables: Generator[pl.DataFrame]
    n_rows: int | None = None


def open_stream(frame: Any, columns: Sequence[str]) -> Stream:
    """Return the rows of a frame, or of frames that come one after the other, as tables of the columns, in this order.

    frame : a stream; what `to_polars` takes; an iterator or a list of such frames; a reader of Arrow batches, such as
        `pyarrow.RecordBatchReader`. A LazyFrame and a DuckDB relation are read a part at a time

    Raises DataError where a column is missing or a frame is of an unknown kind.
    """
    check_polars_threads()
    if isinstance(frame, Stream):
        return Stream(_open_each(frame.tables, columns), frame.n_rows)
    if isinstance(frame, pl.LazyFrame):
        return Stream(_collect(frame, columns))
    if hasattr(frame, "read_next_batch"):
        return Stream(_open_each(iter(frame), columns))
    if hasattr(frame, "to_arrow_reader") and _has_pyarrow():  # a DuckDB relation
        return Stream(_open_each(iter(frame.to_arrow_reader(ROWS)), columns))
    if isinstance(frame, Iterator) or (isinstance(frame, list | tuple) and frame and _is_frame(frame[0])):
        return Stream(_open_each(iter(frame), columns))
    table = to_polars(frame, columns)
    return Stream(cut(table), len(table))


def _open_each(frames: Iterator[Any], columns: Sequence[str]) -> Generator[pl.DataFrame]:
    try:
        for frame in frames:
            yield from cut(to_polars(frame, columns))
    finally:
        if isinstance(frames, Generator):
            frames.close()  # a query ends here also after a mistake, which may be kept for long


def cut(table: pl.DataFrame) -> Generator[pl.DataFrame]:
    """Give the rows of a table, at most `ROWS` at a time."""
    for start in range(0, len(table), ROWS):
        yield table[start : start + ROWS]


def collect(frame: pl.LazyFrame, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Give the rows of a lazy frame in order, at most `ROWS` at a time, its columns as they are named."""
    for table in frame.collect_batches(chunk_size=ROWS, maintain_order=True):
        for part in cut(table):
            yield part[list(columns)]


def _collect(frame: pl.LazyFrame, columns: Sequence[str]) -> Generator[pl.DataFrame]:
    try:
        check_columns(columns, frame.collect_schema().names())
        for table in collect(frame.select(pl.selectors.by_name(*columns)), columns):
            yield to_polars(table, columns)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(f"polars cannot collect the LazyFrame ({first_line(error)}): collect it first") from error


def _is_frame(one: Any) -> bool:
    return hasattr(one, "columns") or hasattr(one, "__arrow_c_array__")


def _has_pyarrow() -> bool:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True
