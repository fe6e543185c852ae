"""Measures lists that another library made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data._pairs import Rows
from tastemap.data.features import Features, check_features
from tastemap.data.frames import to_polars
from tastemap.data.ids import IdMap, check_ids, name_rows
from tastemap.data.interactions import Interactions, check_interactions
from tastemap.errors import DataError, NotSupportedError, name_some
from tastemap.evaluation.evaluate import Evaluation, count_reachable_items, ids_of_rows, rows_of_items
from tastemap.kernels.lists import PLACED, UNORDERED, place_rows
from tastemap.metrics.definitions import AUC, Metric, RatingMetric, parse_all
from tastemap.metrics.measure import Background, ListBatch, ListMeasurer, mark_owners
from tastemap.ranking.top_k import Hidden, ask_for_lists
from tastemap.typing import Flags, RowNumbers


def evaluate_lists(
    frame: Any,
    test: Interactions,
    *,
    metrics: Sequence[Metric | str] | Metric | str = ("ndcg@10",),
    train: Interactions | None = None,
    item_features: Features | None = None,
    hides_zeros: bool = False,
) -> Evaluation:
    """Measure recommendations that any library made, by the same definitions as `evaluate`.

    frame : a frame of any kind, with the user and item columns of the test part and one row for each item of a list.
        Lists are ordered by the column "rank" (lowest first), else by "score" (highest first), else by the order of the
        rows, which also settles ties; only the order matters, not the numbers
    metrics : as for `evaluate`, without rmse and mae
    train : the training pairs, for auc, novelty, diversity, coverage and gini. The catalogue is the items with a
        training pair; for auc the ranking is the catalogue without the user's training items, plus listed items
    item_features : the features by which diversity compares items; None compares them by their training users
    hides_zeros : whether the lists leave out training items of weight 0 too, as those of models of ratings do; for auc

    Every user with a test item is measured. A missing list counts as empty (`Evaluation.n_without_list`), as in
    RecTools for all metrics of test items; `evaluate` instead leaves out unknown users. Lists of users without a test
    item are left out and counted (`Evaluation.n_without_test`). Test items and training pairs are those of a
    weight above 0, as for `evaluate`.
    Raises ValueError for an unknown metric or one that needs `train`, DataError for missing columns or ids, where an
    item is in a list twice, and where the lists share no user or no item with the test part, UnknownIdError for ids of
    another type than those of the test part.
    """
    asked = parse_all(metrics)
    _check_metrics(asked, train, item_features)
    check_interactions("evaluate_lists", test)
    test = test.likes()
    if train is not None:
        check_interactions("train", train)
        given, train = train, train.likes()
    table = _read(frame, test)
    known_items = test.items if train is None else train.items
    items, places = _number_items(table["item"], known_items)
    tested = test.by_user.with_pairs
    place_of = np.full(len(test.users) + 1, -1)
    place_of[tested] = np.arange(len(tested))
    who = place_of[test.users.find(table["user"])]  # -1 finds the last, which is -1 too
    _check_shared(table, who >= 0, places < len(known_items), test)
    measuring = ListMeasurer(asked, _make_background(train, test, items, item_features), len(items))
    # For auc a list counts in full, because every listed item is ranked.
    with_auc = train is not None and any(isinstance(metric, AUC) for metric in asked)
    longest = len(items) if with_auc else measuring.longest
    lists, counts = _fill_lists(table, who, places, len(tested), len(items), longest)
    held_out = rows_of_items(test, items)
    user_ids = test.users.take(tested)
    known, reachable, n_unknown_items = np.ones(len(tested), bool), None, 0
    if train is not None:
        rows = train.users.find_among(user_ids, train.by_user.has_pairs)
        known = rows >= 0
        if with_auc:
            hidden = given if hides_zeros else train
            of_hidden = hidden.users.find_among(user_ids, hidden.by_user.has_pairs)
            reachable = _count_reachable(hidden, items, of_hidden, lists, held_out, tested)
        item_rows = train.items.find_among(test.items.ids, train.by_item.has_pairs)
        n_unknown_items = int(np.count_nonzero(item_rows[test.by_user.indices] < 0))
    return Evaluation(
        metrics=asked,
        values=measuring.add(ListBatch(lists, counts, held_out, tested, reachable)),
        users=user_ids,
        known=known,
        n_without_test=table["user"].filter(pl.Series(who < 0)).n_unique() if who.min(initial=0) < 0 else 0,
        n_skipped=0,
        n_unknown_items=n_unknown_items,
        n_left_out=0,
        n_rated=np.zeros(len(tested), np.int64),
        n_unrated=0,
        frame_kind=test.frame_kind,
        overall=measuring.overall,
        n_without_list=int(np.count_nonzero(counts == 0)),
    )


def _check_metrics(metrics: Sequence[Metric], train: Interactions | None, features: Features | None) -> None:
    for metric in metrics:
        if isinstance(metric, RatingMetric):
            raise NotSupportedError(f"{metric} compares ratings, and lists hold none: evaluate the model itself")
        if metric.needs_train and train is None and not (metric.takes_features and features is not None):
            also = ", or item_features" if metric.takes_features else ""
            raise ValueError(f"{metric} needs the training pairs: pass train={also}")


def _check_shared(table: pl.DataFrame, is_tested: Flags, is_known: Flags, test: Interactions) -> None:
    """Raise DataError where lists and test part share no user or no item: all figures would be 0.

    is_tested, is_known : bool, (rows,): whether the user of a row is tested, and whether its item is known
    """
    if table.is_empty():
        raise DataError("the frame has no row, so there is no list to measure")
    if not is_tested.any():
        theirs, ours = table["user"], test.users.take(np.unique(test.row_of_pair()))
    elif not is_known.any() and not (test.items.find(table["item"]) >= 0).any():
        theirs, ours = table["item"], test.items.take(np.unique(test.by_user.indices))
    else:
        return
    listed, tested = (name_some(ids.unique().sort().head(2)) for ids in (theirs, ours))
    raise DataError(f"the lists have no {theirs.name} of the test part: they have {listed}, it has {tested}")


def _read(frame: Any, test: Interactions) -> pl.DataFrame:
    """Return the columns user, item and order, lowest first; without order where the frame has no rank and score."""
    user, item = test.columns.user, test.columns.item
    table = to_polars(frame, [user, item], optional=["rank", "score"])
    columns = [check_ids(table[name], name).alias(alias) for name, alias in ((user, "user"), (item, "item"))]
    by = next((name for name in ("rank", "score") if name in table.columns), None)
    if by is not None:
        order = table[by]
        if not order.dtype.is_numeric():
            raise DataError(f"column {by!r} orders the lists and must hold numbers, got {order.dtype}: cast it first")
        if order.dtype.is_float():
            order = order.fill_nan(None)
        if order.null_count():
            raise DataError(
                f"column {by!r} has no number in {name_rows(order.is_null().arg_true())}: drop these rows, or drop the "
                "column if the rows are in order"
            )
        columns.append((order if by == "rank" else -order.cast(pl.Float64)).alias("order"))
    return pl.DataFrame(columns)


def _number_items(items: pl.Series, known: IdMap) -> tuple[IdMap, RowNumbers]:
    """Return the known items followed by the other listed items, and the row of each listed item."""
    rows = known.find(items)
    if not (rows < 0).any():
        return known, rows
    more = known.extend(IdMap(items.filter(pl.Series(rows < 0)).unique(maintain_order=True), known.name))
    return more, more.find(items)


def _fill_lists(
    table: pl.DataFrame, who: RowNumbers, items: RowNumbers, n_lists: int, n_items: int, longest: int
) -> tuple[npt.NDArray[np.int32], RowNumbers]:
    """Return the lists as int32 (n_lists, places), -1 where there is no item, and how many places are filled.

    who : the list of each row of the table, -1 for none

    Raises DataError where an item is in a list twice.
    """
    order = table["order"].cast(pl.Float64).to_numpy() if "order" in table.columns else np.zeros(len(table))
    rows_of_list = np.bincount(who + 1, minlength=n_lists + 1)[1:]
    width = min(longest, int(rows_of_list.max(initial=0)))
    ask_for_lists(n_lists, width)
    lists = np.empty((n_lists, width), np.int32)

    def place(rows: RowNumbers | slice) -> int:
        lists[:] = -1
        counts, seen = np.zeros(n_lists, np.int64), np.zeros(n_items, np.int64)
        return int(place_rows(who[rows], items[rows], order[rows], lists, counts, seen))

    best_first = np.arange(len(table))
    found = place(slice(None))
    if found == UNORDERED:
        best_first = np.lexsort((order, who))
        found = place(best_first)
    if found != PLACED:
        again = best_first[found]
        rows = np.flatnonzero((who == who[again]) & (items == items[again]))
        raise DataError(
            f"{table['item'][int(again)]!r} is twice in the list of {table['user'][int(again)]!r}, in "
            f"{name_rows(rows)}: drop the second"
        )
    return lists, np.minimum(rows_of_list, longest)


def _make_background(
    train: Interactions | None, test: Interactions, items: IdMap, features: Features | None
) -> Background:
    check_features("item_features", features)
    if train is None:
        popularity, n_users = np.zeros(len(items), np.int64), 0
    else:
        train = train.extend(train.users, items)
        popularity, n_users = train.by_item.counts, train.n_users

    def traits() -> tuple[Rows, int]:
        if features is not None:
            return features.align(items), features.n_features
        assert train is not None  # diversity asks for one of them
        return mark_owners(train)

    return Background(np.flatnonzero(popularity), popularity, n_users, traits, lambda: ids_of_rows(test, items))


def _count_reachable(
    train: Interactions,
    items: IdMap,
    rows: RowNumbers,
    lists: npt.NDArray[np.int32],
    held_out: Rows,
    tested: RowNumbers,
) -> RowNumbers:
    """Count, for each user, the items of the whole ranking and the test items in it, as `count_reachable_items`.

    The ranking is the catalogue without the seen items, plus all listed items.
    """
    catalogue = train.by_item.with_pairs
    counts = count_reachable_items(catalogue, len(items), Hidden(train.by_user, rows), held_out, tested)
    listed, place = np.nonzero(lists >= 0)
    shown = lists[listed, place]
    seen = _is_in(train.by_user, rows[listed], shown)
    beside = seen | ~np.isin(shown, catalogue)
    counts[:, 0] += np.bincount(listed[beside], minlength=len(tested))
    found = beside & _is_in(held_out, tested[listed], shown)
    counts[:, 1] += np.bincount(listed[found], minlength=len(tested))
    return counts


def _is_in(pairs: Rows, rows: RowNumbers, items: npt.NDArray[np.int32]) -> Flags:
    """Tell for each item whether it is in its row of the pairs; row -1 has none."""
    n = 1 + max(int(pairs.indices.max(initial=0)), int(items.max(initial=0)))
    keys = np.repeat(np.arange(len(pairs.indptr) - 1), pairs.counts) * n + pairs.indices  # ascending
    asked = rows * n + items
    found: Flags = np.append(keys, -1)[np.searchsorted(keys, asked)] == asked
    return found & (asked >= 0)
