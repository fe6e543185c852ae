"""Reads interactions from files with few options given: guesses columns, handles odd rows, times, repeated pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import polars as pl

from tastemap.data._columns import drop_missing
from tastemap.data._spelling import drop_words
from tastemap.data.dates import parse_times
from tastemap.data.ids import restore_whole_ids
from tastemap.data.interactions import Columns, Damping, Interactions, Zeros
from tastemap.data.names import guess_column
from tastemap.data.sources.addresses import is_database, read_address, read_scheme
from tastemap.data.sources.databases import Query, open_query
from tastemap.data.sources.files import DataFile, open_file
from tastemap.data.sources.streams import cut
from tastemap.data.wide import WAY, choose_users
from tastemap.datasets import find_movielens_name, read_ratings
from tastemap.errors import DataError, ParameterError, Remedy, name_some, show
from tastemap.models.shared.base import Model
from tastemap.service.remarks import Remark
from tastemap.split import find_moment

Made = TypeVar("Made")
# Gives the rows of a file from its start, a part at a time.
Tables = Callable[[], Iterator[pl.DataFrame]]
Duplicates = Literal["auto", "error", "sum", "mean", "last", "max"]

# Names that end in one of these words hold weights: Book-Rating, userScore.
_WEIGHING = {"weight", "rating", "ratings", "score", "stars", "count", "plays", "playcount", "quantity", "qty"}
# A column of numbers whose name has one of these words may hold weights, and is pointed out where none was taken.
_MAYBE_WEIGHING = {
    *("amount", "clicks", "duration", "freq", "frequency", "grade", "hours", "interest", "listens", "minutes"),
    *("seconds", "strength", "total", "value", "views", "visits", "votes", "watched"),
}
_MOVIELENS = {"user": "user_id", "item": "movie_id", "weight": "rating", "time": "timestamp"}


@dataclass(frozen=True)
class Read:
    """The interactions of a file.

    columns : the column that serves as "user", "item", "weight" and "time", where there is one
    remarks : what was decided while reading
    """

    data: Interactions
    columns: dict[str, str]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True)
class ReadParts:
    """The interactions of a file before a moment, from it on, and all of them; columns and remarks are as for `Read`.

    The rows are split before rows of one pair are merged, so that a repeated pair is in both parts.
    """

    early: Interactions
    late: Interactions
    whole: Interactions
    columns: dict[str, str]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How files of interactions are read.

    user, item, weight, time : names of columns; None looks for usual names
    count_rows : every row counts as 1, whatever columns there are
    event_weights : the weight of each event in the column of weights
    at_least : keep only ratings of at least this much, each as one like unless `damping` says otherwise; None takes the
        bound of the data that `like` was made with, where there was one
    damping : what is done to the weights at the end, `Interactions.log2` or `binarize`; None does what was done to the
        data that `like` was made with
    max_items : keep the so many items that most users have, among all pairs; of pairs that are read
        `like` others, the items that most users have there
    zeros : what a weight of 0 means, as for `Interactions.from_frame`
    duplicates : what to do with rows of the same user and item, as for `Interactions.from_frame`; "auto" takes the
        last of ratings, and the sum of other weights
    drop_nulls : leave out rows without a user, an item or a weight, in place of an error
    keep_na : take ids such as NA, NULL and None as names, which are missing otherwise
    separator, columns, encoding, quotes : how a text is written, as for `Interactions.from_file`
    query : selects the rows, where they are read from a database; files beside it, such as one to test on, are read as
        they are
    password_file : a file whose first line is the password of the database
    wide : the file is a wide table, as for `Interactions.from_wide`; a user and weights are all it has
    guess_time : look for a column of times where none is named; it is left out where it cannot be used
    """

    user: str | None = None
    item: str | None = None
    weight: str | None = None
    time: str | None = None
    count_rows: bool = False
    event_weights: Mapping[str, float] | None = None
    at_least: float | None = None
    damping: Damping | None = None
    max_items: int | None = None
    zeros: Zeros = "keep"
    duplicates: Duplicates = "error"
    drop_nulls: bool = False
    keep_na: bool = False
    separator: str | None = None
    columns: Sequence[str] | None = None
    encoding: str | None = None
    quotes: bool = True
    query: str | None = None
    password_file: Path | None = None
    wide: bool = False
    guess_time: bool = False

    def read(self, path: str | Path, *, like: Model | Interactions | None = None) -> Read:
        """Read a file: csv, tsv, parquet, JSON, a file, zip or folder of MovieLens; or the query of a database.

        path : of a file, or the address of a database, postgresql://user@host/shop
        like : a model or interactions whose names of columns are tried first; where its ids are texts, those of a file
            of text are too

        Raises DataError for files and columns that are absent or cannot be read, ParameterError for options that
        exclude each other.
        """
        file = _File(self, path, like)
        if self.wide:
            return Read(file.read_wide(), file.columns, tuple(file.remarks))
        return Read(file.make(file.read), file.columns, tuple(file.remarks))

    def read_parts(self, path: str | Path, share: float) -> ReadParts:
        """Read a file in two parts by time, the later with the share ``share`` of the rows; raises as `read` does.

        Rows without a time fit in neither part: `drop_nulls` leaves them out.
        """
        if self.wide:
            raise DataError(
                "a split by time needs times, and a wide table has none",
                Remedy("split at random", "split", "random"),
            )
        file = _File(replace(self, guess_time=True), path, needs_time=True)
        early, late, whole = file.make(partial(file.read_parts, share=share))
        return ReadParts(early, late, whole, file.columns, tuple(file.remarks))


