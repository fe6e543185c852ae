"""Tells by their spelling which texts are numbers, and which stand for a missing id."""

from __future__ import annotations

import re

import polars as pl

# What programs write for a missing value, beside nothing at all.
MISSING = (
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "NULL",
    "Null",
    "null",
    r"\N",
    "NaN",
    "NAN",
    "nan",
    "None",
    "NONE",
    "none",
    "<NA>",
)
_LONGEST = max(map(len, MISSING))

_FEW = 100  # values that are looked at before all are
_NUMBER = r"^(?:0|-?[1-9][0-9]*)$"


def read_ids(texts: pl.Series, *, keep_na: bool = False, drop_nulls: bool = False) -> pl.Series:
    """Return the ids that texts spell: all as numbers, where each is the usual spelling of one, else all as texts.

    A number is an Int64, or a UInt64 where one needs it.

    keep_na : take the words of `MISSING` as names
    drop_nulls : make a null of what stands for a missing id, so that the others may be numbers. Without it all stay
        texts, and an error can show the words
    """
    numbers = _as_numbers(texts)
    if numbers is not None or not drop_nulls:
        return texts if numbers is None else numbers
    known = drop_words(texts, keep_na=keep_na)
    numbers = _as_numbers(known) if known.null_count() > texts.null_count() else None
    return known if numbers is None else numbers


def read_whole_ids(texts: pl.Series) -> pl.Series | None:
    """Return as numbers ids that are all spelled as 17850.0, else None; nulls stay.

    Programs write integers so where one is missing. Where all have this ending, no two become one without it.
    """
    known = texts.drop_nulls()
    if known.is_empty() or not known.head(_FEW).str.ends_with(".0").all() or not known.str.ends_with(".0").all():
        return None
    return _as_numbers(texts.str.strip_suffix(".0"))


def are_names(texts: pl.Series) -> bool:
    """Return whether some of the ids are texts however the others are spelled: neither numbers nor missing."""
    known = drop_words(texts).drop_nulls()
    return not known.is_empty() and _as_numbers(known) is None and read_whole_ids(known) is None


def drop_words(texts: pl.Series, *, keep_na: bool = False) -> pl.Series:
    """Return texts with a null for those that stand for a missing value; `keep_na` as for `find_missing`."""
    missing = find_missing(texts, keep_na=keep_na)
    return texts.clone().scatter(missing, None) if len(missing) else texts


def respell_ids(ids: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return ids as texts or integers of the type ``dtype``, null where one has no such spelling, as 007 has."""
    if ids.dtype == pl.String and dtype != pl.String:
        ids = ids.set(~ids.str.contains(_NUMBER), None)
    return ids.cast(dtype, strict=False)


def parse_number(text: str) -> int | None:
    """Return the integer that a text spells in the usual way, else None."""
    return int(text) if re.fullmatch(_NUMBER, text) else None


def find_missing(ids: pl.Series, *, keep_na: bool = False) -> pl.Series:
    """Return the rows without an id: with a null and, among texts, with nothing, only spaces, or a word of `MISSING`.

    keep_na : take these words as names
    """
    if isinstance(ids.dtype, pl.Categorical | pl.Enum):
        ids = ids.cast(pl.String)
    if ids.dtype != pl.String:
        return ids.is_null().arg_true() if ids.null_count() else pl.Series([], dtype=pl.UInt32)
    # A short text is told by its length; one that begins with a space or a control character comes before "!".
    suspect = (ids.is_null() | (ids.str.len_bytes() <= _LONGEST) | (ids < "!")).arg_true()
    words = ids.gather(suspect).str.strip_chars()
    return suspect.filter(words.is_null() | words.is_in(("",) if keep_na else ("", *MISSING)))


def _as_numbers(texts: pl.Series) -> pl.Series | None:
    """Return texts as Int64 or UInt64 where each is the usual spelling of such a number, else None; nulls stay."""
    first = texts.head(_FEW)
    if not first.str.contains(_NUMBER).all():  # most columns of texts are told at once
        return None
    for dtype in (pl.Int64, pl.UInt64):
        numbers = texts.cast(dtype, strict=False)
        if numbers.null_count() == texts.null_count():
            # The cast takes 007, -0 and +1 too, which all come before "1".
            return numbers if texts.filter(texts < "1").str.contains(_NUMBER).all() else None
    return None
