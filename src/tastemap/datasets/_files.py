"""Finds the files of a data set in a folder, in a folder of it, or in a zip file."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from tastemap.data.sources._unpack import Content, open_zip, read_member
from tastemap.data.sources.files import DataFile, open_file


def find_file(source: Path, *names: str) -> tuple[str, Content] | None:
    """Return the first of ``names`` that a folder, one of its folders or a zip file holds, and its path or bytes."""
    if source.is_dir():
        for name in names:
            for file in (source / name, *sorted(source.glob(f"*/{name}"))):
                if file.is_file():
                    return name, file
        return None
    with open_zip(source) as archive:
        members = {PurePosixPath(member).name: member for member in archive.namelist()}
        for name in names:
            if name in members:
                return name, read_member(archive, members[name], source)
    return None


def open_inside(source: Path, name: str) -> DataFile | None:
    """Open a file in a folder, packed or not, or in a zip file; None where it is not there or ``source`` is neither."""
    if not source.is_dir() and (source.suffix.lower() != ".zip" or not source.exists()):
        return None
    found = find_file(source, name, *((f"{name}.zip", f"{name}.gz") if source.is_dir() else ()))
    if found is None:
        return None
    content = found[1]
    return open_file(content) if isinstance(content, Path) else DataFile(name, content, f"{source}: {name}")


def read_text(file: Content) -> str:
    """Return the text of a file in UTF-8 or, as in the older data sets, in latin-1."""
    content = file if isinstance(file, bytes) else file.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
