"""Runs a query through the driver of its database: the names of its columns, and its rows as frames in batches."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import polars as pl

from tastemap.data.frames import to_series
from tastemap.data.sources._arrow import as_number, to_frame
from tastemap.data.sources.addresses import WAYS, Address
from tastemap.data.sources.calls import Caller, heeding, interruptibly
from tastemap.errors import DataError, MissingPackageError, show
from tastemap.extras import import_extra

# The rows of a batch, where the driver lets one choose.
_ROWS = 1 << 17
# That of SQLite makes batches of 1,024 rows otherwise.
_SQLITE = {"adbc.sqlite.query.batch_rows": str(1 << 16)}

Run = Callable[[str], Iterator["Rows"]]


class Rows(NamedTuple):
    """The result of a query while it is read: the names of its columns, and frames of some rows each."""

    names: list[str]
    frames: Iterator[pl.DataFrame]


def find_driver(connection: Any) -> Callable[[str], AbstractContextManager[Rows]]:
    """Return what runs a query: it takes SQL, and gives its rows while a block lasts.

    connection : an `Address`, whose database is opened for the block, or an open connection, which stays open

    Raises DataError for what is no connection, MissingPackageError where the driver is not installed.
    """
    if isinstance(connection, Address):
        return contextmanager(_OPENING[connection.kind](connection))
    libraries = (kind.__module__.partition(".")[0] for kind in type(connection).__mro__)
    library = next((name for name in libraries if name in _OPEN), None)
    if library is None:
        raise DataError(f"a connection is {WAYS} of DuckDB, sqlite3, ADBC or SQLAlchemy, got {show(type(connection))}")
    return contextmanager(_OPEN[library](connection))


def import_driver(module: str, package: str) -> Any:
    """Import a driver, or raise MissingPackageError."""
    return import_extra(module, package, extra="database", purpose="reading and writing databases")


def _run_adbc(connection: Any) -> Run:
    def run(sql: str) -> Iterator[Rows]:
        import_driver("pyarrow", "pyarrow")  # by which ADBC gives batches
        with Caller() as caller:
            if connection.adbc_get_info().get("vendor_name") == "SQLite":
                typed = _type_sqlite(sql, lambda own: caller.call(partial(_fetch, connection, own)))
                yield from _read_adbc(caller, connection, typed.sql, 1, _SQLITE)
            else:
                yield from _read_adbc(caller, connection, sql)

    return run


def _read_adbc(
    caller: Caller, connection: Any, sql: str, n_left_out: int = 0, options: Mapping[str, str] | None = None
) -> Iterator[Rows]:
    cursor = connection.cursor()
    with caller.closing(cursor.close):
        cursor.adbc_statement.set_options(**(options or {}))
        stop = partial(cancel, cursor)
        caller.call(lambda: cursor.execute(sql), stop)
        reader = caller.call(cursor.fetch_record_batch, stop)
        batches = iter(lambda: caller.call(lambda: next(reader, None), stop), None)
        yield Rows(list(reader.schema.names), _leave_out(map(to_frame, batches), n_left_out))


def cancel(cursor: Any) -> None:
    """End what a cursor of ADBC does in another thread, where its driver can."""
    with suppress(Exception):
        cursor.adbc_cancel()


def _fetch(connection: Any, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the names of the columns and the rows of SQL."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        return [column[0] for column in cursor.description or ()], cursor.fetchall()


def _open_postgresql(address: Address) -> Run:
    driver = import_driver("adbc_driver_postgresql.dbapi", "adbc-driver-postgresql")

    def run(sql: str) -> Iterator[Rows]:
        with Caller() as caller:
            connection = caller.call(lambda: driver.connect(address.whole))
            with caller.closing(connection.close):
                yield from _read_adbc(caller, connection, sql)

    return run


def _open_sqlite(address: Address) -> Run:
    driver = import_driver("adbc_driver_sqlite.dbapi", "adbc-driver-sqlite")
    import_driver("pyarrow", "pyarrow")
    place = f"file://{quote(Path(address.whole).as_posix())}?mode=ro"

    def run(sql: str) -> Iterator[Rows]:
        # Which types there are is a long question with a short answer: sqlite3 can stop it, and ADBC cannot.
        with closing(sqlite3.connect(place, uri=True, check_same_thread=False)) as asked:
            typed = _type_sqlite(sql, lambda own: interruptibly(partial(_fetch, asked, own), asked.interrupt))
        with Caller() as caller:
            connection = driver.connect(place)
            with caller.closing(connection.close):
                yield from _read_adbc(caller, connection, typed.sql, 1, _SQLITE)

    return run


def _run_duckdb(connection: Any) -> Run:
    def run(sql: str) -> Iterator[Rows]:
        import_driver("pyarrow", "pyarrow")
        relation = connection.sql(sql)
        if relation is None:  # a statement without a result
            yield Rows([], iter(()))
            return
        # Earlier versions have the second name.
        make = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
        with Caller() as caller:
            reader = caller.call(lambda: make(_ROWS), connection.interrupt)
            with caller.closing(reader.close):  # while it is open, the connection takes no other query
                batches = iter(lambda: caller.call(lambda: next(reader, None), connection.interrupt), None)
                yield Rows(list(relation.columns), map(to_frame, batches))

    return run


def _open_duckdb(address: Address) -> Run:
    driver = import_driver("duckdb", "duckdb")

    def run(sql: str) -> Iterator[Rows]:
        with driver.connect(address.whole, read_only=True) as connection:
            yield from _run_duckdb(connection)(sql)

    return run


def _run_sqlite3(connection: sqlite3.Connection) -> Run:
    def run(sql: str) -> Iterator[Rows]:
        with heeding(connection):
            typed = _type_sqlite(sql, partial(_fetch, connection))
            types: dict[str, Any] = {"schema_overrides": typed.types}
            frames = iter(pl.read_database(typed.sql, connection, iter_batches=True, batch_size=_ROWS, **types))
        yield Rows(list(typed.types), _leave_out(_heed_each(frames, connection), 1))

    return run


def _heed_each(frames: Iterator[pl.DataFrame], connection: sqlite3.Connection) -> Iterator[pl.DataFrame]:
    while True:
        with heeding(connection):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


def _run_sqlalchemy(connection: Any) -> Run:
    def run(sql: str) -> Iterator[Rows]:
        if hasattr(connection, "connect"):  # an engine
            with connection.connect() as opened:
                yield from _run_sqlalchemy(opened)(sql)
            return
        driver = getattr(getattr(connection, "connection", None), "dbapi_connection", None)
        own = driver if isinstance(driver, sqlite3.Connection) else None
        with nullcontext() if own is None else heeding(own):
            frames = _read_sqlalchemy(sql, connection)
            first = next(frames, pl.DataFrame())
        yield Rows(first.columns, _keep_types(first, frames if own is None else _heed_each(frames, own)))

    return run


def _read_sqlalchemy(sql: str, connection: Any) -> Iterator[pl.DataFrame]:
    # Types are those of all rows of a batch: a column may begin with many nulls.
    guess: dict[str, Any] = {"infer_schema_length": None}
    return iter(pl.read_database(sql, connection, iter_batches=True, batch_size=_ROWS, **guess))


def _open_sqlalchemy(address: Address) -> Run:
    driver = import_driver("sqlalchemy", "sqlalchemy")
    try:
        engine = driver.create_engine(address.whole)
    except driver.exc.NoSuchModuleError:
        scheme = address.label.partition(":")[0]
        raise DataError(f"no installed package knows addresses of {scheme}://: a connection is {WAYS}") from None
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"{address.label} needs {error.name}, which is not installed") from None

    def run(sql: str) -> Iterator[Rows]:
        # Drivers of some databases work in the thread alone that connected.
        with Caller() as caller, caller.closing(engine.dispose):
            connection = caller.call(engine.connect)
            with caller.closing(connection.close):
                frames = caller.call(lambda: _read_sqlalchemy(sql, connection))
                first = caller.call(lambda: next(frames, pl.DataFrame()))
                rest = iter(lambda: caller.call(lambda: next(frames, None)), None)
                yield Rows(first.columns, _keep_types(first, rest))

    return run


def _leave_out(frames: Iterator[pl.DataFrame], n_rows: int) -> Iterator[pl.DataFrame]:
    """Leave out the first rows of the first frame."""
    for frame in frames:
        yield frame[n_rows:]
        n_rows = 0


def _keep_types(first: pl.DataFrame, rest: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Give frames of one schema; polars guesses that of each from its values.

    Raises DataError where a column has values of another type further down.
    """
    types: dict[str, pl.DataType] = {}
    n_rows, frame = 0, first
    while True:
        columns = []
        for column in frame:
            own = to_series(column, column.name) if column.dtype == pl.Object else as_number(column)
            known = types.setdefault(own.name, own.dtype)
            if known == pl.Null:
                types[own.name] = own.dtype
            elif own.dtype == pl.Null or (known.is_float() and own.dtype.is_numeric()):
                own = own.cast(known)
            elif own.dtype != known:
                raise DataError(
                    f"column {own.name!r} holds {known} values, and from row {n_rows} on {own.dtype} ones: "
                    "cast it in the query",
                    column=own.name,
                )
            columns.append(own)
        yield pl.DataFrame(columns)
        n_rows += len(frame)
        following = next(rest, None)
        if following is None:
            return
        frame = following


