"""Splits of interactions into a training and a test part over the same id maps."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from tastemap.data._checks import check_whole
from tastemap.data.clock import Moment
from tastemap.data.interactions import Interactions, check_interactions
from tastemap.engines import import_spark, is_spark
from tastemap.errors import DataError, ParameterError, ParameterNameError, Remedy, TastemapWarning, show

if TYPE_CHECKING:
    from pyspark.sql import DataFrame as SparkFrame

__all__ = ["by_time", "by_user", "k_fold", "leave_last", "random", "rolling"]


def random(interactions: Interactions, test: float = 0.2, *, seed: int = 0) -> tuple[Interactions, Interactions]:
    """Hold out pairs at random: those where ``numpy.random.default_rng(seed).random(pairs) < test``.

    The draws follow the pairs in input order, so a split published in this form can be made again.

    test : expected share of the test part, between 0 and 1

    Returns the training and the test part. Raises DataError where a part would be empty.
    """
    check_interactions("random", interactions)
    _check_share(test)
    drawn = _make_generator(seed).random(len(interactions)) < test
    return _cut(interactions, drawn, f"test={test} and seed={seed}")


@overload
def by_time(
    interactions: Interactions, *, at: Moment | None = None, test: float | None = None
) -> tuple[Interactions, Interactions]: ...
@overload
def by_time(
    interactions: SparkFrame, *, at: Moment | None = None, test: float | None = None, time: str = "time"
) -> tuple[SparkFrame, SparkFrame]: ...
def by_time(
    interactions: Any, *, at: Moment | None = None, test: float | None = None, **columns: Any
) -> tuple[Any, Any]:
    """Split at one moment for all users: train on the pairs before it, test on those from it on.

    A pair whose events were merged has one time and goes into one part. To have repeated events in both parts, split
    the frame of events and read each part with the same ``users`` and ``items``; `Dataset.pairs` does so.

    at : the moment, in the unit of the times; for dates and datetimes, and where numbers are seconds or milliseconds
        since 1970, a date, a datetime or an ISO string, in UTC unless it names its zone
    test : in place of ``at``, the share of the pairs, the latest ones, that the test part holds at least, rounded to
        whole pairs. The moment is the time of a pair, so pairs of equal times stay together: they go to the test part,
        unless nothing would be left before them
    columns : of a Spark frame in place of interactions, as `tastemap.spark.by_time` takes them

    Returns the training and the test part. Raises DataError where there are no times or a part would be empty.
    """
    if is_spark(interactions):
        parts: tuple[Any, Any] = import_spark().by_time(interactions, at=at, test=test, **columns)
        return parts
    time = _take_times("by_time", interactions, columns)
    if (at is None) == (test is None):
        raise ValueError(f"pass either at or test, got at={show(at)} and test={show(test)}")
    if test is not None:
        moment = find_moment(time, test)
        return _cut(interactions, (time >= moment)[interactions.input_order], f"test={test}")
    moment = interactions.clock.read_moment(at, "at")
    return _cut(interactions, (time >= moment)[interactions.input_order], f"at={at}")


@overload
def leave_last(
    interactions: Interactions, n: int = 1, *, after: Moment | None = None
) -> tuple[Interactions, Interactions]: ...
@overload
def leave_last(
    interactions: SparkFrame,
    n: int = 1,
    *,
    after: Moment | None = None,
    user: str = "user",
    item: str = "item",
    time: str = "time",
    order: str | None = None,
) -> tuple[SparkFrame, SparkFrame]: ...
def leave_last(interactions: Any, n: int = 1, *, after: Moment | None = None, **columns: Any) -> tuple[Any, Any]:
    """Hold out the last ``n`` pairs of every user by time; of equal times the later in input order is last.

    n : pairs a user, at least 1. A user with ``n`` pairs or fewer keeps them all in the training part
    after : hold out only pairs from this moment on, as ``at`` in `by_time`; the others stay in training
    columns : of a Spark frame in place of interactions, as `tastemap.spark.leave_last` takes them

    Returns the training and the test part. A warning counts the users for whom input order decides: the first pair held
    out has the time of one that stays. Raises DataError where there are no times or a part would be empty.
    """
    if is_spark(interactions):
        parts: tuple[Any, Any] = import_spark().leave_last(interactions, n, after=after, **columns)
        return parts
    time = _take_times("leave_last", interactions, columns)
    check_whole("n", n, lowest=1)
    has_more = interactions.by_user.counts > n
    held = (interactions.recency.position < n) & has_more[interactions.row_of_pair()]
    if after is not None:
        held &= time >= interactions.clock.read_moment(after, "after")
    settings = f"n={n}" if after is None else f"n={n} and after={after}"
    cut = _cut(interactions, held[interactions.input_order], settings)
    warn_of_ties(*_count_ties(interactions, held), "the order of the input", stacklevel=2)
    return cut


def rolling(
    interactions: Interactions, k: int = 5, *, test: float = 0.1
) -> Iterator[tuple[Interactions, Interactions]]:
    """Cut the latest pairs into ``k`` windows of time; each in turn is the test part, and all pairs before it train.

    So no model sees what came after the pairs that it is tested on, and every window is one later than the one before.

    k : whole number of windows, at least 1
    test : the share of all pairs that each window has, about; k windows must leave something to train on. Pairs of
        equal times stay together

    Returns an iterator, which makes one train and test at a time, the earliest first. Raises DataError where there are
    no times, or too few different ones for so many windows.
    """
    time = _take_times("rolling", interactions, {})
    check_whole("k", k, lowest=1)
    if k * _check_share(test) >= 1:
        raise ParameterError(
            f"{k} windows with test={test:g} leave nothing to train on: lower test to less than {1 / k:.2g}",
            parameter="test",
            value=test,
        )
    ascending = np.sort(time)
    starts = [ascending[len(time) - max(round(len(time) * test * (k - window)), 1)] for window in range(k)]
    if not (ascending[0] < starts[0] and all(one < other for one, other in pairwise(starts))):
        raise DataError(f"the times are too few for {k} windows with test={test:g}: lower k", pairs=len(time))
    in_order = time[interactions.input_order]
    return (
        (interactions.pick(in_order < start), interactions.pick((in_order >= start) & (in_order < end)))
        for start, end in zip(starts, [*starts[1:], np.inf], strict=True)
    )


def k_fold(interactions: Interactions, k: int = 5, *, seed: int = 0) -> Iterator[tuple[Interactions, Interactions]]:
    """Cut the pairs into ``k`` folds at random; each in turn is the test part, and the others train.

    The pairs in input order draw ``numpy.random.default_rng(seed).random(pairs)``. The pair with the r-th smallest
    draw, from 0, is in fold ``r % k``: every pair is tested once, and the sizes of the folds differ by 1 at most.

    k : whole number of folds, at least 2
    Returns an iterator, which makes one train and test at a time. Raises DataError where pairs are fewer than folds.
    """
    check_interactions("k_fold", interactions)
    check_whole("k", k, lowest=2)
    pairs = len(interactions)
    if pairs < k:
        raise DataError(f"{k} folds need as many pairs, got {pairs}: lower k")
    fold = np.empty(pairs, dtype=np.int64)
    fold[_shuffle(_make_generator(seed), pairs)] = np.arange(pairs) % k
    return ((interactions.pick(fold != one), interactions.pick(fold == one)) for one in range(k))


def by_user(
    interactions: Interactions, test: float = 0.1, *, history: float = 0.8, seed: int = 0
) -> tuple[Interactions, Interactions, Interactions]:
    """Hold out whole users: train without them, then test on a part of their pairs, with the rest as their histories.

    This measures strong generalisation, to new users (Marlin, Collaborative filtering: a machine learning perspective,
    2004). Returns train, history and test: ``train`` has every pair of the other users; ``history`` has the pairs of
    the held-out users to fold in, and ``test`` their other pairs, to find. Measure with
    ``tastemap.evaluate(model, test, history=history)``, or evaluate ``model.update(history)``, in which the items learn
    from the histories too.

    test : share of the users to hold out, among those with at least two pairs; at least one user
    history : share of each such user's pairs that goes into the history; at least one pair goes there, and at least one
        into the test part

    Users and pairs are chosen at random. Raises DataError where no user has two pairs or no user is left to train on.
    """
    check_interactions("by_user", interactions)
    _check_share(test)
    _check_share(history, "history")
    rng = _make_generator(seed)
    per_user = interactions.by_user.counts
    eligible = np.flatnonzero(per_user >= 2)
    if not len(eligible):
        raise DataError("no user has two pairs, one for the history and one for the test: use split.random")
    held = np.zeros(len(per_user), dtype=bool)
    held[eligible[_shuffle(rng, len(eligible))[: max(1, round(test * len(eligible)))]]] = True
    if held[per_user > 0].all():
        raise DataError(f"nobody is left to train on with test={test}: all {len(eligible):,} users would be held out")

    users = interactions.row_of_pair()[interactions.input_order]
    drawn = _shuffle(rng, len(users))
    # Grouped by user and, within one, in the order drawn; the first so many of a user become the history.
    grouped = drawn[np.argsort(users[drawn], kind="stable")]
    place = np.empty(len(users), dtype=np.int64)
    place[grouped] = np.arange(len(users)) - interactions.by_user.indptr[users[grouped]]
    known = np.clip(np.rint(history * per_user), 1, per_user - 1)
    in_history = place < known[users]
    of_held = held[users]
    return (
        interactions.pick(~of_held),
        interactions.pick(of_held & in_history),
        interactions.pick(of_held & ~in_history),
    )


def _make_generator(seed: int) -> np.random.Generator:
    check_whole("seed", seed, lowest=0)
    return np.random.default_rng(seed)


def _shuffle(rng: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
    """Return 0..n-1 in the order of ``n`` draws: this can be repeated without NumPy's own permutation."""
    return np.argsort(rng.random(n), kind="stable")


