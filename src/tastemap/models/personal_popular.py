"""The items that a user has most of, then the most popular ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

import numpy as np

from tastemap.data._checks import check_switch
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, Specs
from tastemap.kernels.popular import own_and_popular
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.models.shared.needs import Needs
from tastemap.ranking.scorer import Histories, HistoryScorer, Scorer, check_range
from tastemap.ranking.top_k import ComputedCandidates
from tastemap.training.loop import Options
from tastemap.typing import Doubles, Floats, Ints, RowNumbers

# A score is at most twice the largest weight: the weight, plus a share below the smallest gap.
LARGEST_COEFFICIENT = 2.0


@dataclass(kw_only=True, eq=False)
class PersonalPopular(Model):
    """Recommend the items that the user has most of, then the most popular items: for goods that are bought repeatedly.

    s(u, i) = w_ui + c_i,   w_ui = 0 where the user does not have the item
    c_i = d p_i / (1 + the largest p),   p_i the number of users with a training pair of item i

    w is in multiples of the mean weight. d is the smallest difference between two weights, with 0 among them, so that c
    decides only between equal weights: the user's own items come first, by weight and then by popularity, and the other
    items follow by popularity. The precision of 32-bit scores limits this: for an item bought 10 000 times, a share of
    popularity below .001 is lost.

    Pass exclude_seen=False: without the user's own items the lists are those of Popular.

    fill : go on with popular items where the own ones end; without it only own items are recommended, and the score of
        others is 0

    item_shares_ : float32, (n_items,): c

    Fold-in is exact for weights like those of the training data. `explain` is exact: the item's weight is its own
    contribution, and its share of popularity is the baseline. The model has no similar items or users.
    """

    fill: bool = True

    abilities: ClassVar[Abilities] = Abilities(explains="exact", folds_in_exactly=True, weighs_pairs=False)
    fitted_arrays: ClassVar[Specs] = {"item_shares_": ArraySpec(dtype="float32", shape=("items",), at_least=0)}

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        check_switch("fill", self.fill)

    def find_needs(self, sizes: Mapping[str, int]) -> Needs:
        """Return what it takes to find the smallest difference."""
        return Needs(learning=({"weights in order": 10 * sizes["pairs"]},))

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Set the items' shares from their popularity and the smallest difference between two weights."""
        gaps = np.diff(np.unique(np.append(interactions.matrix.data, np.float32(0))).astype(np.float64))
        least = gaps.min() if len(gaps) else 1.0
        self.item_shares_ = (least * (self.popularity_ / (1 + self.popularity_.max()))).astype(np.float32)
        check_range(interactions.by_user, LARGEST_COEFFICIENT, "a user")

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Compute the shares again from all pairs."""
        self.learn(self.state.training("update"), Options())

    def make_scorer(self) -> Scorer:
        """Return the scorer of the fitted arrays."""
        return HistoryScorer(
            **self.known,
            make_candidates=partial(_OwnAndPopular, self.item_shares_, bool(self.fill)),
            coefficients=np.array([LARGEST_COEFFICIENT], np.float32),
        )

    def contributions(self, user: int, item: int, items: Ints, weights: Floats) -> tuple[Doubles, float]:
        """Return the weight of the item in the user's history, and its share of popularity as the baseline."""
        counts = self.fill or item in items
        own = np.where(items == item, weights, 0).astype(np.float64)
        return own, float(self.item_shares_[item]) if counts else 0.0


class _OwnAndPopular(ComputedCandidates):
    """Scores of own weights and shares of popularity; queries are `Histories`."""

    def __init__(self, shares: Floats, fill: bool, rows: RowNumbers) -> None:
        super().__init__(len(shares), rows)
        self._shares, self._fill = shares, fill

    def block_scores(self, queries: Histories, items: RowNumbers, out: Floats) -> None:
        own_and_popular(*queries.pairs, queries.rows, self._shares, self._fill, items, out)

    def pair_scores(self, queries: Histories, who: RowNumbers, items: RowNumbers) -> Floats:
        """Return the scores, 0 for items that are not recommended."""
        scores = super().pair_scores(queries, who, items)
        return np.maximum(scores, np.float32(0))
