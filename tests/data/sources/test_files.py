from __future__ import annotations

import gzip
import re
import warnings
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemap.data.interactions import Interactions
from tastemap.data.sources.base import Source
from tastemap.data.sources.files import DataFile, open_file
from tastemap.errors import DataError, ParameterError, TastemapWarning

ROWS = [(1, 10, 5.0, 100), (2, 10, 3.5, 200), (1, 20, 4.0, 300)]
FRAME = pl.DataFrame(ROWS, schema=["user_id", "movie_id", "rating", "timestamp"], orient="row")


def _text(separator: str, header: str = "") -> bytes:
    return (header + "".join(separator.join(map(str, row)) + "\n" for row in ROWS)).encode()


def _parquet() -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    FRAME.write_parquet(buffer)
    return buffer.getvalue()


CONTENTS: dict[str, Callable[[], bytes]] = {
    "r.csv": lambda: _text(",", "user_id,movie_id,rating,timestamp\n"),
    "r.tsv": lambda: _text("\t", "user_id\tmovie_id\trating\ttimestamp\n"),
    "r.dat": lambda: _text("::"),
    "r.inter": lambda: _text("\t", "user_id:token\tmovie_id:token\trating:float\ttimestamp:float\n"),
    "u.data": lambda: _text("\t"),
    "r.parquet": _parquet,
}
OPTIONS: dict[str, Any] = {"user": "user_id", "item": "movie_id", "weight": "rating", "time": "timestamp"}


@pytest.mark.parametrize("packing", ["plain", "gz", "zip"])
@pytest.mark.parametrize("name", CONTENTS)
def test_every_kind_of_file_holds_the_same_ratings(tmp_path: Path, name: str, packing: str) -> None:
    path, content = tmp_path / name, CONTENTS[name]()
    if packing == "plain":
        path.write_bytes(content)
    elif packing == "gz":
        path = tmp_path / f"{name}.gz"
        path.write_bytes(gzip.compress(content))
    else:
        path = tmp_path / "all.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("README.txt", "not data")
            archive.writestr(f"folder/{name}", content)
    ratings = Interactions.from_file(path, **OPTIONS)
    assert ratings.to_frame().rows() == ROWS
    assert ratings.frame_kind == "polars"


def test_only_the_named_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("timestamp,junk,movie_id,user_id\n1,x,10,7\n")
    assert open_file(path).read(["user_id", "movie_id"]).rows() == [(7, 10)]
    with pytest.raises(DataError, match="there is no column 'movie', only 'timestamp', 'junk', 'movie_id', 'user_id'"):
        open_file(path).read(["movie"])


@pytest.mark.parametrize("name", CONTENTS)
def test_brackets_and_stars_in_a_name_are_part_of_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"ratings[1-2]*.{name}"
    path.write_bytes(CONTENTS[name]())
    (tmp_path / f"ratings1.{name}").write_text("what the name would also match")
    file = open_file(path)
    assert file.read_header() == ["user_id", "movie_id", "rating", "timestamp"]
    assert len(file.read(["rating", "user_id"])) == 3


@pytest.mark.parametrize("name", CONTENTS)
def test_the_header_names_the_columns_that_can_be_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(CONTENTS[name]()))
    file = open_file(path)
    path.unlink()  # it is unpacked once
    assert file.read_header() == ["user_id", "movie_id", "rating", "timestamp"]
    assert file.read().columns == file.read_header()
    assert file.read(["rating", "user_id"]).rows() == [(5.0, 1), (3.5, 2), (4.0, 1)]


def test_the_header_of_a_bad_file_is_refused_in_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(_parquet()[:-20])
    for read in (lambda: open_file(path).read_header(), lambda: open_file(path).read()):
        with pytest.raises(DataError, match="is not a whole parquet file"):
            read()


def test_types_hold_for_all_rows_not_the_first(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item\n" + "".join(f"{i},1\n" for i in range(11_000)) + "x,1\n")
    assert open_file(path).read(["user"])["user"].dtype == pl.String
    path.write_text("user,item\n" + "1,2\n" * 11_000 + "18446744073709551615,1\n")
    events = Interactions.from_file(path, duplicates="sum")
    assert list(events.users) == [1, 2**64 - 1]


def test_zero_padded_ids_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item,weight\n007,0,0.5\n7,10,1\n")
    assert Interactions.from_file(path, weight="weight").to_frame().rows() == [
        ("007", 0, 0.5),
        ("7", 10, 1.0),
    ]


def _pack(folder: Path, name: str, text: str, packing: str) -> Path:
    path = folder / (name if packing == "plain" else f"{name}.{packing}")
    if packing == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, text)
    else:
        path.write_bytes(gzip.compress(text.encode()) if packing == "gz" else text.encode())
    return path


