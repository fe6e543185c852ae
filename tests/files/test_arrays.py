"""The one file format: arrays and a header. What a model makes of it is tested with the models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tastemap.errors import ModelFileError
from tastemap.files.arrays import as_json, read_arrays, write_arrays

ARRAYS = {"b": np.array([[1.5, -0.0]], np.float32), "a": np.array([2**62], np.int64), "none": np.zeros((0, 3))}


def test_arrays_and_header_come_back_bit_by_bit(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x", ARRAYS, "model", {"name": "é", "n": np.int64(3)})
    arrays, header, _ = read_arrays(tmp_path / "x", "model")
    assert header == {"format": 1, "kind": "model", "name": "é", "n": 3}
    assert {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()} == {
        name: (array.dtype, array.shape, array.tobytes()) for name, array in ARRAYS.items()
    }


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x", ARRAYS, "model", {"a": 1, "b": 2})
    reverse = dict(reversed([(name, np.asfortranarray(array)) for name, array in ARRAYS.items()]))
    write_arrays(tmp_path / "y", reverse, "model", {"b": 2, "a": 1})
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x", ARRAYS, "checkpoint", {})
    with pytest.raises(ModelFileError, match="x is a tastemap checkpoint, not a model"):
        read_arrays(tmp_path / "x", "model")


def test_json_takes_numbers_of_numpy_and_orders_names() -> None:
    assert as_json({"b": np.float32(0.5), "a": np.bool_(True)}) == '{"a": true, "b": 0.5}'
