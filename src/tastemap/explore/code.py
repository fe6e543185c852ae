"""The lines of Python that give a list of the explorer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tastemap.explore.filters import Filters
from tastemap.serve.served import Served


def write_code(served: Served, likes: Sequence[str], dislikes: Sequence[str], filters: Filters, k: int = 10) -> str:
    """Return the two lines that list what a taste gets from a model; filters need the table of items, named `films`."""
    ids = served.model.items
    given = [f"k={k}"]
    if dislikes:
        given.insert(0, f"disliked={_list(served, dislikes)}")
    if filters.where:
        given.append(f"where={list(filters.where)!r}")
    if filters.diversity:
        given.append(f"diversity={filters.diversity:g}")
    if filters.at_most:
        given.append(f"at_most={dict(filters.at_most)!r}")
    if filters.where or filters.at_most:
        given.append(f"item_table=tm.ItemTable.from_frame(items, {ids.name!r})")
    here = Path.cwd()
    path = served.path.relative_to(here) if served.path.is_relative_to(here) else served.path
    call = f"tm.load({str(path)!r}).recommend_for({_list(served, likes)}, {', '.join(given)})"
    return f"import tastemap as tm\n{call}"


def _list(served: Served, items: Sequence[str]) -> str:
    """Return ids as Python writes them, in the type of the model's."""
    known = [item for item in items if served.find_item(item) >= 0]
    return repr([served.model.items[served.find_item(item)] for item in known])
