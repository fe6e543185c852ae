"""Arrays are compared with what is declared of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tastemap.data.specs import PART_NUMBERS, ArraySpec, find_extremes, find_fault

SPECS = {
    "starts": ArraySpec(dtype="int64", shape=("rows+1",), starts="columns"),
    "columns": ArraySpec(dtype="int32", shape=("entries",), at_least=0, below="width", rows="starts"),
    "values": ArraySpec(dtype="float32", shape=("entries", 2), above=-1),
    "ends": ArraySpec(dtype="float64", shape=(2,), ascending=True),
    "flags": ArraySpec(dtype="bool", shape=("rows",)),
}
RIGHT: dict[str, Any] = {
    "starts": np.array([0, 2, 2, 3]),
    "columns": np.array([0, 4, 1], np.int32),
    "values": np.zeros((3, 2), np.float32),
    "ends": np.array([1.0, 1.0]),
    "flags": np.array([True, False, True]),
}


def find(**changed: Any) -> str | None:
    arrays = {name: array for name, array in {**RIGHT, **changed}.items() if array is not None}
    fault = find_fault(arrays, SPECS, {"width": 5})
    return fault and f"{fault.name} {fault.problem}"


def test_what_is_as_declared_has_no_fault() -> None:
    assert find() is None
    assert find(columns=np.array([3, 4, 0], np.int32)) is None
    none = {"starts": np.zeros(4, np.int64), "columns": np.zeros(0, np.int32), "values": np.zeros((0, 2), np.float32)}
    assert find(**none) is None


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"ends": None}, "ends is missing"),
        ({"ends": [1.0, 2.0]}, "ends must be a NumPy array, got list"),
        ({"flags": np.ones(3, np.int8)}, "flags must be bool of shape (rows = 3,), got int8 of shape (3,)"),
        ({"flags": np.ones(4, bool)}, "flags must be bool of shape (rows = 3,), got bool of shape (4,)"),
        ({"flags": np.ones((), bool)}, "flags must be bool of shape (rows = 3,), got bool of shape ()"),
        ({"flags": np.array([1, 2, 0], np.uint8).view(bool)}, "flags must be true or false"),
        (
            {"values": np.zeros((2, 2), np.float32)},
            "values must be float32 of shape (entries = 3, 2), got float32 of shape (2, 2)",
        ),
        ({"values": np.full((3, 2), -1, np.float32)}, "values must be above -1, and holds -1.0"),
        ({"values": np.full((3, 2), np.nan, np.float32)}, "values holds numbers that are not finite"),
        ({"values": np.full((3, 2), np.inf, np.float32)}, "values holds numbers that are not finite"),
        ({"ends": np.array([2.0, 1.0])}, "ends must never descend"),
        ({"columns": np.array([0, 5, 1], np.int32)}, "columns must be below 5, and holds 5"),
        ({"columns": np.array([0, -1, 1], np.int32)}, "columns must be at least 0, and holds -1"),
        (
            {"columns": np.array([1, 1, 1], np.int32)},
            "columns must ascend within the rows of 'starts', each number once",
        ),
        (
            {"columns": np.array([2, 1, 1], np.int32)},
            "columns must ascend within the rows of 'starts', each number once",
        ),
        ({"starts": np.array([0, 2, 1, 3])}, "starts must never descend"),
        ({"starts": np.array([0, 1, 2, 2])}, "starts must go from 0 to 3, the length of 'columns'"),
        ({"starts": np.array([1, 1, 2, 3])}, "starts must go from 0 to 3, the length of 'columns'"),
        ({"starts": np.zeros(0, np.int64)}, "flags must be bool of shape (rows = -1,), got bool of shape (3,)"),
    ],
)
def test_the_first_fault_is_told_in_a_sentence(changed: dict[str, Any], problem: str) -> None:
    assert find(**changed) == problem


def test_a_fault_is_found_at_any_place_of_a_long_array() -> None:
    n = 2 * PART_NUMBERS + 3
    for place in (0, 1, PART_NUMBERS - 1, PART_NUMBERS, PART_NUMBERS + 1, n - 1):
        numbers = np.arange(n, dtype=np.float64)
        numbers[place] = np.nan
        assert np.isnan(find_extremes(numbers)).any()
        starts, columns = np.array([0, n]), np.arange(n, dtype=np.int32)
        columns[place] = columns[place - 1] if place else 1
        specs = {name: SPECS[name] for name in ("starts", "columns")}
        fault = find_fault({"starts": starts, "columns": columns}, specs, {"width": n})
        assert fault is not None
        assert fault.name == "columns"


def test_the_extremes_are_those_of_all_numbers() -> None:
    numbers = np.random.default_rng(0).normal(size=(PART_NUMBERS // 10, 25))
    assert find_extremes(numbers) == (numbers.min(), numbers.max())
    assert find_extremes(numbers[:, ::2]) == (numbers[:, ::2].min(), numbers[:, ::2].max())
    assert find_extremes(np.zeros((3, 0))) == (0, 0)
