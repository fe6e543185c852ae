"""Translates what callers pass to a model into rows: ids, histories, exclusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from tastemap.data._checks import LARGEST_FLOAT
from tastemap.data._pairs import Rows, divide_weights, freeze_rows, rows_of
from tastemap.data.frames import is_single, list_values, to_polars, to_series
from tastemap.data.ids import IdMap
from tastemap.errors import DataError, Remedy, name_some, show
from tastemap.ranking.top_k import Hidden

UNKNOWN_ITEM = Remedy("leave them out, or bring them in with update", "update", ...)


def read_histories(
    history: Any,
    weights: Any,
    items: IdMap,
    *,
    unweighted: float,
    ratings: bool,
    may_be_empty: bool,
    unit: float = 1.0,
) -> Rows:
    """Return the histories that `recommend_for` takes as CSR arrays over item rows.

    unweighted : the weight in the arrays of items given without weights
    ratings : whether weights are ratings, of any sign; else items of weight 0 are left out
    unit : the weight that is 1 in the arrays
    """
    history = history if isinstance(history, Mapping) else list_values(history)
    many = isinstance(history, Sequence) and len(history) > 0 and not any(map(is_single, history))
    people = list(history) if many else [history]
    each = [None] * len(people) if weights is None else list(list_values(weights)) if many else [weights]
    if len(each) != len(people):
        raise ValueError(f"weights must be as many as histories: got {len(each)} for {len(people)}")
    rows = [
        _read_history(one, own, items, unweighted, ratings, may_be_empty, unit)
        for one, own in zip(people, each, strict=True)
    ]
    indptr = np.concatenate(([0], np.cumsum([len(columns) for columns, _ in rows])))
    items_of_all: npt.NDArray[np.int32] = np.concatenate([own for own, _ in rows])
    weights_of_all = np.concatenate([own for _, own in rows])
    return freeze_rows(Rows(indptr, items_of_all, weights_of_all))


def read_exclusions(exclude: Any, people: pl.Series, users: IdMap, items: IdMap) -> Hidden:
    """Return the items that `exclude` hides from each user in `people`.

    exclude : item ids, hidden from all users, or a frame of pairs whose columns have the names of the id maps. Items
        that the model does not know are ignored: they cannot appear anyway
    """
    if not is_frame(exclude):
        found = items.find(to_series(list_values(exclude), items.name))
        hidden = np.unique(found[found >= 0]).astype(np.int32)
        row = Rows(np.array([0, len(hidden)]), hidden, np.ones(len(hidden), np.float32))
        return Hidden(freeze_rows(row), np.zeros(len(people), np.int64))
    pairs = to_polars(exclude, [users.name, items.name])
    # A map of its own, because users whom the model does not know may have exclusions too.
    named = IdMap(pairs[users.name].unique(), users.name)
    rows, columns = named.find(pairs[users.name]), items.find(pairs[items.name])
    known = columns >= 0
    entries = (np.ones(int(known.sum()), np.float32), (rows[known], columns[known]))
    matrix = sp.csr_matrix(entries, shape=(len(named), len(items)))
    return Hidden(rows_of(matrix), named.find(people))


def is_frame(values: Any) -> bool:
    """Tell whether the values are a frame or a mapping of columns, rather than ids."""
    return hasattr(values, "columns") or isinstance(values, Mapping)


def _read_history(
    history: Any, weights: Any, items: IdMap, unweighted: float, ratings: bool, may_be_empty: bool, unit: float
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    if isinstance(history, Mapping):
        if weights is not None:
            raise ValueError("weights must be left out where the history is a mapping of ids to weights")
        history, weights = list(history.keys()), list(history.values())
    ids = to_series(list_values(history), items.name)
    if not len(ids) and not may_be_empty:
        raise DataError("the history is empty: name at least one item, or use Popular for an unknown user")
    columns = items.rows(ids, UNKNOWN_ITEM)
    try:
        given = None if weights is None else np.asarray(list_values(weights), np.float64)
        values = np.full(len(columns), unweighted * unit) if given is None else given
    except (TypeError, ValueError) as error:
        raise DataError(f"weights of a history must be numbers, got {show(weights)}") from error
    if values.shape != columns.shape:
        raise ValueError(f"weights must be as many as items: got {values.size} for {len(columns)}")
    lowest = -LARGEST_FLOAT if ratings else 0
    wrong = ~((values >= lowest) & (values <= LARGEST_FLOAT))  # NaN is neither
    if wrong.any():
        rule = "finite" if ratings else "finite and not negative"
        raise DataError(f"weights of a history must be {rule}, got {name_some(values[wrong].tolist())}")
    if len(np.unique(columns)) < len(columns):
        raise DataError("a history must name each item once: add up the weights of repeated items")
    order = np.argsort(columns)
    values = values.astype(np.float32)  # as the weights of the training are
    if not ratings:
        order = order[values[order] > 0]
        if len(columns) and not len(order) and not may_be_empty:
            raise DataError("the history holds no like: give at least one of its items a weight above 0")
    own: npt.NDArray[np.int32] = columns[order].astype(np.int32)
    return own, divide_weights(values[order], unit)
