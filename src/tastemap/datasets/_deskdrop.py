"""CI&T Deskdrop, from a local copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from tastemap.data.frames import check_columns
from tastemap.data.interactions import Interactions
from tastemap.data.sources.files import DataFile, open_file
from tastemap.datasets._dataset import Dataset
from tastemap.datasets._files import open_inside
from tastemap.errors import DataError

_MERGING: dict[str, Any] = {
    "user": "personId",
    "item": "contentId",
    "time": "timestamp",
    "event_weights": ("eventType", {"VIEW": 1, "LIKE": 2, "BOOKMARK": 2.5, "FOLLOW": 3, "COMMENT CREATED": 4}),
    "duplicates": "sum",
    "duplicates_time": "last",
}
_CITATION = (
    "Gabriel Moreira. Articles sharing and reading from CI&T DeskDrop: logs of an internal communications platform, "
    "March 2016 to February 2017. Kaggle data sets (2017), gspmoreira/articles-sharing-reading-from-cit-deskdrop."
)
_LICENSE = "See the terms on its page at Kaggle; the texts of the articles belong to their publishers."


def deskdrop(path: str | Path) -> Dataset:
    """Load CI&T Deskdrop, articles read at work: columns personId, contentId, weight and timestamp (Unix seconds).

    path : a local copy, as published: the folder or the zip file, or users_interactions.csv itself, packed or not

    The weight of a pair is the sum over its events: VIEW 1, LIKE 2, BOOKMARK 2.5, FOLLOW 3, COMMENT CREATED 4; its
    time is that of its last event in the file. ``events`` has all events. The users with at least five articles, with
    damped weights::

        tm.datasets.deskdrop(path).interactions.core(min_per_user=5).log2().compact()

    ``items`` has a row for each article of shared_articles.csv, where that file is in the same place: the line of its
    latest sharing, or of its removal where it was never shared. Without that file, ``items`` has the ids alone.
    ``users`` is None.

    Raises DataError where the data are absent, damaged or of another layout.
    """
    source = Path(path).expanduser()
    log = open_inside(source, "users_interactions.csv")
    if log is None and source.is_dir():
        raise DataError(f"{source} holds no users_interactions.csv, so it is not CI&T Deskdrop")
    events = (log or open_file(source)).read(ids=["personId", "contentId"])
    interactions = Interactions.from_frame(events, **_MERGING)
    articles = open_inside(source, "shared_articles.csv")
    if articles is None and not source.is_dir():
        articles = open_inside(source.parent, "shared_articles.csv")
    items = interactions.items.ids.to_frame("contentId") if articles is None else _read_articles(articles)
    return Dataset(interactions, items, None, _CITATION, _LICENSE, events, _MERGING)


def _read_articles(file: DataFile) -> pl.DataFrame:
    """Return one row for each article: its latest sharing or, where it has none, its removal."""
    table = file.read(ids=["contentId"])
    check_columns(("timestamp", "eventType", "contentId"), table.columns)
    latest = table.sort(pl.col("eventType") == "CONTENT SHARED", "timestamp", maintain_order=True)
    return latest.unique("contentId", keep="last").sort("timestamp", "contentId")
