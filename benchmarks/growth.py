"""Time and memory of every step as the data grow: reading, fitting, updating, ranking, judging; beside the peers.

The data are made by make_data.py: purchases with times, of which a quarter are repeats. Every step runs in a process of
its own, but what follows a fit is timed in the process that fitted. Memory is the most resident bytes during a step; of
a fit, less what was resident before the data were there, so it holds the interactions. A time is that of an epoch, the
median of several, or of the whole fit of models without epochs. For the larger sizes lists are made for so many users
that a minute or two is enough, and the time for all is worked out from these: those figures have a ~.

    python growth.py --millions 1 3 10 30 100 --folder FOLDER

The folder keeps the data for another run. Reading from PostgreSQL needs the address of an empty database, --postgresql;
its rows come by COPY from the file of text. Peers run up to ten million rows.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import make_data
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
MILLIONS = [1, 3, 10]
MOST_GROWTH, MOST_MATRICES, MOST_SCANS = 1.1, 3.0, 4.0
ROWS_A_FILE = 5_000_000
COLUMNS = {"user": "user", "item": "item", "weight": "quantity"}
PEERS_UP_TO = 10.5
POSTGRESQL_UP_TO = 10.5
MOST_SCORES = 2e10  # users times items that are ranked in full; ten times as many by IN_FULL
FEW_USERS = 20_000
JUDGED = 50_000
IN_FULL = "ImplicitALS"  # judges all users where lists for all are made

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
    "Popular": {},
}
PEERS = {
    "ImplicitALS": ("irspack", "implicit_als"),
    "BPR": ("implicit_bpr",),
    "WARP": ("lightfm_warp",),
    "ItemKNN": ("implicit_neighbours",),
}


def make(folder: str, millions: float, threads: int) -> Row:
    """Make the data of one size, unless they are there: Parquet in parts, and one file of text."""
    n_rows = round(1e6 * millions)
    for kind in ("parquet", "csv"):
        target = Path(folder) / f"{millions:g}-{kind}"
        if not target.exists():
            parts = 1 if kind == "csv" else max(n_rows // ROWS_A_FILE, 1)
            building = target.with_name(f"{target.name}.unfinished")
            make_data.write(building, n_rows, parts=parts, csv=kind == "csv")
            building.rename(target)
    return {}


def forget_peak() -> None:
    """Let the peak of the resident bytes begin anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def polars_alone(path: str, threads: int, seed: int = 0) -> Row:
    import polars as pl

    before = memory_now()
    start = time.perf_counter()
    frame = pl.read_parquet(path, columns=[*COLUMNS.values(), "time"])
    return {"seconds": time.perf_counter() - start, "memory": memory_peak() - before, "rows": len(frame)}


def read(path: str, threads: int, seed: int = 0) -> Row:
    import tastemap as tm

    # Not the imports and kernels.
    tm.Interactions.from_frame({"user": [1], "item": [1], "quantity": [1], "time": [1]}, **COLUMNS, time="time")
    before = memory_now()
    forget_peak()
    start = time.perf_counter()
    options: Any = {**COLUMNS, "time": "time", "duplicates": "sum"}
    if path.startswith("postgresql:"):
        data = tm.Interactions.from_query('select "user", item, quantity, time from purchases', path, **options)
    else:
        data = tm.Interactions.from_file(path, **options)
    return {"seconds": time.perf_counter() - start, "memory": memory_peak() - before, "pairs": len(data)}


def _read(path: str) -> Any:
    import tastemap as tm

    return tm.Interactions.from_file(path, **COLUMNS, duplicates="sum").log2()


def _size(data: Any) -> Row:
    """Return the size of the data, and the bytes of its matrix."""
    return {
        "pairs": len(data),
        "users": len(data.users),
        "items": len(data.items),
        "matrix": 8 * len(data) + 4 * (len(data.users) + 1),
    }


def tiny() -> Any:
    import numpy as np
    import scipy.sparse as sp

    weights = np.eye(50, 40, dtype=np.float32)
    weights[0] *= 2  # for models of ratings, which warn where all are alike
    return sp.csr_matrix(weights)


