"""Do neighbours make sense? Whether the neighbours of a film are the other films of its series, beside the peers.

Series are found from titles alone: films whose titles are the same without numbers, subtitles and the like, made
within 25 years of each other; films of one title are remakes and do not count. The films asked about, and those to
find, have at least 15 likes; every film with a like may be a neighbour. All libraries are fitted to all likes. Shown is
the mean of 1 / rank of the first film of the series (of 100 neighbours), and of the share of the series among the first
20; for models with factors also by their plain cosine. Models of ratings learn from all ratings.
"""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import tasks
from quality import PEERS
from side_by_side import Report, Row, alternate, command_line, fresh, said, seeded

Array = tasks.Array

FEWEST_LIKES = 15
LONGEST, FIRST = 100, 20
MOST_YEARS = 25
# Ratings, the least that is a like, and titles.
SETS = {
    "MovieLens 1M, at least 4 stars": (tasks.ratings, 4, tasks.movies),
    "MovieTweetings, at least 7 points": (tasks.tweeted_ratings, 7, tasks.tweeted_movies),
}
# The least mean reciprocal rank and recall of each model of TARGETED, and of the best of these.
TARGETED = ("ImplicitALS", "WARP", "BPR")
TARGETS = {
    "MovieLens 1M, at least 4 stars": ((0.50, 0.63), (0.58, 0.75)),
    "MovieTweetings, at least 7 points": ((0.76, 0.82), (0.76, 0.82)),
}
OURS: list[tuple[str, Row]] = [
    ("ImplicitALS", {}),
    ("WARP", {}),
    ("BPR", {}),
    ("EASE", {}),
    ("ItemKNN", {}),
    ("SVD", {}),
    ("SVDpp", {}),
    ("ExplicitALS", {}),
]
# Its other peers answer no question about similar items.
ASKED = [name for name in PEERS if name.startswith("implicit")]

NUMBERS = {"two", "three", *"23456789", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"}
FILLERS = {"the", "part", "episode", "chapter", "volume", "vol"}
OPENINGS = re.compile(
    r"\b(?:(?:return|revenge|son|bride|conquest) of|beneath|escape from|battle for)\b",
)


def name_series(title: str) -> str:
    """Return what the titles of a series share: a title without year, articles, subtitle, number; "" if too short."""
    plain = re.sub(r"\([^)]*\)", " ", unicodedata.normalize("NFKC", title).lower())
    plain = re.sub(r", (?:the|an?) *$", "", plain)
    main = OPENINGS.sub(" ", re.split(r"[:-]| and the ", plain)[0])
    words = [word for word in re.findall(r"[^\W\d_]+|\d+", main) if word not in NUMBERS | FILLERS]
    name = " ".join(words)
    return name if len(name) > 3 else ""


def find_series(titles: dict[int, str]) -> dict[int, set[int]]:
    """Return the other films of its series for each film that has one.

    titles : by item row, with the year in brackets at their ends
    """
    groups = defaultdict(list)
    for row, title in titles.items():
        dated = re.fullmatch(r"(.*?) *\((\d{4})\)", title)
        if dated and (name := name_series(title)):
            groups[name].append((row, dated[1], int(dated[2])))
    series = {
        row: {
            other
            for other, its_title, its_year in group
            if its_title != title and abs(its_year - year) <= MOST_YEARS and other != row
        }
        for group in groups.values()
        for row, title, year in group
    }
    return {row: others for row, others in series.items() if others}


def load(name: str) -> tuple[Any, Any, dict[int, set[int]]]:
    """Return the ratings and the likes of a set, and the series among its films, by item row of the likes."""
    read, least, read_movies = SETS[name]
    ratings, movies = read(), read_movies()
    likes = ratings.at_least(least).binarize().compact()
    rows = likes.items.find(movies["movie_id"])
    many = np.bincount(likes.matrix.indices, minlength=likes.n_items) >= FEWEST_LIKES
    titles = {row: title for row, title in zip(rows.tolist(), movies["title"], strict=True) if row >= 0 and many[row]}
    return ratings, likes, find_series(titles)


def measure(near: Callable[[int, int], Array], series: dict[int, set[int]]) -> tuple[float, float]:
    """Return the mean of 1 / rank of the first film of the series, 0 beyond LONGEST, and of recall@FIRST."""
    first, recall = [], []
    for film, others in series.items():
        found = np.isin(near(film, LONGEST), list(others))
        first.append(1 / (1 + int(found.argmax())) if found.any() else 0.0)
        recall.append(found[:FIRST].sum() / min(len(others), FIRST))
    return statistics.mean(first), float(np.mean(recall))


def measure_ours(data: str, name: str, parameters: Row, seed: int, threads: int) -> Row:
    import tastemap as tm

    ratings, likes, series = load(data)
    model = tasks.fitted(name, parameters, seed, ratings if tm.MODELS[name].abilities.ratings else likes)
    row: Row = {}
    for metric, label in (("cosine", ""), ("plain_cosine", "plain ")):
        try:
            frame = model.similar_items(likes.items.take(list(series)), k=LONGEST, metric=metric, frame="polars")
        except tm.NotSupportedError:  # models without vectors have one similarity
            continue
        asked, found = (likes.items.find(frame[column]) for column in (likes.items.name, "neighbour"))
        lists = {film: found[asked == film] for film in series}
        first, recall = measure(lambda film, k, lists=lists: lists[film][:k], series)  # type: ignore[misc]
        row |= {f"{label}mrr": first, f"{label}recall@{FIRST}": recall}
    return row


def measure_peer(data: str, peer: str, parameters: Row, seed: int, threads: int) -> Row:
    import peers

    _, likes, series = load(data)
    near = getattr(peers, peer)(likes.matrix, seed, threads, **parameters).near
    first, recall = measure(near, series)
    return {"mrr": first, f"recall@{FIRST}": recall}


def main() -> None:
    options = command_line(__doc__).parse_args()
    report = Report(options.json)
    for data in SETS:
        runs = {}
        for name, parameters in OURS:
            label = f"{name}, {said(parameters)}"
            runs[label] = seeded(measure_ours, data=data, name=name, parameters=parameters, threads=2)
        for name in ASKED:
            peer, parameters = PEERS[name]
            runs[name] = seeded(measure_peer, data=data, peer=peer, parameters=parameters, threads=2)
        rows = []
        for label, found in alternate(1 if options.quick else options.rounds, runs).items():
            means = {column: statistics.mean(run[column] for run in found) for column in found[0]}
            rows.append({"model": label, **means})
        each, best = TARGETS[data]
        targeted = [row for row in rows if row["model"].partition(",")[0] in TARGETED]
        for row in targeted:
            row |= _judge(row, each)
        highest = {column: max(row[column] for row in targeted) for column in ("mrr", f"recall@{FIRST}")}
        rows.append({"model": f"the best of {', '.join(TARGETED)}", **highest, **_judge(highest, best)})
        n = fresh(count, data=data, threads=1)
        report.table(
            f"The series of {n} films among their neighbours: {data}",
            rows,
            "Means over seeds. The peers have the parameters of `quality`, chosen on MovieLens 1M. EASE and ItemKNN "
            "have similarities of their own.",
        )
    report.finish()


def count(data: str, threads: int) -> int:
    return len(load(data)[2])


def _judge(row: Row, target: tuple[float, float]) -> Row:
    good = row["mrr"] >= target[0] and row[f"recall@{FIRST}"] >= target[1]
    return {"at least": f"{target[0]:.2f}/{target[1]:.2f}", "met": "yes" if good else "NO"}


if __name__ == "__main__":
    main()
