"""What a model can do, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What a model can do. Its class declares it once, for tables, tests and all code that handles any model.

    features : takes features of users and items
    ratings : `predict` returns ratings, on the scale of the weights; else its scores only rank
    similar_items, similar_users : finds similar items, finds similar users
    explains : "exact" if the contributions and the baseline add up to the score, "leave-one-out", or None
    folds_in_exactly : a new user with the history of a known user gets the scores of that user, up to rounding
    epochs : trains in epochs; its parameter `epochs` is their number
    squares_items : memory and time grow with the square of the number of items
    weighs_pairs : a pair counts in proportion to its weight, so that a few very large weights decide what is learned
    uses_order : the order of a history counts, and where it has times these: what is newer counts otherwise
    """

    features: bool = False
    ratings: bool = False
    similar_items: bool = False
    similar_users: bool = False
    explains: Literal["exact", "leave-one-out"] | None = None
    folds_in_exactly: bool = False
    epochs: bool = False
    squares_items: bool = False
    weighs_pairs: bool = True
    uses_order: bool = False
