"""Files that are damaged, or made to do harm: each is one sentence, soon, and costs little memory."""

from __future__ import annotations

import gzip
import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tastemap import memory
from tastemap.data.interactions import Interactions
from tastemap.data.sources._footer import measure_depth
from tastemap.data.sources.files import open_file
from tastemap.errors import DataError
from tastemap.service.titles import Titles

TEXT = b"user,item\n" + b"1,2\n2,3\n" * 5_000
ROWS = pl.DataFrame({"user": [f"u{row % 7}" for row in range(500)], "item": range(500)})


def _zip(content: bytes = TEXT, name: str = "r.csv", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def _mend(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)


def _flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def _encrypted() -> bytes:
    # The first bit of the flags, in the header of the member and in the directory.
    packed = bytearray(_zip())
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(packed)


def _packed_unusually() -> bytes:
    packed = bytearray(_zip())
    packed[8] = 97  # a method that Python does not have
    packed[packed.index(b"PK\x01\x02") + 10] = 97
    return bytes(packed)


def _parquet() -> bytes:
    written = io.BytesIO()
    ROWS.write_parquet(written, compression="uncompressed")
    return written.getvalue()


def _deep_parquet(depth: int, nest: Callable[[pa.DataType], pa.DataType]) -> bytes:
    kind: pa.DataType = pa.int64()
    for _ in range(depth):
        kind = nest(kind)
    written = io.BytesIO()
    pq.write_table(pa.table({"user": [1], "item": pa.nulls(1, kind)}), written, store_schema=False)
    return written.getvalue()


HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "zip, damaged inside": ("r.zip", lambda: _flip(_zip(), 60), "is not a whole .zip file"),
    "zip, wrong checksum": ("r.zip", lambda: _flip(_zip(method=zipfile.ZIP_STORED), 60), "is not a whole .zip file"),
    "zip, damaged directory": ("r.zip", lambda: _flip(_zip(), -30), "is not a whole .zip file"),
    "zip, cut off": ("r.zip", lambda: _zip()[:-40], "is not a whole .zip file"),
    "zip, encrypted": ("r.zip", _encrypted, "r.zip is encrypted: unpack it with its password"),
    "zip, unknown method": ("r.zip", _packed_unusually, "r.zip is packed in an unusual way"),
    "zip, damaged gz in it": ("r.zip", lambda: _zip(gzip.compress(TEXT)[:-9], "r.csv.gz"), "is not a whole .gz file"),
    "zip, damaged lzma": ("r.zip", lambda: _flip(_zip(method=zipfile.ZIP_LZMA), 60), "is not a whole .zip file"),
    "zip, damaged bzip2": ("r.zip", lambda: _flip(_zip(method=zipfile.ZIP_BZIP2), 60), "is not a whole .zip file"),
    "gz, cut off": ("r.csv.gz", lambda: gzip.compress(TEXT)[:-9], "is not a whole .gz file"),
    "gz, wrong checksum": ("r.csv.gz", lambda: _flip(gzip.compress(TEXT), -6), "is not a whole .gz file"),
    "gz, damaged inside": ("r.csv.gz", lambda: _flip(gzip.compress(TEXT), 40), "is not a whole .gz file"),
    "parquet, cut off": ("r.parquet", lambda: _parquet()[:-20], "is not a whole parquet file"),
    "parquet, damaged footer": ("r.parquet", lambda: _flip(_parquet(), -6), "is not a whole parquet file"),
    "parquet, damaged page": ("r.parquet", lambda: _flip(_parquet(), 6), "is not a whole parquet file"),
    "parquet, deep lists": (
        "r.parquet",
        lambda: _deep_parquet(50, pa.list_),
        "column 'item' holds lists of lists, too",
    ),
    "parquet, deeper lists": ("r.parquet", lambda: _deep_parquet(400, pa.list_), "has columns too deep to read"),
    "parquet, deep groups": (
        "r.parquet",
        lambda: _deep_parquet(3_000, lambda kind: pa.struct([("a", kind)])),  # ended the process
        "has columns too deep to read",
    ),
    "text, quote that hides lines": (
        "r.csv",
        lambda: TEXT + b'"3,4\n' + TEXT,
        "has quotes inside fields, which hide the ends of lines",
    ),
    "text, quotes alone": ("r.csv", lambda: b"user,item\n" + b'"' * 500_001, "column 'item' has no id in row 0"),
    "text, separators alone": ("r.csv", lambda: b"user,item\n" + b"," * 500_000, "has 500001 fields in line 2"),
    "text, of zeros": ("r.csv", lambda: b"\0" * 500_000, "r.csv is not text"),
    "text, in UTF-16 without a mark": ("r.csv", lambda: "user,item\n1,2\n".encode("utf-16-le"), "r.csv is not text"),
    "text, in half a UTF-16": (
        "r.csv",
        lambda: "user,item\n1,2\n".encode("utf-16")[:-1],
        "r.csv is not text in utf-16",
    ),
    "text, long name of a column": ("r.csv", lambda: b"x" * 500_000 + b",y\n1,2\n", "there is no column 'user'"),
    "text, escapes in a name": ("r.csv", lambda: b"\x1b]0;x\x07\xc2\x9b,y\n1,2\n", r"only '\x1b]0;x\x07\x9b', 'y'"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_explained_in_one_sentence(kind: str, tmp_path: Path) -> None:
    name, make, message = HOSTILE[kind]
    (tmp_path / name).write_bytes(make())
    started = time.perf_counter()
    with pytest.raises(DataError) as caught:
        Interactions.from_file(tmp_path / name, duplicates="sum")
    said = str(caught.value)
    assert message in said
    assert said.isprintable()
    assert len(said) < 1_500
    assert time.perf_counter() - started < 10


def test_a_long_value_is_cut_and_its_control_characters_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating\n1,2,3\n2,3," + "\x1b[31m" * 200_000 + "\n3,4,5\n")
    with pytest.raises(DataError, match="column 'rating' has what is no number") as caught:
        Interactions.from_file(path, weight="rating")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("frame", "depth"),
    [
        (pl.DataFrame({"a": [1]}), 1),
        (pl.DataFrame({f"column {place}": [1.5] for place in range(40)}), 1),
        (pl.DataFrame({"a": [[1]], "b": ["x"]}), 3),
        (pl.DataFrame({"a": [{"b": {"c": 1}, "d": 2}], "e": [1]}), 3),
    ],
)
def test_the_footer_tells_how_deep_columns_are(frame: pl.DataFrame, depth: int) -> None:
    written = io.BytesIO()
    frame.write_parquet(written)
    assert measure_depth(written) == depth
    pq.write_table(frame.to_arrow(), written)
    assert measure_depth(written) == depth
    assert measure_depth(io.BytesIO(written.getvalue()[:-9])) == 0


@pytest.mark.parametrize("footer", [b"\x19\xf1" + b"\xff" * 8 + b"\x01", b"\x15" + b"\xff" * 100_000, b"\x1c" * 50_000])
def test_a_footer_that_lies_ends_soon(footer: bytes) -> None:
    started = time.perf_counter()
    assert measure_depth(io.BytesIO(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")) == 0
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("name", ["r.csv.gz", "r.zip", "r.parquet", "r.csv"])
def test_what_does_not_fit_in_memory_is_refused_with_the_figure(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_rows = 400_000
    path = tmp_path / name
    rows = pl.DataFrame({"user": np.ones(n_rows, np.int64), "item": np.ones(n_rows, np.int64)})
    if name.endswith("parquet"):
        rows.write_parquet(path)
    else:
        text = rows.write_csv().encode()
        path.write_bytes({"z": gzip.compress(text), "p": _zip(text), "v": text}[name[-1]])
    assert path.stat().st_size < 2_000_000
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "available_memory", lambda: 1_000_000)
    with pytest.raises(DataError, match=r"r\..* takes 0\.0 GB, and 0\.0 GB are free: pass a part of it") as caught:
        Interactions.from_file(path, duplicates="sum")
    assert caught.value.facts["available"] == 1_000_000
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    assert len(Interactions.from_file(path, duplicates="sum")) == 1


def test_a_header_that_lies_about_its_size_is_bounded_by_real_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = bytearray(_zip(b"1" * 3_000_000))
    for place in (22, packed.index(b"PK\x01\x02") + 24):
        packed[place : place + 4] = (10).to_bytes(4, "little")
    (tmp_path / "r.zip").write_bytes(packed)
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "available_memory", lambda: 1_000_000)
    with pytest.raises(DataError, match=r"r\.zip"):
        open_file(tmp_path / "r.zip")


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
@pytest.mark.parametrize("quoted", [False, True])
def test_lines_may_end_in_cr_or_lf_or_both(end: str, quoted: bool, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    # The file BX-Book-Ratings as old spreadsheets write it: 2.9 MB, which took minutes.
    isbn = '"""{:010d}X"""' if quoted else "{:010d}X"
    lines = ["User-ID,ISBN,Book-Rating", *(f"{row // 9},{isbn.format(row % 977)},{row % 11}" for row in range(100_000))]
    path.write_text(end.join(lines), newline="")
    started = time.perf_counter()
    read = open_file(path).read(["User-ID", "ISBN", "Book-Rating"], ids=["User-ID", "ISBN"])
    assert read.row(99_999) == (11_111, ('"0000000345X"' if quoted else "0000000345X"), 9)
    assert len(read) == 100_000
    assert time.perf_counter() - started < 10


def test_ends_of_lines_may_be_mixed(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item\n1,2\r3,4\r\n5,6", newline="")
    assert open_file(path).read(ids=["user", "item"]).rows() == [(1, 2), (3, 4), (5, 6)]
    path.write_text('user,item,text\n1,2,"a\rb"\n3,4,"c\r"\n', newline="")
    assert open_file(path).read(["user", "item", "text"])["text"].to_list() == ["a\rb", "c\r"]


@pytest.mark.parametrize("name", ["", "*", "^u.*$"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_name_that_polars_takes_for_a_pattern_is_refused(name: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"r.{ending}"
    table = pl.DataFrame({"user": [1, 2], name: [3, 4], "u2": ["x", "y"]})
    table.write_csv(path) if ending == "csv" else table.write_parquet(path)
    with pytest.raises(DataError, match="is no name for a column, or a pattern of names: rename it"):
        Interactions.from_file(path, item=name)
    # Where it is not used it does no harm.
    assert Interactions.from_file(path, item="u2").to_frame().rows() == [(1, "x", 1), (2, "y", 1)]
    assert open_file(path).read().columns == ["user", name, "u2"]


def test_titles_come_from_hostile_files_as_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "movies.zip").write_bytes(_flip(_zip(), 60))
    items = Interactions.from_frame({"user": [1], "item": [2]}).items
    with pytest.raises(DataError, match=r"movies\.zip is not a whole \.zip file"):
        Titles.read(tmp_path / "movies.zip", items)
