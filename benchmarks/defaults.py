"""How good every model is without tuning: its defaults beside what a search finds, on many sets, and the peers'.

A random fifth of each set is held out (MovieLens 1M and Yelp2018 have the splits of the published figures), lists
have ten places and leave out training pairs, factors are 64. "Tuned" has the parameters that `tastemap.tune` found with
at most 50 trials or the time in tuned.json, on a tenth of the training part, starting from the defaults: `--tune`
searches again for what is named with `--sets` and `--models`, and writes tuned.json. The test part is looked at once,
here. Peers have their own defaults, but 64 factors, and lightfm-next ten epochs where its default is one.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import tasks
from side_by_side import Report, Row, alternate, command_line, fresh, memory_peak, seeded

TUNED = Path(__file__).with_name("tuned.json")
TRIALS = 50
SETS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "Deskdrop": tasks.held_out_reads,
    "Online Retail": tasks.held_out_purchases,
    "Last.fm": tasks.held_out_artists,
    "MovieTweetings": tasks.held_out_tweets,
    "MovieLens 100K": tasks.held_out_small_likes,
    "MovieLens 1M": tasks.held_out_likes,
    "Yelp2018": tasks.published_businesses,
}
BASELINES = ("Popular", "ItemKNN")
MODELS = ("ImplicitALS", "WARP", "BPR", "EASE", "ItemKNN", "GraphFilter")
# Minutes and ten gigabytes a fit of its 38,048 items: only where it is asked for.
SLOW = {("Yelp2018", "EASE")}
PEERS: dict[str, tuple[str, Row]] = {
    "implicit ALS": ("implicit_als", {"factors": 64}),
    "implicit BPR": ("implicit_bpr", {"factors": 64}),
    "implicit cosine neighbours": ("implicit_neighbours", {"kind": "Cosine"}),
    "irspack iALS": ("irspack_ials", {"n_components": 64}),
    "lightfm-next WARP": ("lightfm", {"loss": "warp", "no_components": 64, "epochs": 10}),
}
LEAST_SHARE = 0.97
METRICS = ("ndcg@10", "recall@20", "ndcg@20")


def measure_ours(data: str, name: str, parameters: Row, seed: int, threads: int) -> Row:
    import tastemap as tm

    train, test = SETS[data]()
    start = time.perf_counter()
    model = tasks.fitted(name, parameters, seed, train)
    seconds = time.perf_counter() - start
    return tm.evaluate(model, test, metrics=METRICS).means | {"fit s": seconds, "peak GB": memory_peak() / 1e9}


def measure_peer(data: str, peer: str, parameters: Row, seed: int, threads: int) -> Row:
    import peers

    train, test = SETS[data]()
    fitted = getattr(peers, peer)(train.matrix, seed, threads, **parameters)
    return {"ndcg@10": tasks.measured(fitted.scores, train, test)["ndcg@10"], "fit s": fitted.seconds}


def search(data: str, name: str, minutes: float, threads: int) -> Row:
    """Return what `tune` finds on the training part of a set, and how long it looked."""
    import tastemap as tm

    train, _ = SETS[data]()
    start = time.perf_counter()
    found = tm.tune(tm.MODELS[name], train, trials=TRIALS, timeout=60 * minutes, refit=False, progress=False)
    return {
        "parameters": found.parameters,
        "validation": round(found.score, 4),
        "trials": len(found.trials),
        "seconds": round(time.perf_counter() - start),
    }


def tune_again(sets: list[str], models: list[str], minutes: float, threads: int) -> None:
    """Search for the parameters of models on sets, and write each into tuned.json as it is found."""
    for data in sets:
        for name in models:
            if (data, name) in SLOW:
                continue
            found = fresh(search, data=data, name=name, minutes=minutes, threads=threads)
            tuned = json.loads(TUNED.read_text()) if TUNED.exists() else {}
            tuned.setdefault(data, {})[name] = found
            TUNED.write_text(json.dumps(tuned, indent=1, sort_keys=True) + "\n")
            print(data, name, found, flush=True)


def compare(data: str, models: list[str], rounds: int, threads: int) -> list[Row]:
    """Return a row for each model, ours with the share of the tuned NDCG@10 that the defaults reach."""
    tuned = json.loads(TUNED.read_text()).get(data, {})
    ours = partial(seeded, measure_ours, data=data, threads=threads)
    runs = {name: ours(name=name, parameters={}) for name in dict.fromkeys((*BASELINES, *models))}
    for name in models:
        if name in tuned:
            runs[f"{name}, tuned"] = ours(name=name, parameters=tuned[name]["parameters"])
    runs |= {
        peer: seeded(measure_peer, data=data, peer=function, parameters=parameters, threads=threads)
        for peer, (function, parameters) in PEERS.items()
    }
    found = alternate(rounds, runs)
    means = {name: statistics.mean(row["ndcg@10"] for row in rows) for name, rows in found.items()}
    best_peer = max(means[peer] for peer in PEERS)
    table = []
    for name, rows in found.items():
        if name.endswith(", tuned"):
            continue
        row: Row = {"model": name, "ndcg@10": means[name]}
        if f"{name}, tuned" in means:
            best = means[f"{name}, tuned"]
            row |= {"tuned": best, "share": means[name] / best}
        row |= {"beats Popular": _tell(means[name] >= means["Popular"])} if name in models else {}
        row |= {"beats all peers": _tell(means[name] >= best_peer)} if name in models else {}
        row |= {key: statistics.median(one[key] for one in rows) for key in ("fit s", "peak GB") if key in rows[0]}
        row |= {key: statistics.mean(one[key] for one in rows) for key in METRICS[1:] if key in rows[0]}
        table.append(row)
    return table


def _tell(holds: bool) -> str:
    return "yes" if holds else "NO"


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--sets", nargs="*", choices=[*SETS], default=[*SETS], help="some of the sets")
    parser.add_argument("--models", nargs="*", choices=MODELS, default=[*MODELS], help="some of the models")
    parser.add_argument("--slow", action="store_true", help="EASE on Yelp2018 too: minutes, ten gigabytes")
    parser.add_argument("--tune", action="store_true", help="search again, and write tuned.json")
    parser.add_argument("--minutes", type=float, default=10.0, help="the most that a search takes")
    options = parser.parse_args()
    if options.tune:
        tune_again(options.sets, options.models, options.minutes, 2)
        return
    report = Report(options.json)
    sets = options.sets[:1] if options.quick else options.sets
    shares = set[tuple[float, str, str]]()
    for data in sets:
        models = [name for name in options.models if options.slow or (data, name) not in SLOW]
        rows = compare(data, models[:1] if options.quick else models, 1 if options.quick else options.rounds, 2)
        report.table(f"{data}: defaults beside tuned, 64 factors, 2 threads", rows)
        shares |= {(row["share"], row["model"], data) for row in rows if "share" in row}
    worst = sorted(shares)[:5]
    report.table(
        "The least shares of the tuned NDCG@10",
        [
            {"set": data, "model": name, "share": share, "met": _tell(share >= LEAST_SHARE)}
            for share, name, data in worst
        ],
    )
    report.finish()


if __name__ == "__main__":
    main()
