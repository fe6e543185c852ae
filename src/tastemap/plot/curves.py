"""Draws what changes by epoch, and by the length of the list."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tastemap.data._checks import check_whole
from tastemap.data.interactions import Interactions
from tastemap.errors import NotSupportedError, name_some, show
from tastemap.evaluation.evaluate import evaluate
from tastemap.metrics.definitions import METRICS, Metric, parse
from tastemap.metrics.own import OwnMetric
from tastemap.models.shared.named import Models
from tastemap.plot.canvas import (
    choose_line_style,
    format_text,
    make_panels,
    name_fitted_models,
    prepare_axes,
    tick_whole_numbers,
    write_legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KS = (1, 2, 5, 10, 20, 50, 100)

# The share of an axis that a tick's number takes.
_TICK = 0.06


def learning_curves(models: Models, *, metric: str | None = None) -> Figure:
    """Draw the objective by epoch and, beside it, the metric on the validation part where one was measured.

    models : a model, a list of models, or {name: model}, fitted
    metric : the name on the axis of the metric; None takes what `fit` measured

    Objectives of models of one class are drawn as they are. Those of several classes are sums of different things, so
    each is drawn as a share of its value after the first epoch.
    The legend says which models train without epochs. Raises NotSupportedError where all of them do.
    """
    given = name_fitted_models(models)
    named = {name: model for name, model in given.items() if model.epochs_}
    if not named:
        raise NotSupportedError(f"there is no learning curve to draw: {name_some(given)} trained without epochs")
    measured = {name: model for name, model in named.items() if model.epochs_[-1].metric is not None}
    figure, axes = make_panels(*(1, 1) if measured else (1,), size=(9.5 if measured else 7.2, 3.8))
    relative = len({type(model) for model in named.values()}) > 1
    from matplotlib.lines import Line2D

    lines = []
    for number, (name, model) in enumerate(named.items()):
        epochs = [done.epoch for done in model.epochs_]
        objective = np.array([done.objective for done in model.epochs_])
        values = objective / objective[0] if relative else objective
        lines += axes[0].plot(epochs, values, label=format_text(name), **choose_line_style(number))
        if name in measured:
            metrics = [np.nan if done.metric is None else done.metric for done in model.epochs_]
            axes[1].plot(epochs, metrics, label=format_text(name), **choose_line_style(number))
    axes[0].set_ylabel("objective, share of that after epoch 1" if relative else "objective")
    if measured:
        names = {done.metric_name for model in measured.values() for done in model.epochs_}
        metric = metric or (names.pop() if len(names) == 1 else None) or "metric"
        axes[1].set_ylabel(f"{format_text(metric)} on the validation part")
    for ax in axes:
        ax.set_xlabel("epoch")
        tick_whole_numbers(ax)
    without = [name for name in given if name not in named]
    lines += [Line2D([], [], linestyle="none") for _ in without]
    labels = [*named, *(f"{name}\ntrained without epochs" for name in without)]
    _name_lines(axes[0] if len(labels) == 1 else axes[-1], lines, labels)
    return figure


def metric_at_k(
    models: Models,
    test: Interactions,
    metric: OwnMetric | str = "ndcg",
    ks: Iterable[int] | None = None,
    *,
    exclude: Literal["train"] | Interactions | None = "train",
    on_unknown: Literal["skip", "popular"] = "skip",
    ax: Axes | None = None,
) -> Figure:
    """Draw a metric by the length of the list, k on a log scale.

    models : a model, a list of models, or {name: model}, fitted; each is evaluated once for all k
    metric : a name without its cut-off, such as "ndcg" or "recall"; or an `OwnMetric`, whose cut-off does not count
    ks : None for 1, 2, 5, 10, 20, 50, 100, as far as there are items
    exclude, on_unknown : as for `evaluate`

    The legend is in the order of the lines at the longest list.
    """
    named = name_fitted_models(models)
    if not isinstance(metric, OwnMetric) and (not isinstance(metric, str) or "@" in metric):
        raise ValueError(
            f"metric is a name without a cut-off here, such as 'ndcg', and ks are the cut-offs: {show(metric)}"
        )
    if isinstance(metric, str) and not METRICS.get(metric, Metric).has_cutoff:
        raise ValueError(f"{metric} is not of lists, so no length changes it: name a metric such as 'ndcg'")
    if isinstance(ks, str) or not isinstance(ks, Iterable | None):
        raise ValueError(f"ks must be lengths of the list, such as [5, 10], got {show(ks)}")
    n_items = max(len(model.items) for model in named.values())
    wanted = [k for k in KS if k <= n_items] if ks is None else list(ks)
    if not wanted:
        raise ValueError("ks must hold at least one length of the list, such as 10")
    for k in wanted:
        check_whole("ks", k, lowest=1)
    lengths = sorted({*wanted})
    at_lengths = [metric.at(k) if isinstance(metric, OwnMetric) else parse(f"{metric}@{k}") for k in lengths]
    results = {
        name: evaluate(model, test, metrics=at_lengths, exclude=exclude, on_unknown=on_unknown)
        for name, model in named.items()
    }
    figure, ax = prepare_axes(ax, size=(7.2, 4.2))
    lines = {}
    for number, (name, result) in enumerate(results.items()):
        values = [result[at_k] for at_k in at_lengths]
        (lines[name],) = ax.plot(lengths, values, label=format_text(name), **choose_line_style(number))
    ax.set_xscale("log")
    ticks = _space_ticks(lengths)
    ax.set_xticks(ticks, [f"{k:,}" for k in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("k, the length of the list")
    ax.set_ylabel(f"{format_text(at_lengths[0].base_name)}@k")
    order = sorted(lines, key=lambda name: -results[name][at_lengths[-1]])
    _name_lines(ax, [lines[name] for name in order], order)
    return figure


def _space_ticks(ks: list[int]) -> list[int]:
    """Return the lengths, from the first on, whose tick labels do not overlap on a log scale."""
    room = _TICK * math.log(ks[-1] / ks[0])
    apart = ks[:1]
    for k in ks[1:]:
        if math.log(k / apart[-1]) >= room:
            apart.append(k)
    return apart


def _name_lines(ax: Axes, lines: list[Any], names: list[str]) -> None:
    """Say what the lines are: in a legend, or above a single one."""
    if len(lines) > 1:
        write_legend(ax, lines, names)
    else:
        ax.set_title(format_text(names[0]), fontsize="medium", loc="left")
