from __future__ import annotations

import polars as pl
import pytest

import tastemap as tm
from tastemap.service.histories import recommend_from_histories
from tastemap.service.remarks import Remark

LIKES = {"reader": ["a", "a", "b", "b", "c", "c"], "book": [1, 2, 2, 3, 1, 3]}
MODEL = tm.ImplicitALS(factors=2, epochs=3).fit(tm.Interactions.from_frame(LIKES, user="reader", item="book"))


def test_each_user_is_known_by_the_pairs_of_the_file_alone() -> None:
    frame = {"person": ["z", "y", "z"], "book": [1, 2, 3], "stars": [5, 4, 1]}
    data = tm.Interactions.from_frame(frame, user="person", item="book", weight="stars")
    answer, remarks = recommend_from_histories(MODEL, data, k=2)
    expected = MODEL.recommend_for([{1: 5.0, 3: 1.0}, {2: 4.0}], k=2, frame="polars")
    assert answer.columns == ["person", "book", "rank", "score"]
    assert answer["person"].to_list() == ["z", "y", "y"]
    assert answer.drop("person").equals(expected.drop(expected.columns[0]))
    assert remarks == []


def test_pairs_of_unknown_items_are_left_out_with_a_remark() -> None:
    data = tm.Interactions.from_frame({"user": [1, 1, 2], "book": [1, 99, 99]}, item="book")
    answer, remarks = recommend_from_histories(MODEL, data, k=1)
    assert answer["user"].to_list() == [1]
    assert remarks == [Remark("unknown items", {"left_out": 2, "pairs": 3})]
    unknown = tm.Interactions.from_frame(pl.DataFrame({"user": [1], "book": [99]}), item="book")
    with pytest.raises(tm.DataError, match="the model knows none of the items in the history"):
        recommend_from_histories(MODEL, unknown)


def test_what_is_not_liked_is_left_out_with_a_remark() -> None:
    frame = {"user": [1, 1, 2], "book": [1, 2, 3], "liked": [1, 0, 0]}
    data = tm.Interactions.from_frame(frame, item="book", weight="liked")
    answer, remarks = recommend_from_histories(MODEL, data, k=2)
    assert remarks == [Remark("dislikes", {"left_out": 2, "pairs": 3})]
    assert answer["user"].unique().to_list() == [1]
    ratings = tm.SVD(factors=2, epochs=2).fit(data)  # 0 is a rating
    assert recommend_from_histories(ratings, data, k=2)[1] == []


def test_only_candidates_are_recommended() -> None:
    data = tm.Interactions.from_frame({"user": [1], "book": [1]}, item="book")
    assert recommend_from_histories(MODEL, data, candidates=[2])[0]["book"].to_list() == [2]
    assert recommend_from_histories(MODEL, data, exclude=[2])[0]["book"].to_list() == [3]
