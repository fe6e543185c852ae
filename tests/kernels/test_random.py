from __future__ import annotations

import numpy as np
import pytest

from tastemap.kernels.random import fill_uniform, mix

MASK = 2**64 - 1


def splitmix64(state: int) -> int:
    """The output for a state, in Python's own integers (Steele, Lea and Flood, figure 17)."""
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_mix_gives_the_published_first_outputs_of_seed_zero() -> None:
    gamma = 0x9E3779B97F4A7C15
    outputs = [int(mix(np.uint64(n * gamma & MASK))) for n in range(3)]
    assert outputs == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@pytest.mark.parametrize("state", [0, 1, 2**32, 2**63, 2**64 - 1, 0x123456789ABCDEF])
def test_mix_is_splitmix64(state: int) -> None:
    assert int(mix(np.uint64(state))) == splitmix64(state)


def filled(shape: tuple[int, int], state: int = 7, deviation: float = 0.5) -> np.ndarray:
    out = np.empty(shape, np.float32)
    fill_uniform(out, np.uint64(state), deviation)
    return out


def test_fill_uniform_is_a_function_of_the_state_and_the_place() -> None:
    numbers = filled((2, 3), state=2**64 - 2).ravel()
    units = [(splitmix64((2**64 - 2 + j) & MASK) >> 11) * 2.0**-53 for j in range(6)]
    assert numbers.tolist() == [float(np.float32((2 * unit - 1) * (0.5 * 3**0.5))) for unit in units]


def test_fill_uniform_does_not_depend_on_the_shape() -> None:
    flat = filled((1, 60)).ravel()
    for shape in ((60, 1), (12, 5), (5, 12)):
        np.testing.assert_array_equal(filled(shape).ravel(), flat)


def test_fill_uniform_has_the_mean_and_deviation_asked_for() -> None:
    numbers = filled((100, 40), deviation=0.25).astype(np.float64)
    n = numbers.size
    assert abs(numbers.mean()) < 4 * 0.25 / n**0.5
    assert numbers.std() == pytest.approx(0.25, rel=0.03)
    assert np.abs(numbers).max() <= 0.25 * 3**0.5
    assert len(np.unique(numbers)) > 0.99 * n
