"""The choice of training/held_out.py, value by value and user by user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from tastemap.kernels.core.random import mix
from tastemap.randomness import Stream, derive_state

Array = npt.NDArray[Any]


def hold_out(here: Array, most: int) -> Array:
    """Return the held-out pairs of the matrix of pairs, by the smallest of the states of users and of pairs."""
    state = derive_state(0, Stream.HELD_OUT)
    of_users = [mix(np.uint64(state) + np.uint64(u)) for u in range(len(here))]
    able = sorted((u for u in range(len(here)) if here[u].sum() >= 5), key=lambda u: int(of_users[u]))
    held = np.zeros_like(here)
    pairs = list(map(tuple, np.argwhere(here)))
    drawn = {pair: int(mix(np.uint64(of_users[0]) + np.uint64(p))) for p, pair in enumerate(pairs)}
    for u in able[:most]:
        own = sorted(np.flatnonzero(here[u]), key=lambda i: drawn[u, i])
        for i in own[: max(1, round(0.1 * len(own)))]:
            held[u, i] = True
    return held


def ndcg(scores: Array, history: Array, test: Array, places: Array) -> float:
    """Return the NDCG of the first 50 places; equal scores in the order of the items' places."""
    order = sorted(np.flatnonzero(~history), key=lambda i: (-scores[i], places[i]))[:50]
    gain = sum(1 / np.log2(place + 2) for place, item in enumerate(order) if test[item])
    return float(gain / sum(1 / np.log2(place + 2) for place in range(min(50, test.sum()))))


def measure(here: Array, values: list[Any], most: int, score: Callable[[Array, Any], Array], places: Array) -> Array:
    """Return the NDCG of each value's lists of each user with held-out pairs.

    score : takes the pairs that are not held out and a value, and returns the scores of all items for all users
    """
    held = hold_out(here, most)
    rest = here & ~held
    users = np.flatnonzero(held.any(axis=1))
    return np.array([[ndcg(score(rest, value)[u], rest[u], held[u], places) for u in users] for value in values])


def choose(values: list[Any], measured: Array) -> Any:
    """Return the first value, or the best of those that are surely better."""
    sure = -norm.ppf(0.05 / (len(values) - 1))
    best, most_gained = values[0], 0.0
    for value, own in zip(values, measured, strict=True):
        gains = own - measured[0]
        if gains.mean() > sure * gains.std() / np.sqrt(len(gains)) and gains.mean() > most_gained:
            best, most_gained = value, gains.mean()
    return best
