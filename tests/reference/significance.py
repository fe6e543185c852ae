"""The tests of significance by their definitions: every swap there is, and sums over bits one by one."""

from __future__ import annotations

from itertools import product
from math import sqrt

MASK = 2**64 - 1


def mix(state: int) -> int:
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def sum_with_signs(values: list[float], state: int, first_word: int, flips: int) -> list[float]:
    sums = []
    for flip in range(flips):
        own = mix((state + first_word + flip // 64) & MASK)
        bits = [mix((own + user) & MASK) >> flip % 64 & 1 for user in range(len(values))]
        total = 0.0
        for bit, value in zip(bits, values, strict=True):
            total += value if bit else -value
        sums.append(total)
    return sums


def sum_resamples(values: list[list[float]], state: int, first: int, resamples: int) -> list[list[float]]:
    sums = []
    for r in range(resamples):
        own = mix((state + first + r) & MASK)
        words = [mix((own + draw - draw % 2) & MASK) for draw in range(len(values))]
        halves = [word >> 32 if draw % 2 else word & (2**32 - 1) for draw, word in enumerate(words)]
        drawn = [values[half * len(values) >> 32] for half in halves]
        total = [0.0] * len(values[0])
        for row in drawn:
            total = [before + value for before, value in zip(total, row, strict=True)]
        sums.append(total)
    return sums


def exact_p(sums: list[tuple[float, float]], weights: list[tuple[float, float]], root: bool = False) -> float:
    """The share of all 2^n ways to swap two models' results whose difference is as far from 0 as the given one."""

    def difference(swaps: tuple[int, ...]) -> float:
        means = []
        for model in (0, 1):
            total = sum(both[model ^ swap] for both, swap in zip(sums, swaps, strict=True))
            weight = sum(both[model ^ swap] for both, swap in zip(weights, swaps, strict=True))
            means.append(sqrt(total / weight) if root else total / weight)
        return abs(means[0] - means[1])

    ways = [difference(swaps) for swaps in product((0, 1), repeat=len(sums))]
    return sum(way >= ways[0] - 1e-12 for way in ways) / len(ways)
