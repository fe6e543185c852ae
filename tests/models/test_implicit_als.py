"""ImplicitALS against the objective that its docstring states."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

import tastemap as tm
from reference import als as reference
from tastemap.models.implicit_als import _Alternation

Array = npt.NDArray[Any]


def likes(n_users: int = 13, n_items: int = 9, seed: int = 0) -> tm.Interactions:
    """Return pairs with weights, one user and one item without any, one user with everything."""
    rng = np.random.default_rng(seed)
    here = rng.random((n_users, n_items)) < 0.4
    here[3] = True
    here[5], here[:, 2] = False, False
    rows, columns = np.nonzero(here)
    weights = rng.choice([0.5, 1.0, 3.0], len(rows))
    return tm.Interactions.from_csr(sp.csr_array((weights, (rows, columns)), shape=here.shape))


def dense(interactions: tm.Interactions) -> Array:
    """Return the weights, NaN where there is no pair."""
    W = np.full(interactions.shape, np.nan)
    W[interactions.row_of_pair(), interactions.matrix.indices] = interactions.matrix.data
    return W


def als(**changed: Any) -> tm.ImplicitALS:
    usual = {"factors": 5, "epochs": 4, "alpha": 1.5, "unobserved_weight": 0.2, "regularization": 0.05}
    return tm.ImplicitALS(**{**usual, **changed})


settings = pytest.mark.parametrize(
    "changed",
    [
        {},
        {"loss": "hu"},
        {"loss": "hu", "unobserved_weight": 1.0, "solver": "cholesky"},
        {"solver": "cholesky"},
        {"regularization_scale": "count"},
        {"regularization_scale": "none", "loss": "hu"},
        {"frequency_exponent": 0.0},
        {"frequency_exponent": 1.0, "unobserved_weight": 0.3},
        {"factors": 20},
        {"cg_steps": 4},
        {"solver": "subspace"},
        {"solver": "subspace", "loss": "hu", "factors": 20},
    ],
    ids=str,
)


@settings
def test_every_epoch_reports_the_objective_of_its_factors(changed: dict[str, Any]) -> None:
    model = als(**changed).fit(likes())
    interactions = model.state.training("the test")
    task = _Alternation(model, interactions)
    state, reported = task.start(), []
    for epoch in range(model.epochs):
        reported.append(task.train_epoch(state, epoch))
        expected = reference.objective(dense(interactions), state["users"], state["items"], model)
        assert reported[-1] == pytest.approx(expected, rel=1e-4)
    assert [done.objective for done in model.epochs_] == reported


@settings
@pytest.mark.parametrize("solver", ["cg", "cholesky", "subspace"])
def test_the_objective_never_rises(changed: dict[str, Any], solver: str) -> None:
    model = als(**{**changed, "solver": solver, "epochs": 15}).fit(likes())
    values = np.array([done.objective for done in model.epochs_])
    assert (np.diff(values) <= 1e-5 * values[:-1]).all()


@settings
def test_the_final_users_solve_their_normal_equations(changed: dict[str, Any]) -> None:
    model = als(**changed).fit(likes())
    W = dense(model.state.training("the test"))
    ridge = reference.ridges(W, model)[0]
    exact = reference.solved_rows(W, model.item_factors_, ridge, model.alpha, model.used_.unobserved_weight, model.loss)
    np.testing.assert_allclose(model.user_factors_, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("how", [{"cg_steps": 20}, {"solver": "subspace"}], ids=str)
def test_many_cg_steps_and_subspaces_end_where_exact_solutions_end(how: dict[str, Any]) -> None:
    exact, other = (als(epochs=30, **solver).fit(likes()) for solver in ({"solver": "cholesky"}, how))
    assert other.epochs_[-1].objective == pytest.approx(exact.epochs_[-1].objective, rel=1e-5)
    scores = [model.user_factors_ @ model.item_factors_.T for model in (exact, other)]
    np.testing.assert_allclose(scores[0], scores[1], atol=2e-3)


def test_users_and_items_without_pairs_have_zero_factors() -> None:
    model = als().fit(likes())
    assert not model.user_factors_[5].any()
    assert not model.item_factors_[2].any()
    assert model.user_factors_[[3]].any()


def test_a_checkerboard_has_a_known_answer() -> None:
    # Even users have even items, odd users odd ones; the diagonal is held out.
    n = 10
    here = (np.add.outer(np.arange(n), np.arange(n)) % 2 == 0) & ~np.eye(n, dtype=bool)
    model = tm.ImplicitALS(factors=4, regularization=0.01).fit(
        tm.Interactions.from_csr(sp.csr_array(here.astype(float)))
    )
    assert model.recommend(k=1)["item"].to_list() == list(range(n))


@pytest.mark.parametrize("changed", [{}, {"loss": "hu"}, {"regularization_scale": "count"}], ids=str)
def test_update_solves_what_has_new_pairs_exactly_and_nothing_else(changed: dict[str, Any]) -> None:
    interactions, model = likes(), als(**changed)
    model.fit(interactions)
    frame = {"user": [1, 20, 20], "item": [30, 4, 0], "weight": [2.0, 1.0, 1.0]}
    news = tm.Interactions.from_frame(frame, weight="weight")
    after = model.update(news)
    W = dense(after.state.training("the test"))
    ridges = reference.ridges(W, model)
    users = np.vstack([model.user_factors_, np.zeros((1, 5))]).astype(np.float64)
    items = np.vstack([model.item_factors_, np.zeros((1, 5))]).astype(np.float64)
    touched_users, touched_items = after.users.rows([1, 20]), after.items.rows([30, 4, 0])
    arguments = model.alpha, model.used_.unobserved_weight, model.loss
    users[touched_users] = reference.solved_rows(W[touched_users], items, ridges[0][touched_users], *arguments)
    items[touched_items] = reference.solved_rows(W.T[touched_items], users, ridges[1][touched_items], *arguments)
    users[touched_users] = reference.solved_rows(W[touched_users], items, ridges[0][touched_users], *arguments)
    np.testing.assert_allclose(after.item_factors_, items, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(after.user_factors_[touched_users], users[touched_users], rtol=1e-3, atol=1e-4)


def assert_finite_or_refused(model: tm.ImplicitALS, interactions: tm.Interactions) -> None:
    """Assert that fitting gives finite numbers or one sentence that names a parameter to change."""
    try:
        model.fit(interactions)
    except (tm.DivergenceError, ValueError) as error:
        refusal = str(error)
    else:
        assert np.isfinite(model.user_factors_).all()
        assert np.isfinite(model.item_factors_).all()
        assert model.recommend_for([0, 1])["score"].is_finite().all()
        return
    assert any(name in refusal for name in (*vars(tm.ImplicitALS()), "weight"))
    assert "\n" not in refusal


solvers = pytest.mark.parametrize("solver", ["cg", "cholesky", "subspace"])


@pytest.mark.filterwarnings("ignore:the model cannot tell")  # with them scores are 0
@solvers
@pytest.mark.parametrize(
    "changed",
    [
        {"alpha": 1e12},
        {"alpha": 1e20},
        {"alpha": 1e39},
        {"alpha": 1e-46},
        {"unobserved_weight": 1e38},
        {"regularization": 1e39},
        {"frequency_exponent": 100.0},
    ],
    ids=str,
)
def test_extreme_parameters_give_finite_numbers_or_a_sentence(solver: str, changed: dict[str, float]) -> None:
    assert_finite_or_refused(als(solver=solver, **changed), likes())


@solvers
@pytest.mark.parametrize("weight", [1e12, 1e20, 3e38])
def test_extreme_weights_give_finite_numbers_or_a_sentence(solver: str, weight: float) -> None:
    assert_finite_or_refused(als(solver=solver), tm.Interactions.from_csr(likes().matrix * np.float32(weight / 3)))


@solvers
@pytest.mark.parametrize("unobserved_weight", [0.0, 0.1])
@pytest.mark.parametrize("factors", [3, 40])
def test_without_regularization_numbers_are_finite_or_a_sentence_says_what_to_raise(
    solver: str, unobserved_weight: float, factors: int
) -> None:
    model = als(solver=solver, regularization=0, unobserved_weight=unobserved_weight, factors=factors)
    assert_finite_or_refused(model, likes())
