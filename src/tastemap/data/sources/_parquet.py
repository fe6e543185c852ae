"""Reads the columns of a Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tastemap.data.frames import check_columns
from tastemap.data.sources._room import check_room
from tastemap.data.sources._unpack import Content, as_polars_source

_WIDTH = 8  # the bytes of a number


@dataclass(frozen=True)
class ParquetTable:
    """The columns and rows of a Parquet file; `label` names it in messages."""

    content: Content
    label: str

    def read_header(self) -> list[str]:
        """Return the names of the columns."""
        return self._scan().collect_schema().names()

    def read(self, columns: Sequence[str] | None, texts: Sequence[str] = ()) -> pl.DataFrame:
        """Read the named columns, or all; raises DataError for one that is not there.

        texts : of no use here, as every column has a type
        """
        existing = self.read_header()
        wanted = existing if columns is None else list(columns)
        check_columns(wanted, existing)
        n_rows: int = self._scan().select(pl.len()).collect().item()
        check_room(n_rows * len(wanted) * _WIDTH, f"{self.label} with {n_rows:,} rows")
        # By place: a name such as "*" is a pattern to polars.
        places = sorted(existing.index(name) for name in wanted)
        return pl.read_parquet(as_polars_source(self.content), glob=False, columns=places)[wanted]

    def explain(self, reason: str) -> str:
        """Return one sentence on why polars could not read the file; ``reason`` is what polars says."""
        return f"{self.label} is not a whole parquet file ({reason}): get it again"

    def _scan(self) -> pl.LazyFrame:
        return pl.scan_parquet(as_polars_source(self.content), glob=False)
