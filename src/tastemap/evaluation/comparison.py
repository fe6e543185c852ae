"""The result of a comparison of models: leaderboard, intervals and tests of differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tastemap.data.frames import as_kind
from tastemap.data.interactions import Interactions
from tastemap.errors import TastemapError
from tastemap.evaluation.bootstrap import CONFIDENCE
from tastemap.evaluation.evaluate import Evaluation
from tastemap.evaluation.significance import Paired, holm
from tastemap.metrics.definitions import Metric, RatingMetric, find
from tastemap.models.shared.base import Model
from tastemap.tables import Cell, Table

# A difference with an adjusted p-value below this level is significant.
LEVEL = 0.05

_DIFFERENCES: dict[str, Any] = {
    "metric": pl.String,
    "model": pl.String,
    "other": pl.String,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,
    "users": pl.Int64,
}


class Failure(NamedTuple):
    """A model that could not be fitted or measured: the model, the error, and the reason in one line."""

    model: Model
    error: Exception
    reason: str

    @property
    def problem(self) -> str:
        """The reason without ways out of it."""
        return self.error.problem if isinstance(self.error, TastemapError) else self.reason


@dataclass(frozen=True, eq=False)
class Comparison:
    """The result of `compare`. It prints itself as a table, in notebooks too.

    models : the fitted models by name: those given to `compare`, or copies of them if it had training data, without
        those that failed
    evaluations : the `Evaluation` of each model
    metrics : the metrics measured; the first one orders the models
    fit_seconds : the fitting time of each model, None if they were fitted before
    test, train : the data; `train` is None if the models were fitted before
    asked : the arguments that `compare` was given beside models and data
    without_features : the models that take no features and were fitted without them
    failed : the models that could not be fitted or measured, each with the ``model``, the ``error`` and the ``reason``
        in one line
    notes : the warnings

    Its frames are of the same library as those of the test part.
    """

    models: dict[str, Model]
    evaluations: dict[str, Evaluation]
    metrics: tuple[Metric, ...]
    fit_seconds: dict[str, float] | None
    test: Interactions
    train: Interactions | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    without_features: tuple[str, ...] = ()
    failed: dict[str, Failure] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def score_seconds(self) -> dict[str, float]:
        """The time of ranking and measuring of each model, in seconds."""
        return {name: evaluation.score_seconds or 0.0 for name, evaluation in self.evaluations.items()}

    @cached_property
    def frame(self) -> Any:
        """One row for each model, the best by the first metric first: model, metrics, fit_seconds, score_seconds.

        fit_seconds is null if the models were fitted before. Where models failed, their rows, without metrics, come
        last, and the column `error` says why.
        """
        rows: list[dict[str, Any]] = [
            {
                "model": name,
                **{metric.name: self._mean(name, metric) for metric in self.metrics},
                "fit_seconds": None if self.fit_seconds is None else self.fit_seconds[name],
                "score_seconds": self.score_seconds[name],
            }
            for name in self.ranking(self.metrics[0])
        ]
        schema: dict[str, Any] = {"model": pl.String}
        schema |= dict.fromkeys([*map(str, self.metrics), "fit_seconds", "score_seconds"], pl.Float64)
        if self.failed:
            rows += [{"model": name, "error": failure.reason} for name, failure in self.failed.items()]
            schema["error"] = pl.String
        return as_kind(pl.DataFrame(rows, schema), self.test.frame_kind)

    @cached_property
    def intervals(self) -> Any:
        """One row for each model and metric: model, metric, mean, low, high (95 % bootstrap interval), users.

        low and high are null for metrics of all lists together, which have no values of users, and for a single user.
        """
        rows = [self.interval(name, metric) for metric in self.metrics for name in self.ranking(metric)]
        schema = {"model": pl.String, "metric": pl.String, "mean": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        return as_kind(pl.DataFrame(rows, {**schema, "users": pl.Int64}), self.test.frame_kind)

    @cached_property
    def differences(self) -> Any:
        """One row for each metric and model except the best: metric, model, other, difference, low, high, p, users.

        other : the best model by the metric
        difference : the metric of the model minus that of the best, over the users measured for both
        users : the number of these users
        low, high : its 95 % bootstrap interval over these users, null for a single one
        p : of the paired randomisation test, adjusted by Holm for the number of models within the metric

        Metrics of all lists together have no row. `evaluation.significance` defines the interval and the test.
        """
        return as_kind(pl.DataFrame(self.difference_rows, _DIFFERENCES), self.test.frame_kind)

    def ranking(self, metric: Metric | str) -> list[str]:
        """Return the models' names, best first by a metric; models with equal values are ordered by name."""
        metric = find(metric, self.metrics)
        goodness = {name: metric.goodness(self._mean(name, metric)) for name in self.models}
        return sorted(goodness, key=lambda name: (goodness[name] != goodness[name], -goodness[name], name))

    def interval(self, model: str, metric: Metric | str) -> dict[str, Any]:
        """Return the row of `intervals` for a model and a metric, as a dict."""
        return {"model": model, **self.evaluations[model].interval(metric)}

    def is_close(self, model: str, metric: Metric | str) -> bool:
        """Tell whether a model is not significantly worse than the best, on the users measured for both.

        It is close if its adjusted p is 5 % or more, or if the difference is in its favour. The latter can happen,
        because the best model has the best mean over all its users, and these may be others.
        """
        metric = find(metric, self.metrics)
        row = next((row for row in self.difference_rows if (row["metric"], row["model"]) == (metric.name, model)), None)
        return row is not None and (row["p"] >= LEVEL or is_ahead(row, metric))

    def table(self, *, intervals: bool = True) -> Table:
        """Return the leaderboard as a table; intervals=False omits the half width of the interval after each mean."""
        timed = self.fit_seconds is not None
        rows = []
        best = {metric.name: self.ranking(metric)[0] for metric in self.metrics}
        for name in self.ranking(self.metrics[0]):
            cells = [Cell(name)]
            for metric in self.metrics:
                row = self.interval(name, metric)
                text = _format_number(row["mean"])
                if intervals and row["low"] is not None:
                    text += f" ± {(row['high'] - row['low']) / 2:.4f}"
                top = len(self.models) > 1 and row["mean"] == self._mean(best[metric.name], metric)
                cells.append(Cell(text, top, not top and self.is_close(name, metric)))
            seconds = [self.fit_seconds[name]] if self.fit_seconds is not None else []
            rows.append((*cells, *(Cell(format_seconds(s)) for s in (*seconds, self.score_seconds[name]))))
        n_cells = len(self.metrics) + timed + 1
        rows += [(Cell(name), *[Cell("failed"), *[Cell("–")] * (n_cells - 1)]) for name in self.failed]
        return Table(
            ("model", *map(str, self.metrics), *(["fit"] if timed else []), "score"),
            tuple(rows),
            tuple(self._legend(intervals)),
        )

    def markdown(self) -> str:
        """Return the leaderboard in Markdown, the best of each metric in bold."""
        return self.table().markdown()

    def __str__(self) -> str:
        return str(self.table())

    def __rich__(self) -> Table:
        return self.table()

    def __repr__(self) -> str:
        first = self.metrics[0]
        shown = ", ".join(f"{name} {_format_number(self._mean(name, first))}" for name in self.ranking(first))
        failed = f"; failed: {', '.join(self.failed)}" if self.failed else ""
        return f"Comparison of {format_count(len(self.models), 'model')} by {first}: {shown}{failed}"

    def _repr_html_(self) -> str:
        return self.table().html()

    def _mean(self, model: str, metric: Metric) -> float:
        return self.evaluations[model][metric]

    @cached_property
    def difference_rows(self) -> list[dict[str, Any]]:
        """The rows of `differences`, as dicts."""
        rows = []
        for metric in self.metrics:
            if not metric.per_user:
                continue
            best, *others = self.ranking(metric)
            pairs = [Paired.of(self.evaluations[name], self.evaluations[best], metric) for name in others]
            adjusted = holm([pair.p_value() for pair in pairs])
            for name, pair, p in zip(others, pairs, adjusted.tolist(), strict=True):
                low, high = pair.interval() if pair.n_users > 1 else (None, None)
                values = (metric.name, name, best, pair.difference, low, high, p, pair.n_users)
                rows.append(dict(zip(_DIFFERENCES, values, strict=True)))
        return rows

    def _legend(self, intervals: bool) -> Iterator[str]:
        evaluations = list(self.evaluations.values())
        together = [metric.name for metric in self.metrics if not metric.per_user]
        rating = [metric.name for metric in self.metrics if isinstance(metric, RatingMetric)]
        users = _format_span(one.n_users for one in evaluations)
        text = "values of one user" if users == "1" else f"means over {users} users"
        if intervals and any(one.interval(metric)["low"] is not None for one in evaluations for metric in self.metrics):
            text += f", ± half of a {CONFIDENCE:.0%} interval".replace("%", " %")
        if rating:
            unrated = [one.n_unrated for one in evaluations]
            left_out = f", less {_format_span(unrated)} of an unknown user or item" if any(unrated) else ""
            text += f"; {' and '.join(rating)} over all test pairs{left_out}"
        if together:
            text += f"; {' and '.join(together)} of all lists together"
        yield text
        yield from self._tell_times()
        if any(one.n_skipped for one in evaluations):
            yield f"unknown users left out: {_format_span(one.n_skipped for one in evaluations)}"
        if any(one.n_unknown_items for one in evaluations) and len(rating) < len(self.metrics):
            unknown = _format_span(one.n_unknown_items for one in evaluations)
            yield f"test pairs of unknown items, counted as not found: {unknown}"
        if self.without_features:
            yield note_without_features(self.without_features)
        for name, failure in self.failed.items():
            yield f"{name} failed: {failure.problem}"

    def _tell_times(self) -> Iterator[str]:
        """Tell how old the training data are: their newest pair, and when the test pairs were."""
        training = next(iter(self.models.values())).interactions if self.train is None else self.train
        test = self.test
        if training is None or training.time is None or test.time is None or not training.clock.can_take(test.clock):
            return
        clock, newest = training.clock, training.time.max()
        tested = clock.take(test.time, test.clock)
        first, last = clock.format(tested.min()), clock.format(tested.max())
        text = f"trained on pairs up to {clock.format(newest)}, tested on pairs from {first} to {last}"
        older = np.count_nonzero(tested < newest) / len(tested)
        yield text if not older else f"{text}, {older:.1%} of them older than the newest training pair"


def is_ahead(row: dict[str, Any], metric: Metric) -> bool:
    """Tell whether the model of a row of `differences` is better than the best, on the users measured for both."""
    return metric.goodness(row["difference"]) > 0


def note_without_features(models: Sequence[str]) -> str:
    """Return the note that names the models fitted without the features given."""
    return f"fitted without the features, which they do not take: {', '.join(models)}"


def format_count(n: int, what: str) -> str:
    """Return a number with its noun, such as "1 model" or "1,000 models"."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def format_seconds(seconds: float) -> str:
    """Return a time with about three digits, such as "1.23 s"."""
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s" if seconds < 100 else f"{seconds:,.0f} s"


def _format_number(value: float) -> str:
    return f"{value:.4f}"


def _format_span(counts: Iterable[int]) -> str:
    """Return the common number, or the range from the lowest to the highest."""
    low, high = min(values := list(counts)), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
