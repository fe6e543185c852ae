"""Lists for all users of a Spark frame, made on executors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, types
from pyspark.sql import functions as fn

from tastemap import memory
from tastemap.data._checks import check_choice, check_whole
from tastemap.data._pairs import rows_at
from tastemap.data.frames import list_values
from tastemap.data.ids import IdMap
from tastemap.engines import is_spark
from tastemap.errors import DataError, Remedy, make_no_pairs_error
from tastemap.models.shared.answers import PLACE_BYTES
from tastemap.models.shared.base import Model
from tastemap.models.shared.inputs import is_frame
from tastemap.ranking.scorer import Histories
from tastemap.spark.failures import tell_failure
from tastemap.spark.frames import (
    ITEM,
    USER,
    WEIGHT,
    Use,
    check_no_nulls,
    check_pairs,
    merge_pairs,
    take_columns,
    take_ids,
)
from tastemap.spark.ranking import Asked, OnUnknown, list_batches
from tastemap.spark.session import quiet_pandas, session_of
from tastemap.spark.shipping import ship
from tastemap.typing import RowNumbers

# The known users whose vectors are put into rows at a time.
USERS_AT_ONCE = 1 << 16


def recommend_all(
    model: Model,
    users: DataFrame | None = None,
    *,
    histories: DataFrame | None = None,
    fold_in: Literal["new", "all"] = "new",
    k: int = 10,
    exclude_seen: bool = True,
    candidates: Any = None,
    exclude: Any = None,
    where: Any = None,
    since: Any = None,
    diversity: float = 0.0,
    at_most: Mapping[str, int] | None = None,
    item_table: Any = None,
    on_unknown: OnUnknown = "raise",
) -> DataFrame:
    """Return the k best items of every user of a Spark frame, lazily: a Spark frame of user, item, rank and score.

    `Model.recommend_all` calls this for Spark frames. The lists are made by executors when they are written or
    counted, with the scorer that makes them on one machine: they are the same, score for score to the bit.

    users : a frame with the column of users; each gets one list. None for the users of `histories`
    histories : a frame of pairs, with the training's names for users, items and, if it has them, weights. Users whom
        the model does not know are folded in from theirs, as `recommend_for` does, and exclude_seen leaves out what is
        in them in place of the training pairs. The weights of a pair in several rows are added up, ratings averaged;
        items that the model does not know are left out
    fold_in : whom to fold in from `histories`: "new" for users whom the model does not know, "all" for everybody
    k, candidates, exclude, where, since, diversity, at_most, item_table : as for `Model.recommend`
    exclude_seen : leave out the items of the training pairs, or of `histories`; a model without training pairs, such
        as one trained on Spark without history=True, needs one or the other
    on_unknown : for users whom the model does not know and who have no history: "raise" ends the job with
        UnknownIdError, "popular" gives them the most popular items, "skip" leaves them out

    The part of the model about items goes to every machine once, and its workers share it in memory; of users each
    partition gets those that are in it. Raises DataError for columns that are missing, of a wrong type or hold nulls,
    NotSupportedError where the training pairs are needed.
    """
    check_whole("k", k, lowest=1)
    check_choice("on_unknown", on_unknown, ("raise", "popular", "skip"))
    check_choice("fold_in", fold_in, ("new", "all"))
    state = model.state
    given = users if users is not None else histories
    if given is None or not all(frame is None or is_spark(frame) for frame in (users, histories)):
        raise DataError("recommend_all on Spark takes a Spark frame of users, or one of pairs as histories")
    if is_spark(exclude):
        raise DataError(
            "exclude takes ids, or a frame of pairs on this machine",
            Remedy("pass the Spark frame of what users have as histories=", "histories", ...),
        )
    if exclude_seen and histories is None and state.interactions is None:
        raise make_no_pairs_error(
            "leaving out seen items",
            Remedy("pass them as histories=", "histories", ...),
            Remedy("pass exclude_seen=False", "exclude_seen", False),
        )
    choice = model.make_choice(candidates, where, since, diversity, at_most, item_table)
    session = session_of(given)
    names = Use(state.users.name, state.items.name)
    asked_for = given.select(take_ids(given, names.user, USER, like=state.users)).distinct()
    is_weighted = histories is not None and state.columns.weight in histories.columns
    with tell_failure("recommend_all on Spark"):
        check_no_nulls(given, names.user)
        everybody = asked_for.join(_spread_known(session, model, exclude_seen, histories, fold_in), USER, "left")
        if histories is not None:
            use = names._replace(weight=state.columns.weight if is_weighted else None)
            everybody = everybody.join(_gather_histories(model, histories, use), USER, "left")
        query = _describe_queries(model)
        asked = Asked(
            side=ship(session.sparkContext, model.without_users()),
            query=query,
            is_weighted=is_weighted,
            k=k,
            exclude_seen=exclude_seen,
            among=None if choice.among is model.scorer.catalogue else choice.among.rows,
            exclude=exclude if exclude is None or is_frame(exclude) else list_values(exclude),
            diversity=diversity,
            limits=choice.limits,
            on_unknown=on_unknown,
            schema=_make_schema(state.users, state.items),
        )
        schema = types.StructType(
            [
                types.StructField(state.users.name, _type_of(state.users)),
                types.StructField(state.items.name, _type_of(state.items)),
                types.StructField("rank", types.LongType()),
                types.StructField("score", types.FloatType()),
            ]
        )
        with quiet_pandas():
            return everybody.mapInArrow(partial(list_batches, asked), schema)


def _describe_queries(model: Model) -> tuple[str, int] | None:
    """Return the type and length of a known user's vector, 0 for a number; None where scores come from histories."""
    nobody: Any = model.without_users().scorer.queries(np.empty(0, np.int64))
    if isinstance(nobody, Histories):
        return None
    return nobody.dtype.str, nobody.shape[1] if nobody.ndim > 1 else 0


def _spread_known(
    session: SparkSession, model: Model, exclude_seen: bool, histories: DataFrame | None, fold_in: str
) -> DataFrame:
    """Return a Spark frame with what the model knows of its users: `user`, `query`, and what they have."""
    state, query = model.state, _describe_queries(model)
    rows = np.flatnonzero(state.known_users)
    if histories is not None and (fold_in == "all" or query is None):
        rows = rows[:0]  # all that is needed of them comes with the histories
    with_seen = histories is None and (exclude_seen or query is None)
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
    return pa.schema([(USER, _arrow_type_of(users)), ("query", pa.binary()), *seen])


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


def _make_schema(users: IdMap, items: IdMap) -> pa.Schema:
    return pa.schema(
        [
            (users.name, _arrow_type_of(users)),
            (items.name, _arrow_type_of(items)),
            ("rank", pa.int64()),
            ("score", pa.float32()),
        ]
    )


def _arrow_type_of(ids: IdMap) -> pa.DataType:
    return pa.string() if ids.holds_strings else pa.int64()


def _type_of(ids: IdMap) -> types.DataType:
    if ids.ids.dtype == pl.UInt64:
        raise DataError(f"Spark has no unsigned integers of 64 bits, which the ids of {ids.name!r} are: cast them")
    return types.StringType() if ids.holds_strings else types.LongType()
