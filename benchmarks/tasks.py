"""The data sets with their held-out parts, and the one measure of everybody's lists.

Users and items are rows of tastemap's id maps, in the peers' lists too: they get the training matrix of the same task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from side_by_side import DATA, Row

Array = npt.NDArray[Any]
METRICS = ("ndcg@10", "recall@10", "precision@10")
K = 10
TOY_STORY = 1
USERS_AT_ONCE = 1000
LAST_MONTH = datetime(2011, 11, 9)  # of Online Retail, which ends a month later
MONTH_BEFORE = datetime(2011, 10, 9)
DESKDROP_MOMENT = 1475519530


@cache
def ratings() -> Any:
    """MovieLens 1M, every rating."""
    return _movielens().interactions


@cache
def likes() -> Any:
    """MovieLens 1M's ratings of 4 and 5, as ones."""
    return ratings().at_least(4).binarize()


def movies() -> Any:
    """MovieLens 1M's frame of movie_id, title and genres."""
    return _movielens().items


@cache
def _movielens() -> Any:
    import tastemap as tm

    return tm.datasets.movielens("1m", path=DATA / "ml-1m")


@cache
def tweeted_ratings() -> Any:
    """MovieTweetings, every rating from 0 to 10."""
    import tastemap as tm

    columns = {"user": "user_id", "item": "movie_id", "weight": "rating", "time": "timestamp"}
    return tm.Interactions.from_file(DATA / "movietweetings" / "ratings.dat", **columns)


def tweeted_movies() -> Any:
    """MovieTweetings' frame of movie_id and title."""
    import polars as pl

    lines = (DATA / "movietweetings" / "movies.dat").read_text(encoding="utf-8").splitlines()
    return pl.DataFrame([line.split("::")[:2] for line in lines], schema=["movie_id", "title"], orient="row")


@cache
def held_out_likes() -> Any:
    """Train and test: a fifth of the likes, those where numpy.random.default_rng(42).random(n) < 0.2 in file order."""
    import tastemap as tm

    return tm.split.random(likes(), 0.2, seed=42)


def held_out_small_likes() -> tuple[Any, Any]:
    """Train and test: MovieLens 100K's ratings of 4 and 5 as ones, a random fifth held out."""
    import tastemap as tm

    return _hold_out(tm.datasets.movielens("100k").interactions.at_least(4).binarize())


def held_out_tweets() -> tuple[Any, Any]:
    """Train and test: MovieTweetings' ratings of 7 and more as ones, a random fifth held out."""
    return _hold_out(tweeted_ratings().at_least(7).binarize())


def held_out_artists() -> tuple[Any, Any]:
    """Train and test: Last.fm's listeners and artists, without the plays, a random fifth held out."""
    import tastemap as tm

    columns = {"user": "userID", "item": "artistID", "weight": "weight"}
    return _hold_out(tm.Interactions.from_file(DATA / "lastfm" / "user_artists.dat", **columns).binarize())


def held_out_reads() -> tuple[Any, Any]:
    """Train and test: Deskdrop's articles, damped by how strong the events are, a random fifth held out."""
    import tastemap as tm

    return _hold_out(tm.datasets.deskdrop(DATA / "deskdrop").interactions.log2())


def held_out_purchases() -> tuple[Any, Any]:
    """Train and test: Online Retail's products, damped by how often they were bought, a random fifth held out."""
    import tastemap as tm

    shop = tm.datasets.online_retail(DATA / "online-retail" / "online-retail.parquet")
    return _hold_out(shop.pairs(shop.events).log2())


def published_businesses() -> tuple[Any, Any]:
    """Train and test: Yelp2018 in the split on which graph recommenders publish."""
    import scipy.sparse as sp

    import tastemap as tm

    train, test = (
        tm.Interactions.from_csr(sp.load_npz(DATA / "yelp2018" / f"{part}.npz")) for part in ("train", "test")
    )
    return train, test


def _hold_out(pairs: Any) -> tuple[Any, Any]:
    import tastemap as tm

    return tm.split.random(pairs, 0.2, seed=1)


def ratings_less_held_out_likes() -> Any:
    """The ratings without the test part of `held_out_likes`."""
    every = ratings()
    likes = np.flatnonzero(every.matrix.data[every.input_order] >= 4)
    keep = np.ones(len(every), bool)
    keep[likes[np.random.default_rng(42).random(len(likes)) < 0.2]] = False
    return every.pick(keep)


def deskdrop() -> tuple[Any, Any]:
    """Train and test: articles read by people with at least five of them, split at one moment for all."""
    import tastemap as tm

    pairs = tm.datasets.deskdrop(DATA / "deskdrop").interactions.core(min_per_user=5).log2().compact()
    return tm.split.by_time(pairs, at=DESKDROP_MOMENT)


def online_retail(since: datetime, until: datetime | None = None) -> tuple[Any, Any]:
    """Train and test: purchases before a moment, weighted by how often they were made, and from it on."""
    import polars as pl

    import tastemap as tm

    shop = tm.datasets.online_retail(DATA / "online-retail" / "online-retail.parquet")
    moment = pl.col("InvoiceDate")
    lines = shop.events if until is None else shop.events.filter(moment < until)
    return shop.pairs(lines.filter(moment < since)), shop.pairs(lines.filter(moment >= since))


def fitted(name: str, parameters: Row, seed: int, train: Any) -> Any:
    """Fit tastemap's model of that name; models without chance take no seed."""
    import tastemap as tm

    make = tm.MODELS[name]
    if "seed" in [field.name for field in fields(make)]:
        parameters = parameters | {"seed": seed}
    return make(**parameters).fit(train, progress=False)


def best(scores: Callable[[Array], Array], rows: Array, seen: Any = None) -> Array:
    """Return the ten best items of user rows, int32 (n, 10), without what is in their rows of the CSR matrix `seen`."""
    lists = np.empty((len(rows), K), np.int32)
    for start in range(0, len(rows), USERS_AT_ONCE):
        block = rows[start : start + USERS_AT_ONCE]
        values = np.array(scores(block), np.float32)
        if seen is not None:
            values[seen[block].nonzero()] = -np.inf
        nearly = np.sort(np.argpartition(-values, K, axis=1)[:, :K], axis=1)
        order = np.argsort(-np.take_along_axis(values, nearly, axis=1), axis=1, kind="stable")
        lists[start : start + len(block)] = np.take_along_axis(nearly, order, axis=1)
    return lists


def tested(train: Any, test: Any) -> Array:
    """Return the rows of the users with a training and a test item: those that everybody is measured on."""
    return np.flatnonzero((np.diff(train.by_user.indptr) > 0) & (np.diff(test.by_user.indptr) > 0))


def values(lists: Array, rows: Array, test: Any) -> Array:
    """Return METRICS of each list, float64 (n, 3); list r is for user row rows[r] of `test`."""
    from tastemap.metrics.definitions import parse_all
    from tastemap.metrics.measure import ListBatch, ListMeasurer

    shown = ListBatch(np.ascontiguousarray(lists, np.int32), np.full(len(rows), K), test.by_user, rows)
    return ListMeasurer(parse_all(METRICS)).add(shown)


def means(lists: Array, rows: Array, test: Any) -> Row:
    return dict(zip(METRICS, values(lists, rows, test).mean(axis=0).tolist(), strict=True))


def measured(scores: Callable[[Array], Array], train: Any, test: Any, exclude_seen: bool = True) -> Row:
    """Rank for everybody and return the means of METRICS. `train` and `test` share their id maps."""
    rows = tested(train, test)
    return means(best(scores, rows, train.matrix if exclude_seen else None), rows, test)
