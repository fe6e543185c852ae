"""What a comparison of models found: the leaderboard, its intervals and what chance may have parted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from tastemap.data.frames import as_kind
from tastemap.data.interactions import Interactions
from tastemap.evaluation.bootstrap import CONFIDENCE
from tastemap.evaluation.evaluate import Evaluation
from tastemap.evaluation.significance import Paired, holm
from tastemap.metrics.definitions import Metric, RatingMetric, find
from tastemap.models.shared.base import Model
from tastemap.tables import Cell, Table

# A difference with an adjusted p-value below it is called significant.
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


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found out. It prints itself as a table, in notebooks too.

    models : the models by name, fitted: those given to `compare`, or where it had training data, copies of them
    evaluations : what `evaluate` measured of each
    metrics : what was measured; the first one orders the models
    fit_seconds : how long each took to fit, None where they came fitted
    test, train : the data, `train` None where the models came fitted
    asked : the arguments of `compare` beside the data that were given
    without_features : the models that take no features and were fitted without those given
    notes : what was warned of

    Its frames are of the library of the test part's.
    """

    models: dict[str, Model]
    evaluations: dict[str, Evaluation]
    metrics: tuple[Metric, ...]
    fit_seconds: dict[str, float] | None
    test: Interactions
    train: Interactions | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    without_features: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def score_seconds(self) -> dict[str, float]:
        """How long ranking and measuring took for each model."""
        return {name: evaluation.score_seconds or 0.0 for name, evaluation in self.evaluations.items()}

    @cached_property
    def frame(self) -> Any:
        """One row a model, the best by the first metric first: model, every metric, fit_seconds, score_seconds.

        fit_seconds is null where the models came fitted.
        """
        rows = [
            {
                "model": name,
                **{metric.name: self._mean(name, metric) for metric in self.metrics},
                "fit_seconds": None if self.fit_seconds is None else self.fit_seconds[name],
                "score_seconds": self.score_seconds[name],
            }
            for name in self.ranking(self.metrics[0])
        ]
        numbers = dict.fromkeys([*map(str, self.metrics), "fit_seconds", "score_seconds"], pl.Float64)
        return as_kind(pl.DataFrame(rows, {"model": pl.String, **numbers}), self.test.frame_kind)

    @cached_property
    def intervals(self) -> Any:
        """One row a model and metric: model, metric, mean, low, high (95 % bootstrap interval), users.

        low and high are null for metrics of all lists together, which no user has a value of, and for a single user.
        """
        rows = [self.interval(name, metric) for metric in self.metrics for name in self.ranking(metric)]
        schema = {"model": pl.String, "metric": pl.String, "mean": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        return as_kind(pl.DataFrame(rows, {**schema, "users": pl.Int64}), self.test.frame_kind)

    @cached_property
    def differences(self) -> Any:
        """One row a metric and model but the best: metric, model, other (the best), difference, low, high, p, users.

        difference : the metric of the model less that of the best, over the users (their number) that both know
        low, high : its 95 % bootstrap interval over these users, null for a single one
        p : of the paired randomisation test, adjusted by Holm for the number of models within the metric

        Metrics of all lists together have no row. `evaluation.significance` has the definitions.
        """
        return as_kind(pl.DataFrame(self.difference_rows, _DIFFERENCES), self.test.frame_kind)

    def ranking(self, metric: Metric | str) -> list[str]:
        """Return the models' names, best first by a metric; of equal ones the first by name."""
        metric = find(metric, self.metrics)
        goodness = {name: metric.goodness(self._mean(name, metric)) for name in self.models}
        return sorted(goodness, key=lambda name: (goodness[name] != goodness[name], -goodness[name], name))

    def interval(self, model: str, metric: Metric | str) -> dict[str, Any]:
        """Return a row of `intervals`."""
        return {"model": model, **self.evaluations[model].interval(metric)}

    def is_close(self, model: str, metric: Metric | str) -> bool:
        """Tell whether a model is not significantly worse than the best, on the users whom both know.

        That is where its adjusted p is 5 % or more, or the difference is in its favour: the best is so over all users
        whom it knows, and those may be others.
        """
        metric = find(metric, self.metrics)
        row = next((row for row in self.difference_rows if (row["metric"], row["model"]) == (metric.name, model)), None)
        return row is not None and (row["p"] >= LEVEL or is_ahead(row, metric))

    def table(self, *, intervals: bool = True) -> Table:
        """Return the leaderboard as a table, with half of each interval behind its mean unless told otherwise."""
        timed = self.fit_seconds is not None
        rows = []
        best = {metric.name: self.ranking(metric)[0] for metric in self.metrics}
        for name in self.ranking(self.metrics[0]):
            cells = [Cell(name)]
            for metric in self.metrics:
                row = self.interval(name, metric)
                text = _number(row["mean"])
                if intervals and row["low"] is not None:
                    text += f" ± {(row['high'] - row['low']) / 2:.4f}"
                top = len(self.models) > 1 and row["mean"] == self._mean(best[metric.name], metric)
                cells.append(Cell(text, top, not top and self.is_close(name, metric)))
            seconds = [self.fit_seconds[name]] if self.fit_seconds is not None else []
            rows.append((*cells, *(Cell(shown_seconds(s)) for s in (*seconds, self.score_seconds[name]))))
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
        shown = ", ".join(f"{name} {_number(self._mean(name, first))}" for name in self.ranking(first))
        return f"Comparison of {counted(len(self.models), 'model')} by {first}: {shown}"

    def _repr_html_(self) -> str:
        return self.table().html()

    def _mean(self, model: str, metric: Metric) -> float:
        return self.evaluations[model][metric]

    @cached_property
    def difference_rows(self) -> list[dict[str, Any]]:
        """The rows of `differences`, each a dict."""
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
        users = _span(one.n_users for one in evaluations)
        text = "values of one user" if users == "1" else f"means over {users} users"
        if intervals and any(one.interval(metric)["low"] is not None for one in evaluations for metric in self.metrics):
            text += f", ± half of a {CONFIDENCE:.0%} interval".replace("%", " %")
        if rating:
            unrated = [one.n_unrated for one in evaluations]
            left_out = f", less {_span(unrated)} of an unknown user or item" if any(unrated) else ""
            text += f"; {' and '.join(rating)} over all test pairs{left_out}"
        if together:
            text += f"; {' and '.join(together)} of all lists together"
        yield text
        if any(one.n_skipped for one in evaluations):
            yield f"unknown users left out: {_span(one.n_skipped for one in evaluations)}"
        if any(one.n_unknown_items for one in evaluations) and len(rating) < len(self.metrics):
            unknown = _span(one.n_unknown_items for one in evaluations)
            yield f"test pairs of unknown items, counted as not found: {unknown}"
        if self.without_features:
            yield fitted_without_features(self.without_features)


def is_ahead(row: dict[str, Any], metric: Metric) -> bool:
    """Tell of a row of `differences` whether its model is better than the best, on the users whom both know."""
    return metric.goodness(row["difference"]) > 0


def fitted_without_features(models: Sequence[str]) -> str:
    """Say which models take no features, where some were given."""
    return f"fitted without the features, which they do not take: {', '.join(models)}"


def counted(n: int, what: str) -> str:
    """Say how many there are of something."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def shown_seconds(seconds: float) -> str:
    """Say a time with about three digits."""
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s" if seconds < 100 else f"{seconds:,.0f} s"


def _number(value: float) -> str:
    return f"{value:.4f}"


def _span(counts: Iterable[int]) -> str:
    """Say one number, or from where to where several go."""
    low, high = min(values := list(counts)), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
