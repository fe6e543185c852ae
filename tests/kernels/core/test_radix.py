from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemap.kernels.core.radix import LONG, scratch, sort


@given(
    size=st.sampled_from([0, 1, 7, LONG - 1, LONG, LONG + 1, 3 * LONG]),
    spread=st.sampled_from([1e-44, 1e-3, 1.0, 3e38]),
    levels=st.sampled_from([2, 50, 10**6]),
    highest=st.sampled_from([1 << 10, 1 << 22, 2**31 - 1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_lists_are_ordered_by_score_and_of_equal_scores_by_place(
    size: int, spread: float, levels: int, highest: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # Few levels make ties; both zeros are among them.
    scores = (rng.integers(-levels, levels + 1, size) / levels * spread).astype(np.float32)
    scores[scores == 0] *= rng.choice([-1.0, 1.0], int((scores == 0).sum()))
    places = rng.permutation(np.unique(rng.integers(0, highest, size + 1, dtype=np.int64)))[:size].astype(np.int32)
    scores = scores[: len(places)]
    expected = np.lexsort((places, -scores.astype(np.float64)))
    wanted = scores[expected], places[expected]
    longer = 3  # what lies behind the list stays as it is
    given_scores, given_places = np.append(scores, [np.inf] * longer), np.append(places, [-1] * longer)
    given_scores, given_places = given_scores.astype(np.float32), given_places.astype(np.int32)
    sort(given_scores, given_places, len(places), *scratch(size + longer))
    np.testing.assert_array_equal(given_scores[: len(places)], wanted[0])
    np.testing.assert_array_equal(given_places[: len(places)], wanted[1])
    assert np.isinf(given_scores[len(places) :]).all()


@pytest.mark.parametrize("size", [LONG - 1, LONG])
def test_infinite_scores_are_first_and_last(size: int) -> None:
    scores = np.linspace(-1, 1, size).astype(np.float32)
    scores[3], scores[5] = np.inf, -np.inf
    places = np.arange(size, dtype=np.int32)
    sort(scores, places, size, *scratch(size))
    assert (places[0], places[-1]) == (3, 5)
    assert (np.diff(scores.astype(np.float64)[1:-1]) <= 0).all()
