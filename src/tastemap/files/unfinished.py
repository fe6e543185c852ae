"""Folders of files that take long to write: a process that is killed leaves those that are whole for the next one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tastemap.files.leftovers import name_unfinished, remove_temporary
from tastemap.files.paths import name_file
from tastemap.files.whole import find_number, replace_folder


@contextmanager
def unfinished_folder(
    path: str | Path, names: Collection[str], work: str, *, replacing: Collection[str] = ()
) -> Iterator[Path]:
    """Give a hidden folder beside `path` for the files `names`, which a killed process may have begun to fill.

    Each file must be written whole or not at all. When the block ends without an error, the folder is renamed to
    `path`, whose old folder is replaced where it holds nothing but files of `names` and `replacing`. After
    KeyboardInterrupt the folder stays, for the next call with the same `work`; after another error it is removed.

    work : a hash of what the files depend on; what was left of other work is removed, unless a process goes on with it

    Raises OSError where the place cannot be written, and where another process does the same work there.
    """
    path = Path(os.path.realpath(path))  # a link stays a link, to the new folder
    hidden = name_unfinished(path, work)
    for other in path.parent.glob(f"{_escape(name_unfinished(path, '').name)}*.unfinished"):
        if other != hidden:
            with suppress(BlockingIOError, FileNotFoundError), _claim(other):
                shutil.rmtree(other, ignore_errors=True)
    hidden.mkdir(exist_ok=True)
    try:
        with _claim(hidden):
            try:
                yield hidden
                for entry in hidden.iterdir():  # what a killed process had half written
                    if entry.name not in names:
                        remove_temporary(entry)
                replace_folder(hidden, path, names, replacing={*names, *replacing})
            except BaseException as error:
                if isinstance(error, Exception):
                    shutil.rmtree(hidden, ignore_errors=True)
                number = find_number(error, hidden)
                if number is None:
                    raise
                raise OSError(number, os.strerror(number), str(path)) from error
    except BlockingIOError:
        raise OSError(f"another process writes {name_file(path)}: wait for it, or end it") from None


def _escape(name: str) -> str:
    return "".join(f"[{mark}]" if mark in "*?[" else mark for mark in name)


@contextmanager
def _claim(folder: Path) -> Iterator[None]:
    """Keep other processes that claim a folder out of it; on Windows they are not kept out.

    Raises BlockingIOError where another process has it.
    """
    if os.name != "posix":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not folder.exists() or not os.path.samestat(os.stat(folder), os.fstat(handle)):
            raise BlockingIOError  # who had it has just finished, and renamed it
        yield
    finally:
        os.close(handle)
