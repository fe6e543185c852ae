"""Time and memory of implicit ALS as the data grow, at 64 factors, beside implicit and irspack.

The data are made (see matrices.write_made): users and items grow with the pairs. A child reads the matrix, hands it
over and fits. Memory is the most resident bytes during that, less what was resident after the imports and a tiny fit;
it holds the matrix that was handed over as long as the library (or its caller) must keep it. The target is three times
the matrix, plus the factors.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from functools import partial
from typing import Any

import matrices
from side_by_side import Report, Row, alternate, command_line, exponent, fresh, median, memory_now, memory_peak, met

FACTORS = 64
UNOBSERVED, REGULARIZATION = 0.1, 0.003
MILLIONS = [0.1, 0.3, 1, 3, 10, 20]
FITTED_FROM = 1  # million pairs: smaller data lie in the caches
MOST_GROWTH, MOST_MATRICES = 1.1, 3.0


def tiny() -> Any:
    import numpy as np
    import scipy.sparse as sp

    return sp.csr_matrix(np.eye(50, 40, dtype=np.float32))


def tastemap(folder: str, epochs: int, threads: int) -> Row:
    import tastemap as tm

    weights = {"unobserved_weight": UNOBSERVED, "regularization": REGULARIZATION, "frequency_exponent": 1.0}
    model = tm.ImplicitALS(factors=FACTORS, **weights, solver="cg", epochs=1)
    model.fit(tm.Interactions.from_csr(tiny()), progress=False)
    before = memory_now()
    # The matrix is copied, so nothing else holds the one that was read.
    interactions = tm.Interactions.from_csr(matrices.read(folder))
    seconds: list[float] = []
    model.epochs = epochs
    model.fit(interactions, progress=False, callbacks=[lambda epoch: seconds.append(epoch.seconds)])
    return {"epoch": statistics.median(seconds), "memory": memory_peak() - before}


def irspack(folder: str, epochs: int, threads: int) -> Row:
    from irspack.recommenders.ials import IALSTrainer, LossType, SolverType

    def trainer_of(X: Any) -> Any:
        shape = (FACTORS, UNOBSERVED, REGULARIZATION, 1.0, 0.1, SolverType.CG, 3, 64, LossType.IALSPP)
        return IALSTrainer(X, *shape, 0, threads, 3, 1)

    trainer_of(tiny()).run_epoch()
    before = memory_now()
    trainer = trainer_of(matrices.read(folder))
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        trainer.run_epoch()
        seconds.append(time.perf_counter() - start)
    return {"epoch": statistics.median(seconds), "memory": memory_peak() - before}


def implicit(folder: str, epochs: int, threads: int) -> Row:
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    # implicit asks for it, its own threads call BLAS. Only libraries that are loaded already are limited.
    with threadpool_limits(1, "blas"):
        common = {"factors": FACTORS, "num_threads": threads, "random_state": 0}
        AlternatingLeastSquares(**common, iterations=1).fit(tiny(), show_progress=False)
        before = memory_now()
        seconds: list[float] = []
        AlternatingLeastSquares(**common, iterations=epochs).fit(
            matrices.read(folder), show_progress=False, callback=lambda epoch, elapsed, loss: seconds.append(elapsed)
        )
    return {"epoch": statistics.median(seconds), "memory": memory_peak() - before}


LIBRARIES = (tastemap, irspack, implicit)


def rows_of_size(n_pairs: int, epochs: int, rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        size = fresh(matrices.write_made, folder=folder, n_pairs=n_pairs, threads=1)
        matrix = 8 * size["pairs"] + 4 * (size["users"] + 1)
        factors = 4 * FACTORS * (size["users"] + size["items"])
        rows = []
        for threads in (1, 2):
            runs = {function.__name__: partial(_run, function, folder, epochs, threads) for function in LIBRARIES}
            for name, results in alternate(rounds, runs).items():
                memory = median(results, "memory")
                rows.append(
                    {
                        "pairs": size["pairs"],
                        "users": size["users"],
                        "items": size["items"],
                        "threads": threads,
                        "library": name,
                        "epoch s": median(results, "epoch"),
                        "µs a pair": 1e6 * median(results, "epoch") / size["pairs"],
                        "memory MB": memory / 1e6,
                        "(memory - factors) / matrix": (memory - factors) / matrix,
                    }
                )
        return rows


def _run(function: Any, folder: str, epochs: int, threads: int, round_number: int) -> Row:
    return fresh(function, folder=folder, epochs=epochs, threads=threads)


def growth(rows: list[Row], fitted_from: float) -> list[Row]:
    summary = []
    for threads in (1, 2):
        for function in LIBRARIES:
            mine = [row for row in rows if (row["library"], row["threads"]) == (function.__name__, threads)]
            large = [row for row in mine if row["pairs"] >= 0.9 * fitted_from * 1e6]
            grows = exponent([row["pairs"] for row in large], [row["epoch s"] for row in large])
            most = max(row["(memory - factors) / matrix"] for row in large)
            target = function is tastemap
            summary.append(
                {
                    "library": function.__name__,
                    "threads": threads,
                    "sizes": len(large),
                    "exponent": grows,
                    f"at most {MOST_GROWTH}": met(grows, MOST_GROWTH) if target else "",
                    "most (memory - factors) / matrix": most,
                    f"at most {MOST_MATRICES}": met(most, MOST_MATRICES) if target else "",
                }
            )
    return summary


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=MILLIONS, help="of pairs, up to 100 and more")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    report = Report(options.json)
    sizes, rounds, epochs, fitted_from = options.millions, options.rounds, options.epochs, FITTED_FROM
    if options.quick:
        sizes, rounds, epochs, fitted_from = [0.1, 0.3], 1, 2, 0
    # Kernels that are not compiled yet would be measured as memory.
    with tempfile.TemporaryDirectory() as folder:
        fresh(matrices.write_made, folder=folder, n_pairs=10_000, threads=1)
        fresh(tastemap, folder=folder, epochs=1, threads=1)
    rows = [row for millions in sizes for row in rows_of_size(round(1e6 * millions), epochs, rounds)]
    report.table(f"Growth: one epoch of implicit ALS (CG), {FACTORS} factors", rows)
    report.table(f"Growth: exponent and memory from {fitted_from} million pairs on", growth(rows, fitted_from))
    report.finish()


if __name__ == "__main__":
    main()
