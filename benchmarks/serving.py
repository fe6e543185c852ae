"""The HTTP service under load, beside FastAPI's plain route on the same model.

ImplicitALS with 64 factors on MovieLens 1M's likes; every request is for the 10 best unseen films of a known user drawn
by chance, and nothing is cached. The load comes from other processes of the same machine over its loopback: wrk asks as
fast as answers come, hey at a fixed rate (for one user a process: five of them have users by chance). What makes the
load takes its share of the cores too.

--only million has a catalogue of a million items, made as in matrices.write_made, each with a pair of somebody: what
comes over HTTP, exact lists, beside `Model.recommend` for as many users at once, and beside batches of one.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import servers
from servers import Server, at_most, at_rate, served
from side_by_side import Report, Row, alternate, command_line, fresh, met

CONNECTIONS = (1, 16, 64, 256)
RATE = 1_500
LEAST_RATE, MOST_MS = 4_000, 15.0
QUERY = "/recommend?user=@&k=10"
# What is asked beside the plain list, in the words of the query.
EXTRAS = {
    "plain": "",
    "offset=20": "&offset=20",
    "exclude two items": "&exclude=260&exclude=1",
    "where=genres=Drama": "&where=genres=Drama",
    "where, two columns": "&where=genres=Drama|Comedy&where=genres!=Horror&where=year>=1990",
    "at_most=genres:2": "&at_most=genres:2",
    "diversity=.3": "&diversity=.3",
    "all of these": "&where=genres=Drama|Comedy&where=year>=1990&at_most=genres:2&diversity=.3",
}
MILLION, PAIRS = 1_000_000, 10_000_000
LEAST_MILLION, LEAST_SHARE = 300, 0.6


def write_films(folder: str, threads: int) -> Row:
    """Write the model of MovieLens 1M's likes, its users, and a table of its films with a column of years."""
    import polars as pl
    import tasks

    import tastemap as tm

    model = tm.ImplicitALS(factors=64).fit(tasks.likes(), progress=False)
    model.save(Path(folder) / "films.safetensors")
    year = pl.col("title").str.extract(r"\((\d{4})\)").cast(pl.Int64).alias("year")
    tasks.movies().with_columns(year).write_csv(Path(folder) / "films.csv")
    return _write_users(model, folder)


def write_million(folder: str, n_items: int, n_pairs: int, threads: int) -> Row:
    """Write a model of many items, and some of its users."""
    import matrices
    import numpy as np
    import scipy.sparse as sp

    import tastemap as tm

    matrices.write_made(folder, n_pairs, threads, n_items=n_items)
    X = matrices.read(folder)
    # Every item is in the catalogue: somebody has it.
    somebody = np.random.default_rng(2).integers(X.shape[0], size=n_items)
    X = X + sp.csr_matrix((np.ones(n_items, np.float32), (somebody, np.arange(n_items))), X.shape)
    X.data[:] = 1
    model = tm.ImplicitALS(factors=64, epochs=3).fit(tm.Interactions.from_csr(X), progress=False)
    model.save(Path(folder) / "million.safetensors")
    return _write_users(model, folder) | {"pairs": int(X.nnz)}


def _write_users(model: Any, folder: str) -> Row:
    import numpy as np

    known = np.flatnonzero(model.state.known_users)
    users = model.users.take(np.random.default_rng(1).permutation(known)[:6_000]).to_list()
    (Path(folder) / "users.txt").write_text("".join(f"{user}\n" for user in users))
    return {"users": len(users), "items": int(model.state.known_items.sum())}


def recommend_many(folder: str, n_users: int, threads: int) -> Row:
    """Return how many users' lists `Model.recommend` makes a second, asked for all of them at once."""
    import tastemap as tm

    model = tm.load(Path(folder) / "million.safetensors")
    users = [int(user) for user in (Path(folder) / "users.txt").read_text().split()][:n_users]
    rates = []
    for _ in range(4):
        before = time.perf_counter()
        model.recommend(users, k=10)
        rates.append(len(users) / (time.perf_counter() - before))
    return {"users/s": statistics.median(rates[1:])}


