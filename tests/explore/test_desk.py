"""The desk answers what pages ask, from the service's own functions."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pytest

import tastemap as tm
import tastemap.serve
from serve.running import films, likes
from tastemap.errors import DataError, UnknownIdError
from tastemap.explore.desk import Desk
from tastemap.explore.filters import Filters

Answer = TypeVar("Answer")

MODELS = {"ease": tm.EASE(), "als": tm.ImplicitALS(factors=8, epochs=3), "popular": tm.Popular()}


def make_desk(folder: Path, users: Path | None = None, test: Path | None = None, **parameters: Any) -> Desk:
    films().write_csv(folder / "films.csv")
    made: list[Desk] = []
    tastemap.serve.app(
        [folder / f"{name}.safetensors" for name in MODELS],
        items=folder / "films.csv",
        pages=lambda app: made.append(Desk.of(app, users, test)),
        **parameters,
    )
    return made[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, model in MODELS.items():
        model.fit(likes(), progress=False).save(folder / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="module")
def desk(folder: Path) -> Desk:
    return make_desk(folder)


def run(answer: Coroutine[Any, Any, Answer]) -> Answer:
    return asyncio.run(answer)


def test_lists_are_those_of_the_library(desk: Desk) -> None:
    async def ask() -> None:
        for name in MODELS:
            listed = await desk.recommend(name, {"user": "7"}, Filters())
            own = MODELS[name].recommend(7)
            assert [entry.item for entry in listed] == [str(item) for item in own["item"]]
            assert [entry.name for entry in listed] == [films()["title"][item - 1] for item in own["item"]]
        near = await desk.find_similar("ease", "12", "cosine", Filters(("year>=1990",)))
        own = MODELS["ease"].similar_items(12, where="year>=1990", item_table=tm.ItemTable.from_frame(films()))
        assert [entry.item for entry in near] == [str(item) for item in own["neighbour"]]

    run(ask())


def test_every_item_of_a_list_has_its_reasons(desk: Desk) -> None:
    served = desk.get("ease")
    for item, parts in zip((10, 20), run(desk.explain(served, {"user": "7"}, ["10", "20"])), strict=True):
        why = MODELS["ease"].explain(7, item).frame
        assert [part for _, part in parts] == why["contribution"].to_list()
        assert parts[0][0] == films()["title"][why["item"][0] - 1]
    assert run(desk.explain(desk.get("popular"), {"user": "7"}, ["10"])) == [[]]


def test_two_items_share_values_and_people(desk: Desk) -> None:
    ((shared, count),) = run(desk.compare_items(desk.get("ease"), "1", ["6"]))
    genres = [set(films()["genre"][row].split("|")) for row in (0, 5)]
    assert set(shared) == genres[0] & genres[1]
    people = [set(likes().to_frame("polars").filter(item=item)["user"].to_list()) for item in (1, 6)]
    assert count == len(people[0] & people[1])
    both = run(desk.find_both(desk.get("ease"), "1", "6"))
    assert (both.count, set(both.users)) == (count, {str(user) for user in people[0] & people[1]})


def test_items_and_people_are_found(folder: Path, tmp_path: Path) -> None:
    names = pl.DataFrame({"user": [7, 8], "name": ["Zoé Ångström", "Bob"], "age": [33, 44]})
    names.write_csv(tmp_path / "users.csv")
    desk = make_desk(folder, tmp_path / "users.csv")
    found, near = run(desk.find_items("amelie"))
    assert ([entry.item for entry in found], near) == (["12"], False)
    found, near = run(desk.find_items("amelei"))
    assert ([entry.item for entry in found][:1], near) == (["12"], True)
    assert [person.user for person in run(desk.find_people("zoe"))] == ["7"]
    assert [person.name for person in run(desk.find_people("8"))] == ["Bob"]
    assert run(desk.find_people("nobody")) == []
    told = run(desk.describe_user("7"))
    assert told is not None
    assert (told["name"], told["pairs"]) == ("Zoé Ångström", len(told["history"]))
    assert run(desk.describe_user("999")) is None
    assert run(desk.describe_item("999")) is None


def test_people_to_start_with_have_short_and_long_histories(desk: Desk) -> None:
    people = desk.list_people(8)
    assert [person.pairs for person in people] == sorted(person.pairs for person in people)
    assert len({person.user for person in people}) == 8
    counts = dict(likes().to_frame("polars")["item"].value_counts().iter_rows())
    popular = [counts[int(entry.item)] for entry in desk.list_popular(5)]
    assert popular == sorted(counts.values(), reverse=True)[:5]


def test_models_are_measured_on_held_out_pairs(folder: Path, tmp_path: Path) -> None:
    held = pl.DataFrame({"user": [1, 1, 2, 3], "item": [5, 6, 7, 8]})
    held.write_csv(tmp_path / "held.csv")
    board = run(make_desk(folder, test=tmp_path / "held.csv").measure(("ndcg@10", "coverage@10")))
    assert board is not None
    test = tm.Interactions.from_frame(held)
    for name, figures in board.figures.items():
        own = tm.evaluate(MODELS[name], test, metrics=("ndcg@10", "coverage@10"))
        assert [mean for mean, _, _ in figures] == [own["ndcg@10"], own["coverage@10"]]
    assert run(make_desk(folder).measure(("ndcg@10",))) is None


def test_the_lists_of_models_are_compared(desk: Desk) -> None:
    compared = run(desk.compare_lists())
    assert compared.users == 60
    lists = {name: model.recommend(list(range(1, 61)), k=10) for name, model in MODELS.items()}
    for place, one in enumerate(compared.figures):
        assert one.coverage == lists[one.model]["item"].n_unique() / likes().to_frame("polars")["item"].n_unique()
        assert compared.overlap[place, place] == 1
    both = lists["ease"].join(lists["als"], on=["user", "item"])
    assert compared.overlap[0, 1] == pytest.approx(len(both) / 600)


def test_wrong_files_are_told_at_the_start(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"wrong\.csv"):
        make_desk(folder, test=tmp_path / "wrong.csv")
    with pytest.raises(DataError, match=r"wrong\.csv has the columns 'a', 'b': name one with user="):
        make_desk(folder, users=tmp_path / "wrong.csv")
    with pytest.raises((DataError, OSError), match=r"none\.csv"):
        make_desk(folder, users=tmp_path / "none.csv")


def test_a_wrong_filter_is_an_error_of_the_library(desk: Desk) -> None:
    async def ask(where: str) -> None:
        await desk.recommend("ease", {"user": "7"}, Filters((where,)))

    with pytest.raises(DataError, match="no column 'gender'"):
        run(ask("gender=Drama"))
    with pytest.raises(UnknownIdError):
        run(desk.recommend("ease", {"user": "nobody"}, Filters()))
