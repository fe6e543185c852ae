"""The contract of all models, as checks for a model of your own; they need no test runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tastemap.models.shared.base import Model
from tastemap.testing import epochs, features, fit, histories, measured, parameters, recommend, save, similar, update

MODULES = (fit, parameters, epochs, recommend, histories, similar, features, update, save, measured)

__all__ = ["MODEL_CHECKS", "check_model"]

#: The checks. Each takes a function that makes an unfitted model, and raises AssertionError with a sentence.
MODEL_CHECKS: tuple[Callable[[Callable[[], Model]], None], ...] = tuple(
    check for module in MODULES for name, check in vars(module).items() if name.startswith("check_")
)


def check_model(make: Callable[[], Model], *, others: Mapping[str, Any] | None = None) -> None:
    """Run every check of `MODEL_CHECKS` on a model.

    make : returns an unfitted model: its class, or a function that makes a small and fast one. The checks fit it about
        a hundred times, to a few dozen pairs
    others : for each parameter another value that changes the result even on such small data, or `...` for one that
        counts only with other settings than those of `make`; the checks choose a value themselves for numbers,
        booleans and `Literal` types that are not given

    The checks read the model's `abilities`. Raises one AssertionError with a line for each check that failed.
    """
    name, broken = type(make()).__name__, []
    for check in MODEL_CHECKS:
        known = partial(check, others=others) if check is parameters.check_parameters_change_what_is_learned else check
        try:
            known(make)
        except Exception as error:  # a broken model may raise anything
            told = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            broken.append(f"{check.__name__}: {(check.__doc__ or '').strip()} {told}")
    if broken:
        raise AssertionError(
            f"{name} breaks {len(broken)} of the {len(MODEL_CHECKS)} promises of a model:\n" + "\n".join(broken)
        )
