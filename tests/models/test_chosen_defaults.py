"""Models that choose a default by held-out pairs: what they choose, and that it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap import parallel

Array = npt.NDArray[Any]


def read_twins(n_users: int = 300, n_twins: int = 60, each: int = 15) -> tm.Interactions:
    """Return pairs of which an item's twin says all there is to know: nearly who has one has the other."""
    rng = np.random.default_rng(0)
    W = np.zeros((n_users, 2 * n_twins), np.float32)
    for u in range(n_users):
        for twins in rng.choice(n_twins, each, replace=False):
            both = rng.random() < 0.9
            W[u, 2 * twins : 2 * twins + 2] = both
            W[u, 2 * twins + rng.integers(2)] = 1
    return tm.Interactions.from_csr(sp.csr_array(W))


def read_camps(n_users: int = 400, n_items: int = 1000, n_camps: int = 20, each: int = 20) -> tm.Interactions:
    """Return pairs of users who like a camp of items, popular ones more: an item says little, a history the camp."""
    rng = np.random.default_rng(0)
    W, popular = np.zeros((n_users, n_items), np.float32), (1 + np.arange(n_items)) ** -0.8
    for u in range(n_users):
        wanted = popular * np.where(np.arange(n_items) % n_camps == u % n_camps, 0.8, 0.2 / (n_camps - 1))
        W[u, rng.choice(n_items, each, replace=False, p=wanted / wanted.sum())] = 1
    return tm.Interactions.from_csr(sp.csr_array(W))


def test_twins_want_steep_similarities_and_camps_flat_ones() -> None:
    assert tm.ItemKNN().fit(read_twins()).used_.similarity_exponent == 1.3
    assert tm.ItemKNN().fit(read_camps()).used_.similarity_exponent == 0.5


def test_twins_are_nearly_without_noise_and_camps_are_not() -> None:
    assert tm.GraphFilter().fit(read_twins()).used_.noise == 0.3
    assert tm.GraphFilter().fit(read_camps()).used_.noise > 0.45


@pytest.mark.parametrize("make", [tm.ItemKNN, tm.GraphFilter])
def test_the_scores_that_choose_are_those_of_the_model(make: Any) -> None:
    data = read_twins()
    if make is tm.ItemKNN:
        # As many neighbours as items, for the nearest few are not quite the same with another exponent.
        fixed = {"neighbours": 120, "item_exponent": 0.3}
        tried: list[Any] = [(15.0, 1.0), (5.0, 0.5), (15.0, 1.3)]
        values = [{"shrinkage": shrinkage, "similarity_exponent": exponent} for shrinkage, exponent in tried]
        first = values[0]
    else:
        fixed, tried = {"low_pass": 0.8}, [0.5, 0.3, 0.6]
        values = [{"noise": noise} for noise in tried]
    people = np.arange(5, 75)
    trial = make(**fixed)
    found = (trial.try_on(data, **first)._try(tried) if make is tm.ItemKNN else trial._try(data, tried))(people)
    for value, scores in zip(values, found, strict=True):
        scorer = make(**fixed, **value).fit(data).make_scorer()
        expected = scorer.catalogue.score_all(scorer.queries(people), np.arange(data.shape[1]))
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6 * expected.max())


@pytest.mark.parametrize("make", [tm.ItemKNN, tm.GraphFilter])
def test_what_was_chosen_is_kept_by_files_and_chosen_again_by_updates(make: Any, tmp_path: Path) -> None:
    data = read_twins()
    model = make().fit(data)
    model.save(tmp_path / "model")
    again = tm.load(tmp_path / "model")
    assert again.used_.get_params() == model.used_.get_params()
    assert again.get_params() == make().get_params()
    same = model.used_.fit(data)
    for name in make.fitted_arrays:
        assert np.array_equal(getattr(same, name), getattr(model, name))
    more = read_twins(n_users=310)
    updated = model.update(more)
    assert updated.used_.get_params() == make().fit(data.merge(more)).used_.get_params()


@pytest.mark.parametrize("make", [tm.ItemKNN, tm.GraphFilter])
def test_what_is_given_is_not_chosen(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"shrinkage": 3.0, "similarity_exponent": 0.9} if make is tm.ItemKNN else {"noise": 0.35}
    monkeypatch.setattr(make, "_try", None)
    used = make(**given).fit(read_twins()).used_
    assert {name: getattr(used, name) for name in given} == given


def test_a_given_exponent_leaves_the_choice_of_the_shrinkage() -> None:
    used = tm.ItemKNN(similarity_exponent=0.5).fit(read_twins()).used_
    assert used.similarity_exponent == 0.5
    assert used.shrinkage in (15.0, 5.0)


def test_other_similarities_have_fixed_values() -> None:
    used = tm.ItemKNN(similarity="cosine").fit(read_twins()).used_
    assert (used.shrinkage, used.similarity_exponent) == (15.0, 1.0)


@pytest.mark.parametrize("make", [tm.ItemKNN, tm.GraphFilter])
def test_threads_change_no_choice(make: Any) -> None:
    found = []
    for n in (1, 2, 5):
        with parallel.threads(n):
            found.append(make().fit(read_camps()))
    for model in found[1:]:
        assert model.used_.get_params() == found[0].used_.get_params()
        for name in make.fitted_arrays:
            assert np.array_equal(getattr(model, name), getattr(found[0], name))


@pytest.mark.parametrize("make", [tm.ItemKNN, tm.GraphFilter])
@pytest.mark.parametrize(
    "W",
    [np.ones((250, 6)), np.ones((250, 1)), np.repeat(np.eye(50), 5, axis=0), np.tile(np.arange(12) < 7, (300, 1))],
    ids=["every pair", "one item", "one pair each", "all alike"],
)
def test_odd_data_of_many_users_give_numbers(make: Any, W: Array) -> None:
    model = make().fit(tm.Interactions.from_csr(sp.csr_array(W.astype(np.float32))))
    assert np.isfinite(model.make_scorer().recommend(np.arange(5), 1, exclude_seen=False).scores).all()
    for name in make.fitted_arrays:
        assert np.isfinite(getattr(model, name)).all()
