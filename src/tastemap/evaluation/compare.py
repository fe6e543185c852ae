"""Which of several models is best, and whether the users could have said otherwise by chance."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import polars as pl

from tastemap.data.checks import check_interactions
from tastemap.data.features import Features
from tastemap.data.frames import as_kind
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError, NotFittedError, TastemapError, name_some
from tastemap.evaluation.bootstrap import CONFIDENCE
from tastemap.evaluation.evaluate import Evaluation, as_names, check_suits, evaluate
from tastemap.evaluation.metrics import RATING_METRICS, is_per_user, lower_is_better
from tastemap.evaluation.significance import Paired, holm, share_users
from tastemap.evaluation.table import Cell, Table
from tastemap.models.base import Model
from tastemap.models.ranking import FEW_QUERIES
from tastemap.models.training import Epoch, bar, is_shown

METRICS = ("ndcg@10", "recall@10", "precision@10")
# A difference with an adjusted p-value below it is called significant.
LEVEL = 0.05

Models = Mapping[str, Model] | Sequence[Model] | Model

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

    models : the models by name, fitted
    evaluations : what `evaluate` measured of each
    metrics : the names; the first one orders the models
    fit_seconds : how long each took to fit, None where they came fitted
    test, train : the data, `train` None where the models came fitted
    asked : the arguments of `compare` beside the data that were given
    without_features : the models that take no features and were fitted without those given
    notes : what was warned of
    """

    models: dict[str, Model]
    evaluations: dict[str, Evaluation]
    metrics: tuple[str, ...]
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
                **{metric: self._mean(name, metric) for metric in self.metrics},
                "fit_seconds": None if self.fit_seconds is None else self.fit_seconds[name],
                "score_seconds": self.score_seconds[name],
            }
            for name in self.ranking(self.metrics[0])
        ]
        numbers = dict.fromkeys([*self.metrics, "fit_seconds", "score_seconds"], pl.Float64)
        return as_kind(pl.DataFrame(rows, {"model": pl.String, **numbers}), self.test.frame)

    @cached_property
    def intervals(self) -> Any:
        """One row a model and metric: model, metric, mean, low, high (95 % bootstrap interval), users.

        low and high are null for metrics of all lists together, which no user has a value of, and for a single user.
        """
        rows = [self.interval(name, metric) for metric in self.metrics for name in self.ranking(metric)]
        schema = {"model": pl.String, "metric": pl.String, "mean": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        return as_kind(pl.DataFrame(rows, {**schema, "users": pl.Int64}), self.test.frame)

    @cached_property
    def differences(self) -> Any:
        """One row a metric and model but the best: metric, model, other (the best), difference, low, high, p, users.

        difference : the metric of the model less that of the best, over the users (their number) that both know
        low, high : its 95 % bootstrap interval over these users, null for a single one
        p : of the paired randomisation test, adjusted by Holm for the number of models within the metric

        Metrics of all lists together have no row. `evaluation.significance` has the definitions.
        """
        return as_kind(pl.DataFrame(self._differences, _DIFFERENCES), self.test.frame)

    def ranking(self, metric: str) -> list[str]:
        """Return the models' names, best first by a metric; of equal ones the first by name."""
        sign = 1 if lower_is_better(metric) else -1
        means = {name: self._mean(name, metric) for name in self.models}
        return sorted(means, key=lambda name: (means[name] != means[name], sign * means[name], name))

    def interval(self, model: str, metric: str) -> dict[str, Any]:
        """Return a row of `intervals`."""
        return self._intervals[model, metric]

    def is_close(self, model: str, metric: str) -> bool:
        """Tell whether a model is not significantly worse than the best, on the users whom both know.

        That is where its adjusted p is 5 % or more, or the difference is in its favour: the best is so over all users
        whom it knows, and those may be others.
        """
        row = next((row for row in self._differences if (row["metric"], row["model"]) == (metric, model)), None)
        return row is not None and (row["p"] >= LEVEL or is_ahead(row))

    def table(self, *, intervals: bool = True) -> Table:
        """Return the leaderboard as a table, with half of each interval behind its mean unless told otherwise."""
        timed = self.fit_seconds is not None
        rows = []
        best = {metric: self.ranking(metric)[0] for metric in self.metrics}
        for name in self.ranking(self.metrics[0]):
            cells = [Cell(name)]
            for metric in self.metrics:
                row = self.interval(name, metric)
                text = _number(row["mean"])
                if intervals and row["low"] is not None:
                    text += f" ± {(row['high'] - row['low']) / 2:.4f}"
                top = len(self.models) > 1 and row["mean"] == self._mean(best[metric], metric)
                cells.append(Cell(text, top, not top and self.is_close(name, metric)))
            seconds = [self.fit_seconds[name]] if self.fit_seconds is not None else []
            rows.append((*cells, *(Cell(shown_seconds(s)) for s in (*seconds, self.score_seconds[name]))))
        return Table(
            ("model", *self.metrics, *(["fit"] if timed else []), "score"), tuple(rows), tuple(self._legend(intervals))
        )

    def markdown(self) -> str:
        """Return the leaderboard in Markdown, the best of each metric in bold."""
        return self.table().markdown()

    def report(self, path: str | Path, title: str | None = None) -> None:
        """Write an HTML page that stands alone, with the leaderboard, charts, significance and how to repeat it.

        It loads nothing from anywhere. It is written whole or not at all. Needs the extra "report".
        Raises MissingPackageError without it, OSError where the file cannot be written.
        """
        from tastemap.evaluation.report import write_report

        write_report(self, path, title)

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

    def _mean(self, model: str, metric: str) -> float:
        return self.evaluations[model][metric]

    @cached_property
    def _intervals(self) -> dict[tuple[str, str], dict[str, Any]]:
        rows = {}
        for name, evaluation in self.evaluations.items():
            # Intervals of all users; those known and new to the model follow where there are both.
            frame = pl.DataFrame(evaluation.frame).head(len(self.metrics))
            for row in frame.select("metric", "mean", "low", "high", "users").to_dicts():
                rows[name, row["metric"]] = {"model": name, **row}
        return rows

    @cached_property
    def _differences(self) -> list[dict[str, Any]]:
        rows = []
        for metric in filter(is_per_user, self.metrics):
            best, *others = self.ranking(metric)
            pairs = [Paired.of(self.evaluations[name], self.evaluations[best], metric) for name in others]
            adjusted = holm([pair.p_value() for pair in pairs])
            for name, pair, p in zip(others, pairs, adjusted.tolist(), strict=True):
                low, high = pair.interval() if pair.n_users > 1 else (None, None)
                values = (metric, name, best, pair.difference, low, high, p, pair.n_users)
                rows.append(dict(zip(_DIFFERENCES, values, strict=True)))
        return rows

    def _legend(self, intervals: bool) -> Iterator[str]:
        evaluations = list(self.evaluations.values())
        single = [metric for metric in self.metrics if is_per_user(metric)]
        together = [metric for metric in self.metrics if metric not in single]
        rating = [metric for metric in self.metrics if metric in RATING_METRICS]
        text = f"means over {_span(one.n_users for one in evaluations)} users"
        if single and intervals:
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


def compare(
    models: Models,
    test: Interactions,
    *,
    train: Interactions | None = None,
    metrics: Sequence[str] | str = METRICS,
    exclude: Literal["train"] | Interactions | None = "train",
    on_unknown: Literal["skip", "popular"] = "skip",
    history: Interactions | None = None,
    candidates: Any = None,
    user_features: Features | None = None,
    item_features: Features | None = None,
    validation: Interactions | None = None,
    progress: bool | None = None,
) -> Comparison:
    """Measure several models on the same test part, and say which differences are more than chance.

    models : models by name, or a list of them, each then called by its class (a second of a class gets " 2")
    train : the models are fitted on it, the instances given themselves, and timed (without what compiling their kernels
        takes, which is done before); None where they are fitted already
    metrics, exclude, on_unknown, history, candidates : as for `evaluate`; the first metric orders the models
    user_features, item_features : passed to the models that take features; the others are fitted without, and the
        leaderboard says which. item_features are also what the metric diversity is measured by
    validation : measured after each epoch of models that train in epochs, so that `history_` holds a learning curve;
        their fit_seconds count that too
    progress : a bar on stderr; None shows one where stderr is a terminal

    A warning about some of the models begins with their names. So does an error in fitting or measuring one, which ends
    the comparison. Raises ValueError for names or arguments that cannot be, NotFittedError where a model has learned
    nothing and there is no train, DataError for two models that were measured on no user together, and what `Model.fit`
    and `evaluate` raise.
    """
    named = named_models(models)
    names = as_names(metrics)
    check_interactions("compare", test)
    if train is not None:
        check_interactions("train", train)
    if train is None:
        for argument, value in (("user_features", user_features), ("validation", validation)):
            if value is not None:
                raise ValueError(f"{argument} is for fitting: pass train as well, or leave {argument} out")
    options = {
        "exclude": exclude,
        "on_unknown": on_unknown,
        "history": history,
        "candidates": candidates,
        "item_features": item_features if any(name.startswith("diversity") for name in names) else None,
    }
    given = {name: value for name, value in options.items() if value is not None or name == "exclude"}

    warned = _Warned()
    for name, model in named.items():
        with warned.about(name):
            check_suits(model, names)  # before hours of fitting, not after
            if train is not None:
                model.check()
    evaluations: dict[str, Evaluation] = {}
    seconds: dict[str, float] = {}
    without_features = []
    with bar(len(named), progress, unit="model") as shown:
        for name, model in named.items():
            shown.set_description(name, refresh=False)
            shown.set_postfix_str("")  # no epochs of the one before
            with warned.about(name):
                if train is not None:
                    features: dict[str, Any] = {"user_features": user_features, "item_features": item_features}
                    if not model._takes_features and any(value is not None for value in features.values()):
                        without_features.append(name)
                        features = {}
                    listener = _shows_epochs(model, shown) if is_shown(progress) and hasattr(model, "epochs") else ()
                    _load_kernels(model, features)
                    started = perf_counter()
                    model.fit(train, validation=validation, callbacks=listener, progress=False, **features)
                    seconds[name] = perf_counter() - started
                else:
                    _load_ranking_kernels(model, test, {"metrics": names, **given})
                evaluations[name] = evaluate(model, test, metrics=names, **given)
            shown.update()
    _check_shared(evaluations, names)
    notes = warned.sentences(list(named))
    for text, category in notes:
        warnings.warn(text, category, stacklevel=2)
    return Comparison(
        models=named,
        evaluations=evaluations,
        metrics=names,
        fit_seconds=None if train is None else seconds,
        test=test,
        train=train,
        asked={
            **given,
            **_given(user_features=user_features, item_features=item_features, validation=validation),
        },
        without_features=tuple(without_features),
        notes=tuple(text for text, _ in notes),
    )


def named_models(models: Models) -> dict[str, Any]:
    """Return models by name; raises ValueError for what is no model, for no model, and for one given twice."""
    if isinstance(models, Model | type):
        models = [models]
    if isinstance(models, str) or not isinstance(models, Mapping | Iterable):
        raise ValueError(f"models must be a list of models, or a dict of them by name, got {models!r}")
    if isinstance(models, Mapping):
        named: dict[str, Any] = dict(models)
    else:
        named, counts = {}, dict[str, int]()
        for model in models:
            name = type(model).__name__
            counts[name] = counts.get(name, 0) + 1
            named[name if counts[name] == 1 else f"{name} {counts[name]}"] = model
    if not named:
        raise ValueError("models must name at least one")
    for name, model in named.items():
        if isinstance(model, type) and issubclass(model, Model):
            raise ValueError(f"models must be instances, got the class {model.__name__}: pass {model.__name__}()")
        if not isinstance(model, Model):
            from tastemap.models import MODELS

            meant = f": pass tastemap.{model}()" if isinstance(model, str) and model in MODELS else ""
            raise ValueError(f"models must be models of tastemap, got {model!r}{meant}")
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"the names of models must be text, got {name!r}")
    if len({id(model) for model in named.values()}) < len(named):
        same = [name for name, model in named.items() if sum(model is other for other in named.values()) > 1]
        raise ValueError(f"{name_some(same)} are one and the same model: make an instance for each")
    return named


