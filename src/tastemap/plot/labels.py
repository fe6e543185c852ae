"""Labels of points that cover neither each other nor the edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# Where a label may stand around its point, in points, with its alignment: the best places first.
_PLACES = (
    (7, 0, "left", "center"),
    (-7, 0, "right", "center"),
    (0, 6, "center", "bottom"),
    (0, -6, "center", "top"),
    (5, 5, "left", "bottom"),
    (5, -5, "left", "top"),
    (-5, 5, "right", "bottom"),
    (-5, -5, "right", "top"),
)  # fmt: skip


def write_labels(
    ax: Any, points: npt.NDArray[np.float64], labels: Sequence[str], bold: npt.NDArray[np.bool_]
) -> list[Any]:
    """Write as many labels as have room, the first ones first; the bold ones have a place in any case.

    points : float64 (n, 2), what each label belongs to; no label covers one of them
    """
    from matplotlib.patheffects import withStroke

    ax.get_figure(root=True).draw_without_rendering()  # only now is it known where the axes end
    edge, spots = ax.get_window_extent(), ax.transData.transform(points)
    taken: list[Any] = []
    written = []
    for number, (label, is_bold) in enumerate(zip(labels, bold, strict=True)):
        others = np.delete(spots, number, axis=0)
        for x, y, ha, va in _PLACES:
            text = ax.annotate(
                label, points[number], (x, y), textcoords="offset points", ha=ha, va=va, fontsize=7.5,
                fontweight="bold" if is_bold else "normal", linespacing=0.95,
                path_effects=[withStroke(linewidth=2, foreground="white", alpha=0.7)],
            )  # fmt: skip
            text.set_in_layout(False)  # or the axes would shrink for it
            box = text.get_window_extent().padded(2)
            inside = edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 and box.y1 <= edge.y1
            free = inside and not box.count_contains(others) and not any(box.overlaps(other) for other in taken)
            if free or (is_bold and (x, y, ha, va) == _PLACES[-1]):
                taken.append(box)
                written.append(text)
                break
            text.remove()
    return written
