"""GraphFilter by its class docstring, dense and in float64. `W` holds the weights, 0 where there is no pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def roots(sums: Array, damping: float) -> tuple[Array, float]:
    """Return a, 1 where there is no pair, and f."""
    mean = sums[sums > 0].mean()
    a = np.array([np.sqrt(d + damping * mean) if d > 0 else 1.0 for d in sums])
    shares = [d / (d + damping * mean) for d in sums if d > 0]
    return a, float(np.mean(shares) / mean)


def parts(W: Array, factors: int, damping: float, noise: float) -> tuple[Array, Array, Array]:
    """Return K, V, and a of the items."""
    W = W.astype(np.float64)
    (of_users, f_u), (of_items, f_i) = (roots(W.sum(axis=axis), damping) for axis in (1, 0))
    R = np.array([[W[u, i] / (of_users[u] * of_items[i]) for i in range(W.shape[1])] for u in range(W.shape[0])])
    _, s, vectors = np.linalg.svd(R)
    V = []
    for k in range(min(factors, len(s))):
        share = 1 - (noise * (np.sqrt(f_u) + np.sqrt(f_i)) / s[k]) ** 2
        if share > 0 and s[k] > 1e-5 * s[0]:
            V.append(share * vectors[k])
    return R.T @ R / s[0] ** 2, np.array(V).reshape(-1, W.shape[1]).T, of_items


def coefficients(W: Array, factors: int, low_pass: float, damping: float, noise: float) -> Array:
    """Return what having j adds to the score of i, for all j in rows and i in columns."""
    K, V, a = parts(W, factors, damping, noise)
    return K + low_pass * np.diag(1 / a) @ V @ V.T @ np.diag(a)


def cosines(W: Array, factors: int, low_pass: float, damping: float, noise: float) -> Array:
    """Return M_ij / sqrt(M_ii M_jj)."""
    K, V, _ = parts(W, factors, damping, noise)
    M = K + low_pass * V @ V.T
    squares = np.where(np.diag(M) > 0, np.diag(M), 1)
    return M / np.sqrt(np.outer(squares, squares))
