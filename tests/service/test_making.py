from __future__ import annotations

import pytest

import tastemap as tm
from tastemap.service.making import make_models, make_space


def test_each_model_takes_the_settings_it_has_a_parameter_for() -> None:
    settings = ["factors=8", "regularization=0.5", "solver=cholesky", "cg_steps=2"]
    expected = [
        tm.ImplicitALS(factors=8, regularization=0.5, solver="cholesky", cg_steps=2, seed=3),
        tm.EASE(regularization=0.5),
        tm.Popular(),
    ]
    assert repr(make_models(["ImplicitALS", "EASE", "Popular"], settings, seed=3)) == repr(expected)
    assert repr(make_models(["WARP"])) == repr([tm.WARP()])


@pytest.mark.parametrize(
    ("names", "settings", "parameter", "sentence"),
    [
        (["Ease"], [], "model", "there is no model 'Ease', only .*; did you mean 'EASE'"),
        (["WARP"], ["factors"], "settings", "settings must be NAME=VALUE, e.g. factors=128, got 'factors'"),
        (["WARP"], ["factor=2"], "factor", "WARP has no parameter 'factor', only .*; did you mean 'factors'"),
        (["WARP"], ["n_factors=2"], "n_factors", "WARP has no parameter 'n_factors', only .*; did you mean 'factors'"),
        (["WARP", "EASE"], ["depth=2"], "depth", "WARP and EASE have no parameter 'depth', only "),
        (["Popular"], ["factors=2"], "factors", "Popular has no parameter 'factors', only 'last'"),
        (["WARP"], ["factors=two"], "factors", "factors must be a whole number, got 'two'"),
        (["WARP"], ["learning_rate=fast"], "learning_rate", "learning_rate must be a number, got 'fast'"),
        (["ImplicitALS"], ["solver=lu"], "solver", "solver must be one of 'cg', 'cholesky'.*, got 'lu'"),
        (["WARP"], ["factors=0"], "factors", "factors must be a whole number of at least 1, got 0"),
    ],
)
def test_impossible_models_are_refused(names: list[str], settings: list[str], parameter: str, sentence: str) -> None:
    with pytest.raises(tm.ParameterError, match=f"^{sentence}") as caught:
        make_models(names, settings)
    assert caught.value.parameter == parameter


def test_a_space_is_made_of_ranges_and_values() -> None:
    settings = ["epochs=2:6", "regularization=0.01:1:log", "factors=8,16", "solver=cg,cholesky"]
    assert make_space(tm.ImplicitALS(), settings) == {
        "epochs": tm.Range(2, 6),
        "regularization": tm.Range(0.01, 1.0, log=True),
        "factors": [8, 16],
        "solver": ["cg", "cholesky"],
    }


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("epochs", "space must be NAME=VALUES, e.g. epochs=10:40 or epochs=10,20,40, got 'epochs'"),
        ("epochs=", "space must be NAME=VALUES"),
        ("depth=1:2", "ImplicitALS has no parameter 'depth'"),
        ("epoch=1:2", "ImplicitALS has no parameter 'epoch', only .*; did you mean 'epochs'"),
        ("epochs=1:2:3", "space of epochs must be LOW:HIGH or LOW:HIGH:log of numbers, or values, got '1:2:3'"),
        ("solver=cg:cholesky", "space of solver must be LOW:HIGH"),
        ("epochs=a:b", "epochs must be a whole number, got 'a'"),
    ],
)
def test_an_impossible_space_is_refused(setting: str, sentence: str) -> None:
    with pytest.raises(tm.ParameterError, match=f"^{sentence}"):
        make_space(tm.ImplicitALS(), [setting])
