"""`tastemap tune`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

import tastemap as tm
from tastemap.cli import app
from tastemap.tuning import trials

FIXED = ["--set", "factors=3", "--set", "unobserved_weight=0.4"]
TRIED = ["--space", "epochs=2:6", "--space", "regularization=0.01:1:log", "--space", "frequency_exponent=0.5,1"]


@pytest.fixture
def ratings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tm.Interactions:
    """Ratings of which `ratings.csv` in the working folder is the file."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((30, 20)) < 0.4)
    frame = pl.DataFrame({"user": users, "item": items, "rating": rng.integers(1, 6, len(users))})
    frame.write_csv("ratings.csv")
    return tm.Interactions.from_frame(frame, user="user", item="item", weight="rating")


def run(*args: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["tune", *args])
    assert result.exit_code == status, result.output
    return result


def test_it_does_what_the_library_does(ratings: tm.Interactions) -> None:
    command = [
        "ratings.csv",
        "--at-least",
        "2",
        "--trials",
        "4",
        "--seed",
        "3",
        *FIXED,
        *TRIED,
        "--out",
        "best.safetensors",
    ]
    told: dict[str, Any] = json.loads(run(*command, "--json").stdout)
    found = tm.tune(
        tm.ImplicitALS(factors=3, unobserved_weight=0.4, seed=3),
        ratings.at_least(2).binarize(),
        trials=4,
        seed=3,
        space={
            "unobserved_weight": None,
            "epochs": tm.Range(2, 6),
            "regularization": tm.Range(0.01, 1.0, log=True),
            "frequency_exponent": [0.5, 1.0],
        },
    )
    assert (told["model"], told["metric"], told["score"]) == ("ImplicitALS", "ndcg@10", found.score)
    assert told["parameters"] == found.parameters
    kept = found.trials.drop("seconds").to_dicts()
    assert [{name: value for name, value in row.items() if name != "seconds"} for row in told["trials"]] == kept
    assert told["importances"] is None
    model = tm.load("best.safetensors")
    assert repr(model) == repr(found.model)
    assert model.recommend().equals(found.model.recommend())


def test_its_options_make_the_same_model(ratings: tm.Interactions) -> None:
    told = json.loads(
        run("ratings.csv", "--trials", "3", "--seed", "3", *FIXED, "--out", "best.safetensors", "--json").stdout
    )
    made = CliRunner().invoke(app, ["fit", "ratings.csv", "--out", "again.safetensors", *told["options"]])
    assert made.exit_code == 0, made.output
    assert repr(tm.load("again.safetensors")) == repr(tm.load("best.safetensors"))
    assert "factors=3" in told["options"]


def test_it_shows_the_best_trials_what_matters_and_how_to_repeat_it(ratings: tm.Interactions) -> None:
    command = ["ratings.csv", "--model", "ExplicitALS", "--metric", "rmse", "--set", "factors=2", "--no-prune"]
    shown = run(*command, "--trials", "12").stdout
    table = shown.partition("the best of 12 trials (12 complete)")[2].partition("how much of the differences")[0]
    rows = [line.split() for line in table.splitlines() if line.split() and line.split()[0].isdecimal()]
    scores = [float(row[1]) for row in rows]
    assert len(scores) == 10
    assert scores == sorted(scores)
    assert f"rmse {scores[0]:.3f}" in shown
    assert "how much of the differences each parameter explains\n\n  parameter" in shown
    assert "tastemap fit ... --model ExplicitALS --set factors=2 --set epochs=" in shown
    assert "  tastemap.ExplicitALS(factors=2, epochs=" in shown
    few = run("ratings.csv", "--trials", "1", *FIXED).stdout
    told = "How much each parameter matters can be told from ten complete trials with different scores."
    assert told in " ".join(few.split())


def test_a_study_is_gone_on_with_and_a_validation_file_is_measured(ratings: tm.Interactions) -> None:
    train, held = tm.split.random(ratings, 0.3, seed=0)
    for name, part in (("train.csv", train), ("held.csv", held)):
        part.to_frame("polars").write_csv(name)
    command = ["train.csv", "held.csv", *FIXED, *TRIED, "--study", "tune.db", "--json"]
    first = json.loads(run(*command, "--trials", "2").stdout)
    both = json.loads(run(*command, "--trials", "4").stdout)
    assert both["trials"][:2] == first["trials"]
    assert len(both["trials"]) == 4
    columns = {"user": "user", "item": "item", "weight": "rating"}
    train, held = (tm.Interactions.from_file(name, **columns) for name in ("train.csv", "held.csv"))
    model = tm.ImplicitALS(factors=3, unobserved_weight=0.4, epochs=6, frequency_exponent=0.5).fit(train)
    assert first["trials"][0]["score"] == tm.evaluate(model, held)["ndcg@10"]


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ((), "no trial is kept: with --study FILE the same command would go on from here"),
        (("--study", "tune.db"), "the trials are kept in tune.db: the same command goes on from them"),
    ],
)
def test_an_interrupted_search_tells_the_best_so_far_and_what_is_kept(
    ratings: tm.Interactions, monkeypatch: pytest.MonkeyPatch, study: tuple[str, ...], words: str
) -> None:
    make = trials.Work.run

    def interrupted(self: Any, asked: Any, clock: Any) -> Any:
        if asked.number == 1:
            raise KeyboardInterrupt
        return make(self, asked, clock)

    monkeypatch.setattr(trials.Work, "run", interrupted)
    stopped = run("ratings.csv", *FIXED, *study, status=130)
    (said,) = [
        line for line in stopped.stderr.splitlines() if line.startswith("Note: the best of the trials so far (1)")
    ]
    assert "is ImplicitALS(factors=3, " in said
    assert said.endswith(words)
    assert stopped.stdout == ""


