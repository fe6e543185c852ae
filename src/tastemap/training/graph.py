"""The graph of users and items whose edges are the pairs, normalised by how much its ends have."""

from __future__ import annotations

import numpy as np

from tastemap.data._pairs import Rows, freeze_rows, make_csr, rows_at, rows_of
from tastemap.data.interactions import Interactions
from tastemap.kernels.graph_filter import count_entries
from tastemap.typing import Counts, Doubles, Floats

# So many items tell the number of entries of all to a few hundredths.
MOST_ASKED = 512


def normalize_pairs(interactions: Interactions, damping: float) -> tuple[Rows, Floats, float]:
    """Return R by user, a_i, float32 (n_items,), and s_0, as `GraphFilter` explains them."""
    pairs, users = interactions.by_user, interactions.row_of_pair()
    w = pairs.data.astype(np.float64)
    (of_users, f_u), (of_items, f_i) = (
        _damp(np.bincount(rows, w, n).astype(np.float64), damping)
        for rows, n in zip((users, pairs.indices), interactions.shape, strict=True)
    )
    del users
    scales = np.repeat(of_users, pairs.counts)
    scales *= of_items[pairs.indices]
    w /= scales
    R = freeze_rows(pairs._replace(data=w.astype(np.float32)))
    return R, of_items.astype(np.float32), np.sqrt(f_u) + np.sqrt(f_i)


def estimate_entries(by_item: Rows, by_user: Rows, most: int | None = None) -> int:
    """Return how many pairs of items share a user, an item with itself among them: exact for few items.

    by_item, by_user : the pairs
    most : of each item no more count, and not itself; None counts all

    Of many items, one of every so many in the order of the histories of their users is looked at.
    """
    reach = find_reach(by_item, by_user.counts)
    n = int(np.count_nonzero(reach))
    order = np.argsort(reach, kind="stable")[len(reach) - n :]
    n_asked = min(n, MOST_ASKED)
    asked = order[((np.arange(n_asked) + 0.5) * n / n_asked).astype(np.int64)]
    # The kernel takes as many rows as there are items.
    places = np.full(len(reach), -1)
    places[:n_asked] = asked
    counts = np.zeros(n_asked, np.int64)
    count_entries(*rows_at(by_item, places), *by_user, 0, counts)
    if most is not None:
        counts = np.minimum(counts - 1, most)
    return round(float(counts.mean()) * n)


def find_reach(by_item: Rows, activity: Counts) -> Counts:
    """Return how many pairs the users of each item have together: int64, (n_items,).

    activity : int64, (n_users,): how many each user has
    """
    reach = np.zeros(len(by_item.counts), np.int64)
    reach[by_item.has_pairs] = np.add.reduceat(activity[by_item.indices], by_item.indptr[:-1][by_item.has_pairs])
    return reach


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
