"""Reads the columns of a Parquet file, or of several as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tastemap import memory
from tastemap.data.frames import check_columns
from tastemap.data.sources._footer import measure_depth
from tastemap.data.sources._room import check_room
from tastemap.data.sources._unpack import Content, as_polars_source, open_content
from tastemap.data.sources.streams import collect
from tastemap.errors import DataError

_WIDTH = 8  # the bytes of a number
_GATHERED = 20  # what a pair of ids takes until it is in a matrix
# Files of several years may have more columns than the first, and narrower numbers.
_LENIENT: dict[str, Any] = {
    "extra_columns": "ignore",
    "cast_options": pl.ScanCastOptions(integer_cast="upcast", float_cast="upcast"),
}
_DEEPEST = 32  # levels of a column that is read
_DEEPEST_GROUP = 400  # levels of the file's schema, of which a list takes two


@dataclass(frozen=True)
class ParquetTable:
    """The columns and rows of a Parquet file, or of several as one; `label` names it in messages.

    content : a file; the files of a folder, whose names of folders may hold columns, as in year=2011; or an address
        that polars reads, such as s3://shop/orders/*.parquet
    """

    content: Content | tuple[Path, ...] | str
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
        rows, wanted = self._select(columns)
        n_rows = self.count_rows()
        check_room(n_rows * len(wanted) * _WIDTH, f"{self.label} with {n_rows:,} rows")
        return rows.collect()[wanted]

    def count_rows(self) -> int:
        """Return the number of rows, which the footers tell."""
        n_rows: int = self._scan().select(pl.len()).collect().item()
        return n_rows

    def read_batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Give the rows of the named columns a part at a time; raises DataError for a column that is not there."""
        rows, wanted = self._select(columns)
        n_rows = self.count_rows()
        needed = n_rows * (_GATHERED + _WIDTH * (len(wanted) - 2))
        memory.ask(f"{self.label} with {n_rows:,} rows", needed, "pass a part of it")
        return collect(rows, wanted)

    def read_first(self, n_rows: int) -> pl.DataFrame:
        """Read the first rows of the columns that hold no lists or groups."""
        schema = self._scan().collect_schema()
        flat = [name for name, kind in schema.items() if not kind.is_nested()]
        return self._scan().head(n_rows).select(pl.selectors.by_name(*flat)).collect()

    def explain(self, reason: str) -> DataError:
        """Return an error that says why polars could not read the file; ``reason`` is what polars says."""
        if isinstance(self.content, tuple | str):
            return DataError(f"cannot read {self.label}: {reason}")
        return DataError(f"{self.label} is not a whole parquet file ({reason}): get it again")

    def _select(self, columns: Sequence[str] | None) -> tuple[pl.LazyFrame, list[str]]:
        """Return a plan that reads the named columns, or all, and their names."""
        rows = self._scan()
        schema = rows.collect_schema()
        existing = schema.names()
        wanted = existing if columns is None else list(columns)
        check_columns(columns or (), existing)
        for name in wanted:
            # Reading deeper ones, polars runs out of stack, which ends the process.
            if _is_deep(schema[name]):
                raise DataError(f"{self.label}: column {name!r} holds lists of lists, too deep to read", column=name)
        return rows.select(pl.selectors.by_name(*dict.fromkeys(wanted))), wanted

    def _scan(self) -> pl.LazyFrame:
        if isinstance(self.content, str):
            return pl.scan_parquet(self.content, **_LENIENT)
        if isinstance(self.content, tuple):
            for path in self.content:
                self._check_depth(path)
            return pl.scan_parquet(list(self.content), hive_partitioning=True, glob=False, **_LENIENT)
        self._check_depth(self.content)
        return pl.scan_parquet(as_polars_source(self.content), glob=False)

    def _check_depth(self, content: Content) -> None:
        with open_content(content) as stream:
            if measure_depth(stream) > _DEEPEST_GROUP:
                raise DataError(f"{self.label} has columns too deep to read: write them without so many levels")


def _is_deep(dtype: pl.DataType) -> bool:
    """Return whether a type holds others more than so many levels deep."""
    level = [dtype]
    for _ in range(_DEEPEST):
        inner = [kind.inner for kind in level if isinstance(kind, pl.List | pl.Array)]
        inner += [field.dtype for kind in level if isinstance(kind, pl.Struct) for field in kind.fields]
        level = [kind() if isinstance(kind, type) else kind for kind in inner]
    return bool(level)
