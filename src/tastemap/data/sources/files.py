"""Reads the columns of files, whatever their format and packing."""

from __future__ import annotations

import csv
import gzip
import io
import threading
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import polars as pl

from tastemap.data.frames import check_columns
from tastemap.data.sources.dates import parsed_times
from tastemap.errors import DataError, Remedy, name_some

MOVIELENS_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")

_SAMPLE = 10_000  # rows that column types are taken from
_DATA_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".inter", ".data", ".parquet", ".pq")
# The csv module has one limit for everybody.
_csv_limit = threading.Lock()
_SEPARATORS = (";", ",", "\t", "|")


def read_columns(
    path: str | Path, columns: Sequence[str], *, separator: str | None = None, time: str | None = None
) -> pl.DataFrame:
    """Read the named columns of a file; the parameters are those of `open_file` and `DataFile.read`."""
    return open_file(path, separator).read(columns, time=time)


def open_file(path: str | Path, separator: str | None = None) -> DataFile:
    """Find the data of a csv, tsv, parquet, MovieLens .dat, u.data or RecBole .inter file, and unpack it once.

    path : the file itself, as .gz, or alone in a .zip
    separator : the character between columns; None takes it from the file name

    Raises DataError, in one sentence, for a file that is missing, empty, cut off or not of its kind.
    """
    path = Path(path).expanduser()
    name, content = _unpacked(path)
    return DataFile(name, content, str(path), separator)


class _Layout(NamedTuple):
    """How polars has to read a text: the position of each column, the separator, whether it has a header."""

    places: dict[str, int]
    separator: str
    has_header: bool


_EMPTY = "pass a file with column names and rows"


class _Tally(NamedTuple):
    lines: int
    separators: int
    has_quotes: bool


