"""Brings together what is known of users on Spark: a model's vectors and training pairs, and histories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as fn

from tastemap import memory
from tastemap.data._pairs import rows_at
from tastemap.data.ids import IdMap
from tastemap.errors import NotSupportedError
from tastemap.models.shared.answers import PLACE_BYTES
from tastemap.models.shared.base import Model
from tastemap.ranking.scorer import Histories
from tastemap.spark.frames import ITEM, USER, WEIGHT, Use, check_pairs, merge_pairs, take_columns
from tastemap.spark.session import quiet_pandas
from tastemap.typing import RowNumbers

# The known users whose vectors are put into rows at a time.
USERS_AT_ONCE = 1 << 16


def describe_queries(model: Model) -> tuple[str, int] | None:
    """Return the type and length of a known user's vector, 0 for a number; None where scores come from histories."""
    nobody: Any = model.without_users().scorer.queries(np.empty(0, np.int64))
    if isinstance(nobody, Histories):
        return None
    return nobody.dtype.str, nobody.shape[1] if nobody.ndim > 1 else 0


def join_known(
    everybody: DataFrame, model: Model, *, hides_seen: bool, histories: DataFrame | None, fold_in: str
) -> DataFrame:
    """Return the users of a frame with what the model knows of them, and their histories.

    everybody : a frame with `user`, each once
    hides_seen : whether the training pairs are needed to leave them out
    histories : a frame of pairs, with the training's names
    fold_in : "new" for users whom the model does not know, "all" for everybody
    """
    if histories is not None and model.abilities.uses_order:
        raise NotSupportedError(
            f"{type(model).__name__} uses the order of histories, and those of Spark have none: rank known users, or "
            "fold in on one machine with recommend_for"
        )
    known = _spread_known(model, everybody.sparkSession, hides_seen, histories, fold_in)
    joined = everybody.join(known, USER, "left")
    if histories is None:
        return joined
    use = Use(model.state.users.name, model.state.items.name, find_weights(model, histories))
    return joined.join(_gather_histories(model, histories, use), USER, "left")


def find_weights(model: Model, frame: DataFrame) -> str | None:
    """Return the training's name of the weights, None where a frame of pairs has none."""
    name = model.state.columns.weight
    return name if name in frame.columns else None


def _spread_known(
    model: Model, session: SparkSession, hides_seen: bool, histories: DataFrame | None, fold_in: str
) -> DataFrame:
    """Return a Spark frame with what the model knows of its users: `user`, `query`, and what they have."""
    state, query = model.state, describe_queries(model)
    rows = np.flatnonzero(state.known_users)
    if histories is not None and (fold_in == "all" or query is None):
        rows = rows[:0]  # all that is needed of them comes with the histories
    with_seen = histories is None and (hides_seen or query is None)
    width = 0 if query is None else np.dtype(query[0]).itemsize * max(query[1], 1)
    if with_seen:
        state.given("ranking known users")
    n_seen = int(state.activity[rows].sum()) if with_seen else 0
    needed = 2 * (len(rows) * (width + PLACE_BYTES) + 8 * n_seen)
    memory.ask(f"handing {len(rows):,} users to Spark", needed, "give the driver more memory")
    batches = list(_make_batches(model, rows, query is not None, with_seen))
    table = pa.Table.from_batches(batches, schema=_make_known_schema(state.users, with_seen))
    with quiet_pandas():
        return session.createDataFrame(table)


def _make_batches(model: Model, rows: RowNumbers, has_vectors: bool, with_seen: bool) -> Iterator[pa.RecordBatch]:
    state = model.state
    for start in range(0, len(rows), USERS_AT_ONCE):
        some = rows[start : start + USERS_AT_ONCE]
        vectors = [b""] * len(some)
        if has_vectors:
            queries = np.ascontiguousarray(model.scorer.queries(some))
            width = queries.itemsize * (queries.shape[1] if queries.ndim > 1 else 1)
            held = queries.tobytes()
            vectors = [held[at * width : (at + 1) * width] for at in range(len(some))]
        columns: list[Any] = [state.users.take(some).to_arrow(), pa.array(vectors, pa.binary())]
        if with_seen:
            seen = rows_at(model.take_seen("ranking known users"), some)
            starts: Any = pa.array(seen.indptr.astype(np.int32))
            own: Any
            for own in (seen.indices, seen.data):
                columns.append(pa.ListArray.from_arrays(starts, pa.array(own)))
        schema = _make_known_schema(state.users, with_seen)
        arrays = [column.cast(field.type) for column, field in zip(columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _make_known_schema(users: IdMap, with_seen: bool) -> pa.Schema:
    seen: list[Any] = [("seen", pa.list_(pa.int32())), ("seen_weights", pa.list_(pa.float32()))] if with_seen else []
    return pa.schema([(USER, arrow_type_of(users)), ("query", pa.binary()), *seen])


def _gather_histories(model: Model, histories: DataFrame, use: Use) -> DataFrame:
    """Return a Spark frame with the history of each user: `user`, `items` and `weights`."""
    state, ratings = model.state, model.abilities.ratings
    pairs = take_columns(histories, use, users=state.users, items=state.items)
    bounded = state.columns.least is not None
    check_pairs(pairs, use, may_be_negative=ratings or bounded, purpose="recommend_all")
    # By user first: the sums of pairs then need no second shuffle.
    merged = merge_pairs(pairs.repartition(USER), "mean" if ratings else "sum")
    lists = [fn.collect_list(name).alias(many) for name, many in ((ITEM, "items"), (WEIGHT, "weights"))]
    return merged.groupBy(USER).agg(*lists)


def arrow_type_of(ids: IdMap) -> pa.DataType:
    """Return the Arrow type of ids."""
    return pa.string() if ids.holds_strings else pa.int64()
