"""ImplicitALS with features of users and items, against the objective that its docstring states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
from test_implicit_als import als, dense, likes

import tastemap as tm
from reference import als as reference
from tastemap import parallel
from tastemap.models.implicit_als import _Alternation
from tastemap.models.shared.likes import find_unit
from tastemap.training.side_features import SideFeatures

Array = npt.NDArray[Any]
# Users 0..12 and items 0..8 have rows in the interactions; user 5 and item 2 no pair. The features know more ids.
NEW_USERS, NEW_ITEMS = [40, 41], [50, 51]


def features(n_rows: int, new: list[int], n_features: int, seed: int) -> tm.Features:
    """Return features of the first rows but row 1, whose row is empty, and of new ids."""
    rng = np.random.default_rng(seed)
    ids = [*range(n_rows), *new]
    F = np.where(rng.random((len(ids), n_features)) < 0.5, rng.uniform(-1, 2, (len(ids), n_features)), 0)
    F[1] = 0
    F[[2, 5, -2, -1], 0] = 1  # those without a pair have one
    return tm.Features.from_csr(sp.csr_matrix(F), ids=ids, names=[f"f{j}" for j in range(n_features)])


def of_users() -> tm.Features:
    return features(13, NEW_USERS, 3, seed=1)


def of_items() -> tm.Features:
    return features(9, NEW_ITEMS, 4, seed=2)


BOTH = {"user_features": of_users(), "item_features": of_items()}
given = pytest.mark.parametrize("sides", [("items",), ("users",), ("users", "items")], ids=str)
settings = pytest.mark.parametrize(
    "changed",
    [
        {},
        {"loss": "hu"},
        {"solver": "cholesky"},
        {"solver": "subspace", "factors": 20},
        {"regularization_scale": "count", "feature_regularization": 0.3},
    ],
    ids=str,
)


def of(sides: tuple[str, ...]) -> dict[str, Any]:
    return {name: table for name, table in BOTH.items() if name.split("_")[0] + "s" in sides}


def matrix(features: tm.Features, ids: tm.IdMap) -> Array:
    rows = features.align(ids)
    return sp.csr_matrix((rows.data, rows.indices, rows.indptr), shape=(len(ids), len(features.names))).toarray()


def learned(model: tm.ImplicitALS) -> dict[str, tuple[Array, Array]]:
    """Return the dense features of both sides and the features' factors, as the reference takes them."""
    found = {}
    for name, table, own, ids in (
        ("users", BOTH["user_features"], model.state.user_features, model.users),
        ("items", BOTH["item_features"], model.state.item_features, model.items),
    ):
        if own is not None:
            found[name] = matrix(table, ids), own.factors_.astype(np.float64)
    return found


@given
@settings
def test_every_epoch_reports_the_objective_of_its_factors_and_it_never_rises(
    sides: tuple[str, ...], changed: dict[str, Any]
) -> None:
    model = als(**changed, epochs=8)
    own = dict.fromkeys(BOTH) | of(sides)
    users, items = (
        ids if table is None else ids.extend(table.ids)
        for ids, table in zip((likes().users, likes().items), own.values(), strict=True)
    )
    interactions = likes().divide(find_unit(likes())).extend(users, items)
    of_sides = [
        None if t is None else SideFeatures.of(t, ids) for t, ids in zip(own.values(), (users, items), strict=True)
    ]
    task = _Alternation(model, interactions, *of_sides)
    state, reported = task.start(), []
    for epoch in range(model.epochs):
        reported.append(task.train_epoch(state, epoch))
        parts = {
            name: (matrix(table, ids), state[f"{name}.features"].astype(np.float64))
            for name, table, ids in zip(("users", "items"), own.values(), (users, items), strict=True)
            if table is not None
        }
        expected = reference.objective(dense(interactions), state["users"], state["items"], model, parts)
        assert reported[-1] == pytest.approx(expected, rel=1e-4)
    assert (np.diff(reported) <= 1e-5 * np.array(reported[:-1])).all()
    assert [done.objective for done in model.fit(likes(), **of(sides)).epochs_] == reported


@settings
def test_the_final_feature_factors_are_optimal(changed: dict[str, Any]) -> None:
    model = als(**changed).fit(likes(), **BOTH)
    W = dense(model.state.training("the test"))
    X, Y = model.user_factors_.astype(np.float64), model.item_factors_.astype(np.float64)
    F, V = learned(model)["items"]
    h = 1e-4 * np.abs(V).max()
    value = reference.objective(W, X, Y, model, {"items": (F, V)})
    for j, f in np.ndindex(V.shape[0], 3):
        ends = []
        for sign in (1, -1):
            moved = V.copy()
            moved[j, f] += sign * h
            ends.append(reference.objective(W, X, Y, model, {"items": (F, moved)}))
        curvature = (ends[0] - 2 * value + ends[1]) / h**2
        assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(0, abs=2e-4 * curvature * np.abs(V).max())


