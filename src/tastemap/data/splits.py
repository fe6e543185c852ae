"""Splits of interactions into a training and a test part over the same id maps."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data.interactions import Interactions
from tastemap.errors import DataError

Moment = int | float | str | date | datetime


def random(interactions: Interactions, test: float = 0.2, *, seed: int = 0) -> tuple[Interactions, Interactions]:
    """Hold out pairs at random: those where ``numpy.random.default_rng(seed).random(pairs) < test``.

    The draws follow the pairs in input order, so a split published in this form can be made again.

    test : expected share of the test part, between 0 and 1
    Raises DataError where a part would be empty.
    """
    _check_share(test)
    drawn = np.random.default_rng(seed).random(len(interactions)) < test
    return _parts(interactions, drawn, f"test={test} and seed={seed}")


def by_time(
    interactions: Interactions, *, at: Moment | None = None, test: float | None = None
) -> tuple[Interactions, Interactions]:
    """Split at one moment for everybody: train before it, test from it on.

    at : the moment, in the unit of the times; for dates and datetimes a date, a datetime or an ISO string,
        in UTC unless it names its zone
    test : in place of ``at``, the share of the latest pairs that the test part holds at least. The moment is
        the time of a pair, so equal times are never torn apart: the whole of a tie goes to the test part,
        unless nothing would be left before it

    Raises DataError where there are no times or a part would be empty.
    """
    time = _time_of(interactions)
    if (at is None) == (test is None):
        raise ValueError(f"pass either at or test, got at={at!r} and test={test!r}")
    if test is not None:
        moment = _moment_of_share(time, _check_share(test))
        return _parts(interactions, (time >= moment)[interactions.input_order], f"test={test}")
    moment = _stored(interactions, at, "at")
    return _parts(interactions, (time >= moment)[interactions.input_order], f"at={at}")


def leave_last(
    interactions: Interactions, n: int = 1, *, after: Moment | None = None
) -> tuple[Interactions, Interactions]:
    """Hold out the last ``n`` pairs of every user by time; of equal times the later in input order is last.

    n : pairs a user, at least 1. A user with ``n`` pairs or fewer keeps them all in the training part
    after : hold out only pairs from this moment on, as ``at`` in `by_time`; the others stay in training

    Raises DataError where there are no times or a part would be empty.
    """
    time = _time_of(interactions)
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    pairs = len(interactions)
    indptr, users = interactions.by_user.indptr, interactions.row_of_pair()
    place = np.empty(pairs, dtype=np.int64)
    place[interactions.input_order] = np.arange(pairs)
    # Sorted by user first, the pairs of a user stay between the same bounds of indptr.
    by_time = np.lexsort((place, time, users))
    to_go = indptr[users + 1] - np.arange(pairs)
    held = np.zeros(pairs, dtype=bool)
    held[by_time] = (to_go <= n) & (np.diff(indptr)[users] > n)
    if after is not None:
        held &= time >= _stored(interactions, after, "after")
    settings = f"n={n}" if after is None else f"n={n} and after={after}"
    return _parts(interactions, held[interactions.input_order], settings)


def _parts(
    interactions: Interactions, in_test: npt.NDArray[np.bool_], settings: str
) -> tuple[Interactions, Interactions]:
    held = int(np.count_nonzero(in_test))
    if held == 0 or held == len(in_test):
        raise DataError(
            f"the {'test' if held == 0 else 'training'} part is empty with {settings}: "
            f"all {len(in_test):,} pairs fall into the other"
        )
    return interactions.pick(~in_test), interactions.pick(in_test)


def _check_share(test: float) -> float:
    if not 0 < test < 1:
        raise ValueError(f"test must be a share between 0 and 1, got {test}")
    return test


def _time_of(interactions: Interactions) -> npt.NDArray[Any]:
    time: npt.NDArray[Any] | None = interactions.time
    if time is None:
        raise DataError("a split by time needs times: pass time= to from_frame or from_file")
    return time


def _moment_of_share(time: npt.NDArray[Any], test: float) -> Any:
    held = max(1, round(len(time) * test))
    ascending = np.sort(time)
    moment = ascending[len(time) - held]
    if moment > ascending[0]:
        return moment
    # A tie that reaches back to the first pair would leave nothing to train on.
    later = ascending[np.searchsorted(ascending, moment, side="right") :]
    if not len(later):
        raise DataError(f"all {len(time):,} pairs have the same time, so no moment parts them: use split.random")
    return later[0]


def _stored(interactions: Interactions, moment: Any, argument: str) -> Any:
    """Express a moment as the interactions store their times."""
    dated = isinstance(interactions.time_type, pl.Date | pl.Datetime)
    if isinstance(moment, int | float | np.number) and not isinstance(moment, bool):
        if dated:
            raise ValueError(f"{argument} must be a date, a datetime or an ISO string as the times are, got {moment!r}")
        return moment
    if not isinstance(moment, str | date) or not dated:
        kind = "a date, a datetime or an ISO string" if dated else "a number"
        raise ValueError(f"{argument} must be {kind} as the times are, got {moment!r}")
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise ValueError(f"{argument} must be an ISO date or datetime, got {moment!r}") from None
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
