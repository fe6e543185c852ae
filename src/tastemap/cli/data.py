"""Interactions from files whose columns are named by options or guessed."""

from __future__ import annotations

import functools
import inspect
import math
import re
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tastemap.cli import options as opt
from tastemap.cli.output import note
from tastemap.errors import DataError, name_some

if TYPE_CHECKING:
    import polars as pl

    from tastemap import IdMap, Interactions
    from tastemap.data.sources.files import DataFile

_USUAL = {
    "user": "user user_id person_id customer_id visitor_id reader_id account_id uid person customer",
    "item": "item item_id movie_id content_id product_id article_id book_id track_id song_id artist_id "
    "stock_code sku isbn asin iid movie content product article book track song artist",
    "weight": "weight rating ratings score stars strength count plays play_count quantity qty",
    "time": "timestamp time datetime date created_at event_time invoice_date unix_time ts",
    "event": "event event_type type action",
    "id": "id",
    "title": "title name item_name product_name description",
}
_MOVIELENS = {"user": "user_id", "item": "movie_id", "weight": "rating", "time": "timestamp"}


class Parts(NamedTuple):
    """The interactions of a file before some moment, those from it on, and all.

    The rows are parted before those of a pair are merged: what is done again is in both parts.
    """

    early: Interactions
    late: Interactions
    whole: Interactions


