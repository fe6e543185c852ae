"""Ranking metrics: what each number means, and their values for given lists.

All are per user first and then averaged over the users with at least one test item. A list of k places is compared with
the user's set of test items T; rel(r) is 1 where the item at rank r is in T, else 0. The lists are ordered by (score
descending, item row ascending), so ties need no rule of their own. A list shorter than k simply has no hits beyond its
end. All values lie between 0 and 1.

precision@k   (1/k) sum_{r<=k} rel(r). Always divided by k, so with fewer than k test items it cannot reach 1.
recall@k      (1/|T|) sum_{r<=k} rel(r).
hit_rate@k    1 if any of the first k is in T, else 0.
ndcg@k        sum_{r<=k} rel(r) / log2(r+1), divided by the same sum for the ideal list, min(k, |T|) hits from the top.
              Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 2002, with binary gains.
map@k         (1/min(k, |T|)) sum_{r<=k} rel(r) precision@r: mean average precision over users, cut off at k.
mrr@k         1/r for the first r <= k with rel(r) = 1, else 0. Voorhees, The TREC-8 question answering track report,
              1999.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data.pairs import Rows
from tastemap.kernels.metrics import RANKING_METRICS, ranking_metrics
from tastemap.models.training import parse_metric

__all__ = ["RANKING_METRICS", "metric_values", "parse_metric"]

# Lists that one thread measures at a time.
BLOCK_LISTS = 1024


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
