from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tastemap as tm
from tastemap.explore.atlas import kept
from tastemap.explore.atlas.kept import Atlas, keep_atlas, read_atlas
from tastemap.files.arrays import write_arrays

ROWS = np.array([0, 2, 3, 7])
ATLAS = Atlas(
    ROWS,
    np.array([[0, 0.5], [1, -1], [0.25, 0], [-0.5, 0.75]], np.float32),
    np.array([0, 1, 1, 2], np.int32),
    np.array([0, 0, 1, 1], np.int32),
)
DIGEST = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TASTEMAP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "als.safetensors"


def test_a_map_is_kept_beside_its_model(model: Path) -> None:
    assert keep_atlas(ATLAS, model, DIGEST) == model.with_name("als.safetensors.map")
    found = read_atlas(model, DIGEST, ROWS)
    assert found is not None
    assert all(np.array_equal(one, other) for one, other in zip(found, ATLAS, strict=True))
    assert [array.dtype for array in found] == [array.dtype for array in ATLAS]


def test_a_map_of_another_model_or_recipe_or_other_items_is_none(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_atlas(ATLAS, model, DIGEST)
    assert read_atlas(model, DIGEST[::-1], ROWS) is None
    assert read_atlas(model, DIGEST, ROWS[:3]) is None
    assert read_atlas(model, DIGEST, np.array([0, 2, 3, 8])) is None
    monkeypatch.setattr(kept, "RECIPE", kept.RECIPE + 1)
    assert read_atlas(model, DIGEST, ROWS) is None


def test_no_file_is_no_map(model: Path) -> None:
    assert read_atlas(model, DIGEST, ROWS) is None


def _with(**changed: np.ndarray) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        write_arrays(path, ATLAS._replace(**changed)._asdict(), "map", {"model": DIGEST, "recipe": kept.RECIPE})

    return write


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "spoil",
    [
        _cut,
        _flip,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("no map"),
        lambda path: write_arrays(path, {"rows": ROWS}, "map", {"model": DIGEST, "recipe": kept.RECIPE}),
        lambda path: write_arrays(path, ATLAS._asdict(), "map", {"model": DIGEST}),
        lambda path: write_arrays(path, ATLAS._asdict(), "model", {"model": DIGEST, "recipe": kept.RECIPE}),
        _with(places=ATLAS.places[:3]),
        _with(places=ATLAS.places.astype(np.float64)),
        _with(places=np.full((4, 2), np.nan, np.float32)),
        _with(places=np.full((4, 2), np.inf, np.float32)),
        _with(rows=np.array([0, 2, 3, 70])),
        _with(rows=np.array([3, 2, 0, 7])),
        _with(near=np.array([0, 1, 1, 400], np.int32)),
        _with(near=np.array([0, 1, 1, 3], np.int32)),
        _with(far=np.array([0, -1, 0, 1], np.int32)),
    ],
)
def test_a_kept_map_that_is_broken_is_none(model: Path, spoil: Callable[[Path], None]) -> None:
    spoil(keep_atlas(ATLAS, model, DIGEST))
    assert read_atlas(model, DIGEST, ROWS) is None


def test_a_newer_map_replaces_an_older_one(model: Path) -> None:
    keep_atlas(ATLAS, model, DIGEST)
    assert keep_atlas(ATLAS, model, DIGEST[::-1]) == model.with_name("als.safetensors.map")
    assert read_atlas(model, DIGEST, ROWS) is None
    assert read_atlas(model, DIGEST[::-1], ROWS) is not None


def test_a_file_that_is_no_map_stays_and_the_map_goes_to_the_cache(model: Path, tmp_path: Path) -> None:
    beside = model.with_name("als.safetensors.map")
    likes = tm.Interactions.from_frame({"user": [1, 1, 2], "item": [1, 2, 2]})
    tm.Popular().fit(likes).save(beside)
    before = beside.read_bytes()
    assert keep_atlas(ATLAS, model, DIGEST) == tmp_path / "cache" / "maps" / f"{DIGEST}.safetensors"
    assert beside.read_bytes() == before
    assert read_atlas(model, DIGEST, ROWS) is not None


def test_beside_a_folder_that_cannot_be_written_the_map_goes_to_the_cache(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(f"the folder {path.parent} cannot be written")

    monkeypatch.setattr(kept, "check_file", refuse)
    assert keep_atlas(ATLAS, model, DIGEST) == tmp_path / "cache" / "maps" / f"{DIGEST}.safetensors"
    assert read_atlas(model, DIGEST, ROWS) is not None
