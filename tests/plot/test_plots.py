from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from matplotlib.figure import Figure

import tastemap as tm
from tastemap.data.interactions import Interactions
from tastemap.metrics.definitions import RMSE, parse
from tastemap.models.shared.base import Model

FILMS = pl.DataFrame(
    {
        "film": range(100, 120),
        "title": [f"A film of {n}: its rather long title, which goes on ({1980 + n})" for n in range(20)],
        "genres": [["Horror|Drama", "Comedy", "Children's|Comedy", None][n % 4] for n in range(20)],
        "year": [None if n == 3 else 1980 + n for n in range(20)],
    }
)


@cache
def parts() -> tuple[Interactions, Interactions]:
    rng = np.random.default_rng(3)
    scores = rng.random((30, 20)) + np.linspace(0.6, 0, 20)
    users, items = np.nonzero(scores > 0.75)
    frame = {
        "person": [f"u{user}" for user in users],
        "film": (100 + items).tolist(),
        "stars": rng.integers(1, 6, len(users)).tolist(),
    }
    pairs = tm.Interactions.from_frame(pl.DataFrame(frame), user="person", item="film", weight="stars")
    return tm.split.random(pairs, 0.3, seed=1)


def fit(model: Model, **options: Any) -> Model:
    return model.fit(parts()[0], **options)


@cache
def models() -> dict[str, Any]:
    validation = parts()[1]
    return {
        "als": fit(tm.ImplicitALS(factors=3, epochs=4), validation=validation),
        "warp": fit(tm.WARP(factors=3, epochs=5)),
        "ease": fit(tm.EASE(regularization=5)),
        "popular": fit(tm.Popular()),
    }


@cache
def results() -> dict[str, Any]:
    return {
        name: tm.evaluate(model, parts()[1], metrics=("ndcg@5", "recall@5", "gini@5"))
        for name, model in models().items()
    }


@cache
def ratings() -> dict[str, Any]:
    fitted = {"flat": fit(tm.SVD(factors=2, epochs=1)), "deep": fit(tm.ExplicitALS(factors=2))}
    return {name: tm.evaluate(model, parts()[1], metrics=("rmse",)) for name, model in fitted.items()}


def search(**changed: Any) -> Any:
    trials = {
        "trial": [0, 1, 2, 3, 4, 5],
        "state": ["complete", "pruned", "complete", "failed", "complete", "pruned"],
        "score": [0.2, None, 0.1, None, 0.3, None],
    }
    importances = pl.DataFrame({"parameter": ["rate", "many_words_in_a_name"], "importance": [0.7, 0.3]})
    given = {"metric": parse("ndcg@10"), "trials": pl.DataFrame(trials), "importances": importances}
    return SimpleNamespace(**given | changed)


def points_of(line: Any) -> npt.NDArray[np.float64]:
    return np.asarray(line.get_xydata())


def values_of(line: Any) -> list[float]:
    values: list[float] = points_of(line)[:, 1].tolist()
    return values


def legend_of(figure: Figure) -> list[str]:
    (legend,) = [ax.get_legend() for ax in figure.axes if ax.get_legend() is not None]
    return [text.get_text() for text in legend.get_texts()]


def expect_refusal(draw: Callable[[], Any], kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=re.escape(sentence)):
        draw()


# learning_curves


def test_learning_curves_are_the_objective_and_the_metric_of_each_epoch() -> None:
    model = models()["als"]
    left, right = tm.plot.learning_curves(model).axes
    assert points_of(left.lines[0]).tolist() == [[done.epoch, done.objective] for done in model.epochs_]
    assert points_of(right.lines[0]).tolist() == [[done.epoch, done.metric] for done in model.epochs_]
    assert [ax.get_xlabel() for ax in (left, right)] == ["epoch", "epoch"]
    assert [ax.get_ylabel() for ax in (left, right)] == ["objective", "ndcg@10 on the validation part"]
    assert left.get_title(loc="left") == "ImplicitALS"
    other = fit(tm.ImplicitALS(factors=3, epochs=4), validation=parts()[1], metric="map@5")
    assert tm.plot.learning_curves([model, other]).axes[1].get_ylabel() == "metric on the validation part"
    named = tm.plot.learning_curves([model, other], metric="ndcg@10 or map@5")
    assert named.axes[1].get_ylabel() == "ndcg@10 or map@5 on the validation part"


