"""The features of one side, against dense linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import tastemap as tm
from reference import side_features as reference
from tastemap.training import side_features as module
from tastemap.training.side_features import SideFeatures
from tastemap.training.wide import widen

Array = npt.NDArray[Any]
few = settings(max_examples=20)
sizes = st.tuples(st.integers(1, 12), st.integers(1, 7), st.integers(1, 19), st.integers(0, 2**32))


def dense_features(rng: np.random.Generator, n_rows: int, n_features: int) -> Array:
    F = np.where(rng.random((n_rows, n_features)) < 0.4, rng.uniform(-1, 2, (n_rows, n_features)), 0)
    F[n_rows // 2] = 0  # a row without features
    return F


def side(F: Array) -> SideFeatures:
    features = tm.Features.from_csr(sp.csr_matrix(F), ids=list(range(len(F))))
    return SideFeatures.of(features, features.ids)


def wide(A: Array, n_columns: int) -> Array:
    return widen(A.astype(np.float32), -(-n_columns // 16) * 16, len(A))


@few
@given(size=sizes, steps=st.integers(1, 3))
def test_a_few_steps_are_those_of_the_textbook(size: tuple[int, int, int, int], steps: int) -> None:
    n_rows, n_features, factors, seed = size
    rng = np.random.default_rng(seed)
    F, weights = dense_features(rng, n_rows, n_features), rng.uniform(0.2, 2, n_rows).astype(np.float32)
    Y, W = rng.uniform(-1, 1, (n_rows, factors)), rng.uniform(-1, 1, (n_features, factors))
    own = wide(W, factors)
    side(F).solve(own, wide(Y, factors), weights, 0.4, steps)
    assert not own[:, factors:].any()
    expected = reference.steps_from(W, F, Y, weights, 0.4, steps)
    np.testing.assert_allclose(own[:, :factors], expected, rtol=1e-3, atol=1e-3)


@few
@given(size=sizes)
def test_as_many_steps_as_it_takes_end_where_the_gradient_is_zero(size: tuple[int, int, int, int]) -> None:
    n_rows, n_features, factors, seed = size
    rng = np.random.default_rng(seed)
    F, weights = dense_features(rng, n_rows, n_features), rng.uniform(0, 2, n_rows).astype(np.float32)
    weights[0] = 0
    Y = rng.uniform(-1, 1, (n_rows, factors))
    own = wide(np.zeros((n_features, factors)), factors)
    side(F).solve(own, wide(Y, factors), weights, 0.4)
    W = own[:, :factors].astype(np.float64)
    np.testing.assert_allclose(W, reference.solution(F, Y, weights, 0.4), rtol=1e-3, atol=1e-4)
    h = 1e-4
    for j, f in [(0, 0), (n_features - 1, factors - 1)]:
        step = np.zeros_like(W)
        step[j, f] = h
        up, down = (reference.objective(F, W + s, Y, weights.astype(float), 0.4) for s in (step, -step))
        assert (up - down) / (2 * h) == pytest.approx(0, abs=2e-4)


def test_a_row_of_weight_zero_is_ignored_and_an_unused_feature_gets_zero() -> None:
    F = np.array([[1.0, 0, 0], [1, 1, 0], [0, 1, 0]])
    Y = np.array([[2.0], [5], [100]])
    own = wide(np.zeros((3, 1)), 1)
    side(F).solve(own, wide(Y, 1), np.array([1, 1, 0], np.float32), 1.0)
    # (2 + 1) a + b = 7,  a + (1 + 1) b = 5
    np.testing.assert_allclose(own[:, 0], [9 / 5, 8 / 5, 0], rtol=1e-5)


def test_means_are_sums_of_features_factors() -> None:
    own = side(np.array([[1.0, 0], [0, 0], [0.5, 2]]))
    W = wide(np.array([[2.0, 4], [1, -1]]), 2)
    assert own.means(W)[:, :2].tolist() == [[2, 4], [0, 0], [3, 0]]
    own.factors_ = W[:, :2]
    assert own.means_of(own.rows).tolist() == [[2, 4], [0, 0], [3, 0]]
    assert own.described.tolist() == [True, False, True]
    placed = own.place(np.array([[7, 7], [8, 8]], np.float32), np.array([1, 0, 0]))
    assert placed.tolist() == [[7, 7], [0, 0], [3, 0]]


def test_a_longer_id_map_keeps_the_features_and_takes_new_ones_by_name() -> None:
    old = tm.Features.from_csr(sp.csr_matrix([[1.0, 0], [0, 2]]), ids=["a", "b"], names=["red", "old"])
    ids = tm.IdMap(["x", "a", "b"], "item")
    own = SideFeatures.of(old, ids)
    own.factors_ = np.eye(2, dtype=np.float32)
    longer = ids.extend(tm.IdMap(["c", "d"]))
    news = tm.Features.from_csr(sp.csr_matrix([[3.0, 4], [0, 5]]), ids=["d", "b"], names=["old", "red"])
    grown = own.extend(longer, news)
    assert grown.means_of(grown.rows).tolist() == [[0, 0], [1, 0], [5, 0], [0, 0], [4, 3]]
    assert grown.differs_from(own.extend(longer, None)).tolist() == [False, False, True, False, True]
    assert own.means_of(own.rows).tolist() == [[0, 0], [1, 0], [0, 2]]
    assert (np.diff(grown.rows.indices[grown.rows.indptr[4] :]) > 0).all()
    other = tm.Features.from_csr(sp.csr_matrix([[1.0, 1]]), ids=["c"], names=["red", "blue"])
    with pytest.raises(tm.DataError, match=r"1 of 2 features.*'blue'.*transform"):
        own.extend(longer, other)


def test_blocks_and_threads_do_not_change_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    F = np.where(rng.random((300, 150)) < 0.1, rng.uniform(-1, 1, (300, 150)), 0)
    Y, weights = wide(rng.uniform(-1, 1, (300, 20)), 20), rng.uniform(0.2, 2, 300).astype(np.float32)
    monkeypatch.setattr(module, "BLOCK_ENTRIES", 256)
    monkeypatch.setattr(module, "BLOCK_FEATURES", 32)
    found = []
    for n in (1, 2, 5):
        W = wide(np.zeros((150, 20)), 20)
        with tm.threads(n):
            side(F).solve(W, Y, weights, 0.4)
        found.append(W)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_allclose(found[0][:, :20], reference.solution(F, Y[:, :20], weights, 0.4), rtol=1e-3, atol=1e-4)
