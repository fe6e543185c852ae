"""Measures how well a model ranks the test items of users, and how close its ratings are to theirs."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap import parallel
from tastemap.data._checks import check_choice
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.data.features import Features, check_features
from tastemap.data.frames import as_kind
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions, check_interactions
from tastemap.engines import import_spark, is_spark
from tastemap.errors import DataError, NotSupportedError, Remedy, TastemapWarning, make_no_pairs_error, name_some, show
from tastemap.evaluation.bootstrap import ends, resample
from tastemap.evaluation.people import People
from tastemap.forks import check_polars_threads
from tastemap.kernels.metrics import count_reachable
from tastemap.memory import fit_block
from tastemap.metrics.definitions import Metric, RatingMetric, find, parse_all
from tastemap.metrics.measure import Background, ListBatch, ListMeasurer, add_counts, mark_owners, sum_up
from tastemap.metrics.ratings import measure_ratings
from tastemap.models.shared.answers import count_at_once
from tastemap.models.shared.base import Model
from tastemap.models.shared.likes import warn_of_other_weights
from tastemap.progress import WAIT, make_bar
from tastemap.randomness import INTERVALS
from tastemap.ranking.scorer import make_alike_warning
from tastemap.ranking.top_k import Candidates, Hidden
from tastemap.tables import write_html
from tastemap.typing import Counts, Doubles, FrameKind, RowNumbers

if TYPE_CHECKING:
    from pyspark.sql import DataFrame as SparkFrame

Exclude = Literal["train"] | Interactions | None

# What a place of a list takes while it is measured.
PLACE_BYTES = 64


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of `evaluate`. ``evaluation["ndcg@10"]`` is the mean of a metric, given by its name or as a value.

    metrics : the metrics measured; `names` has their names, such as "ndcg@10" or "rmse"
    values : float64, (users, metrics), one row for each user measured; NaN for rmse and mae where `n_rated` is 0, for
        metrics of lists where the user likes no test item, and for coverage and gini
    users : the ids of these users
    known : bool, (users,): whether the user has a training pair or features
    n_without_test : the number of known users without a test item, for metrics of lists alone without a liked one; they
        are left out
    n_skipped : the number of unknown users with test items; they are left out (on_unknown="skip")
    n_unknown_items : the number of test pairs of the measured users whose item has neither a training pair nor
        features. They count as not found, unless `candidates` name them
    n_left_out : the number of test pairs that `exclude` or `candidates` keep out of the lists; they count as not found
    n_rated : int64, (users,): the number of test pairs of each user in rmse and mae; 0 if neither was measured
    n_unrated : the number of test pairs left out of rmse and mae, because their user or item has no training pair
    frame_kind : the library of `frame` and `per_user`, the same as of the test part's frames
    overall : the metrics of all lists together: coverage and gini
    score_seconds : the time of ranking and measuring, None where the lists were given
    n_without_list : the number of measured users without a list (`evaluate_lists`); their lists count as empty
    n_alike : the number of lists of at least two items that the model cannot tell apart: all have the score 0, or one
        score and neither training pairs nor features
    """

    metrics: tuple[Metric, ...]
    values: npt.NDArray[np.float64]
    users: pl.Series
    known: npt.NDArray[np.bool_]
    n_without_test: int
    n_skipped: int
    n_unknown_items: int
    n_left_out: int
    n_rated: npt.NDArray[np.int64]
    n_unrated: int
    frame_kind: FrameKind = "polars"
    overall: dict[str, float] = field(default_factory=dict)
    score_seconds: float | None = field(default=None, compare=False)
    n_without_list: int = 0
    n_alike: int = 0

    def __getitem__(self, metric: Metric | str) -> float:
        return self.means[find(metric, self.metrics).name]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the metrics, such as "ndcg@10" or "rmse"."""
        return tuple(metric.name for metric in self.metrics)

    @property
    def n_users(self) -> int:
        """The number of users measured."""
        return len(self.values)

    @cached_property
    def means(self) -> dict[str, float]:
        """Each metric averaged over the users; rmse and mae are over all test pairs, like published figures."""
        everybody = np.ones(self.n_users, bool)
        return {metric.name: self._mean(metric, everybody) for metric in self.metrics}

    @cached_property
    def frame(self) -> Any:
        """One row for each metric: metric, mean (as in `means`), low, high (95 % bootstrap interval over users), users.

        The interval is between percentiles of 1,000 resamples of the users. Coverage, gini and a single user have no
        interval. If some users are new to the model, each metric has rows for all, known and new users, with the column
        `group`. New users have no rmse and mae unless they come with a history; groups have no coverage and gini.
        """
        check_polars_threads()
        groups = {"all": [*self._of_all.values()]}
        if 0 < self.known.sum() < self.n_users:
            groups |= {"known": self._rows(self.known), "new": self._rows(~self.known)}
        rows = [{**row, "group": group} for group, own in groups.items() for row in own]
        columns = {"metric": pl.String, "mean": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        frame = pl.DataFrame(rows, columns | {"users": pl.Int64, "group": pl.String})
        return as_kind(frame if len(groups) > 1 else frame.drop("group"), self.frame_kind)

    def interval(self, metric: Metric | str) -> dict[str, Any]:
        """Return the row of `frame` of a metric for all users, as a dict: metric, mean, low, high, users."""
        return self._of_all[find(metric, self.metrics).name]

    @cached_property
    def per_user(self) -> Any:
        """One row for each user: the id, and every metric except coverage and gini; null where nothing was rated."""
        check_polars_threads()
        columns = {
            metric.name: pl.Series(self.user_values(metric)).fill_nan(None)
            for metric in self.metrics
            if metric.per_user
        }
        return as_kind(pl.DataFrame({self.users.name: self.users, **columns}), self.frame_kind)

    def user_values(self, metric: Metric | str) -> Doubles:
        """Return the values of a metric: float64, (users,), NaN for users without a value."""
        return self.values[:, self.metrics.index(find(metric, self.metrics))]

    def weights(self, metric: Metric | str) -> Counts:
        """Return the weight of each user in a metric's mean, int64, (users,): 1, or `n_rated` for rmse and mae.

        The weight of users without a value is 0.
        """
        metric = find(metric, self.metrics)
        if isinstance(metric, RatingMetric):
            return self.n_rated
        return np.isfinite(self.user_values(metric)).astype(np.int64)

    @cached_property
    def _of_all(self) -> dict[str, dict[str, Any]]:
        return {row["metric"]: row for row in self._rows(np.ones(self.n_users, bool))}

    def _rows(self, users: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return the rows of `frame` for a group of users: bool, (users,)."""
        intervals = self._intervals(users)
        rows = []
        for metric in self.metrics:
            counted = users & (self.weights(metric) > 0) if metric.per_user else users
            is_of_them = counted.any() and (metric.per_user or users.all())
            low, high = intervals.get(metric.name, (None, None))
            mean = self._mean(metric, users) if is_of_them else None
            rows.append({"metric": metric.name, "mean": mean, "low": low, "high": high, "users": int(counted.sum())})
        return rows

    def _mean(self, metric: Metric, users: npt.NDArray[np.bool_]) -> float:
        """Return the mean of a metric over a group of users."""
        if not metric.per_user:
            return self.overall[metric.name]
        weights = self.weights(metric)
        users = users & (weights > 0)
        terms = metric.terms(self.user_values(metric)[users])
        return float(metric.of_mean(np.average(terms, weights=weights[users])))

    def _intervals(self, users: npt.NDArray[np.bool_]) -> dict[str, tuple[float, float]]:
        """Return the ends of the percentile interval of each mean over resampled users."""
        found: dict[str, tuple[float, float]] = {}
        for of_ratings in (False, True):
            metrics = [one for one in self.metrics if one.per_user and isinstance(one, RatingMetric) == of_ratings]
            if not metrics:
                continue
            # A resampled user brings all test pairs, so that the pooled mean is a ratio of sums.
            weights = self.weights(metrics[0])
            chosen = users & (weights > 0)
            if chosen.sum() < 2:  # all resamples of one user are the same
                continue
            totals = [metric.terms(self.user_values(metric)[chosen]) * weights[chosen] for metric in metrics]
            drawn = resample(np.column_stack([*totals, weights[chosen]]), INTERVALS)
            means = drawn[:, :-1] / drawn[:, -1:]
            for column, metric in enumerate(metrics):
                found[metric.name] = ends(metric.of_mean(means[:, column]))
        return found

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self.means.items())
        return f"Evaluation of {self.n_users:,} users: {shown}"

    def _repr_html_(self) -> str:
        return write_html(("metric", "mean"), self.means.items(), f"over {self.n_users:,} users")