def test_objectives_of_several_classes_are_shares_of_the_first() -> None:
    both = {name: models()[name] for name in ("als", "warp")}
    figure = tm.plot.learning_curves(both)
    left, right = figure.axes
    for line, model in zip(left.lines, both.values(), strict=True):
        first = model.epochs_[0].objective
        assert values_of(line) == [done.objective / first for done in model.epochs_]
    assert left.get_ylabel() == "objective, share of that after epoch 1"
    assert len(right.lines) == 1  # warp was fitted without a validation part
    assert legend_of(figure) == ["als", "warp"]


def test_objectives_of_one_class_are_as_they_are() -> None:
    (ax,) = tm.plot.learning_curves([models()["warp"], fit(tm.WARP(factors=2, epochs=2))]).axes
    assert values_of(ax.lines[0]) == [done.objective for done in models()["warp"].epochs_]
    assert legend_of(ax.figure) == ["WARP", "WARP 2"]


def test_a_model_without_epochs_has_no_learning_curve() -> None:
    figure = tm.plot.learning_curves({name: models()[name] for name in ("ease", "als")})
    assert legend_of(figure) == ["als", "ease\ntrained without epochs"]
    assert [len(ax.lines) for ax in figure.axes] == [1, 1]
    assert figure.axes[0].get_ylabel() == "objective"  # of one class only
    expect_refusal(
        lambda: tm.plot.learning_curves([models()["popular"], models()["ease"]]),
        tm.NotSupportedError,
        "there is no learning curve to draw: 'Popular', 'EASE' trained without epochs",
    )
    expect_refusal(lambda: tm.plot.learning_curves(tm.WARP()), tm.NotFittedError, "call fit first")


# metric_at_k


def test_metric_at_k_is_evaluated_once_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(model: Model, test: Interactions, **options: Any) -> Any:
        asked.append((model, [*map(str, options["metrics"])]))
        return tm.evaluate(model, test, **options)

    monkeypatch.setattr("tastemap.plot.curves.evaluate", counted)
    figure = tm.plot.metric_at_k(models(), parts()[1], "recall", ks=(5, 1, 3))
    (ax,) = figure.axes
    names = ["recall@1", "recall@3", "recall@5"]
    assert asked == [(model, names) for model in models().values()]
    at_most = {}
    for line, (name, model) in zip(ax.lines, models().items(), strict=True):
        means = tm.evaluate(model, parts()[1], metrics=names).means
        assert points_of(line).tolist() == [[k, means[f"recall@{k}"]] for k in (1, 3, 5)]
        at_most[name] = means["recall@5"]
    assert legend_of(figure) == sorted(at_most, key=lambda name: -at_most[name])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("k, the length of the list", "recall@k")
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "3", "5"]


def test_metric_at_k_goes_as_far_as_there_are_items() -> None:
    (ax,) = tm.plot.metric_at_k(models()["ease"], parts()[1], exclude=None).axes
    assert points_of(ax.lines[0])[:, 0].tolist() == [1, 2, 5, 10, 20]
    assert ax.get_title(loc="left") == "EASE"
    assert (
        values_of(ax.lines[0])[2] == tm.evaluate(models()["ease"], parts()[1], metrics="ndcg@5", exclude=None)["ndcg@5"]
    )


