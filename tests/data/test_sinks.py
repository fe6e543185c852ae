from __future__ import annotations

import sqlite3
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

import tastemap as tm
from databases import PASSWORD, Server
from tastemap.data.sinks.opening import open_sink
from tastemap.errors import DataError, ParameterError
from tastemap.models.shared.answers import Answers


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tastemap.models.shared.answers.USERS_AT_ONCE", 16)


@pytest.fixture(scope="module")
def model() -> tm.ImplicitALS:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((90, 40)) < 0.2)
    data = tm.Interactions.from_frame({"user": [f"u{user}" for user in users], "item": items})
    return tm.ImplicitALS(factors=4, epochs=2).fit(data, progress=False)


@pytest.fixture
def tables(postgresql: Server) -> Iterator[Server]:
    yield postgresql
    postgresql.run("drop schema public cascade; create schema public; grant usage on schema public to public")


@dataclass
class Interrupted:
    """Counts the parts that a model makes, and raises an error in place of the part `at`."""

    at: int = -1
    error: BaseException = field(default_factory=KeyboardInterrupt)
    made: int = 0

    def __enter__(self) -> Interrupted:
        self._own = Answers._recommend
        own, counted = self._own, self

        def recommend(model: Any, *arguments: Any) -> Any:
            if counted.made == counted.at:
                raise counted.error
            counted.made += 1
            return own(model, *arguments)

        Answers._recommend = recommend  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Answers._recommend = self._own  # type: ignore[method-assign]


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def read_folder(path: Path) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(path / name) for name in names(path))


def read_duckdb(path: Path, table: str = "recommendations") -> pl.DataFrame:
    with duckdb.connect(path) as connection:
        return pl.DataFrame(connection.sql(f'select * from "{table}"').to_arrow_table())


def list_duckdb(path: Path) -> list[str]:
    with duckdb.connect(path) as connection:
        return sorted(name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall())


def list_postgresql(server: Server) -> list[object]:
    rows = server.run("select table_name from information_schema.tables where table_schema = 'public' order by 1")
    return [name for (name,) in rows]


def test_a_folder_holds_the_rows_of_recommend_in_parts(model: tm.ImplicitALS, tmp_path: Path) -> None:
    expected = model.recommend(k=3)
    for target in (f"{tmp_path}/lists/", tmp_path / "lists"):  # new, and replaced
        model.recommend_all(target, k=3)
        assert names(tmp_path) == ["lists"]
        assert names(tmp_path / "lists") == [f"part-0000{number}.parquet" for number in range(6)]
        assert pl.read_parquet(tmp_path / "lists").equals(expected)


def test_parts_that_are_too_many_go_when_a_folder_is_replaced(model: tm.ImplicitALS, tmp_path: Path) -> None:
    model.recommend_all(f"{tmp_path}/lists/", k=3)
    (tmp_path / "lists/part-00006.parquet").write_bytes(b"of an earlier call")
    model.recommend_all(tmp_path / "lists", k=2)
    assert read_folder(tmp_path / "lists").equals(model.recommend(k=2))


@pytest.mark.parametrize("name", ["lists.parquet", "lists"])
def test_other_paths_name_one_file(model: tm.ImplicitALS, tmp_path: Path, name: str) -> None:
    model.recommend_all(tmp_path / name, k=3)
    assert pl.read_parquet(tmp_path / name).equals(model.recommend(k=3))
    assert (tmp_path / name).is_file()


@pytest.mark.parametrize("how", ["lists.duckdb", "lists.db", "duckdb:///{}/lists.db"])
def test_a_duckdb_file_holds_the_rows_of_recommend(model: tm.ImplicitALS, tmp_path: Path, how: str) -> None:
    target = how.format(tmp_path) if "{}" in how else tmp_path / how
    for k in (2, 3):
        model.recommend_all(target, k=k)
        path = tmp_path / how.rpartition("/")[2]
        assert names(tmp_path) == [path.name]
        assert list_duckdb(path) == ["recommendations"]
        assert read_duckdb(path).equals(model.recommend(k=k))


