from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tastemap as tm
from tastemap.service.reading import (
    Reading,
    find_low_ratings,
    guess_column,
    is_model,
    open_any,
    parse_event_weights,
)
from tastemap.service.remarks import Remark


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "in.csv") -> Path:
    Path(name).write_text(text)
    return Path(name)


def rows(data: tm.Interactions) -> list[tuple[Any, ...]]:
    return data.to_frame("polars").rows()


def kinds(read: Any) -> list[str]:
    return [remark.kind for remark in read.remarks]


def test_columns_with_usual_names_are_found_with_a_remark() -> None:
    path = write("movieId,userId,rating,note\n10,1,5,x\n20,1,4,y\n")
    read = Reading().read(path)
    assert rows(read.data) == [(1, 10, 5), (1, 20, 4)]
    assert read.columns == {"user": "userId", "item": "movieId", "weight": "rating"}
    assert read.remarks == (Remark("columns", {"path": path, "columns": read.columns}),)


def test_named_columns_are_taken_without_a_remark() -> None:
    path = write("who,what,user\na,x,1\n")
    read = Reading(user="who", item="what").read(path)
    assert (rows(read.data), read.columns, read.remarks) == ([("a", "x", 1)], {"user": "who", "item": "what"}, ())


def test_the_names_of_a_model_come_first() -> None:
    like = tm.Interactions.from_frame({"uid": [1], "book": [2]}, user="uid", item="book")
    path = write("user,uid,item,book\n1,2,3,4\n")
    assert Reading().read(path).columns == {"user": "user", "item": "item"}
    assert Reading().read(path, like=like).columns == {"user": "uid", "item": "book"}
    assert Reading().read(path, like=tm.Popular().fit(like)).columns == {"user": "uid", "item": "book"}


@pytest.mark.parametrize(
    ("use", "header", "expected"),
    [
        ("user", ["User_ID", "person"], "User_ID"),
        ("user", ["person", "user"], "user"),
        ("item", ["Movie-Id", "title"], "Movie-Id"),
        ("weight", ["user", "item"], None),
        ("title", ["id", "name"], "name"),
    ],
)
def test_names_are_usual_however_they_are_written(use: str, header: list[str], expected: str | None) -> None:
    assert guess_column(use, header) == expected


def test_a_column_that_is_missing_is_a_fact() -> None:
    with pytest.raises(tm.DataError, match=r"in\.csv has the columns 'who', 'item': say with user= which is") as caught:
        Reading().read(write("who,item\n1,2\n"))
    assert (caught.value.remedies[0].parameter, caught.value.facts["columns"]) == ("user", ("who", "item"))
    with pytest.raises(tm.DataError, match="has no names of columns in its first line, which holds '1', '10', '25'"):
        Reading().read(write("1,10,25\n2,10,4\n"))


def test_the_character_between_columns_is_found_with_a_remark() -> None:
    path = write("user;item;note\n1;2;a,b\n")
    read = Reading().read(path)
    assert rows(read.data) == [(1, 2, 1)]
    assert read.remarks[0] == Remark("separator", {"path": path, "separator": ";"})
    assert open_any(path, ";")[1] == []


def test_rows_with_nulls_are_refused_or_left_out_and_counted() -> None:
    path = write("user,item,rating,note\n1,10,5,\n,10,4,x\n2,,4,x\n2,20,,x\n2,10,3,x\n")
    with pytest.raises(tm.DataError, match="column 'user' has no id in row 1"):
        Reading().read(path)
    read = Reading(drop_nulls=True).read(path)
    assert rows(read.data) == [(1, 10, 5), (2, 10, 3)]
    assert read.remarks[0] == Remark("nulls", {"left_out": 3, "rows": 5, "columns": ("user", "item", "rating")})


def test_ids_that_became_floats_are_whole_again() -> None:
    pl.DataFrame({"user": [17850.0, None, 3.0], "item": ["a", "b", "a"]}).write_parquet("in.parquet")
    read = Reading(drop_nulls=True).read(Path("in.parquet"))
    assert list(read.data.users) == [17850, 3]
    assert Remark("whole ids", {"column": "user", "value": 17850.0, "whole": 17850}) in read.remarks


def test_a_guessed_column_of_times_is_left_out_where_it_cannot_be_used() -> None:
    path = write("user,item,date,rating\n1,2,yesterday,\n1,3,today,4\n")
    reading = Reading(guess_time=True, drop_nulls=True)
    read = reading.read(path)
    assert read.columns == {"user": "user", "item": "item", "weight": "rating"}
    assert kinds(read) == ["time left out", "nulls", "columns"]
    assert read.remarks[0].facts["error"].column == "date"
    with pytest.raises(tm.DataError, match="column 'date' holds text that is no date"):
        Reading(time="date", drop_nulls=True).read(path)
    # Where another column is at fault, that is not hidden.
    with pytest.raises(tm.DataError, match="column 'user' has no id"):
        Reading(guess_time=True).read(write("user,item,date\n,2,2020-01-01\n"))


