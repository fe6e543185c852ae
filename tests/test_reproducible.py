"""The same bits whatever the number of threads, and whoever else is at work."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_info

import tastemap as tm

SOAK_SECONDS = float(os.environ.get("TASTEMAP_SOAK_SECONDS", "3"))

# Prints digests of the saved arrays and of everybody's lists.
SCRIPT = """
    import hashlib, sys, tempfile
    from pathlib import Path
    import numpy as np
    import tastemap as tm
    from tastemap.files.arrays import read_arrays
    ratings = tm.datasets.movielens("1m", path=sys.argv[1]).interactions
    kind = tm.MODELS[sys.argv[2]]
    options = {name: value for name, value in {"epochs": 2}.items() if hasattr(kind, name)}
    pairs = ratings if kind.abilities.ratings else ratings.at_least(4).binarize()
    if kind.abilities.uses_order:
        pairs = pairs.top_items(1500)  # NextItem takes eight times as long as EASE
    model = kind(**options).fit(pairs)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        arrays, header, _ = read_arrays(Path(folder) / "model", "model")
    for name in sorted(arrays):
        print(name, hashlib.blake2b(arrays[name].tobytes(), digest_size=8).hexdigest())
    for part in model.recommend_rows(np.arange(len(model.users)), 10):
        print(hashlib.blake2b(part.tobytes(), digest_size=8).hexdigest())
    print([done["objective"] for done in header["history"]], len(arrays))
"""


@pytest.mark.parametrize("name", tm.MODELS)
def test_one_two_and_five_threads_give_the_same_bits(
    name: str, ml1m_ratings: tm.Interactions, data_folder: Any, run_python: Callable[..., str]
) -> None:
    said = {n: run_python(SCRIPT, data_folder / "ml-1m", name, TASTEMAP_THREADS=str(n)) for n in (1, 2, 5)}
    assert said[1].strip()
    assert said[1] == said[2] == said[5]


# Models whose kernels call many helpers; prints digests of what they learn.
COMPILED = """
    import hashlib
    import numpy as np
    import scipy.sparse as sp
    import tastemap as tm
    rng = np.random.default_rng(0)
    stars = np.where(rng.random((400, 300)) < 0.1, rng.integers(1, 6, (400, 300)), 0)
    stars[:, 0] = 3
    for name in ("ExplicitALS", "SVDpp", "BPR"):
        model = tm.MODELS[name](epochs=3).fit(tm.Interactions.from_csr(sp.csr_array(stars.astype(float))))
        for part in model.fitted_arrays:
            print(name, part, hashlib.blake2b(getattr(model, part).tobytes(), digest_size=8).hexdigest())
"""


def test_a_process_that_compiles_gets_the_bits_of_one_that_finds_the_kernels_compiled(
    run_python: Callable[..., str], tmp_path: Any
) -> None:
    first, second = (run_python(COMPILED, TASTEMAP_CACHE=str(tmp_path)) for _ in range(2))
    assert first.strip()
    assert first == second


@pytest.mark.parametrize("name", ["EASE", "ImplicitALS"])
def test_the_environment_of_blas_does_not_change_the_bits(
    name: str, ml1m_ratings: tm.Interactions, data_folder: Any, run_python: Callable[..., str]
) -> None:
    arguments = SCRIPT, data_folder / "ml-1m", name
    one, many = (run_python(*arguments, OPENBLAS_NUM_THREADS=n, OMP_NUM_THREADS=n) for n in ("1", "4"))
    assert one == many


# BLAS divides a sum of more than ten thousand products among its threads; prints digests of what is learned.
LONG = """
    import hashlib
    import numpy as np
    import scipy.sparse as sp
    import tastemap as tm
    n = 20_000
    rng = np.random.default_rng(0)
    stars = sp.coo_array((rng.integers(1, 6, 3 * n).astype(float), rng.integers(0, n, (2, 3 * n))), shape=(n, n))
    for name in ("SVDpp", "SVD", "ExplicitALS", "ImplicitALS"):
        model = tm.MODELS[name](factors=4, epochs=2).fit(tm.Interactions.from_csr(stars.tocsr()))
        for part in model.fitted_arrays:
            print(name, part, hashlib.blake2b(getattr(model, part).tobytes(), digest_size=8).hexdigest())
        print([done.objective for done in model.epochs_])
"""


def test_sums_over_many_rows_have_the_same_bits_too(run_python: Callable[..., str]) -> None:
    one, many = (run_python(LONG, OPENBLAS_NUM_THREADS=n, OMP_NUM_THREADS=n) for n in ("1", "4"))
    assert one.strip()
    assert one == many


def likes(n_users: int, n_items: int, seed: int) -> tm.Interactions:
    here = np.random.default_rng(seed).random((n_users, n_items)) < 0.08
    here[:, 0] = True
    return tm.Interactions.from_csr(sp.csr_array(here.astype(float)))


def test_sixteen_threads_recommend_the_same_while_one_fits() -> None:
    served, others = likes(500, 300, 1), likes(800, 200, 2)
    model = tm.ImplicitALS(factors=16, epochs=3).fit(served)
    trained = tm.ImplicitALS(factors=16, epochs=3).fit(others).user_factors_
    alone = {
        "everyone": model.recommend(k=5),
        "one": model.recommend(7, k=5),
        "folded": model.recommend_for([[1, 2], [3]], k=5),
        "similar": model.similar_items(list(range(40)), k=5),
        "near": model.similar_items(list(range(40)), k=5, metric="euclidean"),
    }
    model = tm.ImplicitALS(factors=16, epochs=3).fit(served)  # nothing is prepared yet: the threads race for it
    ask: dict[str, Callable[[], Any]] = {
        "everyone": lambda: model.recommend(k=5),
        "one": lambda: model.recommend(7, k=5),
        "folded": lambda: model.recommend_for([[1, 2], [3]], k=5),
        "similar": lambda: model.similar_items(list(range(40)), k=5),
        "near": lambda: model.similar_items(list(range(40)), k=5, metric="euclidean"),
    }
    before = [library["num_threads"] for library in threadpool_info()]
    wrong: list[object] = []
    done = [0] * 17
    end = time.monotonic() + SOAK_SECONDS

    def recommend(caller: int) -> None:
        try:
            while time.monotonic() < end:
                kind = list(ask)[(caller + done[caller]) % len(ask)]
                if not ask[kind]().equals(alone[kind]):
                    wrong.append(kind)
                done[caller] += 1
        except BaseException as error:
            wrong.append(error)

    def fit() -> None:
        try:
            while time.monotonic() < end:
                if not np.array_equal(tm.ImplicitALS(factors=16, epochs=3).fit(others).user_factors_, trained):
                    wrong.append("fit")
                done[16] += 1
        except BaseException as error:
            wrong.append(error)

    callers = [threading.Thread(target=recommend, args=(caller,)) for caller in range(16)]
    callers.append(threading.Thread(target=fit))
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(SOAK_SECONDS + 60)
    assert not any(thread.is_alive() for thread in callers)
    assert wrong == []
    assert min(done) > 0
    assert [library["num_threads"] for library in threadpool_info()] == before
