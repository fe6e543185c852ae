"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary file beside `path` to write to; when the block ends well, it takes the name of `path`.

    It is on the disk before it is renamed, so a process or machine that dies at any moment leaves the old file or the
    new one. After an error nothing is left. Raises OSError where the folder cannot be written.
    """
    path = Path(os.path.realpath(path))  # a link stays one, to the new file
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} in")
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is no ordinary file and cannot be replaced by one")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    # Not tempfile: it hides files from others, and the process's umask cannot be read without setting it.
    temporary.touch(exist_ok=False)
    mode = temporary.stat().st_mode  # what the umask leaves; safetensors replaces the file by one of its own
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # The rename itself must reach the disk; Windows cannot open a folder.
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
