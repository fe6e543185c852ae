"""Searches kept in SQLite files, where a later one goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tastemap.errors import ModelFileError, Remedy
from tastemap.extras import import_extra
from tastemap.files.writable import check_file

if TYPE_CHECKING:
    import optuna

# The name of the study in the file, and where it says what search it is of.
NAME = "tastemap"

_MAGIC = b"SQLite format 3\0"
_ELSE = "pass another path"

# What SQLite says where two processes make the tables of one new file.
_MADE_TWICE = ("already exists", "UNIQUE constraint failed", "database is locked")


class StudyFile:
    """The finished trials of a search, in a study of Optuna that its own tools can read.

    Only finished trials are written, each at once or not at all. So a process that dies at any moment leaves the search
    as it was after some trial, and no trial that runs forever.
    """

    def __init__(self, path: str | Path, identity: Mapping[str, Any], direction: Literal["minimize", "maximize"]):
        """Open the study at `path`, or begin one.

        identity : what makes it the same search; a study with another raises ModelFileError, and names the difference
        """
        self.path = Path(path)
        _check(self.path)
        self._is_new = not self.path.exists()
        module: Any = import_extra("optuna", "optuna", extra="tune", purpose="tune")
        try:
            self.storage = module.storages.RDBStorage(_url(self.path))
            self.study: optuna.Study = module.create_study(
                storage=self.storage, study_name=NAME, direction=direction, load_if_exists=True
            )
        except Exception as error:  # those of Optuna, SQLAlchemy and SQLite have no base in common
            reason = _reason(error)
            if self._is_new and any(sign in reason for sign in _MADE_TWICE):
                raise ModelFileError(self._is_busy) from error
            raise ModelFileError(f"{path} cannot be used as a study: {reason}") from error
        stored = self.study.user_attrs.get(NAME)
        if stored is None:
            self.study.set_user_attr(NAME, dict(identity))
        else:
            _compare(self.path, stored, identity)
        self._n_trials = len(self.study.get_trials(deepcopy=False))

    def finished(self) -> dict[int, optuna.trial.FrozenTrial]:
        """Return the finished trials by their number in the search."""
        trials = self.study.get_trials()
        return {trial.user_attrs["trial"]: trial for trial in trials if "trial" in trial.user_attrs}

    def add(self, trial: optuna.trial.FrozenTrial) -> None:
        """Write a finished trial."""
        try:
            n_trials = len(self.study.get_trials(deepcopy=False))
            if n_trials == self._n_trials:
                self.study.add_trial(trial)
        except Exception as error:
            raise ModelFileError(
                f"{self.path} cannot be written: {_reason(error)}; it keeps the {self._n_trials} trials before",
                Remedy("the same call goes on from them", "call", "again"),
            ) from error
        if n_trials != self._n_trials:
            raise ModelFileError(self._is_busy)
        self._n_trials += 1

    @property
    def _is_busy(self) -> str:
        return f"another search is writing to {self.path} at this moment: {_ELSE} for one of them"

    def close(self) -> None:
        """Let go of the file; the study opens it again where it is asked for more.

        A new one without a trial goes: it would keep a search that begins otherwise from its name.
        """
        is_empty = self._is_new and not self.study.get_trials(deepcopy=False)
        self.storage.remove_session()
        self.storage.engine.dispose()
        if is_empty:
            self.path.unlink(missing_ok=True)


def _check(path: Path) -> None:
    """Refuse a file that is none of ours, before anything is written to it."""
    check_file(path)
    if not path.exists():
        return
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
    if not start:
        return  # nothing was written yet
    if start != _MAGIC:
        raise ModelFileError(f"{path} is no study of tune, which is an SQLite file: {_ELSE}")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        try:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            studies = {name for (name,) in database.execute("SELECT study_name FROM studies")} if tables else set()
        except sqlite3.DatabaseError as error:
            raise ModelFileError(f"{path} is no study of tune ({error}): {_ELSE}") from error
    if studies and NAME not in studies:
        raise ModelFileError(f"{path} holds studies that tune did not make: {_ELSE}")


def _reason(error: BaseException) -> str:
    """Return what SQLite says, without the statement and the links that SQLAlchemy and Optuna put around it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())


def _url(path: Path) -> str:
    engine: Any = import_extra("sqlalchemy.engine", "sqlalchemy", extra="tune", purpose="tune")
    url: str = engine.URL.create("sqlite", database=str(path)).render_as_string()
    return url.replace("{", "{{").replace("}", "}}")  # Optuna formats it


def _compare(path: Path, stored: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    names = [*identity, *(name for name in stored if name not in identity)]
    differing = [name for name in names if stored.get(name) != identity.get(name)]
    if not differing:
        return
    name = differing[0]
    difference = (
        f"its {name} are others"
        if name.endswith(("data", "features"))
        else f"its {name} is {stored.get(name)!r}, here it is {identity.get(name)!r}"
    )
    raise ModelFileError(f"{path} is the study of another search: {difference}; {_ELSE}, or delete the file")
