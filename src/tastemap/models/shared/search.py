"""The values that a search over a model's parameters may try."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tastemap.errors import show

# The number of values that a grid takes from a range.
GRID_STEPS = 4

# Significant digits of the numbers tried: more than scores can distinguish, and few enough to copy.
DIGITS = 4


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included.

    low, high : if both are whole numbers, all values are whole numbers
    log : sample uniformly in the logarithm, so that 0.01 to 0.1 is as likely as 0.1 to 1

    Raises ValueError unless both ends are finite and ascending, and above 0 with log=True.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            end = getattr(self, name)
            if isinstance(end, np.generic):
                object.__setattr__(self, name, end := end.item())
            if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end):
                raise ValueError(f"the ends of a Range must be finite numbers, got {show(end)}")
        if self.low >= self.high:
            raise ValueError(
                f"a Range must go from a lower to a higher number, got {show(self.low)} to {show(self.high)}"
            )
        if self.log and self.low <= 0:
            raise ValueError(f"a Range with log=True must begin above 0, got {show(self.low)}: leave log out")

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or (self.is_whole and value != int(value)):
            return False
        return self.low <= value <= self.high

    def nearest(self, value: float) -> float:
        """Return the value of the range nearest to a number: within the ends, and rounded to few digits or whole."""
        kept = round(value) if self.is_whole else float(f"{value:.{DIGITS}g}")
        return type(kept)(min(max(kept, self.low), self.high))

    def steps(self) -> list[float]:
        """Return both ends and two values between them, at equal distances or, with log=True, equal ratios.

        A short range of whole numbers gives fewer values.
        """
        shares = [i / (GRID_STEPS - 1) for i in range(GRID_STEPS)]
        if self.log:
            values = [self.low * (self.high / self.low) ** share for share in shares]
        else:
            values = [self.low + (self.high - self.low) * share for share in shares]
        return list(dict.fromkeys(self.nearest(value) for value in values))


# From a parameter to the values to try: a Range, or a list.
SearchSpace = Mapping[str, Range | Sequence[Any]]


def nearest(values: Range | Sequence[Any], value: Any) -> Any:
    """Return the nearest value of a range; of a list the equal value, or the first where no value is equal."""
    if isinstance(values, Range):
        return value if value in values and not values.is_whole else values.nearest(value)
    return value if value in values else values[0]


def ends(values: Range | Sequence[Any]) -> list[Any]:
    """Return both ends of a range, or all values of a list."""
    return [values.low, values.high] if isinstance(values, Range) else list(values)


def grid(space: SearchSpace) -> list[dict[str, Any]]:
    """Return every combination of the values of lists and the steps of ranges, each as parameters by name."""
    axes = [values.steps() if isinstance(values, Range) else list(values) for values in space.values()]
    return [dict(zip(space, point, strict=True)) for point in itertools.product(*axes)]
