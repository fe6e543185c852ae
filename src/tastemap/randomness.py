"""The streams of random numbers: every use has one of its own, named in one table.

A seed or a stream's state, a key and a number make the state of another stream; kernels draw from it by counting on
(kernels/core/random.py). So a number depends on the seed and on its purpose, and never on threads or on earlier draws.
The keys are frozen: another key makes another model.

Several streams have key 0 of a seed. That is harmless: they belong to different things, such as a model and a test of
significance, or read the state in different ways. Within one model, FIRST_USERS uses the numbers at its counters as
they are, while EPOCHS uses them as states, which are mixed twice more before a pair is moved; no computation combines a
first factor with the order of an epoch. For the same reason neighbouring seeds may share streams, and they do:
FIRST_ITEMS of seed 3 is FIRST_USERS of seed 4.

The splits, the samples of `tune` and of watched users are numpy.random.default_rng(seed), so that anyone can draw them
without this package; their docstrings say how.
"""

from __future__ import annotations

from enum import Enum, unique

import numpy as np

from tastemap.kernels.core.random import mix


@unique
class Stream(Enum):
    """Every use of random numbers: what its state is made from, its key there, and what it is for."""

    FIRST_USERS = "seed", 0, "BPR, WARP, SVD, SVDpp: the users' factors before the first epoch"
    FIRST_ITEMS = "seed", 1, "BPR, WARP, SVD, SVDpp: the items' factors before the first epoch"
    FIRST_ITEMS_ALONE = "seed", 0, "ImplicitALS, ExplicitALS, GraphFilter: the items' factors at the start"
    FOLD_IN = "seed", 2, "BPR, WARP: the negatives of new users, who are folded in"
    LISTS = "seed", 0, "Random: the users' seeds; those of new users come from the complement of this state"
    RESAMPLES = "seed", 0, "compare: the users drawn for an interval"
    HELD_OUT = "seed", 0, "ItemKNN, GraphFilter, with seed 0: the users whose pairs choose a default, and these pairs"
    SIGNS = "seed", 0, "compare: the users whose results are swapped for a p-value"

    EPOCHS = "seed", 0, "BPR, WARP, SVD, SVDpp: the parent of the epochs"
    EPOCH = "EPOCHS", 0, "one epoch; its number counts from 0"
    SHUFFLE_USERS = "EPOCH", 1, "the order of the users before they are cut into blocks"
    SHUFFLE_ITEMS = "EPOCH", 2, "the order of the items before they are cut into blocks"
    DEAL = "EPOCH", 3, "the pair that each user's pairs begin with"
    BUCKET = "EPOCH", 4, "BPR, WARP: the negatives of a bucket; its number counts row by row"

    def __init__(self, parent: str, key: int, use: str) -> None:
        self.parent, self.key, self.use = parent, key, use


# The intervals of an evaluation have no seed: this is their state.
INTERVALS = np.uint64(0)


def derive_state(parent: int | np.uint64, stream: Stream, number: int = 0) -> np.uint64:
    """Return the state of a stream, uint64.

    parent : the seed, or the state of the stream that the table names as parent
    number : which of the streams of this name, where there are many
    """
    # A compiled function gives back a Python int, which the next one would take for an int64.
    return np.uint64(mix(np.uint64((int(parent) + stream.key + number) & 0xFFFF_FFFF_FFFF_FFFF)))
