from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tastemap as tm
from tastemap.service.remarks import Remark
from tastemap.service.search import parse_id
from tastemap.service.titles import ItemFile, Titles

ITEMS = tm.IdMap([10, 20, 30], "movieId")
MOVIES = "movieId,title,genres\n10,Alien (1979),Horror\n20,Aliens (1986),Action\n30,Babe (1995),Comedy\n40,Alien 3,\n"


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("movies.csv").write_text(MOVIES)


def read(text: str = MOVIES, **columns: str) -> Titles:
    Path("titles.csv").write_text(text)
    return Titles.read(Path("titles.csv"), ITEMS, **columns)


def test_without_a_file_items_go_by_their_ids() -> None:
    titles = Titles.read(None, ITEMS)
    assert (titles.find("10"), titles.find("99"), titles.name(10)) == (10, 99, "10")
    frame = pl.DataFrame({"movieId": [10]})
    assert titles.join(frame, "movieId").equals(frame)
    with pytest.raises(tm.DataError, match="the ids of 'movieId' are integers here, got 'Alien': read titles from a"):
        titles.find("Alien")


def test_an_item_is_found_by_its_id_its_title_or_a_part_of_it() -> None:
    titles = read()
    assert [titles.find(text) for text in ("20", "alien (1979)", "Aliens", "babe")] == [20, 10, 20, 30]
    # 40 is in the file and not among the items.
    with pytest.raises(tm.UnknownIdError, match="no item of the model has the id or title '40'") as unknown:
        titles.find("40")
    assert unknown.value.ids == ("40",)
    with pytest.raises(
        tm.DataError, match=r"'ali' is in 2 titles, 'Alien .1979.' .10., 'Aliens .1986.' .20.: say more"
    ):
        titles.find("ali")


def test_an_id_that_is_a_text_comes_before_a_title() -> None:
    Path("titles.csv").write_text("sku,name\nred,Blue\nblue,Green\n")
    titles = Titles.read(Path("titles.csv"), tm.IdMap(["red", "blue"], "sku"))
    assert (titles.find("blue"), titles.find("Blue"), titles.find("green")) == ("blue", "red", "blue")


def test_titles_stand_behind_their_items() -> None:
    frame = pl.DataFrame({"user": [1, 1], "movieId": [30, 99], "rank": [1, 2]})
    assert read().join(frame, "movieId").rows() == [(1, 30, "Babe (1995)", 1), (1, 99, None, 2)]
    assert read().join(frame, "movieId").columns == ["user", "movieId", "title", "rank"]
    assert (read().name(30), read().name(99)) == ("Babe (1995)", "99")


def test_the_first_title_of_an_item_counts_and_columns_may_be_named() -> None:
    titles = read("nr,was,wie\n10,a,x\n10,b,y\n", id_column="nr", title_column="wie")
    assert titles.name(10) == "x"
    with pytest.raises(tm.DataError, match="there is no column 'wo'"):
        read("nr,was\n10,a\n", id_column="nr", title_column="wo")


def test_a_column_that_is_not_found_is_a_fact() -> None:
    for text, parameter in (("nr,name\n10,a\n", "id_column"), ("movieId,year\n10,1979\n", "title_column")):
        with pytest.raises(tm.DataError, match=f"name one with {parameter}=") as caught:
            read(text)
        assert caught.value.remedies[0].parameter == parameter
        assert caught.value.facts["columns"] == tuple(text.partition("\n")[0].split(","))


def test_the_character_between_columns_is_found_with_a_remark() -> None:
    titles = read("movieId;title\n30;Babe, the pig\n")
    assert titles.name(30) == "Babe, the pig"
    assert titles.remarks[0] == Remark("separator", {"path": Path("titles.csv"), "separator": ";"})


