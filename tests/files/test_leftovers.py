"""Hidden temporary files of killed writers go with the next write of the same file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tastemap.files import leftovers
from tastemap.files.leftovers import FORGOTTEN_SECONDS, name_temporary, remove_leftovers
from tastemap.files.whole import whole_file, whole_folder

KILLED = """
    import os, signal, sys
    from tastemap.files.whole import whole_file, whole_folder
    with whole_file(sys.argv[1]) as temporary, whole_folder(sys.argv[2], ["a"]) as folder:
        temporary.write_text("half")
        (folder / "a").write_text("half")
        print(temporary.parent.name, folder.name, flush=True)
        os.kill(os.getpid(), getattr(signal, sys.argv[3]))
"""


def names_in(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text)


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path, run_python: object) -> None:
    run_python(KILLED, tmp_path / "file", tmp_path / "folder", "SIGKILL", status=-signal.SIGKILL)  # type: ignore[operator]
    left = names_in(tmp_path)
    assert len(left) == 2
    write(tmp_path / "other", "its own")
    assert names_in(tmp_path) == {*left, "other"}, "only the writer of the same file removes"
    write(tmp_path / "file", "new")
    assert len(names_in(tmp_path)) == 3
    with whole_folder(tmp_path / "folder", ["a"]) as folder:
        (folder / "a").write_text("new")
    assert names_in(tmp_path) == {"file", "folder", "other"}


def test_what_a_living_writer_writes_stays(tmp_path: Path) -> None:
    script = "\n".join(line.removeprefix("    ") for line in KILLED.splitlines())
    command = [sys.executable, "-c", script, tmp_path / "file", tmp_path / "folder", "SIGSTOP"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        names = set(writer.stdout.readline().split())
        write(tmp_path / "file", "new")
        assert names_in(tmp_path) == {*names, "file"}
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    write(tmp_path / "file", "newer")
    assert len(names & names_in(tmp_path)) == 1, "the folder's is left"


def test_two_writers_in_one_process_leave_each_other_alone(tmp_path: Path) -> None:
    with whole_file(tmp_path / "file") as one:
        write(tmp_path / "file", "two")
        one.write_text("one")
    assert (tmp_path / "file").read_text() == "one"
    assert names_in(tmp_path) == {"file"}


def test_a_number_that_another_process_has_by_now_owns_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_find_start", lambda pid: 5)
    earlier = name_temporary(tmp_path / "file", "tmp")
    earlier.touch()
    monkeypatch.setattr(leftovers, "_find_start", lambda pid: 6)
    later = name_temporary(tmp_path / "file", "tmp")
    later.touch()
    remove_leftovers(tmp_path / "file", "tmp")
    assert names_in(tmp_path) == {later.name}


def test_what_another_machine_writes_stays_for_a_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_name_host", lambda: "0123abcd")
    there = name_temporary(tmp_path / "file", "tmp")
    monkeypatch.undo()
    there.touch()
    (earlier_version := tmp_path / ".file.0123456789abcdef.tmp").touch()
    write(tmp_path / "file", "new")
    assert names_in(tmp_path) == {"file", there.name, earlier_version.name}
    long_ago = time.time() - FORGOTTEN_SECONDS - 60
    for path in (there, earlier_version):
        os.utime(path, (long_ago, long_ago))
    write(tmp_path / "file", "newer")
    assert names_in(tmp_path) == {"file"}


@pytest.mark.parametrize(
    "name",
    [".file.tmp", ".file.xyz.tmp", ".file.12.tmp.bak", ".files.0123456789abcdef.tmp", "file.0123456789abcdef.tmp"],
)
def test_other_files_stay_however_old(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    os.utime(tmp_path / name, (0, 0))
    write(tmp_path / "file", "new")
    assert names_in(tmp_path) == {"file", name}


def test_a_name_as_long_as_a_system_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 125)
    write(path, "new")
    assert names_in(tmp_path) == {path.name}
