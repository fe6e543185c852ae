"""Whom a model is measured on: those it was trained on, or people known by a history alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data._pairs import Rows, rows_at
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions, check_interactions, check_not_negative
from tastemap.models.shared.base import Model
from tastemap.typing import RowNumbers


@dataclass(frozen=True)
class People:
    """The people that a model can rank for.

    ids : rows are theirs; has_pair : bool, (ids,), who is known
    pairs : what they have, CSR arrays over the model's items; queries : as for `Model.rank`
    pair : what the others lack
    """

    ids: IdMap
    has_pair: npt.NDArray[np.bool_]
    pairs: Callable[[], Rows]
    queries: Callable[[RowNumbers], Any] | None
    pair: str

    def find(self, users: pl.Series) -> RowNumbers:
        """Return the rows of users, -1 for those who are not known."""
        return self.ids.find_among(users, self.has_pair)

    @classmethod
    def trained(cls, model: Model) -> Self:
        """Return the users of the training."""
        rows = np.arange(len(model.users))
        known = model.state.known_users
        return cls(model.users, known, lambda: model.scorer.hide_seen(rows).items, None, "a training pair")

    @classmethod
    def folded(cls, model: Model, history: Interactions) -> Self:
        """Return people known by these pairs alone, whether the model has met them or not."""
        check_interactions("history", history)
        if not model.abilities.ratings:
            check_not_negative(type(model).__name__, history)
        aligned = history.align(history.users, model.items)[0]
        known = np.append(model.state.known_items, False)
        pairs = aligned.pick(known[aligned.matrix.indices][aligned.input_order]).by_user
        has_pair = pairs.has_pairs
        return cls(
            history.users,
            has_pair,
            lambda: pairs,
            lambda rows: model.scorer.fold(rows_at(pairs, rows)),
            "a history of items that the model knows",
        )