@dataclass(frozen=True)
class DataFile:
    """An unpacked file of columns.

    name : its own name, which tells its format
    content : where it lies, or its bytes
    label : how messages call it
    separator : the character between columns; None takes it from the name
    """

    name: str
    content: Path | bytes
    label: str
    separator: str | None = None

    def header(self) -> list[str]:
        """Return the names of the columns."""
        with self._explained():
            return list(self._parquet_columns() if self.is_parquet else self._layout().places)

    def other_separator(self) -> str | None:
        """Return the character between columns where the usual one parts no column and this one does, else None."""
        if self.is_parquet or self.separator is not None or self._suffix in (".dat", ".data"):
            return None
        first = self._first_line()
        others = [mark for mark in _SEPARATORS if mark in first]
        return None if self._usual_separator in first or not others else max(others, key=first.count)

    def read(self, columns: Sequence[str] | None = None, *, time: str | None = None) -> pl.DataFrame:
        """Read the named columns, or all.

        time : a column that may hold dates as text; they are read as datetimes

        Raises DataError, in one sentence, for a file that has no rows, is cut off or not of its kind.
        """
        with self._explained():
            table = self._read_parquet(columns) if self.is_parquet else self._read_text(columns)
        if table.is_empty():
            raise DataError(f"{self.label} has no rows")
        if time is not None and table[time].dtype == pl.String:
            table = table.with_columns(parsed_times(table[time], self.label))
        return table

    @property
    def _suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()

    @property
    def is_parquet(self) -> bool:
        """Whether the name says so."""
        return self._suffix in (".parquet", ".pq")

    def _source(self) -> Path | io.BytesIO:
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content

    def _stream(self) -> BinaryIO:
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")

    def _first_line(self) -> str:
        with self._stream() as stream:
            return stream.readline(1 << 20).decode("utf-8", errors="replace").strip("\r\n")

    def _parquet_columns(self) -> list[str]:
        return pl.scan_parquet(self._source(), glob=False).collect_schema().names()

    def _read_parquet(self, columns: Sequence[str] | None) -> pl.DataFrame:
        check_columns(columns or (), self._parquet_columns())
        return pl.read_parquet(self._source(), glob=False, columns=None if columns is None else list(columns))

    def _read_text(self, columns: Sequence[str] | None) -> pl.DataFrame:
        layout = self._layout()
        check_columns(columns or (), list(layout.places))
        names = columns or list(layout.places)
        tally = self._tally(layout) if layout.has_header else None
        if tally and (tally.has_quotes or tally.separators != tally.lines * (len(layout.places) - 1)):
            # polars counts the fields of a line only where it reads all columns; else one too many shifts the rest.
            names = list(layout.places)
        read = self._inferred(layout, {layout.places[name]: name for name in names})
        if tally and tally.has_quotes and read.height != tally.lines - 1:
            self._check_quotes(read.height)
        return read.select(columns or list(layout.places))

    def _tally(self, layout: _Layout) -> _Tally:
        """Count what the lines of the file are made of."""
        separators = lines = 0
        has_quotes, last = False, b"\n"
        with self._stream() as stream:
            while chunk := stream.read(1 << 24):
                has_quotes = has_quotes or b'"' in chunk
                separators += chunk.count(layout.separator.encode())
                lines += chunk.count(b"\n")
                last = chunk[-1:]
        return _Tally(lines + (last != b"\n"), separators, has_quotes)

    def _check_quotes(self, n_read: int) -> None:
        """Refuse a file where a quote inside a field, as in 12-inch titles, hid the lines up to the next one."""
        with self._records() as records:
            rows = sum(1 for fields in records if fields) - 1
        if rows != n_read:
            raise DataError(self._quotes_hide_lines)

    @contextmanager
    def _records(self) -> Iterator[Any]:
        """Read the lines as Python's csv module does, but with fields of any size, such as the texts of articles."""
        with _csv_limit, io.TextIOWrapper(self._stream(), encoding="utf-8", errors="replace", newline="") as text:
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

    def _layout(self) -> _Layout:
        with self._stream() as stream:
            start = stream.read(1000)
        if b"\0" in start:
            raise DataError(
                f"{self.label} is not text: pass a csv, tsv or parquet file, in UTF-8 and under its own ending"
            )
        if start.lstrip()[:1] in (b"{", b"["):
            raise DataError(f"{self.label} is JSON: save it as a csv or parquet file, or read it into a frame")
        if self.separator is None and self._suffix in (".dat", ".data"):
            return self._movielens_layout()
        separator = self.separator or self._usual_separator
        names = pl.read_csv(self._source(), separator=separator, n_rows=0, infer_schema=False, glob=False).columns
        other = [mark for mark in _SEPARATORS if len(names) == 1 and mark in names[0]]
        if other:
            way = Remedy(f"pass separator={other[0]!r}", "separator", other[0])
            raise DataError(f"{self.label} has one column, {names[0]!r}", way)
        if separator == "\t":
            # RecBole writes each column's type behind its name: user_id:token.
            names = [name.partition(":")[0] for name in names]
        return _Layout({name: place for place, name in enumerate(names)}, separator, has_header=True)

    def _movielens_layout(self) -> _Layout:
        line = self._first_line()
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

    def _inferred(self, layout: _Layout, wanted: dict[int, str]) -> pl.DataFrame:
        """Read columns with types from the first rows; where a later row disproves them, from all rows."""
        places = sorted(wanted)
        options: dict[str, Any] = {
            "separator": layout.separator,
            "has_header": layout.has_header,
            "columns": places,
            "quote_char": '"' if layout.has_header else None,
            "glob": False,  # brackets in a name are part of it
        }
        first = pl.read_csv(self._source(), n_rows=_SAMPLE, infer_schema=False, **options)
        # As an integer, the id 007 would become 7.
        padded = [column.name for column in first if column.str.contains(r"^[+-]?0\d+$").any()]
        for rows in (_SAMPLE, None):
            try:
                read = pl.read_csv(
                    self._source(),
                    infer_schema_length=rows,
                    schema_overrides=dict.fromkeys(padded, pl.String),
                    **options,
                )
                return read.rename(dict(zip(read.columns, (wanted[place] for place in places), strict=True)))
            except pl.exceptions.ComputeError as error:
                if rows is None or "could not parse" not in str(error):
                    raise
        raise AssertionError("the second attempt returns or raises")

    @property
    def _usual_separator(self) -> str:
        return "\t" if self._suffix in (".tsv", ".inter", ".item", ".user", ".data") else ","

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what polars says about a file that it cannot read into one sentence."""
        try:
            yield
        except pl.exceptions.NoDataError:
            raise DataError(f"{self.label} is empty: {_EMPTY}") from None
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(self._explanation(str(error).partition("\n")[0])) from error

    def _explanation(self, text: str) -> str:
        if self.is_parquet:
            return f"{self.label} is not a whole parquet file ({text}): get it again"
        if "utf-8" in text.lower() or "utf8" in text.lower():
            return f"{self.label} is not UTF-8 text: convert it first, e.g. iconv -f latin1 -t utf-8"
        if "malformed" in text:
            return self._quotes_hide_lines
        if self._suffix != ".dat" and "fields" in text:
            line, fields, expected = self._ragged_line()
            return (
                f"{self.label} has {fields} fields in line {line}, where {expected} are expected: "
                "quote the fields that contain the separator, or pass another separator="
            )
        return f"cannot read {self.label}: {text}"

    def _ragged_line(self) -> tuple[int, int, int]:
        """Return the number of the first line (from 1) with more fields than the first, its fields and theirs."""
        with self._records() as records:
            expected = len(next(records))
            for fields in records:
                if len(fields) > expected:
                    return records.line_num, len(fields), expected
        return 0, 0, expected


def _unpacked(path: Path) -> tuple[str, Path | bytes]:
    """Return the name of the data and where it lies, or its bytes where it was packed."""
    if not path.exists():
        raise DataError(f"there is no file {path}")
    if path.is_dir():
        raise DataError(f"{path} is a folder: pass one of the files in it")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: {_EMPTY}")
    suffix = path.suffix.lower()
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                member = _only_member(archive, path)
                return _ungzipped(member, archive.read(member))
        if suffix == ".gz":
            with gzip.open(path) as stream:
                return path.stem, stream.read()
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is not a whole {suffix} file ({error}): get it again") from error
    return path.name, path


def _ungzipped(name: str, content: bytes) -> tuple[str, bytes]:
    return (name[:-3], gzip.decompress(content)) if name.lower().endswith(".gz") else (name, content)


def _only_member(archive: zipfile.ZipFile, path: Path) -> str:
    names = [
        name
        for name in archive.namelist()
        if PurePosixPath(name.removesuffix(".gz")).suffix.lower() in _DATA_SUFFIXES
        and not name.startswith("__MACOSX/")
        and not PurePosixPath(name).name.lower().startswith(("readme", "license", "."))
    ]
    if not names:
        raise DataError(f"{path} holds no csv, tsv or parquet file, only {name_some(archive.namelist(), 10)}")
    if len(names) > 1:
        raise DataError(f"{path} holds several data files, {name_some(names, 10)}: unpack it and pass one of them")
    return names[0]
