"""The baselines that count: Popular and PersonalPopular."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
from rewriting import rewrite
from tastemap.kernels.popular import own_and_popular

ORDERS = pl.DataFrame(
    {
        "user": [*["ann"] * 6, *["bob"] * 4, *["cai"] * 3],
        "item": [*["milk", "milk", "milk", "tea", "rice", "rice"], *["tea", "bread", "bread", "soap"], *["tea"] * 3],
    }
)


def orders() -> tm.Interactions:
    return tm.Interactions.from_frame(ORDERS.with_columns(weight=1.0), weight="weight", duplicates="sum")


def approx(orders: float) -> Any:
    """Return a number of orders as a multiple of the mean, 13/7."""
    return pytest.approx(orders * 7 / 13)


def items_of(model: Any, user: str, **options: Any) -> list[str]:
    lists: pl.DataFrame = model.recommend(user, exclude_seen=False, **options)
    return lists["item"].to_list()


def test_own_items_come_first_by_count_then_the_popular_ones() -> None:
    model = tm.PersonalPopular().fit(orders())
    assert items_of(model, "ann") == ["milk", "rice", "tea", "bread", "soap"]
    assert items_of(model, "bob") == ["bread", "tea", "soap", "milk", "rice"]
    assert items_of(model, "cai") == ["tea", "milk", "rice", "bread", "soap"]
    # tea has all 3 users, so its share is 3/4; an item of one user has 1/4. The seven counts have the mean 13/7.
    scores = model.recommend("bob", exclude_seen=False)["score"].to_numpy()
    assert scores * 13 / 7 == pytest.approx([2.25, 1.75, 1.25, 0.25, 0.25])


def test_without_filling_only_own_items_are_recommended() -> None:
    model = tm.PersonalPopular(fill=False).fit(orders())
    assert items_of(model, "ann") == ["milk", "rice", "tea"]
    assert items_of(model, "cai") == ["tea"]
    assert model.recommend("cai").is_empty()
    assert model.predict("cai", ["tea", "milk"]) * 13 / 7 == pytest.approx([3.75, 0])
    assert model.explain("cai", "milk").score == 0
    assert model.recommend_for({"milk": 2.0}).is_empty()


def test_without_what_a_person_has_it_is_popular() -> None:
    personal, popular = tm.PersonalPopular().fit(orders()), tm.Popular().fit(orders())
    assert personal.recommend().drop("score").equals(popular.recommend().drop("score"))


def test_a_score_is_the_own_weight_and_a_share_of_popularity() -> None:
    model = tm.PersonalPopular().fit(orders())
    reasons = model.explain("ann", "milk")
    assert (reasons.kind, reasons.score, reasons.baseline) == ("exact", approx(3.25), approx(0.25))
    assert reasons.frame.rows() == [("milk", approx(3)), ("rice", 0.0), ("tea", 0.0)]
    assert model.explain("ann", "bread").baseline == approx(0.25)


@pytest.mark.parametrize("name", ["Popular", "PersonalPopular"])
def test_the_order_of_the_rows_changes_no_list(name: str) -> None:
    rng = np.random.default_rng(3)
    frame = pl.DataFrame({"user": rng.integers(20, size=150), "item": rng.integers(40, size=150)}).unique(
        maintain_order=True
    )
    lists = []
    for seed in (None, 1, 2):
        shuffled = frame if seed is None else frame.sample(fraction=1, shuffle=True, seed=seed)
        model = tm.MODELS[name]().fit(tm.Interactions.from_frame(shuffled))
        lists.append(model.recommend(sorted(model.users), k=40))
    assert lists[0]["score"].n_unique() < 20, "there are ties"
    assert lists[1].equals(lists[0])
    assert lists[2].equals(lists[0])


@pytest.mark.parametrize("weights", [[0.25, 0.5, 3.0], [7.0, 7.5, 8.0], [0.01, 2.0, 5.0]])
def test_the_share_of_popularity_never_outweighs_a_weight(weights: list[float]) -> None:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((30, 12)) < rng.random(12))
    frame = pl.DataFrame({"user": users, "item": items, "weight": rng.choice(weights, len(users))})
    model = tm.PersonalPopular().fit(tm.Interactions.from_frame(frame, weight="weight"))
    popularity = Counter(items.tolist())
    place = dict(zip(model.items, model.items.tie_order.tolist(), strict=True))
    for user in model.users:
        own = dict(frame.filter(pl.col("user") == user).select("item", "weight").rows())
        expected = sorted(popularity, key=lambda i: (-own.get(i, 0), -popularity[i], place[i]))
        assert items_of(model, user, k=12) == expected


def test_scores_of_any_run_of_items_are_those_of_all() -> None:
    rng = np.random.default_rng(1)
    pairs = tm.Interactions.from_frame({"user": rng.integers(5, size=40), "item": rng.permutation(40)}).by_user
    shares = rng.random(40).astype(np.float32)
    people = np.array([3, 0, 0])

    def scores(items: Any) -> Any:
        out = np.full((3, len(items)), np.nan, np.float32)
        own_and_popular(*pairs, people, shares, True, items, out)
        return out

    whole = scores(np.arange(40))
    for items in (np.arange(7, 23), np.array([0, 3, 3, 39]), np.arange(0)):
        np.testing.assert_array_equal(scores(items), whole[:, items])


def taken(**times: list[int]) -> tm.Interactions:
    """Return pairs of an item and, one after the other, users, at the given days."""
    rows = [(user, item, day) for item, days in times.items() for user, day in enumerate(days)]
    return tm.Interactions.from_frame(pl.DataFrame(rows, schema=["user", "item", "day"], orient="row"), time="day")


def test_what_was_taken_lately_comes_first_then_what_ever_was() -> None:
    data = taken(old=[1, 1, 2, 2], new=[9, 10], gone=[3, 3], once=[10], edge=[7])
    model = tm.Popular(last=3).fit(data)
    assert dict(zip(model.items, model.item_counts_.tolist(), strict=True)) == {
        "old": 0, "new": 2, "gone": 0, "once": 1, "edge": 0,
    }  # fmt: skip
    shown = model.recommend(exclude_seen=False, users=3)
    assert shown["item"].to_list() == ["new", "once", "old", "gone", "edge"]
    assert shown["score"].to_list() == pytest.approx([2 + 2 / 5, 1 + 1 / 5, 4 / 5, 2 / 5, 1 / 5])
    assert tm.Popular().fit(data).recommend(3, exclude_seen=False)["item"][0] == "old"
    later = model.update(taken(gone=[20]))
    assert later.recommend(3, exclude_seen=False)["item"][0] == "gone"


def test_a_span_of_time_is_a_text_where_times_are_dates_or_seconds() -> None:
    data = taken(old=[1, 1, 2, 2], new=[9, 10])
    frame = data.to_frame("polars")
    dated = frame.with_columns(day=pl.datetime(2024, 1, pl.col("day")))
    seconds = dated.with_columns(day=pl.col("day").dt.epoch("s"))
    for other in (dated, seconds):
        model = tm.Popular(last="2d12h").fit(tm.Interactions.from_frame(other, time="day"))
        assert model.item_counts_.tolist() == [0, 2]
    assert tm.Popular(last=3 * 86_400).fit(tm.Interactions.from_frame(seconds, time="day")).item_counts_[1] == 2
    with pytest.raises(tm.ParameterError, match=r"last must be such as '30d', because the times are dates, got 3"):
        tm.Popular(last=3).fit(tm.Interactions.from_frame(dated, time="day"))
    with pytest.raises(tm.ParameterError, match="last must be a number, because the times are numbers of an unknown"):
        tm.Popular(last="3d").fit(data)
    with pytest.raises(tm.DataError, match=r"Popular\(last=3\) needs times: pass time= to from_frame"):
        tm.Popular(last=3).fit(tm.Interactions.from_frame(frame.drop("day")))
    with pytest.raises(tm.DataError, match=r"Popular\(last=3\) needs times"):
        tm.Popular(last=3).fit(data).update(tm.Interactions.from_frame(frame.drop("day")))


def test_the_most_popular_of_a_category_are_those_that_fulfil_a_condition() -> None:
    data = taken(old=[1, 1, 2, 2], new=[9, 10], gone=[3, 3], once=[10], edge=[7])
    genres = pl.DataFrame({"item": ["old", "new", "gone", "once"], "genre": ["war", "noir", "noir", "war"]})
    model = tm.Popular(last=3).fit(data)
    shown = model.recommend(3, exclude_seen=False, where="genre=noir", item_table=genres)
    assert shown["item"].to_list() == ["new", "gone"]


def test_files_without_counts_count_all_pairs(tmp_path: Path) -> None:
    model = tm.Popular().fit(orders())
    model.save(tmp_path / "model")
    rewrite(tmp_path / "model", arrays={"item_counts_": None}, parameters={})
    assert tm.load(tmp_path / "model").recommend(exclude_seen=False).equals(model.recommend(exclude_seen=False))
    rewrite(tmp_path / "model", parameters={"last": "3d"}, used={})
    with pytest.raises(tm.ModelFileError, match="'item_counts_' is missing"):
        tm.load(tmp_path / "model")
