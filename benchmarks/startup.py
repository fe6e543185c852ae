"""Time what a new process waits for: imports, the first fit, and compiling every kernel.

The imports are timed inside the process, without the interpreter's own start, which is shown beside them. The first fit
is timed against the second in the same process, with kernels compiled before. For the last row TASTEMAP_CACHE is an
empty folder, and a process calls everything that has a kernel; kernels that stayed uncompiled are named.

Python's own bytecode is kept, in a folder of this run, as it is for an installed package.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
import tempfile
import time
from functools import partial

from side_by_side import Report, Row, alternate, command_line, fresh, median, met

PROCESSES = 5
THREADS = os.cpu_count() or 1


def interpreter(round_number: int) -> Row:
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return {"seconds": time.perf_counter() - before}


def import_tastemap(threads: int) -> Row:
    before = time.perf_counter()
    import tastemap  # noqa: F401

    return {"seconds": time.perf_counter() - before}


def import_implicit_als(threads: int) -> Row:
    before = time.perf_counter()
    import tastemap

    tastemap.ImplicitALS  # noqa: B018 - the public names are imported when first used
    return {"seconds": time.perf_counter() - before}


def first_fit(threads: int) -> Row:
    import numpy as np
    import scipy.sparse as sp

    import tastemap as tm

    X = tm.Interactions.from_csr(sp.random(2_000, 1_000, 0.02, "csr", np.float32, 0))
    model = tm.ImplicitALS(epochs=3)
    times = []
    for _ in range(2):
        before = time.perf_counter()
        model.fit(X, progress=False)
        times.append(time.perf_counter() - before)
    return {"seconds": times[0] - times[1]}


def compile_everything(cache: str, threads: int) -> Row:
    os.environ["TASTEMAP_CACHE"] = cache
    before = time.perf_counter()
    _call_everything()
    seconds = time.perf_counter() - before
    kernels = _kernels()
    missed = sorted(name for name, kernel in kernels.items() if not kernel.signatures)
    return {"seconds": seconds, "kernels": len(kernels), "missed": missed}


def _call_everything() -> None:
    import numpy as np
    import scipy.sparse as sp

    import tastemap as tm

    pairs = sp.random(60, 40, 0.3, "coo", np.float32, 0)
    rows = {"user": pairs.row, "item": pairs.col, "weight": pairs.data, "time": np.arange(pairs.nnz)}
    everything = tm.Interactions.from_frame(rows, time="time")
    train, test = tm.split.random(everything, 0.2, seed=0)
    kinds = tm.Features.from_csr(sp.csr_array(np.eye(40, 4)), ids=range(40))
    far = {"user": [1 << 40, 5, 1 << 40], "item": ["a", "b", "a"], "time": [3, 1, 2]}
    tm.Popular().fit(tm.Interactions.from_frame(far, time="time", duplicates="sum"), progress=False)
    tm.ImplicitALS(solver="subspace").fit(train, progress=False)
    tm.WARP(epochs=2).fit(train, item_features=kinds, progress=False)
    for model_class in tm.MODELS.values():
        model = model_class().fit(train, progress=False)
        model.recommend_rows(np.arange(20), 5)
        model.recommend_rows([0], 5)  # few queries are ranked without a matrix product
        known = int(train.matrix.indices[0])
        model.predict([0], [known])
        model.recommend_for([known])
        tm.evaluate(model, test)
    model.recommend(k=5, diversity=0.3)
    tm.evaluate(model, test, metrics=("novelty@5", "diversity@5"))
    tm.evaluate_lists(model.recommend(k=5), test)
    assert tm.compare([tm.Popular(), tm.EASE()], test, train=train).differences is not None


def _kernels() -> dict[str, object]:
    """Every compiled function of tastemap.kernels by its name."""
    import tastemap.kernels

    found = {}
    for information in pkgutil.walk_packages(tastemap.kernels.__path__, "tastemap.kernels."):
        module = importlib.import_module(information.name)
        for name, value in vars(module).items():
            if hasattr(value, "signatures") and value.py_func.__module__ == module.__name__:
                found[f"{information.name.removeprefix('tastemap.kernels.')}.{name}"] = value
    return found


def _fresh(function: object, round_number: int) -> Row:
    return fresh(function, threads=THREADS)


def _compiling(round_number: int) -> Row:
    with tempfile.TemporaryDirectory() as cache:
        return fresh(compile_everything, cache=cache, threads=THREADS)


def main() -> None:
    parser = command_line(__doc__)
    parser.set_defaults(rounds=PROCESSES)
    options = parser.parse_args()
    report = Report(options.json)
    with tempfile.TemporaryDirectory() as bytecode:
        os.environ["PYTHONPYCACHEPREFIX"] = bytecode
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        _measure(report, 1 if options.quick else options.rounds)
    report.finish()


def _measure(report: Report, rounds: int) -> None:
    fresh(first_fit, threads=THREADS)  # compiles, and fills the system's file cache
    runs = {
        "python -c ''": (interpreter, None),
        "import tastemap": (partial(_fresh, import_tastemap), 0.25),
        "import tastemap; tastemap.ImplicitALS": (partial(_fresh, import_implicit_als), 1.0),
        "first fit less second, kernels compiled before": (partial(_fresh, first_fit), 0.5),
        "call everything, all kernels compiled from nothing": (_compiling, 30.0),
    }
    results = alternate(rounds, {name: run for name, (run, _) in runs.items()})
    rows = []
    for name, (_, target) in runs.items():
        seconds = median(results[name], "seconds")
        row = {"what": name, "seconds": seconds, "target": target or "", "met": ""}
        rows.append(row | {"met": met(seconds, target)} if target else row)
    compiled = results["call everything, all kernels compiled from nothing"][0]
    missed = ", ".join(compiled["missed"]) or "none"
    report.table("A new process", rows, f"{compiled['kernels']} kernels; not compiled by the last row: {missed}.")


if __name__ == "__main__":
    main()