def test_metric_at_k_leaves_new_users_out_or_counts_them() -> None:
    train, test = parts()
    half = tm.Popular().fit(train.pick(train.row_of_pair() < 15).compact())
    drawn = [tm.plot.metric_at_k(half, test, ks=[5], on_unknown=choice).axes[0] for choice in ("skip", "popular")]
    values = [values_of(ax.lines[0])[0] for ax in drawn]
    assert values[0] == tm.evaluate(half, test, metrics="ndcg@5")["ndcg@5"]
    assert values[1] == tm.evaluate(half, test, metrics="ndcg@5", on_unknown="popular")["ndcg@5"]
    assert values[0] != values[1]


def test_tick_labels_of_lengths_do_not_overlap() -> None:
    (ax,) = tm.plot.metric_at_k(models()["ease"], parts()[1], ks=range(1, 21)).axes
    assert len(ax.lines[0].get_xdata()) == 20
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.get_xticklabels()]
    assert len(boxes) > 5
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_metric_at_k_refuses_other_metrics_and_lengths() -> None:
    draw = lambda **options: lambda: tm.plot.metric_at_k(models(), parts()[1], **options)  # noqa: E731
    expect_refusal(draw(metric="ndcg@10"), ValueError, "metric is a name without a cut-off here")
    expect_refusal(draw(metric="fame"), ValueError, "fame")
    expect_refusal(draw(ks=[]), ValueError, "ks must hold at least one")
    expect_refusal(draw(ks=10), ValueError, "ks must be lengths of the list, such as [5, 10], got 10")
    expect_refusal(draw(ks="10"), ValueError, "ks must be lengths of the list, such as [5, 10], got '10'")
    expect_refusal(draw(ks=[5, "a"]), ValueError, "ks must be a whole number of at least 1, got 'a'")
    expect_refusal(draw(metric="rmse"), ValueError, "rmse is not of lists, so no length changes it")
    expect_refusal(draw(metric=5), ValueError, "metric is a name without a cut-off here")
    expect_refusal(draw(ks=[0]), ValueError, "ks must be a whole number of at least 1, got 0")


# long_tail


def shares(counts: npt.NDArray[Any]) -> list[float]:
    """The Lorenz curve from the largest on, in percent."""
    ordered = sorted(counts.tolist(), reverse=True)
    return [100 * sum(ordered[:n]) / sum(ordered) for n in range(len(ordered) + 1)]


def test_long_tail_draws_how_often_each_item_is_listed() -> None:
    train, model = parts()[0], models()["popular"]
    figure = tm.plot.long_tail(train, {"p": model}, k=4)
    (ax,) = figure.axes
    data, listed = ax.lines[:2]
    pairs = train.to_frame("polars")["film"].value_counts()["count"].to_numpy()
    np.testing.assert_allclose(values_of(data), shares(pairs))
    times = model.recommend(k=4)["film"].value_counts()["count"].to_numpy()
    n_items = train.n_items
    counts = np.concatenate([times, np.zeros(n_items - len(times), int)])
    np.testing.assert_allclose(values_of(listed), shares(counts))
    np.testing.assert_allclose(points_of(listed)[:, 0], np.linspace(0, 100, n_items + 1))
    differences = np.abs(counts[:, None] - counts).mean() / (2 * counts.mean())
    assert legend_of(figure)[1] == f"p\ncoverage {100 * len(times) / n_items:.0f} %, gini {differences:.2f}"


def test_long_tail_of_lists_with_seen_items_made_some_users_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tastemap.plot.tail.USERS_AT_ONCE", 7)
    train, model = parts()[0], models()["als"]
    (ax,) = tm.plot.long_tail(train, model, k=3, exclude_seen=False).axes
    times = model.recommend(k=3, exclude_seen=False)["film"].value_counts()["count"].to_numpy()
    expected = shares(np.concatenate([times, np.zeros(train.n_items - len(times), int)]))
    np.testing.assert_allclose(values_of(ax.lines[1]), expected)


def test_long_tail_refuses_what_it_cannot_draw() -> None:
    expect_refusal(lambda: tm.plot.long_tail(FILMS, models()), Exception, "Interactions")  # type: ignore[arg-type]
    expect_refusal(lambda: tm.plot.long_tail(parts()[0], models(), k=0), ValueError, "k must be a whole number")
    expect_refusal(lambda: tm.plot.long_tail(parts()[0], {}), ValueError, "models must name at least one")


