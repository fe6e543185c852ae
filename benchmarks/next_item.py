"""What comes next: how often the last like of a person, held out, is among the first ten of all unseen items.

MovieLens 1M and 100K's likes of at least 4 stars, MovieTweetings' of at least 7 points; of equal times the last in the
file is last. Everybody with two likes is asked about. Each model is fitted in a process of its own; half of a 95 %
bootstrap interval stands after each mean. Beside NextItem: the same without its slow part; a Markov chain, which is
NextItem whose state is the last item; ItemKNN, scored from the last item alone; EASE, ImplicitALS and Popular, which
know no order; and RecTools' SASRec (64 wide, 2 blocks, sequences of 100) on the CPU for `--minutes`, from an
environment of its own (`make sasrec`), with its loss on the likes before the held-out ones after each epoch and the
lists of the epoch where that is lowest.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tasks
from side_by_side import HERE, Report, Row, command_line, fresh

SASREC = HERE / ".venv-sasrec" / "bin" / "python"
METRICS = ("ndcg@10", "hit_rate@10")
K = 10


def small_likes() -> Any:
    """MovieLens 100K's ratings of 4 and 5, as ones."""
    import tastemap as tm

    return tm.datasets.movielens("100k").interactions.at_least(4).binarize()


def tweets() -> Any:
    """MovieTweetings' ratings of 7 and more, as ones."""
    return tasks.tweeted_ratings().at_least(7).binarize()


SETS: dict[str, Callable[[], Any]] = {
    "MovieLens 1M": tasks.likes,
    "MovieTweetings": tweets,
    "MovieLens 100K": small_likes,
}
CHAIN = {"decay": 0.0, "slow_decay": 0.0, "ahead": 0.0}
MODELS: dict[str, tuple[str, Row]] = {
    "NextItem": ("NextItem", {}),
    "NextItem, fast part alone": ("NextItem", {"slow_decay": 0.0, "decay": 0.7}),
    "Markov chain": ("NextItem", CHAIN),
    "neighbours of the last item": ("ItemKNN", {}),
    "EASE": ("EASE", {}),
    "ImplicitALS": ("ImplicitALS", {}),
    "Popular": ("Popular", {}),
}
FROM_LAST = {"neighbours of the last item"}
# What NextItem has to reach on MovieLens 1M: NDCG@10, and how many times that of EASE.
LEAST, TIMES_EASE = 0.13, 2.5


def split(data: str) -> tuple[Any, Any]:
    """Return the training and the test part: the last like of everybody who has two."""
    import warnings

    import tastemap as tm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tm.TastemapWarning)  # how many are tied is told in the notes
        return tm.split.leave_last(SETS[data]())


def count_ties(data: str, threads: int) -> str:
    """Tell how many users' last like is tied in time with one before."""
    import warnings

    import tastemap as tm

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", tm.TastemapWarning)
        tm.split.leave_last(SETS[data]())
    told = [one.message.facts for one in caught if isinstance(one.message, tm.TastemapWarning)]
    tied = [facts for facts in told if "tied" in facts]
    return f"{tied[0]['tied']:,} of {tied[0]['users']:,} people" if tied else "nobody"


def measure_ours(data: str, name: str, threads: int) -> Row:
    import tastemap as tm

    train, test = split(data)
    kind, parameters = MODELS[name]
    few = train.pick((train.row_of_pair() < 50)[train.input_order])
    tm.MODELS[kind](**parameters).fit(few, progress=False)  # compiles
    start = time.perf_counter()
    model = tm.MODELS[kind](**parameters).fit(train, progress=False)
    seconds = time.perf_counter() - start
    more: Row = {}
    if name in FROM_LAST:
        more = {"history": train.pick((train.recency.position == 0)[train.input_order]), "exclude": train}
    return {"fit s": seconds, **show(tm.evaluate(model, test, metrics=METRICS, **more))}


def measure_sasrec(data: str, minutes: float, epochs: int, people: int | None, threads: int) -> Row:
    import polars as pl

    import tastemap as tm

    train, test = split(data)
    if people is not None:
        train = train.pick((train.row_of_pair() < people)[train.input_order]).compact()
    with tempfile.TemporaryDirectory() as folder:
        given, lists = Path(folder) / "pairs.npz", Path(folder) / "lists.npz"
        position = train.recency.position
        np.savez(given, users=train.row_of_pair(), items=train.matrix.indices, position=position)
        options = json.dumps({"minutes": minutes, "epochs": epochs, "threads": threads, "k": K})
        # Its curve goes to stderr: results come by stdout.
        subprocess.run([SASREC, HERE / "sasrec.py", given, lists, options], check=True, stdout=sys.stderr)
        made = np.load(lists)
    frame = pl.DataFrame(
        {
            "user": train.users.take(made["users"]),
            "item": train.items.take(made["items"]),
            "rank": made["ranks"],
        }
    ).rename({"user": train.users.name, "item": train.items.name})
    asked = test.pick((train.users.find(test.users.ids)[test.row_of_pair()] >= 0)[test.input_order])
    curve = f"{int(np.argmin(made['losses'])) + 1} of {len(made['losses'])}" if len(made["losses"]) else ""
    return {
        "fit s": float(made["seconds"]),
        "lowest loss": curve,
        **show(tm.evaluate_lists(frame, asked, metrics=METRICS, train=train)),
    }


def show(measured: Any) -> Row:
    row: Row = {"people": measured.n_users}
    for metric in METRICS:
        own = measured.interval(metric)
        row[metric] = f"{own['mean']:.4f} ± {(own['high'] - own['low']) / 2:.4f}"
    return row


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--sets", nargs="+", default=[*SETS], choices=[*SETS], help="some of the data sets")
    parser.add_argument("--models", nargs="+", default=[*MODELS], choices=[*MODELS], help="some of our models")
    parser.add_argument("--minutes", type=float, default=40, help="how long SASRec may train, 0 leaves it out")
    options = parser.parse_args()
    report = Report(options.json)
    for data in ["MovieLens 100K"] if options.quick else options.sets:
        rows: list[Row] = []
        for name in options.models:
            rows.append({"model": name, **fresh(measure_ours, data=data, name=name, threads=2)})
        if options.minutes and SASREC.exists():
            budget: Row = {"minutes": options.minutes, "epochs": 10_000, "people": None}
            if options.quick:
                budget = {"minutes": 1, "epochs": 1, "people": 200}
            rows.append({"model": "RecTools SASRec", **fresh(measure_sasrec, data=data, threads=2, **budget)})
        by_name = {row["model"]: float(row["ndcg@10"].split()[0]) for row in rows}
        if data == "MovieLens 1M" and {"NextItem", "EASE"} <= by_name.keys():
            good = by_name["NextItem"] >= max(LEAST, TIMES_EASE * by_name["EASE"])
            rows[0] |= {"at least": f"{LEAST}, {TIMES_EASE} times EASE", "met": "yes" if good else "NO"}
        ties = fresh(count_ties, data=data, threads=1)
        report.table(
            f"The last like of everybody: {data}",
            rows,
            f"The last like of {ties} has the time of one before. All items are ranked, without those of the training.",
        )
    report.finish()


if __name__ == "__main__":
    main()
