"""What a model can do, said once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What a model can do: declared once, on its class, for tables, tests and everything that treats models alike.

    features : takes features of users and items
    ratings : `predict` returns ratings, on the scale of the weights; else its scores only rank
    similar_items, similar_users : finds what is like an item, who is like a user
    explains : "exact", where the contributions to a score and the baseline add up to it, "leave-one-out" or None
    folds_in_exactly : somebody known by the history of a user gets that user's scores, to a rounding
    epochs : trains in epochs, as many as its parameter `epochs` says
    squares_items : memory and time grow with the square of the number of items
    """

    features: bool = False
    ratings: bool = False
    similar_items: bool = False
    similar_users: bool = False
    explains: Literal["exact", "leave-one-out"] | None = None
    folds_in_exactly: bool = False
    epochs: bool = False
    squares_items: bool = False
