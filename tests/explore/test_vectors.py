from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tastemap as tm
from tastemap.errors import NotSupportedError
from tastemap.explore.atlas import vectors
from tastemap.explore.atlas.vectors import choose_rows, find_vectors


@pytest.fixture(scope="module")
def likes() -> tm.Interactions:
    """Two halves of users and of items that have little to do with each other."""
    rng = np.random.default_rng(5)
    is_alike = np.arange(60)[:, None] % 2 == np.arange(40) % 2
    users, items = np.nonzero(rng.random((60, 40)) < np.where(is_alike, 0.6, 0.02))
    return tm.Interactions.from_frame({"user": users, "item": items})


@pytest.mark.parametrize(
    "model",
    [tm.ImplicitALS(factors=4), tm.BPR(factors=4), tm.EASE(), tm.ItemKNN(), tm.GraphFilter(), tm.Popular()],
    ids=lambda model: type(model).__name__,
)
def test_items_that_the_same_people_like_have_a_high_cosine(likes: tm.Interactions, model: tm.Model) -> None:
    rows, found = find_vectors(model.fit(likes, progress=False))
    half = np.array([likes.items[int(row)] for row in rows]) % 2
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    cosines = unit @ unit.T
    is_alike = half[:, None] == half
    np.fill_diagonal(is_alike, False)
    assert found.dtype == np.float32
    assert cosines[is_alike].mean() > cosines[half[:, None] != half].mean() + 0.2


def test_a_model_with_factors_has_the_vectors_of_similar_items(likes: tm.Interactions) -> None:
    model = tm.ImplicitALS(factors=4).fit(likes, progress=False)
    rows, found = find_vectors(model)
    ids, expected = model.item_vectors()
    assert model.items.take(rows).to_list() == ids.to_list()
    np.testing.assert_array_equal(found, expected)


def test_a_model_without_vectors_or_pairs_says_what_to_do(likes: tm.Interactions, tmp_path: Path) -> None:
    tm.EASE().fit(likes).save(tmp_path / "ease.safetensors", interactions=False)
    with pytest.raises(NotSupportedError, match=r"EASE has no vectors of items.*interactions=True"):
        find_vectors(tm.load(tmp_path / "ease.safetensors"))


def test_items_without_pairs_are_left_out_and_of_too_many_the_popular_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = tm.Interactions.from_frame(
        {"user": [1, 2, 3, 1, 2, 1, 2], "item": [8, 8, 8, 6, 6, 7, 5], "rating": [5, 5, 5, 5, 5, 5, 1]},
        weight="rating",
    )
    model = tm.Popular().fit(ratings.at_least(4))
    assert sorted(model.items.take(choose_rows(model)).to_list()) == [6, 7, 8]
    monkeypatch.setattr(vectors, "MOST_ITEMS", 2)
    assert sorted(model.items.take(choose_rows(model)).to_list()) == [6, 8]
