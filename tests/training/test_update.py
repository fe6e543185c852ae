"""How far an update moves each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.testing as npt

import tastemap as tm
from tastemap.training.update import find_paces, train_on

PAIRS = {"user": ["a"] * 8 + ["b"] * 2, "item": [*range(8), 0, 1]}


def read(user: list[str], item: list[int], weight: list[float] | None = None) -> tm.Interactions:
    frame = {"user": user, "item": item} | ({} if weight is None else {"weight": weight})
    return tm.Interactions.from_frame(frame, weight=None if weight is None else "weight")


def test_a_row_goes_as_far_as_its_share_of_new_pairs() -> None:
    before = read(**PAIRS)
    after = before.merge(read(["a", "c", "c"], [8, 0, 2]))
    users, items = find_paces(before, after)
    # One of nine pairs of "a" is new, none of "b", and "c" is new. A quarter of the epochs are run.
    npt.assert_allclose(users, [4 / 9, 0, 1])
    # One of three pairs of item 0 is new, one of two of item 2: more than a quarter. Item 8 is new.
    npt.assert_allclose(items, [1, 0, 1, 0, 0, 0, 0, 0, 1])


def test_a_pair_that_comes_again_is_new_only_with_another_weight() -> None:
    before = read(**PAIRS)
    users, items = find_paces(before, before.merge(read(["a", "b"], [0, 1], [1.0, 3.0])))
    npt.assert_allclose(users, [0, 1])
    npt.assert_allclose(items, [0, 1, 0, 0, 0, 0, 0, 0])


class Climb:
    """A task whose rows climb by 1 an epoch."""

    epochs = 10

    def start(self) -> dict[str, Any]:
        raise AssertionError("an update starts from a state of its own")

    def train_epoch(self, state: dict[str, Any], epoch: int) -> float:
        state["users"] += np.float32(1)
        return 0.0

    def rank(self, state: dict[str, Any], rows: Any, k: int) -> Any:
        raise AssertionError("an update is not watched")


def test_rows_move_at_their_paces_for_a_quarter_of_the_epochs() -> None:
    paces = np.array([0, 0.25, 1], np.float32)
    start = np.array([[0.1, 0.2]] * 3, np.float32)
    state = train_on(Climb(), {"users": start.copy()}, {"users": paces}, "")
    npt.assert_array_equal(state["users"][0], start[0])
    npt.assert_allclose(state["users"] - start, 3 * paces[:, None] * np.ones(2), rtol=1e-6)


def test_a_new_rating_of_0_is_news() -> None:
    before = tm.Interactions.from_frame({"user": [1, 1, 2], "item": [1, 2, 1], "w": [4.0, 0.0, 3.0]}, weight="w")
    after = before.merge(tm.Interactions.from_frame({"user": [2], "item": [2], "w": [0.0]}, weight="w"))
    users, items = find_paces(before, after)
    assert users.tolist() == [0, 1]
    assert items.tolist() == [0, 1]