def test_a_duckdb_file_keeps_its_other_tables(model: tm.ImplicitALS, tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("create table orders as select 1 as id; create schema shop")
    model.recommend_all(path, k=3, table='a "list", of 3')
    model.recommend_all(path, k=2, table="shop.lists")
    assert list_duckdb(path) == ['a "list", of 3', "lists", "orders"]
    with duckdb.connect(path) as connection:
        counts = connection.execute(
            'select (select count(*) from shop.shop.lists), (select count(*) from "a ""list"", of 3")'
        )
        assert counts.fetchall() == [(180, 270)]


def test_postgresql_holds_the_rows_of_recommend(model: tm.ImplicitALS, tables: Server) -> None:
    for k in (2, 3):
        model.recommend_all(tables.uri, k=k)
        assert list_postgresql(tables) == ["recommendations"]
        rows = tables.run("select * from recommendations order by ctid")
        expected = model.recommend(k=k)
        assert pl.DataFrame(rows, expected.schema, orient="row").equals(expected)
    tables.run("create schema shop")
    model.recommend_all(tables.over_tcp(), k=1, table='shop.a "list"')
    assert tables.run('select count(*) from shop."a ""list"""') == [(90,)]
    tables.run("drop schema shop cascade")


@pytest.mark.parametrize("at", [0, 1, 4, 5])
@pytest.mark.parametrize("target", ["lists/", "lists.duckdb"])
def test_an_interrupted_call_goes_on_behind_its_last_whole_part(
    model: tm.ImplicitALS, tmp_path: Path, target: str, at: int
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    model.recommend_all(f"{whole}/{target}", k=3)
    with Interrupted(at), pytest.raises(KeyboardInterrupt):
        model.recommend_all(f"{tmp_path}/{target}", k=3)
    assert not (tmp_path / "lists").exists()
    with Interrupted() as counted:
        model.recommend_all(f"{tmp_path}/{target}", k=3)
    assert counted.made == 6 - at
    assert names(tmp_path) == sorted([target.rstrip("/"), "whole"])
    if target == "lists/":
        assert [(tmp_path / "lists" / name).read_bytes() for name in names(whole / "lists")] == [
            (whole / "lists" / name).read_bytes() for name in names(tmp_path / "lists")
        ]
    else:
        assert list_duckdb(tmp_path / target) == ["recommendations"]
        assert read_duckdb(tmp_path / target).equals(read_duckdb(whole / target))


@pytest.mark.parametrize("target", ["lists/", "lists.duckdb"])
@pytest.mark.parametrize(
    "other",
    [
        {"k": 2},
        {"exclude_seen": False},
        {"candidates": [1, 2, 3, 4, 5]},
        {"exclude": [1]},
        {"exclude": pl.DataFrame({"user": ["u1"], "item": [1]})},
        {"diversity": 0.5},
        {"at_most": {"kind": 1}, "item_table": pl.DataFrame({"item": range(40), "kind": ["a", "b"] * 20})},
        {"where": ["kind=a"], "item_table": pl.DataFrame({"item": range(40), "kind": ["a", "b"] * 20})},
    ],
    ids=lambda other: "-".join(other),
)
def test_a_call_that_asks_for_something_else_starts_anew(
    model: tm.ImplicitALS, tmp_path: Path, target: str, other: dict[str, Any]
) -> None:
    for asked in (other, {}, other):
        with Interrupted(3), pytest.raises(KeyboardInterrupt):
            model.recommend_all(f"{tmp_path}/{target}", **asked)
        assert len(names(tmp_path)) == 1
    with Interrupted() as counted:
        model.recommend_all(f"{tmp_path}/{target}", **other)
    assert counted.made == 3
    read = read_folder(tmp_path / "lists") if target == "lists/" else read_duckdb(tmp_path / target)
    assert read.equals(model.recommend(**{"k": 10, **other}))


@pytest.mark.parametrize("target", ["lists/", "lists.duckdb"])
def test_another_model_starts_anew_and_an_equal_one_goes_on(model: tm.ImplicitALS, tmp_path: Path, target: str) -> None:
    again = tm.ImplicitALS(factors=4, epochs=2).fit(model.interactions, progress=False)
    other = tm.ImplicitALS(factors=4, epochs=3).fit(model.interactions, progress=False)
    for fitted, made in ((again, 4), (other, 6)):
        with Interrupted(2), pytest.raises(KeyboardInterrupt):
            model.recommend_all(f"{tmp_path}/{target}", k=3)
        with Interrupted() as counted:
            fitted.recommend_all(f"{tmp_path}/{target}", k=3)
        assert counted.made == made


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("target", ["lists/", "lists.duckdb", "lists.parquet"])
def test_a_call_that_fails_leaves_what_was_there(
    model: tm.ImplicitALS, tmp_path: Path, target: str, is_there: bool
) -> None:
    if is_there:
        model.recommend_all(f"{tmp_path}/{target}", k=3)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".duckdb"}
    with Interrupted(4, RuntimeError("something else")), pytest.raises(RuntimeError, match=r"something else"):
        model.recommend_all(f"{tmp_path}/{target}", k=2)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".duckdb"}
    assert before == after
    assert names(tmp_path) == [target.rstrip("/")] * is_there
    if is_there and target == "lists.duckdb":
        assert list_duckdb(tmp_path / target) == ["recommendations"]
        assert read_duckdb(tmp_path / target).equals(model.recommend(k=3))


