"""A minute of the fuzzer, with the same inputs each time; `make fuzz` goes on for longer with others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.hunt import TARGETS, Hunt, save
from fuzz.worker import Worker

# The number of inputs of each target: what takes some seconds.
INPUTS = dict.fromkeys(TARGETS, 300) | {"arguments": 1000, "matrices": 600, "studies": 40}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker


@pytest.mark.parametrize("target", TARGETS)
def test_inputs_of_all_kinds_are_refused_in_a_sentence_or_answered_rightly(
    target: str, worker: Worker, tmp_path: Path
) -> None:
    hunt = Hunt(worker)
    hunt.run(target, 0, INPUTS[target])
    told = [f"{save(found, tmp_path).with_suffix('.txt').read_text()}" for found in hunt.found.values()]
    assert not told, "\n".join(told)
    assert hunt.counts[target]["right"] > INPUTS[target] / 20, f"nearly nothing is answered: {hunt.counts[target]}"
