"""How texts are written is found from their first lines: separators, names, spaces, decimal marks, encodings."""

from __future__ import annotations

import codecs
import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemap as tm
from tastemap import Interactions
from tastemap.data.sources.files import open_file
from tastemap.errors import DataError, ParameterError, TastemapWarning

ROWS = [("ann", "Aja", 2.0), ("bob", "Peg", 3.5)]


def read(folder: Path, content: str | bytes, name: str = "r.csv", **options: Any) -> Interactions:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Interactions.from_file(path, **{"weight": "rating", **options})


def write(rows: list[tuple[Any, ...]], mark: str, end: str = "\n") -> str:
    return "".join(mark.join(map(str, row)) + end for row in [("user", "item", "rating"), *rows])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|", "::", "  "])
@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "r.txt", "r.dat", "r.data", "r"])
def test_what_parts_columns_is_found_whatever_the_name(tmp_path: Path, name: str, mark: str, end: str) -> None:
    assert read(tmp_path, write(ROWS, mark, end), name).to_frame().rows() == ROWS


@pytest.mark.parametrize(
    ("separator", "mark"),
    [("\\t", "\t"), ("tab", "\t"), ("TAB", "\t"), ("space", "   "), ("||", "||"), ("<sep>", "<sep>"), ("¦", "¦")],
)
def test_a_separator_may_be_a_word_or_several_characters(tmp_path: Path, separator: str, mark: str) -> None:
    assert read(tmp_path, write(ROWS, mark), separator=separator).to_frame().rows() == ROWS


FIELD = st.text("ab,;|: 'x", min_size=1, max_size=4).filter(lambda text: text == text.strip())


@given(st.lists(st.tuples(FIELD, FIELD), min_size=2, max_size=30, unique=True), st.sampled_from([",", ";", "\t", "|"]))
def test_quoted_fields_may_hold_any_separator(tmp_path_factory: Any, rows: list[Any], mark: str) -> None:
    text = "".join(f'"{user}"{mark}"{item}"\n' for user, item in [("user", "item"), *rows])
    found = read(tmp_path_factory.mktemp("r"), text, weight=None)
    assert found.to_frame()[["user", "item"]].rows() == rows


def test_a_separator_that_is_given_wrongly_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"r\.csv has one column, 'user;item;rating': pass separator=';'"):
        read(tmp_path, write(ROWS, ";"), separator="|")


def test_columns_name_what_has_no_header(tmp_path: Path) -> None:
    text = "A2CX7,0321732944,5.0,1341100800\nA2NWS,0439886341,1.0,1367193600\n"
    with pytest.raises(DataError, match=r"which holds 'A2CX7', .*: name them with columns=\['user', 'item', 'weight'"):
        read(tmp_path, text)
    columns = ["user", "item", "rating", "time"]
    found = read(tmp_path, text, columns=columns, time="time")
    assert found.to_frame().rows() == [("A2CX7", "0321732944", 5, 1341100800), ("A2NWS", "0439886341", 1, 1367193600)]
    with pytest.raises(DataError, match=r"has 4 columns, as in its first line 'A2CX7', .*, and columns names 3"):
        read(tmp_path, text, columns=columns[:3])


@pytest.mark.parametrize("columns", ["user", [], ["user", "user"], ["user", 1], {"user": 1}, 5])
def test_columns_are_different_names(tmp_path: Path, columns: Any) -> None:
    with pytest.raises(ParameterError, match="columns must be a list of different names"):
        read(tmp_path, "1,2\n", columns=columns)


def test_names_of_rows_and_empty_ends_are_no_columns(tmp_path: Path) -> None:
    for text in (
        '"user","item","rating"\n"1","ann","Aja",2\n"2","bob","Peg",3.5\n',  # R
        ",user,item,rating\n0,ann,Aja,2.0\n1,bob,Peg,3.5\n",  # pandas
        "user,item,rating,\nann,Aja,2,\nbob,Peg,3.5,\n",
        "user,item,rating\nann,Aja,2,\nbob,Peg,3.5,\n",
        "\n\nuser,item,rating\nann,Aja,2\nbob,Peg,3.5\n",
    ):
        assert read(tmp_path, text).to_frame().rows() == ROWS


