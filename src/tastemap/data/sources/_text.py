"""Reads the columns of text: csv, tsv, MovieLens .dat and u.data, RecBole .inter, whatever parts their columns."""

from __future__ import annotations

import csv
import io
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data._spelling import MISSING, are_names
from tastemap.data.frames import check_columns
from tastemap.data.sources._dialect import SPACES, Dialect, find_dialect
from tastemap.data.sources._numbers import read_numbers
from tastemap.data.sources._rewrite import double_escaped_quotes, measure, read_whole, unify_line_ends
from tastemap.data.sources._room import check_room
from tastemap.data.sources._unpack import EMPTY, Content, as_polars_source, open_content
from tastemap.data.wide import MANY
from tastemap.errors import DataError, Remedy, TastemapWarning, name_some

_SAMPLE = 10_000  # rows that column types are taken from
_START = 1 << 16  # bytes that the dialect is taken from
# The csv module has one limit for the whole process.
_csv_limit = threading.Lock()
_PIECE = 1 << 18  # of a file; small enough for the processor's cache
_CELL = "|".join((r"", r"[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?", *map(re.escape, MISSING)))
_WIDTH = 16  # bytes that a field takes, as a text of up to 12 characters
# What parts columns for polars, which splits on single bytes, where a text parts them by more.
_STAND_INS = (b"\x1f", b"\x1e", b"\x1d", b"\x1c")
_BLANKS = " \t\u00a0"
# A quote behind a backslash within a field in quotes, as MySQL writes it: no quote that ends the field.
_ESCAPED = re.compile(
    rb'(?:^|[,;|\t \x1c-\x1f])"(?:[^"\\\r\n]|\\[^"\r\n])*\\"(?![,;|\t\r\n"\x1c-\x1f]|\Z)', re.MULTILINE
)
_WITHOUT_QUOTES = Remedy("pass quotes=False to read quotes as letters", "quotes", False)


class _Tally(NamedTuple):
    lines: int
    separators: int
    has_quotes: bool
    has_lone_returns: bool
    has_odd_numbers: bool
    is_padded: bool
    has_escapes: bool


