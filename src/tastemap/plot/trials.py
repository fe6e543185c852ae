"""How a search for hyper-parameters went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tastemap.data.frames import to_polars
from tastemap.errors import DataError
from tastemap.metrics.definitions import Metric
from tastemap.plot.canvas import COLOURS, GREY, format_text, make_panels, tick_whole_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tastemap.tuning.tune import Tuning


# The marks of trials without a score.
_MARKS = {"pruned": ("|", GREY), "failed": ("x", COLOURS[5]), "stopped": ("+", COLOURS[6])}


def tuning(result: Tuning) -> Figure:
    """Draw the score of every trial with the best so far and, beside it, how important each parameter was.

    result : what `tune` returns

    Where only one parameter was searched, it has all the importance: its values and their scores are drawn instead.
    Trials without a score, such as pruned ones, are ticks on the lower edge. Importances are left out where the trials
    are too few to estimate them.
    """
    if not isinstance(getattr(result, "metric", None), Metric):
        raise DataError(f"result must be what tune returns, got a {type(result).__name__}")
    trials = to_polars(result.trials, ["trial", "state", "score"]).sort("trial")
    done = trials.filter(state="complete")
    if done.is_empty():
        raise DataError(f"none of the {len(trials)} trials came to its end: there is nothing to draw")
    less = result.metric.lower_is_better
    best = done["score"].cum_min() if less else done["score"].cum_max()
    sides = result.importances is not None
    figure, axes = make_panels(*(3, 2) if sides else (1,), size=(9.5 if sides else 7.2, 3.8))
    ax = axes[0]
    until = [*done["trial"], trials["trial"][-1]]
    ax.step(until, [*best, best[-1]], where="post", color=COLOURS[1], label="best so far")
    ax.plot(done["trial"], done["score"], "o", color=COLOURS[0], markersize=4, label=f"complete ({len(done)})")
    edge: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "markersize": 7}
    for state, (marker, colour) in _MARKS.items():
        these = trials.filter(state=state)["trial"]
        if len(these):
            ax.plot(these, np.full(len(these), 0.03), marker, color=colour, label=f"{state} ({len(these)})", **edge)
    ax.margins(y=0.1)  # the marks on the edge lie below the scores
    tick_whole_numbers(ax)
    ax.set_xlabel("trial")
    ax.set_ylabel(format_text(result.metric.name + (", less is better" if less else "")))
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.3, frameon=False, fontsize="small", ncols=3,
        handlelength=1.2, handletextpad=0.5, columnspacing=1.2,
    )  # fmt: skip
    if sides:
        importances = to_polars(result.importances, ["parameter", "importance"]).sort("importance", "parameter")
        if len(importances) == 1:
            _draw_by_value(axes[1], to_polars(result.trials).filter(state="complete"), importances["parameter"][0])
        else:
            _draw_bars(axes[1], importances)
    return figure


def _draw_bars(ax: Any, importances: pl.DataFrame) -> None:
    names = [format_text(name, 24) for name in importances["parameter"]]
    bars = ax.barh(names, importances["importance"], color=COLOURS[0], height=0.6)
    ax.bar_label(bars, fmt="{:.2f}", padding=3, fontsize="small")
    ax.margins(x=0.12)
    ax.set_xlabel("importance (sums to 1)")
    ax.grid(visible=False, axis="y")


def _draw_by_value(ax: Any, done: pl.DataFrame, parameter: str) -> None:
    values = done[parameter]
    if not values.dtype.is_numeric():
        values = values.cast(pl.String)
    elif values.min() > 0 and values.max() > 10 * values.min():  # type: ignore[operator]
        ax.set_xscale("log")
    ax.plot(values, done["score"], "o", color=COLOURS[0], markersize=4)
    ax.margins(y=0.1)
    ax.set_xlabel(format_text(parameter))
