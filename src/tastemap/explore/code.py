"""The lines of Python that give a list of the explorer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tastemap.explore.filters import Filters
from tastemap.serve.served import Served

# What reads a file of items, by the end of its name.
READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".parquet": "read_parquet",
    ".json": "read_json",
    ".ndjson": "read_ndjson",
}


def write_code(served: Served, likes: Sequence[str], dislikes: Sequence[str], filters: Filters, k: int = 10) -> str:
    """Return the two lines that list what a taste gets from a model; conditions need the table of items before."""
    given = [f"k={k}"]
    if dislikes:
        given.insert(0, f"disliked={_list(served, dislikes)}")
    if filters.where:
        given.append(f"where={list(filters.where)!r}")
    if filters.diversity:
        given.append(f"diversity={filters.diversity:g}")
    if filters.since:
        given.append(f"since={filters.since!r}")
    if filters.at_most:
        given.append(f"at_most={dict(filters.at_most)!r}")
    lines = ["import tastemap as tm"]
    if (filters.where or filters.at_most) and served.items_file is not None:
        given.append("item_table=items")
        lines += _read_items(served.items_file, str(served.item_id))
    call = f"tm.load({_shorten(served.path)!r}).recommend_for({_list(served, likes)}, {', '.join(given)})"
    return "\n".join([*lines, call])


def _read_items(path: Path, id_column: str) -> list[str]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        return [f"# items = tm.ItemTable.from_frame(..., {id_column!r}), from {_shorten(path)}"]
    separator = ", separator='\\t'" if path.suffix.lower() == ".tsv" else ""
    table = f"pl.{reader}({_shorten(path)!r}{separator})"
    return ["import polars as pl", f"items = tm.ItemTable.from_frame({table}, {id_column!r})"]


def _shorten(path: Path) -> str:
    """Return a path from the folder where the explorer was started, if it is below that."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _list(served: Served, items: Sequence[str]) -> str:
    """Return ids as Python writes them, in the type of the model's."""
    known = [row for row in map(served.find_item, items) if row >= 0]
    return repr([served.model.items[row] for row in known])
