"""Time BPR and WARP on MovieLens 1M's likes: an epoch beside implicit's BPR, and the way to lightfm-next's best.

The likes, the split and the measure are those of quality.py; 64 factors for all.

An epoch: as many steps as there are training pairs, for both libraries. A step of either draws one negative, checks it
against the user's positives and updates three rows.

The way: the peer's best is the highest NDCG@10 on the test part that it reaches in so many epochs, mean of three seeds.
It is timed up to the first epoch within .0005 of that. tastemap trains with its defaults for the fewest epochs whose
NDCG@10, mean of the same seeds, is at least the peer's best. Both times are those of a whole fit. `--grid` shows which
parameters the peer can have.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from side_by_side import Report, Row, alternate, command_line, fresh, median, met, said, seeded

FACTORS = 64
SEEDS = 3
NEARLY = 0.0005
# lightfm-next's, of GRID: the best, and for WARP a quicker one, with the samples that it takes unless told otherwise.
PEER: dict[str, list[Row]] = {
    "BPR": [{"learning_rate": 0.05, "item_alpha": 1e-5, "user_alpha": 1e-5}],
    "WARP": [
        {"learning_rate": 0.05, "max_sampled": 100, "item_alpha": 2e-4, "user_alpha": 2e-4},
        {"learning_rate": 0.05},
    ],
}
GRID = {
    "BPR": [
        {"learning_rate": rate, "item_alpha": alpha, "user_alpha": alpha}
        for rate in (0.02, 0.05, 0.1)
        for alpha in (0, 1e-5, 1e-4)
    ],
    "WARP": [
        {"learning_rate": rate, "max_sampled": samples, "item_alpha": alpha, "user_alpha": alpha}
        for rate in (0.03, 0.05)
        for samples in (10, 100)
        for alpha in (0, 1e-4, 2e-4)
    ],
}
PEER_EPOCHS = {"BPR": 30, "WARP": 40}
OUR_EPOCHS = (*range(1, 11), *range(12, 31, 2), 40, 60, 80, 100)
EPOCH_TARGET, WAY_TARGETS = 0.7, {"BPR": 0.1, "WARP": 0.12}


def our_epoch(epochs: int, seed: int, threads: int) -> Row:
    _ours("BPR", 1, seed)  # compiles or loads the kernels
    history = _ours("BPR", epochs, seed).epochs_
    return {"epoch": statistics.median(epoch.seconds for epoch in history)}


def implicit_epoch(epochs: int, seed: int, threads: int) -> Row:
    import peers
    import tasks

    train, _ = tasks.held_out_likes()
    fitted = peers.implicit_bpr(train.matrix, seed, threads, factors=FACTORS, iterations=epochs)
    return {"epoch": statistics.median(fitted.epochs)}


def our_way(name: str, epochs: int, seed: int, threads: int) -> Row:
    import tasks

    _ours(name, 1, seed)  # compiles or loads the kernels
    tasks.held_out_likes()
    start = time.perf_counter()
    model = _ours(name, epochs, seed)
    return {"seconds": time.perf_counter() - start, "ndcg@10": _ndcg(model)}


def fewest_epochs(name: str, goal: float, threads: int) -> int | None:
    """Return after how many epochs tastemap's NDCG@10 has reached the goal."""
    for epochs in OUR_EPOCHS:
        if statistics.mean(_ndcg(_ours(name, epochs, seed)) for seed in range(SEEDS)) >= goal:
            return epochs
    return None


def _ours(name: str, epochs: int, seed: int) -> Any:
    import tasks

    return tasks.fitted(name, {"factors": FACTORS, "epochs": epochs}, seed, tasks.held_out_likes()[0])


def _ndcg(model: Any) -> float:
    import tasks

    import tastemap as tm

    return tm.evaluate(model, tasks.held_out_likes()[1])["ndcg@10"]


def peer_course(name: str, parameters: Row, epochs: int, seed: int, threads: int) -> list[float]:
    """Return lightfm-next's NDCG@10 after every epoch."""
    import peers
    import tasks

    train, test = tasks.held_out_likes()
    parameters = {"loss": name.lower(), "no_components": FACTORS} | parameters
    course = peers.lightfm_epochs(train.matrix, seed, threads, epochs, **parameters)
    return [tasks.measured(fitted.scores, train, test)["ndcg@10"] for fitted in course]


