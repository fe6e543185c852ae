"""The options of a model's questions beside `frame`, for overloads: only `frame` decides the type of the answer.

Each class belongs to one method of `Answers`, which documents the options and has their defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from tastemap.data.features import Features
from tastemap.ranking.similar import Closeness

OnUnknown = Literal["raise", "popular", "skip"]


class _Options(TypedDict, total=False):
    k: int
    exclude_seen: bool
    candidates: Any
    exclude: Any
    where: Any
    since: Any
    diversity: float
    at_most: Mapping[str, int] | None
    item_table: Any


class Listing(_Options, total=False):
    """The options of `recommend`."""

    on_unknown: OnUnknown


class NewListing(_Options, total=False):
    """The options of `recommend_for`."""

    weights: Any
    times: Any
    disliked: Any
    user_features: Features | None


class Taste(TypedDict, total=False):
    """The options of `explain_for`."""

    weights: Any
    times: Any
    disliked: Any


class Likeness(TypedDict, total=False):
    """The options of `similar_users`."""

    k: int
    metric: Closeness


class ItemLikeness(Likeness, total=False):
    """The options of `similar_items`."""

    candidates: Any
    min_pairs: int
    where: Any
    item_table: Any


class Audience(TypedDict, total=False):
    """The options of `users_for`."""

    k: int
    exclude_seen: bool
    candidates: Any


class SparkPairs(TypedDict, total=False):
    """The options of `fit` for a Spark frame, which `tastemap.spark.fit` documents."""

    user: str
    item: str
    weight: str | None
    duplicates: Literal["sum", "mean", "max"] | None
    history: bool
