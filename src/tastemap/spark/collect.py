"""Brings the rows of Spark frames to the driver, by way of Arrow."""

from __future__ import annotations

import numpy as np
import polars as pl
from pyspark.sql import DataFrame
from pyspark.sql import functions as fn

from tastemap.spark.session import quiet_pandas
from tastemap.typing import Floats

# The bytes of factors that come at a time: below spark.driver.maxResultSize, which is 1 GB by default.
AT_ONCE = 1 << 28


def collect(frame: DataFrame) -> pl.DataFrame:
    """Return all rows of a frame."""
    with quiet_pandas():
        table = pl.from_arrow(frame.toArrow())
    assert isinstance(table, pl.DataFrame)
    return table


def collect_vectors(frame: DataFrame, n_rows: int, width: int) -> Floats:
    """Return the vectors of rows, float32 (n_rows, width), zeros for rows without one.

    frame : `id`, the number of a row, and `features`, as MLlib has factors
    """
    vectors = np.zeros((n_rows, width), np.float32)
    at_once = max(AT_ONCE // (4 * width), 1)
    for start in range(0, n_rows, at_once):
        some = frame if n_rows <= at_once else frame.where(fn.col("id").between(start, start + at_once - 1))
        table = collect(some.select("id", "features"))
        if len(table):
            vectors[table["id"].to_numpy()] = table["features"].explode().to_numpy().reshape(-1, width)
    return vectors
