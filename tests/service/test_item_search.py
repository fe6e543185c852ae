from __future__ import annotations

import difflib
import time
from contextlib import suppress

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tastemap as tm
from tastemap.data.ids import IdMap
from tastemap.service.search import Search

FILMS = {
    "0133093": "Matrix, The (1999)",
    "0234215": "The Matrix Reloaded (2003)",
    "0087182": "Dune (1984)",
    "1160419": "Dune (2021)",
    "0211915": "Le fabuleux destin d'Amélie Poulain (2001)",
    "0910970": "WALL·E (2008)",
    "0145487": "Spider-Man (2002)",
    "1013752": "Fast & Furious (2009)",
    "0114369": "Seven (Se7en) (1995)",
    "1856101": "Blade Runner 2049 (2017)",
    "0078748": "Alien",
    "0111161": "The Shawshank Redemption (1994)",
    "1375666": "Inception (2010)",
}
POPULARITY = np.arange(len(FILMS), dtype=np.int64)


@pytest.fixture(scope="module")
def films() -> Search:
    return Search(tm.IdMap(list(FILMS), "film"), pl.Series(list(FILMS.values())), POPULARITY)


def search(*names: str | None) -> Search:
    return Search(tm.IdMap(range(1, len(names) + 1), "item"), pl.Series(names, dtype=pl.String))


@pytest.mark.parametrize(
    ("text", "film"),
    [
        ("0910970", "0910970"),
        ("Matrix, The (1999)", "0133093"),
        ("THE MATRIX (1999)", "0133093"),
        ("the matrix 1999", "0133093"),
        ("the matrix", "0133093"),
        ("matrix", "0133093"),
        ("Dune (1984)", "0087182"),
        ("dune 2021", "1160419"),
        ("amelie poulain", "0211915"),
        ("Le Fabuleux Destin d’Amelie Poulain", "0211915"),
        ("wall-e", "0910970"),
        ("walle", "0910970"),
        ("spiderman", "0145487"),
        ("spider man", "0145487"),
        ("fast and furious", "1013752"),
        ("seven", "0114369"),
        ("se7en", "0114369"),
        ("blade runner 2049", "1856101"),
        ("alien (1979)", "0078748"),
        ("shawshank", "0111161"),
        ("redemption the", "0111161"),
        ("incept", "1375666"),
    ],
)
def test_an_item_is_found_by_what_people_type(films: Search, text: str, film: str) -> None:
    assert films.find(text) == film


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("strasse", "Straße"),
        ("lodz", "Łódź"),
        ("smorrebrod", "Smørrebrød"),
        ("война и мир", "ВОЙНА И МИР"),
        ("Οδοσ", "ΟΔΟΣ"),
        ("が", "が"),
        ("istanbul", "İSTANBUL"),
        ("avventura, l'", "L'Avventura"),
        ("alien3", "Alien³ (1992)"),
        ("???", "???"),
        ("C++", "C++"),
    ],
)
def test_letters_of_all_writings_are_folded(text: str, name: str) -> None:
    assert search("か", "C", name).find(text) == 3


def test_what_is_written_alike_comes_before_what_is_only_like() -> None:
    names = ["portal 2", "Portal 2", "PORTAL 2", "Portal 2 (2011)", "Portal", "The Portal"]
    assert [search(*names).find(name) for name in names] == [1, 2, 3, 4, 5, 6]
    assert search(*names[3:]).find("portal 2") == 1
    assert search("7", "10").find("7") == 1  # not an id here
    assert Search(tm.IdMap([10, 7], "item"), pl.Series(["7", "10"])).find("7") == 7
    assert search(None, "x").find("1") == 1
    assert Search(tm.IdMap(["85123A", "b"], "item"), pl.Series(["B", "holder"])).find("85123a") == "85123A"


def test_several_that_match_as_well_are_listed_with_ids_the_most_popular_first(films: Search) -> None:
    with pytest.raises(tm.DataError) as many:
        films.find("dune")
    assert str(many.value) == (
        "'dune' is the title of 2 items, 'Dune (2021)' (1160419), 'Dune (1984)' (0087182): say more of it, or pass the "
        "id of one"
    )
    assert many.value.facts["ids"] == ("1160419", "0087182")
    with pytest.raises(
        tm.DataError, match=r"'Hamlet' is the title of 2 items, 'Hamlet' \(1\), 'Hamlet' \(2\): pass the id"
    ):
        search("Hamlet", "Hamlet", "HAMLET").find("Hamlet")
    with pytest.raises(
        tm.DataError, match=r"'star' is in 7 titles, 'Star Trek 0' \(1\), .* 'Star Trek 4' \(5\) and 2 more: say"
    ):
        search(*[f"Star Trek {place}" for place in range(7)]).find("star")


