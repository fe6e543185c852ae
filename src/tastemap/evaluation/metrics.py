"""What each metric means, and its values for given lists or errors.

Ranking metrics are per user first and then averaged over the users with at least one test item. A list of k places is
compared with the user's set of test items T; rel(r) is 1 where the item at rank r is in T, else 0. The lists are
ordered by (score descending, item row ascending), so ties need no rule of their own. A list shorter than k simply has
no hits beyond its end. All values lie between 0 and 1.

precision@k   (1/k) sum_{r<=k} rel(r). Always divided by k, so with fewer than k test items it cannot reach 1.
recall@k      (1/|T|) sum_{r<=k} rel(r).
hit_rate@k    1 if any of the first k is in T, else 0.
ndcg@k        sum_{r<=k} rel(r) / log2(r+1), divided by the same sum for the ideal list, min(k, |T|) hits from the top.
              Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 2002, with binary gains.
map@k         (1/min(k, |T|)) sum_{r<=k} rel(r) precision@r: mean average precision over users, cut off at k.
mrr@k         1/r for the first r <= k with rel(r) = 1, else 0. Voorhees, The TREC-8 question answering track report,
              1999.

Rating metrics compare the rating r of each test pair with its prediction p. As in the Netflix prize and in Surprise,
the n pairs of all users are pooled: the mean is over pairs, and who has many counts for more than who has few. A user's
own value is the same formula over that user's pairs. Only pairs whose user and item have a training pair are compared;
Surprise predicts the others too, by the mean rating and what it knows of the one or the other.

rmse          sqrt((1/n) sum (r - p)^2). Bennett and Lanning, The Netflix prize, KDD Cup and Workshop 2007.
mae           (1/n) sum |r - p|. Herlocker et al., Evaluating collaborative filtering recommender systems, TOIS 2004.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data.pairs import Rows
from tastemap.kernels.metrics import RANKING_METRICS, ranking_metrics
from tastemap.models.training import parse_metric

__all__ = ["RANKING_METRICS", "RATING_METRICS", "cutoff_of", "metric_values", "parse_metric", "pooled", "rating_values"]

RATING_METRICS = ("rmse", "mae")

# Lists that one thread measures at a time.
BLOCK_LISTS = 1024


def cutoff_of(name: str) -> int | None:
    """Return the k of a ranking metric, None for a rating metric; raises ValueError for an unknown metric."""
    if name in RATING_METRICS:
        return None
    metric = name.partition("@")[0]
    if metric in RATING_METRICS:
        raise ValueError(f"{metric} is over all test pairs and has no cut-off: pass {metric!r}, got {name!r}")
    if metric not in RANKING_METRICS:
        known = f"{', '.join(RANKING_METRICS)} with a cut-off, such as 'ndcg@10', or {' or '.join(RATING_METRICS)}"
        raise ValueError(f"metric must be one of {known}, got {name!r}")
    return parse_metric(name)[1]


def metric_values(
    lists: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
    held_out: Rows,
    rows: npt.NDArray[np.int64],
    metrics: tuple[str, ...],
) -> npt.NDArray[np.float64]:
    """Return the metrics of given lists: float64, (n, len(metrics)).

    lists : item rows, int32 (n, k), best first, of which counts[r] are filled
    held_out : the test items as CSR arrays over items
    rows : for each list the CSR row with its test items; NaN where recall, ndcg or map have no test item

    Raises ValueError for an unknown metric.
    """
    wanted = [parse_metric(name) for name in metrics]
    out = np.empty((len(lists), len(wanted)))
    blocks = parallel.row_blocks(len(lists), BLOCK_LISTS)
    for k in {k for _, k in wanted}:
        values = np.empty((len(lists), len(RANKING_METRICS)))

        def measure(b: int, k: int = k, values: npt.NDArray[np.float64] = values) -> None:
            block = blocks[b]
            ranking_metrics(
                lists[block], counts[block], rows[block], held_out.indptr, held_out.indices, k, values[block]
            )

        parallel.run(measure, len(blocks))
        for column, (name, cutoff) in enumerate(wanted):
            if cutoff == k:
                out[:, column] = values[:, RANKING_METRICS.index(name)]
    return out


def rating_values(
    errors: npt.NDArray[np.float64], users: npt.NDArray[np.int64], n_users: int, metrics: tuple[str, ...]
) -> npt.NDArray[np.float64]:
    """Return the rating metrics of every user: float64, (n_users, len(metrics)); NaN for users without a pair.

    errors : rating less prediction of each pair
    users : whose pair it is, from 0 to n_users - 1
    """
    pairs = np.bincount(users, minlength=n_users)
    out = np.full((n_users, len(metrics)), np.nan)
    for column, name in enumerate(metrics):
        sums = np.bincount(users, errors**2 if name == "rmse" else np.abs(errors), minlength=n_users)
        np.divide(sums, pairs, out=out[:, column], where=pairs > 0)
        if name == "rmse":
            np.sqrt(out[:, column], out=out[:, column])
    return out


def pooled(metric: str, values: npt.NDArray[np.float64], n_pairs: npt.NDArray[np.int64]) -> float:
    """Return a rating metric over the pairs of several users, from their own values and how many pairs each has."""
    if metric == "rmse":
        return float(np.sqrt(np.average(values**2, weights=n_pairs)))
    return float(np.average(values, weights=n_pairs))