@dataclass(frozen=True)
class TextTable:
    """The columns and rows of a text.

    name : the name of the file, whose ending tells the format
    content : where it lies, or its bytes
    label : its name in messages
    separator : what parts columns; None finds it in the first lines
    columns : the names of all columns, where the text does not begin with them
    quotes : whether fields may be in quotes
    """

    name: str
    content: Content
    label: str
    separator: str | None = None
    columns: tuple[str, ...] | None = None
    quotes: bool = True

    def read_header(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._dialect.names)

    def explain_missing(self) -> DataError | None:
        """Return an error that says why usual columns may be missing: no header, or another separator; else None."""
        dialect = self._dialect
        first = "".join(dialect.names)
        if re.fullmatch(r"\+[-+]+\+", first):
            return DataError(
                f"{self.label} is a table that was drawn for people", "write it for programs, e.g. with mysql --batch"
            )
        if re.fullmatch(r"\d+:", first):
            return DataError(
                f"{self.label} has rows in blocks below a line of their own, {first!r}",
                "write what it says into every row of the block",
            )
        if self.looks_wide():
            return None
        guessed = dialect.guess_names()
        if guessed is not None:
            return DataError(
                f"{self.label} has no names of columns in its first line, which holds {name_some(dialect.names, 12)}",
                Remedy(f"name them with columns={list(guessed)!r}", "columns", guessed),
                path=self.label,
            )
        if len(dialect.names) == 1 and self.separator is not None:
            other = replace(self, separator=None)._dialect.separator
            if other in dialect.names[0]:
                way = Remedy(f"pass separator={other!r}", "separator", other)
                return DataError(f"{self.label} has one column, {dialect.names[0]!r}", way)
        return None

    def find_other_separator(self) -> str | None:
        """Return what parts columns where that is not what the name of the file tells, else None."""
        found = self._dialect.separator
        usual = (self._usual_separator, *(("::", "\t") if self._suffix in (".dat", ".data") else ()))
        return None if self.separator is not None or len(self._dialect.names) < 2 or found in usual else found

    def read(
        self, columns: Sequence[str] | None, texts: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> pl.DataFrame:
        """Read the named columns, or all; raises DataError for one that is not there and for quotes inside fields.

        texts : columns that are read as they are written, without spaces around them; the values of others tell their
            types
        numbers : columns of numbers, whatever their decimal mark
        """
        dialect = self._dialect
        asked = list(columns or dialect.places)
        names = [name if name in dialect.places else name.strip(_BLANKS) for name in asked]
        self._check_columns(names if columns else ())
        tally = self._tally
        if tally.has_lone_returns:
            content = unify_line_ends(self.content, self.label, quotes=dialect.quoted)
            if content != self.content:
                return replace(self, content=content).read(columns, texts, numbers)
        if dialect.quoted and tally.has_escapes and (doubled := self._double_escaped_quotes()) is not None:
            return doubled.read(columns, texts, numbers)
        check_room(tally.lines * len(names) * _WIDTH, self.label)
        has_quotes = dialect.quoted and tally.has_quotes
        wanted = [dialect.places[name] for name in names]
        if has_quotes or dialect.has_row_names or tally.separators != tally.lines * (len(dialect.names) - 1):
            # polars counts the fields of a line only where it reads all columns; otherwise one field too many shifts
            # the others unnoticed.
            wanted = list(range(len(dialect.names)))
        kept = {
            dialect.places[name.strip(_BLANKS) if name not in dialect.places else name]
            for name in texts
            if name in asked
        }
        try:
            table = self._read_typed(sorted(set(wanted)), kept)
        except pl.exceptions.NoDataError:
            return pl.DataFrame(schema=dict.fromkeys(asked, pl.String))
        if has_quotes and table.height != tally.lines - dialect.skipped:
            self._check_quotes(table.height)
        if dialect.has_row_names and table[:, -1].null_count() and (error := self._explain_ragged_line()) is not None:
            raise error  # in a line without a name of its row the fields would stand for their neighbours, unnoticed
        table = pl.DataFrame({own: table[str(dialect.places[name])] for name, own in zip(names, asked, strict=True)})
        if dialect.padded or tally.is_padded:
            table = self._strip(table, (*texts, *numbers))
        for name in (name for name in numbers if name in table.columns and table[name].dtype == pl.String):
            table = table.with_columns(read_numbers(table[name], self.label))
        return table

    def read_pieces(
        self, size: int, columns: Sequence[str], texts: Sequence[str], numbers: Sequence[str]
    ) -> Iterator[pl.DataFrame] | None:
        """Return the rows that `read` reads in tables of about so many bytes of the text, where that can be done.

        None where it cannot: what is quoted or padded hangs together, and a column of ids has to be of numbers in all
        rows, or of texts by its first. Whether it is of numbers is found first, by reading the text once more.
        """
        dialect, tally = self._dialect, self._tally
        if self._marked[0] is not self.content:
            return None
        named = {dialect.places[name]: name for name in columns if name in dialect.places}
        is_usual = len(named) == len(columns) and not (dialect.has_row_names or dialect.padded or dialect.repeated)
        is_plain = not (tally.has_quotes or tally.has_lone_returns or tally.is_padded)
        if not (is_usual and is_plain and tally.separators == tally.lines * (len(dialect.names) - 1)):
            return None
        types = self._find_lasting_types(named, texts, numbers)
        if types is None:
            return None

        def read(piece: bytes, skipped: int) -> pl.DataFrame:
            table = self._read_csv(piece, sorted(named), types, skip_rows=skipped)
            return table.rename({f"column_{place}": name for place, name in named.items()})[list(columns)]

        try:
            for piece, skipped in self._cut(size):
                read(piece, skipped)
        except pl.exceptions.PolarsError:  # which is told where the text is read as a whole
            return None
        return (read(piece, skipped) for piece, skipped in self._cut(size))

    def looks_wide(self) -> bool:
        """Return whether there are many columns and the first rows have hardly more than numbers behind the first."""
        cells = [cell for fields in self._dialect.records[1:] for cell in fields[1:]]
        n_numbers = sum(re.fullmatch(_CELL, cell) is not None for cell in cells)
        return len(self._dialect.names) > MANY and n_numbers > 0.8 * len(cells)

    def explain(self, reason: str) -> DataError:
        """Return an error that says why polars could not read the text; ``reason`` is what polars says."""
        if "utf-8" in reason.lower() or "utf8" in reason.lower():
            return DataError(
                f"{self.label} is not UTF-8 text in line {self._find_undecodable_line()}",
                Remedy("pass its encoding, e.g. encoding='latin-1'", "encoding", "latin-1"),
            )
        if "malformed" in reason or 'parse `"' in reason:
            return self._make_quotes_error()
        if "fields" in reason or "n_extra" in reason:
            error = self._explain_ragged_line()
            if error is not None:
                return error
        return DataError(f"cannot read {self.label}: {reason}")

    @property
    def _suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()

    @property
    def _usual_separator(self) -> str:
        if self._suffix == ".dat":
            return "::"
        return "\t" if self._suffix in (".tsv", ".inter", ".item", ".user", ".data") else ","

    @cached_property
    def _dialect(self) -> Dialect:
        with open_content(self.content) as stream:
            start = stream.read(_START)
            start += stream.readline()  # a line of names may be longer
            is_whole = not stream.read(1)
        if b"\0" in start[:1000]:
            raise DataError(
                f"{self.label} is not text: pass a csv, tsv or parquet file, in UTF-8 and under its own ending"
            )
        if self.quotes and _ESCAPED.search(start):
            start = double_escaped_quotes(start)
        text = start.decode("utf-8", errors="replace")
        if not text.strip():
            raise DataError(f"{self.label} is empty: {EMPTY}")
        return find_dialect(
            text,
            is_whole=is_whole,
            label=self.label,
            usual=self._usual_separator,
            movielens=self._suffix in (".dat", ".data"),
            separator=self.separator,
            columns=self.columns,
            quotes=self.quotes,
        )

    @cached_property
    def _marked(self) -> tuple[Content, str]:
        """The content, and the one byte that parts its columns."""
        separator = self._dialect.separator
        if len(separator.encode()) == 1 and (separator != SPACES or self._dialect.quoted):
            return self.content, separator
        check_room(measure(self.content), self.label)
        whole = read_whole(self.content)
        mark = next((mark for mark in _STAND_INS if mark not in whole), None)
        if mark is None:
            raise DataError(
                f"{self.label} holds every control character that could stand for {separator!r}: remove them"
            )
        if separator == SPACES:
            trimmed = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", whole)
            return re.sub(rb"[ \t]+", mark, trimmed), mark.decode()
        return whole.replace(separator.encode(), mark), mark.decode()

    def _check_columns(self, names: Sequence[str]) -> None:
        """Raise DataError for names that the text does not have, or has several times."""
        dialect = self._dialect
        if any(name not in dialect.places for name in names) and (error := self.explain_missing()) is not None:
            raise error
        check_columns(names, list(dialect.names))
        for name in names:
            if name in dialect.repeated:
                raise DataError(
                    f"{self.label} has {dialect.names.count(name)} columns {name!r}: rename all but one", column=name
                )

    @cached_property
    def _tally(self) -> _Tally:
        """Count lines and separators, look for quotes, CR without LF, numbers such as 007, spaces around fields."""
        content, mark = self._marked
        code = mark.encode()
        separators = lines = lone = 0
        has_quotes = has_escapes = is_odd = False
        is_padded = mark == SPACES
        last = b"\n"  # what came before the piece
        with open_content(content) as stream:
            while piece := stream.read(_PIECE):
                has_quotes = has_quotes or b'"' in piece
                whole = last + piece
                characters, n_last = np.frombuffer(whole, np.uint8), len(last)
                is_separator, is_line_end = characters == code[0], characters == ord("\n")
                separators += _count_true(is_separator[n_last:])
                lines += _count_true(is_line_end[n_last:])
                if b"\r" in piece or last[-1:] == b"\r":
                    is_return = characters[n_last - 1 :] == ord("\r")
                    is_lone = is_return[:-1] & ~is_line_end[n_last:]
                    lone += _count_true(is_lone)
                has_escapes = has_escapes or (has_quotes and b'\\"' in whole)
                is_edge = is_separator | is_line_end
                is_odd = is_odd or has_quotes or _has_odd_numbers(characters, is_edge)
                if not is_padded and b" " in piece:
                    if has_quotes:
                        is_edge |= characters == ord('"')
                    if b"\r" in piece:
                        is_edge |= characters == ord("\r")
                    is_blank = characters == ord(" ")
                    is_padded = bool((is_blank[1:] & is_edge[:-1]).any() or (is_blank[:-1] & is_edge[1:]).any())
                last = whole[-2:]
        return _Tally(lines + (last[-1:] != b"\n"), separators, has_quotes, lone > 0, is_odd, is_padded, has_escapes)

    def _double_escaped_quotes(self) -> TextTable | None:
        """Return the text with quotes behind backslashes doubled, and warn; None where no field has such a quote."""
        whole = read_whole(self.content)
        found = _ESCAPED.search(whole)
        if found is None:
            return None
        check_room(2 * len(whole), self.label)
        line = whole.count(b"\n", 0, found.end()) + 1
        warnings.warn(
            TastemapWarning(f'{self.label}: took \\" as a quote inside a field, first in line {line}', line=line),
            stacklevel=5,
        )
        return replace(self, content=double_escaped_quotes(whole))

    def _strip(self, table: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
        """Take the spaces off both ends of texts, and warn where there were any in the named columns.

        Other columns may be of numbers without them.
        """
        counts = {}
        for column in (column for column in table if column.dtype == pl.String):
            stripped = column.str.strip_chars(_BLANKS)
            changed = int(((stripped != column) & (stripped != "")).sum())
            if changed and column.name in names:
                counts[column.name] = changed
            if changed:
                own = stripped if column.name in names else stripped.replace("", None)
                table = table.with_columns(own if column.name in names else own.cast(_guess_type(own)))
        if counts:
            told = ", ".join(f"{n:,} in column {name!r}" for name, n in counts.items())
            warnings.warn(
                TastemapWarning(
                    f"{self.label}: took the spaces off values that had some around them, {told}", columns=tuple(counts)
                ),
                stacklevel=5,
            )
        return table

    def _check_quotes(self, n_read: int) -> None:
        """Refuse a text where a quote inside a field, as in 12-inch titles, hid the lines up to the next one."""
        with self._open_records(quoted=True) as records:
            rows = sum(1 for fields in records if fields) - (self._dialect.skipped > 0)
        if rows != n_read:
            raise self._make_quotes_error()

    @contextmanager
    def _open_records(self, quoted: bool) -> Iterator[Any]:
        """Give Python's csv reader of the lines, with fields of any size, such as the texts of articles."""
        content, mark = self._marked
        stream = open_content(content)
        with _csv_limit, io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="") as text:
            usual = csv.field_size_limit(2**31 - 1)
            try:
                yield csv.reader(text, delimiter=mark, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
            finally:
                csv.field_size_limit(usual)

    def _make_quotes_error(self) -> DataError:
        line = self._find_stray_quote()
        ways: list[Remedy | str] = ["double such quotes and put the field in quotes"]
        if self._find_ragged_line(quoted=False)[0] == 0:
            ways.append(_WITHOUT_QUOTES)
        where = f", first in line {line}" if line else ""
        return DataError(f"{self.label} has quotes inside fields, which hide the ends of lines{where}", *ways)

    def _find_stray_quote(self) -> int:
        """Return the number of the first line (from 1) with a quote that neither begins nor ends its field, else 0."""
        content, mark = self._marked
        whole, code = read_whole(content), re.escape(mark.encode())
        field = re.compile(rb'(?:"[^"]*(?:""[^"]*)*"|[^"\r\n' + code + rb"]*)(?:" + code + rb"|\r?\n|\r|\Z)")
        end = 0
        for found in field.finditer(whole):
            if found.start() != end:
                return whole.count(b"\n", 0, end) + 1
            end = found.end()
        return 0

    def _explain_ragged_line(self) -> DataError | None:
        line, fields, expected = self._find_ragged_line()
        if not line:
            return None
        ways: list[Remedy | str] = ["quote the fields that contain the separator", "name another separator"]
        if self._dialect.quoted and self._find_ragged_line(quoted=False)[0] == 0:
            ways = [_WITHOUT_QUOTES]
        return DataError(f"{self.label} has {fields} fields in line {line}, where {expected} are expected", *ways)

    def _read_typed(self, places: list[int], texts: set[int]) -> pl.DataFrame:
        """Read columns with types from the first rows; where a later row disproves them, from all rows.

        places : the positions of the columns, ascending; the table has them as its names
        texts : positions of columns that are read as they are written
        """
        content = self._marked[0]
        types, numbers = self._guess_types(places, texts)
        for chosen in (types | numbers, types) if numbers else (types,):
            try:
                table = self._read_csv(content, places, chosen)
                break
            except pl.exceptions.ComputeError as error:
                if "could not parse" not in str(error):
                    raise
        else:  # a later row disproves a type
            table = self._read_csv(content, places, {})
            others = [column for column, place in zip(table, places, strict=True) if place not in texts]
            table = table.with_columns(column.cast(_guess_type(column)) for column in others)
        table.columns = [str(place) for place in places]
        return table

    def _guess_types(self, places: list[int], texts: set[int]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the types of columns by their first rows, and those of the texts that seem to be numbers.

        Where no number is odd these are read as numbers: that is faster, and the texts can be told from them.
        """
        first = self._read_csv(self._marked[0], places, {}, n_rows=_SAMPLE)
        columns = list(zip(first, places, strict=True))
        types = {column.name: pl.String if place in texts else _guess_type(column) for column, place in columns}
        numbers = {
            column.name: pl.Int64
            for column, place in columns
            if place in texts and not self._tally.has_odd_numbers and column.cast(pl.Int64, strict=False).count()
        }
        return types, numbers

    def _find_lasting_types(
        self, named: dict[int, str], texts: Sequence[str], numbers: Sequence[str]
    ) -> dict[str, Any] | None:
        """Return the types of columns by their first rows, if no later row that can be read so gives them others.

        named : the columns by their places; the arguments are otherwise those of `read_pieces`
        """
        first = self._read_csv(self._marked[0], sorted(named), {}, n_rows=_SAMPLE)
        types: dict[str, Any] = {}
        for column, place in zip(first, sorted(named), strict=True):
            is_id = named[place] in texts
            if is_id and not are_names(column):
                if self._tally.has_odd_numbers or not column.cast(pl.Int64, strict=False).count():
                    return None
                types[column.name] = pl.Int64
            else:
                types[column.name] = pl.String if is_id else _guess_type(column)
            if named[place] in numbers and not types[column.name].is_numeric():
                return None
        return types

    def _read_csv(self, content: Content, places: list[int], types: dict[str, Any], **options: Any) -> pl.DataFrame:
        """Read columns, called column_0 and on by their places; those without a type are texts."""
        # polars numbers columns that have no names.
        everything: dict[str, Any] = {f"column_{place}": pl.String for place in range(len(self._dialect.names))}
        usual: dict[str, Any] = {
            "separator": self._marked[1],
            "has_header": False,
            "skip_rows": self._dialect.skipped,
            "quote_char": '"' if self._dialect.quoted else None,
            "missing_columns": "insert",  # of lines that end early
            "glob": False,  # brackets in a name are part of it
        }
        source = as_polars_source(content)
        return pl.read_csv(source, columns=places, schema=everything | types, **(usual | options))

    def _cut(self, size: int) -> Iterator[tuple[bytes, int]]:
        """Give whole lines of about so many bytes, and how many of them come before the rows."""
        skipped = self._dialect.skipped
        with open_content(self.content) as stream:
            while piece := stream.read(size):
                yield piece + stream.readline(), skipped
                skipped = 0

    def _find_ragged_line(self, *, quoted: bool | None = None) -> tuple[int, int, int]:
        """Return the number of the first line (from 1) with more fields than there are columns, its fields and theirs.

        Where rows have names that the line of names lacks, a line with fewer fields counts as well.

        quoted : read fields in quotes, or quotes as letters; None as the text is read

        Where there is no such line, its number is 0.
        """
        dialect = self._dialect
        expected, fewest = len(dialect.names), len(dialect.names) if dialect.has_row_names else 1
        with self._open_records(dialect.quoted if quoted is None else quoted) as records:
            for n, fields in enumerate(filter(None, records)):
                if len(fields) > expected or (n > 0 and len(fields) < fewest):
                    return records.line_num, len(fields), expected
        return 0, 0, expected

    def _find_undecodable_line(self) -> int:
        with open_content(self.content) as stream:
            for number, line in enumerate(stream, 1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    return number
        return 1


def _guess_type(texts: pl.Series) -> Any:
    """Return the type of the values that texts spell; a code such as 007 is a text."""
    known = texts.drop_nulls()
    if known.is_empty() or known.str.contains(r"^[+-]?0\d+$").any():
        return pl.String
    for dtype in (pl.Int64, pl.Float64):
        if not known.cast(dtype, strict=False).null_count():
            return dtype
    return pl.Boolean if known.is_in(["true", "false"]).all() else pl.String


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