class _Typed(NamedTuple):
    """A query of SQLite whose columns are of one type each, named by its first row, and these types."""

    sql: str
    types: dict[str, pl.DataType]


# For the types that SQLite finds in a column: the first value, which names the type, and what the others are cast to.
_As = tuple[str, str | None, pl.DataType]
_AS_TEXT: _As = ("''", "text", pl.String())
_AS_FLOAT: _As = ("0.5", "real", pl.Float64())
_AS_WHOLE: _As = ("0", None, pl.Int64())
_AS_BYTES: _As = ("x''", None, pl.Binary())


def _type_sqlite(sql: str, fetch: Callable[[str], tuple[list[str], list[tuple[Any, ...]]]]) -> _Typed:
    """Return a query with one type a column, whatever its rows hold: SQLite has a type for each value.

    A column of 4 and 3.5 holds floats, one of 7 and x7 texts. Which types there are, SQLite counts itself.

    fetch : runs SQL and returns the names of its columns and its rows
    """
    sql = sql.strip().rstrip(";")
    # The query alone first, so that SQLite speaks of it and not of what it stands in.
    names, _ = fetch(f"select * from (\n{sql}\n) limit 0") if _is_query(sql) else fetch(sql)
    if not names:
        return _Typed(sql, {})
    quoted = [_quote(name) for name in names]
    _, found = fetch(f"select distinct {', '.join(f'typeof({name})' for name in quoted)} from (\n{sql}\n)")
    first, rest, types = [], [], dict[str, pl.DataType]()
    for place, name in enumerate(names):
        held = {row[place] for row in found} - {"null"}
        how = _AS_TEXT if "text" in held else _AS_FLOAT if "real" in held else _AS_WHOLE
        value, target, types[name] = _AS_BYTES if held == {"blob"} else how
        first.append(f"{value} as {quoted[place]}")
        rest.append(quoted[place] if target is None or held == {target} else f"cast({quoted[place]} as {target})")
    return _Typed(f"select {', '.join(first)} union all select {', '.join(rest)} from (\n{sql}\n)", types)


def _is_query(sql: str) -> bool:
    return sql.lstrip("( \n\t").lower().startswith(("select", "with", "values"))


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_OPENING: dict[str, Callable[[Address], Run]] = {
    "postgresql": _open_postgresql,
    "sqlite": _open_sqlite,
    "duckdb": _open_duckdb,
    "other": _open_sqlalchemy,
}
_OPEN: dict[str, Callable[[Any], Run]] = {
    "adbc_driver_manager": _run_adbc,
    "duckdb": _run_duckdb,
    "_duckdb": _run_duckdb,
    "sqlite3": _run_sqlite3,
    "sqlalchemy": _run_sqlalchemy,
}
