"""Explaining a score by leaving out one item of the history at a time, for models whose scores are no sums over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from tastemap.data._pairs import Rows, freeze_rows, rows_at
from tastemap.models.shared.base import Explanation, Model

# A longer history is explained by its heaviest items: every item left out is a person to fold in.
LONGEST_HISTORY = 200


def explain(model: Model, user: Any, item: Any, frame: str | None) -> Explanation:
    """Return how much lower an item would score for somebody with the user's history but for one item, for each.

    The person compared with is folded in too, from the user's features and the whole history, or the LONGEST_HISTORY
    heaviest of its items. The contributions do not add up to the score, which is the fitted user's.
    """
    items, weights, column = model._history_and_item(user, item)
    heaviest = np.sort(np.argsort(-weights, kind="stable")[:LONGEST_HISTORY])
    items, weights = items[heaviest], weights[heaviest]
    n = len(items)
    kept = ~np.eye(n, dtype=bool)
    indices = np.concatenate([items, *(items[one] for one in kept)])
    data = np.concatenate([weights, *(weights[one] for one in kept)])
    lengths = np.array([n, *[n - 1] * n])
    histories = freeze_rows(Rows(np.concatenate(([0], np.cumsum(lengths))), indices, data))
    features = model._user_features
    if features is None:
        people = model._fold_in(histories)
    else:
        described = rows_at(features.known_rows, np.repeat(model.users.rows(pl.Series([user])), n + 1))
        people = model._fold_in_described(histories, described)
    scores = model._catalogue.pair_scores(people, np.arange(n + 1), np.full(n + 1, column))
    contributions = (scores[0] - scores[1:]).astype(np.float64)
    (score,) = model.predict(user, item)
    return Explanation(model._contributions(items, contributions, frame), "leave-one-out", float(score))
