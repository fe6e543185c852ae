"""What tables of databases have in common: their names, and which of them may be replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from tastemap.data.sources.addresses import Address
from tastemap.data.sources.reasons import is_about_connecting, make_connection_error, say_reason
from tastemap.errors import DataError, ParameterError, TastemapError, name_some, show

# PostgreSQL cuts longer ones off without a word.
_MOST_BYTES = 63


class TableName(NamedTuple):
    """The name of a table, of its schema, None for the usual one, and of the database that the schema is in."""

    schema: str | None
    name: str
    database: str | None = None

    @classmethod
    def read(cls, given: object) -> Self:
        """Read NAME or SCHEMA.NAME; raises ParameterError for what is no name."""
        if isinstance(given, str):
            schema, dot, name = given.rpartition(".")
            if all(_is_name(part) for part in ((schema, name) if dot else (name,))):
                return cls(schema if dot else None, name)
        raise ParameterError(
            f"table must be a name, or schema.name, of at most {_MOST_BYTES} bytes each, got {show(given)}",
            parameter="table",
            value=given,
        )

    def quote(self, name: str | None = None) -> str:
        """Return the name in SQL; `name` stands for another table of the same schema."""
        parts = (self.database, self.schema, self.name if name is None else name)
        return ".".join(quote_name(part) for part in parts if part is not None)


def _is_name(text: str) -> bool:
    # What a message shows in another way, such as a NUL, is no name either.
    return bool(text.strip()) and text.isprintable() and 0 < len(text.encode(errors="replace")) <= _MOST_BYTES


def quote_name(name: str) -> str:
    """Return a name in SQL, whatever signs it has."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def check_replaced(
    table: TableName,
    columns: Sequence[str],
    fetch: Callable[[str], list[tuple[Any, ...]]],
    *,
    ignoring_case: bool = False,
) -> None:
    """Raise DataError where something is called like the table that is no table with exactly these columns.

    table : with its schema
    fetch : runs SQL and returns the rows
    ignoring_case : whether A and a are one name
    """
    name = "lower({})" if ignoring_case else "{}"
    same = f"{name.format('table_name')} = {name.format(quote_text(table.name))}"
    place = f"where table_schema = {quote_text(table.schema or '')} and {same}"
    kinds = fetch(f"select table_type from information_schema.tables {place}")
    if not kinds:
        return
    if kinds[0][0] != "BASE TABLE":
        raise DataError(
            f"{table.name} is a {kinds[0][0].lower()}, which is not replaced: name another table", table=table.name
        )
    found = fetch(f"select column_name from information_schema.columns {place} order by ordinal_position")
    own = [name for (name,) in found]
    if {*own} != {*columns}:
        raise DataError(
            f"the table {table.name} has the columns {name_some(own, 6)}, which would be lost: name another table",
            table=table.name,
        )


@contextmanager
def explain_writing(address: Address) -> Iterator[None]:
    """Turn what a driver says while a table is written into one sentence without a password."""
    try:
        yield
    except (TastemapError, MemoryError):
        raise
    except Exception as error:  # drivers have errors of their own, of no common kind
        if is_about_connecting(error):
            raise make_connection_error(error, address) from None
        raise DataError(f"cannot write to {address.label}: {say_reason(error, address)}") from None
