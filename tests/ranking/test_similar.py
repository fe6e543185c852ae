"""Nearest neighbours of vectors: what is turned and trusted, and vectors at the ends of what floats hold."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

import tastemap as tm
from reference import similar as reference
from tastemap.ranking.similar import Closeness, Space, find_trust, find_turns

METRICS = pytest.mark.parametrize("metric", get_args(Closeness))


def space(scale: float) -> Space:
    vectors = np.array([[1, 0], [1, 1], [0, 1]], np.float32) * np.float32(scale)
    turn, _ = find_turns(vectors, np.ones(3, np.int64))
    return Space(vectors, np.arange(3), np.arange(3, dtype=np.int32), turn)


@METRICS
def test_what_floats_hold_is_compared(metric: Any) -> None:
    lists = space(1e18).nearest(np.array([0]), 2, metric)
    assert lists.rows[0].tolist() == [1, 2]
    assert np.isfinite(lists.scores).all()


@pytest.mark.parametrize("metric", ["cosine", "plain_cosine"])
def test_cosines_do_not_depend_on_the_scale(metric: Any) -> None:
    small, large = (space(scale).nearest(np.arange(3), 2, metric) for scale in (1e-30, 1e18))
    np.testing.assert_array_equal(small.rows, large.rows)
    np.testing.assert_allclose(small.scores, large.scores, atol=1e-6)


@pytest.mark.parametrize("metric", ["dot", "euclidean"])
def test_what_floats_do_not_hold_is_an_error_and_never_listed(metric: Any) -> None:
    with pytest.raises(tm.DataError, match="more than 32-bit floats hold"):
        space(3e38).nearest(np.array([0]), 2, metric)


# -- turning -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 40])
def test_turns_are_those_of_the_formula(n: int) -> None:
    rng = np.random.default_rng(n)
    items, n_pairs = rng.normal(size=(n, 6)).astype(np.float32), rng.integers(0, 9, n)
    items[1:2] = 0
    n_pairs[0] = 4
    for mine, expected in zip(find_turns(items, n_pairs), reference.turns(items, n_pairs), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-6, atol=1e-8)


def test_the_product_of_turned_users_and_items_is_the_score() -> None:
    rng = np.random.default_rng(0)
    items, users = rng.normal(size=(30, 6)), rng.normal(size=(20, 6))
    of_items, of_users = find_turns(items.astype(np.float32), np.full(30, 3))
    np.testing.assert_allclose((users @ of_users) @ (items @ of_items).T, users @ items.T, atol=1e-9)


def test_turned_items_lie_along_all_directions_alike() -> None:
    # All share a long first factor, as items do where popularity is one: plain cosines are then near 1.
    vectors = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    vectors[:, 0] += 20
    turned = vectors @ find_turns(vectors, np.ones(500, np.int64))[0]
    lengths = np.linalg.norm(turned, axis=1)
    scatter = np.linalg.eigvalsh(turned.T @ turned / (lengths @ lengths))
    assert np.linalg.eigvalsh(vectors.T @ vectors / (vectors**2).sum())[-1] > 0.97
    assert scatter[-1] < 0.65


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_more_factors_than_rank_and_items_all_alike_have_finite_neighbours(rank: int) -> None:
    rng = np.random.default_rng(rank)
    vectors = (rng.normal(size=(9, rank)) @ rng.normal(size=(rank, 6))).astype(np.float32)
    turn, _ = find_turns(vectors, np.ones(9, np.int64))
    lists = Space(vectors, np.arange(9), np.arange(9, dtype=np.int32), turn).nearest(np.arange(9), 8, "cosine")
    assert (lists.counts == 8).all()
    assert (np.abs(lists.scores) <= 1 + 1e-6).all()
    if rank < 2:  # all lie along one line, or nowhere
        np.testing.assert_allclose(np.abs(lists.scores), rank, atol=1e-5)


def test_items_without_a_training_pair_do_not_turn_the_others() -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    n_pairs = np.array([2] * 6 + [0] * 3)
    for mine, expected in zip(find_turns(vectors, n_pairs), find_turns(vectors[:6], n_pairs[:6]), strict=True):
        np.testing.assert_array_equal(mine, expected)


# -- trust -------------------------------------------------------------------------------------------------------------


def test_half_of_a_cosine_counts_with_three_pairs_and_features_are_three() -> None:
    n_pairs = np.array([0, 1, 3, 57, 0, 3])
    described = np.array([False, False, False, False, True, True])
    assert find_trust(n_pairs, None).tolist() == [0, 1 / 4, 1 / 2, 0.95, 0, 1 / 2]
    assert find_trust(n_pairs, described).tolist() == [0, 1 / 4, 1 / 2, 0.95, 1 / 2, 2 / 3]


def test_of_two_neighbours_alike_the_one_more_people_have_is_nearer() -> None:
    vectors = np.array([[1, 1], [1, 1], [1, 1], [1, -1]], np.float32)
    n_pairs = np.array([1, 2, 20, 3])
    turn, _ = find_turns(vectors, n_pairs)
    near = Space(vectors, np.arange(4), np.arange(4, dtype=np.int32), turn, find_trust(n_pairs, None))
    lists = near.nearest(np.array([0, 2]), 2, "cosine")
    assert lists.rows.tolist() == [[2, 1], [1, 0]]
    np.testing.assert_allclose(lists.scores, [[20 / 23, 2 / 5], [2 / 5, 1 / 4]], rtol=1e-6)
