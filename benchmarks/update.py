"""Lists after `update` beside those of a fit to all pairs, for every model of tastemap.

MovieLens 1M's training part, of the likes or for models of ratings of all ratings, is cut once more: a tenth of its
pairs are news, all those of 3 % of the users and 3 % of the items, and others at random. The model is fitted to the
rest and updated with the news, in one part or in ten. Figures are relative to a fit to all pairs with the same seed;
the last row of a model is a fit with another seed, which shows how much of a difference is chance.

`new items` is NDCG@10 on the test pairs of new items alone, `places` how many places of everybody's lists new items
have. The targets are for `ndcg@10` and `rmse`; ExplicitALS' lists change more than that with the seed.
"""

from __future__ import annotations

import time
from dataclasses import fields
from statistics import mean
from typing import Any

import numpy as np
from side_by_side import Report, Row, command_line, fresh

# Name of the row: model, parameters, whether items have their genres as features.
CASES: dict[str, tuple[str, Row, bool]] = {
    **{name: (name, {}, False) for name in ("Popular", "PersonalPopular", "ItemKNN", "EASE", "ImplicitALS")},
    **{name: (name, {}, False) for name in ("WARP", "BPR", "ExplicitALS", "SVD", "SVDpp")},
    **{f"{name}, genres": (name, {}, True) for name in ("ImplicitALS", "WARP", "BPR")},
}
RATINGS = ("ExplicitALS", "SVD", "SVDpp")
PARTS = (1, 10)
LEAST, MOST = 0.98, 1.02


def cut(pairs: Any, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return the pairs before, the news, and the ids of new users and of new items."""
    rng = np.random.default_rng(seed)
    users, items = rng.random(len(pairs.users)) < 0.03, rng.random(len(pairs.items)) < 0.03
    new = (users[pairs.row_of_pair()] | items[pairs.matrix.indices])[pairs.input_order]
    new |= rng.random(len(pairs)) < (0.1 - new.mean()) / (1 - new.mean())
    ids = (ids.take(np.flatnonzero(new)).to_list() for ids, new in ((pairs.users, users), (pairs.items, items)))
    return pairs.pick(~new).compact(), pairs.pick(new).compact(), *ids


def measure(case: str, seed: int, threads: int) -> list[Row]:
    import tasks

    import tastemap as tm

    name, parameters, with_genres = CASES[case]
    if name in RATINGS:
        train, test = tm.split.random(tasks.ratings(), 0.2, seed=42)
        test = test.pick((train.by_item.counts > 0)[test.matrix.indices[test.input_order]])
    else:
        train, test = tasks.held_out_likes()
    before, news, new_users, new_items = cut(train, seed)
    liked = test.at_least(4) if name in RATINGS else test
    of_new_items = liked.pick(np.isin(liked.items.take(liked.matrix.indices[liked.input_order]).to_numpy(), new_items))
    more: Row = {}
    late: Row = {}
    if with_genres:
        genres = tm.Features.from_frame(tasks.movies(), id="movie_id", columns="genres", separator="|")
        known = np.isin(genres.ids.ids.to_numpy(), before.items.ids.to_numpy())
        first = genres.only(genres.ids.take(np.flatnonzero(known)))
        more = {"item_features": first}
        late = {"item_features": genres.only(news.items.ids)}

    def make(seed: int) -> Any:
        own = [field.name for field in fields(tm.MODELS[name])]
        return tm.MODELS[name](**parameters, **({"seed": seed} if "seed" in own else {}))

    def figures(model: Any, seconds: float) -> Row:
        measured = tm.evaluate(model, liked, metrics="ndcg@10")
        people = measured.per_user
        new = people[people.columns[0]].is_in(new_users)
        row: Row = {
            "ndcg@10": measured["ndcg@10"],
            "known users": people.filter(~new)["ndcg@10"].mean(),
            "new users": people.filter(new)["ndcg@10"].mean(),
            "new items": tm.evaluate(model, of_new_items, metrics="ndcg@10")["ndcg@10"],
            "places": int(model.recommend(k=10, frame="polars")[train.items.name].is_in(new_items).sum()),
        }
        if name in RATINGS:
            row["rmse"] = tm.evaluate(model, test, metrics="rmse")["rmse"]
        return row | {"time": seconds}

    def fit(pairs: Any, seed: int, features: Row) -> tuple[Any, float]:
        start = time.perf_counter()
        model = make(seed).fit(pairs, progress=False, **features)
        return model, time.perf_counter() - start

    model, _ = fit(before, seed, more)
    everything = {"item_features": genres} if with_genres else {}
    wanted = figures(*fit(train, seed, everything))
    found = {}
    part = np.arange(len(news))
    for n in PARTS:
        updated = model
        start = time.perf_counter()
        for number in range(n):
            updated = updated.update(news.pick(part % n == number).compact(), **(late if number == 0 else {}))
        found[f"{n} update" + "s" * (n > 1)] = figures(updated, time.perf_counter() - start)
    found["other seed"] = figures(*fit(train, seed + 1000, everything))
    return [
        {"case": case, "of": label} | {key: row[key] / wanted[key] if wanted[key] else 1.0 for key in wanted}
        for label, row in found.items()
    ]


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--models", nargs="*", choices=list(CASES), metavar="MODEL", default=list(CASES))
    options = parser.parse_args()
    report = Report(options.json)
    rows = []
    for case in options.models[:2] if options.quick else options.models:
        seeds = range(1 if options.quick else options.rounds)
        rounds = [fresh(measure, case=case, seed=seed, threads=2) for seed in seeds]
        for lines in zip(*rounds, strict=True):
            row = lines[0] | {key: mean(line[key] for line in lines) for key in lines[0] if key not in ("case", "of")}
            if row["of"] != "other seed" and case != "ExplicitALS":
                row["met"] = "yes" if row["ndcg@10"] >= LEAST and row.get("rmse", 1) <= MOST else "NO"
            rows.append(row)
    report.table("After an update, relative to a fit to all pairs", rows, "Targets: NDCG@10 .98, RMSE 1.02.")
    report.finish()


if __name__ == "__main__":
    main()
