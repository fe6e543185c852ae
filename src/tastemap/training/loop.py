"""The epoch loop of all models: progress, objective, early stopping, checkpoints, resuming to the same bits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol, TypedDict, cast

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data._checks import check_whole
from tastemap.data.interactions import Interactions
from tastemap.data.specs import ArraySpec, find_fault
from tastemap.errors import DivergenceError, ModelFileError, ParameterError, show
from tastemap.files.arrays import as_json, read_arrays, write_arrays
from tastemap.files.headers import find_misfit
from tastemap.files.paths import as_path
from tastemap.files.writable import check_file
from tastemap.metrics.definitions import METRICS, NDCG, Metric, RankingMetric, RatingMetric
from tastemap.metrics.lists import measure_lists
from tastemap.metrics.ratings import pool
from tastemap.progress import make_bar
from tastemap.typing import Arrays

# Writing checkpoints may take at most this share of the training time; the first one is always written.
CHECKPOINT_SHARE = 0.1

_USUAL_METRIC = NDCG(10)


class _EpochHeader(TypedDict):
    """An `Epoch` in the header of a checkpoint."""

    epoch: int
    seconds: float
    objective: float
    metric: float | None
    metric_name: str | None


class _Header(TypedDict):
    """The header of a checkpoint."""

    identity: dict[str, Any]
    history: list[_EpochHeader]


@dataclass(frozen=True)
class Epoch:
    """What callbacks get after every epoch.

    epoch : its number, from 1
    seconds : how long the epoch took
    objective : the model's objective after the epoch, over all training pairs
    metric : the metric on the validation part, None without a validation part
    metric_name : the metric's name, such as "ndcg@10"
    """

    epoch: int
    seconds: float
    objective: float
    metric: float | None = None
    metric_name: str | None = None


@dataclass(frozen=True)
class Options:
    """How to train; `Model.fit` documents the fields."""

    validation: Interactions | None = None
    patience: int | None = None
    metric: Metric = _USUAL_METRIC
    callbacks: tuple[Callable[[Epoch], None], ...] = ()
    progress: bool | None = None
    checkpoint: str | Path | None = None

    def check(self, *, predicts_ratings: bool) -> None:
        """Raise ValueError for options that are out of range or contradict each other."""
        self._check_metric(predicts_ratings)
        if self.patience is not None and self.validation is None:
            raise ValueError("patience needs a validation part: pass validation=, or leave patience out")
        if self.patience is not None:
            check_whole("patience", self.patience, lowest=1)
        for callback in self.callbacks:
            if not callable(callback):
                raise ParameterError(
                    f"callbacks must be functions of an Epoch, got {show(callback)}",
                    parameter="callbacks",
                    value=callback,
                )
        if self.checkpoint is not None:
            check_file(self.checkpoint)

    def _check_metric(self, predicts_ratings: bool) -> None:
        if self.metric.watchable and (predicts_ratings or not isinstance(self.metric, RatingMetric)):
            return
        of_lists = [name for name, cls in METRICS.items() if cls.watchable and cls.has_cutoff]
        errors = " or ".join(repr(name) for name, cls in METRICS.items() if cls.watchable and not cls.has_cutoff)
        also = f", or {errors}" if predicts_ratings else f" ({errors} of models that predict ratings)"
        raise ValueError(
            f"metric must be one of {', '.join(of_lists)} with a cut-off, such as 'ndcg@10'{also}, got "
            f"{show(self.metric.name)}: measure others with tastemap.evaluate"
        )

    def check_without_epochs(self, model: str) -> None:
        """Raise ValueError for options that need epochs; for models that train without epochs."""
        for name in ("patience", "callbacks", "checkpoint"):
            if getattr(self, name) not in (None, ()):
                raise ValueError(f"{model} trains without epochs, so {name} means nothing to it: leave {name} out")


class Trainable(Protocol):
    """What the loop needs of a model. Training changes nothing but the arrays of the state."""

    epochs: int

    def start(self) -> Arrays:
        """Return the state before the first epoch: arrays by name."""
        ...

    def train_epoch(self, state: Arrays, epoch: int) -> float:
        """Train one epoch (from 0) in place and return the objective."""
        ...

    def rank(self, state: Arrays, rows: npt.NDArray[np.int64], k: int) -> Any:
        """Return the `Lists` of user rows with the current factors, without the training items."""
        ...


class Rating(Trainable, Protocol):
    """What the loop needs of a model that predicts ratings."""

    def predict(self, state: Arrays, users: npt.NDArray[np.int64], items: npt.NDArray[np.int64]) -> Any:
        """Return the predicted ratings of pairs of rows, float32, (pairs,), with the current factors."""
        ...


def train(
    task: Trainable, identity: dict[str, Any], options: Options, divergence_hint: str
) -> tuple[Arrays, list[Epoch]]:
    """Run the epochs; return the state of the last epoch (of the best one with patience) and every `Epoch`.

    identity : what a checkpoint must share with this training, beside the options: class, parameters, data
    divergence_hint : which parameter to change, for the message of the DivergenceError

    Raises DivergenceError when the objective is not finite, ModelFileError for the checkpoint of another training.
    """
    watch = _Watch(options)
    state, history = task.start(), list[Epoch]()
    path = None if options.checkpoint is None else as_path(options.checkpoint)
    identity = json.loads(as_json(identity | watch.identity()))  # as a file returns it
    if path is not None and path.exists():
        state, history = _resume(path, identity, state, watch)
    saved_at, save_seconds = -np.inf, 0.0

    with make_bar(task.epochs, options.progress, done=len(history)) as shown:
        for epoch in range(len(history), task.epochs):
            if watch.is_over(history):
                break
            before = time.perf_counter()
            with parallel.one_blas_thread():  # sums outside the blocks would have other bits on more threads
                objective = task.train_epoch(state, epoch)
            seconds = time.perf_counter() - before
            if not np.isfinite(objective):
                raise DivergenceError(
                    f"training diverged in epoch {epoch + 1}: the objective is {objective}; {divergence_hint}"
                )
            done = Epoch(epoch + 1, seconds, objective, watch.measure(task, state), watch.metric_name)
            history.append(done)
            watch.remember(done, state)
            shown.update(1)
            shown.set_postfix(_name_figures(done))
            for callback in options.callbacks:
                callback(done)
            now = time.perf_counter()
            if path is not None and (epoch + 1 == task.epochs or (now - saved_at) * CHECKPOINT_SHARE >= save_seconds):
                _save(path, identity, state, history, watch)
                saved_at = time.perf_counter()
                save_seconds = saved_at - now
    return watch.best_state or state, history


class _Watch:
    """Early stopping: measures the validation part and keeps the best state."""

    def __init__(self, options: Options) -> None:
        self.patience = options.patience
        self.best_state: Arrays | None = None
        self.best: Epoch | None = None
        self._metric = options.metric
        self._validation = options.validation
        if options.validation is not None:
            self._rows = options.validation.by_user.with_pairs

    @property
    def metric_name(self) -> str | None:
        """The name of the metric that `measure` returns, None without a validation part."""
        return None if self._validation is None else self._metric.name

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide when training stops, for a checkpoint."""
        if self._validation is None:
            return {"validation": None}
        fingerprint = self._validation.fingerprint()
        return {"validation": fingerprint, "metric": self._metric.name, "patience": self.patience}

    def measure(self, task: Trainable, state: Arrays) -> float | None:
        """Return the metric on the validation part with the current factors, None without a validation part."""
        if self._validation is None:
            return None
        held_out, metric = self._validation.by_user, self._metric
        if isinstance(metric, RatingMetric):
            users = self._validation.row_of_pair().astype(np.int64)
            predicted = cast(Rating, task).predict(state, users, held_out.indices.astype(np.int64))
            return pool(metric, held_out.data.astype(np.float64) - predicted)
        k, column = cast(int, metric.k), cast(RankingMetric, metric).column
        lists = task.rank(state, self._rows, k)
        return float(measure_lists(lists.rows, lists.counts, held_out, self._rows, [k])[:, 0, column].mean())

    def remember(self, done: Epoch, state: Arrays) -> None:
        """Keep a copy of the state where patience is given and the epoch is the best so far."""
        if self.patience is None or done.metric is None:
            return
        if self.best is None or self._goodness(done) > self._goodness(self.best):
            self.best = done
            self.best_state = {name: array.copy() for name, array in state.items()}

    def resume(self, history: list[Epoch]) -> None:
        """Find the best epoch in the history of a checkpoint, the first of equal ones."""
        watched = [done for done in history if done.metric is not None]
        self.best = max(watched, key=lambda done: (self._goodness(done), -done.epoch), default=None)

    def _goodness(self, done: Epoch) -> float:
        assert done.metric is not None
        return self._metric.goodness(done.metric)

    def is_over(self, history: list[Epoch]) -> bool:
        """Tell whether the best epoch is at least `patience` epochs ago."""
        return self.patience is not None and self.best is not None and len(history) - self.best.epoch >= self.patience


