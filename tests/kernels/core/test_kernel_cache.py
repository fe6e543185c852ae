"""The cache of compiled kernels: never stale, never in the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import pytest

import tastemap
from tastemap.kernels.core.compiled import KernelFile

pytestmark = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="these tests compile, in processes of their own that no coverage follows"
)

# Prints the numbers of a kernel, whether it came from the cache, and how many warnings there were.
SCRIPT = """
    import warnings
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import numba
        before = numba.config.CACHE_DIR
        import numpy as np
        from tastemap.kernels.core.random import fill_uniform
        import tastemap.kernels.metrics
        assert numba.config.CACHE_DIR == before
        out = np.empty((2, 2), np.float32)
        fill_uniform(out, 2, np.uint64(3), 1.0)
    kept = [str(warning.message) for warning in caught if "kept on disk" in str(warning.message)]
    hits = sum(fill_uniform.stats.cache_hits.values()) if hasattr(fill_uniform, "stats") else -1
    print(out.ravel().tolist(), hits, len(kept), len(caught) - len(kept), sep=";")
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package that may be edited; the folder to put on the path."""
    source = Path(tastemap.__file__).parent
    shutil.copytree(source, tmp_path / "code" / "tastemap", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "code"


@pytest.fixture
def said(run_python: Callable[..., str]) -> Callable[..., list[Any]]:
    def run(prelude: str = "", **environment: str | None) -> list[Any]:
        numbers, *counts = run_python(prelude + SCRIPT, NUMBA_DISABLE_JIT=None, **environment).strip().split(";")
        return [numbers, *map(int, counts)]

    return run


@pytest.fixture(scope="module")
def right(run_python: Callable[..., str]) -> str:
    """The kernel's numbers, without compilation."""
    script = "import numpy\nnumpy.seterr(over='ignore')" + SCRIPT.replace("\n    ", "\n")
    return run_python(script, NUMBA_DISABLE_JIT="1").split(";")[0]


def test_the_second_process_compiles_nothing(said: Callable[..., list[Any]], right: str, tmp_path: Path) -> None:
    first = said(TASTEMAP_CACHE=str(tmp_path))
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb*")}
    assert files
    second = said(TASTEMAP_CACHE=str(tmp_path))
    assert first == [right, 0, 0, 0]
    assert second == [right, 1, 0, 0]
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb*")}


def test_an_edited_helper_in_another_file_takes_effect(
    package: Path, run_python: Callable[..., str], tmp_path: Path
) -> None:
    kernels = package / "tastemap" / "kernels"
    (kernels / "probe.py").write_text(
        "from tastemap.kernels.core.jit import jit_exact\n"
        "from tastemap.kernels.core.random import mix\n\n\n"
        "@jit_exact\n"
        "def probe(state):\n"
        "    return mix(state)\n"
    )
    script = """
        import numpy as np
        from tastemap.kernels import probe
        print(probe.__file__, probe.probe(np.uint64(0)))
    """
    environment = {"PYTHONPATH": str(package), "TASTEMAP_CACHE": str(tmp_path / "cache"), "NUMBA_DISABLE_JIT": None}
    before = run_python(script, **environment).split()
    assert before == [str(kernels / "probe.py"), str(0xE220A8397B1DCDAF)]
    random = kernels / "core" / "random.py"
    random.write_text(random.read_text().replace("return z ^ (z >> np.uint64(SHIFTS[2]))", "return z"))
    after = run_python(script, **environment).split()[1]
    assert after != before[1]
    assert int(after) ^ (int(after) >> 31) == int(before[1])


def test_kernels_of_other_versions_go_when_nobody_has_used_them_for_a_month(
    said: Callable[..., list[Any]], right: str, tmp_path: Path
) -> None:
    said(TASTEMAP_CACHE=str(tmp_path))
    (own,) = (tmp_path / "kernels").iterdir()
    for name, days in (("recent", 29), ("old", 31), (own.name, 31)):
        folder = tmp_path / "kernels" / name
        folder.mkdir(exist_ok=True)
        (folder / "kernel.nbc").write_text("")
        then = time.time() - days * 86_400
        os.utime(folder, (then, then))
    assert said(TASTEMAP_CACHE=str(tmp_path)) == [right, 1, 0, 0]
    assert {folder.name for folder in (tmp_path / "kernels").iterdir()} == {"recent", own.name}


def test_a_cache_that_cannot_be_written_costs_one_warning(
    said: Callable[..., list[Any]], right: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert said(TASTEMAP_CACHE=str(tmp_path / "file" / "cache")) == [right, 0, 1, 0]


@pytest.mark.skipif(os.name != "posix", reason="needs modes of files")
def test_a_folder_that_others_may_write_to_is_not_used(
    said: Callable[..., list[Any]], right: str, tmp_path: Path
) -> None:
    assert said(TASTEMAP_CACHE=str(tmp_path)) == [right, 0, 0, 0]
    (folder,) = (tmp_path / "kernels").iterdir()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "kernels", folder)} == {0o700}
    folder.chmod(0o770)
    assert said(TASTEMAP_CACHE=str(tmp_path)) == [right, 0, 1, 0]
    folder.chmod(0o700)
    (tmp_path / "kernels").chmod(0o775)  # as a group-friendly umask made it; what is inside was not open
    assert said(TASTEMAP_CACHE=str(tmp_path)) == [right, 1, 0, 0]
    assert (tmp_path / "kernels").stat().st_mode & 0o777 == 0o700


