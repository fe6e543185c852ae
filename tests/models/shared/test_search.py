"""Ranges, and the search space of every model."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from typing import Any

import pytest

import tastemap as tm
from tastemap.models.shared.search import grid, nearest

# What the README says suits MovieLens.
DOCUMENTED: dict[str, dict[str, Any]] = {
    "ImplicitALS": {"unobserved_weight": 0.55, "regularization": 0.15, "frequency_exponent": 0.6},
}
WITHOUT = {"Random", "Popular", "PersonalPopular"}

every_space = pytest.mark.parametrize("name", [name for name in tm.MODELS if name not in WITHOUT])


def test_models_without_a_space_are_those_without_parameters_worth_searching() -> None:
    assert {name for name, model in tm.MODELS.items() if not model.search_space} == WITHOUT


@every_space
def test_a_space_names_parameters_and_holds_what_is_known_to_suit(name: str) -> None:
    model, space = tm.MODELS[name], tm.MODELS[name].search_space
    assert set(space) <= {field.name for field in fields(model)} - {"factors", "seed"}
    for suits in (asdict(model()), DOCUMENTED.get(name, {})):
        for parameter in {name for name in space if suits.get(name) is not None}:
            assert suits[parameter] in space[parameter], parameter
            assert nearest(space[parameter], suits[parameter]) == suits[parameter]


def test_the_steps_of_a_range_are_even_or_of_even_ratio() -> None:
    assert tm.Range(0.0, 3.0).steps() == [0, 1, 2, 3]
    assert tm.Range(0.001, 1.0, log=True).steps() == [0.001, 0.01, 0.1, 1]
    assert tm.Range(10, 80, log=True).steps() == [10, 20, 40, 80]
    assert tm.Range(1, 2).steps() == [1, 2]
    assert grid({"a": tm.Range(1, 2), "b": ["x", None]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": None},
        {"a": 2, "b": "x"},
        {"a": 2, "b": None},
    ]


def test_the_nearest_value_is_within_the_ends_and_has_few_digits() -> None:
    wide = tm.Range(0.01, 0.123456)
    assert [wide.nearest(value) for value in (0.0123456, 5, 0, 0.1234561)] == [0.01235, 0.123456, 0.01, 0.123456]
    whole = tm.Range(3, 9)
    assert [whole.nearest(value) for value in (4.4, 100, -1)] == [4, 9, 3]
    assert all(isinstance(whole.nearest(value), int) for value in (4.4, 100.0))
    assert nearest(wide, 0.0123456) == 0.0123456  # what is there already stays as it is
    assert nearest(wide, 0.5) == 0.123456
    assert isinstance(nearest(whole, 5.0), int)
    assert nearest(["a", "b"], "b") == "b"
    assert nearest(["a", "b"], "c") == "a"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1, 1), "from a lower to a higher number, got 1 to 1"),
        ((2.0, 1.0), "from a lower to a higher"),
        ((0, 5, True), "log=True must begin above 0, got 0"),
        ((0, math.inf), "finite numbers, got inf"),
        (("1", 2), "finite numbers, got '1'"),
        ((False, 2), "finite numbers, got False"),
    ],
)
def test_a_range_without_sense_is_refused(arguments: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tm.Range(*arguments)


def test_a_range_holds_its_numbers_only() -> None:
    whole, any_number = tm.Range(1, 5), tm.Range(1, 5.0)
    assert [value in whole for value in (1, 5, 6, 2.5, True, "2")] == [True, True, False, False, False, False]
    assert 2.5 in any_number
