"""Groups what requests write to the journal, so that one wait for the disk serves many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from tastemap.files.journal import Journal


@dataclass(eq=False)
class _Group:
    """Lines that are written at once; `done` gets what went wrong, None where they are on the disk."""

    lines: list[bytes] = field(default_factory=list)
    done: asyncio.Future[Exception | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Commits:
    """A journal for one event loop: what arrives while the disk is busy is the next group."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._next: _Group | None = None
        self._work: asyncio.Task[None] | None = None

    async def write(self, lines: Sequence[bytes]) -> None:
        """Append lines, each without its end; when this returns, they are on the disk, in this order.

        The loop is never blocked. Lines are written even where the caller is cancelled while it waits. Raises OSError,
        in one sentence, where they cannot be written: then none of the group is in the journal.
        """
        if self._next is None:
            self._next = _Group()
        group = self._next
        group.lines += lines
        if self._work is None:
            self._work = asyncio.create_task(self._write_groups())
        error = await asyncio.shield(group.done)
        if error is not None:
            # Of its own for each caller: several tasks would add their tracebacks to one.
            raise OSError(str(error)) from error

    async def close(self) -> None:
        """Wait until all lines are written, and close the journal."""
        while self._work is not None:
            await asyncio.shield(self._work)
        await asyncio.to_thread(self.journal.close)

    async def _write_groups(self) -> None:
        while (group := self._next) is not None:
            self._next = None
            error: Exception | None = None
            try:
                await asyncio.to_thread(self.journal.append, group.lines)
            except Exception as raised:  # whatever it is, the callers must not wait for ever
                error = raised
            group.done.set_result(error)
        self._work = None
