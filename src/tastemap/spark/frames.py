"""Takes the columns of a Spark frame: what is wrong with them is told before a job of hours begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, SparkSession, types
from pyspark.sql import functions as fn

from tastemap.data._checks import LARGEST_FLOAT
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Columns, name_weights
from tastemap.errors import DataError, name_some, show, suggest
from tastemap.spark.failures import tell_failure

# The columns of pairs within tastemap.spark, whatever the caller calls them.
USER, ITEM, WEIGHT, TIME = "user", "item", "weight", "time"


class Use(NamedTuple):
    """The caller's names of the columns; weight is None where every pair counts 1."""

    user: str = "user"
    item: str = "item"
    weight: str | None = None

    @property
    def columns(self) -> Columns:
        """The names of the columns in results and files."""
        return Columns(self.user, self.item, self.weight or name_weights(self.user, self.item))


def read_frame(session: SparkSession, path: str) -> DataFrame:
    """Read a Parquet file or folder, or a csv file with a header, from any file system that Spark knows."""
    with tell_failure(f"reading {path}"):
        if path.lower().endswith((".csv", ".csv.gz")):
            return session.read.csv(path, header=True, inferSchema=True)
        return session.read.parquet(path)


def take_columns(frame: DataFrame, use: Use, *, users: IdMap | None = None, items: IdMap | None = None) -> DataFrame:
    """Return the pairs of a frame as `user`, `item` and a `weight` of 64 bits, lazily.

    users, items : maps whose type the ids must have; None takes integers and texts

    Raises DataError for a column that is missing or of a wrong type.
    """
    names = [name for name in use if name is not None]
    if len({*names}) < len(names):
        raise ValueError(f"each column has one use, got {', '.join(map(show, names))}")
    weight = fn.lit(1.0) if use.weight is None else take_number(frame, use.weight)
    ids = [take_ids(frame, use.user, USER, like=users), take_ids(frame, use.item, ITEM, like=items)]
    return frame.select(*ids, weight.alias(WEIGHT))


def take_ids(frame: DataFrame, name: str, alias: str, *, like: IdMap | None = None) -> Column:
    """Return a column of ids: integers of 64 bits, or texts; those that `like` holds, where it is given."""
    kind = find_field(frame, name).dataType
    if like is not None and like.holds_strings != isinstance(kind, types.StringType):
        raise DataError(
            f"column {name!r} holds {kind.simpleString()} values, and the model knows them as "
            f"{'strings' if like.holds_strings else 'integers'}, which are never cast",
            "cast the column first",
            column=name,
        )
    if isinstance(kind, types.IntegralType):
        return find_column(frame, name).cast(types.LongType()).alias(alias)
    if isinstance(kind, types.StringType):
        return find_column(frame, name).cast(types.StringType()).alias(alias)
    raise DataError(
        f"column {name!r} holds {kind.simpleString()} values, and ids are integers or strings",
        f"cast it first, e.g. frame.withColumn({name!r}, frame[{name!r}].cast('string'))",
        column=name,
    )


def take_number(frame: DataFrame, name: str) -> Column:
    """Return a column of numbers with 64 bits."""
    kind = find_field(frame, name).dataType
    if not isinstance(kind, types.NumericType):
        raise DataError(f"column {name!r} must be numeric, got {kind.simpleString()}", column=name)
    return find_column(frame, name).cast(types.DoubleType())


def find_field(frame: DataFrame, name: str) -> types.StructField:
    """Return the field of a column; raises DataError where there is none, or more than one."""
    fields = {field.name: field for field in frame.schema.fields}
    if not isinstance(name, str) or name not in fields:
        close = suggest(name, fields)
        raise DataError(f"the Spark frame has no column {show(name)}, only {name_some(fields, 12)}{close}", column=name)
    if sum(field.name == name for field in frame.schema.fields) > 1:
        raise DataError(f"the Spark frame has several columns called {name!r}: rename them", column=name)
    return fields[name]


def find_column(frame: DataFrame, name: str) -> Column:
    """Return a column, whose name may hold dots."""
    find_field(frame, name)
    return frame["`" + name.replace("`", "``") + "`"]


def check_pairs(pairs: DataFrame, use: Use, *, may_be_negative: bool, purpose: str) -> int:
    """Return the number of rows; raises DataError for what is missing or no weight, in one pass over the rows.

    pairs : as `take_columns` returns them
    """
    weight = fn.col(WEIGHT)
    wrong = {
        use.user: fn.col(USER).isNull(),
        use.item: fn.col(ITEM).isNull(),
        use.columns.weight: weight.isNull() | fn.isnan(weight) | (fn.abs(weight) > LARGEST_FLOAT),
    }
    counted = [fn.count(fn.when(is_wrong, 1)).alias(f"wrong{n}") for n, is_wrong in enumerate(wrong.values())]
    found = pairs.agg(fn.count("*").alias("rows"), fn.min(weight).alias("lowest"), *counted).first()
    assert found is not None
    n_rows: int = found["rows"]
    for n, name in enumerate(wrong):
        n_wrong = found[f"wrong{n}"]
        if n_wrong:
            lacks = "no finite number" if name == use.columns.weight else "no id"
            raise make_null_error(name, lacks, n_wrong, n_rows)
    if not n_rows:
        raise DataError(f"{purpose} found no rows in the Spark frame: it needs at least one")
    if not may_be_negative and found["lowest"] < 0:
        raise DataError(f"{purpose} has no meaning for negative weights, got {found['lowest']:g}: leave them out")
    return n_rows


def check_no_nulls(frame: DataFrame, name: str) -> None:
    """Raise DataError where a column of ids holds nulls."""
    column = find_column(frame, name)
    found = frame.agg(fn.count("*").alias("rows"), fn.count(fn.when(column.isNull(), 1)).alias("nulls")).first()
    assert found is not None
    if found["nulls"]:
        raise make_null_error(name, "no id", found["nulls"], found["rows"])


def make_null_error(name: str, lacks: str, n: int, n_rows: int) -> DataError:
    """Make the error of a column that lacks values in n rows."""
    return DataError(
        f"column {name!r} has {lacks} in {n:,} of {n_rows:,} rows",
        f"leave them out first, e.g. with frame.dropna(subset=[{name!r}])",
        column=name,
    )


def merge_pairs(pairs: DataFrame, how: str, keys: Sequence[str] = (USER, ITEM)) -> DataFrame:
    """Return each pair once, lazily, with the "sum", "mean", "max" or "min" of its weights as 32-bit floats."""
    merge = {"sum": fn.sum, "mean": fn.avg, "max": fn.max, "min": fn.min}[how]
    return pairs.groupBy(*keys).agg(merge(WEIGHT).cast(types.FloatType()).alias(WEIGHT))
