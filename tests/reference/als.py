"""ImplicitALS by its class docstring: dense loops in float64. `W` holds the weights, NaN where a pair is not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def confidence_and_target(w: float, alpha: float, unobserved: float, loss: str) -> list[tuple[float, float]]:
    """Return (confidence, target) of each square that a pair adds: c (t - s)^2."""
    if np.isnan(w):
        return [(unobserved, 0.0)]
    if loss == "rendle":
        return [(alpha * w, 1.0), (unobserved, 0.0)]
    return [(unobserved + alpha * w, 1.0)]


def row_objective(
    w: Array,
    x: Array,
    Q: Array,
    ridge: float,
    alpha: float,
    unobserved: float,
    loss: str,
    prior: Array | float = 0.0,
) -> float:
    value = 0.0
    for i in range(len(Q)):
        s = float(x @ Q[i])
        for c, t in confidence_and_target(w[i], alpha, unobserved, loss):
            value += c * (t - s) ** 2
    return value + ridge * float(((x - prior) ** 2).sum())


def row_system(
    w: Array, Q: Array, ridge: float, alpha: float, unobserved: float, loss: str, prior: Array | float = 0.0
) -> tuple[Array, Array]:
    """Return A and b of the row's normal equations A x = b."""
    A, b = ridge * np.eye(Q.shape[1]), ridge * (np.zeros(Q.shape[1]) + prior)
    for i in range(len(Q)):
        for c, t in confidence_and_target(w[i], alpha, unobserved, loss):
            A += c * np.outer(Q[i], Q[i])
            b += c * t * Q[i]
    return A, b


def solved_rows(
    W: Array, Q: Array, ridge: Array, alpha: float, unobserved: float, loss: str, M: Array | None = None
) -> Array:
    """Solve every row exactly, given the prior means M (None: zeros); a row without pairs is zero."""
    P = np.zeros((len(W), Q.shape[1]))
    for u in range(len(W)):
        if not np.isnan(W[u]).all():
            P[u] = np.linalg.solve(*row_system(W[u], Q, ridge[u], alpha, unobserved, loss, 0.0 if M is None else M[u]))
    return P


def cg(A: Array, b: Array, x: Array, steps: int) -> Array:
    """Conjugate gradients with the diagonal of A as preconditioner, from x."""
    r = b - A @ x
    z = r / np.diag(A)
    p = z.copy()
    for _ in range(steps):
        if not p.any():
            break
        step = (r @ z) / (p @ A @ p)
        x = x + step * p
        r_next = r - step * (A @ p)
        z_next = r_next / np.diag(A)
        p = z_next + (r_next @ z_next) / (r @ z) * p
        r, z = r_next, z_next
    return x


def subspaces(A: Array, b: Array, x: Array, size: int) -> Array:
    """Solve `size` unknowns of A x = b after the other exactly, given the rest, from x."""
    x = x.copy()
    for start in range(0, len(x), size):
        mine = slice(start, start + size)
        x[mine] += np.linalg.solve(A[mine, mine], b[mine] - A[mine] @ x)
    return x


def ridges(W: Array, model: Any) -> tuple[Array, Array]:
    """Return regularization times r_u and times r_i for the parameters of a model."""
    here = ~np.isnan(W)
    n_users, n_items = int(here.any(axis=1).sum()), int(here.any(axis=0).sum())
    both = []
    for counts, n_others in ((here.sum(axis=1), n_items), (here.sum(axis=0), n_users)):
        if model.regularization_scale == "frequency":
            r = [(n + model.used_.unobserved_weight * n_others) ** model.frequency_exponent for n in counts]
        else:
            r = [n if model.regularization_scale == "count" else 1 for n in counts]
        both.append(model.used_.regularization * np.array(r, float))
    return both[0], both[1]


def objective(
    W: Array, X: Array, Y: Array, model: Any, features: dict[str, tuple[Array, Array]] | None = None
) -> float:
    """Return the whole objective over ALL pairs of users and items that have one, and both sides' regularization.

    features : "users" or "items" -> their features, dense (rows, features), and the features' factors
    """
    here = ~np.isnan(W)
    value = 0.0
    for u in np.flatnonzero(here.any(axis=1)):
        for i in np.flatnonzero(here.any(axis=0)):
            s = float(X[u] @ Y[i])
            for c, t in confidence_and_target(W[u, i], model.alpha, model.used_.unobserved_weight, model.loss):
                value += c * (t - s) ** 2
    for side, P, ridge, has_pairs in zip(
        ("users", "items"), (X, Y), ridges(W, model), (here.any(axis=1), here.any(axis=0)), strict=True
    ):
        F, V = (features or {}).get(side, (np.zeros((len(P), 0)), np.zeros((0, P.shape[1]))))
        own = P - F @ V
        value += sum(ridge[row] * float(own[row] @ own[row]) for row in np.flatnonzero(has_pairs))
        value += model.feature_regularization * ridge[has_pairs].mean() * float((V**2).sum())
    return value


def hu_objective(model: Any) -> float:
    """Return the objective of the loss "hu" with the scale "count", by sums over the pairs and Gram matrices."""
    used, pairs = model.used_, model.state.training("its objective")
    X, Y = model.user_factors_.astype(np.float64), model.item_factors_.astype(np.float64)
    scores = np.einsum("pf,pf->p", X[pairs.row_of_pair()], Y[pairs.matrix.indices])
    w, a = pairs.matrix.data.astype(np.float64), used.unobserved_weight
    value = float(((a + used.alpha * w) * (1 - scores) ** 2 - a * scores**2).sum())
    value += a * float(((X.T @ X) * (Y.T @ Y)).sum())
    sides = ((X, pairs.by_user.counts), (Y, pairs.by_item.counts))
    return value + used.regularization * sum(float(counts @ (P**2).sum(axis=1)) for P, counts in sides)
