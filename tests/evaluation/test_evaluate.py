from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from math import log2, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tastemap as tm
from reference import metrics as reference
from tastemap.metrics.definitions import parse_all
from tastemap.metrics.measure import ListBatch, ListMeasurer
from tastemap.ranking.scorer import Scorer


def read(histories: dict[str, str], **more: Any) -> tm.Interactions:
    """Read {"u": "ab"}: user u has the items a and b."""
    rows = [(user, item) for user, items in histories.items() for item in items]
    return tm.Interactions.from_frame(pl.DataFrame(rows, ["user", "item"], orient="row"), **more)


@pytest.fixture
def model() -> tm.Popular:
    """Ranks a, b, c, d for all users; these items have 4, 3, 2 and 1 users."""
    return tm.Popular().fit(read({"u1": "a", "u2": "ab", "u3": "abc", "u4": "abcd"}))


def test_many_text_items_and_more_of_them_than_the_model_knows() -> None:
    known = [f"sku{number}" for number in range(2100)]
    model = tm.Popular().fit(tm.Interactions.from_frame({"user": [1] * 2100 + [2] * 2100, "item": known * 2}))
    listed = model.recommend(1, exclude_seen=False)["item"].to_list()
    unknown = [f"sku{number}" for number in range(2100, 2250)]
    for items, precision in (([one for one in known if one not in listed], 0.0), (listed[:3], 0.3)):
        asked = [*items, *unknown]
        test = tm.Interactions.from_frame({"user": [1] * len(asked), "item": asked})
        measured = tm.evaluate(model, test, metrics="precision@10", exclude=None)
        assert (measured["precision@10"], measured.n_unknown_items) == (precision, 150)


# What asks for the first k places and the test items alone.
OF_PLACES = ("precision", "recall", "hit_rate", "ndcg", "map", "mrr")


def test_every_metric_of_a_list_worked_out_by_hand(model: tm.Popular) -> None:
    names = [f"{name}@3" for name in OF_PLACES]
    measured = tm.evaluate(model, read({"u1": "ac", "u2": "d"}), metrics=names, exclude=None)
    # u1 is shown a, b, c and has a and c; u2 is shown the same and has d.
    assert measured.means == pytest.approx(
        {
            "precision@3": 1 / 2 * (2 / 3 + 0),
            "recall@3": 1 / 2 * (2 / 2 + 0),
            "hit_rate@3": 1 / 2 * (1 + 0),
            "ndcg@3": 1 / 2 * ((1 / log2(2) + 1 / log2(4)) / (1 / log2(2) + 1 / log2(3)) + 0),
            "map@3": 1 / 2 * (1 / 2 * (1 / 1 + 2 / 3) + 0),
            "mrr@3": 1 / 2 * (1 / 1 + 0),
        },
        rel=1e-12,
    )
    assert measured["mrr@3"] == 1 / 2
    assert measured.n_users == 2


@pytest.mark.parametrize(
    ("exclude", "first"),
    [("train", "bc"), (None, "ab"), (read({"u9": "a", "u1": "b"}), "ac"), (read({"u1": "zab"}), "cd")],
)
@pytest.mark.filterwarnings("ignore:.* test pairs are among those")  # that is what is tested here
def test_what_is_excluded_is_not_ranked(model: tm.Popular, exclude: Any, first: str) -> None:
    for item in "abcd":
        measured = tm.evaluate(model, read({"u1": item}), metrics="hit_rate@2", exclude=exclude)
        assert measured["hit_rate@2"] == (item in first)


def test_several_cut_offs_at_once_are_each_their_own(model: tm.Popular) -> None:
    test = read({"u1": "bd", "u2": "c", "u3": "d"})
    names = ["recall@3", "recall@1", "ndcg@2", "precision@100"]
    together = tm.evaluate(model, test, metrics=names)
    assert list(together.means) == names
    for name in names:
        assert together[name] == tm.evaluate(model, test, metrics=name)[name]
    assert together["recall@1"] == pytest.approx(1 / 3 * (1 / 2 + 1 + 1))
    assert together["precision@100"] == pytest.approx(1 / 3 * (2 / 100 + 1 / 100 + 1 / 100))


