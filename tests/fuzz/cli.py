"""The command line: odd files, options and values give an answer or one sentence, and nothing that a terminal obeys."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fuzz import draw, text_files
from fuzz.model_files import VARIANTS, whole_file
from fuzz.small_models import NAMES
from fuzz.verdict import Refused, ensure

_METRICS = ["ndcg@3", "recall@2,auc", "rmse", "coverage@2", "x", "ndcg@0", ""]
_NUMBERS = [
    "0",
    "1",
    "-1",
    "3",
    "1.5",
    "nan",
    "inf",
    "1e999",
    "99999999999999999999",
    "user",
    "item",
    "rating",
    "timestamp",
]
_WORDS = st.one_of(draw.texts, st.sampled_from(_NUMBERS))

# The options of each command with their likely values; "{data}", "{model}" and the like are files.
_READING = {
    "--user-column": ["user", "item", "x"],
    "--item-column": ["item", "x"],
    "--weight-column": ["rating", "timestamp", "x"],
    "--event": ["a=1", "1=2", "=", "a=nan"],
    "--at-least": ["1", "3", "nan", "1e39"],
    "--duplicates": ["sum", "last", "error", "x"],
    "--separator": [";", ",", "::", "", "\t", "ä", '"', "\n"],
}
_READING_SWITCHES = ["--no-weight", "--drop-nulls", "--refuse-nulls", "--log2", "--binarize"]
_FEATURES = {
    "--features": ["{titles}", "{data}"],
    "--feature-id": ["item", "x"],
    "--user-features": ["{data}"],
}
_SWITCHES: dict[str, list[str]] = {
    "fit": [*_READING_SWITCHES, "--no-interactions"],
    "update": _READING_SWITCHES,
    "recommend": ["--seen", *_READING_SWITCHES],
    "evaluate": [*_READING_SWITCHES, "--seen"],
    "info": _READING_SWITCHES,
    "compare": [*_READING_SWITCHES, "--seen", "--by-time"],
}
_SETTINGS = [
    "factors=2",
    "epochs=1",
    "factors=0",
    "factors=x",
    "x=1",
    "=",
    "seed=1",
    "regularization=nan",
    "neighbours=3",
    "regularization=1",
]
COMMANDS: dict[str, tuple[list[str], dict[str, list[str]]]] = {
    "fit": (
        ["{data}", "--out", "{out}"],
        {
            "--model": [*NAMES, "x"],
            "--set": _SETTINGS,
            "--seed": ["0", "-1"],
            "--threads": ["1", "0"],
            **_READING,
            **_FEATURES,
        },
    ),
    "update": (["{model}", "{data}", "--out", "{out}"], {**_READING, **_FEATURES}),
    "recommend": (
        ["{model}"],
        {
            "--user": ["u0", "u1", "nobody"],
            "--liked": ["i0", "i1", "Film"],
            "--history": ["{data}"],
            "-k": ["1", "3", "0", "1000000"],
            "--titles": ["{titles}", "{data}"],
            "--out": ["{out}.csv", "{out}.tsv", "{out}.parquet", "{out}"],
            "--on-unknown": ["skip", "popular"],
            "--candidates": ["{titles}", "{data}", "i0,i1", "nobody", ","],
            "--exclude": ["i0", "{data}"],
            **_READING,
        },
    ),
    "similar": (
        ["{model}", "--item", "i0"],
        {
            "--item": ["i1", "x"],
            "-k": ["2", "0"],
            "--metric": ["cosine", "plain_cosine", "dot"],
            "--min-users": ["1", "-1"],
            "--titles": ["{titles}", "{data}"],
            "--out": ["{out}.csv"],
        },
    ),
    "evaluate": (["{model}", "{data}"], {"--metric": _METRICS, "--on-unknown": ["skip", "popular"], **_READING}),
    "info": (
        ["{any}"],
        {"-k": ["3", "0"], "--titles": ["{titles}", "{data}"], "--time-column": ["timestamp", "x"], **_READING},
    ),
    "compare": (
        ["{data}"],
        {
            "--models": ["Popular,ItemKNN", "EASE", "x", ""],
            "--model": ["Popular", "ItemKNN", "x"],
            "--metric": _METRICS,
            "--set": _SETTINGS,
            "--holdout": ["0.2", "0", "nan"],
            "--report": ["{out}.html"],
            "--seed": ["0", "-1"],
            **_READING,
            **_FEATURES,
        },
    ),
    "export": (
        ["tensorboard", "{model}", "--out", "{out}"],
        {"--titles": ["{titles}", "{data}"], "-n": ["2", "0", "1000000"]},
    ),
}


# What a command needs to answer where nothing else is odd.
_LIKELY = {"recommend": ["--user", "u0"], "fit": ["--model", "ItemKNN"], "compare": ["--models", "Popular"]}


@st.composite
def _inputs(draw_: st.DrawFn) -> dict[str, Any]:
    command = draw_(st.sampled_from(sorted(COMMANDS)))
    words, options = COMMANDS[command]
    words = [command, *words]
    is_regular = draw_(st.booleans())
    if is_regular:
        words += _LIKELY.get(command, [])
    if not is_regular or draw_(st.booleans()):
        for option in draw_(st.lists(st.sampled_from(sorted(options)), max_size=4, unique=True)):
            likely = st.sampled_from(options[option])
            words += [option, draw_(st.one_of(likely, likely, likely, likely, _WORDS))]
    switches = ["--json", "--json", "--debug", "--help", *_SWITCHES.get(command, [])]
    words += draw_(st.lists(st.sampled_from(switches), max_size=2, unique=True))
    if not is_regular and draw_(st.integers(0, 4)) == 0:
        words.insert(draw_(st.integers(0, len(words))), draw_(_WORDS))
    return {
        "words": words,
        "model": (draw_(st.sampled_from(NAMES)), "letters" if is_regular else draw_(st.sampled_from(VARIANTS))),
        "data": draw_(text_files.regular_tables()) if is_regular else draw_(text_files.tables()),
        "titles": draw_(st.lists(draw.texts, min_size=6, max_size=6)),
        "any": draw_(st.sampled_from(["{data}", "{model}"])),
    }


INPUTS = _inputs()


@cache
def _app() -> Any:
    import typer

    from tastemap.cli import app

    return typer.main.get_command(app)


def check(value: dict[str, Any]) -> None:
    if any("\x00" in word or (not word.isascii() and "\ud800" <= max(word) <= "\udfff") for word in value["words"]):
        return  # no shell passes these
    with tempfile.TemporaryDirectory() as folder:
        files = {
            "{data}": str(text_files.write(value["data"], Path(folder))),
            "{model}": str(whole_file(*value["model"])),
            "{out}": str(Path(folder, "out")),
            "{titles}": str(_write_titles(value["titles"], Path(folder))),
        }
        files["{any}"] = files[value["any"]]
        words = []
        for word in value["words"]:
            for mark, path in files.items():
                word = word.replace(mark, path)
            words.append(word)
        before = set(os.listdir(folder))
        status, out, err = _run(words)
        _check_output(words, status, out, err)
        left = [name for name in set(os.listdir(folder)) - before if name.startswith(".") or name.endswith(".tmp")]
        ensure(not left, "a temporary file stays behind")
        if status:
            raise Refused


def _write_titles(titles: list[str], folder: Path) -> Path:
    import csv

    path = folder / "titles.csv"
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        csv.writer(file).writerows([["item", "title"], *((f"i{place}", title) for place, title in enumerate(titles))])
    return path


def _run(words: list[str]) -> tuple[int, str, str]:
    """Run the command line in this process: its exit status, stdout and stderr."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            _app().main(args=words, prog_name="tastemap", standalone_mode=True)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
    return status, *(stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]


def _check_output(words: list[str], status: int, out: str, err: str) -> None:
    ensure(status in (0, 1, 2), "the exit status is none of 0, 1 and 2")
    ensure("Traceback" not in err, "a traceback is shown")
    told = [line for line in err.splitlines() if line.startswith("Error: ")]
    some_failed = words[0] == "compare" and "failed, so it is not compared" in err  # the others are shown
    if status == 1 and not some_failed:
        ensure(len(told) == 1, "a refusal is not one sentence")
        ensure(len(told[0]) < 3000, "a sentence is very long")
    if status == 0 and "--json" in words and "--help" not in words:
        json.loads(out)
    for stream in (out, err):
        obeyed = {mark for mark in stream if _is_obeyed(mark)}
        ensure(not obeyed, f"the output holds what a terminal obeys: {sorted(obeyed)!r}")


def _is_obeyed(mark: str) -> bool:
    code = ord(mark)
    return (
        (code < 32 and mark not in "\n\t") or 127 <= code < 160 or mark in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"
    )
