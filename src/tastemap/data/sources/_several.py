"""Finds the files that are read as one: those of a folder, or those that a pattern names."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import polars as pl

from tastemap.data.frames import NAME_ONE
from tastemap.errors import DataError, name_some
from tastemap.files.journal import list_files

PARQUET = (".parquet", ".pq")
_SUFFIXES = (*PARQUET, ".csv", ".tsv", ".txt", ".dat", ".inter", ".data", ".jsonl", ".ndjson", ".json")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class Table(Protocol):
    """The columns and rows of a file."""

    def read_header(self) -> list[str]:
        """Return the names of the columns."""
        ...

    def read(self, columns: Sequence[str] | None, texts: Sequence[str], numbers: Sequence[str]) -> pl.DataFrame:
        """Read the named columns, or all."""
        ...

    def explain(self, reason: str) -> DataError:
        """Return an error that says why the file cannot be read."""
        ...


@dataclass(frozen=True)
class Chain:
    """The rows of several tables of the same columns, one after the other; `label` names them in messages."""

    tables: tuple[Table, ...]
    label: str

    def read_header(self) -> list[str]:
        """Return the names of the columns; raises DataError where one table has others than the first."""
        names = self.tables[0].read_header()
        for table in self.tables[1:]:
            own = table.read_header()
            if set(own) != set(names):
                raise DataError(
                    f"{self.label} holds tables of other columns, {name_some(names, 8)} and {name_some(own, 8)}",
                    "pass one of its files",
                )
        return names

    def read(
        self, columns: Sequence[str] | None, texts: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> pl.DataFrame:
        """Read the named columns, or all, each in the type that holds the values of every table."""
        wanted = self.read_header() if columns is None else list(columns)
        return pl.concat([table.read(wanted, texts, numbers) for table in self.tables], how="vertical_relaxed")

    def explain(self, reason: str) -> DataError:
        """Return an error that says that one of the files could not be read."""
        return DataError(f"a file of {self.label} cannot be read: {reason}")


def is_address(path: Any) -> bool:
    """Return whether this is an address, such as s3://shop/orders, and no path."""
    return isinstance(path, str) and _SCHEME.match(path) is not None


def find_files(path: Path) -> list[Path] | None:
    """Return the data files of a folder, or those that a pattern names, by name; None where ``path`` is one file.

    Raises DataError where there are none, or of several kinds.
    """
    if path.is_dir():
        if list_files(path):
            return None  # a journal of events, which is read in another way
        found = [file for file in _walk(path) if _suffix_of(file) in _SUFFIXES]
        if not found:
            return None
    elif glob.has_magic(str(path)) and not path.exists():
        found = sorted(Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file())
        if not found:
            raise DataError(f"there is no file {path}")
    else:
        return None
    kinds = sorted({"parquet" if _suffix_of(file) in PARQUET else _suffix_of(file).lstrip(".") for file in found})
    if len(kinds) > 1:
        raise DataError(
            f"{path} holds files of several kinds, {name_some(kinds)}: {NAME_ONE} by a pattern, such as "
            f"{path.name}/*.{kinds[0]}"
        )
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Give the files below a folder by their paths, without those that programs hide."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts):
            yield file


def _suffix_of(file: Path) -> str:
    return PurePosixPath(file.name.lower().removesuffix(".gz")).suffix
