"""Compares several models on the same test part, and tests which differences are more than chance."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import combinations
from time import perf_counter
from typing import Any, Literal, cast

import numpy as np

from tastemap.data.features import Features
from tastemap.data.interactions import Interactions, check_interactions
from tastemap.errors import DataError, NotFittedError, Remedy, TastemapError, TastemapWarning, tell_about
from tastemap.evaluation.comparison import Comparison, Failure
from tastemap.evaluation.evaluate import Evaluation, check_suits, evaluate
from tastemap.evaluation.significance import has_shared_users
from tastemap.metrics.definitions import Metric, RatingMetric, parse_all
from tastemap.models.shared.base import Model
from tastemap.models.shared.named import Models, name_models
from tastemap.progress import is_shown, make_bar
from tastemap.ranking.top_k import FEW_QUERIES
from tastemap.training.loop import Epoch

DEFAULT_METRICS = ("ndcg@10", "recall@10", "precision@10")


def compare(
    models: Models,
    test: Interactions,
    *,
    train: Interactions | None = None,
    metrics: Sequence[Metric | str] | Metric | str = DEFAULT_METRICS,
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

    models : models by name, or a list of models, whose names are then those of their classes (a second one of a class
        gets " 2")
    train : copies of the models are fitted to it and timed, without the compilation of their kernels, and the given
        instances stay as they are; None if the models are fitted already
    metrics, exclude, on_unknown, history, candidates : as for `evaluate`; the first metric orders the models
    user_features, item_features : passed to the models that take features; the others are fitted without, and the
        leaderboard names them. The metric diversity uses item_features too
    validation : measured after each epoch of models that train in epochs, so that `epochs_` holds a learning curve;
        their fit_seconds include this
    progress : a bar on stderr; None shows one where stderr is a terminal

    A warning that concerns some of the models begins with their names. A model that fails while it is fitted or
    measured is in `Comparison.failed` and at the end of the leaderboard, with a warning, and the others go on.

    Raises, before any model is fitted, ValueError for names, arguments and parameters out of range, NotSupportedError
    for a metric that a model cannot have, NotFittedError for an unfitted model without train; then DataError for two
    models without a measured user in common, and, where every model fails, the error of the first.
    """
    named = name_models(models)
    asked = parse_all(metrics)
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
        "item_features": item_features if any(metric.takes_features for metric in asked) else None,
    }
    given = {name: value for name, value in options.items() if value is not None or name == "exclude"}

    warned = _WarningLog()
    for name, model in named.items():
        with warned.about(name):
            check_suits(model, asked)  # before hours of fitting, not after
            if train is not None:
                model.check_parameters()
            else:
                model.check_fitted()
    if train is not None:
        named = {name: replace(model) for name, model in named.items()}
    evaluations: dict[str, Evaluation] = {}
    failed: dict[str, Failure] = {}
    seconds: dict[str, float] = {}
    without_features = []
    with make_bar(len(named), progress, unit="model") as shown:
        for name, model in named.items():
            shown.set_description(name, refresh=False)
            shown.set_postfix_str("")  # no epochs of the one before
            with warned.about(name, model, failed):
                if train is not None:
                    features: dict[str, Any] = {"user_features": user_features, "item_features": item_features}
                    if not model.abilities.features and any(value is not None for value in features.values()):
                        without_features.append(name)
                        features = {}
                    listener = _make_listener(model, shown) if is_shown(progress) and model.abilities.epochs else ()
                    _load_kernels(model, features)
                    started = perf_counter()
                    model.fit(train, validation=validation, callbacks=listener, progress=False, **features)
                    seconds[name] = perf_counter() - started
                else:
                    _load_ranking_kernels(model, test, {"metrics": asked, **given})
                evaluations[name] = evaluate(model, test, metrics=asked, progress=False, **given)
            shown.update()
    if not evaluations:
        raise next(iter(failed.values())).error
    names = list(named)
    for name, failure in failed.items():
        del named[name]
        ways = failure.error.remedies if isinstance(failure.error, TastemapError) else ()
        warned.add(TastemapWarning(f"{name} failed, so it is not compared: {failure.problem}", *ways, model=name))
    _check_shared(evaluations, asked)
    notes = warned.warnings(names)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return Comparison(
        models=named,
        evaluations=evaluations,
        metrics=asked,
        fit_seconds=None if train is None else {name: seconds[name] for name in evaluations},
        test=test,
        train=train,
        asked={
            **given,
            **_drop_none(user_features=user_features, item_features=item_features, validation=validation),
        },
        without_features=tuple(name for name in without_features if name in evaluations),
        failed=failed,
        notes=tuple(str(note) for note in notes),
    )