@settings
def test_the_final_users_solve_their_normal_equations_or_are_at_their_features(
    changed: dict[str, Any],
) -> None:
    model = als(**changed).fit(likes(), **BOTH)
    W, parts = dense(model.state.training("the test")), learned(model)
    means = {name: F @ V for name, (F, V) in parts.items()}
    known = np.where((model.popularity_ > 0)[:, None], model.item_factors_, 0).astype(np.float64)
    ridge = reference.ridges(W, model)[0]
    exact = reference.solved_rows(
        W, known, ridge, model.alpha, model.used_.unobserved_weight, model.loss, means["users"]
    )
    has_pairs = model.activity_ > 0
    np.testing.assert_allclose(model.user_factors_[has_pairs], exact[has_pairs], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.user_factors_[~has_pairs], means["users"][~has_pairs], rtol=1e-5, atol=1e-6)
    without = model.popularity_ == 0
    assert model.items.take(np.flatnonzero(without)).to_list() == [2, *NEW_ITEMS]
    np.testing.assert_allclose(model.item_factors_[without], means["items"][without], rtol=1e-5, atol=1e-6)
    assert np.abs(model.item_factors_[without]).min(axis=1).all()


def test_a_new_item_with_the_one_feature_of_a_known_one_gets_the_share_that_regularization_leaves() -> None:
    # W minimises r (y - W)^2 + 3 r W^2: W = y / 4.
    pairs = tm.Interactions.from_frame({"user": ["a", "b"], "item": ["Alien", "Alien"]})
    films = {"item": ["Alien", "Aliens"], "genre": ["horror", "horror"]}
    genres = tm.Features.from_frame(films, id="item", columns="genre")
    model = tm.ImplicitALS(factors=2, unobserved_weight=0.2, regularization=0.3, feature_regularization=3).fit(
        pairs, item_features=genres
    )
    known, new = model.predict("a", "Alien"), model.predict("a", "Aliens")
    assert known > 0.5
    assert new == pytest.approx(known / 4, rel=1e-4)
    assert model.recommend("b")["item"].to_list() == ["Aliens"]


