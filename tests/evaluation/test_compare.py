from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import asdict
from itertools import permutations
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pytest
from rich.console import Console

import tastemap as tm
from tastemap.evaluation.compare import _load_kernels
from tastemap.evaluation.comparison import Comparison
from tastemap.ranking import top_k as ranking
from tastemap.service.documents import describe_comparison
from tastemap.tables import Cell, Table


def clubs(n_users: int = 60, seed: int = 0) -> tuple[tm.Interactions, tm.Interactions]:
    """Return pairs of three clubs with different items, a fifth held out; every rating is at least three stars."""
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((n_users, 24)) < 0.6)
    own = users % 3 == items % 3
    users, items = users[own], items[own]
    stars = np.where(items % 2, 5, 3)
    frame = pl.DataFrame({"user": users, "item": items, "stars": stars})
    return tm.split.random(tm.Interactions.from_frame(frame, weight="stars"), 0.2, seed=seed)


TRAIN, TEST = clubs()
MODELS = {"popular": tm.Popular(), "knn": tm.ItemKNN(), "ease": tm.EASE(regularization=1)}


@pytest.fixture(scope="module")
def board() -> Comparison:
    return tm.compare(dict(MODELS), TEST, train=TRAIN, metrics=("ndcg@5", "recall@3"))


def test_a_comparison_is_the_evaluations_of_the_fitted_models(board: Comparison) -> None:
    assert list(board.models) == ["popular", "knn", "ease"]
    for name, model in MODELS.items():
        assert board.models[name].get_params() == model.get_params()
        with pytest.raises(tm.NotFittedError):  # copies are fitted
            _ = model.users
        alone = tm.evaluate(type(model)(**asdict(model)).fit(TRAIN), TEST, metrics=("ndcg@5", "recall@3"))
        assert board.evaluations[name].means == alone.means
        shown = [row for row in board.intervals.iter_rows(named=True) if row["model"] == name]
        expected = {row["metric"]: row for row in alone.frame.iter_rows(named=True)}
        assert all(
            {k: row[k] for k in ("mean", "low", "high")}.items() <= expected[row["metric"]].items() for row in shown
        )
        assert len(shown) == 2


def test_the_frame_has_the_best_first_and_the_seconds(board: Comparison) -> None:
    frame = board.frame
    assert frame.columns == ["model", "ndcg@5", "recall@3", "fit_seconds", "score_seconds"]
    assert frame["ndcg@5"].to_list() == sorted(frame["ndcg@5"], reverse=True)
    assert frame["model"][-1] == "popular"
    assert board.fit_seconds is not None
    assert dict(frame.select("model", "fit_seconds").iter_rows()) == board.fit_seconds
    assert dict(frame.select("model", "score_seconds").iter_rows()) == board.score_seconds
    assert all(0 < seconds < 60 for seconds in [*board.fit_seconds.values(), *board.score_seconds.values()])


def test_differences_are_to_the_best_of_each_metric_and_adjusted(board: Comparison) -> None:
    frame = board.differences
    assert frame.columns == ["metric", "model", "other", "difference", "low", "high", "p", "users"]
    assert len(frame) == 2 * 2
    for row in frame.iter_rows(named=True):
        assert row["other"] == board.ranking(row["metric"])[0]
        apart = board.evaluations[row["model"]][row["metric"]] - board.evaluations[row["other"]][row["metric"]]
        assert row["difference"] == pytest.approx(apart, abs=1e-12)
        assert row["low"] <= row["difference"] <= min(row["high"], 1e-12)
    popular = frame.filter(model="popular", metric="ndcg@5")
    assert popular["p"].item() == pytest.approx(2 / 10049)  # two tests, and no swap came near
    assert popular["high"].item() < 0


def test_the_order_of_the_models_does_not_matter() -> None:
    boards = [
        tm.compare({name: MODELS[name] for name in order}, TEST, train=TRAIN, metrics=("mrr@2", "hit_rate@1"))
        for order in permutations(MODELS)
    ]
    drop = ["fit_seconds", "score_seconds"]
    for other in boards[1:]:
        assert other.frame.drop(drop).equals(boards[0].frame.drop(drop))
        assert other.differences.equals(boards[0].differences)
        assert other.intervals.equals(boards[0].intervals)