def test_mistakes_bring_the_nearest_names(films: Search) -> None:
    for text, near in [
        ("teh mtrix", "'Matrix, The (1999)' (0133093)"),
        ("shawshenk redemtion", "'The Shawshank Redemption (1994)' (0111161)"),
        ("shawshenk", "'The Shawshank Redemption (1994)' (0111161)"),
        ("incpetion", "'Inception (2010)' (1375666)"),
        ("dunne", "'Dune (2021)' (1160419) or 'Dune (1984)' (0087182)"),
    ]:
        with pytest.raises(tm.UnknownIdError) as unknown:
            films.find(text)
        assert str(unknown.value).startswith(f"no item of the model has the id or title {text!r}; did you mean {near}")
        assert unknown.value.ids == (text,)
    for text in ("", "???", "xyzzy", "qqqqqqqqqqqqqqqqqqqqqqqqqqq", "x" * 100_000, "the " * 50_000, "\udcff"):
        with pytest.raises(tm.UnknownIdError, match=r"no item of the model has the id or title [^;]*$"):
            films.find(text)


def test_ids_that_are_texts_are_names() -> None:
    games = Search(tm.IdMap(["Portal", "Portal 2", "Half-Life 2", "Dota 2"], "game"))
    assert [games.find(text) for text in ("portal 2", "PORTAL", "half life 2", "dota")] == [
        *("Portal 2", "Portal", "Half-Life 2", "Dota 2")
    ]
    with pytest.raises(tm.DataError, match=r"'2' is in 3 ids, 'Portal 2', 'Half-Life 2', 'Dota 2': say more of it$"):
        games.find("2")
    with pytest.raises(
        tm.UnknownIdError, match=r"no item of the model has the id 'xyz': read titles from a file with ti"
    ):
        games.find("xyz")
    with pytest.raises(
        tm.UnknownIdError, match=r"no item of the model has the id 'protal'; did you mean 'Portal'.*\?$"
    ):
        games.find("protal")


def test_an_unknown_id_brings_the_nearest_known_ones() -> None:
    people = tm.IdMap(["hannah", "anna", "bob", "17"], "user")
    model = tm.Popular().fit(tm.Interactions.from_frame({"user": list(people), "item": [1, 2, 3, 4]}))
    with pytest.raises(tm.UnknownIdError) as unknown:
        model.recommend(["anma"])
    told = Search(people).tell_near(unknown.value)
    assert str(told).startswith("1 of 1 users were not in the training data: 'anma'; did you mean 'anna'")
    assert told.remedies == unknown.value.remedies
    assert told.ids == ("anma",)
    with pytest.raises(tm.UnknownIdError) as unknown:
        model.recommend(["Anna", "bobb", "xyz"])
    assert "'Anna', 'bobb', 'xyz'; did you mean 'anna' or 'bob'? Pass on_unknown" in str(
        Search(people).tell_near(unknown.value)
    )
    with pytest.raises(tm.UnknownIdError) as unknown:
        model.recommend(["xyz"])
    assert Search(people).tell_near(unknown.value) is unknown.value
    numbers = tm.UnknownIdError("7 is unknown", ids=[7])
    assert Search(tm.IdMap([1, 2])).tell_near(numbers) is numbers


def test_near_names_are_those_of_a_plain_search() -> None:
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list("abcdeo"), random.integers(2, 9))) for _ in range(400)]
    names = sorted(set(words))
    found = Search(tm.IdMap(names, "item"))
    for word in words[:40]:
        text = word[1:] + "e"
        likeness = [difflib.SequenceMatcher(None, name, text, autojunk=False).ratio() for name in names]
        best = max(likeness)
        near = [names[row] for row in found.find_near(text)]
        if best >= 0.7:
            assert likeness[names.index(near[0])] == best
        else:
            assert near == []


def test_a_hundred_thousand_titles_are_searched_at_once() -> None:
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list("abcdefghij"), 6)) for _ in range(5_000)]
    titles = random.choice(words, (100_000, 4))
    names = [f"{' '.join(title)} ({1900 + row % 100})" for row, title in enumerate(titles)]
    many = search(*names[:-1], "The Matrix (1999)")
    assert many.find("the matrix") == 100_000
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        many.match("the matrix")
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.1
    with pytest.raises(tm.UnknownIdError, match="did you mean 'The Matrix"):
        many.find("the mattrix")


LETTERS = [*"aAbB12 ,()'’:;&.ßςΣé\u0301が日त्🎬\u202e\n\t$\\", "The ", ", The", " (1999)"]


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.lists(st.sampled_from(LETTERS), max_size=8).map("".join), min_size=1, max_size=8),
    text=st.lists(st.sampled_from(LETTERS), max_size=5).map("".join),
    are_ids=st.booleans(),
)
def test_any_name_is_found_as_it_is_written_and_any_text_answered(names: list[str], text: str, are_ids: bool) -> None:
    unique = list(dict.fromkeys(names))
    found = Search(tm.IdMap(unique, "item")) if are_ids else search(*names)
    for row, name in enumerate(unique if are_ids else names):
        if names.count(name) == 1 and not name.isdecimal():
            assert found.ids.rows([found.find(name)])[0] == row
    with suppress(tm.UnknownIdError, tm.DataError):
        assert found.find(text) in found.ids


def test_a_number_is_no_part_of_a_year_and_zeros_before_an_id_may_be_left_out() -> None:
    ids = IdMap(["0068646", "0071562", "0000012"], "film")
    titles = pl.Series(["Godfather, The (1972)", "Godfather: Part II, The (1974)", "Twelve (1912)"])
    search = Search(ids, titles)
    with pytest.raises(tm.UnknownIdError):
        search.find("godfather 2")
    assert search.find("68646") == "0068646"