def test_a_field_too_many_is_named_by_its_line(tmp_path: Path) -> None:
    for text in ("user,item,rating\nann,Aja,2\nbob,Peg,3,9\n", "user;item;rating\n" + "a;b;1\n" * 20_000 + "a;c;2;3\n"):
        with pytest.raises(DataError, match=r"has 4 fields in line (3|20002), where 3 are expected: quote the fields"):
            read(tmp_path, text)
    # A quote alone swallows the separators behind it.
    text = 'user\titem\trating\nann\t"Aja\t2\nbob\tPeg\t3.5\n'
    with pytest.raises(DataError, match="pass quotes=False to read quotes as letters"):
        read(tmp_path, text)
    assert read(tmp_path, text, quotes=False).to_frame().rows() == [("ann", '"Aja', 2.0), ("bob", "Peg", 3.5)]


def test_a_line_that_would_shift_is_refused(tmp_path: Path) -> None:
    """One row of two with a field too many is no file with names of rows; a file with such has them in every row."""
    with pytest.raises(DataError, match=r"has 4 fields in line 2, where 3 are expected"):
        read(tmp_path, "user,item,rating\n1,Hello, World,3\n2,b,4\n")
    named = "user,item,rating\n" + "".join(f"{n},u{n},i,1\n" for n in range(1, 201))
    assert read(tmp_path, named).users[0] == "u1"
    for late in ("u201,i,1\n", 'u201,"i, j",1\n'):
        with pytest.raises(DataError, match=r"has 3 fields in line 202, where 4 are expected"):
            read(tmp_path, named + late)
    quoted = named + '201,u201,"i, j",1\n'
    assert read(tmp_path, quoted).items[1] == "i, j"


def test_a_quote_inside_a_field_is_named_by_its_line(tmp_path: Path) -> None:
    text = 'user,item,rating\n"a\nb","x ""y""",1\nann,12" disk,3\n' + "bob,Peg,1\n" * 3
    with pytest.raises(DataError, match=r"inside fields, .*, first in line 4: double such .*, or pass quotes=False"):
        read(tmp_path, text, duplicates="last")
    # Without quotes this line has a field too many: that is no way out.
    with pytest.raises(DataError, match=r"first in line 3: double such quotes and put the field in quotes$"):
        read(tmp_path, 'user,item,rating\n"a,b",x,1\nann,12" disk,3\nbob,Peg,1\n')


def test_a_quote_behind_a_backslash_is_a_quote_and_told(tmp_path: Path) -> None:
    text = '"user";"item";"rating"\n"1";"x";"2"\n"2";"The \\"Best\\"; a\\\\b";"3"\n'
    with pytest.warns(TastemapWarning, match=r'took \\" as a quote inside a field, first in line 3'):
        assert list(read(tmp_path, text).items) == ["x", 'The "Best"; a\\b']
    far = '"user";"item";"rating"\n' + '"1";"x";"2"\n' * 11_000 + '"2";"\\"Heroes\\"";"3"\n'
    with pytest.warns(TastemapWarning, match=r"first in line 11002"):
        assert list(read(tmp_path, far, duplicates="last").items) == ["x", '"Heroes"']
    with warnings.catch_warnings():  # a backslash alone is a letter
        warnings.simplefilter("error")
        assert list(read(tmp_path, 'user,item,rating\n"1","C:\\",2\n"1","D:\\",2\n').items) == ["C:\\", "D:\\"]


@pytest.mark.parametrize("quote", ["", '"'])
def test_ends_of_lines_may_be_mixed(tmp_path: Path, quote: str) -> None:
    rows = [("ann", f"{quote}Aja{quote}", 2), ("bob", f"{quote}Peg{quote}", 3.5)]
    lines = write(rows, ",").splitlines()
    for ends in (["\r", "\n", "\r\n"], ["\n", "\r\n", "\r"], ["\r\n", "\r", ""]):
        text = "".join(line + end for line, end in zip(lines, ends, strict=True))
        assert read(tmp_path, text).to_frame().rows() == ROWS
    kept = read(tmp_path, b'user,item,rating\rann,"a\rb\r\nc",1\r')
    assert list(kept.items) == ["a\rb\r\nc"]
    letters = read(tmp_path, b'user,item,rating\rann,"Aja,1\rbob,Peg",2\r', quotes=False)
    assert list(letters.items) == ['"Aja', 'Peg"']


