"""What all plots share: figures, colours, legends, and the names of models."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from tastemap.extras import optional
from tastemap.models.shared.base import Model
from tastemap.models.shared.named import Models, name_models

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colour-blind people can tell these apart: Okabe and Ito, Color universal design, 2008; without yellow, too light for
# lines on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
GREY = "#8c8c8c"
_DASHES, _MARKERS = ("-", "--", ":"), ("o", "s", "^")

# Points of a curve that is drawn: more are no finer on a page.
_POINTS = 2000
_NAME_WIDTH = 30
_LINE_INCHES = 0.18


def panels(*widths: float, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a new figure of `size` inches with axes side by side, as wide as `widths` are to each other."""
    optional("matplotlib", "matplotlib", extra="plot", purpose="tm.plot")
    from tastemap.plot.picture import Picture

    figure = Picture(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    return figure, [_plain_axes(ax) for ax in axes]


def axes_in(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """Return the axes to draw in with their figure: those given, or new ones."""
    if ax is None:
        figure, (new,) = panels(1, size=size)
        return figure, new
    # Of axes in a subfigure it is the whole figure.
    return cast("Figure", ax.get_figure(root=True)), _plain_axes(ax)


def _plain_axes(ax: Axes) -> Axes:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e5e5e5", linewidth=0.8)
    ax.set_axisbelow(True)
    return ax


def whole_numbers(ax: Axes) -> None:
    """Put no ticks between whole numbers of the lower axis."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def line_style(number: int) -> dict[str, Any]:
    """Return colour, dashes and marker of a series, different ones for 21 of them."""
    turn, colour = divmod(number, len(COLOURS))
    turn %= len(_DASHES)
    return {"color": COLOURS[colour], "linestyle": _DASHES[turn], "marker": _MARKERS[turn], "markersize": 4}


def shown(text: object, width: int | None = None) -> str:
    """Return text as matplotlib shows it letter by letter, in lines of some width."""
    plain = " ".join(str(text).split())
    if width is not None:
        plain = "\n".join(textwrap.wrap(plain, width)) or plain
    # Dollars would stand around formulas, and what starts with _ is left out of legends.
    return (" " if plain.startswith("_") else "") + plain.replace("$", r"\$")


def legend(ax: Axes, handles: Sequence[Any], names: Sequence[str], title: str | None = None) -> None:
    """Write the legend beside the axes, where it covers nothing; a figure of ours grows to hold it."""
    from tastemap.plot.picture import Picture

    labels = ["\n".join(shown(line, _NAME_WIDTH) for line in name.split("\n")) for name in names]
    lines = sum(label.count("\n") + 1.2 for label in labels) + 2 * (title is not None)
    if isinstance(ax.figure, Picture):
        ax.figure.set_figheight(max(ax.figure.get_figheight(), round(0.9 + _LINE_INCHES * lines, 1)))
    ax.legend(
        handles, labels, title=title, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, frameon=False,
        alignment="left",
    )  # fmt: skip


def thinned(*columns: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Return columns of a long curve at fewer places, evenly spaced, with both ends."""
    n = len(columns[0])
    if n <= _POINTS:
        return [*columns]
    places = np.linspace(0, n - 1, _POINTS).round().astype(int)
    return [column[places] for column in columns]


def fitted_models(models: Models) -> dict[str, Model]:
    """Return fitted models by name, as `compare` names them; raises NotFittedError for one that is not."""
    named = name_models(models)
    for model in named.values():
        model.check_fitted()
    return named
