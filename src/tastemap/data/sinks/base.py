"""The protocol of a sink of lists, such as a folder or a table of a database, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from tastemap.errors import Note, Remedy, tidy


@dataclass(frozen=True)
class TableParts:
    """A table in numbered parts, frames of one schema, which are made when they are asked for.

    n : how many there are
    make : returns the part of a number from 0; the same each time
    name : returns a hash of everything that the parts depend on, their size too; it may take a while
    """

    n: int
    make: Callable[[int], pl.DataFrame]
    name: Callable[[], str]


def note_kept(done: int, n_parts: int, place: object) -> Note:
    """Return a note for an interrupt: how many parts are kept."""
    way = Remedy("the same call goes on from them", "call", "again")
    return Note(f"{done:,} of {n_parts:,} parts of {tidy(str(place))} are kept", way)


class Sink(Protocol):
    """A place for a table, which is there whole or not at all."""

    def check(self) -> None:
        """Raise OSError or DataError where the table cannot be put, as far as that shows before it is made."""
        ...

    def write(self, parts: TableParts) -> None:
        """Put all parts there in their order, in place of the table of an earlier call.

        Raises OSError or DataError where that fails; the table of the earlier call then stays as it was.
        """
        ...
