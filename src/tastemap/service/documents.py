"""Describes data, models, comparisons and searches for JSON, in dicts of plain values."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl

from tastemap.data._checks import check_whole
from tastemap.data._columns import times_to_series
from tastemap.data.interactions import Interactions
from tastemap.errors import TastemapError
from tastemap.evaluation.comparison import Comparison
from tastemap.evaluation.evaluate import evaluate
from tastemap.metrics.definitions import Metric, RatingMetric
from tastemap.models.popular import Popular
from tastemap.models.shared.base import Model
from tastemap.tuning.tune import Tuning

QUANTILES = {"min": 0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99, "max": 1}


def describe_interactions(data: Interactions) -> dict[str, Any]:
    """Return the numbers of pairs, users and items, the density, and the range of the weights."""
    return {
        "pairs": len(data),
        "users": data.n_users,
        "items": data.n_items,
        "density": len(data) / (data.n_users * data.n_items),
        "weights": [float(data.matrix.data.min()), float(data.matrix.data.max())],
    }


def describe_spread(data: Interactions) -> dict[str, Any]:
    """Return quantiles of the weights and of the pairs a user and an item, and the first and the last time, if any.

    quantiles : by "weights", "pairs_per_user" and "pairs_per_item" the values of `QUANTILES`
    times : the first and the last, as texts where they are dates, else as numbers; None where there are no times
    """
    counts = {"pairs_per_user": data.by_user.counts, "pairs_per_item": data.by_item.counts}
    spread = {"weights": data.matrix.data} | {name: each[each > 0] for name, each in counts.items()}
    shares = list(QUANTILES.values())
    times = None
    if data.time is not None:
        ends = times_to_series(np.array([data.time.min(), data.time.max()]), data.time_type).to_list()
        times = [str(end) if isinstance(end, date) else end for end in ends]
    return {
        "quantiles": {
            name: dict(zip(QUANTILES, map(float, np.quantile(values, shares, method="lower")), strict=True))
            for name, values in spread.items()
        },
        "times": times,
    }


def describe_model(model: Model) -> dict[str, Any]:
    """Return what a fitted model is and knows; ``interactions`` is whether it keeps its training pairs."""
    return {
        "model": type(model).__name__,
        "parameters": asdict(model.used_),
        "users": len(model.users),
        "items": len(model.items),
        "interactions": model.interactions is not None,
        "card": model.card(),
        **({} if model.interactions is None else describe_spread(model.interactions)),
    }


def describe_update(before: Model, after: Model) -> dict[str, Any]:
    """Return what a model knows after an update, and how many of the users and items it did not know before."""
    old, new = before.state, after.state
    return {
        "model": type(after).__name__,
        "pairs": int(new.activity.sum()),
        "users": int(new.known_users.sum()),
        "items": int(new.known_items.sum()),
        "new_users": int(new.known_users.sum() - old.known_users.sum()),
        "new_items": int(new.known_items.sum() - old.known_items.sum()),
    }


def describe_comparison(board: Comparison) -> list[dict[str, Any]]:
    """Return what was measured for each model, the best first; then, where models failed, why."""
    rows = []
    for name in board.ranking(board.metrics[0]):
        result = board.evaluations[name]
        intervals = {metric.name: board.interval(name, metric) for metric in board.metrics}
        rows.append(
            {
                "model": name,
                "parameters": asdict(board.models[name].used_),
                "metrics": {
                    metric: {end: row[end] for end in ("mean", "low", "high")} for metric, row in intervals.items()
                },
                "users": result.n_users,
                "skipped": result.n_skipped,
                "unknown_items": result.n_unknown_items,
                "unrated": result.n_unrated,
                "fit_seconds": None if board.fit_seconds is None else board.fit_seconds[name],
                "score_seconds": board.score_seconds[name],
            }
        )
    for name, failure in board.failed.items():
        rows.append({"model": name, "parameters": asdict(failure.model), "error": failure.reason})
    return rows


def measure_baselines(
    model: Model,
    train: Interactions,
    held: Interactions,
    metric: Metric,
    *,
    exclude: Literal["train"] | None = "train",
    **features: Any,
) -> dict[str, float]:
    """Return what a model as it is, under its name, and Popular score on a held-out part, without one that fails.

    Ratings have no Popular.

    model : the model that a search started from
    features : user_features and item_features, as for `fit`
    """
    models = [model.clone(), *([] if isinstance(metric, RatingMetric) else [Popular()])]
    scores = dict[str, float]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the search has shown them
        for one in models:
            try:
                fitted = one.fit(train, progress=False, **(features if one.abilities.features else {}))
                scores[type(one).__name__] = evaluate(fitted, held, metrics=metric, exclude=exclude)[metric.name]
            except (TastemapError, ValueError, MemoryError):
                continue  # what the search found must not be lost for want of a comparison
    return scores


def describe_tuning(found: Tuning) -> dict[str, Any]:
    """Return what a search found, and all its trials."""
    importances = found.importances
    return {
        "model": type(found.model).__name__,
        "metric": found.metric.name,
        "score": found.score,
        "parameters": found.parameters,
        "model_parameters": asdict(found.model.used_),
        "importances": None if importances is None else dict(importances.iter_rows()),
        "trials": found.trials.to_dicts(),
        "seconds": found.seconds,
    }


def find_changes(model: Model) -> dict[str, Any]:
    """Return the parameters of a model that are not the defaults."""
    defaults = asdict(type(model)())
    return {name: value for name, value in asdict(model).items() if value != defaults[name]}


def find_most_common(data: Interactions, k: int) -> pl.DataFrame:
    """Return the items that most users have, under the caller's name of items, and how many have them: users."""
    check_whole("k", k, lowest=1)
    counts = np.bincount(data.matrix.indices, minlength=len(data.items))
    top = np.lexsort((data.items.tie_order, -counts))[: min(k, data.n_items)]
    return pl.DataFrame({data.items.name: data.items.take(top), "users": counts[top]})
