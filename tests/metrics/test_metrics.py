"""The registry, and the metrics against other libraries and against values worked out by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import log2, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap.kernels.metrics import RANKING_METRICS
from tastemap.metrics import definitions as metrics
from tastemap.metrics.measure import ListBatch, ListMeasurer
from tastemap.metrics.ratings import pool

PER_LIST = ["precision", "recall", "hit_rate", "ndcg", "map", "mrr", "auc", "novelty", "diversity"]
NAMES = [*PER_LIST, "coverage", "gini", "rmse", "mae"]


def test_every_metric_of_the_kernels_has_a_class_and_the_other_way_round() -> None:
    assert list(tm.METRICS) == NAMES
    of_kernel = {cls.base_name: cls.column for cls in tm.METRICS.values() if issubclass(cls, metrics.RankingMetric)}
    assert of_kernel == {name: column for column, name in enumerate(RANKING_METRICS)}
    assert [name for name, cls in tm.METRICS.items() if issubclass(cls, metrics.RatingMetric)] == ["rmse", "mae"]
    with pytest.raises(ValueError, match="not in tuple"):
        type("Gain", (metrics.RankingMetric,), {"base_name": "gain"})


@pytest.mark.parametrize("name", NAMES)
def test_a_docstring_says_formula_range_ties_who_is_left_out_and_the_source(name: str) -> None:
    text = tm.METRICS[name].__doc__ or ""
    assert text.startswith((f"{name}@k = ", f"{name}@k: ", f"{name} = "))
    for words in ("range ", "ties", "users with"):  # test items, or without
        assert words in text.lower()
    assert text.rstrip(". \n").split()[-1].isdecimal(), "a citation ends with its year"


def test_metrics_tell_of_what_kind_they_are() -> None:
    worse = {name for name, cls in tm.METRICS.items() if cls.lower_is_better}
    assert worse == {"gini", "rmse", "mae"}
    assert [name for name, cls in tm.METRICS.items() if not cls.per_user] == ["coverage", "gini"]
    assert [name for name, cls in tm.METRICS.items() if not cls.watchable] == [*PER_LIST[6:], "coverage", "gini"]
    assert [name for name, cls in tm.METRICS.items() if cls.needs_train] == [*PER_LIST[6:], "coverage", "gini"]
    assert [name for name, cls in tm.METRICS.items() if cls.takes_features] == ["diversity"]


def test_a_metric_is_a_value() -> None:
    ndcg = metrics.NDCG(10)
    assert ndcg == tm.METRICS["ndcg"](10) == metrics.parse("ndcg@10")
    assert hash(ndcg) == hash(metrics.NDCG(10))
    assert ndcg not in (metrics.NDCG(5), metrics.MAP(10), "ndcg@10")
    assert (ndcg.k, ndcg.name, str(ndcg), repr(ndcg)) == (10, "ndcg@10", "ndcg@10", "NDCG(10)")
    auc, rmse = metrics.parse("auc"), metrics.parse("rmse")
    assert [(one.k, one.name, repr(one)) for one in (auc, rmse)] == [(None, "auc", "AUC()"), (None, "rmse", "RMSE()")]
    assert metrics.AUC(7).name == "auc@7"
    assert metrics.parse("ndcg@010").name == "ndcg@10"
    with pytest.raises(AttributeError):
        ndcg.k = 5  # type: ignore[misc]
    with pytest.raises(TypeError, match="Metric is a kind of metric: take one of METRICS, or make an OwnMetric"):
        metrics.Metric(10)


def test_parsing_keeps_metrics_and_their_order() -> None:
    ndcg = metrics.NDCG(10)
    assert metrics.parse(ndcg) is ndcg
    assert metrics.parse_all([ndcg, "rmse"]) == (ndcg, metrics.RMSE())
    assert metrics.parse_all("map@3") == metrics.parse_all(metrics.MAP(3)) == (metrics.MAP(3),)
    assert metrics.find("rmse", [ndcg, metrics.RMSE()]) == metrics.find(metrics.RMSE(), [ndcg, metrics.RMSE()])
    with pytest.raises(KeyError, match=r"'ndcg@5' was not measured, only ndcg@10, rmse"):
        metrics.find(metrics.NDCG(5), [ndcg, metrics.RMSE()])


def test_less_error_is_the_better_one_and_a_mean_of_squares_has_a_root() -> None:
    rmse, mae, ndcg = metrics.RMSE(), metrics.MAE(), metrics.NDCG(3)
    assert (rmse.goodness(2.0), mae.goodness(2.0), ndcg.goodness(2.0)) == (-2, -2, 2)
    errors = np.array([3.0, -4.0])
    assert pool(rmse, errors) == sqrt((9 + 16) / 2)
    assert pool(mae, errors) == (3 + 4) / 2
    assert ndcg.of_mean(ndcg.terms(errors)).tolist() == errors.tolist()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: metrics.parse("ndcg"), "the metric ndcg needs a cut-off, such as 'ndcg@10': got 'ndcg'"),
        (lambda: metrics.NDCG(), "the metric ndcg needs a cut-off, such as 'ndcg@10': got 'ndcg'"),
        (lambda: metrics.parse("ndcg@"), "must be a whole number of at least 1, got 'ndcg@'"),
        (lambda: metrics.parse("auc@2.5"), "must be a whole number of at least 1, got 'auc@2.5'"),
        (lambda: metrics.NDCG(0), "must be a whole number of at least 1, got 'ndcg@0'"),
        (lambda: metrics.NDCG(True), "must be a whole number of at least 1, got 'ndcg@True'"),
        (lambda: metrics.NDCG(2**31), "must be at most 2,147,483,647, got 'ndcg@2147483648': leave such lists whole"),
        (
            lambda: metrics.RMSE(5),
            "the metric rmse is over all test pairs and has no cut-off: pass 'rmse', got 'rmse@5'",
        ),
        (lambda: metrics.parse(5), "metrics must be names such as 'ndcg@10', got 5"),  # type: ignore[arg-type]
        (lambda: metrics.parse(metrics.NDCG), ": pass NDCG(10)"),  # type: ignore[arg-type]
        (lambda: metrics.parse(metrics.RMSE), ": pass RMSE()"),  # type: ignore[arg-type]
        (lambda: metrics.parse(log2), ": pass tastemap.OwnMetric(log2)"),  # type: ignore[arg-type]
        (lambda: metrics.parse_all([]), "metrics must name at least one"),
        (lambda: metrics.parse_all(["ndcg@5", metrics.NDCG(5)]), "must name each once, got 'ndcg@5', 'ndcg@5'"),
        (lambda: metrics.parse_all(None), "metrics must be names such as 'ndcg@10', got None"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_metric_is_told_so_in_a_sentence(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        make()
    assert "\n" not in str(refused.value)


def interactions(histories: dict[str, str]) -> tm.Interactions:
    rows = [(user, item) for user, items in histories.items() for item in items]
    return tm.Interactions.from_frame(pl.DataFrame(rows, ["user", "item"], orient="row"))


def test_metrics_beyond_accuracy_worked_out_by_hand() -> None:
    # Popular ranks a, b, c, d: 4, 3, 2 and 1 of four users have them.
    train = interactions({"u1": "a", "u2": "ab", "u3": "abc", "u4": "abcd"})
    model, test = tm.Popular().fit(train), interactions({"u1": "d", "u4": "b"})
    names = ["novelty@2", "diversity@2", "diversity@1", "diversity@3", "coverage@3", "gini@3", "auc@2", "auc"]
    found = tm.evaluate(model, test, metrics=names, exclude=None).means
    cosine_ab, cosine_ac, cosine_bc = 3 / sqrt(4 * 3), 2 / sqrt(4 * 2), 2 / sqrt(3 * 2)
    assert found == pytest.approx(
        {
            "novelty@2": 1 / 2 * (-log2(4 / 4) - log2(3 / 4)),
            "diversity@2": 1 - cosine_ab,
            "diversity@1": 0,
            "diversity@3": 1 - (cosine_ab + cosine_ac + cosine_bc) / 3,
            "coverage@3": 3 / 4,
            # Both lists are a, b, c, and d is in none: 0, 2, 2, 2 times listed.
            "gini@3": (-3 * 0 + -1 * 2 + 1 * 2 + 3 * 2) / (4 * 6),
            # u1: a and b before d, c tied with it. u4: a before b, c and d behind.
            "auc@2": 1 / 2 * ((1 / 2) / 3 + 2 / 3),
            "auc": 1 / 2 * (0 / 3 + 2 / 3),
        },
        rel=1e-12,
    )
    unseen = tm.evaluate(model, interactions({"u2": "d"}), metrics=["auc", "coverage@5", "novelty@5"])
    assert unseen["auc"] == 0  # u2 has a and b: c is ranked before d
    assert unseen["coverage@5"] == 2 / 4
    assert unseen["novelty@5"] == 1 / 2 * (-log2(2 / 4) - log2(1 / 4))


def test_diversity_is_by_features_where_these_are_given() -> None:
    train = interactions({"u1": "a", "u2": "ab", "u3": "abc", "u4": "abcd"})
    features = tm.Features.from_csr(sp.csr_array([[1.0, 0], [1, 1], [0, 2]]), ids=["a", "b", "z"])
    found = tm.evaluate(
        tm.Popular().fit(train),
        interactions({"u1": "d"}),
        metrics=["diversity@2", "diversity@3"],
        exclude=None,
        item_features=features,
    )
    assert found["diversity@2"] == pytest.approx(1 - 1 / sqrt(2))
    assert found["diversity@3"] == pytest.approx(1 - 1 / 3 * (1 / sqrt(2) + 0 + 0))  # c has none


# -- beside other libraries -------------------------------------------------------------------------------------------


def random_lists(seed: int, n: int = 40, n_items: int = 30) -> tuple[np.ndarray, np.ndarray, tm.Interactions]:
    """Lists of different lengths, some empty, and test items."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 13, n)
    lists = np.full((n, 12), -1, np.int32)
    for r, count in enumerate(counts):
        lists[r, :count] = rng.permutation(n_items)[:count]
    here = rng.random((n, n_items)) < 0.2
    here[np.arange(n), rng.integers(0, n_items, n)] = True
    return lists, counts, tm.Interactions.from_csr(sp.csr_array(here.astype(float)))