# differences


def test_differences_are_sorted_per_user_and_counted() -> None:
    a, b = results()["als"], results()["popular"]
    expected = np.sort(a.values[:, 0] - b.values[:, 0])
    board = SimpleNamespace(evaluations=results())
    for given in (board, results()):
        figure = tm.plot.differences(given, "als", "popular")
        (ax,) = figure.axes
        assert values_of(ax.lines[0]) == [*expected, expected[-1]]  # steps, of which the last has an end
        assert legend_of(figure) == [
            f"als\nbetter for {100 * (expected > 0).mean():.1f} % of users",
            f"popular\nbetter for {100 * (expected < 0).mean():.1f} % of users",
            f"equal for {100 * (expected == 0).mean():.1f} % of users",
            f"mean difference {expected.mean():+.4f}",
        ]
        assert ax.get_ylabel() == "ndcg@5 of als less that of popular"
        assert f"% of {len(expected)}" in ax.get_xlabel()


def test_lower_errors_are_better() -> None:
    a, b = ratings()["flat"], ratings()["deep"]
    values = (a.values - b.values)[:, 0]
    values = values[~np.isnan(values)]
    figure = tm.plot.differences(ratings(), "flat", "deep")
    assert values_of(figure.axes[0].lines[0])[:-1] == np.sort(values).tolist()
    assert legend_of(figure)[:2] == [
        f"deep\nbetter for {100 * (values > 0).mean():.1f} % of users",
        f"flat\nbetter for {100 * (values < 0).mean():.1f} % of users",
    ]


