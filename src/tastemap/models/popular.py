"""The most popular items for everyone alike: the baseline that a personal model has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from tastemap.data._pairs import Rows
from tastemap.data.interactions import Interactions
from tastemap.errors import NotSupportedError
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.training.loop import Options
from tastemap.typing import Floats, RowNumbers


@dataclass(kw_only=True)
class Popular(Model):
    """Recommend to everyone what most people have, leaving out what the person has already.

    s(u, i) = the number of users with a training pair of item i. Weights are ignored.

    It has no parameters, and knows neither similar items nor similar users.
    """

    abilities: ClassVar[Abilities] = Abilities(folds_in_exactly=True)

    def _learn(self, interactions: Interactions, options: Options) -> None:
        # `popularity_`, which every model counts, is all there is to learn.
        pass

    def _learn_more(self, before: Self, news: Interactions) -> None:
        pass

    def _queries(self, rows: RowNumbers) -> Floats:
        return np.ones((len(rows), 1), np.float32)

    @property
    def _vectors(self) -> Floats:
        return self.popularity_.astype(np.float32)[:, None]

    def _fold_in(self, histories: Rows) -> Floats:
        return np.ones((len(histories.indptr) - 1, 1), np.float32)

    @property
    def _item_space(self) -> Any:
        raise NotSupportedError(
            "Popular scores every item alike for everyone and knows no similar items: fit ImplicitALS"
        )

    @property
    def _user_space(self) -> Any:
        raise NotSupportedError("Popular treats all users alike and knows no similar users: fit ImplicitALS")
