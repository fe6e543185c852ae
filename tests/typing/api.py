"""A user's program: every line is right, and the types are what the documents say. Checked, never run."""

from __future__ import annotations

from typing import Any, Literal, assert_type

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame as SparkFrame

import tastemap as tm
import tastemap.split
from tastemap.datasets import movielens


def read() -> tm.Interactions:
    films = assert_type(movielens("100k"), tm.Dataset)
    assert_type(tm.datasets.online_retail("online-retail.parquet").items, pl.DataFrame | None)
    assert_type(tm.Interactions.from_file("ratings.csv", weight="stars"), tm.Interactions)
    loans = pd.DataFrame({"reader": ["ann"], "book": ["Emma"]})
    assert_type(tm.Interactions.from_frame(loans, user="reader", item="book").users, tm.IdMap)
    return films.interactions.at_least(4).binarize()


def describe(books: pl.DataFrame) -> tm.Features:
    genres = assert_type(tm.Features.from_frame(books, id="book", columns="genre"), tm.Features)
    return genres | tm.text_features(books, id="book", columns=["title"])


def take_frames(data: tm.Interactions, kind: Literal["pandas", "polars"]) -> None:
    assert_type(data.to_frame("pandas"), pd.DataFrame)
    assert_type(data.to_frame("polars"), pl.DataFrame)
    assert_type(data.to_frame("pyarrow"), pa.Table)
    assert_type(data.to_frame(), Any)
    assert_type(data.to_frame(kind), pd.DataFrame | pl.DataFrame)


def part(data: tm.Interactions) -> tuple[tm.Interactions, tm.Interactions]:
    for train, test in tm.split.k_fold(data, 5):
        assert_type(train, tm.Interactions)
        assert_type(test, tm.Interactions)
    return assert_type(tastemap.split.random(data, 0.2, seed=1), tuple[tm.Interactions, tm.Interactions])


def fit(train: tm.Interactions, test: tm.Interactions, books: tm.Features) -> tm.Model:
    def show(done: tm.Epoch) -> None:
        assert_type(done.metric, float | None)

    model = assert_type(tm.WARP(factors=32, seed=1).fit(train, item_features=books), tm.WARP)
    assert_type(model.fit(train, validation=test, patience=3, callbacks=show).add_items(books), tm.WARP)
    assert_type(tm.ImplicitALS().fit(train).update(test), tm.ImplicitALS)
    assert_type(model.abilities.features, bool)
    assert_type([made() for made in tm.MODELS.values()], list[tm.Model])
    model.save("books.safetensors")
    return assert_type(tm.load("books.safetensors"), tm.Model)


def ask(model: tm.Model, kind: Literal["pandas", "polars"]) -> None:
    assert_type(model.recommend("ann", k=3), Any)
    assert_type(model.recommend(["ann"], k=3, on_unknown="skip", frame="pandas"), pd.DataFrame)
    assert_type(model.recommend(exclude_seen=False, frame="polars"), pl.DataFrame)
    assert_type(model.recommend(candidates=["Emma"], frame="pyarrow"), pa.Table)
    assert_type(model.recommend(frame=kind), pd.DataFrame | pl.DataFrame)
    assert_type(model.recommend_for({"Emma": 2}, k=3, frame="pandas"), pd.DataFrame)
    assert_type(model.recommend_for(["Emma"], weights=[2], frame="polars"), pl.DataFrame)
    assert_type(model.recommend_for([["Emma"], []], exclude=["Villette"], frame="pyarrow"), pa.Table)
    assert_type(model.similar_items("Emma", metric="dot", candidates=["Villette"], frame="pandas"), pd.DataFrame)
    assert_type(model.similar_items(["Emma"], k=1, frame="polars"), pl.DataFrame)
    assert_type(model.similar_items(["Emma"], frame="pyarrow"), pa.Table)
    assert_type(model.similar_users("ann", k=1, frame="pandas"), pd.DataFrame)
    assert_type(model.similar_users("ann", metric="euclidean", frame="polars"), pl.DataFrame)
    assert_type(model.similar_users("ann", frame="pyarrow"), pa.Table)
    assert_type(model.users_for("Emma", k=3, candidates=["ann"], frame="pandas"), pd.DataFrame)
    assert_type(model.users_for(["Emma"], frame="polars"), pl.DataFrame)
    assert_type(model.recommend_rows([0, 1]), tm.Lists)
    assert_type(model.scorer, tm.Scorer)
    assert_type(model.scoring_vectors(), tm.ScoringVectors)
    assert_type(model.predict("ann", ["Emma", "Villette"]), npt.NDArray[np.float32])
    assert_type(explain(model).score, float)
    assert_type(model.explain("ann", "Emma").frame, Any)
    assert_type(model.explain("ann", "Emma", frame="pandas").frame, pd.DataFrame)
    assert_type(model.explain("ann", "Emma", frame="polars"), tm.Explanation[pl.DataFrame])
    assert_type(model.explain("ann", "Emma", frame="pyarrow").frame, pa.Table)
    assert_type(model.card(), str)


