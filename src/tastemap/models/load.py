"""Reads the files that `Model.save` writes; files/arrays.py defines their format."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from tastemap.errors import ModelFileError, show
from tastemap.files.arrays import read_arrays
from tastemap.models.shared.base import Model
from tastemap.models.shared.registry import MODELS
from tastemap.models.shared.stored import check_header


def load(path: str | Path) -> Model:
    """Read a model that `Model.save` wrote.

    No code of the file runs: its class is one that is registered, or that an installed package offers under this name.
    Nothing is made of its arrays before each has the type, the shape and the numbers that the class declares.

    Raises ModelFileError for a file that is not a model of tastemap, is truncated or was altered, whose contents do not
    fit each other, or whose model is not registered; FileNotFoundError.
    """
    arrays, header = read_arrays(path, "model")
    try:
        return _find_class(header).from_arrays(arrays, header)
    except ModelFileError as error:
        raise error.about(str(path)) from error


def _find_class(header: dict[str, Any]) -> type[Model]:
    """Return the class that a header names, among those that are registered or that installed packages offer."""
    check_header(header)
    name = header["class"]
    if name not in MODELS:
        raise ModelFileError(
            f"it holds a {show(name)}, which neither this version of tastemap nor an installed package knows: "
            "import or install the package that has it, or update tastemap"
        )
    cls = MODELS[name]
    known = {field.name for field in fields(cls)}
    unknown = [parameter for parameter in header["parameters"] if parameter not in known]
    if unknown:
        package = cls.__module__.partition(".")[0]
        raise ModelFileError(
            f"it has the parameter {show(unknown[0])}, which this version's {name} does not know: update {package}"
        )
    return cls
