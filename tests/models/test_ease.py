"""EASE against the objective that its docstring states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

import tastemap as tm
from reference import ease as reference
from tastemap import memory
from tastemap.files.arrays import read_arrays, write_arrays
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


def whole_weights(model: Any) -> Array:
    """Return B of all items, with zeros for those without a pair."""
    active = np.flatnonzero(model.popularity_)
    assert model.weights_.shape[0] == len(active)
    assert not model.weights_[:, len(active) :].any()
    B = np.zeros((len(model.popularity_),) * 2, np.float32)
    B[np.ix_(active, active)] = model.weights_[:, : len(active)]
    return B


@pytest.fixture(params=[7, 256])
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inverse of a symmetric matrix, by elimination in many steps and in one."""
    monkeypatch.setattr(inverse, "TILE", request.param)


# As in the first paper: every pair counts alike, and so does every item's ridge.
PLAIN: dict[str, Any] = {"dropout": 0.0, "user_exponent": 0.0, "item_exponent": 0.0}
SETTINGS: list[dict[str, Any]] = [
    {"regularization": 0.1},
    {"regularization": 5.0},
    {"regularization": 500.0},
    {"regularization": 5.0, "dropout": 0.4},
    {"regularization": 5.0, "user_exponent": 0.7},
    {"regularization": 5.0, "item_exponent": 0.3},
    {"regularization": 0.5, "dropout": 0.9, "user_exponent": 1.0, "item_exponent": 1.0},
]


@pytest.mark.usefixtures("tile")
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_the_weights_solve_every_items_regression(setting: dict[str, Any]) -> None:
    X, setting = weighted(), {**PLAIN, **setting}
    model = fit_model(X, **setting)
    np.testing.assert_allclose(whole_weights(model), reference.weights(in_units(X), **setting), rtol=1e-5, atol=1e-7)
    del setting["item_exponent"]  # which comes after the regressions
    precisions = np.diag(reference.precision(in_units(X), **setting))
    np.testing.assert_allclose(model.item_precisions_, precisions, rtol=1e-7)
    everything = np.arange(23)
    shown = model.similar_items(everything[everything != 4], k=30)
    expected = reference.partial_correlations(in_units(X), **setting)
    np.testing.assert_allclose(shown["score"], expected[shown["item"], shown["neighbour"]], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_explanations_add_up_to_the_scores_of_lists(setting: dict[str, Any]) -> None:
    model = fit_model(weighted(), **{**PLAIN, **setting})
    for user, item, _, score in model.recommend([0, 1, 2], k=5).iter_rows():
        told = model.explain(user, item)
        np.testing.assert_allclose([told.score, told.frame["contribution"].sum()], score, rtol=1e-5)


def test_dropout_is_the_ridge_of_a_regression_on_all_weights_with_some_missing() -> None:
    # Two items that go together, and one user: E |x - m x B|^2 over masks m, kept with 1 - p and divided by it.
    X, p = np.array([[1.0, 1.0]], np.float32), 0.4
    model = fit_model(X, regularization=1e-9, **{**PLAIN, "dropout": p})
    ridge = p / (1 - p)  # the variance of m / (1 - p)
    np.testing.assert_allclose(whole_weights(model)[0, 1], 1 / (1 + ridge), rtol=1e-6)


@pytest.mark.usefixtures("tile")
def test_the_gradient_is_zero_except_on_the_diagonal() -> None:
    X = weighted().astype(np.float64)
    B = whole_weights(fit_model(X, regularization=3.0, **PLAIN)).astype(np.float64)
    gram = in_units(X).astype(np.float64).T @ in_units(X)
    gradient = (gram + 3 * np.eye(23)) @ B - gram
    off_diagonal = gradient[~np.eye(23, dtype=bool)]
    assert np.abs(off_diagonal).max() < 1e-6 * np.abs(gradient).max()
    assert not np.diagonal(B).any()


def test_scores_are_the_history_times_the_weights() -> None:
    X = weighted()
    model = fit_model(X, regularization=3.0)
    everything = np.arange(23)
    B = whole_weights(model)
    expected = reference.sums_of_rows(in_units(X), B, everything)
    users, items = np.nonzero(X)  # any pair of ids that have pairs
    np.testing.assert_array_equal(model.predict(users, items[::-1]), expected[users, items[::-1]])
    shown = model.recommend(k=30, exclude_seen=False, candidates=everything)
    assert shown["score"].to_list() == expected[shown["user"], shown["item"]].tolist()
    folded = model.recommend_for({2: 0.5, 9: 3.0}, k=30, candidates=everything)
    history = (np.eye(23)[[2]] * 0.5 + np.eye(23)[[9]] * 3) / model.state.unit
    own = reference.sums_of_rows(history.astype(np.float32), B, everything)[0]
    assert folded["score"].to_list() == own[folded["item"]].tolist()


def test_an_update_is_a_fit_to_all_pairs_in_the_unit_of_the_first() -> None:
    X = weighted()
    news = np.zeros_like(X)
    news[7, 4], news[1, 2] = 2, 5
    plain = {"regularization": 500.0, **PLAIN}
    model, refitted = fit_model(X, **plain), fit_model(np.where(news > 0, news, X), **plain)
    updated = model.update(tm.Interactions.from_csr(sp.csr_array(news)))
    assert updated.state.unit == model.state.unit == X[X > 0].mean(dtype=np.float64)
    plain["regularization"] *= (model.state.unit / refitted.state.unit) ** 2
    expected = fit_model(np.where(news > 0, news, X), **plain).weights_
    np.testing.assert_allclose(updated.weights_, expected, rtol=1e-5, atol=1e-8)
    by_the_data = fit_model(X).update(tm.Interactions.from_csr(sp.csr_array(news)))
    expected = fit_model(np.where(news > 0, news, X)).weights_  # in any unit, but for the digits of the regularization
    np.testing.assert_allclose(by_the_data.weights_, expected, rtol=1e-3, atol=1e-6)


def test_the_regularization_follows_the_pairs_and_not_the_unit_of_weights() -> None:
    ones = (weighted() > 0).astype(np.float64)
    n_user = ones.sum(axis=1)[ones.sum(axis=1) > 0]
    for user_exponent in (0.0, 0.5, 1.0):
        expected = 110 * (n_user ** (1 - user_exponent)).sum() / n_user.sum()
        for weight in (1, 7.5):
            model = fit_model(weight * ones, user_exponent=user_exponent)
            assert model.used_.regularization == pytest.approx(expected, rel=1e-3)
            assert model.regularization is None


def test_what_64_bits_cannot_solve_is_refused() -> None:
    X = np.repeat(weighted(seed=1)[:, :3], 2, axis=1)  # every item twice
    with pytest.raises(tm.DivergenceError, match="regularization"):
        fit_model(X, regularization=1e-19, **PLAIN)
    assert np.isfinite(fit_model(X * np.float32(1e8), regularization=1e-3, **PLAIN).weights_).all()


def test_the_largest_weights_are_learned_from() -> None:
    X = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1], [1] * 3], np.float32)
    np.testing.assert_array_equal(fit_model(X * np.float32(3e38)).weights_, fit_model(X).weights_)


