"""Knows whether this process was forked from one that had used polars, and refuses what would then wait for ever.

polars runs much of its work on threads of its own. A fork copies the memory of the pool and not its threads: what the
child hands to the pool is never done. Nothing can start the threads again.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Literal

from tastemap.errors import TastemapError

# How long a small piece of work may take until the pool counts as gone, in seconds.
PATIENCE = 10.0

# "unsure" where only a trial can tell: this file was imported after polars, perhaps in a forked child.
_pool: Literal["alive", "gone", "unsure"] = "unsure" if "polars" in sys.modules else "alive"
_has_started = False


def has_polars_threads() -> bool:
    """Return whether polars can run work on its threads in this process."""
    global _pool
    if _pool == "unsure":
        _pool = "alive" if _answers() else "gone"
    return _pool == "alive"


def check_polars_threads() -> None:
    """Raise TastemapError where polars would wait for ever."""
    if not has_polars_threads():
        raise TastemapError(
            "this process was forked from one that had used polars, whose threads a fork does not copy",
            "start it with spawn or forkserver, e.g. multiprocessing.get_context('spawn')",
        )


def _answers() -> bool:
    import polars as pl

    done = threading.Event()

    def work() -> None:
        pl.Series([2, 1]).sort()
        done.set()

    threading.Thread(target=work, daemon=True).start()
    return done.wait(PATIENCE)


def _look_before_fork() -> None:
    global _has_started
    _has_started = _pool != "gone" and _find_threads()


def _note_fork() -> None:
    global _pool
    if _has_started:
        _pool = "unsure" if sys.platform != "linux" else "gone"


def _find_threads() -> bool:
    """Return whether polars has started its threads; where the system does not name them, whether it was imported."""
    if sys.platform != "linux":
        return "polars" in sys.modules
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/comm") as file:
                name = file.read()
        except OSError:  # it has ended
            continue
        if name.startswith("polars-") and name[7:8].isdigit():
            return True
    return False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_look_before_fork, after_in_child=_note_fork)