def test_a_list_takes_class_names_and_fitted_models_need_no_train() -> None:
    models = [tm.Popular().fit(TRAIN), tm.EASE().fit(TRAIN), tm.EASE(regularization=5).fit(TRAIN)]
    board = tm.compare(models, TEST)
    assert list(board.models) == ["Popular", "EASE", "EASE 2"]
    assert board.fit_seconds is None
    assert board.frame["fit_seconds"].to_list() == [None] * 3
    assert "fit" not in str(board).split("\n")[1].split()
    assert list(tm.compare(models[0], TEST).models) == ["Popular"]
    assert tm.compare(models[:1], TEST).differences.is_empty()
    assert "best" not in str(tm.compare(models[:1], TEST))


def test_frames_are_of_the_kind_of_the_test_part() -> None:
    test = tm.Interactions.from_frame(TEST.to_frame("pandas"), weight="stars")
    board = tm.compare(dict(MODELS), test, train=TRAIN, metrics="ndcg@5")
    for frame in (board.frame, board.intervals, board.differences):
        assert isinstance(frame, pd.DataFrame)


ALONE = """
    import sys
    sys.modules["pyarrow"] = None
    import pandas as pd
    import tastemap as tm
    rows = [(f"u{user}", item) for user in range(30) for item in range(9) if (user * item) % 7 < 4]
    pairs = tm.Interactions.from_frame(pd.DataFrame(rows, columns=["user", "item"]))
    train, test = tm.split.random(pairs)
    board = tm.compare(tm.Popular(), test, train=train, metrics="ndcg@3")
    print("ndcg@3" in str(board), type(board.intervals).__module__)
    found = tm.cross_validate(tm.Popular(), pairs, k=2, metrics="ndcg@3")
    print("ndcg@3" in str(found), type(found.summary).__module__)
"""


def test_pandas_alone_is_enough(run_python: Callable[..., str]) -> None:
    said = run_python(ALONE)
    assert [line.split(".")[0] for line in said.splitlines()] == ["True pandas"] * 2


def test_less_is_better_for_errors_and_coverage_of_users_is_told() -> None:
    board = tm.compare([tm.SVD(epochs=3), tm.ExplicitALS(factors=2)], TEST, train=TRAIN, metrics=("rmse", "mae"))
    assert board.frame["rmse"].to_list() == sorted(board.frame["rmse"])
    (difference,) = board.differences.filter(metric="rmse")["difference"]
    assert difference == pytest.approx(board.frame["rmse"][1] - board.frame["rmse"][0])
    assert difference > 0
    assert "rmse and mae over all test pairs" in str(board)


def test_models_that_know_different_users_are_paired_where_both_do() -> None:
    few = TRAIN.pick(TRAIN.row_of_pair()[TRAIN.input_order] < 30).compact()
    board = tm.compare({"all": tm.EASE().fit(TRAIN), "few": tm.EASE().fit(few)}, TEST, metrics="ndcg@5")
    counts = {name: evaluation.n_users for name, evaluation in board.evaluations.items()}
    assert counts["few"] < counts["all"]
    assert board.differences["users"].to_list() == [counts["few"]]
    assert f"means over {counts['few']} to {counts['all']} users" in str(board)


def test_of_a_single_user_there_are_values_without_intervals() -> None:
    one = TEST.pick(TEST.row_of_pair()[TEST.input_order] == TEST.row_of_pair()[0])
    board = tm.compare([tm.EASE().fit(TRAIN), tm.Popular().fit(TRAIN)], one, metrics="ndcg@5")
    assert board.intervals["low"].to_list() == [None, None]
    assert str(board).endswith("values of one user")


# how it looks


