"""Recommendations for the users of a file, from their histories in that file alone."""

from __future__ import annotations

from typing import Any

import polars as pl

from tastemap.data.interactions import Interactions
from tastemap.errors import DataError
from tastemap.models.shared.base import Model
from tastemap.service.remarks import Remark


def recommend_from_histories(
    model: Model,
    data: Interactions,
    *,
    k: int = 10,
    is_weighted: bool = True,
    **among: Any,
) -> tuple[pl.DataFrame, list[Remark]]:
    """Recommend to each user as to a new one, from the history in ``data``: user, item, rank and score by its names.

    is_weighted : whether the weights were given; without them an item is taken as liked, as `recommend_for` does
    among : which items may be listed, as for `recommend_for`

    Pairs whose item the model does not know are left out, with a remark; for models of likes those of weight 0 too, and
    users who like nothing get no list. Raises DataError where none is left.
    """
    known, n_unknown = data.align(data.users, model.items)
    remarks = [Remark("unknown items", {"left_out": n_unknown, "pairs": len(data)})] if n_unknown else []
    if not model.abilities.ratings and len(known) and not known.matrix.data.all():
        likes = known.likes()
        remarks.append(Remark("dislikes", {"left_out": len(known) - len(likes), "pairs": len(data)}))
        known = likes
    if not len(known):
        raise DataError("the model knows none of the items in the history: the ids may be of another data set")
    if not is_weighted:
        names = known.columns  # those of the history, which the model's need not be
        columns = [names.item] if known.time is None or names.time is None else [names.item, names.time]
        lists = known.to_frame("polars").group_by(names.user, maintain_order=True).agg(columns)
        histories = dict(zip(lists[names.user], lists[names.item].to_list(), strict=True))
        times = lists[columns[1]].to_list() if len(columns) > 1 else None
        return model.recommend_for(histories, k=k, times=times, **among, frame="polars"), remarks
    return model.recommend_for(known, k=k, **among, frame="polars"), remarks
