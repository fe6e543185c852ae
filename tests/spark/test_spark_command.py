"""`tastemap recommend --spark`, within a session and as a program of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import tastemap as tm
from tastemap.cli import app

pytestmark = pytest.mark.xdist_group("spark")


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return done.stderr


def test_lists_of_a_file_of_users_are_written_whole(
    spark: Any, trained: tm.ImplicitALS, pairs: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trained.save("als.safetensors")
    pairs.select("who").write_parquet("users.parquet")
    target = str(tmp_path / "lists")
    run("recommend", "als.safetensors", "--spark", str(tmp_path / "users.parquet"), "--out", target, "--k", "4")
    expected = trained.recommend(k=4, frame="polars").sort("who", "rank")
    assert pl.read_parquet("lists/*.parquet").sort("who", "rank").equals(expected)

    # What was there is replaced; without training pairs the histories say what is left out.
    trained.save("bare.safetensors", interactions=False)
    told = run("recommend", "bare.safetensors", "--spark", str(tmp_path / "users.parquet"), "--out", target, code=1)
    assert "leaving out seen items needs the training pairs" in told
    assert told.endswith("pass them as --spark-histories, or pass --seen\n")
    pairs.write_csv("pairs.csv")
    users, histories = str(tmp_path / "users.parquet"), str(tmp_path / "pairs.csv")
    run("recommend", "bare.safetensors", "--spark", users, "--spark-histories", histories, "--out", target, "--k", "4")
    assert pl.read_parquet("lists/*.parquet").sort("who", "rank").equals(expected)
    assert sorted(path.name for path in tmp_path.iterdir() if "unfinished" in path.name) == []


def test_what_is_in_the_way_is_told(
    spark: Any, trained: tm.ImplicitALS, pairs: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trained.save("als.safetensors")
    asked = ("recommend", "als.safetensors", "--spark", str(tmp_path / "users.parquet"), "--out", str(tmp_path / "out"))
    assert run(*asked, code=1).startswith(f"Error: reading {tmp_path / 'users.parquet'} failed: ")
    pairs.select("what").write_parquet("users.parquet")
    assert run(*asked, code=1) == "Error: the Spark frame has no column 'who', only 'what'\n"
    pairs.select("who").write_parquet("users.parquet")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("dear")
    assert run(*asked, code=1) == f"Error: {tmp_path / 'out'} holds 'diary.txt', which would be lost: name another\n"
    for wrong in (("--json",), ("--user", "u1"), ("--titles", "t.csv")):
        run(*asked, *wrong, code=2)
    run("recommend", "als.safetensors", "--all", "--spark-histories", "x", "--out", "y.parquet", code=2)


def test_a_full_disk_is_told_and_leaves_nothing(spark: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pairs = pl.DataFrame({"user": random.integers(0, 3000, 40_000), "item": random.integers(0, 900, 40_000)}).unique()
    tm.ImplicitALS(factors=4, epochs=1).fit(tm.Interactions.from_frame(pairs), progress=False).save(tmp_path / "model")
    pairs.select("user").unique().write_parquet(tmp_path / "users.parquet")
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-m", "tastemap", "recommend", tmp_path / "model", "--spark", tmp_path / "users.parquet"]
    done = subprocess.run(
        [*map(str, command), "--out", str(tmp_path / "out" / "lists"), "--k", "150"],
        capture_output=True,
        text=True,
        timeout=300,
        # No file may grow beyond so many bytes, those of Java too.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, 1_200_000)),
    )
    assert done.returncode == 1, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(told) == 1
    assert "found no room on a disk" in told[0]
    assert list((tmp_path / "out").iterdir()) == []
