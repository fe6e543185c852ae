"""Says how Interactions are made of what was passed in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from tastemap.data.frames import to_polars
from tastemap.data.names import guess_column
from tastemap.data.sources.files import open_file
from tastemap.errors import TastemapError, name_some, show

# Classes of other libraries -> what gives the interactions that they hold, with their own ids.
_ELSEWHERE = {
    "rectools": "from_frame(dataset.get_raw_interactions(), user='user_id', item='item_id', weight='weight', "
    "time='datetime')",
    "surprise Trainset": "from_frame(polars.DataFrame(trainset.build_testset(), ['user', 'item', 'rating'], "
    "orient='row'), weight='rating')",
    "surprise": "from_frame(polars.DataFrame([row[:3] for row in dataset.raw_ratings], ['user', 'item', 'rating'], "
    "orient='row'), weight='rating')",
    "lightfm": "from_frame(frame, user=..., item=...) of the frame or list that the Dataset was fitted to",
}

_IDS = ("user", "item")
_DENSE = "from_csr(scipy.sparse.csr_array(matrix))"
_ROWS = ("user", "item", "rating", "time")  # what rows of tuples hold, as a rule


def say_how(value: Any, purpose: str) -> str:
    """Return the way out: the line that makes Interactions of a value, and the one that passes them.

    purpose : the method or the argument that takes them
    """
    made = _find_way(value)
    if made is None:
        return "make them with Interactions.from_frame, from_file or from_csr"
    then = f"call {purpose}(data)" if purpose in ("fit", "update") else "pass data"
    return f"make them with data = tm.Interactions.{made}, then {then}"


def _find_way(value: Any) -> str | None:
    library = type(value).__module__.partition(".")[0]
    name = f"{library} {type(value).__name__}"
    if name in _ELSEWHERE or library in _ELSEWHERE:
        return _ELSEWHERE.get(name) or _ELSEWHERE[library]
    if isinstance(value, str | Path):
        return _name_columns(f"from_file({show(str(value))}", _read_header(value))
    if sp.issparse(value):
        return "from_csr(matrix)"
    if isinstance(value, tuple) and value and all(map(sp.issparse, value)):  # (interactions, weights) of LightFM
        return f"from_csr(matrices[{len(value) - 1}])"
    if isinstance(value, np.ndarray):
        is_matrix = value.ndim == 2 and value.dtype.kind in "biuf" and value.shape[1] > len(_ROWS)
        return _DENSE if is_matrix else _make_of_rows(value)
    columns = _list_columns(value)
    if columns is not None:
        return _name_columns("from_frame(frame", columns, lambda column: _holds_numbers(value, column))
    return _make_of_rows(value) if isinstance(value, Sequence) else None


def _list_columns(value: Any) -> list[str] | None:
    """Return the names of the columns of what looks like a frame, else None."""
    if isinstance(value, Mapping):
        return list(map(str, value))
    if isinstance(value, pl.LazyFrame):
        return value.collect_schema().names()
    names = getattr(value, "column_names", None)  # of pyarrow
    names = getattr(value, "columns", None) if names is None else names
    return None if names is None or isinstance(names, str | Callable) else list(map(str, names))


def _name_columns(call: str, columns: Sequence[str], holds_numbers: Callable[[str], bool] = bool) -> str:
    """Return the call with the columns whose names are usual."""
    found = {use: guess_column(use, columns) for use in ("user", "item", "weight", "time")}
    if found["weight"] is not None and not holds_numbers(found["weight"]):
        found["weight"] = None
    given = [f"{use}={'...' if name is None else show(name)}" for use, name in found.items() if name or use in _IDS]
    unknown = columns and not all(found[use] for use in _IDS)
    which = f", naming the columns of ids among {name_some(columns, 12)}" if unknown else ""
    return f"{call}, {', '.join(given)}){which}"


def _read_header(path: str | Path) -> list[str]:
    """Return the names of the columns of a file, none where it cannot be read."""
    try:
        return list(open_file(path).read_header())
    except (TastemapError, OSError, ValueError):  # the line will say it better
        return []


def _make_of_rows(rows: Any) -> str | None:
    """Return the call for a list or an array of rows such as (user, item, rating), None for anything else."""
    widths = {len(row) if isinstance(row, tuple | list | np.ndarray) else 0 for row in rows[:9]}
    if len(widths) != 1 or not 2 <= max(widths) <= len(_ROWS):
        return None
    names = list(_ROWS[: max(widths)])
    more = "".join(f", {use}={name!r}" for use, name in zip(("weight", "time"), names[2:], strict=False))
    return f"from_frame(polars.DataFrame(rows, {names}, orient='row'){more})"


def _holds_numbers(value: Any, column: str) -> bool:
    """Tell whether a column holds numbers, by its first rows."""
    try:
        first = value if isinstance(value, Mapping) else value.head(9) if hasattr(value, "head") else value
        return to_polars(first, [column])[column].dtype.is_numeric()
    except (TastemapError, TypeError, ValueError):
        return False
