"""Lists for all users of a Spark frame, made on executors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame, types

from tastemap.data._checks import check_choice, check_whole
from tastemap.data.frames import list_values
from tastemap.data.ids import IdMap
from tastemap.engines import is_spark
from tastemap.errors import DataError, Remedy, make_no_pairs_error
from tastemap.models.shared.base import Model
from tastemap.models.shared.inputs import is_frame
from tastemap.spark.failures import tell_failure
from tastemap.spark.frames import (
    USER,
    check_no_nulls,
    take_ids,
)
from tastemap.spark.people import arrow_type_of, describe_queries, find_weights, join_known
from tastemap.spark.ranking import Asked, OnUnknown, list_batches
from tastemap.spark.session import quiet_pandas, session_of
from tastemap.spark.shipping import ship


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
            "pass the Spark frame of what users have as histories=",
        )
    if exclude_seen and histories is None and state.interactions is None:
        raise make_no_pairs_error(
            "leaving out seen items",
            Remedy("pass them as histories=", "histories", ...),
            Remedy("pass exclude_seen=False", "exclude_seen", False),
        )
    choice = model.make_choice(candidates, where, since, diversity, at_most, item_table)
    session = session_of(given)
    asked_for = given.select(take_ids(given, state.users.name, USER, like=state.users)).distinct()
    with tell_failure("recommend_all on Spark"):
        check_no_nulls(given, state.users.name)
        everybody = join_known(asked_for, model, hides_seen=exclude_seen, histories=histories, fold_in=fold_in)
        asked = Asked(
            side=ship(session.sparkContext, model.without_users()),
            query=describe_queries(model),
            is_weighted=histories is not None and find_weights(model, histories) is not None,
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


def _make_schema(users: IdMap, items: IdMap) -> pa.Schema:
    return pa.schema(
        [
            (users.name, arrow_type_of(users)),
            (items.name, arrow_type_of(items)),
            ("rank", pa.int64()),
            ("score", pa.float32()),
        ]
    )


def _type_of(ids: IdMap) -> types.DataType:
    if ids.ids.dtype == pl.UInt64:
        raise DataError(f"Spark has no unsigned integers of 64 bits, which the ids of {ids.name!r} are: cast them")
    return types.StringType() if ids.holds_strings else types.LongType()
