from __future__ import annotations

import gzip
import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import tastemap as tm
from tastemap.cli import app, output

RATINGS = """userId,movieId,rating,timestamp
1,10,5,1000
1,20,4,1001
2,10,4,1002
2,30,2,1003
3,20,5,1004
3,30,4,1005
4,10,3,1006
"""
MOVIES = "movieId,title,genres\n10,Alien (1979),Horror\n20,Aliens (1986),Action\n30,Babe (1995),Comedy\n"
SMALL = ["--set", "factors=4", "--set", "epochs=3"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ratings and titles, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    Path("ratings.csv").write_text(RATINGS)
    Path("movies.csv").write_text(MOVIES)
    return tmp_path


@pytest.fixture
def popular(folder: Path) -> Path:
    """A Popular model of the ratings."""
    tm.Popular().fit(_ratings()).save("popular.safetensors")
    return folder / "popular.safetensors"


@pytest.fixture
def als(folder: Path) -> tm.ImplicitALS:
    """An ImplicitALS of the likes, also as als.safetensors."""
    model = tm.ImplicitALS(factors=4, epochs=3).fit(_ratings().at_least(4).binarize())
    model.save("als.safetensors")
    return model


def _ratings() -> tm.Interactions:
    return tm.Interactions.from_file("ratings.csv", user="userId", item="movieId", weight="rating")


def _item_factors(file: str) -> bytes:
    model = tm.load(file)
    assert isinstance(model, tm.ImplicitALS)
    return model.item_factors_.tobytes()


def run(*args: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, args)
    assert result.exit_code == status, result.output
    return result


def run_json(*args: str) -> Any:
    return json.loads(run(*args, "--json").stdout)


def expect_refusal(*args: str) -> str:
    """Return the sentence after 'Error: ' of a command that must fail without an answer."""
    result = run(*args, status=1)
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert "Traceback" not in result.stderr
    return last.removeprefix("Error: ")


def files() -> set[str]:
    return {path.name for path in Path().iterdir()}


# fit


def test_fit_writes_the_model_that_the_library_fits(als: tm.ImplicitALS) -> None:
    told = run_json("fit", "ratings.csv", "--at-least", "4", *SMALL, "--out", "own.safetensors")
    assert told.pop("fit_seconds") > 0
    assert told == {
        "file": "own.safetensors",
        "model": "ImplicitALS",
        "parameters": als.used_.get_params(),
        "pairs": 5,
        "users": 3,
        "items": 3,
    }
    assert _item_factors("own.safetensors") == _item_factors("als.safetensors")


def test_fit_says_on_stderr_which_columns_it_guessed(folder: Path) -> None:
    result = run("fit", "ratings.csv", "--item-column", "movieId", *SMALL, "--out", "own.safetensors")
    assert "took the columns user 'userId', weight 'rating'" in result.stderr
    assert result.stdout.startswith("ImplicitALS fitted in ")


def test_fit_takes_named_columns_a_seed_threads_and_no_weight(folder: Path) -> None:
    Path("odd.tsv").write_text("who\twhat\trating\na\tx\t2\na\ty\t1\nb\ty\t3\n")
    named = ["odd.tsv", "--user-column", "who", "--item-column", "what", *SMALL]
    run("fit", *named, "--no-weight", "--seed", "3", "--threads", "1", "--out", "own.safetensors")
    model = tm.load("own.safetensors")
    assert (model.seed, list(model.users), list(model.items)) == (3, ["a", "b"], ["x", "y"])
    assert model.interactions is not None
    assert model.interactions.matrix.data.tolist() == [1, 1, 1]


def test_another_character_between_columns_is_found_with_a_note(folder: Path) -> None:
    Path("odd.csv").write_text("user;item;note\n1;2;a,b\n2;2;c\n")
    result = run("info", "odd.csv", "--json")
    assert "odd.csv: took ';' as what parts the columns" in result.stderr
    assert json.loads(result.stdout)["pairs"] == 2
    assert expect_refusal("info", "odd.csv", "--separator", ",").endswith("'user;item;note': pass --separator ';'")


def test_fit_weighs_events_and_merges_duplicates(folder: Path) -> None:
    Path("events.csv").write_text(
        "personId,contentId,eventType\np,a,VIEW\np,a,LIKE\np,b,VIEW\nq,a,LIKE\n",
    )
    weights = ["--event", "VIEW=1", "--event", "LIKE=2.5", "--duplicates", "sum"]
    run("fit", "events.csv", "--model", "Popular", *weights, "--out", "own.safetensors")
    interactions = tm.load("own.safetensors").interactions
    assert interactions is not None
    assert interactions.matrix.toarray().tolist() == [[3.5, 1], [2.5, 0]]


def test_fit_goes_on_from_its_checkpoint(als: tm.ImplicitALS) -> None:
    own = ["fit", "ratings.csv", "--at-least", "4", *SMALL, "--checkpoint", "half.safetensors"]
    run(*own, "--out", "first.safetensors")
    run(*own, "--out", "second.safetensors")
    assert Path("half.safetensors").exists()
    assert _item_factors("second.safetensors") == _item_factors("als.safetensors")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("u.data", "1\t10\t5\t7\n2\t10\t4\t8\n2\t20\t3\t9\n"),
        ("ratings.dat", "1::10::5::7\n2::10::4::8\n2::20::3::9\n"),
        ("x.inter", "user_id:token\titem_id:token\trating:float\n1\t10\t5\n2\t10\t4\n2\t20\t3\n"),
        ("x.csv.gz", "userId,movieId,rating\n1,10,5\n2,10,4\n2,20,3\n"),
        ("x.parquet", "user,product_id,quantity\n1,10,5\n2,10,4\n2,20,3\n"),
    ],
)
def test_every_kind_of_file_is_read_without_naming_columns(folder: Path, file: str, content: str) -> None:
    if file.endswith(".gz"):
        Path(file).write_bytes(gzip.compress(content.encode()))
    elif file.endswith(".parquet"):
        pl.read_csv(content.encode()).write_parquet(file)
    else:
        Path(file).write_text(content)
    told = run_json("info", file)
    assert (told["pairs"], told["users"], told["items"], told["weights"]) == (3, 2, 2, [3, 5])


def test_rows_with_nulls_are_left_out_and_counted_on_request(folder: Path) -> None:
    Path("gaps.csv").write_text("user,item,rating,note\n1,10,5,\n,10,4,x\n2,,4,x\n2,20,,x\n2,10,3,x\n")
    told = "left out 3 of 5 rows, with a null in 'user', 'item', 'rating'"
    command = ("fit", "gaps.csv", "--model", "Popular", "--out", "own.safetensors")
    assert expect_refusal(*command).endswith("pass --drop-nulls to leave such rows out")
    assert told in run(*command, "--drop-nulls").stderr
    assert expect_refusal("info", "gaps.csv", "--refuse-nulls").endswith("pass --drop-nulls to leave such rows out")
    assert told in run("info", "gaps.csv").stderr
    kept = tm.load("own.safetensors").interactions
    assert kept is not None
    assert kept.to_frame().rows() == [(1, 10, 5), (2, 10, 3)]
    asked = ("recommend", "own.safetensors", "--history", "gaps.csv")
    assert expect_refusal(*asked).endswith("pass --drop-nulls to leave such rows out")
    assert told in run(*asked, "--drop-nulls").stderr
    asked = ("evaluate", "own.safetensors", "gaps.csv", "--seen")
    assert expect_refusal(*asked).endswith("pass --drop-nulls to leave such rows out")
    assert told in run(*asked, "--drop-nulls").stderr
    whole = run("fit", "ratings.csv", *SMALL, "--drop-nulls", "--out", "own.safetensors")
    assert "left out" not in whole.stderr