RANX = """
import json, sys
import ranx

for case in json.load(open(sys.argv[1])):
    qrels = {f"{r:05d}": {str(item): 1 for item in items} for r, items in enumerate(case["relevant"])}
    # It takes no empty run.
    run = {
        f"{r:05d}": {str(item): 1 / place for place, item in enumerate(items, 1)} or {"none": 1.0}
        for r, items in enumerate(case["lists"])
    }
    found = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), case["metrics"], return_mean=False)
    print(json.dumps([found[name].tolist() for name in case["metrics"]]))
"""


def test_ranx_measures_the_same_on_random_and_on_real_lists(
    ml1m_ratings: tm.Interactions, run_python: Callable[..., str], tmp_path: Path
) -> None:
    pytest.importorskip("ranx")
    train, test = tm.split.random(ml1m_ratings.at_least(4), 0.2, seed=3)
    rows = np.flatnonzero((np.diff(train.by_user.indptr) > 0) & (np.diff(test.by_user.indptr) > 0))[::12]
    real = tm.Popular().fit(train).recommend_rows(rows, 10)
    cases = [(*random_lists(seed), k) for seed, k in ((0, 1), (1, 5), (2, 12))]
    cases.append((real.rows, real.counts, tm.Interactions.from_csr(test.matrix[rows]), 10))
    names = ["precision", "recall", "hit_rate", "ndcg", "mrr", "map"]
    asked = [
        {
            "lists": [items[:count].tolist() for items, count in zip(lists, counts, strict=True)],
            "relevant": [held.indices.tolist() for held in test.matrix],
            "metrics": [f"{name}@{k}" for name in names],
        }
        for lists, counts, test, k in cases
    ]
    (tmp_path / "cases.json").write_text(json.dumps(asked))
    # Compiling ranx takes a minute.
    said = run_python(RANX, tmp_path / "cases.json", NUMBA_DISABLE_JIT="1", PYTHONWARNINGS="ignore")
    for (lists, counts, test, k), asked_for, line in zip(cases, asked, said.splitlines(), strict=True):
        ours = ListMeasurer(metrics.parse_all(asked_for["metrics"])).add(
            ListBatch(lists, counts, test.by_user, np.arange(len(lists)))
        )
        its = np.array(json.loads(line)).T
        n_relevant = np.diff(test.by_user.indptr)
        its[:, -1] *= n_relevant / np.minimum(n_relevant, k)  # its map divides by all test items
        np.testing.assert_allclose(ours, its, rtol=1e-9, atol=1e-12)


