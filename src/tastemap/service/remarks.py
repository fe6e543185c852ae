"""Remarks: what was decided or noticed while working, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "separator",  # path, separator: the character between columns that the first line told
    "encoding",  # path, encoding: that of a file that is not UTF-8
    "columns",  # path, columns: {use: column} of those that were guessed
    "time left out",  # error: why the guessed column of times cannot be used
    "nulls",  # left_out, rows, columns: rows without a value in one of the columns
    "whole ids",  # column, value, whole: floats that are integers again, with an example
    "repeats",  # repeats, rows, duplicates: rows of a pair that came before, and how they were merged
    "repeats in parts",  # the same, on either side of a split by time
    "low ratings",  # column, low, high, at_least: ratings of which the low ones count as a liking, and a bound
    "at least",  # at_least, column: ratings below the bound left out, as when the model was fitted
    "titles left out",  # error: why the titles that come with the data cannot be read
    "untitled",  # path, untitled, items, item, written: items without a title, with one of theirs and an id of the file
    "found",  # text, item, title: the item that a text was taken for
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
