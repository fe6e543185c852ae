"""The most popular items for everyone alike: the baseline that a personal model has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tastemap.data._pairs import Rows
from tastemap.data.interactions import Interactions
from tastemap.models.shared.base import Model
from tastemap.ranking.scorer import FactorScorer, Scorer
from tastemap.training.loop import Options
from tastemap.typing import Floats


@dataclass(kw_only=True, eq=False)
class Popular(Model):
    """Recommend to everyone what most people have, leaving out what the person has already.

    s(u, i) = the number of users with a training pair of item i. Weights are ignored.

    It has no parameters, and knows neither similar items nor similar users.
    """

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Learn nothing: every model counts `popularity_`, and there is no more to it."""

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Learn nothing."""

    def make_scorer(self) -> Scorer:
        """Return what scores items for people: for everybody alike."""
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