def test_only_users_measured_for_both_models_are_compared() -> None:
    test = parts()[1]
    few = test.pick(np.arange(len(test)) < len(test) // 3)
    part = {"als": results()["als"], "few": tm.evaluate(models()["popular"], few, metrics="ndcg@5")}
    (ax,) = tm.plot.differences(part, "few", "als").axes
    whole = dict(zip(part["als"].users, part["als"].values[:, 0], strict=True))
    small = dict(zip(part["few"].users, part["few"].values[:, 0], strict=True))
    assert values_of(ax.lines[0])[:-1] == sorted(small[user] - whole[user] for user in small)


def test_a_single_user_is_seen() -> None:
    test = parts()[1]
    one = test.pick(test.row_of_pair()[test.input_order] == test.row_of_pair()[0])
    both = {name: tm.evaluate(models()[name], one, metrics="ndcg@5") for name in ("ease", "popular")}
    (ax,) = tm.plot.differences(both, "ease", "popular").axes
    value = both["ease"]["ndcg@5"] - both["popular"]["ndcg@5"]
    assert points_of(ax.lines[0]).tolist() == [[0, value], [100, value]]
    assert tm.plot.intervals(both).axes[0].get_xlabel() == "ndcg@5: mean over 1 user"


def test_differences_refuse_what_was_not_measured_for_each_user() -> None:
    draw = lambda *names, **options: lambda: tm.plot.differences(results(), *names, **options)  # noqa: E731
    expect_refusal(draw("als", "x"), tm.DataError, "there is no model 'x', only 'als', 'warp', 'ease', 'popular'")
    expect_refusal(draw("als", "ease", metric="map@9"), tm.DataError, "'map@9' was not measured for 'als', only ndcg@5")
    expect_refusal(draw("als", "ease", metric="gini@5"), tm.DataError, "gini@5 is of all lists together")
    other = results() | {"other": tm.evaluate(models()["als"], parts()[1], metrics="map@9")}
    expect_refusal(
        lambda: tm.plot.differences(other, "als", "other"), tm.DataError, "'ndcg@5' was not measured for 'other'"
    )
    frame = {"user": ["u1", "u1"], "item": [100, 101]}
    numbered = {"user": [1, 1], "item": [100, 101]}
    apart = {
        name: tm.evaluate(tm.Popular().fit(pairs), pairs, metrics="ndcg@1", exclude=None)
        for name, pairs in (("a", tm.Interactions.from_frame(frame)), ("b", tm.Interactions.from_frame(numbered)))
    }
    expect_refusal(lambda: tm.plot.differences(apart, "a", "b"), tm.DataError, "measured on no user together")
    expect_refusal(
        lambda: tm.plot.differences(models(), "als", "ease"), tm.DataError, "board must be what compare returns"
    )


# intervals


def test_intervals_are_those_of_the_evaluation_the_best_at_the_top() -> None:
    figure = tm.plot.intervals(SimpleNamespace(evaluations=results()), metric="recall@5")
    (ax,) = figure.axes
    names = sorted(results(), key=lambda name: -results()[name]["recall@5"])
    assert [text.get_text() for text in ax.get_yticklabels()] == names
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # 0 is at the top
    rows = [results()[name].frame.row(1, named=True) for name in names]
    assert points_of(ax.lines[0]).tolist() == [[row["mean"], place] for place, row in enumerate(rows)]
    (whiskers,) = ax.collections
    ends = [segment.tolist() for segment in whiskers.get_segments()]
    assert ends == [[[row["low"], place], [row["high"], place]] for place, row in enumerate(rows)]
    assert [text.get_text() for text in ax.texts] == [f"{row['mean']:.4f}" for row in rows]
    assert ax.get_xlabel() == f"recall@5: mean over {rows[0]['users']} users and its 95 % interval"


def test_the_lowest_error_is_at_the_top() -> None:
    (ax,) = tm.plot.intervals(ratings()).axes
    names = sorted(ratings(), key=lambda name: ratings()[name]["rmse"])
    assert [text.get_text() for text in ax.get_yticklabels()] == names
    assert ax.get_xlabel().endswith("interval, less is better")


def test_a_metric_of_all_lists_together_has_no_interval() -> None:
    (ax,) = tm.plot.intervals(results(), metric="gini@5").axes
    assert not ax.collections
    assert ax.get_xlabel() == "gini@5, less is better"


def test_known_and_new_users_are_drawn_together() -> None:
    train = parts()[0]
    half = tm.Popular().fit(train.pick(train.row_of_pair() < 15).compact())
    board = {"half": tm.evaluate(half, parts()[1], metrics="ndcg@5", on_unknown="popular")}
    assert "group" in board["half"].frame.columns
    (ax,) = tm.plot.intervals(board).axes
    assert points_of(ax.lines[0]).tolist() == [[board["half"]["ndcg@5"], 0]]


# tuning


def test_tuning_draws_scores_the_best_so_far_and_importances() -> None:
    figure = tm.plot.tuning(search())
    scores, importances = figure.axes
    best, complete, pruned, failed = scores.lines
    assert points_of(complete).tolist() == [[0, 0.2], [2, 0.1], [4, 0.3]]
    assert points_of(best).tolist() == [[0, 0.2], [2, 0.2], [4, 0.3], [5, 0.3]]
    assert [points_of(line)[:, 0].tolist() for line in (pruned, failed)] == [[1, 5], [3]]
    assert legend_of(figure) == ["best so far", "complete (3)", "pruned (2)", "failed (1)"]
    assert (scores.get_xlabel(), scores.get_ylabel()) == ("trial", "ndcg@10")
    assert [bar.get_width() for bar in importances.patches] == [0.3, 0.7]
    assert [text.get_text() for text in importances.get_yticklabels()] == ["many_words_in_a_name", "rate"]


def test_tuning_of_errors_seeks_the_lowest_and_does_without_importances() -> None:
    (ax,) = tm.plot.tuning(search(metric=RMSE(), importances=None)).axes
    assert values_of(ax.lines[0]) == [0.2, 0.1, 0.1, 0.1]
    assert ax.get_ylabel() == "rmse, less is better"
    none = search(trials=search().trials.filter(pl.col("state") != "complete"))
    expect_refusal(
        lambda: tm.plot.tuning(models()["als"]), tm.DataError, "result must be what tune returns, got a ImplicitALS"
    )
    expect_refusal(lambda: tm.plot.tuning(none), tm.DataError, "none of the 3 trials came to its end")


@pytest.mark.parametrize(
    ("values", "scale"), [([1.0, 2.0, 30.0], "log"), ([10, 20, 30], "linear"), (["cg", "exact", "cg"], "linear")]
)
def test_tuning_of_one_parameter_draws_the_scores_by_its_values(values: list[Any], scale: str) -> None:
    trials = pl.DataFrame({"trial": range(4), "state": ["complete"] * 3 + ["failed"], "score": [0.1, 0.3, 0.2, None]})
    trials = trials.with_columns(pl.Series("rate", [*values, values[0]]))
    importances = pl.DataFrame({"parameter": ["rate"], "importance": [1.0]})
    _, ax = tm.plot.tuning(search(trials=trials, importances=importances)).axes
    assert (ax.get_xlabel(), ax.get_xscale()) == ("rate", scale)
    assert list(ax.lines[0].get_xdata()) == values
    assert list(ax.lines[0].get_ydata()) == [0.1, 0.3, 0.2]


def test_a_mark_means_the_same_in_every_picture() -> None:
    marks = {}
    for states in (["complete", "pruned", "failed", "stopped"], ["failed", "stopped", "pruned", "complete"]):
        trials = pl.DataFrame({"trial": range(4), "state": states, "score": [0.1] * 4})
        lines = tm.plot.tuning(search(trials=trials)).axes[0].lines
        drawn = {line.get_label().partition(" ")[0]: (line.get_marker(), line.get_color()) for line in lines}
        assert len(set(drawn.values())) == 5
        assert marks in ({}, drawn)
        marks = drawn


def test_a_single_trial_has_a_whole_number() -> None:
    trials = search().trials.head(1)
    ax = tm.plot.tuning(search(trials=trials, importances=None)).axes[0]
    ax.figure.draw_without_rendering()
    low, high = ax.get_xlim()
    assert [tick for tick in ax.get_xticks() if low <= tick <= high] == [0]


# latent_space


def drawn_points(figure: Figure) -> npt.NDArray[np.float64]:
    return np.concatenate([np.asarray(dots.get_offsets()) for dots in figure.axes[0].collections])


def labels_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_two_dimensions_are_drawn_with_their_own_distances() -> None:
    model = fit(tm.WARP(factors=2, epochs=5))
    ids, vectors = model.item_vectors()
    figure = tm.plot.latent_space(model)
    unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    rows = model.items.find(ids)
    order = np.lexsort((model.items.tie_order[rows], -model.popularity_[rows]))
    expected = np.linalg.norm(unit[order][:, None] - unit[order], axis=2)
    points = drawn_points(figure)
    np.testing.assert_allclose(np.linalg.norm(points[:, None] - points, axis=2), expected, atol=1e-5)
    spread = ((points - points.mean(0)) ** 2).sum(0)
    share = 100 * spread[0] / spread.sum()
    assert figure.axes[0].get_xlabel() == f"first principal component, {share:.0f} % of the variance"
    assert set(labels_of(figure)) <= {str(one) for one in ids}


def test_the_most_popular_are_drawn_and_those_to_highlight() -> None:
    model = models()["als"]
    order = np.lexsort((model.items.tie_order, -model.popularity_))
    rarest = model.items[int(order[-1])]
    shown = FILMS.with_columns(name=pl.lit("film ") + pl.col("film").cast(pl.String))
    figure = tm.plot.latent_space(model, shown, label="name", highlight=rarest, n=5)
    dots, ring = figure.axes[0].collections
    assert (len(dots.get_offsets()), len(ring.get_offsets())) == (5, 1)
    assert np.array_equal(dots.get_offsets()[0], ring.get_offsets()[0])
    assert dots.get_sizes()[0] < dots.get_sizes()[1]  # the rarest, and the most popular
    bold = [text.get_text() for text in figure.axes[0].texts if text.get_fontweight() == "bold"]
    assert bold == [f"film {rarest}"]
    assert set(labels_of(figure)) <= {f"film {rarest}", *(f"film {model.items[int(row)]}" for row in order[:4])}
    alone = tm.plot.latent_space(model, shown, label="name", highlight=rarest, n=5, n_labels=0)
    assert labels_of(alone) == [f"film {rarest}"]


def test_labels_cover_neither_each_other_nor_the_edge() -> None:
    figure = tm.plot.latent_space(models()["als"], FILMS)
    (ax,) = figure.axes
    assert 3 <= len(ax.texts) < 20
    for dpi in (72, 100, 200):  # letters are of other widths in each
        figure.dpi = dpi
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in ax.texts]
        edge = ax.get_window_extent()
        for number, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:number])
            assert edge.x0 <= box.x0 < box.x1 <= edge.x1
            assert edge.y0 <= box.y0 < box.y1 <= edge.y1
    assert all(len(line) <= 28 for text in ax.texts for line in text.get_text().split("\n"))


