"""How unequally the places in lists are spread over the items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tastemap.data._checks import check_whole
from tastemap.data.interactions import Interactions, check_interactions
from tastemap.metrics.definitions import Coverage, Gini
from tastemap.models.shared.base import Model
from tastemap.models.shared.named import Models
from tastemap.plot.canvas import GREY, choose_line_style, name_fitted_models, prepare_axes, thin, write_legend
from tastemap.typing import Counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Users whose lists are made at a time.
USERS_AT_ONCE = 1 << 14


def long_tail(
    train: Interactions, models: Models | None = None, k: int = 10, *, exclude_seen: bool = True, ax: Axes | None = None
) -> Figure:
    """Draw which share of the pairs, and of all places in each model's lists, goes to the most popular items.

    train : the training data, drawn for comparison
    models : a model, a list of models, or {name: model}, fitted; the lists are those of all users with a training pair.
        None draws the data alone
    k : the length of the lists
    exclude_seen : leave out of the lists what the user has

    A curve far above the dotted one means that a few items get nearly everything. The legend has coverage@k and gini@k
    as `METRICS` defines them, here of the lists of all users. The items are the catalogue: those with a training pair
    or features.
    """
    check_interactions("long_tail", train)
    check_whole("k", k, lowest=1)
    named = {} if models is None else name_fitted_models(models)
    listed = {name: count_lists(model, k, exclude_seen) for name, model in named.items()}
    figure, ax = prepare_axes(ax, size=(7.6, 4.4))
    pairs = np.bincount(train.matrix.indices, minlength=len(train.items))
    handles = ax.plot(*_accumulate(pairs[pairs > 0]), color=GREY, linewidth=4, alpha=0.6)
    labels = [f"the data\ngini {Gini.of(pairs[pairs > 0]):.2f}"]
    for number, (name, counts) in enumerate(listed.items()):
        handles += ax.plot(*_accumulate(counts), **choose_line_style(number) | {"marker": ""})
        labels.append(f"{name}\ncoverage {100 * Coverage.of(counts):.0f} %, gini {Gini.of(counts):.2f}")
    ax.plot(np.arange(101), np.arange(101), color=GREY, linewidth=0.8, linestyle=":")
    ax.annotate("all alike", (60, 60), (4, -4), textcoords="offset points", va="top", color=GREY, fontsize="small")
    # The curves differ most at the left.
    ax.set_xscale("function", functions=(np.sqrt, np.square))
    ax.set_xlim(0, 100)
    ax.set_xticks([0, 1, 5, 10, 20, 40, 60, 80, 100])
    ax.set_ylim(0, 102)
    ax.set_xlabel("items, %, the most frequent first (square root scale)")
    of_lists = f"\nor of all places in lists of {k}" if listed else ""
    ax.set_ylabel(f"what falls to them, % of all pairs{of_lists}")
    write_legend(ax, handles, labels)
    return figure


def count_lists(model: Model, k: int, exclude_seen: bool) -> Counts:
    """Count the users' lists in which each item of the catalogue is: int64, (items of the catalogue,)."""
    users = np.flatnonzero(model.activity_)
    counts = np.zeros(len(model.items), np.int64)
    for start in range(0, len(users), USERS_AT_ONCE):
        lists = model.recommend_rows(users[start : start + USERS_AT_ONCE], k, exclude_seen=exclude_seen)
        counts += np.bincount(lists.rows[lists.rows >= 0], minlength=len(counts))
    known: Counts = counts[model.state.known_items]
    return known


def _accumulate(counts: Counts) -> list[npt.NDArray[np.float64]]:
    """Return a Lorenz curve from the largest count on: percentages of the items, and of the sum that they have."""
    sums = np.concatenate(([0], np.cumsum(np.sort(counts)[::-1])))
    return thin(np.linspace(0, 100, len(sums)), 100 * sums / max(sums[-1], 1))
