from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tastemap.files.journal import Follower, Journal
from tastemap.serve.commits import Commits


class SlowJournal(Journal):
    """A journal whose disk is busy until it is told to go on; keeps the groups that it wrote."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.groups: list[list[bytes]] = []
        self.go_on = threading.Event()

    def append(self, lines: Sequence[bytes]) -> None:
        self.go_on.wait(10)
        super().append(lines)
        self.groups.append(list(lines))


def test_what_comes_while_the_disk_is_busy_is_the_next_group(tmp_path: Path) -> None:
    journal = SlowJournal(tmp_path)

    async def work() -> None:
        commits = Commits(journal)
        writes = [asyncio.create_task(commits.write([b"%d" % n, b"%d again" % n])) for n in range(4)]
        await asyncio.sleep(0.05)
        writes += [asyncio.create_task(commits.write([b"%d" % n])) for n in range(4, 7)]
        await asyncio.sleep(0.05)
        assert not any(write.done() for write in writes)  # and the loop is free
        journal.go_on.set()
        await asyncio.gather(*writes)
        await commits.write([b"7"])
        await commits.close()

    asyncio.run(work())
    first = [line for n in range(4) for line in (b"%d" % n, b"%d again" % n)]
    assert journal.groups == [first, [b"4", b"5", b"6"], [b"7"]]
    assert Follower(tmp_path).read_new() == [*first, b"4", b"5", b"6", b"7"]


def test_a_failed_group_is_told_to_each_and_the_next_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    journal = Journal(folder)

    async def work() -> list[BaseException | None]:
        commits = Commits(journal)
        folder.rmdir()
        told = await asyncio.gather(commits.write([b"a"]), commits.write([b"b"]), return_exceptions=True)
        folder.mkdir()
        await commits.write([b"c"])
        await commits.close()
        return told

    told = asyncio.run(work())
    assert [type(error) for error in told] == [OSError, OSError]
    assert told[0] is not told[1]
    assert "nothing can be written to the journal" in str(told[0])
    assert Follower(folder).read_new() == [b"c"]


def test_lines_of_a_caller_who_has_left_are_written(tmp_path: Path) -> None:
    journal = SlowJournal(tmp_path)

    async def work() -> None:
        commits = Commits(journal)
        write = asyncio.create_task(commits.write([b"a"]))
        await asyncio.sleep(0.05)
        write.cancel()
        with pytest.raises(asyncio.CancelledError):
            await write
        journal.go_on.set()
        await commits.close()

    asyncio.run(work())
    assert Follower(tmp_path).read_new() == [b"a"]
