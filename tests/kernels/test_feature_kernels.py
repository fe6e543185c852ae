from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemap.data._pairs import Rows, rows_of
from tastemap.kernels.core.simd import LANES
from tastemap.kernels.features import spread_rows, step_features, turn_features

Array = npt.NDArray[Any]
few = settings(max_examples=25)
sizes = st.tuples(st.integers(1, 9), st.integers(1, 7), st.sampled_from([LANES, 2 * LANES]), st.integers(0, 2**32))


def drawn(rng: np.random.Generator, *shape: int) -> Array:
    return rng.uniform(-1, 1, shape).astype(np.float32)


def features(rng: np.random.Generator, n_rows: int, n_features: int) -> tuple[Array, Rows]:
    """Return features with some empty rows and columns, dense and as CSR."""
    F = np.where(rng.random((n_rows, n_features)) < 0.4, drawn(rng, n_rows, n_features), np.float32(0))
    return F, rows_of(sp.csr_matrix(F))


@few
@given(size=sizes)
def test_spreading_is_the_transposed_product_and_the_ridge(size: tuple[int, int, int, int]) -> None:
    n_rows, n_features, width, seed = size
    rng = np.random.default_rng(seed)
    F, _ = features(rng, n_rows, n_features)
    columns = rows_of(sp.csr_matrix(F.T))
    T, P, sums = drawn(rng, n_rows, width), drawn(rng, n_features, width), drawn(rng, width)
    before, out = sums.copy(), np.full((n_features, width), np.nan, np.float32)
    start, stop = sorted(rng.integers(0, n_features + 1, 2).tolist())
    spread_rows(*columns, start, stop, T, P, np.float32(0.7), out, sums)
    expected = F.T.astype(np.float64) @ T + 0.7 * P
    np.testing.assert_allclose(out[start:stop], expected[start:stop], rtol=1e-4, atol=1e-5)
    assert np.isnan(out[:start]).all()
    assert np.isnan(out[stop:]).all()
    np.testing.assert_allclose(sums, before + (P * expected)[start:stop].sum(axis=0), rtol=1e-4, atol=1e-5)


@few
@given(size=sizes)
def test_a_step_and_a_turn(size: tuple[int, int, int, int]) -> None:
    _, n, width, seed = size
    rng = np.random.default_rng(seed)
    W, residual, direction, image = drawn(rng, 4 * n, width).reshape(4, n, width)
    step, turn, inverse, sums = drawn(rng, width), drawn(rng, width), drawn(rng, n), drawn(rng, width)
    start, stop = sorted(rng.integers(0, n + 1, 2).tolist())
    mine = slice(start, stop)
    old_W, old_residual, old_direction, old_sums = W.copy(), residual.copy(), direction.copy(), sums.copy()

    step_features(start, stop, W, residual, direction, image, step, inverse, sums)
    left = old_residual - step * image
    np.testing.assert_allclose(W[mine], (old_W + step * direction)[mine], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(residual[mine], left[mine], rtol=1e-4, atol=1e-5)
    expected = old_sums + (inverse[:, None] * left**2)[mine].sum(axis=0)
    np.testing.assert_allclose(sums, expected, rtol=1e-4, atol=1e-5)

    turn_features(start, stop, residual, inverse, turn, direction)
    expected = inverse[:, None] * residual + turn * old_direction
    np.testing.assert_allclose(direction[mine], expected[mine], rtol=1e-4, atol=1e-5)
    for other in (slice(0, start), slice(stop, n)):
        np.testing.assert_array_equal(W[other], old_W[other])
        np.testing.assert_array_equal(residual[other], old_residual[other])
        np.testing.assert_array_equal(direction[other], old_direction[other])
