"""SVD and SVDpp against the objectives that their docstrings state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tastemap as tm
from reference import ratings as reference
from reference.ratings import some_ratings as ratings
from tastemap.models.svd import START
from tastemap.models.svdpp import _ImplicitDescent
from tastemap.training.loop import Epoch
from tastemap.training.wide import zeros

both = pytest.mark.parametrize("kind", [tm.SVD, tm.SVDpp])


def svd(kind: Any, **changed: Any) -> Any:
    quick = {"factors": 4, "epochs": 5, "learning_rate": 0.05, "regularization": 0.1, "bias_regularization": 0.03}
    return kind(**{**quick, **changed})


def reported_and_true_objective(model: Any, interactions: tm.Interactions) -> tuple[float, float]:
    Y = model.implicit_factors_.astype(float) if isinstance(model, tm.SVDpp) else None
    return model.epochs_[-1].objective, reference.objective(reference.dense(interactions), model, Y)


@both
def test_the_objective_at_the_end_is_that_of_the_rows(kind: Any) -> None:
    # Errors are counted before the steps; in the last of many epochs the steps are next to nothing.
    model = svd(kind, epochs=300).fit(ratings())
    reported, true = reported_and_true_objective(model, ratings())
    assert reported == pytest.approx(true, rel=1e-3)


@both
def test_the_objective_falls(kind: Any) -> None:
    values = [done.objective for done in svd(kind, epochs=200).fit(ratings()).epochs_]
    assert values[-1] < 0.7 * values[0]
    assert values[-1] < values[100] < values[20] < values[0]


@both
def test_training_to_the_end_finds_a_minimum(kind: Any) -> None:
    model = svd(kind, epochs=1500, learning_rate=0.1).fit(ratings())
    R = reference.dense(ratings())
    Y = model.implicit_factors_.astype(float) if kind is tm.SVDpp else None
    at_it = reference.objective(R, model, Y)
    for rows in (model.user_factors_, model.item_factors_, model.user_biases_[:, None], model.item_biases_[:, None]):
        for row in (0, 3, 7):
            for f in range(rows.shape[1]):
                for sign in (1, -1):
                    rows[row, f] += sign * 0.1
                    assert reference.objective(R, model, Y) > at_it
                    rows[row, f] -= sign * 0.1


@both
def test_rows_without_ratings_have_zero_factors_and_bias(kind: Any) -> None:
    model = svd(kind).fit(ratings())
    for rows in (model.user_factors_[5], model.user_biases_[5], model.item_factors_[2], model.item_biases_[2]):
        assert not rows.any()
    if kind is tm.SVDpp:
        assert not model.implicit_factors_[2].any()


def implicit_task(seed: int = 0) -> tuple[Any, _ImplicitDescent, dict[str, Any]]:
    model = svd(tm.SVDpp, implicit_regularization=0.2)
    model._take_ratings(ratings())
    task = model._task(ratings())
    rng = np.random.default_rng(seed)
    state = task.start()
    state["users"][:, :4] = rng.uniform(-1, 1, (13, 4))
    state["items"][:, :4] = rng.uniform(-1, 1, (9, 4))
    state["implicit"][:, :4] = rng.uniform(-1, 1, (9, 4))
    return model, task, state


def implicit_objective(state: dict[str, Any], Y: Any) -> float:
    """Return half of the squared errors and of y's regularization, where the users' own part p stays."""
    R = reference.dense(ratings())
    P = state["users"].astype(float)
    P[:, :4] += reference.implicit_part(R, Y) - reference.implicit_part(R, state["implicit"][:, :4].astype(float))
    mean = np.nanmean(R)
    value = np.nansum((R - mean - P @ state["items"].T) ** 2)
    return 0.5 * float(value + np.nanstd(R) * 0.2 * ((~np.isnan(R)).sum(axis=0) @ (Y**2).sum(axis=1)))


@pytest.mark.parametrize("rate", [1e-4, 1e6])
def test_the_implicit_part_moves_down_its_gradient_and_not_too_far(rate: float) -> None:
    _, task, state = implicit_task()
    before = {name: rows.copy() for name, rows in state.items()}
    R = reference.dense(ratings())
    errors = np.where(np.isnan(R), 0, R - np.nanmean(R) - state["users"] @ state["items"].T)
    G = zeros(*state["users"].shape)
    G[:] = errors @ state["items"]
    Z = zeros(*state["users"].shape)
    Z[:, :4] = old = reference.implicit_part(R, state["implicit"][:, :4].astype(float))
    task._move(state, Z, G, 1.0, rate)

    h, Y = 1e-4, before["implicit"][:, :4].astype(float)
    gradient = np.zeros_like(Y)
    for j, f in np.ndindex(*Y.shape):
        for sign in (1, -1):
            Y[j, f] += sign * h
            gradient[j, f] += sign * implicit_objective(before, Y) / (2 * h)
            Y[j, f] -= sign * h
    moved = state["implicit"][:, :4] - Y
    length = -(moved * gradient).sum() / (gradient**2).sum()
    np.testing.assert_allclose(moved, -length * gradient, rtol=1e-2, atol=1e-3 * np.abs(moved).max())
    assert not state["implicit"][:, 4:].any()
    new = reference.implicit_part(R, state["implicit"][:, :4].astype(float))
    np.testing.assert_allclose(Z[:, :4], new, atol=1e-5)
    np.testing.assert_allclose(state["users"][:, :4], before["users"][:, :4] + new - old, atol=1e-5)
    np.testing.assert_array_equal(state["users"][:, 4:], before["users"][:, 4:])
    assert not G.any()
    if rate < 1:
        assert length == pytest.approx(rate, rel=1e-2)
    else:  # about at the lowest point in this direction
        ahead = [implicit_objective(before, Y - s * length * gradient) for s in (0, 1, 2)]
        assert ahead[1] < ahead[0]
        assert ahead[2] < ahead[0] + 2 * (ahead[0] - ahead[1])


@both
@pytest.mark.parametrize("patient", [False, True])
def test_a_resumed_training_has_the_bits_of_an_uninterrupted_one(kind: Any, patient: bool, tmp_path: Path) -> None:
    train, validation = tm.split.random(ratings(40, 30), 0.2, seed=1)
    options: dict[str, Any] = {"validation": validation, "patience": 3} if patient else {}

    def stop(done: Epoch) -> None:
        if done.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        svd(kind).fit(train, checkpoint=tmp_path / "checkpoint", callbacks=stop, **options)
    resumed = svd(kind).fit(train, checkpoint=tmp_path / "checkpoint", **options)
    whole = svd(kind).fit(train, **options)
    for name in whole.fitted_arrays:
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name), err_msg=name)


@both
@pytest.mark.parametrize("learning_rate", [10, 1e30])
def test_a_learning_rate_that_is_too_high_is_named(kind: Any, learning_rate: float) -> None:
    model = svd(kind, learning_rate=learning_rate, epochs=50)
    with pytest.raises(tm.DivergenceError, match="lower learning_rate") as refused:
        model.fit(ratings())
    assert "\n" not in str(refused.value)


def test_a_high_implicit_learning_rate_cannot_diverge() -> None:
    model = svd(tm.SVDpp, implicit_learning_rate=1e6, epochs=100).fit(ratings())
    assert model.epochs_[-1].objective < model.epochs_[0].objective


@both
def test_equal_ratings_are_predicted_as_they_are(kind: Any) -> None:
    same = tm.Interactions.from_csr(ratings().binarize().matrix * np.float32(4))
    with pytest.warns(UserWarning, match="every weight is 4.*ImplicitALS") as warned:
        model = svd(kind).fit(same)
    assert warned[0].filename == __file__
    assert (model.predict(3, [0, 1]) == 4).all()


def test_the_start_is_a_function_of_the_seed_alone_and_small() -> None:
    states = []
    for seed in (0, 0, 1):
        model = svd(tm.SVD, seed=seed, factors=300)
        model._take_ratings(ratings())
        states.append(model._task(ratings()).start())
    np.testing.assert_array_equal(states[0]["users"], states[1]["users"])
    assert not np.array_equal(states[0]["users"], states[2]["users"])
    drawn = states[0]["items"][states[0]["items"][:, 0] != 0][:, :300]
    assert drawn.std() == pytest.approx(START * np.sqrt(model.deviation_[0]), rel=0.05)


@pytest.mark.parametrize("kind", [tm.SVD, tm.SVDpp, tm.ExplicitALS])
@pytest.mark.parametrize("scale", [0.01, 20, 1e6])
def test_the_parameters_mean_the_same_on_every_scale(kind: Any, scale: float) -> None:
    rows, columns = ratings().row_of_pair(), ratings().matrix.indices
    stars, scaled = kind(factors=4), kind(factors=4)
    stars.fit(ratings())
    scaled.fit(tm.Interactions.from_csr(ratings().matrix * np.float32(scale)))
    np.testing.assert_allclose(scaled.predict(rows, columns), scale * stars.predict(rows, columns), rtol=1e-3)
    folded = [model.recommend_for({0: 2 * size, 4: 5 * size}) for model, size in ((stars, 1), (scaled, scale))]
    np.testing.assert_allclose(folded[1]["score"], scale * folded[0]["score"], rtol=1e-3)


@both
def test_update_moves_what_has_new_ratings_and_leaves_the_rest(kind: Any) -> None:
    model = svd(kind).fit(ratings())
    news = tm.Interactions.from_frame(
        {"user": [1, 20, 20], "item": [30, 4, 0], "stars": [2.0, 1.0, 6.0]}, weight="stars"
    )
    after = model.update(news)
    users, items = ~np.isin(np.arange(13), [1]), ~np.isin(np.arange(9), [4, 0])
    np.testing.assert_array_equal(after.user_factors_[:13][users], model.user_factors_[users])
    np.testing.assert_array_equal(after.item_factors_[:9][items], model.item_factors_[items])
    assert (after.user_factors_[1] != model.user_factors_[1]).all()
    assert (after.item_factors_[[4, 0]] != model.item_factors_[[4, 0]]).all()
    assert after.item_factors_[after.items.rows([30])].any()
    mine = after.interactions.matrix[after.users.rows([20])[0]]
    history = dict(zip(after.items.take(mine.indices), mine.data.tolist(), strict=True))
    folded, own = after.recommend_for(history, k=3), after.recommend(20, k=3)
    assert folded["item"].to_list() == own["item"].to_list()
    np.testing.assert_allclose(folded["score"], own["score"], rtol=1e-4)
