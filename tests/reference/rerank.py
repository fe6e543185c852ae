"""Lists chosen from rankings, one item at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence


def rerank(
    ranked: Sequence[tuple[int, float]],
    k: int,
    pool: int,
    diversity: float,
    similarity: Callable[[int, int], float],
    values: Mapping[int, Sequence[int]],
    most: Sequence[int],
) -> list[tuple[int, float]]:
    """Return k of the ranked items and scores, the next one always the best that has room.

    values : those of each item; most[v] items of a list may have value v
    """
    rest = list(ranked)
    chosen: list[tuple[int, float]] = []

    def has_room(item: int) -> bool:
        return all(sum(v in values[other] for other, _ in chosen) < most[v] for v in values[item])

    best = rest[:pool] if diversity else []
    low, high = (best[-1][1], best[0][1]) if best else (0.0, 0.0)

    def gain(entry: tuple[int, float]) -> float:
        item, score = entry
        relevance = (score - low) / (high - low) if high > low else 1.0
        closeness = max([0.0, *(similarity(other, item) for other, _ in chosen)])
        return (1 - diversity) * relevance - diversity * closeness

    while len(chosen) < k and (able := [entry for entry in best if has_room(entry[0])]):
        entry = max(able, key=gain)  # the first of equal ones
        best.remove(entry)
        chosen.append(entry)
    for entry in rest[pool:] if diversity else rest:
        if len(chosen) < k and has_room(entry[0]):
            chosen.append(entry)
    return chosen
