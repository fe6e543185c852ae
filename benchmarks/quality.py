"""How well the models rank: MovieLens 1M, ratings of 4 and 5, a random fifth held out, 64 factors, beside the peers.

The split is the one of the published figures: numpy.random.default_rng(42).random(n) < 0.2 in file order. Every list is
measured by the same code. PersonalPopular is Popular here, since seen movies are left out. Models of ratings are in
ratings.py and sources.py.

`--choose` shows how the documented parameters were found: on splits of the training part, by NDCG@10. The test part is
not looked at. For ImplicitALS among those settings whose neighbours of Toy Story are for the family; its best differ by
less than their standard error, about .001.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from side_by_side import Report, Row, alternate, command_line, fresh, grid, said, seeded

# For this data. An empty one says that the defaults are the choice.
DOCUMENTED: dict[str, Row] = {
    "ImplicitALS": {"unobserved_weight": 0.55, "regularization": 0.15, "frequency_exponent": 0.6},
    "EASE": {},
    "WARP": {},
    "BPR": {},
    "ItemKNN": {},
    "GraphFilter": {},
}
BASELINES = ("Random", "Popular")
TARGETS = {"ImplicitALS": 0.332, "EASE": 0.332, "WARP": 0.312, "BPR": 0.290}
# Each with the best parameters of a small grid, by NDCG@10 on the test part (sgd.py --grid for lightfm-next's).
PEERS: dict[str, tuple[str, Row]] = {
    "irspack iALS": ("irspack_ials", {"n_components": 64, "alpha0": 0.3, "reg": 0.007, "train_epochs": 15}),
    "implicit ALS": ("implicit_als", {"factors": 64, "alpha": 5, "regularization": 60, "iterations": 15}),
    "RecTools EASE": ("rectools_ease", {"regularization": 700}),
    "lightfm-next WARP": (
        "lightfm",
        {
            "loss": "warp",
            "no_components": 64,
            "learning_rate": 0.05,
            "max_sampled": 100,
            "item_alpha": 2e-4,
            "user_alpha": 2e-4,
            "epochs": 27,
        },
    ),
    "lightfm-next BPR": (
        "lightfm",
        {
            "loss": "bpr",
            "no_components": 64,
            "learning_rate": 0.05,
            "item_alpha": 1e-5,
            "user_alpha": 1e-5,
            "epochs": 15,
        },
    ),
    "implicit BPR": (
        "implicit_bpr",
        {"factors": 64, "learning_rate": 0.01, "regularization": 0.01, "iterations": 100},
    ),
    "implicit cosine neighbours": ("implicit_neighbours", {"kind": "Cosine", "K": 10}),
    "implicit TF-IDF neighbours": ("implicit_neighbours", {"kind": "TFIDF", "K": 20}),
    "implicit BM25 neighbours": ("implicit_neighbours", {"kind": "BM25", "K": 400, "K1": 1.2, "B": 0.5}),
}


def measure_ours(name: str, parameters: Row, seed: int, threads: int) -> Row:
    import tasks

    import tastemap as tm

    train, test = tasks.held_out_likes()
    model = tasks.fitted(name, parameters, seed, train)  # compiles or loads the kernels
    start = time.perf_counter()
    model.fit(train, progress=False)
    seconds = time.perf_counter() - start
    return tm.evaluate(model, test, metrics=tasks.METRICS).means | {"fit s": seconds}


def measure_peer(peer: str, parameters: Row, seed: int, threads: int) -> Row:
    import peers
    import tasks

    train, test = tasks.held_out_likes()
    fitted = getattr(peers, peer)(train.matrix, seed, threads, **parameters)
    return tasks.measured(fitted.scores, train, test) | {"fit s": fitted.seconds}


# -- choosing ---------------------------------------------------------------------------------------------------------


def _als_grid() -> Iterator[Row]:
    weights, strengths, exponents = (0.2, 0.3, 0.4, 0.55, 0.7, 1.0), (0.005, 0.0065, 0.008, 0.01), (0.5, 0.6, 0.7, 1.0)
    for weight, strength, exponent in itertools.product(weights, strengths, exponents):
        # So that the same strength means about as much at both exponents.
        regularization = float(f"{strength * (weight * 3500 + 100) ** (1 - exponent):.2g}")
        yield {"unobserved_weight": weight, "regularization": regularization, "frequency_exponent": exponent}


GRIDS: dict[str, list[Row]] = {
    "ImplicitALS": list(_als_grid()),
    "EASE": grid(regularization=(15.0, 30.0), dropout=(0.5, 0.65, 0.8), item_exponent=(0.1, 0.15, 0.2, 0.3)),
    "WARP": grid(learning_rate=(0.03, 0.05), regularization=(0.4, 0.5, 0.6), epochs=(50, 80), max_sampled=(100, 250)),
    "BPR": grid(learning_rate=(0.7, 1.0), regularization=(0.007, 0.01, 0.015), epochs=(200, 300)),
    "ItemKNN": [
        *grid(similarity=("cosine", "tfidf"), neighbours=(50, 100, 200), shrinkage=(0.0, 10.0, 50.0)),
        *grid(neighbours=(50, 100), history_exponent=(0.8, 0.9), item_exponent=(0.35, 0.5), shrinkage=(3.0, 7.0)),
    ],
    "GraphFilter": grid(low_pass=(0.5, 1.0, 2.0), damping=(0.5, 1.0, 2.0), noise=(0.4, 0.5, 0.6)),
}
# Many splits, because the held-out tenth is little; fewer where a fit takes long.
SPLITS = {"ImplicitALS": 8, "EASE": 4, "ItemKNN": 4, "GraphFilter": 4}
FAMILY = ("ImplicitALS",)


def choose(name: str, quick: bool, threads: int) -> list[Row]:
    """Return the settings tried and their NDCG@10 on held-out tenths of the training part, the best last."""
    import tasks

    import tastemap as tm

    train, _ = tasks.held_out_likes()
    # A tenth, so that what is left is nearly as much as the final fit has.
    splits = [tm.split.random(train, 0.1, seed=seed) for seed in range(1 if quick else SPLITS.get(name, 2))]
    rows = []
    for setting in GRIDS[name][: 2 if quick else None]:
        make = partial(tm.MODELS[name], **setting)
        row = setting | {
            "ndcg@10": statistics.mean(
                tm.evaluate(make().fit(inner, progress=False), held_out)["ndcg@10"] for inner, held_out in splits
            )
        }
        if name in FAMILY:
            row["family"] = min(_family(make(seed=seed).fit(tasks.likes(), progress=False)) for seed in range(3))
        rows.append(row)
    return sorted(rows, key=lambda row: (row.get("family", 10) >= 8, row["ndcg@10"]))


def _family(model: Any) -> int:
    """How many of the ten neighbours of Toy Story are for the family."""
    import tasks

    movies = tasks.movies()
    neighbours = model.similar_items(tasks.TOY_STORY)["neighbour"]
    genres = movies.filter(movies["movie_id"].is_in(neighbours.implode()))["genres"]
    return int(genres.str.contains("Animation|Children's").sum())


# ---------------------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument(
        "--choose", nargs="*", choices=[*GRIDS, []], metavar="MODEL", help="try settings on splits of the training part"
    )
    options = parser.parse_args()
    report = Report(options.json)
    if options.choose is not None:
        for name in options.choose or GRIDS:
            title = f"{name} on splits of the training part, the best last"
            report.table(title, fresh(choose, name=name, quick=options.quick, threads=2))
        report.finish()
        return

    runs = {}
    for name in (*BASELINES, *DOCUMENTED):
        label = name if name in BASELINES else f"{name}, defaults"
        runs[label] = seeded(measure_ours, name=name, parameters={}, threads=2)
        if DOCUMENTED.get(name):
            runs[f"{name}, documented"] = seeded(measure_ours, name=name, parameters=DOCUMENTED[name], threads=2)
    for name, (function, parameters) in PEERS.items():
        runs[name] = seeded(measure_peer, peer=function, parameters=parameters, threads=2)
    rows = []
    for name, found in alternate(1 if options.quick else 3, runs).items():
        row: Row = {"model": name}
        row |= {column: statistics.mean(run[column] for run in found) for column in found[0]}
        target = TARGETS.get(name.partition(",")[0])
        if target and (name.endswith("documented") or not DOCUMENTED[name.partition(",")[0]]):
            row |= {"at least": target, "met": "yes" if row["ndcg@10"] >= target else "NO"}
        rows.append(row)
    documented = "; ".join(f"{name}: {said(parameters)}" for name, parameters in DOCUMENTED.items() if parameters)
    report.table(
        "Ranking held-out likes of MovieLens 1M, 64 factors, 2 threads",
        rows,
        f"Means over seeds. Documented: {documented}. The peers have the best parameters of a small grid.",
    )
    report.finish()


if __name__ == "__main__":
    main()
