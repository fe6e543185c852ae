"""Reads numbers that a text writes in another way than programs do: 05, " 4 ", 3,5."""

from __future__ import annotations

import warnings

import polars as pl

from tastemap.data._spelling import find_missing
from tastemap.data.ids import name_rows
from tastemap.errors import DataError, TastemapWarning

_COMMA = r"^[+-]?\d*,\d+$"
_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+$"
# Digits with signs around and between them: $3, 50%, 1.234,5 or 1 234.
_SIGNED = r"^[^\p{L}\d]*\d[\d.,'\s\u{a0}\u{202f}]*[^\p{L}\d]*$"


def read_numbers(texts: pl.Series, label: str) -> pl.Series:
    """Return texts as `parse_numbers` does; a warning says that a comma was taken as the decimal mark.

    label : the name of the source, for messages
    """
    numbers, example = parse_numbers(texts, label)
    if example is not None:
        warn_of_commas(texts.name, example, label)
    return numbers


def warn_of_commas(column: str, example: str, label: str) -> None:
    """Warn that commas in a column were taken as decimal marks."""
    warnings.warn(
        TastemapWarning(
            f"{label}: took the comma in column {column!r} as the decimal mark: {example} is "
            f"{example.replace(',', '.')}",
            column=column,
        ),
        stacklevel=6,
    )


def parse_numbers(texts: pl.Series, label: str) -> tuple[pl.Series, str | None]:
    """Return texts as floats where each is a number, and null where it stands for a missing one; else the texts.

    A comma is the decimal mark where every number that has one has it there; the first of these comes too, else None.
    Raises DataError where each comma may as well part thousands.
    """
    known = texts.str.strip_chars()
    known = known.scatter(find_missing(known), None) if known.null_count() < len(known) else known
    numbers = known.cast(pl.Float64, strict=False)
    left = known.filter(numbers.is_null() & known.is_not_null())
    if left.is_empty():
        return numbers, None
    if not left.str.contains(_COMMA).all():
        if left.str.contains(_SIGNED).all() and left.str.contains(r"[^\d.]").any():
            rows = (numbers.is_null() & known.is_not_null()).arg_true()
            raise DataError(
                f"{label}: column {texts.name!r} has numbers with signs of thousands, currency or the like, "
                f"{left[0]!r} in {name_rows(rows)}",
                "write numbers such as 1234.5",
                column=texts.name,
                rows=rows.to_numpy(),
            )
        return texts, None
    if left.str.contains(_THOUSANDS).all():
        rows = (numbers.is_null() & known.is_not_null()).arg_true()
        raise DataError(
            f"{label}: column {texts.name!r} has a comma before three digits in every number that has one, "
            f"{left[0]!r} in {name_rows(rows)}, which may part thousands or be the decimal mark",
            "write numbers such as 1234 or 1.234",
            column=texts.name,
            rows=rows.to_numpy(),
        )
    return known.str.replace(",", ".", literal=True).cast(pl.Float64), left[0]
