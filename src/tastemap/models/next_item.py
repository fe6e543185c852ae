"""What comes next: a linear regression from what a user had lately to what the user has next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar, Self

import numpy as np

from tastemap import parallel
from tastemap.data._checks import check_amount, check_share
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.data.interactions import Interactions
from tastemap.data.recency import Recency
from tastemap.data.specs import ArraySpec, Specs
from tastemap.errors import DataError, DivergenceError, ParameterError, Remedy
from tastemap.kernels import next_item as kernels
from tastemap.models.implicit_als import ImplicitALS
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.base import Model
from tastemap.models.shared.item_weights import Sums, WeightSpace, find_half, find_width, make_zeros
from tastemap.models.shared.needs import Needs
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.progress import is_shown, make_bar
from tastemap.ranking.scorer import HistoryScorer, Scorer
from tastemap.ranking.similar import Neighbours
from tastemap.ranking.top_k import Ties
from tastemap.training.inverse import TILE, Symmetric, estimate_seconds, invert
from tastemap.training.loop import Options
from tastemap.typing import Array, Counts, Doubles, Floats, Ints, RowNumbers

# The number of rows of equations that one thread sums at a time.
ROWS_AT_ONCE = 16

# The number of pairs of histories whose weights are spread at a time: in 64 bits all would be the largest arrays.
SPREAD_AT_ONCE = 1 << 16

# exp(-745) is the smallest number above 0: what decays at this rate is gone after one step.
FASTEST = 745.0


@dataclass(kw_only=True, eq=False)
class NextItem(Model):
    """Linear regression from the decayed past of a user to the user's next items.

    s(u, i) = sum over the history of a_j F_ji + b_j S_ji,   a_j = decay^age_j,   b_j = slow_decay^age_j
    minimise   sum over the users' states of |y - s B|^2 + sum_k lambda_k |B_k|^2,   B = [F; S], B_k one of the two
    where      s = [a, b] of the items before a pair, for every pair but the first of each user
               y_i = ahead^m for the item m pairs further on, 1 for the next one
               lambda_k = regularization / pairs sum of s_k's squares over all states
    solution   B = (G + diag(lambda))^-1 C,   G = sum over the states of s s',   C = sum over the states of s y'

    A user's pairs are taken by time, of equal times in the order of the input, as `Interactions.recency` has them.
    age_j is how many pairs of the user came after that of j, or the time since, in steps, that the last pair of the
    history came after it. All pairs count alike, whatever their weights. The solution is direct and uses no random
    numbers. L, G and C are sum_left, state_rows and target_rows in kernels/next_item.py, scores add_rows in
    kernels/ease.py.

    regularization : what lambda adds to the equations of an item, in numbers of pairs as they are on average
    decay : from 0 to below 1, what is left of an item in the fast part of the past one step later; 0 leaves the last
        item alone, as a Markov chain does
    slow_decay : the same in the slow part, above decay; 0 leaves the slow part out, and learning takes an eighth of the
        time
    ahead : from 0 to below 1, how much each later item counts beside the one before it; 0 learns the next item alone
    step : None where each pair is a step; or the time of a step, in the unit of the times, or for dates and datetimes
        a text such as "1d"

    weights_ : float32, (rates times n, at least n): B of the n items with a training pair, in the order of their rows:
        F_j and S_j in rows 2 j and 2 j + 1, F_j in row j where slow_decay is 0. The rows are filled up with zeros to
        whole cache lines. For all other items B is 0

    The progress bar shows the memory and time needed: for n items with a pair 16 n^2 bytes while it learns and half of
    that afterwards, and 16 n^3 operations; a quarter, half and an eighth of these without a slow part. Raises DataError
    for data without times and where the memory is not available, DivergenceError where regularization is too small to
    solve the equations in 64 bits. Where nobody has two pairs nothing comes next: B is 0, and lists warn that the model
    cannot tell their items apart.

    Fold-in is exact, since scores depend on the history and its order only; so is `explain`. `update` learns again from
    all pairs. similar_items finds what comes after an item: by "dot" the score F_ij + S_ij of j after the history i, by
    "cosine" that times (n_i / n_j)^1/2 with the numbers of pairs n, so that what is popular anyway comes later.

    The transitions of SLIST (Choi et al., Session-aware linear item-item models for session-based recommendation, WWW
    2021) with two rates of decay in one regression. The inverse: training/inverse.py.
    """

    regularization: float = 100.0
    decay: float = 0.4
    slow_decay: float = 0.9
    ahead: float = 0.6
    step: float | str | None = None

    search_space: ClassVar[SearchSpace] = {
        "regularization": Range(10.0, 1_000.0, log=True),
        "decay": Range(0.0, 0.7),
        "slow_decay": Range(0.75, 0.98),
        "ahead": Range(0.0, 0.8),
    }
    abilities: ClassVar[Abilities] = Abilities(
        similar_items=True,
        explains="exact",
        folds_in_exactly=True,
        squares_items=True,
        weighs_pairs=False,
        uses_order=True,
    )
    fitted_arrays: ClassVar[Specs] = {
        "weights_": ArraySpec(dtype="float32", shape=("states", "columns")),
    }

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        check_amount("regularization", self.regularization)
        if self.regularization == 0:
            raise ValueError("regularization must be above 0, got 0: without it the equations may have no one solution")
        for name in ("decay", "slow_decay", "ahead"):
            check_share(name, getattr(self, name))
            if getattr(self, name) == 1:
                raise ValueError(f"{name} must be below 1, got 1: nothing would ever be forgotten")
        if 0 < self.slow_decay <= self.decay:
            raise ParameterError(
                f"slow_decay must be above decay, {self.decay:g}, or 0 for no slow part, got {self.slow_decay:g}",
                parameter="slow_decay",
                value=self.slow_decay,
            )
        if self.step is not None and not isinstance(self.step, str):
            check_amount("step", self.step)

    def find_needs(self, sizes: Mapping[str, int]) -> Needs:
        """Return what the equations of all items take: half of a float64 matrix, then B beside it."""
        n, n_pairs, n_users = sizes["paired_items"], sizes["pairs"], sizes["users"]
        n_rates = len(self._rates)
        m, fitted = n_rates * n, {"fitted arrays": 4 * n_rates * n * find_width(n)}
        half = {"half of the inverse": find_half(m)}
        compact = {"pairs of known ids": 12 * n_pairs + 28 * n_users + 60 * n}
        past = {"pairs in order of time": 24 * n_pairs}
        return Needs(
            learning=(
                {**compact, **past, "sorting": 24 * n_pairs},
                {**past, **half, "what came before pairs": 8 * n_rates**2 * n_pairs},
                {**past, **half, "a step's blocks": 2 * 8 * TILE * m},
                {**past, **half, **fitted, "rows of targets": 8 * TILE * (m + n)},
            ),
            answering={
                "places of histories": 8 * n_rates * n_pairs,
                "ages of pairs": 8 * n_pairs,
            },
            making={"sorting": 12 * n_pairs},
            scoring={"scores of a block": 4 * 512 * 1024 * parallel.n_threads()},
        )

    def estimate_seconds(self, sizes: Mapping[str, int]) -> float:
        """Return about how long the inverse and its product take."""
        n = sizes["paired_items"]
        m = len(self._rates) * n
        return estimate_seconds(m**3 + m**2 * n)

    def make_leaner(self) -> Model:
        """Return ImplicitALS, whose memory does not grow with the square of the items."""
        return ImplicitALS()

    def find_sizes(self, activity: Counts, popularity: Counts) -> dict[str, int]:
        """Return the sizes that shapes in `fitted_arrays` name."""
        sizes = super().find_sizes(activity, popularity)
        n = sizes["paired_items"]
        return {**sizes, "states": len(self._rates) * n, "columns": find_width(n)}

    def learn(self, interactions: Interactions, options: Options) -> None:
        """Solve the equations of all items at once."""
        if interactions.time is None:
            raise DataError(
                "NextItem learns in which order pairs came, and these have no times",
                Remedy("pass time= to from_frame or from_file", "time", ...),
            )
        rates, n = self._rates, int(np.count_nonzero(self.popularity_))
        m = len(rates) * n
        if not (interactions.by_user.counts > 1).any():  # nothing comes next
            self.weights_ = make_zeros(m, n)
            return
        seconds = self.estimate_seconds({"paired_items": n}) if is_shown(options.progress) else 0.0
        gigabytes = (find_half(m) + 4 * m * find_width(n)) / 1e9
        about = f"NextItem, {n:,} items, {gigabytes:.1f} GB, about {max(seconds, 1):.0f} s"
        with make_bar(-(-m // TILE) + -(-n // TILE), options.progress, unit="step", about=about) as shown:
            past = _take_past(interactions.compact(), self._find_ages)
            left = _sum_left(past, rates)
            A = _make_equations(past, rates, left)
            scale = self.regularization / len(interactions)
            ridge = np.tile([scale * left[k, k].sum() for k in range(len(rates))], n)
            del left
            for b, block in enumerate(A.blocks):
                A.tile(b, b)[np.diag_indices(len(A.rows[b]))] += ridge[block]
            try:
                invert(A, lambda: shown.update(1))
            except np.linalg.LinAlgError as reason:
                raise DivergenceError(
                    f"regularization {self.regularization:g} is too small for as many items as these: raise it"
                ) from reason
            self.weights_ = _solve(past, A, rates, self.ahead, lambda: shown.update(1))

    def learn_more(self, before: Self, news: Interactions) -> None:
        """Learn again from all pairs."""
        self.learn(self.state.training("update"), Options())

    def weigh_histories(self, histories: Rows, recency: Recency) -> Rows:
        """Return histories with weights that say how recent each pair is: what is left of it in the slower part."""
        ages = self._find_ages(histories.indptr, recency)
        return freeze_rows(histories._replace(data=np.exp(-self._rates[-1] * ages).astype(np.float32)))

    def make_scorer(self) -> Scorer:
        """Return the scorer of the fitted arrays."""
        return StateScorer(
            **self.known,
            make_candidates=partial(Sums, self.weights_, self._place),
            coefficients=self.weights_,
            place=self._place,
            sharpness=self._sharpness,
        )

    def make_item_space(self) -> Neighbours:
        """Return the space in which items are compared by what comes after them."""
        ties, active = Ties.of(self.items.tie_order), np.flatnonzero(self.popularity_)
        weights = self.weights_.reshape(len(active), len(self._rates), -1)
        roots = np.maximum(self.popularity_, 1) ** -0.5
        return WeightSpace(weights, self._place, roots, active, ties, "NextItem")

    def contributions(self, user: int, item: int, items: Ints, weights: Floats) -> tuple[Doubles, float]:
        """Return a_j F_ji + b_j S_ji for every item j of the history."""
        own, n_rates = self._place[items], len(self._rates)
        coefficients = self.weights_.reshape(-1, n_rates, self.weights_.shape[1])[own, :, self._place[item]]
        return (_spread(weights, self._sharpness) * coefficients.astype(np.float64)).sum(axis=1), 0.0

    @cached_property
    def _place(self) -> RowNumbers:
        """The place of each item among those with a training pair: int64, (n_items,), -1 for the others."""
        return np.where(self.popularity_ > 0, np.cumsum(self.popularity_ > 0) - 1, -1)

    @property
    def _rates(self) -> Doubles:
        """The rates of decay a step, the fast one first: float64, (1,) or (2,)."""
        decays = [self.decay, self.slow_decay][: 1 + (self.slow_decay > 0)]
        return np.array([min(-np.log(decay), FASTEST) if decay > 0 else FASTEST for decay in decays])

    @property
    def _sharpness(self) -> float | None:
        """How many times faster the fast part forgets than the slow one, None where there is no slow part."""
        rates = self._rates
        return float(rates[0] / rates[1]) if len(rates) > 1 else None

    def _find_ages(self, indptr: Array, recency: Recency) -> Doubles:
        """Return how old each pair of histories was when the last one of its history came, in steps: float64."""
        if self.step is None:
            return recency.position.astype(np.float64)
        if recency.time is None:
            raise DataError(
                "a history needs times here, because the model forgets by time", Remedy("pass times=", "times", ...)
            )
        newest = np.empty(len(indptr) - 1, recency.time.dtype)
        is_newest = recency.position == 0
        rows = np.repeat(np.arange(len(newest)), np.diff(indptr))
        newest[rows[is_newest]] = recency.time[is_newest]
        return (newest[rows] - recency.time) / self.state.clock.read_duration(self.step, "step")


@dataclass(frozen=True, kw_only=True, eq=False)
class StateScorer(HistoryScorer):
    """Scores from the fast and the slow part of a history: item j of weight w has w^sharpness and w, rows 2 j, 2 j + 1.

    sharpness : how many times faster the fast part forgets than the slow one, whose weights histories have; None where
        there is one part
    """

    sharpness: float | None = None

    def _put(self, pairs: Rows) -> Rows:
        """Return the pairs with the rows of their items."""
        placed = super()._put(pairs)
        if self.sharpness is None:
            return placed
        rows, weights = np.empty(2 * len(placed.indices), np.int32), np.empty(2 * len(placed.data), np.float32)
        for part in parallel.row_blocks(len(placed.indices), SPREAD_AT_ONCE):
            own = slice(2 * part.start, 2 * part.stop)
            rows[own] = (2 * placed.indices[part, None] + np.arange(2, dtype=np.int32)).ravel()
            weights[own] = _spread(placed.data[part], self.sharpness).ravel()
        return freeze_rows(Rows(2 * placed.indptr, rows, weights))


def _spread(weights: Floats, sharpness: float | None) -> Doubles:
    """Return what is left of items in each part, float64, (n, 1) or (n, 2), given what is left in the slower one."""
    slow = weights.astype(np.float64)[:, None]
    return slow if sharpness is None else np.hstack([slow**sharpness, slow])


def _take_past(interactions: Interactions, find_ages: Callable[[Array, Recency], Doubles]) -> kernels.Past:
    """Return the pairs in order of time; none of the items may be without a pair.

    find_ages : returns how old the pairs of histories were when the last one came
    """
    starts, recency, n_items = interactions.by_user.indptr, interactions.recency, len(interactions.items)
    users = interactions.row_of_pair()
    order = np.empty(len(users), np.int64)
    order[starts[users + 1] - 1 - recency.position] = np.arange(len(users))
    items = interactions.matrix.indices[order].astype(np.int32)
    places = np.argsort(items, kind="stable")
    item_ptr = np.concatenate(([0], np.cumsum(np.bincount(items, minlength=n_items))))
    return kernels.Past(starts, items, -find_ages(starts, recency)[order], item_ptr, places, users[places])


def _sum_left(past: kernels.Past, rates: Doubles) -> Doubles:
    """Return L for every two rates, float64, (k, k, pairs)."""
    left = np.empty((len(rates), len(rates), len(past.items)))
    for a, b in np.ndindex(left.shape[:2]):
        kernels.sum_left(past.starts, past.clock, rates[a] + rates[b], left[a, b])
    return left


def _make_equations(past: kernels.Past, rates: Doubles, left: Doubles) -> Symmetric:
    """Return G."""
    A = Symmetric(len(rates) * (len(past.item_ptr) - 1))
    parts = [(b, part) for b in range(len(A.blocks)) for part in parallel.row_blocks(len(A.rows[b]), ROWS_AT_ONCE)]
    parts.reverse()  # later rows are longer, and the longest tasks should not be the last

    def add_up(p: int) -> None:
        b, part = parts[p]
        kernels.state_rows(past, rates, left, A.blocks[b].start + part.start, A.rows[b][part])

    parallel.run(add_up, len(parts))
    return A


def _solve(past: kernels.Past, A: Symmetric, rates: Doubles, ahead: float, after_step: Callable[[], object]) -> Floats:
    """Return B, a block of its columns after the other.

    A : minus the inverse of G with its ridge
    """
    m, n = A.blocks[-1].stop, len(past.item_ptr) - 1
    B = make_zeros(m, n)
    targets = np.empty((min(TILE, n), m))
    for columns in parallel.row_blocks(n, TILE):
        own = targets[: columns.stop - columns.start]
        parts = parallel.row_blocks(len(own), ROWS_AT_ONCE)
        parallel.run(partial(_add_up_targets, past, rates, ahead, columns.start, own, parts), len(parts))
        with parallel.one_blas_thread():
            parallel.run(partial(_multiply, A, own, B[:, columns]), len(A.blocks))
        after_step()
    return B


def _add_up_targets(
    past: kernels.Past, rates: Doubles, ahead: float, first: int, targets: Doubles, parts: list[slice], p: int
) -> None:
    """Set one part of the rows of C', the first of which is that of item `first`."""
    kernels.target_rows(past, rates, ahead, first + parts[p].start, targets[parts[p]])


def _multiply(A: Symmetric, targets: Doubles, out: Floats, i: int) -> None:
    """Set the rows of one block of A in out = -A C."""
    total = np.zeros((len(A.rows[i]), len(targets)))
    for k, block in enumerate(A.blocks):
        tile = A.tile(i, k) if k <= i else A.tile(k, i).T
        total -= tile @ targets[:, block].T
    out[A.blocks[i]] = total
