from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

import tastemap as tm
from databases import PASSWORD, Server
from tastemap.cli import app

ROWS = [(f"u{user}", item, 1 + (user * item) % 5) for user in range(12) for item in range(user % 3, 9, 2)]
TABLE = pl.DataFrame(ROWS, ["customer", "article", "stars"], orient="row")
SELECT = "select customer as user_id, article as item_id, stars as rating from plays"


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with a DuckDB file and a model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PGPASSWORD", raising=False)
    with duckdb.connect("shop.db") as connection:
        connection.register("given", TABLE.to_arrow())
        connection.execute("create table plays as select * from given")
    model = tm.ImplicitALS(factors=2, epochs=1)
    model.fit(tm.Interactions.from_frame(TABLE, user="customer", item="article"), progress=False).save(
        "als.safetensors"
    )


@pytest.fixture
def server(postgresql: Server) -> Iterator[Server]:
    postgresql.run("create table plays (customer text, article integer, stars integer)")
    rows = ", ".join(f"('{user}', {item}, {stars})" for user, item, stars in ROWS)
    postgresql.run(f"insert into plays values {rows}")
    yield postgresql
    postgresql.run("drop schema public cascade; create schema public")


def run(*words: str, status: int = 0) -> Any:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == status, result.output
    return result


def fit(*words: str) -> dict[str, Any]:
    told = run("fit", *words, "--set", "epochs=1", "--out", "new.safetensors", "--json").stdout
    described: dict[str, Any] = json.loads(told)
    return described


def test_a_model_is_fitted_to_the_rows_of_a_query() -> None:
    for address in ("shop.db", "duckdb:///shop.db", str(Path("shop.db").absolute())):
        described = fit(address, "--query", SELECT)
        assert (described["pairs"], described["users"]) == (len(ROWS), 12)
    assert tm.load("new.safetensors").interactions.matrix.data.max() == 5


def test_a_model_is_fitted_to_the_rows_of_a_server(server: Server) -> None:
    assert fit(server.uri, "--query", SELECT)["pairs"] == len(ROWS)
    Path("secret").write_text(PASSWORD)
    address = server.over_tcp(None)
    assert fit(address, "--query", SELECT, "--password-file", "secret")["pairs"] == len(ROWS)
    told = run("fit", address, "--query", SELECT, "--out", "x.safetensors", status=1).stderr
    assert told == (
        f"Error: cannot connect to {address}: fe_sendauth: no password supplied: set PGPASSWORD, or pass "
        "--password-file FILE\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "als.safetensors", "shop.db", "--seen"),
        ("compare", "shop.db", "--model", "Popular"),
        ("tune", "shop.db", "--model", "ItemKNN", "--trials", "1"),
        ("update", "als.safetensors", "shop.db", "--out", "newer.safetensors"),
        ("info", "shop.db"),
        ("recommend", "als.safetensors", "--history", "shop.db"),
    ],
    ids=lambda words: words[0],
)
def test_whatever_reads_interactions_reads_a_query(words: tuple[str, ...]) -> None:
    run(*words, "--query", SELECT, "--user-column", "user_id")
    told = run(*words, status=1).stderr
    assert told.endswith('Error: shop.db is a database: say with --query "select ..." which rows to read\n')


def test_what_a_query_lacks_is_told_with_options() -> None:
    told = run("fit", "shop.db", "--query", "select customer, article as it from plays", "--out", "x", status=1).stderr
    assert told.startswith("Error: shop.db has the columns 'customer', 'it': pass --item-column COLUMN")
    told = run("fit", "shop.db", "--query", SELECT, "--separator", ";", "--out", "x", status=1).stderr
    assert told == "Error: --separator must be left out for a database\n"
    told = run("fit", "shop.db", "--query", "selec 1", "--out", "x", status=1).stderr
    assert told == 'Error: the query of shop.db failed: syntax error at or near "selec"\n'
    TABLE.write_csv("plays.csv")
    told = run("fit", "plays.csv", "--query", SELECT, "--out", "x", status=1).stderr
    assert told == "Error: --query must be left out for plays.csv, which is no database\n"


def test_a_password_on_the_command_line_is_refused(server: Server) -> None:
    for words in (
        ("fit", server.over_tcp(), "--query", SELECT, "--out", "x.safetensors"),
        ("recommend", "als.safetensors", "--all", "--out", server.over_tcp()),
        ("recommend", "als.safetensors", "--all", f"--out={server.over_tcp()}"),
        ("info", "mysql://me:s3cret@here/shop", "--query", SELECT),
        ("info", "postgresql://me:s3cret/x@here/shop", "--query", SELECT),
    ):
        for debug in ((), ("--debug",)):
            result = run(*words, *debug, status=2)
            told = " ".join(result.output.replace("│", " ").split())
            assert "s3cret" not in told
            assert "leave it out, and set PGPASSWORD or pass --password-file FILE" in told or "cannot be read" in told


def test_lists_of_all_users_go_to_a_folder_and_to_tables(server: Server) -> None:
    ask = ("recommend", "als.safetensors", "--all", "--seen", "-k", "2", "--out")
    model = tm.load("als.safetensors")
    expected = model.recommend(k=2, exclude_seen=False, frame="polars")
    assert run(*ask, "lists/").stderr == f"wrote {len(expected)} rows to lists/\n"
    assert pl.read_parquet("lists").equals(expected)
    assert run(*ask, "shop.db", "--table", "best").stderr == "wrote the lists of all users to shop.db\n"
    with duckdb.connect("shop.db") as connection:
        assert connection.execute("select * from best").fetchall() == expected.rows()
    assert run(*ask, server.uri).stderr == f"wrote the lists of all users to {server.uri}\n"
    assert server.run("select count(*) from recommendations") == [(len(expected),)]
    Path("secret").write_text(PASSWORD)
    run(*ask, server.over_tcp(None), "--password-file", "secret", "--table", "best")
    assert server.run("select count(*) from best") == [(len(expected),)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--user", "u1", "--out", "lists/"), "goes with --all, without --titles and --json"),
        (("--all", "--out", "lists.duckdb", "--json"), "goes with --all, without --titles and --json"),
        (("--all", "--out", "lists.parquet", "--table", "best"), "--table names a table of a database"),
    ],
)
def test_options_that_lists_have_no_use_for_are_refused(words: tuple[str, ...], sentence: str) -> None:
    told = " ".join(run("recommend", "als.safetensors", *words, status=2).output.replace("│", " ").split())
    assert sentence in told
    assert not Path("lists").exists()


def test_an_interrupt_says_that_the_parts_are_kept() -> None:
    script = """
        from tastemap.cli import main
        from tastemap.models.shared import answers

        answers.USERS_AT_ONCE, own, made = 4, answers.Answers._recommend, []

        def recommend(*arguments):
            if len(made) == 2:
                raise KeyboardInterrupt
            made.append(1)
            return own(*arguments)

        answers.Answers._recommend = recommend
        main()
        """
    command = [sys.executable, "-c", dedent(script), "recommend", "als.safetensors", "--all", "--out"]
    for target in ("lists/", "lists.duckdb"):
        done = subprocess.run([*command, target], capture_output=True, text=True, timeout=120)
        assert done.returncode == 130, done.stderr
        name = target.rstrip("/")
        assert done.stderr == f"Note: 2 of 3 parts of {name} are kept: the same command goes on from them\n"
