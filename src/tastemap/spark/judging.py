"""Measures models on Spark frames of held-out pairs: executors rank and measure, the driver puts it together."""

from __future__ import annotations

import pickle
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from typing import Any, Literal

import numpy as np
import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as fn

from tastemap import parallel
from tastemap.data._checks import check_choice
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.data.features import Features
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions
from tastemap.engines import is_spark
from tastemap.errors import DataError, Remedy, show
from tastemap.evaluation.evaluate import (
    Evaluation,
    Measured,
    check_items,
    check_suits,
    make_background,
    make_evaluation,
    make_nobody_error,
    make_warnings,
    measure_users,
)
from tastemap.evaluation.people import People
from tastemap.metrics.definitions import Diversity, Metric, parse_all
from tastemap.metrics.measure import Background
from tastemap.models.shared.base import Model
from tastemap.ranking.top_k import Hidden
from tastemap.spark.collect import collect
from tastemap.spark.failures import tell_failure
from tastemap.spark.frames import ITEM, USER, WEIGHT, Use, check_pairs, merge_pairs, take_columns
from tastemap.spark.people import describe_queries, find_weights, join_known
from tastemap.spark.ranking import count_threads, read_people
from tastemap.spark.session import quiet_pandas, session_of
from tastemap.spark.shipping import open_shipped, ship
from tastemap.typing import RowNumbers


def evaluate(
    model: Model,
    test: DataFrame,
    *,
    metrics: Sequence[Metric | str] | Metric | str = ("ndcg@10",),
    exclude: Literal["train"] | DataFrame | None = "train",
    on_unknown: Literal["skip", "popular"] = "skip",
    history: DataFrame | None = None,
    candidates: Any = None,
    item_features: Features | None = None,
) -> Evaluation:
    """Measure lists, or predicted ratings, for the users of a Spark frame; `tastemap.evaluate` calls this for one.

    test : the held-out pairs, with the training's names for users, items and, if it has them, weights. Weights of a
        pair in several rows are added up, ratings averaged
    metrics, on_unknown, candidates, item_features : as for `tastemap.evaluate`; "diversity@k" takes item_features
    exclude : the items left out of the lists: those of the training pairs, which the model must have, or of `history`
        ("train"); none (None); or a Spark frame of pairs, such as the training part
    history : a Spark frame of pairs from which every user is folded in, even users whom the model knows

    The figures of each user are those of one machine to the bit; users come in the order of their ids. Raises as
    `tastemap.evaluate` does, and as `recommend_all` for what is wrong with the frames.
    """
    asked = parse_all(metrics)
    check_choice("on_unknown", on_unknown, ("skip", "popular"))
    _check_frames(exclude, history)
    check_suits(model, asked)
    if item_features is None and any(isinstance(metric, Diversity) for metric in asked):
        raise DataError(
            "diversity on Spark compares items by features", Remedy("pass item_features", "item_features", ...)
        )
    state, start = model.state, time.perf_counter()
    hides_seen = isinstance(exclude, str) and history is None
    if hides_seen:
        state.given("leaving out seen items")
    session = session_of(test)
    catalogue = model.candidates(candidates)
    use = Use(state.users.name, state.items.name, find_weights(model, test))
    pairs = take_columns(test, use, users=state.users, items=state.items)
    how: Literal["mean", "sum"] = "mean" if model.abilities.ratings else "sum"
    with tell_failure("evaluate on Spark"):
        check_pairs(pairs, use, may_be_negative=True, purpose="evaluate")
        check_items(model, collect(pairs.select(ITEM).distinct())[ITEM].rename(state.items.name))
        lists = [fn.collect_list(name).alias(f"test_{name}") for name in (ITEM, WEIGHT)]
        tested = merge_pairs(pairs.repartition(USER), how).groupBy(USER).agg(*lists)
        joined = join_known(tested, model, hides_seen=hides_seen, histories=history, fold_in="all")
        if exclude is not None and not isinstance(exclude, str):
            hidden = take_columns(exclude, use._replace(weight=None), users=state.users, items=state.items)
            joined = joined.join(hidden.groupBy(USER).agg(fn.collect_set(ITEM).alias("hidden")), USER, "left")
        work = _Work(
            side=ship(session.sparkContext, model.without_users()),
            query=describe_queries(model),
            is_weighted=history is not None and find_weights(model, history) is not None,
            asked=tuple(asked),
            hides=exclude is not None,
            among=None if catalogue is model.scorer.catalogue else catalogue.rows,
            background=_make_portable(make_background(model, catalogue, item_features)),
            item_features=item_features,
            on_unknown=on_unknown,
        )
        with quiet_pandas():
            parts = joined.mapInArrow(partial(_measure_batches, work), "part binary").collect()
        n_known = int(state.known_users.sum()) if history is None else _count_histories(model, history, work)
    found = [pickle.loads(part["part"]) for part in parts]  # as Spark pickles all that tasks return
    if not any(part.n_lists for part in found):
        raise make_nobody_error("a training pair" if history is None else "a history", has_history=history is not None)
    measured = _sort(reduce(add, found))
    for warning in make_warnings(measured, asked, exclude, named=candidates is not None):
        warnings.warn(warning, stacklevel=3)
    known = state.find_users(measured.users) >= 0
    evaluation = make_evaluation(measured, asked, catalogue.rows, known, n_known, state.frame_kind)
    return replace(evaluation, score_seconds=time.perf_counter() - start)


