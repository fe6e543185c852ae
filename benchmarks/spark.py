"""tastemap over Spark beside MLlib alone and beside one machine, in one warm session on this machine.

    python spark.py lists               # MovieLens 1M's likes: recommend_all beside recommendForAllUsers
    python spark.py objective           # MovieLens 1M's likes: objective and NDCG@10 after 20 epochs, Spark and local
    python spark.py made --millions 10  # made interactions: fit and recommend_all, Spark and local
    python spark.py scale --share .001  # a part of 100 million users and 10 million items, beside what is calculated

`lists` writes ten unseen films for every user to Parquet, both from 64 factors. MLlib knows no seen items: it is asked
for ten plus the longest history, and what was seen is taken out by an anti-join and the rest cut to ten. Its time for
ten items, seen or not, stands beside. The target is a tenth. Needs Java 17 and tastemap[spark].
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

FACTORS, K = 64, 10
OBJECTIVE = {"loss": "hu", "regularization_scale": "count"}


def open_session(cores: int, memory: str, **more: Any) -> Any:
    from tastemap.spark import open_session

    settings = {
        "spark__driver__memory": memory,
        "spark__driver__host": "127.0.0.1",
        "spark__ui__enabled": "false",
        "spark__ui__showConsoleProgress": "false",
        "spark__sql__shuffle__partitions": 4 * cores,
        "spark__log__level": "ERROR",
    }
    return open_session(f"local[{cores}]", **settings, **more)


def take_time(work: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def split_likes() -> tuple[Any, Any]:
    import tastemap as tm

    films = tm.datasets.movielens("1m", path=_folder() / "ml-1m").interactions
    return tm.split.random(films.at_least(4).binarize(), 0.2)


def _folder() -> Path:
    import os

    return Path(os.environ.get("TASTEMAP_DATA", "../../shared/data"))


def to_spark(session: Any, data: Any, folder: Path, name: str) -> Any:
    path = folder / f"{name}.parquet"
    data.to_frame("polars").select(data.columns.user, data.columns.item).write_parquet(path)
    return session.read.parquet(str(path)).repartition(2 * session.sparkContext.defaultParallelism).cache()


def measure_lists(session: Any, folder: Path, rounds: int) -> dict[str, Any]:
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import Window
    from pyspark.sql import functions as fn

    import tastemap as tm

    data = split_likes()[0]
    user, item = data.columns.user, data.columns.item
    pairs = to_spark(session, data, folder, "train")
    longest = int(data.by_user.counts.max())
    model = tm.ImplicitALS(factors=FACTORS, epochs=2).fit(data)
    rows = pairs.select(fn.col(user).cast("int"), fn.col(item).cast("int"), fn.lit(1.0).cast("float").alias("r"))
    als = ALS(rank=FACTORS, maxIter=1, implicitPrefs=True, userCol=user, itemCol=item, ratingCol="r")
    session.sparkContext.setCheckpointDir(str(folder / "checkpoints"))
    theirs = als.fit(rows)

    def write(frame: Any, name: str) -> None:
        frame.write.mode("overwrite").parquet(str(folder / name))

    def mllib_unseen() -> None:
        many = theirs.recommendForAllUsers(K + longest)
        each = many.select(user, fn.posexplode("recommendations").alias("place", "one"))
        each = each.select(user, fn.col(f"one.{item}").alias(item), "place", fn.col("one.rating").alias("score"))
        unseen = each.join(pairs.select(fn.col(user).cast("int"), fn.col(item).cast("int")), [user, item], "left_anti")
        ranked = unseen.withColumn("rank", fn.row_number().over(Window.partitionBy(user).orderBy("place")))
        write(ranked.where(fn.col("rank") <= K).drop("place"), "mllib")

    seconds: dict[str, list[float]] = {}
    ways = {
        "tastemap": lambda: write(model.recommend_all(pairs.select(user), k=K), "ours"),
        "tastemap, histories": lambda: write(
            model.recommend_all(pairs.select(user), histories=pairs.select(user, item), k=K), "ours-from-histories"
        ),
        "MLlib, ten items, seen or not": lambda: write(theirs.recommendForAllUsers(K), "mllib-ten"),
        "MLlib, unseen": mllib_unseen,
    }
    for number in range(rounds + 1):  # the first warms up
        for name, way in ways.items():
            if number == 0 and name == "MLlib, unseen" and rounds == 1:
                continue
            spent, _ = take_time(way)
            print(f"  {name}: {spent:.1f} s{' (warm-up)' if not number else ''}", flush=True)
            if number:
                seconds.setdefault(name, []).append(spent)
    local, _ = take_time(lambda: model.recommend_all(folder / "local.parquet", k=K, progress=False))
    best = {name: min(each) for name, each in seconds.items()}
    return {
        "users": data.n_users,
        "items": data.n_items,
        "longest_history": longest,
        **best,
        "local": local,
        "share": best["tastemap"] / best["MLlib, unseen"],
        "equal_to_local": _are_equal(folder / "ours", folder / "local.parquet"),
    }


def _are_equal(one: Path, other: Path) -> bool:
    import polars as pl

    own, right = (pl.read_parquet(path / "*.parquet" if path.is_dir() else path) for path in (one, other))
    keys = [right.columns[0], "rank"]
    return bool(own.sort(keys).equals(right.sort(keys)))


def measure_objective(session: Any, folder: Path, epochs: int) -> dict[str, Any]:
    import tastemap as tm

    train, test = split_likes()
    parameters: dict[str, Any] = {"factors": FACTORS, "epochs": epochs, **OBJECTIVE}
    pairs = to_spark(session, train, folder, "train")
    names = {"user": train.columns.user, "item": train.columns.item}
    models = {
        "Spark": tm.ImplicitALS(**parameters),
        "local": tm.ImplicitALS(**parameters, solver="cholesky"),
    }
    found: dict[str, Any] = {}
    for name, model in models.items():
        data, more = (pairs, {**names, "history": True}) if name == "Spark" else (train, {})
        seconds, _ = take_time(lambda model=model, data=data, more=more: model.fit(data, **more))
        objective = compute_objective(model)
        ndcg = tm.evaluate(model, test, metrics="ndcg@10", progress=False)["ndcg@10"]
        found[name] = {"seconds": seconds, "objective": objective, "ndcg@10": ndcg}
        print(f"  {name}: {found[name]}", flush=True)
    found["objective_ratio"] = found["Spark"]["objective"] / found["local"]["objective"]
    found["ndcg_difference"] = found["Spark"]["ndcg@10"] - found["local"]["ndcg@10"]
    return found


def compute_objective(model: Any) -> float:
    """Return the objective of the loss "hu" with the scale "count", in 64 bits."""
    used, pairs = model.used_, model.state.training("the objective")
    X, Y = model.user_factors_.astype(np.float64), model.item_factors_.astype(np.float64)
    users, items = pairs.row_of_pair(), pairs.matrix.indices
    scores = np.concatenate(
        [np.einsum("pf,pf->p", X[users[at]], Y[items[at]]) for at in np.array_split(np.arange(len(users)), 20)]
    )
    w, a = pairs.matrix.data.astype(np.float64), used.unobserved_weight
    everywhere = float(((X.T @ X) * (Y.T @ Y)).sum())
    fit = float(((a + used.alpha * w) * (1 - scores) ** 2 - a * scores**2).sum()) + a * everywhere
    sides = ((X, pairs.by_user.counts), (Y, pairs.by_item.counts))
    return fit + used.regularization * sum(float(counts @ (P**2).sum(axis=1)) for P, counts in sides)


def measure_made(session: Any, folder: Path, millions: float, factors: int, epochs: int) -> dict[str, Any]:
    import polars as pl
    from make_data import People

    import tastemap as tm

    people = People(round(millions * 1e6))
    parts = folder / "made"
    parts.mkdir()
    for number, rows in enumerate(people.draw()):
        pl.DataFrame({name: rows[name] for name in ("user", "item")}).write_parquet(parts / f"{number:04}.parquet")
    parameters: dict[str, Any] = {"factors": factors, "epochs": epochs, **OBJECTIVE}
    found: dict[str, Any] = {"millions": millions, "factors": factors, "epochs": epochs}
    read, data = take_time(lambda: tm.Interactions.from_file(parts, duplicates="sum"))
    spent, local = take_time(lambda: tm.ImplicitALS(**parameters).fit(data, progress=False))
    listed, _ = take_time(lambda: local.recommend_all(folder / "local.parquet", k=K, progress=False))
    found["local"] = {"read": read, "fit": spent, "recommend_all": listed, "pairs": len(data), "shape": data.shape}
    print(f"  {found['local']}", flush=True)
    frame = session.read.parquet(str(parts))
    spent, far = take_time(lambda: tm.ImplicitALS(**parameters).fit(frame))
    target = str(folder / "lists")
    ask = {"histories": frame, "k": K}
    listed, _ = take_time(
        lambda: far.recommend_all(frame.select("user"), **ask).write.mode("overwrite").parquet(target)
    )
    found["Spark"] = {"fit": spent, "recommend_all": listed}
    print(f"  {found['Spark']}", flush=True)
    return found


USERS, ITEMS, PAIRS_A_USER = 100_000_000, 10_000_000, 50

# Of the log of events, so that it can be read here.
_PLAIN = {"spark__eventLog__compress": "false", "spark__eventLog__rolling__enabled": "false"}


def count_blocks(pairs: float, blocks: int) -> float:
    """Return in how many of the blocks of the other side a row with so many pairs is needed, of pairs at random."""
    return blocks * (1 - (1 - 1 / blocks) ** pairs)


def calculate(users: int, items: int, factors: int, epochs: int, blocks: int) -> dict[str, float]:
    """Return bytes, and operations, by the formulas of docs/spark.md."""
    pairs, row = users * PAIRS_A_USER, 4 * factors
    sent = users * count_blocks(PAIRS_A_USER, blocks) + items * count_blocks(pairs / items, blocks)
    return {
        "pairs, shuffled for training": 4 * 24 * pairs,  # merged, numbered twice, put into blocks of both sides
        "factors, shuffled in all epochs": epochs * row * sent,
        "pairs and users, shuffled for lists": 24 * pairs + users * (row + 8),
        "items, sent to each machine": items * (row + 36),
        "factors, on the driver": (users + items) * row,
        "operations of lists": 2.0 * factors * users * items,
    }


def read_shuffles(log: Path) -> tuple[int, float]:
    """Return the bytes that all tasks wrote for shuffles, and the seconds that they ran."""
    n_bytes, seconds = 0, 0.0
    for file in log.rglob("*"):
        if file.is_file() and not file.name.endswith(".crc"):
            for line in file.read_text().splitlines():
                event = json.loads(line)
                metrics = event.get("Task Metrics") if event.get("Event") == "SparkListenerTaskEnd" else None
                if metrics:
                    n_bytes += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
                    seconds += metrics["Executor Run Time"] / 1000
    return n_bytes, seconds


def measure_scale(folder: Path, share: float, factors: int, epochs: int, cores: int, memory: str) -> dict[str, Any]:
    import polars as pl

    import tastemap as tm

    users, items = round(USERS * share), round(ITEMS * share)
    random = np.random.default_rng(0)
    source = folder / "pairs.parquet"
    table = pl.DataFrame(
        {
            "user": np.repeat(np.arange(users), PAIRS_A_USER),
            "item": random.integers(0, items, users * PAIRS_A_USER, dtype=np.int64),
        }
    )
    table.write_parquet(source)
    found: dict[str, Any] = {"users": users, "items": items, "calculated": {}, "measured": {}}
    found["calculated"] = calculate(users, items, factors, epochs, max(10, cores))
    found["at full size"] = calculate(USERS, ITEMS, factors, 20, 200)
    model: Any = None
    for step in ("fit", "lists"):
        log = folder / f"log-{step}"
        log.mkdir()
        session = open_session(cores, memory, spark__eventLog__enabled="true", spark__eventLog__dir=str(log), **_PLAIN)
        pairs = session.read.parquet(str(source))
        if step == "fit":
            model = tm.ImplicitALS(factors=factors, epochs=epochs, **OBJECTIVE)
            spent, _ = take_time(lambda model=model, pairs=pairs: model.fit(pairs))
        else:
            asked = model.recommend_all(pairs.select("user"), histories=pairs, k=K)
            spent, _ = take_time(lambda asked=asked: asked.write.parquet(str(folder / "lists")))
        session.stop()
        shuffled, ran = read_shuffles(log)
        found["measured"][step] = {"seconds": spent, "shuffled": shuffled, "seconds of tasks": ran}
        print(f"  {step}: {found['measured'][step]}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("lists", "objective", "made", "scale"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.001)
    parser.add_argument("--millions", type=float, default=10)
    parser.add_argument("--factors", type=int, default=FACTORS)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", default="4g")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        session = None if asked.what == "scale" else open_session(asked.cores, asked.memory)
        if asked.what == "scale":
            how = (asked.share, asked.factors, asked.epochs, asked.cores, asked.memory)
            found = measure_scale(folder, *how)
        elif asked.what == "lists":
            found = measure_lists(session, folder, asked.rounds)
        elif asked.what == "objective":
            found = measure_objective(session, folder, asked.epochs)
        else:
            found = measure_made(session, folder, asked.millions, asked.factors, asked.epochs)
        if session is not None:
            session.stop()
    print(json.dumps(found, indent=2))
    if asked.json is not None:
        asked.json.write_text(json.dumps(found))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
