"""The refusal of a fit that needs more memory than is free, with the ways out that do fit."""

from __future__ import annotations

from collections.abc import Callable

from tastemap.data.interactions import Interactions
from tastemap.errors import DataError, Remedy
from tastemap.kernels.core.simd import LANES
from tastemap.memory import show_bytes

# Fewer factors or items than these say too little to be a way out.
FEWEST_FACTORS = 8
FEWEST_ITEMS = 100


def make_refusal(
    what: str,
    needed: int,
    available: int,
    factors: int | None,
    items: int | None,
    other: tuple[str, int] | None,
    seconds: float = 0.0,
) -> DataError:
    """Make the error that says that a fit does not fit, and what would.

    what : the model and the data
    factors : the most factors that fit, None where fewer do not help
    items : how many of the most popular items fit, None where that does not help
    other : another model, as one writes it, and the bytes that it needs; None for none that fits
    seconds : about how long the fit would take, 0 where that is not known; said from a minute on
    """
    ways: list[Remedy | str] = []
    if factors is not None:
        ways.append(Remedy(f"lower factors to {factors:,}", "settings", f"factors={factors}"))
    if other is not None:
        ways.append(f"fit {other[0]}, which needs {show_bytes(other[1])}")
    if items is not None:
        ways.append(
            Remedy(f"keep the {items:,} most popular items with interactions.top_items({items})", "max_items", items)
        )
    if not ways:
        ways.append(Remedy("leave out rare ids with interactions.core(...).compact()", "core", ...))
    return DataError(
        f"{what} needs {show_bytes(needed)} of memory, and {show_bytes(available)} are free{_show_time(seconds)}",
        *ways,
        needed=needed,
        available=available,
    )


def _show_time(seconds: float) -> str:
    if seconds < 60:
        return ""
    length, unit = next((n, unit) for n, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")) if seconds >= n)
    return f"; it would take about {seconds / length:,.0f} {unit if seconds >= 1.5 * length else unit[:-1]}"


def find_most_factors(factors: int, fits: Callable[[int], bool]) -> int | None:
    """Return the most factors below these that fit, None where not even a few do."""
    # Of many factors those that fill whole registers: they take the least.
    step = LANES if factors > 2 * LANES else 1
    low, high = -(-FEWEST_FACTORS // step), -(-factors // step)
    if high <= low or not fits(low * step):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle * step) else (low, middle)
    return low * step


def find_most_items(interactions: Interactions, fits: Callable[[Interactions], bool]) -> int | None:
    """Return how many of the most popular items fit, found by halving; None where not even a few do."""
    n = interactions.n_items
    while n > 2 * FEWEST_ITEMS:
        n = _round_down(n // 2)
        interactions = interactions.top_items(n)
        if fits(interactions):
            return n
    return None


def _round_down(n: int) -> int:
    """Return a number rounded down to two digits."""
    step = int(10 ** max(len(str(n)) - 2, 0))
    return n // step * step
