"""Lists of other libraries."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tastemap as tm
from reference import metrics as reference

N_ITEMS = 12
EVERYTHING = [f"{name}@3" for name, metric in tm.METRICS.items() if metric.has_cutoff] + ["auc", "ndcg@1"]


def read(histories: dict[Any, Any]) -> tm.Interactions:
    rows = [(user, item) for user, items in histories.items() for item in items]
    return tm.Interactions.from_frame(pl.DataFrame(rows, ["user", "item"], orient="row"))


def listed(lists: dict[Any, Any]) -> pl.DataFrame:
    rows = [(user, item, rank) for user, items in lists.items() for rank, item in enumerate(items, 1)]
    return pl.DataFrame(rows, ["user", "item", "rank"], orient="row")


def parts(seed: int = 0) -> tuple[tm.Interactions, tm.Interactions]:
    """Training and test pairs of the same 25 users, who have pairs in both."""
    here = np.random.default_rng(seed).random((25, N_ITEMS)) < 0.4
    here[:, :2] = True
    pairs = tm.Interactions.from_frame({"user": np.nonzero(here)[0], "item": 100 + np.nonzero(here)[1]})
    in_test = (pairs.matrix.indices == pairs.items.find([101])[0]) | (np.arange(len(pairs)) % 3 == 0)
    in_test &= pairs.matrix.indices != pairs.items.find([100])[0]
    return pairs.pick(~in_test), pairs.pick(in_test)


@pytest.mark.parametrize("make", [tm.Popular(), tm.ItemKNN(), tm.ImplicitALS(factors=3, epochs=2)])
def test_lists_that_a_model_made_measure_as_the_model_does(make: Any) -> None:
    train, test = parts()
    measured = tm.evaluate(make.fit(train), test, metrics=[*EVERYTHING, "auc@1"])
    lists = make.recommend(test.users.ids, k=N_ITEMS)
    again = tm.evaluate_lists(lists, test, metrics=[*EVERYTHING, "auc@1"], train=train)
    assert again.frame.equals(measured.frame)
    assert again.per_user.equals(measured.per_user)
    # Only the first places are seen of shorter lists: enough for all but the AUC of the whole ranking.
    shorter = tm.evaluate_lists(make.recommend(test.users.ids, k=3), test, metrics=EVERYTHING, train=train)
    assert {name: shorter[name] for name in EVERYTHING if name != "auc"} == {
        name: measured[name] for name in EVERYTHING if name != "auc"
    }
    assert shorter["auc"] == shorter["auc@3"]


def test_a_model_of_ratings_counts_likes_as_lists_do() -> None:
    train, test = parts()
    rated = train._reweigh(np.where(np.arange(len(train)) % 4, 3.0, 0.0).astype(np.float32))
    model = tm.SVD(factors=2, epochs=2).fit(rated)
    asked = ["novelty@5", "diversity@5"]
    lists = model.recommend(test.users.ids, k=N_ITEMS)
    again = tm.evaluate_lists(lists, test, metrics=asked, train=rated)
    assert again.per_user.equals(tm.evaluate(model, test, metrics=asked).per_user)


lists_of_items = st.lists(st.integers(0, N_ITEMS + 1), unique=True, max_size=6)
people = st.dictionaries(st.integers(0, 5), lists_of_items, min_size=1)
sets_of_items = st.sets(st.integers(0, N_ITEMS - 1), min_size=1)


@settings(max_examples=60)
@given(
    lists=people.filter(lambda lists: any(lists.values())),
    relevant=st.dictionaries(st.integers(0, 7), sets_of_items, min_size=1),
    owned=st.dictionaries(st.integers(3, 9), sets_of_items, min_size=1),
    k=st.integers(1, 7),
)
def test_every_metric_is_what_its_definition_says(lists: Any, relevant: Any, owned: Any, k: int) -> None:
    assume(any(items and user in relevant for user, items in lists.items()))
    assume(set().union(*lists.values()) & set().union(*relevant.values(), *owned.values()))
    names = [f"{name}@{k}" for name, metric in tm.METRICS.items() if metric.has_cutoff]
    found = tm.evaluate_lists(listed(lists), read(relevant), metrics=names, train=read(owned))
    catalogue = set().union(*owned.values())
    owners = {item: {user for user, items in owned.items() if item in items} for item in range(N_ITEMS + 2)}
    vectors = np.array([[item in items for items in owned.values()] for item in range(N_ITEMS + 2)], float)
    assert sorted(found.users) == sorted(relevant)
    for row in found.per_user.iter_rows(named=True):
        shown, mine = lists.get(row["user"], []), relevant[row["user"]]
        ranking = (catalogue - owned.get(row["user"], set())) | set(shown)
        expected = reference.metrics(shown, mine, k)
        expected["auc"] = reference.auc(shown, mine, k, ranking)
        expected["novelty"] = reference.novelty(shown, k, owners, len(owned))
        expected["diversity"] = reference.diversity(shown, k, vectors)
        assert {name: row[f"{name}@{k}"] for name in expected} == pytest.approx(expected, abs=1e-12)
    counted = [items for user, items in lists.items() if user in relevant]
    assert found[f"coverage@{k}"] == pytest.approx(reference.coverage(counted, k, catalogue), abs=1e-12)
    assert found[f"gini@{k}"] == pytest.approx(reference.gini(counted, k, catalogue), abs=1e-12)
    assert found.n_without_test == sum(bool(items) and user not in relevant for user, items in lists.items())
    assert found.n_without_list == sum(not lists.get(user) for user in relevant)


def test_users_without_a_list_have_an_empty_one_and_lists_without_test_items_are_counted() -> None:
    found = tm.evaluate_lists(
        listed({"u": "ab", "w": "a"}), read({"u": "a", "v": "b"}), metrics=["hit_rate@2", "mrr@2"]
    )
    assert found.per_user["user"].to_list() == ["u", "v"]
    assert found.means == {"hit_rate@2": 1 / 2, "mrr@2": 1 / 2}
    assert (found.n_without_list, found.n_without_test, found.n_skipped) == (1, 1, 0)
    assert found.score_seconds is None


def test_lists_are_ordered_by_rank_or_score_or_as_they_come() -> None:
    test = read({"u": ["b"], "v": ["c"]})
    frame = pl.DataFrame({"user": ["v", "u", "u", "v", "u"], "item": ["c", "a", "b", "a", "c"]})

    def first(**column: list[float]) -> list[float]:
        found = tm.evaluate_lists(
            frame.with_columns(**{n: pl.Series(v) for n, v in column.items()}), test, metrics="mrr@9"
        )
        return found.per_user.sort("user")["mrr@9"].to_list()

    assert first() == [1 / 2, 1]
    assert first(rank=[9, 2, 1, 7, 5]) == [1, 1 / 2]
    assert first(score=[9, 2, 1, 7, 5]) == [1 / 3, 1]
    assert first(score=[1, 0, 0, 1, 0]) == [1 / 2, 1]  # of equal scores the first row
    assert first(rank=[1, 1, 1, 1, 0], score=[9, 2, 1, 7, 5]) == [1 / 3, 1]


@pytest.mark.parametrize("kind", [pd.DataFrame, pa.table, pl.LazyFrame, dict])
def test_any_kind_of_frame_is_read(kind: Any) -> None:
    test = tm.Interactions.from_frame(pd.DataFrame({"person": [7, 8], "film": ["x", "y"]}), user="person", item="film")
    columns = {"film": ["y", "x", "y"], "score": [0.5, 0.25, 0.125], "person": [7, 7, 8], "more": [None, None, "m"]}
    found = tm.evaluate_lists(kind(columns), test, metrics="mrr@3")
    assert found["mrr@3"] == 1 / 2 * (1 / 2 + 1)
    assert isinstance(found.frame, pd.DataFrame)  # as the test part came


def test_columns_that_do_not_count_may_hold_anything() -> None:
    frame = pd.DataFrame({"user": ["u"], "item": ["a"], "rank": [1], "why": [object()]})
    assert tm.evaluate_lists(frame, read({"u": "a"}), metrics="mrr@1")["mrr@1"] == 1


def test_lists_of_new_items_alone_are_measured() -> None:
    train, test = read({"u": "a"}), read({"u": "z"})
    found = tm.evaluate_lists(listed({"u": "z"}), test, metrics=["hit_rate@1", "coverage@1"], train=train)
    assert (found.means, found.n_unknown_items) == ({"hit_rate@1": 1, "coverage@1": 0}, 1)


def test_users_without_a_training_pair_are_told_apart() -> None:
    maps = {"users": ["u", "v", "w"], "items": ["a", "b"]}
    train = tm.Interactions.from_frame({"user": ["u"], "item": ["a"]}, **maps)  # v is named there without a pair
    found = tm.evaluate_lists(listed({"u": "b"}), read({"u": "b", "v": "a", "x": "b"}), metrics="mrr@1", train=train)
    assert found.known.tolist() == [True, False, False]
    assert found.frame.select("group", "mean", "users").rows() == [("all", 1 / 3, 3), ("known", 1, 1), ("new", 0, 2)]


def test_items_that_are_not_in_training_may_be_listed() -> None:
    train, test = read({"u": "ab", "v": "a"}), read({"u": "z", "v": "b"})
    names = ["hit_rate@3", "auc", "novelty@3", "coverage@3", "diversity@2"]
    found = tm.evaluate_lists(listed({"u": "zy", "v": "bz"}), test, metrics=names, train=train)
    assert found.n_unknown_items == 1
    assert found["hit_rate@3"] == 1
    # u: of what is ranked, z and y, the test item is first. v: b before z, and both are all that is ranked.
    assert found["auc"] == 1
    assert found["novelty@3"] == 1 / 2 * (1 + (1 + 1) / 2)  # as if one of two users had z and y
    assert found["coverage@3"] == 1 / 2
    assert found["diversity@2"] == 1


LISTS = {"user": ["u", "u", "v"], "item": ["a", "b", "a"], "score": [2.0, 1.0, 1.0]}


@pytest.mark.parametrize(
    ("frame", "options", "error", "words"),
    [
        ({"user": ["u"]}, {}, tm.DataError, ["no column 'item'"]),
        ({"usr": ["u"], "item": ["a"]}, {}, tm.DataError, ["no column 'user'", "did you mean 'usr'?"]),
        (LISTS | {"item": ["a", None, "b"]}, {}, tm.DataError, ["'item'", "row 1", "drop"]),
        (LISTS | {"user": ["u", "v", None]}, {}, tm.DataError, ["'user'", "row 2", "drop"]),
        (LISTS | {"item": ["a", "a", "a"]}, {}, tm.DataError, ["'a' is twice in the list of 'u'", "rows 0, 1", "drop"]),
        (LISTS | {"score": [1.0, None, 2.0]}, {}, tm.DataError, ["'score' has no number in row 1"]),
        (LISTS | {"score": [1.0, 3.0, float("nan")]}, {}, tm.DataError, ["'score' has no number in row 2"]),
        ({"user": [], "item": []}, {}, tm.DataError, ["no row", "no list"]),
        (LISTS | {"user": ["x", "y", "x"]}, {}, tm.DataError, ["no user of the test part", "'x', 'y'", "'u', 'v'"]),
        (LISTS | {"item": ["y", "z", "y"]}, {}, tm.DataError, ["no item of the test part", "'y', 'z'", "'a', 'b'"]),
        (LISTS | {"rank": ["1", "2", "1"]}, {}, tm.DataError, ["'rank'", "numbers", "cast"]),
        (LISTS | {"user": [1, 2, 3]}, {}, tm.UnknownIdError, ["users are strings", "1"]),
        (LISTS | {"item": [1, 2, 3]}, {}, tm.UnknownIdError, ["items are strings", "1"]),
        (LISTS, {"metrics": "rmse"}, tm.NotSupportedError, ["rmse", "lists hold none"]),
        (LISTS, {"metrics": "gain@3"}, ValueError, ["gain@3"]),
        (LISTS, {"metrics": ["ndcg@3", "novelty@3"]}, ValueError, ["novelty@3 needs", "train="]),
        (LISTS, {"metrics": "auc@3"}, ValueError, ["auc@3 needs", "train="]),
        (LISTS, {"metrics": "diversity@3"}, ValueError, ["diversity@3 needs", "item_features"]),
        (LISTS, {"train": LISTS}, tm.DataError, ["train takes tastemap.Interactions", "dict"]),
        (LISTS, {"item_features": LISTS}, tm.DataError, ["item_features takes tastemap.Features", "dict"]),
    ],
)
def test_bad_input_is_refused_in_one_sentence(frame: Any, options: Any, error: Any, words: list[str]) -> None:
    with pytest.raises(error) as refused:
        tm.evaluate_lists(frame, read({"u": "ab", "v": "a"}), **options)
    assert all(word in str(refused.value) for word in words), str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("model", [tm.SVD(factors=2, epochs=2), tm.ImplicitALS(factors=2, epochs=2)])
def test_auc_is_that_of_the_model_where_ratings_are_zero(model: tm.Model) -> None:
    draw = np.random.default_rng(0)
    frame = {
        "user": draw.integers(0, 30, 900),
        "item": draw.integers(0, 25, 900),
        "stars": draw.choice([0, 0, 1, 3, 5], 900),
    }
    data = tm.Interactions.from_frame(frame, weight="stars", duplicates="last")
    train, test = tm.split.random(data, 0.3, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pairs of weight 0
        model.fit(train)
    lists = model.recommend(k=25)
    measured = tm.evaluate_lists(lists, test, train=train, metrics="auc", hides_zeros=model.abilities.ratings)
    assert measured.means == pytest.approx(tm.evaluate(model, test, metrics="auc").means)
