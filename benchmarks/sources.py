"""The three systems that tastemap has to cover, repeated: films, a shop's orders, articles.

`films` MovieLens 1M, four factorizations with the settings of a course's notebooks, 64 factors all: seconds for all the
data, NDCG@10 on held-out likes (those of quality.py) beside that of the defaults, and, for models of all the data, the
films like Toy Story and those for user 4, beside implicit's ALS with 100 iterations. BPR and WARP make as many epochs
as theirs, with tastemap's own learning rate and regularization: its steps shorten as they add up, and theirs do not, so
their numbers would mean another thing. Their WARP takes the best of 250 sampled negatives, tastemap's the first
violator among as many. Their SVD makes 10 million steps on all ratings; here it ranks without the held-out likes among
them.

`orders` Online Retail, the last month held out, everybody who ordered in it. What was bought before may be bought
again. Who is new gets the most popular products. EASE, ALS, BPR and WARP have the best of a small grid by recall@10 on
the month before.

`articles` Deskdrop, split at one moment. Ranked with and without the articles that were read before (the notebooks kept
them). Everybody, lightfm-next as well, has the best of a small grid by precision@10 on the last fifth of the training
part, for each of the two. Figures are means of three seeds, the choice as well.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from side_by_side import Report, Row, alternate, command_line, fresh, grid, median, met, said, seeded

USER = 4
MOST_SECONDS = 30
# Settings, on which data, and how long the notebooks took.
NOTEBOOKS: dict[str, tuple[Row, str, str]] = {
    "SVD": ({"epochs": 10, "learning_rate": 0.01, "regularization": 1e-4}, "ratings", "10 min 23 s"),
    "ImplicitALS": (
        {
            "epochs": 10,
            "solver": "cholesky",
            "loss": "hu",
            "alpha": 5.0,
            "unobserved_weight": 1.0,
            "regularization": 0.1,
            "regularization_scale": "none",
        },
        "likes",
        "37 s",
    ),
    "BPR": ({"epochs": 150}, "likes", "53 min"),
    "WARP": ({"epochs": 20, "max_sampled": 250}, "likes", "49 min"),
}
FACTORS = 64
SEEDS = 3
OTHERS = ("EASE", "ItemKNN")  # their lists are shown too


# -- films ------------------------------------------------------------------------------------------------------------


def film_seconds(name: str, parameters: Row, seed: int, threads: int) -> Row:
    """Fit to all the data."""
    import tasks

    data = getattr(tasks, NOTEBOOKS[name][1])()
    tasks.fitted(name, parameters | {"epochs": 1}, seed, data)  # compiles or loads the kernels
    start = time.perf_counter()
    tasks.fitted(name, parameters, seed, data)
    return {"seconds": time.perf_counter() - start}


def film_quality(name: str, parameters: Row, seed: int, threads: int) -> Row:
    """Fit without the held-out likes, and rank what the user has not rated."""
    import tasks

    import tastemap as tm

    train, test = tasks.held_out_likes()
    if NOTEBOOKS[name][1] == "ratings":
        train = tasks.ratings_less_held_out_likes()
    return tm.evaluate(tasks.fitted(name, parameters, seed, train), test, metrics=tasks.METRICS).means


def film_lists(name: str, parameters: Row, threads: int) -> dict[str, list[str]]:
    """Return titles: like Toy Story, and for user 4."""
    import tasks

    data = getattr(tasks, NOTEBOOKS[name][1] if name in NOTEBOOKS else "likes")()
    model = tasks.fitted(name, parameters, 0, data)
    return {
        "similar": _titles(model.similar_items(tasks.TOY_STORY)["neighbour"].to_list()),
        "recommended": _titles(model.recommend(USER)["movie_id"].to_list()),
    }


def reference_lists(threads: int) -> dict[str, list[str]]:
    """The same of implicit's ALS."""
    import tasks
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    likes = tasks.likes()
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(factors=FACTORS, iterations=100, num_threads=threads, random_state=0)
        model.fit(likes.matrix.copy(), show_progress=False)
        user, film = int(likes.users.rows([USER])[0]), int(likes.items.rows([tasks.TOY_STORY])[0])
        similar, _ = model.similar_items(film, N=11)
        recommended, _ = model.recommend(user, likes.matrix[user], N=10)
    return {
        "similar": _titles(likes.items.take(similar[similar != film]).to_list()),
        "recommended": _titles(likes.items.take(recommended).to_list()),
    }


def _titles(ids: list[int]) -> list[str]:
    import tasks

    titles = dict(tasks.movies().select("movie_id", "title").iter_rows())
    return [titles[film] for film in ids]


