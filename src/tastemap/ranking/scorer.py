"""Scorers: they score items for users and list the best ones, from plain arrays, without ids, frames or locks.

A scorer is the part of a fitted model that a server's handler, a Spark partition or a neighbour index needs: it can be
pickled, many threads may use it at once, and it gives the same bits wherever it runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data._checks import LARGEST_FLOAT, check_rows, check_whole
from tastemap.data._pairs import Rows, freeze_rows, merge_rows, rows_at, sum_rows
from tastemap.data._sparse import check_csr
from tastemap.data.specs import find_extremes
from tastemap.errors import DataError, TastemapWarning, UnknownIdError, make_no_pairs_error
from tastemap.ranking.top_k import (
    BLOCK_ITEMS,
    BLOCK_QUERIES,
    Candidates,
    Hidden,
    Lists,
    Ties,
    VectorCandidates,
    check_finite,
    top_k,
)
from tastemap.typing import Counts, Flags, Floats, Ints, RowNumbers

# How much a disliked item counts beside a liked one. What people rate low is nearer to what they like than chance is,
# so every share lowers NDCG on MovieLens 1M, this one by 1 to 4 % with 35 dislikes a person; and it clears lists of
# what is disliked.
DISLIKE = 0.25


def make_alike_warning(n_alike: int, n_lists: int) -> TastemapWarning:
    """Make the warning that counts lists as `Scorer.count_alike` does."""
    return TastemapWarning(
        f"the model cannot tell the items of {n_alike:,} of {n_lists:,} lists apart: they have one score throughout, "
        "and their order means nothing",
        alike=n_alike,
        lists=n_lists,
    )


class Lean:
    """A dataclass that pickles its fields only; its cached properties are computed again when needed."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scorer(Lean, ABC):
    """Scores and ranks items for known users, given by their rows, and for new users, given by their histories.

    known_users, known_items : bool, (n_users,) and (n_items,): which have a training pair or features
    popularity : int64, (n_items,): the number of training pairs of each item, which ranks items for unknown users
    seen : the training pairs of all users, CSR arrays over the items; None where a file left them out
    tie_order : int32, (n_items,): the place of each item among those with equal scores, as `IdMap.tie_order` gives it;
        None for the order of the rows

    Each subclass has its own kind of queries, by which users are scored; queries have a length and can be sliced.
    """

    known_users: Flags
    known_items: Flags
    popularity: Counts
    seen: Rows | None = None
    tie_order: Ints | None = None

    @abstractmethod
    def queries(self, rows: RowNumbers) -> Any:
        """Return the queries of known users: what the candidates take to score items for these user rows."""

    @abstractmethod
    def fold(self, histories: Rows, features: Rows | None = None) -> Any:
        """Return the queries of new users: fold them in from their histories.

        histories : CSR arrays over the items, one row for each new user; only known items
        features : the new users' features as CSR arrays over the features of the training, None without any; with
            features a history may be empty

        Raises DataError for a history that has no finite scores.
        """

    def oppose(self, queries: Any, disliked: Rows) -> Any:
        """Return queries of new users who dislike some items as well: scores are s - .25 times those of the disliked.

        queries : as `fold` returned them
        disliked : CSR arrays over the items, a row for each new user, which may be empty

        A scorer whose scores have nothing to do with histories leaves queries as they are.
        """
        return queries

    @abstractmethod
    def among(self, rows: RowNumbers) -> Candidates:
        """Return the items in these rows, ascending, ready for ranking."""

    def show(self, scores: Floats) -> Floats:
        """Return scores as results show them, such as within a range; lists are ordered by the scores before this."""
        return scores

    def count_alike(self, lists: Lists) -> int:
        """Count the lists of at least two items among which nothing that was learned makes a difference.

        Such a list has one score throughout, and the score is 0 or no item has a training pair or features. Other equal
        scores, such as two items with as many pairs, are no sign of that; nor is a 0 where `show` ends a range.
        """
        rows, scores, counts = lists
        if rows.shape[1] < 2:
            return 0
        alike = np.flatnonzero((counts > 1) & ((scores == scores[:, :1]) | (rows < 0)).all(axis=1))
        is_unknown = (~self.known_items[rows[alike]] | (rows[alike] < 0)).all(axis=1)
        ends = np.nextafter(np.float32(0), np.array([-1, 1], np.float32))
        is_zero = (scores[alike, 0] == 0) & bool((self.show(ends) == ends).all())
        return int(np.count_nonzero(is_unknown | is_zero))

    # -- lists --------------------------------------------------------------------------------------------------------

    @cached_property
    def catalogue(self) -> Candidates:
        """The candidates of the whole catalogue: all items with a training pair or features."""
        return self.among(np.flatnonzero(self.known_items))

    @cached_property
    def ties(self) -> Ties:
        """The order of items with equal scores."""
        return Ties.of(np.arange(len(self.popularity)) if self.tie_order is None else self.tie_order)

    def hide_seen(self, rows: RowNumbers) -> Hidden:
        """Return the training items of user rows, which `rank` leaves out; row -1 has none.

        Raises NotSupportedError where a file left the training pairs out.
        """
        if self.seen is None:
            raise make_no_pairs_error("leaving out seen items")
        return Hidden(self.seen, rows)

    def recommend(self, rows: npt.ArrayLike, k: int = 10, *, exclude_seen: bool = True) -> Lists:
        """Return the k best items of user rows: item rows int32 (n, k), scores float32 (n, k), counts int64 (n).

        exclude_seen : leave out the items of the user's own training pairs

        Raises UnknownIdError for rows that do not exist, NotSupportedError where the training pairs are needed and a
        file left them out.
        """
        check_whole("k", k, lowest=1)
        rows = check_rows("user rows", rows, len(self.known_users))
        return self.rank(rows, k, [self.hide_seen(rows)] if exclude_seen else [])

    def rank(
        self,
        rows: RowNumbers,
        k: int,
        hidden: Sequence[Hidden] = (),
        candidates: Candidates | None = None,
        queries: Callable[[RowNumbers], Any] | None = None,
    ) -> Lists:
        """Rank the candidates for user rows; row -1 is an unknown user and gets the most popular items.

        hidden : the items to leave out, for the same rows
        candidates : None for the catalogue
        queries : returns the queries of some of the rows; None for those of the known users
        """
        candidates = self.catalogue if candidates is None else candidates
        queries = self.queries if queries is None else queries
        is_known = rows >= 0
        if is_known.all():
            return self.rank_queries(queries(rows), k, hidden, candidates)
        by_popularity = self._by_popularity if candidates is self.catalogue else self._count(candidates.rows)
        one_for_all = np.ones((int((~is_known).sum()), 1), np.float32)
        known = self.rank_queries(queries(rows[is_known]), k, [h.of(is_known) for h in hidden], candidates)
        unknown = top_k(one_for_all, by_popularity, k, [h.of(~is_known) for h in hidden], self.ties)
        # The lists of known users come first here, then those of unknown ones: put them back in the order of `rows`.
        place = np.argsort(np.concatenate([np.flatnonzero(is_known), np.flatnonzero(~is_known)]))
        return Lists(
            np.concatenate([known.rows, unknown.rows])[place],
            np.concatenate([known.scores, unknown.scores])[place],
            np.concatenate([known.counts, unknown.counts])[place],
        )

    def rank_queries(
        self, queries: Any, k: int, hidden: Sequence[Hidden] = (), candidates: Candidates | None = None
    ) -> Lists:
        """Rank the candidates for queries that `queries` or `fold` returned; None for the whole catalogue."""
        lists = top_k(queries, self.catalogue if candidates is None else candidates, k, hidden, self.ties)
        filled = lists.rows >= 0
        lists.scores[filled] = self.show(check_finite(lists.scores[filled]))
        return lists

    def score_pairs(self, queries: Any, who: RowNumbers, items: RowNumbers) -> Floats:
        """Return the shown score of query who[j] and the known item in row items[j], for each j: float32, (n,).

        Raises UnknownIdError for queries and rows that do not exist, and for items that are not known.
        """
        who, items = check_rows("queries", who, len(queries)), check_rows("item rows", items, len(self.known_items))
        if not self.known_items[items].all():
            raise UnknownIdError("the items of pairs must be known ones: leave out those without a training pair")
        return self.show(check_finite(self.catalogue.pair_scores(queries, who, items)))

    def check_histories(self, histories: Rows) -> None:
        """Raise DataError where histories are no CSR arrays over the items; for `fold`."""
        check_csr(*histories, (len(histories.indptr) - 1, len(self.known_items)))

    @cached_property
    def _by_popularity(self) -> Candidates:
        return self._count(self.catalogue.rows)

    def _count(self, rows: RowNumbers) -> Candidates:
        """Return candidates that score by popularity: for a query of 1 the number of an item's training pairs."""
        return VectorCandidates(self.popularity.astype(np.float32)[:, None], rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class FactorScorer(Scorer):
    """s(u, i) = p_u . q_i + b_u + b_i, as the product of two vectors.

    user_factors, item_factors : float32, (n_users, factors) and (n_items, factors)
    user_biases, item_biases : float32, (n_users,) and (n_items,); None where the model has none
    score_range : float32, (2,): the lowest and the highest score shown, None for no limits
    fold_in : takes histories and features as `fold` does and returns the new users' factors, float32 (n, factors), and
        biases, float32 (n,) or None; it must be a function of a module or an object that can be pickled

    A user's vector is [p, b_u, 1] and an item's is [q, 1, b_i]; without biases their columns are left out.
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

    @staticmethod
    def find_scoring(
        sizes: Mapping[str, int], factors: int, *, user_biases: bool = False, item_biases: bool = False
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Return the bytes of what a scorer makes of vectors of so many factors, and of the scores of a block.

        sizes : "users", "items" and "paired_items"
        """
        n_users, n_items, n_paired = sizes["users"], sizes["items"], sizes["paired_items"]
        columns = factors + user_biases + item_biases
        vectors = 4 * columns * (n_items * (columns > factors) + n_paired * (n_paired < n_items))
        buffer = 4 * BLOCK_QUERIES * min(BLOCK_ITEMS, n_paired) * parallel.n_threads()
        return {"vectors of items": vectors + 4 * n_users * user_biases}, {"scores of a block": buffer}

    def queries(self, rows: RowNumbers) -> Floats:
        """Return the vectors of user rows, float32 (n, d)."""
        rows = check_rows("user rows", rows, len(self.known_users))
        return self._as_queries(self.user_factors[rows], None if self.user_biases is None else self.user_biases[rows])

    def fold(self, histories: Rows, features: Rows | None = None) -> Floats:
        """Return the vectors of new users, folded in from their histories, float32 (n, d)."""
        self.check_histories(histories)
        factors, biases = self.fold_in(histories, features)
        n_people = len(histories.counts)
        _check_floats("the factors that fold_in returns", factors, (n_people, self.item_factors.shape[1]))
        if self.user_biases is not None:
            _check_floats("the biases that fold_in returns", biases, (n_people,))
        return self._as_queries(factors, biases)

    def oppose(self, queries: Floats, disliked: Rows) -> Floats:
        """Return the vectors less a quarter of those of who likes what is disliked; the items' biases stay."""
        opposed, people = queries.copy(), np.flatnonzero(disliked.counts)
        if len(people):
            others = self.fold(rows_at(disliked, people))
            if self.item_biases is not None:
                others[:, -1] = 0
            opposed[people] -= np.float32(DISLIKE) * others
        return opposed

    def among(self, rows: RowNumbers) -> Candidates:
        """Return the items in these rows, ascending, ready for ranking."""
        return VectorCandidates(self.item_vectors, rows)

    def show(self, scores: Floats) -> Floats:
        """Return scores clipped to `score_range`."""
        return scores if self.score_range is None else np.clip(scores, *self.score_range)

    @cached_property
    def item_vectors(self) -> Floats:
        """The items' vectors, float32 (n_items, d); the product with a query is the score, before clipping."""
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
    """Raise TypeError for anything but a float32 array of this shape: kernels would recompile or read wrong values."""
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.shape != shape:
        got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"{name} must be float32 of shape {shape}, got {got}")


