from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import tastemap as tm
from tastemap import parallel


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def raising(error: BaseException, at: int) -> Callable[[int], None]:
    def task(block: int) -> None:
        if block == at:
            raise error

    return task


several = pytest.mark.parametrize("n", [1, 2, 5])


@several
@pytest.mark.parametrize("n_blocks", [0, 1, 3, 500])
def test_every_block_runs_once(n: int, n_blocks: int) -> None:
    done: list[int] = []
    with tm.threads(n):
        parallel.run(done.append, n_blocks)
    assert Counter(done) == Counter(range(n_blocks))


def test_blocks_run_on_as_many_threads_as_asked_for() -> None:
    meeting = threading.Barrier(3, timeout=10)
    with tm.threads(3):
        parallel.run(lambda block: meeting.wait(), 3)  # ends only if three blocks run at once


@pytest.mark.parametrize("n_factors", [8, 320, 321, 1000])
def test_blocks_of_solved_rows_are_smaller_with_many_factors(n_factors: int) -> None:
    indptr = np.arange(0, 100_000, 50)
    blocks = parallel.solver_blocks(indptr, n_factors)
    assert [start for start, _ in blocks[1:]] == [stop for _, stop in blocks[:-1]]
    assert (blocks[0][0], blocks[-1][1]) == (0, len(indptr) - 1)
    if n_factors <= 320:
        assert blocks == parallel.even_blocks(indptr)
    rows = max(stop - start for start, stop in blocks)
    assert rows * (50 * n_factors**2 + n_factors**3 / 3) < 4e9


@several
@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_an_error_ends_the_run_and_reaches_the_caller(n: int, error: BaseException) -> None:
    before, ran = blas_threads(), []

    def task(block: int) -> None:
        ran.append(block)
        time.sleep(0.001)
        raising(error, 4)(block)

    with tm.threads(n), pytest.raises(type(error)) as caught:
        parallel.run(task, 10_000)
    assert caught.value is error
    assert len(ran) < 1000, "the other threads went on"
    assert blas_threads() == before
    parallel.run(ran.append, 3)  # the pool still works


def test_an_error_in_a_helper_reaches_the_caller() -> None:
    def task(block: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise KeyError("helper")
        time.sleep(0.02)

    with tm.threads(2), pytest.raises(KeyError, match="helper"):
        parallel.run(task, 50)


@several
def test_runs_inside_runs_end_and_pass_errors_on(n: int) -> None:
    done: list[tuple[int, int]] = []
    with tm.threads(n):
        parallel.run(lambda a: parallel.run(lambda b: done.append((a, b)), 7), 6)
        assert Counter(done) == Counter((a, b) for a in range(6) for b in range(7))
        with pytest.raises(ZeroDivisionError):
            parallel.run(lambda a: parallel.run(raising(ZeroDivisionError(), 2), 7), 6)


def test_runs_of_many_callers_do_not_mix() -> None:
    before = blas_threads()

    def call(caller: int) -> Any:
        done: list[int] = []
        with tm.threads(1 + caller % 4):
            if caller % 5 == 0:
                with pytest.raises(ValueError, match=f"of {caller}!"):
                    parallel.run(raising(ValueError(f"of {caller}!"), 3), 20)
            parallel.run(done.append, 40)
        return sorted(done)

    with ThreadPoolExecutor(16) as callers:
        assert list(callers.map(call, range(64))) == [list(range(40))] * 64
    assert blas_threads() == before


def test_blas_has_one_thread_inside_and_its_own_number_after() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    before, inside = blas_threads(), []
    parallel.run(lambda block: inside.append(blas_threads()), 2)
    assert inside == [[1] * len(before)] * 2
    with parallel.one_blas_thread():
        with parallel.one_blas_thread():
            pass
        assert blas_threads() == [1] * len(before), "the inner exit must not lift the outer limit"
    assert blas_threads() == before
    with pytest.raises(ValueError, match="inside"), parallel.one_blas_thread():
        raise ValueError("inside")
    assert blas_threads() == before


@pytest.mark.parametrize("n", [0, -1, 2.5, "2", None, True])
def test_threads_takes_whole_numbers_from_one(n: Any) -> None:
    with pytest.raises(ValueError, match="threads must be a whole number of at least 1") as refused, tm.threads(n):
        pass
    assert repr(n) in str(refused.value)


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " 2"])
def test_a_bad_environment_variable_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASTEMAP_THREADS", value)
    with pytest.raises(ValueError, match="TASTEMAP_THREADS must be a whole number of at least 1") as refused:
        parallel.run(print, 2)
    assert repr(value) in str(refused.value)


