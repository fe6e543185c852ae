"""Items at random: the floor under every measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from tastemap.data._checks import check_rows, check_switch, check_whole
from tastemap.data._pairs import Rows
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, Specs
from tastemap.kernels.core.random import race, states_of_rows, states_of_sets
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.randomness import Stream, derive_state
from tastemap.ranking.scorer import Scorer
from tastemap.ranking.top_k import Candidates, ComputedCandidates
from tastemap.training.loop import Options
from tastemap.typing import Doubles, Floats, RowNumbers

States = npt.NDArray[np.uint64]

# The rate of what comes after everything with a rate of 1 or more: e lies between 2^-54 and 37, so that its scores are
# at most 2^-10, and the others at least 2^-6.
LAST = 2.0**-64


@dataclass(kw_only=True, eq=False)
class Random(Model):
    """Recommend random items, with a different list for each user.

    s(u, i) = r_i / e_ui,   e_ui independent exponential numbers of mean 1
    r_i = 1, or with by_popularity the number of users with a training pair of item i, and 2^-64 where there is none

    A list is drawn without replacement, each next item with a probability proportional to r_i among the items left: all
    orders are equally likely, or popular items tend to come early. Items without a training pair, which `candidates`
    may name, are drawn like all others, or with by_popularity after all others. Weights are ignored.

    by_popularity : draw in proportion to popularity
    seed : of all numbers

    user_states_ : uint64, (n_users,): the seed of each user
    item_rates_ : float64, (n_items,): r

    e_ui depends only on the user's seed and the item's row, so a list does not change with the other users in the
    call or with an update; the bits are the same on every machine. The seed of a new user is computed from the items of
    the history. The model has no similar items or users and explains nothing.

    Efraimidis and Spirakis, Weighted random sampling with a reservoir, Information Processing Letters 2006.
    """

    by_popularity: bool = False
    seed: int = 0

    abilities: ClassVar[Abilities] = Abilities(weighs_pairs=False)
    fitted_arrays: ClassVar[Specs] = {
        "user_states_": ArraySpec(dtype="uint64", shape=("users",)),
        "item_rates_": ArraySpec(dtype="float64", shape=("items",), at_least=0, below="users+1"),
    }

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        check_switch("by_popularity", self.by_popularity)
        check_whole("seed", self.seed, lowest=0)

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Give every user a seed and every item its rate."""
        self.user_states_ = np.empty(len(self.activity_), np.uint64)
        states_of_rows(self._start, self.user_states_)
        rates = self.popularity_.astype(np.float64) if self.by_popularity else np.ones(len(self.popularity_))
        rates[rates == 0] = LAST
        self.item_rates_ = rates

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Give seeds and rates to all users and items, new ones too; known users keep their seeds."""
        self.learn(self.state.training("update"), Options())

    def make_scorer(self) -> Scorer:
        """Return the scorer of the fitted arrays."""
        return _RandomScorer(
            **self.known, user_states=self.user_states_, item_rates=self.item_rates_, start=self._start
        )

    @property
    def _start(self) -> np.uint64:
        return derive_state(self.seed, Stream.LISTS)


@dataclass(frozen=True, kw_only=True, eq=False)
class _RandomScorer(Scorer):
    """Draws random scores; queries are the users' seeds, uint64.

    user_states : uint64, (n_users,)
    item_rates : float64, (n_items,)
    start : the state that all seeds come from
    """

    user_states: States
    item_rates: Doubles
    start: np.uint64

    def queries(self, rows: RowNumbers) -> States:
        """Return the seeds of user rows."""
        return self.user_states[check_rows("user rows", rows, len(self.known_users))]

    def fold(self, histories: Rows, features: Rows | None = None) -> States:
        """Return a seed for each history, computed from its items."""
        self.check_histories(histories)
        states = np.empty(len(histories.counts), np.uint64)
        # Not the start of the users' seeds, or the history of item 0 alone would get the first user's seed.
        states_of_sets(histories.indptr, histories.indices, ~self.start, states)
        return states

    def among(self, rows: RowNumbers) -> Candidates:
        """Return the items in these rows, ascending, ready for ranking."""
        return _Race(self.item_rates, rows)


class _Race(ComputedCandidates):
    """Random scores; queries are seeds, uint64."""

    def __init__(self, rates: npt.NDArray[np.float64], rows: RowNumbers) -> None:
        super().__init__(len(rates), rows)
        self._rates = rates

    def block_scores(self, queries: States, items: RowNumbers, out: Floats) -> None:
        race(queries, self._rates, items, out)
