"""Titles in place of ids, in what people type and in what tables show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from tastemap.data._lookup import as_texts
from tastemap.data._spelling import read_ids, respell_ids
from tastemap.data.frames import check_columns
from tastemap.data.ids import IdMap
from tastemap.data.item_table import ItemTable
from tastemap.data.names import guess_column
from tastemap.data.sources.files import DataFile
from tastemap.datasets import read_movies
from tastemap.errors import DataError, Remedy, name_some
from tastemap.service.reading import open_any
from tastemap.service.remarks import Remark
from tastemap.service.search import Search
from tastemap.typing import Counts

# The most of the items with several rows that may have several values of a column.
MOST_VARIED = 0.5


@dataclass(frozen=True)
class Titles:
    """The titles of items; without any, ids stand for themselves.

    items : the items that may be asked for
    frame : one row an item: item, title
    popularity : int64, (len(items),): of several items that a text may mean, the highest is named first
    """

    items: IdMap
    frame: pl.DataFrame | None = None
    remarks: tuple[Remark, ...] = ()
    popularity: Counts | None = None

    @classmethod
    def read(
        cls,
        path: Path | None,
        items: IdMap,
        *,
        id_column: str | None = None,
        title_column: str | None = None,
        data: Path | None = None,
        popularity: Counts | None = None,
        id_parameter: str = "id_column",
    ) -> Titles:
        """Read a file of titles; without one, take the titles that come with MovieLens ``data``.

        id_column, title_column : names of columns; None looks for usual names
        id_parameter : what errors call the first of these

        A remark counts the items without a title, or says why those of ``data`` cannot be read. Raises DataError where
        the file cannot be read or a column is not found.
        """
        source = path or data
        if source is None:
            return cls(items, popularity=popularity)
        try:
            table, remarks = _read_table(path, items, id_column) if path else (read_movies(source.expanduser()), [])
        except DataError as error:
            if path is not None:
                raise
            return cls(items, remarks=(Remark("titles left out", {"error": error}),), popularity=popularity)
        if table is None:
            return cls(items, popularity=popularity)
        id_column = id_column or _guess_id(table.columns, items)
        if id_column is None:
            raise _make_column_error(source, table, id_parameter)
        title_column = title_column or _guess_title(table, id_column)
        if title_column is None:
            raise _make_column_error(source, table, "title_column")
        check_columns((id_column, title_column), table.columns)
        ids = respell_ids(table[id_column], items.ids.dtype)
        titles = pl.DataFrame({"item": ids, "title": as_texts(table[title_column])})
        titles = titles.filter(titles["title"].str.strip_chars() != "").unique(
            "item", keep="first", maintain_order=True
        )
        remarks += _count_untitled(source, items, titles["item"], table[id_column])
        return cls(items, titles, tuple(remarks), popularity)

    def find(self, text: str) -> int | str:
        """Return the id that ``text`` is, or that of the item whose title matches it best, as `Search.find` does."""
        return self.search.find(text)

    def find_all(self, texts: Iterable[str]) -> tuple[list[int | str], list[Remark]]:
        """Return the id for each text, and a remark for each that is neither an id nor a title as it is written."""
        items, remarks = [], []
        for text in texts:
            item = self.find(text)
            if text not in (str(item), title := self.name(item)):
                remarks.append(Remark("found", {"text": text, "item": item, "title": title}))
            items.append(item)
        return items, remarks

    @cached_property
    def search(self) -> Search:
        """What finds items by their titles."""
        if self.frame is None:
            return Search(self.items, popularity=self.popularity)
        own = pl.DataFrame({"item": self.items.ids}).join(self.frame, on="item", how="left", maintain_order="left")
        return Search(self.items, own["title"], self.popularity)

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
class ItemFile:
    """All that a file says about items: ``frame`` has their ids, in the type of the model's, in ``id_column``."""

    frame: pl.DataFrame
    id_column: str
    remarks: tuple[Remark, ...]

    @classmethod
    def read(
        cls,
        path: Path,
        items: IdMap,
        *,
        id_column: str | None = None,
        count_missing: bool = False,
        id_parameter: str = "id_column",
    ) -> ItemFile:
        """Read a file of titles; raises DataError as `Titles.read` does.

        Of a file with many rows an item, such as one of orders, only columns that tell something of items are taken.

        count_missing : say how many items are not in the file
        id_parameter : what errors call the parameter of the column of ids
        """
        table, remarks = _read_table(path, items, id_column)
        id_column = id_column or _guess_id(table.columns, items)
        if id_column is None:
            raise _make_column_error(path, table, id_parameter)
        check_columns((id_column,), table.columns)
        frame = _drop_columns_of_rows(table.with_columns(respell_ids(table[id_column], items.ids.dtype)), id_column)
        if count_missing:
            remarks += _count_untitled(path, items, frame[id_column], table[id_column])
        return cls(frame, id_column, tuple(remarks))

    @cached_property
    def table(self) -> ItemTable:
        """What `where` and `at_most` choose from: the items of the model, each by its first row."""
        known = self.frame.filter(self.frame[self.id_column].is_not_null())
        return ItemTable.from_frame(known.unique(self.id_column, keep="first", maintain_order=True), self.id_column)


