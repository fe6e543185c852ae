"""Ranking by sorting everything: score descending, then place ascending."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def scores_of(P: Array, Q: Array) -> Array:
    """Return every score, summed in float64 and rounded to float32 once."""
    return np.float32(P.astype(np.float64) @ Q.astype(np.float64).T)


def top_k(P: Array, Q: Array, k: int, hidden: Array | None, places: Array) -> list[list[tuple[int, float]]]:
    """Return a list of (row of Q, score) for each query; `hidden` is bool, (queries, rows of Q)."""
    lists = []
    for r, scores in enumerate(scores_of(P, Q)):
        order = np.lexsort((places, -scores))
        allowed = [int(i) for i in order if hidden is None or not hidden[r, i]]
        lists.append([(i, float(scores[i])) for i in allowed[:k]])
    return lists