def test_the_text_marks_the_best_and_what_chance_may_have_parted() -> None:
    table = Table(
        ("model", "ndcg@10", "fit"),
        (
            (Cell("a|b [red]<i>"), Cell("0.3 ± 0.1", is_best=True), Cell("1 s")),
            (Cell("c"), Cell("0.2 ± 0.1", is_close=True), Cell("2 s")),
            (Cell("d\nd"), Cell("0.1 ± 0.1"), Cell("3 s")),
        ),
        ("said below",),
    )
    lines = str(table).splitlines()
    assert lines[3].split() == ["a|b", "[red]<i>", "0.3", "±", "0.1*", "1", "s"]
    assert lines[4].split() == ["c", "0.2", "±", "0.1†", "2", "s"]
    assert lines[5].index("±") == lines[4].index("±") == lines[3].index("±")
    assert lines[-2:] == ["*: the best of its column; †: not significantly worse than it", "said below"]
    assert "\x1b" not in str(table)

    screen = io.StringIO()
    Console(file=screen, force_terminal=True, width=100, color_system="standard").print(table)
    assert "\x1b[1m" in screen.getvalue()
    assert "0.1*" not in screen.getvalue()

    markdown = table.markdown().splitlines()
    assert markdown[:3] == [
        "| model | ndcg@10 | fit |",
        "| --- | ---: | ---: |",
        "| a\\|b \\[red]\\<i> | **0.3 ± 0.1** | 1 s |",
    ]
    assert markdown[3] == "| c | 0.2 ± 0.1† | 2 s |"
    assert markdown[4] == "| d d | 0.1 ± 0.1 | 3 s |"  # a row is a line
    assert markdown[-1] == "said below  "

    page = table.html()
    assert 'font-weight: normal">a|b [red]&lt;i&gt;</th>' in page  # bold is the best alone
    assert "<b>0.3 ± 0.1</b>" in page
    assert "0.2 ± 0.1†</td>" in page


def test_a_narrow_screen_loses_nothing() -> None:
    table = Table(("model", "ndcg@10", "recall@10"), ((Cell("ImplicitALS"), *[Cell("0.3333 ± 0.0123", True)] * 2),))
    screen = io.StringIO()
    Console(file=screen, width=34).print(table)
    assert "…" not in screen.getvalue()
    words = screen.getvalue().split()
    assert "0.3333" in words
    assert words.count("0.0123*") == 2
    assert "".join(word for word in words if word.isalpha()).startswith("modelImplicitALS")


def test_printed_in_a_notebook_it_is_plain_text(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    table = Table(("model", "ndcg@10"), ((Cell("EASE"), Cell("0.3333 ± 0.0123", True)),), ("said below",))
    elsewhere = str(table)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert str(table) == elsewhere
    assert "\x1b" not in elsewhere
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["ImplicitALS", "x" * 60])
@pytest.mark.parametrize("width", [30, 40, 60])
def test_what_does_not_fit_a_narrow_screen_gets_a_table_below_with_the_names(name: str, width: int) -> None:
    metrics = tuple(f"metric{n}@10" for n in range(6))
    table = Table(("model", *metrics), ((Cell(name), *[Cell(f"0.{n}333 ± 0.0123", True) for n in range(6)]),), ("end",))
    screen = io.StringIO()
    Console(file=screen, width=width).print(table)
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    headings = [line.split() for line in lines if "metric" in line]
    assert len(headings) > 1
    assert [heading[0] for heading in headings] == ["model"] * len(headings)
    assert [metric for heading in headings for metric in heading[1:]] == list(metrics)
    words = screen.getvalue().split()
    assert [word for word in words if word.endswith("333")] == [f"0.{n}333" for n in range(6)]
    assert sum(word.count(name[-1]) for word in words if set(word) <= set(name)) >= len(headings)
    assert words.count("end") == 1


def test_every_form_of_the_leaderboard_is_the_same_table(board: Comparison) -> None:
    best = board.ranking("ndcg@5")[0]
    value = f"{board.evaluations[best]['ndcg@5']:.4f} ± "
    assert f"| **{value}" in board.markdown()
    assert f"<b>{value}" in board._repr_html_()
    (line,) = [line for line in str(board).splitlines() if line.strip().startswith(f"{best} ")]
    assert "*" in line
    screen = io.StringIO()
    Console(file=screen, width=120).print(board)
    assert line.strip() in screen.getvalue()
    assert repr(board).startswith(f"Comparison of 3 models by ndcg@5: {best} ")


