"""Why an item has its score: what each item of a history adds to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import numpy as np
import polars as pl

from tastemap.data._pairs import Rows, merge_rows, rows_at
from tastemap.data.frames import as_kind
from tastemap.errors import NotSupportedError
from tastemap.models.shared.answers import Answers, read_one
from tastemap.models.shared.asked import Taste
from tastemap.models.shared.explain import Explanation, Parts, leave_one_out
from tastemap.models.shared.inputs import read_disliked
from tastemap.ranking.scorer import DISLIKE
from tastemap.typing import Doubles, Floats, FrameKind, Ints, RowNumbers

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Reasons(Answers):
    """The methods by which a fitted model says why."""

    def contributions(self, user: int, item: int, items: Ints, weights: Floats) -> tuple[Doubles, float]:
        """Return what each item of a user's history adds to a score, float64, (n,), and the rest of the score.

        user, item : their rows; user -1 is somebody new, without features
        items, weights : the user's history: item rows, int32, (n,), and weights, float32, (n,)

        Models whose abilities have explains="exact" override it; for others it raises NotSupportedError.
        """
        raise NotSupportedError(self._say_unable("exact explanations"))

    @overload
    def explain(self, user: Any, item: Any, *, frame: None = None) -> Explanation: ...
    @overload
    def explain(self, user: Any, item: Any, *, frame: Literal["pandas"]) -> Explanation[pd.DataFrame]: ...
    @overload
    def explain(self, user: Any, item: Any, *, frame: Literal["polars"]) -> Explanation[pl.DataFrame]: ...
    @overload
    def explain(self, user: Any, item: Any, *, frame: Literal["pyarrow"]) -> Explanation[pa.Table]: ...
    def explain(self, user: Any, item: Any, *, frame: FrameKind | None = None) -> Explanation:
        """Return how much each item of the user's history contributes to the score of an item.

        The contributions are exact, so that they and a baseline add up to the score, or found by leaving out one item
        at a time: the model's `abilities` say which, and its docstring explains how.

        user, item : one id of each
        frame : the kind of frame in the explanation; None for the kind of the training data

        Raises NotSupportedError for a model whose scores do not come from a history, UnknownIdError for an id without a
        training pair or features.
        """
        kind = self._choose_kind(frame)
        self._check_explains()
        (row,) = self._user_rows(read_one("user", user), "They have no history to explain from.").tolist()
        (column,) = self._item_rows(read_one("item", item)).tolist()
        history = rows_at(self.take_seen("explain"), np.array([row]))
        parts = self.take_apart(row, np.array([column]), history)
        score = None if self.abilities.explains == "exact" else float(self.predict(user, item)[0])
        return self._explain(parts, score, kind)

    @overload
    def explain_for(self, history: Any, item: Any, *, frame: None = None, **asked: Unpack[Taste]) -> Explanation: ...
    @overload
    def explain_for(
        self, history: Any, item: Any, *, frame: Literal["pandas"], **asked: Unpack[Taste]
    ) -> Explanation[pd.DataFrame]: ...
    @overload
    def explain_for(
        self, history: Any, item: Any, *, frame: Literal["polars"], **asked: Unpack[Taste]
    ) -> Explanation[pl.DataFrame]: ...
    @overload
    def explain_for(
        self, history: Any, item: Any, *, frame: Literal["pyarrow"], **asked: Unpack[Taste]
    ) -> Explanation[pa.Table]: ...
    def explain_for(
        self,
        history: Any,
        item: Any,
        *,
        weights: Any = None,
        times: Any = None,
        disliked: Any = None,
        frame: FrameKind | None = None,
    ) -> Explanation:
        """Return how much each item of a new user's history, and each disliked one, contributes to a score.

        history, weights, times, disliked : of one user, as for `recommend_for`
        item : one id
        frame : the kind of frame in the explanation; None for the kind of the training data

        The score is that of `recommend_for`. Raises as `explain` and `recommend_for` do.
        """
        state, kind = self.state, self._choose_kind(frame)
        self._check_explains()
        (column,) = self._item_rows(read_one("item", item)).tolist()
        pairs, people, _ = self._read_histories(history, weights, times, may_be_empty=False)
        if len(people) != 1:
            raise ValueError(f"history must be of one user, got {len(people)}: explain one at a time")
        against = None if disliked is None else read_disliked(disliked, pairs, state, self.disliked_weight)
        parts = self.take_apart(-1, np.array([column]), pairs, against)
        score = None
        if self.abilities.explains != "exact":
            query = self.fold(pairs, None, against)
            score = float(self.scorer.catalogue.pair_scores(query, np.zeros(1, np.int64), np.array([column]))[0])
        return self._explain(parts, score, kind)

    def take_apart(self, user: int, targets: RowNumbers, history: Rows, disliked: Rows | None = None) -> Parts:
        """Return what each item of one history adds to the score of each target.

        user : the row of a user whose features count, -1 for nobody's
        targets : int64, (t,): item rows
        history, disliked : CSR arrays over the items with one row, with weights in the model's units

        Raises NotSupportedError for a model whose scores do not come from a history.
        """
        self._check_explains()
        sides = [(user, history, 1.0)]
        if disliked is not None and len(disliked.indices):
            if self.abilities.ratings:
                sides = [(user, merge_rows(history, disliked), 1.0)]
            else:
                sides.append((-1, disliked, -DISLIKE))
        taken = [self._take_apart(whose, targets, pairs) for whose, pairs, _ in sides]
        items = np.concatenate([one.items for one in taken])
        shares = np.hstack([sign * one.shares for one, (*_, sign) in zip(taken, sides, strict=True)])
        return Parts(items, shares, taken[0].baselines)

    def _take_apart(self, user: int, targets: RowNumbers, pairs: Rows) -> Parts:
        if self.abilities.explains != "exact":
            items, shares = leave_one_out(
                self.scorer, self.state.user_features, user, targets, pairs.indices, pairs.data
            )
            return Parts(items, shares, np.zeros(len(targets)))
        each = [self.contributions(user, target, pairs.indices, pairs.data) for target in targets.tolist()]
        shares = np.array([own for own, _ in each], np.float64).reshape(len(targets), len(pairs.indices))
        return Parts(pairs.indices, shares, np.array([rest for _, rest in each], np.float64))

    def _check_explains(self) -> None:
        if self.abilities.explains is None:
            raise NotSupportedError(f"the scores of {type(self).__name__} do not come from the user's own history")

    def _explain(self, parts: Parts, score: float | None, kind: FrameKind) -> Explanation:
        """Return the explanation of the first target; its score is the sum where none is given."""
        state, how = self.state, self.abilities.explains
        assert how is not None
        items, own, baseline = parts.items, parts.shares[0], float(parts.baselines[0])
        order = np.lexsort((state.items.tie_order[items], -own))
        columns = {state.items.name: state.items.take(items[order]), "contribution": own[order]}
        score = float(own.sum()) + baseline if score is None else score
        return Explanation(as_kind(pl.DataFrame(columns), kind), how, score, baseline)
