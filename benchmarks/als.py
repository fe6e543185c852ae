"""Time an epoch of implicit ALS on MovieLens 1M's likes, beside implicit and irspack, and the loss that it reaches.

Two objectives, because the peers have one each (they are in the docstring of tastemap.ImplicitALS):
"rendle", irspack's: alpha 1, unobserved weight .3, frequency regularization .007; and "hu", implicit's: confidence 5
for a pair and 1 elsewhere, regularization 60.

Every library runs as many epochs from a random start of its own; an epoch's time is the median over epochs and rounds.
`fit s` is everything from the matrix to the factors. The loss is computed by one function of this file for all: the
minimum of the objective over the users, given the items that the library found, divided by the number of pairs.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from functools import partial
from typing import Any

import matrices
from side_by_side import Report, Row, alternate, command_line, fresh, median, met

UNOBSERVED, REGULARIZATION = 0.3, 0.007  # rendle
CONFIDENCE, HU_REGULARIZATION = 5.0, 60.0  # hu
CG_STEPS = 3  # of the peers, both their defaults
TARGETS = {("cg", 64): 0.6, ("cg", 128): 0.7, ("cg", 256): 0.8, ("cholesky", 64): 0.6, ("cholesky", 128): 0.6}


def tastemap(folder: str, objective: str, solver: str, factors: int, epochs: int, loss: bool, threads: int) -> Row:
    import tastemap as tm

    X = matrices.read(folder)
    common: dict[str, Any] = {"factors": factors, "solver": solver, "seed": 0}
    # Whatever the objective depends on is named: the defaults may change.
    if objective == "rendle":
        common |= {"loss": "rendle", "unobserved_weight": UNOBSERVED, "alpha": 1.0}
        common |= {"regularization": REGULARIZATION, "regularization_scale": "frequency", "frequency_exponent": 1.0}
    else:
        common |= {"loss": "hu", "unobserved_weight": 1.0, "alpha": CONFIDENCE - 1}
        common |= {"regularization": HU_REGULARIZATION, "regularization_scale": "none"}
    tm.ImplicitALS(**common, epochs=1).fit(tm.Interactions.from_csr(X[:100]), progress=False)  # loads the kernels
    seconds: list[float] = []
    before = time.perf_counter()
    model = tm.ImplicitALS(**common, epochs=epochs).fit(
        tm.Interactions.from_csr(X), progress=False, callbacks=[lambda epoch: seconds.append(epoch.seconds)]
    )
    return _result(X, model.item_factors_, objective, seconds, time.perf_counter() - before, loss)


def irspack(folder: str, objective: str, solver: str, factors: int, epochs: int, loss: bool, threads: int) -> Row:
    from irspack.recommenders.ials import IALSTrainer, LossType, SolverType

    X = matrices.read(folder)
    before = time.perf_counter()
    trainer = IALSTrainer(
        X=X,
        n_components=factors,
        alpha0=UNOBSERVED,
        reg=REGULARIZATION,
        nu=1.0,
        init_std=0.1,
        solver_type=SolverType[solver.upper()],
        max_cg_steps=CG_STEPS,
        ialspp_subspace_dimension=64,
        loss_type=LossType.IALSPP,
        random_seed=0,
        n_threads=threads,
        prediction_time_max_cg_steps=CG_STEPS,
        prediction_time_ialspp_iteration=1,
    )
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        trainer.run_epoch()
        seconds.append(time.perf_counter() - start)
    return _result(X, trainer.core_trainer.item, objective, seconds, time.perf_counter() - before, loss)


def implicit(folder: str, objective: str, solver: str, factors: int, epochs: int, loss: bool, threads: int) -> Row:
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    X = matrices.read(folder)
    # implicit asks for it, its own threads call BLAS. Only libraries that are loaded already are limited.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=factors,
            regularization=HU_REGULARIZATION,
            alpha=CONFIDENCE,
            use_cg=solver == "cg",
            iterations=epochs,
            num_threads=threads,
            random_state=0,
        )
        model.cg_steps = CG_STEPS
        seconds: list[float] = []
        before = time.perf_counter()
        model.fit(X, show_progress=False, callback=lambda epoch, elapsed, loss: seconds.append(elapsed))
        fit_seconds = time.perf_counter() - before
    return _result(X, model.item_factors, objective, seconds, fit_seconds, loss)


def _result(X: Any, items: Any, objective: str, seconds: list[float], fit_seconds: float, loss: bool) -> Row:
    result: Row = {"epoch": statistics.median(seconds), "fit": fit_seconds}
    return result | {"loss": least_loss(X, items, objective)} if loss else result


def least_loss(X: Any, Y: Any, objective: str) -> float:
    """The objective for item factors Y and the users that are best for them, divided by the number of pairs."""
    import numpy as np

    n_users, n_items = X.shape
    Y = Y.astype(np.float64)
    if objective == "rendle":
        weight, target, missing = 1.0, 1.0, UNOBSERVED
        user_ridge = REGULARIZATION * (np.diff(X.indptr) + UNOBSERVED * n_items)
        item_ridge = REGULARIZATION * (np.bincount(X.indices, minlength=n_items) + UNOBSERVED * n_users)
    else:
        weight, target, missing = CONFIDENCE - 1, CONFIDENCE, 1.0
        user_ridge = np.full(n_users, HU_REGULARIZATION)
        item_ridge = np.full(n_items, HU_REGULARIZATION)
    gram = missing * Y.T @ Y
    loss = float(item_ridge @ np.einsum("if,if->i", Y, Y))
    for u in range(n_users):
        Yu = Y[X.indices[X.indptr[u] : X.indptr[u + 1]]]
        A = gram + weight * Yu.T @ Yu
        A[np.diag_indices_from(A)] += user_ridge[u]
        b = target * Yu.sum(axis=0)
        # x'Ax - 2b'x + target n  is  target n - b'x  where Ax = b.
        loss += target * len(Yu) - float(b @ np.linalg.solve(A, b))
    return loss / X.nnz


def compare(folder: str, solver: str, factors: int, threads: int, epochs: int, rounds: int) -> list[Row]:
    """Return a row for every library and objective, the peers' with the ratio to them."""
    libraries = [("tastemap", "rendle", tastemap), ("irspack", "rendle", irspack), ("tastemap", "hu", tastemap)]
    if solver == "cg" or factors == 64:
        libraries.append(("implicit", "hu", implicit))

    def run(function: Any, objective: str, round_number: int) -> Row:
        case = {"folder": folder, "objective": objective, "solver": solver, "factors": factors, "epochs": epochs}
        # The loss is the same in every round, and takes longer than training: measure it once.
        return fresh(function, **case, loss=round_number == 0 and threads > 1, threads=threads)

    runs = {f"{name} {objective}": partial(run, function, objective) for name, objective, function in libraries}
    results = alternate(rounds, runs)
    rows = []
    for name, objective, _ in libraries:
        mine = results[f"{name} {objective}"]
        epoch = median(mine, "epoch")
        ours = median(results[f"tastemap {objective}"], "epoch")
        rows.append(
            {
                "solver": solver,
                "factors": factors,
                "threads": threads,
                "objective": objective,
                "library": name,
                "epoch s": epoch,
                "fit s": median(mine, "fit"),
                "loss": f"{mine[0]['loss']:.5f}" if "loss" in mine[0] else "",
                "ours / it": "" if name == "tastemap" else ours / epoch,
            }
        )
    return rows


