"""Measures lists by any metrics; metrics/definitions.py defines them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap import parallel
from tastemap.data._pairs import Rows, freeze_rows, rows_at
from tastemap.data.interactions import Interactions
from tastemap.forks import check_polars_threads
from tastemap.kernels import metrics as kernels
from tastemap.metrics.definitions import Diversity, ListMetric, Metric, Novelty, OverallMetric, RankingMetric
from tastemap.metrics.lists import BLOCK_LISTS, measure_lists
from tastemap.metrics.own import OwnMetric
from tastemap.typing import Doubles, Ints, RowNumbers


@dataclass(frozen=True)
class Background:
    """What metrics need beside lists and test items: facts about the training data and the items.

    catalogue : the item rows that can be recommended, int64, distinct
    popularity : int64, (n_items,): how many training users have an item
    n_users : users with a training pair
    traits : returns the items' vectors for diversity, CSR arrays over (n_items, columns), and the number of columns
    ids : returns the ids of item rows for own metrics; those of unknown test items come last
    """

    catalogue: RowNumbers
    popularity: RowNumbers
    n_users: int
    traits: Callable[[], tuple[Rows, int]]
    ids: Callable[[], pl.Series]

    @cached_property
    def information(self) -> Doubles:
        """-log2 of the share of users who have an item, float64, (n_items,)."""
        return -np.log2(np.maximum(self.popularity, 1) / self.n_users)

    @cached_property
    def vectors(self) -> tuple[Rows, Doubles, int]:
        """The items' vectors, their lengths, and the number of columns."""
        rows, n_columns = self.traits()
        squares = np.append(rows.data.astype(np.float64) ** 2, 0)
        norms = np.sqrt(np.add.reduceat(squares, rows.indptr[:-1]))
        norms[~rows.has_pairs] = 0  # reduceat gives an empty row the first value of the next
        return rows, norms, n_columns


def mark_owners(training: Interactions) -> tuple[Rows, int]:
    """Return item vectors with 1 for every user who has the item, and the number of users, for `Background.traits`."""
    rows = training.by_item
    return freeze_rows(rows._replace(data=np.ones(len(rows.data), np.float32))), len(training.users)


class ListBatch(NamedTuple):
    """Lists and the test items that they are compared with.

    lists : item rows, int32 (n, any length), best first; counts[r] (int64) places of row r are filled
    held_out, rows : the test items of list r are in row rows[r] (int64) of CSR arrays
    reachable : int64 (n, 3), for auc: how many items the whole ranking has, how many of these are test items, and how
        many test items are hidden
    """

    lists: npt.NDArray[np.int32]
    counts: RowNumbers
    held_out: Rows
    rows: RowNumbers
    reachable: RowNumbers | None = None


