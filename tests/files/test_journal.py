from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tastemap import ParameterError
from tastemap.files import journal as module
from tastemap.files.journal import Follower, Journal, list_files, read_lines

# Appends groups of numbered lines for ever, and prints each number after its line was acknowledged.
WRITER = """
import sys
from tastemap.files.journal import Journal
journal, first = Journal(sys.argv[1], rotate_bytes=2000), int(sys.argv[2])
print("ready", flush=True)
while True:
    group = [b"%d " % number + b"x" * (number % 300) for number in range(first, first + 7)]
    journal.append(group)
    sys.stdout.write("".join(f"{line.split()[0].decode()}\\n" for line in group))
    sys.stdout.flush()
    first += len(group)
"""


def start_writer(folder: Path, first: int = 0) -> subprocess.Popen[str]:
    code = [sys.executable, "-c", WRITER, str(folder), str(first)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(code, stdout=subprocess.PIPE, text=True, env=environment)


def read_all(folder: Path) -> list[bytes]:
    return Follower(folder).read_new()


def numbers_of(lines: list[bytes]) -> list[int]:
    """Return the numbers of lines that the writer wrote, each of them whole."""
    numbers = [int(line.split()[0]) for line in lines]
    assert lines == [b"%d " % number + b"x" * (number % 300) for number in numbers]
    return numbers


def test_lines_come_back_whole_and_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events")
    assert list_files(tmp_path / "events") == []  # a file is made by the first line
    journal.append([])
    journal.append([b"a", b"b"])
    journal.append(["ä".encode()])
    journal.close()
    journal.append([b"d"])
    first, second = list_files(tmp_path / "events")
    assert (first.read_bytes(), second.read_bytes()) == ("a\nb\nä\n".encode(), b"d\n")
    for wrong in (b"a\nb", b""):
        with pytest.raises(ParameterError, match="lines must be one line each"):
            journal.append([b"e", wrong])
    assert read_all(tmp_path / "events") == [b"a", b"b", "ä".encode(), b"d"]


def test_a_full_file_is_followed_by_a_new_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, rotate_bytes=10)
    for _ in range(5):
        journal.append([b"12345"])
    assert [path.stat().st_size for path in list_files(tmp_path)] == [12, 12, 6]


def test_lines_are_on_the_disk_before_they_are_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(module.os, "fsync", lambda handle: told.append(os.fstat(handle).st_size))
    monkeypatch.setattr(module, "sync_folder", told.append)
    journal = Journal(tmp_path)
    journal.append([b"abc"])
    journal.append([b"d"])
    assert told == [4, tmp_path, 6]


def test_a_killed_writer_has_lost_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    acknowledged, first = [], 0
    for number in range(20):
        with start_writer(tmp_path, first) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            told = [writer.stdout.readline() for _ in range(number * 5 + 1)]
            writer.kill()
            # The last line may be half a number.
            told += [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        acknowledged += [int(line) for line in told]
        first = acknowledged[-1] + 1000
    found = numbers_of(read_all(tmp_path))
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)
    assert len(acknowledged) >= 20


