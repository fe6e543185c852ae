"""Ctrl-C: every call stops within a second, leaves no half-fitted model, and the process can work on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from databases import find_programs

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")

# Interrupts a call after 0.4 seconds; prints how long it took to stop; a model that it fitted must then be as before.
SCRIPT = """
    import os, signal, sys, tempfile, threading, time, warnings
    import numpy as np, scipy.sparse as sp, tastemap as tm
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    n_items = 2500
    matrix = sp.random_array((4000, n_items), density=0.03, rng=rng, format="csr")
    matrix.data = rng.integers(1, 6, len(matrix.data)).astype(float)
    made = tm.Interactions.from_csr(matrix)
    made = tm.Interactions(made.matrix, made.users, made.items, time=np.arange(len(made)))
    train, test = tm.split.random(made, 0.2)

    def interrupt(name, call, model=None):
        for _ in range(3):  # a busy machine may take its time once
            seconds = stop(name, call, model)
            if seconds < 1:
                break
        print(name, f"{seconds:.3f}", sep=";", flush=True)

    def stop(name, call, model):
        before = None if model is None else set(vars(model))
        sent = []
        def send():
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
        timer = threading.Timer(0.4, send)
        timer.start()
        try:
            while True:
                call()
        except KeyboardInterrupt:
            seconds = time.perf_counter() - sent[0]
        timer.join()
        same = model is None or set(vars(model)) == before
        assert same, f"{name} is half fitted"
        return seconds
"""

FITS = """
    for name, cls in tm.MODELS.items():
        if name in ("Random", "Popular", "PersonalPopular"):
            continue
        cls(**{"epochs": 1} if cls.abilities.epochs else {}).fit(tm.split.random(train, 0.01)[1])  # compile
        model = cls(**{"epochs": 10**6, "factors": 100} if cls.abilities.epochs else {})
        interrupt(name, lambda: model.fit(train), model)
    few = tm.Interactions.from_frame({"user": [1], "item": [2]})
    fitted = tm.EASE().fit(train)
    weights = fitted.weights_.copy()
    interrupt("update", lambda: fitted.update(few))
    assert np.array_equal(fitted.weights_, weights)
"""

OTHERS = """
    model = tm.ImplicitALS(factors=16, epochs=1).fit(train)
    listing = lambda: model.recommend(k=200)
    listing(), tm.evaluate(model, test), tm.compare([tm.Popular(), tm.EASE()], test, train=train)  # compile
    folder = tempfile.mkdtemp()
    interrupt("recommend", listing)
    interrupt("recommend_all", lambda: model.recommend_all(folder + "/lists.parquet", k=200))
    assert os.listdir(folder) in ([], ["lists.parquet"])
    interrupt("evaluate", lambda: tm.evaluate(model, test, metrics=["ndcg@200", "diversity@200"]))
    slow = [tm.EASE(), tm.ImplicitALS(epochs=50)]
    interrupt("compare", lambda: tm.compare(slow, test, train=train))
    interrupt("cross_validate", lambda: tm.cross_validate(slow, train))
    tune = lambda model, parallel: tm.tune(model, train, test, trials=99, parallel=parallel, refit=False)
    tm.tune(tm.EASE(), train, test, trials=1, refit=False)  # import
    for parallel in (1, 2):
        interrupt(f"tune ImplicitALS {parallel}", lambda: tune(tm.ImplicitALS(epochs=1000), parallel))
        interrupt(f"tune EASE {parallel}", lambda: tune(tm.EASE(), parallel))
    tm.ItemKNN().fit(train).recommend(k=5)
"""

QUERIES = """
    ask = lambda sql, where: lambda: tm.Interactions.from_query(sql, where, user="a", item="b", duplicates="sum")
    import duckdb
    open("shop.db", "w").close()
    duckdb.connect("shop.duckdb").close()
    count = "select max(a) as a, 1 as b from"
    numbers = "with recursive c(a) as (select 1 union all select a + 1 from c where a < 1000000000)"
    many = "select sin(x.range * y.range) as a from range(200000) x, range(60000) y"
    ask("select 1 as a, 2 as b", "sqlite:///shop.db")(), ask("select 1 as a, 2 as b", "shop.duckdb")()  # import
    interrupt("SQLite", ask(f"{numbers} {count} c", "sqlite:///shop.db"))
    interrupt("DuckDB", ask(f"{count} ({many})", "shop.duckdb"))
    interrupt("DuckDB rows", ask(f"select (a * 1e6)::bigint as a, 1 as b from ({many}) where a > 0.999", "shop.duckdb"))
    import adbc_driver_postgresql.dbapi, os
    if server := os.environ["SERVER"]:
        interrupt("PostgreSQL", ask("select length(pg_sleep(9)::text) as a, 1 as b", server))
        slow = "case when g = 99000 then length(pg_sleep(9)::text) else g end"
        interrupt("PostgreSQL rows", ask(f"select {slow} as a, g as b from generate_series(1, 100000) g", server))
"""


@pytest.mark.parametrize("calls", [FITS, OTHERS], ids=["fits", "others"])
def test_ctrl_c_stops_within_a_second(calls: str, run_python: Callable[..., str]) -> None:
    if calls is OTHERS:
        pytest.importorskip("optuna")
    lines = [line.split(";") for line in run_python(SCRIPT + calls, TASTEMAP_THREADS="2").splitlines()]
    assert len(lines) >= 8
    assert [name for name, seconds in lines if float(seconds) > 1] == []


def test_ctrl_c_stops_the_queries_of_databases(
    run_python: Callable[..., str], request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = request.getfixturevalue("postgresql").uri if find_programs() else ""
    lines = [line.split(";") for line in run_python(SCRIPT + QUERIES, SERVER=server).splitlines()]
    assert len(lines) == (5 if server else 3)
    assert [name for name, seconds in lines if float(seconds) > 1] == []


def test_ctrl_c_ends_a_command_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    pairs = "".join(f"{user},{user * item % 997}\n" for user in range(2000) for item in range(3, 40))
    (tmp_path / "likes.csv").write_text("user,item\n" + pairs)
    options = ["--model", "WARP", "--trials", "99", "--parallel", "2"]
    command = [sys.executable, "-m", "tastemap", "tune", "likes.csv", *options]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("train:"):
                break
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(60) == 130
    assert "Traceback" not in said
    assert said.count("\n") <= 1
