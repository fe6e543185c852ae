"""Several models' results on the same test part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.errors import DataError
from tastemap.evaluation.evaluate import Evaluation
from tastemap.evaluation.significance import find_shared_users
from tastemap.metrics.definitions import Metric, find
from tastemap.plot.canvas import COLOURS, GREY, format_text, prepare_axes, thin, write_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tastemap.evaluation.comparison import Comparison


_LESS = ", less is better"


def differences(
    board: Comparison | Mapping[str, Evaluation],
    a: str,
    b: str,
    metric: Metric | str | None = None,
    *,
    ax: Axes | None = None,
) -> Figure:
    """Draw the metric of model a less that of model b for each user, in ascending order.

    board : what `compare` returns, or {name: Evaluation}
    a, b : the names of two of its models
    metric : None for the first of those measured

    Only users on whom both models were measured count. The legend gives the share of users whom each model serves
    better, and the mean difference.
    """
    results = _read_evaluations(board)
    for name in (a, b):
        if name not in results:
            raise DataError(f"there is no model {name!r}, only {', '.join(map(repr, results))}")
    metric = _find_metric(results, metric)
    if not metric.per_user:
        raise DataError(f"{metric} is of all lists together and has no value for a single user: name another metric")
    values = _subtract(results[a], results[b], metric)
    less, mean = metric.lower_is_better, values.mean()
    percent, curve = thin(np.linspace(0, 100, len(values) + 1), np.append(values, values[-1]))
    figure, ax = prepare_axes(ax, size=(7.2, 4.2))
    filled: dict[str, Any] = {"step": "post", "alpha": 0.35, "linewidth": 0}
    higher = ax.fill_between(percent, np.maximum(curve, 0), color=COLOURS[0], **filled)
    lower = ax.fill_between(percent, np.minimum(curve, 0), color=COLOURS[1], **filled)
    ax.step(percent, curve, where="post", color="black", linewidth=1.2)
    handles = [higher, lower, ax.axhline(0, color=GREY, linewidth=0.8)]
    handles.append(ax.axhline(mean, color="black", linewidth=1.2, linestyle="--"))
    ax.set_xlim(0, 100)
    ax.set_xlabel(f"users, % of {len(values):,}, in the order of the difference")
    ax.set_ylabel(format_text(f"{metric} of {a} less that of {b}{_LESS if less else ''}", 44))
    better, other = (b, a) if less else (a, b)
    shares = [100 * share.mean() for share in (values > 0, values < 0, values == 0)]
    labels = [
        f"{better}\nbetter for {shares[0]:.1f} % of users",
        f"{other}\nbetter for {shares[1]:.1f} % of users",
        f"equal for {shares[2]:.1f} % of users",
        f"mean difference {mean:+.4f}",
    ]
    write_legend(ax, handles, labels)
    return figure


def intervals(
    board: Comparison | Mapping[str, Evaluation], metric: Metric | str | None = None, *, ax: Axes | None = None
) -> Figure:
    """Draw the mean of a metric for each model with its 95 % bootstrap interval over users, the best at the top.

    board : what `compare` returns, or {name: Evaluation}
    metric : None for the first of those measured

    coverage and gini are measured over all lists together and are drawn without an interval. Overlapping intervals do
    not mean that two models are equally good: both are measured on the same users, so look at the differences and
    p-values of `compare`.
    """
    results = _read_evaluations(board)
    metric = _find_metric(results, metric)
    rows = pl.DataFrame([{"model": name, **result.interval(metric)} for name, result in results.items()])
    rows = rows.sort("mean", descending=not metric.lower_is_better, maintain_order=True)
    figure, ax = prepare_axes(ax, size=(7.2, 1.2 + 0.36 * len(rows)))
    places = np.arange(len(rows))
    mean = rows["mean"].to_numpy()
    known = rows.filter(pl.col("low").is_not_null())
    if len(known):
        ax.hlines(places[rows["low"].is_not_null().to_numpy()], known["low"], known["high"], color=COLOURS[0])
    ax.plot(mean, places, "o", color=COLOURS[0], markersize=6)
    for place, value in zip(places, mean, strict=True):
        ax.annotate(f"{value:.4f}", (value, place), (0, 5), textcoords="offset points", ha="center", fontsize="small")
    ax.set_yticks(places, [format_text(name, 36) for name in rows["model"]])
    ax.set_ylim(len(rows) - 0.5, -0.7)
    ax.margins(x=0.08)
    ax.grid(visible=False, axis="y")
    users = [f"{n:,}" for n in rows["users"].unique().sort()]
    of = "1 user" if users == ["1"] else f"{' to '.join(dict.fromkeys((users[0], users[-1])))} users"
    said = f"{metric}: mean over {of}" if metric.per_user else metric.name
    if len(known):
        said += " and its 95 % interval"
    ax.set_xlabel(format_text(said + (_LESS if metric.lower_is_better else "")))
    return figure


def _read_evaluations(board: Comparison | Mapping[str, Evaluation]) -> dict[str, Evaluation]:
    """Return the evaluations of a board, or those given by name."""
    results = getattr(board, "evaluations", board)
    if not isinstance(results, Mapping) or not all(isinstance(one, Evaluation) for one in results.values()):
        raise DataError(f"board must be what compare returns, or {{name: Evaluation}}, got a {type(board).__name__}")
    if not results:
        raise DataError("there is no evaluation to draw: the board is empty")
    return {str(name): result for name, result in results.items()}


def _find_metric(results: Mapping[str, Evaluation], metric: Metric | str | None) -> Metric:
    """Return the metric asked for, the first one for None; raise DataError where one of the evaluations lacks it."""
    first = next(iter(results.values()))
    metric = first.metrics[0] if metric is None else metric
    for name, result in results.items():
        if not any(metric in (one, one.name) for one in result.metrics):
            raise DataError(f"{str(metric)!r} was not measured for {name!r}, only {', '.join(result.names)}")
    return find(metric, first.metrics)


def _subtract(a: Evaluation, b: Evaluation, metric: Metric) -> npt.NDArray[np.float64]:
    """Return the values of a less those of b for the users of both, ascending."""
    of_a, of_b = (one.user_values(metric)[rows] for one, rows in zip((a, b), find_shared_users(a, b), strict=True))
    values = of_a - of_b
    values = values[~np.isnan(values)]
    if not len(values):
        raise DataError("the two models were measured on no user together: evaluate both on one test part")
    return np.sort(values)
