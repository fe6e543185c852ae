"""EASE by its class docstring, with dense matrices in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def precision(X: Array, regularization: float) -> Array:
    """Return P = (X'X + regularization I)^-1."""
    gram = np.zeros((X.shape[1], X.shape[1]))
    for x in X.astype(np.float64):
        gram += np.outer(x, x)
    return np.linalg.inv(gram + regularization * np.eye(len(gram)))


def weights(X: Array, regularization: float) -> Array:
    """Return B, one regression of an item on the others after the other."""
    X = X.astype(np.float64)
    n_items = X.shape[1]
    B = np.zeros((n_items, n_items))
    for i in range(n_items):
        others = np.arange(n_items) != i
        A = X[:, others].T @ X[:, others] + regularization * np.eye(n_items - 1)
        B[others, i] = np.linalg.solve(A, X[:, others].T @ X[:, i])
    return B


def partial_correlations(X: Array, regularization: float) -> Array:
    """Return -P_ij / sqrt(P_ii P_jj)."""
    P = precision(X, regularization)
    return -P / np.sqrt(np.outer(np.diag(P), np.diag(P)))


def sums_of_rows(X: Array, B: Array, items: Array) -> Array:
    """Return the scores of every row of X for the items, added in float64 in the order of the columns of X."""
    scores = np.zeros((len(X), len(items)))
    for u in range(len(X)):
        for j in np.flatnonzero(X[u]):
            scores[u] += np.float64(X[u, j]) * B[j, items].astype(np.float64)
    return np.float32(scores)