def test_a_call_that_fails_leaves_postgresql_as_it_was(model: tm.ImplicitALS, tables: Server) -> None:
    for error in (KeyboardInterrupt(), RuntimeError("something else")):
        with Interrupted(4, error), pytest.raises(type(error)):
            model.recommend_all(tables.uri, k=2)
        assert list_postgresql(tables) == []
    model.recommend_all(tables.uri, k=3)
    with Interrupted(4), pytest.raises(KeyboardInterrupt):
        model.recommend_all(tables.uri, k=2)
    assert list_postgresql(tables) == ["recommendations"]
    assert tables.run("select count(*) from recommendations") == [(270,)]


def test_readers_of_postgresql_see_the_old_table_until_the_new_one_is_there(
    model: tm.ImplicitALS, tables: Server
) -> None:
    model.recommend_all(tables.uri, k=3)
    seen = []
    own = Answers._recommend

    def recommend(*arguments: Any) -> Any:
        seen.append(tables.run("select count(*) from recommendations")[0][0])
        return own(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Answers, "_recommend", recommend)
        model.recommend_all(tables.uri, k=2)
    assert seen == [270] * 6
    assert tables.run("select count(*) from recommendations") == [(180,)]


@pytest.mark.parametrize("target", ["lists/", "lists.duckdb"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    model: tm.ImplicitALS, tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]], target: str
) -> None:
    with full_disk(800), pytest.raises((OSError, DataError)) as caught:
        model.recommend_all(f"{tmp_path}/{target}", k=3)
    told = str(caught.value)
    assert "File too large" in told
    assert "unfinished" not in told
    assert "lists" in told
    assert names(tmp_path) == []


