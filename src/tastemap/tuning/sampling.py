"""Which parameters a search tries next and which trials it gives up: Optuna's samplers and pruner, made repeatable."""

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

# Trials at random before TPE learns from them, and finished ones before any is given up.
AT_RANDOM = 10

# In tenths of a trial's epochs: before, nothing is given up.
WARM_UP = 3

# A grid of more points is a mistake rather than a plan.
MOST_POINTS = 100_000


class Asked(NamedTuple):
    """A trial to make. `trial` takes what it reaches on the way, and says whether to give up."""

    number: int
    parameters: dict[str, Any]
    trial: optuna.Trial


@dataclass(frozen=True)
class Sampling:
    """Chooses trials as a function of the seed, the trial's number and the finished trials, and of nothing else.

    A sampler of Optuna has a random state that moves with every trial; here it is made anew for each. A search that
    goes on in another process then tries what it would have tried in the first.
    """

    space: SearchSpace
    given: dict[str, Any]
    sampler: Literal["tpe", "random", "grid"]
    prune: bool
    direction: Literal["minimize", "maximize"]
    seed: int

    def at_most(self, trials: int) -> int:
        """Return how many trials there are to make: a grid has an end."""
        return min(trials, 1 + len(self._points)) if self.sampler == "grid" else trials

    def ask(self, earlier: Sequence[optuna.trial.FrozenTrial], numbers: Sequence[int]) -> list[Asked]:
        """Return the trials of these numbers, which are made at once, after the earlier ones."""
        module = _optuna()
        pruner = module.pruners.MedianPruner(n_startup_trials=AT_RANDOM, n_warmup_steps=WARM_UP, n_min_trials=5)
        study: Any = in_memory(self.direction, earlier)
        study.pruner = pruner if self.prune else module.pruners.NopPruner()
        points = self._points if self.sampler == "grid" else []
        distributions = self.distributions()
        asked = []
        for number in numbers:
            study.sampler = self._sampler(number)
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
        """Return the space in Optuna's terms."""
        return {name: _distribution(values) for name, values in self.space.items()}

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        module = _optuna()
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
        """Return the grid without the parameters that the first trial has, in random order: any first part is even."""
        n_points = math.prod(
            len(values.steps() if isinstance(values, Range) else values) for values in self.space.values()
        )
        if n_points > MOST_POINTS:
            raise ValueError(
                f"the grid has {n_points:,} points: pass fewer parameters or shorter lists, or another sampler"
            )
        points = [point for point in grid(self.space) if point != self.given]
        return [points[i] for i in np.random.default_rng(self.seed).permutation(len(points))]


def in_memory(direction: Literal["minimize", "maximize"], trials: Iterable[optuna.trial.FrozenTrial]) -> optuna.Study:
    """Return a study of finished trials."""
    study: optuna.Study = _optuna().create_study(direction=direction)
    study.add_trials(trials)
    return study


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from logging what it does."""
    logging = _optuna().logging
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _distribution(values: Range | Sequence[Any]) -> optuna.distributions.BaseDistribution:
    distributions = _optuna().distributions
    if not isinstance(values, Range):
        return distributions.CategoricalDistribution(tuple(values))  # type: ignore[no-any-return]
    kind = distributions.IntDistribution if values.is_whole else distributions.FloatDistribution
    return kind(values.low, values.high, log=values.log)  # type: ignore[no-any-return]


def _optuna() -> Any:
    return import_extra("optuna", "optuna", extra="tune", purpose="tune")