def against_targets(rows: list[Row]) -> list[Row]:
    cases = dict.fromkeys((row["solver"], row["factors"], row["threads"]) for row in rows)
    summary = []
    for solver, factors, threads in cases:
        mine = [row for row in rows if (row["solver"], row["factors"], row["threads"]) == (solver, factors, threads)]
        peer = min((row for row in mine if row["library"] != "tastemap"), key=lambda row: row["epoch s"])
        ours = next(row for row in mine if row["library"] == "tastemap" and row["objective"] == peer["objective"])
        ratio, target = ours["epoch s"] / peer["epoch s"], TARGETS.get((solver, factors))
        summary.append(
            {
                "solver": solver,
                "factors": factors,
                "threads": threads,
                "faster peer": peer["library"],
                "ratio": ratio,
                "target": target or "none",
                "met": met(ratio, target) if target else "",
                "loss, ours": ours["loss"],
                "loss, peer": peer["loss"],
            }
        )
    return summary


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    report = Report(options.json)
    cases = [(solver, factors) for solver in ("cg", "cholesky") for factors in (64, 128, 256)]
    rounds, epochs = options.rounds, options.epochs
    if options.quick:
        cases, rounds, epochs = [("cg", 64), ("cholesky", 64)], 1, 3
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        size = fresh(matrices.write_likes, folder=folder, threads=1)
        for solver, factors in cases:
            for threads in (1, 2):
                few = 4 if solver == "cholesky" else epochs  # an exact epoch takes long and varies little
                rows += compare(folder, solver, factors, threads, min(few, epochs), rounds)
    shape = f"{size['pairs']:,} likes, {size['users']:,} users, {size['items']:,} movies; {epochs} epochs"
    note = (
        "4 epochs for the exact solvers. implicit's is left out from 128 factors on: it takes ten times irspack's time."
    )
    report.table(f"Implicit ALS, MovieLens 1M: {shape}", rows, note)
    report.table(
        "Implicit ALS: an epoch's time over the faster peer's",
        against_targets(rows),
        "The ratio and the losses are those of the faster peer's objective.",
    )
    report.finish()


if __name__ == "__main__":
    main()
