"""Chooses the parameters of trials and prunes trials: Optuna's samplers and pruner, made repeatable."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tastemap.extras import import_extra
from tastemap.models.shared.search import Range, SearchSpace, grid

if TYPE_CHECKING:
    import optuna

# The number of random trials before TPE learns from them, and of finished trials before any is pruned.
AT_RANDOM = 10

# In tenths of a trial's epochs: nothing is pruned before.
WARM_UP = 3

# A grid of more points is a mistake rather than a plan.
MOST_POINTS = 100_000


class Asked(NamedTuple):
    """A trial to run. `trial` takes its intermediate values, and tells whether to prune it."""

    number: int
    parameters: dict[str, Any]
    trial: optuna.Trial


@dataclass(frozen=True)
class Sampling:
    """Chooses trials from the seed, the trial's number and the finished trials only.

    A sampler of Optuna has a random state that changes with every trial; here each trial gets a new sampler. So a
    search that continues in another process tries the same parameters as in the first.

    space : the values to try for each parameter
    given : the parameters of the first trial
    sampler, prune, seed : as for `tune`
    direction : whether the metric is minimized or maximized
    """

    space: SearchSpace
    given: dict[str, Any]
    sampler: Literal["tpe", "random", "grid"]
    prune: bool
    direction: Literal["minimize", "maximize"]
    seed: int

    def limit(self, trials: int) -> int:
        """Return the number of trials to run: at most `trials`, and at most the points of a grid."""
        return min(trials, 1 + len(self._points)) if self.sampler == "grid" else trials

    def ask(self, earlier: Sequence[optuna.trial.FrozenTrial], numbers: Sequence[int]) -> list[Asked]:
        """Return the trials of these numbers, which run at the same time, chosen after the earlier trials."""
        module = _import_optuna()
        pruner = module.pruners.MedianPruner(n_startup_trials=AT_RANDOM, n_warmup_steps=WARM_UP, n_min_trials=5)
        study: Any = make_study(self.direction, earlier)
        study.pruner = pruner if self.prune else module.pruners.NopPruner()
        points = self._points if self.sampler == "grid" else []
        distributions = self.distributions()
        asked = []
        for number in numbers:
            study.sampler = self._make_sampler(number)
            trial = study.ask(distributions)
            parameters = {
                name: values.nearest(trial.params[name]) if isinstance(values, Range) else trial.params[name]
                for name, values in self.space.items()
            }
            if number == 0:
                parameters = self.given
            elif points:
                parameters = points[number - 1]
            asked.append(Asked(number, parameters, trial))
        return asked

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """Return the space as Optuna's distributions."""
        return {name: _make_distribution(values) for name, values in self.space.items()}

    def _make_sampler(self, number: int) -> optuna.samplers.BaseSampler:
        module = _import_optuna()
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        if self.sampler != "tpe":
            return module.samplers.RandomSampler(seed=seed)  # type: ignore[no-any-return]
        with warnings.catch_warnings():
            # Both are experimental in Optuna 4, and the defaults of Optuna 5.
            warnings.simplefilter("ignore", module.exceptions.ExperimentalWarning)
            return module.samplers.TPESampler(  # type: ignore[no-any-return]
                seed=seed, n_startup_trials=AT_RANDOM, multivariate=True, constant_liar=True
            )

    @cached_property
    def _points(self) -> list[dict[str, Any]]:
        """The points of the grid in random order, without the first trial's: any first part covers the grid evenly."""
        n_points = math.prod(
            len(values.steps() if isinstance(values, Range) else values) for values in self.space.values()
        )
        if n_points > MOST_POINTS:
            raise ValueError(
                f"the grid has {n_points:,} points: pass fewer parameters or shorter lists, or another sampler"
            )
        points = [point for point in grid(self.space) if point != self.given]
        return [points[i] for i in np.random.default_rng(self.seed).permutation(len(points))]


def make_study(direction: Literal["minimize", "maximize"], trials: Iterable[optuna.trial.FrozenTrial]) -> optuna.Study:
    """Return a study in memory that holds finished trials."""
    study: optuna.Study = _import_optuna().create_study(direction=direction)
    study.add_trials(trials)
    return study


@contextmanager
def silence_optuna() -> Iterator[None]:
    """Silence Optuna's log within the block."""
    logging = _import_optuna().logging
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _make_distribution(values: Range | Sequence[Any]) -> optuna.distributions.BaseDistribution:
    distributions = _import_optuna().distributions
    if not isinstance(values, Range):
        return distributions.CategoricalDistribution(tuple(values))  # type: ignore[no-any-return]
    kind = distributions.IntDistribution if values.is_whole else distributions.FloatDistribution
    return kind(values.low, values.high, log=values.log)  # type: ignore[no-any-return]


def _import_optuna() -> Any:
    return import_extra("optuna", "optuna", extra="tune", purpose="tune")
