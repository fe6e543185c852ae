"""How good `tastemap.tune` is from defaults: MovieLens 1M, the likes and the test part of quality.py, 64 factors.

The search sees the training part only, of which it holds a tenth out; the test part is measured once, after the final
fit to the whole training part. Each tuning seed is a split, a start and a sequence of trials of its own. Beside it
random search with as many trials, and the model as it is without any search.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from side_by_side import Report, Row, command_line, fresh, said

TIMEOUT = 900
TRIALS = 50
SAMPLERS = ("tpe", "random")
# NDCG@10 on the test part: the targets of quality.py less .003.
TARGETS = {"ImplicitALS": 0.329, "WARP": 0.309}


def measure(name: str, sampler: str, trials: int, seed: int, threads: int) -> Row:
    import tasks

    import tastemap as tm

    train, test = tasks.held_out_likes()
    tm.MODELS[name](epochs=1).fit(train, progress=False)  # compiles or loads the kernels
    with tempfile.TemporaryDirectory() as folder:
        found = tm.tune(
            tm.MODELS[name],
            train,
            trials=trials,
            timeout=TIMEOUT,
            sampler=sampler,
            seed=seed,
            study=Path(folder) / "tune.db",
            progress=False,
        )
    states = dict(found.trials["state"].value_counts().iter_rows())
    return {
        "found": said(found.parameters),
        "validation": found.score,
        "test ndcg@10": tm.evaluate(found.model, test)["ndcg@10"],
        "search s": found.seconds,
        "of it trials s": found.trials["seconds"].sum(),
        "refit s": found.refit_seconds,
        "complete": states.get("complete", 0),
        "pruned": states.get("pruned", 0),
        "other": len(found.trials) - states.get("complete", 0) - states.get("pruned", 0),
    }


def as_it_is(name: str, seed: int, threads: int) -> Row:
    import tasks

    import tastemap as tm

    train, test = tasks.held_out_likes()
    return {"test ndcg@10": tm.evaluate(tasks.fitted(name, {}, seed, train), test)["ndcg@10"]}


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--only", nargs="*", choices=[*TARGETS], default=[*TARGETS], help="some of the models")
    parser.add_argument("--trials", type=int, default=TRIALS, help="trials a search")
    options = parser.parse_args()
    report = Report(options.json)
    rounds, trials = (1, 6) if options.quick else (options.rounds, options.trials)
    for name in options.only:
        rows: list[Row] = []
        for sampler in SAMPLERS:
            for seed in range(rounds):
                found = fresh(measure, name=name, sampler=sampler, trials=trials, seed=seed, threads=2)
                rows.append({"search": sampler, "seed": seed, **found})
        for sampler in SAMPLERS:
            rows.append(_median(sampler, [row for row in rows if row["search"] == sampler], TARGETS[name]))
        defaults = [fresh(as_it_is, name=name, seed=seed, threads=2)["test ndcg@10"] for seed in range(rounds)]
        rows.append({"search": "none", "seed": "median", "test ndcg@10": statistics.median(defaults)})
        report.table(
            f"{name}, {trials} trials or {TIMEOUT} s from the defaults, MovieLens 1M, 2 threads",
            rows,
            "The seed is of the search: its held-out tenth, its choices. That of the model is its default, and without "
            "a search runs from 0.",
        )
    report.finish()


def _median(sampler: str, rows: list[Row], target: float) -> Row:
    row: Row = {"search": sampler, "seed": "median"}
    row |= {name: statistics.median(one[name] for one in rows) for name in ("test ndcg@10", "search s")}
    if sampler == "tpe":
        row |= {"at least": target, "met": "yes" if row["test ndcg@10"] >= target else "NO"}
    return row


if __name__ == "__main__":
    main()
