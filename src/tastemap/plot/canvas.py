"""What all plots share: figures, colours, legends, and the names of models."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from tastemap.extras import import_extra
from tastemap.models.shared.base import Model
from tastemap.models.shared.named import Models, name_models
from tastemap.tables import show_controls

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colour-blind people can tell these apart: Okabe and Ito, Color universal design, 2008; without yellow, too light for
# lines on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
GREY = "#8c8c8c"
_DASHES, _MARKERS = ("-", "--", ":"), ("o", "s", "^")

# The most points of a curve: more would not look finer.
_POINTS = 2000
_NAME_WIDTH = 30
_LINE_INCHES = 0.18


def make_panels(*widths: float, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a new figure of `size` inches with axes side by side, as wide as `widths` are to each other."""
    import_extra("matplotlib", "matplotlib", extra="plot", purpose="tm.plot")
    from tastemap.plot.picture import Picture

    figure = Picture(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    return figure, [_style_axes(ax) for ax in axes]


def prepare_axes(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """Return the figure and the axes to draw in: those of ``ax``, or new ones of `size` inches."""
    if ax is None:
        figure, (new,) = make_panels(1, size=size)
        return figure, new
    # For axes in a subfigure this is the whole figure.
    return cast("Figure", ax.get_figure(root=True)), _style_axes(ax)


def _style_axes(ax: Axes) -> Axes:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e5e5e5", linewidth=0.8)
    ax.set_axisbelow(True)
    return ax


def tick_whole_numbers(ax: Axes) -> None:
    """Put ticks of the lower axis at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def choose_line_style(number: int) -> dict[str, Any]:
    """Return colour, dashes and marker of a series by its number; the first 21 differ."""
    turn, colour = divmod(number, len(COLOURS))
    turn %= len(_DASHES)
    return {"color": COLOURS[colour], "linestyle": _DASHES[turn], "marker": _MARKERS[turn], "markersize": 4}


def format_text(text: object, width: int | None = None) -> str:
    """Return text that matplotlib shows letter by letter, in lines of at most `width` characters."""
    plain = show_controls(" ".join(str(text).split()))
    if width is not None:
        plain = "\n".join(textwrap.wrap(plain, width)) or plain
    # matplotlib takes $ for the mark of a formula, and leaves labels that start with _ out of legends.
    return (" " if plain.startswith("_") else "") + plain.replace("$", r"\$")


def write_legend(ax: Axes, handles: Sequence[Any], names: Sequence[str], title: str | None = None) -> None:
    """Write the legend beside the axes, where it covers nothing; a figure of tastemap grows to hold it."""
    from tastemap.plot.picture import Picture

    labels = ["\n".join(format_text(line, _NAME_WIDTH) for line in name.split("\n")) for name in names]
    lines = sum(label.count("\n") + 1.2 for label in labels) + 2 * (title is not None)
    if isinstance(ax.figure, Picture):
        ax.figure.set_figheight(max(ax.figure.get_figheight(), round(0.9 + _LINE_INCHES * lines, 1)))
    ax.legend(
        handles, labels, title=title, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, frameon=False,
        alignment="left",
    )  # fmt: skip


def thin(*columns: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Return the columns of a long curve at fewer, evenly spaced places, with both ends."""
    n = len(columns[0])
    if n <= _POINTS:
        return [*columns]
    places = np.linspace(0, n - 1, _POINTS).round().astype(int)
    return [column[places] for column in columns]


def name_fitted_models(models: Models) -> dict[str, Model]:
    """Return fitted models by name, as `compare` names them; raises NotFittedError for one that is not."""
    named = name_models(models)
    for model in named.values():
        model.check_fitted()
    return named