def test_a_cut_off_beyond_the_catalogue_takes_no_memory_of_its_own(model: tm.Popular) -> None:
    test, far = read({"u1": "ac", "u2": "d"}), 2_000_000_000
    names = ("recall", "ndcg", "map", "mrr", "auc", "novelty", "diversity", "coverage", "gini")
    measured = tm.evaluate(model, test, metrics=[f"{name}@{far}" for name in names], exclude=None)
    whole = tm.evaluate(model, test, metrics=[f"{name}@4" for name in names], exclude=None)
    assert [measured[f"{name}@{far}"] for name in names] == [whole[f"{name}@4"] for name in names]
    lists = model.recommend(["u1", "u2"], k=4, exclude_seen=False)
    assert tm.evaluate_lists(lists, test, metrics=f"ndcg@{far}")[f"ndcg@{far}"] == whole["ndcg@4"]


def test_users_without_test_items_are_left_out_and_counted(model: tm.Popular) -> None:
    measured = tm.evaluate(model, read({"u1": "b"}, users=["u1", "u2", "u9"]))
    assert (measured.n_users, measured.n_without_test) == (1, 3)
    assert measured.per_user["user"].to_list() == ["u1"]


@pytest.mark.parametrize("shared", [True, False])
def test_no_user_and_no_item_is_counted_twice_whether_ids_are_shared_or_not(shared: bool) -> None:
    maps = {"users": ["u1", "u2", "u3", "u4"], "items": list("abcz")} if shared else {}
    fitted = tm.Popular().fit(read({"u1": "ab", "u3": "bc", "u4": "a"}, **maps))
    test = read({"u1": "cz", "u2": "az", "u3": "z"}, **maps)
    for on_unknown, n_skipped, n_unknown in (("skip", 1, 2), ("popular", 0, 3)):
        found = tm.evaluate(fitted, test, on_unknown=on_unknown)
        assert (found.n_users + n_skipped, found.n_skipped, found.n_without_test) == (3, n_skipped, 1)  # u4
        assert found.n_unknown_items == n_unknown  # z, and not that of a user left out


@pytest.mark.parametrize("it", ["Popular", tm.Popular])
def test_what_is_no_model_is_refused(it: Any) -> None:
    with pytest.raises(ValueError, match="model must be a fitted model of tastemap, got"):
        tm.evaluate(it, read({"u1": "b"}))


def test_a_single_user_has_no_interval(model: tm.Popular) -> None:
    one, two = (tm.evaluate(model, read(test), metrics="mrr@2") for test in ({"u1": "b"}, {"u1": "b", "u2": "d"}))
    assert one.frame.select("mean", "low", "high", "users").row(0) == (1, None, None, 1)
    assert two.frame.select("low", "high").row(0) == (1 / 2, 1)


def test_unknown_items_count_as_never_found(model: tm.Popular) -> None:
    measured = tm.evaluate(model, read({"u1": "bxy", "u2": "x"}), metrics=["recall@1", "ndcg@2"])
    assert measured.n_unknown_items == 3
    assert measured["recall@1"] == pytest.approx(1 / 2 * (1 / 3 + 0))
    assert measured["ndcg@2"] == pytest.approx(1 / 2 * (1 / (1 + 1 / log2(3)) + 0))


def test_a_test_part_of_other_items_alone_is_refused(model: tm.Popular) -> None:
    with pytest.raises(tm.DataError, match=r"knows no item of the test part: that has items such as 'x', 'y', the"):
        tm.evaluate(model, read({"u1": "xy", "u2": "x"}))


def test_unknown_users_are_skipped_or_shown_what_is_popular(model: tm.Popular) -> None:
    test = read({"new": "a", "u1": "d", "newer": "d"})
    skipped = tm.evaluate(model, test, metrics="hit_rate@1")
    assert (skipped.n_users, skipped.n_skipped, skipped["hit_rate@1"]) == (1, 2, 0)
    assert "group" not in skipped.frame.columns
    shown = tm.evaluate(model, test, metrics="hit_rate@1", on_unknown="popular")
    assert (shown.n_users, shown.n_skipped) == (3, 0)
    assert shown.known.tolist() == [False, True, False]
    groups = {row["group"]: [row["mean"], row["users"]] for row in shown.frame.iter_rows(named=True)}
    assert groups == {"all": [1 / 3, 3], "known": [0, 1], "new": [1 / 2, 2]}