def test_repeated_pairs_are_merged_by_what_the_weights_are() -> None:
    stars = write("user,item,stars\n1,2,5\n1,2,3\n1,3,4\n")
    read = Reading(duplicates="auto").read(stars)
    assert rows(read.data) == [(1, 2, 3), (1, 3, 4)]
    assert read.remarks[0] == Remark("repeats", {"repeats": 1, "rows": 3, "duplicates": "last"})
    assert rows(Reading(duplicates="auto", count_rows=True).read(stars).data) == [(1, 2, 2), (1, 3, 1)]
    assert rows(Reading(duplicates="max").read(stars).data) == [(1, 2, 5), (1, 3, 4)]
    with pytest.raises(tm.DataError, match="come together in rows 0, 1"):
        Reading().read(stars)


def test_events_have_weights() -> None:
    path = write("user,item,event\n1,2,VIEW\n1,2,LIKE\n1,3,VIEW\n")
    reading = Reading(event_weights=parse_event_weights(["VIEW=1", "LIKE=2.5"]), duplicates="sum")
    read = reading.read(path)
    assert rows(read.data) == [(1, 2, 3.5), (1, 3, 1)]
    assert read.columns["weight"] == "event"
    assert parse_event_weights(["a=b=2"]) == {"a=b": 2}
    for wrong in ("VIEW", "=2", "VIEW=much"):
        with pytest.raises(tm.ParameterError, match="event_weights must be NAME=WEIGHT") as caught:
            parse_event_weights([wrong])
        assert caught.value.value == wrong


def test_only_likes_are_kept_where_a_bound_is_given() -> None:
    path = write("user,item,rating\n1,2,5\n1,3,-1\n1,4,4\n")
    assert rows(Reading(at_least=4).read(path).data) == [(1, 2, 1), (1, 4, 1)]
    with pytest.raises(tm.DataError, match="at_least is about ratings") as caught:
        Reading(at_least=4, count_rows=True).read(path)
    assert caught.value.remedies[0].parameter == "weight"
    with pytest.raises(tm.ParameterError, match="weight must be left out where every row counts as 1, got 'rating'"):
        Reading(weight="rating", count_rows=True).read(path)


def test_parts_by_time_share_id_maps_and_repeated_pairs_are_in_both() -> None:
    path = write("user,item,time\n1,a,1\n1,b,2\n2,a,3\n1,a,8\n2,c,9\n,c,9\n3,a,\n")
    parts = Reading(drop_nulls=True, duplicates="sum").read_parts(path, 0.4)
    assert rows(parts.early) == [(1, "a", 1, 1), (1, "b", 1, 2), (2, "a", 1, 3)]
    assert [row[:2] for row in rows(parts.late)] == [(1, "a"), (2, "c")]
    assert parts.early.items == parts.late.items == parts.whole.items
    assert len(parts.whole) == 4
    assert parts.columns == {"user": "user", "item": "item", "time": "time"}
    assert kinds(parts) == ["nulls", "repeats in parts", "columns"]
    with pytest.raises(tm.DataError, match="a split by time needs times") as caught:
        Reading().read_parts(write("user,item\n1,2\n"), 0.4)
    assert caught.value.remedies[0].parameter == "time"
    with pytest.raises(tm.ParameterError, match="test must be a share between 0 and 1, got 2"):
        Reading(drop_nulls=True, duplicates="sum").read_parts(write("user,item,time\n1,a,1\n1,b,2\n"), 2)


def test_with_a_bound_the_later_part_is_a_share_of_the_likes() -> None:
    path = write("user,item,rating,time\n1,a,5,1\n1,b,5,2\n1,c,1,3\n1,d,1,4\n")
    parts = Reading(at_least=4).read_parts(path, 0.5)
    assert (rows(parts.early), rows(parts.late)) == ([(1, "a", 1, 1)], [(1, "b", 1, 2)])


def test_movielens_needs_no_names_and_has_its_own() -> None:
    Path("ml").mkdir()
    Path("ml/ratings.dat").write_text("1::10::5::7\n2::10::4::8\n")
    Path("ml/movies.dat").write_text("10::Alien (1979)::Horror\n")
    read = Reading().read(Path("ml"))
    assert rows(read.data) == [(1, 10, 5, 7), (2, 10, 4, 8)]
    assert (read.columns["item"], read.remarks) == ("movie_id", ())
    assert rows(Reading(count_rows=True).read(Path("ml")).data) == [(1, 10, 1, 7), (2, 10, 1, 8)]
    with pytest.raises(tm.DataError, match="in MovieLens data the item column is 'movie_id', got 'film'"):
        Reading(item="film").read(Path("ml"))


