"""Trains models on pairs in Spark frames; what comes of it is an ordinary model on the driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as fn

from tastemap.data._checks import check_choice, check_switch
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError, NotSupportedError
from tastemap.models.ease import EASE
from tastemap.models.explicit_als import ExplicitALS
from tastemap.models.implicit_als import ImplicitALS
from tastemap.models.item_knn import ItemKNN
from tastemap.models.shared.base import Model
from tastemap.models.shared.state import State, check_names
from tastemap.models.shared.totals import Totals
from tastemap.spark import als, gram
from tastemap.spark.als import Training
from tastemap.spark.collect import collect
from tastemap.spark.failures import tell_failure
from tastemap.spark.frames import ITEM, USER, WEIGHT, Use, check_pairs, merge_pairs, take_columns
from tastemap.spark.ids import number_ids
from tastemap.spark.session import session_of, set_checkpoints

Duplicates = Literal["sum", "mean", "max"]
Fitted = TypeVar("Fitted", bound=Model)

# So many pairs are brought to the driver to choose parameters on.
DRAWN = 10_000_000


def fit(
    model: Fitted,
    pairs: DataFrame,
    *,
    user: str = "user",
    item: str = "item",
    weight: str | None = None,
    duplicates: Duplicates | None = None,
    history: bool = False,
) -> Fitted:
    """Learn from the pairs of a Spark frame and return the model itself, as `Model.fit` does, which calls this.

    pairs : one row an interaction
    user, item : columns of ids, integers or strings
    weight : column of numbers, finite, for models of likes not negative; None gives every row the weight 1
    duplicates : what the weight of a pair is that comes in several rows: the "sum" of theirs, the "mean" or the "max".
        None is the sum for models of likes, and the mean for models of ratings
    history : collect the training pairs too, which `explain`, `update` and leaving out seen items need. Without them
        the model is as one saved with interactions=False

    `ImplicitALS` with loss="hu" and regularization_scale="count", and `ExplicitALS` with biases=False, are trained by
    MLlib's ALS on the same objective, rows solved exactly whatever `solver` says; `Model.epochs_` is empty, because
    MLlib tells no objective. Of `EASE` and `ItemKNN` executors sum the Gram matrix of the items, and the driver solves
    its equations or chooses the neighbours; a shrinkage and a similarity_exponent of None are chosen on the driver, on
    the pairs of users drawn by chance, about 10 million. Users and items come in the order of their ids, and results
    are pandas frames. The frame is read several times: cache one that takes long to make. What is learned must fit in
    the memory of the driver.

    Raises NotSupportedError for models and parameters that Spark does not train, before any job; DataError for columns
    that are missing, of a wrong type or hold nulls.
    """
    check_choice("duplicates", duplicates, (None, "sum", "mean", "max"))
    check_switch("history", history)
    model.check_parameters()
    purpose = f"{type(model).__name__}.fit"
    if not isinstance(model, tuple(_LEARNERS)):
        others = [kind.__name__ for kind in _LEARNERS]
        raise NotSupportedError(
            f"{type(model).__name__} does not train on Spark, but {', '.join(others[:-1])} and {others[-1]} do: fit it "
            "to Interactions on one machine"
        )
    if isinstance(model, ImplicitALS):
        als.check_implicit(model)
    elif isinstance(model, ExplicitALS):
        als.check_explicit(model)
    use = Use(user, item, weight)
    check_names(user, item)
    rows = take_columns(pairs, use)
    session = session_of(pairs)
    set_checkpoints(session.sparkContext)
    ratings = model.abilities.ratings
    with tell_failure(f"{purpose} on Spark"):
        check_pairs(rows, use, may_be_negative=ratings, purpose=purpose)
        merged = merge_pairs(rows, duplicates or ("mean" if ratings else "sum"))
        if not ratings:
            merged = merged.where(fn.col(WEIGHT) > 0)
        merged = merged.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            fitted: Fitted = _learn(model, merged, use, history)
            return fitted
        finally:
            merged.unpersist()


def _learn(model: Any, merged: DataFrame, use: Use, history: bool) -> Any:
    found = merged.agg(fn.avg(fn.col(WEIGHT).cast("double"))).first()
    if found is None or found[0] is None:
        raise DataError("nothing is liked: no pair has a weight above 0", "bring pairs that have one")
    ratings = model.abilities.ratings
    unit = 1.0 if ratings else float(found[0])
    in_units = merged if ratings else merged.withColumn(WEIGHT, (fn.col(WEIGHT) / fn.lit(unit)).cast("float"))
    users, items = number_ids(merged, USER, use.user), number_ids(merged, ITEM, use.item)
    training = Training(in_units, users, items)
    totals = Totals(
        users.counts,
        items.counts,
        find_squares=lambda: gram.sum_squares(training),
        draw=lambda: _collect_pairs(_draw_users(training), use, items.ids),
    )
    used = model.settle_from(totals)
    state = State(
        users=users.ids,
        items=items.ids,
        columns=use.columns,
        frame_kind="pandas",
        popularity=items.counts,
        activity=users.counts,
        interactions=_collect_pairs(merged, use, items.ids, users.ids) if history else None,
        unit=unit,
    )
    learn = next(learn for kind, learn in _LEARNERS.items() if isinstance(model, kind))
    return model.learn_elsewhere(state, used, lambda own: learn(own, training))


def _draw_users(training: Training) -> DataFrame:
    """Return the pairs of users drawn by chance, DRAWN of them or a few more or less; all where there are not more."""
    n_pairs = int(training.users.counts.sum())
    if n_pairs <= DRAWN:
        return training.pairs
    return training.pairs.where(fn.pmod(fn.xxhash64(USER), fn.lit(n_pairs)) < DRAWN)


def _collect_pairs(pairs: DataFrame, use: Use, items: IdMap, users: IdMap | None = None) -> Interactions:
    """Return pairs as interactions with all of these items; users of None are those of the pairs."""
    table = collect(pairs)
    names = {USER: use.user, ITEM: use.item, WEIGHT: use.columns.weight}
    return Interactions.from_frame(
        table.rename(names),
        user=use.user,
        item=use.item,
        weight=use.columns.weight,
        users=users,
        items=items,
        allow_negative=True,
    )


# What sets the fitted arrays of a model.
_LEARNERS: dict[type[Model], Callable[[Any, Training], None]] = {
    ImplicitALS: als.learn_implicit,
    ExplicitALS: als.learn_explicit,
    EASE: gram.learn_ease,
    ItemKNN: gram.learn_item_knn,
}
