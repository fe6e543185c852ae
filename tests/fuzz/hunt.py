"""Draws inputs for the targets, and keeps the smallest input of every finding."""

from __future__ import annotations

import importlib
import pickle
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from pprint import pformat
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from fuzz.verdict import Finding
from fuzz.worker import Outcome, Worker

TARGETS = (
    "frames",
    "matrices",
    "features",
    "filters",
    "text_files",
    "parameters",
    "arguments",
    "calls",
    "model_files",
    "checkpoints",
    "studies",
    "cli",
)

# A finding's input is made smaller for so many seconds, and for so many inputs.
SHRINK_SECONDS, SHRINK_INPUTS = 20.0, 300


class Enough(BaseException):
    """Ends a batch of inputs."""


@dataclass
class Found:
    """A finding, its smallest input so far, and how many inputs led to it."""

    target: str
    finding: Finding
    value: Any
    times: int = 0


@dataclass
class Hunt:
    """A run over targets.

    worker : checks the inputs
    found : the findings by target and signature
    counts : how many inputs had which verdict, by target
    """

    worker: Worker
    found: dict[tuple[str, str], Found] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def run(self, target: str, number: int, n_inputs: int, until: float | None = None) -> None:
        """Check so many inputs of a target, those of a seed; stop at a moment of `time.monotonic`.

        A batch ends with its first new finding, after its input was made smaller.
        """
        counts = self.counts.setdefault(target, Counter())
        shrinking: Found | None = None
        stop_at, left = until or float("inf"), SHRINK_INPUTS

        def check(value: Any) -> None:
            nonlocal shrinking, stop_at, left
            if time.monotonic() > stop_at or not left:
                raise Enough
            outcome: Outcome = self.worker.check(target, value)
            finding = outcome.finding
            if shrinking is None:
                counts[outcome.verdict] += 1
                if finding is None:
                    return
                key = target, finding.signature
                known = key in self.found
                found = self.found.setdefault(key, Found(target, finding, value))
                found.times += 1
                if known:
                    return
                shrinking, stop_at = found, time.monotonic() + SHRINK_SECONDS
            else:
                left -= 1
                if finding is None or finding.signature != shrinking.finding.signature:
                    return
                shrinking.finding, shrinking.value = finding, value
            # Hypothesis takes errors from different lines for different findings: there is one line.
            raise AssertionError(finding.signature)

        inputs = importlib.import_module(f"fuzz.{target}").INPUTS
        test = settings(
            max_examples=n_inputs,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
        )(seed(number)(given(inputs)(check)))
        try:
            test()
        except (AssertionError, Enough):
            pass
        except Exception as error:
            # Nothing but hypothesis, which notes that an input does not fail each time.
            if shrinking is None:
                raise
            found = shrinking.finding
            shrinking.finding = Finding(found.signature, f"{found.text}\n\nNot every time: {error}")


def save(found: Found, folder: Path) -> Path:
    """Write a finding and its input, and return the file that `python -m fuzz --again` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found.target}-{found.finding.name}.pickle"
    path.write_bytes(pickle.dumps((found.target, found.value)))
    shown = pformat(found.value, width=120)[:20_000]
    text = f"{found.finding.signature}\n\ntarget {found.target}, input:\n{shown}\n\n{found.finding.text}\n"
    path.with_suffix(".txt").write_text(text, encoding="utf-8", errors="backslashreplace")
    return path
