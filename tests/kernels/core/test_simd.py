from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest

from tastemap.kernels.core.random import draw_below, mix
from tastemap.kernels.core.simd import (
    LANES,
    add,
    any_at_least,
    lane,
    load,
    load_group,
    load_row,
    multiply,
    multiply_add,
    multiply_add_double,
    prefetch_row,
    splat,
    splat_row,
    store,
    store_draws,
    store_group,
    store_rounded,
    store_row,
    total,
    totals,
    zeros,
    zeros_double,
)
from tastemap.kernels.ranking import dot

Floats = npt.NDArray[np.float32]


def every_function(A: Floats, a: Floats, out: Floats) -> float:
    """Put the result of every function into a row of out, in the middle of wider rows."""
    v, w = load(a, 3), load_row(A, 1, 5)
    store_row(out, 0, 8, zeros())
    store_row(out, 1, 8, splat(np.float32(1.5)))
    store_row(out, 2, 8, v)
    store_row(out, 3, 8, load_group(a, 2))
    store_row(out, 4, 8, w)
    store_row(out, 5, 8, splat_row(A, 2, 7))
    store_row(out, 6, 8, add(v, w))
    store_row(out, 7, 8, multiply(v, w))
    store_row(out, 8, 8, multiply_add(v, w, load_row(A, 0, 1)))
    store_row(out, 9, 8, lane(w, 11))
    rows = load_row(A, 0, 0), load_row(A, 0, 1), load_row(A, 0, 2), load_row(A, 0, 3)
    more = load_row(A, 2, 0), load_row(A, 2, 1), load_row(A, 2, 2), load_row(A, 2, 3)
    store_row(out, 10, 8, totals(rows[0], rows[1], rows[2], rows[3], more[0], more[1], more[2], more[3]))
    store(a, 4, multiply(w, w))
    store_group(a, 1, w)
    return total(v)


N_RESULTS = 11
compiled = numba.njit(every_function)


@pytest.fixture(params=["whole numbers", "real numbers"])
def numbers(request: pytest.FixtureRequest) -> tuple[Floats, Floats, bool]:
    rng = np.random.default_rng(1)
    is_whole = request.param == "whole numbers"
    draw: Any = (lambda shape: rng.integers(-9, 10, shape)) if is_whole else rng.standard_normal
    return draw((3, LANES + 8)).astype(np.float32), draw(LANES + 9).astype(np.float32), is_whole


def test_compiled_functions_do_what_their_python_bodies_say(numbers: tuple[Floats, Floats, bool]) -> None:
    A, a, is_exact = numbers
    seen = {}
    for name, function in (("plain", every_function), ("compiled", compiled)):
        out = np.full((N_RESULTS, LANES + 16), np.float32(np.nan))
        own = a.copy()
        summed = function(A, own, out)
        seen[name] = summed, own, out[:, 8 : 8 + LANES].copy()
        out[:, 8 : 8 + LANES] = np.nan
        assert np.isnan(out).all(), "a store wrote beyond its lanes"
    for plain, fast in zip(seen["plain"], seen["compiled"], strict=True):
        # A compiled multiply and add may round once where Python rounds twice.
        np.testing.assert_allclose(fast, plain, rtol=0 if is_exact else 2**-22, atol=0 if is_exact else 2**-22)


def test_totals_are_sums_of_the_lanes_and_come_twice() -> None:
    A = np.arange(3 * (LANES + 8), dtype=np.float32).reshape(3, -1)
    out = np.zeros((N_RESULTS, LANES + 16), np.float32)
    a = np.arange(LANES + 9, dtype=np.float32)
    assert compiled(A, a.copy(), out) == sum(range(3, 3 + LANES))
    sums = [A[i, f : f + LANES].sum() for i in (0, 2) for f in range(4)]
    assert out[10, 8 : 8 + LANES].tolist() == sums * 2


