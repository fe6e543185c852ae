"""Private copies of files, which processes share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tastemap.files.private import copy_private


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "private"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.write_bytes(bytes(range(256)) * 1000)
    return path


def test_a_copy_is_made_once(file: Path, folder: Path) -> None:
    copy = copy_private(file, folder)
    assert copy.read_bytes() == file.read_bytes()
    inode = copy.stat().st_ino
    assert copy_private(str(file), folder) == copy
    assert copy.stat().st_ino == inode
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_copy_outlives_what_is_done_to_the_file(file: Path, folder: Path) -> None:
    before = file.read_bytes()
    copy = copy_private(file, folder)
    file.write_bytes(b"short")
    assert copy.read_bytes() == before


@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_a_changed_file_is_copied_again_in_place_of_the_earlier_copy(how: str, file: Path, folder: Path) -> None:
    first, other = copy_private(file, folder), copy_private(Path(__file__), folder)
    if how == "replaced":
        file.rename(file.with_name("old"))
    file.write_bytes(b"new")
    second = copy_private(file, folder)
    assert second.read_bytes() == b"new"
    assert sorted(folder.iterdir()) == sorted([second, other])
    assert first != second


def test_where_the_system_cannot_copy_python_does(file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def copy_a_part(source: int, target: int, count: int) -> int:
        calls.append(count)
        if len(calls) > 1:
            raise OSError
        return os.write(target, os.read(source, 1000))

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "copy_file_range", copy_a_part, raising=False)
    assert copy_private(file, folder).read_bytes() == file.read_bytes()
    assert calls == [256_000, 255_000]


def test_a_full_disk_leaves_nothing(file: Path, folder: Path, full_disk: Any) -> None:
    with full_disk(4096), pytest.raises(OSError, match="large"):
        copy_private(file, folder)
    assert not list(folder.iterdir())


def test_a_folder_that_others_may_write_to_is_refused(file: Path, folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="others may write to"):
        copy_private(file, folder)


def test_an_absent_file_is_not_copied(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        copy_private(tmp_path / "none", folder)


def test_processes_that_come_at_once_get_one_copy(file: Path, folder: Path) -> None:
    script = """
import sys
from pathlib import Path
from tastemap.files.private import copy_private
copy = copy_private(sys.argv[1], Path(sys.argv[2]))
print(copy, copy.stat().st_ino)
"""
    command = [sys.executable, "-c", script, str(file), str(folder)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    assert len(said) == 1
