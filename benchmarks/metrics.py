"""Time precision, recall and NDCG @10 for all users of MovieLens 1M, and compare every metric with the peers' own.

Metrics alone: tastemap's evaluate_lists and RecTools' calc_metrics on one pandas frame of recommendations. With
ranking: tastemap's evaluate, three metrics, beside LightFM's precision_at_k, one metric, on the same factors. A time is
the median of warm calls over several fresh processes. LightFM has its own threads, RecTools has one.

Then the values. RecTools measures the same lists; LightFM and implicit rank by themselves with the same factors, so
that a user's value may differ where two scores are equal but for the last bits. Where definitions differ, they are
compared on the users for whom they agree; the docstrings of tastemap.METRICS say how they differ.
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
    test = parts()[1]
    return Case(model, model.interactions, test, np.flatnonzero(np.diff(test.by_user.indptr)))


def parts() -> tuple[Any, Any]:
    """Training and test pairs without the movies that are in the test part alone, which peers take for negatives."""
    train, test = tasks.held_out_likes()
    train = train.compact()
    return train, test.align(train.users, train.items)[0]


def fit(folder: str, threads: int) -> Row:
    import tastemap as tm

    train, test = parts()
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
    frame, interactions = recommended(it), as_frame(it.test)
    metrics = {"ndcg": NDCG(K), "recall": Recall(K), "precision": Precision(K)}
    return timed(lambda: calc_metrics(metrics, frame, interactions))


def tastemap_ranking(folder: str, threads: int) -> Row:
    import tastemap as tm

    it = case(folder)
    return timed(lambda: tm.evaluate(it.model, it.test, metrics=tasks.METRICS).means)


def lightfm_ranking(folder: str, threads: int) -> Row:
    from lightfm.evaluation import precision_at_k

    it = case(folder)
    model, train, test = lightfm(it)
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
    users = it.test.users.take(it.rows)
    whole = f"mrr@{len(it.model.items)}"
    names = [f"{name}@{K}" for name, metric in tm.METRICS.items() if metric.has_cutoff] + ["auc", whole]
    ours = tm.evaluate(it.model, it.test, metrics=names)
    of_user = {name: ours.values[:, column] for column, name in enumerate(names)}
    rows = []

    def compare(peer: str, function: str, name: str, its: Any, among: Array | None = None) -> None:
        among = np.ones(len(users), bool) if among is None else among
        if np.ndim(its):
            its = np.asarray(its, np.float64)[among]
            mine = of_user[name][among]
            differing = int(np.count_nonzero(np.abs(mine - its) > SAME))
            mine, its = float(mine.mean()), float(its.mean())
        else:
            mine, differing = ours.overall.get(name, ours[name]), ""
        off = abs(mine - float(its))
        rows.append(
            {
                "metric": name,
                "peer": f"{peer} {function}",
                "users": int(among.sum()),
                "tastemap": mine,
                "its": float(its),
                "difference": off,
                "within 1e-6": met(off, SAME),
                "users that differ": differing,
            }
        )

    rectools_values(it, partial(compare, "RecTools"))
    lightfm_values(it, whole, partial(compare, "LightFM"))
    implicit_values(it, partial(compare, "implicit"))
    return rows


def rectools_values(it: Case, compare: Callable[..., None]) -> None:
    import pandas as pd
    from rectools import metrics as peer

    frame, test, train = recommended(it), as_frame(it.test), as_frame(it.train)
    users = it.test.users.take(it.rows).to_numpy()
    n_relevant = np.diff(it.test.by_user.indptr)[it.rows]

    def ordered(values: pd.Series) -> Array:
        return values.reindex(users).to_numpy()

    compare("Precision", f"precision@{K}", ordered(peer.Precision(K).calc_per_user(frame, test)))
    compare("Recall", f"recall@{K}", ordered(peer.Recall(K).calc_per_user(frame, test)))
    compare("HitRate", f"hit_rate@{K}", ordered(peer.HitRate(K).calc_per_user(frame, test)))
    achievable = peer.NDCG(K, divide_by_achievable=True)
    compare("NDCG(divide_by_achievable=True)", f"ndcg@{K}", ordered(achievable.calc_per_user(frame, test)))
    compare("NDCG, |T| >= k", f"ndcg@{K}", ordered(peer.NDCG(K).calc_per_user(frame, test)), n_relevant >= K)
    compare("MAP, |T| <= k", f"map@{K}", ordered(peer.MAP(K).calc_per_user(frame, test)), n_relevant <= K)
    by_k = peer.MAP(K, divide_by_k=True)
    compare("MAP(divide_by_k=True), |T| >= k", f"map@{K}", ordered(by_k.calc_per_user(frame, test)), n_relevant >= K)
    compare("MRR", f"mrr@{K}", ordered(peer.MRR(K).calc_per_user(frame, test)))
    compare("MeanInvUserFreq", f"novelty@{K}", ordered(peer.MeanInvUserFreq(K).calc_per_user(frame, train)))
    diversity = peer.IntraListDiversity(K, distance_calculator=cosine_distances(it))
    compare("IntraListDiversity, cosine", f"diversity@{K}", ordered(diversity.calc_per_user(frame)))
    catalogue = train["item_id"].unique()
    compare("CatalogCoverage(normalize=True)", f"coverage@{K}", peer.CatalogCoverage(K, True).calc(frame, catalogue))


def cosine_distances(it: Case) -> Any:
    """A distance calculator for RecTools: 1 - cosine of the columns of users who have the items."""
    import scipy.sparse as sp
    from rectools.metrics import PairwiseDistanceCalculator

    owners = it.train.transposed
    lengths = np.sqrt(np.maximum(np.diff(owners.indptr), 1))
    unit = sp.diags(1 / lengths) @ (owners != 0)
    cosines = (unit @ unit.T).toarray()

    class Cosine(PairwiseDistanceCalculator):
        def _get_distances_for_item_pairs(self, items: Any, others: Any) -> Array:
            return 1 - cosines[it.train.items.find(list(items)), it.train.items.find(list(others))]

    return Cosine()


def lightfm_values(it: Case, whole: str, compare: Callable[..., None]) -> None:
    from lightfm import evaluation as peer

    model, train, test = lightfm(it)
    compare("precision_at_k", f"precision@{K}", peer.precision_at_k(model, test, train, k=K))
    compare("recall_at_k", f"recall@{K}", peer.recall_at_k(model, test, train, k=K))
    compare("auc_score", "auc", peer.auc_score(model, test, train))
    compare("reciprocal_rank", whole, peer.reciprocal_rank(model, test, train))


def implicit_values(it: Case, compare: Callable[..., None]) -> None:
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.evaluation import ranking_metrics_at_k

    model = AlternatingLeastSquares(factors=FACTORS, num_threads=1)
    model.user_factors, model.item_factors = it.model.user_factors_.copy(), it.model.item_factors_.copy()
    its = ranking_metrics_at_k(model, it.train.matrix.copy(), it.test.matrix.copy(), K=K, show_progress=False)
    compare("ranking_metrics_at_k, ndcg", f"ndcg@{K}", its["ndcg"])
    compare("ranking_metrics_at_k, map", f"map@{K}", its["map"])


def lightfm(it: Case) -> tuple[Any, Any, Any]:
    """A LightFM model with tastemap's factors, the training and the test pairs."""
    from lightfm import LightFM

    train, test = it.train.matrix.copy(), it.test.matrix.copy()
    model = LightFM(no_components=FACTORS).fit(train, epochs=1)
    model.user_embeddings, model.item_embeddings = it.model.user_factors_.copy(), it.model.item_factors_.copy()
    model.user_biases[:] = model.item_biases[:] = 0
    return model, train, test


def as_frame(pairs: Any) -> Any:
    """Interactions as a pandas frame under RecTools' names of columns."""
    frame = pairs.to_frame(frame="pandas")
    return frame.rename(columns={pairs.columns.user: "user_id", pairs.columns.item: "item_id"})


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
