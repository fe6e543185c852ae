from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tastemap.kernels.lists import PLACED, UNORDERED, place_rows

ROWS = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 5), st.sampled_from([0.0, 1.0, 2.0])), max_size=12)


def naive(rows: list[tuple[int, int, float]], places: int) -> tuple[int, list[list[int]]]:
    """Place row by row; stop at the first row that is out of order or repeated."""
    lists: list[list[int]] = [[] for _ in range(4)]
    last: dict[int, float] = {}
    before = None
    for j, (who, item, order) in enumerate(rows):
        if who >= 0 and who != before and lists[who]:
            return UNORDERED, []
        if who >= 0:
            if who == before and order < last[who]:
                return UNORDERED, []
            if item in lists[who]:
                return j, []
            lists[who].append(item)
            last[who] = order
        before = who
    return PLACED, [(items + [-1] * places)[:places] for items in lists]


@given(ROWS, st.integers(1, 4))
def test_rows_are_placed_as_they_come(rows: list[tuple[int, int, float]], places: int) -> None:
    who, items, order = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    lists, counts = np.full((4, places), -1, np.int32), np.zeros(4, np.int64)
    found = place_rows(
        np.array(who, np.int64),
        np.array(items, np.int64),
        np.array(order, np.float64),
        lists,
        counts,
        np.zeros(6, np.int64),
    )
    expected, placed = naive(rows, places)
    assert found == expected
    if found == PLACED:
        assert lists.tolist() == placed
        assert counts.tolist() == [who.count(row) for row in range(4)]
