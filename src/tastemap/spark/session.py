"""Starts Spark, and finds out before the first job whether it can do what tastemap asks of it."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from tastemap.errors import DataError, MissingPackageError, TastemapError
from tastemap.extras import import_extra
from tastemap.spark.failures import tell_failure

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import DataFrame, SparkSession

OLDEST_JAVA = 17
_GET_JAVA = (
    "install one, on Debian with apt-get install default-jre-headless",
    "set JAVA_HOME to the folder of one",
)

# The contexts whose executors were asked what they have.
_asked: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def open_session(master: str | None = None, **settings: Any) -> SparkSession:
    """Return the running Spark session, or start one with what tastemap needs.

    master : where Spark runs, such as "local[4]" or "spark://host:7077"; None leaves it to `spark-submit` and Spark's
        own settings, and is "local[*]" where these say nothing
    settings : other settings of Spark with __ for the dots of their names, as `spark__driver__memory="4g"`

    Executors on this machine get the Python of this process, where PYSPARK_PYTHON names no other. Raises
    MissingPackageError without the extra `spark`, and where Java 17 or newer is missing.
    """
    import_extra("pyspark.sql", "pyspark", extra="spark", purpose="tastemap.spark")
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is None:
        check_java()
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder: Any = SparkSession.builder.appName("tastemap")
    if master is not None:
        builder = builder.master(master)
    for name, value in settings.items():
        builder = builder.config(name.replace("__", "."), value)
    with quiet_pandas(), tell_failure("starting Spark"):
        session: SparkSession = builder.getOrCreate()
    return session


@contextmanager
def use_session() -> Iterator[SparkSession]:
    """Give the running session, or start one that ends with the block; see `open_session`."""
    import_extra("pyspark.sql", "pyspark", extra="spark", purpose="tastemap.spark")
    from pyspark.sql import SparkSession

    is_ours = SparkSession.getActiveSession() is None
    session = open_session()
    try:
        yield session
    finally:
        if is_ours:
            session.stop()


def check_java() -> None:
    """Raise MissingPackageError where Spark would find no Java, or one that is too old for it."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    try:
        told = subprocess.run([java or "java", "-version"], capture_output=True, text=True, timeout=60)
        known = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    except (OSError, subprocess.SubprocessError):
        known = None
    if known is None:
        where = f"JAVA_HOME, {home}, has none" if home else "none is found"
        raise MissingPackageError(f"Spark needs Java {OLDEST_JAVA} or newer, and {where}", *_GET_JAVA)
    if int(known[1]) < OLDEST_JAVA:
        raise MissingPackageError(f"Spark needs Java {OLDEST_JAVA} or newer, and {java} is {known[1]}", *_GET_JAVA)


def session_of(frame: DataFrame) -> SparkSession:
    """Return the session of a frame, whose executors have what tastemap needs.

    Raises NotSupportedError for a frame of Spark Connect, DataError where the executors lack something.
    """
    if ".connect." in type(frame).__module__:
        raise DataError(
            "tastemap has to run beside the driver of Spark, and this frame belongs to Spark Connect, which is remote",
            "start the program with spark-submit",
        )
    session: SparkSession = frame.sparkSession
    check_executors(session.sparkContext)
    return session


def check_executors(context: SparkContext) -> None:
    """Raise DataError where the Python of an executor is another one, or lacks tastemap; each context is asked once."""
    if context in _asked:
        return
    try:
        with quiet_pandas():
            found = context.parallelize([0], 1).map(_probe).collect()[0]
    except Exception as error:
        raise _tell_other_python(str(error)) from None
    own = _probe()
    lacking = [name for name in own if found[name] is None]
    if lacking:
        raise DataError(
            f"the executors run {found['executable']}, which lacks {' and '.join(lacking)}",
            'install "tastemap[spark]" there',
            "set PYSPARK_PYTHON to a Python that has it before Spark starts",
        )
    if found["tastemap"] != own["tastemap"]:
        raise DataError(
            f"the executors have tastemap {found['tastemap']}, and the driver {own['tastemap']}: install the same one"
        )
    _asked[context] = True


def _probe(_: object = None) -> dict[str, str | None]:
    """Return what the Python of a worker has."""
    from importlib import import_module
    from importlib.util import find_spec

    found: dict[str, str | None] = {"executable": sys.executable}
    for name in ("pyarrow", "polars", "numba"):
        found[name] = "there" if find_spec(name) else None
    try:
        found["tastemap"] = str(getattr(import_module("tastemap"), "__version__", None))
    except ImportError:
        found["tastemap"] = None
    return found


def _tell_other_python(text: str) -> TastemapError:
    """Make one sentence of the error of a worker that cannot even be asked."""
    ways = ("set PYSPARK_PYTHON to the Python of the driver, or its like, before Spark starts",)
    other = re.search(r"different version[^\d]*([\d.]+\d)[^\d]*driver[^\d]*([\d.]+\d)", text)
    if other:
        return DataError(f"the executors have Python {other[1]}, and the driver {other[2]}", *ways)
    missing = re.search(r"Cannot run program \"([^\"]+)\"", text)
    if missing:
        return DataError(f"the executors cannot run {missing[1]}, which they should as their Python", *ways)
    module = re.search(r"No module named '([\w.]+)'", text)
    if module:
        return DataError(
            f"the Python of the executors lacks {module[1].partition('.')[0]}",
            'install "tastemap[spark]" there',
            *ways,
        )
    last = [line for line in text.splitlines() if line.strip()]
    return DataError(f"the executors cannot run Python: {last[0] if last else 'Spark does not say why'}", *ways)


def set_checkpoints(context: SparkContext) -> None:
    """Give Spark a checkpoint folder where it has none: MLlib cuts long plans there, which else overflow its stack.

    Raises DataError where the executors are other machines, which would not see a folder of this one.
    """
    if context.getCheckpointDir() is not None:
        return
    if not re.match(r"local($|\[|-cluster)", context.master or ""):
        raise DataError(
            f"training on {context.master} needs a checkpoint folder that all executors reach",
            "name one with spark.sparkContext.setCheckpointDir('hdfs://...')",
        )
    folder = tempfile.mkdtemp(prefix="tastemap-spark-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    context.setCheckpointDir(folder)


@contextmanager
def quiet_pandas() -> Iterator[None]:
    """Keep pyspark from warning of a pandas that is newer than it knows: tastemap passes Arrow's batches only."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
        yield
