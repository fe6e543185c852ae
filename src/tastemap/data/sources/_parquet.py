"""Reads the columns of a Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tastemap.data.frames import check_columns
from tastemap.data.sources._footer import measure_depth
from tastemap.data.sources._room import check_room
from tastemap.data.sources._unpack import Content, as_polars_source, open_content
from tastemap.errors import DataError

_WIDTH = 8  # the bytes of a number
_DEEPEST = 32  # levels of a column that is read
_DEEPEST_GROUP = 400  # levels of the file's schema, of which a list takes two


@dataclass(frozen=True)
class ParquetTable:
    """The columns and rows of a Parquet file; `label` names it in messages."""

    content: Content
    label: str

    def read_header(self) -> list[str]:
        """Return the names of the columns."""
        return self._scan().collect_schema().names()

    def read(
        self, columns: Sequence[str] | None, texts: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> pl.DataFrame:
        """Read the named columns, or all; raises DataError for one that is not there.

        texts, numbers : of no use here, as every column has a type
        """
        schema = self._scan().collect_schema()
        existing = schema.names()
        wanted = existing if columns is None else list(columns)
        check_columns(columns or (), existing)
        for name in wanted:
            # Reading deeper ones, polars runs out of stack, which ends the process.
            if _is_deep(schema[name]):
                raise DataError(f"{self.label}: column {name!r} holds lists of lists, too deep to read", column=name)
        n_rows: int = self._scan().select(pl.len()).collect().item()
        check_room(n_rows * len(wanted) * _WIDTH, f"{self.label} with {n_rows:,} rows")
        # By place: a name such as "*" is a pattern to polars.
        places = sorted(existing.index(name) for name in wanted)
        return pl.read_parquet(as_polars_source(self.content), glob=False, columns=places)[wanted]

    def read_first(self, n_rows: int) -> pl.DataFrame:
        """Read the first rows of the columns that hold no lists or groups."""
        schema = self._scan().collect_schema()
        flat = [place for place, kind in enumerate(schema.dtypes()) if not kind.is_nested()]
        return pl.read_parquet(as_polars_source(self.content), glob=False, columns=flat, n_rows=n_rows)

    def explain(self, reason: str) -> DataError:
        """Return an error that says why polars could not read the file; ``reason`` is what polars says."""
        return DataError(f"{self.label} is not a whole parquet file ({reason}): get it again")

    def _scan(self) -> pl.LazyFrame:
        with open_content(self.content) as stream:
            if measure_depth(stream) > _DEEPEST_GROUP:
                raise DataError(f"{self.label} has columns too deep to read: write them without so many levels")
        return pl.scan_parquet(as_polars_source(self.content), glob=False)


def _is_deep(dtype: pl.DataType) -> bool:
    """Return whether a type holds others more than so many levels deep."""
    level = [dtype]
    for _ in range(_DEEPEST):
        inner = [kind.inner for kind in level if isinstance(kind, pl.List | pl.Array)]
        inner += [field.dtype for kind in level if isinstance(kind, pl.Struct) for field in kind.fields]
        level = [kind() if isinstance(kind, type) else kind for kind in inner]
    return bool(level)
