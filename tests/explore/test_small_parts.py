"""Numbers, filters, addresses, reasons and lines of Python: what pages are made of, without a browser."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import QueryParams
from typer.testing import CliRunner

import tastemap as tm
from serve.running import films, likes
from tastemap.cli import app
from tastemap.explore.code import write_code
from tastemap.explore.filters import Filters
from tastemap.explore.frame import make_address
from tastemap.explore.measures import describe_data
from tastemap.explore.numbers import Numbers
from tastemap.explore.texts import join
from tastemap.serve.shelf import Shelf


@pytest.mark.parametrize(
    ("asked", "whole", "score", "share"),
    [
        ("en-US,en;q=0.9", "1,234", "0.528", "43%"),
        ("de-DE,de;q=0.8", "1.234", "0,528", "43\xa0%"),
        ("xx-nothing,fr;q=0.5", "1\u202f234", "0,528", "43\xa0%"),
        ("", "1,234", "0.528", "43%"),
        ("*", "1,234", "0.528", "43%"),
        ("../../etc/passwd,\x00", "1,234", "0.528", "43%"),
    ],
)
def test_numbers_have_the_form_that_the_browser_asks_for(asked: str, whole: str, score: str, share: str) -> None:
    numbers = Numbers.of(asked)
    assert (numbers.whole(1234), numbers.score(0.5282), numbers.percent(0.43)) == (whole, score, share)


def test_scores_have_as_many_digits_as_they_need() -> None:
    numbers = Numbers.of("en")
    assert [numbers.score(x) for x in (0.05, -3.14159, 42.25, 2853.0)] == ["0.050", "-3.142", "42.2", "2,853"]
    assert numbers.percent(0.0269, 2) == "2.69%"


def test_filters_go_into_the_address_and_come_back() -> None:
    filters = Filters(("genre=Drama|Comedy", "year>=1990"), 0.25, {"genre": 2}, "30d")
    address = make_address("/taste", {"like": ["1", "a&b"], "models": "", **filters.as_query()})
    assert address.startswith("taste?like=1&like=a%26b&where=")
    assert Filters.of(QueryParams(address.partition("?")[2])) == filters
    assert make_address("/", {}) == "./"
    assert make_address("", {"item": "1"}) == "?item=1"


@pytest.mark.parametrize(
    "query",
    ["diversity=much", "diversity=nan", "at_most=genre", "at_most=genre:-1", "at_most=:3", "since=2", "since=<b>"],
)
def test_what_an_address_cannot_mean_is_left_out(query: str) -> None:
    assert Filters.of(QueryParams(query)) == Filters()
    assert Filters.of(QueryParams("diversity=7")).diversity == 1


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_joined(names: list[str], text: str) -> None:
    assert join(names) == text


def test_the_lines_of_python_give_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tm.EASE().fit(likes(), progress=False)
    model.save(tmp_path / "ease.safetensors")
    films().write_csv(tmp_path / "films.csv")
    monkeypatch.chdir(tmp_path)
    (served,) = Shelf({"ease": tmp_path / "ease.safetensors"}, items=tmp_path / "films.csv").models
    assert write_code(served, ["1", "3"], ["7"], Filters()).splitlines() == [
        "import tastemap as tm",
        "tm.load('ease.safetensors').recommend_for([1, 3], disliked=[7], k=10)",
    ]
    several = Filters(("genre=Drama",), 0.2, {"genre": 3})
    for filters in (Filters(), Filters(diversity=0.3), Filters(since="365d"), several):
        first, *rest, last = write_code(served, ["1", "3"], ["7"], filters).splitlines()
        named: dict[str, object] = {}
        exec("\n".join([first, *rest]), named)
        table = tm.ItemTable.from_frame(films()) if filters.where else None
        own = model.recommend_for(
            [1, 3], disliked=[7], k=10, diversity=filters.diversity, at_most=dict(filters.at_most) or None,
            where=list(filters.where) or None, item_table=table, since=filters.since or None,
        )  # fmt: skip
        assert eval(last, named).equals(own)


@pytest.mark.parametrize(
    ("words", "way"),
    [
        (["--items", "ab.csv"], "pass --item-id COLUMN"),
        (["--users", "ab.csv"], "pass --user-column COLUMN"),
        (["--test", "ab.csv"], "pass --user-column COLUMN"),
    ],
)
def test_a_file_without_the_columns_is_told_the_way_out(
    words: list[str], way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tm.EASE().fit(likes(), progress=False).save(tmp_path / "ease.safetensors")
    monkeypatch.chdir(tmp_path)
    Path("ab.csv").write_text("a,b\n1,2\n")
    result = CliRunner().invoke(app, ["explore", "ease.safetensors", *words, "--no-browser", "--port", "8459"])
    assert result.exit_code == 1
    assert "ab.csv has the columns 'a', 'b'" in result.stderr
    assert way in result.stderr


@pytest.mark.parametrize(("module", "extra"), [("orjson", "serve"), ("nicegui", "explore"), ("babel", "explore")])
def test_a_missing_package_is_told_with_its_extra(module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = CliRunner().invoke(app, ["explore", "none.safetensors"])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: the explorer needs {module}, which is not installed: run pip install")
    assert f"tastemap[{extra}]" in result.stderr


def test_data_are_described() -> None:
    data = tm.Interactions.from_frame(
        {"user": [1, 1, 1, 2, 2, 3], "item": [1, 2, 3, 1, 2, 1], "stars": [5, 4, 4, 3, 5, 5]}, weight="stars"
    )
    figures = describe_data(data)
    assert (figures.users, figures.items, figures.pairs, figures.density) == (3, 3, 6, 6 / 9)
    assert figures.tail == [(0, 0), (1 / 3, 3 / 6), (2 / 3, 5 / 6), (1, 1)]
    assert figures.share_of(0.5) == pytest.approx(4 / 6)
    assert figures.histories == [("1", 1), ("2-3", 2)]
    assert figures.weights == [("3", 1), ("4", 2), ("5", 3)]
    assert describe_data(data.binarize()).weights == []
    assert figures.activity == []


@pytest.mark.parametrize(
    ("times", "bars"),
    [
        ([datetime(2024, 1, 1), datetime(2024, 1, 3, 5)], {"2024-01-01": 1, "2024-01-02": 0, "2024-01-03": 1}),
        ([1_700_000_000, 1_700_000_001, 1_700_090_000], {"2023-11-14": 2, "2023-11-15": 1}),
        ([date(2024, 1, 31), date(2024, 6, 1), date(2025, 4, 30)], {"2024-01": 1, "2024-06": 1, "2025-04": 1}),
        ([date(1920, 1, 31), date(2025, 4, 30)], {"1920": 1, "1921": 0, "2025": 1}),
        ([5, 5], {}),
        ([0, 12], {"0-1": 1, "11-12": 1}),
    ],
)
def test_activity_is_counted_by_spans_of_the_calendar(times: list[Any], bars: dict[str, int]) -> None:
    frame = {"user": range(len(times)), "item": [1] * len(times), "time": times}
    counted = dict(describe_data(tm.Interactions.from_frame(frame, time="time")).activity)
    assert {name: counted[name] for name in bars} == bars
    assert sum(counted.values()) == (len(times) if bars else 0)
