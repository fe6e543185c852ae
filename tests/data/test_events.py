from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemap as tm
from tastemap.data.events import Event, parse_event, read_moment, tabulate, tell_time, write_event
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError, ParameterError, TastemapWarning
from tastemap.files.journal import Journal

NOON = 1_795_867_200_000_000  # 2026-11-28T12:00:00Z in microseconds


def write(folder: Path, *events: dict[str, Any]) -> Path:
    """Append events to a journal, at noon where they have no time, and return its folder."""
    journal = Journal(folder)
    journal.append([write_event(parse_event(event, now=NOON)) for event in events])
    journal.close()
    return folder


def pairs(data: Interactions) -> dict[tuple[Any, Any], float]:
    rows = data.to_frame("polars").select(data.columns.user, data.columns.item, data.columns.weight).rows()
    return {(user, item): weight for user, item, weight in rows}


# One event


def test_an_event_is_read_from_a_line_and_from_an_object() -> None:
    line = b'{"user": 4, "item": "260", "weight": 1, "time": "2026-11-28T12:00:00Z", "page": "home"}'
    event = parse_event(line)
    assert event == Event("4", "260", 1.0, NOON, {"page": "home"})
    assert parse_event(json.loads(line)) == event
    assert write_event(event) == (
        b'{"user": "4", "item": "260", "weight": 1.0, "time": "2026-11-28T12:00:00Z", "page": "home"}'
    )


def test_what_is_not_said_has_a_usual_value() -> None:
    assert parse_event({"user": "a", "item": "b"}, now=NOON) == Event("a", "b", None, NOON, {})
    before = datetime.now(UTC)
    event = parse_event({"user": "a", "item": "b", "weight": None, "time": None}, now=tell_time())
    assert before - timedelta(milliseconds=1) <= datetime.fromtimestamp(event.time / 1e6, UTC) <= datetime.now(UTC)
    assert b"weight" not in write_event(event)


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-28T12:00:00Z",
        "2026-11-28 12:00:00",
        "2026-11-28T13:00:00+01:00",
        "2026-11-28T12:00:00.000000",
        1_795_867_200,
        1_795_867_200.0,
        datetime(2026, 11, 28, 13, tzinfo=timezone(timedelta(hours=1))),
        datetime(2026, 11, 28, 12),
    ],
)
def test_times_are_spelled_in_several_ways(time: object) -> None:
    assert read_moment(time) == NOON


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"x", "an event must be a JSON object, got 'x'"),
        (b"[1]", "an event must be a JSON object, got [1]"),
        (b"\xff", "an event must be a JSON object, got '\ufffd'"),
        (b"[" * 100_000, "an event must be a JSON object, got"),
        (b'{"user": 1, "item": 2, "weight": NaN, "time": 1}', "an event must be a JSON object"),
        (b'{"item": 2, "time": 1}', "the event has no 'user'"),
        (b'{"user": 1, "item": null, "time": 1}', "the event has no 'item'"),
        (b'{"user": 1, "item": 2}', "the event has no 'time'"),
        (b'{"user": true, "item": 2, "time": 1}', "the user of an event must be a text or a whole number, got True"),
        (b'{"user": 1, "item": 2.5, "time": 1}', "the item of an event must be a text or a whole number, got 2.5"),
        (b'{"user": 1, "item": " ", "time": 1}', "the item of an event must be a text or a whole number, got ' '"),
        (b'{"user": 1, "item": [2], "time": 1}', "the item of an event must be a text or a whole number, got [2]"),
        (b'{"user": 1, "item": "\\ud800", "time": 1}', "the item of an event must be a text or a whole number, got"),
        (
            b'{"user": 1, "item": 2, "weight": -1, "time": 1}',
            "the weight of an event must be 0 or a number from 1.2e-38 to 3.4e+38, got -1",
        ),
        (b'{"user": 1, "item": 2, "weight": "1", "time": 1}', "the weight of an event must be 0 or a number"),
        (b'{"user": 1, "item": 2, "weight": true, "time": 1}', "the weight of an event must be 0 or a number"),
        (b'{"user": 1, "item": 2, "weight": 1e99, "time": 1}', "the weight of an event must be 0 or a number"),
        (b'{"user": 1, "item": 2, "weight": 1e-50, "time": 1}', "the weight of an event must be 0 or a number"),
        (
            b'{"user": 1, "item": 2, "time": "noon"}',
            "the time of an event must be such as 2026-11-28T12:00:00Z or seconds since 1970, got 'noon'",
        ),
        (b'{"user": 1, "item": 2, "time": 1795867200000}', "seconds since 1970, got 1795867200000"),  # milliseconds
        (b'{"user": 1, "item": 2, "time": 1e999}', "seconds since 1970, got inf"),
        (b'{"user": 1, "item": 2, "time": true}', "seconds since 1970, got True"),
    ],
)
def test_what_is_no_event_is_refused_in_a_sentence(line: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=re.escape(sentence)) as caught:
        parse_event(line)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="line 1 of the file: "):
        tabulate(line + b"\n", "the file")


