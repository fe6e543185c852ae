"""How much memory this process may still take, and the refusal of what needs more."""

from __future__ import annotations

import os
from pathlib import Path

from tastemap.errors import DataError, Remedy

# Smaller needs are not worth asking the system about.
SMALL = 1 << 28

# Where control groups are told. Each version has its folder, and its names of the limit, the use, and the pages of
# files that can be given up.
GROUPS = Path("/sys/fs/cgroup")
_GROUP_FILES = (
    (".", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


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


def show_bytes(n: int) -> str:
    """Return a number of bytes for people: 940 kB, 12.3 MB, 4.1 GB."""
    for unit, name in ((10**9, "GB"), (10**6, "MB")):
        if n >= 0.9995 * unit:
            return f"{n / unit:,.1f} {name}"
    return f"{n / 1000:,.0f} kB"


def fit_block(wanted: int, each: int, share: float = 0.25) -> int:
    """Return how many of `wanted` things are worked on at a time, at least 1: fewer where little memory is free.

    each : the bytes of one
    share : of the free memory that all at a time may take
    """
    if wanted * each < SMALL // 4:
        return wanted
    available = available_memory()
    return wanted if available is None else max(min(wanted, int(share * available) // max(each, 1)), 1)


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
    """Return what is left of the limit of this process's control group, of either version."""
    known = [_read_group(GROUPS, *names) for names in _GROUP_FILES]
    return min((number for number in known if number is not None), default=None)


def _read_group(root: Path, folder: str, most: str, now: str, inactive: str) -> int | None:
    try:
        limit = int((root / folder / most).read_text())  # "max" where there is none
        used = int((root / folder / now).read_text())
        statistics = dict(line.split() for line in (root / folder / "memory.stat").read_text().splitlines())
        return max(limit - used + int(statistics[inactive]), 0)
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
