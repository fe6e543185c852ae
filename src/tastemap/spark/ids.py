"""Numbers ids from 0 on executors, as MLlib needs them, and brings the numbered ids to the driver."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as fn

from tastemap.data.ids import IdMap
from tastemap.errors import DataError
from tastemap.spark.collect import collect
from tastemap.typing import Counts

# The numbers within a partition that `monotonically_increasing_id` gives.
_PLACE = (1 << 33) - 1

# MLlib's ids have 32 bits.
MOST_ROWS = (1 << 31) - 1


class Numbered(NamedTuple):
    """The ids of one side, with a row number each.

    rows : a Spark frame of `user` or `item`, and `row`
    ids : the map of the ids, in the order of their rows
    counts : int64, (n,): how many pairs each has
    """

    rows: DataFrame
    ids: IdMap
    counts: Counts


def number_ids(pairs: DataFrame, side: str, name: str) -> Numbered:
    """Number the ids of a column of pairs from 0 in ascending order.

    side : the column, `user` or `item`
    name : what the caller calls it

    The numbers are checkpointed: where an executor is lost, the same ids get the same numbers again.
    """
    placed, n = place_in_order(pairs.groupBy(side).agg(fn.count("*").alias("pairs")), side)
    if n > MOST_ROWS:
        raise DataError(f"MLlib takes at most {MOST_ROWS:,} ids, and column {name!r} has {n:,}")
    numbered = placed.withColumn("row", fn.col("row").cast("int"))
    table = collect(numbered).sort("row")
    ids = IdMap(table[side].rename(name), name)
    return Numbered(numbered.select(side, "row"), ids, table["pairs"].to_numpy().astype(np.int64))


def place_in_order(frame: DataFrame, column: str) -> tuple[DataFrame, int]:
    """Return the rows of a frame with their place in the order of a column, `row` from 0, and how many there are.

    The places are checkpointed: where an executor is lost, the same rows get the same places again.
    """
    part, place = fn.spark_partition_id().alias("part"), fn.monotonically_increasing_id().alias("place")
    placed = frame.orderBy(column).select("*", part, place).checkpoint()
    sizes = {row["part"]: row["count"] for row in placed.groupBy("part").count().collect()}
    starts = [0, *itertools.accumulate(sizes.get(number, 0) for number in range(max(sizes) + 1))]
    start = fn.element_at(fn.array(*map(fn.lit, starts)), fn.col("part") + 1)
    row = (start + fn.col("place").bitwiseAND(fn.lit(_PLACE))).alias("row")
    return placed.select(*frame.columns, row), starts[-1]
