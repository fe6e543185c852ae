"""Time and memory of every model as the data grow, at 64 factors, beside the peers.

The data are made (see matrices.write_made): users and items grow with the pairs; for models of ratings every pair has
one of 1 to 5. A child reads the matrix, hands it over and fits. A time is that of an epoch, the median of several, or
of the whole fit of models without epochs. Memory is the most resident bytes during that, less what was resident after
the imports and a tiny fit; it holds the matrix that was handed over as long as the library (or its caller) must keep
it. The target is three times the matrix, plus the factors. EASE is in ease.py: its n² outgrow any machine.

scikit-surprise keeps ratings in Python lists: it stops at three million.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from typing import Any

import matrices
from side_by_side import (
    Report,
    Row,
    alternate,
    command_line,
    exponent,
    fresh,
    median,
    memory_now,
    memory_peak,
    met,
    seeded,
)

FACTORS = 64
UNOBSERVED, REGULARIZATION = 0.1, 0.003
MILLIONS = [0.1, 0.3, 1, 3, 10, 20]
FITTED_FROM = 1  # million pairs: smaller data lie in the caches
MOST_GROWTH, MOST_MATRICES = 1.1, 3.0

OURS: dict[str, Row] = {
    "ImplicitALS": {
        "factors": FACTORS,
        "unobserved_weight": UNOBSERVED,
        "regularization": REGULARIZATION,
        "frequency_exponent": 1.0,
        "solver": "cg",
    },
    "BPR": {"factors": FACTORS},
    "WARP": {"factors": FACTORS},
    "SVD": {"factors": FACTORS},
    "SVDpp": {"factors": FACTORS},
    "ExplicitALS": {"factors": FACTORS},
    "ItemKNN": {},
}
RATINGS = ("SVD", "SVDpp", "ExplicitALS")
PEERS = {
    "ImplicitALS": ("irspack", "implicit_als"),
    "BPR": ("implicit_bpr",),
    "WARP": ("lightfm_warp",),
    "SVD": ("surprise_svd",),
    "ItemKNN": ("implicit_neighbours",),
}
LIMITS = {"surprise_svd": 3.1}  # million pairs


def tiny() -> Any:
    import numpy as np
    import scipy.sparse as sp

    weights = np.eye(50, 40, dtype=np.float32)
    weights[0] *= 2  # for models of ratings, which warn where all are alike
    return sp.csr_matrix(weights)


def tastemap(model: str, folder: str, epochs: int, seed: int, threads: int) -> Row:
    import tastemap as tm

    fitted = tm.MODELS[model](**OURS[model])
    has_epochs = fitted.abilities.epochs
    if has_epochs:
        fitted.epochs = 1
    fitted.fit(tm.Interactions.from_csr(tiny()), progress=False)
    before = memory_now()
    # The matrix is copied, so nothing else holds the one that was read.
    interactions = tm.Interactions.from_csr(matrices.read(folder, model in RATINGS))
    if has_epochs:
        fitted.epochs = epochs
    start = time.perf_counter()
    fitted.fit(interactions, progress=False)
    seconds = [epoch.seconds for epoch in fitted.epochs_] or [time.perf_counter() - start]
    return {"seconds": statistics.median(seconds), "memory": memory_peak() - before}


def irspack(model: str, folder: str, epochs: int, seed: int, threads: int) -> Row:
    from irspack.recommenders.ials import IALSTrainer, LossType, SolverType

    def trainer_of(X: Any) -> Any:
        shape = (FACTORS, UNOBSERVED, REGULARIZATION, 1.0, 0.1, SolverType.CG, 3, 64, LossType.IALSPP)
        return IALSTrainer(X, *shape, 0, threads, 3, 1)

    trainer_of(tiny()).run_epoch()
    before = memory_now()
    trainer = trainer_of(matrices.read(folder, model in RATINGS))
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        trainer.run_epoch()
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds), "memory": memory_peak() - before}


def implicit_als(model: str, folder: str, epochs: int, seed: int, threads: int) -> Row:
    return _peer("implicit_als", model, folder, threads, factors=FACTORS, iterations=epochs)


def implicit_bpr(model: str, folder: str, epochs: int, seed: int, threads: int) -> Row:
    return _peer("implicit_bpr", model, folder, threads, factors=FACTORS, iterations=epochs)


def implicit_neighbours(model: str, folder: str, epochs: int, seed: int, threads: int) -> Row:
    return _peer("implicit_neighbours", model, folder, threads, kind="Cosine", K=100)


def lightfm_warp(model: str, folder: str, epochs: int, seed: int, threads: int) -> Row:
    return _peer("lightfm", model, folder, threads, epochs=epochs, loss="warp", no_components=FACTORS)


def _peer(function: str, model: str, folder: str, threads: int, **parameters: Any) -> Row:
    import peers

    fit = getattr(peers, function)
    fit(tiny(), 0, threads, **parameters)
    before = memory_now()
    fitted = fit(matrices.read(folder, model in RATINGS), 0, threads, **parameters)
    return {"seconds": statistics.median(fitted.epochs or [fitted.seconds]), "memory": memory_peak() - before}


def surprise_svd(model: str, folder: str, epochs: int, seed: int, threads: int) -> Row:
    import peers

    import tastemap as tm

    some = tm.Interactions.from_csr(tiny())
    peers.surprise("SVD", some, some, n_factors=FACTORS, n_epochs=1)
    before = memory_now()
    ratings = tm.Interactions.from_csr(matrices.read(folder, model in RATINGS))
    fitted = peers.surprise("SVD", ratings, some, n_factors=FACTORS, n_epochs=epochs)
    return {"seconds": fitted["seconds"] / epochs, "memory": memory_peak() - before}


def rows_of_size(millions: float, models: list[str], epochs: int, rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        size = fresh(matrices.write_made, folder=folder, n_pairs=round(1e6 * millions), threads=1)
        matrix = 8 * size["pairs"] + 4 * (size["users"] + 1)
        factors = 4 * FACTORS * (size["users"] + size["items"])
        rows = []
        for model in models:
            names = ["tastemap", *(name for name in PEERS.get(model, ()) if millions <= LIMITS.get(name, millions))]
            for threads in (1, 2):
                case = {"model": model, "folder": folder, "epochs": epochs, "threads": threads}
                runs = {name: seeded(globals()[name], **case) for name in names}
                for name, results in alternate(rounds, runs).items():
                    memory = median(results, "memory")
                    rows.append(
                        {
                            "model": model,
                            "pairs": size["pairs"],
                            "users": size["users"],
                            "items": size["items"],
                            "threads": threads,
                            "library": name,
                            "epoch s": median(results, "seconds"),
                            "µs a pair": 1e6 * median(results, "seconds") / size["pairs"],
                            "memory MB": memory / 1e6,
                            "(memory - factors) / matrix": (memory - factors * (model != "ItemKNN")) / matrix,
                        }
                    )
        return rows


def growth(rows: list[Row], fitted_from: float) -> list[Row]:
    summary = []
    for model, library, threads in dict.fromkeys((row["model"], row["library"], row["threads"]) for row in rows):
        mine = [row for row in rows if (row["model"], row["library"], row["threads"]) == (model, library, threads)]
        large = [row for row in mine if row["pairs"] >= 0.9 * fitted_from * 1e6]
        if len(large) < 2:
            continue
        grows = exponent([row["pairs"] for row in large], [row["epoch s"] for row in large])
        most = max(row["(memory - factors) / matrix"] for row in large)
        target = library == "tastemap"
        summary.append(
            {
                "model": model,
                "library": library,
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
    parser.add_argument("--models", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    report = Report(options.json)
    sizes, rounds, epochs, fitted_from = options.millions, options.rounds, options.epochs, FITTED_FROM
    if options.quick:
        sizes, rounds, epochs, fitted_from = [0.1, 0.3], 1, 2, 0
    # Kernels that are not compiled yet would be measured as memory.
    with tempfile.TemporaryDirectory() as folder:
        fresh(matrices.write_made, folder=folder, n_pairs=10_000, threads=1)
        for model in options.models:
            fresh(tastemap, model=model, folder=folder, epochs=1, seed=0, threads=1)
    rows = [row for millions in sizes for row in rows_of_size(millions, options.models, epochs, rounds)]
    report.table(f"Growth: an epoch, or the fit of models without epochs, {FACTORS} factors", rows)
    report.table(f"Growth: exponent and memory from {fitted_from} million pairs on", growth(rows, fitted_from))
    report.finish()


if __name__ == "__main__":
    main()
