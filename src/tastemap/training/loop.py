"""The one epoch loop: progress, objective, early stopping, checkpoints, resuming to the same bits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data._checks import check_whole
from tastemap.data.interactions import Interactions
from tastemap.errors import DivergenceError, ModelFileError
from tastemap.files.arrays import as_json, read_arrays, write_arrays
from tastemap.metrics.definitions import METRICS, NDCG, Metric, RankingMetric, RatingMetric
from tastemap.metrics.lists import list_values
from tastemap.metrics.ratings import pool
from tastemap.progress import make_bar
from tastemap.typing import Arrays

# A checkpoint may take this share of the training time at most; the first is always written.
CHECKPOINT_SHARE = 0.1

_USUAL_METRIC = NDCG(10)


@dataclass(frozen=True)
class Epoch:
    """What callbacks get after every epoch.

    epoch : from 1
    seconds : how long the epoch took
    objective : the model's objective after it, over all pairs
    metric : the metric on the validation part, None without one
    metric_name : what it is called, such as "ndcg@10"
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
        """Raise ValueError for options that do not go together or are out of range."""
        self._check_metric(predicts_ratings)
        if self.patience is not None and self.validation is None:
            raise ValueError("patience needs a validation part: pass validation=, or leave patience out")
        if self.patience is not None:
            check_whole("patience", self.patience, lowest=1)

    def _check_metric(self, predicts_ratings: bool) -> None:
        if self.metric.watchable and (predicts_ratings or not isinstance(self.metric, RatingMetric)):
            return
        of_lists = [name for name, cls in METRICS.items() if cls.watchable and cls.has_cutoff]
        errors = " or ".join(repr(name) for name, cls in METRICS.items() if cls.watchable and not cls.has_cutoff)
        also = f", or {errors}" if predicts_ratings else f" ({errors} of models that predict ratings)"
        raise ValueError(
            f"metric must be one of {', '.join(of_lists)} with a cut-off, such as 'ndcg@10'{also}, got "
            f"{self.metric.name!r}: measure others with tastemap.evaluate"
        )

    def check_without_epochs(self, model: str) -> None:
        """Raise ValueError for options that mean something between epochs only, for a model that has none."""
        for name in ("patience", "callbacks", "checkpoint"):
            if getattr(self, name) not in (None, ()):
                raise ValueError(f"{model} trains without epochs, so {name} means nothing to it: leave {name} out")


class Trainable(Protocol):
    """What the loop asks of a model. All that training changes is in the state's arrays."""

    epochs: int

    def start(self) -> Arrays:
        """Return the arrays before the first epoch."""
        ...

    def train_epoch(self, state: Arrays, epoch: int) -> float:
        """Train one epoch (from 0) in place and return the objective."""
        ...

    def rank(self, state: Arrays, rows: npt.NDArray[np.int64], k: int) -> Any:
        """Return `ranking.Lists` for user rows with the factors as they are, training items left out."""
        ...


class Rating(Trainable, Protocol):
    """What the loop asks of a model that predicts ratings."""

    def predict(self, state: Arrays, users: npt.NDArray[np.int64], items: npt.NDArray[np.int64]) -> Any:
        """Return the ratings of pairs of rows, float32, with the factors as they are."""
        ...


