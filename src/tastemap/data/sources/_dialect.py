"""Finds how a text is written from its first lines: what parts its columns, and what they are called."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from tastemap.data._spelling import MISSING
from tastemap.data.dates import looks_like_time
from tastemap.errors import DataError, ParameterError, Remedy, name_some, show

MOVIELENS_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")
# Any number of spaces and tabs.
SPACES = " "

_MARKS = (",", ";", "\t", "::", "|")
_WORDS = {"tab": "\t", r"\t": "\t", "space": SPACES, "spaces": SPACES, "whitespace": SPACES}
_RECORDS = 100
_MOST = 0.9  # the share of lines that have the same number of fields where a character parts them
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_WORD = re.compile(r"[^\W\d]+")
# What Excel reads as the separator of the lines below.
_EXCEL = re.compile(r'"?sep=([^"\s\w]|\t)"?', re.IGNORECASE)
_RECBOLE = re.compile(r".*:(token|float)(_seq)?")


@dataclass(frozen=True)
class Dialect:
    """How a text is written.

    separator : what parts columns, `SPACES` for any number of spaces
    names : the names of all columns; "" for one without a name, such as the names of rows that R writes
    skipped : the number of lines before the first row
    quoted : whether fields may be in quotes
    padded : whether some of the first fields have spaces around them
    records : the fields of the first lines, those of the names included
    """

    separator: str
    names: tuple[str, ...]
    skipped: int
    quoted: bool
    padded: bool
    records: tuple[tuple[str, ...], ...]

    @cached_property
    def places(self) -> dict[str, int]:
        """The position of each column by its name; of columns with the same name, that of the first."""
        found: dict[str, int] = {}
        for place, name in enumerate(self.names):
            found.setdefault(name, place)
        return found

    @property
    def repeated(self) -> tuple[str, ...]:
        """The names that several columns have."""
        return tuple(name for name, n in Counter(self.names).items() if n > 1)

    @property
    def has_row_names(self) -> bool:
        """Whether every row begins with a name that the line of names lacks, as R writes."""
        return self.skipped > 0 and self.names[0] == "" and len(self.records[0]) < len(self.names)

    def guess_names(self) -> tuple[str, ...] | None:
        """Return names for the columns where the first line seems to be a row like the others, else None."""
        if not self.skipped or not self.records:
            return None
        first, *rest = self.records
        rest = rest or [first]
        kinds = [{_kind(fields[place]) for fields in rest if place < len(fields)} for place in range(len(first))]
        alike = [kinds[place] == {_kind(first[place])} for place in range(len(first))]
        if not any(same and kind != {"text"} for same, kind in zip(alike, kinds, strict=True)):
            return None
        return _name_columns(
            [[fields[place] for fields in self.records if place < len(fields)] for place in range(len(first))]
        )


def read_separator(separator: str | None) -> str | None:
    r"""Return the separator that a word such as "tab", "\t" or "space" stands for; raise ParameterError for none."""
    if separator is None:
        return None
    if not isinstance(separator, str) or not separator or set(separator) & set('"\r\n\0'):
        raise ParameterError(
            f"separator must be a text without quotes and line ends, such as ';', '::', 'tab' or 'space', got "
            f"{show(separator)}",
            parameter="separator",
            value=separator,
        )
    return _WORDS.get(separator.lower(), separator)


def check_column_names(columns: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the names of the columns of a text without a header; raise ParameterError for what are no names."""
    if columns is None:
        return None
    names = tuple(columns) if isinstance(columns, list | tuple) else ()
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ParameterError(
            f"columns must be a list of different names, one for each column of the file, got {show(columns)}",
            parameter="columns",
            value=columns,
        )
    return names


def find_dialect(
    text: str,
    *,
    is_whole: bool,
    label: str,
    usual: str,
    movielens: bool,
    separator: str | None = None,
    columns: tuple[str, ...] | None = None,
    quotes: bool = True,
) -> Dialect:
    """Return how a text is written.

    text : its first lines
    is_whole : whether these are all; otherwise the last may be cut off
    label : its name in messages
    usual : the separator that its name tells
    movielens : whether its name is one under which MovieLens publishes numbers without a header
    separator, columns, quotes : what is known, as for `open_file`

    Raises DataError where the number of ``columns`` is another than that of the text.
    """
    lines = text.splitlines(keepends=True)
    if not is_whole and len(lines) > 1:
        lines.pop()
    blank = next((n for n, line in enumerate(lines) if line.strip()), 0)
    lines = lines[blank:]
    if lines and (told := _EXCEL.fullmatch(lines[0].rstrip("\r\n"))) is not None:
        separator, lines, blank = separator or told[1], lines[1:], blank + 1
    mark = separator or _find_separator(lines, usual, quotes, is_whole)
    quoted = quotes and len(mark.encode()) == 1 and (mark != SPACES or any('"' in line for line in lines))
    records = _split(lines, mark, quoted, is_whole)
    first = records[0] if records else ("",)
    is_padded = any(field != field.strip() for fields in records for field in fields)
    known = [tuple(field.strip() for field in fields) for fields in records]
    if columns is not None:
        if len(columns) != len(first):
            raise DataError(
                f"{label} has {len(first)} columns, as in its first line {name_some(first, 8)}, and columns names "
                f"{len(columns)}, {name_some(columns, 8)}",
                Remedy("name every column, in their order", "columns", ...),
                columns=columns,
            )
        if _is_header(known, columns):
            raise DataError(
                f"{label} has the names of its columns in its first line, {name_some(first, 8)}",
                Remedy("leave columns= out", "columns", None),
                columns=columns,
            )
        return Dialect(mark, columns, blank, quoted, is_padded, tuple(known))
    # Between "::" ids may be texts; a table of titles has words there, or behind them.
    names = known[0] if known else ("",)
    is_row = (movielens or mark == "::") and _is_numbers(names)
    if mark == "::" and not is_row:
        is_row = _is_numbers(names[2:]) if len(names) > 2 else not any(map(_is_words, names))
    if is_row and 2 <= len(names) <= len(MOVIELENS_COLUMNS):
        return Dialect(mark, MOVIELENS_COLUMNS[: len(names)], blank, False, is_padded, tuple(known))
    if mark == "\t" and all(_RECBOLE.fullmatch(name) for name in names):
        names = tuple(name.partition(":")[0] for name in names)
    if len(names) > 1 and {len(fields) for fields in known[1:]} == {len(names) + 1}:
        # R leaves out the name of the rows' names; other programs end every row with a separator.
        ends_empty = all(not fields[-1] for fields in known[1:])
        names = (*names, "") if ends_empty else ("", *names)
    return Dialect(mark, names, blank + 1, quoted, is_padded, tuple(known))