def _check_shared(evaluations: dict[str, Evaluation], metrics: tuple[str, ...]) -> None:
    """Raise DataError for two models whose means are over different users altogether."""
    # Those of a kind are over the same users: one each of rankings and of ratings tells.
    kinds = {metric in RATING_METRICS: metric for metric in reversed(metrics) if is_per_user(metric)}
    for (first, one), (second, other) in combinations(evaluations.items(), 2):
        apart = [metric for metric in kinds.values() if not share_users(one, other, metric)]
        if apart:
            raise DataError(
                f"{first} and {second} were measured by {apart[0]} on no user together, so neither is better: fit both "
                "to the same users, or evaluate each alone"
            )


def _load_kernels(model: Model, features: dict[str, Any]) -> None:
    """Fit a copy of a model to a toy and measure it, so that no time that counts is that of compiling kernels."""
    small = replace(model, **({"epochs": 1} if hasattr(model, "epochs") else {}))
    users = np.arange(FEW_QUERIES + 1)  # fewer are ranked by other kernels
    rows = {"user": [*users, *users], "item": [*users % 3, *(users + 1) % 3], "weight": [*users % 5 + 1] * 2}
    toy = Interactions.from_frame(rows, weight="weight")
    held_out = {"user": users, "item": (users + 2) % 3}
    unseen = Interactions.from_frame(held_out, users=toy.users, items=toy.items)
    kinds = Features.from_frame({"id": [0, 1, 2], "kind": ["a", "b", "a"]}, id="id", columns="kind")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            described: dict[str, Any] = {name: kinds for name, given in features.items() if given is not None}
            small.fit(toy, progress=False, **described)
            evaluate(small, unseen, metrics=("ndcg@1", *(["rmse"] if small.predicts_ratings else [])))
        except Exception:
            return  # whatever is wrong with the model is said where it counts


