"""The best users for items: the top-k of the other side, from the same scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tastemap.ranking.scorer import Scorer
from tastemap.ranking.top_k import ComputedCandidates, Hidden, Lists, Ties, check_finite, top_k
from tastemap.typing import Floats, RowNumbers

# The most queries of users that are scored at a time: their histories may be long.
USERS_AT_ONCE = 512


class _Audience(ComputedCandidates):
    """Users as candidates; queries are item rows, of known items, ascending within a block."""

    people = 1024  # scorers that sum over histories take as long for one item as for many

    def __init__(self, scorer: Scorer, users: RowNumbers) -> None:
        super().__init__(len(scorer.known_users), users)
        self._scorer = scorer

    def block_scores(self, queries: RowNumbers, items: RowNumbers, out: Floats) -> None:
        """Set out[r, c] to the score of item row queries[r] for user row items[c]."""
        for first in range(0, len(items), USERS_AT_ONCE):
            some = slice(first, first + USERS_AT_ONCE)
            out[:, some] = self._scorer.catalogue.score_all(self._scorer.queries(items[some]), queries).T


def rank_users(
    scorer: Scorer, items: RowNumbers, users: RowNumbers, k: int, hidden: Sequence[Hidden], ties: Ties
) -> tuple[Lists, int]:
    """Return the k best users for each item, and how many lists of at least two users have one score throughout.

    items : the rows of known items
    users : the rows of the users that may be listed, ascending
    hidden : the users to leave out, for the items in the order of their rows, each once
    ties : the order of users with equal scores

    Users are scored in blocks, whatever their number; the lists do not depend on the blocks or the threads.
    """
    distinct, place = np.unique(items, return_inverse=True)
    lists = top_k(distinct, _Audience(scorer, users), k, [Hidden(h.items, distinct) for h in hidden], ties)
    scores, counts = lists.scores, lists.counts
    n_alike = 0
    if scores.shape[1] > 1:
        last = scores[np.arange(len(scores)), np.maximum(counts - 1, 0)]
        n_alike = int(np.count_nonzero(((counts > 1) & (scores[:, 0] == last))[place]))
    filled = lists.rows >= 0
    scores[filled] = scorer.show(check_finite(scores[filled]))
    return Lists(lists.rows[place], scores[place], counts[place]), n_alike
