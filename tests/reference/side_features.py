"""Factors of features by dense NumPy in float64: the sparse ridge regression of `SideFeatures`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def objective(F: Array, W: Array, Y: Array, weights: Array, regularization: float) -> float:
    value = regularization * float((W**2).sum())
    for i in range(len(Y)):
        own = Y[i] - F[i] @ W
        value += weights[i] * float(own @ own)
    return value


def solution(F: Array, Y: Array, weights: Array, regularization: float) -> Array:
    A = F.T @ np.diag(weights) @ F + regularization * np.eye(F.shape[1])
    return np.linalg.solve(A, F.T @ np.diag(weights) @ Y)


def steps_from(W: Array, F: Array, Y: Array, weights: Array, regularization: float, steps: int) -> Array:
    """Conjugate gradients, every column on its own, with the diagonal as preconditioner."""
    A = F.T @ np.diag(weights) @ F + regularization * np.eye(F.shape[1])
    B = F.T @ np.diag(weights) @ Y
    W = W.copy()
    for column in range(W.shape[1]):
        x = W[:, column]
        r = B[:, column] - A @ x
        z = r / np.diag(A)
        p = z.copy()
        for _ in range(steps):
            if not p.any():
                break
            length = (r @ z) / (p @ A @ p)
            x = x + length * p
            r_next = r - length * (A @ p)
            z_next = r_next / np.diag(A)
            p = z_next + (r_next @ z_next) / (r @ z) * p
            r, z = r_next, z_next
        W[:, column] = x
    return W
