from __future__ import annotations

import gc
import re
import sqlite3
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc_postgresql
import adbc_driver_sqlite.dbapi as adbc_sqlite
import duckdb
import polars as pl
import pytest
import sqlalchemy

import tastemap as tm
from databases import PASSWORD, Server
from tastemap.data.sources import drivers
from tastemap.data.sources.addresses import has_password, read_address
from tastemap.data.sources.databases import open_query
from tastemap.errors import DataError, MissingPackageError, ParameterError

ROWS = "('b', 7, 1.5, '2020-01-01'), ('a', 7, 2, '2020-01-02'), ('b', 3, 4, '2020-01-03')"
PLAYS = "select * from plays"
USED = {"user": "who", "item": "what", "weight": "stars", "time": "day"}


def make_sqlite(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table plays (who text, what integer, stars decimal(3, 1), day date)")
        connection.execute(f"insert into plays values {ROWS}")
        connection.commit()
    return path


def make_duckdb(path: Path) -> Path:
    with duckdb.connect(path) as connection:
        connection.execute("create table plays (who text, what integer, stars decimal(3, 1), day date)")
        connection.execute(f"insert into plays values {ROWS}")
    return path


@pytest.fixture
def plays(postgresql: Server) -> Iterator[Server]:
    postgresql.run("create table plays (who text, what integer, stars numeric(3, 1), day date)")
    postgresql.run(f"insert into plays values {ROWS}")
    yield postgresql
    postgresql.run("drop table if exists plays")


def check(read: tm.Interactions) -> None:
    assert read.users.ids.to_list() == ["b", "a"]
    assert read.items.ids.to_list() == [7, 3]
    assert read.matrix.toarray().tolist() == [[1.5, 4], [2, 0]]
    assert read.to_frame()["day"].dt.date().cast(pl.String).to_list() == ["2020-01-01", "2020-01-02", "2020-01-03"]


@pytest.mark.parametrize("make", [make_sqlite, make_duckdb])
def test_a_file_is_read_by_its_path_and_by_its_address(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "a shop #1?.db")
    monkeypatch.chdir(tmp_path)
    scheme = "sqlite" if make is make_sqlite else "duckdb"
    quoted = "a%20shop%20%231%3F.db"
    for connection in (path, str(path), path.name, f"{scheme}:///{quoted}", f"{scheme}:///{tmp_path}/{quoted}"):
        check(tm.Interactions.from_query(PLAYS, connection, **USED))


def test_open_connections_of_files_are_read_and_stay_open(tmp_path: Path) -> None:
    lite, duck = make_sqlite(tmp_path / "lite.db"), make_duckdb(tmp_path / "duck.db")
    engine = sqlalchemy.create_engine(f"sqlite:///{lite}")
    with (
        closing(sqlite3.connect(lite)) as own,
        adbc_sqlite.connect(str(lite)) as adbc,
        duckdb.connect(duck) as relations,
        engine.connect() as alchemy,
    ):
        for connection in (own, adbc, relations):
            for _ in range(2):
                check(tm.Interactions.from_query(PLAYS + ";", connection, **USED))
        for connection in (engine, alchemy):
            for _ in range(2):
                check(tm.Interactions.from_query(PLAYS + " where who > ''", connection, **USED))
    engine.dispose()


def test_postgresql_is_read_by_its_address_and_by_open_connections(plays: Server) -> None:
    check(tm.Interactions.from_query(PLAYS, plays.uri, **USED))
    check(tm.Interactions.from_query(PLAYS, plays.over_tcp(), **USED))
    check(tm.Interactions.from_query(PLAYS, plays.uri.replace("postgresql:", "postgresql+psycopg:"), **USED))
    with adbc_postgresql.connect(plays.uri) as connection:
        for _ in range(2):
            check(tm.Interactions.from_query(PLAYS, connection, **USED))


def test_types_of_postgresql_become_those_of_interactions(postgresql: Server) -> None:
    uuid = "2b24d495-052a-8ce6-6358-eb576b8912c8"
    sql = f"""select '{uuid}'::uuid as u, 17::numeric(9) as i, 2.50::numeric as w, sum(3::bigint) as s,
        timestamptz '2020-01-01 12:00:00+02' as t, true as b, 1.5::real as r, 'x'::char(1) as c, null::uuid as n"""
    (row,) = open_query(sql, postgresql.uri).read().to_dicts()
    assert row == {
        **{"u": uuid, "i": 17, "w": 2.5, "s": 3.0, "t": datetime(2020, 1, 1, 10, tzinfo=UTC), "b": True},
        **{"r": 1.5, "c": "x", "n": None},
    }


def test_types_of_duckdb_become_those_of_interactions() -> None:
    uuid = "2b24d495-052a-8ce6-6358-eb576b8912c8"
    sql = f"""select '{uuid}'::uuid as u, 17::decimal(9, 0) as i, 2.50::decimal(4, 2) as w, sum(3::bigint) as s,
        timestamptz '2020-01-01 12:00:00+02' as t"""
    with duckdb.connect() as connection:
        (row,) = open_query(sql, connection).read().to_dicts()
    assert row == {"u": uuid, "i": 17, "w": 2.5, "s": 3.0, "t": datetime(2020, 1, 1, 10, tzinfo=UTC)}


@pytest.mark.parametrize("how", ["path", "sqlite3", "adbc"])
def test_a_column_of_sqlite_has_one_type_whatever_its_first_rows_hold(tmp_path: Path, how: str) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (a, b, c, d, e)")
        rows = [(None, 4, 7, None, b"x")] * 5000 + [("abc", 3.5, "x7", None, b"y")]
        connection.executemany("insert into t values (?, ?, ?, ?, ?)", rows)
        connection.commit()
    connections: dict[str, Callable[[], Any]] = {
        "path": lambda: path,
        "sqlite3": lambda: sqlite3.connect(path),
        "adbc": lambda: adbc_sqlite.connect(str(path)),
    }
    opened = connections[how]()
    table = open_query("select * from t order by rowid -- all", opened).read()
    if how != "path":
        opened.close()
    assert table.schema == {"a": pl.String, "b": pl.Float64, "c": pl.String, "d": pl.Int64, "e": pl.Binary}
    assert table.row(0) == (None, 4.0, "7", None, b"x")
    assert table.row(5000) == ("abc", 3.5, "x7", None, b"y")
    assert len(table) == 5001


def test_the_order_of_a_query_of_sqlite_is_kept(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "shop.db")
    assert open_query("select what, stars from plays order by stars desc", path).read()["stars"].to_list() == [
        4,
        2,
        1.5,
    ]


def test_a_column_whose_type_changes_from_batch_to_batch_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "_ROWS", 2)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("create table t (a, b)")
        connection.executemany("insert into t values (?, ?)", [(None, 1.5), (None, 2), ("x", 2), ("y", 3), (4, 4)])
        connection.commit()
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    assert open_query("select * from t limit 4", engine).read().rows() == [(None, 1.5), (None, 2), ("x", 2), ("y", 3)]
    with pytest.raises(DataError, match=r"^column 'a' holds String values, and from row 4 on Int64 ones: cast it"):
        open_query("select * from t", engine).read()
    engine.dispose()


