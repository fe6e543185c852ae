"""What item features are worth, and what they cost: genres, year and title words of MovieLens 1M's films.

Unseen films: a tenth of the films (numpy.random.default_rng(0).random(films) < 0.1) is taken out of the training, and
every user with likes on both sides gets ten of these films, ranked among themselves. Chance is the expected NDCG@10 of
a random order. Popularity of genres ranks a film by the likes of an average training film of its genres, alike for
everyone; the user's genres by how often they are among the user's own likes. Intervals are 95 % percentile bootstrap
over the users.

Cost: the split of quality.py, every film in training, with and without the features.

lightfm-next gets the same features and an identity beside them, WARP with the best settings of sgd.py.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from side_by_side import Report, Row, alternate, command_line, fresh, median, seeded

MODELS = ("WARP", "ImplicitALS")
PEER = {"loss": "warp", "no_components": 64, "learning_rate": 0.05, "max_sampled": 100}
PEER |= {"item_alpha": 2e-4, "user_alpha": 2e-4}
PEER_EPOCHS = 27
HIDDEN = 0.1
RESAMPLES = 1000


def films() -> Any:
    """The features of every film."""
    import polars as pl
    import tasks

    import tastemap as tm

    title = pl.col("title")
    frame = tasks.movies().with_columns(
        title.str.replace(r" \(\d{4}\)$", ""), title.str.extract(r"\((\d{4})\)$").cast(pl.Int64).alias("year")
    )
    known = tm.Features.from_frame(
        frame, id="movie_id", columns=["genres", "year"], separator={"genres": "|"}, bins={"year": 10}
    )
    return known | tm.text_features(frame, id="movie_id", columns=["title"])


def unseen() -> tuple[Any, Any, Any]:
    """Return train, test and the rows of the films that are in the test part alone."""
    import tasks

    likes = tasks.likes()
    is_hidden = (np.random.default_rng(0).random(likes.shape[1]) < HIDDEN) & (np.diff(likes.by_item.indptr) > 0)
    pairs = is_hidden[likes.matrix.indices][likes.input_order]
    return likes.pick(~pairs), likes.pick(pairs), np.flatnonzero(is_hidden)


# -- unseen films -----------------------------------------------------------------------------------------------------


def unseen_ours(name: str, epochs: int | None, threads: int) -> Row:
    import tasks

    import tastemap as tm

    train, test, hidden = unseen()
    parameters = {} if epochs is None else {"epochs": epochs}
    model = tm.MODELS[name](**parameters, seed=0).fit(train, item_features=films(), progress=False)
    rows = tasks.tested(train, test)
    found = model.recommend(train.users.take(rows), k=tasks.K, candidates=train.items.take(hidden), frame="polars")
    lists = train.items.rows(found["movie_id"]).reshape(len(rows), tasks.K)
    return _interval(tasks.values(lists, rows, test)[:, 0])


def unseen_lightfm(epochs: int, threads: int) -> Row:
    import peers

    train, _, hidden = unseen()
    fitted = peers.lightfm(train.matrix, 0, threads, epochs, item_features=_matrix(train.items), **PEER)
    return _ranked(lambda rows: fitted.scores(rows)[:, hidden])


def unseen_by_genres(personal: bool, threads: int) -> Row:
    import tasks

    train, _, hidden = unseen()
    movies = tasks.movies()
    genres_of = {film: genres.split("|") for film, genres in movies.select("movie_id", "genres").iter_rows()}
    names = sorted(set().union(*genres_of.values()))
    member = np.array([[name in genres_of[film] for name in names] for film in train.items.ids], np.float32)
    likes = np.diff(train.by_item.indptr)
    of_genre = (likes @ member) / np.maximum((likes > 0) @ member, 1)
    share = member / member.sum(axis=1, keepdims=True)
    if personal:
        return _ranked(lambda rows: (train.matrix[rows] @ share) @ share[hidden].T)
    return _ranked(lambda rows: np.tile(share[hidden] @ of_genre, (len(rows), 1)))


def chance(threads: int) -> Row:
    import tasks

    train, test, hidden = unseen()
    n_test = np.diff(test.by_user.indptr)[tasks.tested(train, test)]
    discounts = 1 / np.log2(np.arange(tasks.K) + 2)
    ideal = np.cumsum(discounts)[np.minimum(n_test, tasks.K) - 1]
    return _interval(n_test / len(hidden) * discounts.sum() / ideal)


def _ranked(scores: Any) -> Row:
    """Measure scores of the unseen films."""
    import tasks

    train, test, hidden = unseen()
    rows = tasks.tested(train, test)
    return _interval(tasks.values(hidden[tasks.best(scores, rows)], rows, test)[:, 0])


def _interval(values: Any) -> Row:
    random = np.random.default_rng(0)
    drawn = [values[random.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"users": len(values), "ndcg@10": float(values.mean()), "from": float(low), "to": float(high)}


# -- cost -------------------------------------------------------------------------------------------------------------


def cost_ours(name: str, with_features: bool, epochs: int | None, seed: int, threads: int) -> Row:
    import tasks

    import tastemap as tm

    train, test = tasks.held_out_likes()
    features = {"item_features": films()} if with_features else {}
    make, parameters = tm.MODELS[name], {} if epochs is None else {"epochs": epochs}
    make(epochs=1).fit(train, **features, progress=False)  # compiles or loads the kernels
    start = time.perf_counter()
    model = make(**parameters, seed=seed).fit(train, **features, progress=False)
    seconds = time.perf_counter() - start
    epoch = statistics.median(epoch.seconds for epoch in model.epochs_)
    return {"fit": seconds, "epoch": epoch, "ndcg@10": tm.evaluate(model, test)["ndcg@10"]}


def cost_lightfm(with_features: bool, epochs: int, seed: int, threads: int) -> Row:
    import peers
    import tasks

    train, test = tasks.held_out_likes()
    features = {"item_features": _matrix(train.items)} if with_features else {}
    fitted = peers.lightfm(train.matrix, seed, threads, epochs, **features, **PEER)
    ndcg = tasks.measured(fitted.scores, train, test)["ndcg@10"]
    return {"fit": fitted.seconds, "epoch": statistics.median(fitted.epochs), "ndcg@10": ndcg}


def _matrix(items: Any) -> Any:
    """The features by item row, an identity beside them."""
    import scipy.sparse as sp

    features = films()
    own = features.matrix[features.ids.rows(items.ids)]
    return sp.hstack([sp.identity(len(items), np.float32, "csr"), own], format="csr")


def cost(rounds: int, quick: bool) -> list[Row]:
    rows = []
    runs = {}
    for threads in (1, 2):
        for with_features in (False, True):
            case = {"with_features": with_features, "threads": threads}
            key = (threads, "with" if with_features else "without")
            for name in MODELS:
                runs[(name, *key)] = seeded(cost_ours, name=name, epochs=2 if quick else None, **case)
            runs[("lightfm-next WARP", *key)] = seeded(cost_lightfm, epochs=2 if quick else PEER_EPOCHS, **case)
    found = alternate(rounds, runs)
    for (name, threads, features), results in found.items():
        epoch = median(results, "epoch")
        row = {"model": name, "threads": threads, "features": features, "an epoch s": epoch}
        if features == "with":
            row["times without"] = epoch / median(found[name, threads, "without"], "epoch")
        rows.append(row | {"fit s": median(results, "fit"), "ndcg@10": median(results, "ndcg@10")})
    return sorted(rows, key=lambda row: (row["model"], row["threads"], row["features"] == "with"))


def main() -> None:
    options = command_line(__doc__).parse_args()
    report = Report(options.json)
    epochs = 2 if options.quick else None
    rows = [
        {"model": "chance"} | fresh(chance, threads=2),
        {"model": "popularity of genres"} | fresh(unseen_by_genres, personal=False, threads=2),
        {"model": "the user's genres"} | fresh(unseen_by_genres, personal=True, threads=2),
    ]
    for name in MODELS:
        rows.append({"model": f"{name}, features"} | fresh(unseen_ours, name=name, epochs=epochs, threads=2))
    rows.append(
        {"model": "lightfm-next WARP, features"} | fresh(unseen_lightfm, epochs=epochs or PEER_EPOCHS, threads=2)
    )
    report.table("Films that were not in training, ranked among themselves", rows)
    report.table(
        "Every film in training: the cost of features", cost(1 if options.quick else options.rounds, options.quick)
    )
    report.finish()


if __name__ == "__main__":
    main()
