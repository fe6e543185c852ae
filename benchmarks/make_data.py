"""Makes sets that look like what people do, of any size, as files: a stream of purchases in the order of their times.

    python make_data.py FOLDER --millions 10                # one Parquet file
    python make_data.py FOLDER --millions 100 --parts 20    # a folder of 20
    python make_data.py FOLDER --millions 1 --csv --texts   # text, with ids such as "u0000123"

Size: one user for 100 rows, and items that grow with their power .7: 100 million rows have a million of each. Activity
is log-normal (sigma 1.2), popularity Zipf-Mandelbrot, (rank + 60)^-1.1. Taste: every item belongs to one of 64 groups,
every user likes 3 of them, and 60 % of what they do is there. Repeats: 15 % of the rows are one of a user's 4 usual
items again. Time: two years in seconds; users and items come one after another, a third of them before the first day,
and only those that are there act. The columns are user, item, quantity and time; rows of a chunk are made at a time, so
the memory does not grow with their number.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import polars as pl

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

GROUPS = 64
FAVOURITES = 3
LOYALTY = 0.6
REPEATS = 0.15
USUAL = 4
THERE = 1 / 3  # the share of users and items that are there on the first day
FIRST, SECONDS = 1_672_531_200, 2 * 365 * 86_400
CHUNK = 1_000_000


class People:
    """Users and items with their habits, from which rows are drawn.

    n_rows : how many rows will be drawn; users and items are as many as suit them
    """

    def __init__(self, n_rows: int, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.n_rows = n_rows
        self.n_users = max(n_rows // 100, 20)
        self.n_items = max(round(1e6 * (n_rows / 1e8) ** 0.7), GROUPS)
        # Users are in the order in which they come, items in that order within each group.
        self.active = _cumulate(self.random.lognormal(sigma=1.2, size=self.n_users))
        group = np.sort(self.random.integers(GROUPS, size=self.n_items))
        self.bounds = np.searchsorted(group, np.arange(GROUPS + 1))
        self.popular = _cumulate((self.random.permutation(self.n_items) + 61.0) ** -1.1)
        # Ids say nothing about when somebody came, what it is, or how popular.
        self.user_ids = self.random.permutation(self.n_users) + 1
        self.item_ids = self.random.permutation(self.n_items) + 1

    def draw(self, chunk: int = CHUNK) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """Give all rows, at most so many at a time: int64 user, item and time, ascending, and int32 quantity."""
        random = self.random
        chunk = min(chunk, max(self.n_rows // 100, 1))  # who is there changes from chunk to chunk
        for start in range(0, self.n_rows, chunk):
            n = min(chunk, self.n_rows - start)
            share = start / self.n_rows  # of the time that has passed
            there = THERE + (1 - THERE) * share
            users = np.searchsorted(self.active, self.active[round(there * self.n_users)] * random.random(n), "right")
            users = np.minimum(users - 1, self.n_users - 1)
            # What is usual for a user follows from the user's number alone, so nothing has to be remembered.
            again = random.random(n) < REPEATS
            which = random.integers(USUAL, size=n)
            chance, taste = random.random(n), random.random(n)
            chance[again] = _scatter(users[again], which[again])
            taste[again] = _scatter(users[again], which[again] + USUAL)
            liked = _scatter(users, 2 * USUAL + random.integers(FAVOURITES, size=n))
            group = (liked * GROUPS).astype(np.int64)
            sizes = np.maximum((there * np.diff(self.bounds)).astype(np.int64), 1)
            low, high = self.popular[self.bounds[:-1]], self.popular[np.minimum(self.bounds[:-1] + sizes, self.n_items)]
            strays = taste >= LOYALTY
            group[strays] = (
                np.searchsorted(_cumulate(high - low), (taste[strays] - LOYALTY) / (1 - LOYALTY), "right") - 1
            )
            at = low[group] + (high - low)[group] * chance
            items = np.minimum(np.searchsorted(self.popular, at, "right") - 1, self.n_items - 1)
            span = SECONDS * n / self.n_rows
            times = FIRST + SECONDS * share + np.sort(random.random(n)) * span
            yield {
                "user": self.user_ids[users],
                "item": self.item_ids[items],
                "quantity": random.geometric(0.7, n).astype(np.int32),
                "time": times.astype(np.int64),
            }


def _cumulate(weights: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(weights / weights.sum())))


def _scatter(users: Ints, number: Ints) -> Floats:
    """Return a number from 0 up to 1 that looks random and is always the same for a user and a small number."""
    bits = (users.astype(np.uint64) * np.uint64(16) + number.astype(np.uint64) + np.uint64(1)) * np.uint64(
        0x9E3779B97F4A7C15
    )
    bits ^= bits >> np.uint64(32)
    bits *= np.uint64(0xD6E8FEB86659FD93)
    bits ^= bits >> np.uint64(32)
    return (bits >> np.uint64(11)) / np.float64(1 << 53)


def write(
    folder: str | Path, n_rows: int, *, parts: int = 1, csv: bool = False, texts: bool = False, threads: int = 2
) -> dict[str, Any]:
    """Write the rows to `parts` files of the folder, and return their number of users and items and where they are.

    path : the file or, of several, the folder
    """
    from polars.io.plugins import register_io_source

    people = People(n_rows)
    each = -(-n_rows // parts)
    frames = (_as_frame(rows, texts) for rows in people.draw(min(CHUNK, each)))
    schema = _as_frame({name: np.zeros(0, np.int64) for name in ("user", "item", "quantity", "time")}, texts).schema
    kind = "csv" if csv else "parquet"
    Path(folder).mkdir(parents=True, exist_ok=True)
    for part in range(parts):
        wanted = min(each, n_rows - part * each)

        def source(*_: Any, wanted: int = wanted) -> Iterator[pl.DataFrame]:
            done = 0
            for frame in frames:  # whole ones, so that the last part may have fewer rows
                yield frame
                done += len(frame)
                if done >= wanted:
                    return

        path = Path(folder) / (f"rows.{kind}" if parts == 1 else f"part-{part:04}.{kind}")
        rows = register_io_source(source, schema=schema)
        rows.sink_csv(path) if csv else rows.sink_parquet(path, row_group_size=CHUNK)
    return {
        "rows": n_rows,
        "users": people.n_users,
        "items": people.n_items,
        "path": str(path if parts == 1 else folder),
    }


def _as_frame(rows: dict[str, npt.NDArray[Any]], texts: bool) -> pl.DataFrame:
    import polars as pl

    frame = pl.DataFrame(rows).with_columns(pl.col("quantity").cast(pl.Int32))
    if not texts:
        return frame
    return frame.with_columns(
        (mark + pl.col(name).cast(pl.String).str.zfill(7)).alias(name) for name, mark in (("user", "u"), ("item", "i"))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--millions", type=float, default=1, help="of rows")
    parser.add_argument("--parts", type=int, default=1, help="files, of equally many rows")
    parser.add_argument("--csv", action="store_true", help="text in place of Parquet")
    parser.add_argument("--texts", action="store_true", help="ids that are texts in place of numbers")
    options = parser.parse_args()
    n_rows = round(1e6 * options.millions)
    print(write(options.folder, n_rows, parts=options.parts, csv=options.csv, texts=options.texts))


if __name__ == "__main__":
    main()
