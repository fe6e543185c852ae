"""Where tastemap keeps what it can get or make again."""

from __future__ import annotations

import os
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
