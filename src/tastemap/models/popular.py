"""The most popular items, the same for all users: the baseline that a personal model has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from tastemap.data._pairs import Rows
from tastemap.data.interactions import Interactions
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.ranking.scorer import FactorScorer, Scorer
from tastemap.training.loop import Options
from tastemap.typing import Floats


@dataclass(kw_only=True, eq=False)
class Popular(Model):
    """Recommend the items that most users have, without those that the user already has.

    s(u, i) = the number of users with a training pair of item i. Weights are ignored.

    It has no parameters, and finds neither similar items nor similar users.
    """

    abilities: ClassVar[Abilities] = Abilities(folds_in_exactly=True, weighs_pairs=False)

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Learn nothing: every model counts `popularity_`, and the scores need nothing else."""

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Learn nothing."""

    def make_scorer(self) -> Scorer:
        """Return a scorer whose scores are the items' popularity, alike for all users."""
        state = self.state
        return FactorScorer(
            **self.known,
            user_factors=np.empty((len(state.users), 0), np.float32),
            item_factors=np.empty((len(state.items), 0), np.float32),
            item_biases=state.popularity.astype(np.float32),
            fold_in=_fold_in,
        )


def _fold_in(histories: Rows, features: Rows | None) -> tuple[Floats, None]:
    return np.empty((len(histories.counts), 0), np.float32), None
