"""Titles, ids and names of columns of unknown origin: nothing of them takes effect in a terminal or a spreadsheet."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import tastemap as tm
from tastemap.cli import app

# The title of a window, colours, a bell, C1's CSI, right-to-left override, isolates, a line separator, lines, a tab.
HOSTILE = "A\x1b]0;owned\x07\x1b[31mred\x9b31m\u202etxt.exe\u2066\u2028b\nc\rd\te"
SHOWN = r"A\x1b]0;owned\x07\x1b[31mred\x9b31m\u202etxt.exe\u2066\u2028b\nc\rd\te"
ACTIVE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def run(*args: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, args)
    assert result.exit_code == status, result.output
    assert not ACTIVE.search(result.stdout)
    assert not ACTIVE.search(result.stderr)
    return result


@pytest.fixture
def likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    """Pairs of hostile ids in hostile columns, and their model and titles in files."""
    monkeypatch.chdir(tmp_path)
    items = [HOSTILE, "=cmd|' /C calc'!A0", "-5", "+x", "@SUM(1)", "plain"]
    users = ["u" + HOSTILE] * 3 + ["v"] * 3
    table = pl.DataFrame({"user" + HOSTILE: users, "item\x1b[2J": items, "stars": [1, 2, 3, 4, 5, 5]})
    table.write_parquet("likes.parquet")
    data = tm.Interactions.from_frame(table, user=table.columns[0], item=table.columns[1])
    tm.ImplicitALS(factors=2, epochs=1).fit(data).save("model")
    pl.DataFrame({table.columns[1]: items, "title": [HOSTILE, *items[1:]]}).write_parquet("titles.parquet")
    return table


def test_no_command_hands_control_characters_to_the_terminal(likes: pl.DataFrame) -> None:
    user, item = likes.columns[:2]
    names = ["--titles", "titles.parquet", "--title-id", item]
    assert SHOWN[:20] in run("recommend", "model", "--user", "v", *names, "--seen").stdout
    assert SHOWN[:20] in run("recommend", "model", "--user", "v", "--seen").stdout
    run("similar", "model", "--item", HOSTILE, *names)
    run("info", "model")
    columns = ["--user-column", user, "--item-column", item, "--weight-column", "stars"]
    run("info", "likes.parquet", *columns)
    run("fit", "likes.parquet", *columns, "--model", "Popular", "--out", "o\x1b[31m")
    run("compare", "likes.parquet", "likes.parquet", *columns, "--seen", "--model", "Popular,Random")
    run("recommend", "model", "--user", "\x1b[31m\u202e", status=1)
    run("info", "likes.parquet", "--user-column", "\x1b]0;x\x07", status=1)
    run("info", "no\x1b[31m such\nfile", status=1)


def test_json_has_the_same_texts_without_control_characters(likes: pl.DataFrame) -> None:
    asked = ["recommend", "model", "--user", "v", "--seen", "--json"]
    told = json.loads(run(*asked).stdout)["recommendations"]
    assert {row[likes.columns[1]] for row in told} == set(likes[likes.columns[1]])
    model = json.loads(run("info", "model", "--json").stdout)
    assert model


@pytest.mark.parametrize("name", ["lists.csv", "lists.tsv"])
def test_texts_that_a_spreadsheet_would_run_are_marked(name: str, likes: pl.DataFrame) -> None:
    asked = ["recommend", "model", "--user", "v", "--seen", "--out", name]
    separator = "\t" if name.endswith(".tsv") else ","
    item = likes.columns[1]
    run(*asked)
    table = pl.read_csv(name, separator=separator, infer_schema_length=0)
    assert set(table[item]) == {HOSTILE, "'=cmd|' /C calc'!A0", "-5", "'+x", "'@SUM(1)", "plain"}
    assert all(score == score.lstrip("'") for score in table["score"])
    run(*asked, "--raw-texts")
    assert set(pl.read_csv(name, separator=separator, infer_schema_length=0)[item]) == set(likes[item])


def test_a_projector_gets_marked_texts_too(likes: pl.DataFrame) -> None:
    def labels() -> set[str]:
        return {line.split("\t")[0] for line in Path("map/metadata.tsv").read_text().splitlines()[1:]}

    run("export", "tensorboard", "model", "--out", "map")
    assert labels() >= {"'=cmd|' /C calc'!A0", "-5", "'+x", "'@SUM(1)", "plain"}
    run("export", "tensorboard", "model", "--out", "map", "--raw-texts")
    assert labels() >= {"=cmd|' /C calc'!A0", "-5", "+x", "@SUM(1)", "plain"}
