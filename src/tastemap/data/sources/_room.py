"""Refuses what does not fit in memory before it is there."""

from __future__ import annotations

from tastemap.errors import DataError
from tastemap.memory import available_memory

# Beside the bytes of a file, its columns and what is made of them have to fit.
_COPIES = 3


def check_room(n_bytes: int, label: str) -> None:
    """Raise DataError where so many bytes and what is made of them need more memory than there is.

    label : what they are, for the message, e.g. the path of a file
    """
    free = available_memory()
    # What is there already counts as taken.
    if free is not None and n_bytes * _COPIES > free:
        raise DataError(
            f"{label} needs about {n_bytes * _COPIES / 1e9:.1f} GB of memory, {n_bytes / 1e9:.1f} GB of them for its "
            f"bytes, and {free / 1e9:.1f} GB are free: pass a part of it",
            needed=n_bytes * _COPIES,
            available=free,
        )
