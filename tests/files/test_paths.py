from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tastemap as tm
from tastemap.errors import ParameterError
from tastemap.files.paths import as_path
from tastemap.files.whole import whole_file
from tastemap.files.writable import check_folder
from tastemap.testing import data as small

READERS_AND_WRITERS: dict[str, Callable[[Any], object]] = {
    "load": tm.load,
    "from_file": tm.Interactions.from_file,
    "save": lambda path: tm.Popular().fit(small.data()).save(path),
    "recommend_all": lambda path: tm.Popular().fit(small.data()).recommend_all(path),
    "checkpoint": lambda path: tm.ImplicitALS(factors=2, epochs=1).fit(small.data(), checkpoint=path),
    "study": lambda path: tm.tune(tm.ItemKNN, small.data(), trials=1, study=path),
    "whole_file": lambda path: whole_file(path).__enter__(),
    "check_folder": lambda path: check_folder(path, ["a"]),
}


@pytest.mark.parametrize("path", ["a\0b", "\ud8ff", b"model", 5, ["model"]], ids=repr)
@pytest.mark.parametrize("call", READERS_AND_WRITERS)
def test_what_no_file_can_be_called_is_refused(
    call: str, path: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match=r"a path must be a text or a pathlib\.Path") as caught:
        READERS_AND_WRITERS[call](path)
    assert caught.value.value == path
    assert not list(tmp_path.iterdir())


def test_texts_and_paths_are_paths() -> None:
    assert as_path("a/b") == as_path(Path("a/b")) == Path("a/b")