def evaluate(
    model: Model,
    test: Interactions | SparkFrame,
    *,
    metrics: Sequence[Metric | str] | Metric | str = ("ndcg@10",),
    exclude: Exclude | SparkFrame = "train",
    on_unknown: Literal["skip", "popular"] = "skip",
    history: Interactions | SparkFrame | None = None,
    candidates: Any = None,
    item_features: Features | None = None,
    progress: bool | None = None,
) -> Evaluation:
    """Rank the items for every user with a test pair and measure the lists, or compare predicted ratings.

    model, test : a fitted model, and the held-out pairs. Or a Spark frame of them, with the training's names for the
        columns of users, items and, if it has them, weights: then executors rank and measure, and `exclude` and
        `history` are Spark frames too
    metrics : names from `METRICS`, which defines them: "precision@k", "recall@k", "hit_rate@k", "ndcg@k", "map@k",
        "mrr@k", "auc@k" and "auc", "novelty@k", "diversity@k", "coverage@k", "gini@k", and of models that predict
        ratings "rmse" and "mae"; an `OwnMetric` is passed itself
    exclude : the items left out of the lists: those of the user's training pairs, or of the `history` if it is given
        ("train"), none (None), or these pairs
    on_unknown : unknown users are left out and counted ("skip"), or get the most "popular" items
    history : pairs from which every user is folded in, as `Model.recommend_for` does, even users whom the model knows.
        Users without pairs in it are unknown. Use it with the test part of `split.by_user` (strong generalisation).
        Pairs whose item the model does not know are ignored
    candidates : only these items are ranked (ids), even those without a training pair or features
    item_features : the features by which diversity compares items; None compares them by their training users
    progress : a bar on stderr; None shows one where stderr is a terminal, after two seconds

    A list is compared with the test items that the user likes, those of a weight above 0, whatever the model; rmse and
    mae use all test pairs. Users without such an item are left out and counted. Test items that the model does not know
    count as not found.
    The mean of rmse and mae is over all test pairs pooled, as in the Netflix prize, not over users; test pairs whose
    user or item has no training pair are left out of it and counted, with a warning.
    Raises ValueError for an unknown metric, NotSupportedError for rmse and mae of a model whose scores are no ratings,
    DataError where test and training share no user or no item, and where the test part holds no like.
    """
    if is_spark(test):
        return cast(
            Evaluation,
            import_spark().evaluate(
                model,
                test,
                metrics=metrics,
                exclude=exclude,
                on_unknown=on_unknown,
                history=history,
                candidates=candidates,
                item_features=item_features,
            ),
        )
    asked = parse_all(metrics)
    _check_arguments(model, test, exclude, on_unknown)
    assert isinstance(test, Interactions)
    check_suits(model, asked)
    if not model.abilities.ratings:  # which pairs are likes is all that counts
        likes = test if _are_of_ratings(asked) else test.likes()
        warn_of_other_weights("evaluate", model.state.columns, likes, stacklevel=2, damps=False)
    people = People.of_training(model) if history is None else People.of_histories(model, cast(Interactions, history))
    own = exclude if isinstance(exclude, Interactions) else None

    def hide(users: pl.Series, rows: RowNumbers) -> Hidden | None:
        if own is not None:
            left_out = own.align(own.users, model.items)[0]
            return Hidden(left_out.by_user, own.users.find(users))
        return None if exclude is None else Hidden(people.pairs(), rows)

    start = time.perf_counter()
    catalogue = model.candidates(candidates)
    background = make_background(model, catalogue, item_features)
    measured = measure_users(
        model, test, people, asked, hide, catalogue, background, on_unknown=on_unknown, progress=progress
    )
    if not measured.n_lists:
        raise make_nobody_error(people.pair, has_history=history is not None)
    check_items(model, test.items.take(np.unique(test.by_user.indices)))
    seconds = time.perf_counter() - start
    for warning in make_warnings(measured, asked, exclude, named=candidates is not None):
        warnings.warn(warning, stacklevel=2)
    known = model.state.find_users(measured.users) >= 0
    found = make_evaluation(measured, asked, catalogue.rows, known, int(people.has_pair.sum()), test.frame_kind)
    return replace(found, score_seconds=seconds)