def test_items_without_a_title_are_counted() -> None:
    facts = {"path": Path("titles.csv"), "items": 3}
    assert read().remarks == ()
    some = read("movieId,title\n10,Alien (1979)\n20,\n20, \n30,Babe\n")
    assert some.remarks == (Remark("untitled", {**facts, "untitled": 1, "item": 20, "written": 10}),)
    assert (some.name(20), some.find("20")) == ("20", 20)
    none = read("movieId,title\n0010,Alien (1979)\n")
    assert none.remarks == (Remark("untitled", {**facts, "untitled": 3, "item": 10, "written": "0010"}),)
    assert ItemFile.read(Path("titles.csv"), ITEMS, count_missing=True).remarks == none.remarks
    assert ItemFile.read(Path("titles.csv"), ITEMS).remarks == ()


def test_movielens_data_bring_their_titles() -> None:
    Path("ml").mkdir()
    Path("ml/ratings.dat").write_text("1::10::5::7\n")
    Path("ml/movies.dat").write_bytes("10::Amélie (2001)::Comedy\n".encode("latin-1"))
    assert Titles.read(None, ITEMS, data=Path("ml")).name(10) == "Amélie (2001)"
    assert Titles.read(None, ITEMS, data=Path("movies.csv")).name(10) == "10"
    assert Titles.read(Path("movies.csv"), ITEMS, data=Path("ml")).name(10) == "Alien (1979)"


def test_a_table_of_items_has_ids_of_their_type() -> None:
    table = ItemFile.read(Path("movies.csv"), tm.IdMap(["10", "20"], "movieId"))
    assert (table.id_column, table.frame.columns) == ("movieId", ["movieId", "title", "genres"])
    assert table.frame["movieId"].to_list() == ["10", "20", "30", "40"]
    with pytest.raises(tm.DataError, match="there is no column 'nr'"):
        ItemFile.read(Path("movies.csv"), ITEMS, id_column="nr")


def test_a_text_becomes_an_id_of_the_maps_type() -> None:
    assert parse_id("7", ITEMS) == 7
    assert parse_id("7", tm.IdMap(["7"], "sku")) == "7"


def test_titles_stand_by_ids_as_they_are_spelled() -> None:
    text = "item,title\n0114709,Toy Story\n114709,Other\nNA,North America\n7.0,Seven\n"
    Path("titles.csv").write_text(text)
    titles = Titles.read(Path("titles.csv"), tm.IdMap(["0114709", "NA", "7.0"], "item"))
    assert [titles.name(item) for item in ("0114709", "NA", "7.0")] == ["Toy Story", "North America", "Seven"]
    assert titles.find("north") == "NA"
    # Where ids are integers, another spelling of one names no item.
    titles = Titles.read(Path("titles.csv"), tm.IdMap([114709, 7], "item"))
    assert [titles.name(item) for item in (114709, 7)] == ["Other", "7"]
    table = ItemFile.read(Path("titles.csv"), tm.IdMap([114709], "item"))
    assert table.frame["item"].to_list() == [None, 114709, None, None]


@pytest.mark.parametrize("text", ["+10", " 10", "010", "10.0", "1e1", "-0", ""])
def test_a_text_that_spells_no_integer_is_no_id(text: str) -> None:
    with pytest.raises(tm.DataError, match="the ids of 'movieId' are integers here, got"):
        parse_id(text, ITEMS)
    assert parse_id(text, tm.IdMap(["a"], "sku")) == text


def test_the_films_of_movietweetings_have_titles(data_folder: Path) -> None:
    folder = data_folder / "movietweetings"
    if not folder.exists():
        pytest.skip(f"needs MovieTweetings: {folder} is absent")
    names = {"user": "user_id", "item": "movie_id"}
    items = tm.Interactions.from_file(folder / "ratings.dat", **names).items
    titles = Titles.read(None, items, data=folder)
    assert (len(items), titles.name("0770828")) == (10_506, "Man of Steel (2013)")
    assert Titles.read(folder / "movies.dat", items).find("man of steel (2013)") == "0770828"


SKUS = tm.IdMap(["0010", "0020", "tt7"], "sku")


