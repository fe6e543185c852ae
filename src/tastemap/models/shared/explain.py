"""Why a user is recommended an item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

import numpy as np

from tastemap.data._pairs import Rows, freeze_rows, rows_at
from tastemap.data.frames import to_polars
from tastemap.errors import DataError
from tastemap.ranking.scorer import Scorer
from tastemap.tables import write_html
from tastemap.training.side_features import SideFeatures
from tastemap.typing import Doubles, Floats, Ints, RowNumbers

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault  # typing's own has one from Python 3.13 on

    Frame = TypeVarWithDefault("Frame", default=Any)
else:
    Frame = TypeVar("Frame")

# A longer history is explained by its heaviest items, because each item left out costs one fold-in.
LONGEST_HISTORY = 200

# The most items that a notebook shows.
_MOST_ROWS = 20


class Explanation(NamedTuple, Generic[Frame]):
    """Why a user is recommended an item.

    frame : the items of the user's history and their contribution to the score, largest first
    kind : "exact" if the contributions and the baseline add up to the score, or "leave-one-out"
    score : the score that is explained, before a rating is clipped to its range
    baseline : the part of the score that does not come from the history but from features or biases
    """

    frame: Frame
    kind: Literal["exact", "leave-one-out"]
    score: float
    baseline: float = 0.0

    def _repr_html_(self) -> str:
        frame = to_polars(self.frame)
        rows = frame.head(_MOST_ROWS).rows()
        left = f"and {len(frame) - _MOST_ROWS:,} more" if len(frame) > _MOST_ROWS else ""
        whole = f"score {self.score:.4g}, {self.kind}, of which {self.baseline:.4g} come not from the history"
        return write_html(frame.columns, rows, *filter(None, (left, whole)))


class Parts(NamedTuple):
    """What the items of one history add to the scores of targets.

    items : int32, (n,): item rows
    shares : float64, (t, n): what each adds to the score of each of t targets
    baselines : float64, (t,): the rest of each score, 0 for leave-one-out
    """

    items: Ints
    shares: Doubles
    baselines: Doubles


def solve(A: Doubles, b: Doubles) -> Doubles:
    """Return A^-1 b; raises DataError where the equations have no one solution, as with next to no regularization."""
    try:
        return np.linalg.solve(A, b).astype(np.float64, copy=False)
    except np.linalg.LinAlgError as error:
        raise DataError(
            "the score cannot be taken apart, because its equations have no one solution: fit with more regularization"
        ) from error


def leave_one_out(
    scorer: Scorer, features: SideFeatures | None, user: int, targets: RowNumbers, items: Ints, weights: Floats
) -> tuple[Ints, Doubles]:
    """Return, for each item of a user's history, how much lower the score of each target is without that item.

    user : their row, -1 for somebody new
    targets : int64, (t,): the rows of the items whose scores are explained
    items, weights : the user's history; only the LONGEST_HISTORY heaviest items of a longer one are used
    features : features of the users, None without any

    Returns the items, int32, (n,), and the differences, float64, (t, n). Both scores of a difference are those of
    a new user, folded in from the history and the user's features, so the differences do not add up to the score of the
    fitted user.
    """
    heaviest = np.sort(np.lexsort((scorer.ties.places[items], -weights))[:LONGEST_HISTORY])
    items, weights = items[heaviest], weights[heaviest]
    n = len(items)
    kept = ~np.eye(n, dtype=bool)
    indices = np.concatenate([items, *(items[one] for one in kept)])
    data = np.concatenate([weights, *(weights[one] for one in kept)])
    lengths = np.array([n, *[n - 1] * n])
    histories = freeze_rows(Rows(np.concatenate(([0], np.cumsum(lengths))), indices, data))
    own = None if features is None else rows_at(features.known_rows, np.full(n + 1, user))
    people = scorer.fold(histories, own)
    who = np.tile(np.arange(n + 1), len(targets))
    scores = scorer.catalogue.pair_scores(people, who, np.repeat(targets, n + 1)).reshape(len(targets), n + 1)
    return items, (scores[:, :1] - scores[:, 1:]).astype(np.float64)
