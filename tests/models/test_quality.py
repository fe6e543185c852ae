"""Bands of quality on real data: a metric that is too good is a bug as well."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tastemap as tm
from tastemap.datasets import Dataset

METRICS = ("precision@10", "recall@10", "hit_rate@10", "ndcg@10", "map@10", "mrr@10")


@pytest.fixture(scope="module")
def movielens_1m(ml1m_ratings: tm.Interactions) -> tuple[tm.Interactions, tm.Interactions]:
    """The split of the published comparisons: ratings from 4 on, a fifth held out in file order."""
    return tm.split.random(ml1m_ratings.at_least(4).binarize(), 0.2, seed=42)


@pytest.fixture(scope="module")
def movielens_100k(ml100k: Dataset) -> tuple[tm.Interactions, tm.Interactions]:
    return tm.split.random(ml100k.interactions.at_least(4).binarize(), 0.2, seed=42)


def test_the_split_is_the_published_one(movielens_1m: tuple[tm.Interactions, ...]) -> None:
    train, test = movielens_1m
    assert len(train) + len(test) == 575_281
    drawn = np.random.default_rng(42).random(575_281) < 0.2
    assert len(test) == drawn.sum()


def test_popular_on_movielens_1m(movielens_1m: tuple[tm.Interactions, ...]) -> None:
    train, test = movielens_1m
    measured = tm.evaluate(tm.Popular().fit(train), test, metrics=METRICS)
    assert measured["ndcg@10"] == pytest.approx(0.1571, abs=5e-4)
    assert measured["recall@10"] == pytest.approx(0.0854, abs=5e-4)
    assert measured["precision@10"] == pytest.approx(0.1328, abs=5e-4)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("ImplicitALS", 0.32, 0.345),
        ("EASE", 0.338, 0.344),
        ("WARP", 0.315, 0.345),
        ("BPR", 0.285, 0.32),
        ("ItemKNN", 0.305, 0.32),
        ("GraphFilter", 0.328, 0.34),
    ],
)
def test_untouched_defaults_on_movielens_1m(
    movielens_1m: tuple[tm.Interactions, ...], name: str, low: float, high: float
) -> None:
    train, test = movielens_1m
    assert low <= tm.evaluate(tm.MODELS[name]().fit(train), test)["ndcg@10"] < high


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("Random", 0.005, 0.03),
        ("Popular", 0.15, 0.25),
        ("ItemKNN", 0.28, 0.40),
        ("GraphFilter", 0.29, 0.40),
        ("EASE", 0.30, 0.40),
        ("ImplicitALS", 0.30, 0.40),
        ("WARP", 0.30, 0.40),
        ("BPR", 0.27, 0.40),
    ],
)
def test_models_on_movielens_100k(
    movielens_100k: tuple[tm.Interactions, ...], name: str, low: float, high: float
) -> None:
    train, test = movielens_100k
    assert low <= tm.evaluate(tm.MODELS[name]().fit(train), test)["ndcg@10"] < high


@pytest.mark.parametrize(("name", "low", "high"), [("WARP", 1.1, 1.4), ("BPR", 0.98, 1.3)])
def test_untouched_defaults_on_sparse_likes(data_folder: Path, name: str, low: float, high: float) -> None:
    """MovieTweetings, four likes a person: NDCG@10 in multiples of that of the most popular films."""
    file = data_folder / "movietweetings" / "ratings.dat"
    if not file.exists():
        pytest.skip(f"needs MovieTweetings: {file} is absent")
    ratings = tm.Interactions.from_file(file, user="user_id", item="movie_id", weight="rating", time="timestamp")
    train, test = tm.split.random(ratings.at_least(7).binarize(), 0.2, seed=1)
    own, popular = (tm.evaluate(model.fit(train), test)["ndcg@10"] for model in (tm.MODELS[name](), tm.Popular()))
    assert low <= own / popular < high


# ranx compiles for 20 s and warns of it, so it runs as plain Python, in a process of its own.
RANX = """
    import json, sys
    from ranx import Qrels, Run, evaluate
    told = json.load(open(sys.argv[1]))
    run, qrels = Run(told["run"]), Qrels(told["qrels"])
    print(json.dumps({name: float(evaluate(qrels, run, name)) for name in told["metrics"]}))
"""


def test_metrics_of_the_same_lists_are_those_of_ranx(
    movielens_100k: tuple[tm.Interactions, ...], run_python: Callable[..., str], tmp_path: Path
) -> None:
    pytest.importorskip("ranx")
    train, test = movielens_100k
    model = tm.Popular().fit(train)
    measured = tm.evaluate(model, test, metrics=METRICS)
    user, item = test.users.name, test.items.name
    people = measured.per_user[user].to_list()
    lists = model.recommend(people, frame="polars")
    run: dict[str, dict[str, float]] = {str(one): {} for one in people}
    for who, what, rank in lists.select(user, item, "rank").rows():
        run[str(who)][str(what)] = 100.0 - rank  # ranx has an order of its own for ties
    qrels: dict[str, dict[str, int]] = {}
    for who, what in test.to_frame("polars").select(user, item).rows():
        qrels.setdefault(str(who), {})[str(what)] = 1
    names = [name for name in METRICS if not name.startswith("map")]  # ranx divides by |T| where we do by min(k, |T|)
    (tmp_path / "lists.json").write_text(json.dumps({"run": run, "qrels": qrels, "metrics": names}))
    told = json.loads(run_python(RANX, tmp_path / "lists.json", NUMBA_DISABLE_JIT="1", PYTHONWARNINGS="default"))
    assert {name: measured[name] for name in names} == pytest.approx(told, rel=1e-9)


RATINGS = [("ExplicitALS", 0.845, 0.860), ("SVD", 0.835, 0.850), ("SVDpp", 0.830, 0.845)]


@pytest.mark.parametrize(("name", "low", "high"), RATINGS)
def test_ratings_of_movielens_1m_and_of_people_folded_in(
    ml1m_ratings: tm.Interactions, name: str, low: float, high: float
) -> None:
    train, test = tm.split.random(ml1m_ratings, 0.2, seed=42)
    test = test.pick((np.bincount(train.matrix.indices, minlength=len(train.items)) > 0)[items_of(test)])
    model = tm.MODELS[name]().fit(train)
    fitted = tm.evaluate(model, test, metrics="rmse")["rmse"]
    assert low <= fitted < high
    folded = model.scorer.fold(train.by_user)
    scores = np.einsum("nd,nd->n", folded[test.row_of_pair()], model.scoring_vectors().items[test.matrix.indices])
    error = float(np.sqrt(np.mean((model.scorer.show(scores) - test.matrix.data) ** 2)))
    assert error == pytest.approx(fitted, abs=0.002)


@pytest.mark.parametrize(
    ("name", "low", "high"), [("ExplicitALS", 0.90, 0.93), ("SVD", 0.885, 0.915), ("SVDpp", 0.88, 0.91)]
)
def test_ratings_of_movielens_100k(ml100k: Dataset, name: str, low: float, high: float) -> None:
    train, test = tm.split.random(ml100k.interactions, 0.2, seed=42)
    test = test.pick((np.bincount(train.matrix.indices, minlength=len(train.items)) > 0)[items_of(test)])
    assert low <= tm.evaluate(tm.MODELS[name]().fit(train), test, metrics="rmse")["rmse"] < high


def items_of(interactions: tm.Interactions) -> Any:
    """Return the item row of every pair in input order."""
    return interactions.matrix.indices[interactions.input_order]
