from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.hunt import Hunt, save
from fuzz.verdict import find_fault
from fuzz.worker import Worker


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(patience=5) as worker:
        yield worker


@pytest.mark.parametrize(
    ("way", "verdict", "words"),
    [
        ("right", "right", ""),
        ("refused", "refused", ""),
        ("told", "right", ""),
        ("from inside", "finding", "TypeError in errors.py:compose: an error from inside"),
        ("of another class", "finding", "KeyError in broken.py"),
        ("of NumPy", "finding", "RuntimeWarning at broken.py"),
        ("wrong", "finding", "one is above two"),
        ("memory", "finding", "MemoryError in broken.py"),
        ("crash", "finding", "the process died with SIGSEGV"),
        ("hang", "finding", "no answer within 5 s"),
    ],
)
def test_what_an_input_leads_to_is_told(way: str, verdict: str, words: str, worker: Worker) -> None:
    outcome = worker.check("broken", way)
    assert outcome.verdict == verdict
    assert worker.check("broken", "right").verdict == "right"  # after a crash too
    assert words in (outcome.finding.signature if outcome.finding else "")


def test_an_error_that_a_call_within_c_raises_is_not_intended() -> None:
    with pytest.raises(ValueError, match="shape") as caught:
        raise ValueError("a shape")
    assert find_fault(caught.value) == "an error from inside that tastemap does not raise itself"


def test_a_finding_is_kept_once_with_its_smallest_input(worker: Worker, tmp_path: Path) -> None:
    hunt = Hunt(worker)
    hunt.run("broken", 0, 100)
    hunt.run("broken", 1, 100)
    (found,) = hunt.found.values()
    assert (found.value, found.finding.signature) == (100, "a number is above 00")
    assert found.times > 2
    path = save(found, tmp_path)
    assert pickle.loads(path.read_bytes()) == ("broken", 100)
    assert "a number is above 99" in path.with_suffix(".txt").read_text()


def test_the_same_seed_draws_the_same_inputs(worker: Worker) -> None:
    one, other = Hunt(worker), Hunt(worker)
    for hunt in (one, other):
        hunt.run("calls", 5, 20)
    assert one.counts == other.counts
    assert one.found.keys() == other.found.keys()