def test_scikit_learn_has_the_same_auc_and_ndcg(ml1m_ratings: tm.Interactions) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    train, test = tm.split.random(ml1m_ratings.at_least(4), 0.2, seed=3)
    model = tm.ImplicitALS(factors=4, epochs=1).fit(train)
    kept = (test.row_of_pair() % 200 == 0) & (model.popularity_ > 0)[test.matrix.indices]
    test = test.pick(kept[test.input_order])
    found = tm.evaluate(model, test, metrics=["auc", "auc@10", f"auc@{len(model.items)}", "ndcg@20"])
    np.testing.assert_array_equal(found.values[:, 0], found.values[:, 2])
    scores = model.user_factors_.astype(np.float64) @ model.item_factors_.T.astype(np.float64)
    for u, auc, auc_at_10, _, ndcg in zip(model.users.find(found.users), *found.values.T, strict=True):
        seen, mine = (part.matrix[[u]].toarray()[0] > 0 for part in (train, test))
        ranked = (model.popularity_ > 0) & ~seen
        assert auc == pytest.approx(sklearn.roc_auc_score(mine[ranked], scores[u, ranked]), abs=1e-5)
        best = np.sort(scores[u, ranked])[-10:]
        tied = np.where(scores[u] >= best[0], scores[u], best[0] - 1)
        assert auc_at_10 == pytest.approx(sklearn.roc_auc_score(mine[ranked], tied[ranked]), abs=1e-5)
        assert ndcg == pytest.approx(sklearn.ndcg_score([mine[ranked]], [scores[u, ranked]], k=20), abs=1e-5)


