"""Imports packages that only some features need."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

from tastemap.errors import MissingPackageError


def import_extra(module: str, package: str, *, extra: str, purpose: str) -> ModuleType:
    """Import a module of a package that comes with an extra, or raise MissingPackageError.

    package : its name in the package registry, for the message
    extra : the extra of tastemap that installs it
    purpose : what needs it, e.g. "text_features"
    """
    try:
        with warnings.catch_warnings():
            # Optuna loads tqdm's bar for notebooks, which tastemap does not use; tqdm warns where it cannot make one.
            warnings.filterwarnings("ignore", message="IProgress not found")
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise  # the module is there, but one that it imports is missing
        raise MissingPackageError(
            f'{purpose} needs {package}, which is not installed: run pip install "tastemap[{extra}]"'
        ) from error
