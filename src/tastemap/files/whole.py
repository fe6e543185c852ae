"""Files, and folders of files, that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from tastemap.files.writable import check_file, check_folder


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary file beside `path` to write to; when the block ends without an error, it replaces `path`.

    It is on the disk before it is renamed, so a process or machine that dies at any moment leaves the old file or the
    new one. After an error the temporary file is removed. Raises OSError where the folder cannot be written.
    """
    check_file(path)
    path = Path(os.path.realpath(path))  # a link stays a link, to the new file
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    # Not tempfile: it hides files from others, and the process's umask cannot be read without setting it.
    temporary.touch(exist_ok=False)
    mode = temporary.stat().st_mode  # what the umask leaves; safetensors replaces the file by one of its own
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def whole_folder(path: str | Path, names: Collection[str]) -> Iterator[Path]:
    """Give a temporary folder beside `path` for the files `names`; when the block ends without an error, it is renamed.

    A folder at `path` is replaced only where it holds nothing but such files. After an error the temporary folder is
    removed and the old one stays. A process that dies between the two renamings leaves the old folder under a hidden
    name. Raises OSError where something else is at `path`, or where the place cannot be written.
    """
    check_folder(path, names)
    path = Path(os.path.realpath(path))  # a link stays a link, to the new folder
    temporary, old = (path.with_name(f".{path.name}.{secrets.token_hex(8)}.{kind}") for kind in ("tmp", "old"))
    temporary.mkdir()
    try:
        yield temporary
        for name in names:
            with open(temporary / name, "rb+") as file:
                os.fsync(file.fileno())
        _sync_folder(temporary)
        check_folder(path, names)  # another process may have written there meanwhile
        if path.exists():
            path.rename(old)
        try:
            temporary.rename(path)
        except BaseException:
            if old.exists():
                old.rename(path)
            raise
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    # The rename itself must reach the disk; Windows cannot open a folder.
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