def test_ctrl_c_while_a_kernel_is_compiled_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    from tastemap.kernels.core.random import mix

    def lose(cache: object, form: object) -> None:  # what numba says when a call back from LLVM was interrupted
        raise RuntimeError("no compiled object yet for <Library 'mix'>")

    cache = mix._cache
    monkeypatch.setattr(cache._impl, "check_cachable", lambda form: True)
    monkeypatch.setattr(type(cache._impl), "reduce", lose)
    with pytest.raises(KeyboardInterrupt):
        cache.save_overload(None, next(iter(mix.overloads.values())) if mix.overloads else _Form())


class _Form:
    codegen = numba.core.registry.cpu_target.target_context.codegen()


def test_a_full_disk_costs_a_warning(said: Callable[..., list[Any]], right: str, tmp_path: Path) -> None:
    prelude = """
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    """
    if os.name != "posix":
        pytest.skip("only POSIX has limits of a file's size")
    numbers, hits, kept, others = said(prelude, TASTEMAP_CACHE=str(tmp_path))
    assert (numbers, hits, others) == (right, 0, 0)
    assert kept >= 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


DAMAGES = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[: len(whole) // 2],
    "zeroed": lambda whole: bytes(len(whole)),
    "zeroed at the end": lambda whole: whole[:-512] + bytes(512),
    "garbage": lambda whole: b"\x80\x05garbage" * 40,
    "of another program": lambda whole: b"cos\nsystem\n(S'exit 3'\ntR.",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_made_again(damage: str, said: Callable[..., list[Any]], right: str, tmp_path: Path) -> None:
    said(TASTEMAP_CACHE=str(tmp_path))
    files = {path: path.read_bytes() for path in tmp_path.rglob("*.nbc")}
    for path, whole in files.items():
        path.write_bytes(DAMAGES[damage](whole))
    assert said(TASTEMAP_CACHE=str(tmp_path)) == [right, 0, 0, 0]
    assert said(TASTEMAP_CACHE=str(tmp_path)) == [right, 1, 0, 0]


def test_no_byte_of_a_file_can_change_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "kernel.nbc"
    file = KernelFile(path)
    file.save("int", b"code")
    file.save("float", b"more code")
    assert (file.load("int"), file.load("float"), file.load("complex")) == (b"code", b"more code", None)
    whole = path.read_bytes()
    for place in range(len(whole)):
        before, after = whole[:place], whole[place + 1 :]
        for changed in (before, after, before + bytes([whole[place] ^ 1]) + after):
            path.write_bytes(changed)
            assert file.load("int") is None
    file.save("int", b"code")
    assert file.load("int") == b"code"
    file.flush()
    assert file.load("int") is None


def test_without_a_home_folder_there_is_one_warning(said: Callable[..., list[Any]], right: str) -> None:
    prelude = """
    import pathlib
    def homeless(cls):
        raise RuntimeError("Could not determine home directory.")
    pathlib.Path.home = classmethod(homeless)
    """
    assert said(prelude, TASTEMAP_CACHE=None, XDG_CACHE_HOME=None, HOME=None) == [right, 0, 1, 0]


def test_home_and_xdg_unset_is_no_error(said: Callable[..., list[Any]], right: str) -> None:
    numbers, _, _, other_warnings = said(TASTEMAP_CACHE=None, XDG_CACHE_HOME=None, HOME=None)
    assert (numbers, other_warnings) == (right, 0)


def test_the_xdg_folder_is_used(said: Callable[..., list[Any]], right: str, tmp_path: Path) -> None:
    said(TASTEMAP_CACHE=None, XDG_CACHE_HOME=str(tmp_path))
    assert list((tmp_path / "tastemap" / "kernels").rglob("*.nbc"))


def test_two_processes_that_compile_at_once_do_not_hurt_each_other(
    said: Callable[..., list[Any]], right: str, tmp_path: Path
) -> None:
    script = "import os, sys, time\nos.environ['TASTEMAP_CACHE'] = sys.argv[1]\n" + SCRIPT.replace("\n    ", "\n")
    command = [sys.executable, "-c", script, str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        numbers, _, *warnings = process.communicate(timeout=120)[0].strip().split(";")
        assert (process.returncode, numbers, warnings) == (0, right, ["0", "0"])
    files = sorted(tmp_path.rglob("*.nb*"))
    assert said(TASTEMAP_CACHE=str(tmp_path)) == [right, 1, 0, 0]
    assert sorted(tmp_path.rglob("*.nb*")) == files


def test_every_kernel_is_compiled_for_one_kind_of_arrays(run_python: Callable[..., str], tmp_path: Path) -> None:
    """Another kind, such as read-only factors of a loaded model, would compile for seconds in the middle of serving."""
    script = """
        import copy, pickle, sys
        import numpy as np, scipy.sparse as sp, tastemap as tm
        from tastemap.kernels import (
            ease, explicit_als, features, implicit_als as als, item_knn as knn, metrics, next_item, pairwise, popular,
            ranking, sgd, significance, svd
        )
        from tastemap.kernels.core import random, sparse
        rng = np.random.default_rng(0)
        users, items = np.nonzero(rng.random((90, 30)) < 0.3)
        likes = {"user": users, "item": items, "time": rng.integers(0, 99, len(users))}
        likes = tm.Interactions.from_frame(likes, time="time")
        train, test = tm.split.random(likes, 0.2)
        fitted = tm.ImplicitALS(factors=5, epochs=2).fit(train, validation=test)
        checkpoint = sys.argv[1] + "/checkpoint"
        for _ in range(2):
            fitted = tm.ImplicitALS(factors=5, epochs=2, solver="cholesky").fit(train, checkpoint=checkpoint)
        fitted.save(sys.argv[1] + "/model")
        news = tm.Interactions.from_frame({"user": [500], "item": [3], "time": [99]}, time="time")
        models = [fitted, tm.load(sys.argv[1] + "/model"), fitted.update(news), tm.Popular().fit(train)]
        models += [pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)]
        genres = tm.Features.from_csr(sp.csr_array(np.eye(30)[:, :4]), ids=range(30))
        stars = train.matrix.copy()
        stars.data = rng.integers(1, 6, len(stars.data)).astype(float)
        stars = tm.Interactions.from_csr(stars, users=train.users, items=train.items)
        for name, cls in tm.MODELS.items():
            if name in ("Popular", "ImplicitALS"):
                continue
            about = {"item_features": genres} if cls.abilities.features else {}
            own = cls().fit(stars if cls.abilities.ratings else train, **about)
            own.save(sys.argv[1] + "/model")
            models += [own, tm.load(sys.argv[1] + "/model"), own.update(news)]
        for model in models:
            for users in (None, 3):
                model.recommend(users, candidates=[1, 2, 3], exclude=[2])
                model.recommend(users)
            model.recommend_for([[1, 2], {3: 2.0}])
            model.recommend_for([[1, 2]] * 9, exclude=[5])
            model.recommend([1, 2, 3, 4, 5, 777], exclude={"user": [1], "item": [2]}, on_unknown="popular")
            model.predict([1, 2], [3, 4])
            names = [f"{name}@3" for name, metric in tm.METRICS.items() if metric.has_cutoff]
            tm.evaluate(model, test, exclude=None, metrics=names).frame
            tm.evaluate(model, test, metrics=["auc", "ndcg@2"], history=train).frame
            if isinstance(model, tm.ImplicitALS):
                for metric in ("cosine", "plain_cosine", "dot", "euclidean"):
                    model.similar_items([1]), model.similar_users(list(range(9)), metric=metric)
            if model.abilities.similar_items:
                model.similar_items([1, 2])
            if model.abilities.explains:
                model.explain(1, 2)
        tm.compare([tm.Popular(), tm.EASE()], test, train=train).differences
        kernels = [metrics.count_reachable, metrics.novelties, metrics.diversities]
        kernels += [als.cg_rows, als.cholesky_rows, metrics.ranking_metrics, random.fill_uniform]
        kernels += [ranking.pair_scores, ranking.hide, ranking.propose, ranking.rescore, ranking.decide]
        kernels += [ranking.rank_exactly, ranking.sort_lists, ease.gram_rows, ease.fill_weights, ease.add_rows]
        kernels += [knn.nearest_items, knn.add_similarities, popular.own_and_popular]
        kernels += [next_item.sum_left, next_item.state_rows, next_item.target_rows]
        kernels += [random.race, random.states_of_rows, random.states_of_sets]
        kernels += [pairwise.bpr_bucket, pairwise.warp_bucket, svd.svd_bucket, svd.svdpp_bucket, sgd.deal, sgd.shuffle]
        kernels += [explicit_als.rating_rows, sparse.sparse_rows, features.spread_rows]
        kernels += [features.step_features, features.turn_features]
        kernels += [significance.sum_resamples, significance.sum_with_signs]
        print(*(f"{kernel.__name__} {len(kernel.signatures)}" for kernel in kernels), sep=",")
        import importlib, pkgutil, tastemap.kernels
        for found in pkgutil.iter_modules(tastemap.kernels.__path__, "tastemap.kernels."):
            for kernel in vars(importlib.import_module(found.name)).values():
                kinds = getattr(kernel, "signatures", ())
                if getattr(kernel, "__module__", "") == found.name and len(kinds) > 1:
                    raise AssertionError(f"{found.name}.{kernel.__name__} {len(kinds)}")
        """
    said = run_python(script, tmp_path, NUMBA_DISABLE_JIT=None)
    assert {count.split()[1] for count in said.strip().split(",")} == {"1"}, said
