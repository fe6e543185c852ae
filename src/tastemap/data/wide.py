"""Reads wide tables: one row a user, one column an item, and weights in the cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import polars.selectors as cs
import scipy.sparse as sp

from tastemap.data._columns import check_weights, drop_missing
from tastemap.data._numbering import Numbering
from tastemap.data._spelling import find_missing, read_ids
from tastemap.data.frames import kind_of, to_polars, to_series
from tastemap.data.ids import IdMap, name_rows
from tastemap.data.sources._numbers import parse_numbers, warn_of_commas
from tastemap.errors import DataError, Remedy, name_some

WAY = Remedy("read it with Interactions.from_wide if every column is an item", "wide", True)
MANY = 20  # columns that a table with one row an interaction rarely has


class Wide(NamedTuple):
    """What a wide table holds: a matrix of users x items, its ids, and whether each cell has a weight."""

    matrix: sp.csc_matrix
    users: IdMap
    items: IdMap
    is_full: bool


def find_users(frame: Any, user: str | None) -> tuple[pl.DataFrame, str]:
    """Return a frame as polars, and its column of users: ``user``, a pandas frame's own index, or the first column."""
    index = getattr(frame, "index", None) if kind_of(frame) == "pandas" else None
    if user is None and index is not None and (index.name is not None or type(index).__name__ != "RangeIndex"):
        name = "user" if index.name is None else str(index.name)
        table = to_polars(frame)
        if name in table.columns:
            raise DataError(f"the index and a column of the frame are both called {name!r}: rename one")
        return table.insert_column(0, to_series(index, name)), name
    table = to_polars(frame)
    return table, choose_users(table.columns, user)


def choose_users(columns: Sequence[str], user: str | None) -> str:
    """Return the name of the column of users, the first one for None; raise DataError where there is no such table."""
    if len(columns) < 2:
        raise DataError(f"a wide table has a column of users and one for every item, and this has {len(columns)}")
    if user is not None and user not in columns:
        raise DataError(f"there is no column {user!r} of users: leave it out to take the first", column=user)
    repeated = [name for name, n in Counter(columns).items() if n > 1]
    if repeated:
        raise DataError(f"several columns of the wide table are called {name_some(repeated)}: rename all but one")
    return columns[0] if user is None else user


def read_wide(table: pl.DataFrame, user: str, *, allow_negative: bool, drop_nulls: bool, keep_na: bool) -> Wide:
    """Return the weights in the cells of a wide table; a cell with nothing, a null, NaN or a word for them has none.

    user : the column of users; every other one is an item, whose id its name spells
    allow_negative, drop_nulls, keep_na : as for `Interactions.from_frame`; rows without a user are left out or refused

    Raises DataError for a user in two rows, and for a cell that is no number.
    """
    if drop_nulls:
        table, _ = drop_missing(table, [user], {user: keep_na})
    if table.is_empty():
        raise DataError("there are no rows: interactions need at least one")
    own_name = user or "user"  # programs write no name for the names of rows
    numbering = Numbering(own_name, None, "users", keep_na=keep_na)
    rows = numbering.number(table[user])
    users = numbering.make_map()
    if len(users) < len(table):
        twice = np.flatnonzero(rows == rows[np.flatnonzero(np.diff(np.maximum.accumulate(rows), prepend=-1) == 0)[0]])
        raise DataError(
            f"user {users[rows[twice[0]]]!r} is in {name_rows(twice)}, and in a wide table each has one row",
            "bring them together first",
            column=user,
            rows=twice,
        )
    names = [name for name in table.columns if name != user]
    # All at once, as most columns are of numbers, and there are many.
    plain = (cs.numeric() | cs.boolean()) - cs.by_index(table.columns.index(user))
    table = table.with_columns(plain.cast(pl.Float64).fill_nan(None))
    parts, kept, is_full, has_commas = [], [], True, False
    for name in names:
        weights, comma = _read_cells(table[name])
        if comma is not None and not has_commas:
            has_commas = True
            warn_of_commas(name, comma, "the table")
        has_weight = weights.is_not_null().to_numpy()
        is_full = is_full and bool(has_weight.all())
        if not name.strip():
            if has_weight.any():
                raise DataError("a column of weights has no name, which is the id of an item: name it")
            continue  # a separator at the end of every line
        cells = weights.fill_null(0).to_numpy()
        check_weights(cells, name, allow_negative)
        places = np.flatnonzero(has_weight)
        parts.append((places.astype(np.int32), cells[places]))
        kept.append(name)
    items = IdMap(read_ids(pl.Series(kept, dtype=pl.String)), "items" if own_name == "item" else "item")
    indptr = np.concatenate(([0], np.cumsum([len(places) for places, _ in parts])))
    indices = np.concatenate([places for places, _ in parts])
    data = np.concatenate([weights for _, weights in parts])
    if not len(data):
        raise DataError("no cell has a weight: interactions need at least one")
    return Wide(sp.csc_matrix((data, indices, indptr), shape=(len(users), len(items))), users, items, is_full)


def _read_cells(column: pl.Series) -> tuple[pl.Series, str | None]:
    """Return the cells of an item as float64, null where there is nothing, and the first with a decimal comma."""
    if column.dtype == pl.Float64:
        return column, None
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        numbers, comma = parse_numbers(column, "the table")
        if numbers.dtype != pl.String:
            return numbers.fill_nan(None), comma
        column = column.clone().scatter(find_missing(column), None)
    elif column.dtype != pl.Null:
        raise DataError(
            f"column {column.name!r} holds {column.dtype} values, and the cells of a wide table are weights",
            "leave the columns out that are no items",
            column=column.name,
        )
    weights = column.cast(pl.Float64, strict=False)
    bad = (weights.is_null() & column.is_not_null()).arg_true()
    if len(bad):
        raise DataError(
            f"column {column.name!r} has what is no number, {column[int(bad[0])]!r} in {name_rows(bad)}, and the cells "
            "of a wide table are weights",
            "leave the columns out that are no items",
            column=column.name,
            rows=bad.to_numpy(),
        )
    return weights, None
