"""What scores items for people and lists the best, from plain arrays: no ids, no frames, no locks.

A scorer is what is left of a fitted model for a server's handler, a Spark partition or a neighbour index: it can be
pickled, many threads may use it at once, and it gives the same bits wherever it runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemap.data._checks import LARGEST_FLOAT, check_whole
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.errors import DataError, NotSupportedError, UnknownIdError
from tastemap.ranking.top_k import Candidates, Hidden, Lists, VectorCandidates, top_k
from tastemap.typing import Counts, Flags, Floats, RowNumbers


class Lean:
    """A dataclass that is pickled without its cached properties, which can be made again."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scorer(Lean, ABC):
    """Scores items for people, who are known by their row or by a history, and ranks the items.

    known_users, known_items : bool, (n_users,) and (n_items,): who and what has a training pair or features
    popularity : int64, (n_items,): the training pairs of each item, by which strangers are served
    seen : the training pairs of all users, CSR arrays over the items; None where a file left them out

    What people are scored by is a subclass's own: its `queries`, which have a length and can be sliced.
    """

    known_users: Flags
    known_items: Flags
    popularity: Counts
    seen: Rows | None = None

    @abstractmethod
    def queries(self, rows: RowNumbers) -> Any:
        """Return what the candidates score for user rows."""

    @abstractmethod
    def fold(self, histories: Rows, features: Rows | None = None) -> Any:
        """Return the same for people known by their history alone.

        histories : CSR arrays over the items, a row a person; only known items
        features : the people's features as CSR arrays over those of the training, None where nobody has any; a history
            may then be empty

        Raises DataError for a history that has no finite scores.
        """

    @abstractmethod
    def among(self, rows: RowNumbers) -> Candidates:
        """Return the items in these rows, ascending, ready for ranking."""

    def show(self, scores: Floats) -> Floats:
        """Return scores as they are shown; lists are ordered before."""
        return scores

    # -- lists --------------------------------------------------------------------------------------------------------

    @cached_property
    def catalogue(self) -> Candidates:
        """All items that can be recommended: one without a training pair or features has no score worth showing."""
        return self.among(np.flatnonzero(self.known_items))

    def hide_seen(self, rows: RowNumbers) -> Hidden:
        """Return the training items of user rows, for `rank` to leave out; row -1 has none."""
        if self.seen is None:
            raise NotSupportedError(
                "leaving out seen items needs the training pairs, and this model was saved with interactions=False",
                what="no interactions",
                purpose="leaving out seen items",
            )
        return Hidden(self.seen, rows)

    def recommend(self, rows: npt.ArrayLike, k: int = 10, *, exclude_seen: bool = True) -> Lists:
        """Return the k best items of user rows: item rows int32 (n, k), scores float32 (n, k), counts int64 (n).

        exclude_seen : leave out the items of the user's own training pairs

        Raises UnknownIdError for rows that do not exist, NotSupportedError where the training pairs are needed and not
        there.
        """
        check_whole("k", k, lowest=1)
        rows = np.atleast_1d(rows)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise ValueError(f"rows must be whole numbers in one dimension, got {rows.dtype} of shape {rows.shape}")
        rows = rows.astype(np.int64)
        n_users = len(self.known_users)
        if rows.size and not (rows.min() >= 0 and rows.max() < n_users):
            raise UnknownIdError(f"user rows go from 0 to {n_users - 1}, got {rows.min()} to {rows.max()}")
        return self.rank(rows, k, [self.hide_seen(rows)] if exclude_seen else [])

    def rank(
        self,
        rows: RowNumbers,
        k: int,
        hidden: Sequence[Hidden] = (),
        candidates: Candidates | None = None,
        queries: Callable[[RowNumbers], Any] | None = None,
    ) -> Lists:
        """Rank the candidates for user rows; row -1 is a stranger and gets the most popular items.

        hidden : what is left out, for the same rows
        candidates : None for the catalogue
        queries : returns what the candidates score for some of the rows; None for the users of the training
        """
        candidates = self.catalogue if candidates is None else candidates
        queries = self.queries if queries is None else queries
        is_known = rows >= 0
        if is_known.all():
            return self.rank_queries(queries(rows), k, hidden, candidates)
        by_popularity = self._by_popularity if candidates is self.catalogue else self._count(candidates.rows)
        one_for_all = np.ones((int((~is_known).sum()), 1), np.float32)
        known = self.rank_queries(queries(rows[is_known]), k, [h.of(is_known) for h in hidden], candidates)
        strangers = top_k(one_for_all, by_popularity, k, [h.of(~is_known) for h in hidden])
        # Lists of the known come first, then those of the strangers; put each where its user stands.
        place = np.argsort(np.concatenate([np.flatnonzero(is_known), np.flatnonzero(~is_known)]))
        return Lists(
            np.concatenate([known.rows, strangers.rows])[place],
            np.concatenate([known.scores, strangers.scores])[place],
            np.concatenate([known.counts, strangers.counts])[place],
        )

    def rank_queries(
        self, queries: Any, k: int, hidden: Sequence[Hidden] = (), candidates: Candidates | None = None
    ) -> Lists:
        """Rank the candidates for what `queries` or `fold` returned."""
        lists = top_k(queries, self.catalogue if candidates is None else candidates, k, hidden)
        filled = lists.rows >= 0
        lists.scores[filled] = self.show(lists.scores[filled])
        return lists

    def score_pairs(self, queries: Any, who: RowNumbers, items: RowNumbers) -> Floats:
        """Return the score that is shown for query who[j] and the known item in row items[j]: float32, (n,)."""
        return self.show(self.catalogue.pair_scores(queries, who, items))

    @cached_property
    def _by_popularity(self) -> Candidates:
        return self._count(self.catalogue.rows)

    def _count(self, rows: RowNumbers) -> Candidates:
        """Return the items in these rows as a stranger sees them: for a query of 1 their number of training pairs."""
        return VectorCandidates(self.popularity.astype(np.float32)[:, None], rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class FactorScorer(Scorer):
    """s(u, i) = p_u . q_i + b_u + b_i, as the product of two vectors.

    user_factors, item_factors : float32, (n_users, factors) and (n_items, factors)
    user_biases, item_biases : float32, (n_users,) and (n_items,); None where the model has none
    score_range : float32, (2,): the lowest and the highest score shown, None for any
    fold_in : returns the factors, float32 (n, factors), and the biases, float32 (n,) or None, of people known by
        histories and features as `fold` takes them; it must be a function of a module or an object that can be pickled

    A user's vector is [p, b_u, 1], an item's [q, 1, b_i]; where there are no biases, their columns are left out.
    """

    user_factors: Floats
    item_factors: Floats
    user_biases: Floats | None = None
    item_biases: Floats | None = None
    score_range: Floats | None = None
    fold_in: Callable[[Rows, Rows | None], tuple[Floats, Floats | None]]

    def __post_init__(self) -> None:
        n_users, n_items, factors = len(self.known_users), len(self.known_items), np.shape(self.user_factors)[1:]
        _check_floats("user_factors", self.user_factors, (n_users, *factors[:1]))
        _check_floats("item_factors", self.item_factors, (n_items, *factors))
        for name, biases, n in (
            ("user_biases", self.user_biases, n_users),
            ("item_biases", self.item_biases, n_items),
        ):
            if biases is not None:
                _check_floats(name, biases, (n,))

    def queries(self, rows: RowNumbers) -> Floats:
        """Return the vectors of user rows, float32 (n, d)."""
        return self._as_queries(self.user_factors[rows], None if self.user_biases is None else self.user_biases[rows])

    def fold(self, histories: Rows, features: Rows | None = None) -> Floats:
        """Return the vectors of people known by their history alone, float32 (n, d)."""
        factors, biases = self.fold_in(histories, features)
        n_people = len(histories.counts)
        _check_floats("the factors that fold_in returns", factors, (n_people, self.item_factors.shape[1]))
        if self.user_biases is not None:
            _check_floats("the biases that fold_in returns", biases, (n_people,))
        return self._as_queries(factors, biases)

    def among(self, rows: RowNumbers) -> Candidates:
        """Return the items in these rows, ascending, ready for ranking."""
        return VectorCandidates(self.item_vectors, rows)

    def show(self, scores: Floats) -> Floats:
        """Return scores within the range."""
        return scores if self.score_range is None else np.clip(scores, *self.score_range)

    @cached_property
    def item_vectors(self) -> Floats:
        """The items' vectors, float32 (n_items, d): their product with a query is the score, before the range."""
        columns = [self.item_factors]
        if self.user_biases is not None:
            columns.append(np.ones((len(self.item_factors), 1), np.float32))
        if self.item_biases is not None:
            columns.append(self.item_biases[:, None])
        return np.hstack(columns) if len(columns) > 1 else self.item_factors

    def _as_queries(self, factors: Floats, biases: Floats | None) -> Floats:
        columns = [factors]
        if self.user_biases is not None:
            assert biases is not None
            columns.append(biases[:, None])
        if self.item_biases is not None:
            columns.append(np.ones((len(factors), 1), np.float32))
        return np.hstack(columns) if len(columns) > 1 else factors


def _check_floats(name: str, array: object, shape: tuple[int, ...]) -> None:
    """Raise TypeError for what is no array of float32 of a shape: it would compile kernels anew, or score others."""
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.shape != shape:
        got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"{name} must be float32 of shape {shape}, got {got}")


