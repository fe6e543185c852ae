from __future__ import annotations

import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tastemap as tm
from tastemap.errors import DataError, TastemapWarning

ROWS = [("ann", "dune", 5.0), ("ann", "it", 3.5), ("bob", "dune", 0.0), ("cy", "emma", 4.0)]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "wide.csv") -> str:
    Path(name).write_text(text)
    return name


def pairs(data: tm.Interactions) -> list[Any]:
    return data.to_frame("polars").rows()


def test_cells_are_weights_and_empty_cells_no_pairs() -> None:
    text = "who,dune,emma,it,unread\nann,5,,3.5,\nbob,0,NA,,\ncy,,4,,\ndan,,,,\n"
    data = tm.Interactions.from_wide(write(text))
    assert pairs(data) == ROWS
    assert (
        data.columns
        == tm.Interactions.from_frame(
            pl.DataFrame(ROWS, ["who", "item", "weight"], orient="row"), user="who", weight="weight"
        ).columns
    )
    assert data.items.ids.to_list() == ["dune", "emma", "it"]
    assert pairs(tm.Interactions.from_wide(write(text), zeros="negatives")) == [ROWS[0], ROWS[1], ROWS[3]]


def test_frames_are_read_as_files() -> None:
    long = pd.DataFrame(ROWS, columns=["user", "item", "weight"])
    wide = long.pivot(index="user", columns="item", values="weight")
    for table in (wide, wide.reset_index(), pl.DataFrame(wide.reset_index().to_dict("list"), strict=False)):
        data = tm.Interactions.from_wide(table)
        assert sorted(pairs(data)) == sorted(ROWS)
        assert data.columns.user == "user"
    wide.to_csv("wide.csv")
    assert sorted(pairs(tm.Interactions.from_wide("wide.csv"))) == sorted(ROWS)
    assert tm.Interactions.from_wide(wide).frame_kind == "pandas"


def test_ids_are_spelled_as_in_long_files() -> None:
    data = tm.Interactions.from_wide(write("u,10,20\n1,5,\n2,,4\n"))
    assert pairs(data) == [(1, 10, 5.0), (2, 20, 4.0)]
    assert pairs(tm.Interactions.from_wide(write("u,10,020\n01,5,\n2,,4\n"))) == [("01", "10", 5.0), ("2", "020", 4.0)]
    assert pairs(tm.Interactions.from_wide(write(";x\n7;5\n"))) == [(7, "x", 5.0)]


def test_the_column_of_users_may_be_named() -> None:
    data = tm.Interactions.from_wide(write("x,who,y\n1,ann,\n,bob,2\n"), user="who")
    assert pairs(data) == [("ann", "x", 1.0), ("bob", "y", 2.0)]


def test_decimal_commas_are_told_once() -> None:
    with pytest.warns(TastemapWarning, match="took the comma in column 'x' as the decimal mark: 4,5 is 4.5") as told:
        data = tm.Interactions.from_wide(write("who;x;y\nann;4,5;3\nbob;;2,5\n"))
    assert len(told) == 1
    assert pairs(data) == [("ann", "x", 4.5), ("ann", "y", 3.0), ("bob", "y", 2.5)]


def test_a_full_table_of_zeros_is_told() -> None:
    with pytest.warns(TastemapWarning, match=r"most are 0, .*: pass zeros='negatives' if 0 says that there is nothing"):
        data = tm.Interactions.from_wide({"user": [1, 2], "a": [0, 1], "b": [0, 0]})
    assert len(data) == 4
    assert pairs(tm.Interactions.from_wide({"user": [1, 2], "a": [0, 1], "b": [0, 0]}, zeros="negatives")) == [
        (2, "a", 1)
    ]


