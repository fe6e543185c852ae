"""Translates what callers pass to a model into rows: ids, histories, exclusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from tastemap.data._checks import LARGEST_FLOAT
from tastemap.data._columns import read_times
from tastemap.data._pairs import Rows, divide_weights, entries_at, freeze_rows, rows_at, rows_of
from tastemap.data.clock import Clock
from tastemap.data.frames import is_single, kind_of, list_values, name_of, to_polars, to_series
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Columns, Interactions
from tastemap.data.recency import Recency, find_recency
from tastemap.errors import DataError, Remedy, UnknownIdError, name_some, show
from tastemap.models.shared.state import State, check_names
from tastemap.ranking.top_k import Hidden
from tastemap.typing import Floats

UNKNOWN_ITEM = Remedy("leave them out, or bring them in with update", "update", ...)


class Asked(NamedTuple):
    """The histories of new users.

    pairs : CSR arrays over the item rows, a row for each of them, with weights in the model's units
    people : their ids, or their numbers from 0 under the name "history"
    has_ids : whether these are ids
    recency : of the pairs; None where nobody asked for it
    """

    pairs: Rows
    people: pl.Series
    has_ids: bool
    recency: Recency | None = None


def read_histories(
    history: Any,
    weights: Any,
    state: State,
    *,
    times: Any = None,
    unweighted: float,
    ratings: bool,
    ordered: bool = False,
    may_be_empty: bool,
) -> Asked:
    """Return the histories that `recommend_for` takes.

    unweighted : the weight in the arrays of items given without weights
    ratings : whether weights are ratings, of any sign; else items of weight 0 are left out
    ordered : whether the order counts; else times are ignored
    """
    if isinstance(history, Interactions) or _is_table(history, state):
        for name, given in (("weights", weights), ("times", times)):
            if given is not None:
                raise ValueError(f"{name} must be left out where the histories come with them")
        if isinstance(history, Interactions):
            return _read_pairs(history, state, None, ratings, ordered, may_be_empty)
        data, columns = _read_table(history, state, unweighted * state.unit, ratings, ordered)
        return _read_pairs(data, state, columns, ratings, ordered, may_be_empty)
    people, histories = _take_people(history, state.users.name)
    many = people is not None or (
        isinstance(histories, Sequence) and len(histories) > 0 and not any(map(is_single, histories))
    )
    each = list(histories) if many else [histories]
    index = getattr(weights, "index", None) if kind_of(weights) == "pandas" else None
    if people is not None and index is not None and list(index) != people.to_list():
        raise ValueError("weights must have the people of the histories as their index, in the same order")
    given = _take_each("weights", weights, many, len(each))
    if ordered and any(isinstance(one, set | frozenset) for one in (history, *each)):
        raise ValueError("a set has no order, which counts here: pass each history as a list, the newest item last")
    rows = [
        _read_history(one, own, state.items, unweighted, ratings, may_be_empty, state.unit)
        for one, own in zip(each, given, strict=True)
    ]
    indptr = np.concatenate(([0], np.cumsum([len(one.items) for one in rows])))
    items_of_all: npt.NDArray[np.int32] = np.concatenate([one.items for one in rows])
    weights_of_all = np.concatenate([one.weights for one in rows])
    pairs = freeze_rows(Rows(indptr, items_of_all, weights_of_all))
    recency = None
    if ordered:
        time = None
        if times is not None and state.time_type is not None:
            moments = _take_each("times", times, many, len(each))
            time = np.concatenate([_read_times(own, one, state) for one, own in zip(rows, moments, strict=True)])
        by_input = np.argsort(np.concatenate([one.places for one in rows]), kind="stable")
        recency = find_recency(indptr, time, by_input)
    if people is None:
        return Asked(pairs, pl.Series("history", np.arange(len(each))), has_ids=False, recency=recency)
    return _name(pairs, IdMap(people, people.name), state, recency)


def _take_each(name: str, values: Any, many: bool, n: int) -> list[Any]:
    """Return the values of each history, None where none are given."""
    given = [None] * n if values is None else list(list_values(values)) if many else [values]
    if len(given) != n:
        raise ValueError(f"{name} must be as many as histories: got {len(given)} for {n}")
    return given


class _History(NamedTuple):
    """A history of one user.

    items, weights : int32 and float32, (n,), ascending by item row
    places : int64, (n,): where each item was given
    n_given : how many items were given, before those that are no likes were left out
    """

    items: npt.NDArray[np.int32]
    weights: Floats
    places: npt.NDArray[np.int64]
    n_given: int


def _read_times(times: Any, history: _History, state: State) -> npt.NDArray[Any]:
    """Return the time of each item of a history in the unit of the training's times."""
    series = to_series([] if times is None else list_values(times), "times")
    if len(series) != history.n_given:
        raise ValueError(f"times must be as many as items: got {len(series)} for {history.n_given}")
    if not len(series):
        return np.empty(0, np.int64)
    time, kind = read_times(series, "times")
    own = state.take_times(time, Clock.of(time, kind))
    assert own is not None
    return own[history.places]