def train(
    task: Trainable, identity: dict[str, Any], options: Options, divergence_hint: str
) -> tuple[Arrays, list[Epoch]]:
    """Run the epochs and return the final (or, with patience, the best) state and what happened.

    identity : what a checkpoint must share with this training, beside the options: class, parameters, data. A
        checkpoint of another training raises ModelFileError.
    divergence_hint : which parameter to change, for the DivergenceError when the objective is not finite.
    """
    watch = _Watch(options)
    state, history = task.start(), list[Epoch]()
    path = None if options.checkpoint is None else Path(options.checkpoint)
    identity = json.loads(as_json(identity | watch.identity()))  # as it comes back from a file
    if path is not None and path.exists():
        state, history = _resumed(path, identity, state, watch)
    saved_at, save_seconds = -np.inf, 0.0

    with make_bar(task.epochs, options.progress, done=len(history)) as shown:
        for epoch in range(len(history), task.epochs):
            if watch.is_over(history):
                break
            before = time.perf_counter()
            with parallel.one_blas_thread():  # sums outside the blocks have other bits on more threads
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
            shown.set_postfix(_shown(done))
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
        """What `measure` returns, None where that is nothing."""
        return None if self._validation is None else self._metric.name

    def identity(self) -> dict[str, Any]:
        """Return what decides when training stops."""
        if self._validation is None:
            return {"validation": None}
        fingerprint = self._validation.fingerprint()
        return {"validation": fingerprint, "metric": self._metric.name, "patience": self.patience}

    def measure(self, task: Trainable, state: Arrays) -> float | None:
        if self._validation is None:
            return None
        held_out, metric = self._validation.by_user, self._metric
        if isinstance(metric, RatingMetric):
            users = self._validation.row_of_pair().astype(np.int64)
            predicted = cast(Rating, task).predict(state, users, held_out.indices.astype(np.int64))
            return pool(metric, held_out.data.astype(np.float64) - predicted)
        k, column = cast(int, metric.k), cast(RankingMetric, metric).column
        lists = task.rank(state, self._rows, k)
        return float(list_values(lists.rows, lists.counts, held_out, self._rows, [k])[:, 0, column].mean())

    def remember(self, done: Epoch, state: Arrays) -> None:
        if self.patience is None or done.metric is None:
            return
        if self.best is None or self._goodness(done) > self._goodness(self.best):
            self.best = done
            self.best_state = {name: array.copy() for name, array in state.items()}

    def resume(self, history: list[Epoch]) -> None:
        """Find the best epoch among those of a checkpoint: of equal ones the first."""
        watched = [done for done in history if done.metric is not None]
        self.best = max(watched, key=lambda done: (self._goodness(done), -done.epoch), default=None)

    def _goodness(self, done: Epoch) -> float:
        assert done.metric is not None
        return self._metric.goodness(done.metric)

    def is_over(self, history: list[Epoch]) -> bool:
        return self.patience is not None and self.best is not None and len(history) - self.best.epoch >= self.patience


def _shown(done: Epoch) -> dict[str, str]:
    shown = {"objective": f"{done.objective:.6g}"}
    if done.metric is not None and done.metric_name is not None:
        shown[done.metric_name] = f"{done.metric:.4f}"
    return shown


def _save(path: Path, identity: dict[str, Any], state: Arrays, history: list[Epoch], watch: _Watch) -> None:
    arrays = {f"state.{name}": array for name, array in state.items()}
    arrays |= {f"best.{name}": array for name, array in (watch.best_state or {}).items()}
    write_arrays(path, arrays, "checkpoint", {"identity": identity, "history": [asdict(e) for e in history]})


def _resumed(path: Path, identity: dict[str, Any], fresh: Arrays, watch: _Watch) -> tuple[Arrays, list[Epoch]]:
    arrays, header = read_arrays(path, "checkpoint")
    differing = [name for name in identity if header["identity"].get(name) != identity[name]]
    if differing:
        raise ModelFileError(
            f"{path} is the checkpoint of another training: its {differing[0]} is "
            f"{header['identity'].get(differing[0])!r}, here it is {identity[differing[0]]!r}; "
            "delete the file or pass another path"
        )
    history = [Epoch(**fields) for fields in header["history"]]
    for name, array in fresh.items():
        array[...] = arrays[f"state.{name}"]  # the fresh ones lie on cache lines
    if watch.patience is not None:
        watch.resume(history)
        watch.best_state = {name: arrays[f"best.{name}"] for name in fresh} if watch.best else None
    return fresh, history