def test_a_split_by_time_parts_rows_and_the_final_fit_has_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Everybody orders b again in the last hour.
    rows = [(user, item, 1) for user in range(9) for item in "abcd"] + [(user, "b", 2) for user in range(9)]
    Path("orders.csv").write_text("\n".join(["user,item,time", *(f"{u},{i},{t}" for u, i, t in rows)]))
    command = ["orders.csv", "--by-time", "--model", "ItemKNN", "--space", "neighbours=2,3", "--seen", "--trials", "1"]
    shown = run(*command, "--out", "best.safetensors")
    assert "train: Interactions: 36 pairs" in shown.stderr
    assert "validation: Interactions: 9 pairs" in shown.stderr
    assert "never right where pairs are held out at random" not in shown.stderr
    command.remove("--by-time")
    assert "never right where pairs are held out at random" in run(*command, "--duplicates", "sum").stderr
    whole = tm.load("best.safetensors").interactions
    assert whole is not None
    weights = set(whole.to_frame("polars").select("item", "weight").iter_rows())
    assert weights == {("a", 1), ("b", 2), ("c", 1), ("d", 1)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--model", "Popular"],
            "there is nothing to search in Popular: fit it as it is, or say with --space what to try",
        ),
        (["--space", "epochs"], "--space must be NAME=VALUES, e.g. epochs=10:40"),
        (["--space", "depth=1:2"], "ImplicitALS has no parameter 'depth'"),
        (["--space", "epochs=1:2:3"], "--space of epochs must be LOW:HIGH or LOW:HIGH:log"),
        (["--space", "solver=cg:lu"], "--space of solver must be"),
        (["--space", "epochs=a:b"], "epochs must be a whole number, got 'a'"),
        (["--space", "epochs=4:2"], "from a lower to a higher number"),
        (["--study", "ratings.csv"], "is an input and would be lost"),
        (["--metric", "ndgc"], "metric must be one of"),
        (["--metric", "rmse", "--study", "tune.db"], "rmse takes a model that predicts ratings"),
        (["--out", "tune.db", "--study", "./tune.db"], "--out and --study are both tune.db"),
    ],
)
def test_mistakes_are_explained_in_one_sentence(ratings: tm.Interactions, arguments: list[str], words: str) -> None:
    result = run("ratings.csv", *arguments, status=1)
    assert result.stdout == ""
    assert words in result.stderr.splitlines()[-1]
    assert [path.name for path in Path().iterdir()] == ["ratings.csv"]


def test_a_path_keeps_its_text_and_advice_names_options(ratings: tm.Interactions) -> None:
    result = run("ratings.csv", "ratings.csv", "--trials", "1", *FIXED, "--out", "[bold]best.safetensors")
    assert "saved as [bold]best.safetensors\n" in result.stdout
    assert "test pairs are among the training pairs, which are kept out of the lists" in result.stderr
    assert "or pass --seen" in result.stderr


def test_the_parameters_found_are_printed_where_the_model_cannot_be_saved(
    ratings: tm.Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tm.ImplicitALS, "save", full)
    result = run("ratings.csv", "--trials", "1", *FIXED, *TRIED, "--out", "best.safetensors", status=1)
    found, error = result.stderr.splitlines()[-2:]
    assert found.startswith("ndcg@10 0.")
    assert "with: tastemap fit ... --model ImplicitALS --set factors=3 " in found
    assert error == "Error: cannot write best.safetensors: No space left on device"


def test_what_the_start_and_popular_score_there_is_shown(ratings: tm.Interactions) -> None:
    own = ["ratings.csv", "--at-least", "2", "--trials", "2", *FIXED, *TRIED]
    told: dict[str, Any] = json.loads(run(*own, "--json").stdout)
    train, held = tm.split.random(ratings.at_least(2).binarize(), 0.1, seed=0)
    models = [tm.ImplicitALS(factors=3, unobserved_weight=0.4), tm.Popular()]
    assert told["baselines"] == {type(one).__name__: tm.evaluate(one.fit(train), held)["ndcg@10"] for one in models}
    start, popular = (f"{score:.4f}" for score in told["baselines"].values())
    assert f"there too: ImplicitALS before the search {start}, Popular {popular}" in run(*own).stdout
    of_ratings = ["ratings.csv", "--model", "SVD", "--metric", "rmse", "--trials", "1", "--set", "factors=2"]
    assert [*json.loads(run(*of_ratings, "--json").stdout)["baselines"]] == ["SVD"]


def test_features_of_items_and_users_are_searched_with(ratings: tm.Interactions) -> None:
    Path("films.csv").write_text("item,genre\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(20)))
    own = ["ratings.csv", "--at-least", "2", "--trials", "1", *FIXED, "--out", "best.safetensors"]
    said = run(*own, "--features", "films.csv").stderr
    assert "films.csv: the items in column 'item' are described by 'genre' (2 features)" in said
    features = tm.load("best.safetensors").state.item_features
    assert features is not None
    assert features.names == ("genre=a", "genre=b")
