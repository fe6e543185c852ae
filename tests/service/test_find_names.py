from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemap as tm
from tastemap.service.lookup import Lookup
from tastemap.service.search import Search, fold_names

# The more popular, the later.
FILMS = [
    "Dominatrix, The (1996)",
    "The Animatrix: Matrix Reborn (2003)",
    "Reloaded Matrix (2010)",
    "Matrix, The (1999)",
    "The Matrix Reloaded (2003)",
    "Le fabuleux destin d'Amélie Poulain (2001)",
    "Straße der Ænigmen (1964)",
    "Spider-Man (2002)",
    "WALL·E (2008)",
    "Seven (Se7en) (1995)",
    "2001: A Space Odyssey (1968)",
    "黒澤明の羅生門 (1950)",
    "???",
    "<script>alert('x')</script> AND \"near\" (2020)",
    "Dune (1984)",
    "Dune (2021)",
]


def look_up(*names: str | None) -> Lookup:
    ids = tm.IdMap(range(10_000, 10_000 + len(names)), "item")
    return Lookup(Search(ids, pl.Series(names, dtype=pl.String), np.arange(len(names))))


@pytest.fixture(scope="module")
def films() -> Lookup:
    return look_up(*FILMS)


def find(lookup: Lookup, text: str, k: int = 10) -> list[int]:
    return lookup.find(text, k).tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("10003", [3]),
        ("d", [15, 14, 0, 6, 5]),
        ("matrix", [3, 4, 2, 1]),
        ("THE MATRIX", [3, 4, 1]),
        ("matrix, the", [3, 4, 1]),
        ("mat rel", [4, 2]),
        ("rel mat", [4, 2]),
        ("matr", [4, 3, 2, 1]),
        ("atri", [4, 3, 2, 1, 0]),
        ("AMÉLIE", [5]),
        ("amelie pou", [5]),
        ("strasse der aen", [6]),
        ("spiderman", [7]),
        ("spider man", [7]),
        ("wall-e", [8]),
        ("walle", [8]),
        ("seven", [9]),
        ("se7en", [9]),
        ("2001", [10, 5]),
        ("20", [10, 15, 13, 8, 7, 5, 4, 2, 1]),
        ("羅生門", [11]),
        ("生門", [11]),
        ("黒", [11]),
        ("???", [12]),
        ("<script>", [13]),
        ('and "near', [13]),
        ("dune", [15, 14]),
        ("dune 1984", [14]),
        ("alien", []),
        ("*", []),
        ("  ", []),
    ],
)
def test_names_are_found_while_they_are_typed(films: Lookup, text: str, rows: list[int]) -> None:
    assert find(films, text) == rows


def test_a_name_is_found_from_its_first_letter_on(films: Lookup) -> None:
    for row, name in enumerate(FILMS):
        for end in range(1, len(name) + 1):
            assert row in find(films, name[:end], k=len(FILMS)) or not name[:end].strip("<?")


def test_no_more_are_found_than_asked_for_and_none_twice() -> None:
    lookup = look_up(*["Same"] * 50, *["Same as before"] * 50)
    assert find(lookup, "same", 60) == [*range(49, -1, -1), *range(99, 89, -1)]
    assert find(lookup, "same", 3) == [49, 48, 47]
    assert find(lookup, "sam", 3) == [99, 98, 97]


def test_without_popularity_the_first_comes_first() -> None:
    assert find(Lookup(Search(tm.IdMap(["a", "b"], "item"), pl.Series(["Same", "Same"]))), "sa") == [0, 1]


def test_ids_that_are_texts_are_found_by_their_beginning() -> None:
    lookup = Lookup(Search(tm.IdMap(["85123A", "85123B", "POST"], "item"), pl.Series(["White heart", None, "Postage"])))
    assert find(lookup, "85123") == [0, 1]
    assert find(lookup, "post") == [2]
    assert find(lookup, "white") == [0]


def test_without_names_only_an_id_is_found() -> None:
    lookup = Lookup(Search(tm.IdMap([3, 30], "item")))
    assert (find(lookup, "3"), find(lookup, "30"), find(lookup, "x")) == ([0], [1], [])


def test_an_id_without_a_name_is_found_by_its_number() -> None:
    assert find(look_up(None, "Alien"), "10000") == [0]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("", "*"),
        ('"', "*"),
        ("matrix OR dune", "matrix or dune"),
        ("matrix NOT reloaded", "matrix not reloaded"),
        ("NEAR(matrix)", "near matrix"),
        ("name:matrix", "name matrix"),
        ("^dune", "dune"),
        ("-dune*", "dune"),
        ('"dune', "dune"),
        ("dune\0", "dune"),
        ("dune 🎬", "dune"),
        ("dune \ud800", "dune"),
        ("x" * 10_000, "*"),
        ("dune matrix " * 2_000, "*"),
        (" ".join(map(str, range(240))), "*"),
    ],
)
def test_what_a_text_holds_is_only_text(films: Lookup, text: str, same: str) -> None:
    assert find(films, text) == find(films, same)


def test_many_threads_find_what_one_finds(films: Lookup) -> None:
    texts = [name[:end] for name in FILMS for end in range(1, 12)]
    alone = [find(films, text) for text in texts]
    fresh = look_up(*FILMS)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: find(fresh, text), texts)) == alone


signs = st.text("aAbB1é ßx-'\"*()", max_size=12) | st.text(max_size=8)


def find_naively(names: list[str], text: str) -> list[int]:
    """Return the rows of names with words that begin with those of a text, in the order of `Lookup`."""
    folded = fold_names(pl.Series([text, *names]))
    whole, *known = folded["whole"].to_list()
    joined = folded["joined"][0]
    if not whole:
        return [row for row in reversed(range(len(names))) if names[row] == text != ""]
    spellings = [
        {*row, row[0].removeprefix("the ").removeprefix("an ").removeprefix("a ")} for row in folded.rows()[1:]
    ]

    def rank(row: int) -> int | None:
        parts = f" {known[row]}".split(" ")
        ways = [
            whole in spellings[row] or joined in spellings[row],
            any(spelling.startswith(whole) for spelling in spellings[row]),
            all(any(part.startswith(word) for part in parts) for word in whole.split()),
        ]
        return ways.index(True) if any(ways) else None

    ranks = {row: rank(row) for row in reversed(range(len(names)))}
    return sorted((row for row in ranks if ranks[row] is not None), key=lambda row: ranks[row] or 0)


@given(names=st.lists(signs, min_size=1, max_size=12), text=signs, k=st.integers(1, 12))
def test_names_that_begin_so_are_those_of_a_naive_reference(names: list[str], text: str, k: int) -> None:
    lookup, expected = look_up(*names), find_naively(names, text)
    found = find(lookup, text, k)
    assert found[: len(expected)] == expected[:k]
    assert len(set(found)) == len(found) <= k
    # All others have each word of the text as a part.
    for row in found[len(expected) :]:
        name, wanted = (set(fold_names(pl.Series([one])).row(0)) for one in (names[row], text))
        assert name & wanted or all(word in max(name, key=len) for word in max(wanted, key=len).split())