def test_scikit_learn_has_the_same_errors_and_auc_of_the_ratings_of_ml100k(ml100k: Any) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    train, test = tm.split.random(ml100k.interactions, 0.1, seed=0)
    model = tm.SVD(factors=4, epochs=3).fit(train)
    known = (model.activity_ > 0)[test.row_of_pair()] & (model.popularity_ > 0)[test.matrix.indices]
    test = test.pick(known[test.input_order])
    found = tm.evaluate(model, test, metrics=["rmse", "mae"])
    predicted = model.predict(test.users.take(test.row_of_pair()), test.items.take(test.matrix.indices))
    assert found["rmse"] == pytest.approx(sklearn.root_mean_squared_error(test.matrix.data, predicted), rel=1e-6)
    assert found["mae"] == pytest.approx(sklearn.mean_absolute_error(test.matrix.data, predicted), rel=1e-6)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("NDCG@10", "'ndcg@10'"),
        ("ndcg5", "'ndcg@5'"),
        ("HitRate@20", "'hit_rate@20'"),
        ("hr@3", "'hit_rate@3'"),
        ("precision_at_k", "'precision@10'"),
        ("RMSE", "'rmse'"),
    ],
)
def test_an_unknown_metric_gets_the_closest_name(written: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"got '{written}'; did you mean {meant}\\?$"):
        metrics.parse(written)


def test_a_name_unlike_any_metric_gets_no_suggestion() -> None:
    with pytest.raises(ValueError, match=r"got '@10'$"):
        metrics.parse("@10")
