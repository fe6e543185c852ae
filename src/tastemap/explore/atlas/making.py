"""Has maps made, one after the other, each by a process of its own, while the server goes on."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal
from weakref import WeakKeyDictionary

from tastemap.explore.atlas.kept import Atlas, read_atlas
from tastemap.explore.atlas.names import Region, list_terms, name_regions
from tastemap.explore.atlas.place import Stage
from tastemap.explore.atlas.regions import LEVELS, find_centres
from tastemap.explore.atlas.vectors import choose_rows
from tastemap.serve.served import Served
from tastemap.typing import Floats

# Seconds that a process may take to end before it is made to.
LAST_SECONDS = 5.0


@dataclass(frozen=True, eq=False)
class Map:
    """A map whose regions have names.

    regions : of each level, "near" and "far"
    centres : of each level, where the regions' names stand: float32, (n_regions, 2)
    """

    atlas: Atlas
    regions: dict[str, list[Region]]
    centres: dict[str, Floats]


@dataclass(eq=False)
class Making:
    """A map that is being made.

    stage : what is being done; "wait" while another map is made
    began : seconds of time.monotonic() at which the process started
    map : what came of it
    fault : why there is no map, in a sentence
    """

    stage: Stage | Literal["wait"] = "wait"
    began: float = field(default_factory=time.monotonic)
    map: Map | None = None
    fault: str | None = None


class Cartographer:
    """Makes the map of each model that is asked for, once."""

    def __init__(self) -> None:
        self._makings = WeakKeyDictionary[Served, Making]()
        self._turn = asyncio.Lock()
        self._tasks = set[asyncio.Task[None]]()

    def ask(self, served: Served) -> Making:
        """Return how the making of a map goes, which begins where nobody has asked before."""
        making = self._makings.get(served)
        if making is None:
            making = self._makings[served] = Making()
            task = asyncio.get_running_loop().create_task(self._make(served, making))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return making

    async def close(self) -> None:
        """End all work, and the process that does it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, served: Served, making: Making) -> None:
        try:
            atlas = await asyncio.to_thread(_read, served)
            if atlas is None:
                async with self._turn:
                    making.began = time.monotonic()
                    await _run_process(served, making)
                atlas = await asyncio.to_thread(_read, served)
            if atlas is None:
                making.fault = making.fault or "the model's file is another one by now: load the page again"
                return
            making.map = await asyncio.to_thread(name_map, served, atlas)
        except Exception as error:
            making.fault = str(error)
            raise


def name_map(served: Served, atlas: Atlas) -> Map:
    """Return a map with names, by what the server knows of items."""
    terms = list_terms(atlas.rows, served.table, served.titles)
    popularity = served.model.popularity_[atlas.rows]
    labels = {level: getattr(atlas, level) for level in LEVELS} if len(atlas.rows) else {}
    return Map(
        atlas,
        {level: name_regions(own, terms, popularity) for level, own in labels.items()},
        {level: find_centres(atlas.places, own) for level, own in labels.items()},
    )


def _read(served: Served) -> Atlas | None:
    return read_atlas(served.path, served.digest, choose_rows(served.model))


async def _run_process(served: Served, making: Making) -> None:
    """Have a process make and keep a map; a process that fails says why in `making.fault`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "tastemap.explore.atlas", str(served.path),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            with suppress(ValueError):
                told = json.loads(line)
                making.stage = told.get("stage", making.stage)
                making.fault = told.get("error", making.fault)
        if await process.wait() and making.fault is None:
            making.fault = "the process that makes the map ended before it was done"
    finally:
        if process.returncode is None:
            process.terminate()
            with suppress(ProcessLookupError):
                try:
                    await asyncio.wait_for(process.wait(), LAST_SECONDS)
                except TimeoutError:
                    process.kill()