class _File:
    """One file while it is read.

    needs_time : whether a guessed column of times with gaps is kept, and rows without a time dropped in its place
    """

    def __init__(
        self, how: Reading, path: str | Path, like: Model | Interactions | None = None, *, needs_time: bool = False
    ) -> None:
        if how.weight is not None and how.count_rows:
            raise ParameterError(
                f"weight must be left out where every row counts as 1, got {how.weight!r}",
                parameter="weight",
                value=how.weight,
            )
        self.how, self.like = how, like
        self._is_database = is_database(path) or (how.query is not None and read_scheme(path) is not None)
        self._source = path if self._is_database else Path(path).expanduser()
        # The label of an address is without a password.
        self.path = read_address(path).label if self._is_database else self._source
        # Of the data or the model whose names, bound and damping are taken where none are given.
        self._known_columns = None if like is None else (like.state if isinstance(like, Model) else like).columns
        known = self._known_columns
        self._at_least = known.least if known and how.at_least is None else how.at_least
        self._damping = how.damping or (known.damping if known else None)
        if how.at_least is not None and self._damping is None:
            self._damping = "binarize"
        self.columns: dict[str, str] = {}
        self.remarks: list[Remark] = []
        self._n_rows = 0
        # A guessed column of times that cannot be used is left out, unless times are needed.
        self._keeps_time = how.time is not None or needs_time

    def make(self, make: Callable[[Tables], Made]) -> Made:
        """Find the columns and return what ``make`` makes of the table."""
        name = None if self._is_database else find_movielens_name(Path(self._source))
        made = self._make_from_file(make) if name is None else self._make_from_movielens(name, make)
        if self.how.at_least is not None and "weight" not in self.columns:
            raise DataError(
                f"at_least is about ratings, and every row of {self.path} counts as 1",
                Remedy("name the column of ratings with weight=", "weight", ...),
                parameter="at_least",
                value=self.how.at_least,
            )
        return made

    def _make_from_movielens(self, name: str, make: Callable[[Tables], Made]) -> Made:
        for use, column in _MOVIELENS.items():
            given = getattr(self.how, use)
            if given not in (None, column):
                raise DataError(f"in MovieLens data the {use} column is {column!r}, got {given!r}", column=given)
        self.columns = {use: column for use, column in _MOVIELENS.items() if use != "weight" or not self.how.count_rows}
        return make(lambda: cut(read_ratings(Path(self._source), name)))

    def _make_from_file(self, make: Callable[[Tables], Made]) -> Made:
        file = self._open()
        self._find_columns(file)
        time, n_remarks = self.columns.get("time"), len(self.remarks)
        try:
            made = make(lambda: self._read_tables(file))
        except DataError as error:
            if time is None or self._keeps_time or error.column != time:
                raise
            self.remarks[n_remarks:] = [Remark("time left out", {"error": error})]
            del self.columns["time"]
            made = make(lambda: self._read_tables(file))
        guessed = {use: column for use, column in self.columns.items() if getattr(self.how, use) is None}
        if guessed:
            self.remarks.append(Remark("columns", {"path": self.path, "columns": guessed}))
        return made

    def _open(self) -> DataFile | Query:
        how = self.how
        if self._is_database:
            return self._ask()
        if how.query is not None and not isinstance(self.like, Interactions):  # a file beside the one with the query
            raise ParameterError(
                f"query must be left out for {self.path}, which is no database", parameter="query", value=how.query
            )
        file, told = open_any(
            Path(self._source), how.separator, columns=how.columns, encoding=how.encoding, quotes=how.quotes
        )
        self.remarks += told
        return file

    def _ask(self) -> Query:
        how = self.how
        if how.query is None:
            raise DataError(
                f"{self.path} is a database", Remedy("say with query= which rows to read", "query", ...), path=self.path
            )
        for option, usual in (
            ("separator", None),
            ("columns", None),
            ("encoding", None),
            ("quotes", True),
            ("wide", False),
        ):
            if getattr(how, option) != usual:
                raise ParameterError(
                    f"{option} must be left out for a database", parameter=option, value=getattr(how, option)
                )
        return open_query(how.query, self._source, password_file=how.password_file)

    def _read_tables(self, file: DataFile | Query) -> Iterator[pl.DataFrame]:
        if isinstance(file, Query):  # whose columns have types
            yield from file.read_batches(list(self.columns.values()))
            return
        ids = (self.columns["user"], self.columns["item"])
        how = {"keep_na": self.how.keep_na, "drop_nulls": self.how.drop_nulls}
        weight = None if self.how.event_weights else self.columns.get("weight")
        texts: list[str] = []
        if self.like is not None and not file.is_parquet:
            maps = zip(ids, (self.like.users, self.like.items), strict=True)
            texts = [name for name, known in maps if known.holds_strings]
        for table in file.read_batches(list(self.columns.values()), weight=weight, ids=ids, **how):
            yield table.with_columns(table[name].cast(pl.String) for name in texts)

    def _find_columns(self, file: DataFile | Query) -> None:
        """Find the columns that were named, or whose names are usual, by their use."""
        how, header = self.how, file.read_header()
        known = self._known_columns
        user, item, weight = (None, None, None) if known is None else (known.user, known.item, known.weight)
        known_time = None if known is None else known.time
        has_events = bool(how.event_weights)
        named = {name for name in (how.user, how.item, how.weight, how.time) if name is not None}
        free = [name for name in header if name not in named]
        found = {
            "user": how.user or guess_column("user", free, user),
            "item": how.item or guess_column("item", free, item),
            "weight": None
            if how.count_rows
            else how.weight or (guess_column("event", free) if has_events else self._guess_weight(free, weight)),
            "time": how.time or (guess_column("time", free, known_time) if how.guess_time or known_time else None),
        }
        if found["weight"] is None and not how.count_rows and not has_events and not self._counts_alike:
            others = [name for name in free if name not in found.values()]
            found["weight"], maybe = _guess_weights(file, others)
            if maybe and known is None:
                self.remarks.append(Remark("weights unused", {"path": self.path, "columns": maybe}))
        if found["weight"] is None and known is not None and not how.count_rows and not self._counts_alike:
            self.remarks.append(Remark("weights missing", {"path": self.path, "column": known.weight}))
        missing = [use for use in ("user", "item", "weight")[: 3 if has_events else 2] if found[use] is None]
        if missing and isinstance(file, DataFile) and (error := file.explain_missing()) is not None:
            raise error
        if missing:
            raise DataError(
                f"{self.path} has the columns {name_some(header, 12)}",
                Remedy(f"say with {missing[0]}= which is that of the {missing[0]}s", missing[0], ...),
                *([WAY] if len(missing) > 1 and isinstance(file, DataFile) and file.looks_wide() else []),
                path=self.path,
                columns=tuple(header),
            )
        self.columns = {use: column for use, column in found.items() if column is not None}

    @property
    def _counts_alike(self) -> bool:
        """Whether all pairs of the data before weigh 1 without a column or damping that made them so."""
        known = self._known_columns
        if known is None or known.damping is not None or known.least is not None or known.weight != Columns().weight:
            return False
        data = self.like.interactions if isinstance(self.like, Model) else self.like
        return data is not None and len(data) > 0 and bool((data.matrix.data == 1).all())

    def _guess_weight(self, names: Sequence[str], known: str | None) -> str | None:
        if known in names:
            return known
        return None if self._counts_alike else guess_column("weight", names)

    def read(self, read: Tables) -> Interactions:
        """Return the interactions of the rows."""
        tables = self._prepare(read)
        first = next(tables, pl.DataFrame())  # enough to tell ratings from counts
        merge = "error" if first.is_empty() else self._choose_merging(first)

        def give_all() -> Generator[pl.DataFrame]:
            yield first
            yield from tables

        data = self._merge(give_all(), merge)
        self._count_repeats("repeats", len(data), self._n_rows, merge)
        return self._keep_popular(self._keep_likes(data))[0]

    def read_wide(self) -> Interactions:
        """Return the interactions of a wide table."""
        given = {use: getattr(self.how, use) for use in ("item", "weight", "time", "event_weights", "count_rows")}
        for parameter, value in given.items():
            if value:
                raise ParameterError(
                    f"{parameter} must be left out for a wide table, whose columns are items, got {show(value)}",
                    parameter=parameter,
                    value=value,
                )
        file = self._open()
        if isinstance(file, Query):
            raise AssertionError("a query is no wide table")  # _ask has refused it
        keep_na, user = self.how.keep_na, choose_users(file.read_header(), self.how.user)
        table = file.read(ids=[user], keep_na=keep_na, drop_nulls=self.how.drop_nulls)
        if self.how.drop_nulls:
            table = self._drop_nulls(table, [user], {user: keep_na})
        data = Interactions.from_wide(
            table, user=user, zeros=self.how.zeros, allow_negative=self._at_least is not None, keep_na=keep_na
        )
        names = data.columns
        self.columns = {"user": names.user, "item": names.item, "weight": names.weight}
        facts = {"path": self.path, "user": names.user, "items": len(data.items)}
        self.remarks.append(Remark("wide", facts))
        return self._keep_popular(self._keep_likes(data))[0]

    def read_parts(self, read: Tables, share: float) -> tuple[Interactions, Interactions, Interactions]:
        """Return the interactions of the earlier rows, of the later ones, and of all."""
        table = pl.concat(list(self._prepare(read)))
        time, merge = self.columns.get("time"), self._choose_merging(table)
        if time is None:
            raise DataError("a split by time needs times", Remedy("say with time= which column has them", "time", ...))
        table = table.with_columns(parse_times(table[time]))
        both = self._merge(cut(table), merge)
        liked = table
        if self.how.at_least is not None and "weight" in self.columns and not self.how.event_weights:
            liked = table.filter(table[self.columns["weight"]] >= self.how.at_least)
        elif self.how.zeros == "negatives" and "weight" in self.columns and not self.how.event_weights:
            liked = table.filter(table[self.columns["weight"]] != 0)
        moment = find_moment((liked if len(liked) else table)[time].to_numpy(), share)
        is_late = table[time].to_numpy() >= moment
        early, late = (
            self._keep_likes(self._merge(cut(table.filter(mask)), merge, users=both.users, items=both.items))
            for mask in (~is_late, is_late)
        )
        self._count_repeats("repeats in parts", len(both), len(table), merge)
        whole, early, late = self._keep_popular(self._keep_likes(both), early, late)
        return early, late, whole

    def _keep_popular(self, whole: Interactions, *parts: Interactions) -> list[Interactions]:
        """Return pairs, and parts of them over the same items, with the items that `max_items` keeps."""
        n, like = self.how.max_items, self.like
        if n is None:
            return [whole, *parts]
        if like is None:
            kept = whole.top_items(n).by_item.has_pairs
        else:
            counts = like.popularity_ if isinstance(like, Model) else like.by_item.counts
            popular = np.zeros(len(counts) + 1, dtype=bool)  # row -1, of what is not there, takes the last
            popular[np.lexsort((like.items.tie_order, -counts))[:n]] = True
            kept = popular[like.items.find(whole.items.ids)]
        return [one.pick(kept[one.matrix.indices][one.input_order]) for one in (whole, *parts)]

    def _count_repeats(
        self, kind: Literal["repeats", "repeats in parts"], n_pairs: int, n_rows: int, merge: str
    ) -> None:
        if n_pairs < n_rows:
            self.remarks.append(Remark(kind, {"repeats": n_rows - n_pairs, "rows": n_rows, "duplicates": merge}))

    def _prepare(self, read: Tables) -> Iterator[pl.DataFrame]:
        """Give the rows without those that are left out, and with whole numbers as ids where programs made floats."""
        # A guessed column of times is left out instead where it has nulls.
        used = [column for use, column in self.columns.items() if use != "time" or self._keeps_time]
        ids = (self.columns["user"], self.columns["item"])
        names = dict.fromkeys(ids, self.how.keep_na)
        if self.how.event_weights:
            names[self.columns["weight"]] = True  # an event may be called none
        n_remarks, n_read, n_kept, lacking, nothing_left = len(self.remarks), 0, 0, set[str](), None
        for table in read():
            n_read += len(table)
            if self.how.drop_nulls:
                try:
                    table, empty = drop_missing(table, used, names)
                except DataError as error:
                    nothing_left = error
                    continue
                lacking |= set(empty)
            n_kept += len(table)
            for name in ids:
                # Programs write integers as 17850.0 where some row has none.
                column, whole = table[name], restore_whole_ids(table[name])
                if whole.dtype != column.dtype and len(known := whole.drop_nulls()):
                    if not any(one.facts.get("column") == name for one in self.remarks[n_remarks:]):
                        facts = {"column": name, "value": float(known[0]), "whole": int(known[0])}
                        self.remarks.append(Remark("whole ids", facts))
                    table = table.with_columns(whole)
            yield table
        if not n_kept and nothing_left is not None:
            raise nothing_left
        if n_kept < n_read:
            self._remark_nulls(n_read - n_kept, n_read, tuple(name for name in used if name in lacking))
        self._n_rows = n_kept

    def _drop_nulls(self, table: pl.DataFrame, used: Sequence[str], ids: Mapping[str, bool]) -> pl.DataFrame:
        whole, empty = drop_missing(table, used, ids)
        if len(whole) < len(table):
            self._remark_nulls(len(table) - len(whole), len(table), empty)
        return whole

    def _remark_nulls(self, left_out: int, n_rows: int, columns: tuple[str, ...]) -> None:
        self.remarks.append(Remark("nulls", {"left_out": left_out, "rows": n_rows, "columns": columns}))

    def _choose_merging(self, table: pl.DataFrame) -> Any:
        """Return how to merge rows of the same pair."""
        if self.how.duplicates != "auto":
            return self.how.duplicates
        weight = self.columns.get("weight")
        rated = weight is not None and not self.how.event_weights and are_ratings(weight, table[weight])
        return "last" if rated else "sum"

    def _merge(self, tables: Iterator[pl.DataFrame], merge: Any, **ids: Any) -> Interactions:
        """Return the pairs of the rows."""
        weight, events = self.columns.get("weight"), self.how.event_weights
        return Interactions.from_frame(
            tables,
            user=self.columns["user"],
            item=self.columns["item"],
            weight=None if events else weight,
            time=self.columns.get("time"),
            event_weights=(weight, events) if events and weight else None,
            duplicates=merge,
            keep_na=self.how.keep_na,
            # Negative ratings are fine where at_least leaves out low ones.
            allow_negative=self._at_least is not None,
            **ids,
        )

    def _keep_likes(self, data: Interactions) -> Interactions:
        if self.how.zeros == "negatives":  # not while reading, where rows of one pair are counted
            data = data.drop_zeros()
        weight = self.columns.get("weight")
        if self._at_least is not None and weight is not None:  # the latter is refused by name
            n_pairs = len(data)
            data = data.at_least(self._at_least)
            if self.how.at_least is None and len(data) < n_pairs:
                facts = {"at_least": self._at_least, "column": weight, "left_out": n_pairs - len(data)}
                self.remarks.append(Remark("at least", facts))
        if self._damping is None:
            return data
        if self.how.damping is None and (self.how.at_least is None or self._damping == "log2"):
            self.remarks.append(Remark("damping", {"damping": self._damping, "column": weight}))
        return data.log2() if self._damping == "log2" else data.binarize()


