"""ExplicitALS against the objective that its docstring states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import tastemap as tm
from reference import ratings as reference
from reference.ratings import some_ratings as ratings
from tastemap.models.shared.ratings import RatingModel


def als(**changed: Any) -> tm.ExplicitALS:
    return tm.ExplicitALS(**{"factors": 4, "epochs": 4, "regularization": 0.1, "bias_regularization": 0.03, **changed})


settings = pytest.mark.parametrize(
    "changed",
    [{}, {"biases": False}, {"regularization_scale": "none"}, {"bias_regularization": 0.0}, {"factors": 20}],
    ids=str,
)


@settings
def test_every_epoch_reports_the_objective_of_its_rows_and_it_never_rises(changed: dict[str, Any]) -> None:
    interactions = ratings()
    model = als(**changed, epochs=12).fit(interactions)
    values = np.array([done.objective for done in model.epochs_])
    assert (np.diff(values) <= 1e-5 * values[:-1]).all()
    for epochs in (1, 5):
        model = als(**changed, epochs=epochs)
        model._take_ratings(interactions)
        task = model._task(interactions)
        state = task.start()
        for epoch in range(epochs):
            reported = task.train_epoch(state, epoch)
        RatingModel._take(model, state)  # without the last half-step of fit
        assert reported == pytest.approx(values[epochs - 1], rel=1e-9)
        assert reported == pytest.approx(reference.objective(reference.dense(interactions), model), rel=1e-4)


@settings
def test_the_fitted_users_are_the_minimum(changed: dict[str, Any]) -> None:
    interactions, h = ratings(), 1e-3
    model = als(**changed).fit(interactions)
    R = reference.dense(interactions)
    at_it = reference.objective(R, model)
    for u in (0, 3, 7):
        for sign in (1, -1):
            for f in range(model.factors):
                model.user_factors_[u, f] += sign * h
                assert reference.objective(R, model) > at_it
                model.user_factors_[u, f] -= sign * h
            if model.biases:
                model.user_biases_[u] += sign * h
                assert reference.objective(R, model) > at_it - 1e-9
                model.user_biases_[u] -= sign * h


def test_without_biases_a_score_is_the_product_alone() -> None:
    model = als(biases=False).fit(ratings())
    assert not model.user_biases_.any()
    assert not model.item_biases_.any()
    assert model.mean_ == 0
    product = model.user_factors_[3] @ model.item_factors_.T
    known = model.popularity_ > 0
    expected = np.clip(product[known], *model.range_)
    np.testing.assert_allclose(model.predict(3, np.flatnonzero(known)), expected, rtol=1e-5)


def test_rows_without_ratings_have_zero_factors_and_bias() -> None:
    model = als().fit(ratings())
    for rows in (model.user_factors_[5], model.user_biases_[5], model.item_factors_[2], model.item_biases_[2]):
        assert not rows.any()


def test_ratings_made_of_biases_and_one_product_are_found_again() -> None:
    rng = np.random.default_rng(0)
    users, items, p, q = (rng.normal(0, 1, n) for n in (40, 30, 40, 30))
    R = 3 + users[:, None] + items + np.outer(p, q)
    here = rng.random(R.shape) < 0.7
    known = sp.csr_array(np.where(here, R, 0))
    model = als(factors=1, epochs=40, regularization=1e-4, bias_regularization=1e-4)
    model.fit(tm.Interactions.from_csr(known, allow_negative=True))
    rows, columns = np.nonzero(~here & (model.range_[0] < R) & (model.range_[1] > R))
    np.testing.assert_allclose(model.predict(rows, columns), R[rows, columns], atol=0.05)


def test_explanations_blame_what_was_disliked() -> None:
    # Two groups of films; whoever loves one of them dislikes the other.
    rng = np.random.default_rng(0)
    side = np.repeat([0, 1], 15)
    R = np.where(side[:, None] == np.repeat([0, 1], 6), 5.0, 1.0)
    here = rng.random(R.shape) < 0.8
    here[0] = [True] * 11 + [False]
    model = als(factors=2, epochs=10).fit(tm.Interactions.from_csr(sp.csr_array(np.where(here, R, 0))))
    reasons = model.explain(0, 11)
    assert reasons.kind == "exact"
    assert reasons.score < 2
    assert (reasons.frame["contribution"] < 0).all()
    expected = model.mean_[0] + model.user_biases_[0] + model.item_biases_[11]
    assert reasons.baseline == pytest.approx(expected, rel=1e-5)


def test_update_solves_what_has_new_ratings_and_then_all_users() -> None:
    interactions = ratings()
    model = als().fit(interactions)
    news = tm.Interactions.from_frame(
        {"user": [1, 20, 20], "item": [30, 4, 0], "stars": [2.0, 1.0, 6.0]}, weight="stars"
    )
    after = model.update(news)
    stays = ~np.isin(np.arange(9), [4, 0])
    np.testing.assert_array_equal(after.item_factors_[:9][stays], model.item_factors_[stays])
    assert after.mean_ == model.mean_
    R = reference.dense(after.interactions)
    at_it = reference.objective(R, after)
    rows = after.items.rows([30, 4, 0])
    for factors, which in ((after.user_factors_, range(len(after.user_factors_))), (after.item_factors_, rows)):
        for row in which:
            for f in range(4):
                for sign in (1, -1):
                    factors[row, f] += sign * 0.1
                    worse = reference.objective(R, after)
                    factors[row, f] -= sign * 0.1
                    # Items were solved before the users moved once more.
                    assert worse > at_it - (0 if factors is after.user_factors_ else 0.1) - 1e-6


def assert_finite_or_refused(model: tm.ExplicitALS, interactions: tm.Interactions, word: str) -> None:
    """Assert that fitting gives finite numbers or one sentence that names what to change."""
    try:
        model.fit(interactions)
    except (tm.DivergenceError, ValueError) as error:
        refusal = str(error)
    else:
        assert np.isfinite(model.user_factors_).all()
        assert np.isfinite(model.predict(3, [0, 1])).all()
        return
    assert word in refusal
    assert "\n" not in refusal


@pytest.mark.parametrize(
    "changed",
    [{"regularization": 1e38}, {"regularization": 1e-30, "bias_regularization": 0.0, "factors": 20}],
    ids=str,
)
def test_extreme_parameters_give_finite_numbers_or_a_sentence(changed: dict[str, Any]) -> None:
    assert_finite_or_refused(als(**changed), ratings(), "regularization")


@pytest.mark.parametrize("size", [1e12, 1e20, 3e37])
def test_extreme_ratings_give_finite_numbers_or_a_sentence(size: float) -> None:
    assert_finite_or_refused(als(), tm.Interactions.from_csr(ratings().matrix * np.float32(size)), "ratings")


@pytest.mark.parametrize("scale", [0.1, 10])
def test_ratings_on_another_scale_give_the_same_model_on_that_scale(scale: float) -> None:
    stars = ratings()
    model = tm.ExplicitALS(factors=4).fit(stars)
    scaled = tm.ExplicitALS(factors=4).fit(tm.Interactions.from_csr(stars.matrix * np.float32(scale)))
    rows, columns = stars.row_of_pair(), stars.by_user.indices
    np.testing.assert_allclose(scaled.predict(rows, columns), scale * model.predict(rows, columns), rtol=1e-3)


def test_regularization_is_found_in_the_ratings_of_a_row() -> None:
    rng = np.random.default_rng(0)
    stars = np.where(rng.random((90, 60)) < 0.8, rng.integers(1, 6, (90, 60)), 0)
    n = np.count_nonzero(stars) / 150

    def found(matrix: Any, **changed: Any) -> tuple[float, float]:
        used = tm.ExplicitALS(factors=2, **changed).fit(tm.Interactions.from_csr(sp.csr_array(matrix * 1.0))).used_
        return used.regularization, used.bias_regularization

    assert found(stars) == pytest.approx((0.6 / n**0.5, 0.3 / n**0.5), rel=1e-3)
    assert found(stars, regularization_scale="none") == pytest.approx((1.2 * n**0.5, 0.6 * n**0.5), rel=1e-3)
    assert found(stars, regularization=0.5)[0] == 0.5
    assert found(np.diag(np.arange(1, 21))) == (0.16, 0.16)
