"""Figures that executors measure are those of one machine, user by user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm

pytestmark = pytest.mark.xdist_group("spark")

METRICS = ("ndcg@5", "recall@3", "auc", "novelty@3", "coverage@3", "gini@3")


@pytest.fixture(scope="module")
def parts(local: tm.Interactions) -> tuple[tm.Interactions, tm.Interactions]:
    """The training and the test part, of which the last users have nothing."""
    return tm.split.random(local, 0.3, seed=1)


def compare(far: tm.Evaluation, here: tm.Evaluation) -> None:
    """Check that two evaluations are the same, whatever the order of the users."""
    order = np.argsort(here.users.to_numpy())
    assert far.users.to_list() == here.users.to_numpy()[order].tolist()
    np.testing.assert_allclose(far.values, here.values[order], atol=1e-9)
    np.testing.assert_array_equal(far.known, here.known[order])
    np.testing.assert_array_equal(far.n_rated, here.n_rated[order])
    assert far.overall == pytest.approx(here.overall, abs=1e-9)
    for name in ("n_without_test", "n_skipped", "n_unknown_items", "n_left_out", "n_unrated", "n_alike"):
        assert getattr(far, name) == getattr(here, name), name


@pytest.mark.parametrize("model", [tm.ImplicitALS(factors=4, epochs=2), tm.EASE()], ids=lambda it: type(it).__name__)
def test_lists_are_measured_as_on_one_machine(
    model: tm.Model, parts: tuple[tm.Interactions, tm.Interactions], to_spark: Callable[[pl.DataFrame], Any]
) -> None:
    train, test = parts
    model.fit(train, progress=False)
    # Somebody whom the model does not know, and an item.
    stray = pl.DataFrame({"who": ["nobody", "u1"], "what": [101, 999], "times": [1.0, 1.0]})
    table = pl.concat([test.to_frame("polars"), stray.cast(test.to_frame("polars").schema)])
    here = tm.Interactions.from_frame(table, user="who", item="what", weight="times")
    far = to_spark(table)
    compare(tm.evaluate(model, far, metrics=METRICS), tm.evaluate(model, here, metrics=METRICS))
    compare(
        tm.evaluate(model, far, metrics="ndcg@5", exclude=None, on_unknown="popular"),
        tm.evaluate(model, here, metrics="ndcg@5", exclude=None, on_unknown="popular"),
    )
    compare(
        tm.evaluate(model, far, exclude=to_spark(train.to_frame("polars"))), tm.evaluate(model, here, exclude=train)
    )


def test_ratings_and_histories_are_measured_as_on_one_machine(
    parts: tuple[tm.Interactions, tm.Interactions], to_spark: Callable[[pl.DataFrame], Any]
) -> None:
    train, test = parts
    far, history = (to_spark(part.to_frame("polars")) for part in (test, train))
    model = tm.SVD(factors=4, epochs=2).fit(train, progress=False)
    metrics = ("rmse", "mae", "ndcg@5")
    compare(tm.evaluate(model, far, metrics=metrics), tm.evaluate(model, test, metrics=metrics))
    compare(
        tm.evaluate(model, far, metrics=metrics, history=history),
        tm.evaluate(model, test, metrics=metrics, history=train),
    )


def test_what_cannot_be_measured_is_told(
    trained: tm.ImplicitALS, far: Any, local: tm.Interactions, to_spark: Callable[[pl.DataFrame], Any]
) -> None:
    with pytest.raises(tm.DataError, match="history must be a Spark frame"):
        tm.evaluate(trained, far, history=local)
    with pytest.raises(tm.DataError, match="exclude must be 'train', None or a Spark frame"):
        tm.evaluate(trained, far, exclude=local)
    with pytest.raises(tm.DataError, match="diversity on Spark compares items by features: pass item_features"):
        tm.evaluate(trained, far, metrics="diversity@5")
    with pytest.raises(tm.NotSupportedError, match="needs the training pairs"):
        tm.evaluate(trained.without_users(), far)
    others = pl.DataFrame({"who": ["x"], "what": [101], "times": [1.0]})
    with pytest.raises(tm.DataError, match="no user of the test part has a training pair"):
        tm.evaluate(trained, to_spark(others))
    with pytest.raises(tm.DataError, match="the model knows no item of the test part"):
        tm.evaluate(trained, to_spark(others.with_columns(what=pl.lit(7))))
