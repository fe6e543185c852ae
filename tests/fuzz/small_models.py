"""Models that are quick on little data, and the invariants of their answers."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import fields
from typing import Any

import numpy as np
import polars as pl

import tastemap as tm
from fuzz.verdict import ensure, without_refusal

QUICK = {"factors": 4, "epochs": 2}
NAMES = list(tm.MODELS)


def make(name: str, **parameters: Any) -> Any:
    """Return an unfitted model, quick unless the parameters say otherwise."""
    own = {field.name for field in fields(tm.MODELS[name])}
    return tm.MODELS[name](**{**{key: value for key, value in QUICK.items() if key in own}, **parameters})


def read(table: dict[str, list[Any]], **more: Any) -> tm.Interactions:
    """Return a table of plain columns as interactions, a row after the other."""
    weight = "weight" if "weight" in table else None
    table = {**table, "time": list(range(len(table["user"])))}
    return tm.Interactions.from_frame(table, weight=weight, time="time", **more)


def check_lists(model: Any, shown: pl.DataFrame, k: int, hidden: dict[Any, set[Any]] | None, among: set[Any]) -> None:
    """Check lists: ids of the catalogue, no doubles, nothing hidden, ranks from 1, finite falling scores, k kept.

    hidden : the items that each user may not get; None where that is not known
    among : the items that may be listed
    """
    who, what = shown.columns[0], shown.columns[1]
    ensure(shown["score"].is_finite().all(), "a score is not finite")
    ensure(not shown.select(who, what).is_duplicated().any() or who == "history", "a list has an item twice")
    ensure(set(shown[what].to_list()) <= among, "a list has an item that may not be listed")
    for (user,), mine in shown.group_by(who, maintain_order=True):
        items = mine[what].to_list()
        ensure(mine["rank"].to_list() == list(range(1, len(mine) + 1)), "ranks do not count from 1")
        ensure(len(items) == len(set(items)), "a list has an item twice")
        ensure(mine["score"].is_sorted(descending=True), "scores do not fall")
        if hidden is not None:
            own = hidden.get(user, set())
            ensure(not own & set(items), "a list has an item that was seen or excluded")
            ensure(len(items) == min(k, len(among - own)), "a list is shorter than what there is to list")


def check_answers(model: Any, k: int = 3, *, may_refuse: bool = False) -> None:
    """Check all answers of a fitted model on polars frames.

    may_refuse : whether a question may be refused, as by a model whose file holds what no training learns
    """
    state = model.state
    known_users = state.users.take(np.flatnonzero(state.known_users))
    known_items = state.items.take(np.flatnonzero(state.known_items))
    catalogue = set(known_items.to_list())
    seen: dict[Any, set[Any]] | None = None
    if state.interactions is not None:
        pairs = state.interactions.to_frame("polars")
        seen = {user: set() for user in known_users.to_list()}
        for user, item in pairs.select(state.columns.user, state.columns.item).rows():
            seen.setdefault(user, set()).add(item)
    has_pairs = state.interactions is not None
    # With weights near the largest float, what a history without one of them gives may have no finite solution.
    may_refuse |= has_pairs and np.abs(state.interactions.matrix.data).max(initial=0) > 1e30
    with nullcontext() if may_refuse else without_refusal("a question to a fitted model"):
        if has_pairs:
            shown = model.recommend(k=k, frame="polars")
            check_lists(model, shown, k, seen, catalogue)
            ensure(shown.equals(model.recommend(k=k, frame="polars")), "the same question has another answer")
            _check_predictions(model, shown)
        _check_neighbours(model, known_items, k)
        if has_pairs and len(known_users):
            _check_explanation(model, known_users[0], known_items[-1])
        if len(known_items) and (state.popularity > 0).any():
            first = state.items[int(np.flatnonzero(state.popularity > 0)[0])]
            folded = model.recommend_for([first], k=k, frame="polars") if _folds(model) else None
            if folded is not None:
                check_lists(model, folded, k, {0: {first}}, catalogue)


def _folds(model: Any) -> bool:
    return model.state.user_features is None or model.abilities.features


def _check_predictions(model: Any, shown: pl.DataFrame) -> None:
    if shown.is_empty():
        return
    scores = model.predict(shown[shown.columns[0]], shown[shown.columns[1]])
    ensure(scores.tolist() == shown["score"].to_list(), "predict gives another score than recommend")


def _check_neighbours(model: Any, items: pl.Series, k: int) -> None:
    if not model.abilities.similar_items or not len(items):
        return
    near = model.similar_items(items.head(4), k=k, frame="polars")
    ensure(near["score"].is_finite().all(), "a similarity is not finite")
    ensure(not (near[near.columns[0]] == near["neighbour"]).any(), "an item is its own neighbour")
    ensure(set(near["neighbour"].to_list()) <= set(items.to_list()), "a neighbour is not in the catalogue")
    ensure(not near.select(near.columns[0], "neighbour").is_duplicated().any(), "a neighbour comes twice")


def _check_explanation(model: Any, user: Any, item: Any) -> None:
    if not model.abilities.explains:
        return
    told = model.explain(user, item, frame="polars")
    ensure(told.frame["contribution"].is_finite().all(), "a contribution is not finite")
    ensure(np.isfinite(told.score) and np.isfinite(told.baseline), "an explained score is not finite")
    if told.kind == "exact":
        total = told.frame["contribution"].sum() + told.baseline
        ensure(np.isclose(total, told.score, rtol=1e-3, atol=1e-3), "contributions do not add up to the score")


def check_measured(model: Any, test: Any) -> None:
    """Check that measures lie where they can, for a test part that may be refused."""
    from fuzz.verdict import ask

    names = ["ndcg@3", "recall@2", "precision@3", "map@3", "mrr@3", "hit_rate@2", "auc", "coverage@3", "gini@3"]
    found = ask(tm.evaluate, model, test, metrics=names, exclude=None)
    if found is not None:
        for name, mean in found.means.items():
            ensure(np.isnan(mean) or 0 <= mean <= 1 + 1e-9, f"{name.partition('@')[0]} is not between 0 and 1")
    if model.abilities.ratings:
        errors = ask(tm.evaluate, model, test, metrics=["rmse", "mae"])
        if errors is not None:
            ensure(all(np.isfinite(one) and one >= 0 for one in errors.means.values()), "an error is not finite")