ids = st.one_of(st.text(min_size=1).filter(str.strip), st.integers())
events = st.builds(
    Event,
    user=ids.map(str),
    item=ids.map(str),
    weight=st.one_of(st.none(), st.just(0.0), st.floats(1e-30, 1e30)),
    time=st.integers(-(10**16), 10**17),
    more=st.dictionaries(st.text(min_size=5), st.one_of(st.text(), st.lists(st.integers()))),
)


@given(st.lists(events, max_size=8))
def test_events_come_back_as_they_were_written(written: list[Event]) -> None:
    lines = [write_event(event) for event in written]
    assert not any(b"\n" in line for line in lines)
    assert [parse_event(line) for line in lines] == written
    table = tabulate(b"".join(line + b"\n" for line in lines), "lines")
    rows = table.with_columns(pl.col("time").dt.epoch("us")).rows()
    assert rows == [event[:4] for event in written]


TIMES = ["2026-11-28T12:00:00.5Z", "2026-11-28T13:00+01:00", "0000-01-01T00:00:00Z", "2026-2-3T4:5:6Z"]
# Of the numbers with a fraction, polars gives whole ones as whole: 4.0 as an id is 4.
ODD = st.one_of(
    st.sampled_from(["", " ", "007", "NA", "true", "{x", "12", *TIMES, "2026-02-30T00:00:00Z", 2**63, 2.5, 1e300]),
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers(), max_size=1),
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(["user", "item", "weight", "time"], ODD)))
def test_many_lines_are_read_as_one_is(odd: dict[str, Any]) -> None:
    line = json.dumps({"user": "u", "item": 3, "weight": 1.0, "time": "2026-11-28T12:00:00Z", **odd}).encode()
    try:
        expected = [parse_event(line)[:4]]
    except DataError:
        with pytest.raises(DataError):
            tabulate(line + b"\n", "a line")
    else:
        assert tabulate(line + b"\n", "a line").with_columns(pl.col("time").dt.epoch("us")).rows() == expected


def test_lines_in_other_spellings_are_read_too() -> None:
    lines = (
        b'{"time": 12.5, "item": 7, "user": "true"}\n\n{"user": "{a", "item": " b", "time": "2026-11-28T13:00+01:00"}\n'
    )
    table = tabulate(lines, "lines")
    assert table["user"].to_list() == ["true", "{a"]
    assert table["item"].to_list() == ["7", " b"]
    assert table["weight"].to_list() == [None, None]
    assert table["time"].dt.epoch("us").to_list() == [12_500_000, NOON]


# Interactions


def test_the_last_event_of_a_pair_counts(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"user": 4, "item": 10, "weight": 2, "time": 300},
        {"user": 4, "item": 10, "weight": 3, "time": 100},
        {"user": 4, "item": 20, "time": 200},
    )
    write(
        tmp_path, {"user": "9", "item": 20, "weight": 1, "time": 50}, {"user": 9, "item": 20, "weight": 0, "time": 50}
    )
    data = Interactions.from_events(tmp_path)
    assert pairs(data) == {(9, 20): 0, (4, 20): 1, (4, 10): 2}
    assert (
        data.columns
        == tm.Interactions.from_frame(
            {"user": [1], "item": [1], "weight": [1], "time": [1]}, weight="weight", time="time"
        ).columns
    )
    assert data.to_frame("polars")["time"].dt.epoch("s").to_list() == [50, 200, 300]
    assert pairs(Interactions.from_events(tmp_path, duplicates="sum")) == {(4, 10): 5, (9, 20): 1, (4, 20): 1}
    assert pairs(Interactions.from_events(tmp_path, zeros="negatives")) == {(4, 20): 1, (4, 10): 2}
    with pytest.raises(DataError, match="user 9 and item 20 come together in rows 0, 1"):
        Interactions.from_events(tmp_path, duplicates="error")


