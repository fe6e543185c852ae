"""ExplicitALS, SVD and SVDpp by their docstrings: loops in float64. `R` holds ratings, NaN where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

import tastemap as tm

Array = npt.NDArray[Any]


def some_ratings(n_users: int = 13, n_items: int = 9, seed: int = 0) -> tm.Interactions:
    """Return ratings from 0.5 to 5; user 5 and item 2 have none, user 3 has the other items all."""
    rng = np.random.default_rng(seed)
    here = rng.random((n_users, n_items)) < 0.5
    here[3] = True
    here[5], here[:, 2] = False, False
    rows, columns = np.nonzero(here)
    stars = rng.integers(1, 11, len(rows)) / 2
    return tm.Interactions.from_csr(sp.csr_array((stars, (rows, columns)), shape=here.shape))


def dense(interactions: tm.Interactions) -> Array:
    R = np.full(interactions.shape, np.nan)
    R[interactions.row_of_pair(), interactions.matrix.indices] = interactions.matrix.data
    return R


def row_objective(r: Array, x: Array, z: Array, Q: Array, ridge: Array, scale: float, mean: float) -> float:
    """Return what the row x, pulled towards z, adds to the objective."""
    value = 0.0
    for i in range(len(Q)):
        if not np.isnan(r[i]):
            value += (r[i] - mean - float(x @ Q[i])) ** 2
    return value + scale * float(ridge @ (x - z) ** 2)


def solved_row(r: Array, z: Array, Q: Array, ridge: Array, scale: float, mean: float, fixed: int) -> Array:
    """Return the minimum over all columns but `fixed`; a row without ratings stays z."""
    free = np.arange(len(z)) != fixed
    A, b = np.diag(scale * ridge[free]), np.zeros(int(free.sum()))
    if np.isnan(r).all():
        return z
    for i in range(len(Q)):
        if not np.isnan(r[i]):
            q = Q[i, free]
            A += np.outer(q, q)
            b += (r[i] - mean - float(z @ Q[i])) * q
    x = z.copy()
    x[free] += np.linalg.lstsq(A, b, rcond=None)[0]  # without a bias, its column is empty
    return x


def in_turn(n: int) -> list[int]:
    """Return the order in which a bucket's n ratings are used: from its first half and its second half in turn."""
    half = (n + 1) // 2
    return [k for first in range(half) for k in (first, first + half) if k < n]


def svd_step(
    p: Array, q: Array, r: float, z: Array, mean: float, rates: tuple[float, float], ridges: tuple[float, float]
) -> float:
    """Make one step in place; p and q end in (bias, 1) and (1, bias), and p is pulled towards z. Returns the error."""
    error = r - mean - float(p @ q)
    (rate, bias_rate), (ridge, bias_ridge) = rates, ridges
    old_p, old_q = p.copy(), q.copy()
    for f in range(len(p) - 2):
        p[f] += rate * (error * old_q[f] - ridge * (old_p[f] - z[f]))
        q[f] += rate * (error * old_p[f] - ridge * old_q[f])
    p[-2] += bias_rate * (error - bias_ridge * old_p[-2])
    q[-1] += bias_rate * (error - bias_ridge * old_q[-1])
    return error


def step_objective(p: Array, q: Array, r: float, z: Array, mean: float, ridges: tuple[float, float]) -> float:
    """Return half of what one rating adds to the objective."""
    ridge, bias_ridge = ridges
    value = (r - mean - float(p @ q)) ** 2
    value += ridge * float(((p - z)[:-2] ** 2).sum() + (q[:-2] ** 2).sum())
    return 0.5 * (value + bias_ridge * (p[-2] ** 2 + q[-1] ** 2))


def implicit_part(R: Array, Y: Array) -> Array:
    """Return z of SVD++ for every user."""
    Z = np.zeros((len(R), Y.shape[1]))
    for u in range(len(R)):
        mine = np.flatnonzero(~np.isnan(R[u]))
        for j in mine:
            Z[u] += Y[j] / np.sqrt(len(mine))
    return Z


def objective(R: Array, model: Any, Y: Array | None = None) -> float:
    """Return the whole objective of a fitted model."""
    here = ~np.isnan(R)
    n_users, n_items = here.sum(axis=1), here.sum(axis=0)
    if getattr(model, "regularization_scale", "count") == "none":
        n_users, n_items = (n_users > 0) * 1, (n_items > 0) * 1
    P, Q = model.user_factors_.astype(float), model.item_factors_.astype(float)
    Z = np.zeros_like(P) if Y is None else implicit_part(R, Y)
    value = 0.0
    for u, i in zip(*np.nonzero(here), strict=True):
        s = model.mean_[0] + model.user_biases_[u] + model.item_biases_[i] + P[u] @ Q[i]
        value += (R[u, i] - s) ** 2
    for counts, rows, biases in ((n_users, P - Z, model.user_biases_), (n_items, Q, model.item_biases_)):
        for n, row, bias in zip(counts, rows, biases, strict=True):
            value += n * model.deviation_[0] * model.regularization * float(row @ row)
            value += n * model.bias_regularization * float(bias) ** 2
    if Y is not None:
        ridge = model.deviation_[0] * model.implicit_regularization
        value += ridge * sum(n * float(y @ y) for n, y in zip(n_items, Y, strict=True))
    return value
