"""The parameters that the README documents for MovieLens 1M give good lists.

They were chosen on a split of the training part: benchmarks/quality.py --choose.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tastemap as tm

DOCUMENTED = {"factors": 64, "unobserved_weight": 0.55, "regularization": 0.15, "frequency_exponent": 0.6}
SEEDS = (0, 1, 2)

# What another library's ALS recommended to user 4 after 100 iterations.
REFERENCE = {
    "Terminator 2: Judgment Day (1991)",
    "Indiana Jones and the Last Crusade (1989)",
    "Matrix, The (1999)",
    "Butch Cassidy and the Sundance Kid (1969)",
    "Aliens (1986)",
    "Star Wars: Episode V - The Empire Strikes Back (1980)",
    "Close Encounters of the Third Kind (1977)",
    "Godfather, The (1972)",
    "Planet of the Apes (1968)",
    "Rain Man (1988)",
}


@pytest.fixture(scope="module")
def movies(data_folder: Path) -> tm.datasets.Dataset:
    return tm.datasets.movielens("1m", path=data_folder / "ml-1m")


@pytest.fixture(scope="module")
def likes(movies: tm.datasets.Dataset) -> tm.Interactions:
    return movies.interactions.at_least(4).binarize()


@pytest.fixture(scope="module", params=SEEDS)
def model(request: pytest.FixtureRequest, likes: tm.Interactions) -> tm.ImplicitALS:
    return tm.ImplicitALS(**DOCUMENTED, seed=request.param).fit(likes)


def test_it_ranks_the_held_out_likes(likes: tm.Interactions) -> None:
    train, test = tm.split.random(likes, 0.2, seed=42)
    found = [tm.evaluate(tm.ImplicitALS(**DOCUMENTED, seed=seed).fit(train), test)["ndcg@10"] for seed in SEEDS]
    assert 0.332 <= np.mean(found) <= 0.345


def test_the_defaults_are_good_too(likes: tm.Interactions) -> None:
    train, test = tm.split.random(likes, 0.2, seed=42)
    assert 0.32 <= tm.evaluate(tm.ImplicitALS().fit(train), test)["ndcg@10"] <= 0.345


def test_the_neighbours_of_toy_story_are_for_the_family(model: tm.ImplicitALS, movies: tm.datasets.Dataset) -> None:
    (toy_story,) = movies.items.filter(movies.items["title"] == "Toy Story (1995)")["movie_id"]
    neighbours = model.similar_items(toy_story, k=10)["neighbour"]
    found = movies.items.filter(movies.items["movie_id"].is_in(neighbours.implode()))
    assert {"Toy Story 2 (1999)", "Bug's Life, A (1998)"} <= set(found["title"])
    assert found["genres"].str.contains("Animation|Children's").sum() >= 8


def test_user_4_gets_what_the_reference_gave(model: tm.ImplicitALS, movies: tm.datasets.Dataset) -> None:
    recommended = model.recommend(4, k=10)["movie_id"]
    titles = set(movies.items.filter(movies.items["movie_id"].is_in(recommended.implode()))["title"])
    assert len(titles & REFERENCE) >= 6