def test_the_number_of_threads_asked_for_last_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASTEMAP_THREADS", raising=False)
    assert parallel.n_threads() >= 1
    monkeypatch.setenv("TASTEMAP_THREADS", "")  # as shells leave a variable that is not set
    assert parallel.n_threads() >= 1
    monkeypatch.setenv("TASTEMAP_THREADS", "7")
    assert parallel.n_threads() == 7
    with tm.threads(3):
        assert parallel.n_threads() == 3
        with tm.threads(1):
            assert parallel.n_threads() == 1
        assert parallel.n_threads() == 3
    assert parallel.n_threads() == 7


@pytest.mark.parametrize("ending", ["threading.Thread(target=work).start()", "atexit.register(work)"])
def test_work_goes_on_when_the_main_thread_has_ended(ending: str, run_python: Callable[..., str]) -> None:
    pytest.importorskip("optuna")
    script = """
        import atexit, threading, time
        import numpy as np, scipy.sparse as sp, tastemap as tm
        from tastemap import parallel
        rng = np.random.default_rng(0)
        likes = tm.Interactions.from_csr(sp.csr_array((rng.random((3000, 50)) < 0.2).astype(float)))
        model = tm.ImplicitALS(factors=8, epochs=2)
        tuned = lambda: tm.tune(tm.ItemKNN(), likes, space={"neighbours": [5, 9]}, trials=2, parallel=2, refit=False)
        before = model.fit(likes).item_factors_, model.recommend(k=3), tuned().score
        def work():
            time.sleep(0.2)  # the main thread ends
            done = []
            parallel.run(done.append, 50)
            after = model.fit(likes).item_factors_, model.recommend(k=3), tuned().score
            same = np.array_equal(before[0], after[0]), after[1].equals(before[1]), before[2] == after[2]
            print(sorted(done) == list(range(50)), *same)
        """
    assert run_python(script + ending, TASTEMAP_THREADS="3", PYTHONWARNINGS=None).split() == ["True"] * 4


def test_a_system_without_more_threads_costs_time_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    parallel._make_pool.cache_clear()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    done: list[int] = []
    with tm.threads(4):
        parallel.run(done.append, 50)
    assert sorted(done) == list(range(50))
    parallel._make_pool.cache_clear()


@several
def test_work_that_nobody_wants_ends_between_two_blocks(n: int) -> None:
    unwanted, done = threading.Event(), []

    def task(block: int) -> None:
        done.append(block)
        if block == 3:
            unwanted.set()

    with tm.threads(n), parallel.wanted_until(unwanted), pytest.raises(parallel.Unwanted):
        parallel.run(task, 10_000)
    assert 4 <= len(done) < 1000
    parallel.run(done.append, 1)  # outside the block all is wanted


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_can_work_as_well(run_python: Callable[..., str]) -> None:
    said = run_python(
        """
        import os
        import numpy as np, scipy.sparse as sp, tastemap as tm
        rng = np.random.default_rng(0)
        likes = tm.Interactions.from_csr(sp.csr_array((rng.random((3000, 200)) < 0.1).astype(float)))
        fit = lambda: tm.ImplicitALS(factors=8, epochs=2).fit(likes)
        before = fit()
        child = os.fork()
        if not child:
            after = fit()
            same = np.array_equal(before.user_factors_, after.user_factors_)
            lists = after.recommend(k=3).equals(before.recommend(k=3))
            os._exit(0 if same and lists else 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, np.array_equal(fit().item_factors_, before.item_factors_))
        """,
        TASTEMAP_THREADS="3",
        PYTHONWARNINGS="default",  # Python 3.12 warns of every fork in a process with threads
    )
    assert said.split() == ["0", "True"]


def test_work_that_found_no_thread_is_never_done_behind_the_callers_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool keeps work for which no thread could start, and comes to it when another run is done."""
    release, done = threading.Event(), []

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def occupy() -> None:
        with parallel.threads(2):
            parallel.run(lambda block: release.wait(5), 2)

    occupying = threading.Thread(target=occupy)
    occupying.start()
    time.sleep(0.2)
    monkeypatch.setattr(threading.Thread, "start", refuse)

    def slow(block: int) -> None:
        if block == 3:
            release.set()  # the pool's thread is free now
        time.sleep(0.05)
        done.append(block)

    with parallel.threads(2):
        parallel.run(slow, 6)
    assert sorted(done) == list(range(6))
    monkeypatch.undo()
    occupying.join()
    assert len(done) == 6
