"""Imports packages that only some features need."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

from tastemap.errors import MissingPackageError


def import_extra(module: str, package: str, *, extra: str, purpose: str) -> ModuleType:
    """Import a module of a package that comes with an extra, or raise MissingPackageError.

    package : its name where it is installed from; purpose : what needs it, e.g. "text_features"
    """
    try:
        with warnings.catch_warnings():
            # Optuna asks tqdm for a bar of notebooks, which nobody uses here; it complains where it cannot make one.
            warnings.filterwarnings("ignore", message="IProgress not found")
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise  # it is there, and misses something itself
        raise MissingPackageError(
            f'{purpose} needs {package}, which is not installed: run pip install "tastemap[{extra}]"'
        ) from error
