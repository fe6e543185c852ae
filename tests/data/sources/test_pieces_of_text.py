"""A large text is read a piece at a time where its first rows tell the types of all, to the same rows as a whole."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tastemap as tm
from tastemap.data.sources import _text, files
from tastemap.data.sources._text import TextTable

ROWS = [f"{u},{i},{w},{u * 1000 + i}" for u, i, w in np.random.default_rng(0).integers(1, 50, (400, 3)).tolist()]
NAMES = [f"u{row}".replace(",", ",00a", 1) for row in ROWS]
HEADER = "user,item,weight,time"
USED = {"user": "user", "item": "item", "weight": "weight", "time": "time", "duplicates": "sum"}


def write(*last: str, rows: list[str] = ROWS, header: str = HEADER, end: str = "\n") -> bytes:
    return end.join([header, *rows, *last, ""]).encode()


# What is read in pieces, and what is not.
PLAIN = {
    "numbers": write(),
    "without an end of the last line": write().rstrip(),
    "lines that end as on Windows": write(end="\r\n"),
    "empty times": write().replace(b",", b",", 1),
    "weights with a point": write(rows=[f"{n},{n % 7},{n % 3}.5,{n}" for n in range(400)]),
    "other columns": write(rows=[f"{row},9" for row in ROWS], header=f"{HEADER},more"),
    "other separators": write().replace(b",", b";"),
    "names": write(rows=NAMES),
    "names, and numbers among them": write("7,5,3,1", "-8,+9,3,1", "07,7.0,3,1", rows=NAMES),
    "names, and a number first": write(rows=["7,8,3,1", *NAMES]),
    "names of users alone": write(rows=[f"u{row}" for row in ROWS]),
    "codes": write(rows=[f"0{row}".replace(",", ",0", 1) for row in ROWS]),
    "dates": write(rows=[f"{row.rpartition(',')[0]},2024-02-{1 + k % 28:02}" for k, row in enumerate(NAMES)]),
}
OTHERS = {
    "a text in the last row": write("x7,3,1,5"),
    "a huge number": write("99999999999999999999999999,3,1,5"),
    "a late point": write("7,3,1.5,5"),
    "names behind numbers": write(rows=[*ROWS, *NAMES]),
    "names, and a code for an item": write("u1,007,3,1", rows=[f"u{row}" for row in ROWS]),
    "whole numbers with a point": write(rows=[f"{n}.0,{n % 7}.0,1,5" for n in range(400)]),
    "names, and decimal commas": write(
        rows=[f"u{n};i{n % 7};{n % 3},5;{n}" for n in range(400)], header=HEADER.replace(",", ";")
    ),
    "a code": write("007,3,1,5"),
    "quotes": write('"7",3,1,5'),
    "spaces": write("7, 3,1,5"),
    "two bytes between columns": write().replace(b",", b"::"),
}
REFUSED = {
    "an empty line": write("", "7,3,1,5"),
    "a late null": write(",3,1,5"),
    "a field too many": write("7,3,1,5,6"),
    "a column that is missing": write(header="user,item,weight,when"),
    "a weight that is none": write("7,3,abc,5"),
    "names, and a missing one": write("NA,3,1,5", rows=NAMES),
    "names, and an empty weight": write("u1,3,,5", rows=NAMES),
    "words for missing ids": write(rows=["NA,1,1,1"] * 120 + ROWS),
    "names, and an empty one": write(",3,1,5", rows=NAMES),
    "names, and a late date": write("u1,3,1,2024-02-01", rows=NAMES),
}


def is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PIECE", 500)
    monkeypatch.setattr(files, "LARGE_TEXT", 1000)


def read(path: Path) -> list[tuple[object, ...]] | str:
    try:
        return tm.Interactions.from_file(path, **USED).to_frame("polars").rows()  # type: ignore[arg-type]
    except tm.TastemapError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore::tastemap.TastemapWarning")
@pytest.mark.parametrize("name", [*PLAIN, *OTHERS, *REFUSED])
def test_pieces_have_the_rows_of_the_whole(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes((PLAIN | OTHERS | REFUSED)[name])
    monkeypatch.setattr(_text, "_SAMPLE", 100)  # types are guessed from so many rows
    whole = read(path)
    is_large(monkeypatch)
    cut: list[bool] = []
    usual = TextTable.read_pieces

    def watch(self: TextTable, *how: object) -> Iterator[object] | None:
        pieces = usual(self, *how)  # type: ignore[arg-type]
        cut.append(pieces is not None)
        return pieces

    monkeypatch.setattr(TextTable, "read_pieces", watch)
    pieces = read(path)
    assert pieces == whole
    assert isinstance(whole, str) == (name in REFUSED)
    assert cut == [name in PLAIN] or name in REFUSED


def test_a_packed_text_is_cut_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, packed = tmp_path / "rows.csv", tmp_path / "rows.csv.gz"
    plain.write_bytes(write())
    packed.write_bytes(gzip.compress(write()))
    whole = read(plain)
    is_large(monkeypatch)
    assert read(packed) == whole