def test_the_order_of_ids_in_the_test_part_does_not_matter(model: tm.Popular) -> None:
    forward = tm.evaluate(model, read({"u1": "bd", "u2": "c", "u3": "d"}), metrics=["map@3", "ndcg@2"])
    backward = tm.evaluate(model, read({"u3": "d", "u2": "c", "u1": "db"}), metrics=["map@3", "ndcg@2"])
    assert forward.means == pytest.approx(backward.means, rel=1e-14)


def test_results_are_frames_of_the_test_parts_kind(model: tm.Popular) -> None:
    test = tm.Interactions.from_frame(pd.DataFrame({"user": ["u1", "u2"], "item": ["b", "d"]}))
    measured = tm.evaluate(model, test, metrics=["recall@1", "mrr@2"])
    assert isinstance(measured.frame, pd.DataFrame)
    assert measured.frame["metric"].tolist() == ["recall@1", "mrr@2"]
    assert measured.per_user["recall@1"].tolist() == [1, 0]
    assert repr(measured) == "Evaluation of 2 users: recall@1 0.5000, mrr@2 0.7500"


def test_the_interval_holds_the_mean_and_shrinks_with_the_users() -> None:
    widths = []
    for n in (20, 80, 2000):
        histories = {f"u{i}": "abc" if i % 2 else "ab" for i in range(n)}
        test = read({f"u{i}": "c" if i % 4 == 0 else "d" for i in range(0, n, 2)} | {"last": "d"})
        model = tm.Popular().fit(read(histories | {"last": "abc"}))
        row = tm.evaluate(model, test, metrics="hit_rate@1").frame.row(0, named=True)
        assert 0 <= row["low"] <= row["mean"] <= row["high"] <= 1
        assert row["low"] < row["high"]
        assert row["users"] == n // 2 + 1
        widths.append(row["high"] - row["low"])
    assert widths == sorted(widths, reverse=True)
    # The normal interval of a share of one half: 2 * 1.96 * sqrt(1/4 / n).
    assert widths[-1] == pytest.approx(2 * 1.96 * (0.25 / 1001) ** 0.5, rel=0.1)


def test_measuring_twice_gives_the_same(model: tm.Popular) -> None:
    first, second = (tm.evaluate(model, read({"u1": "b", "u2": "d"})) for _ in range(2))
    assert first.frame.equals(second.frame)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": "ndcg"}, ["ndcg", "cut-off"]),
        ({"metrics": "ndcg@"}, ["ndcg@", "whole number"]),
        ({"metrics": "ndcg@0"}, ["ndcg@0", "whole number"]),
        ({"metrics": "ndcg@-1"}, ["ndcg@-1", "whole number"]),
        ({"metrics": f"ndcg@{2**64}"}, [f"ndcg@{2**64}", "at most"]),
        ({"metrics": [5]}, ["metrics", "'ndcg@10'", "5"]),
        ({"metrics": None}, ["metrics", "'ndcg@10'", "None"]),
        ({"metrics": ["mrr@3", "gain@10"]}, ["gain@10", "precision"]),
        ({"metrics": "NDCG@10"}, ["NDCG@10"]),
        ({"metrics": "mse"}, ["'mse'", "ndcg@10", "rmse or mae"]),
        ({"metrics": ["ndcg@3", "rmse@10"]}, ["rmse@10", "no cut-off", "pass 'rmse'"]),
        ({"metrics": ()}, ["metrics"]),
        ({"metrics": ["mrr@3", "mrr@3"]}, ["metrics must name each once", "'mrr@3', 'mrr@3'"]),
        ({"exclude": "test"}, ["exclude", "'test'"]),
        ({"exclude": pl.DataFrame({"user": [1]})}, ["exclude takes tastemap.Interactions", "DataFrame"]),
        ({"on_unknown": "raise"}, ["on_unknown", "'raise'"]),
    ],
)
def test_bad_arguments_are_refused_by_name(model: tm.Popular, options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError, match=words[0]) as refused:
        tm.evaluate(model, read({"u1": "b"}), **options)
    assert all(word in str(refused.value) for word in words)


