from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tastemap.files.whole import whole_file, whole_folder
from tastemap.files.writable import check_file, check_folder


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_new_file_and_one_to_replace_are_fine() -> None:
    check_file("new.csv", ["none.csv", None])
    Path("old.csv").touch()
    check_file("old.csv", ["new.csv"])


@pytest.mark.parametrize("ask", [check_file, lambda path: whole_file(path).__enter__()])
def test_a_path_that_cannot_become_a_file_is_refused(ask: Any) -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("lost").symlink_to("no/where")
    for path, words in (
        ("folder", "folder is a folder, which is no ordinary file: name a file in it"),
        ("pipe", "pipe is no ordinary file: name another"),
        ("none/new.csv", "there is no folder none to write new.csv in"),
        ("lost", r"there is no folder .*no to write where in"),
    ):
        with pytest.raises(OSError, match=words):
            ask(path)
    assert {path.name for path in Path().iterdir()} == {"folder", "pipe", "lost"}


def test_an_input_is_refused_under_any_of_its_names() -> None:
    Path("in.csv").touch()
    Path("other.csv").symlink_to("in.csv")
    for path in ("in.csv", "./in.csv", "other.csv"):
        with pytest.raises(OSError, match="is an input and would be lost: name another file to write"):
            check_file(path, [None, Path("in.csv")])


def test_a_folder_that_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    for ask in (check_file, lambda path: check_folder(path, ["a"])):
        with pytest.raises(PermissionError, match=f"the folder {Path.cwd()} cannot be written"):
            ask("new")


@pytest.mark.parametrize("ask", [check_folder, lambda path, names: whole_folder(path, names).__enter__()])
def test_only_a_folder_of_such_files_is_replaced(ask: Any) -> None:
    Path("file").touch()
    Path("full").mkdir()
    Path("full/a").touch()
    Path("full/notes").touch()
    Path("odd/a").mkdir(parents=True)
    for path, words in (
        ("file", "file is no folder and cannot be replaced by one: name another"),
        ("none/new", "there is no folder none to make new in"),
        ("full", "full holds 'notes', which would be lost: name a new folder"),
        ("odd", "odd holds 'a', which would be lost: name a new folder"),
        (".", "is the folder you are in: name a new one in it"),
    ):
        with pytest.raises(OSError, match=words):
            ask(path, ["a"])
    check_folder("full", ["a", "notes"])
    check_folder("new", ["a"])
