"""Reads the columns of a Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tastemap.data.frames import check_columns
from tastemap.data.sources._unpack import Content, as_polars_source


@dataclass(frozen=True)
class ParquetTable:
    """The columns and rows of a Parquet file; `label` names it in messages."""

    content: Content
    label: str

    def read_header(self) -> list[str]:
        """Return the names of the columns."""
        return pl.scan_parquet(as_polars_source(self.content), glob=False).collect_schema().names()

    def read(self, columns: Sequence[str] | None) -> pl.DataFrame:
        """Read the named columns, or all; raises DataError for one that is not there."""
        check_columns(columns or (), self.read_header())
        wanted = None if columns is None else list(columns)
        return pl.read_parquet(as_polars_source(self.content), glob=False, columns=wanted)

    def explain(self, reason: str) -> str:
        """Return one sentence on why polars could not read the file; ``reason`` is what polars says."""
        return f"{self.label} is not a whole parquet file ({reason}): get it again"
