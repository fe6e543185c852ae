from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
from tastemap.errors import MissingPackageError

# Spark that starts and compiles fast, for frames of a few hundred rows.
SETTINGS = {
    "spark__ui__enabled": "false",
    "spark__ui__showConsoleProgress": "false",
    "spark__driver__host": "127.0.0.1",
    "spark__driver__memory": "1g",
    "spark__default__parallelism": 2,
    "spark__sql__shuffle__partitions": 2,
    "spark__sql__adaptive__enabled": "false",
    "spark__sql__codegen__wholeStage": "false",
    "spark__log__level": "OFF",
    "spark__driver__extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """One session of Spark for all tests of a process."""
    pytest.importorskip("pyspark", reason="needs pyspark: the extra spark is not installed")
    from tastemap.spark.session import check_java, open_session

    try:
        check_java()
    except MissingPackageError as error:
        pytest.skip(f"needs Java: {error}")
    before = os.environ.get("PYSPARK_PYTHON")
    session = open_session("local[2]", **SETTINGS)
    yield session
    session.stop()
    if before is None:
        os.environ.pop("PYSPARK_PYTHON", None)


@pytest.fixture(scope="session")
def pairs() -> pl.DataFrame:
    """Eight hundred rows of fifty people and forty things; some pairs come several times, some with 0."""
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "who": [f"u{number}" for number in random.integers(0, 50, 800)],
            "what": random.integers(100, 140, 800),
            "times": random.integers(0, 4, 800),
        }
    )


@pytest.fixture(scope="session")
def local(pairs: pl.DataFrame) -> tm.Interactions:
    """The same pairs on this machine."""
    return tm.Interactions.from_frame(
        pairs, user="who", item="what", weight="times", duplicates="sum", zeros="negatives"
    )


@pytest.fixture(scope="session")
def to_spark(spark: Any) -> Callable[[pl.DataFrame], Any]:
    """Make a Spark frame of a polars frame."""
    return lambda frame: spark.createDataFrame(frame.to_arrow())


@pytest.fixture(scope="session")
def far(to_spark: Callable[[pl.DataFrame], Any], pairs: pl.DataFrame) -> Any:
    """The pairs as a Spark frame."""
    return to_spark(pairs).cache()


@pytest.fixture(scope="session")
def trained(far: Any) -> tm.ImplicitALS:
    """ImplicitALS trained on Spark, with its training pairs."""
    return tm.ImplicitALS(factors=8, epochs=3, loss="hu", regularization_scale="count").fit(
        far, user="who", item="what", weight="times", history=True
    )