def test_a_test_part_without_a_known_user_is_refused(model: tm.Popular) -> None:
    with pytest.raises(tm.DataError, match="no user of the test part"):
        tm.evaluate(model, read({"new": "a"}))
    with pytest.raises(tm.NotFittedError):
        tm.evaluate(tm.Popular(), read({"u1": "a"}))
    with pytest.raises(KeyError, match="ndcg@3"):
        tm.evaluate(model, read({"u1": "b"}))["ndcg@3"]


def test_places_that_a_list_does_not_have_are_no_hits() -> None:
    held_out = read({"u": "ab"}).by_user
    lists = np.zeros((1, 3), np.int32)
    (values,) = ListMeasurer(parse_all(("precision@10", "recall@10"))).add(
        ListBatch(lists, np.array([1]), held_out, np.array([0]))
    )
    assert values.tolist() == [1 / 10, 1 / 2]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), k=st.integers(1, 12))
def test_evaluate_is_ranking_and_then_the_definitions(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    here = rng.random((9, 10)) < 0.5
    here[:, 0] = True
    pairs = tm.Interactions.from_frame({"user": np.nonzero(here)[0], "item": np.nonzero(here)[1]})
    train, test = tm.split.random(pairs, 0.4, seed=seed)
    model = tm.ImplicitALS(factors=3, epochs=2).fit(train)
    names = tuple(f"{name}@{k}" for name in OF_PLACES)
    try:
        measured = tm.evaluate(model, test, metrics=names)
    except tm.DataError:
        assert not np.any((np.diff(train.matrix.indptr) > 0) & (np.diff(test.matrix.indptr) > 0))
        return
    shown, held = model.recommend(measured.users, k=k), test.to_frame()
    for row in measured.per_user.iter_rows(named=True):
        mine = pl.col("user") == row["user"]
        expected = reference.metrics(shown.filter(mine)["item"].to_list(), set(held.filter(mine)["item"]), k)
        assert [row[name] for name in names] == pytest.approx(list(expected.values()), rel=1e-12)


def test_test_pairs_that_cannot_be_found_are_counted_and_warned_of() -> None:
    train = read({"u": "ab", "v": "bc"})
    with pytest.warns(UserWarning, match="1 of 2 test pairs are among those that exclude='train' keeps out"):
        result = tm.evaluate(tm.Popular().fit(train), read({"u": "ac"}), metrics="recall@3")
    assert result.n_left_out == 1
    assert result["recall@3"] == 1 / 2


class ItemMeans(tm.Popular):
    """Predicts the mean training rating of an item for all users."""

    abilities = tm.Abilities(ratings=True)

    def predict(self, users: Any, items: Any) -> Any:
        assert self.interactions is not None
        assert len(users) == len(items)
        assert (self.state.find_users(users) >= 0).all()
        table = self.interactions.to_frame().group_by("item").agg(pl.col("weight").mean())
        means = dict(table.iter_rows())
        return np.array([means[item] for item in items], np.float32)


def rate(rows: list[tuple[Any, Any, float]], **more: Any) -> tm.Interactions:
    frame = pl.DataFrame(rows, ["user", "item", "weight"], orient="row")
    return tm.Interactions.from_frame(frame, weight="weight", **more)


@pytest.fixture
def means() -> ItemMeans:
    """Predicts 2, 4 and 5 for a, b and c; d and u9 are in the id maps without a pair."""
    rows = [("u1", "a", 1), ("u1", "b", 3), ("u2", "a", 3), ("u2", "c", 5), ("u3", "b", 5)]
    return ItemMeans().fit(rate(rows, users=["u1", "u2", "u3", "u9"], items=["d", "a", "b", "c"]))


def test_rating_metrics_pool_the_pairs_of_all_users(means: ItemMeans) -> None:
    test = rate([("u3", "c", 5), ("u1", "c", 1), ("u2", "b", 6), ("u3", "a", 2), ("u3", "b", 3)])
    measured = tm.evaluate(means, test, metrics=("rmse", "mae"))
    # The errors are -4 of u1, 2 of u2, and 0, 0, -1 of u3.
    assert measured.means == pytest.approx({"rmse": sqrt((16 + 4 + 1) / 5), "mae": (4 + 2 + 1) / 5}, rel=1e-14)
    assert measured.per_user.sort("user")["rmse"].to_list() == pytest.approx([4, 2, sqrt(1 / 3)])
    assert measured.per_user.sort("user")["mae"].to_list() == pytest.approx([4, 2, 1 / 3])
    assert measured.frame["mean"].to_list() == [measured["rmse"], measured["mae"]]
    assert sorted(measured.n_rated) == [1, 1, 3]
    assert (measured.n_users, measured.n_unrated) == (3, 0)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_rating_metrics_are_their_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((9, 7)) < 0.6)
    pairs = tm.Interactions.from_frame(
        {"user": users, "item": items, "weight": rng.integers(1, 6, len(users))}, weight="weight"
    )
    train, test = tm.split.random(pairs, 0.4, seed=seed)
    here = train.matrix.toarray()
    rows = np.repeat(np.arange(test.shape[0]), np.diff(test.matrix.indptr))
    rated = here.any(axis=1)[rows] & here.any(axis=0)[test.matrix.indices]
    model = ItemMeans().fit(train)
    if not rated.any():
        with pytest.raises(tm.DataError):
            tm.evaluate(model, test, metrics="mae")
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        measured = tm.evaluate(model, test, metrics=("mae", "rmse"))
    assert measured.n_unrated == np.count_nonzero(~rated)
    assert bool(caught) == (measured.n_unrated > 0)
    predicted = [here[:, i].sum() / np.count_nonzero(here[:, i]) for i in test.matrix.indices[rated]]
    assert measured.means == pytest.approx(reference.errors(test.matrix.data[rated].tolist(), predicted), rel=1e-6)