def peer_way(name: str, parameters: Row, epochs: int, seed: int, threads: int) -> Row:
    import peers
    import tasks

    train, test = tasks.held_out_likes()
    parameters = {"loss": name.lower(), "no_components": FACTORS} | parameters
    fitted = peers.lightfm(train.matrix, seed, threads, epochs, **parameters)
    return {"seconds": fitted.seconds, "ndcg@10": tasks.measured(fitted.scores, train, test)["ndcg@10"]}


def epochs_beside_implicit(rounds: int, epochs: int) -> list[Row]:
    rows = []
    for threads in (1, 2):
        runs = {
            "tastemap": seeded(our_epoch, epochs=epochs, threads=threads),
            "implicit": seeded(implicit_epoch, epochs=epochs, threads=threads),
        }
        found = alternate(rounds, runs)
        ours, its = (median(found[name], "epoch") for name in runs)
        row = {"threads": threads, "tastemap s": ours, "implicit s": its, "ratio": ours / its}
        rows.append(row | {"target": EPOCH_TARGET, "met": met(ours / its, EPOCH_TARGET)})
    return rows


def way(name: str, parameters: Row, rounds: int, quick: bool) -> list[Row]:
    peer = {"name": name, "parameters": parameters}
    course = _course(peer, 3 if quick else PEER_EPOCHS[name], 1 if quick else SEEDS)
    goal = max(course)
    its_epochs = next(epoch for epoch, value in enumerate(course, 1) if value >= goal - NEARLY)
    our_epochs = fresh(fewest_epochs, name=name, goal=goal, threads=2)
    rows = []
    for threads in (1, 2):
        runs = {"lightfm-next": seeded(peer_way, epochs=its_epochs, threads=threads, **peer)}
        if our_epochs:
            runs["tastemap"] = seeded(our_way, name=name, epochs=our_epochs, threads=threads)
        found = alternate(rounds, runs)
        row = {"model": name, "lightfm-next's": said(parameters), "threads": threads, "its best ndcg@10": goal}
        for library, epochs in (("tastemap", our_epochs), ("lightfm-next", its_epochs)):
            row[f"{library} epochs"] = epochs or f"not in {OUR_EPOCHS[-1]}"
            row[f"{library} s"] = median(found[library], "seconds") if epochs else ""
            row[f"{library} ndcg@10"] = median(found[library], "ndcg@10") if epochs else ""
        row |= {"ratio": "", "target": WAY_TARGETS[name], "met": "NO"}
        if our_epochs:
            ratio = row["tastemap s"] / row["lightfm-next s"]
            row |= {"ratio": ratio, "met": met(ratio, WAY_TARGETS[name])}
        rows.append(row)
    return rows


def _course(peer: Row, epochs: int, seeds: int) -> list[float]:
    courses = [fresh(peer_course, **peer, epochs=epochs, seed=seed, threads=2) for seed in range(seeds)]
    return [statistics.mean(values) for values in zip(*courses, strict=True)]


def show_grid(report: Report, quick: bool) -> None:
    for name, settings in GRID.items():
        rows = []
        for parameters in settings:
            course = _course({"name": name, "parameters": parameters}, 2 if quick else PEER_EPOCHS[name], 1)
            rows.append(parameters | {"best ndcg@10": max(course), "after epochs": 1 + course.index(max(course))})
        report.table(f"lightfm-next's {name} with {FACTORS} factors: its grid", rows)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--grid", action="store_true", help="show the grid of lightfm-next's parameters instead")
    options = parser.parse_args()
    report = Report(options.json)
    rounds = 1 if options.quick else options.rounds
    if options.grid:
        show_grid(report, options.quick)
    else:
        title = f"An epoch of BPR on the training likes of MovieLens 1M, {FACTORS} factors"
        report.table(title, epochs_beside_implicit(rounds, 2 if options.quick else 10))
        for name, settings in PEER.items():
            for parameters in settings[: 1 if options.quick else None]:
                title = f"{name}: the way to lightfm-next's best NDCG@10, {FACTORS} factors"
                report.table(title, way(name, parameters, rounds, options.quick))
    report.finish()


if __name__ == "__main__":
    main()
