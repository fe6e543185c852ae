"""Who interacted with what, how strongly and when."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, Unpack, get_args, overload

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from tastemap.data._checks import check_choice, check_number, check_whole
from tastemap.data._columns import (
    check_event_weights,
    check_weights,
    times_to_series,
)
from tastemap.data._gather import Gatherer, Use
from tastemap.data._pairs import (
    SMALLEST_FLOAT,
    Rows,
    count_rows,
    divide_weights,
    freeze,
    freeze_matrix,
    indptr_of,
    make_csr,
    order_by_pair,
    ranks_of,
    rows_of,
    starts_of,
)
from tastemap.data._sparse import check_matrix, take_matrix
from tastemap.data._spelling import read_ids, respell_ids
from tastemap.data.clock import Clock, Duration, Moment
from tastemap.data.events import read_events
from tastemap.data.frames import as_kind, check_kind, kind_of, name_of
from tastemap.data.ids import IdMap, add_to_hash
from tastemap.data.names import guess_column
from tastemap.data.recency import Recency, find_recency
from tastemap.data.sources.databases import open_query
from tastemap.data.sources.files import DataFile, open_file
from tastemap.data.sources.streams import Stream, open_stream
from tastemap.data.wide import choose_users, find_users, read_wide
from tastemap.errors import DataError, ParameterError, Remedy, TastemapWarning, name_some, show
from tastemap.files.paths import as_path
from tastemap.tables import write_html
from tastemap.typing import Array, FrameKind

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Duplicates = Literal["error", "sum", "mean", "last", "max"]
DuplicatesTime = Literal["last", "max", "min"]
Zeros = Literal["keep", "negatives"]
Damping = Literal["log2", "binarize"]
EventWeights = tuple[str, Mapping[Any, float]]


class Layout(TypedDict, total=False):
    """How a file of text is laid out: the options of `Interactions.from_file`, which documents them."""

    separator: str | None
    columns: Sequence[str] | None
    encoding: str | None
    quotes: bool


class Reading(TypedDict, total=False):
    """The options of `Interactions.from_frame`, which documents them and has their defaults."""

    user: str
    item: str
    weight: str | None
    time: str | None
    event_weights: EventWeights | None
    duplicates: Duplicates
    duplicates_time: DuplicatesTime
    users: Any
    items: Any
    zeros: Zeros
    allow_negative: bool
    drop_nulls: bool
    keep_na: bool


@dataclass(frozen=True)
class Columns:
    """The caller's column names; ``time`` is None where there are no times.

    least : the bound of `Interactions.at_least` that all weights in the column reach, None where any weight was kept
    damping : what the column went through after that, `Interactions.log2` or `binarize`; None where weights are as they
        were
    """

    user: str = "user"
    item: str = "item"
    weight: str = "weight"
    time: str | None = None
    least: float | None = None
    damping: Damping | None = None

    @property
    def usual(self) -> float:
        """The weight, before anything was done to weights, of a like of which no weight is known."""
        return max(1.0, self.least or 1.0)

    def weigh(self, weights: Array) -> Array:
        """Return the weights of news, one a pair, after what those of the column went through.

        A weight below the bound says that an item is not liked any more: it becomes 0, as 0 is.
        """
        if self.least is not None:
            weights = np.where(weights >= self.least, weights, np.zeros_like(weights))
        if self.damping is None:
            return weights
        return _damp_to_log2(weights) if self.damping == "log2" else np.sign(weights)


class Interactions:
    """Pairs of a user and an item with a weight and, optionally, a time. Immutable.

    A like is a pair of a weight above 0. A pair of weight 0 was shown or rated, and is not liked: for models of likes
    and for metrics of lists it is as if it were absent, for models of ratings 0 is a rating like any other. `likes`
    leaves such pairs out, and zeros="negatives" does so while reading. Models of likes take weights as multiples of
    their mean, so that no result depends on the unit: counts, hours and shares say the same. Counts with a heavy tail,
    such as plays, are better damped with `log2` or `binarize`.

    matrix : scipy CSR, float32, (users, items), canonical: rows sorted, one entry a pair; its arrays are
        read-only. A stored zero is a pair of weight 0. ``by_user`` and ``by_item`` give its arrays and those
        of its transpose in the same types for any number of pairs
    users, items : `IdMap`, external id <-> row; shared by everything filtered or split from one source
    time : int64 or float64, aligned with ``matrix.data``, or None. Dates are microseconds since 1970 UTC. Numbers are
        taken as seconds or milliseconds since 1970 where all of them lie between 1980 and 2100 as such
    time_type : the polars type of ``time`` in frames, None where there are no times
    order : int32 or int64, aligned with ``matrix.data``: the position of the pair among all pairs in input
        order, a permutation of 0..pairs-1; None where input order is the order of the matrix
    columns : the caller's column names
    frame_kind : the kind of frame that came in and in which results go out: "pandas", "polars" or "pyarrow"

    The last pair of a user is the one with the latest time; of equal times, and without times, the last in input order.
    ``recency`` says the place of each pair in that order.

    ``len`` is the number of pairs. Made by `from_frame`, `from_file`, `from_wide` and `from_csr`; the constructor
    takes arrays that are already as described here, does not copy them, and raises DataError for others.
    """

    def __init__(
        self,
        matrix: sp.csr_matrix,
        users: IdMap,
        items: IdMap,
        *,
        time: Array | None = None,
        time_type: pl.DataType | None = None,
        order: Array | None = None,
        columns: Columns | None = None,
        frame_kind: FrameKind = "polars",
    ) -> None:
        check_matrix(matrix, (len(users), len(items)))
        _check_aligned(matrix.nnz, time, order)
        self._fill(matrix, users, items, time, time_type, order, columns, frame_kind)

    def _fill(
        self,
        matrix: sp.csr_matrix,
        users: IdMap,
        items: IdMap,
        time: Array | None,
        time_type: pl.DataType | None,
        order: Array | None,
        columns: Columns | None,
        frame_kind: FrameKind,
    ) -> Self:
        self.matrix = freeze_matrix(matrix)
        self.users = users
        self.items = items
        self.time = freeze(time)
        self.time_type = None if time is None else time_type or _guess_time_type(time)
        self.order = freeze(order)
        times = None if time is None else "time"
        self.columns = columns or Columns(users.name, items.name, name_weights(users.name, items.name, times), times)
        self.frame_kind = frame_kind
        _check_distinct(self.columns)
        return self

    @classmethod
    def from_frame(
        cls,
        df: Any,
        *,
        user: str = "user",
        item: str = "item",
        weight: str | None = None,
        time: str | None = None,
        event_weights: EventWeights | None = None,
        duplicates: Duplicates = "error",
        duplicates_time: DuplicatesTime = "last",
        users: Any = None,
        items: Any = None,
        zeros: Zeros = "keep",
        allow_negative: bool = False,
        drop_nulls: bool = False,
        keep_na: bool = False,
    ) -> Interactions:
        """Read a frame, or frames that come one after the other, with one row an interaction.

        df : pandas, polars, lazy or pyarrow frame, DuckDB relation, dict of columns; whatever narwhals reads. Or an
            iterator or a list of such frames, or a reader of Arrow batches: these, lazy frames and relations are read a
            part at a time, so that they need not fit in memory
        user, item : columns of ids, integers or strings; rows of the matrix follow their first appearance
        weight : column of numbers, finite and not negative; None gives every row the weight 1
        time : column of integers, floats, dates or datetimes, or of texts that spell these: 2010-12-31 08:26:00,
            31.12.2010, 12/31/2010 8:26 AM, 31-Dec-2010, Fri, 31 Dec 2010 10:00:00 GMT and the like. Days and months in
            numbers are in the one order that suits every row; times with a distance from UTC become times in UTC
        event_weights : (column, {event: weight}) in place of ``weight``; every event needs a weight
        duplicates : what to do where a pair comes twice: "error", take the "sum", "mean" or "max" of the
            weights, or the "last" row. With "last" the pair takes the last row's place
            in input order, otherwise the first row's
        duplicates_time : the time of such a pair: of the "last" row, the "max" or the "min"
        users, items : `IdMap` or ids to use; others in the frame raise UnknownIdError. None takes those in
            the frame
        zeros : what a pair is whose weight is 0 after rows of the same pair are merged: "keep" makes a pair of weight 0
            of it, "negatives" none, because it says that the user does not like the item. Its ids are in the maps
        allow_negative : accept negative weights
        drop_nulls : leave out rows without a user, an item, or a value in another column that is named here
        keep_na : take texts such as NA, N/A, NULL, nan, None and <NA> as ids. By default they stand for a missing id,
            as programs write them for one. A text of nothing or of spaces alone is no id in any case

        Raises DataError naming the column, the first offending rows (from 0) and the remedy.
        """
        check_choice("zeros", zeros, get_args(Zeros))
        check_choice("duplicates", duplicates, get_args(Duplicates))
        check_choice("duplicates_time", duplicates_time, get_args(DuplicatesTime))
        columns = _list_columns(user=user, item=item, weight=weight, time=time, event_weights=event_weights)
        if weight is not None and event_weights is not None:
            raise ValueError(f"pass weight or event_weights, not both: got {show(weight)} and {show(event_weights[0])}")
        use = Use(user, item, weight, time, event_weights)
        gatherer = Gatherer(
            use, users=users, items=items, allow_negative=allow_negative, drop_nulls=drop_nulls, keep_na=keep_na
        )
        kind = kind_of(df)
        stream = open_stream(df, columns)
        # The caller's frame may be gone by now; then the rows that wait are the largest thing in memory.
        del df
        gatherer.add_all(stream)
        del stream
        found = gatherer.finish(duplicates, duplicates_time)
        # Not checked again, which takes a while for a hundred million pairs.
        names = Columns(user, item, weight or name_weights(user, item, time), time)
        read = cls.__new__(cls)._fill(*found, names, kind)
        return read.drop_zeros() if zeros == "negatives" else read

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        separator: str | None = None,
        columns: Sequence[str] | None = None,
        encoding: str | None = None,
        quotes: bool = True,
        **options: Unpack[Reading],
    ) -> Interactions:
        """Read a file of interactions: csv, tsv, parquet, JSON, MovieLens .dat, u.data or RecBole .inter.

        path : the file, or one of these as .gz or alone in a .zip. JSON is one object a line, or an array of objects;
            a key is a column, an absent one no value. Or several files of one kind and the same columns, in the order
            of their names: a folder, whose folders may hold columns of Parquet as year=2026 does, or a pattern such as
            "orders/*.csv". Or an address of Parquet files that polars reads, such as "s3://shop/orders/*.parquet"
        separator : what parts the columns of a text, such as ";" or "::"; "tab", and "space" for any number of spaces.
            None finds it in the first lines
        columns : the names of all columns of a text that does not begin with them, in their order, such as
            ("user", "item", "rating", "time")
        encoding : that of a text, such as "latin-1"; None is UTF-8, or what a byte order mark tells
        quotes : whether fields of a text may be in quotes; False takes quotes as letters
        options : as for `from_frame`. MovieLens files have no header: their columns are user_id, movie_id,
            rating and timestamp

        In a file of text or JSON, the ids of a column are integers where each is spelled as one is, 7 and not 007, +7
        or 7.0; else all of them are texts. Spaces around names, ids and numbers are taken off, and a comma is the
        decimal mark where all weights have it there; warnings say so. `from_frame` takes ids as they are, so that they
        join back. Only the columns that are named are read. Raises DataError as `from_frame` does, and where the file
        is missing, empty, cut off, damaged, too large for memory or not of its kind.
        """
        used = _list_columns(**options)
        keep_na, drop_nulls = options.get("keep_na", False), options.get("drop_nulls", False)
        file = open_file(path, separator, columns=columns, encoding=encoding, quotes=quotes)
        _check_ids_are_there(file, used[:2])
        # Nothing here refers to the bytes of an unpacked file any more when the rows are sorted.
        rows = file.read_batches(
            used, weight=options.get("weight"), ids=used[:2], keep_na=keep_na, drop_nulls=drop_nulls
        )
        return cls.from_frame(Stream(rows, file.count_rows()), **options)

    @classmethod
    def from_query(
        cls, sql: str, connection: Any, *, password_file: str | Path | None = None, **options: Unpack[Reading]
    ) -> Interactions:
        """Read the rows of a query of a database: DuckDB, SQLite, PostgreSQL, or another that SQLAlchemy knows.

        sql : one statement that selects the columns that are named in the options; others it selects are left out
        connection : an address, postgresql://user@host/shop, sqlite:///shop.db or duckdb:///shop.duckdb (a third / for
            a path from the root), or another that SQLAlchemy knows; the path of a DuckDB or SQLite file; or an open
            connection of DuckDB, sqlite3, ADBC or SQLAlchemy, which stays open
        password_file : a file whose first line is the password of the address; None leaves it to the address, and of
            PostgreSQL to PGPASSWORD and .pgpass
        options : as for `from_frame`. Rows in messages are counted from 0 in the order of the query

        Rows come in batches. Decimals are read as numbers, uuids as texts, timestamps as times. A column of SQLite
        whose values are of several types holds texts if one of them is a text, else floats. No message holds a
        password. Raises DataError where the database cannot be reached or refuses the query, where there are no rows,
        and as `from_frame` does; MissingPackageError where the driver, of the extra "database", is not installed.
        """
        query = open_query(sql, connection, password_file=password_file)
        return cls.from_frame(query.read_batches(_list_columns(**options)), **options)

    @classmethod
    def from_events(
        cls,
        folder: str | Path,
        *,
        since: datetime | str | float | None = None,
        duplicates: Duplicates = "last",
        zeros: Zeros = "keep",
        like: Interactions | None = None,
    ) -> Interactions:
        """Read a journal of events, what users did after a model was fitted, as a service writes it.

        folder : the journal; what a process left half written in it is not read
        since : the time of the first event; UTC where it has no distance from UTC. None reads all
        duplicates : what to do where a pair comes twice, as for `from_frame`; the order is that of the times
        zeros : what a pair is whose weight is 0, as for `from_frame`: an update takes it as a like taken back
        like : interactions to which these are news, such as ``model.interactions``: ids become of their type, an event
            without a weight has the least that was a like there, and weights go through the `at_least`, `log2` or
            `binarize` of these, where those below the bound become 0. Ids that cannot be of their type are left out
            with a TastemapWarning. Where its times are numbers of an unknown unit, the events have no times: their
            dates could not be compared

        Columns are "user", "item", "weight" and "time", in UTC. An event without a weight counts as 1. Without ``like``
        ids are read as those of a file are. Raises DataError where there are no events, for a line that is none, with
        its file and number, and as `from_frame` does; ParameterError for a `since` that is no time.
        """
        check_choice("zeros", zeros, get_args(Zeros))
        folder = as_path(folder).expanduser()
        table = read_events(folder, since)
        if like is None:
            table = table.with_columns(read_ids(table[name], keep_na=True) for name in ("user", "item"))
        else:
            check_interactions("like", like)
            table = _respell(table, like, str(folder))
        known = Columns() if like is None else like.columns
        table = table.with_columns(pl.col("weight").fill_null(known.usual))
        read = cls.from_frame(table, weight="weight", time="time", duplicates=duplicates, keep_na=True)
        if like is not None and like.time is not None and not like.clock.can_take(read.clock):
            read = read.forget_times()
        own = replace(read.columns, least=known.least, damping=known.damping)
        read = read._reweigh(known.weigh(read.matrix.data), columns=own)
        return read.drop_zeros() if zeros == "negatives" else read

    @classmethod
    def from_wide(
        cls,
        table: Any,
        *,
        user: str | None = None,
        zeros: Zeros = "keep",
        allow_negative: bool = False,
        drop_nulls: bool = False,
        keep_na: bool = False,
        **layout: Unpack[Layout],
    ) -> Interactions:
        """Read a wide table: one row a user, one column an item, weights in the cells. Empty cells are no pairs.

        table : a frame as for `from_frame`, or the path of a file as for `from_file`
        user : column of users; None takes the index of a pandas frame that has one of its own, such as a pivoted one,
            else the first column. All other columns are items, whose ids their names are: integers where each name is
            spelled as one is, else texts
        zeros : "keep" makes a pair of weight 0 of a cell of 0, "negatives" none. In a table without an empty cell,
            where most are 0, a 0 rather says that there is nothing, and a TastemapWarning says so
        allow_negative : accept negative weights
        drop_nulls : leave out rows without a user
        keep_na : take users such as NA as ids, as for `from_frame`
        layout : how a file is laid out, as for `from_file`

        Users and items without a pair are left out. The columns of the pairs are called as that of the users, "item"
        and "weight". Raises DataError for a user in two rows, a cell that is no number, and as `from_frame` does.
        """
        check_choice("zeros", zeros, get_args(Zeros))
        if isinstance(table, str | Path):
            file = open_file(table, **layout)
            user = choose_users(file.read_header(), user)
            frame = file.read(ids=[user], keep_na=keep_na, drop_nulls=drop_nulls)
        elif layout:
            raise ParameterError(
                f"{min(layout)} is about files, and the wide table is a frame: leave it out",
                parameter=min(layout),
                value=layout[min(layout)],  # type: ignore[literal-required]
            )
        else:
            frame, user = find_users(table, user)
        wide = read_wide(frame, user, allow_negative=allow_negative, drop_nulls=drop_nulls, keep_na=keep_na)
        if zeros == "keep" and wide.is_full and 2 * np.count_nonzero(wide.matrix.data) < len(wide.matrix.data):
            warning = TastemapWarning(
                "no cell of the wide table is empty and most are 0, and each makes a pair of weight 0",
                Remedy("pass zeros='negatives' if 0 says that there is nothing", "zeros", "negatives"),
            )
            warnings.warn(warning, stacklevel=2)
        read = cls.from_csr(
            wide.matrix, users=wide.users, items=wide.items, zeros=zeros, allow_negative=allow_negative
        ).compact()
        return read._copy_with(read.matrix, frame_kind=kind_of(table))

    @classmethod
    def from_csr(
        cls, matrix: Any, *, users: Any = None, items: Any = None, zeros: Zeros = "keep", allow_negative: bool = False
    ) -> Interactions:
        """Take a scipy sparse matrix, users x items; it is copied.

        users, items : `IdMap` or ids, for the rows and for the columns; None numbers them from 0
        zeros : "keep" makes a pair of weight 0 of a stored zero, "negatives" none
        allow_negative : accept negative weights

        Entries stored twice are summed, as SciPy reads them. Raises DataError for weights that are not finite
        or negative, for indices outside the matrix and for maps of another size.
        """
        check_choice("zeros", zeros, get_args(Zeros))
        own = take_matrix(matrix, "users x items")
        if not own.nnz:
            raise DataError(f"the matrix has no entries: got {matrix.shape[0]} x {matrix.shape[1]} of nothing")
        check_weights(own.data, "data", allow_negative)
        n_users, n_items = own.shape
        user_map = _make_map(users, n_users, "user", "users")
        item_map = _make_map(items, n_items, "item", "items")
        if user_map.name == item_map.name:
            raise DataError(f"users and items are both called {user_map.name!r}: name one of them otherwise")
        read = cls(make_csr(own.indptr, own.indices, own.data, n_items), user_map, item_map)
        return read.drop_zeros() if zeros == "negatives" else read

    def __getstate__(self) -> dict[str, Any]:
        # What is computed from the matrix takes as much memory again; the hash takes none.
        computed = {"transposed", "by_user", "by_item", "input_order", "recency"}
        return {name: value for name, value in vars(self).items() if name not in computed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        freeze_matrix(self.matrix)  # copied arrays are no longer read-only
        self.time, self.order = freeze(self.time), freeze(self.order)

    def __len__(self) -> int:
        return int(self.matrix.nnz)

    def __repr__(self) -> str:
        text = f"Interactions: {len(self):,} pairs, {self.n_users:,} users x {self.n_items:,} items"
        if len(self):
            low, high = self.matrix.data.min(), self.matrix.data.max()
            text += f", weights {low:g} to {high:g}" if low < high else f", weights {low:g}"
            if self.time is not None:
                text += f", {self.clock.format(self.time.min())} to {self.clock.format(self.time.max())}"
        return text

    def _repr_html_(self) -> str:
        frame = self._show_first(5)
        return write_html(frame.columns, frame.rows(), repr(self))

    def _show_first(self, n: int) -> pl.DataFrame:
        """Return the first pairs in input order."""
        mask = np.zeros(len(self), dtype=bool)
        mask[:n] = True
        return self.pick(mask).to_frame("polars")

    @property
    def shape(self) -> tuple[int, int]:
        """The sizes of the id maps: (users, items)."""
        return len(self.users), len(self.items)

    @cached_property
    def n_users(self) -> int:
        """The number of users with at least one pair."""
        return int(np.count_nonzero(np.diff(self.matrix.indptr)))

    @cached_property
    def n_items(self) -> int:
        """The number of items with at least one pair."""
        return int(np.count_nonzero(count_rows(self.matrix.indices, len(self.items))))

    @cached_property
    def transposed(self) -> sp.csr_matrix:
        """The matrix as items x users: scipy CSR, float32, read-only, made once."""
        # CSR to CSC is a counting sort, linear in the pairs; the arrays of the CSC are the transpose's CSR.
        by_item = self.matrix.tocsc()
        return freeze_matrix(make_csr(by_item.indptr, by_item.indices, by_item.data, len(self.users)))

    def to_csr(self) -> sp.csr_matrix:
        """Return a copy of ``matrix`` that may be changed: scipy CSR, float32, (users, items), for other libraries."""
        return self.matrix.copy()

    @cached_property
    def by_user(self) -> Rows:
        """The arrays of ``matrix`` in the kernels' types."""
        return rows_of(self.matrix)

    @cached_property
    def by_item(self) -> Rows:
        """The arrays of ``transposed`` in the kernels' types."""
        return rows_of(self.transposed)

    @cached_property
    def input_order(self) -> npt.NDArray[np.int64]:
        """The places in ``matrix.data`` of the pairs in input order: int64, (pairs,)."""
        return self._find_input_order()

    def _find_input_order(self) -> npt.NDArray[np.int64]:
        if self.order is None:
            return np.arange(len(self))
        places = np.empty(len(self), dtype=np.int64)
        places[self.order] = np.arange(len(self))
        return places

    @property
    def places(self) -> Array:
        """The position of each pair in input order, aligned with ``matrix.data``: ``order``, also where it is None."""
        return np.arange(len(self)) if self.order is None else self.order

    @cached_property
    def recency(self) -> Recency:
        """How recent each pair is among those of its user: its position from the end, and its time."""
        # Of input_order only this is made: nothing else may need it, and kept it takes more than what is found.
        by_input = None if self.order is None else self._find_input_order()
        return find_recency(self.by_user.indptr, self.time, by_input)

    @cached_property
    def clock(self) -> Clock:
        """The unit of the times."""
        return Clock.of(self.time, self.time_type)

    def row_of_pair(self) -> npt.NDArray[np.int32]:
        """Return the user row of every pair, aligned with ``matrix.data``: int32, (pairs,)."""
        return np.repeat(np.arange(len(self.users), dtype=np.int32), np.diff(self.matrix.indptr))

    def at_least(self, weight: float) -> Interactions:
        """Keep the pairs whose weight is at least ``weight``; the id maps stay. Raises DataError where none is left."""
        check_number("at_least", weight)
        with np.errstate(over="ignore"):  # what no 32-bit float holds is above every weight
            keep = self.matrix.data >= float(weight)
        if not keep.any():
            raise DataError(
                f"no weight is at least {weight:g}: the largest is {self.matrix.data.max() if len(self) else 0:g}",
                Remedy("lower the bound", "at_least", ...),
            )
        return self._keep(keep, columns=replace(self.columns, least=self._find_least(float(weight))))

    def _find_least(self, weight: float) -> float | None:
        """Return the bound of the column's own weights behind a bound of these."""
        known, damping = self.columns.least, self.columns.damping
        if damping == "binarize":
            return known
        if damping == "log2":
            with np.errstate(over="ignore"):
                weight = float(np.exp2(weight) - 1)
        least = weight if known is None else max(known, weight)
        return least if np.isfinite(least) else None

    def likes(self) -> Interactions:
        """Keep the pairs whose weight is above 0; the id maps stay. Raises DataError where there is none."""
        keep = self.matrix.data > 0
        if keep.all():
            return self
        if not keep.any():
            raise DataError("nothing is liked: no pair has a weight above 0", "bring pairs that have one")
        return self._keep(keep)

    def binarize(self) -> Interactions:
        """Return the same pairs, each with the weight 1, those of weight 0 too: leave them out with `likes` first."""
        return self._damp("binarize", np.ones(len(self), np.float32))

    def find_lacking(self, columns: Columns) -> tuple[str, ...]:
        """Return which of "at_least", "log2" and "binarize" the weights of ``columns`` went through and these did not.

        Weights that are all 1, beside those of 0, lack nothing: they may be likes.
        """
        weights, own = self.matrix.data[self.matrix.data != 0], self.columns
        if not len(weights) or (weights == 1).all():
            return ()
        bounded = columns.least is None or own.damping is not None or weights.min() >= columns.least
        lacking = () if bounded or (own.least or -np.inf) >= (columns.least or 0) else ("at_least",)
        return lacking if columns.damping in (None, own.damping) else (*lacking, str(columns.damping))

    def divide(self, unit: float) -> Interactions:
        """Return the same pairs with their weights as multiples of ``unit``, a number above 0.

        Raises DataError for a multiple that is more than 32-bit floats hold. No weight above 0 becomes 0.
        """
        return self if unit == 1 else self._reweigh(divide_weights(self.matrix.data, unit))

    def log2(self) -> Interactions:
        """Damp every weight w to the binary logarithm of 1 + w; raises DataError where a w is -1 or less."""
        if len(self) and self.matrix.data.min() <= -1:
            raise DataError(f"log2(1 + weight) needs weights above -1, got {self.matrix.data.min():g}")
        return self._damp("log2", _damp_to_log2(self.matrix.data))

    def decay(self, half_life: Duration, *, now: Moment | None = None) -> Interactions:
        """Return the same pairs with weights w 2^-((now - time) / half_life): what is long ago counts less.

        half_life : how long ago a pair counts half: a text such as "30d" or "12h", of w, d, h, m for minutes, s, ms and
            us; a timedelta; or a number in the unit of the times where these are numbers
        now : the moment from which ages count, as ``at`` in `split.by_time`; None is the latest time

        No weight above 0 becomes 0. What comes before, such as `at_least` and `log2`, sees the weights as they were;
        news that come with their own weights count as they are, as what happens now.

        Raises DataError where there are no times or some are after ``now``, ParameterError for what is no duration or
        no moment.
        """
        time = self.take_times("decay")
        span = self.clock.read_duration(half_life, "half_life")
        moment = time.max(initial=0) if now is None else self.clock.read_moment(now, "now")
        late = int(np.count_nonzero(time > moment))
        if late:
            raise DataError(
                f"{late:,} of {len(self):,} pairs are after now, the latest of {self.clock.format(time.max())}",
                "pass a later now, or None for the latest time",
                "leave them out with split.by_time",
                pairs=late,
            )
        weights = self.matrix.data * np.exp2((time - moment) / span)
        return self._reweigh(np.where(self.matrix.data > 0, np.maximum(weights, SMALLEST_FLOAT), weights))

    def take_times(self, purpose: str) -> Array:
        """Return the times; raises DataError, which names the purpose, where there are none."""
        time: Array | None = self.time
        if time is None:
            raise DataError(
                f"{purpose} needs times", Remedy("pass time= to from_frame or from_file", "time", ...), purpose=purpose
            )
        return time

    def core(self, *, min_per_user: int = 1, min_per_item: int = 1) -> Interactions:
        """Keep the pairs of users and items that have enough pairs among those kept; the id maps stay.

        min_per_user, min_per_item : the least number of pairs, 1 by default

        Dropping a user may leave an item with too few pairs: this goes on until every user and item left has enough.
        Raises DataError where no pair is left.
        """
        check_whole("min_per_user", min_per_user, lowest=0)
        check_whole("min_per_item", min_per_item, lowest=0)
        rows, columns = self.row_of_pair(), self.matrix.indices
        keep = np.ones(len(self), dtype=bool)
        while True:
            per_user = np.bincount(rows[keep], minlength=len(self.users))
            per_item = np.bincount(columns[keep], minlength=len(self.items))
            stays = keep & (per_user >= min_per_user)[rows] & (per_item >= min_per_item)[columns]
            if np.array_equal(stays, keep):
                break
            keep = stays
        if not keep.any():
            raise DataError(
                f"nothing is left with min_per_user={min_per_user} and min_per_item={min_per_item}: lower one of them"
            )
        return self._keep(keep)

    def top_items(self, n: int) -> Interactions:
        """Keep the pairs of the n items with the most pairs; the id maps stay.

        n : at least 1; where there are no more items, all pairs are kept. Items with as many pairs come in the order
            of a hash of their ids, `IdMap.tie_order`
        """
        check_whole("n", n, lowest=1)
        counts = count_rows(self.matrix.indices, len(self.items))
        if np.count_nonzero(counts) <= n:
            return self
        kept = np.zeros(len(self.items), dtype=bool)
        kept[np.lexsort((self.items.tie_order, -counts))[:n]] = True
        return self._keep(kept[self.matrix.indices])

    def copy(self) -> Interactions:
        """Return interactions over the same arrays, without what has been computed of them, such as `transposed`."""
        return self._copy_with(self.matrix)

    def compact(self) -> Interactions:
        """Drop the ids without pairs from the id maps; the others keep their order."""
        used_users = np.flatnonzero(np.diff(self.matrix.indptr))
        used_items = np.flatnonzero(np.bincount(self.matrix.indices, minlength=len(self.items)))
        indptr = self.matrix.indptr[np.append(used_users, len(self.users))]
        new_column = np.zeros(len(self.items), dtype=np.int32)
        new_column[used_items] = np.arange(len(used_items))
        return self._copy_with(
            make_csr(indptr, new_column[self.matrix.indices], self.matrix.data, len(used_items)),
            users=IdMap(self.users.take(used_users), self.users.name),
            items=IdMap(self.items.take(used_items), self.items.name),
        )

    def pick(self, mask: npt.ArrayLike) -> Interactions:
        """Keep the pairs where ``mask`` is true: bool, (pairs,), in input order. The id maps stay.

        `row_of_pair()[input_order]` has the users of the pairs in this order.

        Raises ValueError for a mask of another type or shape.
        """
        try:
            chosen = np.asarray(mask)
        except ValueError:  # lists of different lengths
            chosen = np.empty(0, object)
        if chosen.dtype != bool or chosen.shape != (len(self),):
            raise ValueError(f"mask must be bool of shape ({len(self)},), got {chosen.dtype} of {chosen.shape}")
        keep = np.empty(len(self), dtype=bool)
        keep[self.input_order] = chosen
        return self._keep(keep)

    def align(self, users: IdMap, items: IdMap) -> tuple[Interactions, int]:
        """Return the pairs over other id maps, and how many pairs were left out because the maps lack their ids.

        Raises UnknownIdError where the maps hold ids of another type.
        """
        if users == self.users and items == self.items:
            same = (
                self
                if users is self.users and items is self.items
                else self._copy_with(self.matrix, users=users, items=items)
            )
            return same, 0
        new_row, new_column = users.find(self.users.ids), items.find(self.items.ids)
        rows, columns = new_row[self.row_of_pair()], new_column[self.matrix.indices]
        known = (rows >= 0) & (columns >= 0)
        rows, columns = rows[known], columns[known]
        by_pair = order_by_pair(rows, columns, len(users), len(items))
        matrix = make_csr(
            indptr_of(rows[by_pair], len(users)), columns[by_pair], self.matrix.data[known][by_pair], len(items)
        )
        moved = self._copy_with(
            matrix,
            users=users,
            items=items,
            time=None if self.time is None else self.time[known][by_pair],
            order=ranks_of(self.places[known][by_pair]),
        )
        return moved, len(self) - len(moved)

    def extend(self, users: IdMap, items: IdMap) -> Interactions:
        """Return the same pairs over longer id maps, made by `IdMap.extend` from these; new ids have no pairs."""
        if users is self.users and items is self.items:
            return self
        indptr = np.append(self.matrix.indptr, np.full(len(users) - len(self.users), self.matrix.indptr[-1]))
        return self._copy_with(
            make_csr(indptr, self.matrix.indices, self.matrix.data, len(items)), users=users, items=items
        )

    def merge(self, news: Interactions) -> Interactions:
        """Return the pairs of both; a pair that is in both takes the weight of ``news``, and the later of its times.

        The id maps are those of this one, extended by the ids that only ``news`` has. In input order the pairs of
        ``news`` come last. Times are put into the unit of these: dates into seconds or milliseconds since 1970, or the
        reverse. Where either has no times, the merged pairs have none.

        Raises UnknownIdError where ids are of another type, DataError where times are of units that cannot be
        converted.
        """
        users, items = self.users.extend(news.users), self.items.extend(news.items)
        parts = [part.align(users, items)[0] for part in (self, news)]
        rows = np.concatenate([part.row_of_pair() for part in parts])
        columns = np.concatenate([part.matrix.indices for part in parts])
        weights = np.concatenate([part.matrix.data for part in parts])
        places = np.concatenate([parts[0].places, len(self) + parts[1].places])
        by_pair = order_by_pair(rows, columns, len(users), len(items))
        rows, columns, weights = rows[by_pair], columns[by_pair], weights[by_pair]
        # The sort is stable: of equal pairs the last is the news.
        first = starts_of(rows, columns)
        last = np.append(first[1:], len(rows)) - 1
        matrix = make_csr(indptr_of(rows[last], len(users)), columns[last], weights[last], len(items))
        time, time_type = _merge_times(*parts)
        if time is not None:
            time = np.maximum(time[by_pair][first], time[by_pair][last])
        lacking = news.find_lacking(self.columns)
        names = self.columns if time is not None else replace(self.columns, time=None)
        if "at_least" in lacking:
            names = replace(names, least=None)
        if lacking and lacking[-1] == self.columns.damping:
            names = replace(names, damping=None)
        return Interactions(
            matrix,
            users,
            items,
            time=time,
            time_type=time_type,
            order=ranks_of(places[by_pair][last]),
            columns=names,
            frame_kind=self.frame_kind,
        )

    def forget_order(self) -> Interactions:
        """Return the same pairs with the order of the matrix as their input order."""
        return self if self.order is None else self._copy_with(self.matrix, order=None)

    def forget_times(self) -> Interactions:
        """Return the same pairs without times."""
        if self.time is None:
            return self
        return self._copy_with(self.matrix, time=None, time_type=None, columns=replace(self.columns, time=None))

    @overload
    def to_frame(self, frame: None = None) -> Any: ...
    @overload
    def to_frame(self, frame: Literal["pandas"]) -> pd.DataFrame: ...
    @overload
    def to_frame(self, frame: Literal["polars"]) -> pl.DataFrame: ...
    @overload
    def to_frame(self, frame: Literal["pyarrow"]) -> pa.Table: ...
    def to_frame(self, frame: FrameKind | None = None) -> Any:
        """Return the pairs in input order: user, item, weight and time under the caller's column names.

        frame : "pandas", "polars" or "pyarrow"; None for the kind that came in
        """
        kind = check_kind(frame or self.frame_kind)
        places = self.input_order
        columns = {
            self.columns.user: self.users.take(self.row_of_pair()[places]),
            self.columns.item: self.items.take(self.matrix.indices[places]),
            self.columns.weight: pl.Series(self.matrix.data[places]),
        }
        if self.time is not None and self.columns.time is not None:
            columns[self.columns.time] = times_to_series(self.time[places], self.time_type)
        return as_kind(pl.DataFrame(columns), kind)

    def fingerprint(self) -> str:
        """Return a hash of the matrix and the ids, as 32 hexadecimal digits; computed once."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for array in self.by_user:
            digest.update(np.ascontiguousarray(array).data)
        for ids in (self.users.ids, self.items.ids):
            add_to_hash(digest, ids)
        return digest.hexdigest()

    def drop_zeros(self) -> Interactions:
        """Keep the pairs whose weight is not 0; the id maps stay. Raises DataError where there is none."""
        keep = self.matrix.data != 0
        if not keep.any():
            raise DataError("nothing is liked: every weight is 0", "bring pairs of other weights")
        return self if keep.all() else self._keep(keep)

    def _keep(self, keep: npt.NDArray[np.bool_], **changes: Any) -> Interactions:
        """Keep the pairs where ``keep`` is true, aligned with ``matrix.data``."""
        before = np.concatenate(([0], np.cumsum(keep)))
        matrix = make_csr(
            before[self.matrix.indptr], self.matrix.indices[keep], self.matrix.data[keep], len(self.items)
        )
        return self._copy_with(
            matrix,
            time=None if self.time is None else self.time[keep],
            order=None if self.order is None else ranks_of(self.order[keep]),
            **changes,
        )

    def _reweigh(self, weights: Array, **changes: Any) -> Interactions:
        matrix = make_csr(self.matrix.indptr, self.matrix.indices, weights, len(self.items))
        return self._copy_with(matrix, **changes)

    def _damp(self, how: Damping, weights: Array) -> Interactions:
        # What is binarized stays so, whatever comes after it: all its weights are the same.
        own = "binarize" if self.columns.damping == "binarize" else how
        return self._reweigh(weights, columns=replace(self.columns, damping=own))

    def _copy_with(self, matrix: sp.csr_matrix, **changes: Any) -> Interactions:
        fields: dict[str, Any] = {
            "users": self.users,
            "items": self.items,
            "time": self.time,
            "time_type": self.time_type,
            "order": self.order,
            "columns": self.columns,
            "frame_kind": self.frame_kind,
        }
        return Interactions(matrix, **{**fields, **changes})


def check_interactions(purpose: str, interactions: object) -> None:
    """Raise DataError, which says how to make them, where something other than Interactions was passed to ``purpose``.

    purpose : the method or the argument
    """
    if isinstance(interactions, Interactions):
        return
    if not hasattr(interactions, "fit") and isinstance(getattr(interactions, "interactions", None), Interactions):
        way = "pass its part .interactions"
    elif isinstance(interactions, tuple) and any(isinstance(part, Interactions) for part in interactions):
        way = "pass one of its parts, as train, test = tm.split.random(data) gives them"
    else:
        from tastemap.data._making import say_how  # of use only here

        way = say_how(interactions, purpose)
    raise DataError(f"{purpose} takes tastemap.Interactions, got {type(interactions).__name__}", way)


def check_not_negative(model: str, interactions: Interactions) -> None:
    """Raise DataError where a weight is negative."""
    lowest = interactions.matrix.data.min(initial=0)
    if lowest < 0:
        raise DataError(f"{model} has no meaning for negative weights, got {lowest:g}: leave them out")


def _merge_times(known: Interactions, news: Interactions) -> tuple[Array | None, pl.DataType | None]:
    """Return the times of both one after the other, in the unit of those known, and their type; None where any lack."""
    if known.time is None or news.time is None:
        return None, None
    time = np.concatenate([known.time, known.clock.take(news.time, news.clock)])
    if not known.clock.is_dated:
        return time, _guess_time_type(time)
    # A date has no time of day, which the news may have.
    return time, news.time_type if known.time_type == pl.Date and news.clock.is_dated else known.time_type


def _damp_to_log2(weights: Array) -> Array:
    return np.log2(1 + weights.astype(np.float64))


def _respell(table: pl.DataFrame, like: Interactions, label: str) -> pl.DataFrame:
    """Return events with ids of the type of those known; others are left out with a warning."""
    maps = {"user": like.users, "item": like.items}
    own = table.with_columns(respell_ids(table[name], known.ids.dtype) for name, known in maps.items())
    lacking = [name for name in maps if own[name].null_count()]
    if not lacking:
        return own
    misfits = name_some(table[lacking[0]].filter(own[lacking[0]].is_null()).unique(maintain_order=True))
    left = own.drop_nulls(lacking)
    problem = f"{label}: {len(own) - len(left):,} of {len(own):,} events have {' or '.join(lacking)} ids that are not "
    problem += f"whole numbers, as those known are, such as {misfits}"
    if left.is_empty():
        raise DataError(problem, column=lacking[0])
    warnings.warn(TastemapWarning(f"{problem}, and are left out", column=lacking[0]), stacklevel=3)
    return left


def _list_columns(
    *,
    user: str = "user",
    item: str = "item",
    weight: str | None = None,
    time: str | None = None,
    event_weights: EventWeights | None = None,
    **_: Any,
) -> list[str]:
    """Return the columns that options of `Interactions.from_frame` name; raise ValueError where two name the same."""
    for argument, name in (("user", user), ("item", item), ("weight", weight), ("time", time)):
        if not isinstance(name, str) and (name is not None or argument in ("user", "item")):
            problem = f"{argument} must be the name of a column, got {show(name)}"
            raise ParameterError(problem, parameter=argument, value=name)
    if event_weights is not None:
        check_event_weights(event_weights)
    event = None if event_weights is None else event_weights[0]
    columns = [name for name in (user, item, weight, time, event) if name is not None]
    if len(set(columns)) != len(columns):
        raise ValueError(f"each column has one use, got {', '.join(map(show, columns))}")
    return columns


def name_weights(*taken: str | None) -> str:
    """Return the name of the column of weights where the caller names none: weight, unless ids or times have it."""
    return next(name for name in ("weight", "weights", "strength", "value") if name not in taken)


def _check_ids_are_there(file: DataFile, ids: Sequence[str]) -> None:
    """Raise DataError where a column of ids is missing and others have usual names, with the options that name them."""
    header = file.read_header()
    missing = [name for name in ids if name not in header and name.strip() not in header]
    usual = {use: guess_column(use, header) for use in ("user", "item", "weight", "time")}
    if not missing or usual["user"] is None or usual["item"] is None or file.explain_missing() is not None:
        return  # what is missing is told where it is read
    options = ", ".join(f"{use}={name!r}" for use, name in usual.items() if name is not None)
    raise DataError(
        f"{file.label} has no column {missing[0]!r}, only {name_some(header, 12)}", f"pass {options}", column=missing[0]
    )


def _check_distinct(columns: Columns) -> None:
    """Raise DataError where two of the columns in which pairs come back have the same name."""
    names = [columns.user, columns.item, columns.weight, *([] if columns.time is None else [columns.time])]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(
            f"two columns are called {min(repeated)!r}, where pairs come back as {name_some(names, 4)}: rename one"
        )


def _check_aligned(n: int, time: Array | None, order: Array | None) -> None:
    """Raise DataError where times are not one for each of n pairs, or the order is no permutation of them."""
    if time is not None and (np.shape(time) != (n,) or time.dtype.kind not in "if"):
        raise DataError(f"time must be int64 or float64 of shape ({n},), got {time.dtype} of shape {np.shape(time)}")
    if time is not None and time.dtype.kind == "f" and not np.isfinite(time).all():
        raise DataError("time must be finite, and holds numbers that are not")
    if order is not None and (order.dtype.kind not in "i" or not np.array_equal(np.sort(order), np.arange(n))):
        raise DataError(f"order must be a permutation of 0..{n - 1}, got {order.dtype} of shape {np.shape(order)}")


def _guess_time_type(time: Array) -> pl.DataType:
    return pl.Float64() if time.dtype.kind == "f" else pl.Int64()


def _make_map(ids: Any, size: int, name: str, argument: str) -> IdMap:
    if ids is None:
        return IdMap(pl.Series(name, np.arange(size, dtype=np.int64)), name)
    own = ids if isinstance(ids, IdMap) else IdMap(ids, name_of(ids, name))
    if len(own) != size:
        raise DataError(f"{argument} must name the {size} {name}s of the matrix, got {len(own)} ids")
    return own
