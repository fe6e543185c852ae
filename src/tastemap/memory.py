"""How much memory this process may still take, and the refusal of what needs more."""

from __future__ import annotations

import os
from pathlib import Path

from tastemap.errors import DataError, Remedy

# Smaller needs are not worth asking the system about.
SMALL = 1 << 28


def ask(what: str, needed: int, *ways: Remedy | str) -> None:
    """Raise DataError where `what` needs more bytes than are free; `ways` are the remedies in its message."""
    if needed < SMALL:
        return
    available = available_memory()
    if available is not None and needed > available:
        raise DataError(
            f"{what} takes {needed / 1e9:,.1f} GB, and {available / 1e9:,.1f} GB are free",
            *ways,
            needed=needed,
            available=available,
        )


def available_memory() -> int | None:
    """Return the number of bytes that can be allocated without swapping, None where the system does not report it."""
    known = [number for number in (_read_machine(), _read_container(), _read_limit()) if number is not None]
    return min(known, default=None)


def _read_machine() -> int | None:
    try:
        with Path("/proc/meminfo").open() as lines:
            kilobytes = dict(line.split(":") for line in lines)["MemAvailable"]
        return int(kilobytes.split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:  # all memory, where the free part is not reported
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _read_container() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        limit = int((folder / "memory.max").read_text())  # "max" where there is none
        used = int((folder / "memory.current").read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return limit - used + int(statistics["inactive_file"])
    except (OSError, KeyError, ValueError):
        return None


def _read_limit() -> int | None:
    """Return what is left of the limit that `ulimit -v` set for this process."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return max(limit - pages * os.sysconf("SC_PAGE_SIZE"), 0)
    except (ImportError, AttributeError, OSError, ValueError):
        return None
