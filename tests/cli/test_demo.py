from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from tastemap.cli import app
from tastemap.cli.demo import FILM
from tastemap.datasets import Dataset


def test_the_demo_measures_and_recommends(ml100k: Dataset) -> None:
    result = CliRunner().invoke(app, ["demo"], env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == ("100,000 ratings of 1,682 films by 943 people; the 55,375 of at least 4 stars are likes")
    (popular,) = [line for line in lines if line.strip().startswith("Popular  ")]
    (als,) = [line for line in lines if line.strip().startswith("ImplicitALS  ")]
    for worse, better in zip(popular.split()[1:4], als.split()[1:4], strict=True):
        assert float(better.rstrip("*†")) > 1.3 * float(worse)
    assert lines.index(als) < lines.index(popular)
    assert "The films most like Toy Story (1995)" in lines
    assert any("What next?" in line for line in lines)
    assert lines[-1].strip().startswith("tastemap explore ")
    assert max(map(len, lines[:-1])) <= 100  # the last line is to be copied whole
    assert "\x1b" not in result.stdout
    assert "fitting WARP, EASE and ImplicitALS to all likes" in result.stderr


def test_the_demo_answers_programs_too(ml100k: Dataset) -> None:
    told = json.loads(CliRunner().invoke(app, ["demo", "--json"]).stdout)
    assert {row["model"] for row in told["leaderboard"]} == {"Popular", "BPR", "WARP", "EASE", "ImplicitALS"}
    precision = [row["precision@10"] for row in told["leaderboard"]]
    assert precision == sorted(precision, reverse=True)
    assert {row["metric"] for row in told["differences"]} == {"precision@10", "recall@10", "ndcg@10"}
    assert len(told["similar"]) == len(told["recommended"]) == 10
    liked = {film["title"] for film in told["liked"]}
    assert not liked & {film["title"] for film in told["recommended"]}
    kept = Path(told["kept"])
    assert sorted(path.stem for path in kept.parent.glob("*.safetensors")) == ["als", "ease", "warp"]
    assert FILM in pl.read_csv(kept)["title"]


def test_the_demo_takes_a_folder_of_movielens_1m(data_folder: Path) -> None:
    folder = data_folder / "ml-1m"
    if not (folder / "ratings.parquet").exists():
        pytest.skip(f"needs MovieLens 1M: {folder / 'ratings.parquet'} is absent")
    told = json.loads(CliRunner().invoke(app, ["demo", "--json", "--data", str(folder)]).stdout)
    assert told["person"] == 4
    assert "Toy Story 2 (1999)" in [film["title"] for film in told["similar"]]
    ndcg = {row["model"]: row["ndcg@10"] for row in told["leaderboard"]}
    assert ndcg["Popular"] == pytest.approx(0.157, abs=0.01)
    assert ndcg["ImplicitALS"] == pytest.approx(0.33, abs=0.01)


def test_another_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "--data", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds no MovieLens ratings" in result.stderr
    (tmp_path / "ratings.dat").write_text("1::0114709::10::5\n")
    (tmp_path / "movies.dat").write_text("0114709::Toy Story (1995)::Animation\n")
    result = CliRunner().invoke(app, ["demo", "--data", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        "holds ratings up to 10, and the demo is about those of MovieLens, up to 5: `tastemap compare" in result.stderr
    )