def test_events_before_a_moment_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"user": 1, "item": 1, "time": "2026-11-28T11:59:59Z"}, {"user": 2, "item": 2})
    for since in ("2026-11-28T12:00:00Z", "2026-11-28 12:00", 1_795_867_200, datetime(2026, 11, 28, 12)):
        assert pairs(Interactions.from_events(tmp_path, since=since)) == {(2, 2): 1}
    assert len(Interactions.from_events(tmp_path, since="2026-11-28")) == 2
    with pytest.raises(DataError, match="holds no event since 2027-01-01"):
        Interactions.from_events(tmp_path, since="2027-01-01")
    with pytest.raises(ParameterError, match="since must be a time such as 2026-11-28T12:00:00Z, got 'today'"):
        Interactions.from_events(tmp_path, since="today")


def test_ids_are_numbers_where_all_are_spelled_so(tmp_path: Path) -> None:
    write(tmp_path, {"user": "7", "item": "NA"}, {"user": 8, "item": 3})
    assert pairs(Interactions.from_events(tmp_path)) == {(7, "NA"): 1, (8, "3"): 1}


def make(ids: Iterable[object], weights: list[float] | None = None) -> Interactions:
    ids = list(ids)
    return Interactions.from_frame({"user": ids, "item": ids, "weight": weights or [5.0] * len(ids)}, weight="weight")


def test_ids_take_the_type_of_those_known(tmp_path: Path) -> None:
    write(tmp_path, {"user": 1, "item": "2"})
    assert pairs(Interactions.from_events(tmp_path, like=make(["a", "b"]))) == {("1", "2"): 1}
    write(tmp_path, {"user": "x", "item": 2}, {"user": 1, "item": "007"}, {"user": 1, "item": 2**70})
    told = (
        "3 of 4 events have user or item ids that are not whole numbers, as those known are, such as 'x', and are left"
    )
    with pytest.warns(TastemapWarning, match=told):
        assert pairs(Interactions.from_events(tmp_path, like=make([1, 2]))) == {(1, 2): 1}
    assert len(Interactions.from_events(tmp_path, like=make(["a", "b"]))) == 4
    odd = write(tmp_path / "odd", {"user": 1, "item": "y"})
    with pytest.raises(DataError, match="1 of 1 events have item ids that are not whole numbers"):
        Interactions.from_events(odd, like=make([1, 2]))


def test_weights_go_through_what_those_known_went_through(tmp_path: Path) -> None:
    write(tmp_path, *({"user": 1, "item": item, "weight": w} for item, w in enumerate([0, 3, 4, None, 7])))
    known = make([1, 2], [4, 7])

    def read(like: Interactions) -> list[float]:
        data = Interactions.from_events(tmp_path, like=like)
        assert data.find_lacking(like.columns) == ()
        return list(pairs(data).values())

    assert read(known) == [0, 3, 4, 1, 7]
    assert read(known.log2()) == [0, 2, pytest.approx(2.321928), 1, 3]
    assert read(known.binarize()) == [0, 1, 1, 1, 1]
    assert read(known.at_least(4)) == [0, 0, 4, 4, 7]  # no weight: a like
    assert read(known.at_least(4).binarize()) == [0, 0, 1, 1, 1]
    assert read(known.at_least(0.5)) == [0, 3, 4, 1, 7]
    with pytest.raises(DataError, match=r"like takes tastemap.Interactions, got Popular"):
        read(tm.Popular().fit(known))  # type: ignore[arg-type]


def test_a_bad_line_is_named_by_its_file_and_number(tmp_path: Path) -> None:
    write(tmp_path, {"user": 1, "item": 1})
    (tmp_path / "events-x.jsonl").write_text('{"user": 1, "item": 2, "time": 5}\n{"user": 1}\ntorn')
    with pytest.raises(DataError) as caught:
        Interactions.from_events(tmp_path)
    assert (
        str(caught.value) == f"line 2 of {tmp_path}/events-x.jsonl: the event has no 'time': correct it or take it out"
    )
    (tmp_path / "events-x.jsonl").write_text('{"user": 1, "item": 2, "time": 5}\ntorn')
    assert len(Interactions.from_events(tmp_path)) == 2


def test_a_folder_without_events_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no journal of events yet$"):
        Interactions.from_events(tmp_path)
    with pytest.raises(DataError, match=r"none holds no journal of events$"):
        Interactions.from_events(tmp_path / "none")
    (tmp_path / "events-1.jsonl").write_text("torn")
    with pytest.raises(DataError, match=r"holds no journal of events yet$"):
        Interactions.from_events(tmp_path)


def test_a_journal_is_no_file(tmp_path: Path) -> None:
    write(tmp_path, {"user": 1, "item": 1})
    with pytest.raises(DataError, match="is a journal of events: read it with from_events"):
        Interactions.from_file(tmp_path)
