"""The class of all data sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tastemap.data.interactions import Interactions
from tastemap.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """Interactions with what is known about their items and users.

    interactions : `Interactions`
    items, users : polars frames keyed by the interactions' item and user column, or None where the publisher
        gives none
    citation, license : what to cite, and what the publisher allows
    events : polars frame with one row for each event, where several events of a pair were merged; None where every
        pair comes once
    merging : how events are merged, as options of `Interactions.from_frame`
    """

    interactions: Interactions
    items: pl.DataFrame | None
    users: pl.DataFrame | None
    citation: str
    license: str
    events: pl.DataFrame | None = None
    merging: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        frames = {"items": self.items, "users": self.users, "events": self.events}
        known = [f"{name} with {', '.join(frame.columns)}" for name, frame in frames.items() if frame is not None]
        return "; ".join([f"Dataset of {self.interactions!r}", *known])

    def pairs(self, events: Any) -> Interactions:
        """Merge some of the events into pairs, as all of them were merged into `interactions`, over the same id maps.

        So a pair with events on both sides of a split is in both parts::

            before = pl.col("InvoiceDate") < datetime(2011, 11, 9)
            train, test = shop.pairs(shop.events.filter(before)), shop.pairs(shop.events.filter(~before))

        events : rows of `events`, in any kind of frame
        Raises DataError where there are none.
        """
        if self.events is None:
            raise DataError("these data have no events to merge, every pair comes once: split the interactions")
        return Interactions.from_frame(
            events, **self.merging, users=self.interactions.users, items=self.interactions.items
        )
