"""The models that are being served: read and checked beside the old ones, and swapped between batches."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tastemap.data._lookup import look_up
from tastemap.errors import DataError, ParameterError, TastemapError, name_some, suggest
from tastemap.models.load import load, load_private
from tastemap.serve.served import Served
from tastemap.service.titles import ItemFile, Titles

# Seconds between two looks at the files.
PAUSE = 1.0

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Outcome:
    """What came of reading a model's file again."""

    model: str
    digest: str
    changed: bool


class Shelf:
    """The models by name, the first of which is the default.

    paths : the file of each model
    items : a file of what is known of items
    copies : a private folder for copies of the models' files: the processes that share it map one copy, whatever
        becomes of the files; None reads them into memory
    failed : gets the name of a model whose file could not be read again
    warm : whether the models rank once before anybody asks; else whoever made the shelf sees to it
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        *,
        items: Path | None = None,
        item_id: str | None = None,
        title_column: str | None = None,
        copies: Path | None = None,
        failed: Callable[[str], object] = lambda name: None,
        warm: bool = True,
    ) -> None:
        if not paths:
            raise DataError("there is no model to serve: name a file that Model.save wrote")
        self._paths = dict(paths)
        self._copies = copies
        self._items, self._item_id, self._title_column = items, item_id, title_column
        self.failed: dict[str, str] = {}
        self._count_failure = failed
        self.changed: list[Callable[[Served], object]] = []
        self._tried = {name: _stamp(path) for name, path in self._paths.items()}
        self._models = {name: self._read(name, warm) for name in self._paths}
        self._default = next(iter(self._models))
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="tastemap-read")
        self._locks = {name: asyncio.Lock() for name in self._paths}

    @property
    def models(self) -> list[Served]:
        """The models as they are now."""
        return list(self._models.values())

    def get(self, name: str | None) -> Served:
        """Return a model by its name, the first for None; raises UnknownModelError."""
        if name is None:
            return self._models[self._default]
        if name not in self._models:
            raise UnknownModelError(
                f"there is no model {name!r}, only {name_some(self._models)}{suggest(name, self._models)}",
                parameter="model",
                value=name,
            )
        return self._models[name]

    async def reload(self, name: str) -> Outcome:
        """Read a model's file again; raises the library's error for one that is broken, and the old model stays."""
        self.get(name)
        async with self._locks[name]:
            before = self._models[name]
            stamp = _stamp(self._paths[name])
            try:
                served = await asyncio.get_running_loop().run_in_executor(self._reader, self._read, name)
            except (TastemapError, OSError, ValueError, MemoryError) as error:
                self.failed[name] = str(error)
                self._count_failure(name)
                raise
            finally:
                self._tried[name] = stamp
            self.failed.pop(name, None)
            if served.digest == before.digest:
                return Outcome(name, before.digest, changed=False)
            self._models[name] = served
            for tell in self.changed:
                tell(served)
            return Outcome(name, served.digest, changed=True)

    async def watch(self) -> None:
        """Reload each model whose file is another one than before, for ever."""
        last = dict(self._tried)
        while True:
            await asyncio.sleep(PAUSE)
            for name, path in self._paths.items():
                stamp = _stamp(path)
                # A file that is being written changes from look to look.
                is_whole = stamp == last[name]
                last[name] = stamp
                if is_whole and stamp != self._tried[name]:
                    try:
                        await self.reload(name)
                    except Exception:  # `failed` has it, and the old model stays
                        continue

    def close(self) -> None:
        """End the thread that reads."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    def _read(self, name: str, warm: bool = True) -> Served:
        path = self._paths[name]
        model = load(path) if self._copies is None else load_private(path, self._copies)
        titles = table = known = id_column = None
        if self._items is not None:
            file = ItemFile.read(self._items, model.items, id_column=self._item_id, id_parameter="item_id")
            id_column = file.id_column
            read = Titles.read(self._items, model.items, id_column=id_column, title_column=self._title_column)
            titles = read.search.names
            table = file.table.align(model.items)
            known = look_up(model.items, model.items.ids, file.frame, file.id_column)
        served = Served(name, path, model, str(model.digest_), titles, table, known, self._items, id_column)
        return served.warm() if warm else served


class UnknownModelError(ParameterError):
    """No model of this name is served."""


def _stamp(path: Path) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return found.st_ino, found.st_mtime_ns, found.st_size
