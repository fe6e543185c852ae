"""Time two checkouts of tastemap beside each other: epochs, recommending, starting.

    python versions.py OLD/src NEW/src --rounds 9

Every measurement is a fresh process, old and new in turn, on the pairs of MovieLens 1M's likes. The last columns are
the median of new / old over the turns, and an interval that holds the median of such ratios in at least 95 of 100 runs:
of the sorted ratios it leaves out as many at either end as a fair coin allows.
"""

from __future__ import annotations

import itertools
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matrices
from side_by_side import Report, Row, alternate, command_line, fresh, said

WARM_UP, CALLS = 1, 5


def epochs(folder: str, name: str, options: Row, threads: int) -> Row:
    """Return the median seconds of an epoch."""
    import tastemap as tm

    X = matrices.read(folder)
    X.data[:] = 1 + X.indices % 5 if name == "SVD" else 1
    model = tm.MODELS[name](**options, epochs=1).fit(tm.Interactions.from_csr(X[:100]), progress=False)  # loads kernels
    model.epochs = WARM_UP + CALLS
    seconds: list[float] = []
    model.fit(tm.Interactions.from_csr(X), progress=False, callbacks=[lambda epoch: seconds.append(epoch.seconds)])
    return {"seconds": statistics.median(seconds[WARM_UP:])}


def recommend(folder: str, threads: int) -> Row:
    """Return the median seconds of ten unseen items for every user, as arrays."""
    import numpy as np

    import tastemap as tm

    model = tm.ImplicitALS(epochs=2).fit(tm.Interactions.from_csr(matrices.read(folder)), progress=False)
    rows = np.arange(len(model.users))
    seconds = []
    for _ in range(WARM_UP + CALLS):
        before = time.perf_counter()
        model.recommend_rows(rows, 10)
        seconds.append(time.perf_counter() - before)
    return {"seconds": statistics.median(seconds[WARM_UP:])}


def start(statement: str, threads: int) -> Row:
    """Return the median seconds of a new process that runs a statement, the interpreter's own start included."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        # Bytecode is kept, as it is for an installed package.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = kept | {"PYTHONPYCACHEPREFIX": folder}
        for _ in range(WARM_UP + CALLS):
            before = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], env=environment, check=True)
            seconds.append(time.perf_counter() - before)
    return {"seconds": statistics.median(seconds[WARM_UP:])}


def interval(ratios: list[float]) -> tuple[float, float]:
    """Return the ends of the interval of the median, the whole range where there are too few ratios for 95 %."""
    n, ordered = len(ratios), sorted(ratios)
    tails = list(itertools.accumulate(math.comb(n, k) / 2**n for k in range(n)))
    left_out = sum(2 * tail <= 0.05 for tail in tails)
    return ordered[max(left_out - 1, 0)], ordered[n - max(left_out, 1)]


def turns(run: Callable[..., Row], rounds: int, sources: dict[str, Path], **case: Any) -> Row:
    """Return the medians of old and new, and the ratios of their turns."""

    def turn_of(source: Path) -> Callable[[int], Row]:
        return lambda _: fresh(run, threads=1, source=str(source.resolve()), **case)

    runs = {name: turn_of(source) for name, source in sources.items()}
    found = alternate(rounds, runs)
    old, new = ([result["seconds"] for result in found[name]] for name in ("old", "new"))
    ratios = [new_seconds / old_seconds for old_seconds, new_seconds in zip(old, new, strict=True)]
    low, high = interval(ratios)
    seconds = {"old s": statistics.median(old), "new s": statistics.median(new)}
    return {**seconds, "ratio": statistics.median(ratios), "from": low, "to": high}


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("old", type=Path, help="the src folder of one checkout")
    parser.add_argument("new", type=Path, help="that of another")
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    sources = {"old": options.old, "new": options.new}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        fresh(matrices.write_likes, folder=folder, threads=1)
        models: list[tuple[str, Row]] = [
            ("ImplicitALS", {"factors": 64}),
            ("ImplicitALS", {"factors": 128}),
            ("ImplicitALS", {"factors": 64, "solver": "cholesky"}),
            *((name, {}) for name in ("BPR", "WARP", "SVD", "SVDpp", "ExplicitALS")),
        ]
        for name, parameters in models:
            row = turns(epochs, rounds, sources, folder=folder, name=name, options=parameters)
            rows.append({"work": f"an epoch of {name}, {said(parameters)}", **row})
        rows.append({"work": "recommend to every user", **turns(recommend, rounds, sources, folder=folder)})
    for statement in ("import tastemap", "import tastemap; tastemap.ImplicitALS"):
        rows.append({"work": statement, **turns(start, rounds, sources, statement=statement)})
    report = Report(options.json)
    report.table(f"New beside old, {rounds} turns, 1 thread", rows)
    report.finish()


if __name__ == "__main__":
    main()
