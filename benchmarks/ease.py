"""Time EASE on 16,000 items beside RecTools, its memory, and whether both rank MovieLens 1M alike.

The large matrix is made (see matrices.write_made): as many pairs as belong to 16,000 items, about 9.5 million; with
`--pairs` fewer or more of them over the same number of items. The fit is timed from the matrix (RecTools: from its
Dataset) to the weights. RecTools 0.19 multiplies sparse matrices and inverts in 32 bits, tastemap in 64.
Memory is the most resident bytes during the fit less what was resident before, with the matrix already read. RecTools
needs minutes and 4 GB or more: `--rounds 1` may do.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from typing import Any

import matrices
from side_by_side import Report, Row, alternate, command_line, fresh, median, memory_now, memory_peak, met

REGULARIZATION = 500.0
N_ITEMS, PAIRS = 16_000, 9_500_000
QUICK_ITEMS, QUICK_PAIRS = 2_000, 390_000
TARGET = 0.5


def tastemap(folder: str, threads: int) -> Row:
    import tastemap as tm

    _ease(tm.Interactions.from_csr(_tiny()))
    interactions = tm.Interactions.from_csr(matrices.read(folder))
    before = memory_now()
    start = time.perf_counter()
    _ease(interactions)
    return {"seconds": time.perf_counter() - start, "memory": memory_peak() - before}


def rectools(folder: str, threads: int) -> Row:
    import peers

    peers.rectools_ease(_tiny(), 0, threads, regularization=REGULARIZATION)
    matrix = matrices.read(folder)
    before = memory_now()
    return {
        "seconds": peers.rectools_ease(matrix, 0, threads, regularization=REGULARIZATION).seconds,
        "memory": memory_peak() - before,
    }


def alike(threads: int) -> list[Row]:
    """Rank the held-out likes of MovieLens 1M with both."""
    import numpy as np
    import peers
    import tasks

    train, test = tasks.held_out_likes()
    model = _ease(train)
    peer = peers.rectools_ease(train.matrix, 0, threads, regularization=REGULARIZATION)
    rows = tasks.tested(train, test)
    lists = {"tastemap": model.recommend_rows(rows, 10).rows, "RecTools": tasks.best(peer.scores, rows, train.matrix)}
    same = (np.sort(lists["tastemap"]) == np.sort(lists["RecTools"])).all(axis=1).mean()
    return [
        {"library": name} | tasks.means(found, rows, test) | {"same sets as RecTools": f"{same:.2%}"}
        for name, found in lists.items()
    ]


def _ease(interactions: Any) -> Any:
    import tastemap as tm

    # As RecTools has it, without dropout and exponents.
    plain = tm.EASE(regularization=REGULARIZATION, dropout=0.0, user_exponent=0.0, item_exponent=0.0)
    return plain.fit(interactions, progress=False)


def _tiny() -> Any:
    import numpy as np
    import scipy.sparse as sp

    return sp.csr_matrix(np.eye(50, 40, dtype=np.float32))


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--ours-only", action="store_true", help="leave RecTools out")
    options = parser.parse_args()
    report = Report(options.json)
    n_items, n_pairs, rounds = N_ITEMS, options.pairs, options.rounds
    if options.quick:
        n_items, n_pairs, rounds = QUICK_ITEMS, QUICK_PAIRS, 1
    functions = [tastemap] if options.ours_only else [tastemap, rectools]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        size = fresh(matrices.write_made, folder=folder, n_pairs=n_pairs, n_items=n_items, threads=1)
        for threads in (1, 2):
            runs = {function.__name__: partial(_run, function, folder, threads) for function in functions}
            found = alternate(rounds, runs)
            for name, results in found.items():
                row = {"threads": threads, "library": name, "fit s": median(results, "seconds")}
                row["memory GB"] = median(results, "memory") / 1e9
                row["in n² floats of 64 bits"] = median(results, "memory") / (8 * size["items"] ** 2)
                if name == "tastemap" and len(found) > 1:
                    ratio = row["fit s"] / median(found["rectools"], "seconds")
                    row |= {"ratio": ratio, "target": TARGET, "met": met(ratio, TARGET)}
                rows.append(row)
    shape = f"{size['items']:,} items, {size['users']:,} users, {size['pairs']:,} pairs"
    report.table(f"EASE: {shape}", rows)
    if not options.ours_only:
        report.table("EASE on the held-out likes of MovieLens 1M", fresh(alike, threads=2))
    report.finish()


def _run(function: Any, folder: str, threads: int, round_number: int) -> Row:
    return fresh(function, folder=folder, threads=threads)


if __name__ == "__main__":
    main()