def films(report: Report, rounds: int, quick: bool) -> None:
    rows = []
    for name, (settings, data, theirs) in NOTEBOOKS.items():
        settings = settings | {"factors": FACTORS} | ({"epochs": 2} if quick else {})
        runs = {
            str(threads): seeded(film_seconds, name=name, parameters=settings, threads=threads) for threads in (1, 2)
        }
        seconds = {threads: median(found, "seconds") for threads, found in alternate(rounds, runs).items()}
        quality = {
            label: _mean(film_quality, {"name": name, "parameters": parameters, "threads": 2}, rounds)
            for label, parameters in (("theirs", settings), ("defaults", {"factors": FACTORS}))
        }
        rows.append(
            {
                "model": name,
                "on all": data,
                "their settings": said(settings),
                "their time": theirs,
                "s, 1 thread": seconds["1"],
                "s, 2 threads": seconds["2"],
                f"under {MOST_SECONDS} s": met(seconds["2"], MOST_SECONDS),
                "ndcg@10": quality["theirs"]["ndcg@10"],
                "defaults' ndcg@10": quality["defaults"]["ndcg@10"],
            }
        )
    report.table(f"Films: the notebooks' settings, {FACTORS} factors", rows)
    lists = {"implicit ALS, 100 iterations": fresh(reference_lists, threads=2)}
    for name in (*NOTEBOOKS, *OTHERS):
        if name in NOTEBOOKS:
            settings = NOTEBOOKS[name][0] | {"factors": FACTORS} | ({"epochs": 2} if quick else {})
            lists[f"{name}, theirs"] = fresh(film_lists, name=name, parameters=settings, threads=2)
        lists[f"{name}, defaults"] = fresh(film_lists, name=name, parameters={}, threads=2)
    for which, title in (("similar", "Films like Toy Story (1995)"), ("recommended", f"Films for user {USER}")):
        reference = next(iter(lists.values()))[which]
        shown = [
            {
                "model": name,
                "like the reference": len(set(found[which]) & set(reference)),
                "films": "; ".join(found[which]),
            }
            for name, found in lists.items()
        ]
        report.table(title, shown)


# -- orders -----------------------------------------------------------------------------------------------------------

SHOP_METRICS = ("precision@10", "recall@10")
# log2 damps the weights before the fit.
SHOP_GRIDS = {
    "EASE": grid(regularization=(30, 100, 300), log2=(False, True)),
    "ImplicitALS": grid(unobserved_weight=(0.1, 0.2, 0.5), regularization=(0.1, 0.3, 1.0), log2=(False, True)),
    "BPR": grid(epochs=(30, 100), regularization=(0.003, 0.01, 0.03), log2=(False, True)),
    "WARP": grid(epochs=(20, 40), regularization=(0.3, 0.6, 1.0), log2=(False, True)),
}
SHOP_BASELINES: dict[str, tuple[str, Row]] = {
    "Random": ("Random", {}),
    "Random, by popularity": ("Random", {"by_popularity": True}),
    "Popular": ("Popular", {}),
    "PersonalPopular, own purchases only": ("PersonalPopular", {"fill": False}),
    "PersonalPopular": ("PersonalPopular", {}),
}


def shop(name: str, parameters: Row, tuned: bool, quick: bool, seed: int, threads: int) -> Row:
    import tasks

    import tastemap as tm

    if tuned:
        before = tasks.online_retail(tasks.MONTH_BEFORE, until=tasks.LAST_MONTH)
        measure = partial(_shop_result, metric="recall@10")
        parameters = _chosen(name, SHOP_GRIDS[name][: 2 if quick else None], before, measure)
    train, test = tasks.online_retail(tasks.LAST_MONTH)
    start = time.perf_counter()
    model = _fitted(name, parameters, seed, train)
    seconds = time.perf_counter() - start
    found = tm.evaluate(model, test, metrics=SHOP_METRICS, exclude=None, on_unknown="popular")
    known = found.values[found.known].mean(axis=0)
    return {
        "parameters": said(parameters),
        **found.means,
        **{f"{metric}, known": float(value) for metric, value in zip(SHOP_METRICS, known, strict=True)},
        "fit s": seconds,
    }


def _shop_result(model: Any, test: Any, metric: str) -> float:
    import tastemap as tm

    return tm.evaluate(model, test, metrics=(metric,), exclude=None, on_unknown="popular")[metric]


def orders(report: Report, rounds: int, quick: bool) -> None:
    rows = []
    for label, (name, parameters) in SHOP_BASELINES.items():
        case = {"name": name, "parameters": parameters, "tuned": False, "quick": quick, "threads": 2}
        rows.append({"model": label} | _mean(shop, case, rounds if name == "Random" else 1))
    for name in SHOP_GRIDS:
        case = {"name": name, "parameters": {}, "quick": quick, "threads": 2}
        rows.append({"model": f"{name}, defaults"} | _mean(shop, case | {"tuned": False}, rounds))
        rows.append({"model": f"{name}, tuned"} | _mean(shop, case | {"tuned": True}, rounds))
    report.table("Orders: Online Retail, the last month held out", rows, "Known: those with an earlier order.")


# -- articles ---------------------------------------------------------------------------------------------------------

