"""Similar items of models with factors: what is known of a neighbour counts, and films of a series are near."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
from tastemap.datasets import Dataset

LISTS = {"a": "12", "b": "123", "c": "13", "d": "45", "e": "456", "f": "46", "g": "14"}
PAIRS = pl.DataFrame([(user, item) for user in LISTS for item in LISTS[user]], schema=["user", "item"], orient="row")
KINDS = pl.DataFrame({"item": [*"1234567"], "kind": [*"xxxyyyx"]})
SERIES = ("Star Trek", "Aliens?", "Batman", "Star Wars|Empire Strikes|Return of the Jedi", "Die Hard")
FACTOR_MODELS = [tm.ImplicitALS, tm.BPR, tm.WARP]


def find_cosines(model: Any, item: str) -> dict[str, float]:
    ids, vectors = model.item_vectors()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return dict(zip(ids, unit @ unit[ids.to_list().index(item)], strict=True))


@pytest.mark.parametrize("make", FACTOR_MODELS)
def test_an_item_known_by_its_features_alone_counts_half(make: Any) -> None:
    features = tm.Features.from_frame(KINDS, id="item", columns="kind")
    model = make(factors=3).fit(tm.Interactions.from_frame(PAIRS), item_features=features, progress=False)
    pairs = {**dict(zip(model.items, model.popularity_.tolist(), strict=True)), "7": 0}
    cosines = find_cosines(model, "1")
    for neighbour, score in model.similar_items("1", k=9).select("neighbour", "score").rows():
        known = pairs[neighbour] + 3
        assert score == pytest.approx(cosines[neighbour] * known / (known + 3), abs=1e-6)


@pytest.mark.parametrize("make", FACTOR_MODELS)
def test_one_item_and_one_user_have_no_neighbours_and_no_error(make: Any) -> None:
    model = make(factors=3).fit(tm.Interactions.from_frame({"user": ["a"], "item": ["1"]}), progress=False)
    assert len(model.similar_items("1")) == len(model.similar_users("a")) == 0


@pytest.mark.parametrize("make", FACTOR_MODELS)
def test_neighbours_are_the_same_from_a_file_and_one_by_one(make: Any, tmp_path: Any) -> None:
    model = make(factors=3).fit(tm.Interactions.from_frame(PAIRS), progress=False)
    model.save(tmp_path / "model")
    loaded = tm.load(tmp_path / "model")
    assert loaded.similar_items([*"123456"]).equals(model.similar_items([*"123456"]))
    assert loaded.similar_users([*"abc"]).equals(model.similar_users([*"abc"]))


# The lowest and the highest mean reciprocal rank; by the plain cosine .69, .66 and .72.
@pytest.mark.parametrize(
    ("make", "band"), [(tm.ImplicitALS, (0.7, 0.83)), (tm.BPR, (0.68, 0.8)), (tm.WARP, (0.77, 0.9))]
)
def test_the_films_of_a_series_are_near(make: Any, band: tuple[float, float], ml100k: Dataset) -> None:
    model = make().fit(ml100k.interactions.at_least(4).binarize(), progress=False)
    many = dict(zip(model.items, model.popularity_ >= 15, strict=True))
    titles = {film: title for film, title in ml100k.items.select("movie_id", "title").rows() if many.get(film)}
    first = []
    for start in SERIES:
        films = {film for film, title in titles.items() if re.match(start, title)}
        for film in films:
            near = model.similar_items(film, k=100)["neighbour"].to_list()
            first.append(1 / (1 + min(near.index(other) if other in near else 10**9 for other in films - {film})))
    assert band[0] <= np.mean(first) <= band[1]
