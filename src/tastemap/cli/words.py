"""Words the library's errors, warnings and remarks for the command line: options in place of arguments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from tastemap.errors import Note, Remedy, TastemapError, TastemapWarning, compose
from tastemap.tables import show_controls

if TYPE_CHECKING:
    from tastemap.service.remarks import Remark

# A parameter that a sentence begins with -> its option. Parameters of models keep their names, which --set takes.
OPTIONS = {
    "at_least": "--at-least",
    "at_most": "--at-most",
    "diversity": "--diversity",
    "event_weights": "--event",
    "k": "--k",
    "n": "-n",
    "parallel": "--parallel",
    "password_file": "--password-file",
    "query": "--query",
    "separator": "--separator",
    "since": "--since",
    "settings": "--set",
    "space": "--space",
    "table": "--table",
    "test": "--holdout",
    "timeout": "--timeout",
    "trials": "--trials",
    "where": "--where",
    "weight": "--weight-column",
}

# A parameter and the value that the library advises for it (... for any) -> how to do that here, in one way or several.
# Advice that is not here cannot be followed here, and is left out, as are ways with an option that the command lacks.
# {value} is the advised value.
ADVICE: dict[tuple[str, object], str | tuple[str, ...]] = {
    ("at_least", ...): "pass a lower bound with --at-least",
    ("allow_negative", True): ("pass --at-least to keep higher ones", "--no-weight"),
    ("columns", None): "leave --columns out",
    ("columns", ...): "name them with --columns {value}",
    ("encoding", "latin-1"): "pass its encoding, e.g. --encoding latin-1",
    ("encoding", ...): "pass another --encoding",
    ("password_file", ...): ("set PGPASSWORD", "pass --password-file FILE"),
    ("query", ...): 'say with --query "select ..." which rows to read',
    ("table", ...): "name one, as in --table shop.lists",
    ("quotes", False): "pass --no-quotes to read quotes as letters",
    ("call", "again"): "the same command goes on from them",
    ("candidates", ...): "name these items with --candidates too",
    ("cast", "numbers"): ("write them such as 1.5", "pass --no-weight"),
    ("damping", "binarize"): "pass --binarize to count every pair alike",
    ("damping", "log2"): "pass --log2 to damp them",
    ("drop_nulls", True): "pass --drop-nulls to leave such rows out",
    ("duplicates", ...): "say what to do with them, e.g. --duplicates last or --duplicates sum",
    ("event_weights", ...): "pass --event VALUE=WEIGHT",
    ("events", ...): "pass it as --events",
    ("exclude", None): "pass --seen",
    ("exclude_seen", False): "pass --seen",
    ("histories", ...): "pass them as --spark-histories",
    ("id_column", ...): "pass --title-id COLUMN",
    ("item_feature_columns", ...): "name some with --feature-columns",
    ("item_feature_id", ...): "pass --feature-id COLUMN",
    ("item_id", ...): "pass --item-id COLUMN",
    ("item", ...): "pass --item-column COLUMN",
    ("item_table", ...): "pass a file of them as --items FILE",
    ("keep_na", True): "--keep-na if these are names",
    ("max_items", ...): "keep the most popular items with --max-items {value}",
    ("on_unknown", "popular"): "pass --on-unknown popular",
    ("on_unknown", ...): "pass --on-unknown popular to give them the most popular items, or skip to leave them out",
    ("settings", ...): "pass --set {value}",
    ("separator", ...): "pass --separator {value}",
    ("space", ...): "say with --space what to try",
    ("split", "random"): "leave --by-time out",
    ("study", ...): "with --study FILE the same command would go on from here",
    ("time", ...): "pass --time-column COLUMN",
    ("titles", ...): "pass --titles FILE to name items by title",
    ("title_column", ...): "pass --title-column COLUMN",
    ("token_file", ...): "pass --token-file FILE",
    ("update", ...): "leave them out",
    ("user", ...): "pass --user-column COLUMN",
    ("user_feature_columns", ...): "name some with --user-feature-columns",
    ("user_feature_id", ...): "pass --user-feature-id COLUMN",
    ("weight", ...): "pass --weight-column COLUMN",
    ("wide", True): "pass --wide if every column is an item",
    ("zeros", "negatives"): "pass --zeros negatives to say that it means not liked",
}

# A problem that the library words with arguments -> the same without them, to fill with the facts.
PROBLEMS = {
    "empty part": "the {part} part is empty: all {pairs:,} pairs fall into the other",
    "excluded pairs": "{pairs:,} of {test_pairs:,} test pairs are among the training pairs, which are kept out of the "
    "lists, and count as not found",
    "no interactions": "{purpose} needs the training pairs, and this model has none: it was saved with "
    "--no-interactions, or fitted on Spark",
}

# The kind of a remark -> a sentence, made of the facts.
REMARKS: dict[str, Callable[..., str]] = {
    "separator": lambda path, separator: (
        f"{path}: took {'spaces' if separator == ' ' else repr(separator)} as what parts the columns"
    ),
    "encoding": lambda path, encoding: f"{path} is not UTF-8: read it as {encoding}",
    "columns": lambda path, columns: f"{path}: took the columns {_list_uses(columns)}",
    "time left out": lambda error: f"left the guessed column of times out: {say(error)}",
    "nulls": lambda left_out, rows, columns: (
        f"left out {left_out:,} of {rows:,} rows, with a null in {', '.join(map(repr, columns))}"
    ),
    "whole ids": lambda column, value, whole: f"read the numbers of column {column!r} as whole: {value} is {whole}",
    "wide": lambda path, user, items: f"{path}: took {user!r} as the column of users and {items:,} others as items",
    "repeats": lambda repeats, rows, duplicates: (
        f"{repeats:,} of {rows:,} rows repeat a pair of user and item: --duplicates {duplicates}"
    ),
    "repeats in parts": lambda repeats, rows, duplicates: (
        f"{repeats:,} of {rows:,} rows repeat a pair of user and item: --duplicates {duplicates} on either side of the "
        "split"
    ),
    "low ratings": lambda column, low, high, at_least: (
        f"column {column!r} looks like ratings from {low:g} to {high:g}, and a low one counts as a liking too, only a "
        f"weaker one: --at-least {at_least} takes those of {at_least} and more as likes and leaves out the others"
    ),
    "at least": lambda at_least, column, left_out: (
        f"took those of {at_least:g} and more in column {column!r} as likes, as when the model was fitted, and left "
        f"out {left_out:,} lower ones: --at-least sets another bound"
    ),
    "damping": lambda damping, column: (
        f"took {'counted rows' if column is None else f'column {column!r}'} with --{damping}, as when the model was "
        "fitted"
    ),
    "events below": lambda at_least, below: (
        f"took {below:,} pairs of less than {at_least:g} as no likes, or as likes taken back: the model was fitted to "
        f"those of {at_least:g} and more"
    ),
    "events known": lambda known, pairs: f"left out {known:,} of {pairs:,} pairs, which the model has as they are",
    "weights missing": lambda path, column: (
        f"{path}: every row counts as 1, where the model has weights called {column!r}: pass --weight-column, with "
        "--event where they come from events"
    ),
    "rare neighbours": lambda rare, neighbours, users: (
        f"{rare:,} of {neighbours:,} neighbours are items that fewer than {users} users have, of which a model knows "
        f"little: --min-users {users} leaves them out"
    ),
    "weights unused": lambda path, columns: (
        f"{path}: every row counts as 1; if {_list_names(columns)} says how much, pass --weight-column {columns[0]}"
    ),
    "dislikes": lambda left_out, pairs: f"left out {left_out:,} of {pairs:,} pairs of weight 0, which are no likes",
    "features": lambda path, side, id, columns: (
        f"{path}: the {side}s in column {id!r} are described by "
        + ", ".join(f"{column!r} ({n:,} feature{'s' * (n != 1)})" for column, n in columns.items())
    ),
    "features left out": lambda path, side, columns: (
        f"{path}: left out "
        + ", ".join(f"{column!r} ({n:,} different values)" for column, n in columns.items())
        + f", which describe one {side} each or none: --{'user-' * (side == 'user')}feature-columns takes them anyway"
    ),
    "features without id": lambda path, rows, left_out, column: (
        f"{path}: left out {left_out:,} of {rows:,} rows whose {column!r} is no id of the data's type"
    ),
    "unknown candidates": lambda path, left_out, items: (
        f"{path}: left out {left_out:,} of {items:,} items, which the model does not know"
    ),
    "titles left out": lambda error: f"left the titles out: {say(error)}",
    "untitled": lambda path, untitled, items, item, written: (
        f"{path} has no title of {untitled:,} of {items:,} items, such as {item!r}"
        if untitled < items
        else f"{path} has no title of any of the {items:,} items, such as {item!r}: its ids are such as {written!r}"
    ),
    "found": lambda text, item, title: f"took {text!r} for {title!r}" + ("" if title == str(item) else f" ({item})"),
    "unknown items": lambda left_out, pairs: (
        f"left out {left_out:,} of {pairs:,} pairs: the model does not know their items"
    ),
}


def say(said: BaseException | str, options: Collection[str] | None = None) -> str:
    """Return an error, a warning or a note as one line.

    options : those of the running command, such as --at-least: advice that needs others is left out; None knows all
    """
    return show_controls(_say_plainly(said, options))


def _say_plainly(said: BaseException | str, options: Collection[str] | None) -> str:
    if isinstance(said, TastemapError | TastemapWarning):
        subjects = [OPTIONS.get(subject, subject) for subject in said.subjects]
        return _join_lines(compose(_say_problem(said), _say_remedies(said.remedies, options), subjects))
    if isinstance(said, Note):
        return _join_lines(compose(said.problem, _say_remedies(said.remedies, options)))
    if isinstance(said, MemoryError):
        return f"there is not enough memory: {said}; ask for fewer factors or less data"
    if isinstance(said, OSError) and said.strerror:
        return f"{said.strerror}: {said.filename}" if said.filename else said.strerror
    return _join_lines(str(said)) or type(said).__name__


def say_remark(remark: Remark) -> str:
    """Return a remark as one line."""
    return show_controls(REMARKS[remark.kind](**remark.facts))


def _say_problem(said: TastemapError | TastemapWarning) -> str:
    facts: dict[str, Any] = said.facts
    if facts.get("what") in PROBLEMS:
        return PROBLEMS[facts["what"]].format_map(facts)
    parameter = facts.get("parameter")
    if parameter in OPTIONS and said.problem.startswith(f"{parameter} "):
        return OPTIONS[parameter] + said.problem.removeprefix(parameter)
    return said.problem


def _say_remedies(remedies: tuple[Remedy, ...], options: Collection[str] | None) -> list[str]:
    return [
        way
        for remedy in remedies
        for way in _list_ways(remedy)
        if remedy.parameter is None or _can_follow(way, options)  # other programs have options too
    ]


def _list_ways(remedy: Remedy) -> list[str]:
    if remedy.parameter is None:
        return [remedy.text]
    ways = ADVICE.get((remedy.parameter, remedy.value), ADVICE.get((remedy.parameter, ...), ()))
    value = _show_value(remedy.value)
    return [way.format(value=value) for way in ([ways] if isinstance(ways, str) else ways)]


def _can_follow(way: str, options: Collection[str] | None) -> bool:
    """Return whether all options that a way out names are among these."""
    named = {word.rstrip(",.;:") for word in way.split() if word.startswith("--")}
    return options is None or named <= {*options}


def _list_names(names: Sequence[str]) -> str:
    return " or ".join(map(repr, names))


def _show_value(value: object) -> str:
    if value is ...:
        return "VALUE"
    return ",".join(value) if isinstance(value, tuple) else repr(value)


def _list_uses(columns: dict[str, str]) -> str:
    return ", ".join(f"{use} {column!r}" for use, column in columns.items())


def _join_lines(text: str) -> str:
    return " ".join(text.split())
