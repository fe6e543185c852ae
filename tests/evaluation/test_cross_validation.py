from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tastemap as tm
from tastemap.data.frames import as_kind

ROWS = [(user, item, 1 + (user + item) % 5) for user in range(20) for item in range(12) if (user * item) % 7 < 4]
PAIRS = tm.Interactions.from_frame(pl.DataFrame(ROWS, ["user", "item", "stars"], orient="row"), weight="stars")


def test_every_fold_is_fitted_and_measured() -> None:
    models = {"pop": tm.Popular(), "als": tm.ImplicitALS(factors=2, epochs=2)}
    found = tm.cross_validate(models, PAIRS, k=3, metrics=("ndcg@3", "recall@2"), seed=4)
    assert found.frame.columns == ["fold", "model", "ndcg@3", "recall@2", "fit_seconds", "score_seconds"]
    assert sorted(found.frame.select("fold", "model").rows()) == [(f, m) for f in (1, 2, 3) for m in ("als", "pop")]
    for fold, (train, test) in enumerate(tm.split.k_fold(PAIRS, 3, seed=4), 1):
        alone = tm.evaluate(tm.Popular().fit(train), test, metrics=("ndcg@3", "recall@2"))
        row = found.frame.row(by_predicate=(pl.col("fold") == fold) & (pl.col("model") == "pop"), named=True)
        assert {name: row[name] for name in alone.names} == alone.means


def test_folds_in_time_are_fitted_to_what_came_before() -> None:
    pairs = tm.Interactions.from_frame(PAIRS.to_frame().with_row_index("day"), weight="stars", time="day")
    found = tm.cross_validate(tm.Popular(), pairs, k=3, folds="time", metrics="ndcg@3")
    for fold, (train, test) in enumerate(tm.split.rolling(pairs, 3), 1):
        alone = tm.evaluate(tm.Popular().fit(train), test, metrics="ndcg@3")
        assert found.frame.filter(fold=fold)["ndcg@3"].to_list() == [alone["ndcg@3"]]
    assert "means over 3 folds in time, each behind what was fitted to" in str(found)
    with pytest.raises(ValueError, match="folds must be one of 'random', 'time', got 'weeks'"):
        tm.cross_validate(tm.Popular(), pairs, folds="weeks")  # type: ignore[arg-type]


def test_the_summary_is_means_and_deviations_best_first() -> None:
    found = tm.cross_validate([tm.Popular(), tm.EASE(regularization=1)], PAIRS, k=4, metrics=("ndcg@3", "mrr@2"))
    assert found.summary.columns == [
        *("model", "ndcg@3", "ndcg@3 std", "mrr@2", "mrr@2 std", "fit_seconds", "score_seconds"),
    ]
    assert found.summary["ndcg@3"].to_list() == sorted(found.summary["ndcg@3"], reverse=True)
    values = found.frame.filter(model="EASE")["mrr@2"].to_numpy()
    row = found.summary.row(by_predicate=pl.col("model") == "EASE", named=True)
    assert row["mrr@2"] == pytest.approx(values.mean())
    assert row["mrr@2 std"] == pytest.approx(values.std(ddof=1))
    shown = f"{row['mrr@2']:.4f} ± {row['mrr@2 std']:.4f}"
    assert shown in str(found)
    assert shown in found.markdown()
    assert shown in found._repr_html_()
    assert "means over 4 folds, ± their standard deviation" in str(found)


@pytest.mark.parametrize("kind", [pd.DataFrame, pa.Table])
def test_frames_are_of_the_kind_of_the_interactions(kind: Any) -> None:
    pairs = tm.Interactions.from_frame(as_kind(PAIRS.to_frame(), kind.__module__.partition(".")[0]), weight="stars")
    found = tm.cross_validate(tm.Popular(), pairs, k=2, metrics="ndcg@3")
    assert isinstance(found.frame, kind)
    assert isinstance(found.summary, kind)
    assert "means over 2 folds" in str(found)


