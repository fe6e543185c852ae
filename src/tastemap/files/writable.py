"""Checks whether a file or a folder may be written: before the work, and again when it is written."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from tastemap.errors import name_some, tidy
from tastemap.files.paths import as_path, name_file


def check_file(path: str | Path, inputs: Iterable[str | Path | None] = ()) -> None:
    """Raise OSError where no file can be put at `path`, or where `path` is one of the files that the work reads."""
    path = as_path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{name_file(path)} is a folder, which is no ordinary file: name a file in it")
    if path.exists() and not path.is_file():
        raise OSError(f"{name_file(path)} is no ordinary file: name another")
    if path.exists() and any(given is not None and Path(given).exists() and path.samefile(given) for given in inputs):
        raise OSError(f"{name_file(path)} is an input and would be lost: name another file to write")
    _check_parent(path, "write")


def check_folder(path: str | Path, names: Collection[str]) -> None:
    """Raise OSError where no folder of the files `names` can be put at `path`.

    A folder at `path` will be replaced: it must hold nothing but such files, and must not be the working folder.
    """
    path = as_path(path)
    _check_parent(path, "make")
    if not path.exists():
        return
    if not path.is_dir():
        raise NotADirectoryError(f"{name_file(path)} is no folder and cannot be replaced by one: name another")
    if path.samefile(Path.cwd()):
        # The process, and the shell that started it, would be left in a folder that is gone.
        raise OSError(f"{name_file(path.absolute())} is the folder you are in: name a new one in it")
    others = sorted(entry.name for entry in path.iterdir() if entry.name not in names or not entry.is_file())
    if others:
        raise FileExistsError(f"{name_file(path)} holds {name_some(others)}, which would be lost: name a new folder")


def _check_parent(path: Path, verb: str) -> None:
    # A link stays a link: the file that it leads to is written.
    real = Path(os.path.realpath(path)) if path.is_symlink() else path
    if not real.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {name_file(real.parent)} to {verb} {tidy(real.name)} in")
    if not os.access(real.absolute().parent, os.W_OK):
        raise PermissionError(f"the folder {name_file(real.absolute().parent)} cannot be written")
