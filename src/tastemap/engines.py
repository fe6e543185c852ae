"""Recognises frames of other engines, and finds the room that works with them, which is imported when it is needed."""

from __future__ import annotations

import importlib
from typing import Any


def is_spark(frame: object) -> bool:
    """Tell whether a frame is one of Spark, without importing pyspark."""
    return any(cls.__module__.startswith("pyspark.sql.") and cls.__name__ == "DataFrame" for cls in type(frame).__mro__)


def import_spark() -> Any:
    """Return `tastemap.spark`; raises MissingPackageError without the extra `spark`."""
    return importlib.import_module("tastemap.spark")