def test_two_processes_write_and_one_follows(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    with start_writer(tmp_path) as one, start_writer(tmp_path, 1_000_000) as other:
        found: list[int] = []
        end = time.monotonic() + 60
        while len(found) < 400 or not (min(found) < 1_000_000 <= max(found)):
            assert time.monotonic() < end
            found += numbers_of(follower.read_new())
        for writer in (one, other):
            writer.kill()
            assert writer.stdout is not None
            writer.stdout.close()
    found += numbers_of(follower.read_new())
    assert follower.read_new() == []
    assert len(set(found)) == len(found)
    assert sorted(found) == sorted(numbers_of(read_all(tmp_path)))
    for own in ([n for n in found if n < 1_000_000], [n for n in found if n >= 1_000_000]):
        assert own == list(range(own[0], own[0] + len(own)))


def test_threads_share_a_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, rotate_bytes=50)
    threads = [threading.Thread(target=lambda n=n: [journal.append([b"%d" % n]) for _ in range(20)]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_all(tmp_path)) == sorted(b"%d" % n for n in range(4) for _ in range(20))


def test_a_line_without_its_end_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events-20260101T000000.000000Z-1-0.jsonl"
    path.write_bytes(b"a\nb\nhalf")
    (tmp_path / "notes.txt").write_text("x\n")
    follower = Follower(tmp_path)
    assert follower.read_new() == [b"a", b"b"]
    assert follower.read_new() == []
    with path.open("ab") as file:
        file.write(b" a line\nmore")
    assert follower.read_new() == [b"half a line"]
    assert read_lines(path, 4) == b"half a line\n"
    path.unlink()
    assert follower.read_new() == []
    assert Follower(tmp_path / "none").read_new() == []


def test_a_new_process_does_not_append_to_what_another_left(tmp_path: Path) -> None:
    torn = tmp_path / "events-20260101T000000.000000Z-1-0.jsonl"
    torn.write_bytes(b"a\nhal")
    Journal(tmp_path).append([b"c"])
    assert torn.read_bytes() == b"a\nhal"
    assert read_all(tmp_path) == [b"a", b"c"]


def test_a_forked_process_writes_a_file_of_its_own(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom tastemap.files.journal import Journal\n"
        "journal = Journal(sys.argv[1])\njournal.append([b'parent'])\nchild = os.fork()\n"
        "journal.append([b'child' if child == 0 else b'parent again'])\n"
        "if child == 0: os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "forked")], env=environment, check=True, timeout=60)
    contents = {path.read_bytes() for path in list_files(tmp_path / "forked")}
    assert contents == {b"parent\nparent again\n", b"child\n"}


def test_a_full_disk_acknowledges_nothing_and_leaves_whole_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([b"a" * 600])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        for lines in ([b"b" * 300, b"c" * 300], [b"d" * 2000]):
            with pytest.raises(OSError, match=r"nothing can be written to the journal .*: File too large"):
                journal.append(lines)
        journal.append([b"e"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    journal.append([b"f"])
    assert read_all(tmp_path) == [b"a" * 600, b"e", b"f"]
    assert [path.read_bytes()[-1:] for path in list_files(tmp_path)] == [b"\n", b"\n"]


def test_after_a_failed_fsync_lines_go_to_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.append([b"a"])

    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", fail)
        with pytest.raises(OSError, match="nothing can be written to the journal"):
            journal.append([b"b"])
    journal.append([b"c"])
    assert [path.read_bytes() for path in list_files(tmp_path)] == [b"a\n", b"c\n"]


def test_a_stopped_write_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)

    def stop(handle: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", stop)
        with pytest.raises(KeyboardInterrupt):
            journal.append([b"a"])
    assert list_files(tmp_path) == []
    journal.append([b"b"])
    assert read_all(tmp_path) == [b"b"]


def test_lines_never_go_to_a_file_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "events")
    journal.append([b"a"])
    list_files(tmp_path / "events")[0].unlink()
    journal.append([b"b"])
    assert read_all(tmp_path / "events") == [b"b"]

    fsync = os.fsync
    with monkeypatch.context() as patch:  # removed while the disk is waited for
        patch.setattr(
            module.os, "fsync", lambda handle: (fsync(handle), list_files(tmp_path / "events")[0].unlink())[0]
        )
        with pytest.raises(OSError, match="No such file or directory"):
            journal.append([b"c"])
    (tmp_path / "events").rmdir()
    with pytest.raises(OSError, match=r"nothing can be written to the journal .*events: No such file or directory"):
        journal.append([b"d"])
    (tmp_path / "events").mkdir()
    journal.append([b"e"])
    assert read_all(tmp_path / "events") == [b"e"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"the folder .*below cannot be made: No such file or directory"):
        Journal(tmp_path / "none" / "below")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="is no folder: name one for the journal of events"):
        Journal(tmp_path / "file")
    monkeypatch.setattr(module.os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(PermissionError, match=r"the folder .* cannot be written"):
        Journal(tmp_path)
