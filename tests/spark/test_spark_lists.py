"""The lists that executors make are those of one machine: the same items, order and scores, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
from tastemap.spark.shipping import ship

pytestmark = pytest.mark.xdist_group("spark")


def collect(frame: Any) -> pl.DataFrame:
    """Return the rows of a Spark frame of lists in the order of users and ranks."""
    table = pl.from_arrow(frame.toArrow())
    assert isinstance(table, pl.DataFrame)
    return table.sort(table.columns[0], "rank")


def order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort(frame.columns[0], "rank")


@pytest.mark.parametrize(
    "model",
    [
        tm.EASE(),
        tm.ItemKNN(),
        tm.Popular(),
        tm.Random(),
        tm.SVD(factors=4, epochs=2),
        tm.PersonalPopular(),
        tm.GraphFilter(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_known_users_get_their_lists(model: tm.Model, local: tm.Interactions, far: Any) -> None:
    model.fit(local, progress=False)
    assert collect(model.recommend_all(far, k=5)).equals(order(model.recommend(k=5, frame="polars")))


def test_a_model_of_order_lists_whom_it_knows(local: tm.Interactions, far: Any) -> None:
    walks = local.to_frame("polars").sort("what").with_row_index("place")
    walks = walks.with_columns(day=(pl.col("place").cast(pl.Int64) * 7919) % 365)
    model = tm.NextItem(regularization=5.0).fit(
        tm.Interactions.from_frame(walks, user="who", item="what", time="day"), progress=False
    )
    assert collect(model.recommend_all(far.select("who"), k=5)).equals(order(model.recommend(k=5, frame="polars")))
    with pytest.raises(tm.NotSupportedError, match="NextItem uses the order of histories, and those of"):
        model.recommend_all(histories=far)


def test_options_are_those_of_recommend(trained: tm.ImplicitALS, far: Any, local: tm.Interactions) -> None:
    table = pl.DataFrame({"what": trained.items.ids, "kind": [f"k{item % 4}" for item in trained.items.ids]})
    for asked in (
        {"exclude_seen": False},
        {"candidates": [101, 105, 109], "exclude": [105]},
        {"where": "kind=k1|k2", "item_table": table, "diversity": 0.4},
        {"at_most": {"kind": 1}, "item_table": table},
        {"exclude": local.to_frame("polars").head(60)},
    ):
        found = collect(trained.recommend_all(far.select("who"), k=4, **asked))
        assert found.equals(order(trained.recommend(k=4, **asked, frame="polars")))


def test_new_users_are_folded_in_beside_known_ones(
    trained: tm.ImplicitALS, to_spark: Callable[[pl.DataFrame], Any], pairs: pl.DataFrame, local: tm.Interactions
) -> None:
    # The new users have what u1 and u2 have, and an item that the model does not know.
    new = pairs.filter(pl.col("who").is_in(["u1", "u2"])).with_columns(who="new " + pl.col("who"))
    stray = pl.DataFrame({"who": ["new u1"], "what": [999], "times": [1]})
    histories = to_spark(pl.concat([pairs, new, stray]))
    found = collect(trained.recommend_all(histories=histories, k=5))
    known = order(trained.recommend(k=5, frame="polars"))
    assert found.filter(~pl.col("who").str.starts_with("new")).equals(known)
    folded = trained.recommend_for(local.pick(np.isin(local_users(local), ["u1", "u2"])), k=5, frame="polars")
    folded = order(folded.with_columns(who="new " + pl.col("who")))
    assert found.filter(pl.col("who").str.starts_with("new")).equals(folded)


def local_users(local: tm.Interactions) -> list[str]:
    return local.to_frame("polars")["who"].to_list()


def test_a_model_without_pairs_takes_histories(trained: tm.ImplicitALS, far: Any, local: tm.Interactions) -> None:
    everybody = order(trained.recommend(k=5, frame="polars"))
    bare = trained.without_users()
    with pytest.raises(tm.NotSupportedError, match="leaving out seen items needs the training pairs"):
        bare.recommend_all(far)
    # Known users keep their factors; what is in the histories is left out.
    assert collect(trained.recommend_all(far.select("who"), histories=far, k=5)).equals(everybody)
    folded = order(trained.recommend_for(local, k=5, frame="polars"))
    assert collect(trained.recommend_all(histories=far, fold_in="all", k=5)).equals(folded)
    # The model without users knows nobody, and folds in everybody.
    assert collect(bare.recommend_all(histories=far, k=5)).equals(folded)


def test_unknown_users_are_told_skipped_or_get_popular_items(
    trained: tm.ImplicitALS, to_spark: Callable[[pl.DataFrame], Any]
) -> None:
    people = to_spark(pl.DataFrame({"who": ["u1", "nobody", "u1"]}))
    skipped = collect(trained.recommend_all(people, k=3, on_unknown="skip"))
    assert skipped["who"].to_list() == ["u1"] * 3
    asked = {"users": ["nobody", "u1"], "k": 3, "on_unknown": "popular", "frame": "polars"}
    assert collect(trained.recommend_all(people, k=3, on_unknown="popular")).equals(order(trained.recommend(**asked)))
    from pyspark.errors import PythonException

    with pytest.raises(PythonException, match=r"1 of . users of a batch are not known to the model"):
        trained.recommend_all(people).count()


def test_wrong_users_are_told_before_any_job(
    trained: tm.ImplicitALS, far: Any, to_spark: Callable[[pl.DataFrame], Any], local: tm.Interactions
) -> None:
    with pytest.raises(tm.DataError, match="the Spark frame has no column 'who'"):
        trained.recommend_all(far.select("what"))
    with pytest.raises(tm.DataError, match="column 'who' holds bigint values, and the model knows them as strings"):
        trained.recommend_all(to_spark(pl.DataFrame({"who": [1]})))
    with pytest.raises(tm.DataError, match="column 'who' has no id in 1 of 2 rows"):
        trained.recommend_all(to_spark(pl.DataFrame({"who": ["u1", None]})))
    with pytest.raises(ValueError, match="k must be a whole number"):
        trained.recommend_all(far, k=0)
    with pytest.raises(tm.DataError, match="exclude takes ids"):
        trained.recommend_all(far, exclude=far)
    with pytest.raises(tm.DataError, match="histories is a Spark frame here"):
        trained.recommend_all("lists.parquet", histories=local)


def test_an_equal_model_is_shipped_once(spark: Any, trained: tm.ImplicitALS) -> None:
    context = spark.sparkContext
    first = ship(context, trained.without_users())
    assert ship(context, trained.without_users()) == first
    assert ship(context, {"other": 1}) != first
