"""Whether a file or a folder may be written: asked before the work, and again by what writes it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from tastemap.errors import name_some


def check_file(path: str | Path, inputs: Iterable[str | Path | None] = ()) -> None:
    """Raise OSError where no file can be put at `path`, or where that is one of the files the work reads."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, which is no ordinary file: name a file in it")
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is no ordinary file: name another")
    if path.exists() and any(given is not None and Path(given).exists() and path.samefile(given) for given in inputs):
        raise OSError(f"{path} is an input and would be lost: name another file to write")
    _check_parent(path, "write")


def check_folder(path: str | Path, names: Collection[str]) -> None:
    """Raise OSError where no folder of the files `names` can be put at `path`.

    One that is there is replaced: it may hold nothing else, and not be the folder that the process is in.
    """
    path = Path(path)
    _check_parent(path, "make")
    if not path.exists():
        return
    if not path.is_dir():
        raise NotADirectoryError(f"{path} is no folder and cannot be replaced by one: name another")
    if path.samefile(Path.cwd()):
        # It would be gone under the feet of the process, and of the shell that started it.
        raise OSError(f"{path.absolute()} is the folder you are in: name a new one in it")
    others = sorted(entry.name for entry in path.iterdir() if entry.name not in names or not entry.is_file())
    if others:
        raise FileExistsError(f"{path} holds {name_some(others)}, which would be lost: name a new folder")


def _check_parent(path: Path, verb: str) -> None:
    # A link stays one: what it leads to is written.
    real = Path(os.path.realpath(path)) if path.is_symlink() else path
    if not real.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {real.parent} to {verb} {real.name} in")
    if not os.access(real.absolute().parent, os.W_OK):
        raise PermissionError(f"the folder {real.absolute().parent} cannot be written")
