"""Why a user is recommended an item."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from tastemap.data._pairs import Rows, freeze_rows, rows_at
from tastemap.ranking.scorer import Scorer
from tastemap.training.side_features import SideFeatures
from tastemap.typing import Doubles, Floats, Ints

# A longer history is explained by its heaviest items: every item left out is a person to fold in.
LONGEST_HISTORY = 200


class Explanation(NamedTuple):
    """Why a user is recommended an item.

    frame : the items of the user's history and their contribution to the score, largest first
    kind : "exact" where the contributions and the baseline add up to the score, or "leave-one-out"
    score : the score explained, before a rating is kept to its range
    baseline : the part of the score that comes from no item of the history, but from features or biases
    """

    frame: Any
    kind: Literal["exact", "leave-one-out"]
    score: float
    baseline: float = 0.0


def leave_one_out(
    scorer: Scorer, features: SideFeatures | None, user: int, item: int, items: Ints, weights: Floats
) -> tuple[Ints, Doubles]:
    """Return how much lower an item scores for somebody with the user's history but for one item, for each.

    user, item : their rows
    items, weights : the user's history; of a longer one the LONGEST_HISTORY heaviest count
    features : of the users

    Returns the items, and float64 of the same length. The person compared with is folded in too, from the user's
    features and the whole history, so the contributions do not add up to the score, which is the fitted user's.
    """
    heaviest = np.sort(np.argsort(-weights, kind="stable")[:LONGEST_HISTORY])
    items, weights = items[heaviest], weights[heaviest]
    n = len(items)
    kept = ~np.eye(n, dtype=bool)
    indices = np.concatenate([items, *(items[one] for one in kept)])
    data = np.concatenate([weights, *(weights[one] for one in kept)])
    lengths = np.array([n, *[n - 1] * n])
    histories = freeze_rows(Rows(np.concatenate(([0], np.cumsum(lengths))), indices, data))
    own = None if features is None else rows_at(features.known_rows, np.full(n + 1, user))
    people = scorer.fold(histories, own)
    scores = scorer.catalogue.pair_scores(people, np.arange(n + 1), np.full(n + 1, item))
    return items, (scores[0] - scores[1:]).astype(np.float64)
