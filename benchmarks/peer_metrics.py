"""What RecTools, LightFM and implicit say of the same lists.

    python peer_metrics.py ../tests/evaluation/peers.json

writes their values on small random lists, which the file holds too, and their means on MovieLens 1M's likes ranked by
popularity, so that a test compares tastemap with them where they are not installed.

RecTools measures given lists. LightFM and implicit rank by themselves, by products of vectors. Where a definition
differs from tastemap's, the users are those for whom it agrees; the docstrings of tastemap.METRICS say how they differ.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tasks

PEERS = ("rectools", "lightfm-next", "implicit")
SEED, USERS, ITEMS = 0, 40, 25
CUTOFFS = (1, 3, 10)

Array = Any


class Ranked(NamedTuple):
    """Lists, what they are compared with, and how peers that rank by themselves come to them.

    lists : pandas frame of user_id, item_id and rank
    train, test : pairs over the same id maps; the users measured are those of the test part
    user_vectors, item_vectors : float32; the products rank the items
    """

    lists: Any
    train: Any
    test: Any
    user_vectors: Array
    item_vectors: Array

    @property
    def n_relevant(self) -> Array:
        """The test items of each user measured."""
        counts = np.diff(self.test.by_user.indptr)
        return counts[counts > 0]

    @property
    def users(self) -> Array:
        """The ids of the users measured."""
        return self.test.users.take(np.flatnonzero(np.diff(self.test.by_user.indptr))).to_numpy()


class Value(NamedTuple):
    """A peer's value of one of tastemap's metrics.

    value : of each user measured, or one for all. among : bool, for which users the definitions agree
    """

    peer: str
    function: str
    metric: str
    value: Any
    among: Array


def values(it: Ranked, k: int) -> Iterator[Value]:
    yield from rectools_values(it, k)
    yield from lightfm_values(it, k)
    yield from implicit_values(it, k)


def rectools_values(it: Ranked, k: int) -> Iterator[Value]:
    from rectools import metrics as peer

    lists, test, train = it.lists, as_frame(it.test), as_frame(it.train)
    n_relevant = it.n_relevant
    everybody = np.ones(len(n_relevant), bool)

    def said(function: str, metric: str, of_users: Any, among: Array = everybody) -> Value:
        return Value("RecTools", function, f"{metric}@{k}", of_users.reindex(it.users).to_numpy(np.float64), among)

    for metric, cls in (
        ("precision", peer.Precision),
        ("recall", peer.Recall),
        ("hit_rate", peer.HitRate),
        ("mrr", peer.MRR),
    ):
        yield said(cls.__name__, metric, cls(k).calc_per_user(lists, test))
    achievable = peer.NDCG(k, divide_by_achievable=True)
    yield said("NDCG(divide_by_achievable=True)", "ndcg", achievable.calc_per_user(lists, test))
    yield said("NDCG, |T| >= k", "ndcg", peer.NDCG(k).calc_per_user(lists, test), n_relevant >= k)
    yield said("MAP, |T| <= k", "map", peer.MAP(k).calc_per_user(lists, test), n_relevant <= k)
    by_k = peer.MAP(k, divide_by_k=True)
    yield said("MAP(divide_by_k=True), |T| >= k", "map", by_k.calc_per_user(lists, test), n_relevant >= k)
    # These two average over the users who have a list.
    length = lists["user_id"].value_counts().reindex(it.users, fill_value=0).to_numpy()
    novelty = peer.MeanInvUserFreq(k).calc_per_user(lists, train)
    yield said("MeanInvUserFreq", "novelty", novelty, length > 0)
    if k > 1:
        diversity = peer.IntraListDiversity(k, distance_calculator=cosine_distances(it))
        yield said("IntraListDiversity, cosine", "diversity", diversity.calc_per_user(lists), length > 1)
    coverage = peer.CatalogCoverage(k, normalize=True).calc(lists, train["item_id"].unique())
    yield Value("RecTools", "CatalogCoverage(normalize=True)", f"coverage@{k}", coverage, everybody)


def cosine_distances(it: Ranked) -> Any:
    """A distance calculator for RecTools: 1 - cosine of the columns of users who have the items."""
    import scipy.sparse as sp
    from rectools.metrics import PairwiseDistanceCalculator

    owners = it.train.transposed
    lengths = np.sqrt(np.maximum(np.diff(owners.indptr), 1))
    unit = sp.diags(1 / lengths) @ (owners != 0)
    cosines = (unit @ unit.T).toarray()

    class Cosine(PairwiseDistanceCalculator):
        def _get_distances_for_item_pairs(self, items: Any, others: Any) -> Array:
            return 1 - cosines[it.train.items.find(list(items)), it.train.items.find(list(others))]

    return Cosine()


def lightfm_values(it: Ranked, k: int) -> Iterator[Value]:
    from lightfm import evaluation as peer

    model, train, test = lightfm(it)
    for function, metric, of_users in (
        ("precision_at_k", f"precision@{k}", peer.precision_at_k(model, test, train, k=k)),
        ("recall_at_k", f"recall@{k}", peer.recall_at_k(model, test, train, k=k)),
        ("auc_score, where another item is ranked", "auc", peer.auc_score(model, test, train)),
        ("reciprocal_rank", f"mrr@{len(it.train.items)}", peer.reciprocal_rank(model, test, train)),
    ):
        yield Value("LightFM", function, metric, np.asarray(of_users, np.float64), np.isfinite(of_users))


def lightfm(it: Ranked) -> tuple[Any, Any, Any]:
    """A LightFM model with the vectors, the training and the test pairs."""
    from lightfm import LightFM

    train, test = it.train.matrix.copy(), it.test.matrix.copy()
    model = LightFM(no_components=it.user_vectors.shape[1]).fit(train, epochs=1)
    model.user_embeddings, model.item_embeddings = it.user_vectors.copy(), it.item_vectors.copy()
    model.user_biases[:] = model.item_biases[:] = 0
    return model, train, test


def implicit_values(it: Ranked, k: int) -> Iterator[Value]:
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.evaluation import ranking_metrics_at_k

    model = AlternatingLeastSquares(factors=it.user_vectors.shape[1], num_threads=1)
    model.user_factors, model.item_factors = it.user_vectors.copy(), it.item_vectors.copy()
    found = ranking_metrics_at_k(model, it.train.matrix.copy(), it.test.matrix.copy(), K=k, show_progress=False)
    for metric in ("ndcg", "map"):
        function = f"ranking_metrics_at_k, {metric}"
        yield Value("implicit", function, f"{metric}@{k}", found[metric], np.ones(len(it.n_relevant), bool))


def as_frame(pairs: Any) -> Any:
    """Interactions as a pandas frame under RecTools' names of columns."""
    frame = pairs.to_frame(frame="pandas")
    return frame.rename(columns={pairs.columns.user: "user_id", pairs.columns.item: "item_id"})


