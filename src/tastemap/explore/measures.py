"""Figures about data and models, as the pages Data and Models show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tastemap.data.clock import Clock
from tastemap.data.interactions import Interactions
from tastemap.ranking.scorer import FactorScorer
from tastemap.serve.served import Served
from tastemap.typing import Counts, Doubles

# Users whose lists are looked at, and places of a list.
SAMPLE, PLACES = 1_000, 10

# Points of a curve, and bars of a histogram.
POINTS, BARS = 60, 24

# Spans of time and how they are named, and how many of them are shown at most, but for years.
_SPANS = (("1d", "%Y-%m-%d"), ("1w", "%Y-%m-%d"), ("1mo", "%Y-%m"), ("1q", "%Y-%m"), ("1y", "%Y"))
MOST_SPANS = 40

Bars = list[tuple[str, int]]


@dataclass(frozen=True)
class DataFigures:
    """What the training data are like.

    tail : (share of the items, the most popular first; share of the pairs that they have), 0 to 1
    histories : how many users have a history of about so many items
    weights : how many pairs have each weight; empty where all are alike
    activity : how many pairs are of each year, quarter, month, week or day, or span of numbers; empty without times
    """

    users: int
    items: int
    pairs: int
    tail: list[tuple[float, float]]
    histories: Bars
    weights: Bars
    activity: Bars

    @property
    def density(self) -> float:
        """The share of all pairs of a user and an item that are there."""
        return self.pairs / max(self.users * self.items, 1)

    def share_of(self, part: float) -> float:
        """Return which share of the pairs a part of the items has, the most popular first."""
        parts, shares = zip(*self.tail, strict=True)
        return float(np.interp(part, parts, shares))


def describe_data(data: Interactions) -> DataFigures:
    """Count what the page Data shows."""
    users, items = data.by_user.counts, data.by_item.counts
    return DataFigures(
        users=int(np.count_nonzero(users)),
        items=int(np.count_nonzero(items)),
        pairs=len(data),
        tail=_find_tail(items[items > 0]),
        histories=_count_sizes(users[users > 0]),
        weights=_count_weights(data.matrix.data),
        activity=_count_times(data),
    )


def _find_tail(counts: Counts) -> list[tuple[float, float]]:
    shares = np.concatenate(([0], np.cumsum(np.sort(counts)[::-1]) / max(counts.sum(), 1)))
    places = np.unique(np.linspace(0, len(counts), min(POINTS, len(counts)) + 1).astype(int))
    return [(place / max(len(counts), 1), float(shares[place])) for place in places.tolist()]


def _count_sizes(counts: Counts) -> Bars:
    """Count sizes in spans that double: 1, 2 to 3, 4 to 7 and so on."""
    spans = np.bincount(np.log2(counts).astype(int)) if len(counts) else np.zeros(0, int)
    names = [f"{1 << n}" if n == 0 else f"{1 << n}-{(2 << n) - 1}" for n in range(len(spans))]
    return list(zip(names, spans.tolist(), strict=True))


def _count_weights(weights: Any) -> Bars:
    values, counts = np.unique(weights, return_counts=True)
    if len(values) < 2:
        return []
    if len(values) <= BARS:
        return [(f"{value:g}", int(count)) for value, count in zip(values, counts, strict=True)]
    counts, edges = np.histogram(weights, BARS // 2)
    return [(f"{low:.3g}-{high:.3g}", int(n)) for low, high, n in zip(edges, edges[1:], counts, strict=False)]


def _count_times(data: Interactions) -> Bars:
    """Count the pairs of each span of the calendar, the shortest that gives few bars; those without pairs too."""
    if data.time is None or not len(data) or data.time.min() == data.time.max():
        return []
    if data.clock.ticks is None:
        counts, edges = np.histogram(data.time, BARS // 2)
        return [(f"{low:.4g}-{high:.4g}", int(n)) for low, high, n in zip(edges, edges[1:], counts, strict=False)]
    moments = Clock(1_000_000, is_dated=True).take(data.time, data.clock)
    times = pl.Series("start", moments).cast(pl.Datetime("us"))
    for span, name in _SPANS:
        counted = times.dt.truncate(span).value_counts().sort("start").upsample("start", every=span)
        bars = list(zip(counted["start"].dt.strftime(name), counted["count"].fill_null(0), strict=True))
        if len(bars) <= MOST_SPANS:
            break
    return bars


@dataclass(frozen=True)
class ListFigures:
    """What the lists of a model are like.

    coverage : the share of the known items that is in at least one list
    novelty : the mean of -log2 of the share of users who have an item
    """

    model: str
    coverage: float
    novelty: float


@dataclass(frozen=True)
class Compared:
    """What the lists of several models are like: of the same users, without what they have.

    users : how many lists each model has made
    overlap : float64, (n, n): the mean share of items that two models' lists have in common
    """

    users: int
    figures: Sequence[ListFigures]
    overlap: Doubles


def compare_lists(models: Sequence[Served]) -> Compared:
    """Make lists for users whom all models know, and compare them by the ids of their items.

    Models that cannot list for known users, because their files have no histories, are left out.
    """
    models = [served for served in models if served.scorer.seen is not None or isinstance(served.scorer, FactorScorer)]
    if not models:
        return Compared(0, [], np.zeros((0, 0)))
    known = [served.model.users.ids.filter(pl.Series(served.model.state.known_users)) for served in models]
    common = known[0]
    for ids in known[1:]:
        common = common.filter(common.is_in(ids.implode()))
    chosen = common.gather(np.unique(np.linspace(0, len(common) - 1, min(SAMPLE, len(common))).astype(int)))
    if not len(chosen):
        return Compared(0, [], np.zeros((0, 0)))
    figures, lists = [], []
    for served in models:
        model = served.model
        made = served.scorer.recommend(model.users.find(chosen), PLACES, exclude_seen=served.scorer.seen is not None)
        rows = made.rows[made.rows >= 0]
        popularity = np.maximum(model.popularity_[rows], 1) / max(int(np.count_nonzero(model.state.known_users)), 1)
        coverage = len(np.unique(rows)) / max(int(np.count_nonzero(model.state.known_items)), 1)
        figures.append(ListFigures(served.name, coverage, float(-np.log2(popularity).mean())))
        ids = model.items.ids
        lists.append([set(ids.gather(row[row >= 0]).to_list()) for row in made.rows])
    overlap = np.array(
        [[np.mean([len(a & b) / PLACES for a, b in zip(one, other, strict=True)]) for other in lists] for one in lists]
    )
    return Compared(len(chosen), figures, overlap)