def tastemap(model: str, path: str, epochs: int, seed: int, threads: int, more: bool = False) -> Row:
    """Fit; where `more`, also update with one row in a hundred, rank and judge."""
    import numpy as np

    import tastemap as tm

    fitted = tm.MODELS[model](**OURS[model])
    has_epochs = fitted.abilities.epochs
    if has_epochs:
        fitted.epochs = 1
    fitted.fit(tm.Interactions.from_csr(tiny()), progress=False)
    before = memory_now()
    data = _read(path)
    forget_peak()
    if has_epochs:
        fitted.epochs = epochs
    start = time.perf_counter()
    fitted.fit(data, progress=False)
    whole = time.perf_counter() - start
    seconds = [epoch.seconds for epoch in fitted.epochs_] or [whole]
    row = {**_size(data), "seconds": statistics.median(seconds), "memory": memory_peak() - before}
    if not more:
        return row
    random = np.random.default_rng(seed)
    forget_peak()
    news = data.pick(random.random(len(data)) < 0.01)
    start = time.perf_counter()
    fitted.update(news)
    row |= {"update": time.perf_counter() - start}
    users = len(data.users)
    is_whole = users * len(data.items) <= MOST_SCORES * (10 if model == IN_FULL else 1)
    forget_peak()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        if is_whole:
            fitted.recommend_all(Path(folder) / "lists.parquet", k=10)
            row |= {"recommend_all": time.perf_counter() - start, "is_whole": True}
        else:
            rows = np.sort(random.choice(users, FEW_USERS, replace=False))
            fitted.recommend_rows(rows, 10)
            row |= {"recommend_all": (time.perf_counter() - start) * users / FEW_USERS, "is_whole": False}
    row |= {"recommend memory": memory_peak() - before}
    # The pairs that were learned, to time it: their figure says nothing.
    some = np.zeros(users, bool)
    judged = users if is_whole and model == IN_FULL else min(JUDGED, users)
    some[random.choice(users, judged, replace=False)] = True
    test = data.pick(some[data.row_of_pair()[data.input_order]] & (random.random(len(data)) < 0.1))
    start = time.perf_counter()
    tm.evaluate(fitted, test, metrics=["ndcg@10"], exclude=None)
    return row | {"evaluate": time.perf_counter() - start, "judged": judged}


def irspack(model: str, path: str, epochs: int, seed: int, threads: int) -> Row:
    from irspack.recommenders.ials import IALSTrainer, LossType, SolverType

    def trainer_of(X: Any) -> Any:
        shape = (FACTORS, UNOBSERVED, REGULARIZATION, 1.0, 0.1, SolverType.CG, 3, 64, LossType.IALSPP)
        return IALSTrainer(X, *shape, 0, threads, 3, 1)

    trainer_of(tiny()).run_epoch()
    before = memory_now()
    trainer = trainer_of(_read(path).matrix)
    forget_peak()
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        trainer.run_epoch()
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds), "memory": memory_peak() - before}


def implicit_als(model: str, path: str, epochs: int, seed: int, threads: int) -> Row:
    return _peer("implicit_als", path, threads, factors=FACTORS, iterations=epochs)


def implicit_bpr(model: str, path: str, epochs: int, seed: int, threads: int) -> Row:
    return _peer("implicit_bpr", path, threads, factors=FACTORS, iterations=epochs)


def implicit_neighbours(model: str, path: str, epochs: int, seed: int, threads: int) -> Row:
    return _peer("implicit_neighbours", path, threads, kind="Cosine", K=100)


def lightfm_warp(model: str, path: str, epochs: int, seed: int, threads: int) -> Row:
    return _peer("lightfm", path, threads, epochs=epochs, loss="warp", no_components=FACTORS)


def _peer(function: str, path: str, threads: int, **parameters: Any) -> Row:
    import peers

    fit = getattr(peers, function)
    fit(tiny(), 0, threads, **parameters)
    before = memory_now()
    matrix = _read(path).to_csr()
    forget_peak()
    fitted = fit(matrix, 0, threads, **parameters)
    return {"seconds": statistics.median(fitted.epochs or [fitted.seconds]), "memory": memory_peak() - before}


def copy_to_postgresql(address: str, path: str, threads: int) -> Row:
    """Copy the rows of a file of text into the table that is read from."""
    import psycopg

    with psycopg.connect(address) as connection:
        connection.execute("drop table if exists purchases")
        connection.execute('create table purchases ("user" bigint, item bigint, quantity integer, time bigint)')
        with (
            connection.cursor().copy("copy purchases from stdin (format csv, header)") as rows,
            open(path, "rb") as file,
        ):
            while piece := file.read(1 << 20):
                rows.write(piece)
    return {}