def is_model(path: str | Path) -> bool:
    """Return whether a file is a model, by its name or its first bytes; raises DataError where there is no file.

    An address is none.
    """
    if read_scheme(path) is not None:
        return False
    path = Path(path)
    if not path.exists():
        raise DataError(f"there is no file {path}", path=path)
    if path.suffix == ".safetensors" or path.is_dir():
        return not path.is_dir()
    with path.open("rb") as file:
        start = file.read(9)
    # The length of its header, in 8 bytes, and the header. In a text these bytes are a length that no file has.
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < 1 << 40


def open_any(path: Path, separator: str | None = None, **how: Any) -> tuple[DataFile, list[Remark]]:
    """Open a file as `open_file` does, with a remark where its first lines tell another separator than its name."""
    file = open_file(path, separator, **how)
    other = file.find_other_separator()
    return file, [] if other is None else [Remark("separator", {"path": path, "separator": other})]


def _guess_weights(file: DataFile | Query, columns: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """Return the column of numbers whose name ends as that of weights does, else those that may hold weights."""
    words = {name: _split_words(name) for name in columns}
    if not words:
        return None, ()
    first = file.read_first()
    some = {name: first[name] for name in words if name in first.columns}
    some = {name: _try_numbers(own) if own.dtype == pl.String else own for name, own in some.items()}
    numbers = {name: own for name, own in some.items() if own.dtype.is_numeric()}
    taken = next((name for name in numbers if words[name] and words[name][-1] in _WEIGHING), None)
    if taken is not None:
        return taken, ()
    return None, tuple(
        name for name, own in numbers.items() if set(words[name]) & _MAYBE_WEIGHING or _are_on_a_scale(own)
    )


def _try_numbers(texts: pl.Series) -> pl.Series:
    """Return texts as numbers where all that stand for a value are, perhaps with a decimal comma."""
    known = drop_words(texts)
    numbers = known.str.strip_chars().str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == known.null_count() < len(texts) else texts


def _split_words(name: str) -> list[str]:
    """Return the words of a name, such as Book-Rating, user_score or playCount, in lower case."""
    spaced = "".join(f" {mark}" if mark.isupper() else mark if mark.isalpha() else " " for mark in name)
    return spaced.lower().split() if not name.isupper() else name.lower().replace("_", " ").replace("-", " ").split()


def _are_on_a_scale(numbers: pl.Series) -> bool:
    """Return whether numbers are whole or half ones from 0 to 5 or 10, of which there are several, as ratings are."""
    known = numbers.drop_nulls()
    if len(known) < len(numbers) / 2 or known.is_empty():
        return False
    values = known.cast(pl.Float64).unique().to_numpy()
    return bool(len(values) >= 4 and values.min() >= 0 and values.max() in (5, 10) and not (2 * values % 1).any())


def parse_event_weights(settings: Iterable[str]) -> dict[str, float]:
    """Return weights by name from texts NAME=WEIGHT; raises ParameterError for any other text."""
    weights = {}
    for setting in settings:
        event, _, weight = setting.rpartition("=")
        try:
            weights[event] = float(weight)
        except ValueError:
            event = ""
        if not event:
            raise ParameterError(
                f"event_weights must be NAME=WEIGHT, e.g. 'LIKE=2', got {setting!r}",
                parameter="event_weights",
                value=setting,
            )
    return weights


def are_ratings(name: str, weights: Any) -> bool:
    """Return whether weights look like ratings, not counts: by the column's name, or by where they lie on a scale."""
    values = np.asarray(weights)
    if values.dtype.kind not in "iuf" or not len(values):
        return False
    if any(word in name.lower() for word in ("rating", "star", "score", "grade")):
        return True
    highest = values.max()
    # Most ratings are good ones, most counts are low.
    few = len(np.unique(values)) <= 2 * highest + 1
    return bool(highest in (5, 10) and few and values.mean() > highest / 2)


def find_low_ratings(data: Interactions, column: str | None) -> list[Remark]:
    """Return a remark where low ratings would count as likes too, with the bound that leaves them out.

    column : the name of the weights, None where there are none
    """
    weights = data.matrix.data
    if data.columns.damping == "log2":
        weights = np.rint(np.exp2(weights.astype(np.float64)) - 1)  # as they were before
    if column is None or not are_ratings(column, weights) or weights.min() == weights.max():
        return []
    low, high = float(weights.min()), float(weights.max())
    facts = {"column": column, "low": low, "high": high, "at_least": math.ceil(0.8 * high)}
    return [Remark("low ratings", facts)]
