"""One side of a factor model, with features and without."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap.training.side_features import SideFeatures
from tastemap.training.sides import Side
from tastemap.training.wide import widen, zeros

# Three rows: the first two have pairs, the last two the only feature, of 1 and 2.
HAS_PAIRS = np.array([True, True, False])
WEIGHTS = np.array([1.0, 3.0, 5.0], np.float32)


def side(*, features: bool, regularization: float = 0.5) -> Side:
    table = tm.Features.from_csr(sp.csr_matrix([[0.0], [1.0], [2.0]]), ids=[0, 1, 2])
    own = SideFeatures.of(table, table.ids) if features else None
    return Side("items", HAS_PAIRS, WEIGHTS, own, regularization)


def rows(*values: float) -> np.ndarray:
    return widen(np.array(values, np.float32)[:, None], 16, len(values))


def test_without_features_a_side_is_its_rows() -> None:
    plain, P = side(features=False), rows(4, 5, 6)
    state = plain.start(P)
    assert list(state) == ["items"]
    plain.solve_features(state)
    plain.finish_features(state, 1)
    assert plain.place(state) is P
    assert plain.means(state).shape[0] == 0
    assert plain.feature_penalty(state) == 0
    assert plain.known.tolist() == [True, True, False]


def test_features_begin_at_zero_and_know_the_rows_they_describe() -> None:
    described = side(features=True)
    state = described.start(rows(4, 5, 6))
    assert list(state) == ["items", "items.features"]
    assert state["items.features"].tolist() == zeros(1, 16).tolist()
    assert described.known.tolist() == [True, True, True]


def test_features_are_solved_from_the_rows_with_pairs_alone() -> None:
    described = side(features=True)
    state = described.start(rows(4, 5, 100))
    described.solve_features(state)
    # weight (row - w feature)^2 of the second row, and 0.5 times the mean weight of rows with pairs, 2, times w^2.
    w = 3 * 5 / (3 * 1 + 0.5 * 2)
    np.testing.assert_allclose(state["items.features"][0, :2], [w, 0], rtol=1e-5)
    np.testing.assert_allclose(described.feature_penalty(state), 0.5 * 2 * w**2, rtol=1e-5)
    np.testing.assert_allclose(described.means(state)[:, 0], [0, w, 2 * w], rtol=1e-5)
    np.testing.assert_allclose(described.place(state)[:, 0], [4, 5, 2 * w], rtol=1e-5)
    described.finish_features(state, 1)
    assert described.features is not None
    assert described.features.factors_ is not None
    np.testing.assert_allclose(described.features.factors_, [[w]], rtol=1e-5)


def test_a_regularization_beyond_floats_is_refused() -> None:
    with pytest.raises(ValueError, match=r"feature_regularization 1e\+39 times .* more than 32-bit floats hold: lower"):
        side(features=True, regularization=1e39)
