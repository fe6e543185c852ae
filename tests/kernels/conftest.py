from __future__ import annotations

import warnings
from collections.abc import Iterator

import numba
import pytest


@pytest.fixture(autouse=True)
def _wrapping_integers() -> Iterator[None]:
    # Run as plain Python (NUMBA_DISABLE_JIT=1), NumPy warns where 64-bit scalars wrap around, as kernels mean. Not
    # errstate, which threads that kernels run on do not see.
    with warnings.catch_warnings():
        if numba.config.DISABLE_JIT:
            warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)
        yield
