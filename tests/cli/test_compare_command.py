from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

import tastemap as tm
from tastemap.cli import app
from tastemap.service.reading import are_ratings

SMALL = ["--set", "factors=4", "--set", "epochs=3"]


def run(*args: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["compare", *args], env={"COLUMNS": "120"})
    assert result.exit_code == status, result.output
    return result


def expect_refusal(*args: str) -> str:
    result = run(*args, status=1)
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    return last.removeprefix("Error: ")


def run_json(*args: str) -> Any:
    return json.loads(run(*args, "--json").stdout)


@pytest.fixture
def ratings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tm.Interactions:
    """Ratings of 40 users in ratings.csv of the folder in which the commands run."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(0)
    rows = [
        (u, i, draw.randint(1, 5), 1000 + draw.randint(0, 999)) for u in range(40) for i in range(12) if (u * i) % 5
    ]
    frame = pl.DataFrame(rows, ["userId", "movieId", "rating", "timestamp"], orient="row")
    frame.write_csv("ratings.csv")
    return tm.Interactions.from_frame(frame, user="userId", item="movieId", weight="rating", time="timestamp")


def test_a_part_is_held_out_and_the_usual_models_are_compared(ratings: tm.Interactions) -> None:
    told = run_json("ratings.csv", "--at-least", "4", "--holdout", "0.3", "--seed", "1", *SMALL)
    train, test = tm.split.random(ratings.at_least(4).binarize(), 0.3, seed=1)
    options: dict[str, Any] = {"factors": 4, "epochs": 3, "seed": 1}
    models = [tm.Popular(), tm.ItemKNN(), tm.EASE(), tm.ImplicitALS(**options), tm.WARP(**options)]
    board = tm.compare(models, test, train=train)
    assert [row["model"] for row in told["models"]] == board.ranking("ndcg@10")
    for row in told["models"]:
        assert {name: value["mean"] for name, value in row["metrics"].items()} == board.evaluations[row["model"]].means
        assert row["fit_seconds"] > 0
    assert told["differences"] == board.differences.to_dicts()
    assert (told["train"]["pairs"], told["test"]["pairs"]) == (len(train), len(test))
    assert told["report"] is None


def test_the_leaderboard_is_printed_and_the_best_is_bold_on_a_terminal(
    ratings: tm.Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("ratings.csv", "--models", "Popular, EASE", "--model", "ItemKNN", "--metric", "hit_rate@3,mrr@3")
    lines = [line.split() for line in run(*asked).stdout.splitlines() if line.strip()]
    assert lines[0] == ["model", "hit_rate@3", "mrr@3", "fit", "score"]
    assert {lines[place][0] for place in (2, 3, 4)} == {"Popular", "EASE", "ItemKNN"}
    assert lines[2][3].endswith("*")
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = run(*asked).stdout
    assert f"\x1b[1m{lines[2][1]} ± " in shown
    assert "in bold: the best of its column" in shown


def test_a_model_that_fails_is_told_everywhere_and_in_the_exit_status(ratings: tm.Interactions) -> None:
    asked = ("ratings.csv", "--model", "Popular,WARP", "--set", "learning_rate=1e30", "--set", "epochs=1")
    shown = run(*asked, "--report", "report.html", status=1)
    assert "WARP failed: training diverged in epoch 1" in " ".join(shown.stdout.split())
    assert "Note: WARP failed, so it is not compared" in shown.stderr
    page = Path("report.html").read_text(encoding="utf-8")
    assert "Failed: WARP" in page
    assert "WARP(" not in page  # the command repeats it
    told = json.loads(run(*asked, "--json", status=1).stdout)["models"]
    assert [row["model"] for row in told] == ["Popular", "WARP"]
    assert told[1]["error"].startswith("training diverged in epoch 1")
    assert "error" not in told[0]


def test_models_are_fitted_on_one_file_and_measured_on_another(ratings: tm.Interactions) -> None:
    known = ratings.items[0]
    Path("test.csv").write_text(f"userId,movieId,rating\n1,0,5\n2,{known},5\n")
    (row,) = run_json("ratings.csv", "test.csv", "--model", "Popular", "--metric", "hit_rate@12", "--seen")["models"]
    assert row["users"] == 2
    assert row["metrics"]["hit_rate@12"]["mean"] == 1 / 2  # nobody has item 0: the model does not know it
    assert row["unknown_items"] == 1


def test_unknown_users_are_left_out_or_counted(ratings: tm.Interactions) -> None:
    Path("test.csv").write_text(f"userId,movieId\n1,{ratings.items[0]}\n99,{ratings.items[0]}\n")
    asked = ("ratings.csv", "test.csv", "--model", "Popular", "--seen")
    assert run_json(*asked)["models"][0]["users"] == 1
    assert run_json(*asked, "--on-unknown", "popular")["models"][0]["users"] == 2
    Path("test.csv").write_text(f"userId,movieId\n99,{ratings.items[0]}\n")
    assert expect_refusal(*asked) == "Popular: no user of the test part has a training pair: pass --on-unknown popular"


def test_with_seen_items_the_personal_list_is_compared_too(ratings: tm.Interactions) -> None:
    asked = ("ratings.csv", "--seen", *SMALL)
    assert " PersonalPopular " in run(*asked).stdout
    assert " PersonalPopular " not in run("ratings.csv", *SMALL).stdout
    said = "--seen lets a list hold what a user has, which is never right where pairs are held out at random: --by-time"
    assert said in run(*asked).stderr
    assert said not in run(*asked, "--by-time").stderr


def test_the_latest_pairs_are_held_out_on_request(ratings: tm.Interactions) -> None:
    told = run_json("ratings.csv", "--by-time", "--model", "Popular")
    train, test = tm.split.by_time(ratings, test=0.2)
    means = tm.evaluate(tm.Popular().fit(train), test, metrics=("ndcg@10", "recall@10", "precision@10")).means
    assert {name: value["mean"] for name, value in told["models"][0]["metrics"].items()} == means


def test_ratings_are_predicted_by_models_of_ratings_unless_others_are_named(ratings: tm.Interactions) -> None:
    result = run("ratings.csv", "--metric", "rmse", *SMALL, "--json")
    rows = json.loads(result.stdout)["models"]
    assert {row["model"] for row in rows} == {"ExplicitALS", "SVD", "SVDpp"}
    errors = [row["metrics"]["rmse"]["mean"] for row in rows]
    assert errors == sorted(errors)
    assert "--at-least" not in result.stderr
    said = expect_refusal("ratings.csv", "--metric", "rmse", "--model", "Popular")
    assert said.startswith("Popular: rmse takes a model that predicts ratings")


def test_the_report_has_the_command_that_repeats_it(ratings: tm.Interactions) -> None:
    asked = ["ratings.csv", "--models", "Popular,EASE", "--metric", "ndcg@5", "--report", "out.html"]
    told = run_json(*asked)
    assert told["report"] == "out.html"
    page = Path("out.html").read_text(encoding="utf-8")
    assert "tastemap compare ratings.csv --models Popular,EASE --metric ndcg@5 --report out.html --json" in page
    assert "Models compared on ratings.csv" in page
    assert "wrote out.html" in run(*asked).stderr


def test_a_catalogue_too_large_for_ease_goes_without_it(
    ratings: tm.Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tastemap.service.choosing.MOST_ITEMS", 5)
    result = run("ratings.csv", *SMALL)
    assert "left EASE out, which is slow with 9 items: name it with --model to have it" in result.stderr
    assert "GraphFilter (in place of EASE with 9 items)" in result.stderr
    assert " EASE " not in result.stdout
    assert " EASE " in run("ratings.csv", "--model", "EASE").stdout
    for metrics in ("rmse", "rmse,ndcg@10", "ndcg@10,mae"):  # EASE predicts no ratings
        told = run("ratings.csv", *SMALL, "--metric", metrics, "--json")
        assert "EASE" not in told.stderr
        assert {row["model"] for row in json.loads(told.stdout)["models"]} == {"ExplicitALS", "SVD", "SVDpp"}


# files that nobody prepared


def test_low_ratings_are_pointed_out(ratings: tm.Interactions) -> None:
    said = run("ratings.csv", "--model", "Popular").stderr
    assert "column 'rating' looks like ratings from 1 to 5" in said
    assert "--at-least 4 takes those of 4 and more as likes" in said
    assert "looks like" not in run("ratings.csv", "--model", "Popular", "--at-least", "3").stderr
    assert "looks like" not in run("ratings.csv", "--model", "Popular", "--no-weight").stderr


@pytest.mark.parametrize(
    ("name", "weights", "expected"),
    [
        ("rating", [1.0, 2.0], True),
        ("my_stars", [1, 1, 1, 9], True),
        ("weight", [5, 4, 4, 3, 5], True),
        ("w", [9, 8, 10, 7.5], True),
        ("count", [1, 1, 2, 1, 5], False),
        ("quantity", [1, 3, 200], False),
        ("plays", [1.0], False),
        ("weight", ["a"], False),
    ],
)
def test_ratings_are_distinguished_from_counts(name: str, weights: list[Any], expected: bool) -> None:
    assert are_ratings(name, np.array(weights)) == expected


def write_messy(name: str, header: str, rows: Callable[[int, int], list[str]]) -> None:
    lines = [line for u in range(20) for i in range(6) if (u + i) % 3 for line in rows(u, i)]
    Path(name).write_text("\n".join([header, *lines]) + "\n")


def test_repeats_are_added_up_or_the_last_rating_counts_with_a_note(ratings: tm.Interactions) -> None:
    write_messy("log.csv", "customer,sku", lambda u, i: [f"{u},s{i}"] * (1 + (u == i + 1)))
    said = run("log.csv", "--model", "Popular").stderr
    assert "4 of 84 rows repeat a pair of user and item: --duplicates sum" in said
    write_messy("stars.csv", "user,item,stars", lambda u, i: [f"{u},{i},1"] * (u == i + 1) + [f"{u},{i},5"])
    result = run("stars.csv", "--model", "Popular", "--json")
    assert "4 of 84 rows repeat a pair of user and item: --duplicates last" in result.stderr
    assert json.loads(result.stdout)["train"]["weights"] == [5, 5]
    assert "come together in rows" in expect_refusal("stars.csv", "--model", "Popular", "--duplicates", "error")
    largest = run_json("stars.csv", "--model", "Popular", "--duplicates", "sum")["train"]["weights"][1]
    assert largest == 6


def test_semicolons_nulls_odd_names_and_repeats_at_once(ratings: tm.Interactions) -> None:
    def rows(u: int, i: int) -> list[str]:
        return [f"{i};x;u{u};{1 + i}"] + [f"{i};;u{u};2"] * (u == 3) + [f";x;u{u};1"] * (u == 4)

    write_messy("messy.csv", "Artikel;note;Kunde;Menge", rows)
    assert "messy.csv has the columns 'Artikel', 'note', 'Kunde', 'Menge': pass --user-column COLUMN" in expect_refusal(
        "messy.csv"
    )
    named = ["--user-column", "Kunde", "--item-column", "Artikel", "--weight-column", "Menge"]
    result = run("messy.csv", *named, *SMALL, "--report", "messy.html")
    assert "messy.csv: took ';' as what parts the columns" in result.stderr
    assert "left out 4 of 88 rows, with a null in 'Artikel'" in result.stderr
    assert "4 of 84 rows repeat a pair of user and item: --duplicates sum" in result.stderr
    assert Path("messy.html").exists()
    assert " WARP " in result.stdout
    said = expect_refusal("messy.csv", *named, "--refuse-nulls")
    assert said.endswith("pass --drop-nulls to leave such rows out")


def test_a_file_without_names_of_columns_is_refused_in_a_sentence(ratings: tm.Interactions) -> None:
    write_messy("bare.csv", "7,3,4", lambda u, i: [f"{u},{i},3"])
    said = expect_refusal("bare.csv")
    assert said.startswith("bare.csv has no names of columns in its first line, which holds '7', '3', '4': name them")


# what cannot be


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("none.csv",), "there is no file none.csv"),
        (("ratings.csv", "--models", "EASE,Easy"), "there is no model 'Easy', only "),
        (("ratings.csv", "--set", "factor=3"), "have no parameter 'factor', only "),
        (("ratings.csv", "--metric", "gain@3", "--user-column", "nobody"), "gain@3"),  # before anything is read
        (("ratings.csv", "--holdout", "2"), "--holdout must be a share between 0 and 1, got 2.0"),
        (("ratings.csv", "--holdout", "1e-9"), "the test part is empty: all "),
        (("ratings.csv", "--report", "no/report.html"), "there is no folder no to write report.html in"),
        (("ratings.csv", "--report", "boss.pdf"), "a report is an HTML page: name it boss.html, got boss.pdf"),
        (("ratings.csv", "--report", "ratings.csv"), "ratings.csv is an input and would be lost"),
        (("undated.csv", "--by-time"), "a split by time needs times: pass --time-column COLUMN"),
        (
            ("popular.safetensors",),
            "popular.safetensors is a fitted model: `tastemap evaluate popular.safetensors TEST`",
        ),
    ],
)
def test_impossible_options_are_refused_in_a_sentence(
    ratings: tm.Interactions, args: tuple[str, ...], sentence: str
) -> None:
    tm.Popular().fit(ratings).save("popular.safetensors")
    write_messy("undated.csv", "user,item", lambda u, i: [f"{u},{i}"])
    before = set(Path().iterdir())
    assert sentence in expect_refusal(*args)
    assert set(Path().iterdir()) == before


def test_a_split_by_time_parts_rows_before_it_merges_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Everybody has a and b, and in the last hour orders again what was ordered most.
    rows = [(user, item, 1) for user in range(9) for item in "abb"] + [(user, "b", 2) for user in range(9)]
    Path("orders.csv").write_text("\n".join(["user,item,time", *(f"{u},{i},{t}" for u, i, t in rows)]))
    arguments = ("orders.csv", "--by-time", "--holdout", "0.25", "--model", "PersonalPopular", "--metric", "recall@1")
    again = run_json(*arguments, "--seen")
    assert (again["train"]["pairs"], again["test"]["pairs"]) == (18, 9)
    assert again["models"][0]["metrics"]["recall@1"]["mean"] == 1
    assert "18 of 36 rows repeat a pair of user and item: --duplicates sum on either side" in run(*arguments).stderr


def test_a_split_by_time_of_likes_holds_out_a_share_of_the_likes(ratings: tm.Interactions) -> None:
    told = run_json("ratings.csv", "--by-time", "--at-least", "4", "--model", "Popular")
    train, test = tm.split.by_time(ratings.at_least(4).binarize(), test=0.2)
    assert (told["train"]["pairs"], told["test"]["pairs"]) == (len(train), len(test))
    assert "--holdout must be a share between 0 and 1" in expect_refusal("ratings.csv", "--by-time", "--holdout", "2")
    Path("noon.csv").write_text("user,item,time\na,x,12\nb,y,12\n")
    assert expect_refusal("noon.csv", "--by-time").endswith("no moment parts them: leave --by-time out")


def test_a_split_by_time_leaves_out_rows_without_a_time(ratings: tm.Interactions) -> None:
    lines = Path("ratings.csv").read_text().splitlines()
    Path("gaps.csv").write_text("\n".join([*lines[:1], lines[1].rpartition(",")[0] + ",", *lines[2:]]))
    result = run("gaps.csv", "--by-time", "--model", "Popular")
    assert f"left out 1 of {len(ratings)} rows, with a null in" in result.stderr


def test_a_split_by_time_and_a_test_file_exclude_each_other(ratings: tm.Interactions) -> None:
    assert "--by-time parts DATA" in run("ratings.csv", "ratings.csv", "--by-time", status=2).stderr


def test_the_help_names_the_models_and_the_options_of_files(ratings: tm.Interactions) -> None:
    shown = " ".join(run("--help").stdout.replace("│", " ").split())
    assert "those that suit the size of the data among Popular, ItemKNN, EASE, GraphFilter, ImplicitALS, WARP" in shown
    assert "If absent: ndcg@10, recall@10, precision@10" in shown
    for word in ("--models", "--by-time", "--report", "--at-least", "--duplicates", "--refuse-nulls", "--time-column"):
        assert word in shown


def test_models_that_take_features_get_them(ratings: tm.Interactions) -> None:
    Path("films.csv").write_text("movieId,genre\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(12)))
    result = run("ratings.csv", "--models", "ImplicitALS,EASE", "--features", "films.csv", *SMALL)
    assert "films.csv: the items in column 'movieId' are described by 'genre' (2 features)" in result.stderr
    assert "fitted without the features, which they do not take: EASE" in result.stdout
