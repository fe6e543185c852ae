from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import tastemap as tm
from tastemap.data.sources.files import open_file
from tastemap.errors import DataError

ROWS: list[dict[str, Any]] = [
    {"user": "007", "item": 10, "stars": 4.5, "text": 'said "hm", {left}\n', "more": {"a": [1]}},
    {"item": 11, "user": "ann", "stars": 3, "text": "", "more": 5},
    {"user": "ann", "item": 10, "stars": None, "more": [2]},
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str | bytes, name: str = "r.jsonl") -> Path:
    path = Path(name)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def write_all() -> list[Path]:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    with zipfile.ZipFile("r.zip", "w") as archive:
        archive.writestr("yelp/r.json", lines)
    return [
        write(lines),
        write(lines.replace("\n", "\r\n\r\n"), "r.ndjson"),
        write(b"\xef\xbb\xbf" + lines.encode(), "r.json"),
        write("  " + lines.rstrip(), "r.txt"),
        write(json.dumps(ROWS), "a.json"),
        write(b"\xef\xbb\xbf\n" + json.dumps(ROWS, indent=2).encode(), "b.dat"),
        write(gzip.compress(lines.encode()), "r.jsonl.gz"),
        Path("r.zip"),
    ]


def test_rows_are_read_from_objects_on_lines_and_in_arrays() -> None:
    for path in write_all():
        file = open_file(path)
        assert file.read_header() == ["user", "item", "stars", "text", "more"]
        table = file.read(["item", "user", "stars"], ids=["user", "item"])
        assert table.rows() == [(10, "007", 4.5), (11, "ann", 3.0), (10, "ann", None)], path
        data = tm.Interactions.from_file(path, weight="stars", drop_nulls=True)
        assert data.to_frame("polars").rows() == [("007", 10, 4.5), ("ann", 11, 3.0)]


def test_a_key_may_come_late() -> None:
    path = write('{"user": 1, "item": 2}\n' * 100_000 + '{"user": 3, "item": 4, "at": 5}')
    assert open_file(path).read(["at"])["at"].drop_nulls().to_list() == [5]
    with pytest.raises(DataError, match="there is no column 'when', only 'user', 'item', 'at'"):
        open_file(path).read(["when"])


def test_ids_follow_the_rule_for_texts() -> None:
    assert open_file(write('{"u": "7"}\n{"u": 8}')).read(ids=["u"])["u"].to_list() == [7, 8]
    assert open_file(write('{"u": "07"}\n{"u": 8}')).read(ids=["u"])["u"].to_list() == ["07", "8"]
    huge = 2**100 + 1
    assert open_file(write(f'{{"u": {huge}}}\n{{"u": 8}}')).read(ids=["u"])["u"].to_list() == [str(huge), "8"]


def test_titles_in_brackets_are_texts() -> None:
    path = write('{"user": 1, "item": "[REC]"}\n{"user": 2, "item": "{x}"}')
    assert tm.Interactions.from_file(path).items.ids.to_list() == ["[REC]", "{x}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"user": 1, "item": 2}\n\n{"user": 1, "it',
            "line 3 is not a whole JSON object (Unterminated string",
        ),
        ("{'user': 1, 'item': 2}\n", "line 1 is what Python prints for a dict, not JSON"),
        ('{"user": 1, "item": 2}\n{"user": NaN, "item": 2}', "line 2 holds NaN, which is no number of JSON's"),
        ('{"user": 1, "item": 2}\n{"user": ' + "1" * 50 + ', "item": 2}', "line 2 holds a number of 50 digits, which"),
        ('{"user": 1, "item": 2}\n{"user": ' + "[" * 10**5 + "]" * 10**5 + "}", "line 2 is nested too deeply"),
        ('{"user": 1, "item": 2}\n5\n', "5 in line 2 is no JSON object"),
        ('{"user": 1, "item": 2}{"user": 2, "item": 2}\n', "line 1 goes on behind the end of an object"),
        ('[{"user": 1, "item": 2},\n 5]', "5 in line 1 is no JSON object"),
        ('[{"user": 1, "item": 2},\n {"user": 1', "line 2 is not a whole JSON object"),
        ('{"user": {"$oid": "5f"}, "item": 2}', "column 'user' holds lists or objects, {'$oid': '5f'} in line 1"),
        ('{"user": 1, "item": 2}\n{"user": [3], "item": 2}', "column 'user' holds lists or objects, [3] in line 2"),
        (
            '{"user": {"0": 1}, "item": {"0": 2}}',
            "is one object that holds columns or lists, of ['user'",
        ),
        (b'{"user": "\xe9", "item": 2}', "is not UTF-8 text in line 1: convert it"),
        ("user,item\n1,2\n", "line 1 is not a whole JSON object"),
        ("[]", "has no rows"),
        ("\n", "has no rows"),
    ],
)
def test_what_is_no_row_is_named_with_its_line(text: str | bytes, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        tm.Interactions.from_file(write(text, "r.json"))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_in_memory_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(needed: int, label: str) -> None:
        raise DataError(f"{label} is too large")

    path = write('{"user": 1, "item": 2}\n')
    monkeypatch.setattr("tastemap.data.sources._json.check_room", refuse)
    with pytest.raises(DataError, match=r"r\.jsonl is too large"):
        tm.Interactions.from_file(path)


def test_a_wide_table_takes_keys_that_come_late(tmp_path: Path) -> None:
    path = tmp_path / "wide.jsonl"
    rows = [{"user": f"u{n}", **{f"item {n} {m} {'x' * 200}": 5 for m in range(10)}} for n in range(700)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = tm.Interactions.from_wide(path)
    assert (len(read), read.n_users, read.n_items) == (7_000, 700, 7_000)
