"""Brings an object with large arrays to every machine once, as a file; the Python processes there map it.

So ten workers of a machine have one copy of a model in memory, where a broadcast variable would give each its own.
"""

from __future__ import annotations

import atexit
import hashlib
import mmap
import pickle
import shutil
import struct
import tempfile
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from pyspark import SparkContext

# Arrays begin where registers and cache lines do.
_ALIGNMENT = 64

# The files that each context has handed out.
_shipped: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


def ship(context: SparkContext, value: object) -> str:
    """Hand an object to all executors, present and future, and return the name by which `open_shipped` finds it.

    An equal object is handed out once a context. Executors fetch it from the driver with their first task.
    """
    arrays: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    digest = hashlib.blake2b(head, digest_size=16)
    for array in arrays:
        digest.update(array.raw())
    name = f"tastemap-{digest.hexdigest()}.pickle"
    known = _shipped.setdefault(context, set())
    if name not in known:
        path = _folder() / name
        _write(path, head, arrays)
        context.addFile(str(path))
        known.add(name)
    return name


@lru_cache(maxsize=2)
def open_shipped(name: str) -> Any:
    """Return the object of this name, on an executor; a process makes it once, and its arrays are mapped."""
    from pyspark import SparkFiles

    with open(SparkFiles.get(name), "rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    (n,) = struct.unpack_from("<q", mapped)
    sizes = struct.unpack_from(f"<{n}q", mapped, 8)
    head, *arrays = (mapped[start : start + size] for start, size in _place(sizes))
    return pickle.loads(head, buffers=arrays)


def _write(path: Path, head: bytes, arrays: list[pickle.PickleBuffer]) -> None:
    parts: list[Any] = [head, *(array.raw() for array in arrays)]
    sizes = [len(part) for part in parts]
    try:
        with open(path, "wb") as file:
            file.write(struct.pack(f"<{len(sizes) + 1}q", len(sizes), *sizes))
            for part, (start, _) in zip(parts, _place(sizes), strict=True):
                file.write(b"\0" * (start - file.tell()))
                file.write(part)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _place(sizes: Any) -> Iterator[tuple[int, int]]:
    """Give where each part begins, and its size."""
    at = 8 * (len(sizes) + 1)
    for size in sizes:
        at = -(-at // _ALIGNMENT) * _ALIGNMENT
        yield at, size
        at += size


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="tastemap-spark-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
