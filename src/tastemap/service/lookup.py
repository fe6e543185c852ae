"""Finds names at each keystroke: what begins with a text, has its words or parts of them, the most popular first."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from threading import Lock

import numpy as np
import polars as pl

from tastemap.service.search import FIRST_ARTICLE, LONGEST_WORDS, Search, fold_names, make_whole
from tastemap.typing import Ints, RowNumbers

# Words, or the rarest parts of them, that a table is asked for: the names that have these are compared with all words.
_ASKED = 4

# Letters of a word's beginning that a table is asked for: the names of so many stand in it, and need not be merged.
_BEGINNING = 5

# The most spellings that a name has.
_SPELLINGS = 6

# Of a folded name only spaces are no letters, and every case is small already.
_TABLES = """
create virtual table words using fts5(name, content='', columnsize=0, detail=none, prefix='1 2 3 4 5', tokenize=ascii);
create virtual table parts using fts5(name, content='', columnsize=0, detail=none, tokenize='trigram case_sensitive 1');
create virtual table thirds using fts5vocab(parts, row);
"""


class Lookup:
    """Finds names while somebody types, among a million in some milliseconds; threads may share it.

    search : the names, and how popular each is

    It is made at the first text, or by `make`: a million names in 20 s and 550 MB.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._lock = Lock()
        self._index: _Index | None = None

    def find(self, text: str, k: int = 10) -> RowNumbers:
        """Return the rows of the at most ``k`` ids that a text may mean, the likeliest first, each once.

        First comes the id that it is, then names that are it, then those that begin with it, then those with words that
        begin with its words, then those with its words as parts of words; among each the most popular first. Where
        there are none, what `Search.match` finds.
        """
        row = self._search.find_id(text)
        found = dict.fromkeys([row] if row >= 0 else [])
        if self._search.has_names:
            for row in self.make().list_rows(make_whole(text), 2 * k):
                if len(found) >= k:
                    break
                found[row] = None
        # Signs that are no name are in none.
        if not found and any(map(str.isalnum, text)):
            return self._search.match(text)[0][:k]
        return np.fromiter(islice(found, k), np.int64)

    def make(self) -> _Index:
        """Make the index where there is none yet."""
        with self._lock:
            if self._index is None:
                self._index = _Index(self._search)
            return self._index


class _Index:
    """Names in the order of their popularity, all ways to write them, and a database of their words and parts."""

    def __init__(self, search: Search) -> None:
        folded = search.order_names()
        self._names, self._rows = folded["whole"], folded["row"].to_numpy()
        self._spellings, self._places = _order_spellings(folded, with_ids=search.ids.holds_strings)
        self._database = _fill_tables(self._names)
        # How many names have each part of three letters.
        self._counts: dict[str, int] = dict(self._database.execute("select term, doc from thirds"))
        self._lock = Lock()

    def list_rows(self, text: str, most: int) -> Iterator[int]:
        """Give rows of what a text may mean, of each way at most so many; some come more than once."""
        return (int(self._rows[place]) for place in self._list_places(text, most))

    def _list_places(self, text: str, most: int) -> Iterator[int]:
        whole, _, joined, _ = fold_names(pl.Series([text])).row(0)
        for key in (whole, joined) if whole else (text,):
            yield from self._take_first(bisect_left(self._spellings, key), bisect_right(self._spellings, key), most)
        if not whole:
            return
        # Behind the last letter that there can be.
        end = bisect_left(self._spellings, whole + chr(0x10FFFF))
        yield from self._take_first(bisect_left(self._spellings, whole), end, most)
        if len(text) > LONGEST_WORDS:
            return
        words = list(dict.fromkeys(whole.split()))
        begins = [f" {word}" for word in words]
        longest = sorted(words, key=len, reverse=True)[:_ASKED]
        yield from self._ask("words", [f'"{word[:_BEGINNING]}"*' for word in longest], begins, most)
        # A number is not a part of another one, such as a year.
        parts = [begin if word.isdigit() else word for word, begin in zip(words, begins, strict=True)]
        thirds = {word[at : at + 3] for word in words for at in range(len(word) - 2)}
        rarest = sorted(thirds, key=lambda third: (self._counts.get(third, 0), third))[:_ASKED]
        yield from self._ask("parts", [f'"{third}"' for third in rarest], parts, most)

    def _take_first(self, start: int, end: int, most: int) -> Iterable[int]:
        """Return the places of the most popular names among spellings from one to another."""
        places = self._places[start:end]
        most_spellings = most * _SPELLINGS
        if len(places) > most_spellings:
            places = np.partition(places, most_spellings)[:most_spellings]
        return map(int, np.unique(places)[:most])

    def _ask(self, table: str, wanted: list[str], parts: list[str], most: int) -> list[int]:
        """Return the places of the most popular names that a table has, and that have all parts."""
        places = list[int]()
        if not wanted:
            return places
        query = f"select rowid from {table} where {table} match ? order by rowid"
        with self._lock, closing(self._database.execute(query, (" AND ".join(wanted),))) as found:
            for (place,) in found:
                name = f" {self._names[place]}"
                if all(part in name for part in parts):
                    places.append(place)
                    if len(places) == most:
                        break
        return places


def _order_spellings(folded: pl.DataFrame, *, with_ids: bool) -> tuple[pl.Series, Ints]:
    """Return all that names may be called, in alphabetical order, and the place of the name that each belongs to."""
    whole = folded["whole"]
    ways = [
        # What has no letter is called as it is written.
        whole.zip_with(whole != "", folded["name"]),
        *(folded[way] for way in ("bare", "stem", "joined")),
        whole.str.replace(FIRST_ARTICLE, "$1"),
        *([fold_names(folded["id"])["whole"]] if with_ids else []),
    ]
    places = pl.Series(np.arange(len(folded), dtype=np.int32))
    several = [pl.DataFrame({"spelling": way, "place": places}) for way in ways]
    # A spelling that the name has in another way adds nothing.
    new = [way.filter((way["spelling"] != several[0]["spelling"]) & (way["spelling"] != "")) for way in several[1:]]
    ordered = pl.concat([several[0], *new]).sort("spelling")
    return ordered["spelling"], ordered["place"].to_numpy()


def _fill_tables(names: pl.Series) -> sqlite3.Connection:
    """Return a database in memory with a row for each name, in the order of their popularity."""
    database = sqlite3.connect(":memory:", check_same_thread=False)  # a lock lets one thread in
    with database:
        database.executescript(_TABLES)
        for table in ("words", "parts"):
            database.executemany(f"insert into {table} (rowid, name) values (?, ?)", enumerate(names))
    return database
