"""GraphFilter against the formulas that its docstring states."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

import tastemap as tm
from reference import graph_filter as reference
from tastemap import memory

Array = npt.NDArray[Any]


def weighted(n_users: int = 40, n_items: int = 23) -> Array:
    """Return weights, 0 where there is no pair; item 4 and user 7 have none."""
    rng = np.random.default_rng(0)
    W = np.where(rng.random((n_users, n_items)) < 0.2, rng.choice([0.5, 1.0, 3.0], (n_users, n_items)), 0)
    W[7], W[:, 4] = 0, 0
    return W.astype(np.float32)


def in_units(W: Array) -> Array:
    return W / W[W > 0].mean(dtype=np.float64)


def fit_model(W: Array, **parameters: Any) -> tm.GraphFilter:
    return tm.GraphFilter(**parameters).fit(tm.Interactions.from_csr(sp.csr_array(W)))


@pytest.mark.parametrize(
    ("factors", "low_pass", "damping", "noise"),
    [(256, 0.3, 1.0, 0.7), (5, 1.0, 0.0, 0.0), (256, 0.3, 2.5, 0.0), (3, 0.0, 0.5, 0.5), (9, 2.0, 1.0, 9.0)],
)
def test_scores_are_the_history_times_the_coefficients(
    factors: int, low_pass: float, damping: float, noise: float
) -> None:
    W = weighted()
    model = fit_model(W, factors=factors, low_pass=low_pass, damping=damping, noise=noise)
    C = reference.coefficients(in_units(W), factors, low_pass, damping, noise)
    n_vectors = reference.parts(in_units(W), factors, damping, noise)[1].shape[1] if low_pass else 0
    assert model.item_vectors_.shape[1] == n_vectors
    users, items = np.nonzero(W)
    scores = in_units(W) @ C
    np.testing.assert_allclose(
        model.predict(users, items[::-1]), scores[users, items[::-1]], rtol=2e-4, atol=1e-4 * scores.max()
    )
    folded = model.recommend_for({2: 0.5, 9: 3.0}, k=30)
    own = (0.5 * C[2] + 3 * C[9]) / model.state.unit
    np.testing.assert_allclose(folded["score"], own[folded["item"]], rtol=2e-4, atol=1e-4 * own.max())


@pytest.mark.parametrize(("history", "expected"), [(3, 0.6), (16, 0.525), (60, 0.4)])
def test_the_steps_of_short_histories_are_more_noise(history: int, expected: float) -> None:
    W = np.zeros((8, 62), np.float32)
    W[np.arange(7)[:, None], np.arange(history) + np.arange(7)[:, None] % 3] = 1  # the last has no pair
    model = fit_model(W)
    assert model.noise is None
    assert model.used_.noise == expected
    assert np.array_equal(model.item_vectors_, fit_model(W, noise=expected).item_vectors_)


def test_at_no_damping_it_is_the_published_filter() -> None:
    W = (weighted() > 0).astype(np.float32)
    model = fit_model(W, factors=4, low_pass=0.3, damping=0.0, noise=0.0)
    n_u, n_i = (np.where(n > 0, n, 1) for n in (W.sum(axis=1), W.sum(axis=0)))
    R = W / np.sqrt(np.outer(n_u, n_i))
    V = np.linalg.svd(R)[2][:4].T
    expected = W @ (R.T @ R + 0.3 * np.diag(n_i**-0.5) @ V @ V.T @ np.diag(n_i**0.5))
    users, items = np.nonzero(W)
    np.testing.assert_allclose(model.predict(users, items[::-1]), expected[users, items[::-1]], rtol=2e-4, atol=1e-5)


def test_the_unit_of_the_weights_changes_nothing() -> None:
    W = weighted()
    model, scaled = fit_model(W), fit_model(W * 4)
    for array in tm.GraphFilter.fitted_arrays:
        np.testing.assert_array_equal(getattr(scaled, array), getattr(model, array))


def test_an_update_is_a_fit_to_all_pairs() -> None:
    W = (weighted() > 0).astype(np.float32)
    news = np.zeros_like(W)
    news[7, 4], news[1, 2] = 1, 1
    updated = fit_model(W).update(tm.Interactions.from_csr(sp.csr_array(news)))
    again = fit_model(np.maximum(W, news))
    for array in tm.GraphFilter.fitted_arrays:
        np.testing.assert_array_equal(getattr(updated, array), getattr(again, array))


@pytest.mark.parametrize(
    "W",
    [
        np.ones((6, 5)),
        np.ones((1, 5)),
        np.ones((5, 1)),
        np.ones((1, 1)),
        np.repeat(weighted()[:, :1], 5, axis=1),
        np.eye(6),
        weighted() * np.float32(3e37),
        np.where(weighted() > 0, np.float32(1e-30), 0),
    ],
    ids=["every pair", "one user", "one item", "one pair", "items alike", "nothing in common", "large", "tiny"],
)
@pytest.mark.parametrize("parameters", [{}, {"damping": 0.0, "noise": 0.0}, {"factors": 1, "low_pass": 0.0}], ids=str)
def test_odd_data_give_numbers(W: Array, parameters: dict[str, Any]) -> None:
    model = fit_model(W.astype(np.float32), **parameters)
    for array in model.fitted_arrays:
        assert np.isfinite(getattr(model, array)).all()
    shown = model.recommend(k=3, exclude_seen=False)
    assert shown["score"].is_finite().all()
    assert model.similar_items(np.flatnonzero(model.popularity_), k=3)["score"].is_finite().all()


def test_items_alike_are_one_anothers_neighbours() -> None:
    W = weighted()
    W[:, 5] = W[:, 6]
    near = fit_model(W).similar_items([5], k=1)
    assert near["neighbour"].to_list() == [6]
    np.testing.assert_allclose(near["score"], [1], rtol=1e-5)


def test_what_does_not_fit_into_memory_is_refused_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 20_000)
    monkeypatch.setattr(memory, "SMALL", 0)
    with pytest.raises(tm.DataError, match=r"^GraphFilter with 256 factors of 40 users, .* needs 4. kB"):
        fit_model(weighted())
