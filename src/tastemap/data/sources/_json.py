"""Reads the columns of JSON: one object a line, or an array of objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import polars as pl

from tastemap.data.frames import check_columns
from tastemap.data.sources._numbers import read_numbers
from tastemap.data.sources._room import check_room
from tastemap.data.sources._unpack import Content, as_polars_source, open_content
from tastemap.errors import DataError, show

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")

_START = 1 << 20  # bytes in which the names of columns are looked for first
_PIECE = 1 << 20
_WIDTH = 16  # bytes that a value takes, as a text of up to 12 characters
_WAY = "write one object a line, such as pandas' to_json(path, orient='records', lines=True)"


def begins_as_json(content: Content) -> bool:
    """Return whether a text begins as an object or an array of objects does."""
    with open_content(content) as stream:
        return re.match(rb"\s*(?:\{|\[\s*\{)", stream.read(1000)) is not None


@dataclass(frozen=True)
class JsonTable:
    """The objects of a JSON file as rows, their keys as columns; `label` names it in messages.

    A value is read as a text of a csv file is; null and an absent key are no value.
    """

    content: Content
    label: str
    before: int | None = None  # the lines of the file before the content, where that is a piece of it

    def read_header(self) -> list[str]:
        """Return the names of the columns: the keys of the first objects, in order."""
        return self._list_keys(_START)

    def read(
        self, columns: Sequence[str] | None, texts: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> pl.DataFrame:
        """Read the named columns, or all; raises DataError for one that is not there or holds lists or objects.

        texts : columns that are read as they are written; the values of others tell their types
        numbers : columns of numbers, in a text with a decimal comma too
        """
        names = self._list_keys(-1) if columns is None else list(columns)
        if self.before is None:
            self.check_names(names)
        schema = dict.fromkeys(names, pl.String)
        if self._is_array:
            check_room(self._size, self.label)
            table = pl.read_json(as_polars_source(self.content), schema=schema)
        else:
            check_room(self._count_lines() * len(names) * _WIDTH, self.label)
            table = pl.read_ndjson(as_polars_source(self.content), schema=schema)
        self._check_plain(table)
        table = table.with_columns(_type_texts(table[name]) for name in names if name not in texts)
        for name in (name for name in numbers if name in table.columns and table[name].dtype == pl.String):
            table = table.with_columns(read_numbers(table[name], self.label))
        return table

    def check_names(self, columns: Sequence[str]) -> None:
        """Raise DataError for a column that no object has."""
        existing = self.read_header()
        if not set(columns) <= set(existing):
            existing = self._list_keys(-1)  # a key may come late
        check_columns(columns, existing)

    def has_pieces(self, size: int) -> bool:
        """Return whether these are lines of more than so many bytes; an array of objects cannot be cut."""
        return self._size > size and not self._is_array

    def cut(self, size: int) -> Iterator[JsonTable]:
        """Give lines in pieces of about so many bytes."""
        with open_content(self.content) as stream:
            before = 0
            while piece := b"".join(stream.readlines(size)):
                yield JsonTable(piece, self.label, before)
                before += piece.count(b"\n")

    def explain(self, reason: str) -> DataError:
        """Return an error that says why polars could not read the file; ``reason`` is what polars says."""
        try:
            for _ in self._read_objects():
                pass
        except DataError as error:
            return error
        return DataError(f"cannot read {self.label}: {reason}")

    @property
    def _size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    @property
    def _is_array(self) -> bool:
        with open_content(self.content) as stream:
            return stream.read(1000).lstrip()[:1] == b"["

    def _count_lines(self) -> int:
        n_lines = 1
        with open_content(self.content) as stream:
            while piece := stream.read(_PIECE):
                n_lines += piece.count(b"\n")
        return n_lines

    def _list_keys(self, size: int) -> list[str]:
        """Return the keys of the objects in the first ``size`` bytes, -1 for all; raises DataError where none is."""
        if size < 0:
            check_room(self._size, self.label)
        with open_content(self.content) as stream:
            text = stream.read(size).decode("utf-8", errors="replace")
        keys: dict[str, None] = {}
        decoder, n_objects, place = json.JSONDecoder(), 0, _skip(text, 0)
        only: dict[str, Any] = {}
        try:
            while place < len(text):
                only, place = decoder.raw_decode(text, place)
                if not isinstance(only, dict):
                    break
                keys.update(dict.fromkeys(only))
                n_objects, place = n_objects + 1, _skip(text, place)
        except (ValueError, RecursionError):  # where the sample was cut, or damage, which is told when it is read
            pass
        if n_objects == 1 and place >= len(text) and only and all(isinstance(v, dict | list) for v in only.values()):
            raise DataError(f"{self.label} is one object that holds columns or lists, of {show(list(only))}", _WAY)
        if not n_objects and 0 <= size < self._size:
            return self._list_keys(-1)
        if not n_objects:
            for _ in self._read_objects():
                pass
            raise DataError(f"{self.label} has no rows")
        return list(keys)

    def _check_plain(self, table: pl.DataFrame) -> None:
        """Raise DataError where a value is a list or an object, which polars gives as its text."""
        for column in table:
            suspect = set((column.str.starts_with("[") | column.str.starts_with("{")).arg_true())
            for row, (line, found) in enumerate(self._read_objects() if suspect else ()):
                if row in suspect and isinstance(value := found.get(column.name), dict | list):
                    raise DataError(
                        f"{self.label}: column {column.name!r} holds lists or objects, {show(value)} in line {line}",
                        "write the value in it as a column of its own",
                        column=column.name,
                    )

    def _read_objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Give the number of the line, from 1, and the object of each row; raise DataError for the first damaged one.

        The number is 1 in an array, whose objects may be on any line.
        """
        with open_content(self.content) as stream:
            if self._is_array:
                found = self._parse(1, stream.read())
                for one in found if isinstance(found, list) else [found]:
                    yield 1, self._check_object(1, one)
                return
            for number, line in enumerate(stream, (self.before or 0) + 1):
                if line.strip():
                    yield number, self._check_object(number, self._parse(number, line))

    def _parse(self, number: int, line: bytes) -> Any:
        try:
            return json.loads(line.decode("utf-8"), parse_constant=_refuse, parse_int=_refuse_huge)
        except RecursionError:
            problem = "is nested too deeply"
        except UnicodeDecodeError:
            raise DataError(
                f"{self.label} is not UTF-8 text in line {number}: convert it first, e.g. iconv -f latin1 -t utf-8"
            ) from None
        except json.JSONDecodeError as error:
            number += error.lineno - 1
            text = line.decode("utf-8")
            if re.match(r"[\[\s]*\{\s*u?'", text):
                problem = "is what Python prints for a dict, not JSON"
            elif error.msg == "Extra data":
                problem = "goes on behind the end of an object"
            else:
                problem = f"is not a whole JSON object ({error.msg})"
        except ValueError as error:
            problem = f"holds {error}, which is no number of JSON's"
        raise DataError(f"{self.label}: line {number} {problem}", _WAY, line=number)

    def _check_object(self, number: int, found: Any) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise DataError(f"{self.label}: {show(found, 40)} in line {number} is no JSON object", _WAY, line=number)
        return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _refuse_huge(digits: str) -> int:
    if len(digits) > 39:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


def _skip(text: str, place: int) -> int:
    """Return where the next object may begin: behind spaces, commas and the bracket of an array."""
    while place < len(text) and text[place] in " \t\r\n,[]":
        place += 1
    return place


def _type_texts(column: pl.Series) -> pl.Series:
    """Return a column of texts as whole numbers, numbers or truths where all are such, else as it is."""
    known = column.null_count()
    for dtype in (pl.Int64, pl.Float64):
        numbers = column.cast(dtype, strict=False)
        if numbers.null_count() == known < len(column):
            return numbers
    if known < len(column) and column.drop_nulls().is_in(["true", "false"]).all():
        return column == "true"
    return column
