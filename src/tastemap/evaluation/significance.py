"""Tests whether one model is better than another, or whether the difference may be chance.

A metric of n users is f(sum_u s_u / sum_u w_u). For metrics of lists s_u is the user's value, w_u = 1 and f(x) = x. For
mae and rmse s_u is the sum of the absolute or squared errors over the user's w_u test pairs, and f(x) = x or sqrt(x).
In the code s_u is a user's `Metric.terms` times `Evaluation.weights`, and f is `Metric.of_mean`.

`p_value`, the paired randomisation test: if the two models are equally good, a user's two results are equally likely
the other way round. The test swaps them for a random half of the users, many times, and counts how often the difference
of the metric is at least as far from 0 as the observed one: p = (1 + count) / (1 + swaps). It makes no assumption about
the distribution of the values. Smucker, Allan and Carterette, A comparison of statistical significance tests for
information retrieval evaluation, CIKM 2007.

`interval`: the percentile bootstrap over users of the same difference, each drawn with both models' results.

`holm`: among many tests some p-values are small by chance; Holm's adjustment keeps the probability that any difference
is wrongly called significant below the level. Holm, A simple sequentially rejective multiple test procedure,
Scandinavian Journal of Statistics 1979.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap import parallel
from tastemap.evaluation.bootstrap import ends, resample
from tastemap.evaluation.evaluate import Evaluation
from tastemap.forks import check_polars_threads
from tastemap.kernels.significance import sum_with_signs
from tastemap.metrics.definitions import Metric, find
from tastemap.randomness import Stream, derive_state
from tastemap.typing import Doubles, RowNumbers

# Swaps of the randomisation test, a multiple of 64: p is at least 1 / 10 049.
FLIPS = 64 * 157
# The number of 64-bit words of signs that one thread draws at a time.
BLOCK_WORDS = 8


@dataclass(frozen=True, eq=False)
class Paired:
    """A metric of two models on the users measured for both.

    sums : float64, (users, 2): s of each model
    weights : float64, (users, 2): w of each model; they differ where the models do not know the same items
    metric : the metric, which defines f
    """

    sums: Doubles
    weights: Doubles
    metric: Metric

    @classmethod
    def of(cls, first: Evaluation, second: Evaluation, metric: Metric | str) -> Paired:
        """Pair two evaluations by the users' ids."""
        metric, rows = find(metric, first.metrics), find_shared_users(first, second)
        columns = [_sums_and_weights(one, metric, own) for one, own in zip((first, second), rows, strict=True)]
        sums, weights = (np.column_stack(both) for both in zip(*columns, strict=True))
        measured = (weights > 0).all(axis=1)
        return cls(sums[measured], weights[measured], metric)

    @property
    def n_users(self) -> int:
        """The number of users with a value of both models."""
        return len(self.sums)

    @cached_property
    def difference(self) -> float:
        """The metric of the first model minus that of the second, on the users of both."""
        return float(self._difference(self.sums.sum(axis=0), self.weights.sum(axis=0)))

    def interval(self, seed: int = 0) -> tuple[float, float]:
        """Return the ends of the 95 % bootstrap interval of the difference."""
        drawn = resample(np.hstack([self.sums, self.weights]), derive_state(seed, Stream.RESAMPLES))
        return ends(self._difference(drawn[:, :2], drawn[:, 2:]))

    def p_value(self, seed: int = 0) -> float:
        """Return the p-value, two-sided, of the paired randomisation test."""
        # A swap keeps the sum of both totals, so the signed difference of the totals determines both.
        signed = []
        for both in (self.sums, self.weights):
            total, apart = both.sum(), _sum_signed(both[:, 0] - both[:, 1], seed)
            signed.append(np.column_stack([(total + apart) / 2, (total - apart) / 2]))
        swapped = np.abs(self._difference(*signed))
        # Sums that are equal in exact arithmetic may differ in their last bits.
        count = np.count_nonzero(swapped >= abs(self.difference) - 1e-12 * self._scale)
        return float((1 + count) / (1 + FLIPS))

    @property
    def _scale(self) -> float:
        return float(self._mean(np.abs(self.sums).sum(), self.weights.sum()))

    def _mean(self, sums: Any, weights: Any) -> Any:
        return self.metric.of_mean(sums / weights)

    def _difference(self, sums: Doubles, weights: Doubles) -> Any:
        means = self._mean(sums, weights)
        return means[..., 0] - means[..., 1]


def find_shared_users(first: Evaluation, second: Evaluation) -> tuple[RowNumbers, RowNumbers]:
    """Return the rows, in each of the evaluations, of the users of both, in the order of the first."""
    if first.users.equals(second.users):
        rows = np.arange(first.n_users)
        return rows, rows
    if first.users.dtype != second.users.dtype:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    check_polars_threads()
    sides = [
        pl.DataFrame({"user": one.users, f"row{n}": np.arange(one.n_users)}) for n, one in enumerate((first, second))
    ]
    both = sides[0].join(sides[1], on="user", how="inner", maintain_order="left")
    return both["row0"].to_numpy(), both["row1"].to_numpy()


def has_shared_users(first: Evaluation, second: Evaluation, metric: Metric) -> bool:
    """Tell whether any user has a value of the metric in both evaluations."""
    return Paired.of(first, second, metric).n_users > 0


def holm(p: npt.ArrayLike) -> Doubles:
    """Return p-values adjusted for their number n: the r-th smallest (from 0) times n - r, never falling, at most 1."""
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return adjusted


def _sum_signed(differences: Doubles, seed: int) -> Doubles:
    """Return the sums of the differences with random signs: float64, (FLIPS,)."""
    out = np.zeros(FLIPS)
    if differences.any():
        state = derive_state(seed, Stream.SIGNS)
        blocks = parallel.row_blocks(FLIPS, 64 * BLOCK_WORDS)
        parallel.run(lambda b: sum_with_signs(differences, state, blocks[b].start // 64, out[blocks[b]]), len(blocks))
    return out


def _sums_and_weights(evaluation: Evaluation, metric: Metric, rows: RowNumbers) -> tuple[Doubles, Doubles]:
    weights = evaluation.weights(metric)[rows].astype(np.float64)
    terms = metric.terms(evaluation.user_values(metric)[rows])
    return np.where(weights > 0, terms * weights, 0), weights
