"""What users did since the models were trained: it counts in their lists at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tastemap.data.events import Event
from tastemap.models.shared.inputs import take_weights
from tastemap.serve.served import EVENTS, Served


class Since:
    """The last event of each user and item."""

    def __init__(self) -> None:
        self._events: dict[str, dict[str, Event]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._events.values()))

    def add(self, event: Event) -> None:
        """Take an event in: of a user and an item the latest counts, at one time the one that comes last."""
        own = self._events.setdefault(event.user, {})
        known = own.get(event.item)
        if known is None or known.time <= event.time:
            own.pop(event.item, None)  # so that it comes last
            own[event.item] = event

    def of(self, user: str | int | None) -> Sequence[Event]:
        """Return the events of a user, the newest last; of one time, in the order in which they came."""
        own = None if user is None else self._events.get(str(user))
        return tuple(sorted(own.values(), key=lambda event: event.time)) if own else ()

    @property
    def users(self) -> list[str]:
        """The users who have events."""
        return list(self._events)

    def forget(self, models: Sequence[Served], users: Iterable[str]) -> None:
        """Forget the events of users that every model has learned."""
        for user in users:
            events = self.of(user)
            learned = [True] * len(events)
            for served in models:
                rows = [served.find_item(event.item) for event in events]
                found = find_learned(served, user, rows, events)
                learned = [both and one and row >= 0 for both, one, row in zip(learned, found, rows, strict=True)]
            kept = {event.item: event for event, known in zip(events, learned, strict=True) if not known}
            if kept:
                self._events[user] = kept
            else:
                self._events.pop(user, None)


def find_news(served: Served, user: str | int | None, events: Sequence[Event]) -> dict[int, float | None]:
    """Return what events say that the model has not learned: weights by the rows of known items, in their order."""
    usual = served.model.state.columns.usual  # as an update takes an event without a weight
    weighed = [event._replace(weight=usual) if event.weight is None else event for event in events]
    rows = {served.find_item(event.item): event for event in weighed}
    rows.pop(-1, None)
    if not rows:
        return {}
    learned = find_learned(served, str(user), list(rows), list(rows.values()))
    return {row: event.weight for (row, event), known in zip(rows.items(), learned, strict=True) if not known}


def find_learned(served: Served, user: str, items: Sequence[int], events: Sequence[Event]) -> list[bool]:
    """Tell which events of a user are in the training: a like with any weight, a rating with its own.

    Where the order counts, an event that is later than the pair in the training is not in it.

    items : rows, -1 for none
    events : with weights as the training's file has them, 0 for a like taken back; None where an event has none
    """
    row, model = served.find_user(user), served.model
    if model.interactions is None or row < 0:
        return [False] * len(items)
    seen = model.state.training("comparing events").by_user
    own = slice(seen.indptr[row], seen.indptr[row + 1])
    known = dict(zip(seen.indices[own].tolist(), seen.data[own].tolist(), strict=True))
    weights = [event.weight for event in events]
    given = np.array([np.nan if weight is None else weight for weight in weights], np.float64)
    taken, is_like = take_weights(given, model.state.columns, ratings=model.abilities.ratings)
    learned = []
    for item, weight, value, like in zip(items, weights, taken.tolist(), is_like.tolist(), strict=True):
        if weight is None:
            learned.append(item in known)
        elif not like:  # taken back
            learned.append(item >= 0 and item not in known)
        else:
            learned.append(known.get(item) == value if model.abilities.ratings else item in known)
    time = model.interactions.time
    if not model.abilities.uses_order or time is None or not model.state.clock.can_take(EVENTS):
        return learned
    given_times = model.state.clock.take(np.array([event.time for event in events], np.int64), EVENTS)
    when = dict(zip(seen.indices[own].tolist(), time[own].tolist(), strict=True))
    return [
        one and when.get(item, moment) >= moment
        for one, item, moment in zip(learned, items, given_times.tolist(), strict=True)
    ]
