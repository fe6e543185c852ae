"""The most popular items, the same for all users: the baseline that a personal model has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from tastemap.data._pairs import Rows, count_rows
from tastemap.data.clock import Clock
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, Specs
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.ranking.scorer import FactorScorer, Scorer
from tastemap.training.loop import Options
from tastemap.typing import Array, Floats


@dataclass(kw_only=True, eq=False)
class Popular(Model):
    """Recommend the items that most users have, without those that the user already has.

    s(u, i) = the number of users with a training pair of item i. Weights are ignored.

    With ``last`` the items that most users have taken lately come first, then the others:
    s(u, i) = r_i + p_i / (1 + the largest p)
    r_i     the number of users with a pair of item i within ``last`` before the latest pair, p_i that at any time

    last : how long ago a pair still counts: a text such as "30d" or "12h", of w, d, h, m for minutes, s, ms and us, or
        a number in the unit of the times where these are numbers. None counts all pairs

    item_counts_ : int64, (n_items,): r, or p where all pairs count

    It finds neither similar items nor similar users. An update counts back from the latest of all pairs. Raises
    DataError where ``last`` is given and there are no times.
    """

    last: float | str | None = None

    abilities: ClassVar[Abilities] = Abilities(folds_in_exactly=True, weighs_pairs=False)
    fitted_arrays: ClassVar[Specs] = {
        "item_counts_": ArraySpec(dtype="int64", shape=("items",), at_least=0, below="users+1")
    }

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        if self.last is not None:
            Clock(1, is_dated=False).read_duration(self.last, "last")

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Count the users of each item."""
        if self.last is None:
            self.item_counts_ = self.popularity_
            return
        time = interactions.take_times(f"Popular(last={self.last!r})")
        since = time.max() - interactions.clock.read_duration(self.last, "last")
        self.item_counts_ = count_rows(interactions.matrix.indices[time > since], len(self.items))

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Count again."""
        self.learn(self.state.training("update"), Options())

    def make_scorer(self) -> Scorer:
        """Return a scorer whose scores are the items' counts, alike for all users."""
        state = self.state
        scores = self.item_counts_.astype(np.float32)
        if self.last is not None:
            scores += (state.popularity / (1 + state.popularity.max())).astype(np.float32)
        return FactorScorer(
            **self.known,
            user_factors=np.empty((len(state.users), 0), np.float32),
            item_factors=np.empty((len(state.items), 0), np.float32),
            item_biases=scores,
            fold_in=_fold_in,
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], header: dict[str, Any]) -> Self:
        """Make a fitted model from what `save` wrote; in older files all pairs count."""
        parameters = header.get("parameters")
        is_old = isinstance(parameters, dict) and "last" not in parameters
        if is_old and "item_counts_" not in arrays and "popularity_" in arrays:
            arrays = {**arrays, "item_counts_": arrays["popularity_"]}
        return super().from_arrays(arrays, header)


def _fold_in(histories: Rows, features: Rows | None) -> tuple[Floats, None]:
    return np.empty((len(histories.counts), 0), np.float32), None
