"""Lists whose items a model cannot tell apart are said in one warning a call, and other lists never are."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm

COLD = [90, 91, 92]


def likes() -> tm.Interactions:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((30, 20)) < 0.4)
    frame = {"user": users, "item": items, "stars": 1.0 + (users + items) % 5, "day": np.arange(len(users))}
    return tm.Interactions.from_frame(frame, weight="stars", time="day", items=[*range(20), *COLD])


def cold_test() -> tm.Interactions:
    return tm.Interactions.from_frame({"user": [3, 4, 5], "item": COLD})


def fit(name: str) -> Any:
    return tm.MODELS[name]().fit(likes(), progress=False)


def warnings_of(call: Callable[[], Any]) -> list[tm.TastemapWarning]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(Path(one.filename) == Path(__file__) for one in caught), "a warning names the caller's line"
    return [one.message for one in caught if isinstance(one.message, tm.TastemapWarning)]


@pytest.mark.parametrize("name", [name for name in tm.MODELS if name != "Random"])
def test_lists_of_items_without_a_pair_are_said_once_a_call(name: str, tmp_path: Path) -> None:
    model = fit(name)
    calls: dict[str, tuple[Callable[[], Any], int]] = {
        "recommend": (lambda: model.recommend([1, 2, 3, 4], candidates=COLD), 4),
        "recommend_for": (lambda: model.recommend_for([[1, 2], [3]], candidates=COLD), 2),
        "recommend_all": (lambda: model.recommend_all(tmp_path / "all.parquet", candidates=COLD), 30),
        "evaluate": (lambda: tm.evaluate(model, cold_test(), candidates=COLD), 3),
    }
    for method, (call, n) in calls.items():
        (said,) = warnings_of(call)
        assert (said.facts["alike"], said.facts["lists"]) == (n, n), method
        assert str(said) == (
            f"the model cannot tell the items of {n} of {n} lists apart: they have one score throughout, and their "
            "order means nothing"
        )


def test_an_evaluation_keeps_their_number_and_a_comparison_names_the_models() -> None:
    models = {"als": fit("ImplicitALS"), "chance": fit("Random")}
    with pytest.warns(tm.TastemapWarning, match="als: the model cannot tell the items of 3 of 3 lists apart"):
        board = tm.compare(models, cold_test(), candidates=COLD, progress=False)
    assert {name: result.n_alike for name, result in board.evaluations.items()} == {"als": 3, "chance": 0}


@pytest.mark.parametrize("name", tm.MODELS)
def test_ordinary_lists_are_not_said(name: str) -> None:
    model = fit(name)
    for call in (
        lambda: model.recommend(),
        lambda: model.recommend(k=2),
        lambda: model.recommend_for([[1, 2], [3]], k=2),
        lambda: model.recommend(candidates=COLD[:1]),
        lambda: tm.evaluate(model, likes(), exclude=None, metrics=["ndcg@2", "auc"]),
    ):
        assert warnings_of(call) == []


def test_a_history_that_says_nothing_about_any_item_is_said() -> None:
    alone = pl.DataFrame({"user": [0, 0, 1, 1, 2], "item": ["a", "b", "a", "b", "c"]})
    model = tm.ItemKNN().fit(tm.Interactions.from_frame(alone))
    (said,) = warnings_of(lambda: model.recommend([0, 2]))
    assert (said.facts["alike"], said.facts["lists"]) == (1, 2)


def test_ratings_at_the_end_of_their_range_and_equal_popularity_are_not_said() -> None:
    model = fit("SVD")
    lists = model.scorer.recommend(np.arange(30), 3)
    assert model.scorer.count_alike(lists._replace(scores=np.full_like(lists.scores, 5))) == 0
    same = tm.Popular().fit(tm.Interactions.from_frame({"user": [1, 2], "item": ["a", "b"]}))
    assert warnings_of(lambda: same.recommend(exclude_seen=False)) == []