def test_a_folder_that_holds_something_else_is_refused_before_the_work(model: tm.ImplicitALS, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine.txt").write_text("mine")
    with Interrupted() as counted, pytest.raises(FileExistsError, match=r"kept holds 'mine.txt', which would be lost"):
        model.recommend_all(tmp_path / "kept")
    assert counted.made == 0
    with pytest.raises(FileNotFoundError, match=r"^there is no folder .*none to make lists in$"):
        model.recommend_all(f"{tmp_path}/none/lists/")


def test_two_processes_do_not_write_the_same_parts(model: tm.ImplicitALS, tmp_path: Path) -> None:
    ready, go_on, told = threading.Event(), threading.Event(), list[str]()
    own = Answers._recommend

    def recommend(*arguments: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            ready.set()
            assert go_on.wait(30)
        return own(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Answers, "_recommend", recommend)
        first = threading.Thread(target=lambda: model.recommend_all(f"{tmp_path}/lists/", k=3))
        first.start()
        assert ready.wait(30)
        with pytest.raises(OSError, match=r"^another process writes .*lists: wait for it, or end it$"):
            model.recommend_all(f"{tmp_path}/lists/", k=3)
        model.recommend_all(f"{tmp_path}/lists/", k=2)  # other work, which leaves the first alone
        assert read_folder(tmp_path / "lists").equals(model.recommend(k=2)), told
        go_on.set()
        first.join(30)
    assert read_folder(tmp_path / "lists").equals(model.recommend(k=3))
    assert names(tmp_path) == ["lists"]


def test_a_table_of_something_else_is_not_replaced(model: tm.ImplicitALS, tmp_path: Path, tables: Server) -> None:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("create table Orders as select 1 as id, 2 as item; create view seen as select 1 as id")
    tables.run("create table orders as select 1 as id, 2 as item; create view seen as select 1 as id")
    for target in (path, tables.uri):
        with pytest.raises(
            DataError, match=r"^the table orders has the columns 'id', 'item', which would be lost: name"
        ):
            model.recommend_all(target, table="orders")
        with pytest.raises(DataError, match=r"^seen is a view, which is not replaced: name another table$"):
            model.recommend_all(target, table="seen")
    assert list_duckdb(path) == ["Orders"]
    assert list_postgresql(tables) == ["orders", "seen"]


def test_a_table_that_a_view_needs_is_refused_after_the_first_part(model: tm.ImplicitALS, tables: Server) -> None:
    model.recommend_all(tables.uri, k=3)
    tables.run("create view best as select * from recommendations where rank = 1")
    sentence = "cannot write to postgresql://tastemap@/postgres: cannot drop table recommendations because other"
    with Interrupted() as counted, pytest.raises(DataError, match=rf"^{sentence}"):
        model.recommend_all(tables.uri, k=2)
    assert counted.made == 1
    assert tables.run("select count(*) from best") == [(90,)]


def test_who_may_not_create_a_table_is_told(model: tm.ImplicitALS, tables: Server) -> None:
    tables.run("create role reader login; revoke create on schema public from public")
    reader = tables.uri.replace("tastemap@", "reader@")
    try:
        with pytest.raises(
            DataError, match=r"^cannot write to .*reader@/postgres: permission denied for schema public$"
        ):
            model.recommend_all(reader)
        tables.run("revoke usage on schema public from public")
        with pytest.raises(DataError, match=r"reader@/postgres has no schema that tables are made in: name one, as in"):
            model.recommend_all(reader)
        with pytest.raises(DataError, match=r'^cannot write to .*: schema "none" does not exist$'):
            model.recommend_all(tables.uri, table="none.lists")
    finally:
        tables.run("drop role reader")
    assert list_postgresql(tables) == []


def test_a_server_that_is_lost_half_way_is_one_sentence(model: tm.ImplicitALS, tables: Server) -> None:
    own, made = Answers._recommend, list[int]()

    def recommend(*arguments: Any) -> Any:
        made.append(1)
        if len(made) == 4:
            tables.run(
                "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and "
                "pid <> pg_backend_pid()"
            )
        return own(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Answers, "_recommend", recommend)
        with pytest.raises(DataError) as caught:
            model.recommend_all(tables.over_tcp())
    told = "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in told
    assert str(caught.value).startswith(f"cannot write to postgresql://tastemap@127.0.0.1:{tables.port}/postgres: ")
    assert "\n" not in str(caught.value)
    assert list_postgresql(tables) == []


def test_a_wrong_password_is_told_before_the_work(
    model: tm.ImplicitALS, tables: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    secret = tmp_path / "secret"
    secret.write_text("wr0ng")
    with Interrupted() as counted, pytest.raises(DataError, match=r"password authentication failed") as caught:
        model.recommend_all(tables.over_tcp(None), password_file=secret)
    assert counted.made == 0
    assert "wr0ng" not in "".join(traceback.format_exception(caught.value))
    secret.write_text(PASSWORD)
    model.recommend_all(tables.over_tcp(None), password_file=secret, k=1)
    assert tables.run("select count(*) from recommendations") == [(90,)]


@pytest.mark.parametrize("table", ["", " ", ".", "a.", ".a", "a" * 64, "é" * 32, "a\0b", "a\nb", 5, "\ud800"])
def test_what_is_no_name_of_a_table_is_refused(model: tm.ImplicitALS, tmp_path: Path, table: Any) -> None:
    with pytest.raises(ParameterError, match=r"^table must be a name, or schema\.name, of at most 63 bytes each, got "):
        model.recommend_all(tmp_path / "lists.duckdb", table=table)
    assert names(tmp_path) == []


def test_options_that_a_target_has_no_use_for_are_refused(tmp_path: Path) -> None:
    for target in ("lists.parquet", "lists/"):
        for option in ("table", "password_file"):
            with pytest.raises(ParameterError, match=rf"^{option} must be left out where lists go to files$"):
                open_sink(target, **{option: "it"})  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=r"^password_file must be left out for a DuckDB file$"):
        open_sink("lists.duckdb", password_file="it")
    for address in ("sqlite:///lists.db", "mysql://here/shop"):
        with pytest.raises(
            DataError, match=r"^lists cannot be written to addresses of (sqlite|mysql)://: name a .parquet"
        ):
            open_sink(address)


def test_a_file_of_another_kind_is_not_replaced(model: tm.ImplicitALS, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "lite.db")) as connection:
        connection.execute("create table t (a)")
    (tmp_path / "text.db").write_text("some text, which is long enough")
    for name in ("lite.db", "text.db"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(DataError, match=rf"{name} is no DuckDB file, and would be lost: name another$"):
            model.recommend_all(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before


def test_a_duckdb_file_that_another_process_has_open_is_told(
    model: tm.ImplicitALS, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    path = tmp_path / "shop.duckdb"
    model.recommend_all(path, k=3)
    model.save(tmp_path / "als.safetensors")
    script = """
        import sys
        import tastemap as tm

        try:
            tm.load(sys.argv[1]).recommend_all(sys.argv[2])
        except tm.DataError as error:
            print(error)
        """
    with duckdb.connect(path):
        told = run_python(script, tmp_path / "als.safetensors", path)
    assert told.startswith(f'cannot write to {path}: Could not set lock on file "{path}"')
    assert read_duckdb(path).equals(model.recommend(k=3))
