"""What this machine can do at most, and how much of it each kernel uses, on MovieLens 1M's likes.

The peak is the better of a matrix product (float32, 2048 x 2048) and of eight independent chains of fused
multiply-adds in registers: BLAS may run the kernel of an older processor, where it does not know this one or where
OPENBLAS_CORETYPE tells it to. The bandwidth is the best of several runs of STREAM's triad, a = b + s c on arrays of
100 MB, 24 bytes an element.

Flops and bytes are counted from the algorithms, not measured (n pairs in a row, w factors, s steps):

cg_rows         flops  n w (7 + 4 s) + w (6 + 13 s)   residual and diagonal take 7 n w, a step's two passes 4 n w
                bytes  4 n w + 8 n + 8 w              the gathered rows once, the pairs, the row in and out
cholesky_rows   flops  n w (w + 4) + w^3 / 3 + 2 w^2  half of the outer products, scaling, target; factor; solve
                bytes  4 n w + 8 n + 4 w
recommend       flops  2 users items w                the matrix product; ranking is all overhead
                bytes  8 users items                  every score written and read
BPR epoch       flops  n 28 w                         a difference of scores takes 3 w, a step on three rows 25 w
                bytes  n (24 w + 32)                  three rows in and out; a pair dealt and read again
WARP epoch      flops  n w (2 + 16 g + 25 v)          g groups of eight negatives scored for a pair, v steps taken
                bytes  n (4 w (2 + 8 g + 3 v) + 32)   the rows scored in, three rows out
SVD epoch       flops  n 8 w                          a product takes 2 w, a step on two rows 6 w
                bytes  n (16 w + 32)

In the epochs n is all pairs and w the width of a row, with up to three numbers beside the factors in whole cache lines:
80 for 64. g and v are expectations, from the scores of a thousand pairs at the end of the epochs that are timed. SVD
gets ratings of 1 to 5 in turn.

Where the working set lies in a cache, as most of it does here, a share of the bandwidth above 100 % is no error.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matrices
import numpy as np
from side_by_side import Report, Row, command_line, fresh, processor

PRODUCT = 2048
CHAINS, CHAIN_LENGTH = 8, 20_000_000
TRIAD = 100_000_000 // 8
BLOCK_PAIRS = 1 << 14
CG_STEPS = 2
CALLS = 7
EPOCHS = 5
PAIRS_LOOKED_AT = 1000
LINE = 16  # numbers in a cache line
GROUP = 8  # negatives that WARP scores at once


def limits(threads: int) -> Row:
    product, triad = _product(), _triad(threads)
    return {"gemm": product, "fused": _fused(threads), "bandwidth": triad, "blas": _blas()}


def _product() -> float:
    a = np.random.default_rng(0).random((PRODUCT, PRODUCT), np.float32)
    out = np.empty_like(a)
    return 2 * PRODUCT**3 / _best(lambda: np.matmul(a, a, out=out))


def _fused(threads: int) -> float:
    import numba

    from tastemap import parallel
    from tastemap.kernels.core.simd import LANES, load, multiply_add, splat, store

    @numba.njit(nogil=True)
    def chains(a, length):
        x, y = load(a, 0), load(a, LANES)
        s0, s1, s2, s3 = splat(a[0]), splat(a[1]), splat(a[2]), splat(a[3])
        s4, s5, s6, s7 = splat(a[4]), splat(a[5]), splat(a[6]), splat(a[7])
        for _ in range(length):
            s0 = multiply_add(s0, x, y)
            s1 = multiply_add(s1, x, y)
            s2 = multiply_add(s2, x, y)
            s3 = multiply_add(s3, x, y)
            s4 = multiply_add(s4, x, y)
            s5 = multiply_add(s5, x, y)
            s6 = multiply_add(s6, x, y)
            s7 = multiply_add(s7, x, y)
        for k, s in enumerate((s0, s1, s2, s3, s4, s5, s6, s7)):
            store(a, k * LANES, s)

    starts = [np.linspace(0.1, 0.9, CHAINS * LANES, dtype=np.float32) for _ in range(threads)]
    chains(starts[0].copy(), 1)
    seconds = _best(lambda: parallel.run(lambda t: chains(starts[t], CHAIN_LENGTH), threads))
    return 2 * LANES * CHAINS * CHAIN_LENGTH * threads / seconds


def _triad(threads: int) -> float:
    import numba

    from tastemap import parallel

    @numba.njit(nogil=True)
    def triad(a, b, c, s):
        for i in range(len(a)):
            a[i] = b[i] + s * c[i]

    a, b, c = (np.full(TRIAD, value) for value in (0.0, 1.0, 2.0))
    parts = [slice(t * TRIAD // threads, (t + 1) * TRIAD // threads) for t in range(threads)]
    triad(a[:1], b[:1], c[:1], 3.0)
    seconds = _best(lambda: parallel.run(lambda t: triad(a[parts[t]], b[parts[t]], c[parts[t]], 3.0), threads))
    return 24 * TRIAD / seconds


def _best(run: Callable[[], Any]) -> float:
    times = []
    for _ in range(CALLS):
        before = time.perf_counter()
        run()
        times.append(time.perf_counter() - before)
    return min(times)


def _blas() -> str:
    from threadpoolctl import threadpool_info

    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return ", ".join(f"{pool['internal_api']} {pool['version']} for {pool.get('architecture', '?')}" for pool in found)


def kernel(name: str, folder: str, factors: int, threads: int) -> Row:
    """Seconds, flops and bytes of both half-steps of an epoch, on made-up factors."""
    import tastemap as tm
    from tastemap import parallel
    from tastemap.kernels.implicit_als import cg_rows, cholesky_rows

    interactions = tm.Interactions.from_csr(matrices.read(folder))
    random = np.random.default_rng(0)
    users, items = (random.random((n, factors), np.float32) / factors**0.5 for n in interactions.shape)
    total = {"seconds": 0.0, "flops": 0.0, "bytes": 0.0}
    for pairs, P, Q in ((interactions.by_user, users, items), (interactions.by_item, items, users)):
        gram = (0.3 * Q.T @ Q).astype(np.float32)
        ridge = np.full(len(P), 30, np.float32)
        cuts = np.searchsorted(pairs.indptr, np.arange(0, len(pairs.indices), BLOCK_PAIRS))
        cuts = np.unique(np.append(cuts, len(P))).tolist()
        common = (P, Q, np.diag(gram).copy() if name == "cg_rows" else gram, ridge, np.float32(1), np.float32(0))

        def solve(b: int, pairs: Any = pairs, cuts: list[int] = cuts, common: tuple[Any, ...] = common) -> None:
            if name == "cg_rows":
                cg_rows(*pairs, cuts[b], cuts[b + 1], *common, CG_STEPS)
            else:
                cholesky_rows(*pairs, cuts[b], cuts[b + 1], *common)

        times = []
        for _ in range(1 + CALLS):  # the first loads the kernel
            before = time.perf_counter()
            parallel.run(solve, len(cuts) - 1)
            times.append(time.perf_counter() - before)
        total["seconds"] += statistics.median(times[1:])
        n, rows, w = len(pairs.indices), len(P), factors
        if name == "cg_rows":
            total["flops"] += n * w * (7 + 4 * CG_STEPS) + rows * w * (6 + 13 * CG_STEPS)
            total["bytes"] += 4 * n * w + 8 * n + 8 * rows * w
        else:
            total["flops"] += n * w * (w + 4) + rows * (w**3 / 3 + 2 * w**2)
            total["bytes"] += 4 * n * w + 8 * n + 4 * rows * w
    return total


def descent(name: str, folder: str, factors: int, threads: int) -> Row:
    """The median epoch of a model that is trained by steps for every pair."""
    import tastemap as tm

    interactions = tm.Interactions.from_csr(matrices.read(folder, ratings=name == "SVD"))
    model = tm.MODELS[name](factors=factors, epochs=1 + EPOCHS).fit(interactions, progress=False)
    n, w = len(interactions), -(-(factors + 3) // LINE) * LINE
    if name == "BPR":
        flops, moved = 28 * w, 24 * w + 32
    elif name == "SVD":
        flops, moved = 8 * w, 16 * w + 32
    else:
        groups, steps = _warp_work(model, interactions)
        flops, moved = w * (2 + 2 * GROUP * groups + 25 * steps), 4 * w * (2 + GROUP * groups + 3 * steps) + 32
    seconds = statistics.median(epoch.seconds for epoch in model.epochs_[1:])  # the first loads the kernels
    return {"seconds": seconds, "flops": n * flops, "bytes": n * moved}


def _warp_work(model: Any, interactions: Any) -> tuple[float, float]:
    """How many groups of negatives a pair scores, and how many steps it takes, on average."""
    picked = np.random.default_rng(0).integers(len(interactions), size=PAIRS_LOOKED_AT)
    users, items = interactions.row_of_pair()[picked], interactions.matrix.indices[picked]
    scores = model.user_factors_[users] @ model.item_factors_.T + model.item_biases_
    threshold = scores[np.arange(len(picked)), items] - 1
    is_other = np.ones(scores.shape, bool)
    is_other[interactions.matrix[users].nonzero()] = False
    spared = 1 - ((scores > threshold[:, None]) & is_other).sum(axis=1) / is_other.sum(axis=1)
    # A group is scored where the ones before held no violation.
    groups = sum(spared ** (GROUP * g) for g in range(-(-model.max_sampled // GROUP)))
    return float(groups.mean()), float((1 - spared**model.max_sampled).mean())


def recommend(folder: str, factors: int, threads: int) -> Row:
    import tastemap as tm

    interactions = tm.Interactions.from_csr(matrices.read(folder))
    model = tm.ImplicitALS(factors=factors, epochs=3).fit(interactions, progress=False)
    users = np.arange(len(model.users))
    times = []
    for _ in range(1 + CALLS):
        before = time.perf_counter()
        model.recommend_rows(users, 10)
        times.append(time.perf_counter() - before)
    scores = len(model.users) * len(model.items)
    return {"seconds": statistics.median(times[1:]), "flops": 2 * scores * factors, "bytes": 8 * scores}


def caches() -> str:
    found = []
    for cache in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((cache / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return ", ".join(found) or "caches unknown"


def main() -> None:
    options = command_line(__doc__).parse_args()
    report = Report(options.json)
    most = {threads: fresh(limits, threads=threads) for threads in (1, 2)}
    report.table(
        f"The machine: {processor()}, {caches()}",
        [
            {
                "threads": threads,
                "matrix product GFlop/s": limit["gemm"] / 1e9,
                "multiply-adds GFlop/s": limit["fused"] / 1e9,
                "triad GB/s": limit["bandwidth"] / 1e9,
            }
            for threads, limit in most.items()
        ],
        f"BLAS kernels: {most[1]['blas']}.",
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        fresh(matrices.write_likes, folder=folder, threads=1)
        for factors in (64,) if options.quick else (64, 128, 256):
            for threads in (1, 2):
                case = {"folder": folder, "factors": factors, "threads": threads}
                for name in ("cg_rows", "cholesky_rows"):
                    rows.append(_row(name, case, fresh(kernel, name=name, **case), most[threads]))
                for name in ("BPR", "WARP", "SVD"):
                    rows.append(_row(f"{name} epoch", case, fresh(descent, name=name, **case), most[threads]))
                rows.append(_row("recommend", case, fresh(recommend, **case), most[threads]))
    report.table("How near the kernels come", rows, "ALS: both half-steps of an epoch. Recommending 10 to everyone.")
    report.finish()


def _row(name: str, case: Row, found: Row, limit: Row) -> Row:
    flops, moved = found["flops"] / found["seconds"], found["bytes"] / found["seconds"]
    return {
        "kernel": name,
        "factors": case["factors"],
        "threads": case["threads"],
        "seconds": found["seconds"],
        "GFlop/s": flops / 1e9,
        "of peak": f"{flops / max(limit['gemm'], limit['fused']):.0%}",
        "GB/s": moved / 1e9,
        "of bandwidth": f"{moved / limit['bandwidth']:.0%}",
    }


if __name__ == "__main__":
    main()
