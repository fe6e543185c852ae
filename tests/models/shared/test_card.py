"""The lines of a card about the training."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import tastemap as tm
from tastemap.models.shared import stored
from tastemap.training.loop import Epoch

STARS = tm.Interactions.from_frame({"user": [1, 1, 2, 2], "item": [7, 8, 7, 9], "stars": [5, 1, 4, 2]}, weight="stars")


def trained(metric: str | None, values: list[float]) -> tm.SVD:
    """Return a model whose epochs measured these values."""
    model = tm.SVD(factors=1, epochs=len(values)).fit(STARS)
    model.epochs_ = [Epoch(n, 0.5, 1 / n, value, metric) for n, value in enumerate(values, 1)]
    return model


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("rmse", [1.5, 0.9, 1.2], "rmse 0.9000 in epoch 2"),
        ("mae", [0.8, 0.7, 0.7], "mae 0.7000 in epoch 2"),
        ("ndcg@10", [0.1, 0.3, 0.2], "ndcg@10 0.3000 in epoch 2"),
        ("ndcg@10", [0.3, 0.3, 0.1, 0.3], "ndcg@10 0.3000 in epoch 1"),
    ],
)
def test_the_best_epoch_is_by_the_metric_and_of_equal_ones_the_first(
    metric: str, values: list[float], best: str, tmp_path: Path
) -> None:
    model = trained(metric, values)
    assert f"Best on the validation part: {best}." in model.card()
    model.save(tmp_path / "model")
    assert tm.load(tmp_path / "model").card() == model.card()


def test_the_name_of_what_fit_measured_is_kept(tmp_path: Path) -> None:
    model = tm.SVD(factors=1, epochs=3).fit(STARS, validation=STARS, metric="mae")
    assert {done.metric_name for done in model.epochs_} == {"mae"}
    least = min(done.metric for done in model.epochs_ if done.metric is not None)
    assert f"Best on the validation part: mae {least:.4f} in epoch" in model.card()
    model.save(tmp_path / "model")
    again: Any = tm.load(tmp_path / "model")
    assert [(e.metric, e.metric_name) for e in again.epochs_] == [(e.metric, "mae") for e in model.epochs_]
    alone = tm.SVD(factors=1, epochs=3).fit(STARS)
    assert [done.metric_name for done in alone.epochs_] == [None] * 3
    assert "Best on" not in alone.card()


def test_the_card_of_a_file_without_the_metrics_name_names_no_best_epoch() -> None:
    model = trained("rmse", [1.5, 0.9])
    header = stored.header_of("SVD", asdict(model), {}, model.state, model.epochs_)
    del header["metric"]
    fitted = {name: getattr(model, name) for name in model.fitted_arrays}
    older = tm.SVD.from_arrays(stored.arrays_of(model.state, fitted, True), header)
    assert [done.metric for done in older.epochs_] == [1.5, 0.9]
    assert re.search(r"Trained for 2 epochs to an objective of 0\.5\.\n", older.card())


def test_the_card_counts_the_ids_that_have_a_pair_and_tells_the_bound_of_likes(tmp_path: Path) -> None:
    frame = {"user": [1, 1, 2], "item": [7, 8, 7], "stars": [5, 1, 4]}
    stars = tm.Interactions.from_frame(frame, weight="stars", users=[1, 2, 3], items=[7, 8, 9])
    assert "Data: 3 pairs, 2 user x 2 item, " in tm.SVD(factors=1, epochs=1).fit(stars).card()
    tm.Popular().fit(stars.at_least(4).binarize()).save(tmp_path / "model")
    card = tm.load(tmp_path / "model").card()
    assert "Data: 2 pairs, 2 user x 1 item, " in card
    assert "Of stars only 4 and more." in card