@pytest.mark.parametrize("packing", ["plain", "gz", "zip"])
@pytest.mark.parametrize("name", [name for name in CONTENTS if name != "r.parquet"])
@pytest.mark.parametrize("place", ["early", "late"])
def test_ids_with_leading_zeros_are_texts_wherever_they_come(
    tmp_path: Path, name: str, packing: str, place: str
) -> None:
    between = {"r.csv": ",", "r.dat": "::"}.get(name, "\t")
    header = "user_id:token\tmovie_id:token\trating:float\ttimestamp:float"
    lines = {"r.csv": ["user_id,movie_id,rating,timestamp"], "r.tsv": [header.replace(":", "_")], "r.inter": [header]}
    rows = [(row % 500 + 1, row % 37 + 100, 5, row) for row in range(10_050)]
    odd = [(600 + row, f"0{100 + row % 5}", 4, row) for row in range(20)]
    text = [between.join(map(str, row)) for row in (odd + rows if place == "early" else rows + odd)]
    names = ["user_id_token", "movie_id_token"] if name == "r.tsv" else ["user_id", "movie_id"]
    path = _pack(tmp_path, name, "\n".join([*lines.get(name, []), *text]), packing)
    read = Interactions.from_file(path, user=names[0], item=names[1], duplicates="sum")
    # 37 items of three digits and 5 with a zero before them; 100 and 0100 are two.
    assert (read.n_users, read.n_items, read.items.ids.dtype) == (520, 42, pl.String)
    assert {"100", "0100"} <= set(read.items)
    assert read.users.ids.dtype == pl.Int64


FIELD = st.text("0019-+.e", min_size=1, max_size=3).filter(lambda text: text.strip("e"))


