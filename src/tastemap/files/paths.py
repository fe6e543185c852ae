"""Checks what is given as the path of a file."""

from __future__ import annotations

import os
from pathlib import Path

from tastemap.errors import ParameterError, show, tidy


def as_path(path: object) -> Path:
    """Return a path; raise ParameterError for what no file can be called."""
    if isinstance(path, str | os.PathLike):
        made = Path(path)
        try:
            encoded = os.fsencode(made)
        except UnicodeEncodeError:
            encoded = b"\0"
        if b"\0" not in encoded:
            return made
    raise ParameterError(
        f"a path must be a text or a pathlib.Path that can name a file, got {show(path)}", parameter="path", value=path
    )


def name_file(path: str | Path) -> str:
    """Return a path for a message, in one line."""
    return tidy(str(path))
