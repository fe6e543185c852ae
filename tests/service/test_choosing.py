"""The models that `tastemap compare` takes where none is named."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap.service import choosing
from tastemap.service.choosing import choose_models

MODELS = [tm.Popular(), tm.EASE(), tm.GraphFilter(), tm.WARP(), tm.SVD()]


def random_pairs(n_users: int, n_items: int, share: float) -> tm.Interactions:
    chosen = np.random.default_rng(0).random((n_users, n_items)) < share
    chosen[0] = True
    return tm.Interactions.from_csr(sp.csr_array(chosen.astype(np.float32)))


def suiting(data: tm.Interactions) -> list[str]:
    return [type(one.model).__name__ for one in choose_models(MODELS, data) if one.suits]


def test_a_graph_filter_joins_where_data_are_sparse() -> None:
    full, sparse = random_pairs(50, 20, 0.3), random_pairs(2000, 30, 0.001)
    assert suiting(full) == ["Popular", "EASE", "WARP", "SVD"]
    assert suiting(sparse.compact()) == ["Popular", "EASE", "WARP", "SVD"]
    empty = random_pairs(2000, 900, 0.003)
    assert suiting(empty) == ["Popular", "EASE", "GraphFilter", "WARP", "SVD"]
    (reason,) = [one.reason for one in choose_models(MODELS, empty) if isinstance(one.model, tm.GraphFilter)]
    assert reason == "sparse data, of 1,000 possible pairs 3.7 are there"


def test_it_takes_the_place_of_ease_where_items_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "MOST_ITEMS", 19)
    judged = {type(one.model).__name__: one for one in choose_models(MODELS, random_pairs(50, 20, 0.3))}
    assert judged["EASE"][1:] == (False, "which is slow with 20 items")
    assert judged["GraphFilter"][1:] == (True, "in place of EASE with 20 items")


def test_warp_goes_where_pairs_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_pairs(50, 20, 0.3)
    monkeypatch.setattr(choosing, "MOST_PAIRS", len(data) - 1)
    assert suiting(data) == ["Popular", "EASE", "SVD"]