def test_no_fitted_model_is_kept() -> None:
    Remembers.fitted.clear()
    found = tm.cross_validate(Remembers(), PAIRS, k=2, metrics="ndcg@3")
    gc.collect()
    assert [model() for model in Remembers.fitted] == [None] * len(Remembers.fitted) != []
    assert len(found.frame) == 2


def test_less_error_is_better() -> None:
    found = tm.cross_validate([tm.SVD(epochs=1), tm.ExplicitALS(factors=2)], PAIRS, k=2, metrics="rmse")
    assert found.summary["rmse"].to_list() == sorted(found.summary["rmse"])
    best = f"**{found.summary['rmse'][0]:.4f} ± "
    assert best in found.markdown()


class Remembers(tm.Popular):
    """Keeps weak references to fitted models."""

    fitted: list[Any] = []  # noqa: RUF012 - shared by the copies that are fitted

    def fit(self, interactions: tm.Interactions, **options: Any) -> Any:
        self.fitted.append(weakref.ref(self))
        return super().fit(interactions, **options)


class Sees(tm.WARP):
    """Remembers the features it was given."""

    given: list[Any] = []  # noqa: RUF012 - shared by the copies that are fitted

    def fit(self, interactions: tm.Interactions, **options: Any) -> Any:
        if "item_features" in options:
            self.given.append((interactions.shape, options["item_features"], options["user_features"]))
        return super().fit(interactions, **options)


def test_folds_part_the_pairs_and_never_the_features() -> None:
    # A grid search that cuts the pairs together with the rows of a feature matrix fails: here some items even
    # lose all their pairs in a fold, and keep their features.
    rare = pl.DataFrame({"user": [0, 1, 2], "item": [100, 101, 102], "stars": [5, 5, 5]})
    pairs = tm.Interactions.from_frame(pl.concat([PAIRS.to_frame(), rare], how="vertical_relaxed"), weight="stars")
    ids = pairs.items.ids
    frame = pl.DataFrame({"item": ids, "kind": [f"k{item % 3}" for item in ids]})
    features = tm.Features.from_frame(frame, id="item", columns="kind")
    people = tm.Features.from_frame(
        pl.DataFrame({"user": np.arange(20), "sex": ["f", "m"] * 10}), id="user", columns="sex"
    )
    Sees.given.clear()
    models = [Sees(factors=2, epochs=1), tm.Popular()]
    found = tm.cross_validate(models, pairs, k=3, metrics="ndcg@3", item_features=features, user_features=people)
    given = [seen for seen in Sees.given if seen[0] != (5, 3)]  # without the toy that loads the kernels
    assert given == [(pairs.shape, features, people)] * 3
    assert found.without_features == ("Popular",)
    assert "fitted without the features, which they do not take: Popular" in str(found)


def test_the_given_instances_stay_as_they_are() -> None:
    model = tm.Popular().fit(PAIRS)
    before = model.popularity_.copy()
    unfitted = tm.EASE()
    tm.cross_validate({"a": model, "b": unfitted}, PAIRS, k=2, metrics="ndcg@3")
    assert (model.popularity_ == before).all()
    with pytest.raises(tm.NotFittedError):
        _ = unfitted.users


def test_it_repeats_itself_and_another_seed_cuts_otherwise() -> None:
    runs = [tm.cross_validate(tm.Popular(), PAIRS, k=2, metrics="ndcg@3", seed=seed) for seed in (0, 0, 1)]
    first, second, third = (run.frame["ndcg@3"].to_list() for run in runs)
    assert first == second != third
    assert repr(runs[0]) == "CrossValidation of 1 model on 2 folds"


@pytest.mark.parametrize(
    ("options", "words"),
    [({"k": 1}, "k must be a whole number of at least 2"), ({"metrics": "gain"}, "gain"), ({"metrics": ()}, "metrics")],
)
def test_bad_arguments_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tm.cross_validate(tm.Popular(), PAIRS, **options)