@given(
    st.lists(st.tuples(FIELD, FIELD | st.integers().map(str)), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"])
)
def test_ids_are_numbers_where_each_is_spelled_as_one(rows: list[tuple[str, str]], end: str) -> None:
    for name, header, separator in (("r.csv", ["a,b"], ","), ("r.dat", [], "::")):
        content = end.join([*header, *(separator.join(row) for row in rows)]).encode()
        columns = ["a", "b"] if header else ["user_id", "movie_id"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numbers such as 1.0
            read = DataFile(name, content, name).read(columns, ids=columns)
        for column, texts in zip(columns, zip(*rows, strict=True), strict=True):
            numbers = [int(text) for text in texts if re.fullmatch(r"0|-?[1-9][0-9]*", text)]
            low, high = min(numbers, default=0), max(numbers, default=0)
            fits = -(2**63) <= low <= high < 2**63 or 0 <= low <= high < 2**64
            expected = numbers if len(numbers) == len(texts) and fits else list(texts)
            if all(re.fullmatch(r"(0|-?[1-9][0-9]*)\.0", text) for text in texts):
                expected = [int(text[:-2]) for text in texts]
            assert read[column].to_list() == expected


@pytest.mark.parametrize("spelling", ["+1", "1.0", "1e5", "007", "-0"])
def test_an_id_of_another_spelling_leaves_its_column_text(tmp_path: Path, spelling: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item\n" + "1,2\n" * 11_000 + f"{spelling},2\n")
    read = Interactions.from_file(path, duplicates="sum")
    assert (list(read.users), list(read.items)) == (["1", spelling], [2])


def test_quoted_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text('"user","item"\n"1","x"\n"2","y"\n')
    assert Interactions.from_file(path).to_frame().rows() == [(1, "x", 1), (2, "y", 1)]


@pytest.mark.parametrize(
    "written", ["", '""', '"  "', "NA", "N/A", "NULL", "null", r"\N", "nan", "NaN", "None", "<NA>"]
)
@pytest.mark.parametrize("numbers", [True, False])
def test_a_missing_id_is_told_however_it_is_written(tmp_path: Path, written: str, numbers: bool) -> None:
    path = tmp_path / "missing.csv"
    users = ["1", written, written, "2", written, "3"] if numbers else ["a", written, written, "b", written, "c"]
    path.write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in zip(users, "xxyyzx", strict=True)))
    with pytest.raises(DataError, match=r"column 'user' has no id in rows 1, 2, 4.*: pass drop_nulls") as caught:
        Interactions.from_file(path)
    assert caught.value.facts["rows"].tolist() == [1, 2, 4]
    read = Interactions.from_file(path, drop_nulls=True)
    assert list(read.users) == ([1, 2, 3] if numbers else ["a", "b", "c"])
    word = written.strip('" ')
    if word:
        assert f"but {word!r}: pass" in str(caught.value)
        named = Interactions.from_file(path, keep_na=True)
        assert list(named.users) == [users[0], word, users[3], users[5]]


def test_the_anonymous_lines_of_a_shop_are_no_customer(data_folder: Path, tmp_path: Path) -> None:
    path = data_folder / "online-retail" / "online-retail.parquet"
    if not path.exists():
        pytest.skip(f"needs Online Retail: {path} is absent")
    lines = pl.read_parquet(path, columns=["CustomerID", "StockCode", "Quantity"]).filter(pl.col("Quantity") > 0)
    lines = lines.select(pl.col("CustomerID").cast(pl.Int64), "StockCode")
    lines.write_csv(tmp_path / "shop.csv", null_value="NA", quote_style="necessary")
    how = {"user": "CustomerID", "item": "StockCode", "duplicates": "sum"}
    with pytest.raises(DataError, match=r"column 'CustomerID' has no id in rows .* and 133358 more, but 'NA'"):
        Interactions.from_file(tmp_path / "shop.csv", **how)
    read = Interactions.from_file(tmp_path / "shop.csv", **how, drop_nulls=True)
    assert (read.n_users, read.n_items, read.users.ids.dtype) == (4_339, 3_665, pl.Int64)


def test_iso_times_in_text_become_datetimes(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item,at\n1,1,2020-01-02T03:04:05\n1,2,2020-01-03T00:00:00\n")
    assert Interactions.from_file(path, time="at").to_frame()["at"][0] == datetime(2020, 1, 2, 3, 4, 5)
    path.write_text("user,item,at\n1,1,2020-01-02T03:04:05\n1,2,yesterday\n")
    with pytest.raises(
        DataError, match=r"column 'at' holds text that is no date or time, 'yesterday' in row 1: write all as"
    ):
        Interactions.from_file(path, time="at")


def test_a_separator_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_text("user|item\na|b\n")
    assert Interactions.from_file(path, separator="|").to_frame().rows() == [("a", "b", 1.0)]


@pytest.mark.parametrize("separator", ["", "\n", '"', 5])
def test_a_separator_has_no_quotes_and_line_ends(tmp_path: Path, separator: Any) -> None:
    (tmp_path / "r.csv").write_text("user::item\n1::2\n")
    with pytest.raises(ParameterError, match="separator must be a text without quotes and line ends, such as ';'"):
        Interactions.from_file(tmp_path / "r.csv", separator=separator)


GZ = gzip.compress(b"user,item\n" + b"1,2\n" * 1_000, mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "there is no file "),
        ("e.csv", b"", "e.csv is empty: pass a file with column names and rows"),
        ("e.csv.gz", gzip.compress(b"", mtime=0), "e.csv.gz is empty"),
        ("h.csv", b"user,item\n", "h.csv has no rows"),
        ("r.csv", b"user,item\n1,2\n3,4,5\n", "r.csv has 3 fields in line 3, where 2 are expected: quote"),
        (
            "l.csv",
            "user,item\n1,é\n".encode("latin-1"),
            "l.csv is not UTF-8 text in line 2: pass its encoding, e.g. encoding='latin-1'",
        ),
        ("t.csv.gz", GZ[:-9], "t.csv.gz is not a whole .gz file"),
        ("n.csv.gz", b"user,item\n", "n.csv.gz is not a whole .gz file"),
        ("t.zip", b"PK\x03\x04", "t.zip is not a whole .zip file"),
        ("t.parquet", _parquet()[:-20], "t.parquet is not a whole parquet file"),
        ("w.dat", b"user,item\n", "w.dat has no rows"),
    ],
)
def test_a_bad_file_is_explained_in_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        Interactions.from_file(path)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder: pass one of the files in it"):
        Interactions.from_file(tmp_path)


