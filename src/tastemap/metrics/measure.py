"""The metrics of given lists and of given ratings. What they mean is in evaluation/metrics.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.data.interactions import Interactions
from tastemap.kernels import metrics as kernels
from tastemap.metrics.definitions import Diversity, Novelty, OfAllLists, Ranking, parse
from tastemap.metrics.lists import BLOCK_LISTS, list_values, losses, of_mean_loss
from tastemap.typing import Doubles, RowNumbers


@dataclass(frozen=True)
class Background:
    """What metrics beside accuracy ask of the training data and of the items.

    catalogue : the item rows that can be recommended, int64, distinct
    popularity : int64, (n_items,): how many training users have an item
    n_users : users with a training pair
    traits : returns the items' vectors for diversity, CSR arrays over (n_items, columns), and the number of columns
    """

    catalogue: RowNumbers
    popularity: RowNumbers
    n_users: int
    traits: Callable[[], tuple[Rows, int]]

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
        norms[~rows.has_pairs] = 0  # an empty row would get the next one's first
        return rows, norms, n_columns


def owners(training: Interactions) -> tuple[Rows, int]:
    """Return 1 for every user who has an item, for `Background`."""
    rows = training.by_item
    return freeze_rows(rows._replace(data=np.ones(len(rows.data), np.float32))), len(training.users)


class Shown(NamedTuple):
    """Lists and what they are compared with.

    lists : item rows, int32 (n, any length), best first, of which counts[r] (int64) are filled
    held_out, rows : the test items of list r are in row rows[r] (int64) of CSR arrays
    reachable : int64 (n, 3), for auc: how many items the whole ranking has, how many of these are test items, and how
        many test items are hidden
    """

    lists: npt.NDArray[np.int32]
    counts: RowNumbers
    held_out: Rows
    rows: RowNumbers
    reachable: RowNumbers | None = None


class Measuring:
    """Measures lists, some at a time. Metrics of all lists together are known when all have come.

    metrics : names
    background : for metrics beyond accuracy
    whole : the places of the longest list there can be, which a metric without a cut-off is over
    """

    def __init__(self, metrics: Sequence[str], background: Background | None = None, whole: int = 1) -> None:
        parsed = [(name, *parse(name)) for name in metrics]
        self._whole = max(whole, 1)
        self._asked = [(name, cls, self._whole if k is None else k) for name, cls, k in parsed]
        self._background = background
        self._times_listed = {k: np.zeros(0, np.int64) for k in self._cutoffs(OfAllLists)}

    @property
    def longest(self) -> int:
        """How many places of a list have to be known."""
        return min(max(k for _, _, k in self._asked), self._whole)

    def _cutoffs(self, family: type) -> list[int]:
        return sorted({k for _, cls, k in self._asked if issubclass(cls, family)})

    def add(self, shown: Shown) -> Doubles:
        """Return the metrics of some lists: float64, (n, metrics); NaN for metrics of all lists together."""
        values = np.full((len(shown.lists), len(self._asked)), np.nan)
        for family, measure in ((Ranking, _rankings), (Novelty, self._novelties), (Diversity, self._diversities)):
            cutoffs = self._cutoffs(family)
            if cutoffs:
                found = measure(shown, cutoffs)
                for column, (_, cls, k) in enumerate(self._asked):
                    if issubclass(cls, family):
                        values[:, column] = found[:, cutoffs.index(k), cls.column]
        for k, before in self._times_listed.items():
            places = shown.lists[:, :k]
            filled = np.arange(places.shape[1]) < shown.counts[:, None]
            self._times_listed[k] = np.bincount(places[filled], minlength=len(before))
            self._times_listed[k][: len(before)] += before
        return values

    @property
    def overall(self) -> dict[str, float]:
        """The metrics of all lists together."""
        return {
            name: cls.of(_at(self._times_listed[k], self._known.catalogue))
            for name, cls, k in self._asked
            if issubclass(cls, OfAllLists)
        }

    @property
    def _known(self) -> Background:
        return cast(Background, self._background)

    def _novelties(self, shown: Shown, cutoffs: Sequence[int]) -> Doubles:
        values = np.empty((len(shown.lists), len(cutoffs)))
        kernels.novelties(shown.lists, shown.counts, np.array(cutoffs), self._known.information, values)
        return values[:, :, None]

    def _diversities(self, shown: Shown, cutoffs: Sequence[int]) -> Doubles:
        values = np.empty((len(shown.lists), len(cutoffs)))
        ks, (vectors, norms, n_columns) = np.array(cutoffs), self._known.vectors
        blocks = parallel.row_blocks(len(shown.lists), BLOCK_LISTS)

        def measure(b: int) -> None:
            block = blocks[b]
            sums = np.zeros(n_columns)
            kernels.diversities(shown.lists[block], shown.counts[block], ks, *vectors, norms, sums, values[block])

        parallel.run(measure, len(blocks))
        return values[:, :, None]


def _rankings(shown: Shown, cutoffs: Sequence[int]) -> Doubles:
    return list_values(shown.lists, shown.counts, shown.held_out, shown.rows, cutoffs, shown.reachable)


def _at(counts: RowNumbers, rows: RowNumbers) -> RowNumbers:
    """Return the counts of rows, 0 for those beyond the last that was counted."""
    return np.append(counts, 0)[np.minimum(rows, len(counts))]


def rating_values(
    errors: Doubles, users: npt.NDArray[np.int64], n_users: int, metrics: tuple[str, ...]
) -> npt.NDArray[np.float64]:
    """Return the rating metrics of every user: float64, (n_users, len(metrics)); NaN for users without a pair.

    errors : rating less prediction of each pair
    users : whose pair it is, from 0 to n_users - 1
    """
    pairs = np.bincount(users, minlength=n_users)
    out = np.full((n_users, len(metrics)), np.nan)
    for column, name in enumerate(metrics):
        sums = np.bincount(users, losses(name, errors), minlength=n_users)
        np.divide(sums, pairs, out=out[:, column], where=pairs > 0)
        out[:, column] = of_mean_loss(name, out[:, column])
    return out
