"""What goes wrong around Spark is told in one sentence, before any work where it can be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import tastemap as tm
from tastemap.engines import is_spark

pytestmark = pytest.mark.xdist_group("spark")
pytest.importorskip("pyspark", reason="needs pyspark: the extra spark is not installed")

from tastemap.spark import session as sessions  # noqa: E402 - it imports pyspark
from tastemap.spark.failures import read_failure  # noqa: E402


def test_importing_tastemap_imports_no_pyspark(run_python: Any) -> None:
    script = """
        import sys
        import tastemap as tm
        tm.Model, tm.evaluate, tm.split.by_time
        print("pyspark" in sys.modules)
    """
    assert run_python(script) == "False\n"
    assert not is_spark(tm)


def test_a_java_that_is_missing_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(
        tm.MissingPackageError,
        match=r"^Spark needs Java 17 or newer, and none is found: install one, on Debian with apt-get install "
        r"default-jre-headless, or set JAVA_HOME to the folder of one$",
    ):
        sessions.check_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(tm.MissingPackageError, match=r"and JAVA_HOME, .*, has none: install one"):
        sessions.check_java()
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    java.chmod(0o755)
    with pytest.raises(tm.MissingPackageError, match=r"needs Java 17 or newer, and .*/bin/java is 8: install one"):
        sessions.check_java()


def test_a_session_is_not_started_without_java(run_python: Any, tmp_path: Path) -> None:
    script = """
        import tastemap as tm
        from tastemap.errors import MissingPackageError
        try:
            tm.spark.open_session("local[1]")
        except MissingPackageError as error:
            print(error)
    """
    told = run_python(script, PATH=str(tmp_path), JAVA_HOME=None, PYTHONWARNINGS="ignore")
    assert told.startswith("Spark needs Java 17 or newer, and none is found: install one")


def ask_again(context: Any) -> None:
    sessions._asked.pop(context, None)
    sessions.check_executors(context)


def test_another_python_of_the_executors_is_told(
    spark: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, far: Any
) -> None:
    context = spark.sparkContext
    with monkeypatch.context() as patch:
        patch.setattr(context, "pythonVer", "3.9")
        with pytest.raises(tm.DataError, match=r"^the executors have Python 3\.\d+, and the driver 3\.9: set PYSPARK"):
            ask_again(context)
    with monkeypatch.context() as patch:
        patch.setattr(context, "pythonExec", "/nowhere/python")
        with pytest.raises(tm.DataError, match=r"^the executors cannot run /nowhere/python, which they should"):
            ask_again(context)
        # Before any work.
        with pytest.raises(tm.DataError, match="cannot run /nowhere/python"):
            tm.EASE().fit(far, user="who", item="what")
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexport PYTHONPATH="${{PYTHONPATH#*src:}}"\nexec {_find_other_python()} "$@"\n')
    bare.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(context, "pythonExec", str(bare))
        with pytest.raises(tm.DataError, match=r"^the (executors|Python of the executors)"):
            ask_again(context)
    ask_again(context)


def _find_other_python() -> str:
    """Return a Python that is not that of the tests, as /usr/bin/python3 is not where they run in an environment."""
    return next((path for path in ("/usr/bin/python3", "/bin/false") if os.path.exists(path)), "/nowhere/python")


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (
            "An exception was thrown from the Python worker:\nTraceback ...\n"
            "tastemap.errors.UnknownIdError: 1 of 3 users are not known.\n",
            tm.UnknownIdError,
            "1 of 3 users are not known.",
        ),
        (
            "Job aborted due to stage failure: Task 0\n\tat java.io\nCaused by: java.io.IOException: No space left on "
            "device\n\t... 9 more",
            OSError,
            "writing lists found no room on a disk (No space left on device): free some, or name another with "
            "spark.local.dir",
        ),
        (
            "An error occurred while calling o1.parquet.\n: org.apache.spark.SparkException: Job aborted\n"
            "Caused by: java.lang.IllegalStateException: the block is gone\n\tat a.b.c",
            tm.DataError,
            "writing lists failed: the block is gone",
        ),
        ("", tm.DataError, "writing lists failed: it does not say why"),
    ],
)
def test_hundreds_of_lines_of_java_become_one_sentence(text: str, kind: type[Exception], said: str) -> None:
    error = read_failure("writing lists", text)
    assert type(error) is kind
    assert str(error) == said


def test_a_full_disk_is_told_while_a_model_is_handed_out(spark: Any, full_disk: Any, tmp_path: Path) -> None:
    from tastemap.spark.shipping import ship

    with full_disk(1000), pytest.raises(OSError, match="large"):
        ship(spark.sparkContext, list(range(10_000)))
    # It is handed out when there is room again.
    assert ship(spark.sparkContext, list(range(10_000))).endswith(".pickle")


KILL = """
    import os, signal, sys, threading, time
    from pathlib import Path

    import numpy as np
    import polars as pl

    import tastemap as tm
    from tastemap.spark import open_session

    def list_below(pid):
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    pass  # it has ended
        below, found = [pid], []
        while below:
            one = below.pop()
            own = [child for child, parent in parents.items() if parent == one]
            below += own
            found += own
        return found

    def is_executor(pid):
        try:
            return b"CoarseGrainedExecutorBackend" in (Path("/proc") / str(pid) / "cmdline").read_bytes()
        except OSError:
            return False

    folder = Path(sys.argv[1])
    session = open_session(
        "local-cluster[2,1,1024]",
        spark__ui__enabled="false",
        spark__driver__host="127.0.0.1",
        spark__driver__memory="512m",
        spark__driver__extraJavaOptions="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        spark__executor__extraJavaOptions="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        spark__sql__codegen__wholeStage="false",
        spark__default__parallelism=2,
        spark__sql__shuffle__partitions=6,
        spark__sql__adaptive__enabled="false",
        spark__log__level="OFF",
    )
    random = np.random.default_rng(0)
    pairs = pl.DataFrame({"user": random.integers(0, 600, 9000), "item": random.integers(0, 300, 9000)}).unique()
    model = tm.ImplicitALS(factors=8, epochs=1).fit(tm.Interactions.from_frame(pairs), progress=False)
    lists = model.recommend_all(session.createDataFrame(pairs.to_arrow()).select("user"), k=7)

    def kill():
        # As soon as the first of the six parts is written.
        while not list(folder.rglob("part-*.parquet")):
            time.sleep(0.01)
        victim = next(pid for pid in list_below(os.getpid()) if is_executor(pid))
        os.kill(victim, signal.SIGKILL)
        print("killed", flush=True)

    killer = threading.Thread(target=kill)
    killer.start()
    lists.write.parquet(str(folder / "lists"))
    killer.join()
    session.stop()
    found = pl.read_parquet(folder / "lists" / "*.parquet").sort("user", "rank")
    print(found.equals(model.recommend(k=7, frame="polars").sort("user", "rank")))
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux lists processes in /proc")
def test_an_executor_may_be_killed_in_the_middle(spark: Any, run_python: Any, tmp_path: Path) -> None:
    assert run_python(KILL, tmp_path, PYTHONWARNINGS="ignore").splitlines()[-2:] == ["killed", "True"]