def test_a_zip_with_several_data_files_names_them(tmp_path: Path) -> None:
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(DataError, match=r"holds several data files, 'a.csv', 'b.csv': unpack it and pass one"):
        Interactions.from_file(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.md", "x")
    with pytest.raises(DataError, match=r"holds no csv, tsv, parquet or JSON file, only 'readme.md'"):
        Interactions.from_file(path)


def test_the_published_ratings_are_read(data_folder: Path) -> None:
    path = data_folder / "ml-1m" / "ratings-first-100k.dat.gz"
    if not path.exists():
        pytest.skip(f"needs the published form of MovieLens 1M: {path} is absent")
    ratings = Interactions.from_file(path, **OPTIONS)
    assert len(ratings) == 100_000
    assert ratings.to_frame().row(0) == (1, 1193, 5.0, 978300760)


def test_the_published_events_are_read(data_folder: Path) -> None:
    path = data_folder / "deskdrop" / "users_interactions.csv.zip"
    if not path.exists():
        pytest.skip(f"needs Deskdrop: {path} is absent")
    events = Interactions.from_file(
        path,
        user="personId",
        item="contentId",
        time="timestamp",
        event_weights=(
            "eventType",
            {"VIEW": 1, "LIKE": 2, "BOOKMARK": 2.5, "FOLLOW": 3, "COMMENT CREATED": 4},
        ),
        duplicates="sum",
    )
    assert (events.n_users, events.n_items) == (1_895, 2_987)
    assert events.core(min_per_user=5).n_users == 1_140


@pytest.mark.parametrize("rest", [b"", b'7,8,"quoted, well",2,7\n'])
def test_a_separator_too_many_in_a_column_that_is_not_read_is_noticed(rest: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(b"user,item,title,rating,at\n1,2,abc,4,9\n3,4,Alien, the,5,8\n" + rest)
    with pytest.raises(DataError, match=r"r\.csv has 6 fields in line 3, where 5 are expected: quote"):
        Interactions.from_file(path, weight="at")
    path.write_bytes(b'user,item,title,rating,at\n1,2,abc,4,9\n3,4,"Alien, the",5,8\n' + rest)
    assert Interactions.from_file(path, weight="at").matrix.data.tolist()[:2] == [9, 8]


def test_a_quote_inside_a_field_that_hides_lines_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text('user,item,title\na,x,5" disk\nb,y,7" disk\na,y,p\n')
    with pytest.raises(
        DataError, match=r"r\.csv has quotes inside fields, which hide the ends of lines, first in line 2: double"
    ):
        Interactions.from_file(path)
    path.write_text('user,item,title\na,x,"5"" disk"\nb,y,"7"" disk,\nlate"\na,y,p\n')
    assert len(Interactions.from_file(path)) == 3


def test_a_file_that_is_not_text_is_refused_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(b"\x10\0\0\0binary" * 50)
    with pytest.raises(DataError, match=r"r\.csv is not text: pass a csv"):
        Interactions.from_file(path, user="user", item="item")


def test_a_file_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,at\n1,2010-12-31\n")
    source: Source = open_file(path)
    assert source.label == str(path)
    assert source.read_header() == ["user", "at"]
    assert source.read(["at"]).rows() == [("2010-12-31",)]


def test_ids_that_all_end_in_a_zero_behind_a_point_are_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "pandas.csv"
    path.write_text("user,item\n17850.0,1\n,2\n3.0,2\n")
    with pytest.warns(TastemapWarning, match=r"read the ids of column 'user' as whole numbers: 17850\.0 is 17850"):
        assert list(Interactions.from_file(path, drop_nulls=True).users) == [17850, 3]
    path.write_text("user,item\n17850.0,1\n17850,2\n")  # two spellings may be two people
    assert list(Interactions.from_file(path).users) == ["17850.0", "17850"]


def test_a_file_whose_ids_have_other_names_tells_the_whole_call(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("userId,movieId,rating,timestamp\n1,2,3,4\n")
    with pytest.raises(DataError, match="pass user='userId', item='movieId', weight='rating', time='timestamp'"):
        Interactions.from_file(path)


def test_a_header_may_be_longer_than_what_is_looked_at_first(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(f"user,item,{','.join(f'a long name of a column {n}' for n in range(9_000))}\n1,2{',x' * 9_000}\n")
    assert Interactions.from_file(path).to_frame().rows() == [(1, 2, 1.0)]
