from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import tastemap as tm
from tastemap.service.chosen import choose_items
from tastemap.service.remarks import Remark
from tastemap.service.titles import Titles

ITEMS = tm.Popular().fit(tm.Interactions.from_frame({"user": [1, 1, 2], "film": [10, 20, 30]}, item="film")).items


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_items_are_named_by_id_with_commas_or_one_by_one() -> None:
    assert choose_items(["10,20", "30", "10"], Titles(ITEMS)) == ([10, 20, 30], [])
    assert choose_items([",".join(["10"] * 2000)], Titles(ITEMS)) == ([10], [])
    with pytest.raises(tm.DataError, match="the ids of 'film' are integers here, got 'x'"):
        choose_items(["10,x"], Titles(ITEMS))


def test_a_title_may_hold_a_comma() -> None:
    frame = pl.DataFrame({"item": [10, 20, 30], "title": ["Matrix, The (1999)", "Alien (1979)", "Babe (1995)"]})
    names = Titles(ITEMS, frame)
    assert choose_items(["Matrix, The (1999)"], names)[0] == [10]
    ids, remarks = choose_items(["Alien, babe"], names)
    assert ids == [20, 30]
    assert [remark.kind for remark in remarks] == ["found", "found"]


@pytest.mark.parametrize("text", ["film\n10\n99\n20\n", "10\n20\n99\n", "film,note\n10,a\n99,b\n20,c\n"])
def test_a_file_holds_ids_one_a_line_or_in_a_column(text: str) -> None:
    Path("some.csv").write_text(text)
    ids, remarks = choose_items(["some.csv"], Titles(ITEMS))
    assert ids == [10, 20]
    assert remarks[0] == Remark("unknown candidates", {"path": Path("some.csv"), "left_out": 1, "items": 3})


def test_a_file_without_a_known_id_is_refused() -> None:
    Path("some.txt").write_text("99\n98\n")
    with pytest.raises(tm.DataError, match=r"the model knows none of the items of some\.txt"):
        choose_items(["some.txt"], Titles(ITEMS))
