"""The command line: each command is a few calls of the public API.

stdout carries the answer, as tables or with --json as one JSON document; stderr progress, notes and errors.
Exit status: 0 fine, 1 what was given cannot be used (one sentence says why), 2 usage, 130 Ctrl-C.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
import time as clock
import types
import typing
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from tastemap.errors import DataError, TastemapError, name_some

# The heavy imports stand inside the functions that need them, so that --help and mistakes answer at once.
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
_TABLES = (".parquet", ".csv", ".tsv")


class _Commands(TyperGroup):
    """Turns what users can mend into one sentence and exit status 1, for every command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # After a failure --debug is added where the cursor is: at the end.
        if "--debug" in args:
            args = ["--debug", *(arg for arg in args if arg != "--debug")]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except (TastemapError, ValueError, OSError) as error:
            if ctx.params.get("debug"):
                raise
            typer.echo(f"Error: {_sentence(error)}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Learns people's tastes from who-liked-what: what to see next, what is like it, how good that is.",
)


def main() -> None:
    """Run the command line and exit."""
    app()


def _show_version(asked: bool) -> None:
    if asked:
        import tastemap

        _print(f"tastemap {tastemap.__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


DataFile = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Interactions: csv, tsv, parquet, a MovieLens file, zip or folder.",
        show_default=False,
    ),
]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="A model that `tastemap fit` wrote.")]
User = Annotated[str | None, typer.Option(help="Column of users; guessed if its name is usual.")]
Item = Annotated[str | None, typer.Option(help="Column of items; guessed if its name is usual.")]
Weight = Annotated[str | None, typer.Option(help="Column of weights or ratings; guessed if its name is usual.")]
NoWeight = Annotated[bool, typer.Option("--no-weight", help="Count every row as 1, whatever columns there are.")]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="NAME=WEIGHT", help="Weight of an event in the column --weight; repeat it."),
]
AtLeast = Annotated[float | None, typer.Option(help="Keep ratings of at least this much and count each as one like.")]
Duplicates = Annotated[
    Literal["error", "sum", "mean", "last", "max"],
    typer.Option(help="What to do where a user and an item come together twice."),
]
Separator = Annotated[str | None, typer.Option(help="Character between columns; told by the file name if absent.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the model, e.g. factors=128; repeat it."),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads to use; all cores if absent.")]
Titles = Annotated[
    Path | None,
    typer.Option(help="File with a title for every item: csv, tsv, parquet, movies.dat, MovieLens zip."),
]
TitleId = Annotated[str | None, typer.Option(help="Column of items in --titles; guessed if its name is usual.")]
TitleColumn = Annotated[str | None, typer.Option(help="Column of titles in --titles; guessed if its name is usual.")]
Top = Annotated[int, typer.Option("--k", "-k", help="How many to list.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder or zip of MovieLens; MovieLens 100K is downloaded if absent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """See it work: learn from film ratings, measure, and recommend."""
    from tastemap import demo as example

    name = "100k" if data is None else _movielens_name(data)
    if name is None:
        raise DataError(f"{data} holds no MovieLens ratings: pass a folder or zip file as GroupLens publishes it")
    result = example.run(name, data, say=_note)
    if as_json:
        _print_json(result.as_dict())
    else:
        with _console() as console:
            example.show(result, console)


@app.command()
def fit(
    data: DataFile,
    out: Annotated[Path, typer.Option(help="Where to write the model, e.g. als.safetensors.")],
    model: Annotated[str, typer.Option(help="The kind of model.")] = "ImplicitALS",
    settings: Settings = None,
    user: User = None,
    item: Item = None,
    weight: Weight = None,
    no_weight: NoWeight = False,
    event: Events = None,
    at_least: AtLeast = None,
    duplicates: Duplicates = "error",
    separator: Separator = None,
    seed: Seed = 0,
    threads: Threads = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File to save training in; the same command goes on from it.")
    ] = None,
    history: Annotated[
        bool,
        typer.Option(help="Keep the interactions in the file: they are needed to leave out what was seen."),
    ] = True,
    as_json: Json = False,
) -> None:
    """Fit a model to interactions and save it."""
    for path in (out, checkpoint):
        if path is not None:
            _check_output(path)
    chosen = _model(model, settings, seed)
    with _threads(threads):
        train = _Reader(user, item, weight, no_weight, event, at_least, duplicates, separator).read(data)
        _note(f"{train!r}")
        fitted, seconds = _fitted(chosen, train, checkpoint)
        with _writing(out):
            fitted.save(out, history=history)
    if as_json:
        _print_json(
            {
                "file": str(out),
                "model": model,
                "parameters": _parameters(fitted),
                "pairs": len(train),
                "users": train.n_users,
                "items": train.n_items,
                "fit_seconds": seconds,
            }
        )
    else:
        _print(f"{model} fitted in {seconds:.1f} s and saved as {out}, {out.stat().st_size:,} bytes\n")


@app.command()
def recommend(
    model: ModelFile,
    user: Annotated[list[str] | None, typer.Option(help="A user of the training data; repeat it.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every user, with --out or --json.")] = False,
    liked: Annotated[
        list[str] | None,
        typer.Option(help="An item that somebody new likes: an id, or a title with --titles."),
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="File of interactions of new users; columns as in the training data.")
    ] = None,
    at_least: AtLeast = None,
    k: Top = 10,
    seen: Annotated[bool, typer.Option("--seen", help="Recommend again what the user already has.")] = False,
    on_unknown: Annotated[
        Literal["raise", "popular", "skip"],
        typer.Option(help="What to do with users that are not in the model."),
    ] = "raise",
    titles: Titles = None,
    title_id: TitleId = None,
    title_column: TitleColumn = None,
    out: Annotated[Path | None, typer.Option(help="Write a table instead: .parquet, .csv or .tsv.")] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Recommend items to known users, or to somebody new from what they like."""
    if sum((bool(user), everyone, bool(liked), history is not None)) != 1:
        raise typer.BadParameter("pass one of --user, --all, --liked and --history")
    if everyone and out is None and not as_json:
        raise typer.BadParameter("--all needs --out recs.parquet (or .csv, .tsv) or --json")
    if out is not None:
        _check_table(out)
    import tastemap as tm

    fitted = tm.load(model)
    names = _Titles.read(titles, title_id, title_column, fitted.items)
    with _threads(threads):
        if liked:
            wanted = [names.item(text) for text in liked]
            frame = fitted.recommend_for(wanted, k=k, frame="polars").drop("history")
        elif history is not None:
            reader = _Reader(None, None, None, False, None, at_least, "sum", None)
            frame = _fold_in_file(fitted, reader.read(history, like=fitted), k)
        else:
            users = None if everyone else [_id(text, fitted.users) for text in user or ()]
            frame = fitted.recommend(users, k=k, exclude_seen=not seen, on_unknown=on_unknown, frame="polars")
    group = None if liked else frame.columns[0]
    _answer(names.joined(frame, fitted.items.name), as_json, out, "recommendations", group=group)


@app.command()
def similar(
    model: ModelFile,
    item: Annotated[list[str], typer.Option(help="An item: an id, or a title with --titles; repeat it.")],
    k: Top = 10,
    metric: Annotated[Literal["cosine", "dot", "euclidean"], typer.Option(help="What near means.")] = "cosine",
    titles: Titles = None,
    title_id: TitleId = None,
    title_column: TitleColumn = None,
    out: Annotated[Path | None, typer.Option(help="Write a table instead: .parquet, .csv or .tsv.")] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """List the items most like one."""
    if out is not None:
        _check_table(out)
    import tastemap as tm

    fitted = tm.load(model)
    names = _Titles.read(titles, title_id, title_column, fitted.items)
    with _threads(threads):
        items = [names.item(text) for text in item]
        frame = fitted.similar_items(items, k=k, metric=metric, frame="polars")
    _answer(names.joined(frame, "neighbour"), as_json, out, "neighbours", group=frame.columns[0], names=names)


@app.command()
def evaluate(
    source: Annotated[
        Path,
        typer.Argument(metavar="MODEL|DATA", help="A fitted model, or interactions to fit on.", show_default=False),
    ],
    test: Annotated[
        Path | None,
        typer.Argument(metavar="[TEST]", help="Interactions to measure on. Absent: a part of DATA."),
    ] = None,
    metric: Annotated[list[str] | None, typer.Option(help="E.g. recall@20; repeat it.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="The kind of model to fit on DATA; repeat it.")] = None,
    settings: Settings = None,
    holdout: Annotated[float, typer.Option(help="Share of DATA to hold out where there is no TEST.")] = 0.2,
    user: User = None,
    item: Item = None,
    weight: Weight = None,
    no_weight: NoWeight = False,
    event: Events = None,
    at_least: AtLeast = None,
    duplicates: Duplicates = "error",
    separator: Separator = None,
    seen: Annotated[bool, typer.Option("--seen", help="Let models rank what was in the training data too.")] = False,
    seed: Seed = 0,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Measure a fitted model on a test file, or fit models on a part of the data and measure on the rest."""
    import tastemap as tm

    reader = _Reader(user, item, weight, no_weight, event, at_least, duplicates, separator)
    metrics = tuple(metric or ("precision@10", "recall@10", "ndcg@10"))
    rows = []
    with _threads(threads):
        if _is_model(source):
            if test is None or model or settings:
                raise typer.BadParameter("a fitted model needs a file to test on, and no --model or --set")
            fitted = tm.load(source)
            held = reader.read(test, like=fitted)
            rows.append(_measured(fitted, held, metrics, seen, type(fitted).__name__, None))
        else:
            names = model or ["Popular", "ImplicitALS"]
            models = _models(names, settings, seed)
            if test is not None:
                train = reader.read(source)
                held = reader.read(test)
            else:
                train, held = tm.split.random(reader.read(source), holdout, seed=seed)
            _note(f"train: {train!r}")
            _note(f"test: {held!r}")
            for name, chosen in zip(names, models, strict=True):
                fitted, seconds = _fitted(chosen, train)
                rows.append(_measured(fitted, held, metrics, seen, name, seconds))
    if as_json:
        _print_json({"models": rows})
    else:
        _print_leaderboard(rows, metrics)


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="A model, or interactions.", show_default=False)],
    user: User = None,
    item: Item = None,
    weight: Weight = None,
    no_weight: NoWeight = False,
    time: Annotated[str | None, typer.Option(help="Column of times; guessed if its name is usual.")] = None,
    event: Events = None,
    duplicates: Duplicates = "last",
    separator: Separator = None,
    k: Top = 10,
    titles: Titles = None,
    title_id: TitleId = None,
    title_column: TitleColumn = None,
    as_json: Json = False,
) -> None:
    """Say what a file of interactions or a model holds."""
    import tastemap as tm

    if _is_model(file):
        fitted = tm.load(file)
        if as_json:
            _print_json(
                {
                    "file": str(file),
                    "model": type(fitted).__name__,
                    "parameters": _parameters(fitted),
                    "users": len(fitted.users),
                    "items": len(fitted.items),
                    "history": fitted.interactions is not None,
                    "card": fitted.card(),
                }
            )
        else:
            _print_markdown(fitted.card())
        return
    reader = _Reader(user, item, weight, no_weight, event, None, duplicates, separator, time)
    data, columns = reader.read_with_columns(file, with_time=True)
    names = _Titles.read(titles or (file if _movielens_name(file) else None), title_id, title_column, data.items)
    top = names.joined(_most_common(data, k), data.items.name)
    density = len(data) / (data.n_users * data.n_items)
    if as_json:
        _print_json(
            {
                "file": str(file),
                "columns": columns,
                "pairs": len(data),
                "users": data.n_users,
                "items": data.n_items,
                "density": density,
                "weights": [float(data.matrix.data.min()), float(data.matrix.data.max())],
                "top_items": top.to_dicts(),
            }
        )
        return
    per_user, per_item = len(data) / data.n_users, len(data) / data.n_items
    with _console() as console:
        console.print(f"{data!r}", highlight=False)
        console.print(f"density {density:.2%}, {per_user:,.1f} pairs a user, {per_item:,.1f} an item", highlight=False)
        _show_table(console, top, f"the {len(top)} items that most users have")


# What is read


@dataclass
class _Reader:
    """What the options say about files of interactions."""

    user: str | None
    item: str | None
    weight: str | None
    no_weight: bool
    event: list[str] | None
    at_least: float | None
    duplicates: Any
    separator: str | None
    time: str | None = None

    def read(self, path: Path, *, like: Any = None, with_time: bool = False) -> Interactions:
        """Read a file; ``like`` is a fitted model whose column names are tried first."""
        return self.read_with_columns(path, like, with_time)[0]

    def read_with_columns(
        self, path: Path, like: Any = None, with_time: bool = False
    ) -> tuple[Interactions, dict[str, str]]:
        """Read a file and say which column serves as user, item, weight and time."""
        if self.weight is not None and self.no_weight:
            raise ValueError("pass --weight or --no-weight, not both")
        name = _movielens_name(path)
        data, columns = self._table(path, like, with_time) if name is None else self._movielens(path, name)
        return (data if self.at_least is None else data.at_least(self.at_least).binarize()), columns

    def _movielens(self, path: Path, name: str) -> tuple[Interactions, dict[str, str]]:
        import tastemap as tm

        columns = {"user": "user_id", "item": "movie_id", "weight": "rating", "time": "timestamp"}
        for use, column in columns.items():
            given = getattr(self, use)
            if given not in (None, column):
                raise DataError(f"in MovieLens data the {use} column is {column!r}, got {given!r}")
        data = tm.datasets.movielens(name, path=path).interactions
        return (data.binarize() if self.no_weight else data), columns

    def _table(self, path: Path, like: Any, with_time: bool) -> tuple[Interactions, dict[str, str]]:
        import tastemap as tm

        columns = self._columns(path, like, with_time)
        weight = columns.get("weight")
        named = {use: column for use, column in columns.items() if use != "weight"}
        options: dict[str, Any] = {
            "separator": self.separator,
            "duplicates": self.duplicates,
            "weight": None if self.event else weight,
            "event_weights": (weight, _event_weights(self.event)) if self.event else None,
            # Ratings below zero are fine where only those of at least so much stay.
            "allow_negative": self.at_least is not None,
        }
        try:
            data = tm.Interactions.from_file(path, **named, **options)
        except DataError as error:
            if "time" not in named or self.time is not None or f"column {named['time']!r}" not in str(error):
                raise
            _note(f"left the guessed column of times out: {error}")
            del named["time"], columns["time"]
            data = tm.Interactions.from_file(path, **named, **options)
        guessed = [f"{use} {column!r}" for use, column in columns.items() if getattr(self, use) is None]
        if guessed:
            _note(f"{path}: took the columns {', '.join(guessed)}")
        return data, columns

    def _columns(self, path: Path, like: Any, with_time: bool) -> dict[str, str]:
        """Return the columns that were named, or whose names are usual, by their use."""
        header = _header(path, self.separator)
        found = {
            "user": self.user or _guess("user", header, like and like.users.name),
            "item": self.item or _guess("item", header, like and like.items.name),
            "weight": self.weight or _guess("event" if self.event else "weight", header),
            "time": self.time or (_guess("time", header) if with_time else None),
        }
        if self.no_weight:
            found["weight"] = None
        for use in ("user", "item", "weight") if self.event else ("user", "item"):
            if found[use] is None:
                raise DataError(f"{path} has the columns {name_some(header, 12)}: pass --{use} COLUMN")
        return {use: column for use, column in found.items() if column is not None}


def _header(path: Path, separator: str | None) -> list[str]:
    """Return the names of a file's columns."""
    import polars as pl

    from tastemap.data import files

    name, source = files._opened(path.expanduser())
    if PurePosixPath(name).suffix.lower() in (".parquet", ".pq"):
        try:
            return list(pl.read_parquet_schema(files._buffered(source)))
        except (pl.exceptions.PolarsError, OSError):
            files.read_table(name, source, None, label=str(path))  # says what is wrong
            raise
    top = files._first_line(source).encode() + b"\n"
    return files.read_table(name, top, None, separator=separator, label=str(path)).columns


def _guess(use: str, header: Sequence[str], first: str | None = None) -> str | None:
    if first in header:
        return first
    plain = {re.sub(r"[^a-z]", "", name.lower()): name for name in reversed(header)}
    return next((plain[n] for n in _USUAL[use].replace("_", "").split() if n in plain), None)


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


def _movielens_name(path: Path) -> str | None:
    """Tell by its files which MovieLens layout a folder or zip file has, if any."""
    path = path.expanduser()
    if path.is_dir():
        files = {file.name for pattern in ("*", "*/*") for file in path.glob(pattern)}
    elif path.suffix.lower() in (".zip", ".whl") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            files = {PurePosixPath(name).name for name in archive.namelist()}
    else:
        return None
    if files & {"u.data", "ml-100k.inter"}:
        return "100k"
    if "movies.dat" in files and files & {"ratings.dat", "ratings.parquet"}:
        return "1m"
    return "latest-small" if files >= {"ratings.csv", "movies.csv"} else None


def _is_model(path: Path) -> bool:
    if not path.exists():
        raise DataError(f"there is no file {path}")
    if path.suffix == ".safetensors" or path.is_dir():
        return not path.is_dir()
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


@dataclass
class _Titles:
    """The titles of items, or nothing to do where there are none."""

    items: IdMap
    frame: pl.DataFrame | None = None

    @classmethod
    def read(cls, path: Path | None, id_column: str | None, title_column: str | None, items: IdMap) -> _Titles:
        if path is None:
            return cls(items)
        import polars as pl

        from tastemap.data.frames import check_columns

        table = _title_table(path)
        id_column = id_column or _guess("item", table.columns, items.name) or _guess("id", table.columns)
        title_column = title_column or _guess("title", table.columns)
        if id_column is None or title_column is None:
            missing = "--title-id" if id_column is None else "--title-column"
            raise DataError(f"{path} has the columns {name_some(table.columns, 12)}: pass {missing} COLUMN")
        check_columns((id_column, title_column), table.columns)
        ids = table[id_column].cast(pl.String if items.holds_strings else items.ids.dtype, strict=False)
        titles = pl.DataFrame({"item": ids, "title": table[title_column].cast(pl.String)})
        return cls(items, titles.unique("item", keep="first", maintain_order=True))

    def item(self, text: str) -> int | str:
        """Return the id that ``text`` is, or the id of the only item whose title holds it."""
        import polars as pl

        could_be_id = self.items.holds_strings or _is_integer(text)
        if self.frame is None or (could_be_id and _id(text, self.items) in self.items):
            return _id(text, self.items)
        known = self.frame.filter(pl.col("item").is_in(self.items.ids.implode()))
        lower = pl.col("title").str.to_lowercase()
        for match in (lower == text.lower(), lower.str.contains(text.lower(), literal=True)):
            found = known.filter(match)
            if len(found) == 1:
                value: int | str = found["item"][0]
                return value
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
        import polars as pl

        found = [] if self.frame is None else self.frame.filter(pl.col("item") == item)["title"].to_list()
        return found[0] if found else str(item)


def _title_table(path: Path) -> pl.DataFrame:
    from tastemap.data import datasets, files

    name = _movielens_name(path)
    if name is not None:
        table = datasets.movielens(name, path=path).items
        if table is None:
            raise DataError(f"{path} holds no file of movies")
        return table
    if path.name == "movies.dat" and path.exists():
        return datasets._movies_dat(path)
    inner, source = files._opened(path.expanduser())
    return files.read_table(inner, source, None, label=str(path))


def _id(text: str, ids: IdMap) -> int | str:
    if ids.holds_strings:
        return text
    if not _is_integer(text):
        raise DataError(f"the ids of {ids.name!r} are integers here, got {text!r}")
    return int(text)


def _is_integer(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]+", text) is not None


# Models


def _model(name: str, settings: list[str] | None, seed: int) -> Any:
    return _models([name], settings, seed)[0]


def _models(names: Sequence[str], settings: list[str] | None, seed: int) -> list[Any]:
    """Make models; each takes the settings it has a parameter for, and some model must have it."""
    import tastemap as tm

    for name in names:
        if name not in tm.MODELS:
            raise ValueError(f"there is no model {name!r}, only {name_some(tm.MODELS, 30)}{_meant(name, tm.MODELS)}")
    classes = [tm.MODELS[name] for name in names]
    kinds: dict[str, Any] = {}
    for cls in classes:
        hints = typing.get_type_hints(cls)
        kinds |= {field.name: hints[field.name] for field in fields(cls) if field.init}
    values: dict[str, Any] = {"seed": seed}
    for setting in settings or ():
        key, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"--set takes NAME=VALUE, e.g. factors=128, got {setting!r}")
        if key not in kinds:
            raise ValueError(
                f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} no parameter {key!r}, "
                f"{'only ' + name_some(kinds, 30) if kinds else 'nor any other'}{_meant(key, kinds)}"
            )
        values[key] = _typed(key, text, kinds[key])
    models = []
    for cls in classes:
        own = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        models.append(cls(**own))
        models[-1].check()  # before the data are read
    return models


def _typed(name: str, text: str, kind: Any) -> Any:
    """Read a value of a parameter's type, e.g. ``int``, ``float | None`` or ``Literal["cg", "cholesky"]``."""
    choices = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        if text not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {text!r}")
        return text
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        if type(None) in choices and text.lower() == "none":
            return None
        kind = next(choice for choice in choices if choice is not type(None))
        return _typed(name, text, kind)
    readers: dict[Any, tuple[str, Callable[[str], Any]]] = {
        bool: ("true or false", lambda text: {"true": True, "false": False}[text.lower()]),
        int: ("a whole number", int),
        float: ("a number", float),
    }
    if kind not in readers:
        return text
    wanted, read = readers[kind]
    try:
        return read(text)
    except (KeyError, ValueError):
        raise ValueError(f"{name} must be {wanted}, got {text!r}") from None


def _meant(name: str, existing: Iterable[str]) -> str:
    by_lower = {known.lower(): known for known in existing}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def _fitted(model: Any, train: Interactions, checkpoint: Path | None = None) -> tuple[Any, float]:
    started = clock.perf_counter()
    fitted = model.fit(train, checkpoint=checkpoint)
    return fitted, clock.perf_counter() - started


def _parameters(model: Any) -> dict[str, Any]:
    return {field.name: getattr(model, field.name) for field in fields(model) if field.init}


def _measured(
    model: Any,
    test: Interactions,
    metrics: tuple[str, ...],
    seen: bool,
    name: str,
    seconds: float | None,
) -> dict[str, Any]:
    import tastemap as tm
    from tastemap.data.frames import to_polars

    result = tm.evaluate(model, test, metrics=metrics, exclude=None if seen else "train")
    # Intervals of all users; those known and new to the model follow where there are both.
    rows = to_polars(result.frame).head(len(metrics)).select("metric", "mean", "low", "high")
    return {
        "model": name,
        "parameters": _parameters(model),
        "metrics": {row.pop("metric"): row for row in rows.to_dicts()},
        "users": result.n_users,
        "skipped": result.n_skipped,
        "unknown_items": result.n_unknown_items,
        "fit_seconds": seconds,
    }


def _fold_in_file(model: Any, data: Interactions, k: int) -> pl.DataFrame:
    """Recommend to the users of a file from what the file says, whether the model knows them or not."""
    import polars as pl

    known, n_unknown = data.align(data.users, model.items)
    if n_unknown:
        _note(f"left out {n_unknown:,} of {len(data):,} pairs: the model does not know their items")
    rows = [row for row in range(len(known.users)) if known.matrix.indptr[row] < known.matrix.indptr[row + 1]]
    if not rows:
        raise DataError("the model knows none of the items in the history: the ids may be of another data set")
    histories = []
    for row in rows:
        pairs = slice(*known.matrix.indptr[row : row + 2])
        items = model.items.take(known.matrix.indices[pairs])
        histories.append(dict(zip(items, known.matrix.data[pairs].tolist(), strict=True)))
    frame = model.recommend_for(histories, k=k, frame="polars")
    users = known.users.take(rows).gather(frame["history"])
    answer: pl.DataFrame = frame.select(users.alias(data.columns.user), pl.exclude("history"))
    return answer


def _most_common(data: Interactions, k: int) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    counts = np.bincount(data.matrix.indices, minlength=len(data.items))
    top = np.argsort(-counts, kind="stable")[: min(k, data.n_items)]
    return pl.DataFrame({data.items.name: data.items.take(top), "users": counts[top]})


@contextmanager
def _threads(n: int | None) -> Iterator[None]:
    if n is None:
        yield
        return
    import tastemap as tm

    with tm.threads(n):
        yield


# What is written


def _note(text: str) -> None:
    typer.echo(text, err=True)


def _sentence(error: Exception) -> str:
    """Say an error in the words of the command line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    text = " ".join(str(error).split()) or type(error).__name__
    text = text.replace("pass allow_negative=True if they are ratings", "say with --at-least which of them are likes")
    text = re.sub(r"event_weights=\('[^']*', \{value: weight\}\)", "--event VALUE=WEIGHT", text)
    text = text.replace("event_weights", "--event")
    options = r"\b(separator|duplicates|on_unknown|weight|time|history|k)=('[^']*'|\w+)"
    return re.sub(options, _as_option, text)


def _as_option(argument: re.Match[str]) -> str:
    name, value = argument.groups()
    bare = value.strip("'")
    return f"--{name.replace('_', '-')} {bare if bare.isalnum() else value}"


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough. The interpreter flushes once more at its end and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def _print_json(document: object) -> None:
    _print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def _console() -> Iterator[Any]:
    """Collect what is printed to the console and write it at once, without colours unless on a terminal."""
    import shutil

    from rich.console import Console

    console = Console(file=sys.stdout, width=min(shutil.get_terminal_size((100, 24)).columns, 120))
    with console.capture() as captured:
        yield console
    _print("\n".join(line.rstrip() for line in captured.get().split("\n")))


def _print_markdown(text: str) -> None:
    if not sys.stdout.isatty():
        _print(text.rstrip("\n") + "\n")
        return
    from rich.markdown import Markdown

    with _console() as console:
        console.print(Markdown(text))


def _print_leaderboard(rows: list[dict[str, Any]], metrics: tuple[str, ...]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("model")
    for name in metrics:
        table.add_column(name, justify="right")
    fitted_here = rows[0]["fit_seconds"] is not None
    if fitted_here:
        table.add_column("fit", justify="right")
    best = {name: max(row["metrics"][name]["mean"] for row in rows) for name in metrics}
    for row in rows:
        cells = []
        for name in metrics:
            value = row["metrics"][name]
            text = f"{value['mean']:.4f} ± {(value['high'] - value['low']) / 2:.4f}"
            cells.append(f"[bold]{text}[/bold]" if len(rows) > 1 and value["mean"] == best[name] else text)
        table.add_row(row["model"], *cells, *([f"{row['fit_seconds']:.1f} s"] if fitted_here else []))
    with _console() as console:
        console.print(table)
        text = f"means over {rows[0]['users']:,} users, ± half of a 95 % interval"
        if rows[0]["skipped"]:
            text += f"; unknown users left out: {rows[0]['skipped']:,}"
        if rows[0]["unknown_items"]:
            text += f"; test pairs of unknown items, counted as not found: {rows[0]['unknown_items']:,}"
        console.print(text, highlight=False)


def _answer(
    frame: pl.DataFrame,
    as_json: bool,
    out: Path | None,
    key: str,
    *,
    group: str | None,
    names: _Titles | None = None,
) -> None:
    """Write a ranked list a user or an item: into a file, as JSON or as tables."""
    if out is not None:
        _write_table(frame, out)
        _note(f"wrote {len(frame):,} rows to {out}")
    if as_json:
        _print_json({key: frame.to_dicts()})
    elif out is None:
        with _console() as console:
            if frame.is_empty():
                console.print("nothing to show")
                return
            parts = [((None,), frame)] if group is None else frame.group_by([group], maintain_order=True)
            for (value,), rows in parts:
                title = None if value is None else f"{group} {value}" if names is None else f"like {names.of(value)}"
                _show_table(console, rows if group is None else rows.drop(group), title)


def _show_table(console: Any, frame: pl.DataFrame, title: str | None) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    if title:
        console.print(f"[bold]{escape(title)}[/bold]", highlight=False)
    table = Table(box=box.SIMPLE_HEAD)
    rank_first = [*(c for c in frame.columns if c == "rank"), *(c for c in frame.columns if c != "rank")]
    for name in rank_first:
        number = frame.schema[name].is_numeric()
        table.add_column(escape(name), justify="right" if number else "left", overflow="fold")
    for row in frame.select(rank_first).iter_rows():
        table.add_row(*(escape(_cell(value)) for value in row))
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _check_output(path: Path) -> None:
    """Refuse a place that cannot be written before the work is done, not after."""
    if path.is_dir():
        raise OSError(f"{path} is a folder: name a file in it")
    if not path.absolute().parent.is_dir():
        raise OSError(f"there is no folder {path.parent} to write {path.name} in")
    if not os.access(path.absolute().parent, os.W_OK):
        raise OSError(f"the folder {path.absolute().parent} cannot be written")


def _check_table(path: Path) -> None:
    if path.suffix.lower() not in _TABLES:
        raise ValueError(f"--out must end in {', '.join(_TABLES)}, got {path.name!r}")
    _check_output(path)


def _write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a table beside its place and move it there: the file is whole or absent."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    suffix = path.suffix.lower()
    with _writing(path):
        try:
            if suffix == ".parquet":
                frame.write_parquet(part)
            else:
                frame.write_csv(part, separator="\t" if suffix == ".tsv" else ",")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Name the file the user asked for where its temporary one cannot be written."""
    try:
        yield
    except OSError as error:
        # polars puts the temporary file's name behind the reason.
        reason = error.strerror or str(error).partition(" (os error")[0]
        raise OSError(f"cannot write {path}: {reason}") from error
