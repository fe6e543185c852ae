"""Items that a person chooses: by id, by title, or by a file of ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tastemap.data._spelling import parse_number, respell_ids
from tastemap.data.ids import IdMap
from tastemap.data.names import guess_column
from tastemap.errors import DataError, ParameterError, TastemapError, show
from tastemap.models.shared.base import Model
from tastemap.service.remarks import Remark
from tastemap.service.titles import ItemFile, Titles

# With fewer users, what a model has learned of an item is mostly chance.
FEW_USERS = 5


def choose_items(texts: Sequence[str], names: Titles) -> tuple[list[int | str], list[Remark]]:
    """Return the ids of chosen items, and what was decided on the way.

    texts : each a file of ids, an id, a title, or several ids or titles with commas

    Ids of a file that the model does not know are left out, with a remark. Raises UnknownIdError for others, and
    DataError for a file that cannot be read or has no known id.
    """
    chosen: list[int | str] = []
    remarks: list[Remark] = []
    for text in texts:
        if _is_file(text):
            found, told = _read_ids(Path(text), names.items)
            chosen += found
            remarks += told
            continue
        parts = [part.strip() for part in text.split(",") if part.strip()]
        try:
            found, told = names.find_all(parts if len(parts) > 1 else [text])
        except TastemapError as error:
            try:
                found, told = names.find_all([text])  # a title may hold commas
            except TastemapError:
                raise error from None
        chosen += found
        remarks += told
    return list(dict.fromkeys(chosen)), remarks


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # a list of ids is longer than a name can be
        return False


def _read_ids(path: Path, items: IdMap) -> tuple[list[int | str], list[Remark]]:
    ids, remarks = _read_list(path, items), list[Remark]()
    if ids is None:
        table = ItemFile.read(path, items)
        ids, remarks = table.frame[table.id_column], list(table.remarks)
    known = ids.filter(ids.is_in(items.ids.implode()))
    if known.is_empty():
        raise DataError(f"the model knows none of the items of {path}: the ids may be of another data set", path=path)
    n_lost = len(ids) - len(known)
    if n_lost:
        remarks.append(Remark("unknown candidates", {"path": path, "left_out": n_lost, "items": len(ids)}))
    return known.to_list(), remarks


def _read_list(path: Path, items: IdMap) -> pl.Series | None:
    """Return the ids of a text with one a line, with or without a name in the first; None for a table."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        return None
    lines = [line for line in lines if line]
    if not lines or any(mark in lines[0] for mark in ",;\t|") or "::" in lines[0]:
        return None
    is_name = guess_column("item", lines[:1], items.name) or guess_column("id", lines[:1])
    return respell_ids(pl.Series(items.name, lines[1:] if is_name else lines, dtype=pl.String), items.ids.dtype)


def read_limits(texts: Sequence[str]) -> dict[str, int]:
    """Return {"genre": 2} for the text genre=2; raises ParameterError for others."""
    limits: dict[str, int] = {}
    for text in texts:
        column, _, most = text.rpartition("=")
        number = parse_number(most.strip())
        if not column.strip() or number is None:
            raise ParameterError(
                f"at_most must be COLUMN=NUMBER, such as genre=2, got {show(text)}", parameter="at_most", value=text
            )
        limits[column.strip()] = number
    return limits


def find_rare_neighbours(model: Model, neighbours: pl.DataFrame) -> list[Remark]:
    """Return a remark where half of the neighbours are items that few users have, of which models learn mostly chance.

    neighbours : as `similar_items` returns them
    """
    if neighbours.is_empty():
        return []
    n_rare = int((model.popularity_[model.items.rows(neighbours["neighbour"])] < FEW_USERS).sum())
    n_common = int((model.popularity_ >= FEW_USERS).sum())
    if 2 * n_rare < len(neighbours) or n_common <= neighbours["rank"].to_numpy().max():  # small data have no others
        return []
    return [Remark("rare neighbours", {"rare": n_rare, "neighbours": len(neighbours), "users": FEW_USERS})]
