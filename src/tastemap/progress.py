"""Progress bars on stderr."""

from __future__ import annotations

import sys
from typing import Any


def is_shown(progress: bool | None) -> bool:
    """Tell whether to show progress: where it is asked for, or where nothing is said and stderr is a terminal."""
    return sys.stderr.isatty() if progress is None else progress


def make_bar(total: int | None, progress: bool | None, *, done: int = 0, unit: str = "epoch", about: str = "") -> Any:
    """Return a bar of tqdm on stderr, hidden where progress is not shown.

    total, done : how many units there are, None where nobody knows, and how many of them are done at the start
    progress : True shows it, False hides it, None shows it where stderr is a terminal
    unit : what is counted; bytes, "B", are shown as kB, MB and GB
    about : what stands before the bar
    """
    from tqdm import tqdm

    hide = not is_shown(progress)
    scaled = unit == "B"
    return tqdm(total=total, initial=done, unit=unit, unit_scale=scaled, desc=about, disable=hide, file=sys.stderr)
