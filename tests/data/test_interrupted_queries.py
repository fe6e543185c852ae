"""Ctrl-C while a database works: it is heard at once, whatever the driver, and the connection is left in order."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tastemap.data.sources.calls import Caller, heeding

# One row after hours.
LONG = (
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000000000) "
    "select count(*) as user, 1 as item from n"
)
PROGRAM = """
import sqlite3, sys
import tastemap as tm
{make}
tm.Interactions.from_query("select 1 as user, 2 as item", connection, user="user", item="item")  # imports what it needs
print("ready", flush=True)
try:
    tm.Interactions.from_query({sql!r}, connection, user="user", item="item")
except KeyboardInterrupt:
    print("heard", flush=True)
    {after}
"""
WAYS = {
    "the path of a file": ("connection = 'shop.db'", "pass"),
    "an open connection of sqlite3": (
        "connection = sqlite3.connect('shop.db')",
        "print(connection.execute('select 7').fetchall())",
    ),
    "an open connection of ADBC": (
        "import adbc_driver_sqlite.dbapi as driver; connection = driver.connect('file:shop.db')",
        "pass",
    ),
    "an engine of SQLAlchemy": (
        "import sqlalchemy; connection = sqlalchemy.create_engine('sqlite:///shop.db')",
        "print(connection.connect().exec_driver_sql('select 7').fetchall())",
    ),
}


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_is_heard_while_a_database_counts(way: str, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "shop.db").execute("create table plays (user, item)").connection.close()
    make, after = WAYS[way]
    code = PROGRAM.format(make=make, sql=LONG, after=after)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(1)  # so that the database works
            process.send_signal(signal.SIGINT)
            said, complaints = process.communicate(timeout=30)
        finally:
            process.kill()
    assert said == "heard\n" + ("[(7,)]\n" if "print" in after else "")
    assert (complaints, process.returncode) == ("", 0)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_what_a_call_works_with_is_closed_behind_it() -> None:
    closed, gate = [], []

    def work() -> None:
        while not gate:
            time.sleep(0.01)
        closed.append("call")

    class Stop(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Stop

    usual = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(Stop), Caller() as caller, caller.closing(lambda: closed.append("close")):
            caller.call(work)
    finally:
        signal.signal(signal.SIGALRM, usual)
    assert closed == []
    gate.append(True)
    for _ in range(500):
        if len(closed) == 2:
            break
        time.sleep(0.01)
    assert closed == ["call", "close"]


def test_what_python_collects_in_the_thread_of_the_calls_is_closed_there() -> None:
    closed = []
    with Caller() as caller:

        def collect() -> None:
            with caller.closing(lambda: closed.append("close")):
                pass

        caller.call(collect)
    assert closed == ["close"]


def test_mistakes_of_a_query_are_those_of_sqlite() -> None:
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"),
        heeding(connection),
    ):
        connection.execute("select * from nowhere")
