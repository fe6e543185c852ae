"""Runs the trials of a search: each fits a model to the training part and measures it on the validation part."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tastemap.data.features import Features
from tastemap.data.interactions import Interactions
from tastemap.errors import DivergenceError
from tastemap.evaluation.evaluate import evaluate
from tastemap.extras import import_extra
from tastemap.metrics.definitions import Metric
from tastemap.models.shared.base import Model
from tastemap.training.loop import Epoch
from tastemap.tuning.sampling import Asked, Sampling

if TYPE_CHECKING:
    import optuna

# The number of users on whom a trial is watched between epochs: enough to see a bad one, in a small part of an epoch.
WATCHED_USERS = 1000

# How often a trial is watched. This is at shares of its epochs, not at fixed epochs, because a trial of more epochs may
# learn more slowly, and some learning rates fall until the last epoch.
LOOKS = 10


class Clock:
    """Tells running trials when to end.

    stopped : an event; once it is set, nobody waits for the trials
    """

    def __init__(self, started: float, timeout: float | None) -> None:
        self._end = None if timeout is None else started + timeout
        self.stopped = threading.Event()

    def is_over(self) -> bool:
        """Tell whether the time is over or the search was stopped."""
        return self.stopped.is_set() or (self._end is not None and time.perf_counter() >= self._end)


class _GivenUp(Exception):  # noqa: N818 - not an error but the exit from an epoch loop
    """Ends a trial's training."""

    def __init__(self, state: Literal["pruned", "stopped"]) -> None:
        self.state = state


class _Refused(Exception):  # noqa: N818 - separates what the model refuses from errors of the data
    """The model refuses this combination of parameters."""


@dataclass(frozen=True)
class Work:
    """Runs trials; the fields are what all trials of a search share."""

    model: Model
    sampling: Sampling
    train: Interactions
    validation: Interactions
    metric: Metric
    exclude: Literal["train"] | Interactions | None
    user_features: Features | None
    item_features: Features | None

    def run(self, asked: Asked, clock: Clock) -> optuna.trial.FrozenTrial:
        """Run a trial and return it with its score, state and parameters."""
        began, started = datetime.now(), time.perf_counter()
        score, epochs, state, reason = None, 0, "complete", None
        looks: dict[int, float] = {}

        def after(epoch: Epoch) -> None:
            nonlocal epochs
            epochs = epoch.epoch
            share = LOOKS * epochs // model.used_.epochs
            if share == LOOKS:
                return
            if clock.is_over():
                raise _GivenUp("stopped")
            if epoch.metric is not None and share and share not in looks:
                looks[share] = epoch.metric
                asked.trial.report(epoch.metric, share)
                if asked.trial.should_prune():
                    raise _GivenUp("pruned")

        model = self.make_model(asked.parameters)
        options: dict[str, Any] = {"user_features": self.user_features, "item_features": self.item_features}
        if model.abilities.epochs:
            options["callbacks"] = after
            if self._watched is not None:
                options |= {"validation": self._watched, "metric": self.metric}
        try:
            self._check(model)
            model.fit(self.train, **options, progress=False)
            score = evaluate(model, self.validation, metrics=self.metric, exclude=self.exclude, progress=False)[
                self.metric
            ]
            if not np.isfinite(score):
                score, state, reason = None, "failed", f"its {self.metric} is {score}"
        except _GivenUp as end:
            state, reason = end.state, "timeout" if end.state == "stopped" else None
        except (DivergenceError, _Refused) as error:
            state, reason = "failed", str(error)
        module: Any = import_extra("optuna.trial", "optuna", extra="tune", purpose="tune")
        states = {"complete": module.TrialState.COMPLETE, "pruned": module.TrialState.PRUNED}
        made: optuna.trial.FrozenTrial = module.create_trial(
            state=states.get(state, module.TrialState.FAIL),
            value=score,
            params=asked.parameters,
            distributions=self.sampling.distributions(),
            intermediate_values=looks,
            user_attrs={
                "trial": asked.number,
                "state": state,
                "seconds": time.perf_counter() - started,
                "epochs": epochs if model.abilities.epochs else None,
                "reason": reason,
            },
        )
        made.datetime_start = began
        return made

    @staticmethod
    def _check(model: Model) -> None:
        try:
            model.check_parameters()
        except ValueError as error:  # two values may be wrong together although each is valid
            raise _Refused(str(error)) from error

    def make_model(self, parameters: dict[str, Any]) -> Model:
        """Return an unfitted model with some other parameters."""
        return type(self.model)(**{**asdict(self.model), **parameters})

    @cached_property
    def _watched(self) -> Interactions | None:
        """The validation pairs on which trials are watched between epochs, None where they are not watched."""
        # `fit` always leaves the training items out, so its metric matches exclude="train" only.
        if not self.sampling.prune or self.exclude != "train" or not self.metric.watchable:
            return None
        users = self.validation.by_user.with_pairs
        has_pair = self.train.by_user.has_pairs
        users = users[self.train.users.find_among(self.validation.users.take(users), has_pair) >= 0]
        if len(users) > WATCHED_USERS:
            users = np.random.default_rng(0).choice(users, WATCHED_USERS, replace=False)
        among = np.isin(self.validation.row_of_pair(), users)
        return self.validation.pick(among[self.validation.input_order]) if among.any() else None
