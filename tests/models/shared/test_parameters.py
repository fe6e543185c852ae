"""Parameters by the names that other libraries have, get_params, set_params, and copies."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tastemap as tm
from tastemap.models.shared.parameters import make_unknown_error

PAIRS = {"user": [1, 1, 2, 2, 3, 3], "item": [1, 2, 2, 3, 1, 3]}


@pytest.mark.parametrize(
    ("model", "given", "sentence"),
    [
        ("SVD", {"n_factors": 8}, r"^SVD has no parameter 'n_factors', only 'factors', .*; did you mean 'factors'\?$"),
        (
            "ImplicitALS",
            {"n_factors": 8, "random_state": 0},
            r"no parameters 'n_factors', 'random_state', .*'factors', 'seed'",
        ),
        ("WARP", {"no_components": 8}, "did you mean 'factors'"),
        ("BPR", {"embedding_dim": 8}, "did you mean 'factors'"),
        ("ImplicitALS", {"rank": 8, "maxIter": 3, "regParam": 0.1}, "mean 'factors', 'epochs', 'regularization'"),
        ("ImplicitALS", {"iterations": 8}, "did you mean 'epochs'"),
        ("SVD", {"lr_all": 0.1, "reg_all": 0.1}, "did you mean 'learning_rate', 'regularization'"),
        ("EASE", {"lambda_": 100.0}, "did you mean 'regularization'"),
        ("ItemKNN", {"K": 8, "shrink": 1.0}, "did you mean 'neighbours', 'shrinkage'"),
        ("ItemKNN", {"neighbors": 8}, "did you mean 'neighbours'"),
        ("SVD", {"regularisation": 0.1}, "did you mean 'regularization'"),
        ("ItemKNN", {"n_epochs": 8}, r"^ItemKNN has no parameter 'n_epochs', only [^;]*$"),
        ("Popular", {"n_factors": 8}, r"^Popular has no parameter 'n_factors', only 'last'$"),
    ],
)
def test_a_parameter_that_is_not_there_is_refused_with_the_one_that_is_meant(
    model: str, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(TypeError, match=sentence) as caught:
        tm.MODELS[model](**given)
    assert isinstance(caught.value, tm.ParameterNameError)
    assert isinstance(caught.value, tm.TastemapError)
    assert (caught.value.parameter, caught.value.value) == next(iter(given.items()))


def test_a_model_without_parameters_has_none_to_name() -> None:
    told = make_unknown_error("Plain has", {"factors": 8}, [])
    assert str(told) == "Plain has no parameter 'factors', nor any other"


def test_every_name_of_the_table_leads_to_a_parameter_of_some_model() -> None:
    from tastemap.models.shared.parameters import _ELSEWHERE

    known = {field.name for model in tm.MODELS.values() for field in dataclasses.fields(model)}
    assert _ELSEWHERE.keys() <= known
    for own, others in _ELSEWHERE.items():
        assert not known & {*others.split()} or own == "learning_rate", own  # alpha is one of ImplicitALS


def test_a_value_without_a_name_is_refused_with_the_name() -> None:
    with pytest.raises(tm.ParameterNameError) as caught:
        tm.ImplicitALS(64)  # type: ignore[misc]
    assert str(caught.value) == (
        "ImplicitALS takes parameters by their names only, got 64 without one: write ImplicitALS(factors=64)"
    )
    with pytest.raises(TypeError, match=r"got 3 without one: write Popular\(last=3\)$"):
        tm.Popular(3)  # type: ignore[misc]


@dataclass(kw_only=True, eq=False)
class Shy(tm.Popular):
    """A model of somebody else, which does nothing for these sentences."""

    n_shy: int = 1


class Own(tm.Popular):
    """A model with a constructor of its own."""

    def __init__(self, *names: str, **more: int) -> None:
        super().__init__()
        self.names, self.more = names, more


def test_models_of_others_need_no_work() -> None:
    with pytest.raises(
        tm.ParameterNameError, match="Shy has no parameter 'shy', only 'last', 'n_shy'; did you mean 'n_shy'"
    ):
        Shy(shy=2)  # type: ignore[call-arg]
    assert Shy(n_shy=2).get_params() == {"last": None, "n_shy": 2}
    own = Own("a", b=2)
    assert (own.names, own.more) == (("a",), {"b": 2})


def test_copies_and_signatures_are_those_of_a_dataclass() -> None:
    model = tm.SVD(factors=3)
    for other in (
        pickle.loads(pickle.dumps(model)),
        copy.copy(model),
        copy.deepcopy(model),
        dataclasses.replace(model),
        model.clone(),
    ):
        assert other is not model
        assert other.get_params() == model.get_params()
    assert list(inspect.signature(tm.SVD).parameters) == [field.name for field in dataclasses.fields(tm.SVD)]


def test_set_params_forgets_so_that_no_file_claims_what_was_not_learned(tmp_path: Path) -> None:
    model = tm.ImplicitALS(factors=2).fit(tm.Interactions.from_frame(PAIRS), progress=False)
    with pytest.raises(tm.ParameterNameError, match="did you mean 'factors'"):
        model.set_params(alpha=2.0, n_factors=3)
    assert model.alpha == 1.0  # nothing is set
    assert "factors | 2" in model.set_params().card()
    assert model.set_params(factors=3).get_params(deep=False)["factors"] == 3
    for ask in (model.card, lambda: model.save(tmp_path / "m.safetensors"), lambda: model.recommend(1)):
        with pytest.raises(tm.NotFittedError):
            ask()
    with pytest.raises(tm.ParameterError, match="factors must be"):
        model.set_params(factors=0).fit(tm.Interactions.from_frame(PAIRS))


def test_scikit_learn_clones_and_searches_parameters() -> None:
    base = pytest.importorskip("sklearn.base")
    grid = pytest.importorskip("sklearn.model_selection").ParameterGrid
    data = tm.Interactions.from_frame(PAIRS)
    fitted = tm.ImplicitALS(factors=2).fit(data, progress=False)
    other = base.clone(fitted)
    assert other.get_params() == fitted.get_params()
    with pytest.raises(tm.NotFittedError):
        _ = other.users
    for some in grid({"factors": [1, 2], "alpha": [0.5, 1.0]}):
        model = base.clone(fitted).set_params(**some).fit(data, progress=False)
        assert model.get_params()["factors"] == model.item_factors_.shape[1] == some["factors"]
    assert isinstance(fitted.recommend(frame="polars"), pl.DataFrame)
