from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
from tastemap.ranking.rerank import POOL

N_ITEMS = 160


@pytest.fixture(scope="module")
def pairs() -> tm.Interactions:
    random = np.random.default_rng(0)
    users = np.repeat(np.arange(40), 25)
    items = np.concatenate([random.choice(N_ITEMS, 25, replace=False, p=_shares()) for _ in range(40)])
    return tm.Interactions.from_frame(
        {"user": users, "item": items, "rating": 1 + (users + items) % 5}, weight="rating"
    )


def _shares() -> Any:
    shares = 1 / np.arange(5, N_ITEMS + 5)
    return shares / shares.sum()


@pytest.fixture(scope="module")
def table() -> tm.ItemTable:
    items = np.arange(N_ITEMS)
    kinds = ["|".join(["ab"[i % 2], "xyz"[i % 3]]) for i in range(N_ITEMS)]
    return tm.ItemTable.from_frame({"item": items, "kind": kinds, "year": 1900 + items})


@pytest.fixture(scope="module", params=["ImplicitALS", "WARP", "EASE", "ItemKNN", "GraphFilter", "SVD"])
def model(request: Any, pairs: tm.Interactions) -> tm.Model:
    return tm.MODELS[request.param]().fit(pairs)


def test_lists_hold_what_was_asked_for(model: tm.Model, table: tm.ItemTable) -> None:
    asked: dict[str, Any] = {"where": ["kind=a", "year<2000"], "at_most": {"kind": 3}, "item_table": table}
    lists = model.recommend(k=8, diversity=0.3, frame="polars", **asked)
    assert (lists["item"] % 2 == 0).all()
    assert (lists["item"] < 100).all()
    assert lists.group_by("user").len()["len"].max() == 3  # all of them are of kind a
    lists = model.recommend(k=4, at_most={"kind": 2}, item_table=table, frame="polars")
    for divisor in (2, 3):
        assert lists.group_by("user", lists["item"] % divisor).len()["len"].max() <= 2
    assert lists.group_by("user").len()["len"].min() == 4


@pytest.mark.parametrize("at_most", [None, {"kind": 20}])
def test_a_list_is_the_beginning_of_a_longer_one(
    model: tm.Model, table: tm.ItemTable, at_most: dict[str, int] | None
) -> None:
    asked: dict[str, Any] = {"diversity": 0.4, "at_most": at_most, "item_table": table, "frame": "polars"}
    longest = model.recommend(k=POOL + 20, **asked)
    for k in (1, 10, POOL):
        assert longest.filter(pl.col("rank") <= k).equals(model.recommend(k=k, **asked))


def test_neither_batch_nor_threads_change_a_list(model: tm.Model, table: tm.ItemTable, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"k": 12, "diversity": 0.4, "at_most": {"kind": 5}, "item_table": table}
    together = model.recommend(frame="polars", **asked)
    with tm.threads(3):
        assert model.recommend(frame="polars", **asked).equals(together)
    alone = [model.recommend(user, frame="polars", **asked) for user in range(40)]
    assert pl.concat(alone).equals(together)
    model.recommend_all(tmp_path / "all.parquet", **asked)
    assert pl.read_parquet(tmp_path / "all.parquet").equals(together)


def test_more_diversity_makes_a_list_less_alike(model: tm.Model) -> None:
    alike = []
    for diversity in (0.0, 0.5, 1.0):
        rows = model.items.rows(model.recommend(3, k=10, diversity=diversity, frame="polars")["item"])
        others = np.tile(rows, (10, 1)).astype(np.int32)
        alike.append(float(np.maximum(model.item_space.similarities(rows, others), 0).sum()))
    assert alike[0] >= alike[1] >= alike[2]
    assert alike[0] > alike[2]


def test_similarities_are_alike_in_both_directions(model: tm.Model) -> None:
    rows = np.arange(20)
    found = model.item_space.similarities(rows, np.tile(np.arange(-1, 20, dtype=np.int32), (20, 1)))
    assert (found[:, 0] == 0).all()
    assert np.allclose(found[:, 1:], found[:, 1:].T, atol=1e-6)
    assert found.max() <= 1 + 1e-6
    assert (model.item_space.similarities(np.array([-1]), np.arange(3, dtype=np.int32)[None]) == 0).all()


def test_similarities_are_on_the_scale_of_a_diversity(model: tm.Model) -> None:
    rows = np.flatnonzero(model.popularity_)
    found = model.item_space.similarities(rows, np.tile(rows.astype(np.int32), (len(rows), 1)))
    np.fill_diagonal(found, 0)
    assert 0.4 < found.max() <= 1 + 1e-6


def test_new_users_and_neighbours_are_filtered_too(model: tm.Model, table: tm.ItemTable) -> None:
    lists = model.recommend_for([[1, 2], [3]], diversity=0.2, where="kind=x", item_table=table, frame="polars")
    assert (lists["item"] % 3 == 0).all()
    assert lists["history"].n_unique() == 2
    near = model.similar_items([1, 4], where="year>=1910", item_table=table, frame="polars")
    assert (near["neighbour"] >= 10).all()


def test_filters_and_candidates_go_together(model: tm.Model, table: tm.ItemTable) -> None:
    asked: dict[str, Any] = {"item_table": table, "frame": "polars", "exclude_seen": False}
    lists = model.recommend([0], candidates=[1, 2, 3, 4], exclude=[4], where={"kind": "a"}, **asked)
    assert lists["item"].to_list() == [2]
    assert model.recommend([0], candidates=[1, 3], where={"kind": "a"}, **asked).is_empty()
    assert model.recommend([0], where="year>3000", diversity=0.5, at_most={"kind": 1}, **asked).is_empty()


def test_what_cannot_be_is_refused_in_a_sentence(pairs: tm.Interactions, table: tm.ItemTable) -> None:
    popular = tm.Popular().fit(pairs)
    with pytest.raises(tm.NotSupportedError, match="Popular knows no similar items"):
        popular.recommend(0, diversity=0.1)
    assert len(popular.recommend(0, at_most={"kind": 1}, item_table=table)) == 2
    with pytest.raises(tm.ParameterError, match="where needs what is known of the items: pass a table of them as item"):
        popular.recommend(0, where="kind=a")
    with pytest.raises(tm.ParameterError, match="at_most needs what is known of the items"):
        popular.recommend_for([1], at_most={"kind": 1})
    with pytest.raises(tm.ParameterError, match="diversity must be a number from 0 to 1, got 2"):
        popular.recommend(0, diversity=2)
    with pytest.raises(tm.ParameterError, match="at_most must be a whole number of at least 1, got 0"):
        popular.recommend(0, at_most={"kind": 0}, item_table=table)
    with pytest.raises(tm.DataError, match="no column 'kinds'"):
        popular.recommend(0, where="kinds=a", item_table=table)
