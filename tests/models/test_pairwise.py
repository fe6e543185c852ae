"""BPR and WARP as models: learning, fold-in, updates and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap.data._pairs import rows_at
from tastemap.models.shared.pairwise import HEAVIEST, PLACES, PairwiseModel, _repeat_by_count
from tastemap.ranking.top_k import Hidden, top_k

Array = npt.NDArray[Any]
both = pytest.mark.parametrize("name", ["BPR", "WARP"])


def two_tastes(n_users: int = 60, n_items: int = 40, seed: int = 0) -> Array:
    """Return pairs where even users like even items and odd users odd ones; a fifth is held out."""
    rng = np.random.default_rng(seed)
    alike = np.add.outer(np.arange(n_users), np.arange(n_items)) % 2 == 0
    return alike & (rng.random((n_users, n_items)) < 0.8)


def likes(matrix: Array) -> tm.Interactions:
    return tm.Interactions.from_csr(sp.csr_array(matrix.astype(float)))


def make(name: str, **changed: Any) -> PairwiseModel:
    model = tm.MODELS[name](**{"factors": 8, **changed})
    assert isinstance(model, PairwiseModel)
    return model


@both
@pytest.mark.parametrize("changed", [{}, {"seed": 5}, {"factors": 30}], ids=str)
def test_held_out_items_of_the_users_taste_come_first(name: str, changed: dict[str, Any]) -> None:
    recommended = make(name, **changed).fit(likes(two_tastes())).recommend(k=1)
    alike = (recommended["user"] + recommended["item"]) % 2 == 0
    assert alike.mean() > 0.8  # by chance a sixth: four of a person's 24 other items are of their taste


@both
def test_the_loss_falls(name: str) -> None:
    history = make(name, epochs=30, regularization=0.01).fit(likes(two_tastes())).epochs_
    assert history[-1].objective < 0.5 * history[0].objective


@both
def test_a_rating_scale_of_another_unit_gives_the_same_model(name: str) -> None:
    rng = np.random.default_rng(1)
    weights = two_tastes() * rng.integers(1, 5, (60, 40)).astype(float)
    one, other = (make(name, epochs=3).fit(tm.Interactions.from_csr(sp.csr_array(weights * unit))) for unit in (1, 4))
    np.testing.assert_array_equal(one.item_factors_, other.item_factors_)
    plain = make(name, epochs=3).fit(likes(weights > 0))
    assert not np.array_equal(one.item_factors_, plain.item_factors_)


@both
@pytest.mark.filterwarnings("ignore:the weights have a heavy tail")
def test_a_huge_weight_counts_as_the_heaviest(name: str) -> None:
    matrix = two_tastes().astype(float)
    user, item = (place[0] for place in np.nonzero(matrix))
    matrix[user, item] = 1e12
    assert np.isfinite(make(name).fit(tm.Interactions.from_csr(sp.csr_array(matrix))).item_factors_).all()
    model = make(name).fit(likes(two_tastes()))
    huge, heaviest, heavy = (model.recommend_for({0: weight, 1: 1}) for weight in (1e30, HEAVIEST, HEAVIEST / 2))
    assert huge.equals(heaviest)
    assert not huge.equals(heavy)


@both
@pytest.mark.parametrize("learning_rate", [1e3, 1e30])
def test_a_learning_rate_that_diverges_is_named(name: str, learning_rate: float) -> None:
    with pytest.raises(tm.DivergenceError, match="learning_rate"):
        make(name, learning_rate=learning_rate).fit(likes(two_tastes()))


@both
def test_a_regularization_that_diverges_is_named(name: str) -> None:
    with pytest.raises(tm.DivergenceError, match="lower learning_rate, or regularization"):
        make(name, regularization=1e30).fit(likes(two_tastes()))


def test_users_with_nearly_everything_are_skipped_and_counted() -> None:
    matrix = np.ones((30, 20), bool)
    matrix[:, 0] = np.arange(30) < 2
    model = make("BPR", epochs=5).fit(likes(matrix))
    # Two users have everything, so their 2 x 20 pairs take no step in any epoch; others may miss their one negative.
    assert 2 * 20 * 5 <= model.skipped_[0] < 600 * 5
    assert np.isfinite(model.user_factors_).all()


@both
def test_an_update_learns_new_users_and_items_and_keeps_the_others(name: str) -> None:
    matrix = two_tastes()
    model = make(name).fit(likes(matrix))
    # Person 60 has the even taste, and item 40 is liked by the even people.
    pairs = {"user": [60] * 6 + [0, 2, 4, 6, 8, 10, 60], "item": [0, 2, 4, 6, 8, 10] + [40] * 7}
    updated = model.update(tm.Interactions.from_frame(pairs))
    shown = updated.recommend(60, k=8)["item"]
    assert (shown % 2 == 0).all()
    even, odd = (updated.predict(people, 40).mean() for people in (list(range(12, 60, 2)), list(range(1, 60, 2))))
    assert even > odd
    np.testing.assert_array_equal(updated.user_factors_[1:60:2], model.user_factors_[1::2])
    np.testing.assert_array_equal(model.update(likes(matrix)).item_factors_, model.item_factors_)
    folded = updated.recommend_for([0, 2, 4, 6, 8, 10, 40], k=8, frame="polars")
    assert folded.select("item", "score").equals(updated.recommend(60, k=8, frame="polars").select("item", "score"))


everyone = pytest.mark.parametrize(
    ("name", "changed"), [("BPR", {}), ("BPR", {"negatives": "popularity"}), ("WARP", {})], ids=str
)


@everyone
def test_an_update_of_one_user_draws_negatives_from_all_items(name: str, changed: dict[str, Any]) -> None:
    model = make(name, **changed).fit(likes(two_tastes()))
    updated = model.update(tm.Interactions.from_frame({"user": [60] * 6, "item": [0, 2, 4, 6, 8, 10]}))
    assert updated.skipped_[0] < 6 * model.used_.epochs / 2
    assert (updated.recommend(60, k=8)["item"] % 2 == 0).all()


@everyone
def test_new_users_get_items_of_their_own_taste(name: str, changed: dict[str, Any]) -> None:
    model = make(name, **changed).fit(likes(two_tastes()))
    shown = model.recommend_for([[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]], k=8)
    assert ((shown["item"] + shown["history"]) % 2 == 0).all()


def test_items_stand_as_often_as_they_are_popular() -> None:
    assert _repeat_by_count(np.array([3, 1, 2])).tolist() == [0, 0, 0, 1, 2, 2]
    drawn = np.bincount(_repeat_by_count(np.array([6000, 1000, 3000])))
    np.testing.assert_allclose(drawn / (3 * PLACES), [0.6, 0.1, 0.3], atol=0.5 / PLACES)


@pytest.mark.parametrize(("name", "epochs"), [("BPR", 60), ("WARP", 20)])
def test_new_users_are_ranked_about_as_well_as_fitted_ones(
    name: str, epochs: int, ml1m_ratings: tm.Interactions
) -> None:
    """On MovieLens 1M the NDCG@10 of 1,000 training users, folded in, is within .01 of that of their fitted vectors."""
    train, test = tm.split.random(ml1m_ratings.at_least(4).binarize(), 0.2, seed=42)
    model = tm.MODELS[name](epochs=epochs).fit(train)
    rows = np.flatnonzero(np.diff(test.by_user.indptr) * np.diff(train.by_user.indptr))[:1000]
    wanted = [set(test.by_user.indices[test.by_user.indptr[row] : test.by_user.indptr[row + 1]]) for row in rows]
    discounts = 1 / np.log2(np.arange(2, 12))

    def ndcg(queries: Any) -> float:
        lists = top_k(queries, model.scorer.catalogue, 10, [Hidden(train.by_user, rows)], model.scorer.ties)
        gains = np.array([[item in own for item in items] for items, own in zip(lists.rows, wanted, strict=True)])
        ideal = np.array([discounts[: len(own)].sum() for own in wanted])
        return float((gains @ discounts / ideal).mean())

    fitted, folded = ndcg(model.scorer.queries(rows)), ndcg(model.scorer.fold(rows_at(train.by_user, rows)))
    assert folded == pytest.approx(fitted, abs=0.01)


@both
@pytest.mark.filterwarnings("ignore:the weights have a heavy tail")
def test_counts_with_a_long_tail_train_with_the_defaults(name: str) -> None:
    """Counts from one to hundreds, as in the orders of shops, neither diverge nor spoil the lists."""
    rng = np.random.default_rng(2)
    counts = two_tastes(200, 100) * np.minimum(rng.zipf(1.7, (200, 100)), 300)
    recommended = tm.MODELS[name]().fit(tm.Interactions.from_csr(sp.csr_array(counts.astype(float)))).recommend(k=1)
    alike = (recommended["user"] + recommended["item"]) % 2 == 0
    assert alike.mean() > 0.8


def test_regularization_is_found_in_the_pairs_of_a_row() -> None:
    rng = np.random.default_rng(0)
    matrix = np.vstack([rng.random((60, 40)) < 0.5, np.zeros((3, 40), bool)])  # three users without a pair count not
    pairs = int(matrix.sum())
    for model, expected in (
        (make("BPR"), min(0.8 * 60 / pairs, 0.035)),
        (make("WARP"), 3.85 * (pairs / 100) ** -0.6),
    ):
        assert model.fit(likes(matrix)).used_.regularization == pytest.approx(expected, rel=1e-3)
        assert model.regularization is None
    few = likes(np.eye(20, dtype=bool))
    assert make("BPR").fit(few).used_.regularization == 0.035
    assert make("WARP").fit(few).used_.regularization == 2
    assert make("WARP", regularization=0.3).fit(few).used_.regularization == 0.3


@pytest.mark.parametrize(("pairs", "epochs"), [(20, 350), (80_000_000 // 300, 300), (1_000_000, 200)])
def test_bpr_makes_eighty_million_steps_in_at_least_200_and_at_most_350_epochs(pairs: int, epochs: int) -> None:
    matrix = sp.csr_array((np.ones(pairs), (np.arange(pairs) // 50, np.arange(pairs) % 50)))
    assert make("BPR").settle(tm.Interactions.from_csr(matrix)).epochs == epochs
    assert make("BPR", epochs=3).settle(tm.Interactions.from_csr(matrix)).epochs == 3


@pytest.mark.parametrize(("name", "share"), [("WARP", 0.98), ("BPR", 0.92), ("ImplicitALS", 0.93)])
def test_lists_for_baskets_are_nearly_as_good_as_popular_ones(name: str, share: float) -> None:
    """Many people with few pairs among few items, most of them of the same items: factors find little beside noise.

    Where baskets have themes, as a shop's have, more regularization would cost BPR and ImplicitALS far more than this.
    """
    rng = np.random.default_rng(0)
    popular = np.log(1 / (np.arange(167) + 3) ** 1.15)
    tastes = rng.normal(size=(12, 167)) * (rng.random((12, 167)) < 0.3)
    wishes = popular + tastes[rng.integers(0, 12, 6000)] + rng.gumbel(size=(6000, 167))
    sizes = rng.geometric(1 / 4.4, 6000)
    ranks = np.argsort(np.argsort(-wishes, axis=1), axis=1)
    train, test = tm.split.random(likes(ranks < sizes[:, None]), 0.2, seed=1)
    found, most = (
        tm.evaluate(model.fit(train), test)["ndcg@10"] for model in (tm.MODELS[name](factors=64), tm.Popular())
    )
    assert found > share * most
