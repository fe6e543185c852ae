"""Items at random: the floor under every measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from tastemap.data._checks import check_switch, check_whole
from tastemap.data._pairs import Rows
from tastemap.data.interactions import Interactions
from tastemap.errors import NotSupportedError
from tastemap.kernels.core.random import race, states_of_rows, states_of_sets
from tastemap.models.shared.base import Model
from tastemap.randomness import Stream, derive_state
from tastemap.ranking.top_k import ComputedCandidates
from tastemap.training.loop import Options
from tastemap.typing import Floats, RowNumbers

States = npt.NDArray[np.uint64]


@dataclass(kw_only=True)
class Random(Model):
    """Recommend items at random, others for every user.

    s(u, i) = r_i / e_ui,   e_ui independent exponential numbers of mean 1
    r_i = 1, or with by_popularity the number of users with a training pair of item i

    A list is then drawn without replacement, every next item with a probability proportional to r_i among those left:
    all orders are equally likely, or popular items come early. Weights are ignored.

    by_popularity : draw in proportion to popularity
    seed : of all numbers

    user_states_ : uint64, (n_users,): the seed of each user
    item_rates_ : float64, (n_items,): r

    e_ui is a function of the user's seed and the item's row alone, so a list stays as it is whoever else is asked for,
    and after an update; the bits are the same on every machine. Scores are float32: of many thousand items two may tie,
    and the lower row comes first then. People known by a history have a seed of its items. There are no similar items
    or users, and nothing to explain.

    Efraimidis and Spirakis, Weighted random sampling with a reservoir, Information Processing Letters 2006.
    """

    by_popularity: bool = False
    seed: int = 0

    _fitted: ClassVar[tuple[str, ...]] = ("user_states_", "item_rates_")

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        check_switch("by_popularity", self.by_popularity)
        check_whole("seed", self.seed, lowest=0)

    def _learn(self, interactions: Interactions, options: Options) -> None:
        self.user_states_ = np.empty(len(self.activity_), np.uint64)
        states_of_rows(self._state, self.user_states_)
        self.item_rates_ = (self.popularity_ if self.by_popularity else self.popularity_ > 0).astype(np.float64)

    def _learn_more(self, before: Self, news: Interactions) -> None:
        self._learn(self._training("update"), Options())

    def _queries(self, rows: RowNumbers) -> States:
        return self.user_states_[rows]

    def _fold_in(self, histories: Rows) -> States:
        states = np.empty(len(histories.indptr) - 1, np.uint64)
        # Another start than that of users, or the history of item 0 alone would be the first user.
        states_of_sets(histories.indptr, histories.indices, ~self._state, states)
        return states

    @property
    def _state(self) -> np.uint64:
        return derive_state(self.seed, Stream.LISTS)

    def _among(self, rows: RowNumbers) -> ComputedCandidates:
        return _Race(self.item_rates_, rows)

    @property
    def _item_space(self) -> Any:
        raise NotSupportedError("Random draws its lists and knows no similar items: fit ImplicitALS")

    @property
    def _user_space(self) -> Any:
        raise NotSupportedError("Random draws its lists and knows no similar users: fit ImplicitALS")


class _Race(ComputedCandidates):
    """Random scores; queries are seeds, uint64."""

    def __init__(self, rates: npt.NDArray[np.float64], rows: RowNumbers) -> None:
        super().__init__(len(rates), rows)
        self._rates = rates

    def block_scores(self, queries: States, items: RowNumbers, out: Floats) -> None:
        race(queries, self._rates, items, out)
