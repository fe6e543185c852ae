"""Keeps searches in SQLite files, from which a later search continues."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from tastemap.errors import ModelFileError, Remedy, first_line, show
from tastemap.extras import import_extra
from tastemap.files.headers import find_misfit
from tastemap.files.paths import as_path
from tastemap.files.writable import check_file

if TYPE_CHECKING:
    import optuna

# The name of the study in the file, and of its attribute with the identity of the search.
NAME = "tastemap"

_MAGIC = b"SQLite format 3\0"
_ELSE = "pass another path"

# Parts of SQLite's messages when two processes create the tables of the same new file.
_MADE_TWICE = ("already exists", "UNIQUE constraint failed", "database is locked")


class StudyFile:
    """The finished trials of a search, in an Optuna study that Optuna's own tools can read.

    Only finished trials are written, each of them whole or not at all. So a process that dies leaves the search as it
    was after some trial, without a trial that seems to be running.
    """

    def __init__(self, path: str | Path, identity: Mapping[str, Any], direction: Literal["minimize", "maximize"]):
        """Open the study at `path`, or create it.

        identity : the settings that a search must share with the study; another study raises ModelFileError, which
            names the difference
        direction : whether the metric is minimized or maximized
        """
        self.path = as_path(path)
        _check(self.path)
        self._is_new = not self.path.exists()
        module: Any = import_extra("optuna", "optuna", extra="tune", purpose="tune")
        try:
            with self._explain("cannot be used as a study"):
                self.storage = module.storages.RDBStorage(_url(self.path))
                self.study: optuna.Study = module.create_study(
                    storage=self.storage, study_name=NAME, direction=direction, load_if_exists=True
                )
                stored = self.study.user_attrs.get(NAME)
                if stored is None:
                    self.study.set_user_attr(NAME, dict(identity))
                self._n_trials = len(self.study.get_trials(deepcopy=False))
        except ModelFileError as error:
            if self._is_new and not _is_made_twice(error):
                self._delete()  # such as on a full disk; a later search begins anew
            raise
        if stored is not None:
            _compare(self.path, stored, identity)

    def read_finished(
        self, distributions: Mapping[str, optuna.distributions.BaseDistribution]
    ) -> dict[int, optuna.trial.FrozenTrial]:
        """Return the finished trials of the file by their number in the search.

        distributions : the space of the search

        Raises ModelFileError for a trial that `tune` cannot have written.
        """
        with self._explain("is damaged"):
            trials = [trial for trial in self.study.get_trials() if "trial" in trial.user_attrs]
        for trial in trials:
            fault = _find_fault(trial, distributions)
            if fault is not None:
                raise ModelFileError(f"another program changed trial {trial.number} of {self.path}: {fault}; {_ELSE}")
        finished = {trial.user_attrs["trial"]: trial for trial in trials}
        if len(finished) < len(trials):
            raise ModelFileError(f"another program changed {self.path}: it has a trial twice; {_ELSE}")
        return finished

    @contextmanager
    def _explain(self, what: str) -> Iterator[None]:
        """Raise ModelFileError where Optuna cannot read or write the file, whose errors have no common base."""
        try:
            yield
        except Exception as error:
            reason = _reason(error)
            if self._is_new and any(sign in reason for sign in _MADE_TWICE):
                raise ModelFileError(self._busy_message) from error
            raise ModelFileError(f"{self.path} {what}: {reason}; {_ELSE}") from error

    def add(self, trial: optuna.trial.FrozenTrial) -> None:
        """Write a finished trial; raises ModelFileError where it cannot, or where another search wrote to the file."""
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
            raise ModelFileError(self._busy_message)
        self._n_trials += 1

    @property
    def _busy_message(self) -> str:
        return f"another search is writing to {self.path} at this moment: {_ELSE} for one of them"

    def close(self) -> None:
        """Close the file; the study opens it again when needed.

        A new file without a trial is deleted, so that it does not block another search from the same path.
        """
        try:
            is_empty = self._is_new and not self.study.get_trials(deepcopy=False)
        except Exception:  # a file that cannot be read keeps what it may hold
            is_empty = False
        if is_empty:
            self._delete()
        else:
            self._disconnect()

    def _disconnect(self) -> None:
        self.storage.remove_session()
        self.storage.engine.dispose()

    def _delete(self) -> None:
        if hasattr(self, "storage"):
            self._disconnect()
        for path in (self.path, Path(f"{self.path}-journal")):
            path.unlink(missing_ok=True)


class _Attributes(TypedDict):
    """What `tune` writes beside a trial."""

    trial: int
    state: Literal["complete", "pruned", "failed"]
    seconds: float
    epochs: int | None
    reason: str | None


def _find_fault(trial: optuna.trial.FrozenTrial, distributions: Mapping[str, Any]) -> str | None:
    """Return what `tune` cannot have written of a trial, None where it can."""
    misfit = find_misfit(trial.user_attrs, _Attributes, "what is kept of it")
    if misfit is not None:
        return misfit
    if trial.user_attrs["trial"] < 0:
        return f"its number is {trial.user_attrs['trial']}"
    is_complete = trial.user_attrs["state"] == "complete"
    # SQLite keeps a text or bytes in a column of numbers.
    if is_complete and not (len(trial.values or ()) == 1 and find_misfit(trial.values[0], float) is None):
        return "it is complete and has no score"
    for name, space in distributions.items():
        if name not in trial.params:
            return f"it has no value of {name!r}"
        value = trial.params[name]
        if hasattr(space, "choices"):
            inside = value in space.choices
        else:
            inside = find_misfit(value, float) is None and space.low <= value <= space.high
        if not inside:
            return f"its {name} is {value!r}"
    return None


def _is_made_twice(error: ModelFileError) -> bool:
    return str(error).startswith("another search is writing")


def _check(path: Path) -> None:
    """Raise ModelFileError for a file that `tune` did not write, before anything is written to it."""
    check_file(path)
    if not path.exists():
        return
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
    if not start:
        return  # nothing was written yet
    if start != _MAGIC:
        raise ModelFileError(f"{path} is no study of tune, which is an SQLite file: {_ELSE}")
    # Not read-only: SQLite first takes back what a killed process was writing.
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
        try:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            studies = {name for (name,) in database.execute("SELECT study_name FROM studies")} if tables else set()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter for names that are no text
            raise ModelFileError(f"{path} is no study of tune ({first_line(error)}): {_ELSE}") from error
    if studies and NAME not in studies:
        raise ModelFileError(f"{path} holds studies that tune did not make: {_ELSE}")


def _reason(error: BaseException) -> str:
    """Return SQLite's own message, without the statement and the links that SQLAlchemy and Optuna add."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())


def _url(path: Path) -> str:
    engine: Any = import_extra("sqlalchemy.engine", "sqlalchemy", extra="tune", purpose="tune")
    url: str = engine.URL.create("sqlite", database=str(path)).render_as_string()
    return url.replace("{", "{{").replace("}", "}}")  # Optuna formats it


def _compare(path: Path, stored: Any, identity: Mapping[str, Any]) -> None:
    if not isinstance(stored, Mapping):
        raise ModelFileError(f"another program changed {path}: it does not say which search it keeps; {_ELSE}")
    names = [*identity, *(name for name in stored if name not in identity)]
    differing = [name for name in names if stored.get(name) != identity.get(name)]
    if not differing:
        return
    name = differing[0]
    difference = (
        f"its {name} are others"
        if name.endswith(("data", "features"))
        else f"its {name} is {show(stored.get(name), 400)}, here it is {identity.get(name)!r}"
    )
    raise ModelFileError(f"{path} is the study of another search: {difference}; {_ELSE}, or delete the file")