@dataclass(frozen=True)
class _Work:
    """What the executors need to measure; the fields that `Asked` has too are the same."""

    side: str
    query: tuple[str, int] | None
    is_weighted: bool
    asked: tuple[Metric, ...]
    hides: bool
    among: RowNumbers | None
    background: Background
    item_features: Features | None
    on_unknown: Literal["skip", "popular"]


def _check_frames(exclude: object, history: object) -> None:
    if not (exclude is None or exclude == "train" if isinstance(exclude, str | None) else is_spark(exclude)):
        raise DataError(f"exclude must be 'train', None or a Spark frame of pairs on Spark, got {show(exclude)}")
    if history is not None and not is_spark(history):
        raise DataError(f"history must be a Spark frame of pairs on Spark, got {show(history)}")


def _make_portable(background: Background) -> Background:
    """Return the background without functions, which tasks cannot be sent."""
    return replace(background, traits=_no_traits, ids=_no_ids)


def _no_traits() -> tuple[Rows, int]:
    raise AssertionError("the executors have the features")


def _no_ids() -> pl.Series:
    raise AssertionError("the executors have the ids")


def _measure_batches(work: _Work, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Measure for batches of users, as `DataFrame.mapInArrow` gives them."""
    model: Model = open_shipped(work.side)
    features = work.item_features
    background = work.background
    if features is not None:
        background = replace(background, traits=lambda: (features.align(model.items), features.n_features))
    with parallel.threads(count_threads()), warnings.catch_warnings(action="ignore"):
        for batch in batches:
            if batch.num_rows:
                part = pickle.dumps(_measure(model, work, background, batch))
                yield pa.RecordBatch.from_arrays([pa.array([part], pa.binary())], names=["part"])


def _measure(model: Model, work: _Work, background: Background, batch: pa.RecordBatch) -> Measured:
    table = pl.DataFrame(pl.from_arrow(batch))
    found = read_people(model, work.query, work.is_weighted, batch)
    ids = IdMap(found.ids, found.ids.name)
    people = People(ids, found.has_query, lambda: found.pairs, lambda rows: found.queries[rows], "")
    test = _read_test(model, table, ids)
    hidden = _read_hidden(model, table) if "hidden" in table.columns else found.pairs

    def hide(users: pl.Series, rows: RowNumbers) -> Hidden | None:
        return Hidden(hidden, ids.find(users)) if work.hides else None

    catalogue = model.scorer.catalogue if work.among is None else model.scorer.among(work.among)
    return measure_users(
        model, test, people, work.asked, hide, catalogue, background, on_unknown=work.on_unknown, progress=False
    )


def _read_test(model: Model, table: pl.DataFrame, users: IdMap) -> Interactions:
    """Return the test pairs of a batch, over its users."""
    names = model.state.columns
    rows = table.select(pl.col(USER), pl.col("test_item"), pl.col("test_weight")).explode("test_item", "test_weight")
    own = rows.rename({USER: names.user, "test_item": names.item, "test_weight": names.weight})
    return Interactions.from_frame(
        own, user=names.user, item=names.item, weight=names.weight, users=users, allow_negative=True
    )


def _read_hidden(model: Model, table: pl.DataFrame) -> Rows:
    """Return what a frame of pairs keeps out of the lists, over the model's items."""
    lists = table["hidden"]
    who = np.repeat(np.arange(len(table)), lists.list.len().fill_null(0).to_numpy())
    items = model.items.find(lists.filter(lists.list.len() > 0).explode())
    who, items = who[items >= 0], items[items >= 0]
    order = np.lexsort((items, who))
    starts = np.concatenate(([0], np.cumsum(np.bincount(who, minlength=len(table)))))
    return freeze_rows(Rows(starts, items[order].astype(np.int32), np.ones(len(items), np.float32)))


def _count_histories(model: Model, history: DataFrame, work: _Work) -> int:
    """Return how many users have a history of items that the model knows."""
    state = model.state
    everybody = take_columns(history, Use(state.users.name, state.items.name)).select(USER).distinct()
    joined = join_known(everybody, model, hides_seen=False, histories=history, fold_in="all")
    with quiet_pandas():
        counts = joined.mapInArrow(partial(_count_batches, work), "n long").agg(fn.sum("n")).first()
    return int(counts[0] or 0) if counts is not None else 0


def _count_batches(work: _Work, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    model: Model = open_shipped(work.side)
    for batch in batches:
        n = int(read_people(model, work.query, work.is_weighted, batch).has_query.sum())
        yield pa.RecordBatch.from_arrays([pa.array([n], pa.int64())], names=["n"])


def _sort(measured: Measured) -> Measured:
    """Return what was measured in the order of the users' ids."""
    order = measured.users.arg_sort()
    places = order.to_numpy()
    return replace(
        measured,
        users=measured.users.gather(order),
        values=measured.values[places],
        n_rated=measured.n_rated[places],
    )
