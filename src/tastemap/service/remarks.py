"""Remarks: what was decided or noticed while working, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "separator",  # path, separator: the character between columns that the first line told
    "columns",  # path, columns: {use: column} of those that were guessed
    "time left out",  # error: why the guessed column of times cannot be used
    "nulls",  # left_out, rows, columns: rows without a value in one of the columns
    "whole ids",  # column, value, whole: floats that are integers again, with an example
    "wide",  # path, user, items: the column of users of a wide table, and how many items its other columns are
    "repeats",  # repeats, rows, duplicates: rows of a pair that came before, and how they were merged
    "repeats in parts",  # the same, on either side of a split by time
    "low ratings",  # column, low, high, at_least: ratings of which the low ones count as a liking, and a bound
    "at least",  # at_least, column: ratings below the bound left out, as when the model was fitted
    "unknown items",  # left_out, pairs: pairs of items that the model does not know
]


@dataclass(frozen=True)
class Remark:
    """Something that was decided or noticed, for the user to know.

    kind : what it is about
    facts : its numbers and names, listed beside each `Kind`
    """

    kind: Kind
    facts: dict[str, Any] = field(default_factory=dict)