@dataclass(frozen=True)
class Measured:
    """What is measured of some users; what is measured of others can be put behind it.

    users, values, n_rated, n_skipped, n_unknown_items, n_unrated, n_alike : as `Evaluation` has them
    n_known : how many of the users the model can rank for
    n_lists : the number of lists
    n_hidden, n_unnamed : test pairs that are left out of the lists, and those that are no candidates
    n_pairs, n_likes : the number of test pairs, and of likes among them
    times_listed : how often each item is in the first k places of a list, by k, for coverage and gini
    """

    users: pl.Series
    values: npt.NDArray[np.float64]
    n_rated: npt.NDArray[np.int64]
    n_known: int
    n_skipped: int
    n_unknown_items: int
    n_hidden: int
    n_unnamed: int
    n_unrated: int
    n_alike: int
    n_lists: int
    n_pairs: int
    n_likes: int
    times_listed: dict[int, Counts]

    def __add__(self, other: Measured) -> Measured:
        both = {name: (getattr(self, name), getattr(other, name)) for name in vars(self)}
        sums: dict[str, Any] = {name: one + more for name, (one, more) in both.items() if isinstance(one, int)}
        times = {k: add_counts(counts, other.times_listed[k]) for k, counts in self.times_listed.items()}
        arrays: dict[str, Any] = {name: np.concatenate(both[name]) for name in ("values", "n_rated")}
        return Measured(users=pl.concat(both["users"]), times_listed=times, **arrays, **sums)