# features, validation


def genres() -> tm.Features:
    frame = pl.DataFrame({"item": np.arange(24), "club": [f"c{item % 3}" for item in range(24)]})
    return tm.Features.from_frame(frame, id="item", columns="club")


def test_features_go_to_the_models_that_take_them_and_the_others_are_named() -> None:
    models = {"warp": tm.WARP(factors=4, epochs=2), "popular": tm.Popular()}
    board = tm.compare(models, TEST, train=TRAIN, metrics="ndcg@5", item_features=genres())
    assert board.without_features == ("popular",)
    assert "fitted without the features, which they do not take: popular" in str(board)
    alone = tm.WARP(factors=4, epochs=2).fit(TRAIN, item_features=genres())
    assert board.evaluations["warp"].means == tm.evaluate(alone, TEST, metrics="ndcg@5").means
    assert tm.compare(dict(models), TEST, train=TRAIN, metrics="ndcg@5").without_features == ()


def test_validation_gives_learning_curves_to_models_with_epochs() -> None:
    models = [tm.ImplicitALS(factors=2, epochs=3), tm.EASE()]
    board = tm.compare(models, TEST, train=TRAIN, metrics="ndcg@5", validation=TEST)
    assert [done.metric is not None for done in board.models["ImplicitALS"].epochs_] == [True] * 3
    assert board.models["EASE"].epochs_ == []


def test_what_excludes_and_unknown_users_are_passed_on() -> None:
    few = tm.Popular().fit(TRAIN.pick(TRAIN.row_of_pair()[TRAIN.input_order] < 30))
    options: dict[str, Any] = {"metrics": "recall@3", "exclude": None, "on_unknown": "popular"}
    board = tm.compare([few], TRAIN, **options)
    expected = tm.evaluate(few, TRAIN, **options)
    assert (board.evaluations["Popular"].n_users, board.evaluations["Popular"].means) == (TRAIN.n_users, expected.means)


# warnings and errors name their model


class Grumbles(tm.Popular):
    """Warns when it is fitted."""

    def learn(self, interactions: tm.Interactions, options: Any) -> None:
        warnings.warn("this will not end well", stacklevel=2)
        super().learn(interactions, options)


def test_warnings_of_some_models_name_them_and_those_of_all_come_once() -> None:
    with pytest.warns(UserWarning, match=r"^g, h: this will not end well$") as caught:
        board = tm.compare({"g": Grumbles(), "p": tm.Popular(), "h": Grumbles()}, TEST, train=TRAIN, metrics="mrr@2")
    assert len(caught) == 1
    assert board.notes == ("g, h: this will not end well",)
    with pytest.warns(UserWarning, match=r"^this will not end well$"):
        tm.compare([Grumbles()], TEST, train=TRAIN, metrics="mrr@2")


class Fails(tm.Popular):
    """Fails when it is fitted."""

    def learn(self, interactions: tm.Interactions, options: Any) -> None:
        raise self.reason

    reason: ClassVar[Exception] = tm.DataError("there is no room", "lower factors")


class FailsLate(tm.Popular):
    """Fails when it is measured."""

    def make_scorer(self) -> Any:
        raise KeyError("q")


