from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import next_item as reference
from tastemap.kernels.next_item import Past, state_rows, sum_left, target_rows

Array = npt.NDArray[Any]


class Places:
    """Users' items in order of time, once by user and once by item."""

    def __init__(self, n_users: int, n_items: int, longest: int, by_time: bool, seed: int) -> None:
        rng = np.random.default_rng(seed)
        lengths = np.minimum(rng.integers(0, longest + 1, n_users), n_items)
        self.n_items = n_items
        self.starts = np.concatenate(([0], np.cumsum(lengths)))
        own = [rng.permutation(n_items)[:length] for length in lengths]  # nobody has an item twice
        self.items = np.concatenate(own).astype(np.int32)
        ages = rng.choice([0.0, 0.25, 3.0], self.starts[-1]) if by_time else np.ones(self.starts[-1])
        self.clock = np.cumsum(ages)
        self.owners = np.repeat(np.arange(n_users), lengths).astype(np.int32)
        self.places = np.argsort(self.items, kind="stable")
        self.item_ptr = np.concatenate(([0], np.cumsum(np.bincount(self.items, minlength=n_items))))

    @property
    def past(self) -> Past:
        owners = self.owners[self.places]
        return Past(self.starts, self.items, self.clock, self.item_ptr, self.places, owners)

    @property
    def sequences(self) -> list[tuple[Array, Array]]:
        bounds = zip(self.starts[:-1], self.starts[1:], strict=True)
        return [(self.items[a:b], self.clock[a:b]) for a, b in bounds]

    def left(self, rates: Array) -> Array:
        left = np.empty((len(rates), len(rates), len(self.items)))
        for a, one in enumerate(rates):
            for b, other in enumerate(rates):
                sum_left(self.starts, self.clock, one + other, left[a, b])
        return left


@settings(max_examples=40)
@given(
    n_users=st.integers(1, 6),
    n_items=st.integers(1, 7),
    longest=st.integers(1, 9),
    by_time=st.booleans(),
    decays=st.sampled_from([[0.5], [0.3, 0.9], [1e-300, 0.8]]),
    ahead=st.sampled_from([0.0, 0.6]),
    seed=st.integers(0, 2**32),
)
def test_double_sums_over_places_are_sums_over_states(
    n_users: int, n_items: int, longest: int, by_time: bool, decays: list[float], ahead: float, seed: int
) -> None:
    data = Places(n_users, n_items, longest, by_time, seed)
    rates, m = -np.log(decays), n_items * len(decays)
    G, C = reference.equations(data.sequences, decays, ahead, n_items)
    first = seed % m
    out = np.full((m - first, m), np.nan)
    state_rows(data.past, rates, data.left(rates), first, out)
    np.testing.assert_allclose(out, np.tril(G)[first:], rtol=1e-12, atol=1e-14)
    first = seed % n_items
    out = np.full((n_items - first, m), np.nan)
    target_rows(data.past, rates, ahead, first, out)
    np.testing.assert_allclose(out, C.T[first:], rtol=1e-12, atol=1e-14)


def test_what_has_decayed_to_nothing_is_left_out_and_changes_nothing() -> None:
    # 60 places of one user, each half as old as the next: 2^-53 of the first is left after 53.
    n = 60
    data = Places(1, 1, 1, False, 0)
    data.starts, data.items, data.clock = np.array([0, n]), np.arange(n, dtype=np.int32), np.arange(n) * 1.0
    data.owners, data.places, data.item_ptr = np.zeros(n, np.int32), np.arange(n), np.arange(n + 1)
    rates = -np.log([0.5])
    G, C = reference.equations(data.sequences, [0.5], 0.5, n)
    out = np.empty((n, n))
    state_rows(data.past, rates, data.left(rates), 0, out)
    np.testing.assert_allclose(out, np.tril(G), rtol=1e-12, atol=1e-15)
    assert out[-2, 0] == 0 < G[-2, 0]
    target_rows(data.past, rates, 0.5, 0, out)
    np.testing.assert_allclose(out, C.T, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("rate", [0.0, 0.7, 800.0])
def test_what_is_left_of_a_place_is_summed_over_the_states_behind_it(rate: float) -> None:
    clock, out = np.array([0.0, 1.0, 1.0, 4.0, 9.0]), np.full(5, np.nan)
    sum_left(np.array([0, 0, 4, 5]), clock, rate, out)
    expected = [1 + np.exp(-rate) * 2, 1 + 1, 1, 0, 0]  # states before places 1, 2 and 3 of the first user
    np.testing.assert_allclose(out, expected, rtol=1e-14)