def measure_users(
    model: Model,
    test: Interactions,
    people: People,
    asked: Sequence[Metric],
    hide: Callable[[pl.Series, RowNumbers], Hidden | None],
    catalogue: Candidates,
    background: Background,
    *,
    on_unknown: Literal["skip", "popular"] = "skip",
    progress: bool | None = False,
) -> Measured:
    """Rank and measure for the users of a test part, without a word about those for whom that is not possible.

    people : whom the model can rank for
    hide : returns the items that the lists of users leave out, given their ids and rows in `people`
    catalogue : the items that are ranked
    """
    of_lists = [metric for metric in asked if not isinstance(metric, RatingMetric)]
    of_ratings = [metric for metric in asked if isinstance(metric, RatingMetric)]
    # Lists are compared with the likes, for every model; ratings with all pairs.
    likes = test.likes() if of_lists else test
    tested = (test if of_ratings else likes).by_user.with_pairs
    rows = people.find(test.users.take(tested))
    n_known, n_skipped = int((rows >= 0).sum()), 0
    if on_unknown == "skip":
        n_skipped = len(rows) - n_known
        tested, rows = tested[rows >= 0], rows[rows >= 0]
    likers = np.flatnonzero(likes.by_user.has_pairs[tested])
    held_out = rows_of_items(likes, model.items)
    values = np.full((len(rows), len(asked)), np.nan)
    n_rated, n_unrated, n_alike, n_hidden, n_unnamed = np.zeros(len(rows), np.int64), 0, 0, 0, 0
    measuring = ListMeasurer(of_lists, replace(background, ids=lambda: ids_of_rows(test, model.items)), len(catalogue))
    if of_lists and len(likers):
        of_likers, theirs = rows[likers], tested[likers]
        hidden = hide(test.users.take(theirs), of_likers)
        reachable = count_reachable_items(catalogue.rows, len(model.items), hidden, held_out, theirs)
        n_hidden = int(reachable[:, 2].sum())
        if catalogue is not model.scorer.catalogue:
            more = np.union1d(catalogue.rows, np.flatnonzero(model.state.known_items))
            findable = count_reachable_items(more, len(model.items), hidden, held_out, theirs)[:, 1]
            n_unnamed = int((findable - reachable[:, 1]).sum())
        columns = np.flatnonzero([metric in of_lists for metric in asked])
        at_once = fit_block(count_at_once(measuring.longest, len(catalogue)), PLACE_BYTES * measuring.longest)
        bar = make_bar(len(likers), progress, unit="user", about="evaluating", wait=WAIT)
        for block in parallel.row_blocks(len(likers), at_once):
            mine = [] if hidden is None else [hidden.of(block)]
            lists = model.scorer.rank(of_likers[block], measuring.longest, mine, catalogue, people.queries)
            n_alike += model.scorer.count_alike(lists)
            shown = ListBatch(lists.rows, lists.counts, held_out, theirs[block], reachable[block])
            values[np.ix_(likers[block], columns)] = measuring.add(shown)
            bar.update(len(lists.counts))
        bar.close()
    if of_ratings and len(likers):
        errors, whose = _compute_errors(model, test, tested, rows, people)
        values[:, [metric in of_ratings for metric in asked]] = measure_ratings(errors, whose, len(rows), of_ratings)
        n_rated, n_unrated = np.bincount(whose, minlength=len(rows)), len(test) - len(errors)
    return Measured(
        users=test.users.take(tested),
        values=values,
        n_rated=n_rated,
        n_known=n_known,
        n_skipped=n_skipped,
        n_unknown_items=_count_unknown_items(model, likes, tested),
        n_hidden=n_hidden,
        n_unnamed=n_unnamed,
        n_unrated=n_unrated,
        n_alike=n_alike,
        n_lists=len(likers),
        n_pairs=len(test),
        n_likes=len(likes),
        times_listed=measuring.times_listed,
    )