def _drop_columns_of_rows(frame: pl.DataFrame, id_column: str) -> pl.DataFrame:
    """Leave out columns that most items with several rows have several values of: they tell of rows, not of items."""
    others = [column.name for column in frame if column.name != id_column and not column.dtype.is_nested()]
    values = frame.group_by(id_column).agg(pl.col(others).drop_nulls().n_unique(), pl.len().alias("rows of an item"))
    several = values.filter(pl.col("rows of an item") > 1)
    varied = {name: int((several[name] > 1).sum()) for name in others}
    dropped = [name for name, count in varied.items() if count > MOST_VARIED * len(several)]
    return frame.drop(dropped)


def _read_table(path: Path, items: IdMap, id_column: str | None) -> tuple[pl.DataFrame, list[Remark]]:
    movies = read_movies(path.expanduser())
    if movies is not None:
        return movies, []
    try:
        return _read_file(path, items, id_column)
    except DataError as error:
        if not any(way.parameter == "encoding" for way in error.remedies):
            raise
    # As MovieLens writes: a letter that is wrong in a title does no harm.
    table, remarks = _read_file(path, items, id_column, encoding="latin-1")
    return table, [Remark("encoding", {"path": path, "encoding": "latin-1"}), *remarks]


def _read_file(
    path: Path, items: IdMap, id_column: str | None, *, encoding: str | None = None
) -> tuple[pl.DataFrame, list[Remark]]:
    file, remarks = open_any(path, encoding=encoding)
    header = file.read_header()
    if id_column is None and _guess_id(header, items) is None and _is_row(header, items):
        return _read_rows(file, len(header), items), remarks
    ids = id_column or _guess_id(header, items)
    # A title of an item that the model does not know, such as NA, does no harm.
    return file.read(ids=[ids] if ids else (), keep_na=True), remarks


def _is_row(header: list[str], items: IdMap) -> bool:
    """Return whether the first line is no header: it has an id of the model, or a number."""
    ids = respell_ids(pl.Series(header), items.ids.dtype)
    return bool(ids.is_in(items.ids.implode()).any()) or any(name.isdecimal() for name in header)


def _read_rows(file: DataFile, n_columns: int, items: IdMap) -> pl.DataFrame:
    """Read a file without a header; its columns are called after the item and by their places, "2" for the second.

    The column of ids is the one with the most ids of the model.
    """
    names = [str(place) for place in range(1, n_columns + 1)]
    table = replace(file, columns=tuple(names)).read(ids=names, keep_na=True).cast(pl.String)
    known = [int(respell_ids(column, items.ids.dtype).is_in(items.ids.implode()).sum()) for column in table]
    table = table.rename({names[known.index(max(known))]: items.name})
    return table.with_columns(read_ids(table[items.name], keep_na=True))


def _guess_id(header: list[str], items: IdMap) -> str | None:
    return guess_column("item", header, items.name) or guess_column("id", header)


def _guess_title(table: pl.DataFrame, id_column: str) -> str | None:
    """Return the column of titles: one called so, or as in Book-Title; of columns without names the first of texts."""
    header = [name for name in table.columns if name != id_column]
    endings = [name for end in ("title", "name") for name in header if name.lower().endswith(end)]
    texts = [name for name in header if name.isdecimal() and table[name].dtype == pl.String]
    texts = [name for name in texts if read_ids(table[name]).dtype == pl.String]
    return guess_column("title", header) or next(iter([*endings, *texts]), None)


def _count_untitled(source: Path, items: IdMap, titled: pl.Series, written: pl.Series) -> list[Remark]:
    """Return a remark where some items have no title, with an id of theirs and one as it is written in the file."""
    without = items.ids.filter(~items.ids.is_in(titled.implode()))
    if without.is_empty():
        return []
    facts = {"path": source, "untitled": len(without), "items": len(items), "item": without[0], "written": written[0]}
    return [Remark("untitled", facts)]


def _make_column_error(source: Path, table: pl.DataFrame, parameter: str) -> DataError:
    return DataError(
        f"{source} has the columns {name_some(table.columns, 12)}",
        Remedy(f"name one with {parameter}=", parameter, ...),
        path=source,
        columns=tuple(table.columns),
    )
