"""NextItem by its class docstring, one state after the other, with dense matrices in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def states(items: Array, clock: Array, t: int, decays: list[float], n_items: int) -> Array:
    """Return the state before place t: the entry of item i and decay k at i * len(decays) + k."""
    s = np.zeros((n_items, len(decays)))
    for p in range(t):
        age = clock[t - 1] - clock[p]
        for k, decay in enumerate(decays):
            s[items[p], k] += decay**age
    return s.ravel()


def targets(items: Array, t: int, ahead: float, n_items: int) -> Array:
    """Return the items from place t on, each `ahead` times the one before."""
    y = np.zeros(n_items)
    for q in range(t, len(items)):
        y[items[q]] += ahead ** (q - t)
    return y


def equations(
    sequences: list[tuple[Array, Array]], decays: list[float], ahead: float, n_items: int
) -> tuple[Array, Array]:
    """Return G and C, the sums over users and states of s s' and s y'.

    sequences : items and clock of each user, in order of time
    """
    m = n_items * len(decays)
    G, C = np.zeros((m, m)), np.zeros((m, n_items))
    for items, clock in sequences:
        for t in range(1, len(items)):
            s = states(items, clock, t, decays, n_items)
            G += np.outer(s, s)
            C += np.outer(s, targets(items, t, ahead, n_items))
    return G, C


def weights(
    sequences: list[tuple[Array, Array]], regularization: float, decays: list[float], ahead: float, n_items: int
) -> Array:
    """Return B; the ridge of a rate is what so many pairs add to the equations of an item on average."""
    G, C = equations(sequences, decays, ahead, n_items)
    n_pairs = sum(len(items) for items, _ in sequences)
    ridge = [regularization / n_pairs * np.diag(G)[k :: len(decays)].sum() for k in range(len(decays))]
    solved: Array = np.linalg.solve(G + np.diag(np.tile(ridge, n_items)), C)
    return solved
