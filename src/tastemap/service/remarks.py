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
    "wide",  # path, user, items: the column of users of a wide table, and how many items its other columns are
    "repeats",  # repeats, rows, duplicates: rows of a pair that came before, and how they were merged
    "repeats in parts",  # the same, on either side of a split by time
    "low ratings",  # column, low, high, at_least: ratings of which the low ones count as a liking, and a bound
    "at least",  # at_least, column, left_out: ratings below the bound left out, as when the model was fitted
    "damping",  # damping, column: weights taken as their log2 or as ones, as when the model was fitted
    "events below",  # at_least, below: pairs of a journal of events that have a lower weight, or 0, and are no likes
    "events known",  # known, pairs: pairs of a journal that the model has with the same weight
    "weights unused",  # path, columns: columns of numbers that may be weights, of which none was taken
    "weights missing",  # path, column: the model has weights, and the file has no column of that name or a usual one
    "rare neighbours",  # rare, neighbours, users: neighbours that fewer users have, of which models know little
    "dislikes",  # left_out, pairs: pairs of a weight of 0 that a history holds
    "features",  # path, side, id, columns: {column: number of features} that a file of items or users makes
    "features left out",  # path, side, columns: {column: number of values}: columns that describe one id each, or none
    "features without id",  # path, rows, left_out, column: rows of such a file that have no id of the data's type
    "unknown candidates",  # path, left_out, items: ids of a file of items that the model does not know
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
