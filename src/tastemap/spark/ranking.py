"""Ranks for a batch of users on an executor, with the scorer that ranks on one machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from tastemap import parallel
from tastemap.data._pairs import Rows, freeze_rows, rows_at
from tastemap.data.item_table import Limits
from tastemap.errors import Remedy, UnknownIdError, name_some
from tastemap.models.shared.answers import Choice
from tastemap.models.shared.base import Model
from tastemap.models.shared.inputs import read_exclusions, take_weights
from tastemap.ranking.scorer import HistoryScorer
from tastemap.ranking.top_k import Hidden, Lists
from tastemap.spark.shipping import open_shipped
from tastemap.typing import Array, Flags, RowNumbers

OnUnknown = Literal["raise", "popular", "skip"]


@dataclass(frozen=True)
class Asked:
    """What is asked for, which goes to the executors with each task.

    side : the name of the shipped model without users
    query : the type and the length of the vector of a known user, None where scores come from histories alone
    is_weighted : whether histories come with weights
    among : int64, ascending: the rows of the items that may be listed; None for the catalogue
    exclude : as `Model.recommend` takes it
    schema : the columns of the lists
    """

    side: str
    query: tuple[str, int] | None
    is_weighted: bool
    k: int
    exclude_seen: bool
    among: RowNumbers | None
    exclude: Any
    diversity: float
    limits: Limits | None
    on_unknown: OnUnknown
    schema: pa.Schema


class People(NamedTuple):
    """The users of a batch.

    ids : their ids
    pairs : CSR arrays over the items, in the model's units: what they have
    queries : the scorer's queries; those of users without one mean nothing
    has_query : bool, (n,)
    """

    ids: pl.Series
    pairs: Rows
    queries: Any
    has_query: Flags


def list_batches(asked: Asked, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rank for batches of users, as `DataFrame.mapInArrow` gives them."""
    model: Model = open_shipped(asked.side)
    with parallel.threads(count_threads()):
        choice = _make_choice(model, asked)
        for batch in batches:
            if batch.num_rows:
                yield from _list(model, asked, choice, batch).to_arrow().cast(asked.schema).to_batches()


def count_threads() -> int:
    """Return how many threads a task has: Spark says it by OMP_NUM_THREADS, and runs a task on every core."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() and int(told) else 1


def _make_choice(model: Model, asked: Asked) -> Choice:
    among = model.scorer.catalogue if asked.among is None else model.scorer.among(asked.among)
    return Choice(among, model.item_space if asked.diversity else None, asked.diversity, asked.limits)


def _list(model: Model, asked: Asked, choice: Choice, batch: pa.RecordBatch) -> pl.DataFrame:
    people = read_people(model, asked.query, asked.is_weighted, batch)
    rows = np.where(people.has_query, np.arange(len(people.ids)), -1)
    if asked.on_unknown == "raise" and (rows < 0).any():
        raise _make_unknown_error(people, rows < 0)
    ids = people.ids
    if asked.on_unknown == "skip":
        ids, rows = ids.filter(pl.Series(people.has_query)), rows[rows >= 0]
    hidden = []
    if asked.exclude_seen:
        own = np.arange(len(people.ids)) if asked.on_unknown != "skip" else rows
        hidden.append(Hidden(people.pairs, own))
    if asked.exclude is not None:
        hidden.append(read_exclusions(asked.exclude, ids, model.state.users, model.state.items))

    def rank(some: RowNumbers, depth: int) -> Lists:
        own = [one.of(some) for one in hidden]
        return model.scorer.rank(rows[some], depth, own, choice.among, lambda who: people.queries[who])

    lists = choice.rank(rank, len(rows), asked.k)
    shown: pl.DataFrame = model.list_items(ids, lists, "polars")
    return shown


def read_people(model: Model, query: tuple[str, int] | None, is_weighted: bool, batch: pa.RecordBatch) -> People:
    """Return the users of a batch.

    batch : `user`; `query`, the bytes of a known user's vector; `seen` and `seen_weights`, item rows and weights in the
        model's units; `items` and `weights`, a history as Spark has it
    """
    table = pl.DataFrame(pl.from_arrow(batch))
    ids = table["user"].rename(model.state.users.name)
    pairs = _read_histories(model, table, is_weighted) if "items" in table.columns else _read_seen(table)
    scorer, n = model.scorer, len(table)
    is_known = table["query"].is_not_null().to_numpy()
    if query is None:
        assert isinstance(scorer, HistoryScorer)
        has_query = pairs.has_pairs if "items" in table.columns else is_known
        return People(ids, pairs, scorer.fold(pairs), has_query)
    kind, width = query
    vectors: Array = np.zeros((n, width) if width else n, np.dtype(kind))
    held = b"".join(table["query"].drop_nulls().to_list())
    vectors[is_known] = np.frombuffer(held, np.dtype(kind)).reshape(int(is_known.sum()), *vectors.shape[1:])
    new = np.flatnonzero(~is_known & pairs.has_pairs)
    if len(new):
        vectors[new] = scorer.fold(rows_at(pairs, new))
    return People(ids, pairs, vectors, is_known | pairs.has_pairs)


def _read_seen(table: pl.DataFrame) -> Rows:
    """Return what known users have, from rows and weights as the model keeps them."""
    if "seen" not in table.columns:
        return freeze_rows(Rows(np.zeros(len(table) + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)))
    lengths = table["seen"].list.len().fill_null(0).to_numpy()
    indices, weights = (_flatten(table[name]).to_numpy() for name in ("seen", "seen_weights"))
    return freeze_rows(Rows(_find_starts(lengths), indices.astype(np.int32), weights.astype(np.float32)))


def _read_histories(model: Model, table: pl.DataFrame, is_weighted: bool) -> Rows:
    """Return histories over the model's items; what the model does not know is left out."""
    state, ratings = model.state, model.abilities.ratings
    lengths = table["items"].list.len().fill_null(0).to_numpy()
    rows = state.items.find_among(_flatten(table["items"]), state.known_items)
    if is_weighted:
        weights, kept = take_weights(_flatten(table["weights"]).to_numpy(), state.columns, ratings=ratings)
    else:
        weights, kept = np.full(len(rows), model.unstated_weight * state.unit, np.float32), np.full(len(rows), True)
    who = np.repeat(np.arange(len(table)), lengths)
    kept = kept & (rows >= 0)
    who, rows, weights = who[kept], rows[kept], weights[kept]
    order = np.lexsort((rows, who))
    starts = _find_starts(np.bincount(who, minlength=len(table)))
    return state.in_units(freeze_rows(Rows(starts, rows[order].astype(np.int32), weights[order].astype(np.float32))))


def _flatten(lists: pl.Series) -> pl.Series:
    return lists.filter(lists.list.len() > 0).explode()


def _find_starts(lengths: Array) -> RowNumbers:
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def _make_unknown_error(people: People, unknown: Flags) -> UnknownIdError:
    ids = people.ids.filter(pl.Series(unknown))
    return UnknownIdError(
        f"{len(ids)} of {len(unknown)} users of a batch are not known to the model and have no history: "
        f"{name_some(ids)}.",
        Remedy(
            "pass on_unknown='popular' to give them the most popular items, or 'skip' to leave them out",
            "on_unknown",
            ...,
        ),
        column=people.ids.name,
        ids=ids.to_list(),
    )
