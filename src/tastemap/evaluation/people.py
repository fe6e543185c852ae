"""The users that a model is measured on: known users, or new users with histories."""

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
    """The users that a model can rank for.

    ids : the id map of the users
    has_pair : bool, (ids,): which of them the model can rank for
    pairs : returns their pairs, CSR arrays over the model's items
    queries : returns the queries of rows, as `Scorer.rank` takes it; None for those of known users
    pair : words for what the other users lack, for messages
    """

    ids: IdMap
    has_pair: npt.NDArray[np.bool_]
    pairs: Callable[[], Rows]
    queries: Callable[[RowNumbers], Any] | None
    pair: str

    def find(self, users: pl.Series) -> RowNumbers:
        """Return the rows of users, -1 for those that the model cannot rank for."""
        return self.ids.find_among(users, self.has_pair)

    @classmethod
    def of_training(cls, model: Model) -> Self:
        """Return the known users."""
        rows = np.arange(len(model.users))
        known = model.state.known_users
        return cls(model.users, known, lambda: model.scorer.hide_seen(rows).items, None, "a training pair")

    @classmethod
    def of_histories(cls, model: Model, history: Interactions) -> Self:
        """Return the users of a history, all folded in from it, even those whom the model knows."""
        check_interactions("history", history)
        if not model.abilities.ratings:
            check_not_negative(type(model).__name__, history)
            history = history.likes()
        aligned = history.align(history.users, model.items)[0]
        known = np.append(model.state.known_items, False)
        kept = aligned.pick(known[aligned.matrix.indices][aligned.input_order])
        pairs = model.take_histories(kept.divide(model.state.unit))
        has_pair = pairs.has_pairs
        return cls(
            history.users,
            has_pair,
            lambda: pairs,
            lambda rows: model.scorer.fold(rows_at(pairs, rows)),
            "a history of items that the model knows",
        )
