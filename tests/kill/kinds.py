"""What is killed: eleven kinds of work on files and tables, each with what must hold after a kill at any moment.

Run as a program, `kinds.py KIND FOLDER` does the work of a kind until it is killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import duckdb
import numpy as np
import polars as pl
import psycopg

import tastemap as tm
from tastemap.export import tensorboard
from tastemap.export.tensorboard import FILES
from tastemap.files.journal import Follower, Journal
from tastemap.models.shared import answers
from tastemap.models.shared.answers import Answers

EPOCHS, TRIALS = 12, 4
# The parts of the lists of all users.
N_PARTS = 50
# The environment variable that has the address of the PostgreSQL server.
SERVER = "TASTEMAP_KILL_SERVER"
SPACE = {"epochs": [1, 2, 3], "regularization": tm.Range(0.01, 1.0, log=True)}


class Kind(NamedTuple):
    """A kind of work.

    work : is killed; it goes on for ever, or for a while
    check : raises AssertionError where a kill has lost something or blocks the next run; leaves nothing but the path
    longest : the most seconds from the beginning of the work to the kill
    prepare : what is made before the work begins
    server : whether it needs the PostgreSQL server of `SERVER`
    """

    work: Callable[[Path], Any]
    check: Callable[[Path], None]
    longest: float
    prepare: Callable[[], Any]
    server: bool = False


@cache
def likes() -> tm.Interactions:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((400, 120)) < 0.2)
    return tm.Interactions.from_frame({"user": users, "item": items})


@cache
def models() -> tuple[tm.Model, ...]:
    """Two models whose files have different sizes."""
    return tuple(tm.ImplicitALS(factors=factors, epochs=1).fit(likes(), progress=False) for factors in (40, 300))


class Written:
    """A kind of file that is written for two models in turn: afterwards it is what the one or the other writes."""

    def __init__(self, write: Callable[[tm.Model, Path], None], read: Callable[[Path], Any]) -> None:
        self._write, self._read = write, read

    def go_on(self, path: Path) -> None:
        while True:
            for model in models():
                self._write(model, path)

    def check(self, path: Path) -> None:
        if any(path.parent.iterdir()):  # else the first was killed before it wrote
            hidden = all(entry.name.startswith(".") for entry in path.parent.iterdir())
            first = hidden and not any(entry.name.endswith(".old") for entry in path.parent.iterdir())
            assert first or self._read(path) in self._right, f"{path} holds neither the old nor the new"
        self._write(models()[0], path)
        assert self._read(path) == self._right[0]
        check_alone(path)

    @cached_property
    def _right(self) -> list[Any]:
        contents = []
        with tempfile.TemporaryDirectory() as folder:
            for model in models():
                self._write(model, Path(folder) / "right")
                contents.append(self._read(Path(folder) / "right"))
        return contents


def check_alone(path: Path) -> None:
    names = sorted(entry.name for entry in path.parent.iterdir())
    assert names == [path.name], f"after the next write there is {names}"


def open_source(path: Path) -> Path:
    """Make a folder of two files to read, unless it is there."""
    if not path.exists():
        frame, unfinished = likes().to_frame("polars"), path.with_name(".unfinished")
        unfinished.mkdir(exist_ok=True)
        for number, part in enumerate((frame[: len(frame) // 2], frame[len(frame) // 2 :])):
            part.write_parquet(unfinished / f"{number}.parquet")
        unfinished.rename(path)
    return path


def read_again(path: Path) -> None:
    while True:
        tm.Interactions.from_file(open_source(path), user="user", item="item", weight=None)


def check_reading(path: Path) -> None:
    read = tm.Interactions.from_file(open_source(path), user="user", item="item", weight=None)
    assert read.fingerprint() == likes().fingerprint()
    assert sorted(entry.name for entry in path.iterdir()) == ["0.parquet", "1.parquet"]
    check_alone(path)


def read_folder(path: Path) -> dict[str, bytes]:
    # Between two renamings the old folder has a hidden name.
    held = path if path.exists() else next(entry for entry in path.parent.iterdir() if entry.name.endswith(".old"))
    return {name: (held / name).read_bytes() for name in FILES}


def load(path: Path) -> bytes:
    tm.load(path)
    return path.read_bytes()


def recommend_all(model: tm.Model, path: Path) -> None:
    model.recommend_all(path, k=5)


def read_lists(path: Path) -> bytes:
    return pl.read_parquet(path).write_csv().encode()


def recommend_parts(model: tm.Model, target: str, **options: Any) -> int:
    """Write lists in many parts, and return how many parts were made."""
    made, own = list[int](), Answers._recommend

    def recommend(*arguments: Any) -> Any:
        made.append(len(made))
        return own(*arguments)

    # Both are put back: the tests of other files run in this process too.
    with (
        patch.object(Answers, "_recommend", recommend),
        patch.object(answers, "USERS_AT_ONCE", len(likes().users) // N_PARTS),
    ):
        model.recommend_all(target, k=5, **options)
    return len(made)


class InParts:
    """Lists in parts, written for two models in turn; who is killed leaves whole parts for the next call."""

    def __init__(self, ending: str, read: Callable[[Path], bytes | None], count: Callable[[Path], int]) -> None:
        self._ending, self._read, self._count = ending, read, count

    def go_on(self, path: Path) -> None:
        while True:
            for model in models():
                recommend_parts(model, f"{path}{self._ending}")

    def check(self, path: Path) -> None:
        own = Path(f"{path}{self._ending}")
        with tempfile.TemporaryDirectory() as folder:
            # Each model gets a copy: the one that was killed goes on, and the other starts anew.
            copy = Path(folder) / "copy"
            shutil.copytree(path.parent, copy)
            seen, left = self._read(own), self._count(own)
            assert seen is None or seen in self._right, "something half-written is seen"
            made = []
            for model, place, right in zip(models(), (own, copy / own.name), self._right, strict=True):
                made.append(recommend_parts(model, f"{place.parent / path.name}{self._ending}"))
                assert self._read(place) == right, "resumed lists have other bits"
                check_alone(place)
        assert sorted(made) == [N_PARTS - left, N_PARTS], f"{made} parts are made where {left} were left"

    @cached_property
    def _right(self) -> list[bytes | None]:
        contents = []
        with tempfile.TemporaryDirectory() as folder:
            for model in models():
                recommend_parts(model, f"{folder}/right{self._ending}")
                contents.append(self._read(Path(f"{folder}/right{self._ending}")))
        return contents


def read_parts(path: Path) -> bytes | None:
    # Between two renamings the old folder has a hidden name.
    held = [path] if path.exists() else [entry for entry in path.parent.iterdir() if entry.name.endswith(".old")]
    return b"".join((held[0] / name).read_bytes() for name in sorted(os.listdir(held[0]))) if held else None


def count_parts(path: Path) -> int:
    return len(list(path.parent.glob(f".{path.name}.*.unfinished/part-*.parquet")))


def ask_table(path: Path, sql: str) -> pl.DataFrame | None:
    if not path.exists():
        return None
    with duckdb.connect(path) as connection:
        try:
            return pl.DataFrame(connection.sql(sql).to_arrow_table())
        except duckdb.CatalogException:
            return None


def read_table(path: Path) -> bytes | None:
    found = ask_table(path, "from recommendations")
    return None if found is None else found.write_csv().encode()


def count_in_table(path: Path) -> int:
    found = ask_table(path, 'select parts from "recommendations (parts)"')
    return 0 if found is None else int(found.item())


def recommend_to_server(path: Path) -> None:
    while True:
        for model in models():
            recommend_parts(model, os.environ[SERVER], table=path.parent.name)


def check_server(path: Path) -> None:
    def read() -> list[Any] | None:
        try:
            return connection.execute(f'select * from "{path.parent.name}" order by ctid').fetchall()
        except psycopg.errors.UndefinedTable:
            return None

    right = [model.recommend(k=5, frame="polars") for model in models()]
    shown = [lists.with_columns(lists["score"].cast(pl.String).cast(pl.Float64)).rows() for lists in right]
    with psycopg.connect(os.environ[SERVER], autocommit=True) as connection:
        seen = read()
        assert seen is None or seen in shown, "something half-written is seen"
        recommend_parts(models()[0], os.environ[SERVER], table=path.parent.name)
        assert read() == shown[0]
        connection.execute(f'drop table "{path.parent.name}"')
        left = connection.execute("select tablename from pg_tables where tablename like 'tastemap_%'").fetchall()
        assert not left, f"the tables {left} are left"


def export(model: tm.Model, path: Path) -> None:
    tensorboard(model, path)


def train(path: Path | None, rest: float = 0.0) -> tm.Model:
    """Train with a checkpoint; `rest` is how many seconds to wait after each epoch."""
    model = tm.BPR(factors=8, epochs=EPOCHS)
    options: dict[str, Any] = {"validation": likes(), "patience": EPOCHS, "progress": False}
    return model.fit(likes(), checkpoint=path, callbacks=lambda epoch: time.sleep(rest), **options)


def bits(model: tm.Model) -> dict[str, bytes]:
    return {name: getattr(model, name).tobytes() for name in model.fitted_arrays}


@cache
def whole_training() -> dict[str, bytes]:
    return bits(train(None))


def check_training(path: Path) -> None:
    assert bits(train(path)) == whole_training(), "a resumed training has other bits"
    check_alone(path)


def search(path: Path | None) -> Any:
    return tm.tune(tm.ImplicitALS(factors=4), likes(), trials=TRIALS, study=path, space=SPACE, progress=False)


def outcome(found: Any) -> Any:
    return found.trials.drop("seconds").rows(), found.parameters, found.score, bits(found.model)


@cache
def whole_search() -> Any:
    return outcome(search(None))


def check_search(path: Path) -> None:
    assert outcome(search(path)) == whole_search(), "a search that went on has another outcome"
    check_alone(path)


def compile_two(path: Path) -> None:
    """Compile two kernels into the cache that TASTEMAP_CACHE names, and print what they give."""
    from tastemap.kernels.core.random import race, states_of_rows

    states, times = np.empty(3, np.uint64), np.empty((3, 2), np.float32)
    states_of_rows(np.uint64(1), states)
    race(states, np.ones(2), np.arange(2), times)
    print(states.tolist(), times.tolist(), flush=True)


def check_compilation(path: Path) -> None:
    # The first makes again what is damaged; the second finds it whole.
    told = []
    for _ in range(2):
        done = subprocess.run(
            command("compile", path), env=environment("compile", path), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"the next process ends with {done.stderr[-500:]}"
        told.append(done.stdout.splitlines()[-1])
    assert told == [COMPILED] * 2, f"the next processes compute {told}"


# Random numbers are the same on every machine.
COMPILED = (
    "[10451216379200822465, 10905525725756348110, 2092789425003139053] [[1.0008431673049927, 1.5598434209823608], "
    "[1.068442940711975, 7.597732067108154], [3.284454584121704, 3.2751078605651855]]"
)


def journal(path: Path) -> None:
    """Append numbered lines, and note in a file beside which of them were acknowledged."""
    path.mkdir()
    opened, first = Journal(path / "events", rotate_bytes=5000), 0
    with open(path / "acknowledged", "ab", buffering=0) as told:
        while True:
            group = range(first, first + 1 + first % 20)
            opened.append([b"%d " % number + b"x" * (number % 300) for number in group])
            told.write(b"".join(b"%d\n" % number for number in group))
            first = group.stop


def check_journal(path: Path) -> None:
    if not (path / "acknowledged").exists():  # killed before it wrote
        return
    Journal(path / "events").append([b"0 of the next process"])
    *lines, last = Follower(path / "events").read_new()
    assert last == b"0 of the next process"
    numbers = [int(line.split()[0]) for line in lines]
    assert lines == [b"%d " % number + b"x" * (number % 300) for number in numbers], "a line is not whole"
    assert numbers == list(range(len(numbers))), "lines are lost or out of order"
    told = (path / "acknowledged").read_bytes()
    n_acknowledged = told[: told.rfind(b"\n") + 1].count(b"\n")
    assert len(numbers) >= n_acknowledged, f"{n_acknowledged - len(numbers)} acknowledged lines are lost"
    check_alone(path)


def nothing() -> None:
    pass


FILES_OF_MODELS = Written(lambda model, path: model.save(path), load)
LISTS = Written(recommend_all, read_lists)
PARTS = InParts("/", read_parts, count_parts)
TABLES = InParts(".duckdb", read_table, count_in_table)
FOLDERS = Written(export, read_folder)
KINDS = {
    "read": Kind(read_again, check_reading, 0.5, likes),
    "save": Kind(FILES_OF_MODELS.go_on, FILES_OF_MODELS.check, 0.5, models),
    "checkpoint": Kind(lambda path: train(path, rest=0.03), check_training, 0.6, likes),
    "recommend_all": Kind(LISTS.go_on, LISTS.check, 0.5, models),
    "folder": Kind(PARTS.go_on, PARTS.check, 0.8, models),
    "duckdb": Kind(TABLES.go_on, TABLES.check, 1.5, models),
    "postgresql": Kind(recommend_to_server, check_server, 1.0, models, server=True),
    "tune": Kind(search, check_search, 2.0, likes),
    "export": Kind(FOLDERS.go_on, FOLDERS.check, 0.5, models),
    "journal": Kind(journal, check_journal, 0.5, nothing),
    "compile": Kind(compile_two, check_compilation, 1.5, nothing),
}


def command(kind: str, path: Path) -> list[str]:
    return [sys.executable, __file__, kind, str(path)]


def environment(kind: str, path: Path) -> dict[str, str]:
    own = {"TASTEMAP_CACHE": str(path)} if kind == "compile" else {}
    return {**os.environ, **own, "PYTHONPATH": os.pathsep.join(sys.path)}


def main() -> None:
    kind, path = KINDS[sys.argv[1]], Path(sys.argv[2])
    kind.prepare()
    print("ready", flush=True)
    kind.work(path)


if __name__ == "__main__":
    main()
