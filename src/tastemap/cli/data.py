"""Interactions from files whose columns are named by options or guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tastemap.cli.output import note
from tastemap.errors import DataError, name_some

if TYPE_CHECKING:
    import polars as pl

    from tastemap import IdMap, Interactions

_USUAL = {
    "user": "user user_id person_id customer_id visitor_id reader_id account_id uid person customer",
    "item": "item item_id movie_id content_id product_id article_id book_id track_id song_id artist_id "
    "stock_code sku isbn asin iid movie content product article book track song artist",
    "weight": "weight rating ratings score stars strength count plays play_count quantity",
    "time": "timestamp time datetime date created_at event_time invoice_date unix_time ts",
    "event": "event event_type type action",
    "id": "id",
    "title": "title name item_name product_name description",
}
_MOVIELENS = {"user": "user_id", "item": "movie_id", "weight": "rating", "time": "timestamp"}


@dataclass(kw_only=True)
class Reader:
    """What the options say about files of interactions."""

    user: str | None = None
    item: str | None = None
    weight: str | None = None
    time: str | None = None
    no_weight: bool = False
    guess_time: bool = False
    event: list[str] | None = None
    at_least: float | None = None
    duplicates: Any = "error"
    drop_nulls: bool = False
    separator: str | None = None

    def read(self, path: Path, *, like: Any = None) -> Interactions:
        """Read a file; ``like`` is a fitted model whose column names are tried first."""
        return self.read_with_columns(path, like)[0]

    def read_with_columns(self, path: Path, like: Any = None) -> tuple[Interactions, dict[str, str]]:
        """Read a file and say which column serves as user, item, weight and time."""
        from tastemap.data import datasets

        if self.weight is not None and self.no_weight:
            raise ValueError("pass --weight or --no-weight, not both")
        path = path.expanduser()
        name = datasets.movielens_name(path)
        data, columns = self._file(path, like) if name is None else self._movielens(path, name)
        return (data if self.at_least is None else data.at_least(self.at_least).binarize()), columns

    def _movielens(self, path: Path, name: str) -> tuple[Interactions, dict[str, str]]:
        from tastemap.data import datasets

        for use, column in _MOVIELENS.items():
            given = getattr(self, use)
            if given not in (None, column):
                raise DataError(f"in MovieLens data the {use} column is {column!r}, got {given!r}")
        columns = {use: column for use, column in _MOVIELENS.items() if use != "weight" or not self.no_weight}
        return self._interactions(lambda: datasets.read_ratings(path, name), columns), columns

    def _file(self, path: Path, like: Any) -> tuple[Interactions, dict[str, str]]:
        from tastemap.data.files import open_file

        file = open_file(path, self.separator)
        columns = self._columns(path, file.header(), like)
        try:
            data = self._interactions(lambda: file.read(list(columns.values()), time=columns.get("time")), columns)
        except DataError as error:
            time = columns.get("time")
            if time is None or self.time is not None or f"column {time!r}" not in str(error):
                raise
            note(f"left the guessed column of times out: {error}")
            del columns["time"]
            data = self._interactions(lambda: file.read(list(columns.values())), columns)
        guessed = [f"{use} {column!r}" for use, column in columns.items() if getattr(self, use) is None]
        if guessed:
            note(f"{path}: took the columns {', '.join(guessed)}")
        return data, columns

    def _columns(self, path: Path, header: Sequence[str], like: Any) -> dict[str, str]:
        """Return the columns that were named, or whose names are usual, by their use."""
        found = {
            "user": self.user or guess("user", header, like and like.users.name),
            "item": self.item or guess("item", header, like and like.items.name),
            "weight": None if self.no_weight else self.weight or guess("event" if self.event else "weight", header),
            "time": self.time or (guess("time", header) if self.guess_time else None),
        }
        for use in ("user", "item", "weight") if self.event else ("user", "item"):
            if found[use] is None:
                raise DataError(f"{path} has the columns {name_some(header, 12)}: pass --{use} COLUMN")
        return {use: column for use, column in found.items() if column is not None}

    def _interactions(self, read: Callable[[], pl.DataFrame], columns: dict[str, str]) -> Interactions:
        import tastemap as tm

        weight = columns.get("weight")
        # Nothing here holds on to the table, which from_frame lets go of early.
        table = [self._without_nulls(read(), columns) if self.drop_nulls else read()]
        n_rows = len(table[0])
        data = tm.Interactions.from_frame(
            table.pop(),
            user=columns["user"],
            item=columns["item"],
            weight=None if self.event else weight,
            time=columns.get("time"),
            event_weights=(weight, _event_weights(self.event)) if self.event and weight else None,
            duplicates=self.duplicates,
            # Ratings below zero are fine where only those of at least so much stay.
            allow_negative=self.at_least is not None,
        )
        if len(data) < n_rows:
            repeats = f"{n_rows - len(data):,} of {n_rows:,} rows repeat a pair of user and item"
            note(f"{repeats}: --duplicates {self.duplicates}")
        return data

    def _without_nulls(self, table: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
        # A guessed column of times is left out instead where it has nulls.
        used = [column for use, column in columns.items() if use != "time" or self.time is not None]
        whole = table.drop_nulls(used)
        if len(whole) < len(table):
            where = name_some(column for column in used if table[column].null_count())
            note(f"left out {len(table) - len(whole):,} of {len(table):,} rows, with a null in {where}")
        return whole


def described(data: Interactions) -> dict[str, Any]:
    """Return what interactions hold, for JSON."""
    return {
        "pairs": len(data),
        "users": data.n_users,
        "items": data.n_items,
        "density": len(data) / (data.n_users * data.n_items),
        "weights": [float(data.matrix.data.min()), float(data.matrix.data.max())],
    }


def most_common(data: Interactions, k: int) -> pl.DataFrame:
    """Return the items that most users have, and how many have them."""
    import numpy as np
    import polars as pl

    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    counts = np.bincount(data.matrix.indices, minlength=len(data.items))
    top = np.argsort(-counts, kind="stable")[: min(k, data.n_items)]
    return pl.DataFrame({data.items.name: data.items.take(top), "users": counts[top]})


def guess(use: str, header: Sequence[str], first: str | None = None) -> str | None:
    """Return the column whose name is ``first`` or usual for its use, None if there is none."""
    if first in header:
        return first
    plain = {re.sub(r"[^a-z]", "", name.lower()): name for name in reversed(header)}
    return next((plain[name] for name in _USUAL[use].replace("_", "").split() if name in plain), None)


def to_id(text: str, ids: IdMap) -> int | str:
    """Return an id of the type that the map holds."""
    if ids.holds_strings:
        return text
    try:
        return int(text)
    except ValueError:
        raise DataError(f"the ids of {ids.name!r} are integers here, got {text!r}") from None


def _event_weights(settings: Iterable[str]) -> dict[str, float]:
    weights = {}
    for setting in settings:
        event, _, weight = setting.rpartition("=")
        try:
            weights[event] = float(weight)
        except ValueError:
            event = ""
        if not event:
            raise ValueError(f"--event takes NAME=WEIGHT, e.g. 'LIKE=2', got {setting!r}")
    return weights
