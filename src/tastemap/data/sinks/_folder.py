"""Parquet files as sinks: one, or a folder of parts of which a killed process leaves those that are whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tastemap.data.frames import write_parquet
from tastemap.data.sinks.base import TableParts, note_kept
from tastemap.files.unfinished import unfinished_folder
from tastemap.files.writable import check_file, check_folder

_NAME = re.compile(r"part-\d{5,}\.parquet")


@dataclass(frozen=True)
class WholeFile:
    """One Parquet file."""

    path: Path

    def check(self) -> None:
        """Raise OSError where the file cannot be written."""
        check_file(self.path)

    def write(self, parts: TableParts) -> None:
        """Write all parts to the file, one after the other."""
        write_parquet(self.path, map(parts.make, range(parts.n)))


@dataclass(frozen=True)
class PartsFolder:
    """A folder of Parquet files, part-00000.parquet and so on, which together are the table."""

    path: Path

    def check(self) -> None:
        """Raise OSError where the folder cannot be written, or holds anything but parts."""
        check_folder(self.path, self._list_parts())

    def write(self, parts: TableParts) -> None:
        """Write each part to a file of its own; those that an interrupted call for the same table left are kept."""
        self.check()
        names = [f"part-{number:05}.parquet" for number in range(parts.n)]
        with unfinished_folder(self.path, names, parts.name(), replacing=self._list_parts()) as folder:
            try:
                for number, name in enumerate(names):
                    if not (folder / name).exists():
                        write_parquet(folder / name, [parts.make(number)])
            except KeyboardInterrupt as stop:
                done = sum((folder / name).exists() for name in names)
                stop.add_note(note_kept(done, parts.n, self.path))
                raise

    def _list_parts(self) -> set[str]:
        if not self.path.is_dir():
            return set()
        return {entry.name for entry in self.path.iterdir() if _NAME.fullmatch(entry.name)}