def test_ids_are_told_by_their_spelling_and_missing_ones_by_their_words(folder: Path) -> None:
    Path("odd.csv").write_text("user,item\n007,1\n7,2\nNA,2\n")
    refused = expect_refusal("fit", "odd.csv", "--out", "odd.safetensors", "--model", "Popular")
    assert refused == (
        "column 'user' has no id in row 2, but 'NA': pass --drop-nulls to leave such rows out, or --keep-na if "
        "these are names"
    )
    assert run_json("info", "odd.csv")["users"] == 2
    assert run_json("info", "odd.csv", "--keep-na")["users"] == 3
    run("fit", "odd.csv", "--out", "odd.safetensors", "--model", "Popular", "--keep-na")
    told = run_json("recommend", "odd.safetensors", "--user", "007", "--user", "7", "--user", "NA")
    assert [(row["user"], row["item"]) for row in told["recommendations"]] == [("007", 2), ("7", 1), ("NA", 1)]
    assert "integers here, got '+1'" in expect_refusal("similar", "odd.safetensors", "--item", "+1")


def test_a_guessed_time_with_nulls_costs_no_rows(folder: Path) -> None:
    Path("gaps.csv").write_text("user,item,timestamp\n1,10,5\n2,10,\n")
    guessed = run("info", "gaps.csv", "--drop-nulls", "--json")
    assert "left the guessed column of times out" in guessed.stderr
    assert json.loads(guessed.stdout)["pairs"] == 2
    assert run_json("info", "gaps.csv", "--drop-nulls", "--time-column", "timestamp")["pairs"] == 1


def test_ids_that_became_floats_are_whole_again_with_a_note(folder: Path) -> None:
    frame = pl.DataFrame({"user": [17850.0, None, 3.0], "item": ["a", "b", "a"]})
    frame.write_parquet("floats.parquet")
    fitted = ("fit", "floats.parquet", "--model", "Popular", "--drop-nulls", "--out", "own.safetensors")
    assert "read the numbers of column 'user' as whole: 17850.0 is 17850" in run(*fitted).stderr
    assert list(tm.load("own.safetensors").users) == [17850, 3]
    assert expect_refusal(*fitted[:4], *fitted[5:]).endswith("pass --drop-nulls to leave such rows out")
    for users in ([1.5, 2.0, 3.0], [1.0, 2.0, 2.0**60]):
        frame.with_columns(pl.Series("user", users)).write_parquet("floats.parquet")
        assert "ids are integers or strings" in expect_refusal("info", "floats.parquet")


# recommend


def test_recommend_prints_json_under_the_callers_column_names(popular: Path) -> None:
    told = run_json("recommend", "popular.safetensors", "--user", "1", "--user", "4", "--titles", "movies.csv")
    assert told == {
        "recommendations": [
            {"userId": 1, "movieId": 30, "title": "Babe (1995)", "rank": 1, "score": 2},
            {"userId": 4, "movieId": 20, "title": "Aliens (1986)", "rank": 1, "score": 2},
            {"userId": 4, "movieId": 30, "title": "Babe (1995)", "rank": 2, "score": 2},
        ]
    }


def test_recommend_prints_a_table_for_each_user(popular: Path) -> None:
    shown = run("recommend", "popular.safetensors", "--user", "1", "--titles", "movies.csv").stdout
    lines = [line.split() for line in shown.splitlines() if line.strip()]
    assert lines[0] == ["userId", "1"]
    assert lines[1] == ["rank", "movieId", "title", "score"]
    assert lines[3] == ["1", "30", "Babe", "(1995)", "2"]
    assert "\x1b" not in shown


def test_the_character_between_columns_of_titles_is_found_as_that_of_ratings_is(popular: Path) -> None:
    Path("odd.csv").write_text("movieId;title\n30;Babe, the pig\n")
    shown = run("recommend", "popular.safetensors", "--user", "1", "--titles", "odd.csv")
    assert "odd.csv: took ';' as what parts the columns" in shown.stderr
    assert "Babe, the pig" in shown.stdout


def test_more_than_the_catalogue_holds_gives_what_there_is(popular: Path) -> None:
    told = run_json("recommend", "popular.safetensors", "--user", "4", "-k", "1000")
    assert [row["movieId"] for row in told["recommendations"]] == [20, 30]
    seen = run_json("recommend", "popular.safetensors", "--user", "4", "--seen")
    assert [row["movieId"] for row in seen["recommendations"]] == [10, 20, 30]


@pytest.mark.parametrize(("out", "read"), [("all.parquet", pl.read_parquet), ("all.csv", pl.read_csv)])
def test_recommend_writes_all_users_to_a_file(als: tm.ImplicitALS, out: str, read: Any) -> None:
    result = run("recommend", "als.safetensors", "--all", "-k", "2", "--out", out)
    assert result.stdout == ""
    expected = als.recommend(k=2, frame="polars")
    written = read(out)
    assert written.columns == ["userId", "movieId", "rank", "score"]
    assert written.drop("score").equals(expected.drop("score"))
    assert f"wrote {len(expected)} rows to {out}" in result.stderr
    assert files() == {"ratings.csv", "movies.csv", "als.safetensors", out}


