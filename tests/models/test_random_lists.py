"""Random: lists drawn at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

import tastemap as tm

N_USERS = 4000

# The first three items and their scores of users 0, 1 and 2, with seed 7: by_popularity False and True.
EXPECTED: dict[bool, list[tuple[list[int], list[float]]]] = {
    False: [
        ([0, 4, 2], [2.0190215, 1.0369755, 0.8138016]),
        ([0, 1, 3], [60.31519, 2.124271, 2.1027324]),
        ([4, 1, 2], [4.1849017, 3.982716, 3.0342634]),
    ],
    True: [
        ([4, 3, 2], [4147.902, 738.74493, 81.38016]),
        ([4, 3, 2], [3503.7693, 2102.7324, 134.38277]),
        ([4, 3, 2], [16739.607, 453.87704, 303.42633]),
    ],
}


def skewed() -> tm.Interactions:
    """Return pairs of five items of which one user, then 10, 100, 1000 and all users have a pair."""
    matrix = np.zeros((N_USERS, 5))
    for item, n in enumerate((1, 10, 100, 1000, N_USERS)):
        matrix[:n, item] = 1
    return tm.Interactions.from_csr(sp.csr_array(matrix))


def orders(**parameters: Any) -> npt.NDArray[np.int32]:
    """Return for every user all items in the order drawn."""
    model = tm.Random(**parameters).fit(skewed())
    return model.recommend_rows(np.arange(N_USERS), 5, exclude_seen=False).rows


def assert_share(mask: npt.NDArray[np.bool_], expected: float) -> None:
    """Assert that a share of the users is the expected one, up to four standard deviations."""
    assert abs(mask.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / len(mask))


def test_every_item_is_as_likely_at_every_place() -> None:
    drawn = orders()
    assert (np.sort(drawn, axis=1) == np.arange(5)).all()
    for item in range(5):
        for place in range(5):
            assert_share(drawn[:, place] == item, 1 / 5)
    # ... and what comes first says nothing about what comes second.
    assert_share((drawn[:, 0] == 2) & (drawn[:, 1] == 4), 1 / 20)


def test_popular_items_are_drawn_in_proportion_then_the_rest_likewise() -> None:
    drawn = orders(by_popularity=True)
    popularity = np.array([1, 10, 100, 1000, N_USERS])
    for item in (2, 3, 4):
        assert_share(drawn[:, 0] == item, popularity[item] / popularity.sum())
    rest = popularity.sum() - N_USERS
    after = drawn[drawn[:, 0] == 4]
    assert_share(after[:, 1] == 3, 1000 / rest)
    assert_share(after[:, 1] == 2, 100 / rest)


def test_each_seed_draws_another_order_for_each_user() -> None:
    first, second = orders(), orders(seed=1)
    assert_share((first == second).all(axis=1), 1 / 120)
    assert_share((first[1:] == first[:-1]).all(axis=1), 1 / 120)


@pytest.mark.parametrize("by_popularity", [False, True])
def test_the_lists_are_the_same_on_every_machine(by_popularity: bool) -> None:
    shown = tm.Random(by_popularity=by_popularity, seed=7).fit(skewed()).recommend([0, 1, 2], exclude_seen=False, k=3)
    expected = EXPECTED[by_popularity]
    assert shown["item"].to_list() == [item for items, _ in expected for item in items]
    assert shown["score"].to_list() == [float(np.float32(score)) for _, scores in expected for score in scores]


def test_users_keep_their_lists_when_the_model_learns_more() -> None:
    model = tm.Random().fit(skewed())
    more = model.update(tm.Interactions.from_csr(sp.csr_array(np.eye(N_USERS + 3, 5, -N_USERS))))
    before, after = (m.recommend_rows(np.arange(N_USERS), 5, exclude_seen=False) for m in (model, more))
    np.testing.assert_array_equal(before.rows, after.rows)
    np.testing.assert_array_equal(before.scores, after.scores)


def some_without_a_pair() -> tm.Interactions:
    """Return pairs of 50 items, each with 4, and 50 others in the id map without one."""
    pairs = {"user": np.arange(200), "item": np.tile(np.arange(50), 4)}
    return tm.Interactions.from_frame(pairs, items=list(range(100)))


@pytest.mark.parametrize("by_popularity", [False, True])
def test_items_without_a_pair_are_found_as_often_as_chance_says(by_popularity: bool) -> None:
    # The lower an id, the more tests have the item, as where a catalogue is in the order of its popularity.
    train = some_without_a_pair()
    users = np.arange(200)
    test = tm.Interactions.from_frame({"user": users, "item": 50 + users % 10}, users=train.users, items=train.items)
    model = tm.Random(by_popularity=by_popularity).fit(train)
    measured = tm.evaluate(model, test, metrics=["hit_rate@10", "ndcg@10"], candidates=list(range(50, 100)))
    # One test item among 50 candidates: 10 of 50 places are in the list, by their discounts.
    chance = (1 / np.log2(np.arange(2, 12))).sum() / 50
    assert measured["hit_rate@10"] == pytest.approx(0.2, abs=4 * np.sqrt(0.2 * 0.8 / 200))
    assert measured["ndcg@10"] == pytest.approx(chance, abs=4 * 0.19 / np.sqrt(200))


def test_items_without_a_pair_come_after_all_others_by_popularity_in_an_order_of_each_user() -> None:
    model = tm.Random(by_popularity=True).fit(some_without_a_pair())
    lists = model.recommend(list(range(200)), k=100, candidates=list(range(100)), exclude_seen=False)
    tails = {tuple(own["item"][50:]) for _, own in lists.group_by("user")}
    assert len(tails) == 200
    assert {item for tail in tails for item in tail} == set(range(50, 100))
    assert lists["score"].min() > 0


def test_histories_have_seeds_of_their_own() -> None:
    model = tm.Random().fit(skewed())
    lists = model.recommend_for([[0], [1], [0, 1], [1, 0], {0: 3.0}], k=5)
    scores = [mine["score"].to_list() for _, mine in lists.group_by("history", maintain_order=True)]
    assert scores[2] == scores[3]
    assert scores[0] == scores[4]
    assert len({tuple(own) for own in scores}) == 3
    known = model.predict(0, [1, 2, 3, 4])
    assert not set(known.tolist()) & set(scores[0])
