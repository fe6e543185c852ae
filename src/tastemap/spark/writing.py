"""Writes Spark frames as folders of Parquet files: whole or not at all, on any file system that Spark knows."""

from __future__ import annotations

import uuid
from typing import Any

from pyspark.sql import DataFrame

from tastemap.errors import DataError
from tastemap.spark.failures import tell_failure


def write_parquet(frame: DataFrame, path: str) -> None:
    """Write a Spark frame to a folder of Parquet files, which takes the place of one that was written before.

    path : a folder of a file system that Spark knows, such as lists, file:///shop/lists or hdfs:///shop/lists

    The files are written beside it and renamed when all are there: until then what was there before stays. Raises
    DataError where the place is taken by anything else, OSError where a disk is full.
    """
    with tell_failure(f"writing {path}"):
        session: Any = frame.sparkSession
        hadoop = session._jvm.org.apache.hadoop.fs
        target = hadoop.Path(path)
        files = target.getFileSystem(session._jsc.hadoopConfiguration())
        target = files.makeQualified(target)
        _check_place(files, target, path)
        hidden = hadoop.Path(target.getParent(), f".{target.getName()}.{uuid.uuid4().hex}.unfinished")
        try:
            frame.write.parquet(hidden.toString())
            files.delete(target, True)
            if not files.rename(hidden, target):
                raise DataError(f"{path} cannot be written: its folder is not there, or may not be changed")
        finally:
            files.delete(hidden, True)


def _check_place(files: Any, target: Any, path: str) -> None:
    """Raise DataError where a folder holds anything but what Spark writes, or is none."""
    if not files.exists(target):
        return
    if not files.getFileStatus(target).isDirectory():
        raise DataError(f"{path} is a file, and lists of Spark are a folder: name another")
    others = [
        name
        for name in (status.getPath().getName() for status in files.listStatus(target))
        if not name.startswith(("part-", "_SUCCESS", "."))
    ]
    if others:
        raise DataError(f"{path} holds {others[0]!r}, which would be lost: name another")
