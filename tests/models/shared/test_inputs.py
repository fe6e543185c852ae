"""The histories and exclusions of callers are translated into rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError, UnknownIdError
from tastemap.models.shared.inputs import is_frame, read_exclusions, read_histories
from tastemap.models.shared.state import State

ITEMS = IdMap(["a", "b", "c", "d"], "item")
USERS = IdMap([1, 2], "user")
STATE = State.of(Interactions.from_frame({"user": [1, 2], "item": ["a", "b"]}, users=USERS, items=ITEMS))


def read(history: Any, weights: Any = None, **options: Any) -> list[list[Any]]:
    given = {"unweighted": 1.0, "ratings": False, "may_be_empty": False, **options}
    rows, people, has_ids, recency = read_histories(history, weights, STATE, **given)
    assert recency is None
    assert (people.name, people.to_list(), has_ids) == ("history", list(range(len(rows.counts))), False)
    assert [array.dtype for array in rows] == [np.int64, np.int32, np.float32]
    return [array.tolist() for array in rows]


@pytest.mark.parametrize(
    "history", [["c", "a"], ("c", "a"), pl.Series(["c", "a"]), np.array(["c", "a"]), {"c": 1, "a": 1}, [["c", "a"]]]
)
def test_a_history_of_one_is_a_row_in_the_order_of_the_items(history: Any) -> None:
    assert read(history) == [[0, 2], [0, 2], [1, 1]]


def test_each_of_many_has_a_row_and_weights_of_its_own() -> None:
    assert read([["d"], {"b": 2, "a": 3}, ["c"]]) == [[0, 1, 3, 4], [3, 0, 1, 2], [1, 3, 2, 1]]
    assert read([["d"], ["b", "a"]], [None, [2, 3]], unweighted=4.0) == [[0, 1, 3], [3, 0, 1], [4, 3, 2]]
    assert read("b", [5]) == [[0, 1], [1], [5]]
    assert read([], may_be_empty=True) == [[0, 0], [], []]
    assert read({"a": -1}, ratings=True) == [[0, 1], [0], [-1]]


@pytest.mark.parametrize(
    ("history", "weights", "error", "message"),
    [
        ([], None, DataError, "the history is empty"),
        (["a", "x"], None, UnknownIdError, "1 of 2 items were not in the training data: 'x'"),
        (["a", "a"], None, DataError, "each item once"),
        (["a", "b"], [1], ValueError, "as many as items: got 1 for 2"),
        ([["a"], ["b"]], [[1]], ValueError, "as many as histories: got 1 for 2"),
        ([["a"], ["b"]], True, ValueError, "as many as histories: got 1 for 2"),
        ({"a": 1}, [1], ValueError, "weights must be left out"),
        (["a"], ["much"], DataError, "must be numbers"),
        (["a"], [-1], DataError, "finite and not negative, got -1.0"),
        (["a"], [float("nan")], DataError, "finite and not negative, got nan"),
    ],
)
def test_a_history_that_cannot_be_read_is_refused(history: Any, weights: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        read(history, weights)


def hidden(exclude: Any, people: list[Any]) -> list[list[str]]:
    rows, at = read_exclusions(exclude, pl.Series(people), USERS, ITEMS)
    bounds = [(rows.indptr[row], rows.indptr[row + 1]) if row >= 0 else (0, 0) for row in at]
    return [ITEMS.take(rows.indices[start:end]).to_list() for start, end in bounds]


def test_items_are_hidden_from_everyone_and_unknown_ones_passed_over() -> None:
    assert hidden(["c", "a", "x", "a"], [1, 2, 3]) == [["a", "c"]] * 3
    assert hidden("b", [1]) == [["b"]]
    assert hidden([], [1]) == [[]]


def test_a_frame_hides_from_each_what_it_names_also_from_people_the_model_does_not_know() -> None:
    pairs = {"user": [2, 9, 2, 2], "item": ["d", "a", "b", "x"]}
    assert hidden(pl.DataFrame(pairs), [1, 2, 9]) == [[], ["b", "d"], ["a"]]
    assert hidden(pairs, [2]) == [["b", "d"]]


def test_a_frame_is_told_from_ids() -> None:
    assert [is_frame(values) for values in (pl.DataFrame(), {"user": []}, ["a"], "a", pl.Series())] == [
        *(True, True),
        *(False, False, False),
    ]
