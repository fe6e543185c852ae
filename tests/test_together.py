"""Many threads on one model, beside loads and updates: the same bits as alone, and no growth of memory."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path


def test_many_threads_on_one_model_give_the_same_bits(run_python: Callable[..., str], tmp_path: Path) -> None:
    """For a minute of it: TOGETHER_SECONDS=60 pytest tests/test_together.py -s."""
    seconds = os.environ.get("TOGETHER_SECONDS", "2")
    told = run_python(SCRIPT, tmp_path, seconds, TASTEMAP_THREADS="2")
    print(told, file=sys.stderr)
    result = json.loads(told)
    assert result["differing"] == []
    assert min(result["calls"].values()) > 0
    # Half of the time is for buffers of threads to be made and for the allocator to fill its arenas.
    assert result["grown_mib"] < (64 if float(seconds) >= 30 else 256)


SCRIPT = """
    import gc, json, os, sys, threading, time
    from collections import Counter
    import numpy as np, scipy.sparse as sp, tastemap as tm

    path, seconds = sys.argv[1] + "/model", float(sys.argv[2])
    rng = np.random.default_rng(0)
    matrix = sp.random_array((2000, 1000), density=0.02, rng=rng, format="csr")
    likes = tm.Interactions.from_csr(sp.csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), matrix.shape))
    train, test = tm.split.random(likes, 0.2)
    news = tm.Interactions.from_frame({"user": [1, 5000], "item": [2, 3]})
    model = tm.ImplicitALS(factors=16, epochs=2).fit(train)
    model.save(path)
    users = train.users.take(np.flatnonzero(model.activity_))[:300]
    items = train.items.take(np.flatnonzero(model.popularity_))[:50]

    calls = {
        "one": lambda: model.recommend(users[0])["score"].to_numpy(),
        "many": lambda: model.recommend(users, k=20)["score"].to_numpy(),
        "for": lambda: model.recommend_for([items[:5], items[5:9]])["score"].to_numpy(),
        "similar": lambda: model.similar_items(items, k=5)["score"].to_numpy(),
        "predict": lambda: model.predict(users[:50], items),
        "explain": lambda: np.array([model.explain(users[0], items[0]).score]),
        "evaluate": lambda: np.array(list(tm.evaluate(model, test).means.values())),
        "load": lambda: tm.load(path).recommend(users[:20])["score"].to_numpy(),
        "update": lambda: model.update(news).recommend([1])["score"].to_numpy(),
        "fit": lambda: tm.ImplicitALS(factors=8, epochs=1).fit(train).item_factors_,
    }
    alone = {name: np.asarray(call()).tobytes() for name, call in calls.items()}
    names, made, differing, errors = list(calls), Counter(), set(), []
    end = time.monotonic() + seconds

    def work(number):
        turn = number
        try:
            while time.monotonic() < end:
                name = names[turn % len(names)]
                turn += 1
                if np.asarray(calls[name]()).tobytes() != alone[name]:
                    differing.add(name)
                made[name] += 1
        except BaseException as error:
            errors.append(repr(error))

    def resident():
        gc.collect()
        if sys.platform != "linux":  # elsewhere nothing in the standard library tells the memory of now
            return 0.0
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    workers = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    start = resident()
    for worker in workers:
        worker.start()
    time.sleep(seconds / 2)
    half = resident()
    for worker in workers:
        worker.join()
    last = resident()
    print(json.dumps({"calls": made, "differing": sorted(differing) + errors, "threads": threading.active_count(),
                      "start_mib": round(start), "half_mib": round(half), "grown_mib": round(last - half)}))
"""
