"""Progress bars on stderr."""

from __future__ import annotations

import sys
from typing import Any

from tastemap.tables import show_controls


def is_shown(progress: bool | None) -> bool:
    """Return whether to show progress: what ``progress`` says, and for None whether stderr is a terminal."""
    return sys.stderr.isatty() if progress is None else progress


def make_bar(total: int | None, progress: bool | None, *, done: int = 0, unit: str = "epoch", about: str = "") -> Any:
    """Return a bar of tqdm on stderr, hidden where progress is not shown.

    total : the number of units, None where it is not known
    done : how many of them are done at the start
    progress : True shows it, False hides it, None shows it where stderr is a terminal
    unit : what is counted; bytes, "B", are shown as kB, MB and GB
    about : the text before the bar
    """
    from tqdm import tqdm

    hide = not is_shown(progress)
    scaled, desc = unit == "B", show_controls(about)
    return tqdm(total=total, initial=done, unit=unit, unit_scale=scaled, desc=desc, disable=hide, file=sys.stderr)
