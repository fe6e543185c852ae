"""A choice among values of a parameter by a few pairs that are held out of the training data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import NormalDist
from typing import TypeVar

import numpy as np

from tastemap import parallel
from tastemap.data._pairs import freeze
from tastemap.data.interactions import Interactions
from tastemap.kernels import ranking as kernels
from tastemap.kernels.core.random import states_of_rows
from tastemap.kernels.metrics import RANKING_METRICS
from tastemap.metrics.lists import measure_lists
from tastemap.randomness import Stream, derive_state
from tastemap.ranking.top_k import Ties
from tastemap.typing import Doubles, Flags, Floats, RowNumbers

Value = TypeVar("Value")
# Takes user rows and yields for one value after the other the scores of all items: float32, (users, n_items), its own.
Score = Callable[[RowNumbers], Iterable[Floats]]

# So many users tell values apart that differ by two or three hundredths of the metric; fewer than the least tell
# little.
MOST_USERS = 1000
LEAST_USERS = 200
# Of every user a tenth of the pairs, at least one: with more held out, the rest is sparser than what is learned later,
# and wants other values. Users with fewer pairs would lose too much of their history.
SHARE = 0.1
LEAST_PAIRS = 5
# Lists longer than people read make the same choice with less chance in it.
PLACES = 50
# How often the first value is left where no other is better, all others together: the best of many looks better by
# chance.
RISK = 0.05

# The most scores that are computed for a value, and at a time: what takes longer than learning is left alone.
MOST_SCORES = 10**8
BLOCK_SCORES = 1 << 21
BLOCK_USERS = 64
NDCG = RANKING_METRICS.index("ndcg")


def choose(interactions: Interactions, values: Sequence[Value], learn: Callable[[Interactions], Score]) -> Value:
    """Return the value whose lists find held-out pairs best; the first one where no other is surely better.

    values : at least two; the first is the one to keep. It is left for the best of those whose NDCG@50 is surely
        higher, in the mean over users: with three, four or seven others by 2.1, 2.2 or 2.5 standard errors of the
        difference, so that it is left by chance once in twenty times
    learn : learns from the other pairs, once for all values, and returns what scores items by each of the values

    A tenth of the pairs of 1000 users with at least five is held out, chosen by chance without a seed: the same data
    give the same choice. Of many items fewer users are asked, so that they have at most 100 million scores. With fewer
    than 200 users nothing is learned, and the first value returned.
    """
    held = _hold_out(interactions)
    if held is None:
        return values[0]
    by_input = interactions.input_order
    rest, test = interactions.pick(~held[by_input]), interactions.pick(held[by_input])
    measured = _measure(rest, test, learn(rest), len(values))
    gains = measured - measured[0]
    errors = gains.std(axis=1) / np.sqrt(gains.shape[1])
    means = np.where(gains.mean(axis=1) > _sure(len(values) - 1) * errors, gains.mean(axis=1), 0)
    return values[int(means.argmax())]


def _sure(n: int) -> float:
    """Return by how many standard errors the best of n values is above an equal one with a probability of RISK."""
    return NormalDist().inv_cdf(1 - RISK / n)  # Bonferroni


def _hold_out(interactions: Interactions) -> Flags | None:
    """Return which pairs, by user, are held out: bool, (pairs,); None where there are too few users."""
    counts = interactions.by_user.counts
    able = np.flatnonzero(counts >= LEAST_PAIRS)
    most = min(MOST_USERS, MOST_SCORES // interactions.shape[1])
    if min(len(able), most) < LEAST_USERS:
        return None
    state = derive_state(0, Stream.HELD_OUT)
    of_users, of_pairs = np.empty(len(counts), np.uint64), np.empty(len(interactions), np.uint64)
    states_of_rows(state, of_users)
    states_of_rows(of_users[0], of_pairs)
    drawn = np.zeros(len(counts), bool)
    drawn[able[np.argsort(of_users[able], kind="stable")[:most]]] = True
    # Only the pairs of those drawn are put in order.
    users = interactions.row_of_pair()
    theirs = np.flatnonzero(drawn[users])
    theirs = theirs[np.lexsort((of_pairs[theirs], users[theirs]))]
    many = counts[drawn]
    place = np.arange(len(theirs)) - np.repeat(np.cumsum(many) - many, many)
    held = np.zeros(len(users), bool)
    held[theirs] = place < np.repeat(np.maximum(1, np.rint(SHARE * many)), many)
    return held


def _measure(rest: Interactions, test: Interactions, score: Score, n_values: int) -> Doubles:
    """Return the NDCG of each value's lists of the users with test pairs: float64, (n_values, users)."""
    users, ties = test.by_user.with_pairs, Ties.of(rest.items.tie_order)
    n_items = rest.shape[1]
    blocks = parallel.row_blocks(len(users), min(BLOCK_USERS, max(BLOCK_SCORES // n_items, 1)))
    items, position = np.arange(n_items), freeze(np.arange(n_items, dtype=np.int32))
    measured = np.empty((n_values, len(users)))

    def measure(b: int) -> None:
        people = users[blocks[b]]
        shape = len(people), min(PLACES, n_items)
        for v, scores in enumerate(score(people)):
            kernels.hide(scores, 0, rest.by_user.indptr, rest.by_user.indices, position, people)
            best, places = np.empty(shape, np.float32), np.empty(shape, np.int32)
            counts = np.zeros(len(people), np.int64)
            kernels.propose(scores, 0, items, ties.places, best, places, counts)
            kernels.sort_lists(best, places, counts)
            filled = np.arange(shape[1]) < counts[:, None]
            lists = np.where(filled, ties.rows[np.where(filled, places, 0)], np.int32(-1))
            measured[v, blocks[b]] = measure_lists(lists, counts, test.by_user, people, (PLACES,))[:, 0, NDCG]

    parallel.run(measure, len(blocks))
    return measured
