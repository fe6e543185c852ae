"""Checks of a model under evaluate, compare and tune."""

from __future__ import annotations

from importlib.util import find_spec

from tastemap.data.interactions import Interactions
from tastemap.errors import DataError
from tastemap.evaluation.compare import compare
from tastemap.evaluation.evaluate import evaluate
from tastemap.models.popular import Popular
from tastemap.split import random
from tastemap.testing.data import Make, ensure, ensure_refused, make_fitted, pairs, read
from tastemap.tuning.tune import tune


def check_evaluated_and_compared(make: Make) -> None:
    """Evaluate and compare measure the model, with the same result."""
    train, test = _parts()
    model = make().fit(train, progress=False)
    metrics = ["ndcg@5", "coverage@5", *(["rmse"] if model.abilities.ratings else [])]
    measured = evaluate(model, test, metrics=metrics)
    ensure(0 <= measured["ndcg@5"] <= 1, f"ndcg@5 must be between 0 and 1, got {measured['ndcg@5']}")
    board = compare({"it": make(), "popular": Popular()}, test, train=train, metrics="ndcg@5", progress=False)
    scored = board.evaluations["it"]["ndcg@5"]
    ensure(scored == measured["ndcg@5"], f"compare must measure what evaluate does, got {scored}")
    frame: object = pairs()
    ensure_refused(
        lambda: evaluate(make_fitted(make), frame),  # type: ignore[arg-type]
        DataError,
        "Interactions",
        "DataFrame",
        what="evaluate with a frame",
    )


def check_tuned(make: Make) -> None:
    """Tune finds parameters in its search space; checked where Optuna is installed and there is a space."""
    model = make()
    if not model.search_space or not find_spec("optuna"):
        return
    train, validation = _parts()
    found = tune(make(), train, validation=validation, trials=2, progress=False)
    ensure(type(found.model) is type(model), f"tune must return a model of the same class, got {found.model}")
    ensure(set(found.parameters) == set(model.search_space), "tune must search the parameters of search_space")


def _parts() -> tuple[Interactions, Interactions]:
    train, test = random(read(pairs(2, 40, 20)), 0.3, seed=0)
    return train, test
