"""Splits Spark frames into a training and a test part, as `tastemap.split` splits interactions."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from pyspark.sql import Column, DataFrame, Window, types
from pyspark.sql import functions as fn

from tastemap.data._checks import check_whole
from tastemap.data.clock import Clock, Moment
from tastemap.errors import DataError, show
from tastemap.spark.failures import tell_failure
from tastemap.spark.frames import find_column, find_field, make_null_error, take_ids
from tastemap.spark.ids import place_in_order
from tastemap.spark.session import session_of, set_checkpoints
from tastemap.split import count_held, make_empty_error, warn_of_ties


def by_time(
    frame: DataFrame, *, at: Moment | None = None, test: float | None = None, time: str = "time"
) -> tuple[DataFrame, DataFrame]:
    """Split at one moment for all users; `tastemap.split.by_time` calls this for a Spark frame.

    at, test : as for `tastemap.split.by_time`
    time : the column of times: numbers, dates or timestamps

    Returns the rows before the moment and those from it on, lazily, with all their columns. They are the rows of one
    machine where no pair comes twice. Raises DataError for a column that is missing, of a wrong type or holds nulls,
    and where a part would be empty.
    """
    if (at is None) == (test is None):
        raise ValueError(f"pass either at or test, got at={show(at)} and test={show(test)}")
    ticks = _take_times(frame, time)
    session = session_of(frame)
    with tell_failure("split.by_time on Spark"):
        clock, n = _read_clock(frame, ticks, time)
        if test is not None:
            set_checkpoints(session.sparkContext)
            moment, settings = _find_moment(frame, ticks, count_held(n, test), n), f"test={test}"
        else:
            moment, settings = clock.read_moment(at, "at"), f"at={at}"
        return _cut(frame, ticks >= fn.lit(moment), settings)


def leave_last(
    frame: DataFrame,
    n: int = 1,
    *,
    after: Moment | None = None,
    user: str = "user",
    item: str = "item",
    time: str = "time",
    order: str | None = None,
) -> tuple[DataFrame, DataFrame]:
    """Hold out the last rows of every user; `tastemap.split.leave_last` calls this for a Spark frame.

    n, after : as for `tastemap.split.leave_last`
    user, item, time : the columns
    order : a column that tells which of a user's rows of equal times is last, the one with the highest value, such as
        a number of rows; None takes the one with the highest item id, because rows of Spark have no order

    Returns the training and the test part, lazily, with all their columns. They are the rows of one machine where no
    pair comes twice and `order` is the order of the rows. A warning counts the users for whom `order` or the item
    decides. Raises as `by_time` does.
    """
    check_whole("n", n, lowest=1)
    ticks, who = _take_times(frame, time), take_ids(frame, user, "user")
    last = take_ids(frame, item, "item") if order is None else find_column(frame, order)
    session_of(frame)
    with tell_failure("split.leave_last on Spark"):
        clock, _ = _read_clock(frame, ticks, time)
        theirs = Window.partitionBy(who)
        newest = theirs.orderBy(ticks.desc(), last.desc())
        held = (fn.row_number().over(newest) <= n) & (fn.count("*").over(theirs) > n)
        settings = f"n={n}"
        if after is not None:
            held, settings = held & (ticks >= fn.lit(clock.read_moment(after, "after"))), f"n={n} and after={after}"
        # Windows stand in a column of their own before they filter.
        name = next(f"held{number}" for number in range(len(frame.columns) + 1) if f"held{number}" not in frame.columns)
        marked = frame.withColumn(name, held)
        train, test = _cut(marked, fn.col(name), settings)
        ties = _count_ties(marked, who, ticks, fn.col(name))
    warn_of_ties(*ties, f"the item with the highest {item!r}" if order is None else f"column {order!r}", stacklevel=3)
    return train.drop(name), test.drop(name)


def _take_times(frame: DataFrame, name: str) -> Column:
    """Return the times as numbers: as they are, or microseconds since 1970 UTC."""
    kind, column = find_field(frame, name).dataType, find_column(frame, name)
    if isinstance(kind, types.IntegralType):
        return column.cast("bigint")
    if isinstance(kind, types.FloatType | types.DoubleType):
        return column.cast("double")
    if isinstance(kind, types.DateType):
        return fn.unix_date(column).cast("bigint") * 86_400_000_000
    if isinstance(kind, types.TimestampType):
        return fn.unix_micros(column)
    if isinstance(kind, types.TimestampNTZType):  # UTC, whatever the zone of the session
        return fn.timestamp_diff("MICROSECOND", fn.expr("timestamp_ntz'1970-01-01'"), column)
    raise DataError(
        f"column {name!r} holds {kind.simpleString()} values, and times are numbers, dates or timestamps",
        f"cast it first, e.g. frame.withColumn({name!r}, frame[{name!r}].cast('timestamp'))",
        column=name,
    )


def _read_clock(frame: DataFrame, ticks: Column, name: str) -> tuple[Clock, int]:
    """Return the unit of the times and the number of rows; raises DataError where there are no times or no rows."""
    is_wrong = ticks.isNull() | fn.isnan(ticks.cast("double"))
    found = frame.agg(
        fn.count("*"), fn.count(fn.when(is_wrong, 1)), fn.min(ticks).alias("low"), fn.max(ticks).alias("high")
    ).first()
    assert found is not None
    if found[1]:
        raise make_null_error(name, "no time", found[1], found[0])
    if not found[0]:
        raise DataError("the Spark frame has no rows: a split needs at least two")
    dated = not isinstance(find_field(frame, name).dataType, types.NumericType)
    low_and_high = np.array([found["low"], found["high"]])
    return Clock.of(low_and_high, pl.Datetime() if dated else None), found[0]


def _find_moment(frame: DataFrame, ticks: Column, held: int, n: int) -> Any:
    """Return the time from which on at least so many rows lie, ties kept whole, as `find_moment` of splits does."""
    placed, _ = place_in_order(frame.select(ticks.alias("time")), "time")
    found = placed.agg(fn.max(fn.when(fn.col("row") == n - held, fn.col("time"))), fn.min("time")).first()
    assert found is not None
    moment, first = found
    if moment > first:
        return moment
    # A tie that reaches back to the first row would leave nothing to train on.
    later = placed.where(fn.col("time") > fn.lit(moment)).agg(fn.min("time")).first()
    assert later is not None
    if later[0] is None:
        raise DataError(f"all {n:,} rows have the same time, so no moment parts them")
    return later[0]


def _count_ties(frame: DataFrame, who: Column, ticks: Column, in_test: Column) -> tuple[int, int]:
    """Return of how many users the first row held out has the time of the last that stays, and of how many users."""
    first, last = fn.min(fn.when(in_test, ticks)), fn.max(fn.when(~in_test, ticks))
    users = frame.groupBy(who.alias("user")).agg(first.alias("first"), last.alias("last")).dropna()
    found = users.agg(fn.count(fn.when(fn.col("first") == fn.col("last"), 1)), fn.count("*")).first()
    assert found is not None
    return found[0], found[1]


def _cut(frame: DataFrame, in_test: Column, settings: str) -> tuple[DataFrame, DataFrame]:
    found = frame.agg(fn.count("*"), fn.count(fn.when(in_test, 1))).first()
    assert found is not None
    n, held = found
    if held in (0, n):
        raise make_empty_error("test" if held == 0 else "training", settings, n)
    return frame.where(~in_test), frame.where(in_test)
