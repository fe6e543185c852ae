"""Sums of the weights of rows, in parts."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tastemap.data import _pairs
from tastemap.data._pairs import rows_of, sum_rows


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("at_once", [1, 3, 7, 1000])
def test_sums_are_those_of_the_dense_matrix(at_once: int, power: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pairs, "SUMMED_AT_ONCE", at_once)
    W = np.random.default_rng(0).integers(0, 3, (40, 9)).astype(np.float32)
    W[[0, 5, 6, 39]] = 0
    W[20] = 4
    expected = (W.astype(np.float64) ** power).sum(axis=1)
    assert sum_rows(rows_of(sp.csr_matrix(W)), power).tolist() == expected[expected > 0].tolist()


def test_there_may_be_no_pair() -> None:
    assert len(sum_rows(rows_of(sp.csr_matrix((3, 4), dtype=np.float32)))) == 0
