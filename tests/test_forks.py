"""After a fork polars has no threads: a forked child serves, and what it cannot do it says at once. It never hangs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

# Calls everything in a forked child each, whose parent had used polars; a child that takes long is killed by its alarm.
SCRIPT = """
    import copy, os, pickle, signal, sys, warnings
    import numpy as np, pandas as pd, polars as pl, tastemap as tm
    warnings.simplefilter("ignore")  # Python 3.12 and polars warn of the fork
    folder, of_strings = sys.argv[1], sys.argv[2] == "strings"
    rng = np.random.default_rng(0)
    table = pl.DataFrame({"user": rng.integers(0, 3000, 20_000), "item": rng.integers(0, 100, 20_000)}).unique()
    table = table.select(pl.all().cast(pl.String)) if of_strings else table
    table.write_csv(folder + "/likes.csv"), table.write_parquet(folder + "/likes.parquet")
    likes = tm.Interactions.from_frame(table.with_row_index("at"), time="at")
    train, test = tm.split.random(likes, 0.2)
    model = tm.ImplicitALS(factors=8, epochs=1).fit(train)
    ease = tm.EASE().fit(train)
    model.save(folder + "/model"), tm.evaluate(model, test), model.recommend(k=3)
    user, item, nobody = train.users[0], train.items[0], "nobody" if of_strings else 10**6
    titles = pl.DataFrame({"item": likes.items.ids, "title": ["a good film"] * len(likes.items)})
    own = tm.OwnMetric(lambda lists, truth: lists.list.len(), 5, name="length")
    features = tm.Features.from_frame(titles, id="item", columns="title")

    def copied(one):
        assert pickle.loads(pickle.dumps(one)).recommend(user).equals(copy.deepcopy(one).recommend(user))

    serving = {
        "load": lambda: tm.load(folder + "/model").recommend(user),
        "recommend": lambda: model.recommend(user),
        "recommend all": lambda: model.recommend(k=3),
        "recommend polars": lambda: model.recommend(pl.Series([user]), frame="polars"),
        "recommend pandas": lambda: model.recommend(pd.Series([user]), frame="pandas"),
        "candidates": lambda: model.recommend(user, candidates=train.items.ids[:50], exclude=[item]),
        "popular": lambda: model.recommend([user, nobody], on_unknown="popular"),
        "skip": lambda: model.recommend([user, nobody], on_unknown="skip"),
        "unknown": lambda: refused(lambda: model.recommend([nobody])),
        "histories": lambda: model.recommend_for([[item], {item: 2.0}]),
        "similar": lambda: model.similar_items([item]),
        "predict": lambda: model.predict([user], [item]),
        "explain": lambda: ease.explain(user, item),
        "vectors": lambda: model.item_vectors(),
        "card": lambda: model.card(),
        "copies": lambda: copied(model),
        "save": lambda: model.save(folder + "/other"),
        "from_csr": lambda: tm.Interactions.from_csr(train.matrix),
        "id map": lambda: (tm.IdMap([1, 2]), refused(lambda: tm.IdMap(["a", "a"]))),
        "find": lambda: likes.users.find(likes.users.ids),
        "evaluate": lambda: tm.evaluate(model, test).means,
        "update": lambda: model.update(test),
        "features": lambda: tm.ImplicitALS(factors=8, epochs=1).fit(train, item_features=features),
        "splits": lambda: (tm.split.random(likes, 0.2), likes.merge(test), likes.core(min_per_user=2).compact()),
        "to_frame": lambda: train.to_frame(),
        "fingerprint": lambda: train.fingerprint(),
        **{"fit " + name: lambda cls=cls: cls().fit(train).recommend(user) for name, cls in tm.MODELS.items()},
    }
    refusing = {
        "from_frame": lambda: tm.Interactions.from_frame(table),
        "from_frame pandas": lambda: tm.Interactions.from_frame(pd.DataFrame({"user": [1], "item": ["a"]})),
        "from_file": lambda: tm.Interactions.from_file(folder + "/likes.csv"),
        "from parquet": lambda: tm.Interactions.from_file(folder + "/likes.parquet"),
        "exclude": lambda: model.recommend(user, exclude={"user": [user], "item": [item]}),
        "categories": lambda: model.recommend(pd.Series([user], dtype="category")),
        "pyarrow": lambda: model.recommend(user, frame="pyarrow"),
        "recommend_all": lambda: model.recommend_all(folder + "/lists.parquet"),
        "evaluate frame": lambda: tm.evaluate(model, test).frame,
        "evaluate users": lambda: tm.evaluate(model, test).per_user,
        "own metric": lambda: tm.evaluate(model, test, metrics=own).means,
        "lists": lambda: tm.evaluate_lists(table, test),
        "compare": lambda: tm.compare([tm.Popular()], test, train=train),
        "cross_validate": lambda: tm.cross_validate([tm.Popular()], likes),
        "make features": lambda: tm.Features.from_frame(titles, id="item", columns="title"),
        "text": lambda: tm.text_features(titles, id="item", columns="title"),
        "tensorboard": lambda: tm.export.tensorboard(model, folder + "/projector"),
    }

    def refused(call):
        try:
            call()
        except (tm.UnknownIdError, tm.DataError):
            return
        raise AssertionError("nothing was refused")

    def ends(call):
        child = os.fork()
        if not child:
            signal.alarm(30)
            try:
                call()
            except tm.TastemapError as error:
                os._exit(3 if "get_context('spawn')" in str(error) else 4)
            except BaseException:
                import traceback
                traceback.print_exc()
                os._exit(5)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return {0: "works", 3: "refuses", -signal.SIGALRM: "hangs"}.get(status, status)

    print({name: end for name, call in serving.items() if (end := ends(call)) != "works"})
    print({name: end for name, call in refusing.items() if (end := ends(call)) != "refuses"})
