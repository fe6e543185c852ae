"""NextItem against the objective that its docstring states."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

import tastemap as tm
from reference import next_item as reference
from tastemap.training import inverse

Array = npt.NDArray[Any]


def events(n_users: int = 30, n_items: int = 13, seed: int = 0) -> pl.DataFrame:
    """Return a film at most once for each person, some at the same time, in no order; film 4 and person 7 have none."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        own = rng.permutation([item for item in range(n_items) if item != 4])[: 0 if user == 7 else rng.integers(1, 9)]
        rows += [(user, item, time) for item, time in zip(own, rng.integers(0, 20, len(own)), strict=True)]
    return pl.DataFrame(rows, ["user", "item", "time"], orient="row").sample(fraction=1, shuffle=True, seed=seed)


def read(frame: Any, **more: Any) -> tm.Interactions:
    return tm.Interactions.from_frame(frame, time="time", **more)


def sequences(frame: pl.DataFrame, step: float | None = None) -> list[tuple[Array, Array]]:
    """Return the films of each person by time, of equal times in the order of the rows, and their clock."""
    told = []
    for own in frame.sort("time", maintain_order=True).partition_by("user"):
        clock = np.arange(len(own)) if step is None else own["time"].to_numpy() / step
        told.append((own["item"].to_numpy(), clock.astype(float)))
    return told


def weights_of(model: Any, n_items: int = 13) -> Array:
    """Return B of all items, the rows of an item beside each other, with zeros for those without a pair."""
    active, n_rates = np.flatnonzero(model.popularity_), 1 + (model.slow_decay > 0)
    assert not model.weights_[:, len(active) :].any()
    B = np.zeros((n_items, n_rates, n_items))
    ids = np.array([model.items[int(row)] for row in active])
    B[np.ix_(ids, range(n_rates), ids)] = model.weights_[:, : len(active)].reshape(len(active), n_rates, -1)
    return B.reshape(-1, n_items)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"ahead": 0.0},
    {"slow_decay": 0.0},
    {"decay": 0.0, "slow_decay": 0.6, "ahead": 0.3},
    {"step": 4.0},
    {"step": 2.0, "slow_decay": 0.0, "decay": 0.8},
]


@pytest.mark.parametrize("tile", [7, 256])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_the_weights_solve_the_regression_from_every_state(
    setting: dict[str, Any], tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inverse, "TILE", tile)
    monkeypatch.setattr("tastemap.models.next_item.TILE", tile)
    frame = events()
    model: Any = tm.NextItem(regularization=3.0, **setting).fit(read(frame, items=list(range(13))))
    decays = [model.decay, model.slow_decay][: 1 + (model.slow_decay > 0)]
    told = sequences(frame, model.step)
    expected = reference.weights(told, 3.0, decays, model.ahead, 13)
    np.testing.assert_allclose(weights_of(model), expected, rtol=1e-5, atol=1e-7)


def test_without_a_slow_part_a_state_of_the_last_item_alone_is_a_markov_chain() -> None:
    frame = events()
    model = tm.NextItem(regularization=3.0, decay=0.0, slow_decay=0.0, ahead=0.0).fit(read(frame))
    follows, n_pairs = np.zeros((13, 13)), len(frame)
    for items, _ in sequences(frame):
        np.add.at(follows, (items[:-1], items[1:]), 1)
    n_states = follows.sum()
    expected = follows / (follows.sum(axis=1, keepdims=True) + 3 * n_states / n_pairs)
    np.testing.assert_allclose(weights_of(model), expected, rtol=1e-5)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_scores_and_explanations_are_those_of_the_state_behind_the_last_pair(setting: dict[str, Any]) -> None:
    frame = events()
    model: Any = tm.NextItem(regularization=3.0, **setting).fit(read(frame))
    decays, B = [model.decay, model.slow_decay][: 1 + (model.slow_decay > 0)], weights_of(model)
    for user, (items, clock) in zip(
        frame.sort("time")["user"].unique(maintain_order=True), sequences(frame, model.step), strict=True
    ):
        scores = reference.states(items, clock, len(items), decays, 13) @ B
        own = model.recommend(int(user), k=20, exclude_seen=False)
        np.testing.assert_allclose(own["score"], scores[own["item"].to_numpy()], rtol=1e-4, atol=1e-6)
        told = model.explain(int(user), 3)
        np.testing.assert_allclose([told.score, told.frame["contribution"].sum()], scores[3], rtol=1e-4, atol=1e-6)


