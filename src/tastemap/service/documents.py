"""Describes data, models, comparisons and searches for JSON, in dicts of plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from tastemap.data._checks import check_whole
from tastemap.data.interactions import Interactions
from tastemap.evaluation.comparison import Comparison
from tastemap.models.shared.base import Model
from tastemap.tuning.tune import Tuning


def describe_interactions(data: Interactions) -> dict[str, Any]:
    """Return the numbers of pairs, users and items, the density, and the range of the weights."""
    return {
        "pairs": len(data),
        "users": data.n_users,
        "items": data.n_items,
        "density": len(data) / (data.n_users * data.n_items),
        "weights": [float(data.matrix.data.min()), float(data.matrix.data.max())],
    }


def describe_model(model: Model) -> dict[str, Any]:
    """Return what a fitted model is and knows; ``interactions`` is whether it keeps its training pairs."""
    return {
        "model": type(model).__name__,
        "parameters": asdict(model),
        "users": len(model.users),
        "items": len(model.items),
        "interactions": model.interactions is not None,
        "card": model.card(),
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
                "parameters": asdict(board.models[name]),
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


def describe_tuning(found: Tuning) -> dict[str, Any]:
    """Return what a search found, and all its trials."""
    importances = found.importances
    return {
        "model": type(found.model).__name__,
        "metric": found.metric.name,
        "score": found.score,
        "parameters": found.parameters,
        "model_parameters": asdict(found.model),
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