def test_ends_of_lines_are_mixed_anywhere_in_a_long_text(tmp_path: Path) -> None:
    for shift in range(4):
        lines = "".join(f'{n},"a\rb","{n % 7}"\r\n' if n % 3 else f"{n},c,2\r" for n in range(40_000))
        found = read(tmp_path, f"user,item,rating{' ' * shift}\r\n{lines}")
        assert (found.n_users, list(found.items)) == (40_000, ["c", "a\rb"])


def test_the_names_that_r_and_excel_write_are_found(tmp_path: Path) -> None:
    table = '"user" "item" "rating"\n"1" "ann" "The Wall" 2\n"2" "bob" "Peg" 3.5\n'  # R's write.table
    assert read(tmp_path, table, "r.txt").to_frame().rows() == [("ann", "The Wall", 2.0), ("bob", "Peg", 3.5)]
    assert read(tmp_path, "sep=|\r\n" + write(ROWS, "|", "\r\n")).to_frame().rows() == ROWS


def test_columns_are_for_files_without_names(tmp_path: Path) -> None:
    for text in ("User,Item,Rating\nann,Aja,2\n", "userId,movieId,stars\n1,2,3\n"):
        with pytest.raises(DataError, match=r"has the names of its columns in its first line, .*: leave columns= out"):
            read(tmp_path, text, columns=["user", "item", "rating"])
    with pytest.raises(DataError, match=r"holds '1', '2', '3': name them with columns=\['user', 'item', 'weight'\]"):
        read(tmp_path, "1,2,3\n")
    pl.DataFrame({"user": [1], "item": [2]}).write_parquet(tmp_path / "r.parquet")
    with pytest.raises(DataError, match=r"r\.parquet has names of its columns: leave columns= out"):
        Interactions.from_file(tmp_path / "r.parquet", columns=["user", "item"])
    with pytest.raises(ParameterError, match="quotes must be True or False, got 'no'"):
        read(tmp_path, "user,item\n1,2\n", quotes="no")


def test_repeated_names_are_refused_where_they_are_used(tmp_path: Path) -> None:
    text = "user,item,item,rating\n1,2,3,4\n"
    with pytest.raises(DataError, match=r"has 2 columns 'item': rename all but one"):
        read(tmp_path, text)
    assert read(tmp_path, text, item="rating", weight=None).to_frame().rows() == [(1, 4, 1)]


def test_spaces_around_names_ids_and_numbers_are_taken_off_and_told(tmp_path: Path) -> None:
    text = "user , item,rating\n ann,Aja , 2\nann,Peg,3.5 \nbob, Aja,1\n"
    with pytest.warns(TastemapWarning, match=r"took the spaces off .*, 1 in column 'user', 2 in column 'item', 2 in"):
        found = read(tmp_path, text)
    assert found.to_frame().rows() == [("ann", "Aja", 2.0), ("ann", "Peg", 3.5), ("bob", "Aja", 1.0)]
    with pytest.warns(TastemapWarning):
        assert list(read(tmp_path, "user, item,rating\n1, 10,2\n1, 20,3\n", item=" item").items) == [10, 20]
    # Far behind the lines that are looked at first.
    with pytest.warns(TastemapWarning, match=r"1 in column 'user'"):
        late = read(tmp_path, "user,item,rating\n" + "1,2,1\n" * 11_000 + "2 ,2,1\n", duplicates="last")
    assert list(late.users) == [1, 2]


