"""The matrices that the benchmarks fit: MovieLens 1M's likes, and made ones of any size.

They are made in a process of their own and kept in a folder, so that making them costs the measured process nothing.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from side_by_side import DATA

Ints = npt.NDArray[Any]

TASTES = 32  # groups of items that please the same people
FAVOURITES = 3  # groups a user likes
LOYALTY = 0.6  # the share of draws that come from these groups
CHUNK = 2_000_000  # pairs made at a time


def write_likes(folder: str, threads: int) -> dict[str, int]:
    """Write MovieLens 1M's ratings of 4 and 5; users and movies without one have no row."""
    import polars as pl

    path = DATA / "ml-1m" / "ratings.parquet"
    if not path.exists():
        raise SystemExit(f"there is no {path}: set TASTEMAP_DATA to the folder that holds ml-1m/")
    likes = pl.read_parquet(path, columns=["user_id", "movie_id", "rating"]).filter(pl.col("rating") >= 4)
    n_users, users = _compact(likes["user_id"].to_numpy())
    n_items, items = _compact(likes["movie_id"].to_numpy())
    order = np.lexsort((items, users))
    return write(folder, np.bincount(users, minlength=n_users), items[order], n_items)


def write_made(folder: str, n_pairs: int, threads: int, n_items: int | None = None) -> dict[str, int]:
    """Write about `n_pairs` distinct pairs that look like what people do.

    Size: users grow in proportion to the pairs (140 pairs a user on average) and items with their power .65, 3,700 at
    one million, about as in MovieLens from 1M to 20M, unless `n_items` says how many. Users' activity is log-normal
    (sigma 1), at least 5 pairs and at most a third of the catalogue. Items' popularity is Zipf-Mandelbrot,
    (rank + 40)^-1.3. Taste: every item belongs to one of 32 groups, every user likes 3 of them,
    and 60 % of a user's draws come from these, by popularity.
    """
    random = np.random.default_rng(0)
    n_users = max(n_pairs // 140, 20)
    n_items = n_items or round(3_700 * (n_pairs / 1e6) ** 0.65)
    activity = random.lognormal(sigma=1, size=n_users)
    wanted = np.clip(activity * n_pairs / activity.sum(), 5, n_items // 3).astype(np.int64)

    # Items lie side by side with the others of their group: a group is an interval of the cumulated popularity.
    popularity = (random.permutation(n_items) + 41.0) ** -1.3
    group = np.sort(random.integers(TASTES, size=n_items))
    cumulated = np.concatenate(([0.0], np.cumsum(popularity / popularity.sum())))
    bounds = cumulated[np.searchsorted(group, np.arange(TASTES + 1))]
    number = random.permutation(n_items)  # so that an item's row says nothing about it

    pieces, counts = [], np.zeros(n_users, np.int64)
    ends = np.cumsum(wanted)
    starts = [0, *np.flatnonzero(np.diff(ends // CHUNK)) + 1, n_users]
    for start, stop in itertools.pairwise(starts):
        likes = random.integers(TASTES, size=(stop - start, FAVOURITES))
        keys = _draw(random, wanted[start:stop], likes, cumulated, bounds, number)
        counts[start:stop] = np.bincount(keys // n_items, minlength=stop - start)
        pieces.append((keys % n_items).astype(np.int32))
    return write(folder, counts, np.concatenate(pieces), n_items)


def _draw(random: np.random.Generator, wanted: Ints, likes: Ints, cumulated: Ints, bounds: Ints, number: Ints) -> Ints:
    """Return user * n_items + item of distinct pairs, ascending: `wanted` for every user, or nearly so."""
    n_users, n_items = len(wanted), len(number)
    keys = np.empty(0, np.int64)
    for _ in range(8):  # heavy users meet the popular items again and again
        lacking = wanted - np.bincount(keys // n_items, minlength=n_users)
        users = np.repeat(np.arange(n_users), lacking)
        group = likes[users, random.integers(FAVOURITES, size=len(users))]
        loyal = random.random(len(users)) < LOYALTY
        low, high = np.where(loyal, bounds[group], 0), np.where(loyal, bounds[group + 1], 1)
        place = np.searchsorted(cumulated, low + (high - low) * random.random(len(users)), side="right") - 1
        keys = np.concatenate((keys, users * n_items + number[np.minimum(place, n_items - 1)]))
        keys.sort()  # np.unique hashes first, which is five times slower
        keys = keys[np.flatnonzero(np.diff(keys, prepend=-1))]
    return keys


def _compact(ids: Ints) -> tuple[int, Ints]:
    values, rows = np.unique(ids, return_inverse=True)
    return len(values), rows


def write(folder: str, counts: Ints, items: Ints, n_items: int) -> dict[str, int]:
    """Write the pairs of users with these numbers of items, whose items ascend."""
    np.save(Path(folder) / "indptr.npy", np.concatenate(([0], np.cumsum(counts))).astype(np.int32))
    np.save(Path(folder) / "indices.npy", items.astype(np.int32))
    np.save(Path(folder) / "n_items.npy", n_items)
    return {"users": len(counts), "items": n_items, "pairs": len(items)}


def read(folder: str, ratings: bool = False) -> Any:
    """Return the matrix in `folder` as scipy CSR, float32: every pair 1, or ratings of 1 to 5 in turn."""
    import scipy.sparse as sp

    indptr, indices = np.load(Path(folder) / "indptr.npy"), np.load(Path(folder) / "indices.npy")
    shape = (len(indptr) - 1, int(np.load(Path(folder) / "n_items.npy")))
    values = np.arange(len(indices)) % 5 + 1 if ratings else np.ones(len(indices))
    return sp.csr_matrix((values.astype(np.float32), indices, indptr), shape=shape)
