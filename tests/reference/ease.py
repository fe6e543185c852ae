"""EASE by its class docstring, with dense matrices in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def gram(X: Array, user_exponent: float = 0) -> Array:
    """Return the sum over users of n_u^-user_exponent x_u x_u', for users with a pair."""
    total = np.zeros((X.shape[1], X.shape[1]))
    for x in X.astype(np.float64):
        if x.any():
            total += (x @ x) ** -user_exponent * np.outer(x, x)
    return total


def ridge(G: Array, regularization: float, dropout: float = 0) -> Array:
    """Return lambda_j of every item."""
    return regularization + dropout / (1 - dropout) * np.diag(G)


def precision(X: Array, regularization: float, dropout: float = 0, user_exponent: float = 0) -> Array:
    """Return P = (G + diag(lambda))^-1."""
    G = gram(X, user_exponent)
    return np.linalg.inv(G + np.diag(ridge(G, regularization, dropout)))


def regressions(X: Array, regularization: float, dropout: float = 0, user_exponent: float = 0) -> Array:
    """Return B, one regression of an item on the others after the other."""
    n_items = X.shape[1]
    G = gram(X, user_exponent)
    own = ridge(G, regularization, dropout)
    B = np.zeros((n_items, n_items))
    for i in range(n_items):
        others = np.arange(n_items) != i
        B[others, i] = np.linalg.solve(G[np.ix_(others, others)] + np.diag(own[others]), G[others, i])
    return B


def weights(
    X: Array, regularization: float, dropout: float = 0, user_exponent: float = 0, item_exponent: float = 0
) -> Array:
    """Return W, which is B between the items' scales; the scale of an item without a pair is 1."""
    n = (X.astype(np.float64) ** 2).sum(axis=0)
    scales = np.where(n > 0, n, 1) ** item_exponent
    return regressions(X, regularization, dropout, user_exponent) * scales[:, None] / scales


def partial_correlations(X: Array, regularization: float, dropout: float = 0, user_exponent: float = 0) -> Array:
    """Return -P_ij / sqrt(P_ii P_jj)."""
    P = precision(X, regularization, dropout, user_exponent)
    return -P / np.sqrt(np.outer(np.diag(P), np.diag(P)))


def sums_of_rows(X: Array, B: Array, items: Array) -> Array:
    """Return the scores of every row of X for the items, added in float64 in the order of the columns of X."""
    scores = np.zeros((len(X), len(items)))
    for u in range(len(X)):
        for j in np.flatnonzero(X[u]):
            scores[u] += np.float64(X[u, j]) * B[j, items].astype(np.float64)
    return np.float32(scores)