def rows_of_reading(folder: str, millions: float, rounds: int, postgresql: str | None) -> list[Row]:
    parquet, csv = (str(Path(folder) / f"{millions:g}-{kind}") for kind in ("parquet", "csv"))
    runs = {
        "polars alone, Parquet": seeded(polars_alone, path=f"{parquet}/*.parquet", threads=2),
        "Parquet": seeded(read, path=parquet, threads=2),
        "CSV": seeded(read, path=f"{csv}/rows.csv", threads=2),
    }
    if postgresql is not None and millions <= POSTGRESQL_UP_TO:
        fresh(copy_to_postgresql, address=postgresql, path=f"{csv}/rows.csv", threads=1)
        runs["PostgreSQL"] = seeded(read, path=postgresql, threads=2)
    results = alternate(rounds, runs)
    alone = median(results["polars alone, Parquet"], "seconds")
    n_rows = round(1e6 * millions)
    return [
        {
            "rows": n_rows,
            "from": name,
            "seconds": median(own, "seconds"),
            "times polars alone": median(own, "seconds") / alone,
            "peak bytes a row": median(own, "memory") / n_rows,
        }
        for name, own in results.items()
    ]


def rows_of_size(folder: str, millions: float, models: list[str], epochs: int, rounds: int) -> list[Row]:
    rows = []
    path = str(Path(folder) / f"{millions:g}-parquet")
    for model in models:
        case = {"model": model, "path": path, "epochs": epochs, "threads": 2}
        # The first round also updates, ranks and judges.
        runs = {"tastemap": lambda number, case=case: fresh(tastemap, **case, seed=number, more=number == 0)}
        if millions <= PEERS_UP_TO:
            runs |= {name: seeded(globals()[name], **case) for name in PEERS.get(model, ())}
        for name, results in alternate(rounds, runs).items():
            own = results[0]
            if name == "tastemap":
                size = own
            factors = 0 if model in ("ItemKNN", "Popular") else 4 * FACTORS * (size["users"] + size["items"])
            memory = median(results, "memory")
            row = {
                "model": model,
                "library": name,
                "rows": round(1e6 * millions),
                "pairs": size["pairs"],
                "users": size["users"],
                "items": size["items"],
                "epoch s": median(results, "seconds"),
                "µs a pair": 1e6 * median(results, "seconds") / size["pairs"],
                "memory GB": memory / 1e9,
                "(memory - factors) / matrix": (memory - factors) / size["matrix"],
            }
            if name == "tastemap":
                mark = "" if own["is_whole"] else "~"
                row |= {
                    "update s": own["update"],
                    "recommend all s": f"{mark}{own['recommend_all']:.3g}",
                    "evaluate s": f"{own['evaluate']:.3g} ({own['judged']:,} users)",
                }
            rows.append(row)
    return rows


def growth(rows: list[Row]) -> list[Row]:
    summary = []
    for model, library in dict.fromkeys((row["model"], row["library"]) for row in rows):
        mine = [row for row in rows if (row["model"], row["library"]) == (model, library)]
        if len(mine) < 2:
            continue
        grows = exponent([row["pairs"] for row in mine], [row["epoch s"] for row in mine])
        most = max(row["(memory - factors) / matrix"] for row in mine)
        target = library == "tastemap"
        summary.append(
            {
                "model": model,
                "library": library,
                "sizes": len(mine),
                "exponent": grows,
                f"at most {MOST_GROWTH}": met(grows, MOST_GROWTH) if target else "",
                "most (memory - factors) / matrix": most,
                f"at most {MOST_MATRICES}": met(most, MOST_MATRICES) if target else "",
            }
        )
    return summary


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=MILLIONS, help="of rows, up to 100 and more")
    parser.add_argument("--models", nargs="*", choices=OURS, default=list(OURS))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--folder", help="where the data are kept; by default they are made anew and removed")
    parser.add_argument("--postgresql", help="the address of an empty database")
    parser.add_argument("--only", choices=["reading", "models"], help="one of the two tables")
    options = parser.parse_args()
    report = Report(options.json)
    sizes, rounds, epochs = options.millions, options.rounds, options.epochs
    if options.quick:
        sizes, rounds, epochs = [0.1, 0.3], 1, 2
    with contextlib.ExitStack() as stack:
        folder = options.folder or stack.enter_context(tempfile.TemporaryDirectory())
        for millions in sizes:
            fresh(make, folder=folder, millions=millions, threads=2)
        if options.only != "models":
            reading = [row for n in sizes for row in rows_of_reading(folder, n, rounds, options.postgresql)]
            report.table(f"Growth: reading user, item, quantity and time (target: {MOST_SCANS} polars)", reading)
        if options.only != "reading":
            rows = [row for n in sizes for row in rows_of_size(folder, n, options.models, epochs, rounds)]
            report.table(f"Growth: an epoch, or the fit of models without epochs, {FACTORS} factors", rows)
            report.table("Growth: exponent and memory", growth(rows))
    report.finish()


if __name__ == "__main__":
    main()
