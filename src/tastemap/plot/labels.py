"""Writes labels of points that cover neither each other nor the edge."""

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
)

# Letters are set on whole pixels: in a file of another resolution a line may be higher, and wider by this share.
_WIDER = 0.15

# The part of this growth that goes to the left, by alignment.
_TO_THE_LEFT = {"left": 0.0, "center": 0.5, "right": 1.0}


def write_labels(
    ax: Any, points: npt.NDArray[np.float64], labels: Sequence[str], bold: npt.NDArray[np.bool_]
) -> list[Any]:
    """Write as many labels as have room, the first ones first; the bold ones are written in any case.

    points : float64 (n, 2), all points, those to label first; a label covers none of these, and as few others as
        possible
    labels, bold : the text of each label, and whether it is bold: bool, (labels,)
    """
    from matplotlib.patheffects import withStroke

    ax.get_figure(root=True).draw_without_rendering()  # this settles where the axes end
    edge, spots = ax.get_window_extent(), ax.transData.transform(points)
    taken: list[Any] = []
    written = []
    for number, (label, is_bold) in enumerate(zip(labels, bold, strict=True)):
        text = ax.annotate(
            label, points[number], (0, 0), textcoords="offset points", fontsize=7.5, linespacing=0.95,
            fontweight="bold" if is_bold else "normal",
            path_effects=[withStroke(linewidth=2, foreground="white", alpha=0.7)],
        )  # fmt: skip
        text.set_in_layout(False)  # or the axes would shrink for it
        named, others = np.delete(spots[: len(labels)], number, axis=0), spots[len(labels) :]
        free = []
        for place in _PLACES:
            box = _move(text, place)
            inside = edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 and box.y1 <= edge.y1
            if inside and not box.count_contains(named) and not any(box.overlaps(other) for other in taken):
                free.append((box.count_contains(others), place))
        if not free and not is_bold:
            text.remove()
            continue
        best = min(free, key=lambda found: found[0])[1] if free else _PLACES[-1]
        taken.append(_move(text, best))
        written.append(text)
    return written


def _move(text: Any, place: tuple[float, float, str, str]) -> Any:
    """Move a label to a place around its point and return the box it takes there at any resolution."""
    x, y, ha, va = place
    text.xyann = (x, y)
    text.set(ha=ha, va=va)
    box = text.get_window_extent()
    left = _TO_THE_LEFT[ha]
    growth = _WIDER * box.width
    return type(box)([[box.x0 - left * growth, box.y0], [box.x1 + (1 - left) * growth, box.y1]]).padded(2, 3)
