"""A table of a DuckDB file as a sink: a transaction a part, so that a killed process leaves whole parts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from tastemap.data.sinks._tables import TableName, check_replaced, explain_writing, quote_name, quote_text
from tastemap.data.sinks.base import TableParts, note_kept
from tastemap.data.sources.addresses import Address, identify
from tastemap.data.sources.drivers import import_driver
from tastemap.errors import DataError
from tastemap.files.writable import check_file

# What the parts are put into until all are there, and what says which work they belong to and how many there are.
_UNFINISHED, _PROGRESS = "{} (unfinished)", "{} (parts)"


@dataclass(frozen=True)
class DuckDBTable:
    """A table of a DuckDB file, which is made where there is none."""

    path: Path
    table: TableName

    @property
    def address(self) -> Address:
        """What messages name."""
        return Address("duckdb", str(self.path), str(self.path))

    def check(self) -> None:
        """Raise OSError where the file cannot be written, DataError where it is another kind of file."""
        check_file(self.path)
        if self.path.exists() and self.path.stat().st_size and identify(self.path) != "duckdb":
            raise DataError(f"{self.path} is no DuckDB file, and would be lost: name another", path=self.path)
        import_driver("duckdb", "duckdb")

    def write(self, parts: TableParts) -> None:
        """Put each part into an unfinished table, which takes the place of the old one when all are there.

        TableParts that an interrupted call for the same table left are kept.
        """
        self.check()
        is_new, is_ours = not self.path.exists(), False
        try:
            with self._connect() as connection:
                is_ours = True
                self._write(connection, parts)
        except Exception as error:
            # Another process may have made the file meanwhile, which DuckDB tells in words alone.
            if is_ours or "lock on file" not in str(error):
                self._forget(is_new)
            raise

    def _write(self, connection: Any, parts: TableParts) -> None:
        work = parts.name()
        with explain_writing(self.address):
            table = self._find_schema(connection)
            unfinished, progress = (table.quote(name) for name in self._names)
            done = self._count_done(connection, table, work)
        try:
            if done == 0:
                first = parts.make(0)
                with explain_writing(self.address), _transaction(connection):
                    check_replaced(table, first.columns, partial(_fetch, connection), ignoring_case=True)
                    connection.execute(f"drop table if exists {unfinished}")
                    connection.execute(f"drop table if exists {progress}")
                    connection.execute(f"create table {progress} as select {quote_text(work)} as work, 0 as parts")
                    _fill(connection, f"create table {unfinished} as", first)
                    connection.execute(f"update {progress} set parts = 1")
                done = 1
            for number in range(done, parts.n):
                frame = parts.make(number)
                with explain_writing(self.address), _transaction(connection):
                    _fill(connection, f"insert into {unfinished}", frame)
                    connection.execute(f"update {progress} set parts = {number + 1}")
                done = number + 1
        except KeyboardInterrupt as stop:
            stop.add_note(note_kept(done, parts.n, self.path))
            raise
        with explain_writing(self.address), _transaction(connection):
            connection.execute(f"drop table if exists {table.quote()}")
            connection.execute(f"alter table {unfinished} rename to {quote_name(table.name)}")
            connection.execute(f"drop table {progress}")

    def _find_schema(self, connection: Any) -> TableName:
        """Return the table with its schema and its database, which may have one name."""
        ((database,),) = _fetch(connection, "select current_database()")
        return TableName(self.table.schema or "main", self.table.name, database)

    def _count_done(self, connection: Any, table: TableName, work: str) -> int:
        """Return how many parts of this work an interrupted call has left."""
        place = f"table_schema = {quote_text(table.schema or '')} and table_name = {quote_text(self._names[1])}"
        if not _fetch(connection, f"select 1 from information_schema.tables where {place}"):
            return 0
        kept = _fetch(connection, f"select work, parts from {table.quote(self._names[1])}")
        return next((n_parts for known, n_parts in kept if known == work), 0)

    def _forget(self, is_new: bool) -> None:
        """Remove what a failed call has written."""
        if is_new:
            for path in (self.path, self.path.with_name(f"{self.path.name}.wal")):
                path.unlink(missing_ok=True)
            shutil.rmtree(self.path.with_name(f"{self.path.name}.tmp"), ignore_errors=True)
            return
        with suppress(Exception), self._connect() as connection:  # the first error is the one to tell
            table = self._find_schema(connection)
            for name in self._names:
                connection.execute(f"drop table if exists {table.quote(name)}")

    @property
    def _names(self) -> tuple[str, str]:
        return _UNFINISHED.format(self.table.name), _PROGRESS.format(self.table.name)

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        driver = import_driver("duckdb", "duckdb")
        import_driver("pyarrow", "pyarrow")
        with explain_writing(self.address):
            connection = driver.connect(str(self.path))
        with connection:
            yield connection


@contextmanager
def _transaction(connection: Any) -> Iterator[None]:
    connection.begin()
    try:
        yield
    except BaseException:
        with suppress(Exception):  # DuckDB has taken it back already, or the first error is the one to tell
            connection.rollback()
        raise
    connection.commit()


def _fill(connection: Any, statement: str, frame: pl.DataFrame) -> None:
    connection.register("tastemap_part", frame.to_arrow())
    try:
        connection.execute(f"{statement} select * from tastemap_part")
    finally:
        connection.unregister("tastemap_part")


def _fetch(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
    return rows