def make_evaluation(
    measured: Measured,
    asked: Sequence[Metric],
    catalogue: RowNumbers,
    known: npt.NDArray[np.bool_],
    n_known: int,
    frame_kind: FrameKind,
) -> Evaluation:
    """Return the evaluation of what was measured.

    catalogue : the rows of the items that were ranked
    known : which of the users measured the model knows
    n_known : for how many users the model can rank
    """
    return Evaluation(
        metrics=tuple(asked),
        values=measured.values,
        users=measured.users,
        known=known,
        n_without_test=n_known - measured.n_known,
        n_skipped=measured.n_skipped,
        n_unknown_items=measured.n_unknown_items,
        n_left_out=measured.n_hidden + measured.n_unnamed,
        n_rated=measured.n_rated,
        n_unrated=measured.n_unrated,
        frame_kind=frame_kind,
        overall=sum_up(asked, measured.times_listed, catalogue, max(len(catalogue), 1)),
        n_alike=measured.n_alike,
    )


def make_warnings(
    measured: Measured, asked: Sequence[Metric], exclude: object, *, named: bool
) -> Iterator[TastemapWarning]:
    """Give the warnings of an evaluation.

    named : whether candidates were named
    """
    if measured.n_hidden:
        yield _make_excluded_warning(measured.n_hidden, measured.n_likes, exclude)
    if named and measured.n_unnamed:
        yield _make_candidates_warning(measured.n_unnamed, measured.n_likes)
    if measured.n_alike:
        yield make_alike_warning(measured.n_alike, measured.n_lists)
    if measured.n_unrated:
        of_ratings = [metric for metric in asked if isinstance(metric, RatingMetric)]
        yield TastemapWarning(
            f"{measured.n_unrated:,} of {measured.n_pairs:,} test pairs have a user or an item without a training pair,"
            f" and are left out of {' and '.join(map(str, of_ratings))}",
            pairs=measured.n_unrated,
            test_pairs=measured.n_pairs,
        )


