"""Reads the columns of text: csv, tsv, MovieLens .dat and u.data, RecBole .inter."""

from __future__ import annotations

import csv
import io
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data._spelling import MISSING
from tastemap.data.frames import check_columns
from tastemap.data.sources._room import check_room
from tastemap.data.sources._unpack import Content, as_polars_source, open_content
from tastemap.data.wide import MANY
from tastemap.errors import DataError, Remedy

MOVIELENS_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")

_SAMPLE = 10_000  # rows that column types are taken from
# The csv module has one limit for the whole process.
_csv_limit = threading.Lock()
_SEPARATORS = (";", ",", "\t", "|")
_PIECE = 1 << 18  # of a file; small enough for the processor's cache
_FEW = 20  # rows that tell whether a table is wide
_CELL = "|".join((r"", r"[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?", *map(re.escape, MISSING)))
_WIDTH = 16  # bytes that a field takes, as a text of up to 12 characters


class _Layout(NamedTuple):
    """How polars has to read a text: the position of each column, the separator, whether it has a header."""

    places: dict[str, int]
    separator: str
    has_header: bool


class _Tally(NamedTuple):
    lines: int
    separators: int
    has_quotes: bool
    has_lone_returns: bool
    has_odd_numbers: bool


@dataclass(frozen=True)
class TextTable:
    """The columns and rows of a text.

    name : the name of the file, whose ending tells the format
    content : where it lies, or its bytes
    label : its name in messages
    separator : the character between columns; None takes it from the name
    """

    name: str
    content: Content
    label: str
    separator: str | None = None

    def read_header(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._find_layout().places)

    def find_other_separator(self) -> str | None:
        """Return another character that separates columns where the usual one is not in the first line, else None."""
        if self.separator is not None or self._suffix in (".dat", ".data"):
            return None
        first = self._read_first_line()
        others = [mark for mark in _SEPARATORS if mark in first]
        return None if self._usual_separator in first or not others else max(others, key=first.count)

    def read(self, columns: Sequence[str] | None, texts: Sequence[str] = ()) -> pl.DataFrame:
        """Read the named columns, or all; raises DataError for one that is not there and for quotes inside fields.

        texts : columns that are read as they are written; the values of others tell their types
        """
        layout = self._find_layout()
        check_columns(columns or (), list(layout.places))
        names = columns or list(layout.places)
        tally = self._count(layout)
        if tally.has_lone_returns and not tally.has_quotes:
            return replace(self, content=unify_line_ends(self.content)).read(columns, texts)
        check_room(tally.lines * len(names) * _WIDTH, self.label)
        has_quotes = layout.has_header and tally.has_quotes
        if has_quotes or (layout.has_header and tally.separators != tally.lines * (len(layout.places) - 1)):
            # polars counts the fields of a line only where it reads all columns; otherwise one field too many shifts
            # the others unnoticed.
            names = list(layout.places)
        wanted = {layout.places[name]: name for name in names}
        table = self._read_typed(layout, wanted, texts, tally.has_odd_numbers)
        if has_quotes and table.height != tally.lines - 1:
            self._check_quotes(table.height)
        return table[list(columns or layout.places)]

    def looks_wide(self) -> bool:
        """Return whether there are many columns and the first rows have hardly more than numbers behind the first."""
        with self._open_records() as records:
            header, *rows = [*islice(records, _FEW)] or [[]]
        cells = [cell.strip() for row in rows for cell in row[1:]]
        n_numbers = sum(re.fullmatch(_CELL, cell) is not None for cell in cells)
        return len(header) > MANY and n_numbers > 0.8 * len(cells)

    def explain(self, reason: str) -> str:
        """Return one sentence on why polars could not read the text; ``reason`` is what polars says."""
        if "utf-8" in reason.lower() or "utf8" in reason.lower():
            return f"{self.label} is not UTF-8 text: convert it first, e.g. iconv -f latin1 -t utf-8"
        if "malformed" in reason or 'parse `"' in reason:
            return self._quotes_hide_lines
        if self._suffix != ".dat" and "fields" in reason:
            line, fields, expected = self._find_ragged_line()
            return (
                f"{self.label} has {fields} fields in line {line}, where {expected} are expected: "
                "quote the fields that contain the separator, or name another separator"
            )
        return f"cannot read {self.label}: {reason}"

    @property
    def _suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()

    @property
    def _usual_separator(self) -> str:
        return "\t" if self._suffix in (".tsv", ".inter", ".item", ".user", ".data") else ","

    def _read_first_line(self) -> str:
        with open_content(self.content) as stream:
            return stream.readline(1 << 20).decode("utf-8", errors="replace").strip("\r\n")

    def _count(self, layout: _Layout) -> _Tally:
        """Count the lines and separators of the text, and look for quotes, CR without LF, and numbers such as 007."""
        separators = lines = lone = 0
        has_quotes = is_odd = False
        last = b"\n"  # what came before the piece
        with open_content(self.content) as stream:
            while piece := stream.read(_PIECE):
                has_quotes = has_quotes or b'"' in piece
                characters, n_last = np.frombuffer(last + piece, np.uint8), len(last)
                is_separator, is_line_end = characters == ord(layout.separator), characters == ord("\n")
                separators += _count_true(is_separator[n_last:])
                lines += _count_true(is_line_end[n_last:])
                if b"\r" in piece or last[-1:] == b"\r":
                    is_return = characters[n_last - 1 :] == ord("\r")
                    is_lone = is_return[:-1] & ~is_line_end[n_last:]
                    lone += _count_true(is_lone)
                is_odd = is_odd or has_quotes or _has_odd_numbers(characters, is_separator | is_line_end)
                last = (last + piece)[-2:]
        return _Tally(lines + (last[-1:] != b"\n"), separators, has_quotes, lone > 0, is_odd)

    def _check_quotes(self, n_read: int) -> None:
        """Refuse a text where a quote inside a field, as in 12-inch titles, hid the lines up to the next one."""
        with self._open_records() as records:
            rows = sum(1 for fields in records if fields) - 1
        if rows != n_read:
            raise DataError(self._quotes_hide_lines)

    @contextmanager
    def _open_records(self) -> Iterator[Any]:
        """Give Python's csv reader of the lines, with fields of any size, such as the texts of articles."""
        stream = open_content(self.content)
        with _csv_limit, io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="") as text:
            usual = csv.field_size_limit(2**31 - 1)
            try:
                yield csv.reader(text, delimiter=self.separator or self._usual_separator)
            finally:
                csv.field_size_limit(usual)

    @property
    def _quotes_hide_lines(self) -> str:
        return (
            f"{self.label} has quotes inside fields, which hide the ends of lines: double such quotes and put the "
            "field in quotes"
        )

    def _find_layout(self) -> _Layout:
        with open_content(self.content) as stream:
            start = stream.read(1000)
        if b"\0" in start:
            raise DataError(
                f"{self.label} is not text: pass a csv, tsv or parquet file, in UTF-8 and under its own ending"
            )
        if self.separator is None and self._suffix in (".dat", ".data"):
            return self._find_movielens_layout()
        separator = self.separator or self._usual_separator
        source = as_polars_source(self.content)
        names = pl.read_csv(source, separator=separator, n_rows=0, infer_schema=False, glob=False).columns
        other = [mark for mark in _SEPARATORS if len(names) == 1 and mark in names[0]]
        if other:
            way = Remedy(f"pass separator={other[0]!r}", "separator", other[0])
            raise DataError(f"{self.label} has one column, {names[0]!r}", way)
        if separator == "\t":
            # RecBole writes each column's type behind its name: user_id:token.
            names = [name.partition(":")[0] for name in names]
        return _Layout({name: place for place, name in enumerate(names)}, separator, has_header=True)

    def _find_movielens_layout(self) -> _Layout:
        line = self._read_first_line()
        if self._suffix == ".data":
            names = MOVIELENS_COLUMNS[: line.count("\t") + 1]
            return _Layout({name: place for place, name in enumerate(names)}, "\t", has_header=False)
        n_columns = line.count("::") + 1
        if not 2 <= n_columns <= len(MOVIELENS_COLUMNS):
            raise DataError(
                f"{self.label} is not a MovieLens .dat file of UserID::MovieID::Rating::Timestamp: its first line is "
                f"{line[:80]!r}",
                Remedy("for another layout pass separator=", "separator", ...),
            )
        # polars splits on single characters: '::' leaves an empty column between two others.
        places = {name: 2 * place for place, name in enumerate(MOVIELENS_COLUMNS[:n_columns])}
        return _Layout(places, ":", has_header=False)

    def _read_typed(
        self, layout: _Layout, wanted: dict[int, str], texts: Sequence[str], has_odd_numbers: bool
    ) -> pl.DataFrame:
        """Read columns with types from the first rows; where a later row disproves them, from all rows.

        Of ``texts``, those that seem to be numbers are read as such where no number is odd: that is faster, and the
        texts can be told from them.
        """
        places = sorted(wanted)
        options: dict[str, Any] = {
            "separator": layout.separator,
            "has_header": layout.has_header,
            "columns": places,
            "quote_char": '"' if layout.has_header else None,
            "glob": False,  # brackets in a name are part of it
        }
        first = pl.read_csv(as_polars_source(self.content), n_rows=_SAMPLE, infer_schema=False, **options)
        names = [wanted[place] for place in places]
        # As an integer, the code 007 would become 7.
        kept = [
            column.name
            for column, name in zip(first, names, strict=True)
            if name in texts or column.alias("code").str.contains(r"^[+-]?0\d+$").any()
        ]
        types: dict[str, Any] = dict.fromkeys(kept, pl.String)
        numbers = {
            column.name: pl.Int64
            for column, name in zip(first, names, strict=True)
            if name in texts and not has_odd_numbers and column.cast(pl.Int64, strict=False).count()
        }
        for rows, overrides in ([(_SAMPLE, types | numbers)] if numbers else []) + [(_SAMPLE, types), (None, types)]:
            try:
                table = pl.read_csv(
                    as_polars_source(self.content),
                    infer_schema_length=rows,
                    schema_overrides=overrides,
                    **options,
                )
                table.columns = names
                return table
            except pl.exceptions.ComputeError as error:
                if rows is None or "could not parse" not in str(error):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _find_ragged_line(self) -> tuple[int, int, int]:
        """Return the number of the first line (from 1) with more fields than the first, its fields and theirs."""
        with self._open_records() as records:
            expected = len(next(records))
            for fields in records:
                if len(fields) > expected:
                    return records.line_num, len(fields), expected
        return 0, 0, expected


