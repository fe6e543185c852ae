"""Metrics that the caller defines: their arguments, their uses, and the values that are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from html import unescape
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tastemap as tm
from tastemap.metrics.definitions import parse_all


def read(histories: dict[str, str]) -> tm.Interactions:
    rows = [(user, item) for user, items in histories.items() for item in items]
    return tm.Interactions.from_frame(pl.DataFrame(rows, ["user", "item"], orient="row"))


# Popular ranks a, b, c, d: they have 4, 3, 2 and 1 users. u5 is new, and so is z.
TRAIN = read({"u1": "a", "u2": "ab", "u3": "abc", "u4": "abcd"})
TEST = read({"u1": "cd", "u3": "d", "u4": "z"})


def first_hit(lists: pl.Series, truth: pl.Series) -> list[int]:
    """The place of the first hit, one behind the list where there is none.

    That is all.
    """
    return [
        next((place for place, item in enumerate(shown, 1) if item in wanted), len(shown) + 1)
        for shown, wanted in zip(lists, truth, strict=True)
    ]


def precision(lists: pl.Series, truth: pl.Series) -> pl.Series:
    return pl.DataFrame({"lists": lists, "truth": truth}).select(
        pl.col("lists").list.set_intersection("truth").list.len() / 3
    )["lists"]


FIRST_HIT = tm.OwnMetric(first_hit, k=3, lower_is_better=True)
PRECISION = tm.OwnMetric(precision, k=3, name="my precision")


def test_an_own_metric_is_a_value() -> None:
    assert (FIRST_HIT.name, FIRST_HIT.k, FIRST_HIT.lower_is_better) == ("first_hit@3", 3, True)
    assert (PRECISION.name, PRECISION.lower_is_better) == ("my precision@3", False)
    assert tm.OwnMetric(first_hit).name == "first_hit@10"
    assert tm.OwnMetric(first_hit, k=3, lower_is_better=True) == FIRST_HIT
    assert hash(FIRST_HIT) == hash(tm.OwnMetric(first_hit, k=3, lower_is_better=True))
    others = (tm.OwnMetric(first_hit, k=3), tm.OwnMetric(precision, k=3, name="first_hit", lower_is_better=True))
    assert FIRST_HIT not in others
    assert repr(FIRST_HIT) == "OwnMetric(first_hit, k=3, lower_is_better=True)"
    assert repr(PRECISION) == "OwnMetric(precision, k=3, name='my precision')"
    assert FIRST_HIT.at(5) == tm.OwnMetric(first_hit, k=5, lower_is_better=True)
    assert FIRST_HIT.definition == "The place of the first hit, one behind the list where there is none."
    assert PRECISION.definition == "A metric of one's own, whose function says no more."


def test_it_gets_the_lists_and_the_test_items_by_their_own_ids() -> None:
    model = tm.Popular().fit(TRAIN)
    given: list[tuple[pl.Series, pl.Series]] = []

    def looks(lists: pl.Series, truth: pl.Series) -> list[int]:
        given.append((lists, truth))
        return [len(shown) for shown in lists]

    measured = tm.evaluate(model, TEST, metrics=[tm.OwnMetric(looks, k=2), FIRST_HIT, "mrr@3"])
    ((lists, truth),) = given
    assert (lists.dtype, truth.dtype) == (pl.List(pl.String), pl.List(pl.String))
    # u4 has all there is, and z is an item that the model does not know.
    assert lists.to_list() == [["b", "c"], ["d"], []]
    assert [sorted(items) for items in truth] == [["c", "d"], ["d"], ["z"]]
    assert measured.names == ("looks@2", "first_hit@3", "mrr@3")
    assert measured.per_user.rows() == [("u1", 2, 2, 1 / 2), ("u3", 1, 1, 1), ("u4", 0, 1, 0)]
    assert measured["looks@2"] == (2 + 1 + 0) / 3
    assert measured[FIRST_HIT] == measured["first_hit@3"] == (2 + 1 + 1) / 3
    assert measured.interval(FIRST_HIT)["low"] < measured[FIRST_HIT] < measured.interval(FIRST_HIT)["high"]
    assert repr(measured) == "Evaluation of 3 users: looks@2 1.0000, first_hit@3 1.3333, mrr@3 0.5000"


def test_ids_may_be_numbers() -> None:
    pairs = tm.Interactions.from_frame({"user": [1, 1, 2], "item": [10, 20, 10]})
    test = tm.Interactions.from_frame({"user": [2], "item": [20]})
    own = tm.OwnMetric(lambda lists, truth: lists.list.first() - truth.list.first(), k=1, name="apart")
    assert tm.evaluate(tm.Popular().fit(pairs), test, metrics=own)["apart@1"] == 0


def test_users_come_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tm.Popular().fit(TRAIN)
    whole = tm.evaluate(model, TEST, metrics=[FIRST_HIT, PRECISION])
    monkeypatch.setattr("tastemap.models.shared.answers.PLACES_AT_ONCE", 3)
    assert tm.evaluate(model, TEST, metrics=[FIRST_HIT, PRECISION]).values.tolist() == whole.values.tolist()


def test_given_lists_are_measured_too() -> None:
    # Of y nothing else is known, and v has no list.
    lists = pl.DataFrame({"user": ["u", "u", "w"], "item": ["y", "a", "b"]})
    test = read({"u": "az", "w": "a", "v": "b"})
    measured = tm.evaluate_lists(lists, test, metrics=[FIRST_HIT, PRECISION, "precision@3"])
    assert measured.per_user.rows() == [("u", 2, 1 / 3, 1 / 3), ("w", 2, 0, 0), ("v", 1, 0, 0)]


@pytest.mark.parametrize("kind", [np.array, pl.Series, pd.Series, list, tuple])
def test_it_may_return_an_array_a_series_or_a_list(kind: Callable[[list[bool]], Any]) -> None:
    own = tm.OwnMetric(lambda lists, truth: kind([True, False, True]), name="yes")
    assert tm.evaluate(tm.Popular().fit(TRAIN), TEST, metrics=own)["yes@10"] == 2 / 3


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ([1.0, 2.0], "2 values for 3 users"),
        ([], "0 values for 3 users"),
        ([1.0, nan, 2.0], "nan for user 2 of 3"),
        ([1.0, 0.0, -np.inf], "-inf for user 3 of 3"),
        (pl.Series([1.0, None, None]), "nan for user 2 of 3"),
        (0.5, "0.5"),
        (None, "None"),
        ({"a": 1}, "{'a': 1}"),
        (["a", "b", "c"], "values that are no numbers, such as 'a'"),
        ([1.0, None, 2.0], "values that are no numbers, such as None"),
        ([[1], [1, 2], []], "a list with several values for a user"),
        (np.ones((3, 2)), "a ndarray with several values for a user"),
    ],
    ids=str,
)
def test_anything_but_a_finite_number_a_user_is_refused_in_a_sentence(returned: Any, words: str) -> None:
    own = tm.OwnMetric(lambda lists, truth: returned, name="odd")
    sentence = f"the metric odd@10 returned {words}"
    with pytest.raises(tm.DataError, match=f"^{re.escape(sentence)}.*: its function must return a finite number for"):
        tm.evaluate(tm.Popular().fit(TRAIN), TEST, metrics=own)
    with pytest.raises(tm.DataError, match=re.escape(f"Popular: {sentence}")):
        tm.compare([tm.Popular()], TEST, train=TRAIN, metrics=own)


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyError, ValueError])
def test_what_the_function_raises_is_passed_on_with_a_note(kind: type[Exception]) -> None:
    def fails(lists: pl.Series, truth: pl.Series) -> None:
        raise kind("oh")

    model = tm.Popular().fit(TRAIN)
    for measure in (tm.evaluate, lambda model, test, metrics: tm.compare([model], test, metrics=metrics)):
        with pytest.raises(kind, match="oh") as raised:
            measure(model, TEST, metrics=tm.OwnMetric(fails))  # type: ignore[operator]
        assert raised.value.__notes__ == ["This was raised by the function of the metric fails@10."]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: tm.OwnMetric("ndcg"), "an own metric is a function of lists and test items, got 'ndcg'"),  # type: ignore[arg-type]
        (lambda: tm.OwnMetric(lambda lists, truth: 0), "this function has no name to show in results: pass name="),
        (lambda: tm.OwnMetric(partial(first_hit)), "this function has no name to show in results: pass name="),
        (lambda: tm.OwnMetric(first_hit, name="a@b"), "the name of a metric must be text without an @, got 'a@b'"),
        (lambda: tm.OwnMetric(first_hit, name=" "), "the name of a metric must be text without an @, got ' '"),
        (lambda: tm.OwnMetric(first_hit, name="ndcg"), "'ndcg' is a metric of tastemap's: pass another name="),
        (lambda: tm.OwnMetric(first_hit, lower_is_better=1), "lower_is_better must be True or False, got 1"),  # type: ignore[arg-type]
        (lambda: tm.OwnMetric(first_hit, k=0), "the cut-off of a metric must be a whole number of at least 1"),
        (lambda: tm.OwnMetric(first_hit, k=None), "the metric first_hit needs a cut-off"),  # type: ignore[arg-type]
        (lambda: parse_all([FIRST_HIT, tm.OwnMetric(precision, k=3, name="first_hit")]), "must name each once"),
        (lambda: tm.ImplicitALS().fit(TRAIN, metric=FIRST_HIT), "got 'first_hit@3': measure others with tastemap.ev"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        make()
    assert "\n" not in str(refused.value)


# -- wherever metrics go ----------------------------------------------------------------------------------------------

HERE = np.random.default_rng(3).random((60, 20)) < 0.35
PAIRS = tm.Interactions.from_frame(pl.DataFrame({"user": np.nonzero(HERE)[0], "item": np.nonzero(HERE)[1]}))
PARTS = tm.split.random(PAIRS, 0.3, seed=2)
SAME = tm.OwnMetric(precision, k=3, name="own")


def test_a_comparison_treats_it_as_its_own(tmp_path: Path) -> None:
    train, test = PARTS
    models = [tm.Popular(), tm.EASE(regularization=1), tm.Random()]
    board = tm.compare(models, test, train=train, metrics=[SAME, "precision@3", FIRST_HIT])
    assert board.frame["own@3"].to_list() == pytest.approx(board.frame["precision@3"].to_list(), rel=1e-12)
    own, usual = (board.differences.filter(metric=name).drop("metric") for name in ("own@3", "precision@3"))
    assert own["model"].to_list() == usual["model"].to_list()
    assert own["p"].to_list() == usual["p"].to_list()
    assert own["low"].to_list() == pytest.approx(usual["low"].to_list(), abs=1e-12)
    depths = [board.evaluations[name][FIRST_HIT] for name in board.ranking(FIRST_HIT)]
    assert depths == sorted(depths)  # less is better
    assert board.ranking(FIRST_HIT) == board.ranking("first_hit@3")
    assert "own@3" in str(board)
    tm.export.report(board, tmp_path / "own.html")
    page = (tmp_path / "own.html").read_text(encoding="utf-8")
    assert "is best by own@3, with" in page
    assert "<dt>first_hit@3</dt><dd>The place of the first hit, one behind the list where there is none.</dd>" in page
    told = unescape(page)
    assert "    metrics=[tm.OwnMetric(precision, k=3, name='own'), 'precision@3', tm.OwnMetric(first_hit, k=3, " in told
    assert tm.plot.intervals(board, SAME).axes[0].get_xlabel().startswith("own@3: mean over 52 users")
    assert tm.plot.intervals(board, "first_hit@3").axes[0].get_xlabel().endswith("less is better")
    assert "own@3 of EASE less" in tm.plot.differences(board, "EASE", "Random").axes[0].get_ylabel()


def test_folds_are_measured_by_it() -> None:
    found = tm.cross_validate([tm.Popular(), tm.Random()], PAIRS, k=2, metrics=[FIRST_HIT, SAME, "precision@3"])
    assert found.frame["own@3"].to_list() == pytest.approx(found.frame["precision@3"].to_list(), rel=1e-12)
    assert found.summary["first_hit@3"].to_list() == sorted(found.summary["first_hit@3"])


def test_a_search_may_be_for_it(tmp_path: Path) -> None:
    train, test = PARTS
    options: dict[str, Any] = {"trials": 4, "refit": False, "progress": False, "seed": 1}
    model = tm.ImplicitALS(factors=2, epochs=3)
    found = tm.tune(model, train, test, metric=SAME, study=tmp_path / "own.db", **options)
    usual = tm.tune(model, train, test, metric="precision@3", prune=False, **options)
    assert found.parameters == usual.parameters
    assert found.score == pytest.approx(usual.score, rel=1e-12)
    assert [trial.intermediate_values for trial in found.study.trials] == [{}] * 4
    assert str(found).splitlines()[0].endswith(f": own@3 {found.score:.4f}")
    again = tm.tune(model, train, test, metric=SAME, study=tmp_path / "own.db", **options)
    assert again.trials.equals(found.trials)
    fewest = tm.tune(model, train, test, metric=FIRST_HIT, **options)
    assert fewest.score == fewest.trials["score"].min()
    assert tm.plot.tuning(fewest).axes[0].get_ylabel() == "first_hit@3, less is better"
    for other, words in ((tm.OwnMetric(precision, k=4, name="own"), "metric"), (turned(SAME), "direction")):
        with pytest.raises(tm.ModelFileError, match=f"the study of another search: its {words} is"):
            tm.tune(model, train, test, metric=other, study=tmp_path / "own.db", **options)


def turned(metric: tm.OwnMetric) -> tm.OwnMetric:
    """Return the same metric with lower values better."""
    return tm.OwnMetric(metric.function, metric.k or 1, name=metric.base_name, lower_is_better=True)


def test_it_is_drawn_by_the_length_of_the_list() -> None:
    train, test = PARTS
    model = tm.Popular().fit(train)
    (ax,) = tm.plot.metric_at_k(model, test, FIRST_HIT, ks=(1, 2, 5)).axes
    expected = [tm.evaluate(model, test, metrics=FIRST_HIT.at(k))[f"first_hit@{k}"] for k in (1, 2, 5)]
    assert np.asarray(ax.lines[0].get_ydata()).tolist() == expected
    assert ax.get_ylabel() == "first_hit@k"
