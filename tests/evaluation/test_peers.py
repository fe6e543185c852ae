"""The metrics against those of RecTools, LightFM and implicit, which benchmarks/peer_metrics.py recorded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
from tastemap.ranking.scorer import Scorer

PEERS = json.loads(Path(__file__).with_name("peers.json").read_text(encoding="utf-8"))
USERS = PEERS["random"]["users"]
SAME = 1e-6
MEASURED_BY = {
    "RecTools": {"precision", "recall", "hit_rate", "ndcg", "map", "mrr", "novelty", "diversity", "coverage"},
    "LightFM": {"precision", "recall", "auc", "mrr"},
    "implicit": {"ndcg", "map"},
}


def rows(of_users: list[list[int]]) -> pl.DataFrame:
    pairs = [(user, item) for user, items in enumerate(of_users) for item in items]
    return pl.DataFrame(pairs, ["user", "item"], orient="row")


def pairs(part: str) -> tm.Interactions:
    return tm.Interactions.from_frame(rows([user[part] for user in USERS]), users=list(range(len(USERS))))


@pytest.mark.parametrize("peer", MEASURED_BY)
def test_the_values_on_random_lists_are_the_peers(peer: str) -> None:
    given = [value for value in PEERS["random"]["values"] if value["peer"] == peer]
    assert {value["metric"].partition("@")[0] for value in given} == MEASURED_BY[peer]
    # RecTools measures what a user was shown; the others rank all that the user has not in training.
    lists = rows([user["ranking"][: user["shown"] if peer == "RecTools" else None] for user in USERS])
    names = list(dict.fromkeys(value["metric"] for value in given))
    ours = tm.evaluate_lists(lists, pairs("test"), metrics=names, train=pairs("train"))
    assert ours.users.to_list() == list(range(len(USERS)))
    for value in given:
        if value["users"] is None:
            mine: Any = ours[value["metric"]]
        else:
            assert len(value["users"]) > 5
            mine = ours.values[value["users"], names.index(value["metric"])]
        np.testing.assert_allclose(mine, value["value"], rtol=0, atol=SAME, err_msg=f"{peer} {value['function']}")


class ByRow(tm.Popular):
    """Settles ties by the items' rows, as in the lists that the peers measured."""

    def make_scorer(self) -> Scorer:
        return replace(super().make_scorer(), tie_order=None)


def test_the_means_on_the_likes_of_movielens_are_the_peers(ml1m_ratings: tm.Interactions) -> None:
    its = PEERS["movielens"]
    train, test = tm.split.random(ml1m_ratings.at_least(4).binarize(), 0.2, seed=42)
    train = train.compact()  # a movie of the test part alone is one that was not found for the peers
    test = test.align(train.users, train.items)[0]
    model = ByRow().fit(train)
    users = np.flatnonzero(np.diff(test.by_user.indptr))
    lists = model.recommend_rows(users, 10).rows.astype("<i4")
    assert (len(users), hashlib.sha256(lists.tobytes()).hexdigest()) == (its["users"], its["lists"])
    ours = tm.evaluate(model, test, metrics=list(dict.fromkeys(value["metric"] for value in its["values"])))
    assert {value["peer"] for value in its["values"]} == set(MEASURED_BY)
    for value in its["values"]:
        assert ours[value["metric"]] == pytest.approx(value["value"], abs=SAME), f"{value['peer']} {value['function']}"
