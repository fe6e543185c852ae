"""Time of loading a model of 1 GB, copied and memory-mapped, and the memory of four processes that answer with it.

The model is an ImplicitALS with random factors of 2 million users and a million items and 20 million pairs; --pairs
makes it smaller or larger. Its file was written just before, so that the system has it in memory. Four processes each
load it and recommend to one user; or one process loads it and forks four that recommend. Their memory is the sum of
what Linux calls Pss, of all of them and the one that started them: a page that several processes share counts once.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import Report, Row, alternate, command_line, fresh, median

PAIRS = 20_000_000
PAIRS_EACH = 10  # of a user; there are half as many items as users
FACTORS = 64
PROCESSES = 4
HOW = {"copied": False, "mapped": True}


def write_model(folder: str, n_pairs: int, threads: int) -> Row:
    """Write a model by the format of files: no model of this size has to be fitted."""
    import tastemap as tm
    from tastemap.files.arrays import read_arrays, write_arrays

    path = Path(folder) / "model"
    pairs = tm.Interactions.from_frame({"user": [1, 1, 2], "item": [1, 2, 2], "plays": [1, 2, 4]}, weight="plays")
    tm.ImplicitALS(factors=FACTORS, epochs=1).fit(pairs, progress=False).save(path)
    header = read_arrays(path, "model").header
    random = np.random.default_rng(0)
    n_users, n_items = n_pairs // PAIRS_EACH, n_pairs // PAIRS_EACH // 2
    # One item of each tenth of the catalogue, so that they ascend.
    shelf = n_items // PAIRS_EACH
    items = random.integers(shelf, size=(n_users, PAIRS_EACH), dtype=np.int32)
    items += np.arange(0, n_items, shelf, dtype=np.int32)[:PAIRS_EACH]
    arrays = {
        "user_factors_": random.standard_normal((n_users, FACTORS), np.float32),
        "item_factors_": random.standard_normal((n_items, FACTORS), np.float32),
        "activity_": np.full(n_users, PAIRS_EACH),
        "popularity_": np.bincount(items.ravel(), minlength=n_items),
        "users.ids": np.arange(n_users) * 7_919 + 10**10,
        "items.ids": np.arange(n_items) + 1,
        "pairs.indptr": np.arange(n_users + 1) * PAIRS_EACH,
        "pairs.indices": items.ravel(),
        "pairs.data": random.integers(1, 6, items.size).astype(np.float32),
    }
    write_arrays(path, arrays, "model", header)
    return {"bytes": path.stat().st_size, "users": n_users, "items": n_items}


def load(folder: str, how: str, threads: int) -> Row:
    """Load a model, and time the steps within."""
    import tastemap as tm
    from tastemap.files import arrays
    from tastemap.models.shared import stored

    assert tm.ImplicitALS  # imported before the clock starts
    steps = {
        "digest": (arrays, "_compute_digest"),
        "checks": (stored, "check_arrays"),
        "ids": (stored, "_ids_from_arrays"),
        "pairs": (stored, "Interactions"),
    }
    seconds = dict.fromkeys(steps, 0.0)
    for name, (module, function) in steps.items():
        setattr(module, function, _timed(getattr(module, function), name, seconds))
    before = time.perf_counter()
    model = tm.load(Path(folder) / "model", memory_map=HOW[how])
    loaded = time.perf_counter()
    model.recommend_rows([0])
    answered = time.perf_counter()
    model.recommend_rows([1])
    all_of_it = {"load": loaded - before, **seconds, "rest": loaded - before - sum(seconds.values())}
    return {**all_of_it, "first list": answered - loaded, "second list": time.perf_counter() - answered}


def _timed(function: Callable[..., Any], name: str, seconds: dict[str, float]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        before = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            seconds[name] += time.perf_counter() - before

    return call


def share(folder: str, how: str, start: str, threads: int) -> Row:
    """Have four processes answer, and add up their memory; without a model it is that of the imports."""
    path = None if how == "none" else str(Path(folder) / "model")
    if start == "fork":
        _model(path, HOW.get(how, False))
    context: Any = multiprocessing.get_context(start)
    ready, done = context.Semaphore(0), context.Semaphore(0)
    processes = [
        context.Process(target=_answer, args=(path, HOW.get(how, False), ready, done)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire(timeout=300)
    kinds = [_read_memory(process.pid) for process in processes]
    memory = sum(kind["Pss"] for kind in kinds) + _read_memory("self")["Pss"]
    for _ in processes:
        done.release()
    for process in processes:
        process.join()
    assert not any(process.exitcode for process in processes)
    return {"all": memory, "own": kinds[0]["Private_Dirty"] + kinds[0]["Private_Clean"]}


@cache
def _model(path: str | None, memory_map: bool) -> Any:
    import tastemap as tm

    assert tm.ImplicitALS
    return None if path is None else tm.load(path, memory_map=memory_map)


def _answer(path: str | None, memory_map: bool, ready: Any, done: Any) -> None:
    model = _model(path, memory_map)
    if model is not None:
        model.recommend_rows([0])
    ready.release()
    done.acquire()


def _read_memory(pid: int | str | None) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of the training data of the model")
    options = parser.parse_args()
    report = Report(options.json)
    rounds, n_pairs = (1, options.pairs // 100) if options.quick else (options.rounds, options.pairs)
    with tempfile.TemporaryDirectory() as folder:
        size = fresh(write_model, folder=folder, n_pairs=n_pairs, threads=1)
        title = f"of {size['bytes'] / 1e6:,.0f} MB, {size['users']:,} users, {size['items']:,} items, {FACTORS} factors"
        runs = {how: partial(_run, load, folder, how=how) for how in HOW}
        rows = []
        for how, results in alternate(rounds, runs).items():
            rows.append({"how": how} | {f"{name} s": median(results, name) for name in results[0]})
        report.table(f"Loading an ImplicitALS {title}", rows)
        rows = []
        for start in ("spawn", "fork"):
            runs = {how: partial(_run, share, folder, how=how, start=start) for how in ("none", *HOW)}
            for how, results in alternate(rounds, runs).items():
                kinds = {f"{kind} MB": median(results, kind) / 1e6 for kind in ("all", "own")}
                rows.append({"start": start, "model": how, **kinds})
        notes = "All: the sum of Pss. Own: what one of the four shares with nobody."
        report.table(f"Memory of {PROCESSES} processes with an ImplicitALS {title}", rows, notes)
    report.finish()


def _run(function: Callable[..., Row], folder: str, round_number: int, **case: str) -> Row:
    return fresh(function, folder=folder, threads=1, **case)


if __name__ == "__main__":
    main()