def test_rows_come_in_batches_and_the_query_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    with duckdb.connect() as connection:
        monkeypatch.setattr(drivers, "_ROWS", 2048)

        class Recorded:
            interrupt = connection.interrupt

            def sql(self, text: str) -> Any:
                asked.append(text)
                return connection.sql(text)

        monkeypatch.setitem(drivers._OPEN, __name__, drivers._run_duckdb)
        query = open_query("select i, i + 1 as j from range(5000) t(i)", Recorded())
        assert query.read_header() == ["i", "j"]
        batches = list(query.read_batches(["j"]))
        assert [len(batch) for batch in batches] == [2048, 2048, 904]
        assert batches[0].columns == ["j"]
        assert len(asked) == 1


def test_what_is_asked_for_a_header_alone_is_closed(postgresql: Server) -> None:
    assert open_query("select 1 as a", postgresql.uri).read_header() == ["a"]
    gc.collect()
    for _ in range(100):  # a server takes a moment to see that nobody is there any more
        if postgresql.run("select count(*) from pg_stat_activity where backend_type = 'client backend'") == [(1,)]:
            return
        time.sleep(0.05)
    raise AssertionError("the connection is still open")


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("selec 1", 'syntax error at or near "selec"'),
        ("select nope from plays", 'column "nope" does not exist'),
        ("select * from nowhere", 'relation "nowhere" does not exist'),
        ("select 1; select 2", "cannot insert multiple commands into a prepared statement"),
        ("select 1 / (what - 7) as who, what from plays", "division by zero"),
    ],
)
def test_a_query_that_fails_says_what_the_database_says(plays: Server, sql: str, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        tm.Interactions.from_query(sql, plays.uri, user="who", item="what")
    assert str(caught.value) == f"the query of postgresql://tastemap@/postgres failed: {sentence}"


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("select who, what from plays where false", "{} has no rows"),
        ("select who, what as who from plays", "{} has several columns called 'who': name them with AS"),
        ("create table other (who int)", "{} has no columns: it must select some"),
        ("select who as whom, what from plays", "there is no column 'who', only 'whom', 'what'; did you mean 'whom'?"),
        (
            "select nullif(g, 150001) as who, 1 as what from generate_series(1, 200000) g",
            "column 'who' has no id in row 150000: pass drop_nulls=True to leave such rows out",
        ),
        (
            "select who, what, stars, nullif(day, '2020-01-03') as day from plays",
            "column 'day' has no time in row 2: drop these rows or fill them first",
        ),
    ],
)
def test_rows_that_make_no_interactions_are_named(plays: Server, sql: str, sentence: str) -> None:
    options = USED if "day" in sql else {"user": "who", "item": "what"}
    with pytest.raises(DataError) as caught:
        tm.Interactions.from_query(sql, plays.uri, **options)
    assert str(caught.value) == sentence.format("the query of postgresql://tastemap@/postgres")


