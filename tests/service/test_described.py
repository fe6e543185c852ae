from __future__ import annotations

import json
import math

import pytest

import tastemap as tm
from tastemap.service.documents import (
    describe_comparison,
    describe_interactions,
    describe_model,
    describe_spread,
    describe_tuning,
    find_changes,
    find_most_common,
)

FRAME = {"user": [1, 1, 2, 2, 3, 3], "film": ["a", "b", "b", "c", "b", "a"], "stars": [5, 4, 3, 2, 1, 5]}
DATA = tm.Interactions.from_frame(FRAME, item="film", weight="stars")
TEST = tm.Interactions.from_frame({"user": [1, 2, 3], "film": ["c", "a", "c"]}, item="film")


def test_interactions_are_counted() -> None:
    assert describe_interactions(DATA) == {
        "pairs": 6,
        "users": 3,
        "items": 3,
        "density": 6 / 9,
        "weights": [1.0, 5.0],
    }


def test_a_model_says_what_it_is_and_whether_it_keeps_its_interactions() -> None:
    model = tm.EASE(regularization=2).fit(DATA)
    told = describe_model(model)
    assert told.pop("card") == model.card()
    assert told.pop("times") is None  # a model keeps none
    assert told.pop("quantiles") == describe_spread(DATA)["quantiles"]
    assert told == {
        "model": "EASE",
        "parameters": {**tm.EASE().get_params(), "regularization": 2},
        "users": 3,
        "items": 3,
        "interactions": True,
    }


def test_models_are_described_the_best_first_with_their_intervals() -> None:
    board = tm.compare([tm.Popular(), tm.EASE()], TEST, train=DATA, metrics=["hit_rate@1", "ndcg@2"])
    told = describe_comparison(board)
    assert [row["model"] for row in told] == board.ranking("hit_rate@1")
    for row in told:
        result = board.evaluations[row["model"]]
        assert {name: value["mean"] for name, value in row["metrics"].items()} == result.means
        assert {*row["metrics"]["ndcg@2"]} == {"mean", "low", "high"}
        assert (row["users"], row["skipped"], row["unknown_items"], row["unrated"]) == (3, 0, 0, 0)
        assert row["fit_seconds"] == board.fit_seconds[row["model"]] if board.fit_seconds else True
    assert json.loads(json.dumps(told)) == told
    alone = describe_comparison(tm.compare([tm.Popular().fit(DATA)], TEST, metrics="ndcg@2"))
    assert alone[0]["fit_seconds"] is None


def test_a_search_is_described_with_its_trials() -> None:
    found = tm.tune(tm.EASE(), DATA, TEST, trials=2, space={"regularization": [1.0, 100.0]}, sampler="grid")
    told = describe_tuning(found)
    assert (told["model"], told["metric"], told["score"]) == ("EASE", "ndcg@10", found.score)
    assert told["parameters"] == found.parameters
    assert told["model_parameters"] == {**tm.EASE().get_params(), **found.parameters}
    assert [row["trial"] for row in told["trials"]] == [0, 1]
    assert told["importances"] is None
    assert math.isfinite(told["seconds"])


def test_parameters_that_are_not_the_defaults_are_found() -> None:
    assert find_changes(tm.WARP(factors=8, seed=0)) == {"factors": 8}
    assert find_changes(tm.Popular()) == {}


def test_the_items_that_most_users_have_are_listed() -> None:
    top = find_most_common(DATA, 2)
    assert (top.columns, top.rows()) == (["film", "users"], [("b", 3), ("a", 2)])
    assert len(find_most_common(DATA, 100)) == 3
    with pytest.raises(tm.ParameterError, match="k must be a whole number of at least 1, got 0"):
        find_most_common(DATA, 0)
