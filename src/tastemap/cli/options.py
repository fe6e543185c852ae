"""The arguments and options that commands share."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import tastemap as tm
    from tastemap.service.events import News
    from tastemap.service.reading import Reading

DataFile = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Interactions: csv, tsv, parquet, JSON lines, a MovieLens file, zip or folder; with --query a database, "
        "by its address, postgresql://user@host/shop, or its file.",
        show_default=False,
    ),
]
MoreData = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATA]", help="New interactions, as `tastemap fit` takes them; or pass --events.", show_default=False
    ),
]
Journal = Annotated[
    Path | None,
    typer.Option("--events", metavar="FOLDER", help="New interactions in place of DATA: events that a service kept."),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="The first of --events to read, such as 2026-11-28T12:00:00Z; all if absent."),
]
NewSince = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="List only what is new: items without a pair before this date, or so long before the latest pair, as 30d.",
    ),
]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="A model that `tastemap fit` wrote.")]

UserColumn = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The column of users; guessed if its name is usual.")
]
ItemColumn = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The column of items; guessed if its name is usual.")
]
WeightColumn = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The column of weights or ratings; guessed if its name is usual.")
]
TimeColumn = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The column of times; guessed if its name is usual.")
]
NoWeight = Annotated[bool, typer.Option("--no-weight", help="Count every row as 1, whatever columns there are.")]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="NAME=WEIGHT", help="Weight of an event in --weight-column; repeat it."),
]
AtLeast = Annotated[
    float | None,
    typer.Option(help="Keep ratings of at least this much and count each as one like; with --log2 keep their weights."),
]
Log2 = Annotated[
    bool,
    typer.Option("--log2", help="Damp every weight w to log2(1 + w), after the rest: for counts with a heavy tail."),
]
Binarize = Annotated[bool, typer.Option("--binarize", help="Count every pair as 1, after the rest.")]
MaxItems = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Keep the N items that most users have, and leave out the others."),
]
Zeros = Annotated[
    Literal["keep", "negatives"],
    typer.Option(
        metavar="HOW",
        help="What a weight of 0 is: a pair (keep), which models of ratings take as a rating, or nothing, for it says "
        "that the item is not liked (negatives).",
    ),
]
Duplicates = Annotated[
    Literal["auto", "error", "sum", "mean", "last", "max"],
    typer.Option(
        metavar="HOW",
        help="What to do where a user and an item come together twice: error, sum, mean, last, max; auto: the last of "
        "ratings, the sum of all else.",
    ),
]
DropNulls = Annotated[
    bool,
    typer.Option(
        "--drop-nulls/--refuse-nulls", help="Leave out rows without a user, an item or a weight, and say how many."
    ),
]
KeepNa = Annotated[
    bool, typer.Option("--keep-na", help="Take ids such as NA, NULL and None as names; they are missing otherwise.")
]
Separator = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="What parts columns, such as ';', '::', tab or space; found if absent."),
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="A,B,...", help="Names of all columns, where the file does not begin with them."),
]
Encoding = Annotated[str | None, typer.Option(metavar="NAME", help="Encoding of the file, if not UTF-8: latin-1 ...")]
Quotes = Annotated[bool, typer.Option("--quotes/--no-quotes", help="Whether fields may be in quotes.")]
Query = Annotated[
    str | None,
    typer.Option(metavar="SQL", help="Selects the rows of a database: select customer, article from orders."),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Its first line is the password of a database; PGPASSWORD and .pgpass are read without it."
    ),
]
Wide = Annotated[
    bool,
    typer.Option(
        "--wide",
        help="Read a table with one row a user, one column an item and weights in the cells; users are in the first "
        "column or in --user-column.",
    ),
]

Candidates = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE_OR_IDS",
        help="Only these items may be on a list: a file of ids, or ids (titles with --titles) with commas; repeat it.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE_OR_IDS", help="Items that may not be on a list, given as for --candidates."),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="What a column of the items must be: genre=Drama|Comedy, genre!=Horror, year>=1990; repeat it.",
    ),
]
AtMost = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=NUMBER", help="At most so many items of one value on a list: genre=2; repeat it."),
]
Diversity = Annotated[
    float, typer.Option(help="From 0, the best items, to 1: how much an item counts less if it is like one before it.")
]
Items = Annotated[
    Path | None,
    typer.Option(help="File that --where and --at-most look into, one row an item; without it, that of --titles."),
]
ItemId = Annotated[str | None, typer.Option(help="Column of items in --items; guessed if its name is usual.")]
Features = Annotated[
    Path | None,
    typer.Option(help="File that describes items, one row an item: csv, tsv, parquet, movies.dat, MovieLens zip."),
]
FeatureId = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column of items in --features; guessed if its name is usual.")
]
FeatureColumns = Annotated[
    list[str] | None,
    typer.Option(metavar="A,B", help="Columns of --features to use; all that describe several items if absent."),
]
UserFeatures = Annotated[Path | None, typer.Option(help="File that describes users, one row a user.")]
UserFeatureId = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column of users in --user-features; guessed if its name is usual.")
]
UserFeatureColumns = Annotated[
    list[str] | None, typer.Option(metavar="A,B", help="Columns of --user-features to use, as --feature-columns.")
]

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the model, e.g. factors=128; repeat it."),
]
DEFAULT_METRICS = ("ndcg@10", "recall@10", "precision@10")
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="A,B",
        help=f"E.g. recall@20; several with commas; the first ranks. If absent: {', '.join(DEFAULT_METRICS)}.",
    ),
]
OnUnknown = Annotated[
    Literal["skip", "popular"],
    typer.Option(help="Test users that the model does not know: leave them out, or give them the most popular items."),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Threads = Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads to use; all cores if absent.")]

Titles = Annotated[
    Path | None,
    typer.Option(help="File with titles of items: csv, tsv, parquet, lines of id::title, MovieLens folder or zip."),
]
TitleId = Annotated[str | None, typer.Option(help="Column of items in --titles; guessed if its name is usual.")]
TitleColumn = Annotated[str | None, typer.Option(help="Column of titles in --titles; guessed if its name is usual.")]

Top = Annotated[int, typer.Option("--k", "-k", help="How many to list.")]
SparkUsers = Annotated[
    str | None,
    typer.Option(
        "--spark",
        metavar="USERS",
        help="Every user of a Parquet file or folder, or of a csv file, over Apache Spark, with --out FOLDER.",
    ),
]
SparkHistories = Annotated[
    str | None,
    typer.Option(
        metavar="PAIRS", help="With --spark: what users have, which is left out, and from which new ones are folded in."
    ),
]
FoldIn = Annotated[
    Literal["new", "all"], typer.Option(help="With --spark-histories: fold in new users from them, or all.")
]
Seen = Annotated[bool, typer.Option("--seen", help="Also rank what a user already has.")]
Table = Annotated[Path | None, typer.Option(help="Write a table instead: .parquet, .csv or .tsv.")]
Lists = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE",
        help="Write a table instead: .parquet, .csv or .tsv; with --all also a folder, lists/, or a database: .duckdb, "
        "postgresql://user@host/shop.",
    ),
]
TableName = Annotated[
    str | None, typer.Option("--table", metavar="NAME", help="The table in a database; recommendations if absent.")
]
EscapeFormulas = Annotated[
    bool,
    typer.Option(
        "--escape-formulas/--raw-texts",
        help="In .csv and .tsv put ' before texts that a spreadsheet would run: those that begin with = + - @.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]


# What a file of features describes, and how the names of its options begin.
_SIDES: tuple[tuple[Literal["item", "user"], str], ...] = (("item", ""), ("user", "user_"))

# The options about reading, and the fields of `Reading` that they set.
_READING = {
    "user_column": "user",
    "item_column": "item",
    "weight_column": "weight",
    "time_column": "time",
    "no_weight": "count_rows",
    "at_least": "at_least",
    "max_items": "max_items",
    "zeros": "zeros",
    "duplicates": "duplicates",
    "drop_nulls": "drop_nulls",
    "keep_na": "keep_na",
    "separator": "separator",
    "encoding": "encoding",
    "quotes": "quotes",
    "query": "query",
    "password_file": "password_file",
    "wide": "wide",
}


def make_reading(ctx: typer.Context, **more: Any) -> Reading:
    """Return how a command reads interactions: by those of its options that are about reading, and ``more``."""
    from tastemap.service.reading import Reading, parse_event_weights

    given = {field: ctx.params[option] for option, field in _READING.items() if option in ctx.params}
    if names := ctx.params.get("column_names"):
        given["columns"] = [name.strip() for name in names.split(",")]
    if ctx.params.get("log2") and ctx.params.get("binarize"):
        raise typer.BadParameter("pass one of --log2 and --binarize")
    given["damping"] = next((option for option in ("log2", "binarize") if ctx.params.get(option)), None)
    return Reading(**given, event_weights=parse_event_weights(ctx.params.get("event") or ()), **more)


def read_news(ctx: typer.Context, model: tm.Model) -> News:
    """Return the news to a model in the journal that --events names; refuse the options about reading files."""
    from tastemap.service.events import read_news

    for param in ctx.command.params:
        source = ctx.get_parameter_source(str(param.name))
        is_given = source is not None and source.name == "COMMANDLINE"
        if is_given and param.name in {*_READING, "column_names", "event", "log2", "binarize"}:
            raise typer.BadParameter(f"events are read as a service wrote them: leave {param.opts[0]} out")
    return read_news(ctx.params["events"], model, ctx.params["since"])


def read_features(ctx: typer.Context, like: tm.Interactions | tm.Model) -> dict[str, Any]:
    """Return the features that a command's options name, as arguments of `fit`, and print what was made of them.

    like : the interactions of the training, or the model that is updated
    """
    from tastemap.cli.output import print_remarks
    from tastemap.models.shared.base import Model
    from tastemap.service.features import FeatureFile

    found: dict[str, Any] = {}
    for side, prefix in _SIDES:
        path = ctx.params.get(f"{prefix}features")
        if path is None:
            continue
        id_column = ctx.params.get(f"{prefix}feature_id")
        columns = split_names(ctx.params.get(f"{prefix}feature_columns")) or None
        file = FeatureFile(path, side, id_column, columns)
        if isinstance(like, Model):
            features, remarks = file.read_more(like)
        else:
            features, remarks = file.read(like.items if side == "item" else like.users)
        print_remarks(remarks)
        found[f"{side}_features"] = features
    return found


def split_names(values: list[str] | None) -> list[str]:
    """Return the names in the values of an option, each of them one name or several with commas."""
    return [name for value in values or () for name in map(str.strip, value.split(",")) if name]


def use_threads(n: int | None) -> AbstractContextManager[None]:
    """Use ``n`` threads in the block; None uses as many as without --threads."""
    import tastemap as tm

    return nullcontext() if n is None else tm.threads(n)


def choose_where(ctx: typer.Context, fitted: tm.Model) -> dict[str, Any]:
    """Return the arguments that --where, --at-most and --diversity stand for."""
    from tastemap.service.chosen import read_limits
    from tastemap.service.titles import ItemFile

    given = ctx.params
    asked: dict[str, Any] = {}
    if given["where"]:
        asked["where"] = given["where"]
    if given.get("at_most"):
        asked["at_most"] = read_limits(given["at_most"])
    if asked and (path := given["items"] or given["titles"]) is not None:
        id_column = given["item_id"] if given["items"] else given["title_id"]
        asked["item_table"] = ItemFile.read(
            path, fitted.items, id_column=id_column, id_parameter="item_id" if given["items"] else "id_column"
        ).table
    if given.get("diversity"):
        asked["diversity"] = given["diversity"]
    return asked
