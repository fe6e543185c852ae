"""The peers' models. Each fits a scipy CSR matrix, users x items, and hands back its scores.

They are ranked and measured by tasks.measured like everybody else. Seconds are from the matrix to the model: what a
library needs in a form of its own is part of its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Fitted(NamedTuple):
    """What a peer learned.

    seconds : the whole fit
    epochs : seconds of every epoch, where there are epochs that can be timed
    scores : user rows -> scores of all items, (n, items)
    near : item row, k -> the rows of the k most similar items, best first, without the item itself; None where the
        library has no such question
    """

    seconds: float
    epochs: list[float]
    scores: Callable[[Array], Array]
    near: Callable[[int, int], Array] | None = None


def implicit_als(matrix: Any, seed: int, threads: int, **parameters: Any) -> Fitted:
    from implicit.cpu.als import AlternatingLeastSquares

    return _implicit(lambda: AlternatingLeastSquares(random_state=seed, num_threads=threads, **parameters), matrix)


def implicit_bpr(matrix: Any, seed: int, threads: int, **parameters: Any) -> Fitted:
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    return _implicit(lambda: BayesianPersonalizedRanking(random_state=seed, num_threads=threads, **parameters), matrix)


def _implicit(make: Callable[[], Any], matrix: Any) -> Fitted:
    from threadpoolctl import threadpool_limits

    epochs: list[float] = []
    matrix = matrix.copy()  # it writes into it
    # implicit asks for it, its own threads call BLAS. Only libraries that are loaded already are limited.
    with threadpool_limits(1, "blas"):
        model = make()
        start = time.perf_counter()
        model.fit(matrix, show_progress=False, callback=lambda epoch, elapsed, *more: epochs.append(elapsed))
        seconds = time.perf_counter() - start
    return Fitted(seconds, epochs, lambda rows: model.user_factors[rows] @ model.item_factors.T, _near(model))


def _near(model: Any) -> Callable[[int, int], Array]:
    def near(item: int, k: int) -> Array:
        found = model.similar_items(item, N=k + 1)[0]
        return found[found != item][:k]

    return near


def implicit_neighbours(matrix: Any, seed: int, threads: int, kind: str, **parameters: Any) -> Fitted:
    """kind : "Cosine", "TFIDF" or "BM25"."""
    from implicit import nearest_neighbours

    model = getattr(nearest_neighbours, f"{kind}Recommender")(num_threads=threads, **parameters)
    start = time.perf_counter()
    model.fit(matrix.copy(), show_progress=False)
    seconds = time.perf_counter() - start
    return Fitted(seconds, [], lambda rows: (matrix[rows] @ model.similarity).toarray(), _near(model))


def irspack_ials(matrix: Any, seed: int, threads: int, **parameters: Any) -> Fitted:
    from irspack.recommenders import IALSRecommender

    start = time.perf_counter()
    model = IALSRecommender(matrix.astype(np.float32), random_seed=seed, n_threads=threads, **parameters).learn()
    seconds = time.perf_counter() - start
    return Fitted(seconds, [], lambda rows: model.get_score(rows))


def lightfm(matrix: Any, seed: int, threads: int, epochs: int, **parameters: Any) -> Fitted:
    *_, last = lightfm_epochs(matrix, seed, threads, epochs, **parameters)
    return last


def lightfm_epochs(
    matrix: Any, seed: int, threads: int, epochs: int, item_features: Any = None, **parameters: Any
) -> Iterator[Fitted]:
    """Train epoch by epoch; what is done between two epochs is not in their time.

    item_features : scipy CSR, float32, (items, features); None for one feature an item
    """
    from lightfm import LightFM

    pairs = matrix.tocoo(copy=True)  # it wants to be able to write
    model = LightFM(random_state=seed, **parameters)

    def scores(rows: Array) -> Array:
        biases, items = model.get_item_representations(item_features)
        return model.user_embeddings[rows] @ items.T + biases

    seconds: list[float] = []
    for _ in range(epochs):
        start = time.perf_counter()
        model.fit_partial(pairs, item_features=item_features, epochs=1, num_threads=threads)
        seconds.append(time.perf_counter() - start)
        yield Fitted(sum(seconds), seconds.copy(), scores)


def rectools_ease(matrix: Any, seed: int, threads: int, **parameters: Any) -> Fitted:
    import pandas as pd
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import EASEModel

    pairs = matrix.tocoo()
    frame = pd.DataFrame({Columns.User: pairs.row, Columns.Item: pairs.col, Columns.Weight: pairs.data})
    dataset = Dataset.construct(frame.assign(**{Columns.Datetime: pd.Timestamp(0)}))
    model = EASEModel(recommend_n_threads=threads, **parameters)
    start = time.perf_counter()
    model.fit(dataset)
    seconds = time.perf_counter() - start
    items = dataset.item_id_map.external_ids  # its columns, by ours

    def scores(rows: Array) -> Array:
        inside = matrix[rows][:, items] @ model.weight
        values = np.full((len(rows), matrix.shape[1]), -np.inf, np.float32)
        values[:, items] = inside
        return values

    return Fitted(seconds, [], scores)


def surprise(name: str, train: Any, test: Any, **parameters: Any) -> dict[str, float]:
    """Fit "SVD" or "SVDpp" to ratings of 1 to 5; return seconds, RMSE and MAE. It has one thread."""
    import pandas as pd
    import surprise

    def frame(ratings: Any) -> Any:
        order = ratings.input_order
        pairs = (ratings.row_of_pair(), ratings.matrix.indices, ratings.matrix.data)
        return pd.DataFrame({column: values[order] for column, values in zip("uir", pairs, strict=True)})

    dataset = surprise.Dataset.load_from_df(frame(train), surprise.Reader(rating_scale=(1, 5)))
    trainset = dataset.build_full_trainset()
    model = getattr(surprise, name)(**parameters)
    start = time.perf_counter()
    model.fit(trainset)
    seconds = time.perf_counter() - start
    predictions = model.test(list(frame(test).itertuples(index=False, name=None)))
    rmse, mae = (getattr(surprise.accuracy, metric)(predictions, verbose=False) for metric in ("rmse", "mae"))
    return {"seconds": seconds, "rmse": float(rmse), "mae": float(mae)}