@pytest.mark.parametrize("late", [False, True])
def test_a_model_that_fails_is_a_row_that_says_why_and_the_others_go_on(late: bool) -> None:
    wrong, why = (FailsLate(), "KeyError: 'q'") if late else (Fails(), "there is no room: lower factors")
    with pytest.warns(tm.TastemapWarning, match=f"^bad failed, so it is not compared: {why}$"):
        board = tm.compare({"bad": wrong, **MODELS}, TEST, train=TRAIN, metrics=("ndcg@5", "recall@3"))
    alone = tm.compare(dict(MODELS), TEST, train=TRAIN, metrics=("ndcg@5", "recall@3"))
    assert list(board.models) == list(board.evaluations) == list(board.fit_seconds or ()) == list(MODELS)
    assert board.differences.equals(alone.differences)
    assert board.frame["model"].to_list() == [*alone.frame["model"], "bad"]
    assert board.frame["ndcg@5"].to_list() == [*alone.frame["ndcg@5"], None]
    assert board.frame["error"].to_list() == [None, None, None, why]
    assert "error" not in alone.frame.columns
    assert isinstance(board.failed["bad"].error, KeyError if late else tm.DataError)
    assert f"bad failed: {why.removesuffix(': lower factors')}\n" in f"{board}\n"  # the way out is in the warning
    assert "failed: bad" in repr(board)
    assert board.notes == (f"bad failed, so it is not compared: {why}",)
    rows = describe_comparison(board)
    assert rows[-1] == {"model": "bad", "parameters": {"last": None}, "error": why}
    assert "bad" not in board.without_features


class GrumblesAndFails(Grumbles):
    """Warns, then fails."""

    def make_scorer(self) -> Any:
        raise KeyError("q")


def test_a_warning_of_all_models_has_no_name_though_one_of_them_failed() -> None:
    with pytest.warns(UserWarning, match="failed|end well"):
        board = tm.compare({"bad": GrumblesAndFails(), "good": Grumbles()}, TEST, train=TRAIN, metrics="mrr@2")
    assert board.notes == ("this will not end well", "bad failed, so it is not compared: KeyError: 'q'")


def test_where_every_model_fails_the_first_error_is_raised() -> None:
    with pytest.raises(tm.DataError, match=r"^a: there is no room: lower factors$"):
        tm.compare({"a": Fails(), "b": FailsLate()}, TEST, train=TRAIN)


def test_a_model_that_fails_on_a_fold_has_no_means() -> None:
    pairs = tm.Interactions.from_frame(TRAIN.to_frame().select("user", "item"))
    with pytest.warns(tm.TastemapWarning, match="bad failed"):
        found = tm.cross_validate({"bad": Fails(), "popular": tm.Popular()}, pairs, k=2, metrics="ndcg@5")
    assert found.summary["model"].to_list() == ["popular", "bad"]
    assert found.summary["ndcg@5"][1] is None
    assert "bad failed on fold 2: there is no room: lower factors" in str(found)


def test_what_can_be_seen_before_fitting_stops_with_the_models_name() -> None:
    ratings = {"mine": tm.SVD(epochs=1), "theirs": tm.Popular()}
    with pytest.raises(tm.NotSupportedError, match=r"^theirs: rmse takes a model that predicts ratings"):
        tm.compare(ratings, TEST, train=TRAIN, metrics="rmse")
    with pytest.raises(ValueError, match=r"^bad: factors must be"):
        tm.compare({"bad": tm.WARP(factors=0)}, TEST, train=TRAIN)
    with pytest.raises(tm.NotFittedError, match=r"^Popular: this Popular .* call fit first, or pass train"):
        tm.compare([tm.Popular()], TEST)


@pytest.mark.parametrize("metric", ["rmse", "NDCG@10"])
def test_a_metric_that_cannot_be_is_refused_before_anything_is_fitted(metric: str) -> None:
    models = {"mine": tm.SVD(epochs=1), "theirs": tm.Popular()}
    with pytest.raises((ValueError, NotImplementedError)):
        tm.compare(models, TEST, train=TRAIN, metrics=metric)
    assert not hasattr(models["mine"], "epochs_")