def test_low_ratings_are_pointed_out_with_a_bound() -> None:
    def data(weights: list[float]) -> tm.Interactions:
        frame = {"user": range(len(weights)), "item": range(len(weights)), "w": weights}
        return tm.Interactions.from_frame(frame, weight="w")

    facts = {"column": "rating", "low": 1.0, "high": 5.0, "at_least": 4}
    assert find_low_ratings(data([1, 5, 4]), "rating") == [Remark("low ratings", facts)]
    assert find_low_ratings(data([1, 7, 200]), "count") == []
    assert find_low_ratings(data([5, 5, 5]), "rating") == []
    assert find_low_ratings(data([1, 5, 4]), None) == []


def test_a_model_is_recognised_by_its_name_or_its_first_bytes() -> None:
    data = tm.Interactions.from_frame({"user": [1], "item": [2]})
    tm.Popular().fit(data).save("model")
    assert is_model(Path("model"))
    assert is_model(write("anything", "x.safetensors"))
    assert not is_model(write("user,item\n1,2\n"))
    assert not is_model(Path())
    with pytest.raises(tm.DataError, match=r"there is no file none\.csv"):
        is_model(Path("none.csv"))


def test_the_service_imports_no_user_interface() -> None:
    modules = "reading titles making documents histories remarks"
    code = (
        f"import sys, importlib; [importlib.import_module('tastemap.service.' + n) for n in '{modules}'.split()];"
        "print([m for m in ('typer', 'rich', 'tastemap.cli') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "[]\n"


def test_words_for_a_missing_id_are_dropped_and_counted_or_kept() -> None:
    path = write("user,item,rating\n1,a,5\nNA,b,4\n3,,4\n4,NULL,\n")
    with pytest.raises(tm.DataError, match="column 'user' has no id in row 1, but 'NA'"):
        Reading().read(path)
    read = Reading(drop_nulls=True).read(path)
    assert rows(read.data) == [(1, "a", 5)]
    assert read.remarks[0] == Remark("nulls", {"left_out": 3, "rows": 4, "columns": ("user", "item", "rating")})
    read = Reading(drop_nulls=True, keep_na=True).read(path)
    assert rows(read.data) == [("1", "a", 5), ("NA", "b", 4)]
    # A parquet file has types, and a text for a missing id is one there too.
    pl.DataFrame({"user": ["a", "NA"], "item": [1, 2]}).write_parquet("in.parquet")
    assert rows(Reading(drop_nulls=True).read(Path("in.parquet")).data) == [("a", 1, 1)]


def test_ids_of_a_second_file_have_the_type_of_the_first() -> None:
    like = tm.Interactions.from_frame({"user": [1, 2], "item": ["0100", "100"]})
    read = Reading().read(write("user,item\n1,100\n2,101\n"), like=like)
    assert rows(read.data) == [(1, "100", 1), (2, "101", 1)]
    assert rows(Reading().read(write("user,item\n1,100\n2,101\n")).data) == [(1, 100, 1), (2, 101, 1)]


@pytest.mark.parametrize("name", ["Book-Rating", "overall", "userScore", "play_count", "playcount", "USER_RATING"])
def test_a_column_of_numbers_whose_name_ends_as_that_of_weights_does_is_taken(name: str) -> None:
    read = Reading(drop_nulls=True).read(write(f"user,item,{name}\n1,a,05\n1,b,NA\n2,b,3.5\n"))
    assert (rows(read.data), read.columns["weight"]) == ([(1, "a", 5), (2, "b", 3.5)], name)


@pytest.mark.parametrize(
    ("name", "values", "is_told"),
    [
        ("value", "1 2 7", True),
        ("hours_played", "1 2 7", True),
        ("x", "0.5 1 3 4 5", True),  # a scale of stars
        ("x", "1 2 7", False),
        ("age", "31 24 7", False),
        ("movie_rating", "PG R PG", False),
    ],
)
def test_a_column_left_unused_that_may_hold_weights_is_told(name: str, values: str, is_told: bool) -> None:
    lines = [f"{user},a,{value}" for user, value in enumerate(values.split())]
    path = write("\n".join([f"user,item,{name}", *lines]) + "\n")
    read = Reading().read(path)
    assert "weight" not in read.columns
    told = Remark("weights unused", {"path": path, "columns": (name,)})
    assert (told in read.remarks) == is_told
    assert told not in Reading(count_rows=True).read(path).remarks
    assert told not in Reading().read(path, like=read.data).remarks


def test_weights_unused_are_told_of_parquet_files_too() -> None:
    pl.DataFrame({"user": [1, 2], "item": [3, 4], "value": [5, 6], "tags": [["a"], []]}).write_parquet("in.parquet")
    assert Reading().read(Path("in.parquet")).remarks[0].facts["columns"] == ("value",)


def test_weights_are_damped_at_the_end() -> None:
    path = write("user,item,plays\n1,a,3\n1,a,4\n1,b,0\n2,b,1\n")
    assert rows(Reading(damping="log2", duplicates="sum").read(path).data) == [(1, "a", 3), (1, "b", 0), (2, "b", 1)]
    how = Reading(damping="binarize", duplicates="sum", zeros="negatives")
    assert rows(how.read(path).data) == [(1, "a", 1), (2, "b", 1)]
    bound = Reading(damping="log2", duplicates="sum", at_least=7).read(path)
    assert rows(bound.data) == [(1, "a", 3)]
    assert (bound.data.columns.least, bound.data.columns.damping) == (7, "log2")
    assert kinds(bound) == ["repeats", "columns"]


def test_new_data_are_damped_as_those_before_were() -> None:
    path = write("user,item,plays\n1,a,3\n2,b,7\n")
    first = Reading(damping="log2").read(path).data
    model = tm.ItemKNN().fit(first)
    model.save("model.safetensors")
    for like in (first, model, tm.load("model.safetensors")):
        again = Reading().read(path, like=like)
        assert rows(again.data) == [(1, "a", 2), (2, "b", 3)]
        assert again.remarks[0] == Remark("damping", {"damping": "log2", "column": "plays"})
    assert rows(Reading(damping="binarize").read(path, like=first).data) == [(1, "a", 1), (2, "b", 1)]
    assert "Each plays w was taken as log2(1 + w)." in model.card()
    bounded = Reading(at_least=7).read(path).data  # each a like
    assert "Of plays only 7 and more. Every pair counts alike." in tm.Popular().fit(bounded).card()
    again = Reading().read(path, like=bounded)
    assert rows(again.data) == [(2, "b", 1)]
    assert again.remarks[0] == Remark("at least", {"at_least": 7, "column": "plays", "left_out": 1})


def test_an_item_column_may_be_called_weight() -> None:
    path = write("user,weight,rating\na,x,3\nb,y,2\n")
    assert rows(Reading(item="weight").read(path).data) == [("a", "x", 3), ("b", "y", 2)]
    path = write("user,weight\na,x\nb,y\n")
    assert rows(Reading(item="weight").read(path).data) == [("a", "x", 1), ("b", "y", 1)]


def test_a_wide_table_is_read_with_remarks() -> None:
    path = write("who;dune;it\nann;5;\n;4;4\nbob;1;3\n")
    found = Reading(wide=True, drop_nulls=True).read(path)
    assert rows(found.data) == [("ann", "dune", 5.0), ("bob", "dune", 1.0), ("bob", "it", 3.0)]
    assert found.columns == {"user": "who", "item": "item", "weight": "weight"}
    assert kinds(found) == ["separator", "nulls", "wide"]
    assert found.remarks[-1].facts == {"path": path, "user": "who", "items": 2}
    liked = Reading(wide=True, drop_nulls=True, at_least=3).read(path)
    assert rows(liked.data) == [("ann", "dune", 1.0), ("bob", "it", 1.0)]
    with pytest.raises(tm.DataError, match="column 'who' has no id in row 1"):
        Reading(wide=True).read(path)


def test_a_wide_table_has_no_columns_of_items_weights_and_times() -> None:
    path = write("who,dune,it\nann,5,\nbob,1,3\n")
    for given in (
        {"item": "dune"},
        {"weight": "it"},
        {"time": "it"},
        {"count_rows": True},
        {"event_weights": {"x": 1}},
    ):
        with pytest.raises(tm.ParameterError, match="must be left out for a wide table, whose columns are items, got"):
            Reading(wide=True, **given).read(path)
    with pytest.raises(tm.DataError, match="a split by time needs times, and a wide table has none"):
        Reading(wide=True).read_parts(path, 0.2)


def test_json_is_not_taken_for_a_model() -> None:
    assert not is_model(write('{"_id": {"$oid": "5f"}, "user": 1, "item": 2}\n', "m.json"))


def test_parts_by_time_have_times_in_texts() -> None:
    path = write("user,item,time\n1,10,01-Mar-2015\n2,20,03-Mar-2015\n1,20,02-Mar-2015\n")
    early, late = (Reading().read_parts(path, 0.3).early, Reading().read_parts(path, 0.3).late)
    assert [row[:2] for row in rows(early)] == [(1, 10), (1, 20)]
    assert [row[:2] for row in rows(late)] == [(2, 20)]
