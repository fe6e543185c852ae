"""What new users dislike: a quarter of a like with the sign turned, or the lowest rating."""

from __future__ import annotations

import numpy as np
import pytest

import tastemap as tm
from tastemap.ranking.scorer import DISLIKE


def two_kinds() -> tm.Interactions:
    """Return likes of two kinds of items, 0 to 9 and 10 to 19; few of the people like both kinds."""
    rng = np.random.default_rng(0)
    users, items = [], []
    for user in range(44):
        kinds = [range(10)] if user < 20 else [range(10, 20)] if user < 40 else [range(10), range(10, 20)]
        for kind in kinds:
            items += rng.choice(kind, 5, replace=False).tolist()
            users += [user] * 5
    return tm.Interactions.from_frame({"user": users, "item": items})


@pytest.mark.parametrize("model", [tm.ImplicitALS(factors=6), tm.EASE(), tm.ItemKNN(), tm.GraphFilter(factors=6)])
def test_scores_are_those_of_the_history_less_a_quarter_of_those_of_what_is_disliked(model: tm.Model) -> None:
    model.fit(two_kinds(), progress=False)

    def scores(history: list[int], disliked: list[int] | None = None) -> dict[int, float]:
        shown = model.recommend_for(history, disliked=disliked, exclude_seen=False, k=20)
        return dict(zip(shown["item"], shown["score"], strict=True))

    liked, disliked, both = scores([1, 12]), scores([2, 3]), scores([1, 12], [2, 3])
    assert set(both) == set(liked) - {2, 3}
    for item, score in both.items():
        assert score == pytest.approx(liked[item] - DISLIKE * disliked[item], abs=1e-5)


@pytest.mark.parametrize(
    "model", [tm.ImplicitALS(factors=6), tm.EASE(), tm.ItemKNN(), tm.BPR(factors=6), tm.WARP(factors=6)]
)
def test_the_kind_that_is_disliked_comes_later(model: tm.Model) -> None:
    model.fit(two_kinds(), progress=False)
    before = model.recommend_for([1, 12], k=18)["item"].to_list()
    after = model.recommend_for([1, 12], disliked=[2, 3, 4], k=18)["item"].to_list()

    def place(ranking: list[int]) -> float:
        return float(np.mean([ranking.index(item) for item in (0, 5, 6, 7, 8, 9)]))

    assert place(after) > place([item for item in before if item not in (2, 3, 4)])


def test_a_dislike_is_the_lowest_rating() -> None:
    rng = np.random.default_rng(1)
    pairs = {"user": np.repeat(np.arange(30), 8), "item": np.concatenate([rng.choice(12, 8, False) for _ in range(30)])}
    ratings = tm.Interactions.from_frame({**pairs, "rating": rng.integers(1, 6, 240).astype(float)}, weight="rating")
    model = tm.ExplicitALS(factors=3).fit(ratings, progress=False)
    disliked = model.recommend_for({1: 5.0, 2: 4.0}, disliked=[3], k=9)
    rated = model.recommend_for({1: 5.0, 2: 4.0, 3: 1.0}, k=9)
    assert disliked.equals(rated)


def test_models_that_know_no_history_only_leave_out_what_is_disliked() -> None:
    model = tm.Popular().fit(two_kinds(), progress=False)
    whole = model.recommend_for([1], k=20)
    assert model.recommend_for([1], disliked=[2], k=20)["item"].to_list() == [i for i in whole["item"] if i != 2]
    assert model.recommend_for([1], disliked=[2], k=1)["score"][0] == whole.filter(whole["item"] != 2)["score"][0]


def test_reasons_of_what_is_disliked_are_below_zero() -> None:
    model = tm.EASE().fit(two_kinds(), progress=False)
    why = model.explain_for([1], 0, disliked=[2])
    shares = dict(why.frame.iter_rows())
    assert shares[1] > 0 > shares[2]
    assert sum(shares.values()) == pytest.approx(why.score)