class Bench:
    """Measures servers of the models in a folder."""

    def __init__(self, report: Report, folder: Path, rounds: int, quick: bool) -> None:
        self.report, self.folder, self.rounds = report, folder, 1 if quick else rounds
        self.seconds, self.warm_up = (2.0, 1.0) if quick else (10.0, 3.0)
        self.users = folder / "users.txt"

    def serve(self, *words: object, threads: int = 2) -> AbstractContextManager[Server]:
        films = self.folder / "films.csv"
        items = ("--items", films) if films.exists() else ()
        command = servers.tastemap(*self.models, *items, *words)
        return served(command, "/health/ready", log=self.folder / "log", threads=threads)

    def plain(self) -> AbstractContextManager[Server]:
        return self.serve_module("plain_service")

    def serve_module(self, module: str) -> AbstractContextManager[Server]:
        user = self.some_users()[0]
        return served(
            servers.asgi(module),
            f"/recommend?user={user}",
            log=self.folder / "log",
            MODEL=str(self.models[0]),
        )

    @property
    def models(self) -> list[Path]:
        return sorted(self.folder.glob("*.safetensors"))

    def some_users(self) -> list[str]:
        users = self.users.read_text().split()
        return random.Random(3).sample(users, servers.HEYS)

    def wrk(self, server: Server, connections: int, target: str = QUERY) -> Row:
        return at_most(server, target, self.users, connections=connections, seconds=self.seconds)

    def warm(self, server: Server, target: str = QUERY) -> None:
        at_most(server, target, self.users, connections=64, seconds=self.warm_up)

    # -- the tables ---------------------------------------------------------------------------------------------------

    def beside_plain(self) -> None:
        """Maxima at several numbers of connections, and a fixed rate."""
        runs = {"tastemap": self._measure(self.serve), "FastAPI": self._measure(self.plain)}
        found = alternate(self.rounds, runs)
        rows = []
        for label in found["tastemap"][0]:
            row: Row = {"load": label}
            ours, plain = (_middle([one[label] for one in turns]) for turns in found.values())
            for name, one in (("tastemap", ours), ("FastAPI", plain)):
                row |= {f"{name} {key}": value for key, value in _shown(one).items()}
            row["times"] = ours["requests/s"] / plain["requests/s"]
            if label.startswith("wrk, 64 "):
                row["met"] = met(LEAST_RATE, ours["requests/s"])
            if label.startswith("hey"):
                row["met"] = met(ours["p99"], MOST_MS)
            rows.append(row)
        self.report.table(
            "Requests for 10 unseen films of a known user, by chance; times in ms",
            rows,
            f"Targets: {LEAST_RATE:,} requests/s at 64 connections, p99 under {MOST_MS:.0f} ms at {RATE:,}/s. "
            "FastAPI: its plain route on uvicorn with httptools and uvloop.",
        )

    def _measure(self, start: Callable[[], AbstractContextManager[Server]]) -> Callable[[int], Row]:
        def run(number: int) -> Row:
            with start() as server:
                self.warm(server)
                rows = {f"wrk, {connections} connections": self.wrk(server, connections) for connections in CONNECTIONS}
                rows[f"hey, {RATE:,}/s"] = at_rate(server, QUERY, self.some_users(), rate=RATE, seconds=self.seconds)
            return rows

        return run

    def extras(self) -> None:
        """What filters, variety and deeper lists cost."""
        rows = []
        with self.serve() as server:
            self.warm(server)
            for name, more in EXTRAS.items():
                target = (QUERY + more).replace("|", "%7C").replace(">", "%3E")
                self.warm(server, target)
                rows.append({"asked": name, **_shown(self.wrk(server, 64, target))})
        self.report.table("What filters and variety cost, 64 connections", rows)

    def processes(self) -> None:
        """One process with both cores' threads, and two."""
        rows = []
        for n_processes, threads in ((1, 2), (1, 1), (2, 1)):
            with self.serve("--processes", n_processes, threads=threads) as server:
                self.warm(server)
                row = {"processes": n_processes, "threads of each": threads, "ready s": server.seconds}
                row |= _shown(self.wrk(server, 64))
                held = servers.memory(server)
                rows.append(row | {f"{name} MB": f"{size / 1e6:,.0f}" for name, size in held.items()})
        self.report.table("Processes, 64 connections", rows, "Memory of all processes after the load.")

    def million(self, size: Row, n_users: int) -> None:
        """Many items: over HTTP, beside the library, and beside batches of one."""
        library = fresh(recommend_many, folder=str(self.folder), n_users=n_users, threads=2)["users/s"]
        rows: list[Row] = [{"what": "Model.recommend, all at once", "connections": "", "requests/s": f"{library:,.0f}"}]
        for what, start, several in (
            ("tastemap serve", self.serve, (1, 64, 256)),
            ("batches of one", lambda: self.serve_module("unbatched_service"), (1, 64)),
        ):
            with start() as server:
                self.warm(server)
                for connections in several:
                    found = self.wrk(server, connections)
                    share = found["requests/s"] / library
                    row = {
                        "what": what,
                        "connections": connections,
                        **_shown(found),
                        "of the library's": f"{share:.0%}",
                    }
                    if what == "tastemap serve" and connections == max(several):
                        row["met"] = met(max(LEAST_MILLION, LEAST_SHARE * library), found["requests/s"])
                    rows.append(row)
        self.report.table(
            f"A catalogue of {size['items']:,} items, 64 factors, two cores",
            rows,
            f"Targets: {LEAST_SHARE:.0%} of the library's rate, and {LEAST_MILLION}/s. The library has both cores; the "
            "service shares them with wrk.",
        )


def _middle(rows: list[Row]) -> Row:
    """Return the medians, and all errors."""
    middle = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    return middle | {"errors": sum(row["errors"] for row in rows)}


def _shown(row: Row) -> Row:
    return {key: f"{value:,.1f}" if key != "errors" else value for key, value in row.items()}


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--only", choices=("beside_plain", "extras", "processes", "million"))
    options = parser.parse_args()
    servers.check_tools()
    report = Report(options.json)
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "million":
            fresh(write_films, folder=folder, threads=2)
        bench = Bench(report, Path(folder), options.rounds, options.quick)
        for part in (bench.beside_plain, bench.extras, bench.processes):
            if options.only in (None, part.__name__):
                part()
    with tempfile.TemporaryDirectory() as folder:
        if options.only in (None, "million"):
            n_items, n_pairs = (MILLION // 50, PAIRS // 50) if options.quick else (MILLION, PAIRS)
            size = fresh(write_million, folder=folder, n_items=n_items, n_pairs=n_pairs, threads=2)
            Bench(report, Path(folder), options.rounds, options.quick).million(size, 500 if options.quick else 2_000)
    report.finish()


if __name__ == "__main__":
    main()
