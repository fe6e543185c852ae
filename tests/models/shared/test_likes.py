from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tastemap as tm
from tastemap.models.shared.likes import HEAVY_SHARE, find_heavy_share


def spread(weights: Any) -> tm.Interactions:
    """Return pairs of these weights."""
    n = len(weights)
    frame = {"user": np.arange(n) // 4, "item": np.arange(n) % 7, "plays": weights, "time": np.arange(n)}
    return tm.Interactions.from_frame(frame, weight="plays", time="time")


RNG = np.random.default_rng(0)
HEAVY = np.ceil(RNG.lognormal(5, 2, 1000))


def test_the_share_is_that_of_the_largest_hundredth() -> None:
    assert find_heavy_share(np.array([1] * 198 + [101, 101], np.float32)) == 202 / 400
    assert find_heavy_share(np.array([1] * 98 + [1000], np.float32)) == 0  # too few to tell
    assert find_heavy_share(np.ones(1000, np.float32)) == 0.01


@pytest.mark.parametrize("name", list(tm.MODELS))
def test_a_heavy_tail_is_told_by_models_that_weigh_pairs(name: str) -> None:
    model = tm.MODELS[name]
    can = model.abilities
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model().fit(spread(HEAVY))
    told = [one for one in caught if "heavy tail" in str(one.message)]
    assert len(told) == (can.weighs_pairs and not can.ratings)
    for one in told:
        assert one.filename == __file__
        warning: Any = one.message
        assert warning.facts["share"] > HEAVY_SHARE
        assert [(way.parameter, way.value) for way in warning.remedies] == [
            ("damping", "log2"),
            ("damping", "binarize"),
        ]


@pytest.mark.parametrize(
    "weights",
    [
        np.ones(1000),
        RNG.integers(1, 6, 1000),
        RNG.integers(1, 11, 1000),
        RNG.integers(1, 11, 1000) / 2,
        RNG.exponential(3, 1000),
        np.log2(1 + HEAVY),
        RNG.choice([1, 2, 2.5, 3, 4], 1000, p=[0.85, 0.06, 0.04, 0.03, 0.02]),
    ],
    ids=["ones", "ratings to 5", "ratings to 10", "half stars", "seconds", "logarithms", "events"],
)
def test_other_weights_have_no_heavy_tail(weights: Any) -> None:
    tm.ItemKNN().fit(spread(weights))  # warnings are errors


def test_damped_weights_are_no_longer_told() -> None:
    tm.ItemKNN().fit(spread(HEAVY).log2())
    tm.ItemKNN().fit(spread(HEAVY).binarize())


def test_weights_that_are_not_prepared_as_those_of_the_training_are_told() -> None:
    draw = np.random.default_rng(0)
    items = draw.permuted(np.tile(np.arange(9), (30, 1)), axis=1)[:, :5].ravel()
    frame = {"user": np.repeat(np.arange(30), 5), "item": items}
    raw = tm.Interactions.from_frame(frame | {"plays": draw.integers(1, 90, 150)}, weight="plays")
    damped = tm.ItemKNN().fit(raw.log2())
    with pytest.warns(tm.TastemapWarning, match=r"update takes weights .* log2\(\): pass interactions\.log2"):
        mixed = damped.update(raw)
    assert "log2" not in mixed.card()
    with pytest.warns(tm.TastemapWarning, match=r"recommend_for takes .* went through log2"):
        damped.recommend_for(raw)
    likes = tm.ItemKNN().fit(raw.at_least(40).binarize())
    with pytest.warns(tm.TastemapWarning, match=r"went through at_least\(40\) and binarize\(\): pass interactions"):
        likes.update(raw)
    with pytest.warns(tm.TastemapWarning, match=r"evaluate takes .* went through at_least\(40\)"):
        tm.evaluate(likes, raw, exclude=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "log2" in damped.update(raw.log2()).card()
        assert "40 and more" in likes.update(raw.at_least(50).binarize()).card()
        likes.update(raw.binarize())  # likes, as far as one can see
        tm.evaluate(damped, raw, exclude=None)
