"""What defaults are found from where the pairs themselves may be on other machines: numbers of pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np

from tastemap.data._pairs import Rows
from tastemap.data.interactions import Interactions
from tastemap.typing import Counts, Doubles

# The pairs whose weights are squared at a time.
AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Totals:
    """The totals of training pairs, and some of the pairs.

    users, items : int64, (n,): the number of pairs of each user, and of each item, that has one
    find_squares : returns the sum of the squared weights of each of these users, in any order: float64, (n,)
    draw : returns the pairs, as `learn` gets them, or so many of the users' that values can be tried on them
    """

    users: Counts
    items: Counts
    find_squares: Callable[[], Doubles]
    draw: Callable[[], Interactions]

    @cached_property
    def squares(self) -> Doubles:
        """What find_squares returns."""
        return self.find_squares()

    @property
    def pairs(self) -> int:
        """The number of pairs."""
        return int(self.users.sum())

    @classmethod
    def of(cls, interactions: Interactions) -> Self:
        """Return the totals of interactions."""
        by_user, by_item = interactions.by_user.counts, interactions.by_item.counts
        return cls(
            by_user[by_user > 0],
            by_item[by_item > 0],
            lambda: sum_squares(interactions.by_user),
            lambda: interactions,
        )


def sum_squares(rows: Rows) -> Doubles:
    """Return the sum of the squared weights of each row that has a pair, float64."""
    starts, ends = rows.indptr[:-1][rows.has_pairs], rows.indptr[1:][rows.has_pairs]
    sums = np.empty(len(starts))
    # Of all pairs at once the squares would be the largest array of some fits.
    cuts = np.unique(np.append(np.searchsorted(starts, np.arange(0, len(rows.data), AT_ONCE)), len(starts)))
    for first, last in pairwise(cuts):
        squares = rows.data[starts[first] : ends[last - 1]].astype(np.float64) ** 2
        sums[first:last] = np.add.reduceat(squares, starts[first:last] - starts[first])
    return sums