def test_spaces_inside_quotes_and_texts_are_told_as_well(tmp_path: Path) -> None:
    with pytest.warns(TastemapWarning, match="1 in column 'user'"):
        assert list(read(tmp_path, 'user,item,rating\n"ann ",Aja,2\nann,Peg,3\n').users) == ["ann"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(tmp_path, "user,item,rating,note\nann,The Wall,2, x\nbob,So What,3,y \n")
    assert list(found.items) == ["The Wall", "So What"]


def test_a_frame_keeps_its_ids_as_they_are() -> None:
    assert list(Interactions.from_frame({"user": ["ann", "ann "], "item": ["x", "x"]}).users) == ["ann", "ann "]


def test_a_decimal_comma_is_read_and_told(tmp_path: Path) -> None:
    with pytest.warns(TastemapWarning, match=r"took the comma in column 'rating' as the decimal mark: 3,5 is 3\.5"):
        found = read(tmp_path, "user;item;rating\nann;Aja;2\nbob;Peg;3,5\n")
    assert found.to_frame().rows() == ROWS
    with pytest.raises(DataError, match="which may part thousands or be the decimal mark: write numbers such as 1234"):
        read(tmp_path, "user;item;rating\nann;Aja;2\nbob;Peg;1,234\n")


@pytest.mark.parametrize("number", ["$3", "€ 3", "50%", "1.234,5", "1 234", "1'234", "2,345,678", "1,234.50"])
def test_numbers_for_people_are_refused(tmp_path: Path, number: str) -> None:
    with pytest.raises(DataError, match=r"like, .* in row 1: write numbers such as 1234\.5"):
        read(tmp_path, f"user;item;rating\nann;Aja;2\nbob;Peg;{number}\nbob;Aja;1\n")


def test_a_rating_may_have_a_zero_before_it(tmp_path: Path) -> None:
    assert read(tmp_path, "user,item,rating\na,x,05\na,y,4\n").matrix.data.tolist() == [5, 4]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "utf-8", "cp037"])
def test_a_text_may_have_any_encoding(tmp_path: Path, encoding: str) -> None:
    rows = [("Zoë", "Café", 2.0), ("bob", "Peg", 3.5)]
    assert read(tmp_path, write(rows, ",").encode(encoding), encoding=encoding).to_frame().rows() == rows


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + write(ROWS, ";").encode(),
        write(ROWS, "\t").encode("utf-16"),
        codecs.BOM_UTF16_BE + write(ROWS, "\t", "\r\n").encode("utf-16-be"),
    ],
)
def test_a_mark_tells_the_encoding(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content).to_frame().rows() == ROWS
    headless = content.decode("utf-16" if content[0] > 0xF0 else "utf-8-sig").partition("\n")[2]
    assert read(tmp_path, b"\xef\xbb\xbf" + headless.encode(), columns=["user", "item", "rating"]).users[0] == "ann"


@pytest.mark.parametrize("encoding", ["klingon", "", 5, "hex"])
def test_an_encoding_that_is_none_is_told(tmp_path: Path, encoding: Any) -> None:
    with pytest.raises((ParameterError, DataError), match=r"encoding"):
        read(tmp_path, write(ROWS, ","), encoding=encoding)


def test_titles_and_tables_are_found_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "artists.dat"
    path.write_text("id\tname\turl\n1\tMALICE MIZER\thttp://x\n2\tDiary of Dreams\thttp://y\n")
    assert open_file(path).read(["id", "name"], ids=["id"]).rows() == [(1, "MALICE MIZER"), (2, "Diary of Dreams")]


def test_a_table_of_titles_between_colons_is_none_of_ratings(tmp_path: Path) -> None:
    path = tmp_path / "films.dat"
    for line in ("0000008::A Sneeze (1894)::Short", "1::Heat", "1::Toy Story (1995)"):
        path.write_text(f"{line}\n")
        assert open_file(path).read_header() == line.split("::")
    for line in ("1::2", "u1::i-2::5", "ann::Aja::5", "1::1193::5::978300760"):
        path.write_text(f"{line}\n")
        assert open_file(path).read_header() == ["user_id", "movie_id", "rating", "timestamp"][: line.count("::") + 1]


def test_the_tab_separated_dat_of_last_fm_is_read(data_folder: Path) -> None:
    path = data_folder / "lastfm" / "user_artists.dat"
    if not path.exists():
        pytest.skip(f"needs HetRec's Last.fm: {path} is absent")
    plays = tm.Interactions.from_file(path, user="userID", item="artistID", weight="weight")
    assert (len(plays), plays.n_users, plays.n_items) == (92_834, 1_892, 17_632)
