"""Titles in place of ids, in what people type and in what tables show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tastemap.data._lookup import as_texts
from tastemap.data._spelling import parse_number, respell_ids
from tastemap.data.frames import check_columns
from tastemap.data.ids import IdMap
from tastemap.data.names import guess_column
from tastemap.datasets import read_movies
from tastemap.errors import DataError, Remedy, UnknownIdError, name_some
from tastemap.service.reading import open_any
from tastemap.service.remarks import Remark


@dataclass(frozen=True)
class Titles:
    """The titles of items; without any, ids stand for themselves.

    items : the items that may be asked for
    frame : one row an item: item, title
    """

    items: IdMap
    frame: pl.DataFrame | None = None
    remarks: tuple[Remark, ...] = ()

    @classmethod
    def read(
        cls,
        path: Path | None,
        items: IdMap,
        *,
        id_column: str | None = None,
        title_column: str | None = None,
        data: Path | None = None,
    ) -> Titles:
        """Read a file of titles; without one, take the titles that come with MovieLens ``data``.

        id_column, title_column : names of columns; None looks for usual names

        Raises DataError where the file cannot be read or a column is not found.
        """
        source = path or data
        if source is None:
            return cls(items)
        table, remarks = _read_table(path, items, id_column) if path else (read_movies(source.expanduser()), [])
        if table is None:
            return cls(items)
        id_column = id_column or _guess_id(table.columns, items)
        title_column = title_column or guess_column("title", table.columns)
        if id_column is None:
            raise _make_column_error(source, table, "id_column")
        if title_column is None:
            raise _make_column_error(source, table, "title_column")
        check_columns((id_column, title_column), table.columns)
        ids = respell_ids(table[id_column], items.ids.dtype)
        titles = pl.DataFrame({"item": ids, "title": as_texts(table[title_column])})
        return cls(items, titles.unique("item", keep="first", maintain_order=True), tuple(remarks))

    def find(self, text: str) -> int | str:
        """Return the id that ``text`` is, or the id of the only item whose title contains it.

        Raises UnknownIdError where no title contains it, DataError where several do.
        """
        if self.frame is None:
            return parse_id(text, self.items)
        try:
            item = parse_id(text, self.items)
        except DataError:
            pass  # not a number, so it is a title
        else:
            if item in self.items:
                return item
        known = self.frame.filter(pl.col("item").is_in(self.items.ids.implode()))
        lower = pl.col("title").str.to_lowercase()
        for match in (lower == text.lower(), lower.str.contains(text.lower(), literal=True)):
            found = known.filter(match)
            if len(found) == 1:
                only: int | str = found["item"].item()
                return only
            if len(found) > 1:
                raise DataError(
                    f"{text!r} is in {len(found)} titles, {name_some(found['title'], 5)}",
                    "say more of it",
                    titles=tuple(found["title"]),
                )
        raise UnknownIdError(f"no item of the model has the id or title {text!r}", ids=[text])

    def join(self, frame: pl.DataFrame, column: str) -> pl.DataFrame:
        """Insert the titles of the items in ``column`` as the next column."""
        if self.frame is None:
            return frame
        place = frame.columns.index(column) + 1
        both = frame.join(self.frame, left_on=column, right_on="item", how="left", maintain_order="left")
        return both.select(*frame.columns[:place], "title", *frame.columns[place:])

    def name(self, item: object) -> str:
        """Return the title of an item, or its id as a text where it has none."""
        found = [] if self.frame is None else self.frame.filter(item=item)["title"].to_list()
        return found[0] if found else str(item)


@dataclass(frozen=True)
class ItemTable:
    """All that a file says about items: ``frame`` has their ids, in the type of the model's, in ``id_column``."""

    frame: pl.DataFrame
    id_column: str
    remarks: tuple[Remark, ...]

    @classmethod
    def read(cls, path: Path, items: IdMap, *, id_column: str | None = None) -> ItemTable:
        """Read a file of titles whole; raises DataError as `Titles.read` does."""
        table, remarks = _read_table(path, items, id_column)
        id_column = id_column or _guess_id(table.columns, items)
        if id_column is None:
            raise _make_column_error(path, table, "id_column")
        check_columns((id_column,), table.columns)
        frame = table.with_columns(respell_ids(table[id_column], items.ids.dtype))
        return cls(frame, id_column, tuple(remarks))


def parse_id(text: str, ids: IdMap) -> int | str:
    """Return an id of the type that the map holds; raises DataError for a text that is not an integer where ids are."""
    if ids.holds_strings:
        return text
    if (number := parse_number(text)) is None:
        raise DataError(f"the ids of {ids.name!r} are integers here, got {text!r}", column=ids.name)
    return number


def _read_table(path: Path, items: IdMap, id_column: str | None) -> tuple[pl.DataFrame, list[Remark]]:
    movies = read_movies(path.expanduser())
    if movies is not None:
        return movies, []
    file, remarks = open_any(path)
    ids = id_column or _guess_id(file.read_header(), items)
    # A title of an item that the model does not know, such as NA, does no harm.
    return file.read(ids=[ids] if ids else (), keep_na=True), remarks


def _guess_id(header: list[str], items: IdMap) -> str | None:
    return guess_column("item", header, items.name) or guess_column("id", header)


def _make_column_error(source: Path, table: pl.DataFrame, parameter: str) -> DataError:
    return DataError(
        f"{source} has the columns {name_some(table.columns, 12)}",
        Remedy(f"name one with {parameter}=", parameter, ...),
        path=source,
        columns=tuple(table.columns),
    )
