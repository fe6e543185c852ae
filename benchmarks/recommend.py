"""Time recommending 10 unseen movies to every user of MovieLens 1M, beside implicit on the same factors.

tastemap fits 64 factors and lends them to implicit; a time is the median of warm calls over several fresh processes.
implicit asks for one BLAS thread beside its own threads; with two threads its faster setting counts, its own two or
BLAS's. The lists are compared: the same movies in the same places, and the same sets of movies.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matrices
import numpy as np
from side_by_side import Report, Row, alternate, command_line, fresh, median, met

K = 10
WARM_UP, CALLS = 2, 7
TARGET = 0.5


def fitted(folder: str) -> Any:
    """tastemap's model; its bits are the same in every process."""
    import tastemap as tm

    weights = {"unobserved_weight": 0.3, "regularization": 0.007, "frequency_exponent": 1.0}
    model = tm.ImplicitALS(factors=64, epochs=10, **weights, seed=0)
    return model.fit(tm.Interactions.from_csr(matrices.read(folder)), progress=False)


def write_factors(folder: str, threads: int) -> None:
    model = fitted(folder)
    np.save(Path(folder) / "user_factors.npy", model.user_factors_)
    np.save(Path(folder) / "item_factors.npy", model.item_factors_)


def tastemap(folder: str, threads: int) -> Row:
    model = fitted(folder)
    rows = np.arange(len(model.users))
    return _timed(folder, "tastemap", lambda: model.recommend_rows(rows, K).rows)


def implicit(folder: str, blas_threads: int, threads: int) -> Row:
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    # Only libraries that are loaded already are limited.
    with threadpool_limits(blas_threads, "blas"):
        X = matrices.read(folder)
        model = AlternatingLeastSquares(factors=64, num_threads=threads // blas_threads)
        model.user_factors = np.load(Path(folder) / "user_factors.npy")
        model.item_factors = np.load(Path(folder) / "item_factors.npy")
        users = np.arange(X.shape[0])
        return _timed(folder, "implicit", lambda: model.recommend(users, X, N=K, filter_already_liked_items=True)[0])


def _timed(folder: str, name: str, recommend: Callable[[], Any]) -> Row:
    seconds = []
    for _ in range(WARM_UP + CALLS):
        before = time.perf_counter()
        items = recommend()
        seconds.append(time.perf_counter() - before)
    np.save(Path(folder) / f"{name}.npy", items)
    return {"seconds": statistics.median(seconds[WARM_UP:])}


def main() -> None:
    options = command_line(__doc__).parse_args()
    rounds = 1 if options.quick else options.rounds
    report = Report(options.json)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        size = fresh(matrices.write_likes, folder=folder, threads=1)
        fresh(write_factors, folder=folder, threads=1)
        for threads in (1, 2):
            case = {"folder": folder, "threads": threads}
            runs = {"tastemap": partial(_run, tastemap, case)}
            for blas_threads in range(1, threads + 1):
                runs[f"implicit {blas_threads}"] = partial(_run, implicit, case | {"blas_threads": blas_threads})
            seconds = {name: median(results, "seconds") for name, results in alternate(rounds, runs).items()}
            ours = seconds.pop("tastemap")
            its = min(seconds.values())
            lists, their_lists = (np.load(Path(folder) / f"{name}.npy") for name in ("tastemap", "implicit"))
            rows.append(
                {
                    "threads": threads,
                    "tastemap s": ours,
                    "implicit s": its,
                    "tastemap users/s": f"{size['users'] / ours:,.0f}",
                    "ratio": ours / its,
                    "target": TARGET,
                    "met": met(ours / its, TARGET),
                    "same lists": f"{(lists == their_lists).all(axis=1).mean():.2%}",
                    "same sets": f"{(np.sort(lists) == np.sort(their_lists)).all(axis=1).mean():.2%}",
                }
            )
    report.table(
        f"Recommend {K} unseen of {size['items']:,} movies to each of {size['users']:,} users, 64 factors",
        rows,
        "Lists differ where two scores are equal to the last bit or two of 32: tastemap sums in 64 bits.",
    )
    report.finish()


def _run(function: Callable[..., Row], case: dict[str, Any], round_number: int) -> Row:
    return fresh(function, **case)


if __name__ == "__main__":
    main()
