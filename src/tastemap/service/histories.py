"""Recommendations for the users of a file, from their histories in that file alone."""

from __future__ import annotations

import polars as pl

from tastemap.data.interactions import Interactions
from tastemap.errors import DataError
from tastemap.models.shared.base import Model
from tastemap.service.remarks import Remark


def recommend_from_histories(model: Model, data: Interactions, *, k: int = 10) -> tuple[pl.DataFrame, list[Remark]]:
    """Recommend to each user as to a new one, from the history in ``data``: user, item, rank and score by its names.

    Pairs whose item the model does not know are left out, with a remark; for models of likes those of weight 0 too.
    Raises DataError where none is left.
    """
    known, n_unknown = data.align(data.users, model.items)
    if len(known) and not model.abilities.ratings:
        known = known.likes()
    remarks = [Remark("unknown items", {"left_out": n_unknown, "pairs": len(data)})] if n_unknown else []
    if not len(known):
        raise DataError("the model knows none of the items in the history: the ids may be of another data set")
    return model.recommend_for(known, k=k, frame="polars"), remarks
