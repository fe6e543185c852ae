from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import significance as reference
from tastemap.kernels.significance import resampled_sums, signed_sums


@settings(max_examples=15, deadline=None)
@given(n_users=st.integers(1, 9), words=st.integers(1, 3), first=st.integers(0, 2**20), state=st.integers(0, 2**64 - 1))
def test_signed_sums_are_those_of_the_definition(n_users: int, words: int, first: int, state: int) -> None:
    values = np.random.default_rng(first).normal(size=n_users)
    out = np.empty(64 * words)
    signed_sums(values, np.uint64(state), first, out)
    assert out.tolist() == reference.signed_sums(values.tolist(), state, first, len(out))


@settings(max_examples=15, deadline=None)
@given(
    n_users=st.integers(1, 9), n_columns=st.integers(1, 4), first=st.integers(0, 99), state=st.integers(0, 2**64 - 1)
)
def test_resampled_sums_are_those_of_the_definition(n_users: int, n_columns: int, first: int, state: int) -> None:
    values = np.random.default_rng(first).normal(size=(n_users, n_columns))
    out = np.empty((5, n_columns))
    resampled_sums(values, np.uint64(state), first, out)
    assert out.tolist() == reference.resampled_sums(values.tolist(), state, first, 5)


def test_signs_are_even_and_those_of_two_users_independent() -> None:
    out = np.empty((2, 64 * 1000))
    for values, sums in zip(([1.0, 0.0], [1.0, 2.0]), out, strict=True):
        signed_sums(np.array(values), np.uint64(5), 0, sums)
    deviation = 0.5 / np.sqrt(out.shape[1])
    assert abs((out[0] > 0).mean() - 1 / 2) < 4 * deviation
    assert all(abs((out[1] == total).mean() - 1 / 4) < 4 * deviation for total in (-3, -1, 1, 3))


def test_every_user_is_drawn_as_often_as_the_others() -> None:
    drawn = np.empty((2000, 7))
    resampled_sums(np.eye(7), np.uint64(1), 0, drawn)
    assert (drawn.sum(axis=1) == 7).all()
    # The number of draws of one user is binomial: 7 draws, one in 7.
    assert abs(drawn.mean(axis=0) - 1).max() < 4 * np.sqrt(6 / 7 / 2000)
    assert abs(drawn.var(axis=0) - 6 / 7).max() < 0.15
