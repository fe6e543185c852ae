from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from tastemap.data._pairs import freeze
from tastemap.kernels.core.random import exponential, fill_uniform, mix, race, states_of_rows, states_of_sets

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
    fill_uniform(out, out.shape[1], np.uint64(state), deviation)
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


def uniform(bits: int) -> Fraction:
    return Fraction(2 * (bits >> 12) + 1, 2**53)


@pytest.mark.parametrize(
    "bits", [0, 2**12, 2**63 - 1, 2**63, 2**63 + 2**62, 2**64 - 2**13, 2**64 - 1, *range(3, 99, 7)]
)
def test_exponential_numbers_are_logarithms_of_uniform_ones(bits: int) -> None:
    bits = bits if bits > 99 else int(mix(np.uint64(bits)))
    u = uniform(bits)
    assert 0 < u < 1
    exact = -math.log(u) if u < 0.9 else -math.log1p(float(u - 1))
    assert exponential(np.uint64(bits)) == pytest.approx(exact, rel=1e-15)
    plain = getattr(exponential, "py_func", exponential)
    assert exponential(np.uint64(bits)) == plain(np.uint64(bits)), "no operation is fused or reordered"


def test_exponential_numbers_have_mean_and_deviation_one() -> None:
    numbers = np.array([exponential(np.uint64(mix(np.uint64(n)))) for n in range(20_000)])
    assert numbers.min() > 0
    assert numbers.mean() == pytest.approx(1, abs=4 / np.sqrt(20_000))
    assert numbers.std() == pytest.approx(1, abs=4 * np.sqrt(2 / 20_000))


def test_who_arrives_first_depends_on_the_pair_alone() -> None:
    states, rates = np.arange(4, dtype=np.uint64), np.array([0.0, 1.0, 2.5, 7.0, 1.0])
    whole = np.empty((4, 5), np.float32)
    race(states, rates, np.arange(5), whole)
    assert (whole[:, 0] == 0).all()
    assert (whole[:, 1:] > 0).all()
    part = np.empty((2, 2), np.float32)
    race(states[1:3], rates, np.array([2, 4]), part)
    np.testing.assert_array_equal(part, whole[1:3][:, [2, 4]])


def test_a_set_has_one_state() -> None:
    indptr, indices = np.array([0, 0, 1, 3, 5, 6]), np.array([4, 4, 9, 4, 9, 9], np.int32)
    states = np.empty(5, np.uint64)
    states_of_sets(freeze(indptr), freeze(indices), np.uint64(3), states)
    assert states[2] == states[3]
    assert len(set(states.tolist())) == 4
    rows = np.empty(9, np.uint64)
    states_of_rows(np.uint64(3), rows)
    assert len(set(rows.tolist())) == 9
