"""The memory that `Model.memory` tells beside the memory that a process takes, for every model.

The data are made (see matrices.write_made); for models of ratings every pair has one of 1 to 5. A child fits a tiny
set, reads the matrix, and asks what the model will take; then it fits, and writes the lists of all users to a file.
What it took is resident bytes beyond those before: of the fit the most, of keeping those after it, of the lists the
most beyond these. The allocator is told to give back what is freed, of which it keeps up to 64 MB otherwise. The target
is within 10 % for each, or within 3 MB: threads and a writer take about as much. With --real the data are Yelp's and
Last.fm's, which the formulas were not made with.
"""

from __future__ import annotations

import ctypes
import gc
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import matrices
from side_by_side import DATA, Report, Row, command_line, fresh, memory_now, memory_peak

MILLIONS = [1.0, 3.0, 10.0]
WIDE = 30  # so many times the usual items, in one more size
MOST_OFF, NOISE = 0.1, 3e6
RATINGS = ("SVD", "SVDpp", "ExplicitALS")
MMAP_THRESHOLD = -3  # of mallopt, in glibc
REAL = ("yelp2018", "lastfm")
# EASE's n squared and GraphFilter's kernel outgrow a machine on the widest data.
NARROW = ("EASE", "GraphFilter", "NextItem")
# The most millions of pairs that a model is given which takes an hour for more.
MOST_MILLIONS = {"NextItem": 3.0}

MODELS: dict[str, tuple[str, Row]] = {
    "Random": ("Random", {}),
    "Popular": ("Popular", {}),
    "PersonalPopular": ("PersonalPopular", {}),
    "ImplicitALS": ("ImplicitALS", {"factors": 64, "epochs": 2}),
    "ImplicitALS, 50 factors": ("ImplicitALS", {"factors": 50, "epochs": 1}),
    "ImplicitALS, subspace": ("ImplicitALS", {"factors": 128, "epochs": 1, "solver": "subspace"}),
    "ImplicitALS, cholesky, hu": ("ImplicitALS", {"factors": 64, "epochs": 1, "solver": "cholesky", "loss": "hu"}),
    "BPR": ("BPR", {"factors": 64, "epochs": 2}),
    "WARP": ("WARP", {"factors": 64, "epochs": 2}),
    "SVD": ("SVD", {"factors": 64, "epochs": 2}),
    "SVDpp": ("SVDpp", {"factors": 64, "epochs": 2}),
    "ExplicitALS": ("ExplicitALS", {"factors": 64, "epochs": 2}),
    "ItemKNN": ("ItemKNN", {}),
    "EASE": ("EASE", {}),
    "GraphFilter": ("GraphFilter", {}),
    "NextItem": ("NextItem", {}),
}


def measure(model: str, folder: str, threads: int) -> Row:
    import numpy as np
    import scipy.sparse as sp

    import tastemap as tm

    kind, parameters = MODELS[model]
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, 1 << 18)
    weights = sp.csr_matrix(np.eye(300, 200, dtype=np.float32) + 2 * np.eye(300, 200, k=1, dtype=np.float32))
    small = tm.MODELS[kind](**parameters).fit(_take(weights, kind), progress=False)
    small.recommend_all(Path(folder) / "small.parquet")
    told = tm.MODELS[kind](**parameters).memory(_read(folder, kind))
    interactions = _read(folder, kind)
    fitted = tm.MODELS[kind](**parameters)
    before = _settle()
    fitted.fit(interactions, progress=False)
    fit = memory_peak() - before
    after = _settle()
    fitted.recommend_all(Path(folder) / "all.parquet")
    return {
        "pairs": len(interactions),
        "users": len(interactions.users),
        "items": len(interactions.items),
        "fit": [told.fit, fit],
        "keep": [told.keep, after - before],
        "recommend_all": [told.recommend_all, memory_peak() - after],
    }


def _read(folder: str, kind: str) -> Any:
    return _take(matrices.read(folder, kind in RATINGS), kind)


def _take(matrix: Any, kind: str) -> Any:
    """Return interactions; a model of order gets a time for each pair, the last items of a row the last times."""
    import numpy as np

    import tastemap as tm

    if not tm.MODELS[kind].abilities.uses_order:
        return tm.Interactions.from_csr(matrix)
    pairs = matrix.tocoo()
    rows = {"user": pairs.row, "item": pairs.col, "time": np.arange(matrix.nnz)}
    return tm.Interactions.from_frame(rows, time="time", users=range(matrix.shape[0]), items=range(matrix.shape[1]))


def _settle() -> int:
    """Give back what nothing uses, forget the peak so far, and return the resident bytes; on Linux."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return memory_now()


def write_real(folder: str, name: str, threads: int) -> Row:
    """Write the training pairs of a public set as a matrix."""
    import numpy as np
    import polars as pl
    import scipy.sparse as sp

    if name == "yelp2018":
        pairs = sp.load_npz(DATA / name / "train.npz").tocsr()
    else:
        table = pl.read_csv(DATA / name / "user_artists.dat", separator="\t", quote_char=None)
        users, items = (table[column].rank("dense").to_numpy() - 1 for column in ("userID", "artistID"))
        pairs = sp.csr_matrix((np.ones(len(table), np.float32), (users, items)))
    pairs.sort_indices()
    return matrices.write(folder, np.diff(pairs.indptr), pairs.indices, pairs.shape[1])


def rows_of(data: str, folder: str, models: list[str]) -> list[Row]:
    rows = []
    for model in models:
        found = fresh(measure, model=model, folder=folder, threads=1)
        row = {"model": model, "data": data, **{name: found[name] for name in ("pairs", "users", "items")}}
        for stage in ("fit", "keep", "recommend_all"):
            told, took = found[stage]
            near = abs(told - took) <= max(MOST_OFF * took, NOISE)
            row |= {f"{stage} told MB": told / 1e6, f"{stage} took MB": took / 1e6}
            row |= {f"{stage} told / took": told / took if took > 0 else 0, f"{stage} near": "yes" if near else "NO"}
        rows.append(row)
        print(row, flush=True)
    return rows


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=MILLIONS, help="of pairs")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--real", nargs="*", choices=REAL, default=[], help="public sets too")
    options = parser.parse_args()
    report = Report(options.json)
    sizes = [0.1] if options.quick else options.millions
    rows = []
    for millions in sizes:
        with tempfile.TemporaryDirectory() as folder:
            fresh(matrices.write_made, folder=folder, n_pairs=round(1e6 * millions), threads=1)
            some = [name for name in options.models if millions <= MOST_MILLIONS.get(name, millions)]
            rows += rows_of(f"made, {millions:g} million", folder, some)
    if not options.quick:
        with tempfile.TemporaryDirectory() as folder:
            n_items = round(WIDE * 3_700)
            fresh(matrices.write_made, folder=folder, n_pairs=10**6, n_items=n_items, threads=1)
            rows += rows_of("made, many items", folder, [name for name in options.models if name not in NARROW])
    for name in options.real:
        with tempfile.TemporaryDirectory() as folder:
            fresh(write_real, folder=folder, name=name, threads=1)
            rows += rows_of(name, folder, [name for name in options.models if name not in ("EASE", *RATINGS)])
    report.table("Memory told and taken", rows, f"near: within {MOST_OFF:.0%}, or {NOISE / 1e6:.0f} MB")
    report.finish()


if __name__ == "__main__":
    main()