def _take_people(history: Any, name: str) -> tuple[pl.Series | None, Any]:
    """Return the people of a dict or a pandas Series of histories, None for other histories, and the histories."""
    if isinstance(history, Mapping):
        if history and not any(map(is_single, history.values())):
            return to_series(list(history), name), list(history.values())
        return None, history
    histories = list_values(history)
    if isinstance(histories, Sequence) or is_single(next(iter(histories), 0)):
        return None, histories
    index = getattr(histories, "index", None) if kind_of(histories) == "pandas" else None
    if index is None or (index.name is None and list(index) == list(range(len(index)))):
        return None, list(histories)
    return to_series(index, name_of(index, name)), list(histories)


def _is_table(history: Any, state: State) -> bool:
    """Tell whether histories are a frame, or a dict with the columns of the training, rather than one by person."""
    if isinstance(history, Mapping):
        return state.users.name in history and state.items.name in history
    return is_frame(history)


def _read_table(
    frame: Any, state: State, unweighted: float, ratings: bool, ordered: bool
) -> tuple[Interactions, Columns | None]:
    """Return the pairs of a frame with the training's columns; a row may hold a list of items, and one of weights.

    unweighted : the weight of rows where the frame has none, as models take it

    Also returns how weights are to be taken, None where they are those of the rows without one.
    """
    user, item, weight, time = state.users.name, state.items.name, state.columns.weight, state.columns.time
    if kind_of(frame) == "pandas" and user not in frame.columns and frame.index.name == user:
        frame = frame.reset_index()  # as groupby leaves it
    table = to_polars(frame, [user, item], [weight, time] if ordered and time is not None else [weight])
    lists = [column.name for column in table if isinstance(column.dtype, pl.List)]
    if item in lists:
        lengths = [table[name].list.len().fill_null(0) for name in lists]
        empty = (lengths[0] == 0).arg_true()
        if len(empty):
            raise DataError(f"the history of {name_some(table[user].gather(empty))} is empty: leave them out")
        if any((one != lengths[0]).any() for one in lengths[1:]):
            raise DataError(f"{name_some(lists)} hold lists of other lengths in a row: give each item one of each")
        table = table.explode(lists)
    is_weighted = weight in table.columns
    if not is_weighted:
        table = table.with_columns(pl.lit(unweighted, pl.Float64).alias(weight))
    bounded = state.columns.least is not None
    data = Interactions.from_frame(
        table,
        user=user,
        item=item,
        weight=weight,
        time=time if time in table.columns else None,
        allow_negative=ratings or bounded,
    )
    return data, state.columns if is_weighted else None


