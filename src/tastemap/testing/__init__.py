"""What every model promises, as checks that a model of your own can be put to; they need no test runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tastemap.models.shared.base import Model
from tastemap.testing import epochs, features, fit, histories, measured, parameters, recommend, save, similar, update

MODULES = (fit, parameters, epochs, recommend, histories, similar, features, update, save, measured)

__all__ = ["MODEL_CHECKS", "check_model"]

#: The checks: each takes what makes an unfitted model, and raises AssertionError, in a sentence, where it fails.
MODEL_CHECKS: tuple[Callable[[Callable[[], Model]], None], ...] = tuple(
    check for module in MODULES for name, check in vars(module).items() if name.startswith("check_")
)


def check_model(make: Callable[[], Model], *, others: Mapping[str, Any] | None = None) -> None:
    """Put a model to every check of `MODEL_CHECKS`.

    make : returns an unfitted model: its class, or a function that makes a small and quick one. The checks fit it some
        hundred times, to a few dozen pairs
    others : for a parameter another value that changes what is learned from so little; of a number, a switch or a
        `Literal` one is found where it is not given

    What the model can do is read from its `abilities`. What is wrong with it stands in one AssertionError, a line for
    each check that failed.
    """
    name, broken = type(make()).__name__, []
    for check in MODEL_CHECKS:
        known = partial(check, others=others) if check is parameters.check_parameters_change_what_is_learned else check
        try:
            known(make)
        except Exception as error:  # whatever a broken model raises
            told = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            broken.append(f"{check.__name__}: {(check.__doc__ or '').strip()} {told}")
    if broken:
        raise AssertionError(
            f"{name} breaks {len(broken)} of the {len(MODEL_CHECKS)} promises of a model:\n" + "\n".join(broken)
        )
