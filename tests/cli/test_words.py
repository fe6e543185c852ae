"""Every entry of the tables by which the command line words errors, warnings and remarks of the library."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import tastemap as tm
from tastemap.cli import app
from tastemap.cli.errors import list_options
from tastemap.cli.words import ADVICE, OPTIONS, PROBLEMS, REMARKS, say, say_remark
from tastemap.data.sinks.opening import open_sink
from tastemap.errors import Note, Remedy
from tastemap.files.journal import Journal
from tastemap.models.shared.refusal import make_refusal
from tastemap.service.chosen import read_limits
from tastemap.service.features import FeatureFile
from tastemap.service.making import make_models, make_space
from tastemap.service.reading import Reading, parse_event_weights
from tastemap.service.remarks import Kind, Remark
from tastemap.service.titles import Titles

SOURCE = Path(tm.__file__).parent

# What the library advises and the command line has no option for.
LEFT_OUT = {
    ("prepare", ...),
    ("cast", "ids"),
    ("cast", "times"),
    ("core", ...),
    ("history", ...),
    ("item_features", ...),
    ("name", ...),
    ("times", ...),
    ("train", ...),
}


def find_calls(name: str) -> Iterator[ast.Call]:
    """Return the calls of a function of the package."""
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield node


def find_advice() -> set[tuple[str, object]]:
    """Return the parameters and values that remedies in the package have."""
    found = set[tuple[str, object]]()
    for call in find_calls("Remedy"):
        parameter, value = [*call.args[1:3], None, None][:2]
        if isinstance(parameter, ast.Constant):
            found.add((parameter.value, value.value if isinstance(value, ast.Constant) else ...))
    return found


def test_all_advice_is_worded_or_left_out_on_purpose() -> None:
    # A column that is missing is named by its use.
    by_use = {("user", ...), ("item", ...), ("item_id", ...), ("id_column", ...), ("title_column", ...)}
    by_use |= {(f"{side}_feature_{what}", ...) for side in ("item", "user") for what in ("id", "columns")}
    assert find_advice() == set(ADVICE) - by_use | LEFT_OUT


def test_every_worded_problem_is_raised_by_the_library() -> None:
    told = {
        keyword.value.value
        for kind in ("DataError", "NotSupportedError", "TastemapWarning")
        for call in find_calls(kind)
        for keyword in call.keywords
        if keyword.arg == "what" and isinstance(keyword.value, ast.Constant)
    }
    assert told == set(PROBLEMS)


def test_every_kind_of_remark_has_words() -> None:
    assert set(REMARKS) == set(get_args(Kind))


def read(**columns: list[Any]) -> tm.Interactions:
    options = {name: name for name in ("weight", "time") if name in columns}
    return tm.Interactions.from_frame({"user": [1, 2], "item": [10, 20], **columns}, **options)


def write(text: str) -> Path:
    Path("in.csv").write_text(text)
    return Path("in.csv")


def write_bytes(content: bytes) -> Path:
    Path("in.csv").write_bytes(content)
    return Path("in.csv")


def refuse() -> None:
    raise make_refusal("ItemKNN", 3 * 10**9, 10**9, factors=16, items=500, other=("ImplicitALS", 5 * 10**8))


def make_journal() -> Path:
    Journal("events").append([b'{"user": "1", "item": "10", "time": "2026-11-28T12:00:00Z"}'])
    return Path("events")


def catch_error(act: Callable[[], object]) -> tm.TastemapError | tm.TastemapWarning:
    with pytest.raises((tm.TastemapError, tm.TastemapWarning)) as caught:
        act()
    return caught.value


def catch_warning(act: Callable[[], object]) -> Any:
    with pytest.warns(tm.TastemapWarning) as caught:
        act()
    return caught[0].message


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# -- advice -----------------------------------------------------------------------------------------------------------

PLAYS = tm.Interactions.from_frame(
    {"user": range(200), "item": [0, 1] * 100, "plays": [1] * 198 + [1, 199]}, weight="plays"
)
THREE = tm.Interactions.from_frame({"user": [1, 1, 2, 2], "item": [10, 20, 10, 30]})
UNNAMED = tm.Interactions.from_frame({"user": [1], "item": [30]})
STRANGER = tm.Interactions.from_frame({"user": [9], "item": [10]})
ADVISED: dict[tuple[str, object], tuple[Callable[[], object], str]] = {
    ("allow_negative", True): (
        lambda: read(weight=[1, -1]),
        "column 'weight' has negative weights, -1 in row 1: drop these rows, pass --at-least to keep higher ones, "
        "or --no-weight",
    ),
    ("cast", "numbers"): (
        lambda: read(weight=["1,5", "2,5"]),
        "column 'weight' holds String values ('1,5', '2,5' in rows 0, 1), and weights are numbers: write them such as "
        "1.5, pass --no-weight, or pass --event VALUE=WEIGHT",
    ),
    ("drop_nulls", True): (
        lambda: read(user=[1, None]),
        "column 'user' has no id in row 1: pass --drop-nulls to leave such rows out",
    ),
    ("duplicates", ...): (
        lambda: read(user=[1, 1], item=[2, 2]),
        "user 1 and item 2 come together in rows 0, 1 (pairs that come more than once: 1): say what to do with them, "
        "e.g. --duplicates last or --duplicates sum",
    ),
    ("event_weights", ...): (
        lambda: tm.Interactions.from_frame(
            {"user": [1], "item": [2], "event": ["VIEW"]}, event_weights=("event", {"LIKE": 1})
        ),
        "column 'event' has events without a weight, 'VIEW', first in row 0: pass --event VALUE=WEIGHT, or filter "
        "these rows out",
    ),
    ("settings", ...): (
        refuse,
        "ItemKNN needs 3.0 GB of memory, and 1.0 GB are free: pass --set 'factors=16', fit ImplicitALS, which needs "
        "500.0 MB, or keep the most popular items with --max-items 500",
    ),
    ("max_items", ...): (
        refuse,
        "ItemKNN needs 3.0 GB of memory, and 1.0 GB are free: pass --set 'factors=16', fit ImplicitALS, which needs "
        "500.0 MB, or keep the most popular items with --max-items 500",
    ),
    ("on_unknown", "popular"): (
        lambda: tm.evaluate(tm.Popular().fit(read()), STRANGER),
        "no user of the test part has a training pair: pass --on-unknown popular",
    ),
    ("on_unknown", ...): (
        lambda: tm.Popular().fit(read()).recommend(9),
        "1 of 1 users were not in the training data: 9. Pass --on-unknown popular to give them the most popular items, "
        "or skip to leave them out.",
    ),
    ("keep_na", True): (
        lambda: read(user=["1", "NA"]),
        "column 'user' has no id in row 1, but 'NA': pass --drop-nulls to leave such rows out, or --keep-na if these "
        "are names",
    ),
    ("columns", ...): (
        lambda: Reading().read(write("1,10,4.5\n2,10,3\n")),
        "in.csv has no names of columns in its first line, which holds '1', '10', '4.5': name them with --columns "
        "user,item,weight",
    ),
    ("columns", None): (
        lambda: Reading(columns=["user", "item"]).read(write("User,Item\n1,2\n")),
        "in.csv has the names of its columns in its first line, 'User', 'Item': leave --columns out",
    ),
    ("encoding", "latin-1"): (
        lambda: Reading().read(write_bytes("user,item\n1,é\n".encode("latin-1"))),
        "in.csv is not UTF-8 text in line 2: pass its encoding, e.g. --encoding latin-1",
    ),
    ("encoding", ...): (
        lambda: Reading(encoding="ascii").read(write_bytes("user,item\n1,é\n".encode())),
        "in.csv is not text in ascii: 'ascii' codec can't decode byte 0xc3 in position 12: ordinal not in range(128): "
        "pass another --encoding",
    ),
    ("quotes", False): (
        lambda: Reading().read(write('user,item,title\na,x,5" disk\nb,y,7" disk\na,y,p\n')),
        "in.csv has quotes inside fields, which hide the ends of lines, first in line 2: double such quotes and put "
        "the field in quotes, or pass --no-quotes to read quotes as letters",
    ),
    ("separator", ...): (
        lambda: Reading(separator=",").read(write("user;item\n1;2\n")),
        "in.csv has one column, 'user;item': pass --separator ';'",
    ),
    ("space", ...): (
        lambda: tm.tune(tm.Popular(), read()),
        "there is nothing to search in Popular: fit it as it is, or say with --space what to try",
    ),
    ("split", "random"): (
        lambda: tm.split.by_time(read(time=[5, 5]), test=0.5),
        "all 2 pairs have the same time, so no moment parts them: leave --by-time out",
    ),
    ("titles", ...): (
        lambda: Titles.read(None, read().items).find("Alien"),
        "the ids of 'item' are integers here, got 'Alien': pass --titles FILE to name items by title",
    ),
    ("time", ...): (
        lambda: tm.split.by_time(read(), test=0.5),
        "a split by time needs times: pass --time-column COLUMN",
    ),
    ("id_column", ...): (
        lambda: Titles.read(write("nr,name\n1,x\n"), read().items),
        "in.csv has the columns 'nr', 'name': pass --title-id COLUMN",
    ),
    ("title_column", ...): (
        lambda: Titles.read(write("item,year\n1,1999\n"), read().items),
        "in.csv has the columns 'item', 'year': pass --title-column COLUMN",
    ),
    ("update", ...): (
        lambda: tm.Popular().fit(read()).recommend_for([99]),
        "1 of 1 items were not in the training data: 99. Leave them out.",
    ),
    ("events", ...): (
        lambda: Reading().read(make_journal()),
        "events is a journal of events: pass it as --events",
    ),
    ("user", ...): (
        lambda: Reading().read(write("who,item\n1,2\n")),
        "in.csv has the columns 'who', 'item': pass --user-column COLUMN",
    ),
    ("item", ...): (
        lambda: Reading().read(write("user,what\n1,2\n")),
        "in.csv has the columns 'user', 'what': pass --item-column COLUMN",
    ),
    ("at_least", ...): (
        lambda: Reading(at_least=4).read(write("user,item,rating\n1,2,3\n")),
        "no weight is at least 4: the largest is 3: pass a lower bound with --at-least",
    ),
    ("damping", "log2"): (
        lambda: tm.ItemKNN().fit(PLAYS),
        "the weights have a heavy tail: 1% of the pairs have 50% of all 'plays', and decide what is learned (half of "
        "the pairs have 1 at most, one has 199): pass --log2 to damp them, or pass --binarize to count every pair "
        "alike",
    ),
    ("candidates", ...): (
        lambda: tm.evaluate(tm.Popular().fit(THREE), UNNAMED, candidates=[10, 20]),
        "1 of 1 test pairs are among those that candidates do not name, and count as not found: name these items with "
        "--candidates too",
    ),
    ("item_feature_id", ...): (
        lambda: FeatureFile(write("nr,genre\n1,x\n"), "item").read(read().items),
        "in.csv has the columns 'nr', 'genre': pass --feature-id COLUMN",
    ),
    ("item_feature_columns", ...): (
        lambda: FeatureFile(write("item,genre\n10,\n"), "item").read(read().items),
        "in.csv has no column that describes items, only 'item', 'genre': name some with --feature-columns",
    ),
    ("user_feature_id", ...): (
        lambda: FeatureFile(write("nr,age\n1,9\n"), "user").read(read().users),
        "in.csv has the columns 'nr', 'age': pass --user-feature-id COLUMN",
    ),
    ("user_feature_columns", ...): (
        lambda: FeatureFile(write("user,age\n1,\n"), "user").read(read().users),
        "in.csv has no column that describes users, only 'user', 'age': name some with --user-feature-columns",
    ),
    ("weight", ...): (
        lambda: Reading(at_least=4).read(write("user,item\n1,2\n")),
        "--at-least is about ratings, and every row of in.csv counts as 1: pass --weight-column COLUMN",
    ),
}


@pytest.mark.parametrize("key", list(ADVISED), ids=str)
def test_advice_is_worded_with_options(key: tuple[str, object]) -> None:
    act, sentence = ADVISED[key]
    assert say(catch_error(act)) == sentence


def list_commands() -> Iterator[tuple[str, Any]]:
    """Return the commands and those of groups of commands, by what is typed."""
    waiting = [("tastemap", get_command(app))]
    while waiting:
        name, command = waiting.pop()
        if hasattr(command, "commands"):
            waiting += [(f"{name} {own}", below) for own, below in command.commands.items()]
        else:
            yield name, command


@pytest.mark.parametrize(("name", "command"), [*list_commands()], ids=lambda it: it if isinstance(it, str) else "")
def test_advice_names_only_options_that_the_running_command_has(name: str, command: Any) -> None:
    options = list_options(command)
    for (parameter, value), ways in ADVICE.items():
        said = say(tm.DataError("wrong", Remedy("do otherwise", parameter, value)), options)
        named = {word.strip(",.;:") for word in said.split() if word.startswith("--")}
        assert named <= options, f"{name} has no {named - options}"
        possible = [ways] if isinstance(ways, str) else ways
        assert said == "wrong" or any(way.split("{")[0] in said for way in possible)
    if "--at-least" in options:  # what reads interactions can name its columns
        for option in ("--user-column", "--item-column", "--weight-column", "--drop-nulls", "--log2", "--separator"):
            assert option in options, f"{name} lacks {option}"


def test_a_command_without_an_option_does_not_advise_it() -> None:
    Path("in.csv").write_text("user,item\n1,10\n2,20\n")
    tm.Popular().fit(tm.Interactions.from_file("in.csv")).save("popular.safetensors")
    Path("titles.csv").write_text("nr,name\n1,x\n")
    asked = ["similar", "popular.safetensors", "--item", "1", "--titles", "titles.csv"]
    refused = CliRunner().invoke(app, asked)
    assert refused.stderr == "Error: titles.csv has the columns 'nr', 'name': pass --title-id COLUMN\n"
    Path("titles.dat").write_text("1;2\n")
    refused = CliRunner().invoke(app, [*asked[:-1], "titles.dat"])
    assert refused.exit_code == 1
    assert "--separator" not in refused.stderr


def test_warnings_and_notes_are_worded_with_options() -> None:
    model = tm.Popular().fit(read())
    assert say(catch_warning(lambda: tm.evaluate(model, read()))) == (
        "2 of 2 test pairs are among the training pairs, which are kept out of the lists, and count as not found: test "
        "on other pairs, or pass --seen"
    )
    assert say(catch_warning(lambda: tm.Popular().fit(read(weight=[0, 1])))) == (
        "1 of 2 pairs have the weight 0, which is no like, and are left out: pass --zeros negatives to say that it "
        "means not liked, give them a weight above 0 if they are likes, or fit a model of ratings, such as SVD, if 0 "
        "is a rating"
    )
    # Those of a search that stops are in test_tune_command.
    on = Remedy("with study=FILE the same call would go on from here", "study", ...)
    assert say(Note("none is kept", on)) == "none is kept: with --study FILE the same command would go on from here"
    wide = tm.DataError("it has many columns", Remedy("use from_wide", "wide", True))
    assert say(wide) == "it has many columns: pass --wide if every column is an item"
    again = Note("they are kept in a.db", Remedy("the same call goes on from them", "call", "again"))
    assert say(again) == "they are kept in a.db: the same command goes on from them"
    others = {("exclude", None), ("study", ...), ("call", "again"), ("zeros", "negatives"), ("damping", "binarize")}
    table = Remedy("pass a table of them as item_table=", "item_table", ...)
    assert say(tm.DataError("none is there", table)) == "none is there: pass a file of them as --items FILE"
    seen = Remedy("pass exclude_seen=False", "exclude_seen", False)
    assert say(tm.DataError("nothing is known of them", seen)) == "nothing is known of them: pass --seen"
    histories = Remedy("pass them as histories=", "histories", ...)
    assert say(tm.DataError("nothing is known of them", histories)) == (
        "nothing is known of them: pass them as --spark-histories"
    )
    others |= {("exclude_seen", False), ("histories", ...)}
    # Of the token a test starts a server.
    others |= {("wide", True), ("item_table", ...), ("token_file", ...), ("item_id", ...)}
    # Of databases test_database_commands has a server.
    others |= {("password_file", ...), ("query", ...), ("table", ...)}
    assert {*ADVISED, *others} == set(ADVICE)


def test_advice_without_an_option_is_left_out() -> None:
    unsure = tm.DataError("it is unclear", Remedy("pass history= to fold them in", "history", ...), "look at it")
    assert say(unsure) == "it is unclear: look at it"
    assert say(catch_error(lambda: read(user=[1.5, 2.5]))) == (
        "column 'user' holds Float64 values (1.5, 2.5 in rows 0, 1), and ids are integers or strings"
    )
    assert say(tm.DataError("it is unclear", Remedy("pass separator=", "separator", ...))) == (
        "it is unclear: pass --separator VALUE"
    )


# -- problems and parameters ------------------------------------------------------------------------------------------


def test_a_problem_is_worded_without_arguments(tmp_path: Path) -> None:
    assert say(catch_error(lambda: tm.split.random(read(), 1e-9))) == (
        "the test part is empty: all 2 pairs fall into the other"
    )
    tm.Popular().fit(read()).save(tmp_path / "model", interactions=False)
    model = tm.load(tmp_path / "model")
    assert say(catch_error(lambda: model.recommend(1)).about("Popular")) == (
        "Popular: leaving out seen items needs the training pairs, and this model has none: it was saved with "
        "--no-interactions, or fitted on Spark"
    )


NAMED: dict[str, tuple[Callable[[], object], str]] = {
    "at_least": (ADVISED["weight", ...][0], "--at-least is about ratings"),
    "at_most": (lambda: read_limits(["genre"]), "--at-most must be COLUMN=NUMBER, such as genre=2, got 'genre'"),
    "diversity": (
        lambda: tm.Popular().fit(read()).recommend(diversity=2),
        "--diversity must be a number from 0 to 1, got 2",
    ),
    "event_weights": (lambda: parse_event_weights(["VIEW"]), "--event must be NAME=WEIGHT, e.g. 'LIKE=2', got 'VIEW'"),
    "k": (lambda: tm.Popular().fit(read()).recommend(k=0), "--k must be a whole number of at least 1, got 0"),
    "n": (
        lambda: tm.export.tensorboard(tm.ImplicitALS(epochs=1).fit(read()), "map", n=0),
        "-n must be a whole number of at least 1, got 0",
    ),
    "parallel": (lambda: tm.tune(tm.EASE(), read(), parallel=0), "--parallel must be a whole number of at least 1"),
    "password_file": (
        lambda: open_sink("lists.duckdb", password_file="secret"),
        "--password-file must be left out for a DuckDB file",
    ),
    "query": (
        lambda: Reading(query="select 1").read(write("user,item\n1,2\n")),
        "--query must be left out for in.csv, which is no database",
    ),
    "separator": (
        lambda: Reading(separator='"').read(write("user::item\n1::2\n")),
        "--separator must be a text without quotes and line ends, such as ';', '::', 'tab' or 'space', got '\"'",
    ),
    "since": (
        lambda: tm.Interactions.from_events(make_journal(), since="today"),
        "--since must be a time such as 2026-11-28T12:00:00Z, got 'today'",
    ),
    "settings": (lambda: make_models(["EASE"], ["x"]), "--set must be NAME=VALUE, e.g. factors=128, got 'x'"),
    "space": (lambda: make_space(tm.EASE(), ["x"]), "--space must be NAME=VALUES, e.g. epochs=10:40"),
    "table": (
        lambda: open_sink("lists.duckdb", table=""),
        "--table must be a name, or schema.name, of at most 63 bytes",
    ),
    "test": (lambda: tm.split.random(read(), 2), "--holdout must be a share between 0 and 1, got 2"),
    "timeout": (
        lambda: tm.tune(tm.EASE(), read(), timeout=-1),
        "--timeout must be a number of seconds above 0",
    ),
    "trials": (lambda: tm.tune(tm.EASE(), read(), trials=0), "--trials must be a whole number of at least 1, got 0"),
    "where": (lambda: tm.Popular().fit(read()).recommend(where="a=b"), "--where needs what is known of the items"),
    "weight": (
        lambda: Reading(weight="w", count_rows=True).read(write("user,item\n1,2\n")),
        "--weight-column must be left out where every row counts as 1, got 'w'",
    ),
}


@pytest.mark.parametrize("parameter", list(OPTIONS))
def test_a_parameter_is_called_by_its_option(parameter: str) -> None:
    act, sentence = NAMED[parameter]
    assert say(catch_error(act)).startswith(sentence)


def test_parameters_of_models_are_called_as_set_takes_them() -> None:
    said = say(catch_error(lambda: make_models(["WARP"], ["factors=0"])))
    assert said == "factors must be a whole number of at least 1, got 0"
    wrong = tm.ParameterError("factors must be at least 1, got 0", parameter="factors", value=0)
    assert say(wrong.about("space")) == "--space: factors must be at least 1, got 0"


# -- others -----------------------------------------------------------------------------------------------------------


def test_other_errors_are_one_line() -> None:
    assert say(MemoryError("5 GB")) == "there is not enough memory: 5 GB; ask for fewer factors or less data"
    assert say(OSError(28, "No space left on device", "a.csv")) == "No space left on device: a.csv"
    assert say(OSError(28, "No space left on device")) == "No space left on device"
    assert say(OSError("a.csv is a folder")) == "a.csv is a folder"
    assert say(ValueError("two\nlines")) == "two lines"
    assert say(ValueError()) == "ValueError"
    assert say("a note") == "a note"


@pytest.mark.parametrize(
    ("remark", "sentence"),
    [
        (Remark("separator", {"path": "a.csv", "separator": ";"}), "a.csv: took ';' as what parts the columns"),
        (Remark("encoding", {"path": "a.csv", "encoding": "latin-1"}), "a.csv is not UTF-8: read it as latin-1"),
        (
            Remark("columns", {"path": "a.csv", "columns": {"user": "u", "item": "i"}}),
            "a.csv: took the columns user 'u', item 'i'",
        ),
        (
            Remark("time left out", {"error": tm.DataError("column 'date' is wrong", "write it again", column="date")}),
            "left the guessed column of times out: column 'date' is wrong: write it again",
        ),
        (
            Remark("nulls", {"left_out": 3, "rows": 5000, "columns": ("user", "item")}),
            "left out 3 of 5,000 rows, with a null in 'user', 'item'",
        ),
        (
            Remark("whole ids", {"column": "user", "value": 17850.0, "whole": 17850}),
            "read the numbers of column 'user' as whole: 17850.0 is 17850",
        ),
        (
            Remark("repeats", {"repeats": 4, "rows": 84, "duplicates": "sum"}),
            "4 of 84 rows repeat a pair of user and item: --duplicates sum",
        ),
        (
            Remark("repeats in parts", {"repeats": 4, "rows": 84, "duplicates": "last"}),
            "4 of 84 rows repeat a pair of user and item: --duplicates last on either side of the split",
        ),
        (
            Remark("low ratings", {"column": "stars", "low": 1.0, "high": 5.0, "at_least": 4}),
            "column 'stars' looks like ratings from 1 to 5, and a low one counts as a liking too, only a weaker one: "
            "--at-least 4 takes those of 4 and more as likes and leaves out the others",
        ),
        (
            Remark("at least", {"at_least": 4.0, "column": "stars", "left_out": 2}),
            "took those of 4 and more in column 'stars' as likes, as when the model was fitted, and left out 2 lower "
            "ones: --at-least sets another bound",
        ),
        (
            Remark("damping", {"damping": "log2", "column": "plays"}),
            "took column 'plays' with --log2, as when the model was fitted",
        ),
        (
            Remark("events below", {"at_least": 4.0, "below": 1200}),
            "took 1,200 pairs of less than 4 as no likes, or as likes taken back: the model was fitted to those of 4 "
            "and more",
        ),
        (
            Remark("events known", {"known": 3, "pairs": 1200}),
            "left out 3 of 1,200 pairs, which the model has as they are",
        ),
        (
            Remark("weights unused", {"path": "a.csv", "columns": ("value", "hours")}),
            "a.csv: every row counts as 1; if 'value' or 'hours' says how much, pass --weight-column value",
        ),
        (
            Remark("dislikes", {"left_out": 2, "pairs": 4}),
            "left out 2 of 4 pairs of weight 0, which are no likes",
        ),
        (
            Remark("features", {"path": "a.csv", "side": "item", "id": "film", "columns": {"genre": 18, "year": 1}}),
            "a.csv: the items in column 'film' are described by 'genre' (18 features), 'year' (1 feature)",
        ),
        (
            Remark("features left out", {"path": "a.csv", "side": "user", "columns": {"name": 500}}),
            "a.csv: left out 'name' (500 different values), which describe one user each or none: "
            "--user-feature-columns takes them anyway",
        ),
        (
            Remark("features without id", {"path": "a.csv", "rows": 5, "left_out": 1, "column": "film"}),
            "a.csv: left out 1 of 5 rows whose 'film' is no id of the data's type",
        ),
        (
            Remark("unknown candidates", {"path": "a.csv", "left_out": 1, "items": 5}),
            "a.csv: left out 1 of 5 items, which the model does not know",
        ),
        (
            Remark("titles left out", {"error": tm.DataError("it is empty", "fill it")}),
            "left the titles out: it is empty: fill it",
        ),
        (
            Remark("untitled", {"path": "a.csv", "untitled": 2, "items": 3000, "item": "x", "written": "X"}),
            "a.csv has no title of 2 of 3,000 items, such as 'x'",
        ),
        (
            Remark("untitled", {"path": "a.csv", "untitled": 3, "items": 3, "item": 7, "written": "tt007"}),
            "a.csv has no title of any of the 3 items, such as 7: its ids are such as 'tt007'",
        ),
        (Remark("found", {"text": "x", "item": 7, "title": "X (1999)"}), "took 'x' for 'X (1999)' (7)"),
        (Remark("found", {"text": "x", "item": "X", "title": "X"}), "took 'x' for 'X'"),
        (
            Remark("unknown items", {"left_out": 2, "pairs": 4}),
            "left out 2 of 4 pairs: the model does not know their items",
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Remark) else "",
)
def test_remarks_are_worded(remark: Remark, sentence: str) -> None:
    assert say_remark(remark) == sentence


def test_no_sentence_is_taken_apart_with_regular_expressions() -> None:
    for room in ("cli", "service"):
        for file in (SOURCE / room).rglob("*.py"):
            imports = {
                name.name
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                if isinstance(node, ast.Import)
                for name in node.names
            }
            assert "re" not in imports, file