def test_all_users_are_streamed_to_parquet_unless_titles_go_with_them(
    als: tm.ImplicitALS, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["recommend", "als.safetensors", "--all", "--seen", "-k", "2", "--out", "all.parquet"]
    run(*asked, "--titles", "movies.csv")
    with_titles = pl.read_parquet("all.parquet")
    assert with_titles.columns == ["userId", "movieId", "title", "rank", "score"]
    streamed: list[dict[str, Any]] = []
    stream = tm.ImplicitALS.recommend_all

    def recorded(self: tm.ImplicitALS, path: Path, **options: Any) -> None:
        streamed.append(options)
        stream(self, path, **options)

    monkeypatch.setattr(tm.ImplicitALS, "recommend_all", recorded)
    run(*asked)
    assert streamed == [{"k": 2, "exclude_seen": False}]
    assert pl.read_parquet("all.parquet").equals(with_titles.drop("title"))


def test_a_new_user_is_folded_in_by_ids_or_titles(als: tm.ImplicitALS) -> None:
    expected = als.recommend_for([10], frame="polars").drop("history").to_dicts()
    by_id = run_json("recommend", "als.safetensors", "--liked", "10")
    assert by_id == {"recommendations": expected}
    by_title = run_json("recommend", "als.safetensors", "--liked", "alien (1979)", "--titles", "movies.csv")
    assert [row["movieId"] for row in by_title["recommendations"]] == [row["movieId"] for row in expected]


def test_a_file_of_new_users_is_folded_in(als: tm.ImplicitALS) -> None:
    Path("new.csv").write_text("userId,movieId,rating\n9,10,5\n9,99,5\n8,20,4\n8,30,1\n7,99,5\n")
    result = run("recommend", "als.safetensors", "--history", "new.csv", "--at-least", "4", "--json")
    assert "left out 2 of 4 pairs: the model does not know their items" in result.stderr
    folded = als.recommend_for([[10], [20]], frame="polars")
    expected = folded.with_columns(pl.col("history").replace_strict({0: 9, 1: 8}).alias("userId"))
    rows = expected.select("userId", "movieId", "rank", "score").to_dicts()
    assert json.loads(result.stdout) == {"recommendations": rows}


def test_ratings_in_a_history_that_repeats_are_not_added_up(als: tm.ImplicitALS) -> None:
    Path("new.csv").write_text("userId,movieId,rating\n9,10,2\n9,10,2\n9,20,5\n")
    told = run_json("recommend", "als.safetensors", "--history", "new.csv", "--at-least", "3")
    expected = als.recommend_for([20], frame="polars")["movieId"].to_list()
    assert [row["movieId"] for row in told["recommendations"]] == expected


def test_unknown_users_get_the_popular_or_nothing(popular: Path) -> None:
    asked = ["recommend", "popular.safetensors", "--user", "99", "--on-unknown"]
    assert run_json(*asked, "popular")["recommendations"][0]["movieId"] == 10
    assert run_json(*asked, "skip") == {"recommendations": []}


# similar


def test_similar_prints_neighbours_with_titles(als: tm.ImplicitALS) -> None:
    asked = ["similar", "als.safetensors", "--titles", "movies.csv", "--metric", "euclidean"]
    told = run_json(*asked, "--item", "10")
    expected = als.similar_items(10, metric="euclidean", frame="polars").to_dicts()
    assert [row.pop("title") for row in told["neighbours"]] == ["Aliens (1986)", "Babe (1995)"]
    assert told == {"neighbours": expected}
    shown = run(*asked, "--item", "Babe").stdout
    assert shown.startswith("like Babe (1995)")


def test_a_title_that_fits_several_items_names_them(als: tm.ImplicitALS) -> None:
    asked = ["similar", "als.safetensors", "--titles", "movies.csv", "--item"]
    assert expect_refusal(*asked, "alie") == (
        "'alie' is in 2 titles, 'Alien (1979)' (10), 'Aliens (1986)' (20): say more of it, or pass the id of one"
    )
    assert expect_refusal(*asked, "Jaws") == "no item of the model has the id or title 'Jaws'"
    assert expect_refusal(*asked, "bbae") == (
        "no item of the model has the id or title 'bbae'; did you mean 'Babe (1995)' (30)?"
    )
    # Alien comes first: more people like it.
    near = "no item of the model has the id or title 'alein'; did you mean 'Alien (1979)' (10) or 'Aliens (1986)' (20)?"
    assert expect_refusal(*asked, "alein") == near
    assert expect_refusal("similar", "als.safetensors", "--item", "alien") == (
        "the ids of 'movieId' are integers here, got 'alien': pass --titles FILE to name items by title"
    )


def test_what_a_text_was_taken_for_is_said(als: tm.ImplicitALS) -> None:
    for asked in (["similar", "als.safetensors", "--item"], ["recommend", "als.safetensors", "--liked"]):
        told = run(*asked, "ALIEN", "--titles", "movies.csv", "--json")
        assert told.stderr == "took 'ALIEN' for 'Alien (1979)' (10)\n"
        assert told.stdout == run(*asked, "10", "--titles", "movies.csv", "--json").stdout
        for text in ("10", "Alien (1979)"):
            assert run(*asked, text, "--titles", "movies.csv").stderr == ""


def test_items_whose_ids_are_names_need_no_titles(folder: Path) -> None:
    Path("games.csv").write_text("user,game\nann,Portal 2\nann,Dota 2\nbob,Portal 2\nbob,Half-Life 2\n")
    run("fit", "games.csv", "--model", "ItemKNN", "--item-column", "game", "--out", "games.safetensors")
    told = run("recommend", "games.safetensors", "--liked", "portal 2", "--json")
    assert told.stderr == "took 'portal 2' for 'Portal 2'\n"
    assert {row["game"] for row in json.loads(told.stdout)["recommendations"]} == {"Dota 2", "Half-Life 2"}
    assert run("similar", "games.safetensors", "--item", "half life 2").stdout.startswith("like Half-Life 2\n")
    assert expect_refusal("similar", "games.safetensors", "--item", "protal 2") == (
        "no item of the model has the id 'protal 2'; did you mean 'Portal 2'?"
    )
    assert expect_refusal("recommend", "games.safetensors", "--user", "Ann") == (
        "1 of 1 users were not in the training data: 'Ann'; did you mean 'ann'? Pass --on-unknown popular to give them "
        "the most popular items, or skip to leave them out."
    )


def test_a_folder_laid_out_almost_as_movielens_shows_titles(folder: Path) -> None:
    Path("mt").mkdir()
    Path("mt/ratings.dat").write_text("1::0000008::10::7\n2::0000008::4::8\n2::0111161::4::8\n3::0000010::7::9\n")
    Path("mt/movies.dat").write_text("0000008::Edison Kinetoscopic Record (1894)\n0111161::Prison::Break::Drama\n7\n")
    Path("mt/users.dat").write_text("1::177651718\n2::139564917\n")
    told = run("info", "mt", "--k", "1", "--json")
    assert told.stderr == "mt has no title of 1 of 3 items, such as '0000010'\n"
    top = {"movie_id": "0000008", "title": "Edison Kinetoscopic Record (1894)", "users": 2}
    assert json.loads(told.stdout)["top_items"] == [top]
    run("fit", "mt", "--model", "Popular", "--out", "mt.safetensors")
    titles = Path("mt/movies.dat").read_bytes()
    Path("mt/movies.dat").write_text("0000008;Edison\n")
    told = run("info", "mt", "--k", "1", "--json")
    assert told.stderr.startswith("left the titles out: mt: movies.dat is not laid out as MovieID::Title::Genres")
    assert json.loads(told.stdout)["top_items"] == [{"movie_id": "0000008", "users": 2}]
    Path("films.dat").write_bytes(titles)
    asked = ["recommend", "mt.safetensors", "--user", "1", "--titles", "films.dat", "--json"]
    named = {row["movie_id"]: row["title"] for row in json.loads(run(*asked).stdout)["recommendations"]}
    assert named == {"0111161": "Prison", "0000010": None}


# evaluate


def test_evaluate_measures_a_model_as_the_library_does(als: tm.ImplicitALS) -> None:
    Path("test.csv").write_text("userId,movieId,rating\n1,30,5\n2,20,5\n2,30,1\n3,10,4\n")
    metrics = ["--metric", "ndcg@1", "--metric", "recall@2"]
    told = run_json("evaluate", "als.safetensors", "test.csv", "--at-least", "4", *metrics)
    test = tm.Interactions.from_file("test.csv", user="userId", item="movieId", weight="rating").at_least(4)
    result = tm.evaluate(als, test, metrics=("ndcg@1", "recall@2"))
    (row,) = told["models"]
    assert {name: value["mean"] for name, value in row["metrics"].items()} == result.means
    assert (row["model"], row["users"], row["skipped"], row["fit_seconds"]) == ("ImplicitALS", 3, 0, None)


def test_evaluate_refuses_to_compare_scores_with_ratings(popular: Path) -> None:
    said = expect_refusal("evaluate", "popular.safetensors", "ratings.csv", "--metric", "rmse")
    assert said.startswith("Popular: rmse takes a model that predicts ratings, and the scores of Popular only rank")


def test_evaluate_sends_data_to_compare(folder: Path) -> None:
    said = expect_refusal("evaluate", "ratings.csv")
    assert said.startswith("ratings.csv is no fitted model: `tastemap compare ratings.csv` fits models")


# export


def test_export_tensorboard_writes_what_the_library_writes(als: tm.ImplicitALS) -> None:
    asked = ["export", "tensorboard", "als.safetensors", "--titles", "movies.csv", "-n", "2", "--out"]
    assert run_json(*asked, "map") == {"folder": "map", "items": 2, "dimensions": 4}
    tm.export.tensorboard(als, "own", items=pl.read_csv("movies.csv"), id="movieId", n=2)
    for name in ("vectors.tsv", "metadata.tsv", "projector_config.pbtxt"):
        assert Path("map", name).read_bytes() == Path("own", name).read_bytes()
    assert Path("map/metadata.tsv").read_text().splitlines()[0] == "movieId\ttitle\tgenres\tpopularity"
    said = "wrote 3 items in 4 dimensions: run tensorboard --logdir map and open Projector\n"
    assert run("export", "tensorboard", "als.safetensors", "--out", "map").stdout == said


def test_export_tensorboard_reads_ids_from_the_column_named(als: tm.ImplicitALS) -> None:
    Path("odd.tsv").write_text("nr\tname\n20\tAliens\nx\tAlien\n")
    asked = ("export", "tensorboard", "als.safetensors", "--titles", "odd.tsv", "--out", "map")
    assert expect_refusal(*asked) == "odd.tsv has the columns 'nr', 'name': pass --title-id COLUMN"
    assert "there is no column 'id'" in expect_refusal(*asked, "--title-id", "id")
    run(*asked, "--title-id", "nr", "-n", "2")
    assert Path("map/metadata.tsv").read_text() == "movieId\tname\tpopularity\n10\t\t2\n20\tAliens\t2\n"
    Path("map/notes").touch()
    assert expect_refusal(*asked) == "map holds 'notes', which would be lost: name a new folder"


# info


def test_info_describes_data(folder: Path) -> None:
    assert run_json("info", "ratings.csv", "-k", "2", "--titles", "movies.csv") == {
        "file": "ratings.csv",
        "columns": {"user": "userId", "item": "movieId", "weight": "rating", "time": "timestamp"},
        "pairs": 7,
        "users": 4,
        "items": 3,
        "density": 7 / 12,
        "weights": [2, 5],
        "quantiles": {
            "weights": {"min": 2, "p10": 2, "p25": 3, "median": 4, "p75": 4, "p90": 5, "p99": 5, "max": 5},
            "pairs_per_user": {"min": 1, "p10": 1, "p25": 1, "median": 2, "p75": 2, "p90": 2, "p99": 2, "max": 2},
            "pairs_per_item": {"min": 2, "p10": 2, "p25": 2, "median": 2, "p75": 2, "p90": 2, "p99": 2, "max": 3},
        },
        "times": [1000, 1006],
        "top_items": [
            {"movieId": 10, "title": "Alien (1979)", "users": 3},
            {"movieId": 20, "title": "Aliens (1986)", "users": 2},
        ],
    }
    shown = run("info", "ratings.csv").stdout
    assert shown.startswith("Interactions: 7 pairs, 4 users x 3 items")
    assert ["pairs", "per", "user", "1", "1", "1", "2", "2", "2", "2", "2"] in [
        line.split() for line in shown.splitlines()
    ]


def test_info_leaves_out_a_guessed_time_that_does_not_parse(folder: Path) -> None:
    Path("odd.csv").write_text("user,item,date\n1,2,yesterday\n")
    result = run("info", "odd.csv", "--json")
    assert "left the guessed column of times out" in result.stderr
    assert json.loads(result.stdout)["columns"] == {"user": "user", "item": "item"}


def test_info_describes_a_model(als: tm.ImplicitALS) -> None:
    told = run_json("info", "als.safetensors")
    assert (told["model"], told["users"], told["items"], told["interactions"]) == ("ImplicitALS", 4, 3, True)
    assert told["quantiles"]["pairs_per_item"]["max"] == 2
    shown = run("info", "als.safetensors").stdout
    assert shown.startswith(als.card())
    assert ["weights", *["1"] * 8] in [line.split() for line in shown.splitlines()]
    als.save("bare.safetensors", interactions=False)
    assert run("info", "bare.safetensors").stdout == als.card()


def test_a_folder_of_movielens_needs_no_column_and_brings_its_titles(folder: Path) -> None:
    Path("ml").mkdir()
    Path("ml/ratings.dat").write_text("1::10::5::7\n2::10::4::8\n")
    Path("ml/movies.dat").write_bytes("10::Amélie: a film (2001)::Comedy\n".encode("latin-1"))
    told = run_json("info", "ml")
    assert told["top_items"] == [{"movie_id": 10, "title": "Amélie: a film (2001)", "users": 2}]
    run("fit", "ml", "--model", "Popular", "--out", "own.safetensors")
    asked = ["recommend", "own.safetensors", "--user", "1", "--seen", "--titles", "ml/movies.dat"]
    assert run_json(*asked)["recommendations"][0]["title"] == "Amélie: a film (2001)"


# What cannot be used


FIT = ("--out", "own.safetensors")


@pytest.mark.parametrize(
    ("content", "args", "sentence"),
    [
        (None, (), "there is no file bad.csv"),
        ("", (), "bad.csv is empty: pass a file with column names and rows"),
        ("user,item\n", (), "bad.csv has no rows"),
        (
            "user,item\n1,2\n",
            ("--item-column", "itme"),
            "there is no column 'itme', only 'user', 'item'; did you mean 'item'?",
        ),
        ("a,b\n1,2\n", (), "bad.csv has the columns 'a', 'b': pass --user-column COLUMN"),
        ("user,item\n1,\n", (), "column 'item' has no id in row 0: pass --drop-nulls to leave such rows out"),
        (
            "user,item,rating\n1,2,\n1,3,4\n",
            (),
            "column 'rating' has no weight in row 0: pass --drop-nulls to leave such rows out",
        ),
        (
            "user;item;rating\n1;2;1.5.0\n",
            (),
            "('1.5.0' in row 0), and weights are numbers: write them such as 1.5, pass --no-weight, or pass --event",
        ),
        ("user,item,rating\n1,2,NaN\n", (), "column 'rating' has weights that are not finite, nan in row 0"),
        (
            "user,item,rating\n1,2,-1\n",
            (),
            "column 'rating' has negative weights, -1 in row 0: drop these rows, pass --at-least to keep",
        ),
        (
            "1,10,5\n2,10,4\n",
            (),
            "bad.csv has no names of columns in its first line, which holds '1', '10', '5': name them",
        ),
        ("user,item\n1,2\n1,2\n", (), "user 1 and item 2 come together in rows 0, 1"),
        ("user,item,rating\n1,2,3\n", ("--at-least", "4"), "no weight is at least 4: the largest is 3"),
        (
            "user,item,grade\n1,2,5\n",
            ("--at-least", "4"),
            "every row of bad.csv counts as 1: pass --weight-column COLUMN",
        ),
        ("user,item\n1,2\n", ("--model", "ImplictALS"), "there is no model 'ImplictALS', only "),
        ("user,item\n1,2\n", ("--set", "factor=2"), "ImplicitALS has no parameter 'factor', only "),
        ("user,item\n1,2\n", ("--set", "factors=two"), "factors must be a whole number, got 'two'"),
        ("user,item\n1,2\n", ("--set", "alpha=much"), "alpha must be a number, got 'much'"),
        ("user,item\n1,2\n", ("--set", "solver=lu"), "solver must be one of 'cg', 'cholesky'"),
        ("user,item\n1,2\n", ("--set", "factors=0"), "factors must be a whole number of at least 1, got 0"),
        ("user,item\n1,2\n", ("--set", "factors"), "--set must be NAME=VALUE, e.g. factors=128, got 'factors'"),
        (
            "user,item\n1,2\n",
            ("--event", "VIEW=1"),
            "bad.csv has the columns 'user', 'item': pass --weight-column COLUMN",
        ),
        ("user,item\n1,2\n", ("--event", "VIEW"), "--event must be NAME=WEIGHT, e.g. 'LIKE=2', got 'VIEW'"),
        (
            "user,item\n1,2\n",
            ("--weight-column", "item", "--no-weight"),
            "--weight-column must be left out where every row counts as 1, got 'item'",
        ),
    ],
)
def test_bad_data_and_parameters_are_refused_in_a_sentence(
    folder: Path, content: str | None, args: tuple[str, ...], sentence: str
) -> None:
    if content is not None:
        Path("bad.csv").write_text(content)
    before = files()
    assert sentence in expect_refusal("fit", "bad.csv", *FIT, *args)
    assert files() == before


def test_a_cut_gzip_is_refused(folder: Path) -> None:
    Path("cut.csv.gz").write_bytes(gzip.compress(RATINGS.encode())[:60])
    assert expect_refusal("fit", "cut.csv.gz", *FIT).startswith("cut.csv.gz is not a whole .gz file")


def test_messages_name_options_not_arguments(folder: Path) -> None:
    Path("bad.csv").write_text("user,item\n1,2\n1,2\n")
    assert expect_refusal("fit", "bad.csv", *FIT).endswith("e.g. --duplicates last or --duplicates sum")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("recommend", "--user", "99"), "99. Pass --on-unknown popular to give them the most popular items"),
        (("recommend", "--user", "ann"), "the ids of 'userId' are integers here, got 'ann'"),
        (("recommend", "--user", "1", "-k", "0"), "--k must be a whole number of at least 1, got 0"),
        (("recommend", "--liked", "99"), "1 of 1 movieId values were not in the training data: 99."),
        (("recommend", "--user", "1", "--titles", "none.csv"), "there is no file none.csv"),
        (("recommend", "--user", "1", "--titles", "ratings.csv"), "pass --title-column COLUMN"),
        (
            ("recommend", "--all", "--out", "recs.txt"),
            "--out must end in .parquet, .csv, .tsv, got 'recs.txt'",
        ),
        (("recommend", "--all", "--out", "no/recs.csv"), "there is no folder no to write recs.csv in"),
        (("similar", "--item", "99"), "1 of 1 movieId values were not in the training data: 99."),
        (("similar", "--item", "10", "-k", "-1"), "--k must be a whole number of at least 1, got -1"),
        (("evaluate", "ratings.csv", "--metric", "ndcg"), "got 'ndcg'"),
        (("evaluate", "none.csv"), "there is no file none.csv"),
    ],
)
def test_bad_questions_to_a_model_are_refused_in_a_sentence(
    als: tm.ImplicitALS, args: tuple[str, ...], sentence: str
) -> None:
    before = files()
    assert sentence in expect_refusal(args[0], "als.safetensors", *args[1:])
    assert files() == before


