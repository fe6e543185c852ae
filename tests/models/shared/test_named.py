"""The names of several models."""

from __future__ import annotations

from typing import Any

import pytest

import tastemap as tm
from tastemap.models.shared.named import name_models


def test_models_are_named_by_their_class_and_numbered_from_the_second_on() -> None:
    first, second, other = tm.BPR(), tm.BPR(factors=8), tm.Popular()
    assert list(name_models([first, other, second]).items()) == [("BPR", first), ("Popular", other), ("BPR 2", second)]
    assert name_models(first) == {"BPR": first}
    assert name_models(iter([other])) == {"Popular": other}


def test_names_of_your_own_are_kept_in_their_order() -> None:
    models = {"small": tm.BPR(factors=8), "BPR": tm.BPR()}
    named = name_models(models)
    assert list(named.items()) == list(models.items())
    named.clear()
    assert len(models) == 2


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "models must name at least one"),
        ({}, "models must name at least one"),
        ("BPR", "must be a list of models, or a dict of them by name, got 'BPR'"),
        (3, "must be a list of models, or a dict of them by name, got 3"),
        (tm.BPR, r"must be instances, got the class BPR: pass BPR\(\)"),
        ([tm.Popular(), tm.BPR], r"must be instances, got the class BPR: pass BPR\(\)"),
        (["BPR"], r"got 'BPR': pass BPR\(\)"),
        ([3], "must be models of tastemap, got 3$"),
        ({"": tm.Popular()}, "the names of models must be text, got ''"),
        ({1: tm.Popular()}, "the names of models must be text, got 1"),
    ],
)
def test_what_is_no_model_is_refused(models: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        name_models(models)


def test_one_model_cannot_have_two_names() -> None:
    model = tm.Popular()
    with pytest.raises(ValueError, match="'a', 'b' are one and the same model: make an instance for each"):
        name_models({"a": model, "b": model})
