from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import polars as pl
import pytest

from reference import significance as reference
from tastemap.evaluation.evaluate import Evaluation
from tastemap.evaluation.significance import FLIPS, Paired, holm
from tastemap.metrics.definitions import RMSE, Metric, parse


def pair(first: list[float], second: list[float], weights: Any = 1.0) -> Paired:
    sums = np.column_stack([first, second]).astype(float)
    return Paired(sums, np.broadcast_to(weights, sums.shape).astype(float), parse("ndcg@10"))


def measured(metric: str, users: str, values: list[float], n_rated: list[int] | None = None) -> Evaluation:
    """Make an evaluation with these values of users a, b, c."""
    return Evaluation(
        metrics=(parse(metric),),
        values=np.array(values)[:, None],
        users=pl.Series("user", list(users)),
        known=np.ones(len(users), bool),
        n_without_test=0,
        n_skipped=0,
        n_unknown_items=0,
        n_left_out=0,
        n_rated=np.array(n_rated or [0] * len(users)),
        n_unrated=0,
    )


def within_chance(p: float, exact: float) -> bool:
    """Tell whether a share of FLIPS draws is within four deviations of the exact one."""
    return abs(p - exact) < 4 * sqrt(exact * (1 - exact) / FLIPS) + 1 / FLIPS


def test_p_worked_out_by_hand() -> None:
    # Differences 1, 1, 2: of the eight signs, sums of 4, 2, 2, 0, 0, -2, -2, -4. Two are as far from 0 as 4.
    assert within_chance(pair([1, 1, 2], [0, 0, 0]).p_value(), 2 / 8)
    # And of -1, 1, 2, whose sum is 2, six.
    assert within_chance(pair([0, 1, 2], [1, 0, 0]).p_value(), 6 / 8)


def test_no_difference_gives_1_and_a_clear_one_the_least_there_is() -> None:
    assert pair([0.5] * 30, [0.5] * 30).p_value() == 1
    assert pair([0.5] * 30, [0.25] * 30).p_value() == 1 / (1 + FLIPS)


@pytest.mark.parametrize("metric", [parse("ndcg@10"), RMSE()], ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_p_is_the_share_of_all_swaps(seed: int, metric: Metric) -> None:
    rng = np.random.default_rng(seed)
    n = 4 + seed
    weights = rng.integers(1, 5, (n, 2)).astype(float)  # the models do not rate the same pairs
    sums = weights * (rng.random((n, 2)) + np.array([0.0, 0.3]))
    drawn = Paired(sums, weights, metric).p_value()
    both = [[tuple(row) for row in array.tolist()] for array in (sums, weights)]
    exact = reference.exact_p(*both, isinstance(metric, RMSE))
    assert within_chance(drawn, exact)


def test_sums_that_are_equal_but_for_rounding_count_as_equal() -> None:
    # However 0.1, 0.2 and 0.3 are signed, a sum of 0 is found or missed by the last bit.
    assert within_chance(pair([0.1, 0.2, 0.0], [0.0, 0.0, 0.3]).p_value(), 1)


def test_the_order_of_the_two_models_turns_the_difference_around_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 40)).tolist()
    one, other = pair(first, second), pair(second, first)
    assert one.difference == -other.difference
    assert one.p_value() == other.p_value()
    assert one.interval() == pytest.approx([-end for end in reversed(other.interval())])


def test_another_seed_draws_otherwise() -> None:
    rng = np.random.default_rng(1)
    drawn = pair(*rng.random((2, 30)).tolist())
    assert drawn.p_value(0) != drawn.p_value(1)
    assert drawn.interval(0) != drawn.interval(1)


def test_the_interval_is_about_the_normal_one() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.random((2, 3000))
    drawn = pair(first.tolist(), second.tolist())
    low, high = drawn.interval()
    error = (first - second).std() / sqrt(3000)
    assert low < drawn.difference < high
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_users_of_both_are_paired_by_their_ids() -> None:
    first = measured("ndcg@10", "abcd", [0.1, 0.2, 0.3, np.nan])
    second = measured("ndcg@10", "dcb", [0.5, 1.0, 0.8])
    both = Paired.of(first, second, "ndcg@10")
    assert both.sums.tolist() == [[0.2, 0.8], [0.3, 1.0]]
    assert both.difference == pytest.approx((0.2 - 0.8 + 0.3 - 1.0) / 2)


def test_errors_are_pooled_over_pairs_not_users() -> None:
    first = measured("rmse", "abc", [1.0, 3.0, np.nan], [4, 1, 0])
    second = measured("rmse", "abc", [2.0, 1.0, 7.0], [3, 1, 5])
    both = Paired.of(first, second, "rmse")
    assert both.n_users == 2
    assert both.difference == pytest.approx(sqrt((4 * 1 + 1 * 9) / 5) - sqrt((3 * 4 + 1 * 1) / 4))
    first = measured("mae", "ab", [1.0, 3.0], [4, 1])
    second = measured("mae", "ab", [2.0, 1.0], [4, 1])
    assert Paired.of(first, second, "mae").difference == pytest.approx((4 + 3) / 5 - (8 + 1) / 5)


def test_holm_worked_out_by_hand() -> None:
    # .01 times 4, .03 times 3, .04 times 2 but not below the one before, .5 times 1; back in the order given.
    assert holm([0.04, 0.01, 0.5, 0.03]).tolist() == pytest.approx([0.09, 0.04, 0.5, 0.09])
    assert holm([0.6, 0.7]).tolist() == [1, 1]
    assert holm([0.03]).tolist() == [0.03]
    assert holm([]).tolist() == []


THREADS = """
    import numpy as np
    from tastemap.evaluation.significance import Paired
    from tastemap.metrics.definitions import RMSE
    rng = np.random.default_rng(0)
    paired = Paired(rng.random((501, 2)), rng.integers(1, 4, (501, 2)).astype(float), RMSE())
    print(repr(paired.p_value()), repr(paired.interval()))
"""


def test_one_two_and_five_threads_give_the_same_bits(run_python: Callable[..., str]) -> None:
    said = {run_python(THREADS, TASTEMAP_THREADS=str(n)) for n in (1, 2, 5)}
    assert len(said) == 1
