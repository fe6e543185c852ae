"""Progress bars on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tastemap.tables import show_controls

_says: ContextVar[bool] = ContextVar("tastemap_says", default=False)


@contextmanager
def say_all() -> Iterator[None]:
    """Have `say` write in the block whether progress is shown or not, as a command does."""
    token = _says.set(True)
    try:
        yield
    finally:
        _says.reset(token)


def say(line: str, progress: bool | None) -> None:
    """Write a line on stderr where progress is shown."""
    if is_shown(progress) or _says.get():
        print(show_controls(line), file=sys.stderr)


def is_shown(progress: bool | None) -> bool:
    """Return whether to show progress: what ``progress`` says, and for None whether stderr is a terminal."""
    return sys.stderr.isatty() if progress is None else progress


# Work that may be short shows nothing before so many seconds.
WAIT = 2.0


def make_bar(
    total: int | None, progress: bool | None, *, done: int = 0, unit: str = "epoch", about: str = "", wait: float = 0.0
) -> Any:
    """Return a bar of tqdm on stderr, hidden where progress is not shown.

    total : the number of units, None where it is not known
    done : how many of them are done at the start
    progress : True shows it, False hides it, None shows it where stderr is a terminal
    unit : what is counted; bytes, rows and users are shown as kB, MB and GB, or k, M and G
    about : the text before the bar
    wait : seconds before it is shown first
    """
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # a thread that watches even hidden bars

    hide = not is_shown(progress)
    scaled, desc = unit in ("B", "row", "user"), show_controls(about)
    looks: dict[str, Any] = {"unit": unit, "unit_scale": scaled, "desc": desc}
    return Bar(total=total, initial=done, disable=hide, file=sys.stderr, delay=wait, **looks)