@dataclass(kw_only=True)
class Reader:
    """What the options say about files of interactions. Commands get one with `reading`.

    guess_time : whether a column of times is looked for where none is named
    needs_time : whether a column of times with gaps is used, less the rows without one, rather than left out
    """

    user: opt.User = None
    item: opt.Item = None
    weight: opt.Weight = None
    no_weight: opt.NoWeight = False
    time: opt.Time = None
    event: opt.Events = None
    at_least: opt.AtLeast = None
    duplicates: opt.Duplicates = "error"
    drop_nulls: opt.DropNulls = False
    separator: opt.Separator = None
    guess_time: bool = False
    needs_time: bool = False

    def read(self, path: Path, *, like: Any = None) -> Interactions:
        """Read a file; ``like`` is a fitted model whose column names are tried first."""
        return self.read_with_columns(path, like)[0]

    def read_with_columns(self, path: Path, like: Any = None) -> tuple[Interactions, dict[str, str]]:
        """Read a file and say which column serves as user, item, weight and time."""
        return self._read(path, like, self._interactions)

    def read_parts(self, path: Path, share: float) -> tuple[Parts, dict[str, str]]:
        """Read a file in parts, of which the later has such a share of the rows, and say its columns."""
        self.guess_time = self.needs_time = True
        parts, columns = self._read(path, None, partial(self._parts, share=share))
        return parts, columns

    def _read(self, path: Path, like: Any, make: Callable[..., Any]) -> tuple[Any, dict[str, str]]:
        from tastemap import datasets

        if self.weight is not None and self.no_weight:
            raise ValueError("pass --weight or --no-weight, not both")
        path = path.expanduser()
        name = datasets.movielens_name(path)
        made, columns = self._file(path, like, make) if name is None else self._movielens(path, name, make)
        if self.at_least is not None and "weight" not in columns:
            raise DataError(f"--at-least is about ratings, and every row of {path} counts as 1: pass --weight COLUMN")
        return made, columns

    def _movielens(self, path: Path, name: str, make: Callable[..., Any]) -> tuple[Any, dict[str, str]]:
        from tastemap import datasets

        for use, column in _MOVIELENS.items():
            given = getattr(self, use)
            if given not in (None, column):
                raise DataError(f"in MovieLens data the {use} column is {column!r}, got {given!r}")
        columns = {use: column for use, column in _MOVIELENS.items() if use != "weight" or not self.no_weight}
        return make(lambda: datasets.read_ratings(path, name), columns), columns

    def _file(self, path: Path, like: Any, make: Callable[..., Any]) -> tuple[Any, dict[str, str]]:
        file = opened(path, self.separator)
        columns = self._columns(path, file.header(), like)
        try:
            made = make(lambda: file.read(list(columns.values()), time=columns.get("time")), columns)
        except DataError as error:
            time = columns.get("time")
            if time is None or self._keeps_time or f"column {time!r}" not in str(error):
                raise
            note(f"left the guessed column of times out: {error}")
            del columns["time"]
            made = make(lambda: file.read(list(columns.values())), columns)
        guessed = [f"{use} {column!r}" for use, column in columns.items() if getattr(self, use) is None]
        if guessed:
            note(f"{path}: took the columns {', '.join(guessed)}")
        return made, columns

    def _columns(self, path: Path, header: Sequence[str], like: Any) -> dict[str, str]:
        """Return the columns that were named, or whose names are usual, by their use."""
        found = {
            "user": self.user or guess("user", header, like and like.users.name),
            "item": self.item or guess("item", header, like and like.items.name),
            "weight": None if self.no_weight else self.weight or guess("event" if self.event else "weight", header),
            "time": self.time or (guess("time", header) if self.guess_time else None),
        }
        for use in ("user", "item", "weight") if self.event else ("user", "item"):
            if found[use] is None and all(re.fullmatch(r"[\d.:\- ]*", name) for name in header):
                raise DataError(
                    f"{path} has no names of columns in its first line, which holds {name_some(header, 12)}: put a "
                    "line such as user,item,rating before it"
                )
            if found[use] is None:
                raise DataError(f"{path} has the columns {name_some(header, 12)}: pass --{use} COLUMN")
        return {use: column for use, column in found.items() if column is not None}

    def _interactions(self, read: Callable[[], pl.DataFrame], columns: dict[str, str]) -> Interactions:
        # Nothing here holds on to the table, which from_frame lets go of early.
        table = [self._rows(read, columns)]
        n_rows, merge = len(table[0]), self._merging(table[0], columns)
        data = self._merged(table, columns, merge)
        if len(data) < n_rows:
            note(f"{_repeats(len(data), n_rows)}: --duplicates {merge}")
        return self._liked(data, columns)

    def _parts(self, read: Callable[[], pl.DataFrame], columns: dict[str, str], share: float) -> Parts:
        from tastemap.split import moment_of_share

        table = self._rows(read, columns)
        time, merge = columns.get("time"), self._merging(table, columns)
        if time is None:
            raise DataError("a split by time needs times: pass --time COLUMN")
        both = self._merged([table], columns, merge)
        liked = table
        if self.at_least is not None and "weight" in columns and not self.event:
            liked = table.filter(table[columns["weight"]] >= self.at_least)
        moment = moment_of_share((liked if len(liked) else table)[time].to_numpy(), share)
        is_late = table[time].to_numpy() >= moment
        early, late = (
            self._liked(self._merged([table.filter(mask)], columns, merge, users=both.users, items=both.items), columns)
            for mask in (~is_late, is_late)
        )
        if len(both) < len(table):
            note(f"{_repeats(len(both), len(table))}: --duplicates {merge} on either side of the split")
        return Parts(early, late, self._liked(both, columns))

    def _rows(self, read: Callable[[], pl.DataFrame], columns: dict[str, str]) -> pl.DataFrame:
        return _with_whole_ids(self._without_nulls(read(), columns) if self.drop_nulls else read(), columns)

    def _merging(self, table: pl.DataFrame, columns: dict[str, str]) -> Any:
        """Return what is done with rows of the same pair."""
        if self.duplicates != "auto":
            return self.duplicates
        weight = columns.get("weight")
        rated = weight is not None and not self.event and are_ratings(weight, table[weight])
        return "last" if rated else "sum"

    def _merged(self, table: list[pl.DataFrame], columns: dict[str, str], merge: Any, **ids: Any) -> Interactions:
        """Return the pairs of the table, which is taken out of its list."""
        import tastemap as tm

        weight = columns.get("weight")
        return tm.Interactions.from_frame(
            table.pop(),
            user=columns["user"],
            item=columns["item"],
            weight=None if self.event else weight,
            time=columns.get("time"),
            event_weights=(weight, _event_weights(self.event)) if self.event and weight else None,
            duplicates=merge,
            # Ratings below zero are fine where only those of at least so much stay.
            allow_negative=self.at_least is not None,
            **ids,
        )

    def _liked(self, data: Interactions, columns: dict[str, str]) -> Interactions:
        if self.at_least is None or "weight" not in columns:  # the latter is refused by name
            return data
        return data.at_least(self.at_least).binarize()

    @property
    def _keeps_time(self) -> bool:
        """Whether a column of times stays though rows have none: guessed ones go where they are not needed."""
        return self.time is not None or self.needs_time

    def _without_nulls(self, table: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
        # A guessed column of times is left out instead where it has nulls.
        used = [column for use, column in columns.items() if use != "time" or self._keeps_time]
        whole = table.drop_nulls(used)
        if len(whole) < len(table):
            where = name_some(column for column in used if table[column].null_count())
            note(f"left out {len(table) - len(whole):,} of {len(table):,} rows, with a null in {where}")
        return whole


def reading(
    *, only: Sequence[str] | None = None, but: Sequence[str] = (), **defaults: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a `Reader` in place of its parameter `reader`, which gets what they say.

    only, but : the options it has, or has not; all where neither is said
    defaults : in place of the Reader's own
    """
    hints = typing.get_type_hints(Reader, include_extras=True)
    named = [field for field in fields(Reader) if typing.get_origin(hints[field.name]) is typing.Annotated]
    chosen = [field for field in named if field.name not in but and (only is None or field.name in only)]

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            said = {field.name: given.pop(field.name) for field in chosen}
            command(reader=Reader(**{**defaults, **said}), **given)

        own = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in own.parameters.values():
            if parameter.name != "reader":
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
                continue
            for field in chosen:
                default = defaults.get(field.name, field.default)
                kind, hint = inspect.Parameter.KEYWORD_ONLY, hints[field.name]
                parameters.append(inspect.Parameter(field.name, kind, default=default, annotation=hint))
        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return with_options


def opened(path: Path, separator: str | None = None) -> DataFile:
    """Open a file with the character between its columns that its first line tells, where none is given."""
    from tastemap.data.sources.files import open_file

    file = open_file(path, separator)
    other = file.other_separator()
    if other is None:
        return file
    note(f"{path}: took {other!r} as the character between columns")
    return replace(file, separator=other)


def _repeats(n_pairs: int, n_rows: int) -> str:
    return f"{n_rows - n_pairs:,} of {n_rows:,} rows repeat a pair of user and item"


def are_ratings(name: str, weights: Any) -> bool:
    """Tell whether weights are rather ratings than counts: by the column's name, or by where they lie on a scale."""
    import numpy as np

    values = np.asarray(weights)
    if values.dtype.kind not in "iuf" or not len(values):
        return False
    if any(word in name.lower() for word in ("rating", "star", "score", "grade")):
        return True
    highest = values.max()
    # Most ratings are good ones, most counts are low.
    few = len(np.unique(values)) <= 2 * highest + 1
    return bool(highest in (5, 10) and few and values.mean() > highest / 2)


def note_on_ratings(data: Interactions, column: str | None) -> None:
    """Say what could be done about low ratings, which count as a liking too."""
    weights = data.matrix.data
    if column is None or not are_ratings(column, weights) or weights.min() == weights.max():
        return
    low, high = weights.min(), weights.max()
    bound = math.ceil(0.8 * high)
    note(
        f"column {column!r} looks like ratings from {low:g} to {high:g}, and a low one counts as a liking too, only a "
        f"weaker one: --at-least {bound} takes those of {bound} and more as likes and leaves out the others"
    )


def note_on_repeats() -> None:
    """Say that pairs held out at random are never what a user has already."""
    note(
        "--seen lets a list hold what a user has, which is never right where pairs are held out at random: --by-time "
        "parts the rows instead, so that what comes again is in both parts"
    )


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


def _with_whole_ids(table: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
    """Make ids integers again that a program kept as 17850.0, because some row had none."""
    from tastemap.data.ids import restore_whole_ids

    for name in (columns["user"], columns["item"]):
        ids, whole = table[name], restore_whole_ids(table[name])
        if whole.dtype != ids.dtype and len(known := whole.drop_nulls()):
            note(f"read the numbers of column {name!r} as whole: {float(known[0])} is {known[0]}")
            table = table.with_columns(whole)
    return table


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
