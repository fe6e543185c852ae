"""Small files as other programs and publishers write them: each is read, or refused in one sentence.

Python and the command line find the same users, items and pairs.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

import tastemap as tm
from tastemap.cli import app

FOLDER = Path(__file__).parent / "strangers"


class Read(NamedTuple):
    """What is in a file that is read with these options.

    plain : whether `tastemap info FILE` finds the same without an option
    told : a part of the warning that reading it gives
    """

    name: str
    counts: tuple[int, int, int]
    options: dict[str, Any]
    plain: bool = False
    told: str | None = None


class Refused(NamedTuple):
    """A part of the sentence that refuses a file with these options, with Python's words, and with options."""

    name: str
    options: dict[str, Any]
    sentence: str
    way: str = ""
    option: str = ""


MOVIELENS = {"user": "user_id", "item": "movie_id", "weight": "rating", "time": "timestamp"}
RATED = {"weight": "rating"}
GERMAN = {"user": "Kunde", "item": "Artikel", "weight": "Menge"}
TITLED = {"user": "User-ID", "item": "Title", "weight": "Book-Rating"}
LAST = {"columns": ["user", "mbid", "item", "plays"], "weight": "plays"}
STEAM = {"columns": ["user", "item", "event", "hours", "_"], "weight": "hours", "duplicates": "last"}
AMAZON = {"user": "reviewerID", "item": "asin", "weight": "overall"}

READ = [
    # Ids
    Read("leading-zeros.csv", (3, 3, 3), RATED, plain=True),
    *(
        Read(f"missing-{word}.csv", (3, 2, 3), {"drop_nulls": True}, plain=True)
        for word in ("empty", "quoted", "na", "null", "mysql")
    ),
    Read("spaces-in-header.csv", (2, 2, 3), {}, plain=True, told="3 in column 'item'"),
    Read("spaces-around-ids.csv", (2, 2, 3), {}, plain=True, told="1 in column 'user', 1 in column 'item'"),
    Read(
        "spaces-behind-numbers.data",
        (2, 2, 3),
        {"user": "user_id", "item": "movie_id", "weight": "rating"},
        plain=True,
        told="3 in column 'rating'",
    ),
    # Without names of columns
    Read("amazon.csv", (3, 2, 3), {"columns": ["user", "item", "rating", "time"], **RATED, "time": "time"}),
    Read("tabs.csv", (2, 2, 3), {"columns": ["user", "item", "rating", "_"], **RATED}),
    Read("spaces.txt", (2, 2, 3), {"columns": ["user", "item", "rating"], **RATED}),
    Read("steam-200k.csv", (2, 2, 3), STEAM),
    Read("lastfm-360k.tsv", (2, 2, 3), LAST),
    Read("triplets.txt", (2, 2, 3), {"columns": ["user", "item", "plays"], "weight": "plays"}),
    Read("mysql-outfile.txt", (2, 1, 2), {"columns": ["user", "item", "rating"], **RATED, "drop_nulls": True}),
    # Exports of programs
    Read("kaggle-index.csv", (2, 2, 3), {"user": "user_id", "item": "anime_id", **RATED}, plain=True),
    Read("kaggle-quotes.csv", (2, 2, 3), {"user": "user_id", "item": "item_id", "weight": "stars"}, plain=True),
    Read("kaggle-bom.csv", (2, 2, 3), {"user": "userId", "item": "movieId", **RATED, "time": "timestamp"}, plain=True),
    Read("r-write-csv.csv", (2, 2, 2), {**RATED, "drop_nulls": True}, plain=True),
    Read("r-write-table.txt", (2, 2, 3), RATED, plain=True),
    Read("excel-semicolons.csv", (2, 2, 3), GERMAN, told="1,5 is 1.5"),
    Read("excel-cp1252.csv", (2, 2, 3), {**GERMAN, "encoding": "cp1252"}, told="1,5 is 1.5"),
    Read("excel-unicode-text.txt", (2, 2, 3), {"weight": "weight"}, plain=True),
    Read("cr.csv", (4, 5, 12), {"user": "User-ID", "item": "ISBN", "weight": "Book-Rating"}),
    Read("mysql-batch.txt", (2, 1, 2), {"user": "user_id", "item": "item_id", **RATED, "drop_nulls": True}, plain=True),
    Read("pandas-index.csv", (2, 2, 3), RATED, plain=True),
    Read("pandas-float-ids.csv", (2, 1, 2), {**RATED, "drop_nulls": True}, plain=True, told="1.0 is 1"),
    Read("pandas-nullable.csv", (2, 1, 2), {**RATED, "drop_nulls": True}, plain=True),
    # Data that are published
    Read("movielens.dat", (2, 2, 3), MOVIELENS, plain=True),
    Read("movielens.data", (2, 2, 3), MOVIELENS, plain=True),
    Read("movietweetings.dat", (4, 4, 16), MOVIELENS, plain=True),
    Read("recbole.inter", (2, 2, 3), {"user": "user_id", "item": "item_id", **RATED, "time": "timestamp"}, plain=True),
    Read("hetrec.dat", (2, 2, 3), {"user": "userID", "item": "artistID", "weight": "weight"}, plain=True),
    Read("hetrec-dates.dat", (2, 2, 3), {"user": "userID", "item": "movieID", "weight": "rating"}, plain=True),
    Read("book-crossing.csv", (2, 2, 3), {"user": "User-ID", "item": "ISBN", "weight": "Book-Rating"}),
    Read("book-crossing-titles.csv", (2, 2, 3), {**TITLED, "encoding": "latin-1"}, told='took \\" as a quote'),
    Read(
        "retailrocket.csv",
        (2, 2, 2),
        {
            "user": "visitorid",
            "item": "itemid",
            "time": "timestamp",
            "event_weights": ("event", {"view": 1, "addtocart": 2, "transaction": 4}),
            "duplicates": "max",
        },
    ),
    # JSON
    Read("amazon-reviews.json", (2, 2, 3), {**AMAZON, "time": "reviewTime"}),
    Read("yelp.json", (2, 2, 3), {"user": "user_id", "item": "business_id", "weight": "stars", "time": "date"}),
    Read("goodreads.json", (2, 2, 3), {"user": "user_id", "item": "book_id", **RATED, "time": "date_added"}),
    Read("array.json", (1, 2, 2), {"weight": "weight", "drop_nulls": True}, plain=True),
    # Wide tables
    Read("wide-films.csv", (3, 25, 25), {"wide": True}),
    Read("jester.csv", (2, 4, 5), {"wide": True, "allow_negative": True}),
    # Times
    Read(
        "orders-am-pm.csv",
        (2, 2, 3),
        {"user": "CustomerID", "item": "StockCode", "weight": "Quantity", "time": "InvoiceDate"},
        plain=True,
    ),
    *(Read(f"times-{how}.csv", (2, 2, 3), {"time": "time"}, plain=True) for how in ("utc", "rfc", "names")),
    # Separators
    Read("trailing-separator.csv", (2, 2, 3), RATED, plain=True),
    Read("trailing-in-rows.csv", (2, 2, 3), RATED, plain=True),
    Read("two-marks.txt", (2, 2, 3), {**RATED, "separator": "||"}),
    Read("raw-quotes.csv", (2, 3, 3), {**RATED, "quotes": False}),
]