class ListMeasurer:
    """Measures lists batch by batch. `overall` is final after the last batch.

    metrics : metrics of lists
    background : what metrics beyond accuracy need
    whole : the length of the longest possible list; a metric without a cut-off uses all of it
    times_listed : how often each item is in the first k places of a list so far, by k, for metrics over all lists
    """

    def __init__(self, metrics: Sequence[Metric], background: Background | None = None, whole: int = 1) -> None:
        self._whole = max(whole, 1)
        self._asked = [(metric, self._whole if metric.k is None else metric.k) for metric in metrics]
        self._background = background
        self.times_listed = {k: np.zeros(0, np.int64) for k in self._cutoffs(OverallMetric)}

    @property
    def longest(self) -> int:
        """How many places of each list the metrics need."""
        return min(max(k for _, k in self._asked), self._whole)

    def _cutoffs(self, family: type) -> list[int]:
        return sorted({k for metric, k in self._asked if isinstance(metric, family)})

    def add(self, shown: ListBatch) -> Doubles:
        """Add a batch and return the metrics of its lists: float64, (n, metrics); NaN for metrics over all lists."""
        values = np.full((len(shown.lists), len(self._asked)), np.nan)
        families: tuple[tuple[type[ListMetric], Callable[[ListBatch, Sequence[int]], Doubles]], ...] = (
            (RankingMetric, _measure_rankings),
            (Novelty, self._measure_novelties),
            (Diversity, self._measure_diversities),
        )
        for family, measure in families:
            cutoffs = self._cutoffs(family)
            if cutoffs:
                found = measure(shown, cutoffs)
                for column, (metric, k) in enumerate(self._asked):
                    if isinstance(metric, family):
                        values[:, column] = found[:, cutoffs.index(k), metric.column]
        for column, (metric, k) in enumerate(self._asked):
            if isinstance(metric, OwnMetric):
                values[:, column] = metric.of_users(*self._take_ids(shown, k))
        for k, before in self.times_listed.items():
            places = shown.lists[:, :k]
            filled = np.arange(places.shape[1]) < shown.counts[:, None]
            self.times_listed[k] = np.bincount(places[filled], minlength=len(before))
            self.times_listed[k][: len(before)] += before
        return values

    @property
    def overall(self) -> dict[str, float]:
        """The metrics of all lists together."""
        return sum_up([metric for metric, _ in self._asked], self.times_listed, self._known.catalogue, self._whole)

    @property
    def _known(self) -> Background:
        return cast(Background, self._background)

    def _measure_novelties(self, shown: ListBatch, cutoffs: Sequence[int]) -> Doubles:
        values = np.empty((len(shown.lists), len(cutoffs)))
        kernels.novelties(shown.lists, shown.counts, np.array(cutoffs), self._known.information, values)
        return values[:, :, None]

    def _measure_diversities(self, shown: ListBatch, cutoffs: Sequence[int]) -> Doubles:
        values = np.empty((len(shown.lists), len(cutoffs)))
        ks, (vectors, norms, n_columns) = np.array(cutoffs), self._known.vectors
        blocks = parallel.row_blocks(len(shown.lists), BLOCK_LISTS)

        def measure(b: int) -> None:
            block = blocks[b]
            sums = np.zeros(n_columns)
            kernels.diversities(shown.lists[block], shown.counts[block], ks, *vectors, norms, sums, values[block])

        parallel.run(measure, len(blocks))
        return values[:, :, None]

    def _take_ids(self, shown: ListBatch, k: int) -> tuple[pl.Series, pl.Series]:
        """Return the first k places of the lists, and the test items, as lists of ids."""
        ids = self._known.ids()
        filled = np.minimum(shown.counts, k)
        listed = shown.lists[:, :k][np.arange(min(k, shown.lists.shape[1])) < filled[:, None]]
        test_items = rows_at(shown.held_out, shown.rows)
        return _group_ids("lists", ids, listed, filled), _group_ids("truth", ids, test_items.indices, test_items.counts)


def _group_ids(name: str, ids: pl.Series, rows: Ints, counts: RowNumbers) -> pl.Series:
    """Return the ids of rows as a Series of lists; list r takes the next counts[r] rows."""
    check_polars_threads()
    # Each list begins with a null that is dropped at the end, because an empty list would have no group.
    places = np.insert(rows, np.cumsum(counts) - counts, len(ids))
    list_of_place = np.repeat(np.arange(len(counts)), counts + 1)
    table = pl.DataFrame({"list": list_of_place, name: ids.extend_constant(None, 1).gather(places)})
    return table.group_by("list", maintain_order=True).agg(pl.col(name).drop_nulls())[name]


def _measure_rankings(shown: ListBatch, cutoffs: Sequence[int]) -> Doubles:
    return measure_lists(shown.lists, shown.counts, shown.held_out, shown.rows, cutoffs, shown.reachable)


def sum_up(
    metrics: Sequence[Metric], times_listed: Mapping[int, RowNumbers], catalogue: RowNumbers, whole: int
) -> dict[str, float]:
    """Return the metrics of all lists together, by their names.

    times_listed, whole : as `ListMeasurer` has them
    """
    return {
        metric.name: metric.of(_take_counts(times_listed[whole if metric.k is None else metric.k], catalogue))
        for metric in metrics
        if isinstance(metric, OverallMetric)
    }


def add_counts(one: RowNumbers, other: RowNumbers) -> RowNumbers:
    """Return the sums of counts, of which either may end earlier."""
    both = np.zeros(max(len(one), len(other)), np.int64)
    both[: len(one)] += one
    both[: len(other)] += other
    return both


def _take_counts(counts: RowNumbers, rows: RowNumbers) -> RowNumbers:
    """Return the counts of rows, 0 for rows beyond the last counted one."""
    return np.append(counts, 0)[np.minimum(rows, len(counts))]
