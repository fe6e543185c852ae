"""A graph filter: items near those in the history in the graph of users and items, by one and by many steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Self

import numpy as np

from tastemap import parallel
from tastemap.data._checks import check_amount, check_whole
from tastemap.data._pairs import Rows, freeze, freeze_rows, rows_at
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, Specs
from tastemap.kernels.core.simd import allocate
from tastemap.kernels.ease import WINDOW
from tastemap.kernels.graph_filter import TILE, add_products, count_entries, fill_entries
from tastemap.kernels.item_knn import add_similarities
from tastemap.kernels.rerank import compare_vectors, look_up_pairs
from tastemap.models.implicit_als import ImplicitALS
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.models.shared.needs import Needs
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.randomness import Stream, derive_state
from tastemap.ranking.scorer import Histories, HistoryScorer, Scorer, check_range, largest_size
from tastemap.ranking.similar import Closeness, Neighbours, check_metric, nearest
from tastemap.ranking.top_k import ComputedCandidates, Lists, Ties
from tastemap.training.graph import estimate_entries, normalize_pairs, transpose
from tastemap.training.held_out import Score, choose
from tastemap.training.loop import Options
from tastemap.training.singular import SPARE, find_singular, multiply
from tastemap.training.wide import widen, width_of, zeros
from tastemap.typing import Doubles, Floats, Ints, RowNumbers

# The number of items in a thread's block. Each block clears scratch space for all items: at most 256 blocks.
BLOCK_ROWS = 32
MOST_BLOCKS = 256

# What may be chosen, beside what is so near to it that it would only raise the bar for the others.
NOISES = 0.3, 0.4, 0.5, 0.6
NEAR = 0.03


@dataclass(kw_only=True, eq=False)
class GraphFilter(Model):
    """A fixed filter of the graph whose edges are the pairs: nothing is trained.

    s(u, i) = sum over the history of  w_uj (K_ji + low_pass  v_j . v_i  a_i / a_j)
    graph     R_ui = w_ui / (a_u a_i),   a_u = sqrt(d_u + damping d),  d_u the sum of the user's weights and d the mean
              of these sums over users; a_i likewise over items
    kernel    K = R'R / s_1^2:  from an item over one user to another item
    low pass  v_i, row i of V, whose columns are the right singular vectors of R with the largest singular values s,
              at most `factors`, each times  1 - (noise s_0 / s)^2,  and only those for which this is above 0
              s_0 = sqrt(f_u) + sqrt(f_i),   f_u the mean over users of d_u / (d_u + damping d)  divided by d, and f_i
              likewise over items: s of graphs with these sums whose edges are drawn by chance are below s_0

    w is the weight of a pair in multiples of the mean. K is summed by fill_entries in kernels/graph_filter.py, and the
    singular vectors are found in training/singular.py.

    factors : the most columns of V
    low_pass : the weight of the many steps beside the one step of K, whose largest eigenvalue is 1
    damping : in means, added to the sums of weights: how much less rare items and short histories count. 0 is the
        published filter, in which an item that one user has weighs most
    noise : in multiples of what chance makes: the singular value that counts as nothing. 0 is the published filter, in
        which `factors` vectors count alike. If None: 1.05 (pairs / n_users)^-1/4, from 0.4 to 0.6, for many steps from
        a short history lead anywhere; or that of 0.3, 0.4, 0.5 and 0.6, where more than 0.03 away, whose lists surely
        find more of a few pairs that are held out, see training/held_out.py. The choice takes about as long as learning
    seed : of the start of the singular vectors, which forget it nearly

    kernel_starts_ : int64, (n_items + 1,): where each item's entries of K begin
    kernel_items_, kernel_ : int32 and float32: the items j of the entries, and the entries, one item after the other
    item_vectors_ : float32, (n_items, at most factors): V times sqrt(low_pass)
    item_scales_ : float32, (n_items,): a_i

    K takes 8 bytes for every two items that a user has both. Raises DataError where the memory is not available.

    Fold-in is exact, since scores depend on the history only; so is `explain`. `update` learns again from all pairs, in
    the unit of the first training. similar_items by "cosine" is M_ij / sqrt(M_ii M_jj),  M = K + low_pass V V'; by
    "dot" it is what having i adds to the score of j.

    Shen et al., How powerful is graph convolution for recommendation? (GF-CF), CIKM 2021. Damping: Chaudhuri, Chung and
    Tsiatas, Spectral clustering of graphs with general degrees in the extended planted partition model, COLT 2012.
    """

    factors: int = 256
    low_pass: float = 2.0
    damping: float = 1.0
    noise: float | None = None
    seed: int = 0

    search_space: ClassVar[SearchSpace] = {
        "low_pass": Range(0.03, 3.0, log=True),
        "damping": Range(0.1, 3.0, log=True),
        "noise": Range(0.3, 0.8),
    }
    abilities: ClassVar[Abilities] = Abilities(similar_items=True, explains="exact", folds_in_exactly=True)
    fitted_arrays: ClassVar[Specs] = {
        "kernel_starts_": ArraySpec(dtype="int64", shape=("items+1",), starts="kernel_items_"),
        "kernel_items_": ArraySpec(dtype="int32", shape=("entries",), at_least=0, below="items"),
        "kernel_": ArraySpec(dtype="float32", shape=("entries",), at_least=0),
        "item_vectors_": ArraySpec(dtype="float32", shape=("items", "columns")),
        "item_scales_": ArraySpec(dtype="float32", shape=("items",), above=0),
    }

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        check_whole("factors", self.factors, lowest=1)
        for name in ("low_pass", "damping"):
            check_amount(name, getattr(self, name))
        check_amount("noise", self.noise, or_none=True)
        check_whole("seed", self.seed, lowest=0)

    def find_defaults(self, interactions: Interactions) -> dict[str, Any]:
        """Return the noise that suits the length of the histories, or one of NOISES that held-out pairs choose."""
        # Chosen with the other defaults on held-out likes of the training parts of six public sets.
        history = len(interactions) / interactions.n_users
        usual = min(max(1.05 * history**-0.25, 0.4), 0.6)
        tried = [usual, *(noise for noise in NOISES if abs(noise - usual) > NEAR)]
        return {"noise": choose(interactions, tried, lambda rest: self._try(rest, tried))}

    def _try(self, pairs: Interactions, tried: list[float]) -> Score:
        """Return what scores items with each noise."""
        n_items = pairs.shape[1]
        by_user, by_item, scales, edge, values, vectors = self._find_vectors(pairs)
        by_value = [self._weigh(values, edge, noise) for noise in tried]
        vectors = vectors[:, : max(map(len, by_value))]
        of_history = widen(vectors / scales[:, None], max(width_of(vectors.shape[1]), WINDOW), n_items)
        to_items = (vectors * scales[:, None]).T.copy()

        def score(people: RowNumbers) -> Iterator[Floats]:
            # Two products with R, which for a few people are less work than all of K.
            columns = np.arange(len(people))
            histories = rows_at(pairs.by_user, people)
            columns_of = zeros(n_items, max(width_of(len(people)), WINDOW))
            columns_of[histories.indices, np.repeat(columns, histories.counts)] = histories.data
            ways = zeros(pairs.shape[0], columns_of.shape[1])
            ways[:, : len(people)] = multiply(by_user, np.arange(len(ways)), columns_of, columns)
            one_step = np.float32(values[0] ** -2) * multiply(by_item, np.arange(n_items), ways, columns)
            one_step = np.ascontiguousarray(one_step.T)
            folded = multiply(pairs.by_user, people, of_history, np.arange(vectors.shape[1]))
            for weights in by_value:
                n = len(weights)
                # By BLAS: the people of a block are the same whoever else works, and so are the bits.
                yield one_step + (folded[:, :n] * weights**2) @ to_items[:n]

        return score

    @cached_property
    def _starts(self) -> RowNumbers:
        """Where the entries of each item's row of K begin: int64, (n_items + 1,)."""
        pairs = self.state.training("fit")
        n_items = len(self.popularity_)
        counts = np.zeros(n_items, np.int64)
        blocks = _cut(n_items)
        parallel.run(
            lambda b: count_entries(*pairs.by_item, *pairs.by_user, blocks[b].start, counts[blocks[b]]), len(blocks)
        )
        return np.concatenate(([0], np.cumsum(counts)))

    def estimate_sizes(self) -> dict[str, int]:
        """Return how many entries K has, estimated from some of the items, and the most vectors."""
        pairs = self.state.training("fit")
        columns = min(int(self.factors), *pairs.shape)
        return {"entries": estimate_entries(pairs.by_item, pairs.by_user), "columns": columns}

    def find_needs(self, sizes: Mapping[str, int]) -> Needs:
        """Return what K and the singular vectors take."""
        n_users, n_items, n_pairs, entries = (sizes[name] for name in ("users", "items", "pairs", "entries"))
        columns = min(sizes["factors"], n_users, n_items)
        n = min(columns + SPARE, n_users, n_items)
        width = max(width_of(n), WINDOW)
        graph = {"pairs of the graph": 16 * n_pairs + 8 * (n_users + n_items)}
        wide = {"vectors being rotated": 4 * width * (n_users + n_items)}
        blocks = min(-(-max(n_users, n_items) // 1024), 32)
        products = {"products of vectors": 8 * n * n * (blocks + 4), "rotated vectors": 4 * n * n_items}
        vectors = {"singular vectors": 4 * columns * n_items}
        kernel = {"kernel": 8 * entries}
        phases = [
            {"values of pairs": 28 * n_pairs},
            {**graph, **wide, **products},
            {**graph, **vectors, **kernel, "fitted arrays": 4 * columns * n_items},
        ]
        of_items = 4 * n_items * columns
        made, kept = of_items + 4 * n_items * max(width_of(columns), WINDOW), dict[str, int]()
        if self.noise is None:
            steps = 4 * n_items * (columns + width_of(columns))
            kept = {"order of the pairs": 8 * n_pairs}
            phases.append(
                {
                    "pairs without the held-out": 9 * n_pairs,
                    **vectors,
                    **kernel,
                    "steps": steps + 8 * columns * n_items,
                }
            )
        return Needs(
            learning=tuple(phases),
            kept=kept,
            answering={"steps": made},
            making={"steps being made": of_items},
            scoring={
                "scores of a block": 4 * min(_Sums.cells, ComputedCandidates.people * n_items) * parallel.n_threads()
            },
            by_item=True,
        )

    def make_leaner(self) -> Model:
        """Return ImplicitALS, whose memory does not grow with what items have in common."""
        return ImplicitALS()

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Find the singular vectors of R, then sum its kernel."""
        by_user, by_item, self.item_scales_, edge, values, vectors = self._find_vectors(interactions)
        weights = self._weigh(values, edge, self.used_.noise)
        self.item_vectors_ = vectors[:, : len(weights)] * weights
        self.kernel_starts_, self.kernel_items_, self.kernel_ = self._sum_kernel(by_user, by_item, float(values[0]))
        check_range(interactions.by_user, self._largest, "a user")

    def _weigh(self, values: Doubles, edge: float, noise: float) -> Floats:
        """Return what the singular vectors are multiplied by, as far as it is above 0."""
        weights = np.sqrt(self.low_pass) * (1 - (noise * edge / values) ** 2)
        kept: Floats = weights[weights > 0].astype(np.float32)
        return kept

    def _find_vectors(self, interactions: Interactions) -> tuple[Rows, Rows, Floats, float, Doubles, Floats]:
        """Return R by user and by item, a_i, s_0, and the singular values of R and their vectors."""
        by_user, scales, edge = normalize_pairs(interactions, self.damping)
        by_item = transpose(by_user, len(scales))
        state = derive_state(self.seed, Stream.FIRST_ITEMS_ALONE)
        values, vectors = find_singular(by_user, by_item, int(self.factors), state)
        return by_user, by_item, scales, edge, values, vectors

    def _sum_kernel(self, by_user: Rows, by_item: Rows, largest: float) -> Rows:
        """Return K, given R and its largest singular value."""
        n_entries = self._starts[-1]
        kernel = Rows(self._starts, np.empty(n_entries, np.int32), np.empty(n_entries, np.float32))
        blocks = _cut(len(by_item.counts))

        def fill(b: int) -> None:
            fill_entries(
                *by_item,
                *by_user,
                first=blocks[b].start,
                rows=blocks[b].stop - blocks[b].start,
                scale=largest**-2,
                starts=kernel.indptr,
                near=kernel.indices,
                entries=kernel.data,
            )

        parallel.run(fill, len(blocks))
        return kernel

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Learn again from all pairs."""
        self.learn(self.state.training("update"), Options())

    # -- answering ----------------------------------------------------------------------------------------------------

    @property
    def _kernel(self) -> Rows:
        return freeze_rows(Rows(self.kernel_starts_, self.kernel_items_, self.kernel_))

    @property
    def _largest(self) -> float:
        """No coefficient of a score is larger."""
        scales = self.item_scales_.astype(np.float64)
        lengths = np.sqrt(np.einsum("if,if->i", self.item_vectors_, self.item_vectors_, dtype=np.float64))
        return largest_size(self.kernel_) + float(np.max(lengths / scales) * np.max(lengths * scales))

    def make_scorer(self) -> Scorer:
        """Return the scorer of the fitted arrays."""
        steps = _Steps(self._kernel, self.item_vectors_, self.item_scales_)
        return HistoryScorer(
            **self.known, make_candidates=partial(_Sums, steps), coefficients=np.array([self._largest], np.float32)
        )

    def make_item_space(self) -> Neighbours:
        """Return the space in which items are compared: by M, or by their part in scores."""
        return _ItemSpace(
            self._kernel,
            self.item_vectors_,
            self.item_scales_,
            np.flatnonzero(self.popularity_),
            Ties.of(self.items.tie_order),
        )

    def contributions(self, user: int, item: int, items: Ints, weights: Floats) -> tuple[Doubles, float]:
        """Return w_uj (K_ji + low_pass v_j . v_i a_i / a_j) for every item j of the history."""
        V, scales = self.item_vectors_.astype(np.float64), self.item_scales_.astype(np.float64)
        one_step = np.zeros(len(scales))
        own = slice(self.kernel_starts_[item], self.kernel_starts_[item + 1])
        one_step[self.kernel_items_[own]] = self.kernel_[own]  # K is symmetric
        many_steps = np.einsum("jf,f->j", V[items], V[item]) * scales[item] / scales[items]
        return weights * (one_step[items] + many_steps), 0.0


class _Steps:
    """From items to items: a sparse kernel, and v_j . v_i a_i / a_j."""

    def __init__(self, kernel: Rows, vectors: Floats, scales: Floats) -> None:
        self.kernel, (self.n_items, self.n_vectors) = kernel, vectors.shape
        n = self.n_vectors
        self.of_history = widen(vectors / scales[:, None], max(width_of(n), WINDOW), self.n_items)
        n_tiles = -(-self.n_items // TILE)
        of_candidates = widen(vectors * scales[:, None], n, n_tiles * TILE).reshape(n_tiles, TILE, n)
        self.tiles: Floats = allocate(n_tiles * n, TILE)
        self.tiles.reshape(n_tiles, n, TILE)[:] = of_candidates.transpose(0, 2, 1)


class _Sums(ComputedCandidates):
    """Scores as sums of steps from the history; queries are `Histories`."""

    # Tiles of vectors are read once for each block, and one history steps to items anywhere: all items are one run.
    cells = 1 << 21

    def __init__(self, steps: _Steps, rows: RowNumbers) -> None:
        super().__init__(steps.n_items, rows)
        self._steps = steps
        self.people = min(self.people, max(self.cells // max(len(rows), 1), 1))

    def block_scores(self, queries: Histories, items: RowNumbers, out: Floats) -> None:
        steps = self._steps
        totals = np.empty(self.n_items)
        add_similarities(*queries.pairs, queries.rows, *steps.kernel, totals, items, out)
        folded = multiply(queries.pairs, queries.rows, steps.of_history, np.arange(steps.n_vectors))
        add_products(folded, steps.tiles, items, np.empty((4, TILE), np.float32), out)


class _ItemSpace:
    """Compares items by the steps from one to the other; see the docstring of GraphFilter."""

    def __init__(self, kernel: Rows, vectors: Floats, scales: Floats, active: RowNumbers, ties: Ties) -> None:
        self._kernel, self._vectors, self._scales = kernel, vectors, scales
        self._active, self._ties = active, ties

    def nearest(self, rows: RowNumbers, k: int, metric: Closeness, among: RowNumbers | None = None) -> Lists:
        """Return the k nearest neighbours of each row, the row itself left out."""
        check_metric(metric, ("cosine", "dot"), "GraphFilter has no vectors with a distance between them")
        among = self._active if among is None else among
        steps, roots = self._by_metric[metric]
        return nearest(rows, _Similarities(steps, roots, among), rows, k, self._ties)

    def similarities(self, rows: RowNumbers, others: Ints) -> Floats:
        """Return M_ij / sqrt(M_ii M_jj), at most 1, of rows[r] and others[r]: float32, (n, m); 0 where one is -1."""
        steps, roots = self._by_metric["cosine"]
        one_step, many_steps = np.empty(others.shape, np.float32), np.empty(others.shape, np.float32)
        look_up_pairs(*steps.kernel, rows, others, one_step)
        compare_vectors(freeze(self._vectors), rows, others, many_steps)
        return np.minimum((one_step + many_steps) / (roots[rows][:, None] * roots[others]), np.float32(1))

    @cached_property
    def _by_metric(self) -> dict[Closeness, tuple[_Steps, Floats]]:
        """The steps of each metric, and the roots by which they are divided."""
        starts, items, entries = self._kernel
        from_items = np.repeat(np.arange(len(self._scales)), np.diff(starts))
        to_itself = items == from_items
        squares = np.einsum("if,if->i", self._vectors, self._vectors)
        squares[items[to_itself]] += entries[to_itself]
        roots, ones = np.sqrt(np.where(squares > 0, squares, 1)), np.ones_like(squares)
        return {
            "cosine": (_Steps(self._kernel, self._vectors, ones), roots.astype(np.float32)),
            "dot": (_Steps(self._kernel, self._vectors, self._scales), ones),
        }


class _Similarities(ComputedCandidates):
    """What steps from one item make of others, divided by the roots of both; queries are item rows."""

    def __init__(self, steps: _Steps, roots: Floats, rows: RowNumbers) -> None:
        super().__init__(steps.n_items, rows)
        self._sums, self._roots = _Sums(steps, rows), roots

    def block_scores(self, queries: RowNumbers, items: RowNumbers, out: Floats) -> None:
        n = len(queries)
        ones = freeze_rows(Rows(np.arange(n + 1), queries.astype(np.int32), np.ones(n, np.float32)))
        self._sums.block_scores(Histories(ones, np.arange(n)), items, out)
        out /= self._roots[queries][:, None] * self._roots[items]


def _cut(n_items: int) -> list[slice]:
    return parallel.row_blocks(n_items, max(BLOCK_ROWS, -(-n_items // MOST_BLOCKS)))
