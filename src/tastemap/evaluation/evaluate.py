"""How well a model ranks what users did later, and how near its ratings come to theirs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data.frames import as_kind
from tastemap.data.interactions import Interactions
from tastemap.data.pairs import Rows, read_only
from tastemap.errors import DataError, NotSupportedError
from tastemap.evaluation.metrics import RATING_METRICS, cutoff_of, metric_values, pooled, rating_values
from tastemap.kernels.metrics import shared_pairs
from tastemap.models.base import Model
from tastemap.models.inputs import check_interactions
from tastemap.models.ranking import Hidden

CONFIDENCE = 0.95
RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` measured.

    metrics : the names, such as "ndcg@10" or "rmse"
    values : float64, (users, metrics), one row for each user measured; for rmse and mae NaN where `n_rated` is 0
    users : the ids of these users
    known : bool, (users,): whether the user has a training pair
    n_without_test : users of the model without a test item, left out
    n_skipped : users with test items left out because the model does not know them (on_unknown="skip")
    n_unknown_items : test pairs whose item the model does not know; they count as items that were never found
    n_left_out : test pairs that `exclude` keeps out of the lists; they count as never found too
    n_rated : int64, (users,): how many test pairs of the user rmse and mae are over; 0 where neither was asked for
    n_unrated : test pairs left out of rmse and mae, because their user or item has no training pair
    """

    metrics: tuple[str, ...]
    values: npt.NDArray[np.float64]
    users: pl.Series
    known: npt.NDArray[np.bool_]
    n_without_test: int
    n_skipped: int
    n_unknown_items: int
    n_left_out: int
    n_rated: npt.NDArray[np.int64]
    n_unrated: int
    frame_kind: str = "polars"

    def __getitem__(self, metric: str) -> float:
        if metric not in self.metrics:
            raise KeyError(f"{metric!r} was not measured, only {', '.join(self.metrics)}")
        return self.means[metric]

    @property
    def n_users(self) -> int:
        """The number of users measured."""
        return len(self.values)

    @cached_property
    def means(self) -> dict[str, float]:
        """Each ranking metric averaged over the users; rmse and mae over all pairs, as published figures are."""
        return {name: self._mean(column, self._counts(name)) for column, name in enumerate(self.metrics)}

    @cached_property
    def frame(self) -> Any:
        """One row a metric: metric, mean (as in `means`), low and high (95 % bootstrap interval over users), users.

        Where some of the users are new to the model, a row for all, for the known and for the new ones, told apart by
        the column `group`. New users have no rmse and no mae.
        """
        groups = {"all": np.ones(self.n_users, bool)}
        if 0 < self.known.sum() < self.n_users:
            groups |= {"known": self.known, "new": ~self.known}
        rows = []
        for group, mask in groups.items():
            for column, metric in enumerate(self.metrics):
                measured = mask & self._counts(metric)
                mean, low, high = None, None, None
                if measured.any():
                    mean = self._mean(column, measured)
                    low, high = self._interval(column, measured)
                rows.append((metric, mean, low, high, int(measured.sum()), group))
        frame = pl.DataFrame(rows, ["metric", "mean", "low", "high", "users", "group"], orient="row")
        return as_kind(frame if len(groups) > 1 else frame.drop("group"), self.frame_kind)

    @cached_property
    def per_user(self) -> Any:
        """One row a user: the id and the value of every metric, null where no pair of the user could be rated."""
        columns = {name: pl.Series(self.values[:, column]).fill_nan(None) for column, name in enumerate(self.metrics)}
        return as_kind(pl.DataFrame({self.users.name: self.users, **columns}), self.frame_kind)

    def _counts(self, metric: str) -> npt.NDArray[np.bool_]:
        """Return which users a metric is over."""
        return self.n_rated > 0 if metric in RATING_METRICS else np.ones(self.n_users, bool)

    def _mean(self, column: int, users: npt.NDArray[np.bool_]) -> float:
        metric, values = self.metrics[column], self.values[users, column]
        return pooled(metric, values, self.n_rated[users]) if metric in RATING_METRICS else float(values.mean())

    def _interval(self, column: int, users: npt.NDArray[np.bool_]) -> tuple[float, float]:
        """Return the ends of the percentile interval of the mean over resampled users."""
        rng = np.random.default_rng(0)
        metric, values, n_rated = self.metrics[column], self.values[users, column], self.n_rated[users]
        n = len(values)
        if metric in RATING_METRICS:
            draws = (rng.integers(n, size=n) for _ in range(RESAMPLES))
            means = [pooled(metric, values[drawn], n_rated[drawn]) for drawn in draws]
        else:
            # Users with the same value are alike: how many of each are drawn is all that a mean needs.
            distinct, counts = np.unique(values, return_counts=True)
            means = [rng.multinomial(n, counts / n) @ distinct / n for _ in range(RESAMPLES)]
        low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return float(low), float(high)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self.means.items())
        return f"Evaluation of {self.n_users:,} users: {shown}"


