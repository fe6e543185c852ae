"""What a model may be asked with, beside `frame`: the kind of the answer follows from that, whatever the others are.

Each is for the overloads of one method of `Answers`, which documents the options and has their defaults.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from tastemap.data.features import Features
from tastemap.ranking.similar import Closeness

OnUnknown = Literal["raise", "popular", "skip"]


class _Options(TypedDict, total=False):
    k: int
    exclude_seen: bool
    candidates: Any
    exclude: Any


class Listing(_Options, total=False):
    """Of `recommend`."""

    on_unknown: OnUnknown


class NewListing(_Options, total=False):
    """Of `recommend_for`."""

    weights: Any
    user_features: Features | None


class Likeness(TypedDict, total=False):
    """Of `similar_users`."""

    k: int
    metric: Closeness


class ItemLikeness(Likeness, total=False):
    """Of `similar_items`."""

    candidates: Any
