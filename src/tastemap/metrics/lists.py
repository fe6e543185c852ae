"""What models and their evaluation measure alike: the metrics of given lists, the errors of predicted ratings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data._pairs import Rows
from tastemap.kernels.metrics import RANKING_METRICS, ranking_metrics
from tastemap.typing import Doubles, RowNumbers

RATING_METRICS = ("rmse", "mae")

# Of the ranking metrics those that ask for nothing but the first k places.
PLACE_METRICS = tuple(name for name in RANKING_METRICS if name != "auc")

# No list has more places.
LONGEST = 2**31 - 1

# Lists that one thread measures at a time.
BLOCK_LISTS = 1024


def split_metric(name: str) -> tuple[str, int | None]:
    """Split "ndcg@10" into its name and cut-off, None without an @; ValueError for a cut-off that no list has."""
    metric, at, cutoff = name.partition("@")
    if not at:
        return metric, None
    if not cutoff.isdecimal() or int(cutoff) < 1:
        raise ValueError(f"the cut-off of a metric must be a whole number of at least 1, got {name!r}")
    if int(cutoff) > LONGEST:
        raise ValueError(f"the cut-off of a metric must be at most {LONGEST:,}, got {name!r}: leave such lists whole")
    return metric, int(cutoff)


def parse_metric(name: str, *, predicts_ratings: bool = True) -> tuple[str, int | None]:
    """Split the name of a metric that can be measured during training; the cut-off of rmse and mae is None.

    predicts_ratings : whether the model does. Raises ValueError for another metric.
    """
    metric, k = split_metric(name) if isinstance(name, str) else (name, None)
    if (metric in PLACE_METRICS and k is not None) or (metric in RATING_METRICS and k is None and predicts_ratings):
        return metric, k
    errors = " or ".join(map(repr, RATING_METRICS))
    also = f", or {errors}" if predicts_ratings else f" ({errors} of models that predict ratings)"
    raise ValueError(
        f"metric must be one of {', '.join(PLACE_METRICS)} with a cut-off, such as 'ndcg@10'{also}, got {name!r}: "
        "measure others with tastemap.evaluate"
    )


def list_values(
    lists: npt.NDArray[np.int32],
    counts: RowNumbers,
    held_out: Rows,
    rows: RowNumbers,
    cutoffs: Sequence[int],
    reachable: RowNumbers | None = None,
) -> Doubles:
    """Return every ranking metric of given lists at every cut-off: float64, (n, cutoffs, RANKING_METRICS).

    lists : item rows, int32 (n, any length), best first, of which counts[r] are filled
    held_out, rows : the test items of list r are in row rows[r] of a CSR; NaN where recall, ndcg or map have none
    cutoffs : distinct, ascending
    reachable : for auc, what `kernels.metrics.count_reachable` counts
    """
    marks = 1 + max(int(held_out.indices.max(initial=0)), int(lists.max(initial=0)))
    values = np.empty((len(lists), len(cutoffs), len(RANKING_METRICS)))
    reach = np.zeros((len(lists), 3), np.int64) if reachable is None else reachable
    ks = np.array(cutoffs, np.int64)
    blocks = parallel.row_blocks(len(lists), BLOCK_LISTS)

    def measure(b: int) -> None:
        block = blocks[b]
        ranking_metrics(
            lists[block],
            counts[block],
            rows[block],
            held_out.indptr,
            held_out.indices,
            ks,
            reach[block],
            np.zeros(marks, np.bool_),
            values[block],
        )

    parallel.run(measure, len(blocks))
    return values


def losses(metric: str, errors: Doubles) -> Doubles:
    """Return what rmse and mae take the mean of."""
    return errors**2 if metric == "rmse" else np.abs(errors)


def of_mean_loss(metric: str, means: Any) -> Any:
    """Return rmse or mae from means of `losses`, an array or a number."""
    return np.sqrt(means) if metric == "rmse" else means