NO_NAMES = "has no names of columns in its first line, which holds"
REFUSED = [
    *(
        Refused(
            f"missing-{word}.csv", {}, "column 'user' has no id in rows 1, 2, 4", "pass drop_nulls=True", "--drop-nulls"
        )
        for word in ("empty", "quoted", "na", "null", "mysql")
    ),
    Refused(
        "amazon.csv", {}, NO_NAMES, "columns=['user', 'item', 'weight', 'time']", "--columns user,item,weight,time"
    ),
    Refused(
        "tabs.csv", {}, NO_NAMES, "columns=['user', 'item', 'weight', 'column4']", "--columns user,item,weight,column4"
    ),
    Refused("spaces.txt", {}, NO_NAMES, "columns=", "--columns"),
    Refused("steam-200k.csv", {}, NO_NAMES, "columns=", "--columns"),
    Refused(
        "steam-200k.csv", {"columns": ["user", "item"]}, "has 5 columns, as in its first line", "name every", "name"
    ),
    Refused("lastfm-360k.tsv", {}, NO_NAMES, "columns=", "--columns"),
    Refused("triplets.txt", {}, NO_NAMES, "columns=", "--columns"),
    Refused("mysql-outfile.txt", {}, NO_NAMES, "columns=", "--columns"),
    Refused("mysql-table.txt", {}, "is a table that was drawn for people", "mysql --batch", "mysql --batch"),
    Refused("netflix.txt", {}, "has rows in blocks below a line of their own, '1:'", "write", "write"),
    Refused("excel-cp1252.csv", GERMAN, "is not UTF-8 text in line 2", "encoding='latin-1'", "--encoding"),
    Refused(
        "excel-thousands.csv",
        {"user": "customer", "weight": "count"},
        "column 'count' has a comma before three digits in every number that has one, '1,500' in rows 0, 1",
    ),
    Refused("extra-field.csv", RATED, "has 4 fields in line 3, where 3 are expected", "quote the fields", "quote the"),
    Refused("raw-quotes.csv", RATED, "has quotes inside fields, which hide the ends", "quotes=False", "--no-quotes"),
    Refused("wide-films.csv", {}, "'film 0'", "Interactions.from_wide if every column", "pass --wide if every column"),
    Refused(
        "jester.csv", {"wide": True}, "column 'j1' has negative weights, -7.82 in row 0", "allow_negative", "--at-least"
    ),
    Refused(
        "amazon-strict.json", AMAZON, "line 1 is what Python prints for a dict, not JSON", "write one", "write one"
    ),
    Refused(
        "mongo.json", {}, "column 'user' holds lists or objects, {'$oid': '5f1b'} in line 1", "a column", "a column"
    ),
    Refused("cut-off.jsonl", {}, "line 3 is not a whole JSON object", "write one object a line", "write one object"),
    Refused("pandas-columns.json", {}, "is one object that holds columns", "orient='records'", "orient='records'"),
    Refused(
        "times-either.csv", {"time": "time"}, "column 'time' may be read by day and month", "write all", "write all"
    ),
    Refused(
        "times-none.csv", {"time": "time"}, "no date or time, 'yesterday' in row 1", "write all as", "write all as"
    ),
    Refused("spreadsheet.csv", {}, "is not text", "pass a csv", "pass a csv"),
    Refused("empty.csv", {}, "is empty", "pass a file with column names and rows", "pass a file"),
    Refused("header-only.csv", {}, "has no rows"),
]


