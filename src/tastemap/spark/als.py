"""Trains ImplicitALS and ExplicitALS with MLlib's ALS, whose parameters say the same in other units."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from pyspark import StorageLevel
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as fn

from tastemap import memory
from tastemap.errors import NotSupportedError, Remedy
from tastemap.models.explicit_als import ExplicitALS
from tastemap.models.implicit_als import ImplicitALS
from tastemap.spark.collect import collect_vectors
from tastemap.spark.frames import ITEM, USER, WEIGHT
from tastemap.spark.ids import Numbered

# MLlib solves systems of factors x factors with 64 bits, in as many blocks of users and items as there are cores, but
# at least this many: its default.
LEAST_BLOCKS = 10

# How often MLlib cuts the plan, in half-steps: its default, which no stack has overflown at.
CHECKPOINT_INTERVAL = 10


class Training(NamedTuple):
    """What is trained on.

    pairs : a Spark frame with `user`, `item` and `weight`, each pair once, in the units of the model
    users, items : the numbered ids
    """

    pairs: DataFrame
    users: Numbered
    items: Numbered


def check_implicit(model: ImplicitALS) -> None:
    """Raise NotSupportedError for an objective that MLlib does not have."""
    wanted: dict[str, object] = {"loss": "hu", "regularization_scale": "count"}
    _check(model, wanted)
    if model.unobserved_weight == 0:
        raise NotSupportedError(
            "MLlib gives every pair that is not observed a weight, so ImplicitALS cannot train on Spark with "
            "unobserved_weight=0: pass a weight above 0"
        )


def check_explicit(model: ExplicitALS) -> None:
    """Raise NotSupportedError for an objective that MLlib does not have."""
    _check(model, {"biases": False, "regularization_scale": "count"})


def _check(model: ImplicitALS | ExplicitALS, wanted: dict[str, object]) -> None:
    other = {name: value for name, value in wanted.items() if getattr(model, name) != value}
    if other:
        name = type(model).__name__
        got = ", ".join(f"{key}={getattr(model, key)!r}" for key in other)
        raise NotSupportedError(
            f"on Spark {name} trains with {' and '.join(f'{key}={value!r}' for key, value in wanted.items())}, the "
            f"objective that MLlib has, and this one has {got}",
            Remedy(f"pass {', '.join(f'{key}={value!r}' for key, value in other.items())}"),
            "fit it on one machine",
        )


def learn_implicit(model: ImplicitALS, training: Training) -> None:
    """Set the fitted arrays of ImplicitALS.

    MLlib minimises  sum over pairs of (1 + alpha r) (1 - s)^2  +  sum over the others of s^2
                     + regParam (sum_u n_u |x_u|^2 + sum_i n_i |y_i|^2),
    which is the loss "hu" divided by unobserved_weight.
    """
    used = model.used_
    a = float(used.unobserved_weight)
    _learn(model, training, implicitPrefs=True, alpha=float(used.alpha) / a, regParam=float(used.regularization) / a)


def learn_explicit(model: ExplicitALS, training: Training) -> None:
    """Set the fitted arrays of ExplicitALS; MLlib minimises its objective without biases as it stands."""
    weight = fn.col(WEIGHT).cast("double")
    found = training.pairs.agg(fn.min(weight), fn.max(weight), fn.stddev_pop(weight)).first()
    assert found is not None
    deviation = found[2] or 1.0
    _learn(model, training, implicitPrefs=False, regParam=deviation * float(model.used_.regularization))
    for side, n in (("user", len(training.users.ids)), ("item", len(training.items.ids))):
        setattr(model, f"{side}_biases_", np.zeros(n, np.float32))
    model.mean_, model.deviation_ = np.zeros(1, np.float32), np.array([deviation], np.float32)
    model.range_ = np.array(found[:2], np.float32)


def _learn(model: ImplicitALS | ExplicitALS, training: Training, **parameters: Any) -> None:
    used = model.used_
    n_users, n_items = len(training.users.ids), len(training.items.ids)
    memory.ask(
        f"{type(used).__name__} of {n_users:,} users and {n_items:,} items, on the driver,",
        4 * used.factors * (n_users + n_items),
        "lower factors",
        "give the driver more memory",
    )
    pairs = (
        training.pairs.join(training.users.rows.withColumnRenamed("row", "user_row"), USER)
        .join(training.items.rows.withColumnRenamed("row", "item_row"), ITEM)
        .select("user_row", "item_row", WEIGHT)
        .persist(StorageLevel.MEMORY_AND_DISK)
    )
    blocks = max(LEAST_BLOCKS, pairs.sparkSession.sparkContext.defaultParallelism)
    blocks = max(min(blocks, n_users, n_items), 1)
    als = ALS(
        rank=used.factors,
        maxIter=used.epochs,
        seed=used.seed,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        userCol="user_row",
        itemCol="item_row",
        ratingCol=WEIGHT,
        checkpointInterval=CHECKPOINT_INTERVAL,
        **parameters,
    )
    try:
        fitted = als.fit(pairs)
        model.user_factors_ = collect_vectors(fitted.userFactors, n_users, used.factors)
        model.item_factors_ = collect_vectors(fitted.itemFactors, n_items, used.factors)
        for side in (fitted.userFactors, fitted.itemFactors):
            side.unpersist()
    finally:
        pairs.unpersist()