def test_colours_are_the_first_value_of_a_list_or_shades_of_a_number() -> None:
    model = models()["als"]
    n_each = FILMS.filter(pl.col("film").is_in(model.item_vectors()[0].implode()))["genres"].value_counts()
    first = {(genres or "others").partition("|")[0]: n for genres, n in n_each.iter_rows()}
    for column in (pl.col("genres"), pl.col("genres").str.split("|")):
        figure = tm.plot.latent_space(model, FILMS.with_columns(column), colour="genres")
        *groups, _ = figure.axes[0].collections
        assert dict(zip(legend_of(figure), (len(group.get_offsets()) for group in groups), strict=True)) == first
    figure = tm.plot.latent_space(model, FILMS, label="year", colour="year")
    unknown, known, _ = figure.axes[0].collections
    assert (len(unknown.get_offsets()), figure.axes[1].get_ylabel()) == (1, "year")
    order = np.lexsort((model.items.tie_order, -model.popularity_))
    years = [1880 + model.items[int(row)] for row in order if model.items[int(row)] != 103]
    assert known.get_array().tolist() == years


def test_tsne_draws_as_many_points() -> None:
    figure = tm.plot.latent_space(models()["als"], FILMS, method="tsne", n=12)
    assert np.isfinite(drawn_points(figure)).all()
    assert len(figure.axes[0].collections[0].get_offsets()) == 12


