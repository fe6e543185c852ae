"""Named arrays and a JSON header in one safetensors file: written whole or not at all, read without running code."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from tastemap.errors import ModelFileError, name_some
from tastemap.files.headers import find_misfit, read_json
from tastemap.files.paths import as_path, name_file
from tastemap.files.whole import whole_file
from tastemap.typing import Arrays

FORMAT_VERSION = 1

# The types of safetensors that NumPy has; arrays of others, such as BF16, are never written.
TYPES = {"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64"}


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
    metadata = {"tastemap": f"{_compute_digest(text, arrays)} {text}"}
    with whole_file(path) as temporary:
        try:
            save_file(arrays, temporary, metadata=metadata)
        except SafetensorError as error:
            if "(os error " in str(error):
                raise  # which whole_file understands
            raise OSError(f"cannot write {path}: {error}") from error


def read_arrays(path: str | Path, kind: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read the arrays and the header of a file of `write_arrays`, and check that it is whole and of the kind `kind`.

    Raises OSError where the file is absent or cannot be read, ModelFileError where it is cut short, altered, of a later
    format or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    path = as_path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{name_file(path)} is a folder: name a {kind} file in it")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {name_file(path)}")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{name_file(path)} may not be read: ask for permission")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            odd = [name for name in names if file.get_slice(name).get_dtype() not in TYPES]
            arrays = {} if odd else {name: file.get_tensor(name) for name in names}
    except (SafetensorError, ValueError) as reason:  # ValueError: an array without numbers that claims a huge size
        raise ModelFileError(
            f"{path} is no whole tastemap {kind} ({reason}): it was cut short or is another kind of file; save it again"
        ) from reason
    if "tastemap" not in metadata:
        raise ModelFileError(f"{path} is a safetensors file but not one that tastemap wrote")
    if odd:
        raise ModelFileError(f"{path} holds arrays of types that tastemap never writes, {name_some(odd)}")
    digest, _, text = metadata["tastemap"].partition(" ")
    if digest != _compute_digest(text, arrays):
        raise ModelFileError(
            f"{path} was altered after tastemap wrote it: its content does not match its digest; save it again"
        )
    try:
        header = read_json(text)
    except ValueError as error:
        raise ModelFileError(f"{path} has a header that cannot be read: {error}") from error
    misfit = find_misfit(header, _Start)
    if misfit is not None:
        raise ModelFileError(f"{path}: {misfit}")
    if header["format"] > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format {header['format']}, this version reads up to {FORMAT_VERSION}: update tastemap"
        )
    if header["kind"] != kind:
        raise ModelFileError(f"{path} is a tastemap {header['kind']}, not a {kind}")
    return arrays, header


def as_json(value: object) -> str:
    """Return a value as JSON, the same text for equal values; NumPy's numbers count as Python's."""
    return json.dumps(value, sort_keys=True, default=lambda number: number.item())


def _compute_digest(header: str, arrays: Arrays) -> str:
    digest = hashlib.blake2b(header.encode(), digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
