"""What users did since the models were trained: it counts in their lists at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tastemap.data.events import Event
from tastemap.models.shared.inputs import take_weights
from tastemap.serve.served import Served


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
            own[event.item] = event

    def find(self, served: Served, user: str | int | None) -> dict[int, float | None]:
        """Return what a user did that the model has not learned: weights by the rows of known items."""
        own = None if user is None else self._events.get(str(user))
        if not own:
            return {}
        rows = {served.find_item(event.item): event.weight for event in own.values()}
        rows.pop(-1, None)
        return {item: weight for item, weight in rows.items() if not _has_learned(served, str(user), item, weight)}

    def forget(self, models: Iterable[Served]) -> None:
        """Forget the events that every model has learned."""
        models = list(models)
        for user, own in list(self._events.items()):
            for item, event in list(own.items()):
                rows = [served.find_item(item) for served in models]
                if all(
                    row >= 0 and _has_learned(served, user, row, event.weight)
                    for served, row in zip(models, rows, strict=True)
                ):
                    del own[item]
            if not own:
                del self._events[user]


def _has_learned(served: Served, user: str, item: int, weight: float | None) -> bool:
    """Tell whether a pair is in the training: a like as one of any weight, a rating with its weight."""
    seen, row = served.scorer.seen, served.find_user(user)
    if seen is None or row < 0:
        return False
    own = slice(seen.indptr[row], seen.indptr[row + 1])
    place = int(np.searchsorted(seen.indices[own], item))
    is_known = place < len(seen.indices[own]) and seen.indices[own][place] == item
    if weight is None:
        return is_known
    state = served.model.state
    taken, is_like = take_weights(np.array([weight]), state.columns, ratings=served.model.abilities.ratings)
    if not is_like[0]:  # taken back
        return row >= 0 and not is_known
    if not served.model.abilities.ratings:
        return is_known
    return is_known and float(seen.data[own][place]) == float(taken[0])