def make_nobody_error(pair: str, *, has_history: bool) -> DataError:
    """Make the error of a test part for none of whose users the model can rank.

    pair : words for what they lack
    """
    fold_in = Remedy("pass history= to fold them in", "history", ...)
    popular = Remedy("pass on_unknown='popular'", "on_unknown", "popular")
    return DataError(f"no user of the test part has {pair}", *([popular] if has_history else [fold_in, popular]))


def _are_of_ratings(asked: Sequence[Metric]) -> bool:
    return all(isinstance(metric, RatingMetric) for metric in asked)


def _make_excluded_warning(n: int, n_test: int, exclude: object) -> TastemapWarning:
    given = "'train'" if exclude == "train" else "Interactions"
    return TastemapWarning(
        f"{n:,} of {n_test:,} test pairs are among those that exclude={given} keeps out of the lists, and count as not "
        "found",
        "test on other pairs",
        Remedy("pass exclude=None", "exclude", None),
        what="excluded pairs",
        pairs=n,
        test_pairs=n_test,
    )


def _make_candidates_warning(n: int, n_test: int) -> TastemapWarning:
    return TastemapWarning(
        f"{n:,} of {n_test:,} test pairs are among those that candidates do not name, and count as not found",
        Remedy("name these items too", "candidates", ...),
        pairs=n,
        test_pairs=n_test,
    )


def _check_arguments(model: object, test: object, exclude: object, on_unknown: object) -> None:
    if not isinstance(model, Model):
        raise ValueError(f"model must be a fitted model of tastemap, got {show(model)}")
    check_interactions("evaluate", test)
    if isinstance(exclude, str):
        if exclude != "train":
            raise ValueError(f"exclude must be 'train', None or Interactions, got {show(exclude)}")
    elif exclude is not None:
        check_interactions("exclude", exclude)
    check_choice("on_unknown", on_unknown, ("skip", "popular"))


def check_suits(model: Model, metrics: Sequence[Metric]) -> None:
    """Raise NotSupportedError where a metric needs ratings and the model predicts none."""
    of_ratings = [metric for metric in metrics if isinstance(metric, RatingMetric)]
    if of_ratings and not model.abilities.ratings:
        raise NotSupportedError(
            f"{of_ratings[0]} takes a model that predicts ratings, and the scores of {type(model).__name__} only rank: "
            "measure a metric such as 'ndcg@10' instead"
        )


def count_reachable_items(
    rankable: RowNumbers, n_items: int, hidden: Hidden | None, held_out: Rows, rows: RowNumbers
) -> RowNumbers:
    """Count, for each user, the items of the whole ranking, the test items in it, and the hidden ones: int64, (n, 3).

    rankable : the item rows that are ranked unless they are hidden
    held_out, rows : the test items, as for `ListBatch`
    """
    is_rankable = np.zeros(n_items, np.bool_)
    is_rankable[rankable] = True
    items, hidden_rows = (held_out, np.full(len(rows), -1)) if hidden is None else hidden
    counts = np.empty((len(rows), 3), np.int64)
    count_reachable(
        is_rankable,
        len(rankable),
        items.indptr,
        items.indices,
        hidden_rows,
        held_out.indptr,
        held_out.indices,
        rows,
        counts,
    )
    return counts


