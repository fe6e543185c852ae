"""Copies files to where nobody else writes, so that they can be mapped whatever becomes of the originals."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tastemap.files.cache import make_private
from tastemap.files.whole import whole_file


def copy_private(path: str | Path, folder: Path) -> Path:
    """Return a copy of a file in a folder that only its user may use; it is made where there is none.

    Several processes share the copy that the first of them makes. It is of the file as it is now: a file that has
    another inode, size or time of change is copied again, and the earlier copies of this path are removed; who maps
    them keeps them. Where the file system can, the copy takes no room until the original changes.

    Raises OSError where the file cannot be read or the folder cannot be written.
    """
    make_private(folder)
    with _lock(folder), open(path, "rb") as source:
        found = os.fstat(source.fileno())
        origin = hashlib.blake2b(os.fsencode(os.path.abspath(path)), digest_size=8).hexdigest()
        copy = folder / f"{origin}-{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
        if not copy.exists():
            with whole_file(copy) as temporary, temporary.open("wb") as target:
                _copy(source, target, found.st_size)
            for other in folder.glob(f"{origin}-*"):
                if other != copy:
                    with suppress(PermissionError):  # Windows keeps a file that is mapped
                        other.unlink()
    return copy


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    if sys.platform == "linux":
        try:
            while size and (copied := os.copy_file_range(source.fileno(), target.fileno(), size)):
                size -= copied
        except OSError:  # not between these file systems
            source.seek(target.seek(0, os.SEEK_END))
    shutil.copyfileobj(source, target)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder; on Windows they are not, and copy what this one copies."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
