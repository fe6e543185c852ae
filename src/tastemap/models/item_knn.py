"""Item-based nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from typing import Any, ClassVar, Literal, Self, get_args, get_type_hints

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tastemap import parallel
from tastemap.data._checks import LARGEST_FLOAT, check_amount, check_choice, check_share, check_whole
from tastemap.data._pairs import Rows, freeze, make_csr, rows_of
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, Specs
from tastemap.errors import DataError
from tastemap.kernels import item_knn as kernels
from tastemap.kernels.rerank import look_up_pairs
from tastemap.models.implicit_als import ImplicitALS
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.models.shared.needs import Needs
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.models.shared.totals import Totals
from tastemap.ranking.scorer import Histories, HistoryScorer, Scorer, check_range, largest_size
from tastemap.ranking.similar import Closeness, Neighbours, check_metric, nearest
from tastemap.ranking.top_k import ComputedCandidates, Lists, Ties
from tastemap.training.graph import estimate_entries, find_reach
from tastemap.training.held_out import Score, choose
from tastemap.training.loop import Options
from tastemap.typing import Array, Doubles, Floats, Ints, RowNumbers

# The number of items in a thread's block. Each block clears scratch space for all items: at most 256 blocks.
BLOCK_ROWS = 32
MOST_BLOCKS = 256

# What may be chosen, the usual value first: flat similarities suit a few people with histories over many items, steep
# ones a shop's customers, who buy what goes together.
SHRINKAGES = 15.0, 5.0
EXPONENTS = 1.0, 0.5, 0.75, 1.3

# Larger exponents leave similarities that 32-bit floats cannot tell from 0.
LARGEST_EXPONENT = 2


@dataclass(kw_only=True, eq=False)
class ItemKNN(Model):
    """Recommend items similar to those in the user's history.

    s(u, i) = sum over the neighbours j of i that u has of w_uj sim(i, j)
    sim(i, j) = n_ij / (n_ij + shrinkage)  v_i . v_j / (|v_i| |v_j|)   where n_ij users have both items
    "cosine"   v_ui = w_ui / |w_u|: every user has length 1, for who has few items says more about what goes together
    "tfidf"    v_ui = sqrt(w_ui) idf_u,   idf_u = ln(1 + n_items / n_u): items are texts, and users the words in them
    "bm25"     v_ui = idf_u w_ui (k1 + 1) / (w_ui + k1 (1 - b + b L_i / L)),   L_i = sum_u w_ui, and L its mean
    "normalised" has another form, in which the two items need not count alike:
    sim(i, j) = n_ij / (n_ij + shrinkage)
                (n_j^-history_exponent n_i^-item_exponent sum_u n_u^-user_exponent w_ui w_uj)^similarity_exponent
    where n_u, n_i and n_j are the sums of the weights of a user and of both items: of ones, numbers of pairs

    The neighbours of all items, and the scores, are nearest_items and add_similarities in kernels/item_knn.py.

    neighbours : how many j an item i has at most, those with the highest similarity. None is 8 / sqrt(density), from 20
        to 400, with density pairs / (n_users n_items): the emptier the data, the more it takes to reach from a history
    similarity : "cosine", "tfidf" and "bm25" differ in how much a heavy weight and a busy user count; "normalised" says
        so with exponents, and has random walks and linear graph filters as special cases
    shrinkage : a number of users: a similarity from that many in common is halved. Without it two rare items that one
        user has are the most similar of all. None is 15, or what is chosen below
    bm25_k1, bm25_b : for "bm25" only. A small k1 lets a weight saturate early; b from 0 to 1 is how much the weights of
        an item are seen in proportion to all that it has. Where all weights are equal, "bm25" is "tfidf"
    user_exponent, history_exponent, item_exponent : for "normalised" only, each from 0 to 2: how much less a busy user,
        a popular item of the history and a popular item scored count. A walk of two steps from the history (P3) has 1,
        1 and 0; RP3beta has 1, 1 and beta; Turbo-CF has 2 a, 1 - a and 1 - a, no shrinkage and as many neighbours as
        there are items; asymmetric cosine has 0, a and 1 - a. An item_exponent of None is 0.13 ln(mean history), from
        0.25 to 0.65, with the mean number of pairs of a user: long histories say enough to list rare items
    similarity_exponent : for "normalised" only, above 0 to 2: above 1 the nearest neighbours count for more, below 1
        how many there are. None is 1, or what is chosen below

    Of "normalised", what is None of shrinkage and similarity_exponent is chosen by a few pairs that are held out: of 15
    and 5, and of 1, 0.5, 0.75 and 1.3, those whose lists find the pairs best, if they surely do; see
    training/held_out.py. It takes one more search for neighbours, of which these values only change the similarities.

    neighbours_, similarities_ : int32 and float32, the neighbours of all items, one item after the other, best first
    neighbour_starts_ : int64, (n_items + 1,): where each item's begin

    Only the stored neighbours are used: at most `neighbours` for each item, and a score of 0 where none of them is in
    the history. Fold-in is exact, since scores depend on the history only; so is `explain`. `update` learns again from
    all pairs. similar_items gives the stored neighbours by the model's own similarity, under the default metric; it has
    no other metric. Where the two items count differently it is sim(i, j) (n_j / n_i)^((history_exponent -
    item_exponent) similarity_exponent / 2), with numbers of pairs n: of ones the geometric mean of both directions.

    Sarwar et al., Item-based collaborative filtering recommendation algorithms, WWW 2001; Deshpande and Karypis,
    Item-based top-N recommendation algorithms, TOIS 2004 (users of length 1); Robertson and Zaragoza, The probabilistic
    relevance framework: BM25 and beyond, 2009. Shrinkage: Bell and Koren, Improved neighborhood-based collaborative
    filtering, KDD Cup 2007. Walks: Cooper et al., Random walks in recommender systems, WWW 2014; Paudel et al.,
    Updatable, accurate, diverse, and scalable recommendations for interactive applications, TiiS 2017. Graph filters:
    Park et al., Turbo-CF: matrix decomposition-free graph filtering for fast recommendation, SIGIR 2024.
    """

    neighbours: int | None = None
    similarity: Literal["cosine", "tfidf", "bm25", "normalised"] = "normalised"
    shrinkage: float | None = None
    bm25_k1: float = 1.2
    bm25_b: float = 0.75
    user_exponent: float = 0.9
    history_exponent: float = 0.9
    item_exponent: float | None = None
    similarity_exponent: float | None = None

    # The parameters of "bm25" are left out: they matter only where weights differ much.
    search_space: ClassVar[SearchSpace] = {
        "neighbours": Range(10, 500, log=True),
        "similarity": ["normalised", "cosine", "tfidf", "bm25"],
        "shrinkage": Range(0.0, 40.0),
        "user_exponent": Range(0.0, 1.2),
        "history_exponent": Range(0.2, 1.0),
        "item_exponent": Range(0.0, 0.8),
        "similarity_exponent": Range(0.5, 1.6),
    }
    abilities: ClassVar[Abilities] = Abilities(similar_items=True, explains="exact", folds_in_exactly=True)
    fitted_arrays: ClassVar[Specs] = {
        "neighbour_starts_": ArraySpec(dtype="int64", shape=("items+1",), starts="neighbours_"),
        "neighbours_": ArraySpec(dtype="int32", shape=("entries",), at_least=0, below="items"),
        "similarities_": ArraySpec(dtype="float32", shape=("entries",), at_least=0),
    }

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        check_whole("neighbours", self.neighbours, lowest=1, or_none=True)
        check_choice("similarity", self.similarity, get_args(get_type_hints(type(self))["similarity"]))
        check_amount("shrinkage", self.shrinkage, or_none=True)
        check_amount("bm25_k1", self.bm25_k1)
        check_share("bm25_b", self.bm25_b)
        exponents = ("user_exponent", "history_exponent", "item_exponent", "similarity_exponent")
        for name in exponents:
            value = getattr(self, name)
            check_amount(name, value, or_none=name in ("item_exponent", "similarity_exponent"))
            if value is not None and value > LARGEST_EXPONENT:
                raise ValueError(f"{name} must be at most {LARGEST_EXPONENT}, got {value:g}")
        if self.similarity_exponent == 0:
            raise ValueError("similarity_exponent must be above 0, got 0: with it all neighbours would be equally near")

    def find_defaults_from(self, totals: Totals) -> dict[str, Any]:
        """Return what suits density and mean history, and of SHRINKAGES and EXPONENTS what held-out pairs choose."""
        # Chosen with the other defaults on held-out likes of the training parts of six public sets and parts of these.
        density = totals.pairs / (len(totals.users) * len(totals.items))
        history = totals.pairs / len(totals.users)
        tried = self._tried
        found = {
            "neighbours": round(min(max(8 / density**0.5, 20), 400)),
            "item_exponent": min(max(0.13 * float(np.log(history)), 0.25), 0.65),
            "shrinkage": tried[0][0],
            "similarity_exponent": tried[0][1],
        }
        if len(tried) == 1:
            return found
        given = {name: value for name, value in self.get_params().items() if value is not None}
        chosen = choose(totals.draw(), tried, lambda rest: self.try_on(rest, **{**found, **given})._try(tried))
        return found | dict(zip(("shrinkage", "similarity_exponent"), chosen, strict=True))

    def _try(self, tried: list[tuple[float, float]]) -> Score:
        """Return what scores items with each shrinkage and exponent, among the neighbours of the parameters."""
        pairs = self.state.training("fit")
        starts, neighbours, similarities, common = self._find_neighbours(pairs)
        n_items, shrinkage, exponent = pairs.shape[1], self.used_.shrinkage, self.used_.similarity_exponent
        # Entry j, i is the place of neighbour j of item i, so that the similarities can be put in the order of scoring.
        places = sp.csr_matrix((np.arange(len(neighbours)), neighbours, starts), (n_items, n_items)).tocsc()
        order, items = places.data, np.arange(n_items)
        near, of = freeze(places.indices.astype(np.int32, copy=False)), freeze(places.indptr.astype(np.int64))
        both = common[order].astype(np.float32)
        totals = np.log(similarities[order] * (both + shrinkage) / both) / np.float32(exponent)
        del neighbours, similarities, common, places, order  # as large as what the values take together
        by_value = [np.exp(np.float32(e) * totals) * (both / (both + np.float32(s))) for s, e in tried]

        def score(people: RowNumbers) -> Iterator[Floats]:
            sums, out = np.empty(n_items), np.empty((len(people), n_items), np.float32)
            for coefficients in by_value:
                kernels.add_similarities(*pairs.by_user, people, of, near, freeze(coefficients), sums, items, out)
                yield out

        return score

    @property
    def _longest(self) -> RowNumbers:
        """How many neighbours each item has at most: int64, (n_items,)."""
        met = find_reach(self.state.training("fit").by_item, self.activity_) - self.popularity_
        n_active = int(np.count_nonzero(self.popularity_))
        longest: RowNumbers = np.minimum(met, min(int(self.used_.neighbours), max(n_active - 1, 1)))
        return longest

    def estimate_sizes(self) -> dict[str, int]:
        """Return how many neighbours all items have, estimated from some of the items."""
        pairs = self.state.training("fit")
        return {"entries": estimate_entries(pairs.by_item, pairs.by_user, int(self.used_.neighbours))}

    def find_needs(self, sizes: Mapping[str, int]) -> Needs:
        """Return what neighbours take: a number, a similarity and a count each, twice while they are put together."""
        n_pairs, n_rows, entries = sizes["pairs"], sizes["users"] + sizes["items"], sizes["entries"]
        most = min(int(self.used_.neighbours), sizes["items"])
        block = 20 * sizes["items"] + 12 * most * max(BLOCK_ROWS, -(-sizes["items"] // MOST_BLOCKS))
        values = {"values of pairs": (20 if self.similarity == "normalised" else 48) * n_pairs + 12 * n_rows}
        found = {
            "values of pairs": 12 * n_pairs + 12 * n_rows,
            "items being searched": block * parallel.n_threads(),
            "neighbours found": 24 * entries,
        }
        phases = [values, found]
        n_tried, kept = len(self._tried), dict[str, int]()
        if n_tried > 1:
            kept = {"order of the pairs": 8 * n_pairs}
            rest = {"pairs without the held-out": 16 * n_pairs}
            choice = {"choice of similarities": max(40, 20 + 4 * n_tried) * entries}
            phases = [{**rest, **values}, {**rest, **found}, {**rest, **choice}]
        return Needs(
            learning=tuple(phases),
            kept=kept,
            answering={"neighbours by neighbour": 8 * entries + 12 * sizes["items"]},
            scoring={
                "scores of a block": 4 * min(ComputedCandidates.cells, 64 * sizes["items"]) * parallel.n_threads()
            },
            by_item=True,
        )

    def make_leaner(self) -> Model:
        """Return ImplicitALS, whose memory does not grow with what items have in common."""
        return ImplicitALS()

    @property
    def _tried(self) -> list[tuple[float, float]]:
        """The shrinkages and exponents among which held-out pairs choose, the usual ones first."""
        shrinkages = SHRINKAGES if self.shrinkage is None else (self.shrinkage,)
        exponents = EXPONENTS if self.similarity_exponent is None else (self.similarity_exponent,)
        if self.similarity != "normalised":
            return [(shrinkages[0], exponents[0])]
        return list(product(shrinkages, exponents))

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Find the neighbours of every item."""
        self.neighbour_starts_, self.neighbours_, self.similarities_, _ = self._find_neighbours(interactions)
        check_range(interactions.by_user, largest_size(self.similarities_), "a user")

    def _find_neighbours(self, interactions: Interactions) -> tuple[RowNumbers, Ints, Floats, Ints]:
        """Return where each item's neighbours begin, who they are, their similarities, and how many users have both."""
        by_user, by_item = self._make_columns(interactions)
        return self._search(partial(kernels.nearest_items, *by_item, *by_user), self._longest)

    def learn_from_sums(self, starts: RowNumbers, others: Ints, totals: Doubles, shared: Doubles) -> None:
        """Find the neighbours of every item from the sums of products over the users, CSR over pairs of items.

        starts, others : int64 (n_items + 1,), int32 (n,): for each item those that share users with it, itself too
        totals, shared : float64, (n,): sums of v_ui v_uj, with the scales of both items, and the numbers of users
        """
        most = min(int(self.used_.neighbours), max(int(np.count_nonzero(self.popularity_)) - 1, 1))
        search = partial(kernels.nearest_of_sums, freeze(starts), freeze(others), freeze(totals), freeze(shared))
        found = self._search(search, np.minimum(np.diff(starts), most))
        self.neighbour_starts_, self.neighbours_, self.similarities_, _ = found

    def _search(self, search: Callable[..., None], longest: RowNumbers) -> tuple[RowNumbers, Ints, Floats, Ints]:
        """Run a kernel that finds the nearest items over all items.

        longest : int64, (n_items,): how many neighbours each item has at most
        """
        n_items = len(longest)
        counts = np.zeros(n_items, np.int64)
        ties = Ties.of(self.items.tie_order)
        blocks = parallel.row_blocks(n_items, max(BLOCK_ROWS, -(-n_items // MOST_BLOCKS)))
        # Each block keeps what it found only: all items together may have far fewer neighbours than they may have.
        found: list[Any] = [None] * len(blocks)

        def find(b: int) -> None:
            block = blocks[b]
            most = max(longest[block].max(), 1)
            shape = block.stop - block.start, most
            near, similar = np.empty(shape, np.int32), np.empty(shape, np.float32)
            common = np.empty(shape, np.int32)
            search(
                first=block.start,
                shrinkage=float(self.used_.shrinkage),
                exponent=float(self.used_.similarity_exponent) if self.similarity == "normalised" else 1.0,
                places=ties.places,
                row_at=ties.rows,
                neighbours=near,
                similarities=similar,
                common=common,
                counts=counts[block],
            )
            filled = np.arange(most) < counts[block, None]
            found[b] = near[filled], similar[filled], common[filled]

        parallel.run(find, len(blocks))
        near, similar, common = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return np.concatenate(([0], np.cumsum(counts))), near, similar, common

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Learn again from all pairs."""
        self.learn(self.state.training("update"), Options())

    def _make_columns(self, interactions: Interactions) -> tuple[Rows, Rows]:
        """Return the values whose products are similarities: of items in histories by user, of items scored by item."""
        pairs = interactions.by_user
        n_users, n_items = interactions.shape
        items = pairs.indices
        totals: Doubles = np.bincount(items, pairs.data.astype(np.float64), n_items).astype(np.float64)
        v = self.make_values(pairs, totals)
        if self.similarity == "normalised":
            history, scored = (_scale(v, of_items, items) for of_items in self.scale_items(totals))
        else:
            history = scored = _divide(v, np.sqrt(np.bincount(items, v * v, n_items))[items]).astype(np.float32)
        del v  # it is as large as what follows
        by_user = make_csr(pairs.indptr, items, history, n_items)
        by_item = make_csr(pairs.indptr, items, scored, n_items).tocsc()
        return rows_of(by_user), rows_of(make_csr(by_item.indptr, by_item.indices, by_item.data, n_users))

    def scale_items(self, totals: Doubles) -> tuple[Doubles, Doubles]:
        """Return the scales of items of "normalised", in histories and as those scored: float64, (n_items,).

        totals : float64, (n_items,): the sums of the items' weights; items without get 0
        """
        used = np.where(totals > 0, totals, 1)
        scales = used**-self.history_exponent, used ** -float(self.used_.item_exponent)
        of_history, of_scored = (np.where(totals > 0, scale, 0) for scale in scales)
        return of_history, of_scored

    def make_values(self, pairs: Rows, totals: Doubles) -> Doubles:
        """Return v_ui of the pairs of some users, before what items are scaled by: float64, (pairs,).

        pairs : CSR arrays over the items, with all pairs of each of these users
        totals : float64, (n_items,): the sums of all weights of each item
        """
        counts, items = pairs.counts, pairs.indices
        w = pairs.data.astype(np.float64)

        def add_up(weights: Doubles) -> Doubles:
            users = np.repeat(np.arange(len(counts)), counts)
            return np.bincount(users, weights, len(counts)).astype(np.float64)

        if self.similarity == "normalised":
            sums = add_up(w)
            v: Doubles = np.repeat(np.where(sums > 0, sums, 1) ** (-self.user_exponent / 2), counts)
            v *= w
            return v
        if self.similarity == "cosine":
            return _divide(w, np.repeat(np.sqrt(add_up(w * w)), counts))
        idf: Doubles = np.repeat(np.log1p(np.count_nonzero(totals) / np.maximum(counts, 1)), counts)
        return idf * (np.sqrt(w) if self.similarity == "tfidf" else self._saturate(w, items, totals))

    def _saturate(self, w: Doubles, items: Ints, lengths: Doubles) -> Doubles:
        mean = lengths.sum() / np.count_nonzero(lengths)
        relative = _divide(lengths, np.full(len(lengths), mean))[items]
        return _divide(w * (self.bm25_k1 + 1), w + self.bm25_k1 * (1 - self.bm25_b + self.bm25_b * relative))

    def make_scorer(self) -> Scorer:
        """Return the scorer of the fitted arrays."""
        # For every item j the items i that have it as a neighbour, and sim(i, j).
        n_items = len(self.popularity_)
        of = make_csr(self.neighbour_starts_, self.neighbours_, self.similarities_, n_items).tocsc()
        is_neighbour_of = rows_of(make_csr(of.indptr, of.indices, of.data, n_items))
        return HistoryScorer(
            **self.known, make_candidates=partial(_Sums, is_neighbour_of), coefficients=self.similarities_
        )

    def make_item_space(self) -> Neighbours:
        """Return the space of the stored neighbours."""
        difference = self.history_exponent - float(self.used_.item_exponent) if self.similarity == "normalised" else 0.0
        scales = np.maximum(self.popularity_, 1) ** (difference * self.used_.similarity_exponent / 2)
        starts, near = self.neighbour_starts_, self.neighbours_
        closeness = self.similarities_ * scales[near] / np.repeat(scales, np.diff(starts))
        stored = Rows(starts, near, closeness.astype(np.float32))
        return _ItemSpace(stored, np.flatnonzero(self.popularity_), Ties.of(self.items.tie_order))

    def contributions(self, user: int, item: int, items: Ints, weights: Floats) -> tuple[Doubles, float]:
        """Return w_uj sim(i, j) for every item j of the history."""
        similarity = np.zeros(len(self.popularity_))
        own = slice(self.neighbour_starts_[item], self.neighbour_starts_[item + 1])
        similarity[self.neighbours_[own]] = self.similarities_[own]
        return weights * similarity[items], 0.0

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], header: dict[str, Any]) -> Self:
        """Make a fitted model from what `save` wrote; older ones lack exponents, and have a similarity without."""
        parameters = header.get("parameters")
        if isinstance(parameters, dict) and "item_exponent" not in parameters:
            header = {**header, "parameters": {**parameters, "item_exponent": 0.0, "similarity_exponent": 1.0}}
        return super().from_arrays(arrays, header)


class _Sums(ComputedCandidates):
    """Scores as sums of similarities over the history; queries are `Histories`."""

    def __init__(self, is_neighbour_of: Rows, rows: RowNumbers) -> None:
        super().__init__(len(is_neighbour_of.indptr) - 1, rows)
        self._is_neighbour_of = is_neighbour_of
        # One history adds to items anywhere, so all items are one run.
        self.people = min(self.people, max(self.cells // max(len(rows), 1), 1))

    def block_scores(self, queries: Histories, items: RowNumbers, out: Floats) -> None:
        totals = np.empty(self.n_items)
        kernels.add_similarities(*queries.pairs, queries.rows, *self._is_neighbour_of, totals, items, out)


class _ItemSpace:
    """Looks up the stored neighbours of items; `active` are the items that may be neighbours."""

    def __init__(self, stored: Rows, active: RowNumbers, ties: Ties) -> None:
        self._stored, self._active, self._ties = stored, active, ties

    def nearest(self, rows: RowNumbers, k: int, metric: Closeness, among: RowNumbers | None = None) -> Lists:
        """Return the k nearest neighbours of each row, the row itself left out."""
        check_metric(metric, ("cosine",), "ItemKNN has one similarity, the one it was fitted with")
        return nearest(rows, _Stored(self._stored, self._active if among is None else among), rows, k, self._ties)

    def similarities(self, rows: RowNumbers, others: Ints) -> Floats:
        """Return s_ij / sqrt(t_i t_j) of rows[r] and others[r]: float32, (n, m); 0 where none is stored.

        s : the stored similarities, the higher of both directions; t_i is the highest of item i. They may be on any
            scale, so that without t a diversity could change no list
        """
        out = np.empty(others.shape, np.float32)
        look_up_pairs(*self._both_ways, rows, others, out)
        return out

    @cached_property
    def _both_ways(self) -> Rows:
        n_items = len(self._stored.counts)
        stored = sp.csr_matrix((self._stored.data, self._stored.indices, self._stored.indptr), (n_items, n_items))
        both = stored.maximum(stored.T).tocsr()
        both.sort_indices()
        highest = np.sqrt(both.max(axis=1).toarray().ravel().astype(np.float64))
        own = np.repeat(highest, np.diff(both.indptr)) * highest[both.indices]
        both.data = np.minimum(_divide(both.data, own), 1).astype(np.float32)
        return rows_of(both)


class _Stored(ComputedCandidates):
    """Scores of stored similarities, -inf for items that are not neighbours; queries are item rows."""

    def __init__(self, stored: Rows, rows: RowNumbers) -> None:
        super().__init__(len(stored.counts), rows)
        self._stored = stored

    def block_scores(self, queries: RowNumbers, items: RowNumbers, out: Floats) -> None:
        starts, neighbours, similarities = self._stored
        column = np.full(self.n_items, -1)
        column[items] = np.arange(len(items))
        out[:] = -np.inf
        for r, item in enumerate(queries):
            own = slice(starts[item], starts[item + 1])
            places = column[neighbours[own]]
            out[r, places[places >= 0]] = similarities[own][places >= 0]


def _scale(v: Doubles, of_items: Doubles, items: Ints) -> Floats:
    """Return values times the scales of their items, float32; raises DataError for what it does not hold."""
    scaled = of_items[items]
    scaled *= v
    largest = scaled.max()
    if not largest <= LARGEST_FLOAT:
        raise DataError(
            f"with these exponents the smallest weights count {largest:.2g} times, more than 32-bit floats "
            "hold: lower the exponents, or leave out the smallest weights"
        )
    return scaled.astype(np.float32)


def _divide(numbers: npt.NDArray[np.float64], by: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return numbers / by, and 0 where both are 0."""
    return np.divide(numbers, by, out=np.zeros_like(numbers), where=by > 0)
