"""`tastemap update` with a journal of events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import tastemap as tm
from tastemap.cli import app
from tastemap.data.events import parse_event, write_event
from tastemap.files.journal import Journal

RATINGS = """user,item,rating
1,10,5
1,20,4
2,10,4
2,30,2
3,20,5
3,30,4
4,10,3
"""
NOON = 1_795_867_200_000_000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with als.safetensors, a model of ratings of 4 and more."""
    monkeypatch.chdir(tmp_path)
    Path("ratings.csv").write_text(RATINGS)
    run("fit", "ratings.csv", "--at-least", "4", "--set", "factors=4", "--set", "epochs=3", "--out", "als.safetensors")
    return tmp_path


def run(*args: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, args)
    assert result.exit_code == status, result.output
    return result


def update(*args: str, status: int = 0) -> Result:
    return run("update", "als.safetensors", "--events", "events", "--out", "new.safetensors", *args, status=status)


def post(*events: dict[str, Any]) -> None:
    Journal("events").append([write_event(parse_event(event, now=NOON)) for event in events])


def pairs(file: str) -> dict[tuple[Any, Any], float]:
    data = tm.load(file).interactions
    assert data is not None
    return {(user, item): weight for user, item, weight in data.to_frame("polars").rows()}


def test_events_become_part_of_the_model(folder: Path) -> None:
    post({"user": "1", "item": "30"}, {"user": 9, "item": 10, "weight": 5}, {"user": "9", "item": "40", "weight": 4})
    post({"user": 2, "item": 10, "weight": 1}, {"user": 3, "item": 20, "weight": 5})
    done = update("--json")
    told = json.loads(done.stdout)
    assert told.pop("update_seconds") > 0
    assert told == {
        "file": "new.safetensors",
        "model": "ImplicitALS",
        "pairs": 7,
        "users": 3,  # user 2 likes nothing any more
        "items": 4,
        "new_users": 0,
        "new_items": 1,
    }
    before = pairs("als.safetensors")
    del before[2, 10]
    assert pairs("new.safetensors") == {**before, (1, 30): 1, (9, 10): 1, (9, 40): 1}
    assert "left out 1 of 5 pairs, which the model has as they are" in done.stderr
    assert "took 1 pairs of less than 4 as no likes, or as likes taken back" in done.stderr
    assert "with --binarize, as when the model was fitted" in done.stderr
    news = {"user": [1, 9, 9, 2], "item": [30, 10, 40, 10], "weight": [1, 1, 1, 0]}
    expected = tm.load("als.safetensors").update(tm.Interactions.from_frame(news, weight="weight"))
    asked: dict[str, Any] = {"users": [1, 2, 9], "k": 2, "on_unknown": "popular", "frame": "polars"}
    assert tm.load("new.safetensors").recommend(**asked).equals(expected.recommend(**asked))


def test_a_journal_without_news_is_refused(folder: Path) -> None:
    refused = update(status=1)
    assert refused.stderr.splitlines()[-1] == "Error: events holds no journal of events"
    post({"user": "1", "item": "30"}, {"user": 2, "item": 20, "weight": 2})
    update()
    Path("new.safetensors").rename("als.safetensors")
    refused = update(status=1)
    assert refused.stderr.splitlines()[-1] == "Error: the model knows all that the journal events holds"
    assert not Path("new.safetensors").exists()
    post({"user": 2, "item": 20, "weight": 4, "time": "2026-12-01T00:00:00Z"})
    assert "left out" not in update("--since", "2026-12-01").stderr
    assert pairs("new.safetensors") == {**pairs("als.safetensors"), (2, 20): 1}
    late = update("--since", "2027-01-01", status=1).stderr
    assert late.splitlines()[-1] == "Error: the journal events holds no event since 2027-01-01"


def test_events_of_a_model_of_ratings_are_ratings(folder: Path) -> None:
    run("fit", "ratings.csv", "--model", "SVD", "--set", "factors=2", "--out", "als.safetensors")
    rated = {(1, 30): 0, (1, 10): 2, (1, 20): 4}
    post(*({"user": user, "item": item, "weight": weight} for (user, item), weight in rated.items()))
    done = update()
    assert "left out 1 of 3 pairs, which the model has as they are" in done.stderr
    assert pairs("new.safetensors") == {**pairs("als.safetensors"), **rated}


def test_ids_of_another_type_are_left_out_with_a_note(folder: Path) -> None:
    post({"user": "ann", "item": 10}, {"user": 1, "item": 30})
    told = update().stderr
    assert (
        "Note: events: 1 of 2 events have user ids that are not whole numbers, as those known are, such as 'ann', and "
        "are left out" in told
    )
    assert len(pairs("new.safetensors")) == len(pairs("als.safetensors")) + 1


def test_options_that_exclude_each_other_are_refused(folder: Path) -> None:
    post({"user": 1, "item": 30})
    assert "pass one of DATA and --events" in update("ratings.csv", status=2).stderr
    bare = run("update", "als.safetensors", "--out", "new.safetensors", status=2)
    assert "pass one of DATA and --events" in bare.stderr
    since = run("update", "als.safetensors", "ratings.csv", "--since", "2026", "--out", "new.safetensors", status=2)
    assert "--since is about --events" in since.stderr
    for option in (["--at-least", "3"], ["--log2"], ["--duplicates", "sum"], ["--event", "VIEW=1"], ["--columns", "a"]):
        assert f"leave {option[0]} out" in " ".join(update(*option, status=2).stderr.replace("│", " ").split())
    assert update("--threads", "1").exit_code == 0


def test_a_model_without_its_pairs_is_not_updated(folder: Path) -> None:
    tm.load("als.safetensors").save("als.safetensors", interactions=False)
    post({"user": 1, "item": 30})
    assert update(status=1).stderr.splitlines()[-1] == (
        "Error: update needs the training pairs, and this model has none: it was saved with --no-interactions, "
        "or fitted on Spark"
    )