def test_latent_space_refuses_what_it_cannot_draw() -> None:
    als = models()["als"]
    draw = lambda *given, **options: lambda: tm.plot.latent_space(*given, **options)  # noqa: E731
    expect_refusal(
        draw(models()["ease"]), tm.NotSupportedError, "EASE has no vectors of users and items: fit ImplicitALS"
    )
    expect_refusal(draw(als, highlight=7), tm.UnknownIdError, "7")
    expect_refusal(draw(als, colour="year"), tm.DataError, "colour='year' is a column of items: pass items=FRAME")
    expect_refusal(draw(als, FILMS, colour="yaer"), tm.DataError, "there is no column 'yaer'")
    expect_refusal(draw(als, FILMS, label="titel"), tm.DataError, "there is no column 'titel'")
    lengths = FILMS.with_columns(length=pl.duration(minutes="year"))
    for use in ("colour", "label"):
        expect_refusal(draw(als, lengths, **{use: "length"}), tm.DataError, "column 'length' holds Duration")
    expect_refusal(draw(als, FILMS, method="umap"), ValueError, "method must be one of 'pca', 'tsne', got 'umap'")
    expect_refusal(draw(als, FILMS, n=1), ValueError, "n must be a whole number of at least 2, got 1")
    expect_refusal(draw(als, FILMS, seed=-1), ValueError, "seed must be a whole number of at least 0, got -1")
    expect_refusal(draw("als"), ValueError, "models must be models of tastemap, got 'als'")
    expect_refusal(draw(tm.BPR()), tm.NotFittedError, "call fit first")


