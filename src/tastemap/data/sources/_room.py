"""Refuses what does not fit in memory before it is there."""

from __future__ import annotations

from tastemap import memory

# Beside the bytes of a file, its columns and what is made of them have to fit.
_COPIES = 3


def check_room(n_bytes: int, label: str) -> None:
    """Raise DataError where so many bytes and what is made of them need more memory than there is.

    label : what they are, for the message, e.g. the path of a file
    """
    # What is there already counts as taken.
    memory.ask(f"{label}, {n_bytes / 1e9:,.1f} GB and what is made of them,", n_bytes * _COPIES, "pass a part of it")