def test_a_new_item_goes_to_those_who_like_its_kind() -> None:
    n = 12
    here = (np.add.outer(np.arange(n), np.arange(n)) % 2 == 0) & ~np.eye(n, dtype=bool)
    kind = tm.Features.from_frame(
        {"item": [*range(n), 100, 101], "kind": ["even", "odd"] * (n // 2 + 1)}, id="item", columns="kind"
    )
    sex = tm.Features.from_frame(
        {"user": [*range(n), 200, 201], "sex": ["f", "m"] * (n // 2 + 1)}, id="user", columns="sex"
    )
    model = tm.ImplicitALS(factors=4, unobserved_weight=0.2, regularization=0.1).fit(
        tm.Interactions.from_csr(sp.csr_array(here.astype(float))), item_features=kind, user_features=sex
    )
    shown = model.recommend(k=1, candidates=[100, 101])
    assert shown["item"].to_list() == [100, 101] * (n // 2) + [100, 101]
    # Somebody of whom only the sex is known likes what is even, or odd.
    assert set(model.recommend(200, k=n // 2)["item"]) == set(range(0, n, 2))
    assert set(model.recommend(201, k=n // 2)["item"]) == set(range(1, n, 2))


def test_unused_features_change_nothing() -> None:
    empty = tm.Features.from_csr(sp.csr_matrix((9, 2)), ids=list(range(9)))
    plain, other = als().fit(likes()), als().fit(likes(), item_features=empty)
    np.testing.assert_array_equal(plain.item_factors_, other.item_factors_)
    np.testing.assert_array_equal(plain.user_factors_, other.user_factors_)
    assert plain.recommend().equals(other.recommend())


def test_added_items_have_the_bits_that_fitting_with_them_gives() -> None:
    items = of_items()
    whole = als().fit(likes(), item_features=items)
    first = als().fit(likes(), item_features=items.only(list(range(9))))
    grown = first.add_items(items.only(NEW_ITEMS))
    assert list(grown.items) == list(whole.items)
    np.testing.assert_array_equal(grown.item_factors_, whole.item_factors_)
    np.testing.assert_array_equal(grown.user_factors_, whole.user_factors_)
    assert grown.recommend(k=20).equals(whole.recommend(k=20))


def test_adding_items_that_have_pairs_changes_nothing_and_changed_features_of_the_others_move_them() -> None:
    model = als().fit(likes(), **BOTH)
    changed = tm.Features.from_csr(sp.csr_matrix([[0.0, 9, 0, 0], [0, 9, 0, 0]]), ids=[0, 50], names=of_items().names)
    after = model.add_items(changed)
    moved = model.items.rows([50])
    np.testing.assert_allclose(after.item_factors_[moved], 9 * model.state.item_features.factors_[[1]], rtol=1e-5)
    others = np.setdiff1d(np.arange(len(model.items)), moved)
    np.testing.assert_array_equal(after.item_factors_[others], model.item_factors_[others])
    assert np.flatnonzero(after.state.item_features.differs_from(model.state.item_features)).tolist() == moved.tolist()


@pytest.mark.parametrize("changed", [{}, {"loss": "hu"}], ids=str)
def test_update_solves_new_and_redescribed_rows_and_then_all_users(changed: dict[str, Any]) -> None:
    model = als(**changed).fit(likes(), **BOTH)
    V, U = model.state.item_features.factors_.astype(np.float64), model.state.user_features.factors_.astype(np.float64)
    news = tm.Interactions.from_frame({"user": [1, 60], "item": [50, 4], "weight": [2.0, 1.0]}, weight="weight")
    described = tm.Features.from_csr(sp.csr_matrix([[0.0, 1, 0, 2], [1, 0, 0, 0]]), ids=[0, 70], names=of_items().names)
    of_the_new_user = tm.Features.from_csr(sp.csr_matrix([[0.5, 0, 1]]), ids=[60], names=of_users().names)
    after = model.update(news, item_features=described, user_features=of_the_new_user)
    assert list(after.users) == [*model.users, 60]
    assert list(after.items) == [*model.items, 70]

    W = dense(after.state.training("the test"))
    F = np.vstack([matrix(of_items(), model.items), [1, 0, 0, 0]])
    F[0] = [0, 1, 0, 2]
    E = np.vstack([matrix(of_users(), model.users), [0.5, 0, 1]])
    of_user, of_item = reference.ridges(W, model)
    arguments = model.alpha, model.used_.unobserved_weight, model.loss
    # An item that gets its first pair starts where its features put it.
    Y = np.where((after.popularity_ > 0)[:, None], np.vstack([model.item_factors_, np.zeros((1, 5))]), 0)
    X = np.where((after.activity_ > 0)[:, None], np.vstack([model.user_factors_, np.zeros((1, 5))]), 0)
    new_users, new_items = after.users.rows([1, 60]), after.items.rows([50, 4, 0])
    X[new_users] = reference.solved_rows(W[new_users], Y, of_user[new_users], *arguments, (E @ U)[new_users])
    Y[new_items] = reference.solved_rows(W.T[new_items], X, of_item[new_items], *arguments, (F @ V)[new_items])
    X = reference.solved_rows(W, Y, of_user, *arguments, E @ U)
    Y[after.popularity_ == 0] = (F @ V)[after.popularity_ == 0]
    X[after.activity_ == 0] = (E @ U)[after.activity_ == 0]
    np.testing.assert_allclose(after.item_factors_, Y, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(after.user_factors_, X, rtol=1e-3, atol=1e-4)


def test_an_explanation_of_a_user_without_a_history_is_all_baseline() -> None:
    model = als().fit(likes(), **BOTH)
    for user in [0, 40]:
        reasons = model.explain(user, 50)
        assert reasons.baseline + reasons.frame["contribution"].sum() == pytest.approx(reasons.score)
        assert reasons.score == pytest.approx(model.predict(user, 50)[0], abs=1e-5)
        assert reasons.baseline != 0
        assert len(reasons.frame) == (model.activity_[model.users.rows([user])[0]])
    assert als().fit(likes()).explain(0, 1).baseline == 0


@pytest.mark.parametrize("solver", ["cg", "cholesky", "subspace"])
def test_threads_do_not_change_the_bits(solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tastemap.training.side_features.BLOCK_ENTRIES", 16)
    cut = parallel.even_blocks
    monkeypatch.setattr(parallel, "even_blocks", lambda indptr, size=64, row_cost=32: cut(indptr, size, row_cost))
    models = []
    for n in (1, 2, 5):
        with tm.threads(n):
            models.append(als(solver=solver, factors=20).fit(likes(), **BOTH))
    for other in models[1:]:
        np.testing.assert_array_equal(models[0].user_factors_, other.user_factors_)
        np.testing.assert_array_equal(models[0].item_factors_, other.item_factors_)
        np.testing.assert_array_equal(models[0].state.item_features.factors_, other.state.item_features.factors_)


def test_a_resumed_training_ends_with_the_same_bits_and_other_features_are_another_training(tmp_path: Path) -> None:
    def stop(done: Any) -> None:
        if done.epoch == 2:
            raise KeyboardInterrupt

    whole = als().fit(likes(), **BOTH)
    with pytest.raises(KeyboardInterrupt):
        als().fit(likes(), **BOTH, checkpoint=tmp_path / "c", callbacks=stop)
    for wrong in ({}, {"user_features": of_users(), "item_features": features(9, NEW_ITEMS, 4, seed=3)}):
        with pytest.raises(tm.ModelFileError, match="another training"):
            als().fit(likes(), **wrong, checkpoint=tmp_path / "c")
    resumed = als().fit(likes(), **BOTH, checkpoint=tmp_path / "c")
    np.testing.assert_array_equal(whole.user_factors_, resumed.user_factors_)
    np.testing.assert_array_equal(whole.item_factors_, resumed.item_factors_)
    np.testing.assert_array_equal(whole.state.item_features.factors_, resumed.state.item_features.factors_)
    assert [done.objective for done in whole.epochs_] == [done.objective for done in resumed.epochs_]


def test_validation_ranks_items_and_users_without_a_pair_by_their_features() -> None:
    held_out = tm.Interactions.from_frame({"user": [0, 1, 40, 40], "item": [50, 51, 3, 51]})
    for validation in (held_out, held_out.pick([False, False, True, True])):
        model = als(epochs=3).fit(likes(), **BOTH, validation=validation, metric="mrr@20")
        interactions = model.state.training("the test")
        task = _Alternation(
            model,
            interactions,
            SideFeatures.of(of_users(), model.users),
            SideFeatures.of(of_items(), model.items),
        )
        state = task.start()
        for done in model.epochs_:
            task.train_epoch(state, done.epoch - 1)
            X, Y = state["users"].astype(np.float64), state["items"].astype(np.float64)
            E, F = matrix(of_users(), model.users), matrix(of_items(), model.items)
            X = np.where((model.activity_ > 0)[:, None], X, E @ state["users.features"])
            Y = np.where((model.popularity_ > 0)[:, None], Y, F @ state["items.features"])
            scores = np.where(interactions.matrix.toarray() > 0, -np.inf, X @ Y.T)
            reciprocal = []
            for user in validation.users.take(np.flatnonzero(np.diff(validation.matrix.indptr))):
                own = scores[model.users.rows([user])[0]]
                ranked = model.items.take(np.lexsort((model.items.tie_order, -own)))
                wanted = validation.to_frame().filter(user=user)["item"]
                reciprocal.append(max(1 / (1 + ranked.to_list().index(item)) for item in wanted))
            assert done.metric == pytest.approx(np.mean(reciprocal))


@pytest.mark.filterwarnings("ignore:the model cannot tell")  # at the ends scores are 0
@pytest.mark.parametrize("solver", ["cg", "cholesky", "subspace"])
@pytest.mark.parametrize("scale", [1e-30, 1e5, 1e19, 3e38])
def test_features_of_any_size_give_finite_numbers(solver: str, scale: float) -> None:
    F = tm.Features.from_csr(of_items().matrix * np.float32(scale / 2), ids=of_items().ids)
    model = als(solver=solver).fit(likes(), item_features=F)
    assert np.isfinite(model.item_factors_).all()
    assert model.recommend(k=20)["score"].is_finite().all()


@pytest.mark.parametrize("strength", [0.0, 1e-30, 1e30])
def test_any_regularization_of_features_gives_finite_numbers(strength: float) -> None:
    model = als(feature_regularization=strength).fit(likes(), **BOTH)
    assert np.isfinite(model.item_factors_).all()
    with pytest.raises(ValueError, match=r"feature_regularization 3e\+38 .* lower it"):
        als(feature_regularization=3e38, regularization=50).fit(likes(), **BOTH)


def test_features_need_regularization() -> None:
    with pytest.raises(ValueError, match="regularization must be above 0"):
        als(regularization=0).fit(likes(), **BOTH)