def count(data: tm.Interactions) -> tuple[int, int, int]:
    return data.n_users, data.n_items, len(data)


def read(name: str, options: dict[str, Any]) -> tm.Interactions:
    if not options.get("wide"):
        return tm.Interactions.from_file(FOLDER / name, **options)
    return tm.Interactions.from_wide(FOLDER / name, **{key: value for key, value in options.items() if key != "wide"})


def as_arguments(options: dict[str, Any]) -> list[str]:
    """Return the options of the command line that say the same as those of Python."""
    arguments = ["--drop-nulls" if options.get("drop_nulls") else "--refuse-nulls"]
    arguments += ["--duplicates", options.get("duplicates", "error")]
    for key in ("user", "item", "weight", "time"):
        if key in options:
            arguments += [f"--{key}-column", options[key]]
    if "event_weights" in options:
        column, weights = options["event_weights"]
        arguments += ["--weight-column", column]
        arguments += [part for event, weight in weights.items() for part in ("--event", f"{event}={weight}")]
    elif "weight" not in options and not options.get("wide"):
        arguments += ["--no-weight"]
    for key in ("separator", "encoding"):
        if key in options:
            arguments += [f"--{key}", options[key]]
    if "columns" in options:
        arguments += ["--columns", ",".join(options["columns"])]
    arguments += ["--wide"] if options.get("wide") else []
    arguments += ["--at-least", "-1000"] if options.get("allow_negative") else []
    return arguments + ([] if options.get("quotes", True) else ["--no-quotes"])


def run(name: str, arguments: list[str]) -> Any:
    return CliRunner().invoke(app, ["info", str(FOLDER / name), *arguments, "--json"])


@pytest.mark.parametrize("case", READ, ids=lambda case: case.name)
def test_a_file_is_read_in_python_and_by_the_command_line_alike(case: Read) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = read(case.name, case.options)
        done = [run(case.name, as_arguments(case.options))] + ([run(case.name, [])] if case.plain else [])
    assert count(data) == case.counts
    assert any(case.told in str(warning.message) for warning in caught) if case.told else not caught
    for result in done:
        assert result.exit_code == 0, result.stderr
        found = json.loads(result.stdout)
        assert (found["users"], found["items"], found["pairs"]) == case.counts
        assert case.told is None or case.told in result.stderr


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_file_is_refused_in_one_sentence_with_the_way_out(case: Refused) -> None:
    with pytest.raises(tm.DataError) as caught:
        read(case.name, case.options)
    said = str(caught.value)
    assert case.sentence in said
    assert case.way in said
    assert "\n" not in said
    result = run(case.name, as_arguments(case.options))
    assert result.exit_code == 1
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert case.sentence in last
    assert case.option in last


def test_every_file_is_in_the_table() -> None:
    assert {case.name for case in (*READ, *REFUSED)} == {path.name for path in FOLDER.iterdir()}
