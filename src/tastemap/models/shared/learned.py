"""Checks that learning has set the arrays that a model declares."""

from __future__ import annotations

from collections.abc import Mapping

from tastemap.data.specs import ArraySpec, Specs, find_fault
from tastemap.errors import DivergenceError


def check_specs(model: str, specs: object) -> None:
    """Raise TypeError where a model declares its fitted arrays in another form than names and `ArraySpec`."""
    declared = isinstance(specs, Mapping) and all(isinstance(spec, ArraySpec) for spec in specs.values())
    if not declared:
        raise TypeError(f"{model}.fitted_arrays must be a dict of an ArraySpec for each name, got {specs!r}")


def check_learned(model: str, specs: Specs, arrays: Mapping[str, object], sizes: Mapping[str, int]) -> None:
    """Raise TypeError where a fitted array is not as declared, DivergenceError for numbers that are not finite.

    model : the name of its class
    sizes : the sizes that the shapes of arrays name
    """
    check_specs(model, specs)
    fault = find_fault(arrays, specs, sizes)
    if fault is None:
        return
    if fault.name not in arrays:
        raise TypeError(f"{model} names {fault.name!r} among its fitted arrays, and learning did not set it")
    if fault.is_infinite:
        raise DivergenceError(f"{model}.{fault.name} {fault.problem}: change the parameters, or scale the weights down")
    raise TypeError(f"{model}.{fault.name} {fault.problem}")
