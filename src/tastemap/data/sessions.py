"""Cuts what users do into sessions, where they pause."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from tastemap.data._checks import check_text
from tastemap.data._columns import read_times
from tastemap.data.clock import Clock, Duration
from tastemap.data.frames import as_kind, check_columns, kind_of, to_polars
from tastemap.data.ids import IdMap, name_rows
from tastemap.errors import DataError


def split_sessions(
    events: Any, *, gap: Duration = "30m", user: str = "user", time: str = "time", session: str = "session"
) -> Any:
    """Return events with the session of each: a frame with the same rows, and one column more.

    events : a frame of any kind with one row an event, in any order
    gap : a session ends where a user pauses for longer: a text such as "30m" or "12h", of w, d, h, m for minutes, s, ms
        and us; a timedelta; or a number in the unit of the times where these are numbers
    user, time : columns of users, and of times as `Interactions.from_frame` takes them
    session : the name of the new column: whole numbers from 0, no number for two users, in the order of the users'
        first rows and, within a user, of time

    As users of interactions, sessions recommend by what somebody does now:
    ``Interactions.from_frame(sessions, user="session", time="time", duplicates="last")``.

    Raises DataError for rows without a user or a time, and where the frame has the new column already;
    ParameterError for what is no duration.
    """
    for argument, name in (("user", user), ("time", time), ("session", session)):
        check_text(argument, name)
    kind = kind_of(events)
    table = to_polars(events)
    if session in table.columns:
        raise DataError(f"there is a column {session!r} already: name the new one otherwise with session=")
    check_columns((user, time), table.columns)
    users = table[user]
    if users.null_count():
        lacking = users.is_null().arg_true().to_numpy()
        raise DataError(
            f"column {user!r} has no id in {name_rows(lacking)}", "drop these rows first", column=user, rows=lacking
        )
    moments, time_type = read_times(table[time], time)
    span = Clock.of(moments, time_type).read_duration(gap, "gap")
    of_user = IdMap(users.unique(maintain_order=True), user).find(users)
    by_time = np.lexsort((moments, of_user))
    starts = np.ones(len(table), np.bool_)
    starts[1:] = (np.diff(of_user[by_time]) != 0) | (np.diff(moments[by_time]) > span)
    numbers = np.empty(len(table), np.int64)
    numbers[by_time] = np.cumsum(starts) - 1
    return as_kind(table.with_columns(pl.Series(session, numbers)), kind)
