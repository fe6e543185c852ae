"""Cold start on MovieLens 1M: movies without a training pair are ranked by their features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tastemap as tm

DOCUMENTED = {"factors": 64, "unobserved_weight": 0.55, "regularization": 0.15, "frequency_exponent": 0.6}
K = 10


@pytest.fixture(scope="module")
def movies(data_folder: Path) -> pl.DataFrame:
    titles = tm.datasets.movielens("1m", path=data_folder / "ml-1m").items
    year = pl.col("title").str.extract(r"\((\d{4})\)$").cast(pl.Int64)
    words = pl.col("title").str.to_lowercase().str.extract_all("[a-z]{3,}")
    return titles.with_columns(decade=(year // 10).cast(pl.String), words=words)


@pytest.fixture(scope="module")
def features(movies: pl.DataFrame) -> tm.Features:
    columns = ["genres", "decade", "words"]
    return tm.Features.from_frame(movies, id="movie_id", columns=columns, separator={"genres": "|"})


@pytest.fixture(scope="module")
def split(ml1m_ratings: tm.Interactions) -> tuple[tm.Interactions, tm.Interactions]:
    return tm.split.random(ml1m_ratings.at_least(4).binarize(), 0.2, seed=42)


def ndcg(lists: pl.DataFrame, wanted: pl.DataFrame) -> float:
    """Return NDCG@10 of the lists, averaged over the users who want something."""
    hits = lists.join(wanted, on=["user_id", "movie_id"])
    gains = hits.group_by("user_id").agg(gain=(1 / (pl.col("rank") + 1).log(2)).sum())
    ideal = np.cumsum(1 / np.log2(np.arange(2, K + 2)))
    users = wanted.group_by("user_id").len().join(gains, on="user_id", how="left")
    return float((users["gain"].fill_null(0).to_numpy() / ideal[np.minimum(users["len"].to_numpy(), K) - 1]).mean())


def same_for_all(ranking: list[int], users: pl.Series) -> pl.DataFrame:
    best = pl.DataFrame({"movie_id": ranking[:K], "rank": np.arange(1, min(len(ranking), K) + 1)})
    return users.to_frame("user_id").join(best, how="cross")


def test_unseen_movies_are_ranked_by_what_is_known_of_them(
    movies: pl.DataFrame, features: tm.Features, split: tuple[tm.Interactions, tm.Interactions]
) -> None:
    train, test = split
    rng = np.random.default_rng(0)
    liked = train.items.take(np.flatnonzero(np.bincount(train.matrix.indices, minlength=len(train.items))))
    unseen = rng.choice(liked.sort().to_numpy(), len(liked) // 10, replace=False)
    train = train.pick(~train.to_frame()["movie_id"].is_in(unseen).to_numpy())
    wanted = test.to_frame().filter(pl.col("movie_id").is_in(unseen)).select("user_id", "movie_id")
    users = wanted["user_id"].unique()

    popularity = train.to_frame().group_by("movie_id").len()
    genres = movies.select("movie_id", genre=pl.col("genres").str.split("|")).explode("genre")
    of_genre = genres.join(popularity, on="movie_id").group_by("genre").agg(pl.col("len").mean())
    by_genre = genres.filter(pl.col("movie_id").is_in(unseen)).join(of_genre, on="genre")
    by_genre = by_genre.group_by("movie_id").agg(pl.col("len").mean()).sort("len", "movie_id", descending=True)

    model = tm.ImplicitALS(**DOCUMENTED).fit(train, item_features=features)
    ours = ndcg(model.recommend(users, candidates=unseen), wanted)
    chance = np.mean([ndcg(same_for_all(rng.permutation(unseen).tolist(), users), wanted) for _ in range(50)])
    assert 3 * chance < ours < 0.25
    assert ours > 1.5 * ndcg(same_for_all(by_genre["movie_id"].to_list(), users), wanted)


def test_features_cost_little_where_every_movie_is_known(
    features: tm.Features, split: tuple[tm.Interactions, tm.Interactions]
) -> None:
    train, test = split
    plain, described = (
        tm.evaluate(tm.ImplicitALS(**DOCUMENTED).fit(train, **given), test)["ndcg@10"]
        for given in ({}, {"item_features": features})
    )
    assert plain - 0.003 < described < plain + 0.01