def check_items(model: Model, theirs: pl.Series) -> None:
    """Raise DataError where the model knows none of the items of the test part."""
    if (model.items.find(theirs) < 0).all():
        raise DataError(
            f"the model knows no item of the test part: that has items such as {name_some(theirs.head(2))}, the model "
            f"{name_some(model.items.ids.head(2))}"
        )


def _count_unknown_items(model: Model, test: Interactions, tested: RowNumbers) -> int:
    """Count the test pairs of some users whose item is unknown."""
    rows, items = model.items.find(test.items.ids), test.by_user.indices
    unknown = ~np.append(model.state.known_items, False)[rows]
    return int(np.bincount(test.row_of_pair(), unknown[items], len(test.users))[tested].sum())


def make_background(model: Model, catalogue: Candidates, features: Features | None) -> Background:
    """Return what metrics need beside lists and test items."""
    check_features("item_features", features)
    popularity, n_users, pairs = model.popularity_, int(np.count_nonzero(model.activity_)), model.interactions
    if model.abilities.ratings and pairs is not None and (pairs.matrix.data > 0).any():
        # Of ratings the likes count here too, or one table would compare by two popularities.
        pairs = pairs.likes()
        popularity, n_users = pairs.by_item.counts, pairs.n_users

    def traits() -> tuple[Rows, int]:
        if features is not None:
            return features.align(model.items), features.n_features
        if pairs is None:
            raise make_no_pairs_error(
                "diversity by who has the items", Remedy("pass item_features", "item_features", ...)
            )
        return mark_owners(pairs)

    return Background(catalogue.rows, popularity, n_users, traits, lambda: model.items.ids)


def _compute_errors(
    model: Model, test: Interactions, tested: RowNumbers, rows: RowNumbers, people: People
) -> tuple[Doubles, RowNumbers]:
    """Return rating minus prediction of the test pairs that the model can rate, and each pair's place in `tested`."""
    place = np.full(len(test.users), -1)
    place[tested[rows >= 0]] = np.flatnonzero(rows >= 0)
    item_rows = model.items.find(test.items.ids)
    learned = (item_rows >= 0) & (model.popularity_[item_rows] > 0)
    users, items = test.row_of_pair(), test.by_user.indices
    rated = (place[users] >= 0) & learned[items]
    if not rated.any():
        raise DataError("no test pair has both a user and an item with a training pair: no rating can be compared")
    users, items = users[rated], items[rated]
    if people.queries is None:
        predicted = model.predict(test.users.take(users), test.items.take(items))
    else:
        distinct, who = np.unique(rows[place[users]], return_inverse=True)
        predicted = model.scorer.score_pairs(people.queries(distinct), who.astype(np.int64), item_rows[items])
    return test.by_user.data[rated].astype(np.float64) - predicted, place[users]


def rows_of_items(test: Interactions, items: IdMap) -> Rows:
    """Return the test items by their rows in `items`; unknown ones get rows beyond the last."""
    if test.items == items:
        return test.by_user
    rows = items.find(test.items.ids)
    unknown = rows < 0
    # With rows beyond the last they count as test items, and no list can contain them.
    rows[unknown] = len(items) + np.flatnonzero(unknown)
    pairs = test.by_user
    own = rows[pairs.indices].astype(np.int32)
    order = np.lexsort((own, test.row_of_pair()))
    return freeze_rows(Rows(pairs.indptr, own[order], pairs.data))


def ids_of_rows(test: Interactions, items: IdMap) -> pl.Series:
    """Return the ids of the rows of `rows_of_items`, including the rows beyond the last."""
    return pl.concat([items.ids, test.items.ids])
