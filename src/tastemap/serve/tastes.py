"""Whose list or score is asked for: a user as the training left him, or a history that is folded in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tastemap.data._pairs import Rows, freeze_rows
from tastemap.data.events import Event
from tastemap.errors import DataError, UnknownIdError, name_some
from tastemap.serve.asked import Whose
from tastemap.serve.served import Served
from tastemap.serve.since import find_news


@dataclass(frozen=True, slots=True)
class Taste:
    """Who asks, in the model's rows.

    row : of the user; -1 for a new one
    history : to fold in: a row over the items; None for a user as the training left him
    disliked : a row over the items; None where nothing is disliked
    came : rows of the items that came since the training
    """

    row: int
    history: Rows | None
    disliked: Rows | None
    came: Sequence[int]


def read_taste(served: Served, asked: Whose, events: Sequence[Event], *, may_be_unknown: bool = False) -> Taste:
    """Return whose list is asked for; raises UnknownIdError and DataError where there is nobody to list for.

    events : what the user did, the model may have learned some of it
    may_be_unknown : whether a user whom the model does not know is one of whom nothing is known, rather than an error
    """
    news = _read_history(served, asked.history)
    moments = dict[int, int]()
    if events:
        since = find_news(served, asked.user, events)
        news = {**{row: weight for row, weight in since.items() if row not in news}, **news}
        moments = {served.find_item(event.item): event.time for event in events}
    if asked.user is None:
        if not news:
            raise DataError("name a user, or the history of a new one")
        row = -1
    else:
        row = served.find_user(asked.user) if may_be_unknown or news else served.require_user(asked.user)
    disliked = _read_disliked(served, asked, news)
    without = [row for row in map(served.find_item, asked.without) if row >= 0]
    if not news and (row < 0 or (disliked is None and not without)):
        return Taste(row, None, disliked, ())
    history = served.merge_history(row, news, without, moments)
    if len(history.indices):
        return Taste(row, history, disliked, list(news))
    if asked.user is None:
        raise DataError("the history holds no like: give at least one of its items a weight that counts as one")
    # Every like was taken back or does not count: nothing is known of this user.
    return Taste(-1, None, disliked, [*news, *without])


def _read_history(served: Served, history: Any) -> dict[int, float | None]:
    """Return the history of a request by item row."""
    if not history:
        return {}
    given: Mapping[Any, float | None] = history if isinstance(history, dict) else dict.fromkeys(history)
    rows = {item: served.find_item(item) for item in given}
    unknown = [str(item) for item, row in rows.items() if row < 0]
    if unknown:
        raise UnknownIdError(
            f"{len(unknown)} of {len(rows)} items of the history are not in the model, {name_some(unknown)}",
            "leave them out",
            column=served.model.items.name,
            ids=unknown,
        )
    if not served.model.abilities.ratings and any(weight is not None and weight < 0 for weight in given.values()):
        raise DataError("weights of a history must not be negative")
    return {rows[item]: weight for item, weight in given.items()}


def _read_disliked(served: Served, asked: Whose, news: Mapping[int, float | None]) -> Rows | None:
    """Return what is disliked; of what the model does not know nothing is to be said."""
    rows = np.unique([row for row in map(served.find_item, asked.disliked) if row >= 0]).astype(np.int32)
    if not len(rows):
        return None
    both = [str(served.model.items[int(row)]) for row in rows if int(row) in news]
    if both:
        raise DataError(f"{name_some(both)} are both in the history and disliked")
    weights = np.full(len(rows), served.model.disliked_weight, np.float32)
    return freeze_rows(Rows(np.array([0, len(rows)]), rows, weights))
