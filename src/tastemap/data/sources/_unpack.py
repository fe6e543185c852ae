"""Finds the data in a file that may be packed."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tastemap.errors import DataError, name_some

# The path of the data or, where they were packed, their bytes.
Content = Path | bytes

EMPTY = "pass a file with column names and rows"

_DATA_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".inter", ".data", ".parquet", ".pq")


def unpack(path: Path) -> tuple[str, Content]:
    """Return the name of the data in a file, a .gz or a .zip with one file of data, and their content.

    Raises DataError for a file that is missing, empty or cut off, and for a .zip with no or several files of data.
    """
    if not path.exists():
        raise DataError(f"there is no file {path}")
    if path.is_dir():
        raise DataError(f"{path} is a folder: pass one of the files in it")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: {EMPTY}")
    suffix = path.suffix.lower()
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                member = _find_only_member(archive, path)
                return _gunzip(member, archive.read(member))
        if suffix == ".gz":
            with gzip.open(path) as stream:
                return path.stem, stream.read()
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is not a whole {suffix} file ({error}): get it again") from error
    return path.name, path


def open_content(content: Content) -> BinaryIO:
    """Return a stream of the bytes; close it after use."""
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def as_polars_source(content: Content) -> Path | io.BytesIO:
    """Return the content in a type that the readers of polars take."""
    return io.BytesIO(content) if isinstance(content, bytes) else content


def _gunzip(name: str, content: bytes) -> tuple[str, bytes]:
    return (name[:-3], gzip.decompress(content)) if name.lower().endswith(".gz") else (name, content)


def _find_only_member(archive: zipfile.ZipFile, path: Path) -> str:
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
