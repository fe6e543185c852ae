"""Parameters that are None are worked out from the training data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap.models.shared import stored


def loans(n_users: int = 40, n_items: int = 25, share: float = 0.2, seed: int = 0) -> tm.Interactions:
    rng = np.random.default_rng(seed)
    matrix = sp.csr_array((rng.random((n_users, n_items)) < share).astype(np.float32))
    return tm.Interactions.from_csr(matrix)


def als(**changed: Any) -> tm.ImplicitALS:
    return tm.ImplicitALS(**{"factors": 3, "epochs": 2, **changed})


def test_the_values_follow_the_formulas() -> None:
    data = loans(1000, 600, 0.02)
    density = len(data) / data.n_users / data.n_items
    used = als().fit(data).used_
    assert used.unobserved_weight == float(f"{7 * density:.4g}")
    assert used.regularization == float(f"{1.64 * data.n_items**-0.2 + 0.64 * data.n_users / len(data):.4g}")
    assert als().fit(loans()).used_.unobserved_weight == 0.2
    assert als().fit(loans(3000, 2000, 0.002)).used_.unobserved_weight == 0.02


def test_few_pairs_are_not_regularized_to_nothing() -> None:
    tiny = loans(4, 5, 0.5)
    density = len(tiny) / tiny.n_users / tiny.n_items
    model = als(epochs=16).fit(tiny)
    assert model.used_.regularization == float(f"{0.25 * (len(tiny) * density) ** 0.25:.4g}")
    assert model.recommend(k=2)["score"].max() > 0.05


def test_what_is_given_stays_and_the_rest_follows_it() -> None:
    used = als(unobserved_weight=0.5).fit(loans()).used_
    assert used.unobserved_weight == 0.5
    assert used.regularization == als().fit(loans()).used_.regularization
    twice = als(alpha=2.0).fit(loans()).used_
    assert twice.unobserved_weight == pytest.approx(2 * als().fit(loans()).used_.unobserved_weight, rel=1e-3)


@pytest.mark.parametrize("changed", [{"frequency_exponent": 0.9}, {"regularization_scale": "none"}])
def test_the_mean_ridge_of_the_items_is_the_same_on_any_scale(changed: dict[str, Any]) -> None:
    data = loans()

    def mean_ridge(model: tm.ImplicitALS) -> float:
        return float(model.fit(data)._ridge(data.by_item.counts, data.n_users).mean())

    assert mean_ridge(als(**changed)) == pytest.approx(mean_ridge(als()), rel=1e-3)


def test_a_model_keeps_none_and_learns_as_with_the_values() -> None:
    data = loans()
    model = als().fit(data)
    assert model.regularization is None
    assert model.get_params()["regularization"] is None
    assert model.clone().fit(loans(200, 90)).used_.regularization != model.used_.regularization
    same = model.used_.fit(data)
    assert np.array_equal(same.item_factors_, model.item_factors_)


def test_repr_and_card_show_the_values_used() -> None:
    assert "regularization=None" in repr(als())
    model = als().fit(loans())
    assert f"regularization={model.used_.regularization}" in repr(model)
    assert f"| regularization | {model.used_.regularization} |" in model.card()


def test_the_unit_of_weights_changes_no_value() -> None:
    data = loans()
    tenfold = tm.Interactions.from_csr(data.matrix * 10)
    assert als().fit(tenfold).used_.get_params() == als().fit(data).used_.get_params()


def test_an_update_works_the_values_out_again() -> None:
    small, more = loans(), loans(40, 25, 0.5, seed=1)
    updated = als().fit(small).update(more)
    assert updated.used_.get_params() == als().fit(small.merge(more)).used_.get_params()


def test_a_file_keeps_both(tmp_path: Path) -> None:
    model = als().fit(loans())
    model.save(tmp_path / "als")
    again = tm.load(tmp_path / "als")
    assert again.get_params() == model.get_params()
    assert again.used_.get_params() == model.used_.get_params()
    assert again.recommend(k=3).equals(model.recommend(k=3))


@pytest.mark.parametrize("used", [{}, {"unobserved_weight": 0.1}, {"unobserved_weight": 0.1, "regularization": None}])
def test_a_file_without_a_value_for_each_is_refused(used: dict[str, Any]) -> None:
    model = als().fit(loans())
    arrays = stored.arrays_of(model.state, {name: getattr(model, name) for name in model.fitted_arrays}, True)
    with pytest.raises(tm.ModelFileError, match="its parameters are wrong: those found in the data are"):
        tm.ImplicitALS.from_arrays(arrays, {**model._header(), "used": used})


def test_tune_starts_from_the_values_of_the_data() -> None:
    pytest.importorskip("optuna")
    data = loans(80, 40, 0.3)
    found = tm.tune(als(), data, trials=1, seed=0, space={"epochs": None, "frequency_exponent": None}, progress=False)
    train, _ = tm.split.random(data, 0.1, seed=0)
    first = als().settle(train)
    assert found.parameters["unobserved_weight"] == pytest.approx(first.unobserved_weight, rel=1e-3)
    assert found.parameters["regularization"] == pytest.approx(first.regularization, rel=1e-3)


@pytest.mark.parametrize(
    "pairs", [[(0, 0)], [(0, 0), (0, 1)], [(0, 0), (1, 0)], [(u, i) for u in range(3) for i in range(3)]]
)
def test_the_smallest_and_the_fullest_data_have_values(pairs: list[tuple[int, int]]) -> None:
    users, items = zip(*pairs, strict=True)
    data = tm.Interactions.from_csr(sp.csr_array((np.ones(len(pairs)), (users, items)), shape=(3, 3)))
    model = als().fit(data)
    assert model.recommend(k=3, exclude_seen=False)["score"].is_finite().all()
