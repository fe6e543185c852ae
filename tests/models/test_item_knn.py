"""ItemKNN against the formulas that its docstring states."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

import tastemap as tm
from reference import knn as reference
from tastemap.models import item_knn as knn
from tastemap.models.shared import stored as stored_arrays

Array = npt.NDArray[Any]
EXPONENTS = ("user_exponent", "history_exponent", "item_exponent", "similarity_exponent")


def weighted(n_users: int = 40, n_items: int = 23) -> Array:
    """Return weights in multiples of their mean, NaN where there is no pair; item 4 and user 7 have none."""
    rng = np.random.default_rng(0)
    W = np.where(rng.random((n_users, n_items)) < 0.2, rng.choice([0.5, 1.0, 3.0], (n_users, n_items)), np.nan)
    W[7], W[:, 4] = np.nan, np.nan
    return W / np.nanmean(W)


def fit_model(W: Array, **parameters: Any) -> tm.ItemKNN:
    rows, columns = np.nonzero(~np.isnan(W))
    pairs = sp.csr_array((W[rows, columns], (rows, columns)), shape=W.shape)
    return tm.ItemKNN(**parameters).fit(tm.Interactions.from_csr(pairs))


def stored(model: tm.ItemKNN) -> Array:
    """Return the stored similarities as a matrix, 0 for items that are not neighbours."""
    n_items = len(model.items)
    sim = np.zeros((n_items, n_items))
    for i in range(n_items):
        own = slice(model.neighbour_starts_[i], model.neighbour_starts_[i + 1])
        sim[i, model.neighbours_[own]] = model.similarities_[own]
    return sim


@pytest.mark.parametrize("shrinkage", [0.0, 3.0])
@pytest.mark.parametrize(
    "similarity",
    [
        {"similarity": "cosine"},
        {"similarity": "tfidf"},
        {"similarity": "bm25"},
        {"similarity": "bm25", "bm25_k1": 0.0},
        {"similarity": "bm25", "bm25_k1": 7.0, "bm25_b": 0.0},
        {"similarity": "bm25", "bm25_b": 1.0},
        {"similarity": "normalised"},
        *({"similarity": "normalised", name: value} for name in EXPONENTS for value in (0.4, 1.3, 2.0)),
        *({"similarity": "normalised", name: 0.0} for name in EXPONENTS[:3]),
    ],
    ids=str,
)
def test_all_similarities_are_those_of_the_formula(similarity: dict[str, Any], shrinkage: float) -> None:
    W = weighted()
    model = fit_model(W, neighbours=50, shrinkage=shrinkage, **similarity)
    kind, k1, b, *exponents = (getattr(model.used_, name) for name in ("similarity", "bm25_k1", "bm25_b", *EXPONENTS))
    expected = reference.similarities(W, kind, shrinkage, k1, b, tuple(exponents))
    np.testing.assert_allclose(stored(model), expected, rtol=1e-5, atol=1e-7)
    assert expected.max() > 0.001


def test_a_walk_of_two_steps_ends_at_an_item_as_often_as_its_score_says() -> None:
    # P3: from an item of the history to one of its users and on to one of the user's items, each by its weight.
    W = weighted()
    walk = {"user_exponent": 1.0, "history_exponent": 1.0, "item_exponent": 0.0, "similarity_exponent": 1.0}
    model = fit_model(W, neighbours=50, shrinkage=0.0, similarity="normalised", **walk)
    X = np.nan_to_num(W)
    steps = [side / np.maximum(side.sum(axis=1), 1e-9)[:, None] for side in (X.T, X)]
    walks = steps[0] @ steps[1]  # from item j to item i
    np.testing.assert_allclose(walks.sum(axis=1)[[0, 3]], 1)
    np.fill_diagonal(walks, 0)
    np.testing.assert_allclose(stored(model), walks.T, rtol=1e-5)


def test_a_linear_graph_filter_has_all_neighbours_and_no_shrinkage() -> None:
    # Turbo-CF: r_u R'R of R = D_u^-a X D_i^-(1 - a), without the item itself.
    W, a = weighted(), 0.6
    exponents = {"user_exponent": 2 * a, "history_exponent": 1 - a, "item_exponent": 1 - a, "similarity_exponent": 1.0}
    model = fit_model(W, neighbours=10**9, shrinkage=0.0, similarity="normalised", **exponents)
    X = np.nan_to_num(W)
    n_user, n_item = (np.maximum(X.sum(axis=axis), 1e-9) for axis in (1, 0))
    R = X / n_user[:, None] ** a / n_item ** (1 - a)
    kernel = R.T @ R
    np.fill_diagonal(kernel, 0)
    np.testing.assert_allclose(stored(model), kernel, rtol=1e-5)
    users, items = np.nonzero(~np.isnan(W))
    np.testing.assert_allclose(model.predict(users, items[::-1]), (X @ kernel)[users, items[::-1]], rtol=1e-5)
    told = model.explain(int(users[0]), int(items[-1]))
    np.testing.assert_allclose(told.frame["contribution"].sum(), told.score, rtol=1e-5)


def test_only_the_nearest_are_stored_and_make_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "BLOCK_ROWS", 5)
    W = weighted()
    everything, few = fit_model(W, neighbours=50), fit_model(W, neighbours=4)
    sim = stored(few)
    for i, own in enumerate(reference.nearest(stored(everything), 4, few.items.tie_order)):
        assert few.neighbours_[few.neighbour_starts_[i] : few.neighbour_starts_[i + 1]].tolist() == own
        assert sim[i, own].tolist() == stored(everything)[i, own].tolist()
    scores = np.nan_to_num(W) @ sim.T
    users, items = np.nonzero(~np.isnan(W))
    np.testing.assert_allclose(few.predict(users, items[::-1]), scores[users, items[::-1]], rtol=1e-6)
    few = fit_model(W, neighbours=4, similarity="cosine")
    neighbours = few.similar_items(3, k=10)
    own = slice(few.neighbour_starts_[3], few.neighbour_starts_[4])
    assert neighbours["neighbour"].to_list() == few.neighbours_[own].tolist()
    assert neighbours["score"].to_list() == few.similarities_[own].tolist()


def test_a_catalogue_of_more_scores_than_a_block_is_ranked_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    W = weighted()
    whole = fit_model(W).recommend(k=30, exclude_seen=False)
    monkeypatch.setattr(knn._Sums, "cells", 8)
    assert fit_model(W).recommend(k=30, exclude_seen=False).equals(whole)


def test_an_update_is_a_fit_to_all_pairs() -> None:
    W, news = weighted(), np.full_like(weighted(), np.nan)
    news[7, 4], news[1, 2] = 2, 5
    rows, columns = np.nonzero(~np.isnan(news))
    pairs = sp.csr_array((news[rows, columns], (rows, columns)), shape=news.shape)
    updated = fit_model(W, similarity="cosine").update(tm.Interactions.from_csr(pairs))
    expected = stored(fit_model(np.where(np.isnan(news), W, news), similarity="cosine"))
    np.testing.assert_allclose(stored(updated), expected, rtol=1e-5)  # in another unit


@pytest.mark.parametrize(("share", "expected"), [(0.9, 20), (0.02, 57), (0.002, 179)])
def test_emptier_data_get_more_neighbours(share: float, expected: int) -> None:
    # Users and items with a pair each, and as many more pairs as make that density.
    n, n_items = 600, 500
    W = np.full((n, n_items), np.nan)
    W[np.arange(n), np.arange(n) % n_items] = 1
    more = np.flatnonzero(np.isnan(W.T))[: max(round(share * W.size) - n, 0)]
    W.T.flat[more] = 1
    model = fit_model(W)
    assert model.neighbours is None
    assert model.used_.neighbours == expected
    assert "neighbours" in model.card()


@pytest.mark.parametrize(("history", "expected"), [(2, 0.25), (10, 0.2993), (40, 0.4796), (200, 0.65)])
def test_longer_histories_move_popular_items_further_down(history: int, expected: float) -> None:
    W = np.full((6, 250), np.nan)
    W[:, :history] = 1
    model = fit_model(W)
    assert model.item_exponent is None
    assert model.used_.item_exponent == expected  # 0.13 ln(history)
    given = fit_model(W, item_exponent=expected)
    assert np.array_equal(given.similarities_, model.similarities_)


def test_a_file_from_before_the_exponents_is_read() -> None:
    model = fit_model(weighted(), neighbours=5, similarity="cosine", shrinkage=10.0)
    header = model._header()
    header["parameters"] = {name: value for name, value in header["parameters"].items() if name not in EXPONENTS}
    header["used"] = {}
    assert "similarity_exponent" not in header["parameters"]
    arrays = stored_arrays.arrays_of(model.state, {name: getattr(model, name) for name in model.fitted_arrays}, True)
    again = tm.ItemKNN.from_arrays(arrays, header)
    assert again.recommend_for({2: 1.0}, k=4).equals(model.recommend_for({2: 1.0}, k=4))


def test_exponents_that_blow_small_weights_up_are_refused_in_a_sentence() -> None:
    W = weighted()
    W[:, 11], W[7, 11], W[7, 12] = np.nan, 1e-30, 1e-30  # an item and a user with nothing but tiny weights
    assert np.isfinite(fit_model(W).similarities_).all()
    with pytest.raises(tm.DataError, match="with these exponents the smallest weights count"):
        fit_model(W, user_exponent=2.0, history_exponent=2.0)


def test_neighbours_are_as_near_in_both_directions() -> None:
    W = np.where(np.isnan(weighted()), np.nan, 1.0)
    model = fit_model(W, neighbours=50)
    sim, near = stored(model), model.similar_items([0, 1, 3], k=50)
    for item, other, score in near.select("item", "neighbour", "score").iter_rows():
        assert score == pytest.approx(np.sqrt(sim[item, other] * sim[other, item]), rel=1e-5, abs=1e-9)
