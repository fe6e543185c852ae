"""What every benchmark needs: fresh processes, alternation, memory, tables, the command line.

Every measurement runs in a process of its own, `python side_by_side.py MODULE FUNCTION ARGUMENTS`, so that no library
sees another's threads, caches or memory. This module imports the standard library only: a child pays for what it uses.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import itertools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATA = Path(os.environ.get("TASTEMAP_DATA", HERE.parent.parent / "shared" / "data"))
# Environment variables that change what is measured.
SETTINGS = ("OPENBLAS_", "MKL_", "BLIS_", "OMP_", "GOTO_", "NUMBA_", "PYTHONDONTWRITEBYTECODE", "PYTHONMALLOC")
RESULT = "result of the benchmark: "
PEERS = ("implicit", "irspack", "lightfm-next", "scikit-surprise", "rectools")
PACKAGES = ("tastemap", *PEERS, "numpy", "scipy", "numba", "polars")

Row = dict[str, Any]


def fresh(function: Callable[..., Any], *, threads: int, source: str | None = None, **arguments: Any) -> Any:
    """Call a module's function in a new process and return its result; both travel as JSON.

    tastemap, polars and BLAS may use `threads` threads there; `function` gets the number too.
    source : the folder that tastemap is imported from; None: as it is installed
    """
    environment = os.environ | {
        name: str(threads)
        for name in ("TASTEMAP_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    }
    if source is not None:
        environment["PYTHONPATH"] = source
    module = Path(inspect.getfile(function)).stem
    said = ", ".join(f"{k}={v}" for k, v in arguments.items() if k != "folder")
    print(f"  {module}.{function.__name__}({said}), {threads} threads", file=sys.stderr, flush=True)
    child = subprocess.run(
        [sys.executable, __file__, module, function.__name__, json.dumps(arguments | {"threads": threads})],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if child.returncode:
        raise SystemExit(f"{module}.{function.__name__} failed with status {child.returncode}: see above")
    # Some libraries print on their own, even at exit.
    return json.loads(child.stdout.partition(RESULT)[2].splitlines()[0])


def alternate(rounds: int, runs: dict[str, Callable[[int], Row]]) -> dict[str, list[Row]]:
    """Make every run once a round, one after the other, so that a slow minute of the machine hits all of them.

    A run gets the number of the round, from 0.
    """
    results: dict[str, list[Row]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            results[name].append(run(number))
    return results


def seeded(function: Callable[..., Row], **case: Any) -> Callable[[int], Row]:
    """A run for `alternate`: a fresh process each round, the number of the round as its seed."""
    return lambda number: fresh(function, **case, seed=number)


def grid(**ranges: Iterable[Any]) -> list[Row]:
    """Every combination, as keyword arguments."""
    return [dict(zip(ranges, choice, strict=True)) for choice in itertools.product(*ranges.values())]


def said(parameters: Row) -> str:
    return ", ".join(f"{name}={value}" for name, value in parameters.items()) or "defaults"


def median(results: list[Row], key: str) -> float:
    return statistics.median(result[key] for result in results)


def exponent(sizes: list[float], seconds: list[float]) -> float:
    """The slope of log(seconds) over log(size), by least squares."""
    return statistics.linear_regression([math.log(n) for n in sizes], [math.log(s) for s in seconds]).slope


def memory_now() -> int:
    """Return the resident bytes of this process, where the system tells them; else the most it ever had."""
    return _memory("VmRSS")


def memory_peak() -> int:
    """Return the most resident bytes this process ever had.

    On Linux not from getrusage: there a child starts with its parent's peak.
    """
    return _memory("VmHWM")


def _memory(field: str) -> int:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith(field))
        return int(line.split()[1]) * 1024
    import resource  # not there on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def met(value: float, target: float) -> str:
    return "yes" if value <= target else "NO"


class Report:
    """Prints Markdown tables as they are made and, with --json, writes all of them at the end."""

    def __init__(self, json_file: str | None) -> None:
        self.json_file = json_file
        self.tables: list[dict[str, Any]] = []
        self.machine = machine()
        settings = " ".join(f"{name}={value}" for name, value in self.machine["settings"].items()) or "none"
        print("{processor}, {cores} cores, Python {python}".format(**self.machine), f"settings: {settings}", sep="; ")

    def table(self, title: str, rows: list[Row], notes: str = "") -> None:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        cells = [columns] + [[_shown(row.get(name, "")) for name in columns] for row in rows]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        print("\n".join(["", f"### {title}", "", *lines, "", notes]).rstrip(), flush=True)
        self.tables.append({"title": title, "notes": notes, "rows": rows})

    def finish(self) -> None:
        if self.json_file:
            Path(self.json_file).parent.mkdir(parents=True, exist_ok=True)
            content = {"machine": self.machine, "tables": self.tables}
            Path(self.json_file).write_text(json.dumps(content, indent=1) + "\n")


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def machine() -> Row:
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = version(name)
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
        "settings": {name: value for name, value in sorted(os.environ.items()) if name.startswith(SETTINGS)},
    }


def processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def command_line(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small cases, one round: shows that it works")
    parser.add_argument("--rounds", type=int, default=3, help="fresh processes a case; their median is shown")
    parser.add_argument("--json", metavar="FILE", help="also write the tables to this file")
    return parser


if __name__ == "__main__":
    module, function, arguments = sys.argv[1:]
    result = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    print(RESULT + json.dumps(result))
