from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reference import ratings as reference
from tastemap.kernels import sgd
from tastemap.kernels.core.simd import LANES
from tastemap.kernels.svd import Rates, svd_bucket, svdpp_bucket

Array = npt.NDArray[Any]
MEAN, RATES, RIDGES = 2.5, (0.05, 0.07), (0.3, 0.1)


class Bucket(NamedTuple):
    """Ratings in order, item places and their rows; users [p, b, 1], items [q, 1, b] without padding, users' pulls."""

    users: Array
    items: Array
    ratings: Array
    members: Array
    P: Array
    Q: Array
    Z: Array


def bucket(n: int, n_users: int, n_items: int, factors: int, seed: int) -> Bucket:
    rng = np.random.default_rng(seed)
    users = np.sort(rng.integers(0, n_users, n))
    members = rng.permutation(n_items + 2)[:n_items]
    rows = [rng.uniform(-1, 1, (size, factors + 2)) for size in (n_users, n_items + 2, n_users)]
    rows[0][:, -1] = rows[1][:, -2] = 1
    rows[2][:, -2:] = 0
    return Bucket(users, rng.integers(0, n_items, n), rng.integers(1, 6, n).astype(float), members, *rows)


@st.composite
def buckets(draw: st.DrawFn) -> Bucket:
    n_users, n_items, factors = (draw(st.integers(1, most)) for most in (5, 7, 2 * LANES))
    assume(n_users != n_items != factors != n_users)
    return bucket(draw(st.integers(0, 12)), n_users, n_items, factors, draw(st.integers(0, 2**32)))


def widen(rows: Array) -> Array:
    """Return rows with zeros between the factors and the last two columns."""
    wide = np.zeros((len(rows), -(-rows.shape[1] // LANES) * LANES), np.float32)
    wide[:, : rows.shape[1] - 2], wide[:, -2:] = rows[:, :-2], rows[:, -2:]
    return wide


def narrow(wide: Array, factors: int) -> Array:
    assert not wide[:, factors:-2].any(), "the padding has to stay zero"
    return np.hstack([wide[:, :factors], wide[:, -2:]]).astype(np.float64)


def run(task: Bucket, implicit: bool) -> tuple[Array, Array, Array, float]:
    """Return users, items, the sums of e q and the sum of squared errors."""
    P, Q, Z = (widen(rows) for rows in (task.P, task.Q, task.Z))
    G = np.zeros_like(P)
    pairs = sgd.Bucket(
        block=0,
        users=task.users.astype(np.int32),
        items=task.items.astype(np.int32),
        values=task.ratings.astype(np.float32),
        members=task.members.astype(np.int32),
        state=np.uint64(0),
        reach=np.empty((0, 2), np.float32),
    )
    rates = Rates(*map(np.float32, (RATES[0], RIDGES[0], RATES[1], RIDGES[1])))
    if implicit:
        errors = svdpp_bucket(pairs, P, Q, Z, G, np.float32(MEAN), rates)
    else:
        errors = svd_bucket(pairs, P, Q, np.float32(MEAN), rates)
    factors = task.P.shape[1] - 2
    return narrow(P, factors), narrow(Q, factors), G[:, :factors].astype(np.float64), errors


both = pytest.mark.parametrize("implicit", [False, True])


@both
@settings(max_examples=60)
@given(task=buckets())
def test_steps_are_those_of_the_textbook_in_order(task: Bucket, implicit: bool) -> None:
    P, Q, Z = task.P.copy(), task.Q.copy(), task.Z if implicit else np.zeros_like(task.Z)
    G, squares = np.zeros_like(P), 0.0
    for k in reference.in_turn(len(task.users)):
        u, i = task.users[k], task.members[task.items[k]]
        q = Q[i].copy()
        error = reference.svd_step(P[u], Q[i], task.ratings[k], Z[u], MEAN, RATES, RIDGES)
        G[u] += error * q
        squares += error**2
    users, items, sums, errors = run(task, implicit)
    np.testing.assert_allclose(users, P, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(items, Q, rtol=1e-4, atol=1e-5)
    assert errors == pytest.approx(squares, rel=1e-4, abs=1e-5)
    if implicit:
        np.testing.assert_allclose(sums, G[:, :-2], rtol=1e-4, atol=1e-4)


@both
def test_one_step_goes_down_the_numerical_gradient(implicit: bool) -> None:
    task = bucket(1, 3, 4, 5, seed=7)
    u, i, r = task.users[0], task.members[task.items[0]], task.ratings[0]
    z = task.Z[u] if implicit else np.zeros(7)
    users, items, _, _ = run(task, implicit)
    h = 1e-5

    def slope(side: int, f: int) -> float:
        values = []
        for sign in (1, -1):
            rows = [task.P[u].copy(), task.Q[i].copy()]
            rows[side][f] += sign * h
            values.append(reference.step_objective(*rows, r, z, MEAN, RIDGES))
        return (values[0] - values[1]) / (2 * h)

    for side, before, after, constant in ((0, task.P[u], users[u], 6), (1, task.Q[i], items[i], 5)):
        for f in range(7):
            if f == constant:
                assert after[f] == 1
            else:
                assert (before[f] - after[f]) / RATES[f > 4] == pytest.approx(slope(side, f), rel=1e-3, abs=1e-4)
    untouched = np.arange(3) != u
    np.testing.assert_array_equal(users[untouched], task.P.astype(np.float32)[untouched])
