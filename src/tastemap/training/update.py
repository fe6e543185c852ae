"""How models that train by gradient steps learn from new pairs: a part of the epochs, over all pairs.

Over all pairs, because an item that few people have chosen is learned from the many who did not choose it as well. Rows
that were trained before move less than new ones, or every update would train them further, until they fit their pairs
too closely: a row's pace is in proportion to its share of new pairs, so that after many updates it has been trained
about as often as in one fit.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp

from tastemap.data.interactions import Interactions
from tastemap.training.loop import Options, Trainable, train
from tastemap.typing import Array, Arrays, Counts, Flags, Floats

# An update takes this share of the epochs of a fit, rounded up.
SHARE = 0.25


def train_on(task: Trainable, state: Arrays, paces: dict[str, Floats], divergence_hint: str) -> Arrays:
    """Train for SHARE of the task's epochs, starting from a state, and return the final one.

    task : over all pairs; its `epochs` becomes the number of those that are run
    paces : of the rows of some arrays of the state, as `find_paces` returns them: float32, (rows,)
    """
    task.epochs = math.ceil(SHARE * task.epochs)
    arrays, _ = train(_Paced(task, state, paces), {}, Options(progress=False), divergence_hint)
    return arrays


def find_paces(before: Interactions, after: Interactions) -> tuple[Floats, Floats]:
    """Return how far an update moves each user and each item: float32, from 0 to 1, (n_users,) and (n_items,) of after.

    1 for a row without a pair before. Another row has the share of its pairs that are new or have a new weight, divided
    by SHARE, so that it moves as far as that share of a fit; 0 where nothing is new.
    """
    old, new = _mark(before.matrix), _mark(after.matrix)
    old.resize(new.shape)
    changed = new != old
    n_users, n_items = after.matrix.shape
    return (
        _paces(np.diff(changed.indptr), after.by_user.counts, _grow(before.by_user.has_pairs, n_users)),
        _paces(
            np.bincount(changed.indices, minlength=n_items),
            after.by_item.counts,
            _grow(before.by_item.has_pairs, n_items),
        ),
    )


def _mark(pairs: sp.csr_matrix) -> sp.csr_matrix:
    """Return the pairs with a whole number for each weight, none of them 0: to a sparse matrix, 0 is no pair."""
    marks = pairs.data.view(np.int32).astype(np.int64) + (1 << 32)
    return sp.csr_matrix((marks, pairs.indices.copy(), pairs.indptr.copy()), shape=pairs.shape)


def _paces(n_changed: Array, n_pairs: Counts, known: Flags) -> Floats:
    shares = n_changed / np.maximum(n_pairs, 1)
    return np.where(known, np.minimum(shares / SHARE, 1), 1).astype(np.float32)


def _grow(known: Flags, n_rows: int) -> Flags:
    return np.append(known, np.zeros(n_rows - len(known), bool))


class _Paced:
    """A task whose rows move in every epoch by a part of what the epoch would move them."""

    def __init__(self, task: Trainable, state: Arrays, paces: dict[str, Floats]) -> None:
        self.epochs = task.epochs
        self.rank = task.rank
        self._task = task
        self._state = state
        self._paces = paces

    def start(self) -> Arrays:
        """Return the state to start from."""
        return self._state

    def train_epoch(self, state: Arrays, epoch: int) -> float:
        """Train one epoch in place, at the rows' paces."""
        before = {name: state[name].copy() for name in self._paces}
        objective = self._task.train_epoch(state, epoch)
        for name, old in before.items():
            rows = state[name]
            with np.errstate(all="ignore"):  # an overflow shows in the objective or in the final rows
                rows -= old
                rows *= self._paces[name][:, None]
            rows += old
        return objective