# What holds for all


def every_plot(n: int) -> dict[str, Callable[..., Figure]]:
    """Each function on n models of long names, some with what matplotlib takes for formulas and for no label."""
    names = [f"_model {i} at $5 or $6, with quite a long name of its own" for i in range(n)]
    trained = {name: fit(tm.WARP(factors=2, epochs=2, seed=i)) for i, name in enumerate(names)}
    train, test = parts()
    measured = {name: tm.evaluate(model, test) for name, model in trained.items()}
    return {
        "learning_curves": lambda: tm.plot.learning_curves(trained),
        "metric_at_k": lambda **given: tm.plot.metric_at_k(trained, test, **given),
        "long_tail": lambda **given: tm.plot.long_tail(train, trained, **given),
        "differences": lambda **given: tm.plot.differences(measured, names[0], names[-1], **given),
        "intervals": lambda **given: tm.plot.intervals(measured, **given),
        "tuning": lambda: tm.plot.tuning(search()),
        "latent_space": lambda **given: tm.plot.latent_space(trained[names[0]], FILMS, colour="genres", **given),
    }


def test_every_function_is_tried_here() -> None:
    assert sorted(every_plot(1)) == sorted(tm.plot.__all__)


@pytest.mark.parametrize("n", [1, 12])
def test_every_plot_shows_itself_with_one_model_and_with_twelve(n: int) -> None:
    for name, draw in every_plot(n).items():
        figure = draw()
        assert isinstance(figure, Figure), name
        png, size = figure._repr_png_()  # type: ignore[attr-defined]
        assert png.startswith(b"\x89PNG"), name
        pixels = np.array(struct.unpack(">II", png[16:24]))
        assert (np.abs(pixels - 2 * np.array([size["width"], size["height"]])) <= 1).all(), name
        for ax in figure.axes[:1]:
            assert ax.get_xlabel(), name
            box = ax.get_position()
            assert box.width > 0.4, name  # the legend leaves room
            assert box.height > 0.4, name
        if n == 12 and name in ("metric_at_k", "long_tail", "learning_curves"):
            shown = [label for label in legend_of(figure) if r"\$5 or \$6" in label]
            assert len(shown) == 12, name


def test_plots_are_drawn_in_axes_that_are_given() -> None:
    for name, draw in every_plot(2).items():
        if name in ("learning_curves", "tuning"):
            continue
        figure = Figure(figsize=(8, 5))
        left, right = figure.subplots(1, 2)
        assert draw(ax=right) is figure, name
        assert not left.has_data(), name
        assert right.has_data(), name


def test_neither_pyplot_nor_any_setting_is_touched(run_python: Callable[..., str]) -> None:
    script = """
        import sys
        import polars as pl
        import tastemap as tm
        assert tm.plot.learning_curves
        assert "matplotlib" not in sys.modules
        import matplotlib
        before = matplotlib.rcParams.copy()  # dict() would choose a backend
        frame = pl.DataFrame({"user": [1, 1, 2, 2, 3], "item": [1, 2, 2, 3, 1]})
        data = tm.Interactions.from_frame(frame, user="user", item="item")
        model = tm.BPR(factors=2, epochs=2).fit(data)
        for figure in (tm.plot.learning_curves(model), tm.plot.long_tail(data, model), tm.plot.latent_space(model)):
            figure.savefig("/dev/null", format="svg")
        assert matplotlib.rcParams.copy() == before
        print("matplotlib.pyplot" in sys.modules)
    """
    assert run_python(script) == "False\n"


def test_without_matplotlib_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, "tastemap.plot.picture", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = 'tm.plot needs matplotlib, which is not installed: run pip install "tastemap[plot]"'
    for draw in every_plot(1).values():
        expect_refusal(draw, tm.MissingPackageError, said)
