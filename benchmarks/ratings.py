"""Rating prediction on MovieLens 1M: SVD and SVD++ beside scikit-surprise, and the RMSE of five folds.

The first fold: every library trains on the same four fifths and predicts the same fifth. scikit-surprise has its
default parameters and one thread; tastemap as many factors and epochs, and its own defaults for the rest. Only the fit
is timed, from the ratings in the library's own form to the model. An epoch of scikit-surprise's SVD++ takes about 17 s:
it trains --peer-epochs of them only, an epoch's time is compared, and its RMSE after all 20 is the published one
(`--peer-epochs 20` measures it).

The five folds: tastemap's documented settings for this data, beside what scikit-surprise publishes for five folds of
its own with its defaults (20 epochs; https://github.com/NicolasHug/Surprise).
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import Any

import numpy as np
from side_by_side import Report, Row, alternate, command_line, fresh, median, met, said, seeded

CASES = {"SVD": {"factors": 100, "epochs": 20}, "SVDpp": {"factors": 20, "epochs": 20}}
TARGETS = {"SVD": 0.15, "SVDpp": 0.004}
FOLDS = 5
# An empty one says that the defaults are the choice.
DOCUMENTED: dict[str, Row] = {"SVD": {}, "SVDpp": {}, "ExplicitALS": {}}
RMSE_TARGETS = {"SVD": 0.850, "SVDpp": 0.845}
PUBLISHED = {"SVD": {"rmse": 0.873, "mae": 0.686}, "SVDpp": {"rmse": 0.862, "mae": 0.672}}


def fold(number: int) -> tuple[Any, Any]:
    """Return train and test of one of the five folds, from 0; about 30 test ratings of unrated films are left out."""
    import tasks

    import tastemap as tm

    train, test = list(tm.split.k_fold(tasks.ratings(), FOLDS, seed=0))[number]
    is_rated = np.diff(train.by_item.indptr) > 0
    return train, test.pick(is_rated[test.matrix.indices[test.input_order]])


def ours(name: str, parameters: Row, number: int, seed: int, threads: int) -> Row:
    import tastemap as tm

    train, test = fold(number)
    make = partial(getattr(tm, name), seed=seed)
    make(**parameters | {"epochs": 1}).fit(train, progress=False)  # compiles or loads the kernels
    start = time.perf_counter()
    model = make(**parameters).fit(train, progress=False)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "epochs": model.epochs} | tm.evaluate(model, test, metrics=("rmse", "mae")).means


def surprise(name: str, factors: int, epochs: int, seed: int, threads: int) -> Row:
    import peers

    train, test = fold(0)
    found = peers.surprise(name, train, test, n_factors=factors, n_epochs=epochs, random_state=seed)
    return found | {"epochs": epochs}


def beside_surprise(name: str, rounds: int, peer_epochs: int) -> list[Row]:
    case = CASES[name]
    runs = {
        f"tastemap {threads}": seeded(ours, name=name, parameters=case, number=0, threads=threads) for threads in (1, 2)
    }
    runs["scikit-surprise 1"] = seeded(surprise, name=name, factors=case["factors"], epochs=peer_epochs, threads=1)
    found = alternate(rounds, runs)
    seconds = {run: median(results, "seconds") / results[0]["epochs"] for run, results in found.items()}
    rows = []
    for run, results in found.items():
        library, threads = run.split()
        ratio = seconds[run] / seconds["scikit-surprise 1"]
        whole = results[0]["epochs"] == case["epochs"]
        rows.append(
            {
                "model": name,
                "library": library,
                "threads": threads,
                "factors": case["factors"],
                "epochs": results[0]["epochs"],
                "fit s": median(results, "seconds"),
                "an epoch s": seconds[run],
                "ratio": ratio if library == "tastemap" else "",
                "target": TARGETS[name] if library == "tastemap" else "",
                "met": met(ratio, TARGETS[name]) if library == "tastemap" else "",
                "rmse": median(results, "rmse") if whole else f"{PUBLISHED[name]['rmse']} (published)",
                "mae": median(results, "mae") if whole else f"{PUBLISHED[name]['mae']} (published)",
            }
        )
    return rows


def five_folds(name: str, quick: bool) -> Row:
    numbers = range(1 if quick else FOLDS)
    parameters = DOCUMENTED[name] | ({"epochs": 2} if quick else {})
    found = [fresh(ours, name=name, parameters=parameters, number=n, seed=0, threads=2) for n in numbers]
    rmse, published = statistics.mean(row["rmse"] for row in found), PUBLISHED.get(name, {})
    return {
        "model": name,
        "parameters": said(parameters),
        "rmse": rmse,
        "at most": RMSE_TARGETS.get(name, ""),
        "met": met(rmse, RMSE_TARGETS[name]) if name in RMSE_TARGETS else "",
        "mae": statistics.mean(row["mae"] for row in found),
        "a fit s": median(found, "seconds"),
        "scikit-surprise's rmse": published.get("rmse", ""),
        "its mae": published.get("mae", ""),
    }


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--peer-epochs", type=int, default=2, help="of scikit-surprise's SVD++")
    options = parser.parse_args()
    report = Report(options.json)
    rounds = 1 if options.quick else options.rounds
    rows = []
    for name, case in CASES.items():
        peer_epochs = 1 if options.quick else options.peer_epochs if name == "SVDpp" else case["epochs"]
        rows += beside_surprise(name, rounds, peer_epochs)
    report.table("Ratings of MovieLens 1M, the first of five folds", rows, "The ratio is that of an epoch's time.")
    report.table(
        "Ratings of MovieLens 1M, means of five folds, 2 threads",
        [five_folds(name, options.quick) for name in DOCUMENTED],
    )
    report.finish()


if __name__ == "__main__":
    main()