def _name_figures(done: Epoch) -> dict[str, str]:
    """Return the figures of an epoch by name, as the progress bar shows them."""
    shown = {"objective": f"{done.objective:.6g}"}
    if done.metric is not None and done.metric_name is not None:
        shown[done.metric_name] = f"{done.metric:.4f}"
    return shown


def _save(path: Path, identity: dict[str, Any], state: Arrays, history: list[Epoch], watch: _Watch) -> None:
    arrays = {f"state.{name}": array for name, array in state.items()}
    arrays |= {f"best.{name}": array for name, array in (watch.best_state or {}).items()}
    write_arrays(path, arrays, "checkpoint", {"identity": identity, "history": [asdict(e) for e in history]})


def _resume(path: Path, identity: dict[str, Any], fresh: Arrays, watch: _Watch) -> tuple[Arrays, list[Epoch]]:
    """Return the state of a checkpoint, in the arrays of `fresh`, and its epochs.

    Raises ModelFileError for the checkpoint of another training, and for one that is not whole.
    """
    arrays, header, _ = read_arrays(path, "checkpoint")
    misfit = find_misfit(header, _Header)
    if misfit is not None:
        raise ModelFileError(f"{path}: {misfit}")
    differing = [name for name in identity if header["identity"].get(name) != identity[name]]
    if differing:
        raise ModelFileError(
            f"{path} is the checkpoint of another training: its {differing[0]} is "
            f"{show(header['identity'].get(differing[0]), 400)}, here it is {identity[differing[0]]!r}; "
            "delete the file or pass another path"
        )
    history = [Epoch(**{field.name: each[field.name] for field in fields(Epoch)}) for each in header["history"]]
    if [done.epoch for done in history] != [*range(1, len(history) + 1)]:
        raise ModelFileError(f"{path} has a history whose epochs are not 1, 2, 3 and so on: delete the file")
    if watch.patience is not None:
        watch.resume(history)
    parts = ("state", "best") if watch.best else ("state",)
    specs = {
        f"{part}.{name}": ArraySpec(dtype=str(array.dtype), shape=array.shape)
        for part in parts
        for name, array in fresh.items()
    }
    fault = find_fault(arrays, specs, {})
    if fault is not None:
        raise ModelFileError(f"{path}: its array {fault.name!r} {fault.problem}; delete the file")
    for name, array in fresh.items():
        array[...] = arrays[f"state.{name}"]  # written into the fresh arrays, which are aligned to cache lines
    if watch.best:
        watch.best_state = {name: arrays[f"best.{name}"] for name in fresh}
    return fresh, history
