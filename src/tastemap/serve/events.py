"""Takes events: into the journal first, then into what users did since the training."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tastemap.data.events import Event, parse_event, tell_time, write_event
from tastemap.errors import DataError
from tastemap.files.journal import Follower, Journal
from tastemap.serve.asked import MOST_EVENTS, read_list
from tastemap.serve.commits import Commits
from tastemap.serve.since import Since

# Seconds between two looks at what other processes wrote.
PAUSE = 0.5

# Events that are taken in at a time, between which requests are answered.
SOME = 1_000

logger = logging.getLogger("tastemap.serve")


class Events:
    """The events of a journal in a folder: those that were there, those posted here, and those of other processes.

    count : gets the number of the events that were written
    """

    def __init__(self, folder: Path, since: Since, count: Callable[[int], object] = lambda n: None) -> None:
        self._since, self._count = since, count
        self._commits = Commits(Journal(folder))
        self._follower = Follower(folder)
        for event in self._read_new():
            since.add(event)

    async def take(self, values: dict[str, Any]) -> int:
        """Write an event, or those in a list "events", into the journal; return how many there were.

        When this returns they are on the disk. Raises DataError and ParameterError for what is no event, OSError where
        the journal cannot be written: then none of them was taken.
        """
        found = read_list(values, "events", MOST_EVENTS) if "events" in values else [values]
        now = tell_time()
        events = [parse_event(one, now=now) for one in found]
        await self._commits.write([write_event(event) for event in events])
        for event in events:
            self._since.add(event)
        self._count(len(events))
        return len(events)

    async def follow(self) -> None:
        """Take in what other processes write, for ever."""
        while True:
            await asyncio.sleep(PAUSE)
            try:
                events = await asyncio.to_thread(self._read_new)
            except OSError:
                logger.exception("the journal cannot be read")
                continue
            for start in range(0, len(events), SOME):
                for event in events[start : start + SOME]:
                    self._since.add(event)
                await asyncio.sleep(0)

    async def close(self) -> None:
        """Wait until all events are written."""
        await self._commits.close()

    def _read_new(self) -> list[Event]:
        events, n_wrong = [], 0
        for line in self._follower.read_new():
            try:
                events.append(parse_event(line))
            except DataError:
                n_wrong += 1
        if n_wrong:
            logger.warning("%d lines of the journal are no events and were left out", n_wrong)
        return events
