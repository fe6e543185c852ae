"""Named arrays and a JSON header in one safetensors file: written whole or not at all, read without running code."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from tastemap.errors import ModelFileError, name_some
from tastemap.files.headers import find_misfit, read_json
from tastemap.files.paths import as_path, name_file
from tastemap.files.whole import whole_file
from tastemap.typing import Arrays

FORMAT_VERSION = 1

# The types of safetensors that NumPy has; arrays of others, such as BF16, are never written.
TYPES = {
    "BOOL": "bool",
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
}


class ArrayFile(NamedTuple):
    """What a file holds.

    arrays : by name
    header : what JSON says
    digest : 32 hexadecimal digits of BLAKE2b over the header and the arrays: files of other content have another
    """

    arrays: dict[str, npt.NDArray[Any]]
    header: dict[str, Any]
    digest: str


class _Start(TypedDict):
    """What every header begins with."""

    format: int
    kind: str


def write_arrays(path: str | Path, arrays: Arrays, kind: str, header: dict[str, Any]) -> None:
    """Write named arrays and a JSON header to one file, whole or not at all. Equal content gives equal bytes.

    Raises OSError where the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = as_json({"format": FORMAT_VERSION, "kind": kind, **header})
    # One entry: safetensors writes several in random order.
    metadata = {"tastemap": f"{compute_digest(text, arrays)} {text}"}
    with whole_file(path) as temporary:
        try:
            save_file(arrays, temporary, metadata=metadata)
        except SafetensorError as error:
            if "(os error " in str(error):
                raise  # which whole_file understands
            raise OSError(f"cannot write {path}: {error}") from error


def read_arrays(path: str | Path, kind: str, *, memory_map: bool = False, name: str | Path | None = None) -> ArrayFile:
    """Read a file of `write_arrays`, and check that it is whole and of the kind `kind`.

    memory_map : map the arrays instead of copying them, so that all processes that do share their memory. What is
        written to them changes neither the file nor another process. Whoever then changes the file in place, rather
        than replacing it as `write_arrays` does, changes the arrays, or ends the process where it gets shorter
    name : what messages call the file; None for its path

    Raises OSError where the file is absent or cannot be read, ModelFileError where it is cut short, altered, of a later
    format or of another kind.
    """
    from safetensors import SafetensorError

    path = as_path(path)
    check_readable(path, kind)
    name = path if name is None else name
    try:
        arrays, odd, metadata = _map_arrays(path)
    except (SafetensorError, ValueError) as reason:  # ValueError: an array without numbers that claims a huge size
        raise ModelFileError(
            f"{name} is no whole tastemap {kind} ({reason}): it was cut short or is another kind of file; save it again"
        ) from reason
    if not memory_map:
        arrays = {own: array.copy() for own, array in arrays.items()}
    if "tastemap" not in metadata:
        raise ModelFileError(f"{name} is a safetensors file but not one that tastemap wrote")
    if odd:
        raise ModelFileError(f"{name} holds arrays of types that tastemap never writes, {name_some(odd)}")
    digest, _, text = metadata["tastemap"].partition(" ")
    if digest != compute_digest(text, arrays):
        raise ModelFileError(
            f"{name} was altered after tastemap wrote it: its content does not match its digest; save it again"
        )
    try:
        header = read_json(text)
    except ValueError as error:
        raise ModelFileError(f"{name} has a header that cannot be read: {error}") from error
    misfit = find_misfit(header, _Start)
    if misfit is not None:
        raise ModelFileError(f"{name}: {misfit}")
    if header["format"] > FORMAT_VERSION:
        raise ModelFileError(
            f"{name} has format {header['format']}, this version reads up to {FORMAT_VERSION}: update tastemap"
        )
    if header["kind"] != kind:
        raise ModelFileError(f"{name} is a tastemap {header['kind']}, not a {kind}")
    return ArrayFile(arrays, header, digest)


def check_readable(path: Path, kind: str) -> None:
    """Raise OSError, in one sentence, where there is no file that can be read."""
    if path.is_dir():
        raise IsADirectoryError(f"{name_file(path)} is a folder: name a {kind} file in it")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {name_file(path)}")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{name_file(path)} may not be read: ask for permission")


def _map_arrays(path: Path) -> tuple[dict[str, npt.NDArray[Any]], list[str], dict[str, str]]:
    """Return the arrays of a file, mapped, the names of those of types that NumPy lacks, and its metadata.

    Raises SafetensorError or ValueError for what is no whole file.
    """
    from safetensors import safe_open

    with path.open("rb") as file:
        # Writes are private: kernels are compiled once, for arrays that may be written to.
        held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        with safe_open(path, framework="numpy") as checked:
            if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return _map_arrays(path)  # it was replaced after it was opened here
            names = checked.offset_keys()
            parts = {name: checked.get_slice(name) for name in names}
            metadata = checked.metadata() or {}
    odd = [name for name, part in parts.items() if part.get_dtype() not in TYPES]
    if odd:
        return {}, odd, metadata
    types = {name: np.dtype(TYPES[part.get_dtype()]) for name, part in parts.items()}
    shapes = {name: tuple(part.get_shape()) for name, part in parts.items()}
    # The arrays fill the file behind its header without a gap: safetensors has checked that.
    sizes = [math.prod(shapes[name]) * types[name].itemsize for name in names]
    starts = accumulate(sizes, initial=len(held) - sum(sizes))
    mapped = {
        name: np.ndarray(shapes[name], types[name], held, start) for name, start in zip(names, starts, strict=False)
    }
    # Kernels take aligned arrays; those of files that tastemap wrote are.
    return {name: array if array.flags.aligned else array.copy() for name, array in mapped.items()}, [], metadata


def as_json(value: object) -> str:
    """Return a value as JSON, the same text for equal values; NumPy's numbers count as Python's."""
    return json.dumps(value, sort_keys=True, default=lambda number: number.item())


def compute_digest(header: str, arrays: Arrays) -> str:
    """Return 32 hexadecimal digits of BLAKE2b over a header and arrays."""
    digest = hashlib.blake2b(header.encode(), digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