def _read_pairs(
    data: Interactions, state: State, columns: Columns | None, ratings: bool, ordered: bool, may_be_empty: bool
) -> Asked:
    """Return the histories of everybody who has a pair, in the order of the first ones.

    columns : the bound and the damping with which the training took weights; None takes them as they are
    """
    used = data.items.take(np.unique(data.matrix.indices))
    state.items.rows(used, UNKNOWN_ITEM)
    people = pl.Series(data.row_of_pair()[data.input_order]).unique(maintain_order=True).to_numpy()
    ids = IdMap(data.users.take(people), data.users.name)
    aligned = data.align(data.users, state.items)[0]
    pairs = rows_at(aligned.by_user, people)
    w, kept = pairs.data, np.full(len(pairs.data), True)
    if (columns is None or columns.least is None) and not ratings and w.min(initial=0) < 0:
        raise DataError(f"weights of a history must be finite and not negative, got {name_some(w[w < 0].tolist())}")
    if columns is not None:
        taken, kept = take_weights(w, columns, ratings=ratings)
        pairs = pairs._replace(data=taken)
    elif not ratings:
        kept = w > 0
    pairs = _keep(pairs, kept)
    empty = np.flatnonzero(np.diff(pairs.indptr) == 0)
    if len(empty) and not may_be_empty:
        raise DataError(
            f"the history of {name_some(ids.take(empty))} holds no like: leave them out, or give at least one of their "
            "items a weight above 0"
        )
    recency = None
    if ordered:
        position, time = state.take_recency(aligned)
        own = entries_at(aligned.by_user.indptr, people)[1][kept]
        # Pairs that were left out have left gaps in the positions.
        by_input = np.argsort(-position[own].astype(np.int64), kind="stable")
        recency = find_recency(pairs.indptr, None if time is None else time[own], by_input)
    return _name(state.in_units(pairs), ids, state, recency)


def read_disliked(disliked: Any, histories: Rows, state: State, weight: float) -> Rows:
    """Return what new users dislike, a row for each: item ids, or with several users a list of them for each.

    Raises UnknownIdError for items without a training pair, DataError for one that a history holds too.
    """
    n_people = len(histories.indptr) - 1
    if isinstance(disliked, Mapping):
        raise ValueError("disliked must be item ids, without weights")
    values = [disliked] if is_single(disliked) else list(list_values(disliked))
    given = [values] if n_people == 1 and all(map(is_single, values)) else values
    if len(given) != n_people:
        raise ValueError(f"disliked must be a list of items for each history: got {len(given)} for {n_people}")
    rows = [_read_history(one, None, state.items, weight, True, True, 1.0).items for one in given]
    indptr = np.concatenate(([0], np.cumsum([len(one) for one in rows])))
    indices: npt.NDArray[np.int32] = np.concatenate([np.empty(0, np.int32), *rows])
    check_known(indices, state, "leave them out of the disliked ones")
    for person, own in enumerate(rows):
        both = np.intersect1d(own, histories.indices[histories.indptr[person] : histories.indptr[person + 1]])
        if len(both):
            raise DataError(f"{name_some(state.items.take(both))} are both in the history and disliked")
    return freeze_rows(Rows(indptr, indices, np.full(len(indices), weight, np.float32)))


def check_known(rows: npt.NDArray[np.int32], state: State, way: str) -> None:
    """Raise UnknownIdError where items have no training pair and no features."""
    if not state.known_items[rows].all():
        without = state.items.take(rows[~state.known_items[rows]])
        raise UnknownIdError(f"{name_some(without)} have no training pair: {way}")


def take_weights(weights: npt.NDArray[Any], columns: Columns, *, ratings: bool) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return weights as the training took them, float32, (n,), and whether each pair counts, bool, (n,).

    weights : as the training's file had them
    ratings : whether weights are ratings, all of which count; else likes do, or those from the training's bound on
    """
    if columns.least is not None:
        kept = weights >= columns.least
    else:
        kept = np.full(len(weights), True) if ratings else weights > 0
    return columns.weigh(weights).astype(np.float32, copy=False), kept


def _keep(pairs: Rows, kept: npt.NDArray[np.bool_]) -> Rows:
    before = np.concatenate(([0], np.cumsum(kept)))
    return freeze_rows(Rows(before[pairs.indptr], pairs.indices[kept], pairs.data[kept]))


def _name(pairs: Rows, people: IdMap, state: State, recency: Recency | None) -> Asked:
    check_names(people.name)
    if people.name == state.items.name:
        raise DataError(f"people and items are both called {people.name!r}: name one of them otherwise")
    return Asked(pairs, people.ids.alias(people.name), has_ids=True, recency=recency)


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
    return isinstance(values, Mapping | pl.LazyFrame) or hasattr(values, "columns")


def _read_history(
    history: Any, weights: Any, items: IdMap, unweighted: float, ratings: bool, may_be_empty: bool, unit: float
) -> _History:
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
    return _History(own, divide_weights(values[order], unit), order, len(columns))
