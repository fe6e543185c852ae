from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reference import ratings as reference
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.kernels.core.simd import LANES
from tastemap.kernels.explicit_als import rating_rows
from tastemap.kernels.implicit_als import CHOLESKY_TILE

Array = npt.NDArray[Any]
MEAN = 2.5


class Problem(NamedTuple):
    """Ratings (NaN where none), what rows come in as, the other side, regularization of columns and of rows."""

    R: Array
    Z: Array
    Q: Array
    ridge: Array
    scale: Array
    fixed: int


def problem(n_rows: int, n_columns: int, factors: int, seed: int, share: float = 0.5) -> Problem:
    rng = np.random.default_rng(seed)
    R = np.where(rng.random((n_rows, n_columns)) < share, rng.integers(1, 6, (n_rows, n_columns)), np.nan)
    width = -(-(factors + 2) // LANES) * LANES
    Z, Q = np.zeros((n_rows, width)), np.zeros((n_columns, width))
    Z[:, :factors], Q[:, :factors] = rng.uniform(-1, 1, (n_rows, factors)), rng.uniform(-1, 1, (n_columns, factors))
    own, fixed = (-2, -1) if seed % 2 else (-1, -2)
    Z[:, fixed] = Q[:, own] = 1
    Q[:, fixed] = rng.uniform(-1, 1, n_columns)
    ridge = np.full(width, 0.3)
    ridge[own] = 0.1
    return Problem(R, Z, Q, ridge, rng.uniform(0.5, 3, n_rows), width + fixed)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    n_rows, n_columns, factors = (draw(st.integers(1, most)) for most in (5, 9, 19))
    assume(n_rows != n_columns != factors != n_rows)
    return problem(n_rows, n_columns, factors, draw(st.integers(0, 2**32)), draw(st.sampled_from([0.1, 0.5, 1.0])))


def run(task: Problem, rows: tuple[int, int] | None = None) -> tuple[Array, float]:
    here = ~np.isnan(task.R)
    indptr = np.concatenate(([0], np.cumsum(here.sum(axis=1))))
    pairs = freeze_rows(Rows(indptr, np.nonzero(here)[1].astype(np.int32), task.R[here].astype(np.float32)))
    P, Q, ridge, scale = (array.astype(np.float32) for array in (task.Z, task.Q, task.ridge, task.scale))
    start, stop = rows or (0, len(P))
    value = rating_rows(*pairs, start, stop, P, Q, ridge, scale, np.float32(MEAN), task.fixed)
    return P.astype(np.float64), value


def exact(task: Problem) -> Array:
    solve = reference.solved_row
    return np.array(
        [
            solve(r, z, task.Q, task.ridge, n, MEAN, task.fixed)
            for r, z, n in zip(task.R, task.Z, task.scale, strict=True)
        ]
    )


def value_of(task: Problem, u: int, x: Array) -> float:
    return reference.row_objective(task.R[u], x, task.Z[u], task.Q, task.ridge, task.scale[u], MEAN)


@settings(max_examples=40)
@given(task=problems())
def test_rows_are_the_minimum_and_know_their_objective(task: Problem) -> None:
    P, value = run(task)
    expected = exact(task)
    np.testing.assert_allclose(P, expected, rtol=1e-3, atol=1e-4)
    assert (P[:, task.fixed] == 1).all()
    assert value == pytest.approx(sum(value_of(task, u, expected[u]) for u in range(len(P))), rel=1e-4, abs=1e-4)


def test_the_gradient_is_zero_in_all_columns_but_the_fixed_one() -> None:
    task = problem(6, 11, 7, seed=3)
    P, _ = run(task)
    h = 1e-4
    for u in range(6):
        for f in range(P.shape[1]):
            e = h * (np.arange(P.shape[1]) == f)
            slopes = [(value_of(task, u, x + e) - value_of(task, u, x - e)) / (2 * h) for x in (task.Z[u], P[u])]
            if f == task.fixed:
                assert P[u, f] == 1
            else:
                assert abs(slopes[1]) <= 1e-3 * max(1, abs(slopes[0]))


def test_a_row_without_ratings_stays_and_so_do_rows_beyond_the_block() -> None:
    task = problem(5, 8, 3, seed=1, share=1.0)
    task.R[2] = np.nan
    before = task.Z.astype(np.float32)
    whole, _ = run(task)
    np.testing.assert_array_equal(whole[2], before[2])
    part, _ = run(task, (1, 4))
    np.testing.assert_array_equal(part[1:4], whole[1:4])
    np.testing.assert_array_equal(part[[0, 4]], before[[0, 4]])


@pytest.mark.parametrize("n", [CHOLESKY_TILE - 1, CHOLESKY_TILE, CHOLESKY_TILE + 1, 3 * CHOLESKY_TILE + 2])
@pytest.mark.parametrize("factors", [LANES - 3, LANES - 1, 2 * LANES + 3])
def test_rows_about_as_long_as_a_tile(n: int, factors: int) -> None:
    task = problem(2, n, factors, seed=n, share=1.0)
    P, value = run(task)
    expected = exact(task)
    np.testing.assert_allclose(P, expected, rtol=1e-3, atol=1e-3)
    assert value == pytest.approx(sum(value_of(task, u, expected[u]) for u in range(2)), rel=1e-4)
