"""The protocol of a source of interactions, such as a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import polars as pl


class Source(Protocol):
    """A table somewhere, with names of columns and rows that are read on demand."""

    @property
    def label(self) -> str:
        """The name of the source in messages, e.g. the path of a file."""
        ...

    def read_header(self) -> list[str]:
        """Return the names of the columns, without reading the rows; raise DataError where they cannot be read."""
        ...

    def read(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the named columns, in this order, with at least one row.

        columns : names from `header`; None for all

        Raises DataError for a column that is not there, for no rows and for what cannot be read.
        """
        ...
