"""ItemKNN by its class docstring, with dense matrices in float64. `W` holds the weights, NaN where there is no pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def values(W: Array, similarity: str, k1: float, b: float) -> Array:
    """Return v, 0 where there is no pair."""
    here = ~np.isnan(W)
    n_items, lengths = int(here.any(axis=0).sum()), np.nansum(W, axis=0)
    v = np.zeros(W.shape)
    for u, i in np.argwhere(here):
        w, idf = W[u, i], np.log(1 + n_items / here[u].sum())
        if similarity == "cosine":
            norm = np.sqrt(np.nansum(W[u] ** 2))
            v[u, i] = w / norm if norm else 0
        elif similarity == "tfidf":
            v[u, i] = np.sqrt(w) * idf
        elif w > 0:
            relative = lengths[i] / (lengths.sum() / n_items)
            v[u, i] = idf * w * (k1 + 1) / (w + k1 * (1 - b + b * relative))
    return v


def similarities(
    W: Array,
    similarity: str,
    shrinkage: float,
    k1: float = 1.2,
    b: float = 0.75,
    exponents: tuple[float, float, float, float] = (0, 0, 0, 1),
) -> Array:
    """Return sim(i, j) for all pairs of items, 0 on the diagonal; exponents are of user, history, item and all."""
    if similarity == "normalised":
        return normalised(W, shrinkage, *exponents)
    here, v = ~np.isnan(W), values(W, similarity, k1, b)
    n_items = W.shape[1]
    sim = np.zeros((n_items, n_items))
    for i in range(n_items):
        for j in range(n_items):
            norms = np.sqrt((v[:, i] ** 2).sum() * (v[:, j] ** 2).sum())
            n_both = (here[:, i] & here[:, j]).sum()
            if i != j and norms > 0 and n_both:
                sim[i, j] = n_both / (n_both + shrinkage) * (v[:, i] @ v[:, j]) / norms
    return sim


def normalised(W: Array, shrinkage: float, user: float, history: float, item: float, power: float) -> Array:
    """Return sim(i, j) by the sum over users, one user after the other."""
    here, w = ~np.isnan(W), np.nan_to_num(W)
    n_user, n_item = w.sum(axis=1), w.sum(axis=0)
    n_items = W.shape[1]
    sim = np.zeros((n_items, n_items))
    for i in range(n_items):
        for j in range(n_items):
            both = here[:, i] & here[:, j]
            if i != j and both.any():
                total = sum(n_user[u] ** -user * w[u, i] * w[u, j] for u in np.flatnonzero(both))
                scaled = (n_item[j] ** -history * n_item[i] ** -item * total) ** power
                sim[i, j] = both.sum() / (both.sum() + shrinkage) * scaled
    return sim


def nearest(sim: Array, most: int, places: Array) -> list[list[int]]:
    """Return the neighbours of every item: the most similar ones above 0, equal ones by their places."""
    lists = []
    for i in range(len(sim)):
        order = sorted((j for j in range(len(sim)) if sim[i, j] > 0 and j != i), key=lambda j: (-sim[i, j], places[j]))
        lists.append(order[:most])
    return lists
