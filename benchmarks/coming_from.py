"""Run the code of docs/coming-from, the peers' and ours, and compare what both compute from the same data.

The blocks of a page run in order: ours (```python) in one namespace, the peer's (```python peer) in another that starts
as a copy of ours after the first block, which makes the data. A block that raises stops the run.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import Report, command_line

PAGES = Path(__file__).parents[1] / "docs" / "coming-from"
BLOCK = re.compile(r"^```python( peer)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)

Names = dict[str, Any]
Checks = Iterator[tuple[str, Any, Any, float]]  # what, theirs, ours, the most by which they may differ


def implicit(theirs: Names, ours: Names) -> Checks:
    for what in ("recommended", "newcomer"):
        frame = ours[what]
        yield f"{what}: songs", list(theirs[what]), list(frame["song"]), 0
        yield f"{what}: scores", list(theirs[what].values()), frame["score"], 1e-3
    mine = set(zip(ours["lists"]["listener"], ours["lists"]["song"], strict=True))
    pairs = list(zip(theirs["lists"]["listener"], theirs["lists"]["song"], strict=True))
    yield "lists of everybody: share of the songs in both", 1.0, np.mean([pair in mine for pair in pairs]), 0.005
    yield "NDCG@10", theirs["ndcg"], ours["ndcg"], 1e-3


def lightfm(theirs: Names, ours: Names) -> Checks:
    import tastemap as tm

    measured = tm.evaluate_lists(theirs["lists"], ours["test_pairs"], metrics=("precision@10", "recall@10"))
    for metric, values in theirs["measured"].items():
        yield f"{metric} of LightFM's lists", values.mean(), measured[metric], 1e-6


def surprise(theirs: Names, ours: Names) -> Checks:
    estimates = np.array([prediction.est for prediction in theirs["predictions"]])
    yield "RMSE", theirs["rmse"], ours["rmse"], 0.02
    yield "correlation of the predictions", 1.0, np.corrcoef(estimates, ours["predictions"])[0, 1], 0.01
    errors = ours["predictions"] - ours["test"]["stars"]
    yield "RMSE of our predictions, by both formulas", float(np.sqrt((errors**2).mean())), ours["rmse"], 1e-6


def rectools(theirs: Names, ours: Names) -> Checks:
    import tastemap as tm

    # Its lists are ranked by the transposed weights, see the page; so the scores are made of its weights here.
    users, items = theirs["dataset"].user_id_map, theirs["dataset"].item_id_map
    row = users.convert_to_internal(["listener 7"])
    scores = (theirs["dataset"].get_user_item_matrix()[row] @ theirs["model"].weight).ravel()
    recommended = ours["recommended"]
    yield (
        "recommended: scores of its weights",
        scores[items.convert_to_internal(list(recommended["song"]))],
        recommended["score"],
        1e-5,
    )
    yield "similar: songs", list(theirs["similar"]["item_id"]), list(ours["similar"]["neighbour"]), 0
    yield "similar: scores", theirs["similar"]["score"], ours["similar"]["score"], 1e-5
    lists = theirs["lists"].rename(columns={"user_id": "listener", "item_id": "song"})
    measured = tm.evaluate_lists(lists, ours["test_pairs"], metrics=tuple(theirs["measured"]))
    for metric, value in theirs["measured"].items():
        yield f"{metric} of RecTools' lists", value, measured[metric], 1e-6


def main() -> None:
    parser = command_line(__doc__)
    report = Report(parser.parse_args().json)
    rows = [row for check in (implicit, lightfm, surprise, rectools) for row in _compared(check)]
    report.table("What both libraries compute on the pages about coming from another", rows)
    report.finish()
    if any(row["agree"] == "NO" for row in rows):
        raise SystemExit(1)


def _compared(check: Any) -> Iterator[dict[str, Any]]:
    theirs, ours = _run(PAGES / f"{check.__name__}.md")
    for what, one, other, most in check(theirs, ours):
        difference = _difference(one, other)
        agree = "yes" if difference <= most else "NO"
        yield {"page": check.__name__, "what": what, "difference": difference, "at most": most, "agree": agree}


def _run(page: Path) -> tuple[Names, Names]:
    """Return what the peer's and our blocks of a page have defined."""
    theirs: Names = {}
    ours: Names = {}
    text = page.read_text(encoding="utf-8")
    nowhere = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),  # progress bars
    ):
        for block in BLOCK.finditer(text):
            names = theirs if block[1] else ours
            # As many lines before it as on the page, so that a traceback names the page's line.
            code = compile("\n" * text.count("\n", 0, block.start(2)) + block[2], str(page), "exec")
            exec(code, names)
            theirs = theirs or dict(ours)
    return theirs, ours


def _difference(one: Any, other: Any) -> float:
    """Return the largest difference of numbers, or the share of places at which ids differ."""
    first, second = np.asarray(one), np.asarray(other)
    if first.shape != second.shape:
        return float("inf")
    if first.dtype.kind in "OU":
        return float((first != second).mean())
    return float(np.abs(first - second).max())


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    main()
