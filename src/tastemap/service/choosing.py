"""Chooses, among models to compare, those that suit the size and density of the data, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tastemap.data.interactions import Interactions
from tastemap.models.shared.base import Model

# EASE, whose cost grows with the square of the items, takes minutes and gigabytes with more of them.
MOST_ITEMS = 10_000
# Where more of all pairs are there, EASE finds all that a graph filter finds.
SPARSE = 0.01
# With more pairs WARP and BPR take many minutes.
MOST_PAIRS = 5_000_000

ALWAYS = {
    "Popular": "what the others must beat",
    "PersonalPopular": "what a person has again and again",
    "ItemKNN": "plain reasons, quick on data of any size",
    "ImplicitALS": "factors, quick on data of any size",
}


class Choice(NamedTuple):
    """A model, whether it suits the data, and why or why not."""

    model: Model
    suits: bool
    reason: str


def choose_models(models: Sequence[Model], data: Interactions) -> list[Choice]:
    """Say for each model whether it suits the data; those without a rule suit all data."""
    return [Choice(model, *_judge(model, data)) for model in models]


def _judge(model: Model, data: Interactions) -> tuple[bool, str]:
    name = type(model).__name__
    items, pairs = f"{data.n_items:,} items", f"{len(data):,} pairs"
    density = len(data) / max(data.n_users * data.n_items, 1)
    if model.abilities.squares_items:
        if data.n_items > MOST_ITEMS:
            return False, f"which is slow with {items}"
        return True, f"{items} are few enough to solve for all at once"
    if name == "GraphFilter":
        if data.n_items > MOST_ITEMS:
            return True, f"in place of EASE with {items}"
        if density < SPARSE:
            return True, f"sparse data, of 1,000 possible pairs {1000 * density:.2g} are there"
        return False, f"which adds little to EASE where of 1,000 possible pairs {1000 * density:.2g} are there"
    if name in ("WARP", "BPR"):
        if len(data) > MOST_PAIRS:
            return False, f"which is slow with {pairs}"
        return True, f"the first places of the list, {pairs} are few enough to train long"
    return True, ALWAYS.get(name, "it suits all data")
