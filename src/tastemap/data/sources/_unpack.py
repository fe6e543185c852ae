"""Finds the data in a file that may be packed."""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from tastemap.data.sources._room import check_room
from tastemap.errors import DataError, Remedy, name_some
from tastemap.files.journal import list_files

# The path of the data or, where they were packed, their bytes.
Content = Path | bytes

EMPTY = "pass a file with column names and rows"

# In this order: beside a table, JSON tells about it.
_DATA_SUFFIXES = (
    (".csv", ".tsv", ".txt", ".dat", ".inter", ".data", ".parquet", ".pq"),
    (".jsonl", ".ndjson", ".json"),
)
_PIECE = 1 << 20

# What Python's modules raise for damaged bytes, beside OSError.
_DAMAGE = (
    *(EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, struct.error),
    *(ValueError, LookupError, RuntimeError, OverflowError),
)


def unpack(path: Path) -> tuple[str, Content]:
    """Return the name of the data in a file, a .gz or a .zip with one file of data, and their content.

    Raises DataError for a file that is missing, empty or cut off, for a .zip with no or several files of data, and for
    what does not fit in memory when it is unpacked.
    """
    if not path.exists():
        raise DataError(f"there is no file {path}")
    if path.is_dir():
        if list_files(path):
            raise DataError(f"{path} is a journal of events", Remedy("read it with from_events", "events", ...))
        raise DataError(f"{path} is a folder: pass one of the files in it")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: {EMPTY}")
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with open_zip(path) as archive:
            member = _find_only_member(archive, path)
            content = read_member(archive, member, path)
        return (
            (member[:-3], _gunzip(io.BytesIO(content), path)) if member.lower().endswith(".gz") else (member, content)
        )
    if suffix == ".gz":
        with path.open("rb") as packed:
            return path.stem, _gunzip(packed, path)
    return path.name, path


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file; what is raised where it is damaged becomes a DataError."""
    with _explain_damage(path, "zip"), zipfile.ZipFile(path) as archive:
        yield archive


def read_member(archive: zipfile.ZipFile, member: str, path: Path) -> bytes:
    """Unpack a member of the zip file at ``path``; raises DataError where it is encrypted or does not fit in memory."""
    info = archive.getinfo(member)
    if info.flag_bits & 1:
        raise DataError(f"{path} is encrypted: unpack it with its password, and pass the file that was in it")
    check_room(info.file_size, f"{path}: {member}")
    try:
        with archive.open(info) as stream:
            return _read_whole(stream, f"{path}: {member}")
    except NotImplementedError as error:
        raise DataError(f"{path} is packed in an unusual way ({error}): unpack it and pass the file in it") from error


def open_content(content: Content) -> BinaryIO:
    """Return a stream of the bytes; close it after use."""
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def as_polars_source(content: Content) -> Path | io.BytesIO:
    """Return the content in a type that the readers of polars take."""
    return io.BytesIO(content) if isinstance(content, bytes) else content


def _gunzip(packed: BinaryIO, path: Path) -> bytes:
    with _explain_damage(path, "gz"), gzip.open(packed) as stream:
        return _read_whole(stream, str(path))


def _read_whole(stream: IO[bytes] | gzip.GzipFile, label: str) -> bytes:
    """Return the bytes of a packed stream; stop where they do not fit in memory, whatever their header says."""
    unpacked = io.BytesIO()
    while piece := stream.read(_PIECE):
        unpacked.write(piece)
        if unpacked.tell() % (64 * _PIECE) < _PIECE:  # asking takes a while
            check_room(unpacked.tell(), label)
    return unpacked.getvalue()


@contextmanager
def _explain_damage(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        # The disk's or the system's, not the file's; but a damaged one may name places that no file has.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise _make_damage_error(path, kind, error) from error
    except _DAMAGE as error:
        raise _make_damage_error(path, kind, error) from error


def _make_damage_error(path: Path, kind: str, error: Exception) -> DataError:
    return DataError(f"{path} is not a whole .{kind} file ({error}): get it again")


def _find_only_member(archive: zipfile.ZipFile, path: Path) -> str:
    groups = [
        [
            name
            for name in archive.namelist()
            if PurePosixPath(name.removesuffix(".gz")).suffix.lower() in suffixes
            and not name.startswith("__MACOSX/")
            and not PurePosixPath(name).name.lower().startswith(("readme", "license", "."))
        ]
        for suffixes in _DATA_SUFFIXES
    ]
    names = next(filter(None, groups), [])
    if not names:
        raise DataError(f"{path} holds no csv, tsv, parquet or JSON file, only {name_some(archive.namelist(), 10)}")
    if len(names) > 1:
        raise DataError(f"{path} holds several data files, {name_some(names, 10)}: unpack it and pass one of them")
    return names[0]