def _check_shared(evaluations: dict[str, Evaluation], metrics: tuple[Metric, ...]) -> None:
    """Raise DataError for two models that have no measured user in common."""
    # All metrics of a kind have the same users, so one of rankings and one of ratings is enough.
    kinds = {isinstance(metric, RatingMetric): metric for metric in reversed(metrics) if metric.per_user}
    for (first, one), (second, other) in combinations(evaluations.items(), 2):
        apart = [metric for metric in kinds.values() if not has_shared_users(one, other, metric)]
        if apart:
            raise DataError(
                f"{first} and {second} were measured by {apart[0]} on no user together, so neither is better: fit both "
                "to the same users, or evaluate each alone"
            )


def _load_kernels(model: Model, features: dict[str, Any]) -> None:
    """Fit a copy of a model to a few pairs and measure it, so that reported times do not include compilation."""
    small = replace(model, **({"epochs": 1} if model.abilities.epochs else {}))
    users = np.arange(FEW_QUERIES + 1)  # other kernels rank fewer users
    rows = {"user": [*users, *users], "item": [*users % 3, *(users + 1) % 3], "weight": [*users % 5 + 1] * 2}
    rows["time"] = list(range(len(rows["user"])))
    toy = Interactions.from_frame(rows, weight="weight", time="time")
    held_out = {"user": users, "item": (users + 2) % 3}
    unseen = Interactions.from_frame(held_out, users=toy.users, items=toy.items)
    kinds = Features.from_frame({"id": [0, 1, 2], "kind": ["a", "b", "a"]}, id="id", columns="kind")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            described: dict[str, Any] = {name: kinds for name, given in features.items() if given is not None}
            small.fit(toy, progress=False, **described)
            evaluate(small, unseen, metrics=("ndcg@1", *(["rmse"] if small.abilities.ratings else [])))
        except Exception:
            return  # the real fit reports whatever is wrong with the model


def _load_ranking_kernels(model: Model, test: Interactions, options: dict[str, Any]) -> None:
    """Measure a fitted model on a few users, so that the first model's time does not include loading kernels."""
    users = test.row_of_pair()
    few = np.isin(users, np.unique(users)[: 2 * FEW_QUERIES])
    with warnings.catch_warnings(), suppress(TastemapError, ValueError):  # the real call reports them
        warnings.simplefilter("ignore")
        evaluate(model, test.pick(few[test.input_order]), **options)


class _WarningLog:
    """Collects the warnings of each model."""

    def __init__(self) -> None:
        self._whose: dict[tuple[str, type[Warning]], tuple[Warning, list[str]]] = {}

    @contextmanager
    def about(self, name: str, model: Model | None = None, failed: dict[str, Failure] | None = None) -> Iterator[None]:
        """Record the warnings of the block, and put the model's name before an error of the block.

        failed : gets the model with its error, which then goes no further; None raises it
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            except NotFittedError as error:
                raise error.about(name, Remedy("pass train to have the models fitted", "train", ...)) from error
            except Exception as error:
                told = error
                if isinstance(error, TastemapError) or type(error) in (ValueError, MemoryError):
                    told = tell_about(name, error)
                    told.__cause__ = error
                if model is None or failed is None:
                    raise told from told.__cause__
                failed[name] = Failure(model, told, _say(error))
        for warning in caught:
            message = cast("Warning", warning.message)  # recorded ones are never texts
            _, whose = self._whose.setdefault((str(message), warning.category), (message, []))
            if name not in whose:
                whose.append(name)

    def add(self, warning: Warning) -> None:
        """Record a warning that names its model itself."""
        self._whose[str(warning), type(warning)] = (warning, [])

    def warnings(self, names: list[str]) -> list[Warning]:
        """Return each warning once, with the names of its models in front unless it concerns all models."""
        return [
            warning if whose in (names, []) else tell_about(", ".join(whose), warning)
            for warning, whose in self._whose.values()
        ]


def _say(error: Exception) -> str:
    """Return an error in one line; the type of one that is not meant for people says more than its text."""
    text = " ".join(str(error).split())
    if isinstance(error, TastemapError) or type(error) is ValueError:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _make_listener(model: Any, shown: Any) -> Callable[[Epoch], None]:
    return lambda done: shown.set_postfix_str(f"epoch {done.epoch}/{model.used_.epochs}")


def _drop_none(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