# -- the file that a test reads ---------------------------------------------------------------------------------------


def record(file: Path) -> None:
    versions = {name: version(name) for name in PEERS}
    found = {"versions": versions, "random": on_random(), "movielens": on_movielens()}
    file.write_text(as_lines(found) + "\n", encoding="utf-8")


def as_lines(value: Any, depth: int = 3) -> str:
    """JSON with a line for each user and each value."""
    if isinstance(value, dict | list) and depth:
        many = isinstance(value, list)
        inner = (
            (as_lines(one, depth - 1) for one in value)
            if many
            else (f"{json.dumps(name)}: {as_lines(one, depth - 1)}" for name, one in value.items())
        )
        return ",\n".join(inner).join(("[\n", "\n]") if many else ("{\n", "\n}"))
    return json.dumps(value)


def on_random() -> dict[str, Any]:
    """Whole rankings of the items that each user has not in training, of which a list shows the beginning."""
    import pandas as pd

    import tastemap as tm

    rng = np.random.default_rng(SEED)
    drawn = rng.random((USERS, ITEMS))
    in_train = drawn < rng.uniform(0.05, 0.4, (USERS, 1))
    in_train[rng.integers(0, USERS, ITEMS), np.arange(ITEMS)] = True  # every item has a training pair
    in_test = ~in_train & (drawn > rng.uniform(0.4, 1.05, (USERS, 1)))
    lonely = np.flatnonzero(~in_test.any(axis=1))
    in_test[lonely, np.argmin(in_train[lonely], axis=1)] = True
    order = rng.permuted(np.tile(np.arange(ITEMS), (USERS, 1)), axis=1)
    rankings = [[item for item in order[user].tolist() if not in_train[user, item]] for user in range(USERS)]
    shown = [int(rng.integers(0, 1 + min(len(ranking), 14))) for ranking in rankings]

    ids = list(range(USERS)), list(range(ITEMS))
    train, test = (
        tm.Interactions.from_frame(
            dict(zip(("user", "item"), (part.tolist() for part in np.nonzero(here)), strict=True)),
            users=ids[0],
            items=ids[1],
        )
        for here in (in_train, in_test)
    )
    scores = np.zeros((USERS, ITEMS), np.float32)
    np.put_along_axis(scores, order, np.arange(ITEMS, 0, -1, dtype=np.float32)[None], axis=1)
    rows = [(u, i, place) for u in ids[0] for place, i in enumerate(rankings[u][: shown[u]], 1)]
    lists = pd.DataFrame(rows, columns=["user_id", "item_id", "rank"])
    it = Ranked(lists, train, test, scores, np.eye(ITEMS, dtype=np.float32))
    users = [
        {
            "train": np.flatnonzero(in_train[user]).tolist(),
            "test": np.flatnonzero(in_test[user]).tolist(),
            "ranking": rankings[user],
            "shown": shown[user],
        }
        for user in ids[0]
    ]
    return {"users": users, "values": [told(value) for k in CUTOFFS for value in values(it, k)]}