def test_pairs_that_cannot_be_rated_are_left_out_counted_and_warned_of(means: ItemMeans) -> None:
    test = rate([("u1", "c", 4), ("u1", "x", 1), ("u2", "d", 1), ("new", "a", 1), ("u9", "a", 1)])
    with pytest.warns(UserWarning, match="4 of 5 test pairs have a user or an item without a training pair"):
        measured = tm.evaluate(means, test, metrics=("rmse", "hit_rate@3"), exclude=None)
    assert (measured.n_unrated, measured.n_skipped, measured.n_users) == (4, 2, 2)
    assert measured["rmse"] == 1
    assert measured["hit_rate@3"] == 1 / 2
    assert measured.per_user["rmse"].to_list() == [1, None]
    assert measured.frame["users"].to_list() == [1, 2]
    with pytest.raises(tm.DataError, match="no test pair has both a user and an item with a training pair"):
        tm.evaluate(means, rate([("u1", "x", 1), ("new", "a", 1)]), metrics="rmse")


@pytest.mark.filterwarnings("ignore:.* without a training pair")  # that is what is tested here
def test_new_users_have_rankings_but_no_rating_metrics(means: ItemMeans) -> None:
    test = rate([("new", "a", 1), ("u1", "c", 3)])
    measured = tm.evaluate(means, test, metrics=("mae", "hit_rate@3"), on_unknown="popular")
    rows = {(row["group"], row["metric"]): (row["mean"], row["low"], row["users"]) for row in measured.frame.to_dicts()}
    assert rows["all", "mae"] == rows["known", "mae"] == (2, None, 1)
    assert rows["new", "mae"] == (None, None, 0)
    assert rows["all", "hit_rate@3"] == (1, 1, 2)


def test_rating_and_ranking_metrics_go_together(means: ItemMeans) -> None:
    test = rate([("u1", "c", 1), ("u2", "b", 6), ("u3", "c", 2), ("u3", "a", 2)])
    names = ["rmse", "recall@1", "mae", "ndcg@2"]
    together = tm.evaluate(means, test, metrics=names)
    assert list(together.means) == together.frame["metric"].to_list() == names
    for name in names:
        alone = tm.evaluate(means, test, metrics=name)
        assert together[name] == alone[name]
        assert together.frame.filter(metric=name).equals(alone.frame)


