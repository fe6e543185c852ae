from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tastemap as tm
from tastemap.training import inverse
from tastemap.training.inverse import Symmetric, invert

Array = npt.NDArray[Any]


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inverse, "TILE", 16)


def positive_definite(n: int) -> Array:
    random = np.random.default_rng(n).standard_normal((n, n + 3))
    whole: Array = random @ random.T + np.eye(n)
    return whole


def halved(whole: Array) -> Symmetric:
    """Return the matrix by its lower half, and NaN in the upper half of the tiles on the diagonal."""
    A = Symmetric(len(whole))
    for block, rows in zip(A.blocks, A.rows, strict=True):
        rows[:] = np.where(np.tri(len(whole), dtype=bool), whole, np.nan)[block, : block.stop]
    return A


def lower(A: Symmetric) -> Array:
    n = A.blocks[-1].stop
    whole = np.zeros((n, n))
    for block, rows in zip(A.blocks, A.rows, strict=True):
        whole[block, : block.stop] = rows
    return np.tril(whole)


@pytest.mark.parametrize("n", [1, 5, 16, 17, 48, 71])
def test_the_lower_half_becomes_minus_that_of_the_inverse(n: int) -> None:
    whole = positive_definite(n)
    A = halved(whole)
    steps = []
    invert(A, lambda: steps.append(1))
    np.testing.assert_allclose(lower(A), -np.tril(np.linalg.inv(whole)), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(A.diagonal(), np.diag(lower(A)))
    assert len(steps) == len(A.blocks)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    results = []
    for threads in (1, 2, 5):
        A = halved(positive_definite(150))
        with tm.threads(threads):
            invert(A)
        results.append(lower(A))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("smallest", [0.0, -1.0, 1e-13])
def test_a_matrix_that_has_no_inverse_to_trust_is_refused(smallest: float) -> None:
    whole = positive_definite(40)
    values, vectors = np.linalg.eigh(whole)
    values[0] = smallest * values[-1]
    with pytest.raises(np.linalg.LinAlgError):
        invert(halved(vectors * values @ vectors.T))