def told(value: Value) -> dict[str, Any]:
    """A value as the file has it, of each user for whom it counts."""
    users = np.flatnonzero(value.among)
    of_users = np.ndim(value.value) > 0
    numbers = [round(float(one), 9) for one in value.value[users]] if of_users else round(float(value.value), 9)
    return {
        "peer": value.peer,
        "function": value.function,
        "metric": value.metric,
        "users": users.tolist() if of_users else None,
        "value": numbers,
    }


def on_movielens() -> dict[str, Any]:
    """Means alone, and a checksum of the lists: the data may not be passed on."""
    import tastemap as tm

    train, test = parts()
    model = tm.Popular().fit(train)
    users = np.flatnonzero(np.diff(test.by_user.indptr))
    lists = model.recommend_rows(users, tasks.K)
    best_first = np.lexsort((np.arange(len(train.items)), -model.popularity_))
    scores = np.empty((len(train.items), 1), np.float32)
    scores[best_first, 0] = np.arange(len(train.items), 0, -1)  # no two alike, so that a peer settles no ties
    frame = model.recommend(test.users.take(users), k=tasks.K, frame="pandas")
    frame = frame.rename(columns={train.users.name: "user_id", train.items.name: "item_id"})
    it = Ranked(frame, train, test, np.ones((len(train.users), 1), np.float32), scores)
    return {
        "lists": hashlib.sha256(np.ascontiguousarray(lists.rows, "<i4").tobytes()).hexdigest(),
        "users": len(users),
        "values": [
            told(value._replace(value=float(np.mean(value.value))))
            for value in values(it, tasks.K)
            if value.among.all()  # who is among the others would have to be told too
        ],
    }


def parts() -> tuple[Any, Any]:
    """Training and test pairs without the movies that are in the test part alone, which peers take for negatives."""
    train, test = tasks.held_out_likes()
    train = train.compact()
    return train, test.align(train.users, train.items)[0]


if __name__ == "__main__":
    record(Path(sys.argv[1]))
