"""Time precision, recall and NDCG @10 for all users of MovieLens 1M, and compare every metric with the peers' own.

Metrics alone: tastemap's evaluate_lists and RecTools' calc_metrics on one pandas frame of recommendations. With
ranking: tastemap's evaluate, three metrics, beside LightFM's precision_at_k, one metric, on the same factors. A time is
the median of warm calls over several fresh processes. LightFM has its own threads, RecTools has one.

Then the values, by peer_metrics.py. LightFM and implicit rank by themselves with the same factors, so that a user's
value may differ where two scores are equal but for the last bits.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import peer_metrics
import tasks
from side_by_side import Report, Row, alternate, command_line, fresh, median, met

K = 10
FACTORS = 64
WARM_UP, CALLS = 1, 5
TARGET = 0.1
SAME = 1e-6

Array = Any


class Case(NamedTuple):
    """A fitted model, its training pairs, and the test pairs of users and items that are in training."""

    model: Any
    train: Any
    test: Any
    rows: Array  # of these users


def case(folder: str) -> Case:
    import tastemap as tm

    model = tm.load(Path(folder) / "model.safetensors")
    test = peer_metrics.parts()[1]
    return Case(model, model.interactions, test, np.flatnonzero(np.diff(test.by_user.indptr)))


def fit(folder: str, threads: int) -> Row:
    import tastemap as tm

    train, test = peer_metrics.parts()
    weights = {"unobserved_weight": 0.3, "regularization": 0.007, "frequency_exponent": 1.0}
    model = tm.ImplicitALS(factors=FACTORS, epochs=10, **weights, seed=0).fit(train, progress=False)
    model.save(Path(folder) / "model.safetensors")
    return {"users": test.n_users, "items": len(train.items)}


def recommended(it: Case) -> Any:
    """The lists as a pandas frame under RecTools' names of columns."""
    frame = it.model.recommend(it.model.users.take(it.rows), k=K, frame="pandas")
    return frame.rename(columns={it.model.users.name: "user_id", it.model.items.name: "item_id"})


# -- seconds ----------------------------------------------------------------------------------------------------------


def tastemap_lists(folder: str, threads: int) -> Row:
    import tastemap as tm

    it = case(folder)
    frame = recommended(it).rename(columns={"user_id": it.test.columns.user, "item_id": it.test.columns.item})
    return timed(lambda: tm.evaluate_lists(frame, it.test, metrics=tasks.METRICS).means)


def tastemap_arrays(folder: str, threads: int) -> Row:
    it = case(folder)
    lists = it.model.recommend_rows(it.rows, K).rows
    return timed(lambda: tasks.means(lists, it.rows, it.test))


def rectools_lists(folder: str, threads: int) -> Row:
    from rectools.metrics import NDCG, Precision, Recall, calc_metrics

    it = case(folder)
    frame, interactions = recommended(it), peer_metrics.as_frame(it.test)
    metrics = {"ndcg": NDCG(K), "recall": Recall(K), "precision": Precision(K)}
    return timed(lambda: calc_metrics(metrics, frame, interactions))


def tastemap_ranking(folder: str, threads: int) -> Row:
    import tastemap as tm

    it = case(folder)
    return timed(lambda: tm.evaluate(it.model, it.test, metrics=tasks.METRICS).means)


def lightfm_ranking(folder: str, threads: int) -> Row:
    from lightfm.evaluation import precision_at_k

    it = case(folder)
    vectors = it.model.user_factors_, it.model.item_factors_
    model, train, test = peer_metrics.lightfm(peer_metrics.Ranked(None, it.train, it.test, *vectors))
    options = {"train_interactions": train, "k": K, "num_threads": threads, "check_intersections": False}
    return timed(lambda: precision_at_k(model, test, **options).mean())


def timed(measure: Callable[[], Any]) -> Row:
    seconds = []
    for _ in range(WARM_UP + CALLS):
        before = time.perf_counter()
        measure()
        seconds.append(time.perf_counter() - before)
    return {"seconds": statistics.median(seconds[WARM_UP:])}


# -- values -----------------------------------------------------------------------------------------------------------


def values(folder: str, threads: int) -> list[Row]:
    """Return a row a metric and peer: both means, and how many users' values differ."""
    import tastemap as tm

    it = case(folder)
    vectors = it.model.user_factors_, it.model.item_factors_
    found = list(peer_metrics.values(peer_metrics.Ranked(recommended(it), it.train, it.test, *vectors), K))
    names = list(dict.fromkeys(value.metric for value in found))
    ours = tm.evaluate(it.model, it.test, metrics=names)
    return [compared(ours, value) for value in found]


def compared(ours: Any, its: peer_metrics.Value) -> Row:
    if np.ndim(its.value):
        mine = ours.user_values(its.metric)[its.among]
        differing = int(np.count_nonzero(np.abs(mine - its.value[its.among]) > SAME))
        mean, its_mean = float(mine.mean()), float(its.value[its.among].mean())
    else:
        mean, its_mean, differing = ours[its.metric], float(its.value), ""
    off = abs(mean - its_mean)
    return {
        "metric": its.metric,
        "peer": f"{its.peer} {its.function}",
        "users": int(its.among.sum()),
        "tastemap": mean,
        "its": its_mean,
        "difference": off,
        "within 1e-6": met(off, SAME),
        "users that differ": differing,
    }


# -- tables -----------------------------------------------------------------------------------------------------------


def main() -> None:
    options = command_line(__doc__).parse_args()
    rounds = 1 if options.quick else options.rounds
    report = Report(options.json)
    with tempfile.TemporaryDirectory() as folder:
        size = fresh(fit, folder=folder, threads=1)
        rows = []
        for threads in (1, 2):
            runs = {
                function.__name__: partial(run, function, folder, threads)
                for function in (tastemap_lists, tastemap_arrays, rectools_lists, tastemap_ranking, lightfm_ranking)
            }
            seconds = {name: median(results, "seconds") for name, results in alternate(rounds, runs).items()}
            for work, ours, its in (
                ("metrics of a frame; RecTools calc_metrics", "tastemap_lists", "rectools_lists"),
                ("metrics of arrays; RecTools calc_metrics", "tastemap_arrays", "rectools_lists"),
                ("ranking and metrics; LightFM precision_at_k", "tastemap_ranking", "lightfm_ranking"),
            ):
                ratio = seconds[ours] / seconds[its]
                rows.append(
                    {
                        "work; peer": work,
                        "threads": threads,
                        "tastemap s": seconds[ours],
                        "peer s": seconds[its],
                        "ratio": ratio,
                        "target": TARGET,
                        "met": met(ratio, TARGET),
                    }
                )
        users = f"{size['users']:,} users"
        report.table(f"Precision, recall and NDCG @{K} of {users}, {size['items']:,} movies, {FACTORS} factors", rows)
        compared = fresh(values, folder=folder, threads=2)
    report.table(
        f"The same metrics by the peers, {users}",
        compared,
        "LightFM and implicit rank by themselves. |T|: a user's test items.",
    )
    report.finish()


def run(function: Callable[..., Row], folder: str, threads: int, round_number: int) -> Row:
    return fresh(function, folder=folder, threads=threads)


if __name__ == "__main__":
    main()