"""


@pytest.mark.parametrize("ids", ["integers", "strings"])
def test_a_forked_child_serves_or_says_why_not(ids: str, run_python: Callable[..., str], tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("elsewhere every child would wait for the pool first")
    said = run_python(SCRIPT, tmp_path, ids, TASTEMAP_THREADS="2", PYTHONWARNINGS=None)
    assert said.splitlines() == ["{}", "{}"]


def test_a_child_of_a_parent_that_did_not_use_polars_can_do_everything(run_python: Callable[..., str]) -> None:
    said = run_python(
        """
        import os
        import tastemap as tm
        tm.Interactions  # imported
        child = os.fork()
        if not child:
            os._exit(len(tm.Interactions.from_frame({"user": [1, 2, 2], "item": ["a", "a", "b"]})))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        PYTHONWARNINGS=None,
    )
    assert said.split() == ["3"]


def test_a_child_that_imports_tastemap_after_the_fork_notices(run_python: Callable[..., str]) -> None:
    said = run_python(
        """
        import os, signal
        import polars as pl
        pl.Series([3, 1]).sort()
        child = os.fork()
        if not child:
            signal.alarm(60)
            import tastemap as tm
            from tastemap import forks
            forks.PATIENCE = 0.5
            try:
                tm.Interactions.from_frame({"user": [1], "item": [2]})
            except tm.TastemapError as error:
                os._exit(7 if "forked" in str(error) else 8)
            os._exit(9)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        PYTHONWARNINGS=None,
    )
    assert said.split() == ["7"]


PROGRAM = """
import multiprocessing, sys, warnings
import polars as pl, tastemap as tm

def work(path):
    model = tm.load(path)
    try:
        news = tm.Interactions.from_frame({"user": [1, 2], "item": [3, 4]})
        fitted = tm.EASE().fit(news).recommend(1, k=1)["item"].to_list()
    except tm.TastemapError as error:
        fitted = str(error)
    return model.recommend(1, k=1)["item"].to_list(), tm.evaluate(model, model.interactions, exclude=None).means, fitted

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    how, path = sys.argv[1:]
    likes = tm.Interactions.from_frame({"user": [1, 1, 2, 3, 3], "item": [3, 4, 4, 4, 5]})
    tm.EASE().fit(likes).save(path)
    here = work(path)
    with multiprocessing.get_context(how).Pool(1) as pool:
        there = pool.apply_async(work, [path]).get(timeout=60)
    print(here[:2] == there[:2], there[2], sep=";")
"""


@pytest.mark.parametrize("how", ["fork", "forkserver", "spawn"])
def test_processes_of_every_start_method_work(how: str, run_python: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    script = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    if how != "fork":  # the children import the program by its path
        script = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]], check=True, timeout=120)"
    said = run_python(script, tmp_path / "program.py", how, tmp_path / "model", PYTHONWARNINGS=None)
    same, fitted = said.strip().split(";")
    assert same == "True"
    assert fitted == "[4]" if how != "fork" else "get_context('spawn')" in fitted
