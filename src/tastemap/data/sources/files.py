"""Files as a source, whatever their format and packing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

import polars as pl

from tastemap.data._spelling import read_ids
from tastemap.data.frames import NAME_ONE
from tastemap.data.sources._json import JSON_SUFFIXES, JsonTable, begins_as_json
from tastemap.data.sources._parquet import ParquetTable
from tastemap.data.sources._text import TextTable, ends_lines_in_returns, unify_line_ends
from tastemap.data.sources._unpack import EMPTY, Content, unpack
from tastemap.data.wide import WAY
from tastemap.errors import DataError, ParameterError, first_line
from tastemap.files.paths import as_path
from tastemap.forks import check_polars_threads


def open_file(path: str | Path, separator: str | None = None) -> DataFile:
    """Find the data of a csv, tsv, parquet, JSON, MovieLens .dat, u.data or RecBole .inter file, and unpack it once.

    path : the file itself, as .gz, or alone in a .zip
    separator : the character between columns; None takes it from the file name

    Raises DataError, in one sentence, for a file that is missing, empty, cut off or not of its kind, ParameterError for
    a separator that is not one character.
    """
    is_mark = isinstance(separator, str) and len(separator) == 1 and separator.isascii()
    if separator is not None and not (is_mark and separator not in '"\r\n'):
        raise ParameterError(
            f"separator must be one ASCII character, and no quote or line end, got {separator!r}",
            parameter="separator",
            value=separator,
        )
    path = as_path(path).expanduser()
    name, content = unpack(path)
    file = DataFile(name, content, str(path), separator)
    if file.is_text and ends_lines_in_returns(content):
        return replace(file, content=unify_line_ends(content))
    return file


@dataclass(frozen=True)
class DataFile:
    """An unpacked file of columns: a `Source`.

    name : its own name, which tells its format
    content : its path, or its bytes
    label : its name in messages
    separator : the character between columns; None takes it from the name
    """

    name: str
    content: Content
    label: str
    separator: str | None = None

    def read_header(self) -> list[str]:
        """Return the names of the columns; raises DataError for a file that is cut off or not of its kind."""
        with self._explain():
            return self._table.read_header()

    def find_other_separator(self) -> str | None:
        """Return another character that separates columns where the usual one is not in the first line, else None."""
        return self._text.find_other_separator() if self.is_text else None

    def read(
        self,
        columns: Sequence[str] | None = None,
        *,
        ids: Sequence[str] = (),
        keep_na: bool = False,
        drop_nulls: bool = False,
    ) -> pl.DataFrame:
        """Read the named columns, or all.

        ids : columns of ids, where they are there. In a text they are numbers where each is the usual spelling of one,
            7 and not 007, +7 or 7.0, and otherwise texts, all of them
        keep_na, drop_nulls : as for `read_ids`

        Raises DataError, in one sentence, for a file that has no rows, is cut off or not of its kind.
        """
        with self._explain():
            try:
                table = self._table.read(columns, ids)
            except DataError as error:
                if error.column in ids and self.looks_wide():
                    problem = error.problem.removesuffix(f": {NAME_ONE}")
                    raise DataError(problem, NAME_ONE, WAY, **error.facts) from None
                raise
        if table.is_empty():
            raise DataError(f"{self.label} has no rows")
        if not self.is_parquet:
            for name in (name for name in ids if name in table.columns and table[name].dtype == pl.String):
                table = table.with_columns(read_ids(table[name], keep_na=keep_na, drop_nulls=drop_nulls))
        return table

    def looks_wide(self) -> bool:
        """Return whether a text seems to be a table with one column an item, by the first of its rows."""
        return self.is_text and self._text.looks_wide()

    @property
    def is_parquet(self) -> bool:
        """Whether the name is that of a Parquet file."""
        return PurePosixPath(self.name).suffix.lower() in (".parquet", ".pq")

    @property
    def is_text(self) -> bool:
        """Whether the file is a text of lines with a separator: neither Parquet nor JSON."""
        return not self.is_parquet and not self._is_json

    @cached_property
    def _is_json(self) -> bool:
        suffix = PurePosixPath(self.name).suffix.lower()
        return not self.is_parquet and (suffix in JSON_SUFFIXES or begins_as_json(self.content))

    @property
    def _table(self) -> ParquetTable | JsonTable | TextTable:
        if self._is_json:
            return JsonTable(self.content, self.label)
        return ParquetTable(self.content, self.label) if self.is_parquet else self._text

    @property
    def _text(self) -> TextTable:
        return TextTable(self.name, self.content, self.label, self.separator)

    @contextmanager
    def _explain(self) -> Iterator[None]:
        """Turn what polars says about a file that it cannot read into one sentence."""
        check_polars_threads()
        try:
            yield
        except pl.exceptions.NoDataError:
            raise DataError(f"{self.label} is empty: {EMPTY}") from None
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise DataError(self._table.explain(first_line(error))) from error
