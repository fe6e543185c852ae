"""The steps of BPR and WARP against plain loops and against the gradient of what they minimise."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import pairwise as reference
from tastemap.kernels.core.simd import LANES, allocate
from tastemap.kernels.pairwise import Rule, bpr_bucket, draw_negative, measure_reach, step, warp_bucket
from tastemap.kernels.sgd import Bucket

Array = npt.NDArray[Any]


class Case:
    """One bucket with users and items in both forms: padded float32 rows, and the reference's vectors."""

    def __init__(self, seed: int, n_users: int, n_items: int, factors: int, *, with_means: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.factors, self.width = factors, -(-(factors + 3) // LANES) * LANES
        # The block holds some of the items, in an order of its own.
        n_members = max(1, n_items - 2)
        self.members = rng.permutation(n_items)[:n_members].astype(np.int32)
        has = rng.random((n_users, n_members)) < 0.4
        has[0] = True  # one user leaves no negative
        users = rng.permutation(n_users)
        self.users = np.concatenate([np.full(has[u].sum(), u) for u in users]).astype(np.int32)
        self.items = np.concatenate([rng.permutation(np.flatnonzero(has[u])) for u in users]).astype(np.int32)
        self.values = rng.choice([0.5, 1.0, 2.0], len(self.users)).astype(np.float32)
        self.P, self.Q = allocate(n_users, self.width), allocate(n_items, self.width)
        for rows in (self.P, self.Q):
            rows[:] = 0
            rows[:, :factors] = rng.normal(scale=0.5, size=(len(rows), factors))
        self.P[:, factors] = 1
        self.Q[:, factors] = rng.normal(scale=0.5, size=n_items)
        self.P[:, factors + 1] = rng.uniform(0.5, 2, n_users)
        self.Q[:, factors + 2] = rng.uniform(0.5, 2, n_items)
        self.means_p, self.means_q = (np.zeros((n, self.width), np.float32) for n in (n_users, n_items))
        if with_means:
            self.means_p[:, :factors] = rng.normal(size=(n_users, factors))
            self.means_q[:, : factors + 1] = rng.normal(size=(n_items, factors + 1))
        self.learned_p, self.learned_q = np.zeros(self.width, np.float32), np.zeros(self.width, np.float32)
        self.learned_p[:factors] = self.learned_q[: factors + 1] = 1
        self.state = np.uint64(rng.integers(0, 2**63))

    def rule(self, *, with_means: bool, learn_items: bool = True) -> Rule:
        none = np.empty((0, self.width), np.float32)
        return Rule(
            rate=np.float32(0.1),
            fall=np.float32(0.002),
            ridge_p=np.float32(0.03),
            ridge_q=np.float32(0.05),
            means_p=self.means_p if with_means else none,
            means_q=self.means_q if with_means else none,
            learned_p=self.learned_p,
            learned_q=self.learned_q,
            squares=self.factors + 1,
            learn_items=learn_items,
        )

    @property
    def bucket(self) -> Bucket:
        return Bucket(0, self.users, self.items, self.values, self.members, self.state, np.empty((0, 2), np.float32))

    def sides(self) -> tuple[reference.Side, reference.Side]:
        f = self.factors
        no_biases = np.zeros(len(self.P))
        return (
            reference.Side(self.P[:, :f], no_biases, self.P[:, f + 1]),
            reference.Side(self.Q[:, :f], self.Q[:, f], self.Q[:, f + 2]),
        )

    def expected(self, name: str, *more: Any, popular: bool = False) -> tuple[Any, ...]:
        users, items = self.sides()
        f = self.factors
        draws = reference.Draws(len(self.members), int(self.state), self.items if popular else None)
        means = self.means_p[:, :f], self.means_q[:, :f], self.means_q[:, f]
        rule = 0.1, 0.002, (0.03, 0.05), means
        arguments = self.users, self.items, self.values, self.members, users, items, draws, *rule
        return users, items, *getattr(reference, name)(*arguments, *more)

    def assert_rows(self, users: reference.Side, items: reference.Side) -> None:
        f = self.factors
        close = {"rtol": 2e-4, "atol": 2e-5}
        np.testing.assert_allclose(self.P[:, :f], users.factors, **close)
        np.testing.assert_allclose(self.P[:, f + 1], users.squares, **close)
        np.testing.assert_allclose(self.Q[:, :f], items.factors, **close)
        np.testing.assert_allclose(self.Q[:, f], items.biases, **close)
        np.testing.assert_allclose(self.Q[:, f + 2], items.squares, **close)
        assert (self.P[:, f] == 1).all()
        for rows, learned in ((self.P, f + 2), (self.Q, f + 3)):
            assert not rows[:, learned:].any()


shapes = {
    "seed": st.integers(0, 1000),
    "n_users": st.integers(1, 6),
    "n_items": st.integers(3, 9),
    "factors": st.sampled_from([1, 5, 14, 20]),
    "with_means": st.booleans(),
}


@given(**shapes, popular=st.booleans())
def test_bpr_takes_the_steps_of_the_reference(popular: bool, with_means: bool, **shape: int) -> None:
    case = Case(**shape, with_means=with_means)
    users, items, loss, skipped = case.expected("bpr_bucket", popular=popular)
    counted = np.zeros(1, np.int64)
    got = bpr_bucket(case.bucket, case.P, case.Q, case.rule(with_means=with_means), counted, case.items, popular)
    case.assert_rows(users, items)
    assert got == pytest.approx(loss, rel=1e-4)
    assert counted[0] == skipped >= 1


@given(**shapes, most=st.sampled_from([1, 7, 8, 13, 40]))
def test_warp_takes_the_steps_of_the_reference(most: int, with_means: bool, **shape: int) -> None:
    case = Case(**shape, with_means=with_means)
    rank_weights = np.linspace(2, 0.5, most + 1).astype(np.float32)
    users, items, loss, skipped = case.expected("warp_bucket", rank_weights)
    counted = np.zeros(1, np.int64)
    got = warp_bucket(case.bucket, case.P, case.Q, case.rule(with_means=with_means), counted, rank_weights)
    case.assert_rows(users, items)
    assert got == pytest.approx(loss, rel=1e-4, abs=1e-6)
    assert counted[0] == skipped >= 1


@pytest.mark.parametrize(("by_popularity", "shares"), [(False, [0.25] * 4), (True, [0.1, 0.2, 0.3, 0.4])])
def test_negatives_are_drawn_as_often_as_they_should_be(by_popularity: bool, shares: list[float]) -> None:
    items = np.repeat(np.arange(6, dtype=np.int32), [5, 10, 20, 30, 40, 1000])
    positives = np.array([1, 0, 0, 0, 0, 1], np.uint8)
    drawn, counter = [], np.uint64(0)
    for _ in range(4000):
        j, counter = draw_negative(6, items, by_popularity, positives, np.uint64(7), np.uint64(counter))
        drawn.append(j)
    counts = np.bincount(np.array(drawn)[np.array(drawn) >= 0], minlength=6)
    assert counts[[0, 5]].tolist() == [0, 0]
    np.testing.assert_allclose(counts[1:5] / counts.sum(), shares, atol=0.04)


@pytest.mark.parametrize("name", ["bpr", "warp"])
def test_folding_in_leaves_the_items(name: str) -> None:
    case = Case(3, 4, 9, 6)
    P, Q = case.P.copy(), case.Q.copy()
    rule, counted = case.rule(with_means=False, learn_items=False), np.zeros(1, np.int64)
    if name == "bpr":
        bpr_bucket(case.bucket, case.P, case.Q, rule, counted, case.items, False)
    else:
        warp_bucket(case.bucket, case.P, case.Q, rule, counted, np.ones(9, np.float32))
    np.testing.assert_array_equal(case.Q, Q)
    assert (case.P != P)[1:, : case.factors].any(axis=1).all()  # user 0 has everything


def test_a_step_is_the_gradient_of_the_objective() -> None:
    """(after - before) / rate, in float64, is minus the central difference of the loss of one triple."""
    case = Case(5, 3, 7, 6, with_means=True)
    u, i, j, f = 1, 2, 4, case.factors
    theta = np.concatenate([case.P[u, :f], case.Q[i, : f + 1], case.Q[j, : f + 1]]).astype(np.float64)
    ridge_p, ridge_q, w = np.float64(np.float32(0.03)), np.float64(np.float32(0.05)), 1.7
    mean_p, mean_i, mean_j = case.means_p[u, :f], case.means_q[i, : f + 1], case.means_q[j, : f + 1]

    def objective(theta: Array) -> float:
        p, a, b = theta[:f], theta[f : 2 * f + 1], theta[2 * f + 1 :]
        x = p @ (a - b)[:f] + a[f] - b[f]
        squares = ridge_p * ((p - mean_p) ** 2).sum()
        squares += ridge_q * (((a - mean_i) ** 2).sum() + ((b - mean_j) ** 2).sum())
        return float(w * np.logaddexp(0, -x) + squares / 2)

    h = 1e-6
    slopes = np.array([(objective(theta + h * e) - objective(theta - h * e)) / (2 * h) for e in np.eye(len(theta))])
    p, a, b = theta[:f], theta[f : 2 * f + 1], theta[2 * f + 1 :]
    pull = np.float32(w / (1 + np.exp(p @ (a - b)[:f] + a[f] - b[f])))
    before = case.P.astype(np.float64), case.Q.astype(np.float64)
    rule = case.rule(with_means=True)
    squares = case.P[u, f + 1], case.Q[i, f + 2], case.Q[j, f + 2]
    step(case.P, u, case.Q, i, j, pull, rule.rate, rule)
    lengths = [np.float64(rule.rate) / np.sqrt(np.float64(s)) for s in squares]
    moved = [
        (case.P[u, :f] - before[0][u, :f]) / lengths[0],
        (case.Q[i, : f + 1] - before[1][i, : f + 1]) / lengths[1],
        (case.Q[j, : f + 1] - before[1][j, : f + 1]) / lengths[2],
    ]
    np.testing.assert_allclose(np.concatenate(moved), -slopes, rtol=1e-4, atol=1e-5)


@given(
    seed=st.integers(0, 1000),
    factors=st.sampled_from([1, 5, 14, 20, 61]),
    size=st.sampled_from([1e-12, 1e-3, 1, 1e4, 1e15]),
    bias=st.sampled_from([0, 1e-6, 1, 1e6]),
)
def test_no_score_is_beyond_what_is_said_of_its_item(seed: int, factors: int, size: float, bias: float) -> None:
    """Rows that are parallel to the user's come as near the bound as can be."""
    case = Case(seed, 3, 9, factors)
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=factors)
    case.P[:, :factors] = rng.choice([-1, 1], (3, 1)) * direction
    case.Q[:, :factors] = rng.uniform(0, size, (9, 1)) * direction
    case.Q[:, factors] = bias * rng.normal(size=9)
    reach = np.empty((len(case.members), 2), np.float32)
    measure_reach(case.Q, case.members, case.rule(with_means=False), reach)
    P, Q = case.P[:, : factors + 1], case.Q[case.members, : factors + 1]
    scores = (P[:, None] * Q[None]).sum(axis=2)  # in 32 bits, as kernels add them or otherwise
    lengths = np.sqrt((P[:, :factors] ** 2).sum(axis=1))
    assert (scores <= lengths[:, None] * reach[:, 0] + reach[:, 1]).all()
    # And it is not far from what parallel rows reach.
    exact = np.abs(P[:, :factors].astype(np.float64) @ Q[:, :factors].T.astype(np.float64)) + Q[:, factors]
    np.testing.assert_allclose(
        lengths[:, None] * reach[:, 0] + reach[:, 1], exact, rtol=1e-3, atol=1e-4 * (size + bias)
    )


def test_an_item_that_grows_in_a_bucket_is_found_again() -> None:
    """What is said of an item follows its row: a step that lengthens it lets later pairs find it."""
    case = Case(11, 6, 9, 5)
    rank_weights = np.full(41, 3, np.float32)
    case.values[:] = 2
    case.Q[:, :5] *= 0.01
    users, items, loss, _ = case.expected("warp_bucket", rank_weights)
    got = warp_bucket(case.bucket, case.P, case.Q, case.rule(with_means=False), np.zeros(1, np.int64), rank_weights)
    case.assert_rows(users, items)
    assert got == pytest.approx(loss, rel=1e-4)
