"""Files, and folders of files, that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from tastemap.files.leftovers import name_temporary, remove_leftovers
from tastemap.files.writable import check_file, check_folder

# The numbers of errors of a write for which there is no room; Python's own have no file name.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary file to write to; when the block ends without an error, it replaces `path`.

    It is in a hidden folder beside `path`, where a library may put temporary files of its own. It is on the disk before
    it is renamed, so a process or machine that dies at any moment leaves the old file or the new one. After an error
    the folder is removed; what a killed process left, the next one removes that writes the same file.

    Raises OSError, with `path` as its file name, where the folder or the file cannot be written.
    """
    check_file(path)
    path = Path(os.path.realpath(path))  # a link stays a link, to the new file
    remove_leftovers(path, "tmp")
    hidden = name_temporary(path, "tmp")
    hidden.mkdir()
    temporary = hidden / path.name
    try:
        # Not tempfile: it hides files from others, and the process's umask cannot be read without setting it.
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode  # what the umask leaves; safetensors replaces the file by one of its own
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException as error:
        number = find_number(error, hidden)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    sync_folder(path.parent)


@contextmanager
def whole_folder(path: str | Path, names: Collection[str]) -> Iterator[Path]:
    """Give a temporary folder beside `path` for the files `names`; when the block ends without an error, it is renamed.

    A folder at `path` is replaced only where it holds nothing but such files. After an error the temporary folder is
    removed and the old one stays. A process that dies between the two renamings leaves the old folder under a hidden
    name until another writes the folder.

    Raises OSError where something else is at `path`, or where the place cannot be written.
    """
    check_folder(path, names)
    path = Path(os.path.realpath(path))  # a link stays a link, to the new folder
    remove_leftovers(path, "tmp")
    temporary = name_temporary(path, "tmp")
    temporary.mkdir()
    try:
        yield temporary
        replace_folder(temporary, path, names, replacing=names)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        number = find_number(error, temporary)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def replace_folder(temporary: Path, path: Path, names: Collection[str], *, replacing: Collection[str]) -> None:
    """Rename a folder beside `path`, with the files `names`, to `path`, once it is on the disk.

    An old folder is removed; it must hold nothing but files of the names `replacing`, else OSError is raised.
    """
    old = name_temporary(path, "old")
    for name in names:
        with open(temporary / name, "rb+") as file:
            os.fsync(file.fileno())
    sync_folder(temporary)
    check_folder(path, replacing)  # another process may have written there meanwhile
    if path.exists():
        path.rename(old)
    try:
        temporary.rename(path)
    except BaseException:
        if old.exists():
            old.rename(path)
        raise
    sync_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)
    remove_leftovers(path, "old")


def find_number(error: BaseException, temporary: Path) -> int | None:
    """Return the system's number of an error of writing in a temporary folder, None for other errors.

    Libraries written in Rust tell it, such as that of a full disk, in the text of an error of their own.
    """
    if isinstance(error, OSError):
        names = [name for name in (error.filename, error.filename2) if name is not None]
        is_ours = any(
            Path(os.fsdecode(name)).is_relative_to(temporary) for name in names if isinstance(name, str | bytes)
        )
        if is_ours or (not names and error.errno in FULL):
            return error.errno
    if not isinstance(error, Exception):
        return None
    told = re.search(r"\(os error (\d+)\)", str(error))
    return None if told is None else int(told[1])


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: of files that are new, renamed or gone."""
    if os.name == "posix":  # Windows cannot open a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
