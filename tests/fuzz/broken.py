"""A target that fails in every way that there is, for the tests of the fuzzer itself."""

from __future__ import annotations

import ctypes
import time
import warnings
from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

import tastemap as tm
from fuzz.verdict import ensure
from tastemap.errors import compose
from tastemap.testing import data as small

WAYS: dict[str, Callable[[], object]] = {
    "right": lambda: None,
    "refused": lambda: tm.Popular().fit(small.data()).recommend("nobody"),
    "told": lambda: warnings.warn(tm.TastemapWarning("rarely intended"), stacklevel=1),
    "from inside": lambda: compose("a problem", 5),
    "of another class": lambda: {}["a"],
    "of NumPy": lambda: np.float32(3e38) * np.float32(10),
    "wrong": lambda: ensure(1 > 2, "one is above two"),
    "memory": lambda: bytearray(1 << 40),
    "crash": lambda: ctypes.string_at(0),
    "hang": lambda: time.sleep(60),
}
INPUTS = st.integers(0, 1000)


def check(value: str | int) -> None:
    if isinstance(value, str):
        WAYS[value]()
    else:
        ensure(value < 100, "a number is above 99")
