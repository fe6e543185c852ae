from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import tastemap as tm
from reference.rerank import rerank
from tastemap.data._pairs import freeze
from tastemap.data.item_table import Limits
from tastemap.kernels import rerank as kernels
from tastemap.ranking import rerank as module
from tastemap.ranking.rerank import rank_diverse
from tastemap.ranking.top_k import Lists


class Matrix:
    """Similarities from a matrix."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

    def similarities(self, rows: Any, others: Any) -> Any:
        found = self.matrix[rows[:, None], others]
        return np.where((rows[:, None] >= 0) & (others >= 0), found, 0).astype(np.float32)


@given(
    seed=st.integers(0, 2**32 - 1),
    diversity=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    k=st.integers(1, 30),
    has_limits=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_lists_are_those_of_the_plain_version(seed: int, diversity: float, k: int, has_limits: bool) -> None:
    random = np.random.default_rng(seed)
    n, n_items, n_values = 5, int(random.integers(1, 40)), 4
    scores = np.round(random.normal(size=(n, n_items)), 1).astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable").astype(np.int32)
    counts = random.integers(0, n_items + 1, n)
    matrix = random.uniform(-1, 1, (n_items, n_items)).astype(np.float32)
    has = random.random((n_items, n_values)) < 0.3
    most = random.integers(1, 4, n_values) if has_limits else np.full(n_values, n_items)
    values = [np.flatnonzero(row) for row in has]
    starts = np.concatenate(([0], np.cumsum(has.sum(axis=1))))
    limits = Limits(*map(freeze, (starts, np.nonzero(has)[1].astype(np.int32), most.astype(np.int64))))

    def rank(some: Any, depth: int) -> Lists:
        depth = min(depth, n_items)
        filled = np.arange(depth) < counts[some, None]
        rows = order[some, :depth]
        return Lists(
            np.where(filled, rows, -1).astype(np.int32),
            np.where(filled, np.take_along_axis(scores[some], rows, 1), -np.inf).astype(np.float32),
            np.minimum(counts[some], depth),
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "POOL", 8)
        patch.setattr(module, "PLACES_AT_ONCE", 100)
        patch.setattr(module, "LISTS_AT_ONCE", 2)
        lists = rank_diverse(
            rank, n, k, n_items, space=Matrix(matrix), diversity=diversity, limits=limits if has_limits else None
        )
    for r in range(n):
        ranked = [(int(item), float(scores[r, item])) for item in order[r, : counts[r]]]
        wanted = rerank(ranked, k, 8, diversity, lambda i, j: float(matrix[i, j]), dict(enumerate(values)), most)
        count = lists.counts[r]
        assert [*zip(lists.rows[r, :count].tolist(), lists.scores[r, :count].tolist(), strict=True)] == wanted
        assert (lists.rows[r, count:] == -1).all()


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "much", None, True])
def test_a_diversity_is_a_share(value: Any) -> None:
    with pytest.raises(tm.ParameterError, match="diversity must be a number from 0 to 1"):
        rank_diverse(lambda some, depth: pytest.fail("ranked"), 1, 1, 1, diversity=value)


def test_similarities_are_looked_up_and_vectors_multiplied() -> None:
    random = np.random.default_rng(3)
    dense = np.round(random.random((7, 7)), 2) * (random.random((7, 7)) < 0.5)
    stored = sp.csr_matrix(dense.astype(np.float32))
    vectors = random.normal(size=(7, 5)).astype(np.float32)
    rows, others = np.array([2, -1, 6]), np.array([[0, 2, -1, 5], [1, 2, 3, 4], [6, 6, 0, -1]], np.int32)
    is_there = (rows[:, None] >= 0) & (others >= 0)
    found, products = np.empty(others.shape, np.float32), np.empty(others.shape, np.float32)
    arrays = (stored.indptr.astype(np.int64), stored.indices.astype(np.int32), stored.data)
    kernels.look_up_pairs(*map(freeze, arrays), rows, others, found)
    kernels.compare_vectors(freeze(vectors), rows, others, products)
    assert np.array_equal(found, np.where(is_there, dense[rows[:, None], others], 0).astype(np.float32))
    expected = np.where(is_there, (vectors[rows][:, None] * vectors[others]).sum(axis=2), 0)
    assert np.allclose(products, expected, atol=1e-6)
