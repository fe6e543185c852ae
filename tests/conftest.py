from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest
from hypothesis import settings

from databases import Server, find_programs, run_server
from tastemap.data.interactions import Interactions
from tastemap.datasets import Dataset, movielens
from tastemap.errors import DataError
from tastemap.models.shared.registry import MODELS

# Examples have no deadline: the first one compiles a kernel, and a busy machine is slow.
settings.register_profile("tastemap", deadline=None)
settings.load_profile("tastemap")


# Absolute, because some tests work in a folder of their own.
DATA = Path(os.environ.get("TASTEMAP_DATA", Path(__file__).parents[2] / "shared" / "data")).absolute()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data that may not be redistributed."""
    if not DATA.is_dir():
        pytest.skip(f"needs the real data: {DATA} is absent; set TASTEMAP_DATA")
    return DATA


@pytest.fixture(scope="session")
def ml1m_ratings(data_folder: Path) -> Interactions:
    """Every rating of MovieLens 1M, in file order."""
    folder = data_folder / "ml-1m"
    if not (folder / "ratings.parquet").exists():
        pytest.skip(f"needs MovieLens 1M: {folder / 'ratings.parquet'} is absent")
    return movielens("1m", path=folder).interactions


@pytest.fixture(scope="session")
def ml100k() -> Dataset:
    """MovieLens 100K from the cache, its publisher or the recbole wheel."""
    try:
        with warnings.catch_warnings(action="ignore"):  # it says where it took the data from
            return movielens("100k")
    except (DataError, OSError) as error:
        pytest.skip(f"needs MovieLens 100K: {error}")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server with an empty database."""
    if find_programs() is None:
        pytest.skip("needs PostgreSQL: Debian's package postgresql is not installed")
    with run_server() as server:
        yield server


@pytest.fixture
def small() -> pl.DataFrame:
    """Five events of three users, one pair twice."""
    return pl.DataFrame(
        {
            "user": ["b", "a", "b", "c", "b"],
            "item": [7, 7, 3, 9, 7],
            "weight": [1.0, 2.0, 3.0, 4.0, 5.0],
            "time": [50, 20, 30, 40, 10],
        }
    )


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Give a context in which no file of this process grows beyond so many bytes."""
    resource = pytest.importorskip("resource", reason="only POSIX has limits of a file's size")

    @contextmanager
    def limited(n_bytes: int) -> Iterator[None]:
        before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))

    return limited


@pytest.fixture(scope="session")
def run_python() -> Callable[..., str]:
    """Run a script in a process of its own and return what it prints; keywords set the environment, None unsets."""

    def run(script: str, *arguments: object, status: int = 0, **environment: str | None) -> str:
        env = {**os.environ, "PYTHONWARNINGS": "error", **environment}
        command = [sys.executable, "-c", dedent(script), *map(str, arguments)]
        kept = {name: value for name, value in env.items() if value is not None}
        done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=300)
        assert done.returncode == status, done.stderr
        return done.stdout

    return run


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove after the test the models that it registers."""
    monkeypatch.setattr(MODELS, "_classes", dict(MODELS._classes))
