"""Tells from the footer of a Parquet file how deep its columns are, before polars reads them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

_SCHEMA, _N_CHILDREN = 2, 5  # the numbers of these fields in Parquet's metadata
_BINARY, _LIST, _SET, _STRUCT = 8, 9, 10, 12  # types of Thrift's compact protocol
_FIXED = {1: 0, 2: 0, 3: 1, 7: 8}  # the other types that are no varint, and their bytes


def measure_depth(file: BinaryIO) -> int:
    """Return how many levels the deepest column has, 1 for plain ones; 0 where the footer cannot be read.

    Polars goes through these levels by recursion: some thousands of them end the process.
    """
    try:
        file.seek(-8, io.SEEK_END)
        size = int.from_bytes(file.read(4), "little")
        file.seek(-8 - size, io.SEEK_END)
        return _Footer(file.read(size)).measure_depth()
    except (OSError, ValueError, IndexError, RecursionError):
        return 0


class _Footer:
    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def measure_depth(self) -> int:
        for field, kind in self._read_fields():
            if field != _SCHEMA:
                self._skip(kind)
                continue
            deepest, open_groups = 0, [1]  # how many children of each group are still to come
            for _ in range(self._read_list()[0]):
                n_children = self._read_n_children()
                while open_groups and not open_groups[-1]:
                    open_groups.pop()
                open_groups[-1] -= 1
                open_groups.append(n_children)
                deepest = max(deepest, len(open_groups) - 2)  # without the root and what is above it
            return deepest
        return 0

    def _read_n_children(self) -> int:
        found = 0
        for field, kind in self._read_fields():
            if field == _N_CHILDREN:
                found = self._read_varint() >> 1  # never negative, so that zigzag doubles it
            else:
                self._skip(kind)
        return found

    def _read_fields(self) -> Iterator[tuple[int, int]]:
        """Give the number and type of each field of a struct; the caller reads or skips its value."""
        field = 0
        while header := self._read_byte():
            field = field + (header >> 4) if header >> 4 else self._read_varint() >> 1
            yield field, header & 15

    def _skip(self, kind: int) -> None:
        if kind == _STRUCT:
            for _, inner in self._read_fields():
                self._skip(inner)
        elif kind in (_LIST, _SET):
            n_values, inner = self._read_list()
            if inner in _FIXED:
                self.place += n_values * max(1, _FIXED[inner])
                return
            for _ in range(n_values):  # each takes a byte at least, so that a false number soon ends
                self._skip(inner)
        elif kind == _BINARY:
            length = self._read_varint()
            self.place += length
        elif kind in _FIXED:
            self.place += _FIXED[kind]
        else:
            self._read_varint()

    def _read_list(self) -> tuple[int, int]:
        """Return the number of values of a list and their type."""
        header = self._read_byte()
        return self._read_varint() if header >> 4 == 15 else header >> 4, header & 15

    def _read_varint(self) -> int:
        number = shift = 0
        while (byte := self._read_byte()) >= 128:
            number, shift = number | (byte & 127) << shift, shift + 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")
        return number | byte << shift

    def _read_byte(self) -> int:
        self.place += 1
        return self.content[self.place - 1]
