from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import tastemap as tm
from tastemap.errors import DataError, ModelFileError
from tastemap.serve import name_models, shelf
from tastemap.serve.shelf import Shelf, UnknownModelError

DATA = tm.Interactions.from_frame(
    pl.DataFrame({"user": [1, 1, 2, 2, 3, 3], "item": ["a", "b", "b", "c", "a", "c"]}),
)


def save(path: Path, *, seed: int = 0) -> Path:
    tm.ImplicitALS(factors=2, epochs=1, seed=seed).fit(DATA, progress=False).save(path)
    return path


async def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("nothing happened in 5 s")


def test_models_are_found_by_name_and_the_first_without_one(tmp_path: Path) -> None:
    paths = {"one": save(tmp_path / "x"), "two": save(tmp_path / "y", seed=1)}
    found = Shelf(paths)
    assert found.get(None) is found.get("one")
    assert [served.name for served in found.models] == ["one", "two"]
    assert found.get("one").digest != found.get("two").digest
    with pytest.raises(UnknownModelError, match=r"there is no model 'tow', only 'one', 'two'; did you mean 'two'\?"):
        found.get("tow")


def test_names_are_those_of_the_files(tmp_path: Path) -> None:
    assert name_models([tmp_path / "als.safetensors", "b.st"]) == {
        "als": tmp_path / "als.safetensors",
        "b": Path("b.st"),
    }
    assert name_models("als.safetensors") == {"als": Path("als.safetensors")}
    with pytest.raises(DataError, match="two models have one name"):
        name_models(["a/als.st", "b/als.st"])
    with pytest.raises(DataError, match="there is no model to serve"):
        Shelf({})


def test_a_new_file_is_taken_and_the_same_is_not(tmp_path: Path) -> None:
    path = save(tmp_path / "als.st")
    found, told = Shelf({"als": path}), list[str]()
    found.changed.append(lambda served: told.append(served.digest))

    async def run() -> None:
        before = found.get("als")
        assert not (await found.reload("als")).changed
        assert found.get("als") is before
        save(path, seed=1)
        outcome = await found.reload("als")
        assert outcome.changed
        assert outcome.digest == found.get("als").digest != before.digest
        assert told == [outcome.digest]

    asyncio.run(run())


def test_a_broken_file_is_refused_and_the_old_model_stays(tmp_path: Path) -> None:
    path = save(tmp_path / "als.st")
    found = Shelf({"als": path})

    async def run() -> None:
        before, content = found.get("als"), path.read_bytes()
        for broken in (b"no model", content[:-9], content[:-1] + bytes([content[-1] ^ 1])):
            path.write_bytes(broken)
            with pytest.raises(ModelFileError):
                await found.reload("als")
            assert found.get("als") is before
            assert str(path) in found.failed["als"]
        path.unlink()
        with pytest.raises(FileNotFoundError):
            await found.reload("als")
        save(path)
        assert not (await found.reload("als")).changed
        assert found.failed == {}

    asyncio.run(run())


def test_files_are_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "PAUSE", 0.02)
    path, other = save(tmp_path / "als.st"), save(tmp_path / "other.st", seed=1)
    found = Shelf({"als": path})

    async def run() -> None:
        first = found.get("als").digest
        watching = asyncio.create_task(found.watch())
        await asyncio.sleep(0)
        save(path, seed=2)
        await wait_until(lambda: found.get("als").digest != first)
        second = found.get("als").digest
        path.write_bytes(b"broken")
        await wait_until(lambda: "als" in found.failed)
        assert found.get("als").digest == second
        shutil.copyfile(other, path)  # in place, as cp does
        await wait_until(lambda: found.get("als").digest not in (first, second))
        assert found.failed == {}
        watching.cancel()

    asyncio.run(run())


def test_titles_come_from_a_file_of_items(tmp_path: Path) -> None:
    pl.DataFrame({"item": ["a", "b"], "title": ["Alien", "Brazil"]}).write_csv(tmp_path / "items.csv")
    served = Shelf({"als": save(tmp_path / "als.st")}, items=tmp_path / "items.csv").get("als")
    rows = served.model.items.find(["b", "c"])
    assert served.name_items(rows) == [{"item": "b", "title": "Brazil"}, {"item": "c", "title": None}]
    assert served.search.match("alien")[0].tolist() == [served.find_item("a")]
