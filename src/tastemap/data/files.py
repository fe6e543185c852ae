"""Reads the columns of interaction files."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from tastemap.data.frames import check_columns
from tastemap.data.ids import name_rows
from tastemap.errors import DataError, name_some

MOVIELENS_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")

_SAMPLE = 10_000  # rows that column types are taken from
_DATA_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".inter", ".data", ".parquet", ".pq")
_SEPARATORS = {";": "';'", ",": "','", "\t": "'\\t'", "|": "'|'"}


def read_columns(
    path: str | Path, columns: Sequence[str], *, separator: str | None = None, time: str | None = None
) -> pl.DataFrame:
    """Read the named columns of a csv, tsv, parquet, MovieLens .dat, u.data or RecBole .inter file.

    path : the file itself, as .gz, or alone in a .zip
    separator : the character between columns; None takes it from the file name
    time : a column that may hold ISO dates as text; they are read as datetimes

    Raises DataError, in one sentence, for a file that is missing, empty, cut off or not of its kind.
    """
    path = Path(path).expanduser()
    name, source = _opened(path)
    table = read_table(name, source, columns, separator=separator, label=str(path))
    if table.is_empty():
        raise DataError(f"{path} has no rows")
    if time is not None and table[time].dtype == pl.String:
        table = table.with_columns(_parsed_times(table[time], str(path)))
    return table


def read_table(
    name: str,
    source: Path | bytes,
    columns: Sequence[str] | None,
    *,
    separator: str | None = None,
    label: str = "",
) -> pl.DataFrame:
    """Read the named columns, or all, of an unpacked file.

    name : the file's name, which tells its format
    source : where it lies, or its bytes
    label : how messages call it
    """
    label = label or name
    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix in (".parquet", ".pq"):
            return _read_parquet(source, columns)
        if suffix == ".dat" and separator is None:
            return _read_dat(source, columns, label)
        if suffix == ".data" and separator is None:
            return _read_text(source, columns, "\t", label, header=list(MOVIELENS_COLUMNS))
        return _read_text(source, columns, separator or _tab_or_comma(suffix), label)
    except pl.exceptions.NoDataError:
        raise DataError(f"{label} is empty") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(_explained(error, suffix, source, separator, label)) from error


def _opened(path: Path) -> tuple[str, Path | bytes]:
    """Return the name of the data and where it lies, or its bytes where it was packed."""
    if not path.exists():
        raise DataError(f"there is no file {path}")
    if path.is_dir():
        raise DataError(f"{path} is a folder: pass one of the files in it")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    suffix = path.suffix.lower()
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                member = _only_member(archive, path)
                content = archive.read(member)
            return _ungzipped(member, content)
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
        raise DataError(f"{path} holds no data file, only {name_some(archive.namelist(), 10)}")
    if len(names) > 1:
        raise DataError(f"{path} holds several data files, {name_some(names, 10)}: unpack it and pass one of them")
    return names[0]


def _read_parquet(source: Path | bytes, columns: Sequence[str] | None) -> pl.DataFrame:
    existing = list(pl.read_parquet_schema(_buffered(source)))
    check_columns(columns or (), existing)
    return pl.read_parquet(_buffered(source), columns=None if columns is None else list(columns))


def _read_dat(source: Path | bytes, columns: Sequence[str] | None, label: str) -> pl.DataFrame:
    fields = _first_line(source).split("::")
    if not 2 <= len(fields) <= len(MOVIELENS_COLUMNS):
        raise DataError(
            f"{label} is not a MovieLens .dat file of UserID::MovieID::Rating::Timestamp: its first line is "
            f"{'::'.join(fields)[:80]!r}; for another layout pass separator="
        )
    header = list(MOVIELENS_COLUMNS[: len(fields)])
    check_columns(columns or (), header)
    # polars splits on single characters: '::' leaves an empty column between two others.
    names = [name for field in header for name in (field, f"between_{field}")][:-1]
    return _read_text(source, columns or header, ":", label, header=names)


def _read_text(
    source: Path | bytes,
    columns: Sequence[str] | None,
    separator: str,
    label: str,
    *,
    header: list[str] | None = None,
) -> pl.DataFrame:
    if header is None:
        top = pl.read_csv(_buffered(source), separator=separator, n_rows=0, infer_schema=False).columns
        other = [s for s in _SEPARATORS if len(top) == 1 and s in top[0]]
        if other:
            raise DataError(f"{label} has one column, {top[0]!r}: pass separator={_SEPARATORS[other[0]]}")
        # RecBole writes each column's type behind its name: user_id:token.
        names = [name.partition(":")[0] for name in top] if separator == "\t" else list(top)
    else:
        names = header[: _first_line(source).count(separator) + 1]
    check_columns(columns or (), names)
    wanted = [names.index(name) for name in (columns or names)]
    read = _inferred(source, separator, names, sorted(wanted), has_header=header is None)
    return read.select(columns or names)


def _inferred(
    source: Path | bytes, separator: str, names: list[str], wanted: list[int], *, has_header: bool
) -> pl.DataFrame:
    """Read columns with types from the first rows; where a later row disproves them, from all rows."""
    options: dict[str, Any] = {
        "separator": separator,
        "has_header": has_header,
        "columns": wanted,
        "quote_char": '"' if has_header else None,
    }
    first = pl.read_csv(_buffered(source), n_rows=_SAMPLE, infer_schema=False, **options)
    # As an integer, the id 007 would become 7.
    padded = [column.name for column in first if column.str.contains(r"^[+-]?0\d+$").any()]
    for rows in (_SAMPLE, None):
        try:
            read = pl.read_csv(
                _buffered(source),
                infer_schema_length=rows,
                schema_overrides=dict.fromkeys(padded, pl.String),
                **options,
            )
            return read.rename(dict(zip(read.columns, (names[place] for place in wanted), strict=True)))
        except pl.exceptions.ComputeError as error:
            if rows is None or "could not parse" not in str(error):
                raise
    raise AssertionError("the second attempt returns or raises")


def _buffered(source: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _first_line(source: Path | bytes) -> str:
    if isinstance(source, bytes):
        line = source.partition(b"\n")[0]
    else:
        with source.open("rb") as stream:
            line = stream.readline(1 << 20)
    return line.decode("utf-8", errors="replace").strip("\r\n")


def _parsed_times(column: pl.Series, label: str) -> pl.Series:
    try:
        times = column.str.to_datetime(strict=False)
    except pl.exceptions.ComputeError:
        times = pl.Series(column.name, [None] * len(column), dtype=pl.Datetime("us"))
    bad = (times.is_null() & column.is_not_null()).arg_true()
    if len(bad):
        raise DataError(
            f"{label}: column {column.name!r} holds text that is no ISO date or datetime, {column[bad[0]]!r} "
            f"in {name_rows(bad)}: read the file into a frame and parse it there"
        )
    return times


def _explained(error: Exception, suffix: str, source: Path | bytes, separator: str | None, label: str) -> str:
    text = str(error).partition("\n")[0]
    if suffix in (".parquet", ".pq"):
        return f"{label} is not a whole parquet file ({text}): get it again"
    if "utf-8" in text.lower() or "utf8" in text.lower():
        return f"{label} is not UTF-8 text: convert it first, e.g. iconv -f latin1 -t utf-8"
    if suffix != ".dat" and "fields" in text:
        mark = separator or _tab_or_comma(suffix)
        line, fields, expected = _ragged_line(source, mark)
        return (
            f"{label} has {fields} fields in line {line}, where {expected} are expected: "
            "quote the fields that contain the separator, or pass another separator="
        )
    return f"cannot read {label}: {text}"


def _tab_or_comma(suffix: str) -> str:
    return "\t" if suffix in (".tsv", ".inter", ".item", ".user", ".data") else ","


def _ragged_line(source: Path | bytes, separator: str) -> tuple[int, int, int]:
    """Return the number of the first line (from 1) with more fields than the first, its fields and theirs."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="") as text:
        reader = csv.reader(text, delimiter=separator)
        expected = len(next(reader))
        for fields in reader:
            if len(fields) > expected:
                return reader.line_num, len(fields), expected
    return 0, 0, expected