def test_ratings_are_compared_without_ranking(means: ItemMeans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scorer, "rank", None)
    # A training pair is no reason to leave a rating out: RMSE on the training part is a figure of its own.
    assert means.interactions is not None
    assert tm.evaluate(means, means.interactions, metrics="mae")["mae"] == 4 / 5


def test_the_interval_of_a_pooled_metric_resamples_users_with_all_their_pairs(means: ItemMeans) -> None:
    rng = np.random.default_rng(3)
    n, scale = 500, rng.uniform(0, 3, 500)  # users differ in how far off they are,
    sizes = np.where(scale < 2, 1, 6)  # and those farthest off have the most pairs
    train = rate([(u, i, 3) for u in range(n) for i in range(6)])
    test = rate([(u, i, 3 + scale[u] * rng.choice([-1, 1])) for u in range(n) for i in range(sizes[u])])
    measured = tm.evaluate(ItemMeans().fit(train), test, metrics=("mae", "rmse"))
    mae, rmse = measured.frame.to_dicts()
    for row in (mae, rmse):
        assert row["low"] < row["mean"] < row["high"]
    # The variance of a ratio of sums over users, to first order.
    residual = sizes * (scale - mae["mean"])
    standard_error = sqrt(n * residual.var()) / sizes.sum()
    assert mae["high"] - mae["low"] == pytest.approx(2 * 1.96 * standard_error, rel=0.1)
    residual = sizes * (scale**2 - rmse["mean"] ** 2)
    standard_error = sqrt(n * residual.var()) / sizes.sum() / (2 * rmse["mean"])
    assert rmse["high"] - rmse["low"] == pytest.approx(2 * 1.96 * standard_error, rel=0.1)


@pytest.mark.parametrize("model", [tm.Popular(), tm.ImplicitALS(factors=2, epochs=1)])
def test_scores_that_only_rank_are_not_compared_with_ratings(model: Any) -> None:
    ratings = rate([("u1", "a", 1), ("u2", "a", 5), ("u2", "b", 4)])
    with pytest.raises(tm.NotSupportedError) as refused:
        tm.evaluate(model.fit(ratings), ratings, metrics=("rmse", "ndcg@10", "mae"))
    assert str(refused.value) == (
        f"rmse takes a model that predicts ratings, and the scores of {type(model).__name__} only rank: measure a "
        "metric such as 'ndcg@10' instead"
    )


def test_a_test_part_of_new_users_is_measured_after_an_update() -> None:
    pairs = read({f"u{u}": "abcdefgh"[u % 3 : u % 3 + 5] for u in range(30)})
    train, history, test = tm.split.by_user(pairs, 0.2, history=0.6, seed=1)
    model = tm.ImplicitALS(factors=3, epochs=3).fit(train)
    with pytest.raises(tm.DataError, match="no user of the test part"):
        tm.evaluate(model, test)
    assert tm.evaluate(model.update(history), test, metrics="recall@3").n_users == 6


# -- people known by a history, candidates ----------------------------------------------------------------------------


def strong() -> tuple[tm.Interactions, tm.Interactions, tm.Interactions]:
    """Training pairs, and the histories and test pairs of other users."""
    here = np.random.default_rng(5).random((40, 14)) < 0.4
    here[:, :3] = True
    users, items = np.nonzero(here)
    stars = 1 + (users * 7 + items * 3) % 5
    frame = {"user": users, "item": items, "weight": stars, "time": np.arange(len(users))}
    pairs = tm.Interactions.from_frame(frame, weight="weight", time="time")
    return tm.split.by_user(pairs, 0.3, history=0.5, seed=2)


@pytest.mark.parametrize("name", tm.MODELS)
def test_with_a_history_the_lists_are_those_of_recommend_for(name: str) -> None:
    train, history, test = strong()
    model = tm.MODELS[name]().fit(train)
    metrics = [f"{metric}@4" for metric, cls in tm.METRICS.items() if cls.has_cutoff and metric != "auc"]
    measured = tm.evaluate(model, test, metrics=metrics, history=history)
    assert measured.n_users == test.n_users == 12
    assert not measured.known.any()
    frame = history.to_frame()
    histories = [dict(frame.filter(user=user).select("item", "weight").iter_rows()) for user in measured.users]
    lists = model.recommend_for(histories, k=4)
    lists = lists.with_columns(user=measured.users.gather(lists["history"]))
    assert tm.evaluate_lists(lists, test, metrics=metrics, train=train).means == measured.means