def _find_separator(lines: list[str], usual: str, quotes: bool, is_whole: bool) -> str:
    fits = {}
    for mark in dict.fromkeys((usual, *_MARKS)):
        counts = [len(fields) for fields in _split(lines, mark, quotes and len(mark) == 1, is_whole)]
        if not counts:
            continue
        (most, n), *_ = Counter(counts[1:] or counts).most_common(1)
        named = counts[0] == most or 2 <= counts[0] == most - 1
        if most > 1 and named and n >= _MOST * len(counts[1:] or counts):
            fits[mark] = most
    if usual in fits:
        # A comma may be the decimal mark between semicolons and tabs.
        better = [mark for mark in (";", "\t") if usual == "," and fits.get(mark, 0) >= fits[usual]]
        return max(better, key=fits.__getitem__) if better else usual
    if fits:
        return max(fits, key=fits.__getitem__)
    first = lines[0] if lines else ""
    inside = [mark for mark in _MARKS if mark in first]
    if usual in first or inside:
        return usual if usual in first else max(inside, key=first.count)
    parts = [len(fields) for fields in _split(lines, SPACES, quotes and any('"' in line for line in lines), is_whole)]
    return SPACES if parts and parts[0] > 1 and set(parts[1:]) in (set(), {parts[0]}, {parts[0] + 1}) else usual


def _split(lines: list[str], mark: str, quoted: bool, is_whole: bool) -> list[tuple[str, ...]]:
    """Return the fields of the first lines that have any."""
    if mark == SPACES and not quoted:
        return [tuple(line.split()) for line in islice(filter(str.strip, lines), _RECORDS)]
    if len(mark.encode()) > 1:
        return [tuple(line.rstrip("\r\n").split(mark)) for line in islice(filter(str.strip, lines), _RECORDS)]
    # In quotes a line may go on beyond the text: the last record is complete only where the text is.
    reader = csv.reader(lines, delimiter=mark, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    records = []
    try:
        for fields in islice(filter(None, reader), _RECORDS + 1):
            records.append(tuple(fields))
    except csv.Error:  # a line end in the middle of one, or a field beyond all limits
        pass
    return records[:_RECORDS] if is_whole or len(records) > _RECORDS else records[: max(len(records) - quoted, 1)]


def _is_header(records: list[tuple[str, ...]], names: tuple[str, ...]) -> bool:
    """Return whether the first line holds names: those that are given, or texts alone where others have numbers."""
    first, *rest = records
    if [field.casefold() for field in first] == [name.casefold() for name in names]:
        return True
    is_named = bool(rest) and all(
        _kind(field) == "text" and _WORD.match(field) and field not in MISSING for field in first
    )
    return is_named and any(
        all(place < len(fields) and _NUMBER.fullmatch(fields[place]) for fields in rest) for place in range(len(first))
    )


def _is_numbers(fields: tuple[str, ...]) -> bool:
    return all(_NUMBER.fullmatch(field) for field in fields)


def _is_words(field: str) -> bool:
    return bool(_WORD.fullmatch(field)) or " " in field


def _kind(field: str) -> str:
    if looks_like_time(field):
        return "time"
    return "number" if _NUMBER.fullmatch(field) else "text"


def _name_columns(columns: list[list[str]]) -> tuple[str, ...]:
    """Return names for columns of texts by what they hold: user and item come first, then ratings and times."""
    free = ["user", "item"]
    names: list[str] = []
    for values in columns:
        numbers = [float(value.replace(",", ".")) for value in values if _NUMBER.fullmatch(value)]
        is_time = all(map(looks_like_time, values)) or (
            len(numbers) == len(values) and all(1e8 <= number < 1e14 for number in numbers)
        )
        if not free and is_time and "time" not in names:
            names.append("time")
        elif free:
            names.append(free.pop(0))
        elif len(numbers) == len(values) and "weight" not in names:
            names.append("weight")
        else:
            names.append(f"column{len(names) + 1}")
    return tuple(names)
