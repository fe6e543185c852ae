"""The ranking metrics of given lists: those that only compare a list with test items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tastemap import parallel
from tastemap.data._pairs import Rows
from tastemap.kernels.metrics import RANKING_METRICS, ranking_metrics
from tastemap.typing import Doubles, RowNumbers

# The number of lists that one thread measures at a time.
BLOCK_LISTS = 1024


def measure_lists(
    lists: npt.NDArray[np.int32],
    counts: RowNumbers,
    held_out: Rows,
    rows: RowNumbers,
    cutoffs: Sequence[int],
    reachable: RowNumbers | None = None,
) -> Doubles:
    """Return every ranking metric of given lists at every cut-off: float64, (n, cutoffs, RANKING_METRICS).

    lists : item rows, int32 (n, any length), best first; the first counts[r] places of row r are filled
    held_out, rows : the test items of list r are in row rows[r] of a CSR; a row without test items gives NaN for
        recall, ndcg and map
    cutoffs : distinct, ascending
    reachable : for auc, the counts of `kernels.metrics.count_reachable`; None where auc is not needed
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
