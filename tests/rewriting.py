"""Rewrites files of models and checkpoints with other contents and a right digest, as only a program can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tastemap.files.arrays import read_arrays, write_arrays


def rewrite(path: Path, what: str = "model", arrays: dict[str, Any] | None = None, **header: Any) -> None:
    """Replace arrays and entries of the header of a file in place; None takes an array out, ... an entry."""
    held, told, _ = read_arrays(path, what)
    held = {name: array for name, array in {**held, **(arrays or {})}.items() if array is not None}
    told = {name: value for name, value in {**told, **header}.items() if value is not ...}
    write_arrays(path, held, what, told)
