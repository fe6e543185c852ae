"""Metrics by definition: of one list and the set of its test items, of ratings and their predictions."""

from __future__ import annotations

from itertools import combinations
from math import log2, sqrt

import numpy as np


def metrics(ranked: list[int], relevant: set[int], k: int) -> dict[str, float]:
    top = ranked[:k]
    rel = [1 if item in relevant else 0 for item in top]
    precision_at = [sum(rel[: r + 1]) / (r + 1) for r in range(len(rel))]
    gain = sum(rel[r] / log2(r + 2) for r in range(len(rel)))
    ideal = sum(1 / log2(r + 2) for r in range(min(k, len(relevant))))
    return {
        "precision": sum(rel) / k,
        "recall": sum(rel) / len(relevant),
        "hit_rate": float(any(rel)),
        "ndcg": gain / ideal,
        "map": sum(p for p, hit in zip(precision_at, rel, strict=True) if hit) / min(k, len(relevant)),
        "mrr": next((1 / (r + 1) for r, hit in enumerate(rel) if hit), 0.0),
    }


def auc(ranked: list[int], relevant: set[int], k: int, ranking: set[int]) -> float:
    """Over all pairs of a test item and another: 1 where they are in order, 1/2 where they tie.

    ranking : everything that is ranked, of which `ranked` is the beginning
    """
    places = {item: place for place, item in enumerate(ranked[:k])}
    pairs = [
        1.0 if here < there else 0.5 if here == there else 0.0
        for here in (places.get(item, k) if item in ranking else k + 1 for item in relevant)
        for there in (places.get(item, k) for item in ranking - relevant)
    ]
    return sum(pairs) / len(pairs) if pairs else 0.5


def novelty(ranked: list[int], k: int, owners: dict[int, set[int]], n_users: int) -> float:
    bits = [log2(n_users / max(len(owners.get(item, ())), 1)) for item in ranked[:k]]
    return sum(bits) / len(bits) if bits else 0.0


def diversity(ranked: list[int], k: int, vectors: np.ndarray) -> float:
    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        lengths = np.linalg.norm(a) * np.linalg.norm(b)
        return float(a @ b / lengths) if lengths else 0.0

    distances = [1 - cosine(vectors[i], vectors[j]) for i, j in combinations(ranked[:k], 2)]
    return sum(distances) / len(distances) if distances else 0.0


def coverage(lists: list[list[int]], k: int, catalogue: set[int]) -> float:
    return len(catalogue & {item for ranked in lists for item in ranked[:k]}) / len(catalogue)


def gini(lists: list[list[int]], k: int, catalogue: set[int]) -> float:
    """Half of the mean difference of two items' counts, over the mean count."""
    counts = [sum(item in ranked[:k] for ranked in lists) for item in catalogue]
    if not sum(counts):
        return 0.0
    differences = [abs(a - b) for a in counts for b in counts]
    return sum(differences) / len(differences) / (2 * sum(counts) / len(counts))


def errors(ratings: list[float], predictions: list[float]) -> dict[str, float]:
    n = len(ratings)
    return {
        "rmse": sqrt(sum((r - p) ** 2 for r, p in zip(ratings, predictions, strict=True)) / n),
        "mae": sum(abs(r - p) for r, p in zip(ratings, predictions, strict=True)) / n,
    }