def test_a_history_takes_the_place_of_what_the_model_knows_of_a_user() -> None:
    train = read({"u1": "ab", "u2": "ab", "u3": "cd", "u4": "cd", "u5": "abcd"})
    model = tm.ItemKNN(neighbours=4, shrinkage=0).fit(train)
    test, history = read({"u1": "d", "new": "d", "empty": "d"}), read({"u1": "c", "new": "c", "u9": "a", "empty": "z"})
    assert tm.evaluate(model, test, metrics="mrr@1").n_skipped == 2
    measured = tm.evaluate(model, test, metrics="mrr@1", history=history)
    assert measured.per_user["user"].to_list() == ["u1", "new"]
    assert measured["mrr@1"] == 1  # who has c has d
    assert measured.known.tolist() == [True, False]
    assert (measured.n_skipped, measured.n_without_test) == (1, 1)  # "empty" has nothing that the model knows
    shown = tm.evaluate(model, test, metrics="hit_rate@4", history=history, on_unknown="popular")
    assert (shown.n_users, shown.n_skipped, shown["hit_rate@4"]) == (3, 0, 1)


@pytest.mark.parametrize(("exclude", "first"), [("train", "b"), (None, "a"), (read({"new": "b"}), "a")])
def test_what_is_excluded_with_a_history(model: tm.Popular, exclude: Any, first: str) -> None:
    test, history = read({"new": first}), read({"new": "a", "u1": "b"})
    assert tm.evaluate(model, test, metrics="hit_rate@1", history=history, exclude=exclude)["hit_rate@1"] == 1


def test_ratings_of_people_known_by_a_history() -> None:
    train, history, test = strong()
    model = tm.SVD(factors=3, epochs=4).fit(train)
    errors = []
    frame = history.to_frame()
    for user, item, rating, *_ in test.to_frame().iter_rows():
        own = dict(frame.filter(user=user).select("item", "weight").iter_rows())
        errors.append(rating - model.recommend_for(own, candidates=[item], k=1)["score"][0])
    measured = tm.evaluate(model, test, metrics=["rmse", "mae"], history=history)
    assert measured.means == pytest.approx({"rmse": sqrt(np.mean(np.square(errors))), "mae": np.mean(np.abs(errors))})


