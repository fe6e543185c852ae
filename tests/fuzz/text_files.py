"""Text and Parquet files, odd, packed and damaged: refused in one sentence, or read as the table that they hold."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

import tastemap as tm
from fuzz import draw
from fuzz.frames import check_data
from fuzz.mutation import mutate, mutations
from fuzz.verdict import ask, ensure, without_refusal

SUFFIXES = [".csv", ".csv", ".tsv", ".txt", ".parquet", ".inter", ".dat", ".data", ".pq", "", ".CSV"]
PACKING = ["", "", "", ".gz", ".zip", "gz in zip", "two in zip", "wrong"]
_HEADERS = [
    ["user", "item", "rating", "timestamp"],
    ["user_id:token", "item_id:token", "rating:float", "timestamp:float"],
    ["userId", "movieId", "rating", "timestamp"],
    ["user", "user", "item", "rating"],
    ["", "item", "rating", "timestamp"],
    ["^user$", "*", "rating", "x"],
    ["u\nser", "item", "rating", "timestamp"],
]


@st.composite
def tables(draw_: st.DrawFn) -> dict[str, Any]:
    """Return a table of texts and how it is written to a file."""
    found = draw_(draw.pairs(most=25, distinct=False))
    n_users, n_items = draw.columns(found)
    plain, is_usual = draw_(st.booleans()), draw_(st.booleans())

    def choose(usual: Any, others: list[Any]) -> Any:
        return usual if is_usual else draw_(st.sampled_from([usual, usual, *others]))

    name = (lambda n: draw_(draw.ids(n))) if plain else (lambda n: draw_(st.lists(draw.texts, min_size=n, max_size=n)))
    users, items = name(n_users), name(n_items)
    rating = st.sampled_from(["1", "2.5", "5", "0"]) if plain else st.one_of(draw.odd_weights.map(str), draw.texts)
    rows = [[str(users[u]), str(items[i]), draw_(rating), str(place)] for place, (u, i) in enumerate(found)]
    return {
        "header": choose(_HEADERS[0], [*_HEADERS, None]),
        "rows": rows,
        "plain": plain,
        "separator": choose(None, [",", ";", "\t", "|", "::", " ", "a"]),
        "ends": draw_(st.sampled_from(["\n", "\r\n"] if is_usual else ["\n", "\r\n", "\r", "\n\n"])),
        "quotes": draw_(st.sampled_from(["minimal", "all"] if is_usual else ["minimal", "all", "none"])),
        "encoding": choose("utf-8", ["utf-8-sig", "utf-16", "latin-1"]),
        "suffix": draw_(st.sampled_from(SUFFIXES[:6] if is_usual else SUFFIXES)),
        "packing": draw_(st.sampled_from(PACKING[:5] if is_usual else PACKING)),
        "repeat": draw_(st.sampled_from([1] * 9 + [1200])),
        "inside": [] if is_usual else draw_(mutations),
        "outside": [] if is_usual else draw_(mutations),
    }


@st.composite
def regular_tables(draw_: st.DrawFn) -> dict[str, Any]:
    """Return a table of people that models know, with nothing odd but some texts."""
    users, items = ["u0", "u1", "u2", "u3", draw_(draw.texts)], ["i0", "i1", "i2", draw_(draw.texts)]
    numbers = st.tuples(st.integers(0, 4), st.integers(0, 3))
    pairs = draw_(st.lists(numbers, min_size=6, max_size=18, unique=True))
    return {
        "header": _HEADERS[0],
        "rows": [[users[u], items[i], str(1 + (u + i) % 5), str(place)] for place, (u, i) in enumerate(pairs)],
        "plain": True,
        "separator": None,
        "ends": "\n",
        "quotes": "all",
        "encoding": "utf-8",
        "suffix": ".csv",
        "packing": "",
        "repeat": 1,
        "inside": [],
        "outside": [],
    }


@st.composite
def _inputs(draw_: st.DrawFn) -> dict[str, Any]:
    options: dict[str, Any] = {"duplicates": draw_(st.sampled_from(["sum", "last", "max", "mean", "error"]))}
    if draw_(st.booleans()):
        options["weight"] = "rating"
    if draw_(st.integers(0, 3)) == 0:
        options["time"] = "timestamp"
    reader = draw_(st.sampled_from(["from_file", "from_file", "service", "titles"]))
    return {"table": draw_(tables()), "options": options, "pass separator": draw_(st.booleans()), "reader": reader}


INPUTS = _inputs()


def write(table: dict[str, Any], folder: Path) -> Path:
    """Write a table as it says, and return the path."""
    content = mutate(_as_bytes(table), table["inside"])
    packing, suffix = table["packing"], table["suffix"]
    name = f"data{suffix}"
    if packing == ".gz":
        content, name = gzip.compress(content, mtime=0), f"{name}.gz"
    elif packing.endswith("zip") or packing == ".zip":
        members = [name, "other.csv"] if packing == "two in zip" else [name]
        packed = gzip.compress(content, mtime=0) if packing == "gz in zip" else content
        members = [f"{name}.gz"] if packing == "gz in zip" else members
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                archive.writestr(member, packed)
        content, name = stream.getvalue(), "data.zip"
    elif packing == "wrong":
        name = f"{name}.zip"
    path = folder / name
    path.write_bytes(mutate(content, table["outside"]))
    return path


def _separator(table: dict[str, Any]) -> str:
    usual = {".tsv": "\t", ".inter": "\t", ".data": "\t", ".dat": "::"}.get(table["suffix"], ",")
    return table["separator"] or usual


def _as_bytes(table: dict[str, Any]) -> bytes:
    rows = table["rows"] * table["repeat"]
    if table["suffix"] in (".parquet", ".pq"):
        header = table["header"] or _HEADERS[0]
        names = header if len(set(header)) == 4 else _HEADERS[0]
        readable = [[cell.encode("utf-8", "replace").decode() for cell in row] for row in rows]
        frame = pl.DataFrame(readable, schema=dict.fromkeys(names, pl.String), orient="row")
        stream = io.BytesIO()
        numbers = [pl.col(names[2]).cast(pl.Float64, strict=False), pl.col(names[3]).cast(pl.Int64)]
        frame.with_columns(numbers).write_parquet(stream)
        return stream.getvalue()
    separator = _separator(table)
    text = io.StringIO()
    lines = ([table["header"]] if table["header"] else []) + rows
    if len(separator) == 1 and table["quotes"] != "none":
        quoting = csv.QUOTE_ALL if table["quotes"] == "all" else csv.QUOTE_MINIMAL
        csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=table["ends"]).writerows(lines)
    else:
        text.writelines(separator.join(line) + table["ends"] for line in lines)
    return text.getvalue().encode(table["encoding"], "replace")


def check(value: dict[str, Any]) -> None:
    table, options = value["table"], value["options"]
    with tempfile.TemporaryDirectory() as folder:
        path = write(table, Path(folder))
        separator = table["separator"] if value["pass separator"] else None
        if value["reader"] == "titles":
            from tastemap.service.titles import Titles

            Titles.read(path, tm.IdMap(["1", "a"], "item")).find("a")
            return
        if value["reader"] == "service":
            from tastemap.service.reading import Reading

            reading = Reading(duplicates="auto", drop_nulls=True, separator=separator, guess_time=True)
            check_data(reading.read(path).data)
            ask(reading.read_parts, path, 0.3)
            return
        if _is_regular(table):
            _check_same_as_frame(path, table, options, separator)
        check_data(tm.Interactions.from_file(path, separator=separator, **options))


def _is_regular(table: dict[str, Any]) -> bool:
    """Tell whether the file holds the table and nothing stands between it and a reader."""
    return (
        table["plain"]
        and table["header"] == _HEADERS[0]
        and table["separator"] in (None, ",", ";", "\t", "|")
        and table["ends"] in ("\n", "\r\n")
        and table["quotes"] != "none"
        and table["encoding"] == "utf-8"
        and table["suffix"] in (".csv", ".tsv", ".txt", ".parquet")
        and table["packing"] in ("", ".gz", ".zip")
        and not table["inside"]
        and not table["outside"]
        and all(cell.isprintable() and cell == cell.strip() and cell for row in table["rows"] for cell in row)
    )


def _check_same_as_frame(path: Path, table: dict[str, Any], options: dict[str, Any], separator: str | None) -> None:
    """Check that a regular file is read as the table from which it was written."""
    rows = table["rows"] * table["repeat"]
    pairs = {(user, item) for user, item, *_ in rows}
    has_repeats = options["duplicates"] == "error" and len(pairs) < len(rows)
    is_told = separator is not None or table["separator"] is None or table["suffix"] == ".parquet"
    if has_repeats or not is_told or _looks_missing(rows):
        return
    with without_refusal("a regular file"):
        data = tm.Interactions.from_file(
            path, separator=None if table["suffix"] == ".parquet" else separator, **options
        )
    ensure(len(data) == len(pairs), "a file has another number of distinct pairs than its table")
    read = {(str(user), str(item)) for user, item in data.to_frame("polars").select("user", "item").rows()}
    ensure(read == pairs, "a file has other ids than its table")


def _looks_missing(rows: list[list[str]]) -> bool:
    return any(draw.is_missing(cell) for row in rows for cell in row[:2])