def evaluate(
    model: Model,
    test: Interactions,
    *,
    metrics: Sequence[str] | str = ("ndcg@10",),
    exclude: Literal["train"] | Interactions | None = "train",
    on_unknown: Literal["skip", "popular"] = "skip",
) -> Evaluation:
    """Rank the items for every user with a test pair and compare with the test items, or compare the ratings.

    metrics : "precision@k", "recall@k", "hit_rate@k", "ndcg@k", "map@k", "mrr@k", and of models that predict ratings
        "rmse" and "mae", defined in `evaluation.metrics`
    exclude : what is left out of the lists: the user's training pairs ("train"), nothing (None), or these pairs
    on_unknown : users that the model does not know are left out and counted ("skip"), or get the most "popular" items

    Users without a test item are left out and counted. Test items that the model does not know count as not found.
    The mean of rmse and mae is over all test pairs pooled, as in the Netflix prize, not over users; test pairs whose
    user or item has no training pair are left out of them, counted and warned of.
    Raises ValueError for an unknown metric, NotSupportedError for rmse and mae of a model whose scores are no ratings,
    DataError where test and training share no user.
    """
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    if not names:
        raise ValueError("metrics must name at least one, such as 'ndcg@10'")
    k = max(cutoff_of(name) or 0 for name in names)
    ranking = tuple(name for name in names if name not in RATING_METRICS)
    rating = tuple(name for name in names if name in RATING_METRICS)
    if rating and not model.predicts_ratings:
        raise NotSupportedError(
            f"{rating[0]} takes a model that predicts ratings, and the scores of {type(model).__name__} only rank: "
            "measure a metric such as 'ndcg@10' instead"
        )
    if exclude is not None and exclude != "train" and not isinstance(exclude, Interactions):
        raise ValueError(f"exclude must be 'train', None or Interactions, got {exclude!r}")
    if on_unknown not in ("skip", "popular"):
        raise ValueError(f"on_unknown must be 'skip' or 'popular', got {on_unknown!r}")
    check_interactions("evaluate", test)
    tested = np.flatnonzero(np.diff(test.by_user.indptr))
    user_ids = test.users.take(tested)
    rows = model.known_rows(user_ids)
    n_skipped = int((rows < 0).sum()) if on_unknown == "skip" else 0
    if on_unknown == "skip":
        tested, user_ids, rows = tested[rows >= 0], user_ids.filter(pl.Series(rows >= 0)), rows[rows >= 0]
    if not len(rows):
        raise DataError("no user of the test part has a training pair: nothing can be measured")

    held_out, n_unknown_items = _held_out(test, model)
    values = np.empty((len(rows), len(names)))
    n_left_out, n_rated, n_unrated = 0, np.zeros(len(rows), np.int64), 0
    if ranking:
        hidden = _hidden(model, exclude, user_ids, rows)
        lists = model.rank(rows, k, hidden)
        values[:, [name in ranking for name in names]] = metric_values(
            lists.rows, lists.counts, held_out, tested, ranking
        )
        n_left_out = sum(
            shared_pairs(held_out.indptr, held_out.indices, tested, items.indptr, items.indices, hidden_rows)
            for items, hidden_rows in hidden
        )
    if n_left_out:
        warnings.warn(
            f"{n_left_out:,} of {len(test):,} test pairs are among those that exclude={_named(exclude)} keeps out of "
            "the lists, and count as not found: test on other pairs, or pass exclude=None",
            stacklevel=2,
        )
    if rating:
        errors, whose = _errors(model, test, tested, rows)
        values[:, [name in rating for name in names]] = rating_values(errors, whose, len(rows), rating)
        n_rated, n_unrated = np.bincount(whose, minlength=len(rows)), len(test) - len(errors)
    if n_unrated:
        warnings.warn(
            f"{n_unrated:,} of {len(test):,} test pairs have a user or an item without a training pair, and are left "
            f"out of {' and '.join(rating)}",
            stacklevel=2,
        )
    return Evaluation(
        metrics=names,
        values=values,
        users=user_ids,
        known=rows >= 0,
        n_without_test=len(model.users) - int((model.users.find(test.users.take(tested)) >= 0).sum()),
        n_skipped=n_skipped,
        n_unknown_items=n_unknown_items,
        n_left_out=n_left_out,
        n_rated=n_rated,
        n_unrated=n_unrated,
        frame_kind=test.frame,
    )


def _hidden(
    model: Model, exclude: Literal["train"] | Interactions | None, user_ids: pl.Series, rows: npt.NDArray[np.int64]
) -> list[Hidden]:
    """Return what is left out of the lists of these users."""
    if exclude is None:
        return []
    if not isinstance(exclude, Interactions):
        return model.seen(rows)
    left_out = exclude.align(exclude.users, model.items)[0]
    return [Hidden(left_out.by_user, exclude.users.find(user_ids))]


def _errors(
    model: Model, test: Interactions, tested: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return rating less prediction of the test pairs that the model can rate, and whose each is among `tested`."""
    place = np.full(len(test.users), -1)
    place[tested[rows >= 0]] = np.flatnonzero(rows >= 0)
    item_rows = model.items.find(test.items.ids)
    learned = (item_rows >= 0) & (model.popularity_[item_rows] > 0)
    users, items = test.row_of_pair(), test.by_user.indices
    rated = (place[users] >= 0) & learned[items]
    if not rated.any():
        raise DataError("no test pair has both a user and an item with a training pair: no rating can be compared")
    predicted = model.predict(test.users.take(users[rated]), test.items.take(items[rated]))
    return test.by_user.data[rated].astype(np.float64) - predicted, place[users[rated]]


def _named(exclude: object) -> str:
    return "'train'" if isinstance(exclude, str) else "Interactions"


def _held_out(test: Interactions, model: Model) -> tuple[Rows, int]:
    """Return the test items by the model's item rows, and how many pairs have items that it does not know."""
    if test.items == model.items:
        return test.by_user, 0
    rows = model.items.find(test.items.ids)
    unknown = rows < 0
    # Rows beyond the catalogue: they count as test items, and no list can hold them.
    rows[unknown] = len(model.items) + np.flatnonzero(unknown)
    pairs = test.by_user
    items = rows[pairs.indices].astype(np.int32)
    order = np.lexsort((items, test.row_of_pair()))
    return read_only(Rows(pairs.indptr, items[order], pairs.data)), int(unknown[pairs.indices].sum())
