from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import significance as reference
from tastemap.kernels.significance import sum_resamples, sum_with_signs


@settings(max_examples=15)
@given(n_users=st.integers(1, 9), words=st.integers(1, 3), first=st.integers(0, 2**20), state=st.integers(0, 2**64 - 1))
def test_sums_with_signs_are_those_of_the_definition(n_users: int, words: int, first: int, state: int) -> None:
    values = np.random.default_rng(first).normal(size=n_users)
    out = np.empty(64 * words)
    sum_with_signs(values, np.uint64(state), first, out)
    assert out.tolist() == reference.sum_with_signs(values.tolist(), state, first, len(out))


@settings(max_examples=15)
@given(
    n_users=st.integers(1, 9), n_columns=st.integers(1, 4), first=st.integers(0, 99), state=st.integers(0, 2**64 - 1)
)
def test_sums_of_resamples_are_those_of_the_definition(n_users: int, n_columns: int, first: int, state: int) -> None:
    values = np.random.default_rng(first).normal(size=(n_users, n_columns))
    out = np.empty((5, n_columns))
    sum_resamples(np.ascontiguousarray(values.T), np.uint64(state), first, np.empty(n_users, np.uint8), out)
    np.testing.assert_allclose(out, reference.sum_resamples(values.tolist(), state, first, 5), rtol=0, atol=1e-12)


def test_signs_are_even_and_those_of_two_users_independent() -> None:
    out = np.empty((2, 64 * 1000))
    for values, sums in zip(([1.0, 0.0], [1.0, 2.0]), out, strict=True):
        sum_with_signs(np.array(values), np.uint64(5), 0, sums)
    deviation = 0.5 / np.sqrt(out.shape[1])
    assert abs((out[0] > 0).mean() - 1 / 2) < 4 * deviation
    assert all(abs((out[1] == total).mean() - 1 / 4) < 4 * deviation for total in (-3, -1, 1, 3))


def test_a_resample_draws_every_user_as_often_as_the_others() -> None:
    n, resamples = 7, 20_000
    sums = np.empty((resamples, n))
    sum_resamples(np.eye(n), np.uint64(3), 0, np.empty(n, np.uint8), sums)
    # Of n draws a user gets each with probability 1/n: the number has mean 1 and variance 1 - 1/n.
    assert (sums.sum(axis=1) == n).all()
    assert sums.mean(axis=0) == pytest.approx(np.ones(n), rel=0.02)
    assert sums.var(axis=0) == pytest.approx(np.full(n, 1 - 1 / n), rel=0.05)
    # Draws are independent: the covariance of two users' numbers is -1/n.
    covariances = np.cov(sums.T)[np.triu_indices(n, 1)]
    assert covariances == pytest.approx(np.full(len(covariances), -1 / n), abs=0.15 / n)
    again = np.empty((5, n))
    sum_resamples(np.eye(n), np.uint64(3), 10, np.empty(n, np.uint8), again)
    np.testing.assert_array_equal(again, sums[10:15])
