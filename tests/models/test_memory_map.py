"""Models whose arrays are mapped from their files. That they answer as copied ones do is in the contract."""

from __future__ import annotations

import pickle
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tastemap as tm
from tastemap.kernels import implicit_als, ranking
from tastemap.models.load import load_private
from tastemap.testing.data import data, news

USER = "u1"


def fit(seed: int = 0) -> tm.ImplicitALS:
    return tm.ImplicitALS(factors=16, epochs=2, seed=seed).fit(data(), progress=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    fit().save(path)
    return path


def lists(model: tm.Model) -> list[Any]:
    """Ask what runs all kernels of answers: lists, few and many, scores and a fold-in."""
    asks = (model.recommend(k=3), model.recommend(USER, k=3), model.recommend_for([[103, 104]], k=3))
    return [one.rows() for one in asks] + [model.predict(USER, 100).tolist()]


def count_forms() -> dict[str, int]:
    """Count the compiled forms of every kernel."""
    kernels = {**vars(ranking), **vars(implicit_als)}
    return {name: len(kernel.signatures) for name, kernel in kernels.items() if hasattr(kernel, "signatures")}


def test_no_kernel_is_compiled_again_for_mapped_arrays(file: Path) -> None:
    copied = lists(tm.load(file))
    forms = count_forms()
    assert lists(tm.load(file, memory_map=True)) == copied
    assert count_forms() == forms


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what is mapped")
def test_only_mapped_models_hold_the_file(file: Path) -> None:
    maps = Path("/proc/self/maps")
    model = tm.load(file)
    assert str(file) not in maps.read_text()
    model = tm.load(file, memory_map=True)
    assert str(file) in maps.read_text()
    del model
    assert str(file) not in maps.read_text()


def test_what_is_written_to_arrays_stays_out_of_the_file(file: Path) -> None:
    before = file.read_bytes()
    one, other = (tm.load(file, memory_map=True) for _ in range(2))
    assert isinstance(one, tm.ImplicitALS)
    assert isinstance(other, tm.ImplicitALS)
    one.item_factors_[:] = 0
    assert other.item_factors_.any()
    assert file.read_bytes() == before


def test_a_model_outlives_the_replacement_of_its_file(file: Path) -> None:
    old = tm.load(file, memory_map=True)
    before = lists(old)
    fit(seed=1).save(file)
    new = tm.load(file, memory_map=True)
    assert lists(old) == before != lists(new)
    assert old.digest_ != new.digest_


def test_arrays_at_odd_places_are_copied(file: Path) -> None:
    content = file.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    # One more space behind the header moves all arrays by a byte.
    file.write_bytes(struct.pack("<Q", size + 1) + content[8 : 8 + size] + b" " + content[8 + size :])
    model = tm.load(file, memory_map=True)
    assert isinstance(model, tm.ImplicitALS)
    assert model.item_factors_.flags.aligned
    assert lists(model) == lists(fit())


def test_a_loaded_model_knows_the_digest_of_its_file(file: Path) -> None:
    model = tm.load(file)
    assert model.digest_ is not None
    assert f'"tastemap":"{model.digest_} ' in file.read_bytes().decode(errors="replace")
    assert {tm.load(file, memory_map=True).digest_, pickle.loads(pickle.dumps(model)).digest_} == {model.digest_}
    assert fit().digest_ is model.update(news()).digest_ is None


def test_a_private_copy_is_safe_from_what_is_written_into_the_file(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    model, other = (load_private(file, tmp_path / "private") for _ in range(2))
    assert len(list((tmp_path / "private").iterdir())) == 1
    with file.open("r+b") as same:
        same.truncate(100)
    assert lists(model) == lists(other) == lists(fit())
    with pytest.raises(tm.ModelFileError, match="save it again") as refused:
        load_private(file, tmp_path / "private")
    assert str(file) in str(refused.value)
    assert not list((tmp_path / "private").iterdir())
    file.write_bytes(content)
    assert np.array_equal(load_private(file, tmp_path / "private").popularity_, model.popularity_)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_private(tmp_path / "none", tmp_path / "private")


def test_a_copy_that_another_process_has_replaced_is_made_anew(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tastemap.models import load as module

    def copy_late(path: Path, folder: Path) -> Path:
        monkeypatch.undo()
        return folder / "removed"

    monkeypatch.setattr(module, "copy_private", copy_late)
    assert load_private(file, tmp_path / "private").digest_ == tm.load(file).digest_