def test_only_candidates_are_ranked(model: tm.Popular) -> None:
    test = read({"u1": "d", "u2": "c"})
    names = ["mrr@4", "auc", "coverage@1"]
    assert tm.evaluate(model, test, metrics="mrr@4")["mrr@4"] == 1 / 2 * (1 / 3 + 1)
    among = tm.evaluate(model, test, metrics=names, candidates=["d", "c"], exclude=None)
    assert among.means == {"mrr@4": 1 / 2 * (1 / 2 + 1), "auc": 1 / 2 * (0 + 1), "coverage@1": 1 / 2}
    with pytest.warns(UserWarning, match="1 of 2 test pairs are among those that candidates do not name"):
        without = tm.evaluate(model, test, metrics="mrr@4", candidates=["d"])
    assert (without["mrr@4"], without.n_left_out) == (1 / 2, 1)
    with pytest.raises(tm.UnknownIdError, match="'z'"):
        tm.evaluate(model, test, candidates=["z"])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"history": {"u1": "a"}}, tm.DataError, "history takes tastemap.Interactions"),
        (
            {"history": read({"u9": "a"})},
            tm.DataError,
            "no user of the test part has a history of items that the model knows: pass on_unknown='popular'",
        ),
        ({"item_features": {"id": ["a"]}}, tm.DataError, "item_features takes tastemap.Features"),
    ],
)
def test_bad_histories_and_features_are_refused(model: tm.Popular, options: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        tm.evaluate(model, read({"u1": "b"}), **options)


def test_a_history_of_negative_weights_is_refused_where_weights_are_no_ratings(model: tm.Popular) -> None:
    history = rate([("u1", "a", -1)], allow_negative=True)
    with pytest.raises(tm.DataError, match="negative weights, got -1"):
        tm.evaluate(model, read({"u1": "b"}), history=history)


def test_a_model_saved_without_its_pairs_measures_diversity_by_features_alone(
    model: tm.Popular, tmp_path: Path
) -> None:
    model.save(tmp_path / "model", interactions=False)
    loaded, test = tm.load(tmp_path / "model"), read({"u1": "b"})
    assert tm.evaluate(loaded, test, metrics="novelty@2", exclude=None)["novelty@2"] > 0
    with pytest.raises(tm.NotSupportedError, match=r"saved with interactions=False, .*: pass item_features"):
        tm.evaluate(loaded, test, metrics="diversity@2", exclude=None)


# -- the whole measurement --------------------------------------------------------------------------------------------


def test_seconds_are_told_and_are_no_part_of_what_is_equal(model: tm.Popular) -> None:
    first, second = (tm.evaluate(model, read({"u1": "b"})) for _ in range(2))
    assert first.score_seconds is not None
    assert first.score_seconds > 0
    assert "score_seconds" not in {field.name for field in dataclasses.fields(first) if field.compare}
    assert first.frame.equals(second.frame)


def test_metrics_of_all_lists_have_a_mean_alone(model: tm.Popular) -> None:
    test = read({"u1": "b", "new": "a", "u2": "d"})
    measured = tm.evaluate(model, test, metrics=["coverage@1", "recall@1", "gini@2"], on_unknown="popular")
    assert list(measured.overall) == ["coverage@1", "gini@2"]
    assert measured["coverage@1"] == measured.means["coverage@1"] == 3 / 4  # b, a and c come first
    assert np.isnan(measured.values[:, [0, 2]]).all()
    assert measured.per_user.columns == ["user", "recall@1"]
    rows = {(row["group"], row["metric"]): row for row in measured.frame.iter_rows(named=True)}
    everybody = rows["all", "coverage@1"]
    assert (everybody["mean"], everybody["low"], everybody["high"], everybody["users"]) == (3 / 4, None, None, 3)
    assert rows["known", "gini@2"]["mean"] is None  # the figure is of the lists of all
    assert rows["known", "recall@1"]["low"] is not None
    alone = tm.evaluate(model, test, metrics="gini@2").frame
    assert alone.schema == tm.evaluate(model, test, metrics="recall@2").frame.schema


def test_lists_are_ranked_some_users_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    train, history, test = strong()
    model, names = tm.ItemKNN().fit(train.merge(history)), ["auc", "ndcg@3", "coverage@2", "gini@3", "novelty@2"]
    whole = tm.evaluate(model, test, metrics=names)
    sizes, rank = [], Scorer.rank

    def counted(self: Any, rows: Any, *more: Any) -> Any:
        sizes.append(len(rows))
        return rank(self, rows, *more)

    monkeypatch.setattr(Scorer, "rank", counted)
    monkeypatch.setattr("tastemap.models.shared.answers.PLACES_AT_ONCE", 5 * 14)
    assert tm.evaluate(model, test, metrics=names).frame.equals(whole.frame)
    assert sizes == [5, 5, 2]


def test_the_bits_do_not_depend_on_the_number_of_threads(run_python: Callable[..., str]) -> None:
    script = """
    import hashlib, numpy as np, tastemap as tm
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((2500, 90)) < 0.2 * rng.random(90))
    stars = {"user": users, "item": items, "weight": rng.integers(1, 6, len(users))}
    train, test = tm.split.random(tm.Interactions.from_frame(stars, weight="weight"), 0.3, seed=1)
    names = [f"{name}@7" for name, metric in tm.METRICS.items() if metric.has_cutoff] + ["auc", "rmse", "mae"]
    import warnings
    warnings.simplefilter("ignore")
    found = tm.evaluate(tm.SVD(factors=3, epochs=2).fit(train), test, metrics=names)
    bits = found.values.tobytes() + found.frame.drop("metric").to_numpy().astype(float).tobytes()
    print(found.n_users, hashlib.blake2b(bits).hexdigest())
    """
    said = {run_python(script, TASTEMAP_THREADS=str(n), OPENBLAS_NUM_THREADS=str(n)) for n in (1, 2, 5)}
    assert len(said) == 1