@pytest.mark.parametrize(
    ("last", "options", "words"),
    [
        (tm.Popular(), {"metrics": ("ndcg@5", "rmse")}, "Popular: rmse takes a model that predicts ratings"),
        (tm.Popular(), {"metrics": "gain@3"}, "gain@3"),
        (tm.WARP(factors=0), {}, "WARP: factors must be"),
        (tm.Popular(), {"test": "test.csv"}, "compare takes tastemap.Interactions, got str"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_fitted(
    last: Any, options: dict[str, Any], words: str
) -> None:
    first = tm.SVD(epochs=1)
    with pytest.raises((ValueError, tm.TastemapError), match=re.escape(words)):
        tm.compare([first, last], options.pop("test", TEST), train=TRAIN, **options)
    with pytest.raises(tm.NotFittedError):
        first.users  # noqa: B018 - raises


def test_models_that_share_no_user_are_not_compared() -> None:
    halves = [TRAIN.pick((TRAIN.row_of_pair() < 30)[TRAIN.input_order] == first).compact() for first in (True, False)]
    first, second = (tm.EASE().fit(half) for half in halves)
    with pytest.raises(tm.DataError, match=r"^first and second were measured by ndcg@5 on no user together"):
        tm.compare({"first": first, "second": second}, TEST, metrics=("coverage@5", "ndcg@5"))
    board = tm.compare({"first": first, "second": second}, TEST, metrics="coverage@5")
    assert board.differences.is_empty()


@pytest.mark.parametrize(
    ("models", "options", "words"),
    [
        ([], {}, "models must name at least one"),
        ({}, {}, "models must name at least one"),
        ("Popular", {}, "models must be a list of models, or a dict"),
        (3, {}, "models must be a list of models, or a dict"),
        ([tm.Popular], {}, "models must be instances, got the class Popular: pass Popular()"),
        (tm.Popular, {}, "models must be instances, got the class Popular: pass Popular()"),
        (["Popular"], {}, "models must be models of tastemap, got 'Popular': pass Popular()"),
        ({1: tm.Popular()}, {}, "the names of models must be text, got 1"),
        ([MODELS["knn"]] * 2, {}, "'ItemKNN', 'ItemKNN 2' are one and the same model: make an instance for each"),
        ([tm.Popular()], {"metrics": ("mrr@2", "mrr@2")}, "metrics must name each once, got 'mrr@2', 'mrr@2'"),
        ([tm.Popular()], {"metrics": ()}, "metrics must name at least one"),
        ([tm.Popular()], {"metrics": "gain@3"}, "gain@3"),
        ([tm.Popular()], {"train": None, "validation": TEST}, "validation is for fitting: pass train as well"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(models: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        tm.compare(models, TEST, **{"train": TRAIN, **options})


@pytest.mark.parametrize("features", [{}, {"item_features": True}, {"user_features": True, "item_features": True}])
def test_kernels_that_rank_many_people_are_loaded_before_the_clock_runs(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, Any]
) -> None:
    ranked: list[int] = []
    block = ranking._rank_block
    monkeypatch.setattr(ranking, "_rank_block", lambda *given: (ranked.append(1), block(*given)))
    _load_kernels(tm.ImplicitALS(factors=2), features)
    assert ranked


def test_a_fitted_model_is_measured_on_a_few_users_before_the_clock_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []

    def listening(model: Any, test: tm.Interactions, **options: Any) -> Any:
        measured.append(test.n_users)
        return tm.evaluate(model, test, **options)

    monkeypatch.setattr("tastemap.evaluation.compare.evaluate", listening)
    board = tm.compare(tm.Popular().fit(TRAIN), TEST)
    assert measured == [2 * ranking.FEW_QUERIES, TEST.n_users]
    assert board.evaluations["Popular"].n_users == TEST.n_users


def test_a_comparison_tells_how_old_the_training_data_are() -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 9)]
    rows = {"user": ["a", "b"] * 4, "item": [1, 1, 2, 3, 4, 4, 3, 2], "day": days}
    pairs = tm.Interactions.from_frame(rows, time="day")
    train, test = tm.split.by_time(pairs, test=0.25)
    told = str(tm.compare(tm.Popular(), test, train=train, progress=False))
    assert "trained on pairs up to 2024-01-06, tested on pairs from 2024-01-07 to 2024-01-08\n" in f"{told}\n"
    train, test = pairs.pick(np.arange(8) % 4 != 1), pairs.pick(np.arange(8) % 4 == 1)
    told = str(tm.compare(tm.Popular().fit(train), test, progress=False))
    assert "tested on pairs from 2024-01-02 to 2024-01-06, 100.0% of them older than the newest training pair" in told
    assert "trained on" not in str(tm.compare(tm.Popular(), test, train=train.forget_times(), progress=False))
