"""What defaults are found from where the pairs themselves may be on other machines: numbers of pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from tastemap.data._pairs import count_rows, sum_rows
from tastemap.data.interactions import Interactions
from tastemap.typing import Counts, Doubles


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
        of_users = interactions.by_user.counts
        # Not those of by_item, which stays with the interactions: models that do not learn by item would keep it.
        of_items = count_rows(interactions.matrix.indices, len(interactions.items))
        return cls(
            of_users[of_users > 0],
            of_items[of_items > 0],
            lambda: sum_rows(interactions.by_user, power=2),
            lambda: interactions,
        )
