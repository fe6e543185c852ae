"""Looks up by id what a table says about items: titles, genres, years."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from tastemap.data.frames import check_columns, to_polars
from tastemap.data.ids import IdMap
from tastemap.errors import DataError, name_some


def look_up(
    items: IdMap, ids: pl.Series, table: Any, id: str | None = None, columns: str | Sequence[str] | None = None
) -> pl.DataFrame:
    """Return these columns of a table, one row for each of the ids, with nulls for those it does not hold.

    items : the known items; other ids in the table are ignored
    table : a frame of any kind with one row an item; where an id repeats, its first row counts
    id : the column of ids in the table; None takes the name that it has in the training data
    columns : None for all the others
    """
    id = items.name if id is None else id
    if columns is None:
        frame = to_polars(table)
        check_columns([id], frame.columns)
        names = [name for name in frame.columns if name != id]
    else:
        names = [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))
        frame = to_polars(table, list(dict.fromkeys([id, *names])))
    frame = frame.filter(frame[id].is_not_null())
    rows, first = np.unique(items.find(frame[id]), return_index=True)
    rows, first = rows[rows >= 0], first[rows >= 0]
    if not len(rows):
        raise DataError(
            f"the column {id!r} names no item of the model: it has {name_some(frame[id].head(3))}, the model "
            f"{name_some(items.ids.head(3))}"
        )
    place = np.full(len(items), -1)
    place[rows] = first
    places = pl.Series(place[items.find(ids)])
    return frame[names][places.set(places < 0, None)] if names else pl.DataFrame()


def as_texts(column: pl.Series) -> pl.Series:
    """Return a column as strings, the values of a list joined by "|"; raise DataError for types that have no text.

    Missing numbers are null, whether they were null or NaN.
    """
    many = isinstance(column.dtype, pl.List | pl.Array)
    kind = column.dtype.inner if isinstance(column.dtype, pl.List | pl.Array) else column.dtype
    if kind.is_nested() or kind in (pl.Binary, pl.Object, pl.Duration):
        raise DataError(
            f"column {column.name!r} holds {column.dtype}, which is no text: leave it out, or make numbers or texts "
            "of it"
        )
    if kind.is_float() and not many:
        column = column.fill_nan(None)  # pandas writes missing numbers as NaN
    return column.cast(pl.List(pl.String)).list.join("|") if many else column.cast(pl.String)