@dataclass(frozen=True)
class Histories:
    """People known by what they have: person r by the pairs in row rows[r] (int64) of a CSR over all items."""

    pairs: Rows
    rows: RowNumbers

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, block: slice) -> Histories:
        return Histories(self.pairs, self.rows[block])


NOBODY = freeze_rows(Rows(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)))


@dataclass(frozen=True, kw_only=True, eq=False)
class HistoryScorer(Scorer):
    """s(u, i) = sum over the pairs (j, w) of u of w c_ji: a person is nothing but a history.

    make_candidates : returns the items in some rows, which score `Histories`; it must be possible to pickle it
    coefficients : an array of any shape that holds the c_ji of the largest size
    """

    make_candidates: Callable[[RowNumbers], Candidates]
    coefficients: Floats

    def queries(self, rows: RowNumbers) -> Histories:
        """Return the training histories of user rows."""
        if not len(rows):
            return Histories(NOBODY, rows)  # with zero known users no training pairs are needed
        if self.seen is None:
            raise NotSupportedError(
                "scoring a known user needs the training pairs, and this model was saved with interactions=False",
                what="no interactions",
                purpose="scoring a known user",
            )
        return Histories(self.seen, rows)

    def fold(self, histories: Rows, features: Rows | None = None) -> Histories:
        """Return the histories themselves."""
        check_range(histories, self._largest_coefficient, "a history")
        return Histories(histories, np.arange(len(histories.counts)))

    def among(self, rows: RowNumbers) -> Candidates:
        """Return the items in these rows, ascending, ready for ranking."""
        return self.make_candidates(rows)

    @cached_property
    def _largest_coefficient(self) -> float:
        return largest_size(self.coefficients)


def largest_size(coefficients: Floats) -> float:
    """Return the largest absolute value, 0 of none."""
    # Row by row: all absolute values at once would take as much memory as the array.
    return max((float(np.abs(row).max(initial=0)) for row in np.atleast_2d(coefficients)), default=0.0)


def check_range(pairs: Rows, largest_coefficient: float, whose: str) -> None:
    """Raise DataError where a sum of weights times coefficients could be more than a float32 holds."""
    totals = np.add.reduceat(np.append(pairs.data, 0).astype(np.float64), pairs.indptr[:-1])
    if totals.max(initial=0) * largest_coefficient > LARGEST_FLOAT:
        raise DataError(
            f"the weights of {whose} add up to {totals.max():.2g}, and scores from them may be more than 32-bit "
            "floats hold: scale them down"
        )
