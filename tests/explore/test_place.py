from __future__ import annotations

import numpy as np
import pytest

from tastemap.explore.atlas.place import place
from tastemap.explore.atlas.regions import cut_regions, find_centres

pytest.importorskip("umap")


def make_groups(n_groups: int, each: int, spread: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(n_groups), each)
    centres = rng.normal(size=(n_groups, 24))
    return (centres[group] + spread * rng.normal(size=(len(group), 24))).astype(np.float32), group


@pytest.fixture(scope="module")
def groups() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vectors, group = make_groups(6, 60)
    return vectors, group, place(vectors)


def test_the_same_vectors_have_the_same_places(groups: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    vectors, _, places = groups
    assert place(vectors).tobytes() == places.tobytes()


def test_what_is_near_on_the_map_is_near_in_the_space(groups: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    from sklearn.manifold import trustworthiness

    vectors, _, places = groups
    by_chance = np.random.default_rng(0).permutation(places)
    assert trustworthiness(vectors, places, n_neighbors=10, metric="cosine") > 0.93
    assert trustworthiness(vectors, by_chance, n_neighbors=10, metric="cosine") < 0.6


def test_the_nearest_of_almost_all_is_of_their_own_group(groups: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    _, group, places = groups
    gaps = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert (group[gaps.argmin(axis=1)] == group).mean() > 0.99


def test_a_map_fills_its_window(groups: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    places = groups[2]
    assert np.abs(places).max() <= 1.3
    assert np.ptp(places, axis=0).max() > 1.9


@pytest.mark.parametrize("n", [1, 2, 5, 16, 20])
def test_few_vectors_have_a_place_each(n: int) -> None:
    places = place(np.random.default_rng(n).normal(size=(n, 8)).astype(np.float32))
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == n


@pytest.mark.parametrize("vectors", [np.ones((40, 3)), np.zeros((40, 3)), np.empty((40, 0))])
def test_vectors_that_are_all_alike_become_a_disc(vectors: np.ndarray) -> None:
    places = place(vectors.astype(np.float32))
    assert np.linalg.norm(places, axis=1).max() == pytest.approx(1, rel=1e-6)
    assert len(np.unique(places, axis=0)) == 40


def test_no_vectors_have_no_places() -> None:
    places = place(np.empty((0, 8), np.float32))
    assert places.shape == (0, 2)
    assert len(cut_regions(places, "near")) == 0


def test_items_of_one_direction_stand_side_by_side() -> None:
    vectors, _ = make_groups(4, 20)
    repeated = np.concatenate([vectors, 7 * vectors[:1].repeat(30, axis=0)])
    places = place(repeated)
    own = places[[0, *range(80, 110)]]
    assert len(np.unique(own, axis=0)) == 31
    # The gap of 110 items, and the spiral of thirty around the first.
    assert np.linalg.norm(own - own[0], axis=1).max() == pytest.approx(0.2 / 110**0.5 * 30**0.5, rel=1e-3)


def test_regions_are_the_groups_of_a_map() -> None:
    centres = np.array([[-0.8, -0.8], [0.8, 0.8], [-0.8, 0.8], [0.8, -0.8]])
    noise = np.random.default_rng(1).normal(0, 0.03, (1000, 2))
    group = np.arange(1000) % 4
    places = (centres[group] + noise).astype(np.float32)
    regions = cut_regions(places, "far")
    assert sorted(np.unique(regions)) == [0, 1, 2, 3]
    assert len(set(zip(group, regions, strict=True))) == 4
    found = find_centres(places, regions)
    for region in range(4):
        assert np.linalg.norm(found[region] - centres[group[regions == region][0]]) < 0.1


def test_places_that_are_all_one_are_one_region() -> None:
    assert cut_regions(np.zeros((300, 2), np.float32), "near").tolist() == [0] * 300
