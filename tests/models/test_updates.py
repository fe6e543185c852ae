"""After an update with new users, new items and new pairs the lists are about those of a fit to all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

import tastemap as tm
from tastemap.models.shared.base import Model

Flags = npt.NDArray[np.bool_]

# Models of chance: their lists are no worse or better than others.
MODELS = [name for name in tm.MODELS if name != "Random"]
# Their update is a fit to all pairs. Popular counts, but items with as many pairs come in another order.
EXACT = {"EASE", "ItemKNN"}
# Fits with the defaults would take most of the tests' time.
QUICKER: dict[str, dict[str, int]] = {"BPR": {"epochs": 40}, "ExplicitALS": {"factors": 32}}
# NDCG@10 of two fits to the same ratings differs by 4 % with the seed; the RMSE does not.
LEAST_NDCG = {"ExplicitALS": 0.94}


def cut(pairs: tm.Interactions) -> tuple[tm.Interactions, tm.Interactions, list[Any]]:
    """Cut off a tenth of the pairs: those of 3 % of the users and 3 % of the items, others at random.

    Returns the pairs before, the news and the new items.
    """
    rng = np.random.default_rng(0)
    new_users, new_items = rng.random(len(pairs.users)) < 0.03, rng.random(len(pairs.items)) < 0.03
    new = (new_users[pairs.row_of_pair()] | new_items[pairs.matrix.indices])[pairs.input_order]
    new |= rng.random(len(pairs)) < (0.1 - new.mean()) / (1 - new.mean())
    return pairs.pick(~new).compact(), pairs.pick(new).compact(), pairs.items.take(np.flatnonzero(new_items)).to_list()


def make(name: str) -> Model:
    return tm.MODELS[name](**QUICKER.get(name, {}))


def count_places(model: Model, items: list[Any]) -> int:
    """Return how many places of all users' lists of 10 these items have."""
    lists = model.recommend(k=10, frame="polars")
    return int(lists[model.items.name].is_in(items).sum())


@pytest.fixture(scope="module")
def likes(ml1m_ratings: tm.Interactions) -> tuple[tm.Interactions, tm.Interactions]:
    return tm.split.random(ml1m_ratings.at_least(4).binarize(), 0.2, seed=42)


@pytest.fixture(scope="module")
def ratings(ml1m_ratings: tm.Interactions) -> tuple[tm.Interactions, tm.Interactions]:
    train, test = tm.split.random(ml1m_ratings, 0.2, seed=42)
    return train, test.pick((train.by_item.counts > 0)[test.matrix.indices[test.input_order]])


@pytest.mark.parametrize("name", MODELS)
def test_lists_after_an_update_are_about_those_of_a_fit(name: str, request: pytest.FixtureRequest) -> None:
    """NDCG@10, and the RMSE of models of ratings, are within 2 %; new items have half to twice as many places."""
    predicts = tm.MODELS[name].abilities.ratings
    train, test = request.getfixturevalue("ratings" if predicts else "likes")
    before, news, new_items = cut(train)
    updated, again = make(name).fit(before).update(news), make(name).fit(train)
    liked = test.at_least(4) if predicts else test
    ndcg, wanted = (tm.evaluate(model, liked)["ndcg@10"] for model in (updated, again))
    assert ndcg == pytest.approx(wanted, rel=1e-9) if name in EXACT else ndcg > LEAST_NDCG.get(name, 0.98) * wanted
    if predicts:
        rmse, wanted = (tm.evaluate(model, test, metrics="rmse")["rmse"] for model in (updated, again))
        assert rmse < 1.02 * wanted
    else:
        places, wanted = (count_places(model, new_items) for model in (updated, again))
        assert 0.5 * wanted < places < 2 * wanted


@pytest.mark.parametrize("name", ["WARP", "BPR", "ImplicitALS"])
def test_an_item_with_ten_likes_stays_out_of_the_lists(name: str, ml1m_ratings: tm.Interactions) -> None:
    """A fit puts an item that ten people drawn at random like into no list; ten updates with one each change little."""
    likes = ml1m_ratings.at_least(4).binarize()
    likes = likes.pick((likes.row_of_pair() < 2500)[likes.input_order]).compact()
    train, test = tm.split.random(likes, 0.2, seed=42)
    model = make(name).fit(train)
    people, columns = train.users.ids.to_numpy(), {"user": train.users.name, "item": train.items.name}
    news = [
        pl.DataFrame({columns["user"]: people[n : 2000 + n : 200], columns["item"]: [99_990 + n] * 10})
        for n in range(10)
    ]
    again = make(name).fit(train.merge(tm.Interactions.from_frame(pl.concat(news), **columns)))
    for n, more in enumerate(news):
        model = model.update(tm.Interactions.from_frame(more, **columns))
        assert count_places(model, [99_990 + n]) <= 5
    assert count_places(again, list(range(99_990, 100_000))) <= 5
    ndcg, wanted = (tm.evaluate(one, test)["ndcg@10"] for one in (model, again))
    assert ndcg > 0.98 * wanted
