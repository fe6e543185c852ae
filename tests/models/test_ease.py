"""EASE against the objective that its docstring states."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

import tastemap as tm
from reference import ease as reference
from tastemap.models import ease
from tastemap.training import inverse

Array = npt.NDArray[Any]


def weighted(n_users: int = 30, n_items: int = 23, seed: int = 0) -> Array:
    """Return weights, 0 where there is no pair; item 4 and user 7 have none."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n_users, n_items)) < 0.3, rng.choice([0.5, 1.0, 3.0], (n_users, n_items)), 0)
    X[7], X[:, 4], X[3] = 0, 0, 1
    X[3, 4] = 0
    return X.astype(np.float32)


def in_units(X: Array) -> Array:
    """Return weights as multiples of their mean."""
    return (X / X[X > 0].mean(dtype=np.float64)).astype(np.float32)


def fit_model(X: Array, **parameters: Any) -> tm.EASE:
    return tm.EASE(**parameters).fit(tm.Interactions.from_csr(sp.csr_array(X)))


@pytest.fixture(params=[7, 256])
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inverse of a symmetric matrix, by elimination in many steps and in one."""
    monkeypatch.setattr(inverse, "TILE", request.param)


@pytest.mark.usefixtures("tile")
@pytest.mark.parametrize("regularization", [0.1, 5.0, 500.0])
def test_the_weights_solve_every_items_regression(regularization: float) -> None:
    X = weighted()
    model = fit_model(X, regularization=regularization)
    B = model.item_weights_
    np.testing.assert_allclose(B[:, :23], reference.weights(in_units(X), regularization), rtol=1e-5, atol=1e-7)
    assert not B[:, 23:].any()
    precisions = np.diag(reference.precision(in_units(X), regularization))
    np.testing.assert_allclose(model.item_precisions_, precisions, rtol=1e-10)


@pytest.mark.usefixtures("tile")
def test_the_gradient_is_zero_except_on_the_diagonal() -> None:
    X = weighted().astype(np.float64)
    B = fit_model(X, regularization=3.0).item_weights_[:, :23].astype(np.float64)
    gram = in_units(X).astype(np.float64).T @ in_units(X)
    gradient = (gram + 3 * np.eye(23)) @ B - gram
    off_diagonal = gradient[~np.eye(23, dtype=bool)]
    assert np.abs(off_diagonal).max() < 1e-6 * np.abs(gradient).max()
    assert not np.diagonal(B).any()


def test_scores_are_the_history_times_the_weights() -> None:
    X = weighted()
    model = fit_model(X, regularization=3.0)
    everything = np.arange(23)
    expected = reference.sums_of_rows(in_units(X), model.item_weights_, everything)
    users, items = np.nonzero(X)  # any pair of ids that have pairs
    np.testing.assert_array_equal(model.predict(users, items[::-1]), expected[users, items[::-1]])
    shown = model.recommend(k=30, exclude_seen=False, candidates=everything)
    assert shown["score"].to_list() == expected[shown["user"], shown["item"]].tolist()
    folded = model.recommend_for({2: 0.5, 9: 3.0}, k=30, candidates=everything)
    history = (np.eye(23)[[2]] * 0.5 + np.eye(23)[[9]] * 3) / model.state.unit
    own = reference.sums_of_rows(history.astype(np.float32), model.item_weights_, everything)[0]
    assert folded["score"].to_list() == own[folded["item"]].tolist()


def test_an_update_is_a_fit_to_all_pairs_in_the_unit_of_the_first() -> None:
    X = weighted()
    news = np.zeros_like(X)
    news[7, 4], news[1, 2] = 2, 5
    model, refitted = fit_model(X), fit_model(np.where(news > 0, news, X))
    updated = model.update(tm.Interactions.from_csr(sp.csr_array(news)))
    assert updated.state.unit == model.state.unit == X[X > 0].mean(dtype=np.float64)
    in_its_unit = model.regularization * (model.state.unit / refitted.state.unit) ** 2
    expected = fit_model(np.where(news > 0, news, X), regularization=in_its_unit).item_weights_
    np.testing.assert_allclose(updated.item_weights_, expected, rtol=1e-5, atol=1e-8)


def test_what_64_bits_cannot_solve_is_refused() -> None:
    X = np.repeat(weighted(seed=1)[:, :3], 2, axis=1)  # every item twice
    with pytest.raises(tm.DivergenceError, match="regularization"):
        fit_model(X, regularization=1e-19)
    assert np.isfinite(fit_model(X * np.float32(1e8), regularization=1e-3).item_weights_).all()


def test_the_largest_weights_are_learned_from() -> None:
    X = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1], [1] * 3], np.float32)
    np.testing.assert_array_equal(fit_model(X * np.float32(3e38)).item_weights_, fit_model(X).item_weights_)


def test_what_does_not_fit_into_memory_is_refused_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "available_memory", lambda: 20_000)
    with pytest.raises(tm.DataError, match=r"EASE of 22 items takes .* GB, and .* GB are free"):
        fit_model(weighted())
    monkeypatch.setattr(ease, "available_memory", lambda: None)
    fit_model(weighted())


def test_memory_and_time_are_shown_with_the_progress(capsys: pytest.CaptureFixture[str]) -> None:
    data = tm.Interactions.from_csr(sp.csr_array(weighted()))
    tm.EASE().fit(data, progress=True)
    said = capsys.readouterr().err
    assert "EASE, 22 items, 0.0 GB, about 1 s" in said
    assert "1/1" in said
    tm.EASE().fit(data)
    assert capsys.readouterr().err == ""