def _cut(
    interactions: Interactions, in_test: npt.NDArray[np.bool_], settings: str
) -> tuple[Interactions, Interactions]:
    """Return the pairs outside and inside the test part, given in input order; raise DataError where one is empty."""
    held = int(np.count_nonzero(in_test))
    if held == 0 or held == len(in_test):
        raise make_empty_error("test" if held == 0 else "training", settings, len(in_test))
    return interactions.pick(~in_test), interactions.pick(in_test)


def make_empty_error(part: str, settings: str, n: int) -> DataError:
    """Make the error of a split of n pairs whose "test" or "training" part would be empty."""
    return DataError(
        f"the {part} part is empty with {settings}: all {n:,} pairs fall into the other",
        what="empty part",
        part=part,
        pairs=n,
    )


def count_held(n: int, test: float) -> int:
    """Return how many of n pairs the share ``test`` is, at least 1."""
    return max(1, round(n * _check_share(test)))


def _count_ties(interactions: Interactions, held: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return of how many users the first pair held out has the time of the last that stays, and of how many users.

    held : bool, (pairs,), aligned with the matrix
    """
    time, users, starts = interactions.time, interactions.row_of_pair(), interactions.by_user.indptr
    assert time is not None
    oldest_first = np.empty(len(time), np.int64)
    oldest_first[starts[users + 1] - 1 - interactions.recency.position] = np.arange(len(time))
    in_test, time = held[oldest_first], time[oldest_first]
    # The pairs of a user stay between the same bounds, so that the users are as before.
    first = np.flatnonzero(in_test[1:] & ~in_test[:-1] & (users[1:] == users[:-1])) + 1
    return int(np.count_nonzero(time[first] == time[first - 1])), len(first)


def warn_of_ties(n_tied: int, n_users: int, what: str, *, stacklevel: int) -> None:
    """Warn that what decides which pairs of some users are held out."""
    if n_tied:
        warning = TastemapWarning(
            f"the first pair held out of {n_tied:,} of {n_users:,} users ({n_tied / n_users:.1%}) has the time "
            f"of one that stays in training: {what} decides between them",
            tied=n_tied,
            users=n_users,
        )
        warnings.warn(warning, stacklevel=stacklevel + 1)


def _check_share(share: float, name: str = "test") -> float:
    if not isinstance(share, int | float | np.number) or not 0 < share < 1:
        raise ParameterError(f"{name} must be a share between 0 and 1, got {show(share)}", parameter=name, value=share)
    return share


def _take_times(split: str, interactions: Interactions, columns: dict[str, Any]) -> npt.NDArray[Any]:
    check_interactions(split, interactions)
    if columns:
        raise ParameterNameError(
            f"{min(columns)} is about Spark frames, and Interactions know their columns: leave it out",
            parameter=min(columns),
            value=columns[min(columns)],
        )
    return interactions.take_times("a split by time")


def find_moment(time: npt.NDArray[Any], test: float) -> Any:
    """Return the moment from which on at least the share ``test`` of the times lies, ties kept whole; see `by_time`."""
    held = count_held(len(time), test)
    ascending = np.sort(time)
    moment = ascending[len(time) - held]
    if moment > ascending[0]:
        return moment
    # A tie that reaches back to the first pair would leave nothing to train on.
    later = ascending[np.searchsorted(ascending, moment, side="right") :]
    if not len(later):
        raise DataError(
            f"all {len(time):,} pairs have the same time, so no moment parts them",
            Remedy("use split.random", "split", "random"),
        )
    return later[0]