def test_a_file_that_is_not_a_model_is_refused(als: tm.ImplicitALS) -> None:
    whole = Path("als.safetensors").read_bytes()
    for name, content in (
        ("half", whole[: len(whole) // 2]),
        ("stub", whole[:5]),
        ("other", RATINGS.encode()),
    ):
        file = f"{name}.safetensors"
        Path(file).write_bytes(content)
        for args in (("recommend", file, "--user", "1"), ("similar", file, "--item", "10"), ("info", file)):
            assert expect_refusal(*args).startswith(f"{file} is no whole tastemap model")
    assert expect_refusal("recommend", "none.safetensors", "--user", "1") == "there is no file none.safetensors"


def test_an_output_that_cannot_be_written_is_refused_before_the_work(folder: Path) -> None:
    for out in ("no/own.safetensors", "."):
        result = run("fit", "ratings.csv", "--out", out, status=1)
        assert result.stderr.count("\n") == 1
    assert files() == {"ratings.csv", "movies.csv"}


def test_a_failed_write_leaves_the_old_file(als: tm.ImplicitALS, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("recs.csv").write_text("old")

    def half(self: pl.DataFrame, file: Path, **_: object) -> None:
        file.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", half)
    before = files()
    assert expect_refusal("recommend", "als.safetensors", "--all", "--out", "recs.csv") == (
        "cannot write recs.csv: No space left on device"
    )
    assert Path("recs.csv").read_text() == "old"
    assert files() == before


@pytest.mark.parametrize(
    "args",
    [
        ("frobnicate",),
        ("fit", "ratings.csv"),
        ("recommend", "als.safetensors"),
        ("recommend", "als.safetensors", "--user", "1", "--all"),
        ("recommend", "als.safetensors", "--all"),
        ("recommend", "als.safetensors", "--user", "1", "-k", "ten"),
        ("similar", "als.safetensors", "--item", "10", "--metric", "manhattan"),
        ("evaluate", "als.safetensors"),
    ],
)
def test_wrong_usage_has_status_2(als: tm.ImplicitALS, args: tuple[str, ...]) -> None:
    result = run(*args, status=2)
    assert result.stdout == ""
    assert "Usage:" in result.stderr


# The real program


def tastemap(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tastemap", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def test_the_program_keeps_stdout_and_stderr_apart(folder: Path) -> None:
    fine = tastemap("fit", "ratings.csv", *SMALL, "--json", "--out", "own.safetensors")
    assert (fine.returncode, json.loads(fine.stdout)["pairs"]) == (0, 7)
    assert "took the columns" in fine.stderr
    wrong = tastemap("recommend", "own.safetensors", "--user", "99", "--json")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("Error: ")
    assert wrong.stderr.count("\n") == 1
    usage = tastemap("recommend")
    assert (usage.returncode, usage.stdout) == (2, "")


@pytest.mark.parametrize("args", [("--debug", "info", "none.csv"), ("info", "none.csv", "--debug")])
def test_debug_shows_the_traceback(folder: Path, args: tuple[str, ...]) -> None:
    failed = tastemap(*args)
    assert failed.returncode == 1
    assert "Traceback (most recent call last)" in failed.stderr
    assert failed.stderr.rstrip().endswith("DataError: there is no file none.csv")


def test_letters_that_stdout_lacks_are_spelt_out(folder: Path) -> None:
    Path("many.csv").write_text("user,item\nü,ж\nü,b\nv,ж\n", encoding="utf-8")
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = tastemap("info", "many.csv", env=ascii_only)
    assert (shown.returncode, "\\u0436" in shown.stdout) == (0, True)
    told = tastemap("info", "many.csv", "--json", env=ascii_only)
    assert told.stdout.isascii()
    assert json.loads(told.stdout) == json.loads(tastemap("info", "many.csv", "--json", encoding="utf-8").stdout)


def test_a_closed_pipe_ends_quietly(folder: Path) -> None:
    rows = "".join(f"{user},{item}\n" for user in range(300) for item in range(user % 7, 40, 2))
    Path("many.csv").write_text(f"user,item\n{rows}")
    run("fit", "many.csv", "--model", "Popular", "--out", "own.safetensors")
    command = [sys.executable, "-m", "tastemap", "recommend", "own.safetensors", "--all", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # long before it has anything to say
        assert process.stderr.read() == ""
        assert process.wait(60) == 0


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_ends_quietly_with_130_and_leaves_no_file(folder: Path) -> None:
    rows = "".join(f"{user},{item}\n" for user in range(400) for item in range(user % 7, 200, 2))
    Path("many.csv").write_text(f"user,item\n{rows}")
    command = [
        sys.executable,
        "-m",
        "tastemap",
        "fit",
        "many.csv",
        "--set",
        "epochs=1000000",
        "--out",
        "own.x",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "took the columns" in process.stderr.readline()
        assert "Interactions" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
        assert process.wait(60) == 130
    assert files() == {"ratings.csv", "movies.csv", "many.csv"}


def test_help_is_quick_to_show() -> None:
    code = "import sys, tastemap.cli; print([m for m in ('numba', 'polars', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == f"tastemap {tm.__version__}\n"


# what must not be lost or hidden


def test_an_input_is_not_overwritten(als: tm.ImplicitALS) -> None:
    before = Path("ratings.csv").read_bytes()
    assert "ratings.csv is an input and would be lost" in expect_refusal("fit", "ratings.csv", "--out", "ratings.csv")
    assert Path("ratings.csv").read_bytes() == before


def test_more_factors_than_memory_is_one_sentence(folder: Path) -> None:
    said = expect_refusal("fit", "ratings.csv", "--set", "factors=5000000", "--out", "own.safetensors")
    figures = r"needs [\d,.]+ GB of memory, and [\d,.]+ GB are free"
    data = "4 users, 3 items and 7 pairs"
    assert re.fullmatch(rf"ImplicitALS with 5,000,000 factors of {data} {figures}: pass --set 'factors=\d+'", said)
    assert "own.safetensors" not in files()


def test_fit_keeps_the_most_popular_items(folder: Path) -> None:
    run("fit", "ratings.csv", *SMALL, "--max-items", "1", "--out", "own.safetensors")
    model = tm.load("own.safetensors")
    assert dict(zip(model.items, model.popularity_, strict=True)) == {10: 3, 20: 0, 30: 0}


def test_what_fit_takes_is_said_before_it_starts_where_it_is_much(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tastemap.models.shared.needs.LARGE", 100)
    told = run("fit", "ratings.csv", *SMALL, "--out", "own.safetensors")
    assert re.search(r"^ImplicitALS needs \d+ kB of [\d.,]+ [GM]B that are free, and \d+ kB once", told.stderr, re.M)


def test_compare_and_evaluate_keep_the_most_popular_items_of_the_training(folder: Path) -> None:
    told = run_json("compare", "ratings.csv", "--model", "Popular", "--max-items", "2", "--on-unknown", "popular")
    assert told["train"]["pairs"] + told["test"]["pairs"] == 5
    by_time = run_json(
        "compare", "ratings.csv", "--model", "Popular", "--max-items", "2", "--by-time", "--on-unknown", "popular"
    )
    assert by_time["train"]["pairs"] + by_time["test"]["pairs"] == 5
    Path("early.csv").write_text("userId,movieId,rating\n1,10,5\n2,10,4\n3,30,5\n")
    Path("late.csv").write_text("userId,movieId,rating\n3,10,5\n1,30,4\n")
    run("fit", "early.csv", "--model", "Popular", "--out", "early.safetensors")
    assert run_json("evaluate", "early.safetensors", "late.csv")["models"][0]["users"] == 2
    assert run_json("evaluate", "early.safetensors", "late.csv", "--max-items", "1")["models"][0]["users"] == 1


def test_info_counts_repeated_pairs_as_compare_does(folder: Path) -> None:
    Path("twice.csv").write_text("user,item\na,x\na,x\nb,x\n")
    told = run("info", "twice.csv", "--json")
    assert "1 of 3 rows repeat a pair of user and item: --duplicates sum" in told.stderr
    assert json.loads(told.stdout)["weights"] == [1, 2]
    Path("rated.csv").write_text("user,item,rating\na,x,5\na,x,3\nb,x,4\n")
    assert "--duplicates last" in run("info", "rated.csv").stderr


def test_info_can_follow_its_own_advice_on_negative_weights(folder: Path) -> None:
    Path("orders.csv").write_text("user,item,quantity\na,x,2\nb,x,-1\n")
    assert "pass --at-least to keep higher ones, or --no-weight" in expect_refusal("info", "orders.csv")
    assert run_json("info", "orders.csv", "--at-least", "1")["pairs"] == 1
    assert run_json("info", "orders.csv", "--no-weight")["pairs"] == 2


def test_evaluating_on_training_pairs_is_noted(als: tm.ImplicitALS) -> None:
    said = run("evaluate", "als.safetensors", "ratings.csv", "--at-least", "4").stderr
    assert "test pairs are among the training pairs, which are kept out of the lists, and count as not found" in said
    assert "or pass --seen" in said


def test_a_table_too_wide_is_put_closer_before_a_heading_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    frame = pl.DataFrame({name: [0.1] for name in ("learning_rate", "regularization", "max_sampled")})
    with output.console() as screen:
        screen.width = 48
        output.show_table(screen, frame)
    assert capsys.readouterr().out.split("\n")[1].split() == frame.columns


@pytest.mark.usefixtures("als")
def test_a_test_file_is_read_with_the_bound_that_the_model_was_fitted_with(folder: Path) -> None:
    Path("test.csv").write_text("userId,movieId,rating\n1,30,4\n2,20,1\n3,10,2\n")
    said = run("evaluate", "als.safetensors", "test.csv", "--json")
    assert json.loads(said.stdout)["models"][0]["users"] == 1
    assert (
        "took those of 4 and more in column 'rating' as likes, as when the model was fitted, and left out 2 lower "
        "ones: --at-least" in said.stderr
    )
    other = run("evaluate", "als.safetensors", "test.csv", "--at-least", "2", "--json")
    assert json.loads(other.stdout)["models"][0]["users"] == 2
    assert "as when the model was fitted" not in other.stderr
    Path("likes.csv").write_text("userId,movieId\n1,30\n2,20\n")
    assert run_json("evaluate", "als.safetensors", "likes.csv")["models"][0]["users"] == 2


def test_zeros_are_pairs_or_negatives(folder: Path) -> None:
    Path("shown.csv").write_text("user,item,label\n1,10,1\n1,20,0\n2,20,1\n")
    own = ["fit", "shown.csv", "--weight-column", "label", "--model", "Popular", "--out", "own.safetensors"]
    assert (
        "1 of 3 pairs have the weight 0, which is no like, and are left out: pass --zeros negatives" in run(*own).stderr
    )
    negatives = run(*own, "--zeros", "negatives")
    assert "the weight 0" not in negatives.stderr
    assert tm.load("own.safetensors").popularity_.tolist() == [1, 1]


# weights


PLAYS = "user,item,plays\n" + "".join(
    f"{n // 4},{n % 9},{1 if n % 50 else 5000}\n" for n in range(200) if n % 4 != n % 9
)


def test_a_heavy_tail_is_said_with_the_options_that_help(folder: Path) -> None:
    Path("plays.csv").write_text(PLAYS)
    own = ["fit", "plays.csv", *SMALL, "--out", "own.safetensors"]
    said = run(*own).stderr
    assert "Note: the weights have a heavy tail: 1% of the pairs have " in said
    assert said.endswith("pass --log2 to damp them, or pass --binarize to count every pair alike\n")
    for option, weights in (("--log2", [1, math.log2(5001)]), ("--binarize", [1])):
        assert "heavy tail" not in run(*own, option).stderr
        kept = tm.load("own.safetensors").interactions
        assert kept is not None
        assert sorted({*kept.matrix.data.tolist()}) == pytest.approx(weights)
    assert "pass one of --log2 and --binarize" in run(*own, "--log2", "--binarize", status=2).stderr


def test_new_data_are_taken_as_the_model_was_fitted(folder: Path) -> None:
    Path("plays.csv").write_text(PLAYS)
    run("fit", "plays.csv", *SMALL, "--log2", "--out", "own.safetensors")
    Path("new.csv").write_text("user,item,plays\n1,3,7\n99,5,1\n")
    said = run("recommend", "own.safetensors", "--history", "new.csv", "-k", "2", "--json")
    model = tm.load("own.safetensors")
    expected = model.recommend_for([{3: 3.0}, {5: 1.0}], k=2, frame="polars")
    assert [row["score"] for row in json.loads(said.stdout)["recommendations"]] == expected["score"].to_list()
    assert "took column 'plays' with --log2, as when the model was fitted" in said.stderr
    assert "took column 'plays' with --log2" in run("evaluate", "own.safetensors", "new.csv").stderr
    assert (
        "took column 'plays' with --log2"
        in run("update", "own.safetensors", "new.csv", "--out", "b.safetensors").stderr
    )
    updated = model.update(tm.Interactions.from_file("new.csv", weight="plays").log2())
    assert _item_factors("b.safetensors") == getattr(updated, "item_factors_").tobytes()  # noqa: B009


def test_fit_points_at_low_ratings_as_compare_does(folder: Path) -> None:
    own = ["fit", "ratings.csv", *SMALL, "--out", "own.safetensors"]
    told = "column 'rating' looks like ratings from 2 to 5, and a low one counts as a liking too"
    assert told in run(*own).stderr
    assert told not in run(*own, "--at-least", "4").stderr
    assert told not in run(*own[:2], "--model", "SVD", *SMALL, *own[-2:]).stderr


def test_a_column_that_may_hold_weights_is_pointed_out(folder: Path) -> None:
    Path("values.csv").write_text("user,item,value\n1,2,3\n2,2,4\n")
    said = run("info", "values.csv").stderr
    assert "values.csv: every row counts as 1; if 'value' says how much, pass --weight-column value" in said
    assert run_json("info", "values.csv", "--weight-column", "value")["weights"] == [3, 4]


# update


def test_update_writes_the_model_that_the_library_updates(als: tm.ImplicitALS) -> None:
    Path("new.csv").write_text("userId,movieId,rating\n1,30,5\n9,10,4\n9,40,5\n2,20,1\n")
    told = run_json("update", "als.safetensors", "new.csv", "--out", "newer.safetensors")
    assert told.pop("update_seconds") > 0
    assert told == {
        "file": "newer.safetensors",
        "model": "ImplicitALS",
        "pairs": 8,
        "users": 4,
        "items": 4,
        "new_users": 1,
        "new_items": 1,
    }
    news = tm.Interactions.from_file("new.csv", user="userId", item="movieId", weight="rating").at_least(4).binarize()
    assert _item_factors("newer.safetensors") == als.update(news).item_factors_.tobytes()
    shown = run("update", "als.safetensors", "new.csv", "--out", "newer.safetensors").stdout
    assert shown.endswith("saved as newer.safetensors: 3 pairs read, new users: 1, new items: 1, 8 pairs now\n")
    assert "leave" not in expect_refusal("update", "als.safetensors", "none.csv", "--out", "newer.safetensors")


def test_a_model_without_its_interactions_is_not_updated(als: tm.ImplicitALS) -> None:
    als.save("bare.safetensors", interactions=False)
    assert expect_refusal("update", "bare.safetensors", "ratings.csv", "--out", "b.safetensors") == (
        "update needs the training pairs, and this model has none: it was saved with --no-interactions, "
        "or fitted on Spark"
    )


# features


def test_items_are_described_by_a_file(folder: Path) -> None:
    Path("films.csv").write_text(
        "movieId,genres,year\n10,Horror|War,1979\n20,War,1986\n30,Comedy,1995\n40,Comedy,2001\n"
    )
    own = ["fit", "ratings.csv", "--at-least", "4", *SMALL, "--out", "own.safetensors", "--features", "films.csv"]
    said = run(*own).stderr
    assert "films.csv: the items in column 'movieId' are described by 'genres' (3 features), 'year' (1 feature)" in said
    features = tm.Features.from_frame(
        pl.read_csv("films.csv"), id="movieId", columns=["genres", "year"], separator={"genres": "|"}
    )
    model = tm.ImplicitALS(factors=4, epochs=3).fit(_ratings().at_least(4).binarize(), item_features=features)
    assert _item_factors("own.safetensors") == model.item_factors_.tobytes()
    said = run(*own, "--feature-columns", "genres").stderr
    assert "described by 'genres' (3 features)\n" in said
    Path("more.csv").write_text("movieId,genres\n50,Comedy|Zen\n")
    Path("new.csv").write_text("userId,movieId,rating\n1,50,5\n")
    run("update", "own.safetensors", "new.csv", "--features", "more.csv", "--out", "newer.safetensors")
    assert 50 in tm.load("newer.safetensors").items
    assert expect_refusal(*own, "--feature-id", "nr").startswith("there is no column 'nr', only 'movieId', 'genres'")
    refused = expect_refusal(*own[:4], "--model", "EASE", *own[-4:])
    assert refused == "EASE takes no features: leave them out, or fit ImplicitALS or WARP"


def test_users_are_described_by_a_file(folder: Path) -> None:
    Path("people.csv").write_text("userId,land\n1,de\n2,fr\n3,de\n7,fr\n")
    own = ["fit", "ratings.csv", "--at-least", "4", *SMALL, "--out", "own.safetensors"]
    run(*own, "--user-features", "people.csv")
    assert 7 in tm.load("own.safetensors").users


# candidates


def test_only_candidates_are_listed_and_nothing_excluded(popular: Path) -> None:
    def films(*options: str) -> list[int]:
        asked = ["recommend", "popular.safetensors", "--seen", "--user", "1", *options]
        return [row["movieId"] for row in run_json(*asked)["recommendations"]]

    Path("some.txt").write_text("30\n20\n99\n")
    assert films() == [10, 20, 30] or sorted(films()) == [10, 20, 30]
    assert sorted(films("--candidates", "20,30")) == sorted(films("--candidates", "some.txt")) == [20, 30]
    assert films("--candidates", "20", "--candidates", "30", "--exclude", "30") == [20]
    assert sorted(films("--exclude", "Alien (1979)", "--titles", "movies.csv")) == [20, 30]
    told = run("recommend", "popular.safetensors", "--user", "1", "--candidates", "some.txt").stderr
    assert "some.txt: left out 1 of 3 items, which the model does not know" in told
    new = run_json("recommend", "popular.safetensors", "--liked", "10", "--candidates", "30")
    assert [row["movieId"] for row in new["recommendations"]] == [30]
    run("recommend", "popular.safetensors", "--all", "--candidates", "30", "--out", "all.parquet")
    assert pl.read_parquet("all.parquet")["movieId"].unique().to_list() == [30]


def test_a_history_leaves_out_what_is_not_liked(als: tm.ImplicitALS) -> None:
    Path("new.csv").write_text("userId,movieId,rating\n1,10,5\n1,20,1\n")
    said = run("recommend", "als.safetensors", "--history", "new.csv").stderr
    assert "as likes, as when the model was fitted, and left out 1 lower ones: --at-least" in said
    tm.EASE().fit(_ratings()).save("ease.safetensors")
    Path("new.csv").write_text("userId,movieId,rating\n1,10,5\n1,20,0\n")
    said = run("recommend", "ease.safetensors", "--history", "new.csv").stderr
    assert "left out 1 of 2 pairs of weight 0, which are no likes" in said
    Path("odd.csv").write_text("who,movieId,stars\n1,10,5\n")
    refused = expect_refusal("recommend", "ease.safetensors", "--history", "odd.csv")
    assert refused == "odd.csv has the columns 'who', 'movieId', 'stars': pass --user-column COLUMN"
    assert run_json("recommend", "ease.safetensors", "--history", "odd.csv", "--user-column", "who")["recommendations"]


def test_only_neighbours_that_enough_users_have_are_listed(als: tm.ImplicitALS) -> None:
    def neighbours(*options: str) -> list[int]:
        asked = ["similar", "als.safetensors", "--item", "20", *options]
        return [row["neighbour"] for row in run_json(*asked)["neighbours"]]

    assert sorted(neighbours()) == [10, 30]
    assert als.popularity_.tolist() == [2, 2, 1]
    assert neighbours("--min-users", "2") == [10]
    assert neighbours("--min-users", "3") == []


def test_lists_are_not_written_over_the_file_of_candidates(als: tm.ImplicitALS) -> None:
    Path("c.csv").write_text("movie\n10\n20\n")
    for option in ("--candidates", "--exclude"):
        told = expect_refusal("recommend", "als.safetensors", "--user", "1", option, "c.csv", "--out", "c.csv")
        assert "c.csv" in told
        assert Path("c.csv").read_text() == "movie\n10\n20\n"


def test_a_history_without_ratings_is_liked(folder: Path) -> None:
    lines = [f"{u},{i},{1 + (u * i) % 5}" for u in range(20) for i in range(12) if (u + i) % 3]
    Path("stars.csv").write_text("\n".join(["user,item,rating", *lines]) + "\n")
    run("fit", "stars.csv", "--model", "SVD", "--set", "factors=2", "--out", "svd.safetensors")
    Path("h.csv").write_text("user,item\n99,1\n99,2\n")
    shown = json.loads(run("recommend", "svd.safetensors", "--history", "h.csv", "--json").stdout)["recommendations"]
    expected = tm.load("svd.safetensors").recommend_for([1, 2], frame="polars")
    assert [row["score"] for row in shown] == pytest.approx(expected["score"].to_list(), rel=1e-6)


def test_what_a_file_lacks_of_the_weights_of_a_model_is_told(folder: Path) -> None:
    Path("log.csv").write_text("user,item,event\n1,a,buy\n1,b,view\n2,a,view\n2,b,buy\n")
    how = ("--weight-column", "event", "--event", "buy=4", "--event", "view=1")
    run("fit", "log.csv", "--model", "ItemKNN", *how, "--out", "knn.safetensors")
    told = run("update", "knn.safetensors", "log.csv", "--out", "more.safetensors").stderr
    assert "every row counts as 1, where the model has weights called 'weight': pass --weight-column" in told
    Path("rated.csv").write_text("user,item,rating\n1,a,5\n1,b,3\n2,a,4\n")
    run("fit", "rated.csv", "--no-weight", "--model", "ItemKNN", "--out", "ones.safetensors")
    run("update", "ones.safetensors", "rated.csv", "--out", "more.safetensors")
    more = tm.load("more.safetensors").interactions
    assert more is not None
    assert more.matrix.data.tolist() == [1, 1, 1]


def _list_with(*options: str) -> list[str]:
    """Return the items that --json lists for user 1, or the lines of an error."""
    asked = ["recommend", "als.safetensors", "--user", "1", "--seen", "--json", *options]
    result = CliRunner().invoke(app, asked)
    if result.exit_code:
        return [result.stderr]
    return [str(row["movieId"]) for row in json.loads(result.stdout)["recommendations"]]


def test_columns_of_a_file_choose_items(als: tm.ImplicitALS) -> None:
    assert sorted(_list_with("--titles", "movies.csv", "--where", "genres=Horror|Action")) == ["10", "20"]
    assert sorted(_list_with("--items", "movies.csv", "--where", "genres!=Horror")) == ["20", "30"]
    assert _list_with("--items", "movies.csv", "--where", "genres!=Horror", "--where", "genres=Comedy") == ["30"]
    Path("years.csv").write_text("movieId,nr,year\n7,10,1979\n8,20,1986\n9,30,1995\n")
    years = ["--items", "years.csv", "--item-id", "nr", "--titles", "movies.csv"]
    assert _list_with(*years, "--where", "year>1990") == ["30"]
    Path("kinds.csv").write_text("movieId,kind\n10,a\n20,a\n30,b\n")
    assert len(_list_with("--items", "kinds.csv", "--at-most", "kind=1")) == 2
    assert len(_list_with("--diversity", ".5")) == 3
    similar = ["similar", "als.safetensors", "--item", "10", "--items", "movies.csv", "--where", "genres=Comedy"]
    rows = json.loads(CliRunner().invoke(app, [*similar, "--json"]).stdout)["neighbours"]
    assert [row["neighbour"] for row in rows] == [30]


def test_a_wrong_condition_is_one_sentence(als: tm.ImplicitALS) -> None:
    assert _list_with("--where", "genres=Horror") == [
        "Error: --where needs what is known of the items: pass a file of them as --items FILE\n"
    ]
    assert _list_with("--items", "movies.csv", "--where", "genres=horror") == [
        "Error: no item has 'horror' in column 'genres'; did you mean 'Horror'?\n"
    ]
    assert _list_with("--items", "movies.csv", "--at-most", "genres") == [
        "Error: --at-most must be COLUMN=NUMBER, such as genre=2, got 'genres'\n"
    ]
    assert _list_with("--diversity", "2") == ["Error: --diversity must be a number from 0 to 1, got 2.0\n"]


def test_times_of_a_file_stay_in_the_model_and_say_what_is_new(folder: Path) -> None:
    run("fit", "ratings.csv", "--model", "Popular", "--set", "last=2", "--out", "now.safetensors")
    model = tm.load("now.safetensors")
    assert model.interactions is not None
    assert model.interactions.to_frame("polars")["timestamp"].sort().to_list() == list(range(1000, 1007))
    asked = ["recommend", "now.safetensors", "--user", "4", "--seen"]
    assert [row["movieId"] for row in run_json(*asked, "--since", "1001")["recommendations"]] == [30, 20]
    told = run(*asked, "--since", "2000-01-01", status=1).stderr
    assert told == "Error: --since must be a number as the times are, got '2000-01-01'\n"
    Path("more.csv").write_text("userId,movieId,rating,timestamp\n4,30,5,2000\n")
    run("update", "now.safetensors", "more.csv", "--out", "newer.safetensors")
    newer = tm.load("newer.safetensors")
    assert newer.interactions is not None
    assert newer.interactions.to_frame("polars")["timestamp"].max() == 2000
