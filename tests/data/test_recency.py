"""The order of histories: by time, then by input order, whatever is done to interactions."""

from __future__ import annotations

import pickle
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=25)


def read(rows: list[tuple[int, int, int]], *, timed: bool = True) -> Interactions:
    frame = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    return Interactions.from_frame(frame.select(frame.columns if timed else ["user", "item"]), **USES[timed])


USES: dict[bool, dict[str, Any]] = {True: {"time": "time", "duplicates": "last"}, False: {"duplicates": "last"}}


def tell(data: Interactions) -> dict[int, list[int]]:
    """Return each user's items, the newest first, as `recency` says."""
    newest_first = np.lexsort((data.recency.position, data.row_of_pair()))
    told = defaultdict[int, list[int]](list)
    for row, column in zip(data.row_of_pair()[newest_first], data.matrix.indices[newest_first], strict=True):
        told[data.users[int(row)]].append(data.items[int(column)])
    return told


def expect(rows: list[tuple[int, int, int]], *, timed: bool = True) -> dict[int, list[int]]:
    """Return each user's items, the newest first: sorted by time, ties by place; of a repeated pair the last counts."""
    last = {(user, item): (time if timed else 0, place) for place, (user, item, time) in enumerate(rows)}
    told = defaultdict[int, list[int]](list)
    for user, item in sorted(last, key=last.__getitem__, reverse=True):
        told[user].append(item)
    return told


@given(ROWS, st.booleans())
def test_the_newest_is_the_latest_and_of_equal_times_the_last_in_the_file(rows: Any, timed: bool) -> None:
    data = read(rows, timed=timed)
    assert tell(data) == expect(rows, timed=timed)
    position, time = data.recency
    assert (position.dtype, position.shape) == (np.int32, (len(data),))
    assert (time is not None) == timed
    assert tell(pickle.loads(pickle.dumps(data))) == tell(data)


@given(ROWS, st.integers(0, 3))
def test_the_order_stays_whatever_is_done(rows: Any, n_left_out: int) -> None:
    data = read(rows)
    whole = expect(rows)
    for same in (data.binarize(), data.log2(), data.divide(2), data.likes(), data.copy(), data.compact(), data.core()):
        assert tell(same) == whole
        assert same.time is not None
    longer = data.extend(data.users.extend(IdMap([99])), data.items.extend(IdMap([99])))
    turned, _ = data.align(IdMap(list(data.users)[::-1]), IdMap(list(data.items)[::-1]))
    assert tell(longer) == tell(turned) == whole
    kept = [row for row in rows if row[1] > n_left_out]
    if kept:
        some = data.pick(data.to_frame("polars")["item"].to_numpy() > n_left_out)
        assert tell(some) == expect(kept)


@given(ROWS, ROWS)
def test_merged_pairs_have_the_later_time_and_the_news_come_last(rows: Any, more: Any) -> None:
    merged = read(rows).merge(read(more))
    # The news of a pair come behind, with the later of both times.
    time = {
        (user, item): when for user, item, when in read(rows).to_frame("polars").select("user", "item", "time").rows()
    }
    news = read(more).to_frame("polars").select("user", "item", "time").rows()
    late = [(user, item, max(when, time.get((user, item), when))) for user, item, when in news]
    both = [
        row
        for row in read(rows).to_frame("polars").select("user", "item", "time").rows()
        if row[:2] not in {one[:2] for one in late}
    ]
    assert tell(merged) == expect(both + late)
    assert sorted(merged.to_frame("polars").select("user", "item", "time").rows()) == sorted(both + late)
    assert merged.columns.time == "time"


def test_without_times_on_one_side_there_are_none() -> None:
    timed, plain = read([(1, 1, 5)]), read([(1, 2, 0)], timed=False)
    for merged in (timed.merge(plain), plain.merge(timed)):
        assert (merged.time, merged.time_type, merged.columns.time) == (None, None, None)
        assert merged.to_frame("polars").columns == ["user", "item", "weight"]


def when(*times: Any, items: Any = None) -> Interactions:
    given = list(range(len(times))) if items is None else items
    return Interactions.from_frame({"user": [1] * len(times), "item": given, "time": times}, time="time")


SECOND, NIGHT = 1_700_000_000, datetime(2020, 1, 1)


