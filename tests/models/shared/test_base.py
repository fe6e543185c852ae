from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tastemap as tm


def pairs() -> tm.Interactions:
    rng = np.random.default_rng(1)
    users, items = np.nonzero(rng.random((30, 20)) < 0.4)
    frame = {"user": users, "item": items, "weight": 1.0 + items % 5, "time": np.arange(len(users))}
    return tm.Interactions.from_frame(frame, weight="weight", time="time")


def fit(name: str) -> tm.Model:
    return tm.MODELS[name]().fit(pairs(), progress=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("name", list(tm.MODELS))
def test_a_copy_answers_as_the_model_does_even_after_answers(name: str, copied: Any) -> None:
    model = fit(name)
    lists = model.recommend(k=5)
    if model.abilities.similar_items:
        model.similar_items([1, 2])
    other = copied(model)
    assert other.recommend(k=5).equals(lists)
    assert other.card() == model.card()
    assert [vars(done) for done in other.epochs_] == [vars(done) for done in model.epochs_]


def test_a_model_is_equal_to_itself_alone_and_can_be_a_key() -> None:
    one, other = fit("Popular"), fit("Popular")
    assert one == one
    assert one != other
    assert one != tm.Popular()
    assert {one: "a", other: "b"}[one] == "a"


def test_a_clone_has_the_parameters_and_nothing_learned() -> None:
    model = tm.ImplicitALS(factors=5, seed=3).fit(pairs())
    clone = model.clone()
    assert clone.get_params() == model.get_params()
    with pytest.raises(tm.NotFittedError, match="this ImplicitALS has learned nothing yet: call fit first"):
        clone.recommend()
    with pytest.raises(tm.NotFittedError):
        _ = clone.scorer


@pytest.mark.parametrize("ask", ["recommend", "recommend_for", "similar_items", "similar_users", "explain"])
def test_a_wrong_kind_of_frame_is_refused_before_anything_is_ranked(ask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fit("ImplicitALS")
    monkeypatch.setattr("tastemap.ranking.top_k.top_k", None)
    monkeypatch.setattr("tastemap.ranking.scorer.top_k", None)
    given = {"recommend": (), "explain": (1, 2)}.get(ask, ([1],))
    with pytest.raises(ValueError, match="frame must be 'pandas', 'polars' or 'pyarrow', got 'panda'"):
        getattr(model, ask)(*given, frame="panda")


def test_a_training_that_fails_leaves_no_half_model() -> None:
    def stop(epoch: tm.Epoch) -> None:
        raise RuntimeError("enough")

    model = tm.BPR(epochs=3)
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(pairs(), callbacks=stop)
    with pytest.raises(tm.NotFittedError):
        _ = model.state
    assert vars(model) == vars(tm.BPR(epochs=3))


@dataclass(kw_only=True, eq=False)
class Boastful(tm.Popular):
    """Says that it takes features and does nothing with them."""

    abilities = tm.Abilities(features=True)


def test_a_model_that_places_no_items_says_so_where_items_are_added() -> None:
    kinds = tm.Features.from_frame({"item": list(range(20)), "kind": ["a", "b"] * 10}, id="item", columns=["kind"])
    model = Boastful().fit(pairs(), item_features=kinds)
    with pytest.raises(tm.NotSupportedError, match="Boastful says that it takes features, but has no place_items"):
        model.add_items(kinds.transform({"item": [77], "kind": ["a"]}))
