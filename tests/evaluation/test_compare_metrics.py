"""Metrics of all lists together, histories and candidates in a comparison and its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tastemap as tm
from tastemap.evaluation.comparison import Comparison

HERE = np.random.default_rng(3).random((60, 20)) < 0.35
PAIRS = tm.Interactions.from_frame(pl.DataFrame({"user": np.nonzero(HERE)[0], "item": np.nonzero(HERE)[1]}))
TRAIN, TEST = tm.split.random(PAIRS, 0.3, seed=2)
METRICS = ("gini@3", "ndcg@5", "coverage@3")


@pytest.fixture(scope="module")
def board() -> Comparison:
    return tm.compare([tm.Popular(), tm.EASE(regularization=1), tm.Random()], TEST, train=TRAIN, metrics=METRICS)


def test_metrics_of_all_lists_have_no_interval_and_no_test(board: Comparison) -> None:
    rows = board.intervals.rows_by_key("metric", named=True)
    for metric in ("gini@3", "coverage@3"):
        assert [(row["low"], row["high"]) for row in rows[metric]] == [(None, None)] * 3
        assert {row["model"]: row["mean"] for row in rows[metric]} == {
            name: evaluation[metric] for name, evaluation in board.evaluations.items()
        }
    assert all(row["low"] < row["high"] for row in rows["ndcg@5"])
    assert set(board.differences["metric"]) == {"ndcg@5"}
    assert not any(board.is_close(name, "coverage@3") for name in board.models)


def test_less_inequality_is_better_and_orders_the_board(board: Comparison) -> None:
    assert board.frame["gini@3"].to_list() == sorted(board.frame["gini@3"])
    assert board.frame["model"][0] == "Random"
    best = f"{board.evaluations['Random']['gini@3']:.4f}"
    assert f"**{best}**" in board.markdown()
    text = str(board)
    assert "gini@3 and coverage@3 of all lists together" in text
    assert f" {best}*" in text


def test_the_report_shows_them_too(board: Comparison, tmp_path: Path) -> None:
    tm.export.report(board, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3 + 1
    assert "Random is best by gini@3" in page
    only = tm.compare([tm.Popular(), tm.EASE()], TEST, train=TRAIN, metrics="coverage@3")
    tm.export.report(only, tmp_path / "only.html")
    page = (tmp_path / "only.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "chance" not in page
    assert only.differences.is_empty()


@pytest.mark.filterwarnings("ignore:.* test pairs are among those that candidates")  # there are others, too
def test_histories_and_candidates_reach_the_evaluation() -> None:
    train, history, test = tm.split.by_user(PAIRS, 0.3, seed=1)
    models = [tm.EASE(), tm.ItemKNN()]
    board = tm.compare(models, test, train=train, metrics="ndcg@5", history=history, candidates=list(range(12)))
    for name, model in board.models.items():
        alone = tm.evaluate(model, test, metrics="ndcg@5", history=history, candidates=list(range(12)))
        assert board.evaluations[name].means == alone.means


def test_diversity_is_measured_by_the_features_given() -> None:
    frame = pl.DataFrame({"item": np.arange(20), "kind": [f"k{item % 4}" for item in range(20)]})
    features = tm.Features.from_frame(frame, id="item", columns="kind")
    board = tm.compare([tm.Popular()], TEST, train=TRAIN, metrics="diversity@3", item_features=features)
    alone = tm.evaluate(tm.Popular().fit(TRAIN), TEST, metrics="diversity@3", item_features=features)
    assert board.evaluations["Popular"].means == alone.means
    assert alone.means != tm.evaluate(tm.Popular().fit(TRAIN), TEST, metrics="diversity@3").means