@pytest.mark.parametrize(
    ("text", "options", "problem"),
    [
        ("who,x\nann,5\nbob,4\nann,3\n", {}, "user 'ann' is in rows 0, 2, and in a wide table each has one row: bring"),
        ("who,x,town\nann,5,Rome\n", {}, "column 'town' has what is no number, 'Rome' in row 0, and the cells of a"),
        ("who,x\nann,5\n,4\n", {}, "column 'who' has no id in row 1: pass drop_nulls=True to leave such rows out"),
        ("who,x\nann,5\nbob,-4\n", {}, "column 'x' has negative weights, -4 in row 1: drop these rows, or pass allow"),
        ("who,x\nann,\n", {}, "no cell has a weight: interactions need at least one"),
        ("who\nann\n", {}, "a wide table has a column of users and one for every item, and this has 1"),
        ("who,x\nann,5\n", {"user": "user"}, "there is no column 'user' of users: leave it out to take the first"),
        ("who,x,\nann,5,1\n", {}, "a column of weights has no name, which is the id of an item: name it"),
    ],
)
def test_what_is_no_wide_table_is_refused(text: str, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(DataError) as caught:
        tm.Interactions.from_wide(write(text), **options)
    assert problem in str(caught.value)


def test_rows_without_a_user_and_negative_weights_may_be_read() -> None:
    path = write("who,x,y,\nann,5,,\n,4,,\nNA,,-1,\n")
    assert pairs(tm.Interactions.from_wide(path, drop_nulls=True)) == [("ann", "x", 5.0)]
    kept = tm.Interactions.from_wide(path, drop_nulls=True, keep_na=True, allow_negative=True)
    assert pairs(kept) == [("ann", "x", 5.0), ("NA", "y", -1.0)]


def test_a_file_that_looks_wide_is_told_when_it_is_read_as_a_long_one() -> None:
    header = ",".join(["who", *(f"film {n}" for n in range(30))])
    path = write(header + "\n" + "\n".join("ann" + ",4,," * 15 for _ in range(3)) + "\n")
    with pytest.raises(DataError, match=r"name one of these, or read it with Interactions.from_wide if every column"):
        tm.Interactions.from_file(path)
    long = write("a,b\n1,2\n", "long.csv")
    with pytest.raises(DataError) as caught:
        tm.Interactions.from_file(long)
    assert "from_wide" not in str(caught.value)


def test_a_large_table_takes_little_time_and_memory() -> None:
    weights = np.random.default_rng(0).integers(0, 6, size=(2_000, 5_000)).astype(np.int8)
    frame = pl.DataFrame(weights, [f"i{n}" for n in range(5_000)]).insert_column(0, pl.Series("user", range(2_000)))
    frame.with_columns(pl.col(pl.Int8).replace({0: None})).write_csv("large.csv")
    tracemalloc.start()
    started = time.perf_counter()
    data = tm.Interactions.from_wide("large.csv")
    seconds, peak = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"{seconds:.1f} s, {peak / 1e6:,.0f} MB")
    assert len(data) == np.count_nonzero(weights)
    np.testing.assert_array_equal(data.matrix.toarray(), weights)
    assert seconds < 30
    assert peak < 500e6


def test_items_of_one_name_and_options_that_say_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("user,a,a,b\n1,2,3,4\n2,1,,5\n")
    with pytest.raises(tm.DataError, match="several columns of the wide table are called 'a': rename all but one"):
        tm.Interactions.from_wide(path)
    with pytest.raises(tm.ParameterError, match="quotes is about files, and the wide table is a frame"):
        tm.Interactions.from_wide({"user": [1], "a": [2]}, quotes=False)


def test_a_pivoted_table_with_numbers_as_names_is_told_as_wide(tmp_path: Path) -> None:
    path = tmp_path / "pivot.csv"
    header = "user_id," + ",".join(map(str, range(1, 31)))
    path.write_text(header + "\n" + "".join(f"{u}{',5' * 3}{',' * 27}\n" for u in range(7, 20)))
    with pytest.raises(tm.DataError, match="from_wide"):
        tm.Interactions.from_file(path)