def test_the_last_item_of_a_history_is_the_newest() -> None:
    # After 1 comes 2, after 3 comes 4.
    frame = pl.DataFrame({"user": np.repeat(range(20), 2), "item": [1, 2, 3, 4] * 10, "time": range(40)})
    model = tm.NextItem(regularization=1.0).fit(read(frame))
    assert model.recommend_for([3, 1], k=1)["item"].to_list() == [2]
    assert model.recommend_for([1, 3], k=1)["item"].to_list() == [4]
    assert model.recommend_for([1, 3], times=[9, 5], k=1)["item"].to_list() == [2]
    assert model.explain_for([1, 3], 4).frame["item"].to_list()[0] == 3
    assert model.similar_items(1, k=1)["neighbour"].to_list() == [2]


def test_of_equal_times_the_later_in_the_file_is_last() -> None:
    pairs = {"user": [1, 1, 1, 2, 2], "item": [7, 6, 5, 5, 8], "time": [3, 3, 3, 1, 2]}
    model = tm.NextItem(decay=0.0, slow_decay=0.0, ahead=0.0).fit(read(pairs))
    assert dict(model.explain(1, 8).frame.rows()) == {5: pytest.approx(1 / (1 + 100 * 3 / 5)), 6: 0, 7: 0}


def test_what_is_disliked_counts_against_by_a_quarter() -> None:
    model = tm.NextItem(regularization=3.0).fit(read(events()))
    liked, others = (
        {
            item: score
            for item, _, score in model.recommend_for(one, k=20, exclude_seen=False).drop("history").iter_rows()
        }
        for one in ([3, 5], [8])
    )
    both = model.recommend_for([3, 5], disliked=[8], k=20, exclude_seen=False)
    for item, _, score in both.drop("history").iter_rows():
        assert score == pytest.approx(liked[item] - 0.25 * others[item], rel=1e-4, abs=1e-6)


def test_an_update_is_a_fit_to_all_pairs() -> None:
    frame = events()
    updated = tm.NextItem(regularization=3.0).fit(read(frame[:60])).update(read(frame[60:]))
    expected = weights_of(tm.NextItem(regularization=3.0).fit(read(frame)))
    np.testing.assert_allclose(weights_of(updated), expected, rtol=1e-5, atol=1e-7)


def test_a_time_in_words_is_in_the_unit_of_the_times() -> None:
    frame = events().with_columns(time=pl.from_epoch(pl.col("time") * 43_200))  # half days
    by_day: Any = tm.NextItem(step="1d").fit(read(frame))
    by_number: Any = tm.NextItem(step=2).fit(read(events()))
    np.testing.assert_allclose(by_day.weights_, by_number.weights_, rtol=1e-6)
    with pytest.raises(ValueError, match="step must be such as '30d'"):
        tm.NextItem(step=2).fit(read(frame))
    with pytest.raises(tm.DataError, match=r"a history needs times here.*pass times="):
        by_day.recommend_for([1, 2])


def test_pairs_without_times_are_refused_with_what_to_pass() -> None:
    with pytest.raises(tm.DataError, match="these have no times: pass time= to from_frame") as caught:
        tm.NextItem().fit(tm.Interactions.from_frame(events().drop("time")))
    assert caught.value.remedies[0].parameter == "time"


def test_where_nobody_has_two_pairs_nothing_comes_next() -> None:
    alone = {"user": [1, 2, 3], "item": [4, 5, 4], "time": [1, 2, 3]}
    model: Any = tm.NextItem().fit(read(alone))
    assert not model.weights_.any()
    with pytest.warns(tm.TastemapWarning, match="cannot tell the items of 1 of 1 lists apart"):
        model.recommend_for([4], exclude_seen=False)


def test_a_slow_part_must_be_slower() -> None:
    with pytest.raises(ValueError, match=r"slow_decay must be above decay, 0.5, or 0 for no slow part, got 0.4"):
        tm.NextItem(decay=0.5, slow_decay=0.4).fit(read(events()))


def test_what_comes_next_of_small_movielens_is_found_far_more_often_than_by_ease() -> None:
    likes = tm.datasets.movielens("100k").interactions.at_least(4).binarize()
    with pytest.warns(tm.TastemapWarning, match="of 305 of 942 users"):
        train, test = tm.split.leave_last(likes)
    found = tm.compare([tm.NextItem(), tm.EASE()], test, train=train, metrics="ndcg@10", progress=False)
    assert 0.095 < found.evaluations["NextItem"]["ndcg@10"] < 0.105  # .100
    assert 0.075 < found.evaluations["EASE"]["ndcg@10"] < 0.087  # .082
