"""A table of PostgreSQL as a sink: COPY in one transaction, so that it is there whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from tastemap.data.sinks._tables import TableName, check_replaced, explain_writing, quote_name
from tastemap.data.sinks.base import TableParts
from tastemap.data.sources.addresses import Address
from tastemap.data.sources.calls import interruptibly
from tastemap.data.sources.drivers import cancel, import_driver
from tastemap.errors import DataError, Remedy


@dataclass(frozen=True)
class PostgreSQLTable:
    """A table of PostgreSQL; what a killed process has written of it, the server takes back."""

    address: Address
    table: TableName

    def check(self) -> None:
        """Raise DataError where the server is not reached."""
        with self._connect():
            pass

    def write(self, parts: TableParts) -> None:
        """Copy all parts into a new table, which takes the place of the old one when all are there.

        Readers see the old table until then, and are kept waiting for no longer than the renaming takes.
        """
        new = f"tastemap_{secrets.token_hex(8)}"
        first = parts.make(0)
        with self._connect() as cursor:
            with explain_writing(self.address):
                table = self._find_schema(cursor)
                check_replaced(table, first.columns, partial(_fetch, cursor))
                # Says at once where it cannot be replaced: it is another's, or a view needs it.
                cursor.execute("savepoint before")
                cursor.execute(f"drop table if exists {table.quote()}")
                cursor.execute("rollback to savepoint before")
            for number in range(parts.n):
                frame = parts.make(number) if number else first
                mode = "append" if number else "create"
                with explain_writing(self.address):
                    _copy(cursor, new, frame, mode=mode, db_schema_name=table.schema)
            with explain_writing(self.address):
                cursor.execute(f"drop table if exists {table.quote()}")
                cursor.execute(f"alter table {table.quote(new)} rename to {quote_name(table.name)}")
                cursor.connection.commit()

    def _find_schema(self, cursor: Any) -> TableName:
        """Return the table with its schema: the first of the user's search path where none is named."""
        if self.table.schema is not None:
            return self.table
        ((schema,),) = _fetch(cursor, "select current_schema()")
        if schema is None:
            raise DataError(
                f"{self.address.label} has no schema that tables are made in",
                Remedy("name one, as in table='shop.lists'", "table", ...),
            )
        return self.table._replace(schema=schema)

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        driver = import_driver("adbc_driver_postgresql.dbapi", "adbc-driver-postgresql")
        import_driver("pyarrow", "pyarrow")
        with explain_writing(self.address):
            connection = driver.connect(self.address.whole)
        with connection, connection.cursor() as cursor:
            yield cursor


def _fetch(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _copy(cursor: Any, name: str, frame: pl.DataFrame, **how: Any) -> None:
    interruptibly(lambda: cursor.adbc_ingest(name, frame.to_arrow(), **how), partial(cancel, cursor))
