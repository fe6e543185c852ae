"""Finds the sink that a path or an address names."""

from __future__ import annotations

import os
from pathlib import Path

from tastemap.data.sinks._duckdb import DuckDBTable
from tastemap.data.sinks._folder import PartsFolder, WholeFile
from tastemap.data.sinks._postgresql import PostgreSQLTable
from tastemap.data.sinks._tables import TableName
from tastemap.data.sinks.base import Sink
from tastemap.data.sources.addresses import has_scheme, read_address, read_file_path, read_scheme
from tastemap.errors import DataError, ParameterError
from tastemap.files.paths import as_path

WAYS = "a .parquet file, a folder, written lists/, a .duckdb file or an address such as postgresql://user@host/shop"
TABLE = "recommendations"

_DUCKDB = (".duckdb", ".db")


def is_table(target: str | Path) -> bool:
    """Return whether lists go to a table of a database: by an address, or the ending of a file's name."""
    return (isinstance(target, str) and has_scheme(target)) or Path(target).suffix.lower() in _DUCKDB


def is_folder(target: str | Path) -> bool:
    """Return whether lists go to a folder of parts: one that exists, or a name that ends in a slash."""
    if is_table(target):
        return False
    text = os.fspath(target)
    return text.endswith(("/", os.sep)) or as_path(target).expanduser().is_dir()


def open_sink(target: str | Path, *, table: str | None = None, password_file: str | Path | None = None) -> Sink:
    """Return where lists go: a Parquet file, a folder of them, or a table of a DuckDB file or of PostgreSQL.

    target : a path, which ends in / for a folder and in .duckdb or .db for a DuckDB file; or an address,
        postgresql://user@host/shop or duckdb:///shop.duckdb
    table : its name, or schema.name; None is "recommendations". Only databases have one
    password_file : a file whose first line is the password of the address

    Raises ParameterError for options that the target has no use for, DataError for an address that is none.
    """
    as_path(target)
    if not is_table(target):
        for parameter, value in (("table", table), ("password_file", password_file)):
            if value is not None:
                raise ParameterError(
                    f"{parameter} must be left out where lists go to files", parameter=parameter, value=value
                )
        path = as_path(target).expanduser()
        return PartsFolder(path) if is_folder(target) else WholeFile(path)
    name = TableName.read(TABLE if table is None else table)
    scheme = read_scheme(target)
    if scheme == "postgresql":
        return PostgreSQLTable(read_address(target, password_file), name)
    if scheme not in (None, "duckdb"):
        raise DataError(f"lists cannot be written to addresses of {str(target).partition(':')[0]}://: name {WAYS}")
    if password_file is not None:
        raise ParameterError(
            "password_file must be left out for a DuckDB file", parameter="password_file", value=password_file
        )
    return DuckDBTable(read_file_path(target), name)
