"""Where tastemap keeps what it can get or make again."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder for downloads and compiled kernels; it may not exist yet.

    ``TASTEMAP_CACHE`` if set; else ``tastemap`` in ``XDG_CACHE_HOME``, in ``LOCALAPPDATA`` on Windows, or in
    ``~/.cache``. Raises RuntimeError where there is no home folder either.
    """
    own = os.environ.get("TASTEMAP_CACHE")
    if own:
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification says to ignore a relative path.
    if base and Path(base).is_absolute():
        return Path(base) / "tastemap"
    local = os.environ.get("LOCALAPPDATA")
    if sys.platform == "win32" and local:
        return Path(local) / "tastemap" / "cache"
    return Path.home() / ".cache" / "tastemap"


def make_private(folder: Path, *, is_checked_inside: bool = False) -> None:
    """Make a folder that only its user may use, 0700, where there is none.

    is_checked_inside : what is in the folder is checked by itself: where others may write to it they no longer may

    Raises OSError where it cannot be made, PermissionError where others own it or may write to it. Windows keeps a
    user's folders from others by itself.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.name != "posix":
        return
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        if not is_checked_inside:
            raise PermissionError(f"others may write to {folder}, and may have: remove it")
        folder.chmod(0o700)
