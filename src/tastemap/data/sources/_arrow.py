"""Turns batches of Arrow, as drivers of databases give them, into frames of the types that interactions know."""

from __future__ import annotations

from typing import Any

import polars as pl

# Whole numbers of so many digits fit in 64 bits.
_DIGITS = 18


def to_frame(batch: Any) -> pl.DataFrame:
    """Return a record batch of pyarrow as a frame: decimals as numbers, uuids as texts.

    A decimal without places behind the point is a whole number where it fits in 64 bits.
    """
    return pl.DataFrame([_to_series(field, column) for field, column in zip(batch.schema, batch.columns, strict=True)])


def _to_series(field: Any, column: Any) -> pl.Series:
    told = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    extension = getattr(field.type, "extension_name", told.get("ARROW:extension:name", ""))
    series = pl.Series(field.name, getattr(column, "storage", column))
    kind = told.get("POSTGRESQL:type")
    if kind == "numeric" and series.dtype == pl.String:
        return series.cast(pl.Int64 if _is_whole(told.get("POSTGRESQL:typmod")) else pl.Float64)
    if (kind == "uuid" or extension == "arrow.uuid") and series.dtype == pl.Binary:
        return _spell_uuids(series)
    return as_number(series)


def as_number(series: pl.Series) -> pl.Series:
    """Return decimals as 64-bit integers where they are whole by their type, else as floats; others as they are."""
    kind = series.dtype
    if not isinstance(kind, pl.Decimal):
        return series
    whole = kind.scale == 0 and kind.precision is not None and kind.precision <= _DIGITS
    return series.cast(pl.Int64 if whole else pl.Float64)


def _is_whole(typmod: str | None) -> bool:
    """Return whether numeric(digits, places) has no places, from PostgreSQL's number for the two."""
    if typmod is None or int(typmod) < 4:
        return False
    digits, places = divmod(int(typmod) - 4, 1 << 16)
    return places == 0 and digits <= _DIGITS


def _spell_uuids(series: pl.Series) -> pl.Series:
    hexadecimal = series.bin.encode("hex")
    parts = [hexadecimal.str.slice(start, n) for start, n in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return parts[0].to_frame("0").select(pl.concat_str(parts, separator="-")).to_series().alias(series.name)
