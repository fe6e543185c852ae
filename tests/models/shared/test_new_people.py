"""recommend_for keeps the ids of new people, in whatever form their histories come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tastemap as tm
from tastemap.testing.data import UNSEEN, data, people_features

HISTORIES: dict[str, list[int]] = {"zoe": [103, 105], "adam": [104, 101, 100]}
ROWS = [(who, film) for who, films in HISTORIES.items() for film in films]
TABLE = {"person": [who for who, _ in ROWS], "film": [film for _, film in ROWS]}
POLARS, PANDAS = pl.DataFrame(TABLE), pd.DataFrame(TABLE)


@pytest.fixture(scope="module", params=["ImplicitALS", "EASE", "SVD", "PersonalPopular"])
def model(request: pytest.FixtureRequest) -> Any:
    return tm.MODELS[request.param]().fit(data(), progress=False)


@pytest.mark.parametrize(
    "given",
    [
        POLARS,
        POLARS.lazy(),
        PANDAS,
        POLARS.to_arrow(),
        TABLE,
        HISTORIES,
        PANDAS.groupby("person", sort=False)["film"].agg(list),
        POLARS.group_by("person", maintain_order=True).agg("film"),
        {who: np.array(films) for who, films in HISTORIES.items()},
        {who: set(films) for who, films in HISTORIES.items()},
        {who: pl.Series(films) for who, films in HISTORIES.items()},
        {who: tuple(films) for who, films in HISTORIES.items()},
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.filterwarnings("ignore:the model cannot tell")
def test_people_keep_their_ids_in_the_order_of_their_first_rows(model: Any, given: Any) -> None:
    plain = model.recommend_for(list(HISTORIES.values()), k=4)
    shown = model.recommend_for(given, k=4)
    assert shown.columns == ["person", "film", "rank", "score"]
    assert shown["person"].to_list() == [list(HISTORIES)[number] for number in plain["history"]]
    assert shown.drop("person").equals(plain.drop("history"))


@pytest.mark.filterwarnings("ignore:the model cannot tell")
def test_lists_of_any_kind_are_numbered(model: Any) -> None:
    plain = model.recommend_for([[103, 105], [104, 101]], k=4)
    for given in (
        [pd.Series([103, 105]), pl.Series([104, 101])],
        [{103, 105}, {104, 101}],
        ((103, 105), (104, 101)),
        np.array([[103, 105], [104, 101]]),
        pl.Series([[103, 105], [104, 101]]),
        pd.Series([[103, 105], [104, 101]]),
    ):
        assert model.recommend_for(given, k=4).equals(plain)


def test_weights_of_interactions_count_as_those_of_the_training() -> None:
    model = tm.ImplicitALS(factors=4).fit(data(), progress=False)
    weights = {"zoe": {103: 5.0, 105: 1.0}, "adam": {104: 0.0, 101: 2.0}}
    rows = [(who, film, weight) for who, own in weights.items() for film, weight in own.items()]
    table = pl.DataFrame(rows, ["person", "film", "stars"], orient="row")
    plain = model.recommend_for(list(weights.values()), k=4).drop("history")
    other = tm.Interactions.from_frame(table.rename({"person": "reader"}), user="reader", item="film", weight="stars")
    assert model.recommend_for(weights, k=4).drop("person").equals(plain)
    assert model.recommend_for(table, k=4).drop("person").equals(plain)
    shown = model.recommend_for(other, k=4)
    assert shown.columns[0] == "reader"
    assert shown.drop("reader").equals(plain)


def test_a_bound_of_the_training_holds_for_frames() -> None:
    liked = data().at_least(3)
    table = pl.DataFrame({"person": ["a", "a"], "film": [103, 104], "stars": [1.0, 5.0]})
    for train, weight in ((liked.binarize(), 1.0), (liked, 5.0)):
        model = tm.ImplicitALS(factors=4).fit(train, progress=False)
        plain = model.recommend_for({104: weight}, exclude_seen=False).drop("history")
        assert model.recommend_for(table, exclude_seen=False).drop("person").equals(plain)
    with pytest.raises(tm.DataError, match="the history of 'a' holds no like"):
        model.recommend_for(table.head(1))


def test_features_of_new_people_are_found_by_their_ids() -> None:
    model = tm.ImplicitALS(factors=4).fit(data(), user_features=people_features(), progress=False)
    about = people_features()
    two = about.only(["u1", "u2"])
    plain = model.recommend_for([[103], [104]], user_features=about.only(["u2", "u1"]), k=4)
    shown = model.recommend_for({"u2": [103], "u1": [104]}, user_features=two, k=4)
    assert shown.drop("person").equals(plain.drop("history"))
    with pytest.raises(tm.UnknownIdError, match="no features"):
        model.recommend_for({"u2": [103], "u9": [104]}, user_features=two)


def test_pairs_may_be_excluded_where_people_have_ids(model: Any) -> None:
    banned = pl.DataFrame({"person": ["zoe"], "film": [106]})
    films = model.recommend_for(HISTORIES, k=20, exclude=banned)
    assert films.filter(pl.col("film") == 106)["person"].to_list() == ["adam"]


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"a": [5]}, tm.UnknownIdError, r"1 of 1 film values were not in the training data: 5\."),
        (pl.DataFrame({"person": ["a"], "film": [5]}), tm.UnknownIdError, "were not in the training data: 5"),
        (pl.DataFrame({"person": ["a"], "film": [UNSEEN]}), tm.UnknownIdError, "no training pair"),
        (pl.DataFrame({"who": ["a"], "film": [103]}), tm.DataError, "there is no column 'person', only 'who', 'film'"),
        (pd.Series([[103], [104]], index=["a", "a"]), tm.DataError, "ids must be distinct"),
        ({"a": []}, tm.DataError, "the history is empty"),
        (
            pl.DataFrame({"person": ["a"], "film": [103], "stars": [0.0]}),
            tm.DataError,
            "the history of 'a' holds no like",
        ),
        (pl.DataFrame({"person": ["a"], "film": [103], "stars": [-1.0]}), tm.DataError, "negative"),
    ],
)
def test_what_cannot_be_a_history_is_refused(given: Any, error: type[Exception], sentence: str) -> None:
    model = tm.EASE().fit(data())
    with pytest.raises(error, match=sentence):
        model.recommend_for(given)


def test_names_of_columns_must_not_meet() -> None:
    model = tm.EASE().fit(data())
    frame = pl.DataFrame({"film": ["a"], "item": [103]})
    with pytest.raises(tm.DataError, match="people and items are both called 'film'"):
        model.recommend_for(tm.Interactions.from_frame(frame, user="film"))
