from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reference import als as reference
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.kernels.implicit_als import (
    BLOCK_TILE,
    CG_TILE,
    CHOLESKY_TILE,
    LANES,
    cg_rows,
    cholesky_rows,
    subspace_rows,
)

Array = npt.NDArray[Any]
ALPHA, UNOBSERVED = 1.5, 0.25
WEIGHTS = (0.0, 0.5, 1.0, 2.0, 7.0)


class Problem(NamedTuple):
    """One half-step: weights (NaN where no pair), warm start, the other side in an orthogonal-column basis, ridges.

    M holds the prior means; None for zeros.
    """

    W: Array
    P: Array
    Q: Array
    ridge: Array
    M: Array | None

    @property
    def means(self) -> Array:
        return np.zeros_like(self.P) if self.M is None else self.M


def problem(
    n_rows: int, n_columns: int, factors: int, seed: int, share: float = 0.5, has_prior: bool = True
) -> Problem:
    rng = np.random.default_rng(seed)
    W = np.where(rng.random((n_rows, n_columns)) < share, rng.choice(WEIGHTS, (n_rows, n_columns)), np.nan)
    # cg_rows and subspace_rows want Q rotated so that Q'Q is diagonal.
    Q = rng.uniform(-1, 1, (n_columns, factors))
    Q = Q @ np.linalg.eigh(Q.T @ Q)[1]
    P, M = rng.uniform(-1, 1, (2, n_rows, factors))
    return Problem(W, P, Q, rng.uniform(0.2, 3, n_rows), M if has_prior else None)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    n_rows, n_columns, factors = (draw(st.integers(1, most)) for most in (5, 9, 19))
    assume(n_rows != n_columns != factors != n_rows)
    share, has_prior = draw(st.sampled_from([0.1, 0.5, 1.0])), draw(st.booleans())
    return problem(n_rows, n_columns, factors, draw(st.integers(0, 2**32)), share, has_prior)


