"""Time and memory of reading a CSV of 20 million ratings (user_id,item_id,rating,timestamp) in a new process.

The pairs are made (see matrices.write_made), with user ids that need 64 bits, ratings of half stars, and rows in order
of time, which for users and items is no order at all. polars.read_csv of the same file alone is shown beside it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matrices
from side_by_side import Report, Row, alternate, command_line, fresh, median, memory_peak, met

PAIRS = 20_000_000
MOST_SECONDS, MOST_BYTES = 60, 4e9


def write_csv(folder: str, n_pairs: int, threads: int) -> Row:
    import numpy as np
    import polars as pl

    size = matrices.write_made(folder, n_pairs, threads)
    X = matrices.read(folder)
    random = np.random.default_rng(1)
    by_time = random.permutation(X.nnz)
    users = random.permutation(X.shape[0]) * 7_919 + 10**10
    pl.DataFrame(
        {
            "user_id": np.repeat(users, np.diff(X.indptr))[by_time],
            "item_id": X.indices[by_time] + 1,
            "rating": random.integers(1, 11, X.nnz) / 2,
            "timestamp": 1_000_000_000 + np.sort(random.integers(500_000_000, size=X.nnz)),
        }
    ).write_csv(Path(folder) / "ratings.csv")
    return size | {"bytes": (Path(folder) / "ratings.csv").stat().st_size}


def tastemap(folder: str, threads: int) -> Row:
    before = time.perf_counter()
    import tastemap as tm

    interactions = tm.Interactions.from_file(
        Path(folder) / "ratings.csv", user="user_id", item="item_id", weight="rating", time="timestamp"
    )
    seconds = time.perf_counter() - before
    return {"seconds": seconds, "memory": memory_peak(), "pairs": len(interactions)}


def polars_alone(folder: str, threads: int) -> Row:
    before = time.perf_counter()
    import polars as pl

    frame = pl.read_csv(Path(folder) / "ratings.csv")
    return {"seconds": time.perf_counter() - before, "memory": memory_peak(), "pairs": len(frame)}


def main() -> None:
    options = command_line(__doc__).parse_args()
    report = Report(options.json)
    rounds, n_pairs = (1, PAIRS // 100) if options.quick else (options.rounds, PAIRS)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        size = fresh(write_csv, folder=folder, n_pairs=n_pairs, threads=1)
        for threads in (1, 2):
            runs = {
                function.__name__: partial(_run, function, folder, threads) for function in (tastemap, polars_alone)
            }
            for name, results in alternate(rounds, runs).items():
                seconds, memory = median(results, "seconds"), median(results, "memory")
                row = {"threads": threads, "what": name, "seconds": seconds, "peak GB": memory / 1e9}
                if name == "tastemap":
                    row |= {"at most 60 s": met(seconds, MOST_SECONDS), "at most 4 GB": met(memory, MOST_BYTES)}
                rows.append(row)
    title = f"Reading a CSV of {size['pairs']:,} ratings, {size['users']:,} users, {size['bytes'] / 1e6:,.0f} MB"
    report.table(title, rows, "With the imports. The peak is the whole process's.")
    report.finish()


def _run(function: Callable[..., Row], folder: str, threads: int, round_number: int) -> Row:
    return fresh(function, folder=folder, threads=threads)


if __name__ == "__main__":
    main()
