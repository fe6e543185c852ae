"""The metrics of predicted ratings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tastemap.metrics.definitions import RatingMetric
from tastemap.typing import Doubles, RowNumbers


def pool(metric: RatingMetric, errors: Doubles) -> float:
    """Return a metric over all test pairs from their errors: float64, (pairs,), rating minus prediction."""
    return float(metric.of_mean(metric.terms(errors).mean()))


def measure_ratings(errors: Doubles, users: RowNumbers, n_users: int, metrics: Sequence[RatingMetric]) -> Doubles:
    """Return the metrics of every user: float64, (n_users, len(metrics)); NaN for users without a pair.

    errors : float64, (pairs,): rating minus prediction of each pair
    users : int64, (pairs,): the user of each pair, from 0 to n_users - 1
    """
    pairs = np.bincount(users, minlength=n_users)
    out = np.full((n_users, len(metrics)), np.nan)
    for column, metric in enumerate(metrics):
        sums = np.bincount(users, metric.terms(errors), minlength=n_users)
        np.divide(sums, pairs, out=out[:, column], where=pairs > 0)
        out[:, column] = metric.of_mean(out[:, column])
    return out