ARTICLE_GRIDS: dict[str, list[Row]] = {
    "Popular": [{}],
    "EASE": grid(regularization=(30, 100, 300, 1000)),
    "ImplicitALS": grid(factors=(32, 64), unobserved_weight=(0.1, 0.2, 0.5), regularization=(0.1, 0.3, 1.0)),
    "WARP": grid(factors=(32, 64), regularization=(0.3, 0.6, 1.0), epochs=(5, 10, 20, 40)),
}
LIGHTFM_GRID = grid(no_components=(10, 30, 64), learning_rate=(0.02, 0.05, 0.1))
LIGHTFM_EPOCHS = 50  # each of them a candidate


def articles_of(name: str, exclude_seen: bool, quick: bool, threads: int) -> Row:
    import tasks

    import tastemap as tm

    train, test = tasks.deskdrop()
    measure = partial(_precision, exclude_seen=exclude_seen)
    inner = tm.split.by_time(train, test=0.2)
    parameters = _chosen(name, ARTICLE_GRIDS[name][: 2 if quick else None], inner, measure, SEEDS)
    start = time.perf_counter()
    models = [tasks.fitted(name, parameters, seed, train) for seed in range(SEEDS)]
    seconds = (time.perf_counter() - start) / len(models)
    return {
        "parameters": said(parameters),
        "precision@10": statistics.mean(_precision(model, test, exclude_seen) for model in models),
        "fit s": seconds,
    }


def articles_of_lightfm(exclude_seen: bool, quick: bool, threads: int) -> Row:
    import peers
    import tasks

    import tastemap as tm

    train, test = tasks.deskdrop()
    inner, valid = tm.split.by_time(train, test=0.2)

    def course(parameters: Row, seed: int) -> list[float]:
        """Precision on the last fifth of the training part after every epoch."""
        epochs = peers.lightfm_epochs(inner.matrix, seed, threads, LIGHTFM_EPOCHS, loss="warp", **parameters)
        return [tasks.measured(fitted.scores, inner, valid, exclude_seen)["precision@10"] for fitted in epochs]

    tried = [
        (statistics.mean(values), epoch, parameters)
        for parameters in LIGHTFM_GRID[: 2 if quick else None]
        for epoch, values in enumerate(zip(*(course(parameters, seed) for seed in range(SEEDS)), strict=True), 1)
    ]
    _, epochs, parameters = max(tried, key=lambda choice: choice[0])
    found = [peers.lightfm(train.matrix, seed, threads, epochs, loss="warp", **parameters) for seed in range(SEEDS)]
    return {
        "parameters": said(parameters | {"epochs": epochs}),
        "precision@10": statistics.mean(
            tasks.measured(fitted.scores, train, test, exclude_seen)["precision@10"] for fitted in found
        ),
        "fit s": statistics.mean(fitted.seconds for fitted in found),
    }


def _precision(model: Any, test: Any, exclude_seen: bool) -> float:
    import tastemap as tm

    exclude = "train" if exclude_seen else None
    return tm.evaluate(model, test, metrics=("precision@10",), exclude=exclude)["precision@10"]


def articles(report: Report, rounds: int, quick: bool) -> None:
    rows = []
    for exclude_seen in (True, False):
        kept = {"read before": "left out" if exclude_seen else "kept"}
        case = {"exclude_seen": exclude_seen, "quick": quick, "threads": 2}
        for name in ARTICLE_GRIDS:
            rows.append(kept | {"model": name} | fresh(articles_of, name=name, **case))
        rows.append(kept | {"model": "lightfm-next WARP"} | fresh(articles_of_lightfm, **case))
    report.table(
        "Articles: Deskdrop, precision@10 of what was read after the moment",
        rows,
        "The notebooks, LightFM, read articles kept: .0042 without features, .0049 with texts and after tuning.",
    )


# ---------------------------------------------------------------------------------------------------------------------


def _chosen(
    name: str, settings: list[Row], split: tuple[Any, Any], measure: Callable[[Any, Any], float], seeds: int = 1
) -> Row:
    """Return the setting that measures best on the split."""
    train, held_out = split
    return max(
        settings,
        key=lambda setting: sum(measure(_fitted(name, setting, seed, train), held_out) for seed in range(seeds)),
    )


def _fitted(name: str, setting: Row, seed: int, train: Any) -> Any:
    import tasks

    parameters = {key: value for key, value in setting.items() if key != "log2"}
    return tasks.fitted(name, parameters, seed, train.log2() if setting.get("log2") else train)


def _mean(function: Any, case: Row, rounds: int) -> Row:
    """Run with several seeds; numbers become their means, the rest is the first run's."""
    found = [fresh(function, **case, seed=seed) for seed in range(rounds)]
    return {
        key: statistics.mean(row[key] for row in found) if isinstance(value, float) else value
        for key, value in found[0].items()
    }


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--only", choices=("films", "orders", "articles"))
    options = parser.parse_args()
    report = Report(options.json)
    for part in (films, orders, articles):
        if options.only in (None, part.__name__):
            part(report, 1 if options.quick else options.rounds, options.quick)
    report.finish()


if __name__ == "__main__":
    main()
