"""Titles in place of ids: those that a user types and those that a table shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tastemap.cli.data import guess, opened, to_id
from tastemap.errors import DataError, name_some

if TYPE_CHECKING:
    import polars as pl

    from tastemap import IdMap


@dataclass
class Titles:
    """The titles of items, or nothing to do where there are none.

    items : the items that may be asked for
    frame : one row an item: item, title
    """

    items: IdMap
    frame: pl.DataFrame | None = None

    @classmethod
    def read(
        cls,
        path: Path | None,
        id_column: str | None,
        title_column: str | None,
        items: IdMap,
        *,
        data: Path | None = None,
    ) -> Titles:
        """Read a file of titles; where there is none, those that MovieLens ``data`` bring themselves."""
        import polars as pl

        from tastemap.data.frames import check_columns
        from tastemap.datasets import read_movies

        source = path or data
        if source is None:
            return cls(items)
        table = read_movies(source.expanduser()) if path is None else _table(path)
        if table is None:
            return cls(items)
        id_column = id_column or _guessed_id(table, items)
        title_column = title_column or guess("title", table.columns)
        if id_column is None or title_column is None:
            raise _unnamed(source, table, "--title-id" if id_column is None else "--title-column")
        check_columns((id_column, title_column), table.columns)
        ids = table[id_column].cast(items.ids.dtype, strict=False)
        titles = pl.DataFrame({"item": ids, "title": table[title_column].cast(pl.String)})
        return cls(items, titles.unique("item", keep="first", maintain_order=True))

    def item(self, text: str) -> int | str:
        """Return the id that ``text`` is, or the id of the only item whose title holds it."""
        import polars as pl

        if self.frame is None:
            return to_id(text, self.items)
        try:
            item = to_id(text, self.items)
        except DataError:
            pass  # no number, so it is a title
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
                raise DataError(f"{text!r} is in {len(found)} titles, {name_some(found['title'], 5)}: say more of it")
        raise DataError(f"no item of the model has the id or title {text!r}")

    def joined(self, frame: pl.DataFrame, column: str) -> pl.DataFrame:
        """Put the titles of the items in ``column`` behind it."""
        if self.frame is None:
            return frame
        place = frame.columns.index(column) + 1
        both = frame.join(self.frame, left_on=column, right_on="item", how="left", maintain_order="left")
        return both.select(*frame.columns[:place], "title", *frame.columns[place:])

    def of(self, item: object) -> str:
        """Return the title of an item, or its id."""
        found = [] if self.frame is None else self.frame.filter(item=item)["title"].to_list()
        return found[0] if found else str(item)


def item_table(path: Path, id_column: str | None, items: IdMap) -> tuple[pl.DataFrame, str]:
    """Read the whole of a file of titles, its ids in the type of the items', and say which column they are in."""
    import polars as pl

    from tastemap.data.frames import check_columns

    table = _table(path)
    id_column = id_column or _guessed_id(table, items)
    if id_column is None:
        raise _unnamed(path, table, "--title-id")
    check_columns((id_column,), table.columns)
    return table.with_columns(pl.col(id_column).cast(items.ids.dtype, strict=False)), id_column


def _table(path: Path) -> pl.DataFrame:
    from tastemap.datasets import read_movies

    movies = read_movies(path.expanduser())
    return opened(path).read() if movies is None else movies


def _guessed_id(table: pl.DataFrame, items: IdMap) -> str | None:
    return guess("item", table.columns, items.name) or guess("id", table.columns)


def _unnamed(source: Path, table: pl.DataFrame, option: str) -> DataError:
    return DataError(f"{source} has the columns {name_some(table.columns, 12)}: pass {option} COLUMN")
