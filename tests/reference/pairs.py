"""Interactions from rows, pair by pair, as `tastemap.data._gather` makes them."""

from __future__ import annotations

from collections.abc import Sequence

Row = tuple[int, int, float, int]

MERGE = {
    "sum": sum,
    "mean": lambda values: sum(values) / len(values),
    "last": lambda values: values[-1],
    "max": max,
    "min": min,
}


def gather(rows: Sequence[Row], duplicates: str, duplicates_time: str) -> list[tuple[int, int, float, int, int]]:
    """Return (user, item, weight, time, rank) of each pair, by the numbers of users and items.

    Ids are numbered by their first appearance; the rank is that of the pair's first row, or last, among all pairs.
    """
    numbers: tuple[dict[int, int], dict[int, int]] = ({}, {})
    found: dict[tuple[int, int], list[tuple[int, float, int]]] = {}
    for place, (user, item, weight, time) in enumerate(rows):
        pair = tuple(known.setdefault(one, len(known)) for known, one in zip(numbers, (user, item), strict=True))
        found.setdefault((pair[0], pair[1]), []).append((place, weight, time))
    place_of = {pair: own[-1 if duplicates == "last" else 0][0] for pair, own in found.items()}
    ranks = {pair: rank for rank, pair in enumerate(sorted(found, key=place_of.__getitem__))}
    return [
        (
            *pair,
            MERGE[duplicates]([weight for _, weight, _ in own]),
            MERGE[duplicates_time]([time for *_, time in own]),
            ranks[pair],
        )
        for pair, own in sorted(found.items())
    ]
