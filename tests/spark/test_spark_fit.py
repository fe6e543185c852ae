"""Models trained on Spark are those of the same objective on one machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
from reference import als as reference

pytestmark = pytest.mark.xdist_group("spark")

NAMES = {"user": "who", "item": "what", "weight": "times"}


def dense(model: tm.Model, local: tm.Interactions) -> np.ndarray[Any, Any]:
    """Return the weights as the model sees them, NaN where there is no pair, in the rows of the model."""
    pairs = local.align(model.users, model.items)[0].divide(model.state.unit).matrix.tocoo()
    W = np.full(pairs.shape, np.nan)
    W[pairs.row, pairs.col] = pairs.data
    return W


def test_the_data_are_those_of_one_machine(trained: tm.ImplicitALS, local: tm.Interactions) -> None:
    here = tm.ImplicitALS(factors=8, epochs=3, loss="hu", regularization_scale="count").fit(local)
    assert trained.users.ids.to_list() == sorted(local.users)
    assert trained.items.ids.to_list() == sorted(local.items)
    assert trained.used_.get_params() == here.used_.get_params()
    assert trained.state.unit == pytest.approx(here.state.unit, rel=1e-12)
    assert dict(zip(trained.users, trained.activity_, strict=True)) == dict(
        zip(here.users, here.activity_, strict=True)
    )
    assert dict(zip(trained.items, trained.popularity_, strict=True)) == dict(
        zip(here.items, here.popularity_, strict=True)
    )
    assert trained.interactions is not None
    assert trained.interactions.to_frame("polars").sort("who", "what")["times"].to_list() == (
        local.to_frame("polars").sort("who", "what")["times"].to_list()
    )
    assert trained.recommend("u1", k=3).columns.tolist() == ["who", "what", "rank", "score"]


def test_the_objective_is_that_of_one_machine(trained: tm.ImplicitALS, local: tm.Interactions) -> None:
    here = tm.ImplicitALS(factors=8, epochs=3, loss="hu", regularization_scale="count", solver="cholesky").fit(local)
    found = [
        reference.objective(dense(one, local), one.user_factors_, one.item_factors_, one) for one in (trained, here)
    ]
    assert found[0] == pytest.approx(found[1], rel=0.02)  # two random starts, three epochs


def test_the_short_objective_is_the_long_one(trained: tm.ImplicitALS, local: tm.Interactions) -> None:
    long = reference.objective(dense(trained, local), trained.user_factors_, trained.item_factors_, trained)
    assert reference.hu_objective(trained) == pytest.approx(long, rel=1e-9)


def test_movielens_ends_where_one_machine_ends(
    spark: Any, ml1m_ratings: tm.Interactions, to_spark: Callable[[pl.DataFrame], Any]
) -> None:
    train, test = tm.split.random(ml1m_ratings.at_least(4).binarize(), 0.2)
    names: Any = {"user": train.columns.user, "item": train.columns.item}
    parameters: Any = {"factors": 16, "epochs": 20, "loss": "hu", "regularization_scale": "count"}
    there = tm.ImplicitALS(**parameters).fit(to_spark(train.to_frame("polars")), **names, history=True)
    here = tm.ImplicitALS(**parameters, solver="cholesky").fit(train, progress=False)
    assert reference.hu_objective(there) == pytest.approx(reference.hu_objective(here), rel=0.005)
    ndcg = [tm.evaluate(model, test, progress=False)["ndcg@10"] for model in (there, here)]
    assert ndcg[0] == pytest.approx(ndcg[1], abs=0.005)


def test_users_are_at_the_minimum_for_the_items(trained: tm.ImplicitALS) -> None:
    seen = trained.take_seen("a test")
    np.testing.assert_allclose(trained.scorer.fold(seen), trained.user_factors_, atol=1e-5)


def test_without_history_the_model_keeps_none(far: Any, tmp_path: Path) -> None:
    model = tm.ImplicitALS(factors=4, epochs=1, loss="hu", regularization_scale="count").fit(far, **NAMES)
    assert model.interactions is None
    for ask in (lambda: model.save(tmp_path / "m"), lambda: model.recommend("u1"), lambda: model.explain("u1", 101)):
        with pytest.raises(tm.NotSupportedError, match=r"needs the training pairs, .* fitted on Spark without history"):
            ask()
    model.save(tmp_path / "m", interactions=False)
    loaded = tm.load(tmp_path / "m")
    assert loaded.recommend("u1", exclude_seen=False).equals(model.recommend("u1", exclude_seen=False))
    assert loaded.recommend_for([101, 102], k=3).equals(model.recommend_for([101, 102], k=3))
    assert "who" in model.card()


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({}, "on Spark ImplicitALS trains with loss='hu' and regularization_scale='count', .*, and this one has loss="),
        ({"loss": "hu"}, "this one has regularization_scale='frequency': pass regularization_scale='count'"),
        (
            {"loss": "hu", "regularization_scale": "count", "unobserved_weight": 0.0, "regularization": 1.0},
            "unobserved_weight=0: pass a weight above 0",
        ),
    ],
)
def test_what_mllib_has_not_is_refused(far: Any, parameters: dict[str, Any], problem: str) -> None:
    with pytest.raises(tm.NotSupportedError, match=problem):
        tm.ImplicitALS(**parameters).fit(far, **NAMES)


def test_other_models_and_arguments_are_refused(far: Any, local: tm.Interactions) -> None:
    with pytest.raises(tm.NotSupportedError, match=r"WARP does not train on Spark, but .*EASE and ItemKNN do"):
        tm.WARP().fit(far, **NAMES)
    with pytest.raises(tm.NotSupportedError, match=r"training on Spark takes no 'validation': leave it out"):
        tm.ImplicitALS().fit(far, validation=local)
    with pytest.raises(tm.ParameterNameError, match="user is about Spark frames"):
        tm.ImplicitALS().fit(local, user="who")
    with pytest.raises(tm.NotSupportedError, match="ExplicitALS trains with biases=False"):
        tm.ExplicitALS().fit(far, **NAMES)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ({"user": "whom"}, r"the Spark frame has no column 'whom', only 'who', 'what', 'times'; did you mean 'who'\?"),
        ({"user": "who", "item": "what", "weight": "who"}, "each column has one use, got 'who', 'what', 'who'"),
        ({"user": "times", "item": "what", "weight": "who"}, "column 'who' must be numeric, got string"),
        ({"user": "what", "item": "what"}, "each column has one use"),
    ],
)
def test_wrong_columns_are_told_before_any_job(far: Any, names: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        tm.ImplicitALS(loss="hu", regularization_scale="count").fit(far, **names)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (pl.lit(None, pl.String).alias("who"), "column 'who' has no id in 3 of 3 rows: leave them out first"),
        (pl.lit(None, pl.Float64).alias("times"), "column 'times' has no finite number in 3 of 3 rows"),
        (pl.lit(float("nan")).alias("times"), "column 'times' has no finite number in 3 of 3 rows"),
        (pl.lit(-1.0).alias("times"), "ImplicitALS.fit has no meaning for negative weights, got -1"),
        (pl.lit(0.0).alias("times"), "nothing is liked: no pair has a weight above 0"),
        (pl.lit(1.5).alias("what"), "column 'what' holds double values, and ids are integers or strings"),
    ],
)
def test_wrong_values_are_told_in_one_sentence(
    to_spark: Callable[[pl.DataFrame], Any], pairs: pl.DataFrame, change: pl.Expr, problem: str
) -> None:
    wrong = to_spark(pairs.head(3).with_columns(change))
    with pytest.raises(tm.DataError, match=problem):
        tm.ImplicitALS(loss="hu", regularization_scale="count").fit(wrong, **NAMES)


def test_explicit_als_is_that_of_one_machine(far: Any, pairs: pl.DataFrame) -> None:
    parameters = {"factors": 8, "epochs": 5, "biases": False}
    there = tm.ExplicitALS(**parameters).fit(far, **NAMES, history=True)
    ratings = tm.Interactions.from_frame(pairs, user="who", item="what", weight="times", duplicates="mean")
    here = tm.ExplicitALS(**parameters).fit(ratings)
    assert there.used_.get_params() == here.used_.get_params()
    assert there.deviation_[0] == pytest.approx(here.deviation_[0], rel=1e-6)
    assert there.range_.tolist() == here.range_.tolist() == [0, 3]
    seen = there.take_seen("a test")
    np.testing.assert_allclose(there.scorer.fold(seen)[:, :8], there.user_factors_, atol=1e-4)
    table = ratings.to_frame("polars")
    errors = [
        float(np.sqrt(((one.predict(table["who"], table["what"]) - table["times"].to_numpy()) ** 2).mean()))
        for one in (there, here)
    ]
    assert errors[0] == pytest.approx(errors[1], rel=0.05)


@pytest.mark.parametrize("parameters", [{}, {"dropout": 0.0, "user_exponent": 0.0, "regularization": 5.0}])
def test_ease_is_that_of_one_machine(far: Any, local: tm.Interactions, parameters: dict[str, Any]) -> None:
    there = tm.EASE(**parameters).fit(far, **NAMES, history=True)
    here = tm.EASE(**parameters).fit(local)
    assert there.used_.get_params() == here.used_.get_params()
    users, items = here.interactions.to_frame("polars")["who"], here.interactions.to_frame("polars")["what"]
    np.testing.assert_allclose(there.predict(users, items), here.predict(users, items), rtol=2e-5, atol=1e-6)
    assert there.similar_items(101, k=3, frame="polars").equals(
        here.similar_items(101, k=3, frame="polars"), null_equal=True
    ) or np.allclose(
        there.similar_items(101, k=3, frame="polars")["score"], here.similar_items(101, k=3, frame="polars")["score"]
    )


@pytest.mark.parametrize("similarity", ["normalised", "cosine", "tfidf", "bm25"])
def test_item_knn_is_that_of_one_machine(far: Any, local: tm.Interactions, similarity: str) -> None:
    parameters: Any = {"similarity": similarity, "shrinkage": 3.0, "similarity_exponent": 0.8, "neighbours": 100}
    there = tm.ItemKNN(**parameters).fit(far, **NAMES, history=True)
    here = tm.ItemKNN(**parameters).fit(local)
    assert there.used_.get_params() == here.used_.get_params()
    users, items = here.interactions.to_frame("polars")["who"], here.interactions.to_frame("polars")["what"]
    np.testing.assert_allclose(there.predict(users, items), here.predict(users, items), rtol=2e-5)


def test_item_knn_chooses_its_similarity_on_users_that_are_drawn(
    to_spark: Callable[[pl.DataFrame], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Customers buy what goes together, beside what everybody buys: steep similarities are right, flat ones usual."""
    rng = np.random.default_rng(0)
    popular = 1 / np.arange(1, 31)
    rows = []
    for user in range(500):
        sets = [(1000 + 4 * int(s) + int(j)) for s in rng.choice(60, 2, False) for j in rng.choice(4, 3, False)]
        rows += [(user, item) for item in {*sets, *rng.choice(30, 4, False, popular / popular.sum()).tolist()}]
    frame = pl.DataFrame(rows, schema=["who", "what"], orient="row")
    here = tm.ItemKNN().fit(tm.Interactions.from_frame(frame, user="who", item="what")).used_
    assert (here.shrinkage, here.similarity_exponent) == (5.0, 1.3)
    far = to_spark(frame)
    assert tm.ItemKNN().fit(far, user="who", item="what").used_.get_params() == here.get_params()
    module = sys.modules["tastemap.spark.fit"]  # the package has a function of this name
    collect, collected = module.collect, []
    monkeypatch.setattr(module, "DRAWN", len(frame) * 3 // 5)
    monkeypatch.setattr(module, "collect", lambda pairs: collected.append(collect(pairs)) or collected[-1])
    assert tm.ItemKNN().fit(far, user="who", item="what").used_.get_params() == here.get_params()
    (drawn,) = collected
    assert 0.5 < len(drawn) / len(frame) < 0.7
    assert len(frame.filter(pl.col("who").is_in(drawn["user"].unique().implode()))) == len(drawn)  # users are whole
