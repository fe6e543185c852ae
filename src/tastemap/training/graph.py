"""The graph of users and items whose edges are the pairs, normalised by how much its ends have."""

from __future__ import annotations

import numpy as np

from tastemap.data._pairs import Rows, freeze_rows, make_csr, rows_of
from tastemap.data.interactions import Interactions
from tastemap.typing import Doubles, Floats


def normalize_pairs(interactions: Interactions, damping: float) -> tuple[Rows, Floats, float]:
    """Return R by user, a_i, float32 (n_items,), and s_0, as `GraphFilter` explains them."""
    pairs, users = interactions.by_user, interactions.row_of_pair()
    w = pairs.data.astype(np.float64)
    (of_users, f_u), (of_items, f_i) = (
        _damp(np.bincount(rows, w, n).astype(np.float64), damping)
        for rows, n in zip((users, pairs.indices), interactions.shape, strict=True)
    )
    R = (w / (of_users[users] * of_items[pairs.indices])).astype(np.float32)
    return freeze_rows(pairs._replace(data=R)), of_items.astype(np.float32), np.sqrt(f_u) + np.sqrt(f_i)


def transpose(pairs: Rows, n_columns: int) -> Rows:
    """Return the columns of a sparse matrix as rows."""
    by_column = make_csr(*pairs, n_columns).tocsc()
    return rows_of(make_csr(by_column.indptr, by_column.indices, by_column.data, len(pairs.counts)))


def _damp(sums: Doubles, damping: float) -> tuple[Doubles, float]:
    """Return sqrt(d + damping mean), 1 where there is no pair, and the mean of d / (d + damping mean) over the mean."""
    has_pairs = sums > 0
    mean = sums.sum() / np.count_nonzero(has_pairs)
    damped = np.where(has_pairs, sums + damping * mean, 1)
    return np.sqrt(damped), float((sums / damped)[has_pairs].mean() / mean)
