"""Reads what a journal of events has that a model does not know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tastemap.data.interactions import Interactions
from tastemap.errors import DataError
from tastemap.files.paths import name_file
from tastemap.models.shared.base import Model
from tastemap.service.remarks import Remark
from tastemap.typing import Flags


@dataclass(frozen=True)
class News:
    """The pairs of a journal that a model does not know, or knows with another weight or an earlier time.

    remarks : what was decided while reading
    """

    data: Interactions
    remarks: tuple[Remark, ...]


def read_news(folder: Path, model: Model, since: str | None = None) -> News:
    """Read the events of a journal as news to a model, as `Interactions.from_events` does.

    Raises DataError where there are none, or where the model knows them all, NotSupportedError where it was saved
    without its training pairs.
    """
    known = model.state.given("update")
    data = Interactions.from_events(folder, since=since, like=known)
    # Of a model of likes, an item that is not liked and one that is absent are the same.
    data, is_new = _mark_news(data, known, absent=np.nan if model.abilities.ratings else 0)
    if not is_new.any():
        raise DataError(f"the model knows all that the journal {name_file(folder)} holds", path=folder)
    remarks = []
    least, damping = known.columns.least, known.columns.damping
    below = int(np.count_nonzero(data.matrix.data == 0))
    if least is not None and below:
        remarks.append(Remark("events below", {"at_least": least, "below": below}))
    if damping is not None:
        remarks.append(Remark("damping", {"damping": damping, "column": data.columns.weight}))
    if not is_new.all():
        remarks.append(Remark("events known", {"known": int((~is_new).sum()), "pairs": len(data)}))
    return News(data.pick(is_new[data.input_order]).compact(), tuple(remarks))


def _mark_news(data: Interactions, known: Interactions, *, absent: float) -> tuple[Interactions, Flags]:
    """Return the pairs over the known ids and others, and which of them have another weight, or a later time.

    absent : the weight of pairs that are not known
    """
    users, items = known.users.extend(data.users), known.items.extend(data.items)
    data, known = data.align(users, items)[0], known.extend(users, items)
    own, old = (part.row_of_pair().astype(np.int64) * len(items) + part.matrix.indices for part in (data, known))
    places = np.minimum(np.searchsorted(old, own), len(old) - 1)
    is_known = old[places] == own
    is_new = data.matrix.data != np.where(is_known, known.matrix.data[places], absent)
    if data.time is not None and known.time is not None:
        is_new |= is_known & (known.clock.take(data.time, data.clock) > known.time[places])
    return data, is_new
