"""How well a model ranks what users did later."""

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
from tastemap.errors import DataError
from tastemap.evaluation.metrics import metric_values, parse_metric
from tastemap.kernels.metrics import shared_pairs
from tastemap.models.base import Model
from tastemap.models.inputs import check_interactions
from tastemap.models.ranking import Hidden

CONFIDENCE = 0.95
RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` measured.

    metrics : the names, such as "ndcg@10"
    values : float64, (users, metrics), one row for each user measured
    users : the ids of these users
    known : bool, (users,): whether the user has a training pair
    n_without_test : users of the model without a test item, left out
    n_skipped : users with test items left out because the model does not know them (on_unknown="skip")
    n_unknown_items : test pairs whose item the model does not know; they count as items that were never found
    n_left_out : test pairs that `exclude` keeps out of the lists; they count as never found too
    """

    metrics: tuple[str, ...]
    values: npt.NDArray[np.float64]
    users: pl.Series
    known: npt.NDArray[np.bool_]
    n_without_test: int
    n_skipped: int
    n_unknown_items: int
    n_left_out: int
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
        """Each metric averaged over the users."""
        return dict(zip(self.metrics, self.values.mean(axis=0).tolist(), strict=True))

    @cached_property
    def frame(self) -> Any:
        """One row a metric: metric, mean, low and high (95 % bootstrap interval over users), users.

        Where some of the users are new to the model, a row for all, for the known and for the new ones, told apart by
        the column `group`.
        """
        groups = {"all": np.ones(self.n_users, bool)}
        if 0 < self.known.sum() < self.n_users:
            groups |= {"known": self.known, "new": ~self.known}
        rows = []
        for group, mask in groups.items():
            low, high = _bootstrap(self.values[mask])
            for column, metric in enumerate(self.metrics):
                mean = float(self.values[mask, column].mean())
                rows.append((metric, mean, low[column], high[column], int(mask.sum()), group))
        frame = pl.DataFrame(rows, ["metric", "mean", "low", "high", "users", "group"], orient="row")
        return as_kind(frame if len(groups) > 1 else frame.drop("group"), self.frame_kind)

    @cached_property
    def per_user(self) -> Any:
        """One row a user: the id and the value of every metric."""
        columns = {name: self.values[:, column] for column, name in enumerate(self.metrics)}
        return as_kind(pl.DataFrame({self.users.name: self.users, **columns}), self.frame_kind)

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
    """Rank the items for every user with a test pair and compare with the test items.

    metrics : "precision@k", "recall@k", "hit_rate@k", "ndcg@k", "map@k", "mrr@k", defined in `evaluation.metrics`
    exclude : what is left out of the lists: the user's training pairs ("train"), nothing (None), or these pairs
    on_unknown : users that the model does not know are left out and counted ("skip"), or get the most "popular" items

    Users without a test item are left out and counted. Test items that the model does not know count as not found.
    Raises ValueError for an unknown metric, DataError where test and training share no user.
    """
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    if not names:
        raise ValueError("metrics must name at least one, such as 'ndcg@10'")
    k = max(cutoff for _, cutoff in map(parse_metric, names))
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

    if exclude == "train":
        hidden = model.seen(rows)
    elif exclude is None:
        hidden = []
    else:
        left_out = exclude.align(exclude.users, model.items)[0]
        hidden = [Hidden(left_out.by_user, exclude.users.find(user_ids))]
    lists = model.rank(rows, k, hidden)
    held_out, n_unknown_items = _held_out(test, model)
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
    return Evaluation(
        metrics=names,
        values=metric_values(lists.rows, lists.counts, held_out, tested, names),
        users=user_ids,
        known=rows >= 0,
        n_without_test=len(model.users) - int((model.users.find(test.users.take(tested)) >= 0).sum()),
        n_skipped=n_skipped,
        n_unknown_items=n_unknown_items,
        n_left_out=n_left_out,
        frame_kind=test.frame,
    )


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


def _bootstrap(values: npt.NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Return the ends of the percentile interval of the mean over resampled users."""
    rng = np.random.default_rng(0)
    n = len(values)
    lows, highs = [], []
    for column in values.T:
        # Users with the same value are alike: how many of each are drawn is all that a mean needs.
        distinct, counts = np.unique(column, return_counts=True)
        means = np.array([rng.multinomial(n, counts / n) @ distinct / n for _ in range(RESAMPLES)])
        low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        lows.append(float(low))
        highs.append(float(high))
    return lows, highs
