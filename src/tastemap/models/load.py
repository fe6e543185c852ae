"""Reads the files that `Model.save` writes; files/arrays.py defines their format."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from tastemap.errors import ModelFileError
from tastemap.files.arrays import read_arrays
from tastemap.models.shared.base import Model
from tastemap.models.shared.registry import MODELS


def load(path: str | Path) -> Model:
    """Read a model that `Model.save` wrote.

    Raises ModelFileError for a file that is not a model of tastemap, is truncated or was altered, or whose model is not
    registered; FileNotFoundError.
    """
    arrays, header = read_arrays(path, "model")
    name = header["class"]
    if name not in MODELS:
        raise ModelFileError(
            f"{path} holds a {name!r}, which neither this version of tastemap nor an installed package knows: import "
            "or install the package that has it, or update tastemap"
        )
    cls = MODELS[name]
    known = {field.name for field in fields(cls)}
    unknown = [parameter for parameter in header["parameters"] if parameter not in known]
    if unknown:
        package = cls.__module__.partition(".")[0]
        raise ModelFileError(
            f"{path} has the parameter {unknown[0]!r}, which this version's {name} does not know: update {package}"
        )
    return cls.from_arrays(arrays, header)