def widen(A: Array) -> Array:
    wide = np.zeros((len(A), -(-A.shape[1] // LANES) * LANES), np.float32)
    wide[:, : A.shape[1]] = A
    return wide


def run(
    kernel: Any,
    task: Problem,
    loss: str,
    *steps: int,
    rows: tuple[int, int] | None = None,
    unobserved: float = UNOBSERVED,
) -> tuple[Array, float]:
    """Run a kernel on the problem; returns the rows, as wide as they came, and the objective."""
    here = ~np.isnan(task.W)
    indptr = np.concatenate(([0], np.cumsum(here.sum(axis=1))))
    pairs = freeze_rows(Rows(indptr, np.nonzero(here)[1].astype(np.int32), task.W[here].astype(np.float32)))
    P, Q = widen(task.P), widen(task.Q)
    gram = unobserved * (Q.T.astype(np.float64) @ Q)
    gram = (gram if kernel is cholesky_rows else np.diag(gram)).astype(np.float32)
    M = widen(task.means if task.M is not None else np.empty((0, task.P.shape[1])))
    missing = np.float32(unobserved if loss == "hu" else 0)
    start, stop = rows or (0, len(P))
    ridge = task.ridge.astype(np.float32)
    value = kernel(*pairs, start, stop, P, np.ascontiguousarray(Q), gram, ridge, M, np.float32(ALPHA), missing, *steps)
    factors = task.P.shape[1]
    assert not P[:, factors:].any(), "the padding has to stay zero"
    return P[:, :factors].astype(np.float64), value


def row_objective(task: Problem, u: int, x: Array, loss: str) -> float:
    return reference.row_objective(task.W[u], x, task.Q, task.ridge[u], ALPHA, UNOBSERVED, loss, task.means[u])


def system(task: Problem, u: int, loss: str) -> tuple[Array, Array]:
    return reference.row_system(task.W[u], task.Q, task.ridge[u], ALPHA, UNOBSERVED, loss, task.means[u])


def rows_with_pairs(task: Problem) -> list[int]:
    return np.flatnonzero(~np.isnan(task.W).all(axis=1)).tolist()


def gradient(task: Problem, u: int, x: Array, loss: str) -> Array:
    """Return the central difference of the stated objective."""
    h = 1e-4
    steps = h * np.eye(len(x))
    return np.array([row_objective(task, u, x + e, loss) - row_objective(task, u, x - e, loss) for e in steps]) / (
        2 * h
    )


losses = pytest.mark.parametrize("loss", ["rendle", "hu"])
kernels = pytest.mark.parametrize(("kernel", "steps"), [(cholesky_rows, ()), (cg_rows, (3,)), (subspace_rows, ())])
few = settings(max_examples=25)


@losses
@few
@given(task=problems())
def test_cholesky_solves_every_row(task: Problem, loss: str) -> None:
    exact = reference.solved_rows(task.W, task.Q, task.ridge, ALPHA, UNOBSERVED, loss, task.means)
    P, value = run(cholesky_rows, task, loss)
    np.testing.assert_allclose(P, exact, rtol=1e-4, atol=1e-4)
    expected = sum(row_objective(task, u, exact[u], loss) for u in rows_with_pairs(task))
    assert value == pytest.approx(expected, rel=1e-4, abs=1e-4)


@losses
@few
@given(task=problems())
def test_cg_with_many_steps_solves_every_row(task: Problem, loss: str) -> None:
    exact = reference.solved_rows(task.W, task.Q, task.ridge, ALPHA, UNOBSERVED, loss, task.means)
    P, value = run(cg_rows, task, loss, 60)
    np.testing.assert_allclose(P, exact, rtol=1e-3, atol=1e-3)
    expected = sum(row_objective(task, u, exact[u], loss) for u in rows_with_pairs(task))
    assert value == pytest.approx(expected, rel=1e-4, abs=1e-4)


@losses
@pytest.mark.parametrize("steps", [1, 2, 3])
@few
@given(task=problems())
def test_a_few_cg_steps_are_those_of_the_textbook_and_know_their_objective(
    task: Problem, loss: str, steps: int
) -> None:
    P, value = run(cg_rows, task, loss, steps)
    expected = 0.0
    for u in rows_with_pairs(task):
        A, b = system(task, u, loss)
        np.testing.assert_allclose(P[u], reference.cg(A, b, task.P[u], steps), rtol=2e-3, atol=2e-3)
        expected += row_objective(task, u, P[u], loss)
    assert value == pytest.approx(expected, rel=1e-4, abs=1e-4)


@losses
@few
@given(task=problems())
def test_the_first_cg_step_goes_down_the_numerical_gradient_to_the_lowest_point(task: Problem, loss: str) -> None:
    P, _ = run(cg_rows, task, loss, 1)
    for u in rows_with_pairs(task):
        x = task.P[u]
        A, _b = system(task, u, loss)
        direction = -gradient(task, u, x, loss) / np.diag(A)
        at = [row_objective(task, u, x + t * direction, loss) for t in (-1, 0, 1)]
        lowest = 0.5 * (at[0] - at[2]) / (at[0] - 2 * at[1] + at[2])
        np.testing.assert_allclose(P[u] - x, lowest * direction, rtol=1e-3, atol=1e-4)


@losses
@few
@given(task=problems())
def test_a_round_of_subspaces_solves_one_block_after_the_other_and_knows_its_objective(
    task: Problem, loss: str
) -> None:
    P, value = run(subspace_rows, task, loss)
    expected = 0.0
    for u in rows_with_pairs(task):
        np.testing.assert_allclose(
            P[u], reference.subspaces(*system(task, u, loss), task.P[u], LANES), rtol=2e-3, atol=2e-3
        )
        expected += row_objective(task, u, P[u], loss)
    assert value == pytest.approx(expected, rel=1e-4, abs=1e-4)


@losses
@pytest.mark.parametrize("factors", [1, 7, LANES])
def test_one_block_of_all_factors_is_the_exact_solution(factors: int, loss: str) -> None:
    task = problem(5, 30, factors, seed=6)
    blocks, exact = run(subspace_rows, task, loss), run(cholesky_rows, task, loss)
    np.testing.assert_allclose(blocks[0], exact[0], rtol=1e-4, atol=1e-5)
    assert blocks[1] == pytest.approx(exact[1], rel=1e-5)


@losses
def test_rounds_of_subspaces_go_down_to_the_exact_solution(loss: str) -> None:
    task = problem(4, 60, 3 * LANES - 2, seed=7)
    values = []
    for _ in range(100):
        P, value = run(subspace_rows, task, loss)
        task = task._replace(P=P)
        values.append(value)
    exact, least = run(cholesky_rows, task, loss)
    assert (np.diff(values) < 1e-5 * least).all()
    assert values[0] > values[-1] == pytest.approx(least, rel=1e-5)
    np.testing.assert_allclose(P, exact, rtol=1e-3, atol=1e-4)


def test_factors_that_depend_on_others_stay_where_they_are() -> None:
    # Without regularization two pairs determine two factors of a block; the row must reach their targets all the same.
    task = problem(1, 2, 5, seed=8, share=1.0, has_prior=False)._replace(ridge=np.zeros(1))
    task.W[:] = 1
    task.Q[:, 2:] = 0
    P, value = run(subspace_rows, task, "rendle", unobserved=0.0)
    np.testing.assert_allclose(task.Q @ P[0], 1, rtol=1e-4)
    assert value == pytest.approx(0, abs=1e-4)
    np.testing.assert_array_equal(P[0, 2:], task.P[0, 2:].astype(np.float32))


@losses
@pytest.mark.parametrize(("kernel", "steps"), [(cholesky_rows, ()), (cg_rows, (60,)), (subspace_rows, ())])
def test_the_gradient_is_zero_after_a_half_step(kernel: Any, steps: tuple[int, ...], loss: str) -> None:
    task = problem(6, 11, 7, seed=3)
    P, _ = run(kernel, task, loss, *steps)
    for u in rows_with_pairs(task):
        before = np.linalg.norm(gradient(task, u, task.P[u], loss))
        assert np.linalg.norm(gradient(task, u, P[u], loss)) < 1e-4 * before


@kernels
def test_a_row_without_pairs_becomes_zero_and_other_rows_stay(kernel: Any, steps: tuple[int, ...]) -> None:
    task = problem(5, 8, 3, seed=1, share=1.0)
    task.W[2] = np.nan
    whole, _ = run(kernel, task, "rendle", *steps)
    assert not whole[2].any()
    part, _ = run(kernel, task, "rendle", *steps, rows=(1, 3))
    np.testing.assert_array_equal(part[1:3], whole[1:3])
    np.testing.assert_array_equal(part[[0, 3, 4]], task.P.astype(np.float32)[[0, 3, 4]])


@kernels
def test_rows_do_not_depend_on_the_block_they_are_in(kernel: Any, steps: tuple[int, ...]) -> None:
    task = problem(6, 40, 5, seed=2)
    task.W[1:5, 8:] = np.nan  # long rows first and last
    whole, value = run(kernel, task, "hu", *steps)
    values = []
    for u in range(6):
        alone, one = run(kernel, task, "hu", *steps, rows=(u, u + 1))
        np.testing.assert_array_equal(alone[u], whole[u])
        values.append(one)
    assert value == pytest.approx(sum(values), rel=1e-6)


@losses
def test_cg_on_a_row_longer_than_its_tile(loss: str) -> None:
    factors = 6 * LANES + 4
    tile = CG_TILE // (7 * LANES) // 8 * 8
    task = problem(2, 2 * tile + 5, factors, seed=4, share=1.0)
    task.W[1, tile:] = np.nan  # exactly one tile
    P, value = run(cg_rows, task, loss, 3)
    for u in range(2):
        A, b = system(task, u, loss)
        np.testing.assert_allclose(P[u], reference.cg(A, b, task.P[u], 3), rtol=2e-3, atol=2e-3)
    assert value == pytest.approx(sum(row_objective(task, u, P[u], loss) for u in range(2)), rel=1e-4)


@losses
def test_subspaces_of_a_row_longer_than_its_tile(loss: str) -> None:
    factors = 6 * LANES + 4
    tile = CG_TILE // (7 * LANES) // 8 * 8
    task = problem(3, tile + BLOCK_TILE + 5, factors, seed=9, share=1.0)
    task.W[1, tile:] = np.nan  # exactly one tile
    task.W[2, tile + 1 :] = np.nan
    P, value = run(subspace_rows, task, loss)
    for u in range(3):
        np.testing.assert_allclose(
            P[u], reference.subspaces(*system(task, u, loss), task.P[u], LANES), rtol=2e-3, atol=2e-3
        )
    assert value == pytest.approx(sum(row_objective(task, u, P[u], loss) for u in range(3)), rel=1e-4)


@losses
@pytest.mark.parametrize("n", [CHOLESKY_TILE - 1, CHOLESKY_TILE, CHOLESKY_TILE + 1, 3 * CHOLESKY_TILE + 2])
@pytest.mark.parametrize("factors", [LANES, 2 * LANES + 3])
def test_cholesky_on_rows_about_as_long_as_its_tile(n: int, factors: int, loss: str) -> None:
    task = problem(2, n, factors, seed=n, share=1.0)
    P, value = run(cholesky_rows, task, loss)
    exact = reference.solved_rows(task.W, task.Q, task.ridge, ALPHA, UNOBSERVED, loss, task.means)
    np.testing.assert_allclose(P, exact, rtol=1e-3, atol=1e-4)
    assert value == pytest.approx(sum(row_objective(task, u, exact[u], loss) for u in range(2)), rel=1e-4)


@kernels
def test_pairs_that_weigh_nothing_leave_a_zero_row(kernel: Any, steps: tuple[int, ...]) -> None:
    task = problem(2, 5, 3, seed=5, share=1.0, has_prior=False)
    task.W[:] = 0
    task.P[:] = 0
    P, value = run(kernel, task, "rendle", *steps)
    assert not P.any()
    assert value == 0