def test_what_does_not_fit_into_memory_is_refused_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 20_000)
    monkeypatch.setattr(memory, "SMALL", 0)
    with pytest.raises(tm.DataError, match=r"^EASE of 30 users, .* needs 94 kB of memory, and 20 kB are free"):
        fit_model(weighted())
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    fit_model(weighted())


def test_memory_and_time_are_shown_with_the_progress(capsys: pytest.CaptureFixture[str]) -> None:
    data = tm.Interactions.from_csr(sp.csr_array(weighted()))
    tm.EASE().fit(data, progress=True)
    said = capsys.readouterr().err
    assert "EASE, 22 items, 0.0 GB, about 1 s" in said
    assert "1/1" in said
    tm.EASE().fit(data)
    assert capsys.readouterr().err == ""


def spread(X: Array, n_items: int) -> tm.Interactions:
    """Return the same pairs in a catalogue of n_items, most of them without a pair; item i is item 7 i there."""
    users, items = np.nonzero(X)
    return tm.Interactions.from_csr(sp.csr_array((X[users, items], (users, 7 * items)), shape=(len(X), n_items)))


def test_items_without_a_pair_cost_nothing_and_change_nothing() -> None:
    X = weighted()
    small = fit_model(X, regularization=3.0)
    large = tm.EASE(regularization=3.0).fit(spread(X, 200_000))
    assert large.weights_.nbytes == small.weights_.nbytes  # of 200,000 items B would take 160 GB
    known, everyone = np.flatnonzero(small.popularity_), np.flatnonzero(small.activity_)
    for k in (3, 23):
        mine, its = (model.recommend(everyone, k=k, exclude_seen=False) for model in (small, large))
        assert its.with_columns(item=its["item"] // 7).equals(mine)
        mine, its = small.similar_items(known, k=k), large.similar_items(7 * known, k=k)
        assert (its["item"] // 7).equals(mine["item"])
        assert (its["neighbour"] // 7).equals(mine["neighbour"])
        assert its["score"].equals(mine["score"])
    folded = [model.recommend_for({9 * by: 2.0}, k=23) for model, by in ((small, 1), (large, 7))]
    assert folded[1]["score"].equals(folded[0]["score"])
    assert large.explain(0, 7 * 3).score == small.explain(0, 3).score
    assert large.recommend(0, candidates=[7, 1, 2], exclude_seen=False)["score"].to_list()[-1:] == [0]  # cold ones
    assert large.similar_items(7, candidates=[1, 14])["score"].to_list()[-1] <= 0


def test_new_pairs_and_new_items_come_in_by_an_update_as_by_a_fit() -> None:
    X = (weighted() > 0).astype(np.float32)  # of ones: the mean weight stays
    news = tm.Interactions.from_frame({"user": [0, 99, 99], "item": [28, 28, 500_000]})  # 28 had no pair
    base = spread(X, 1000)
    updated = tm.EASE(regularization=3.0).fit(base).update(news)
    again = tm.EASE(regularization=3.0).fit(base.merge(news))
    np.testing.assert_array_equal(updated.weights_, again.weights_)
    assert updated.recommend(99, k=5).equals(again.recommend(99, k=5))
    assert len(updated.weights_) == 24


def test_the_core_of_a_large_catalogue_fits_into_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    items = np.minimum((rng.pareto(1, 60_000) * 300).astype(int), 199_999)
    pairs = sp.csr_array((np.ones(60_000, np.float32), (rng.integers(0, 3000, 60_000), items)), shape=(3000, 200_000))
    data = tm.Interactions.from_csr(pairs)
    monkeypatch.setattr(memory, "available_memory", lambda: 300 * 10**6)
    with pytest.raises(
        tm.DataError,
        match=r"fit ImplicitALS, .*, or keep the 3,500 most popular items with interactions.top_items\(3500\)$",
    ):
        tm.EASE().fit(data)
    core = data.core(min_per_item=20)
    assert core.shape == (3000, 200_000)
    model = tm.EASE().fit(core)
    assert len(model.weights_) == core.n_items < 1000
    compact = tm.EASE().fit(core.compact())
    np.testing.assert_array_equal(model.weights_, compact.weights_)


def test_a_file_with_the_weights_of_all_items_is_read(tmp_path: Path) -> None:
    data = spread(weighted(), 200)
    model = tm.EASE(regularization=3.0).fit(data)
    model.save(tmp_path / "new")
    arrays, header, _ = read_arrays(tmp_path / "new", "model")
    older = {name: array for name, array in arrays.items() if name != "weights_"}
    older["item_weights_"] = np.pad(whole_weights(model), ((0, 0), (0, 8)))  # as it was written before
    write_arrays(tmp_path / "old", older, "model", header)
    loaded: Any = tm.load(tmp_path / "old")
    np.testing.assert_array_equal(loaded.weights_, model.weights_)
    assert loaded.recommend(k=9).equals(model.recommend(k=9))
    full = tm.EASE().fit(tm.Interactions.from_csr(sp.csr_array(weighted()[:, [0, 1, 2]])))
    full.save(tmp_path / "new")
    arrays, header, _ = read_arrays(tmp_path / "new", "model")
    arrays["item_weights_"] = arrays.pop("weights_")
    write_arrays(tmp_path / "old", arrays, "model", header)
    assert tm.load(tmp_path / "old").recommend(k=3).equals(full.recommend(k=3))


def test_a_file_from_before_dropout_and_exponents_is_read_as_it_was(tmp_path: Path) -> None:
    model = fit_model(weighted(), regularization=3.0, **PLAIN)
    model.save(tmp_path / "new")
    arrays, header, _ = read_arrays(tmp_path / "new", "model")
    del arrays["item_scales_"]
    write_arrays(tmp_path / "old", arrays, "model", {**header, "parameters": {"regularization": 3.0}})
    loaded: Any = tm.load(tmp_path / "old")
    assert loaded.get_params() == model.get_params()
    assert loaded.recommend(k=9).equals(model.recommend(k=9))
    assert loaded.similar_items(3, k=9).equals(model.similar_items(3, k=9))
    del arrays["item_precisions_"]
    write_arrays(tmp_path / "bad", arrays, "model", {**header, "parameters": {"regularization": 3.0}})
    with pytest.raises(tm.ModelFileError, match="'item_precisions_' is missing"):
        tm.load(tmp_path / "bad")
