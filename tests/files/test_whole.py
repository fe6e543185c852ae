"""Files and folders that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tastemap.files.whole import whole_file, whole_folder


def names_in(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_a_file_takes_its_name_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with whole_file(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent.parent == tmp_path
        assert not path.exists()
    assert path.read_text() == "new"
    assert names_in(tmp_path) == {"a.txt"}


def test_an_error_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half() -> None:
        with whole_file(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "old"
    assert names_in(tmp_path) == {"a.txt"}


def test_a_file_needs_a_folder_and_a_place_that_may_be_replaced(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match=r"there is no folder .*none to write a\.txt in"),
        whole_file(tmp_path / "none" / "a.txt"),
    ):
        pass
    with (
        pytest.raises(OSError, match="is a folder, which is no ordinary file"),
        whole_file(tmp_path),
    ):
        pass


def test_a_folder_takes_its_name_when_all_files_are_written(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for text in ("first", "second"):
        with whole_folder(path, ["a", "b"]) as temporary:
            (temporary / "a").write_text(text)
            (temporary / "b").write_text(text)
        assert {(path / name).read_text() for name in "ab"} == {text}
    assert names_in(tmp_path) == {"out"}


def test_an_error_keeps_the_old_folder_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.mkdir()
    (path / "a").write_text("old")
    with pytest.raises(FileNotFoundError), whole_folder(path, ["a", "b"]) as temporary:
        (temporary / "a").write_text("new")  # and no b
    assert (path / "a").read_text() == "old"
    assert names_in(tmp_path) == {"out"}


def test_a_folder_that_comes_meanwhile_with_other_files_stays(tmp_path: Path) -> None:
    path = tmp_path / "out"

    def write() -> None:
        with whole_folder(path, ["a"]) as temporary:
            (temporary / "a").write_text("new")
            path.mkdir()
            (path / "mine").touch()

    with pytest.raises(FileExistsError, match="holds 'mine', which would be lost"):
        write()
    assert names_in(path) == {"mine"}
    assert names_in(tmp_path) == {"out"}
