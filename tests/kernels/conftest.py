from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _wrapping_integers() -> Iterator[None]:
    # Run as plain Python (NUMBA_DISABLE_JIT=1), NumPy warns where 64-bit scalars wrap around, which kernels mean to.
    with np.errstate(over="ignore" if numba.config.DISABLE_JIT else "warn"):
        yield
