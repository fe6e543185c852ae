"""The turned cosine by the docstring of `similar_items`: plain loops in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def turns(Y: Array, n_pairs: Array) -> tuple[Array, Array]:
    """Return A^-1/2 and A^1/2 for A = C / c + (.03 + d / N) I, C the weighted scatter of the items' directions."""
    d = Y.shape[1]
    C = np.zeros((d, d))
    for y, n in zip(Y.astype(np.float64), n_pairs, strict=True):
        if n and y.any():
            C += n**0.75 * np.outer(y, y) / (y @ y)
    A = C / (np.trace(C) / d) + (0.03 + d / np.count_nonzero(n_pairs)) * np.eye(d)
    values, axes = np.linalg.eigh(A)
    root = axes @ np.diag(np.sqrt(values)) @ axes.T
    return np.linalg.inv(root), root


def trust(n_pairs: Array, described: Array | None = None) -> Array:
    """Return m / (m + 3) of each item."""
    m = [n + 3 * (described is not None and bool(described[j])) for j, n in enumerate(n_pairs)]
    return np.array([each / (each + 3) for each in m])
