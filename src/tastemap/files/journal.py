"""A journal: a folder of files that lines are only ever appended to, by several processes, and that loses none."""

from __future__ import annotations

import errno
import os
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tastemap.errors import ParameterError, show
from tastemap.files.paths import as_path, name_file
from tastemap.files.whole import sync_folder

# A file that has so many bytes is not written any more.
ROTATE_BYTES = 64 << 20

# O_BINARY is one of Windows' own, where ends of lines would be changed without it.
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)


class Journal:
    """Where a process appends lines. Threads may share one; each process writes files that no other writes.

    folder : is made where it is absent, in a folder that exists
    rotate_bytes : the size from which a file is followed by a new one, 64 MiB by default

    A file is made by the first line. What a process left half written when it was killed stays as it is: nothing is
    appended to the file of another process, and readers leave out a last line without its end.

    Raises OSError, in one sentence, where the folder cannot be made or written.
    """

    def __init__(self, folder: str | Path, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        self.folder = as_path(folder)
        self.rotate_bytes = rotate_bytes
        self._lock = threading.Lock()
        self._file: _File | None = None
        _make_folder(self.folder)

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines, each without its end; when this returns, they are on the disk.

        Raises OSError, in one sentence, where they cannot be written, ParameterError for what is not one line. Then
        none of them is in the journal, and the next lines begin a new file.
        """
        for line in lines:
            if b"\n" in line or not line:
                raise ParameterError(f"lines must be one line each, got {show(line)}", parameter="lines", value=line)
        if not lines:
            return
        with self._lock:
            try:
                file = self._take_file()
                file.append(b"\n".join([*lines, b""]))
            except BaseException as error:
                self._leave_file()
                if not isinstance(error, OSError):
                    raise
                reason = os.strerror(error.errno) if error.errno else str(error)
                raise OSError(f"nothing can be written to the journal {name_file(self.folder)}: {reason}") from error

    def close(self) -> None:
        """Close the file; lines that come later begin a new one."""
        with self._lock:
            self._leave_file()

    def _take_file(self) -> _File:
        """Return the file to append to: a new one after a fork, where the last is full, or where it was removed."""
        file = self._file
        if file is None or file.pid != os.getpid() or file.size >= self.rotate_bytes or not file.is_there():
            self._leave_file()
            self._file = file = _File(self.folder)
        return file

    def _leave_file(self) -> None:
        if self._file is not None:
            self._file.leave()
            self._file = None


class _File:
    """One file of a journal: the bytes from 0 to `size` are whole lines on the disk."""

    def __init__(self, folder: Path) -> None:
        self.pid, self.size = os.getpid(), 0
        began = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._path = folder / f"events-{began}-{self.pid}-{secrets.token_hex(4)}.jsonl"
        self._handle = os.open(self._path, _NEW_FILE, 0o666)

    def append(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._handle, rest) :]
        os.fsync(self._handle)
        if not self.size:
            sync_folder(self._path.parent)  # the file's name
        if not self.is_there():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._path))
        self.size += len(content)

    def is_there(self) -> bool:
        """Return whether the file has a name still: what is written to one that was removed is lost."""
        return os.fstat(self._handle).st_nlink > 0

    def leave(self) -> None:
        """Close the file; cut off what is behind the last whole write, and remove the file where there is none.

        After a failed fsync nobody knows what is on the disk, so that nothing may follow in the same file.
        """
        with suppress(OSError):
            if self.pid == os.getpid() and os.fstat(self._handle).st_size > self.size:
                os.ftruncate(self._handle, self.size)
        os.close(self._handle)
        if not self.size and self.pid == os.getpid():
            with suppress(OSError):
                self._path.unlink()


class Follower:
    """Reads what processes append to the journal in a folder, each line once.

    folder : need not exist yet
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = as_path(folder)
        self._read: dict[str, int] = {}  # file -> the bytes that were read

    def read_new(self) -> list[bytes]:
        """Return the whole lines that came since the last call, without their ends: file by file, by their names.

        Files that are removed are forgotten. Costs a look at each file where nothing is new.
        """
        lines: list[bytes] = []
        read: dict[str, int] = {}
        for path in list_files(self.folder):
            start = self._read.get(path.name, 0)
            with suppress(FileNotFoundError):  # removed meanwhile
                content = read_lines(path, start) if path.stat().st_size > start else b""
                lines += content.split(b"\n")[:-1]
                read[path.name] = start + len(content)
        self._read = read
        return lines


def list_files(folder: Path) -> list[Path]:
    """Return the files of a journal by their names, which begin with the times when they were begun."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in sorted(names) if name.startswith("events-") and name.endswith(".jsonl")]


def read_lines(path: Path, start: int = 0) -> bytes:
    """Return the whole lines of a file from the byte ``start`` on; a last line without its end is left out."""
    with path.open("rb") as file:
        file.seek(start)
        content = file.read()
    return content[: content.rfind(b"\n") + 1]


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        try:
            folder.mkdir(exist_ok=True)  # another process may make it too
        except OSError as error:
            raise type(error)(f"the folder {name_file(folder)} cannot be made: {error.strerror}") from error
        sync_folder(folder.absolute().parent)
    if not folder.is_dir():
        raise NotADirectoryError(f"{name_file(folder)} is no folder: name one for the journal of events")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"the folder {name_file(folder)} cannot be written")
