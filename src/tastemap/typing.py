"""The types that signatures share."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]
RowNumbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Arrays by name: what training changes, and what files hold.
Arrays = dict[str, Array]

# The library of a frame of results.
FrameKind = Literal["pandas", "polars", "pyarrow"]