def spread(model: tm.Model, frame: SparkFrame) -> None:
    fitted = tm.ImplicitALS(loss="hu").fit(frame, user="reader", item="book", history=True)
    assert_type(fitted, tm.ImplicitALS)
    assert_type(model.recommend_all(frame, histories=frame, k=3), SparkFrame)
    assert_type(model.recommend_all("lists.parquet", k=3), None)
    assert_type(tm.split.by_time(frame, at=3, time="day"), tuple[SparkFrame, SparkFrame])
    assert_type(tm.evaluate(model, frame, exclude=frame), tm.Evaluation)


def explain(model: tm.Model) -> tm.Explanation:
    return model.explain("ann", "Emma")


def first(lists: pl.Series, wanted: pl.Series) -> list[bool]:
    return [bool(len(items) and items[0] in sought) for items, sought in zip(lists, wanted, strict=True)]


def measure(models: list[tm.Model], train: tm.Interactions, test: tm.Interactions) -> None:
    result = assert_type(tm.evaluate(models[0], test, metrics=("ndcg@10", "recall@10")), tm.Evaluation)
    assert_type(result["ndcg@10"], float)
    own = tm.OwnMetric(first, k=1)
    assert_type(tm.evaluate(models[0], test, metrics=[own, tm.METRICS["recall"](10)]).metrics, tuple[tm.Metric, ...])
    board = assert_type(tm.compare({"first": models[0]}, test, train=train), tm.Comparison)
    assert_type(board.evaluations, dict[str, tm.Evaluation])
    assert_type(tm.cross_validate(models, train, k=3), tm.CrossValidation)
    assert_type(tm.evaluate_lists(board.frame, test), tm.Evaluation)
    found = tm.tune(tm.EASE, train, test, space={"regularization": tm.Range(1, 1000, log=True)}, trials=3)
    assert_type(found, tm.Tuning[tm.EASE])
    assert_type(found.score, float)
    assert_type(tm.tune(tm.ImplicitALS(factors=32), train, space={"epochs": [5, 10]}).model.factors, int)
    draw(models, board, found)


def draw(models: list[tm.Model], board: tm.Comparison, found: tm.Tuning) -> None:
    from matplotlib.figure import Figure

    assert_type(tm.plot.learning_curves(models), Figure)
    assert_type(tm.plot.differences(board, "first", "second"), Figure)
    assert_type(tm.plot.tuning(found), Figure)
    tm.plot.intervals(board).savefig("intervals.png")
    tm.plot.latent_space(models[0], highlight=["Emma"], method="tsne").savefig("space.png")
    tm.export.tensorboard(models[0], "books", columns="title")


def refuse() -> str:
    try:
        with tm.threads(2):
            tm.load("books.safetensors")
    except (tm.ModelFileError, tm.DataError) as error:
        assert_type(error, tm.ModelFileError | tm.DataError)
        return str(error)
    except tm.TastemapError:
        pass
    return tm.__version__