@pytest.mark.parametrize(
    ("name", "text", "items", "titles"),
    [
        ("films.csv", "10,Alien\n20,Aliens\n", ITEMS, {10: "Alien", 20: "Aliens"}),
        ("films.csv", "Alien,10\nAliens,20\n", ITEMS, {10: "Alien", 20: "Aliens"}),
        ("films.tsv", "1\t30\t1999\tAlien\tx\n2\t10\t1999\tAliens\ty\n", ITEMS, {30: "Alien", 10: "Aliens"}),
        ("films.dat", "10\tAlien\n20\tAliens\n", ITEMS, {10: "Alien", 20: "Aliens"}),
        ("films.dat", "id\tname\turl\n10\tAlien\tx\n20\tAliens\t\n", ITEMS, {10: "Alien", 20: "Aliens"}),
        ("films.csv", "99,Other\n20,Aliens\n", ITEMS, {99: "Other", 20: "Aliens"}),
        ("films.csv", "0010,Alien\n0020,Aliens\n", SKUS, {"0010": "Alien", "0020": "Aliens"}),
        ("films.csv", "0099,Other\ntt7,Aliens\n", SKUS, {"0099": "Other", "tt7": "Aliens"}),
        ("films.csv", "10,7\n20,Seven\n", ITEMS, {10: "7", 20: "Seven"}),
        ("films.dat", "10::Alien: the first::Horror\n20::Aliens\n\n", ITEMS, {10: "Alien: the first", 20: "Aliens"}),
        ("movies.txt", "tt7::Amélie (2001)::Comedy\n", SKUS, {"tt7": "Amélie (2001)"}),
        (
            "items.dat",
            "0010::A::b::Horror\n0020::B::Horror\n0030::C::Drama",
            SKUS,
            {"0010": "A::b", "0020": "B", "0030": "C"},
        ),
    ],
)
def test_titles_need_no_usual_name_and_no_header(name: str, text: str, items: tm.IdMap, titles: dict[Any, str]) -> None:
    Path(name).write_text(text)
    frame = Titles.read(Path(name), items).frame
    assert frame is not None
    assert dict(frame.iter_rows()) == titles


def test_a_header_is_no_row() -> None:
    with pytest.raises(tm.DataError, match="has the columns 'nr', 'what': name one with id_column="):
        read("nr,what\n10,Alien\n")
    with pytest.raises(tm.DataError, match="has the columns 'movieId', 'year': name one with title_column="):
        read("movieId,year\n10,1979\n")
    assert read('movieId;Book-Title;"Year-Of-Publication"\n10;Clara;2001\n').name(10) == "Clara"
    assert read("movieId,original_title,2010\n10,Alien,1\n").name(10) == "Alien"


def test_titles_that_are_not_utf_8_are_read_as_latin_1_with_a_remark() -> None:
    Path("titles.csv").write_bytes("movieId;title\n10;Amélie\n20;b\n30;c\n".encode("latin-1"))
    titles = Titles.read(Path("titles.csv"), ITEMS)
    assert titles.remarks[0] == Remark("encoding", {"path": Path("titles.csv"), "encoding": "latin-1"})
    assert titles.find("amelie") == 10
    assert titles.name(10) == "Amélie"


@pytest.mark.parametrize("name", ["blank.csv", "movies.dat", "u.item", "blank.txt"])
def test_a_blank_file_of_titles_is_empty(name: str) -> None:
    Path(name).write_text("\n \n")
    with pytest.raises(tm.DataError, match=f"{name} is empty: pass a file with column names and rows"):
        Titles.read(Path(name), ITEMS)


def test_columns_of_rows_are_no_columns_of_items(tmp_path: Path) -> None:
    orders = {"item": [1, 1, 2, 2, 3, 3], "customer": [7, 8, 7, 9, 8, 9], "name": ["a", "a", "b", "b", "c", "see c"]}
    pl.DataFrame(orders).write_csv(tmp_path / "orders.csv")
    file = ItemFile.read(tmp_path / "orders.csv", tm.IdMap([1, 2, 3], "item"))
    assert file.frame.columns == ["item", "name"]
    assert file.table.columns == ["name"]