@dataclass(frozen=True)
class Histories:
    """Users given by their histories: user r has the pairs in row rows[r] (int64) of a CSR over all items."""

    pairs: Rows
    rows: RowNumbers

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, block: slice | RowNumbers) -> Histories:
        return Histories(self.pairs, self.rows[block])


NOBODY = freeze_rows(Rows(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)))


@dataclass(frozen=True, kw_only=True, eq=False)
class HistoryScorer(Scorer):
    """s(u, i) = sum over the pairs (j, w) of u of w c_ji: scores depend on the history only.

    make_candidates : returns the candidates of item rows, whose queries are `Histories`; it must be picklable
    coefficients : an array of any shape that holds the c_ji of the largest absolute value
    place : int64, (n_items,): the numbers of the items in the `Histories` that candidates get, in the order of the item
        rows, -1 for items that are in no history; None where these are the item rows
    """

    make_candidates: Callable[[RowNumbers], Candidates]
    coefficients: Floats
    place: RowNumbers | None = None

    def queries(self, rows: RowNumbers) -> Histories:
        """Return the training histories of user rows."""
        rows = check_rows("user rows", rows, len(self.known_users))
        if not len(rows):
            return Histories(NOBODY, rows)  # with zero known users no training pairs are needed
        if self.seen is None:
            raise make_no_pairs_error("scoring a known user")
        return Histories(self._seen_places, rows)

    def fold(self, histories: Rows, features: Rows | None = None) -> Histories:
        """Return the histories themselves."""
        self.check_histories(histories)
        check_range(histories, self._largest_coefficient, "a history")
        return Histories(self._put(histories), np.arange(len(histories.counts)))

    def oppose(self, queries: Histories, disliked: Rows) -> Histories:
        """Return the histories with what is disliked, at minus a quarter of its weight."""
        against = self._put(disliked)
        against = freeze_rows(against._replace(data=np.float32(-DISLIKE) * against.data))
        return Histories(merge_rows(rows_at(queries.pairs, queries.rows), against), np.arange(len(queries)))

    def among(self, rows: RowNumbers) -> Candidates:
        """Return the items in these rows, ascending, ready for ranking."""
        return self.make_candidates(rows)

    @cached_property
    def _seen_places(self) -> Rows:
        assert self.seen is not None
        return self._put(self.seen)

    def _put(self, pairs: Rows) -> Rows:
        """Return the pairs with the places of their items."""
        if self.place is None:
            return pairs
        places = self.place[pairs.indices].astype(np.int32)
        if places.min(initial=0) < 0:
            raise UnknownIdError("histories must hold known items: leave out those without a training pair")
        return freeze_rows(pairs._replace(indices=places))

    @cached_property
    def _largest_coefficient(self) -> float:
        return largest_size(self.coefficients)


def largest_size(coefficients: Floats) -> float:
    """Return the largest absolute value, 0 for an empty array."""
    # All absolute values at once would take as much memory as the array.
    low, high = find_extremes(coefficients)
    return max(-float(low), float(high))


def check_range(pairs: Rows, largest_coefficient: float, whose: str) -> None:
    """Raise DataError where a sum of weights times coefficients could be more than a float32 holds."""
    check_total(float(sum_rows(pairs).max(initial=0)), largest_coefficient, whose)


def check_total(total: float, largest_coefficient: float, whose: str) -> None:
    """Raise DataError where weights that add up to a total have scores of more than a float32 holds."""
    if total * largest_coefficient > LARGEST_FLOAT:
        raise DataError(
            f"the weights of {whose} add up to {total:.2g}, and scores from them may be more than 32-bit "
            "floats hold: scale them down"
        )
