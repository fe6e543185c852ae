"""Checks of training in epochs; a model without epochs must refuse their options."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tastemap.testing.data import (
    Make,
    data,
    ensure,
    ensure_refused,
    ensure_same_model,
    make_changed,
    make_fitted,
    temporary_folder,
)
from tastemap.training.loop import Epoch

EPOCHS = 4


class _StoppedError(Exception):
    """Interrupts a training."""


def check_options_of_epochs(make: Make) -> None:
    """A model without epochs refuses the options that need them; one with epochs calls back after each."""
    name = type(make()).__name__
    if make().abilities.epochs:
        told: list[Epoch] = []
        model = make_changed(make, epochs=EPOCHS).fit(data(), validation=data(1), callbacks=told.append, progress=False)
        ensure([done.epoch for done in told] == [1, 2, 3, 4], f"callbacks must hear of every epoch once, heard {told}")
        ensure(model.epochs_ == told, "epochs_ must hold what the callbacks heard")
        ensure(np.isfinite([done.objective for done in told]).all(), f"objectives must be finite, got {told}")
        ensure(all(done.metric is not None for done in told), "with a validation part every epoch must be measured")
        return
    ensure(make_fitted(make).epochs_ == [], "a model without epochs must leave epochs_ empty")
    with temporary_folder() as folder:
        options: dict[str, Any] = {"patience": 2, "callbacks": print, "checkpoint": folder / "checkpoint"}
        for option, value in options.items():
            given: dict[str, Any] = {"validation": data(), option: value}
            ensure_refused(
                partial(make().fit, data(), **given), ValueError, name, "without epochs", option, what=option
            )
    ensure_same_model(make().fit(data(), validation=data()), make_fitted(make), "a validation part must change nothing")


def check_training_goes_on_from_a_checkpoint(make: Make) -> None:
    """A training that resumes from its checkpoint ends with the same bits as one that was never interrupted."""
    if not make().abilities.epochs:
        return

    def stop(done: Epoch) -> None:
        if done.epoch == EPOCHS - 1:
            raise _StoppedError

    with temporary_folder() as folder:
        options: dict[str, Any] = {"checkpoint": folder / "checkpoint", "progress": False}
        try:
            make_changed(make, epochs=EPOCHS).fit(data(), callbacks=stop, **options)
        except _StoppedError:
            pass
        else:
            raise AssertionError("an error of a callback must end the training and be passed on")
        ensure((folder / "checkpoint").exists(), "a training with a checkpoint must write one")
        resumed = make_changed(make, epochs=EPOCHS).fit(data(), **options)
    ensure_same_model(
        resumed, make_fitted(make, epochs=EPOCHS), "going on from a checkpoint must give the bits of not stopping"
    )


def check_patience_keeps_the_best_epoch(make: Make) -> None:
    """With patience training may end early, and never later than without."""
    if not make().abilities.epochs:
        return
    model = make_changed(make, epochs=EPOCHS).fit(data(), validation=data(1), patience=1, progress=False)
    scores = [done.metric for done in model.epochs_ if done.metric is not None]
    ensure(1 <= len(scores) <= EPOCHS, f"with patience there must be 1 to {EPOCHS} epochs, got {len(scores)}")
    waited = len(scores) - 1 - int(np.argmax(scores))
    ensure(waited <= 1, f"patience=1 must stop one epoch after the best, got {scores}")
