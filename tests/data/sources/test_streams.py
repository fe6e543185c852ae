"""Rows that come a part at a time: files of a folder, readers and iterators."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

import tastemap as tm
from tastemap.data.sources import files, streams
from tastemap.errors import DataError, TastemapError

ROWS = pl.DataFrame({"user": ["b", "a", "b", "c"], "item": [7, 7, 9, 7], "weight": [1.0, 2.0, 0.5, 4.0]})


def read(frame: Any, **options: Any) -> list[tuple[Any, ...]]:
    return tm.Interactions.from_frame(frame, weight="weight", **options).to_frame("polars").rows()  # type: ignore[no-any-return]


def write_parts(folder: Path) -> Path:
    for year in (2011, 2012):
        (folder / f"year={year}").mkdir(parents=True)
        half = ROWS[:2] if year == 2011 else ROWS[2:]
        half.write_parquet(folder / f"year={year}" / "part-0.parquet")
    (folder / "_SUCCESS").touch()
    return folder


@pytest.mark.parametrize("n_rows", [1, 3, 100])
@pytest.mark.parametrize("kind", ["iterator", "list", "lazy", "arrow reader", "relation", "dicts"])
def test_frames_one_after_the_other_are_as_one(kind: str, n_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "ROWS", n_rows)
    halves = [ROWS[:1], ROWS[1:]]
    with duckdb.connect() as connection:
        connection.register("rows", ROWS.to_arrow())
        frame: dict[str, Any] = {
            "iterator": iter(halves),
            "list": halves,
            "lazy": ROWS.lazy(),
            "arrow reader": pa.Table.to_reader(ROWS.to_arrow(), n_rows),
            "relation": connection.sql("select * from rows"),
            "dicts": (half.to_dict(as_series=False) for half in halves),
        }
        assert read(frame[kind]) == ROWS.rows()


def test_what_a_stream_says_is_read_once_and_let_go() -> None:
    asked = []

    def give() -> Iterator[pl.DataFrame]:
        for start in range(4):
            asked.append(start)
            yield ROWS[start : start + 1]

    assert read(give()) == ROWS.rows()
    assert asked == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"user": ["x", None], "item": [1, 2]}, "column 'user' has no id in row 5: pass drop_nulls=True"),
        ({"user": ["x", "NA"], "item": [1, 2]}, "column 'user' has no id in row 5, but 'NA'"),
        ({"user": ["x", "y"], "item": [1, None]}, "column 'item' has no id in row 5"),
        ({"user": ["x", "y"], "item": ["1", "2"]}, "column 'item' holds String values from row 4 on, such as '1', and"),
        ({"user": ["x", "y"], "item": [1, 2], "weight": [1.0, float("nan")]}, "not finite, nan in row 5"),
        ({"user": ["x", "y"], "item": [1, 2], "weight": [1.0, -2.0]}, "negative weights, -2 in row 5"),
        ({"user": ["x", "y"], "item": [1, 2], "weight": [None, 2.0]}, "column 'weight' has no weight in row 4"),
        ({"user": ["b", "y"], "item": [7, 2]}, "user 'b' and item 7 come together in rows 0, 4"),
        ({"who": ["b", "y"], "item": [7, 2]}, "there is no column 'user', only 'weight', 'who', 'item'"),
    ],
)
def test_a_mistake_in_a_later_part_is_told_with_its_row(second: dict[str, Any], message: str) -> None:
    frames = [ROWS, pl.DataFrame({"weight": [1.0, 1.0], **second}, strict=False)]
    with pytest.raises(DataError) as caught:
        read(iter(frames))
    assert message in str(caught.value)


def test_times_are_of_one_kind_in_all_parts() -> None:
    parts = [
        pl.DataFrame({"user": [1], "item": [1], "time": [5]}),
        pl.DataFrame({"user": [2], "item": [1], "time": [0.5]}),
    ]
    with pytest.raises(DataError, match="column 'time' holds Float64 values from row 1 on, and Int64 values before"):
        tm.Interactions.from_frame(parts, time="time")


def test_days_and_months_of_texts_are_told_by_all_parts() -> None:
    parts = [
        pl.DataFrame({"user": [1], "item": [1], "time": ["03/04/2011"]}),
        pl.DataFrame({"user": [2], "item": [1], "time": ["25/04/2011"]}),
    ]
    data = tm.Interactions.from_frame(parts, time="time")
    assert [str(time.date()) for time in data.to_frame()["time"]] == ["2011-04-03", "2011-04-25"]


def test_null_rows_may_fill_a_part() -> None:
    parts = [ROWS.with_columns(user=pl.lit(None, pl.String)), ROWS]
    assert read(parts, drop_nulls=True) == ROWS.rows()
    with pytest.raises(DataError, match="no row is left: each lacks a value in 'user'"):
        read(parts[:1], drop_nulls=True)


def test_ids_of_two_signs_are_numbered_where_they_fit() -> None:
    signed, huge = pl.Series([3, -1]), pl.Series([2**63, 3], dtype=pl.UInt64)
    small = pl.Series([3, 9], dtype=pl.UInt64)
    frames = [pl.DataFrame({"user": ids, "item": [1, 2]}) for ids in (signed, small)]
    assert tm.Interactions.from_frame(frames, duplicates="last").users.ids.to_list() == [3, -1, 9]
    frames[0] = frames[0][:1]
    assert tm.Interactions.from_frame(
        [*frames[:1], pl.DataFrame({"user": huge, "item": [5, 6]})]
    ).users.ids.to_list() == [3, 2**63]
    with pytest.raises(DataError, match="holds UInt64 values from row 2 on, such as 9223372036854775808, and Int64"):
        tm.Interactions.from_frame([pl.DataFrame({"user": ids, "item": [1, 2]}) for ids in (signed, huge)])


def test_known_ids_are_kept_and_others_refused() -> None:
    known = tm.Interactions.from_frame(ROWS, weight="weight").users
    assert tm.Interactions.from_frame([ROWS[2:], ROWS[:2]], users=known).users is known
    with pytest.raises(TastemapError, match="1 of 1 user"):
        tm.Interactions.from_frame([ROWS, pl.DataFrame({"user": ["z"], "item": [1]})], users=known)


@pytest.mark.parametrize("pattern", ["", "*/*.parquet", "**/*.parquet"])
def test_a_folder_of_parquet_is_read_as_one_file(pattern: str, tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "orders")
    data = tm.Interactions.from_file(folder / pattern if pattern else folder, weight="weight")
    assert data.to_frame().rows() == ROWS.rows()


def test_the_names_of_folders_hold_a_column(tmp_path: Path) -> None:
    data = tm.Interactions.from_file(write_parts(tmp_path / "orders"), weight="weight", time="year")
    assert data.to_frame()["year"].to_list() == [2011, 2011, 2012, 2012]


def test_later_files_may_have_more_columns_and_narrower_numbers(tmp_path: Path) -> None:
    ROWS[:2].write_parquet(tmp_path / "a.parquet")
    ROWS[2:].with_columns(pl.col("item").cast(pl.Int16), more=pl.lit("x")).write_parquet(tmp_path / "b.parquet")
    assert tm.Interactions.from_file(tmp_path, weight="weight").to_frame().rows() == ROWS.rows()


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (ROWS.rename({"user": "who"}), "cannot read .*: .*user"),
        (ROWS.with_columns(pl.lit(1).alias("user")), "cannot read .*: data type mismatch for column user"),
        (None, "cannot read .*: parquet: File out of specification"),
    ],
)
def test_a_later_file_that_does_not_fit_is_one_sentence(
    later: pl.DataFrame | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ROWS.write_parquet(tmp_path / "a.parquet")
    (ROWS if later is None else later).write_parquet(tmp_path / "b.parquet")
    file = files.open_file(tmp_path)
    if later is None:
        (tmp_path / "b.parquet").write_bytes(b"PAR1PAR1PAR1")  # after its place was found
    with pytest.raises(DataError, match=message) as caught:
        list(file.read_batches(["user", "item"]))
    assert "\n" not in str(caught.value)


def test_a_file_that_goes_while_it_is_read_is_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        ROWS.write_parquet(tmp_path / f"{name}.parquet")
    both, one = files.open_file(tmp_path), files.open_file(tmp_path / "b.parquet")
    (tmp_path / "b.parquet").unlink()
    for file in (both, one):
        with pytest.raises(DataError, match="has gone since reading began"):
            list(file.read_batches(["user", "item"]))


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl"])
def test_a_folder_of_texts_is_read_as_one_file(kind: str, tmp_path: Path) -> None:
    import gzip

    for number, half in enumerate((ROWS[:2], ROWS[2:])):
        text = (half.write_ndjson() if kind == "jsonl" else half.write_csv()).encode()
        (tmp_path / f"part-{number}.{kind}").write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    assert tm.Interactions.from_file(tmp_path, weight="weight").to_frame().rows() == ROWS.rows()


def test_ids_are_numbers_where_they_are_in_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item\n1,2\n")
    (tmp_path / "b.csv").write_text("user,item\n007,2\n")
    data = tm.Interactions.from_file(tmp_path)
    assert data.users.ids.to_list() == ["1", "007"]
    assert data.items.ids.to_list() == [2]


@pytest.mark.parametrize("ids", [["1", "2", "30"], ["1", "2", "x"], [1, 2, 30]])
def test_lines_of_json_are_read_in_pieces(ids: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"user": one, "item": n, "weight": n + 0.5} for n, one in enumerate(ids)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + '\n{"item": 7, "weight": 1, "user": 1, "late": 5}\n')
    whole = tm.Interactions.from_file(path, weight="weight")
    monkeypatch.setattr(files, "PIECE", 10)
    pieces = tm.Interactions.from_file(path, weight="weight")
    assert pieces.fingerprint() == whole.fingerprint()
    assert tm.Interactions.from_file(path, user="late", drop_nulls=True).users.ids.to_list() == [5]
    with pytest.raises(DataError, match="no column 'who'"):
        tm.Interactions.from_file(path, user="who", item="item")
    path.write_text(path.read_text() + '{"user": [1], "item": 2}\n')
    with pytest.raises(DataError, match=r"column 'user' holds lists or objects, \[1\] in line 5"):
        tm.Interactions.from_file(path)
    path.write_text(path.read_text() + '{"user": 1, "it')
    with pytest.raises(DataError, match="line 6 is not a whole JSON object"):
        tm.Interactions.from_file(path, user="item", item="weight")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            {"a.csv": "user,item\n1,2\n", "b.parquet": ""},
            "holds files of several kinds, 'csv', 'parquet': name one",
        ),
        ({"a.csv": "user,item\n1,2\n", "b.csv": "x,y\n1,2\n"}, "holds tables of other columns, 'user', 'item' and"),
        ({"a.txt.bak": ""}, "is a folder: pass one of the files in it"),
    ],
)
def test_a_folder_that_is_no_table_is_refused(texts: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        tm.Interactions.from_file(tmp_path)


def test_a_pattern_of_no_file_and_an_address_that_is_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        tm.Interactions.from_file(tmp_path / "*.parquet")
    with pytest.raises(DataError, match="file:///nowhere/x"):
        tm.Interactions.from_file("file:///nowhere/x.parquet")


def test_an_address_of_files_is_read_as_a_path_is(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "rows.parquet")
    data = tm.Interactions.from_file(f"file://{tmp_path}/rows.parquet", weight="weight")
    assert data.to_frame().rows() == ROWS.rows()


def test_a_stream_is_closed_after_a_mistake() -> None:
    closed = []

    def give() -> Iterator[pl.DataFrame]:
        try:
            yield ROWS
            yield ROWS
        finally:
            closed.append(True)

    with pytest.raises(DataError) as caught:
        read(give())
    assert caught.value.facts["pairs"] == 4
    with pytest.raises(TastemapError) as unknown:  # kept, with the frames of its calls
        read(give(), users=["z"])
    assert unknown.tb is not None
    assert closed == [True, True]