@pytest.mark.parametrize(
    ("known", "news", "merged"),
    [
        (when(SECOND), when(datetime.fromtimestamp(SECOND + 5, UTC), items=[9]), [SECOND, SECOND + 5]),
        (
            when(1000 * SECOND),
            when(datetime.fromtimestamp(SECOND + 5, UTC), items=[9]),
            [1000 * SECOND, 1000 * SECOND + 5000],
        ),
        (
            when(date(2020, 1, 1)),
            when(datetime(2020, 1, 1, 8), items=[9]),
            [datetime(2020, 1, 1), datetime(2020, 1, 1, 8)],
        ),
        (when(datetime(2020, 1, 1)), when(date(2020, 1, 2), items=[9]), [datetime(2020, 1, 1), datetime(2020, 1, 2)]),
        (
            when(datetime(2023, 11, 14, tzinfo=UTC)),
            when(SECOND, items=[9]),
            [datetime(2023, 11, 14, tzinfo=UTC), datetime.fromtimestamp(SECOND, UTC)],
        ),
        (when(3), when(2.5, items=[9]), [3.0, 2.5]),
        (when(SECOND), when(7, items=[9]), [SECOND, 7]),
    ],
)
def test_times_of_another_unit_are_put_into_that_of_the_known(known: Any, news: Any, merged: list[Any]) -> None:
    assert known.merge(news).to_frame("polars")["time"].to_list() == merged


@pytest.mark.parametrize(
    ("known", "news", "message"),
    [
        (when(SECOND), when(1000 * SECOND), "the times are milliseconds since 1970, and those known are seconds since"),
        (when(7), when(date(2020, 1, 1)), "the times are dates, and those known are numbers of an unknown unit: bring"),
        (when(date(2020, 1, 1)), when(7), "the times are numbers of an unknown unit, and those known are dates"),
    ],
)
def test_units_that_do_not_fit_are_refused(known: Any, news: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        known.merge(news)


def test_weights_halve_with_every_half_life() -> None:
    data = Interactions.from_frame(
        {"user": [1, 1, 2, 2], "item": [1, 2, 1, 3], "weight": [4.0, 4.0, 3.0, 0.0], "time": [10, 20, 40, 0]},
        weight="weight",
        time="time",
    )
    faded = data.decay(10)
    assert faded.to_frame("polars")["weight"].to_list() == [0.5, 1, 3, 0]
    assert data.decay(10, now=50).to_frame("polars")["weight"].to_list() == [0.25, 0.5, 1.5, 0]
    assert faded.time is data.time or np.array_equal(faded.time, data.time)
    assert (data.decay(1e-9).matrix.data > 0).tolist() == [True, True, True, False]
    assert np.array_equal(data.decay(1e300).matrix.data, data.matrix.data)


@pytest.mark.parametrize("half_life", ["1d", "24h", "1440m", timedelta(days=1)])
def test_a_half_life_has_a_unit_where_times_have_one(half_life: Any) -> None:
    for times in ([NIGHT, NIGHT + timedelta(days=2)], [date(2020, 1, 1), date(2020, 1, 3)], [SECOND, SECOND + 172_800]):
        assert when(*times).decay(half_life).matrix.data.tolist() == [0.25, 1]
    assert when(SECOND, SECOND + 2).decay(1).matrix.data.tolist() == [0.25, 1]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (read([(1, 1, 0)], timed=False), {"half_life": 1}, "decay needs times: pass time= to from_frame"),
        (when(5, 7, 9), {"half_life": 1, "now": 6}, "2 of 3 pairs are after now, the latest of 9: pass a later now"),
        (when(SECOND), {"half_life": 1, "now": "2020-01-01"}, "1 of 1 pairs are after now, the latest of 2023-11-14"),
        (when(5), {"half_life": 0}, "half_life must be above 0 and finite, got 0"),
        (when(5), {"half_life": "1d"}, "half_life must be a number, because the times are numbers of an unknown unit"),
        (when(NIGHT), {"half_life": 7}, "half_life must be such as '30d', because the times are dates, got 7"),
        (when(NIGHT), {"half_life": "1d", "now": 7}, "now must be a date, a datetime or an ISO string as the times"),
    ],
)
def test_what_cannot_fade_is_refused(data: Interactions, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.decay(**options)
