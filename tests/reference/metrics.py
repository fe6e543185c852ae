"""Metrics by definition: of one list and the set of its test items, of ratings and their predictions."""

from __future__ import annotations

from math import log2, sqrt


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


def errors(ratings: list[float], predictions: list[float]) -> dict[str, float]:
    n = len(ratings)
    return {
        "rmse": sqrt(sum((r - p) ** 2 for r, p in zip(ratings, predictions, strict=True)) / n),
        "mae": sum(abs(r - p) for r, p in zip(ratings, predictions, strict=True)) / n,
    }
