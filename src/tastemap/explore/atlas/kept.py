"""Keeps the map of a model in a file beside the model's, and reads what was kept."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np

from tastemap.data.specs import ArraySpec, Specs, find_fault
from tastemap.errors import ModelFileError
from tastemap.explore.atlas.regions import LEVELS
from tastemap.files.arrays import read_arrays, write_arrays
from tastemap.files.cache import cache_folder
from tastemap.files.headers import find_misfit
from tastemap.files.writable import check_file
from tastemap.typing import Floats, Ints, RowNumbers

# The number of the recipe: a map of another one is made again.
RECIPE = 1

KIND = "map"

SPECS: Specs = {
    "rows": ArraySpec(dtype="int64", shape=("placed",), at_least=0, below="items", ascending=True),
    "places": ArraySpec(dtype="float32", shape=("placed", 2)),
    **{
        level: ArraySpec(dtype="int32", shape=("placed",), at_least=0, below=most)
        for level, (_, most) in LEVELS.items()
    },
}


class Atlas(NamedTuple):
    """A map of items.

    rows : int64, (n,): the items on it, ascending
    places : float32, (n, 2): about -1 to 1
    near, far : int32, (n,): the small and the large region of each, counted from 0
    """

    rows: RowNumbers
    places: Floats
    near: Ints
    far: Ints


class _Header(TypedDict):
    model: str
    recipe: int


def keep_atlas(atlas: Atlas, model: Path, digest: str) -> Path:
    """Write the map of a model and return where: beside the model, else in the user's cache folder.

    model : the file of the model
    digest : of that file

    Nothing is replaced but a map. Raises OSError where neither folder can be written.
    """
    beside, cached = _list_paths(model, digest)
    header = {"model": digest, "recipe": RECIPE}
    if not beside.exists() or _is_map(beside):
        try:
            check_file(beside)
            write_arrays(beside, atlas._asdict(), KIND, header)
            return beside
        except OSError:
            pass  # such as a folder that may only be read
    cached.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(cached, atlas._asdict(), KIND, header)
    return cached


def read_atlas(model: Path, digest: str, rows: RowNumbers) -> Atlas | None:
    """Return the map that was kept of a model, None where there is none of these items that is whole.

    model : the file of the model
    digest : of that file
    rows : int64, (n,): the items that it must show
    """
    for path in _list_paths(model, digest):
        atlas = _read(path, digest, rows)
        if atlas is not None:
            return atlas
    return None


def _read(path: Path, digest: str, rows: RowNumbers) -> Atlas | None:
    try:
        file = read_arrays(path, KIND)
    except (OSError, ModelFileError):
        return None
    if find_misfit(file.header, _Header) is not None:
        return None
    if file.header["model"] != digest or file.header["recipe"] != RECIPE:
        return None
    sizes = {"placed": len(rows), "items": int(rows.max(initial=-1)) + 1}
    if find_fault(file.arrays, SPECS, sizes) is not None:
        return None
    atlas = Atlas(**{name: file.arrays[name] for name in Atlas._fields})
    is_whole = all(np.bincount(labels).all() for labels in (atlas.near, atlas.far))
    return atlas if is_whole and np.array_equal(atlas.rows, rows) else None


def _is_map(path: Path) -> bool:
    try:
        read_arrays(path, KIND)
    except (OSError, ModelFileError):
        return False
    return True


def _list_paths(model: Path, digest: str) -> tuple[Path, Path]:
    """Return where a map may be kept: beside the model, and in the user's cache folder."""
    return model.with_name(f"{model.name}.{KIND}"), cache_folder() / "maps" / f"{digest}.safetensors"
