"""Progress bars on stderr."""

from __future__ import annotations

import sys
from typing import Any


def is_shown(progress: bool | None) -> bool:
    """Tell whether to show progress: where it is asked for, or where nothing is said and stderr is a terminal."""
    return sys.stderr.isatty() if progress is None else progress


def bar(total: int, progress: bool | None, *, done: int = 0, unit: str = "epoch", about: str = "") -> Any:
    """Return a progress bar on stderr, which hides where progress is not shown."""
    from tqdm import tqdm

    hide = not is_shown(progress)
    return tqdm(total=total, initial=done, unit=unit, desc=about, disable=hide, file=sys.stderr)