def double_sum(a: Floats, b: Floats) -> float:
    sums = multiply_add_double(load(a, 1), load(b, 2), zeros_double())
    return total(multiply_add_double(load(a, 0), load(b, 0), sums))


def test_sums_in_float64_have_the_bits_of_their_python_bodies() -> None:
    rng = np.random.default_rng(2)
    compiled_sum = numba.njit(double_sum)
    for _ in range(50):
        a, b = (rng.standard_normal(LANES + 2) * 10.0 ** rng.integers(-18, 18, LANES + 2) for _ in range(2))
        a, b = a.astype(np.float32), b.astype(np.float32)
        assert compiled_sum(a, b) == double_sum(a, b)


def store_product(a: Floats, b: Floats, out: Floats) -> None:
    store_rounded(out, 3, multiply_add_double(load(a, 0), load(b, 0), zeros_double()))


def test_float64_lanes_are_rounded_once_and_stored() -> None:
    a, b = np.random.default_rng(3).standard_normal((2, LANES)).astype(np.float32)
    a[0] = b[0] = np.float32(1e30)  # beyond float32
    out = np.full(LANES + 6, np.float32(np.nan))
    numba.njit(store_product)(a, b, out)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(out[3:-3], (a.astype(np.float64) * b).astype(np.float32))
    assert np.isnan(out[[0, 1, 2, -3, -2, -1]]).all()


@pytest.mark.parametrize("n", [1, LANES - 1, LANES, LANES + 1, 4 * LANES + 7])
def test_the_score_of_a_pair_has_the_bits_of_its_python_body(n: int) -> None:
    rng = np.random.default_rng(n)
    plain = getattr(dot, "py_func", dot)
    for _ in range(20):
        a, b = rng.standard_normal((2, n)).astype(np.float32)
        score = dot(a, b)
        assert score == plain(a, b) == dot(b, a)
        assert score == pytest.approx(a.astype(np.float64) @ b.astype(np.float64), rel=1e-12, abs=1e-15)


def draw_group(out: npt.NDArray[np.int64], n: int, state: np.uint64) -> None:
    store_draws(out, 2, n, state)


@pytest.mark.parametrize("n", [1, 3, 1000, 2**31])
def test_draws_in_lanes_are_those_made_one_by_one(n: int) -> None:
    group = LANES // 2
    compiled_draws = numba.njit(draw_group)
    for state in np.array([0, 7, 2**63, 2**64 - 3], np.uint64):  # the last runs over
        fast, plain = np.full((2, group + 4), -1)
        compiled_draws(fast, n, state)
        with np.errstate(over="ignore"):
            draw_group(plain, n, state)
            expected = [int(draw_below(n, np.uint64(mix(state + np.uint64(g))))) for g in range(group)]
        assert fast.tolist() == plain.tolist() == [-1, -1, *expected, -1, -1]


def at_least_in_some_lane(a: Floats, b: Floats) -> bool:
    return any_at_least(load(a, 0), load(b, 0))


def test_any_at_least_sees_every_lane_and_no_nan() -> None:
    compiled_test = numba.njit(at_least_in_some_lane)
    cases = [(0, 0, True), (-np.inf, -np.inf, True), (np.nan, 0, False), (0, np.nan, False), (np.inf, 1, True)]
    cases += [(1, 0, True), (-1, 0, False), (0, -np.inf, True), (-0.0, 0.0, True), (0, 2**-149, False)]
    for lane_number in range(LANES):
        for x, y, expected in cases:
            a, b = np.zeros(LANES, np.float32), np.ones(LANES, np.float32)
            a[lane_number], b[lane_number] = x, y
            assert compiled_test(a, b) is at_least_in_some_lane(a, b) is expected


def test_prefetching_changes_nothing() -> None:
    A = np.arange(2.0 * LANES, dtype=np.float32).reshape(2, LANES)
    numba.njit(lambda A: prefetch_row(A, 1, 3))(A)
    assert A.ravel().tolist() == list(range(2 * LANES))
