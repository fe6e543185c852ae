"""Nearest neighbours of vectors at the ends of what floats hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tastemap as tm
from tastemap.ranking.similar import Space

METRICS = pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])


def space(scale: float) -> Space:
    vectors = np.array([[1, 0], [1, 1], [0, 1]], np.float32) * np.float32(scale)
    return Space(vectors, np.arange(3), np.arange(3, dtype=np.int32))


@METRICS
def test_what_floats_hold_is_compared(metric: Any) -> None:
    lists = space(1e18).nearest(np.array([0]), 2, metric)
    assert lists.rows[0].tolist() == [1, 2]
    assert np.isfinite(lists.scores).all()


@pytest.mark.parametrize("metric", ["dot", "euclidean"])
def test_what_floats_do_not_hold_is_an_error_and_never_listed(metric: Any) -> None:
    with pytest.raises(tm.DataError, match="more than 32-bit floats hold"):
        space(3e38).nearest(np.array([0]), 2, metric)