def _has_odd_numbers(characters: npt.NDArray[np.uint8], is_mark: npt.NDArray[np.bool_]) -> bool:
    """Return whether a field may hold a number that is not spelled as usual: with a sign, space or quote, or as 007.

    is_mark : bool, aligned with characters: where a field ends; behind it the next one begins
    """
    # Only these begin with a character before "1".
    starts = np.flatnonzero(is_mark[:-2] & (characters[1:-1] < ord("1")))
    first, second = characters[starts + 1], characters[starts + 2]
    is_digit = (second >= ord("0")) & (second <= ord("9"))
    is_usual = is_mark[starts + 1] | (first == ord("\r")) | ((first == ord("0")) & ~is_digit)
    is_usual |= (first == ord("-")) & is_digit & (second != ord("0"))
    return not is_usual.all()


def _count_true(mask: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))


def unify_line_ends(content: Content) -> Content:
    """Return the content of a text with LF for every CR, or CR LF, that ends a line; the same where it has them."""
    whole = content if isinstance(content, bytes) else content.read_bytes()
    return whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def ends_lines_in_returns(content: Content) -> bool:
    """Return whether the first line of a text ends in CR without LF, as old spreadsheets write."""
    with open_content(content) as stream:
        start = stream.read(1 << 20)
    unquoted = b"".join(start.split(b'"')[::2])
    end = re.search(rb"\r\n?|\n", unquoted)
    return end is not None and end[0] == b"\r" and end.end() < len(unquoted)
