"""BPR and WARP in plain loops over plain vectors: the steps that their docstrings state."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tastemap.kernels.core.random import mix

Array = npt.NDArray[Any]
TRIES = 20


class Side:
    """Factors, biases and sums of squared gradients of users or items, in float64."""

    def __init__(self, factors: Array, biases: Array, squares: Array) -> None:
        self.factors, self.biases, self.squares = (a.astype(np.float64).copy() for a in (factors, biases, squares))


class Draws:
    """The negatives of one bucket, from the same counters as the kernels."""

    def __init__(self, n_items: int, state: int, popular: Array | None = None) -> None:
        self.n_items, self.state, self.popular, self.counter = n_items, state, popular, 0

    def negative(self, positives: set[int]) -> int | None:
        for _ in range(TRIES):
            bits = int(mix(np.uint64((self.state + self.counter) % 2**64)))
            self.counter += 1
            n = self.n_items if self.popular is None else len(self.popular)
            j = ((bits >> 32) * n) >> 32
            j = j if self.popular is None else int(self.popular[j])
            if j not in positives:
                return j
        return None


def score(users: Side, u: int, items: Side, i: int) -> float:
    return float(users.factors[u] @ items.factors[i] + items.biases[i])


def step(
    users: Side, u: int, items: Side, i: int, j: int, pull: float, rate: float, ridges: tuple[float, float],
    means: tuple[Array, Array, Array],
) -> None:  # fmt: skip
    """Move p_u, q_i, q_j and their biases up the gradient of pull (s_ui - s_uj) - ridge/2 |row - mean|^2."""
    p, a, b = users.factors[u].copy(), items.factors[i].copy(), items.factors[j].copy()
    mean_p, mean_q, mean_bias = means
    up_p = pull * (a - b) - ridges[0] * (p - mean_p[u])
    up_a = np.append(pull * p - ridges[1] * (a - mean_q[i]), pull - ridges[1] * (items.biases[i] - mean_bias[i]))
    up_b = np.append(-pull * p - ridges[1] * (b - mean_q[j]), -pull - ridges[1] * (items.biases[j] - mean_bias[j]))
    users.factors[u] += rate / np.sqrt(users.squares[u]) * up_p
    users.squares[u] += up_p @ up_p / len(p)
    for row, up in ((i, up_a), (j, up_b)):
        length = rate / np.sqrt(items.squares[row])
        items.factors[row] += length * up[:-1]
        items.biases[row] += length * up[-1]
        items.squares[row] += up @ up / len(p)


def groups(users: Array) -> list[tuple[int, int]]:
    starts = [k for k in range(len(users)) if k == 0 or users[k] != users[k - 1]]
    return list(zip(starts, [*starts[1:], len(users)], strict=True))


def bpr_bucket(
    users_of: Array, items_of: Array, values: Array, members: Array, users: Side, items: Side, draws: Draws,
    rate: float, fall: float, ridges: tuple[float, float], means: tuple[Array, Array, Array],
) -> tuple[float, int]:  # fmt: skip
    """Return the sum of the losses and the number of pairs without a step."""
    loss, skipped = 0.0, 0
    for start, end in groups(users_of):
        positives = set(items_of[start:end].tolist())
        for k in range(start, end):
            j = draws.negative(positives)
            if j is None:
                skipped += 1
                continue
            u, i, j = users_of[k], members[items_of[k]], members[j]
            x = score(users, u, items, i) - score(users, u, items, j)
            loss += values[k] * np.logaddexp(0, -x)
            step(users, u, items, i, j, values[k] / (1 + np.exp(x)), rate - k * fall, ridges, means)
    return loss, skipped


def warp_bucket(
    users_of: Array, items_of: Array, values: Array, members: Array, users: Side, items: Side, draws: Draws,
    rate: float, fall: float, ridges: tuple[float, float], means: tuple[Array, Array, Array], rank_weights: Array,
) -> tuple[float, int]:  # fmt: skip
    """Return the sum of the losses and the number of pairs for which no negative was found.

    Negatives are drawn eight at a time, so that those behind a violation are drawn and not looked at.
    """
    loss, skipped = 0.0, 0
    most = len(rank_weights) - 1
    for start, end in groups(users_of):
        positives = set(items_of[start:end].tolist())
        for k in range(start, end):
            u, i = users_of[k], members[items_of[k]]
            positive = score(users, u, items, i)
            n, found = 0, None
            while n < most and found is None:
                drawn = []
                for _ in range(min(8, most - n)):
                    j = draws.negative(positives)
                    if j is None:
                        break
                    drawn.append(members[j])
                if not drawn:
                    break
                for j in drawn:
                    n += 1
                    if score(users, u, items, j) > positive - 1:
                        found = j
                        break
            skipped += n == 0
            if found is not None:
                pull = values[k] * rank_weights[n]
                loss += pull * (1 - positive + score(users, u, items, found))
                step(users, u, items, i, found, pull, rate - k * fall, ridges, means)
    return loss, skipped