def _load_ranking_kernels(model: Model, test: Interactions, options: dict[str, Any]) -> None:
    """Measure a fitted model on a few users, so that the first of several does not pay for loading kernels."""
    users = test.row_of_pair()
    few = np.isin(users, np.unique(users)[: 2 * FEW_QUERIES])
    with warnings.catch_warnings(), suppress(TastemapError, ValueError):  # said where it counts, too
        warnings.simplefilter("ignore")
        evaluate(model, test.pick(few[test.input_order]), **options)


def is_ahead(row: dict[str, Any]) -> bool:
    """Tell of a row of `differences` whether its model is better than the best, on the users whom both know."""
    return bool(row["difference"] < 0 if lower_is_better(row["metric"]) else row["difference"] > 0)


def fitted_without_features(models: Sequence[str]) -> str:
    """Say which models take no features, where some were given."""
    return f"fitted without the features, which they do not take: {', '.join(models)}"


def counted(n: int, what: str) -> str:
    """Say how many there are of something."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def shown_seconds(seconds: float) -> str:
    """Say a time with about three digits."""
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s" if seconds < 100 else f"{seconds:,.0f} s"


class _Warned:
    """What was warned of while each of the models was at work."""

    def __init__(self) -> None:
        self._whose: dict[tuple[str, type[Warning]], list[str]] = {}

    @contextmanager
    def about(self, name: str) -> Iterator[None]:
        """Keep the warnings in the block, and put the model's name before an error."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            except NotFittedError as error:
                raise NotFittedError(f"{name}: {error}, or pass train to have the models fitted") from error
            except (TastemapError, ValueError, MemoryError) as error:
                if isinstance(error, TastemapError) or type(error) in (ValueError, MemoryError):
                    raise type(error)(f"{name}: {error}") from error
                raise
        for warning in caught:
            whose = self._whose.setdefault((str(warning.message), warning.category), [])
            if name not in whose:
                whose.append(name)

    def sentences(self, names: list[str]) -> list[tuple[str, type[Warning]]]:
        """Return each warning once, after the names of the models it is about unless it is about all."""
        return [
            (text if whose == names else f"{', '.join(whose)}: {text}", category)
            for (text, category), whose in self._whose.items()
        ]


def _shows_epochs(model: Any, shown: Any) -> Callable[[Epoch], None]:
    return lambda done: shown.set_postfix_str(f"epoch {done.epoch}/{model.epochs}")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _number(value: float) -> str:
    return f"{value:.4f}"


def _span(counts: Iterable[int]) -> str:
    """Say one number, or from where to where several go."""
    low, high = min(values := list(counts)), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
