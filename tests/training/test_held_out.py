"""Values are chosen by a few pairs that are held out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

import tastemap as tm
from reference import held_out as reference
from tastemap import parallel
from tastemap.training import held_out
from tastemap.training.held_out import Score, choose
from tastemap.typing import Floats, RowNumbers

Array = npt.NDArray[Any]
POWERS = [1.0, -1.0, 0.0, 3.0]


def draw(n_users: int = 260, n_items: int = 70, tilt: float = 0.0, seed: int = 0) -> Array:
    """Return who has what: bool, (n_users, n_items); with a tilt some items are had by many."""
    rng = np.random.default_rng(seed)
    popular = (1 + np.arange(n_items)) ** -tilt
    return rng.random((n_users, n_items)) < 0.4 * rng.random((n_users, 1)) * popular / popular.mean()


def pairs_of(here: Array) -> tm.Interactions:
    return tm.Interactions.from_csr(sp.csr_array(here.astype(np.float32)))


def by_owners(rest: Array, power: float) -> Array:
    """Return scores of a model of the owners of items, the same for everybody."""
    return np.tile(np.maximum(rest.sum(axis=0), 0.5) ** power, (len(rest), 1)).astype(np.float32)


def learn(values: list[float]) -> Any:
    def learn_from(rest: tm.Interactions) -> Score:
        here = rest.to_csr().toarray() > 0

        def score(people: RowNumbers) -> Iterator[Floats]:
            for value in values:
                yield by_owners(here, value)[people]

        return score

    return learn_from


@pytest.mark.parametrize("tilt", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("most", [1000, 210])
def test_the_choice_is_that_of_a_plain_loop(tilt: float, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "MOST_USERS", most)
    monkeypatch.setattr(held_out, "BLOCK_USERS", 7)
    here = draw(tilt=tilt)
    data = pairs_of(here)
    held = held_out._hold_out(data)
    assert held is not None
    assert np.array_equal(held, reference.hold_out(here, most)[here])
    expected = reference.measure(here, POWERS, most, by_owners, data.items.tie_order)
    measured = held_out._measure(data.pick(~held), data.pick(held), learn(POWERS)(data.pick(~held)), len(POWERS))
    np.testing.assert_allclose(measured, expected, rtol=1e-12)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        values = [POWERS[v] for v in order]
        assert choose(data, values, learn(values)) == reference.choose(values, expected[order])


def test_what_many_have_is_found_where_few_items_are_had_by_many() -> None:
    assert choose(pairs_of(draw(tilt=1.0)), [-1.0, 1.0], learn([-1.0, 1.0])) == 1.0


def test_the_first_value_stays_where_no_other_is_surely_better() -> None:
    here = pairs_of(draw(tilt=1.0))
    assert choose(here, [1.0, 2.0], learn([1.0, 2.0])) == 1.0  # the same lists
    assert choose(here, [1.0, -1.0], learn([1.0, -1.0])) == 1.0  # worse ones
    nothing = pairs_of(draw())
    assert choose(nothing, [0.0, 1.0, -1.0, 3.0], learn([0.0, 1.0, -1.0, 3.0])) == 0.0


@pytest.mark.parametrize(("n_users", "items"), [(199, 70), (260, 4), (260, 500_001)], ids=["users", "pairs", "items"])
def test_nothing_is_learned_where_there_are_too_few_users_or_too_many_items(n_users: int, items: int) -> None:
    W = sp.csr_array(np.ones((n_users, min(items, 10)), np.float32))
    W.resize(n_users, items)

    def refuse(rest: tm.Interactions) -> Score:
        raise AssertionError

    assert choose(tm.Interactions.from_csr(W), [1.0, 2.0], refuse) == 1.0


def test_the_order_of_the_pairs_as_given_and_the_threads_change_nothing() -> None:
    here = draw(tilt=0.3)
    users, items = np.nonzero(here)
    order = np.random.default_rng(1).permutation(len(users))
    ids = tm.Interactions.from_csr(sp.csr_array(here.astype(np.float32)))
    shuffled = tm.Interactions.from_frame(
        {"user": users[order], "item": items[order]}, user="user", item="item", users=ids.users, items=ids.items
    )
    measured = []
    for data, n in ((ids, 1), (ids, 3), (shuffled, 2)):
        held = held_out._hold_out(data)
        assert held is not None
        kept, test = data.pick(~held[data.input_order]), data.pick(held[data.input_order])
        with parallel.threads(n):
            measured.append(held_out._measure(kept, test, learn(POWERS)(kept), len(POWERS)))
    assert np.array_equal(measured[0], measured[1])
    assert np.array_equal(measured[0], measured[2])