def test_a_query_changes_nothing(plays: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no rows|has no columns"):
        tm.Interactions.from_query("delete from plays", plays.uri, **USED)
    assert plays.run("select count(*) from plays") == [(3,)]
    lite = make_sqlite(tmp_path / "lite.db")
    with pytest.raises(DataError, match=r"attempt to write a readonly database"):
        tm.Interactions.from_query("delete from plays", lite, **USED)
    duck = make_duckdb(tmp_path / "duck.db")
    with pytest.raises(DataError, match=r"attached in read-only mode"):
        tm.Interactions.from_query("delete from plays", duck, **USED)


def test_a_connection_that_is_lost_half_way_is_one_sentence(postgresql: Server) -> None:
    query = open_query("select g as who, g as what from generate_series(1, 5000000) g", postgresql.uri)
    rows = query.read_batches()
    next(rows)
    postgresql.run(
        "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and "
        "pid <> pg_backend_pid()"
    )
    sentence = (
        r"^the query of postgresql://tastemap@/postgres failed after [\d,]+ rows: (terminating connection|server c)"
    )
    with pytest.raises(DataError, match=sentence):
        list(rows)


def test_nothing_of_a_password_shows(postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    right = postgresql.over_tcp()
    wrong = postgresql.over_tcp("wr0ng/pass@word")
    refused = 'password authentication failed for user "tastemap": set PGPASSWORD, or pass password_file='
    sentences = {
        wrong: f"cannot connect to postgresql://tastemap@127.0.0.1:{postgresql.port}/postgres: {refused}",
        wrong.replace("sql:", "sql+psycopg:"): "cannot connect to postgresql+psycopg://tastemap@127.0.0.1:"
        f"{postgresql.port}/postgres: {refused}",
        right.replace("/postgres", "/none"): "cannot connect to postgresql://tastemap@127.0.0.1:"
        f'{postgresql.port}/none: database "none" does not exist',
        "postgresql://me:wr0ng@127.0.0.1:1/shop": "cannot connect to postgresql://me@127.0.0.1:1/shop: "
        "Connection refused",
        "postgresql://127.0.0.1:1/shop?user=me&password=wr0ng": "cannot connect to postgresql://127.0.0.1:1/shop: "
        "Connection refused",
        "mysql+pymysql://me:wr0ng@here/shop": "mysql+pymysql://me@here/shop needs pymysql, which is not installed",
        **{
            f"postgresql://me:wr0ng{mark}x@here/shop": "the address postgresql://... cannot be read: write @ as %40, "
            "/ as %2F, : as %3A in a name"
            for mark in "/@#?"
        },
    }
    for address, sentence in sentences.items():
        with pytest.raises((DataError, MissingPackageError)) as caught:
            tm.Interactions.from_query("select 1 as user, 2 as item", address)
        assert str(caught.value) == sentence
        told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.facts)
        assert not re.search(r"wr0ng|s3cret|pass@word|of:the", told)
    assert "s3cret" not in repr(read_address(right))
    assert read_address(right).hide(f"the password is {PASSWORD}") == "the password is ***"


def test_the_words_of_a_connection_string_do_not_show() -> None:
    with pytest.raises(DataError) as caught:
        tm.Interactions.from_query("select 1", "host=here password=wr0ng")
    assert "wr0ng" not in str(caught.value)


def test_a_password_comes_from_a_file_or_the_environment(
    plays: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    address = plays.over_tcp(None)
    with pytest.raises(DataError, match=r"no password supplied: set PGPASSWORD, or pass password_file="):
        tm.Interactions.from_query(PLAYS, address, **USED)
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\nanother line\n")
    check(tm.Interactions.from_query(PLAYS, address, password_file=secret, **USED))
    without_name = address.replace("tastemap@", "") + "?user=tastemap"
    check(tm.Interactions.from_query(PLAYS, without_name, password_file=str(secret), **USED))
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    check(tm.Interactions.from_query(PLAYS, address, **USED))


def test_a_password_file_that_is_of_no_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd")
    here = "postgresql://me@here/shop"
    for name, reason in (("none", "No such file or directory"), ("binary", "it is no text")):
        with pytest.raises(DataError, match=rf"^cannot read the password in .*{name}: {reason}$"):
            open_query(PLAYS, here, password_file=tmp_path / name)
    with pytest.raises(DataError, match=r"the first line of .*empty is empty, where the password should be"):
        open_query(PLAYS, here, password_file=tmp_path / "empty")
    (tmp_path / "secret").write_text("wr0ng")
    lite = make_sqlite(tmp_path / "lite.db")
    for connection in ("postgresql://me:own@here/shop", lite, sqlite3):
        with pytest.raises(ParameterError, match=r"^password_file must be left out"):
            open_query(PLAYS, connection, password_file=tmp_path / "secret")


def test_an_address_tells_whether_it_has_a_password() -> None:
    assert has_password("postgresql://me:secret@here/shop")
    assert has_password("postgresql://here/shop?user=me&password=secret")
    assert not has_password("postgresql://me@here/shop?sslmode=require&passfile=/me/.pgpass")
    assert read_address("postgresql://me@[::1]:5433/shop?sslmode=require").label == "postgresql://me@[::1]:5433/shop"
    assert read_address("postgresql://me@one:1,two:2/shop").label == "postgresql://me@one:1,two:2/shop"


@pytest.mark.parametrize("connection", [5, None, b"postgresql://here", ["here"]])
def test_what_is_no_connection_is_refused(connection: Any) -> None:
    with pytest.raises(
        DataError, match=r"^a connection is an address such as postgresql://user@host/shop, the path of a"
    ):
        tm.Interactions.from_query(PLAYS, connection)


def test_files_that_are_no_databases_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("user,item\n1,2\n")
    text = tmp_path / "text.db"
    for connection in (text, f"sqlite:///{text}", f"duckdb:///{text}"):
        with pytest.raises(DataError, match=r"text.db is neither a DuckDB nor an SQLite file$"):
            tm.Interactions.from_query(PLAYS, connection)
    for connection in (tmp_path / "none.db", "sqlite:///none.db", "none.db"):
        with pytest.raises(DataError, match=r"^there is no file '.*none.db' with a database"):
            tm.Interactions.from_query(PLAYS, connection)
    with pytest.raises(DataError, match=r"^no installed package knows addresses of nosuch://"):
        tm.Interactions.from_query(PLAYS, "nosuch://me@here/shop")


@pytest.mark.parametrize("sql", ["", "  \n", None, 5])
def test_a_query_that_is_no_text_is_refused(sql: Any) -> None:
    with pytest.raises(ParameterError, match=r"^sql must be a query that selects rows, got "):
        tm.Interactions.from_query(sql, "postgresql://here/shop")


def test_a_driver_that_is_absent_is_named_with_its_extra(tmp_path: Path, run_python: Callable[..., str]) -> None:
    script = """
        import sys
        import tastemap as tm

        for module in ("duckdb", "adbc_driver_sqlite", "adbc_driver_postgresql", "sqlalchemy", "pyarrow"):
            sys.modules[module] = None
        for address in (*sys.argv[1:], "postgresql://here/shop", "mysql://here/shop"):
            try:
                tm.Interactions.from_query("select 1", address)
            except tm.MissingPackageError as error:
                print(error)
        """
    told = run_python(script, make_sqlite(tmp_path / "lite.db"), make_duckdb(tmp_path / "duck.db")).splitlines()
    assert told == [
        f'reading and writing databases needs {name}, which is not installed: run pip install "tastemap[database]"'
        for name in ("adbc-driver-sqlite", "duckdb", "adbc-driver-postgresql", "sqlalchemy")
    ]
