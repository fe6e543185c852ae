"""Files as a source, whatever their format and packing."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from tastemap.data._checks import check_switch
from tastemap.data._spelling import read_ids, read_whole_ids
from tastemap.data.frames import NAME_ONE
from tastemap.data.sources._dialect import check_column_names, read_separator
from tastemap.data.sources._json import JSON_SUFFIXES, JsonTable, begins_as_json
from tastemap.data.sources._parquet import ParquetTable
from tastemap.data.sources._rewrite import decode, ends_lines_in_returns, measure, unify_line_ends
from tastemap.data.sources._several import PARQUET, Chain, Table, find_files, is_address
from tastemap.data.sources._text import TextTable
from tastemap.data.sources._unpack import EMPTY, Content, open_content, unpack
from tastemap.data.sources.streams import cut
from tastemap.data.wide import WAY
from tastemap.errors import DataError, Remedy, TastemapWarning, first_line
from tastemap.files.paths import as_path
from tastemap.forks import check_polars_threads

# The bytes of JSON or text that are read at a time. A smaller text is read as a whole, in three quarters of the time.
PIECE, LARGE_TEXT = 1 << 26, 1 << 29

# What `DataFile.read_first` reads.
_FIRST_BYTES = 1 << 16
_FIRST_ROWS = 1000


def open_file(
    path: str | Path,
    separator: str | None = None,
    *,
    columns: Sequence[str] | None = None,
    encoding: str | None = None,
    quotes: bool = True,
) -> DataFile:
    """Find the data of a csv, tsv, parquet, JSON, MovieLens .dat, u.data or RecBole .inter file, and unpack it once.

    path : the file itself, as .gz, or alone in a .zip; a folder or a pattern such as "orders/*.parquet" of several,
        which are read as one in the order of their names; an address of Parquet files that polars reads, such as
        s3://shop/orders/*.parquet
    separator : what parts the columns of a text, one character or more; "tab", and "space" for any number of
        spaces. None finds it in the first lines
    columns : the names of all columns of a text that does not begin with them, in their order
    encoding : that of a text, as Python knows it, such as "latin-1"; None is UTF-8, or what a byte order mark tells
    quotes : whether fields of a text may be in quotes; False takes quotes as letters

    Raises DataError, in one sentence, for a file that is missing, empty, cut off or not of its kind, ParameterError for
    options that are none.
    """
    check_switch("quotes", quotes)
    mark, names = read_separator(separator), check_column_names(columns)
    if is_address(path):
        return DataFile("address.parquet", str(path), str(path), mark, names, quotes)
    path = as_path(path).expanduser()
    several = find_files(path)
    if several is not None:
        return _open_several(path, several, mark, names, encoding, quotes)
    name, content = unpack(path)
    file = DataFile(name, content, str(path), mark, names, quotes)
    if not file.is_parquet:
        content = decode(content, encoding, str(path))
        file = replace(file, content=content)
    if not file.is_text:
        if names is not None:
            raise DataError(f"{path} has names of its columns", Remedy("leave columns= out", "columns", None))
        return file
    if ends_lines_in_returns(content, quotes=quotes):
        return replace(file, content=unify_line_ends(content, str(path), quotes=quotes))
    return file


def _open_several(path: Path, paths: list[Path], *how: Any) -> DataFile:
    """Open files that are read as one; those of Parquet are one to polars too."""
    mark, names, encoding, quotes = how
    if PurePosixPath(paths[0].name).suffix.lower() in PARQUET:
        return DataFile(paths[0].name, tuple(paths), str(path), mark, names, quotes)
    first, *rest = (open_file(one, mark, columns=names, encoding=encoding, quotes=quotes) for one in paths)
    return DataFiles(first.name, first.content, str(path), mark, names, quotes, tuple(rest)) if rest else first


@dataclass(frozen=True)
class DataFile:
    """An unpacked file of columns: a `Source`.

    name : its own name, which tells its format
    content : its path, or its bytes; of Parquet, several paths or an address too
    label : its name in messages
    separator, columns, quotes : as for `open_file`, where the data are text
    """

    name: str
    content: Content | tuple[Path, ...] | str
    label: str
    separator: str | None = None
    columns: tuple[str, ...] | None = None
    quotes: bool = True

    def read_header(self) -> list[str]:
        """Return the names of the columns; raises DataError for a file that is cut off or not of its kind."""
        with self._explain():
            return self._table.read_header()

    def find_other_separator(self) -> str | None:
        """Return what parts the columns of a text where that is not what its name tells, else None."""
        return self._text.find_other_separator() if self.is_text else None

    def explain_missing(self) -> DataError | None:
        """Return an error that says why columns are missing from a text: no header, or another separator; else None."""
        return None if self.is_parquet else self._text.explain_missing()

    def read(
        self,
        columns: Sequence[str] | None = None,
        *,
        weight: str | None = None,
        ids: Sequence[str] = (),
        keep_na: bool = False,
        drop_nulls: bool = False,
    ) -> pl.DataFrame:
        """Read the named columns, or all.

        weight : a column of numbers; in a text they may have a decimal comma
        ids : columns of ids, where they are there. In a text they are numbers where each is the usual spelling of one,
            7 and not 007, +7 or 7.0, and otherwise texts, all of them
        keep_na, drop_nulls : as for `read_ids`

        Raises DataError, in one sentence, for a file that has no rows, is cut off or not of its kind.
        """
        with self._explain(), self._explain_wide(ids):
            table = self._table.read(columns, ids, () if weight is None else (weight,))
        if table.is_empty():
            raise DataError(f"{self.label} has no rows")
        if not self.is_parquet:
            for name in (name for name in ids if name in table.columns and table[name].dtype == pl.String):
                own = read_ids(table[name], keep_na=keep_na, drop_nulls=drop_nulls)
                whole = read_whole_ids(own) if own.dtype == pl.String else None
                if whole is not None:
                    warnings.warn(
                        TastemapWarning(
                            f"{self.label}: read the ids of column {name!r} as whole numbers: {own.drop_nulls()[0]} is "
                            f"{whole.drop_nulls()[0]}",
                            column=name,
                        ),
                        stacklevel=3,
                    )
                table = table.with_columns(own if whole is None else whole)
        return table

    def count_rows(self) -> int | None:
        """Return the number of rows where that takes no reading, as for Parquet, else None."""
        if not self.is_parquet:
            return None
        with self._explain():
            return ParquetTable(self.content, self.label).count_rows()

    def read_batches(
        self, columns: Sequence[str], *, weight: str | None = None, ids: Sequence[str] = (), **how: bool
    ) -> Generator[pl.DataFrame]:
        """Give the rows that `read` reads a part at a time.

        Those of Parquet, of lines of JSON and of most texts are not in memory together.
        """
        is_empty = True
        with self._explain(), self._explain_wide(ids):
            parts = self._open_parts(columns, weight, ids)
            for table in parts or ():
                is_empty &= table.is_empty()
                yield table
        if parts is None:
            yield from cut(self.read(columns, weight=weight, ids=ids, **how))
        elif is_empty:
            raise DataError(f"{self.label} has no rows")

    def _open_parts(
        self, columns: Sequence[str], weight: str | None, ids: Sequence[str]
    ) -> Iterator[pl.DataFrame] | None:
        """Return the rows a part at a time, None where they are read as a whole."""
        if self.is_parquet:
            return ParquetTable(self.content, self.label).read_batches(columns)
        table = self._table
        if isinstance(table, JsonTable) and table.has_pieces(PIECE):
            return self._read_pieces(table, columns, weight=weight, ids=ids)
        if isinstance(table, TextTable) and measure(table.content) > LARGE_TEXT:
            pieces = table.read_pieces(PIECE, columns, ids, () if weight is None else (weight,))
            return None if pieces is None else itertools.chain.from_iterable(map(cut, pieces))
        return None

    def _read_pieces(
        self, whole: JsonTable, columns: Sequence[str], *, weight: str | None, ids: Sequence[str]
    ) -> Iterator[pl.DataFrame]:
        """Give the rows of lines of JSON a piece at a time; ids are numbers where they are in all of them."""
        whole.check_names(columns)
        are_numbers = dict.fromkeys(ids, True)
        for piece in whole.cut(PIECE):
            if not any(are_numbers.values()):
                break
            for column in piece.read(ids, ids):
                numbers = column.null_count() == len(column) or read_ids(column).dtype != pl.String
                are_numbers[column.name] &= numbers
        for piece in whole.cut(PIECE):
            table = piece.read(columns, ids, () if weight is None else (weight,))
            yield table.with_columns(
                read_ids(table[name]) if are_numbers[name] else table[name].cast(pl.String) for name in ids
            )

    def looks_wide(self) -> bool:
        """Return whether a text seems to be a table with one column an item, by the first of its rows."""
        return self.is_text and self._text.looks_wide()

    def read_first(self) -> pl.DataFrame:
        """Return some of the first rows with all columns, to guess from: none where they cannot be read alone."""
        try:
            if self.is_parquet:
                with self._explain():
                    return ParquetTable(self.content, self.label).read_first(_FIRST_ROWS)
            with open_content(self.own) as stream:
                start = stream.read(_FIRST_BYTES)
            whole = start if len(start) < _FIRST_BYTES else start[: start.rfind(b"\n") + 1]
            if not whole.strip():  # an array of JSON in one line
                return self.read().head(_FIRST_ROWS)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # those of the whole file are shown
                return replace(self, content=whole).read()
        except DataError:
            return pl.DataFrame()

    @property
    def is_parquet(self) -> bool:
        """Whether the name is that of a Parquet file."""
        return PurePosixPath(self.name).suffix.lower() in PARQUET

    @property
    def is_text(self) -> bool:
        """Whether the file is a text of lines with a separator: neither Parquet nor JSON."""
        return not self.is_parquet and not self._is_json

    @cached_property
    def _is_json(self) -> bool:
        suffix = PurePosixPath(self.name).suffix.lower()
        return not self.is_parquet and (suffix in JSON_SUFFIXES or begins_as_json(self.own))

    @property
    def _table(self) -> Table:
        if self.is_parquet:
            return ParquetTable(self.content, self.label)
        return JsonTable(self.own, self.label) if self._is_json else self._text

    @cached_property
    def _text(self) -> TextTable:
        return TextTable(self.name, self.own, self.label, self.separator, self.columns, self.quotes)

    @property
    def own(self) -> Content:
        """The content of a file of text or JSON, which is one."""
        assert isinstance(self.content, Path | bytes), "only Parquet has several files, or an address"
        return self.content

    @contextmanager
    def _explain_wide(self, ids: Sequence[str]) -> Iterator[None]:
        """Add, where a column of ids is missing, that the file may be a wide table."""
        try:
            yield
        except DataError as error:
            if error.column in ids and self.looks_wide():
                problem = error.problem.removesuffix(f": {NAME_ONE}")
                raise DataError(problem, NAME_ONE, WAY, **error.facts) from None
            raise

    @contextmanager
    def _explain(self) -> Iterator[None]:
        """Turn what polars says about a file that it cannot read into one sentence."""
        check_polars_threads()
        try:
            yield
        except pl.exceptions.NoDataError:
            raise DataError(f"{self.label} is empty: {EMPTY}") from None
        except FileNotFoundError as error:
            raise DataError(f"{error.filename or self.label} has gone since reading began") from error
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise self._table.explain(first_line(error)) from error


@dataclass(frozen=True)
class DataFiles(DataFile):
    """Several files of text or JSON with the same columns, of which the fields name the first.

    rest : the others, in their order
    """

    rest: tuple[DataFile, ...] = ()

    @property
    def _table(self) -> Table:
        return Chain((super()._table, *(file._table for file in self.rest)), self.label)
