"""Reads the files that `Model.save` writes; files/arrays.py defines their format."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from tastemap.errors import ModelFileError, show
from tastemap.files.arrays import ArrayFile, check_readable, read_arrays
from tastemap.files.paths import as_path
from tastemap.files.private import copy_private
from tastemap.models.shared.base import Model
from tastemap.models.shared.registry import MODELS
from tastemap.models.shared.stored import check_header


def load(path: str | Path, *, memory_map: bool = False) -> Model:
    """Read a model that `Model.save` wrote.

    memory_map : map the arrays of the file instead of copying them, so that all processes that do share one copy in
        memory. The file must then stay as it is until the model is gone; `Model.save` replaces a file and leaves the
        old one to those who map it. Whoever instead writes into the file changes the model, or ends the process where
        the file gets shorter

    No code of the file runs: its class is one that is registered, or that an installed package offers under this name.
    Nothing is made of its arrays before each has the type, the shape and the numbers that the class declares.
    `Model.digest_` then is the file's digest.

    Raises ModelFileError for a file that is not a model of tastemap, is truncated or was altered, whose contents do not
    fit each other, or whose model is not registered; FileNotFoundError.
    """
    return _make(read_arrays(path, "model", memory_map=memory_map), path)


def load_private(path: str | Path, folder: Path) -> Model:
    """Read a model as `load` does, mapped from a copy of its file in a private folder, as `copy_private` makes it.

    So whatever becomes of the file, the model stays as it is, and the processes that use this folder share its memory.
    """
    while True:
        check_readable(as_path(path), "model")
        copy = copy_private(path, folder)
        try:
            return _make(read_arrays(copy, "model", memory_map=True, name=path), path)
        except FileNotFoundError:
            continue  # another process has copied a newer file meanwhile
        except ModelFileError:
            copy.unlink(missing_ok=True)  # the file may have changed while it was copied
            raise


def _make(file: ArrayFile, path: str | Path) -> Model:
    """Make the model of a file, which messages call `path`."""
    arrays, header, digest = file
    try:
        model = _find_class(header).from_arrays(arrays, header)
    except ModelFileError as error:
        raise error.about(str(path)) from error
    model.digest_ = digest
    return model


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
