"""Names hidden temporary files after the process that writes them, and removes those that killed processes left."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

# A temporary file of a process that this one cannot look for is left over when nobody has touched it for so long.
FORGOTTEN_SECONDS = 7 * 24 * 3600

# A file's name has at most 255 bytes; of a longer one than this its hash stands in the temporary name.
LONGEST_NAME = 180


def name_temporary(path: Path, kind: str) -> Path:
    """Return a new hidden path beside `path`, of a kind such as "tmp", that names this process as its owner."""
    pid = os.getpid()
    owner = f"{_name_host()}-{pid}-{_find_start(pid) or 0}"
    return path.with_name(f"{_stem(path)}{owner}.{secrets.token_hex(4)}.{kind}")


def name_unfinished(path: Path, work: str) -> Path:
    """Return the hidden path beside `path` of what a process has begun, and another may go on with; `work` names it."""
    return path.with_name(f"{_stem(path)}{work}.unfinished" if work else _stem(path))


def remove_leftovers(path: Path, kind: str) -> None:
    """Remove the hidden files and folders of this kind, written for `path`, that no living process owns."""
    stem = _stem(path)
    pattern = re.compile(re.escape(stem) + r"(?:([0-9a-f]+)-([1-9]\d*)-(\d+)\.)?[0-9a-f]+\." + re.escape(kind))
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in [entry for entry in entries if entry.name.startswith(stem)]:
            found = pattern.fullmatch(entry.name)
            with suppress(OSError):  # another process was faster, or the file is another user's
                if found is not None and _is_left(entry, *found.groups()):
                    remove_temporary(entry)


def _stem(path: Path) -> str:
    name = os.fsencode(path.name)
    shown = path.name if len(name) <= LONGEST_NAME else hashlib.blake2b(name, digest_size=16).hexdigest()
    return f".{shown}."


def _is_left(entry: os.DirEntry[str], host: str | None, pid: str, start: str) -> bool:
    if host == _name_host() and os.name == "posix":
        return not _is_alive(int(pid), int(start))
    # Of another machine on a network folder, of this one before it started again, or of an earlier version.
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > FORGOTTEN_SECONDS


def remove_temporary(entry: os.DirEntry[str] | Path) -> None:
    """Remove a file, or a folder with all that it holds."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        os.unlink(entry)


def _name_host() -> str:
    """Return a short name of what numbers of processes belong to: a machine since it started, and a container in it.

    Two machines may have one name and share a folder.
    """
    parts = [socket.gethostname()]
    with suppress(OSError):  # only Linux tells
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    return hashlib.blake2b(" ".join(parts).encode(), digest_size=4).hexdigest()


def _is_alive(pid: int, start: int) -> bool:
    """Tell whether the process with this number runs that began at `start`; a later one may have its number."""
    try:
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # another user's
    now = _find_start(pid)
    return now is None or (now != -1 and start in (0, now))


def _find_start(pid: int) -> int | None:
    """Return when a process began, in a unit of the system; None where the system does not say."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *rest = told.rpartition(")")[2].split()
    return -1 if state in "ZX" else int(rest[18])  # a process that has ended and was not waited for is none
