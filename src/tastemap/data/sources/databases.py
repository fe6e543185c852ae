"""Queries of databases as a source: rows stream in batches, and what a database says becomes one sentence."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from tastemap.data.frames import check_columns
from tastemap.data.sources.addresses import Address, read_address
from tastemap.data.sources.drivers import Rows, find_driver
from tastemap.data.sources.reasons import is_about_connecting, make_connection_error, say_reason
from tastemap.errors import DataError, ParameterError, TastemapError, name_some, show
from tastemap.forks import check_polars_threads


def open_query(sql: str, connection: Any, *, password_file: str | Path | None = None) -> Query:
    """Take the rows of a query as a source.

    sql : one statement that selects rows, for the database as it is
    connection : an address, postgresql://user@host/shop, sqlite:///shop.db, duckdb:///shop.duckdb, or another that
        SQLAlchemy knows; the path of a DuckDB or SQLite file; or an open connection of DuckDB, sqlite3, ADBC or
        SQLAlchemy, which stays open
    password_file : a file whose first line is the password of the address; None leaves it to the address, PGPASSWORD
        and .pgpass

    Nothing is asked of the database yet. Raises DataError for an address or a file that is none, ParameterError for a
    query that is no text, MissingPackageError where the driver is not installed.
    """
    if not isinstance(sql, str) or not sql.strip():
        raise ParameterError(f"sql must be a query that selects rows, got {show(sql)}", parameter="sql", value=sql)
    if isinstance(connection, str | Path):
        return Query(sql, read_address(connection, password_file))
    if password_file is not None:
        raise ParameterError(
            "password_file must be left out for an open connection", parameter="password_file", value=password_file
        )
    return Query(sql, connection)


class Query:
    """The rows of a query: a `Source`. Several readings run the query as many times.

    label : the address in messages, without a password
    """

    def __init__(self, sql: str, connection: Any) -> None:
        self._sql, self._connection = sql, connection
        self._run = find_driver(connection)
        self._begun: tuple[Rows, Any] | None = None

    @property
    def label(self) -> str:
        """What the messages are about."""
        if isinstance(self._connection, Address):
            return f"the query of {self._connection.label}"
        return "the query"

    def read_header(self) -> list[str]:
        """Return the names of the columns; raises DataError where the database refuses the query."""
        return self._begin()[0].names

    def read_batches(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Give the rows of the named columns, or of all, in frames of some 100,000 each: as they come, none twice.

        Raises DataError for a column that is not there, a query that fails and a connection that is lost.
        """
        rows, close = self._begin()
        try:
            check_columns(columns or (), rows.names)
            self._begun, n_rows = None, 0
            while True:
                with self._explain(n_rows):
                    frame = next(rows.frames, None)
                if frame is None:
                    if not n_rows:
                        raise DataError(f"{self.label} has no rows")
                    return
                n_rows += len(frame)
                yield frame if columns is None else frame[list(columns)]
        finally:
            close()

    def read(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the named columns, in this order, with at least one row; raises as `read_batches` does."""
        return pl.concat([frame for frame in self.read_batches(columns) if len(frame)], how="vertical_relaxed")

    def read_first(self, n_rows: int = 1000) -> pl.DataFrame:
        """Return some of the first rows with all columns; a reading that follows gives them again."""
        rows, close = self._begin()
        with self._explain(0):
            first = next(rows.frames, None)
        if first is None:
            return pl.DataFrame()
        self._begun = Rows(rows.names, itertools.chain([first], rows.frames)), close
        return first.head(n_rows)

    def _begin(self) -> tuple[Rows, Any]:
        """Run the query, if it does not run yet; return its rows and what ends it."""
        if self._begun is None:
            check_polars_threads()
            stack = ExitStack()
            # Where a header is all that is wanted, nobody else ends the query.
            close = weakref.finalize(self, stack.close)
            with self._explain(None):
                rows = stack.enter_context(self._run(self._sql))
            self._begun = rows, close
            if not rows.names:
                close()
                raise DataError(f"{self.label} has no columns: it must select some")
            if twice := {name for name in rows.names if rows.names.count(name) > 1}:
                close()
                raise DataError(f"{self.label} has several columns called {name_some(twice)}: name them with AS")
        return self._begun

    @contextmanager
    def _explain(self, n_rows: int | None) -> Iterator[None]:
        """Turn what a driver says into one sentence without a password.

        n_rows : how many have come, None where the query has not begun
        """
        try:
            yield
        except (TastemapError, MemoryError):
            raise
        except Exception as error:  # drivers have errors of their own, of no common kind
            self._raise(error, n_rows)

    def _raise(self, error: Exception, n_rows: int | None) -> NoReturn:
        address = self._connection if isinstance(self._connection, Address) else None
        if address is not None and is_about_connecting(error):
            raise make_connection_error(error, address) from None
        reason = say_reason(error, address)
        # Not `from error`, whose text may hold a password.
        if n_rows:
            raise DataError(f"{self.label} failed after {n_rows:,} rows: {reason}") from None
        raise DataError(f"{self.label} failed: {reason}") from None
