"""The only thread pool. It runs one kernel over many blocks and keeps BLAS to one thread meanwhile.

A block's result never depends on which thread ran it, so the number of threads changes the speed and nothing else.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemap.errors import ParameterError, show

_chosen: ContextVar[int | None] = ContextVar("tastemap_threads", default=None)
_unwanted: ContextVar[threading.Event | None] = ContextVar("tastemap_unwanted", default=None)

# Up to here rows are cut by their entries alone.
_USUAL_FACTORS = 320


class Unwanted(BaseException):
    """Ends the work of a thread that nobody waits for any more; no `except Exception` may keep it."""


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Use `n` threads for calls made in the block by this thread, instead of all cores or TASTEMAP_THREADS.

    The number never changes a result. Raises ValueError where `n` is not a whole number of at least 1.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ParameterError(
            f"threads must be a whole number of at least 1, got {show(n)}", parameter="threads", value=n
        )
    token = _chosen.set(n)
    try:
        yield
    finally:
        _chosen.reset(token)


def n_threads() -> int:
    """Return how many threads a call made here uses: those of `threads`, else of TASTEMAP_THREADS, else all cores."""
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    asked = os.environ.get("TASTEMAP_THREADS")
    if not asked:
        return _count_usable_cores()
    if not asked.isdecimal() or int(asked) < 1:
        raise ValueError(f"TASTEMAP_THREADS must be a whole number of at least 1, got {show(asked)}")
    return int(asked)


@contextmanager
def wanted_until(unwanted: threading.Event) -> Iterator[None]:
    """End the calls of `run` that this thread makes in the block, between two blocks, once the event is set.

    They raise `Unwanted`. Ctrl-C reaches the main thread alone: this is how it reaches the others.
    """
    token = _unwanted.set(unwanted)
    try:
        yield
    finally:
        _unwanted.reset(token)


def run(task: Callable[[int], Any], n_blocks: int, *, uses_blas: bool = True) -> None:
    """Call task(0) ... task(n_blocks - 1), each once, in any order, on all threads.

    uses_blas : keep BLAS to one thread meanwhile; its first limit costs 0.1 s, which tasks without BLAS can do without

    An error is raised when all threads have stopped. The calling thread works too, so a call from inside a busy pool
    still ends. Ctrl-C stops between two blocks.
    """
    unwanted = _unwanted.get()
    if unwanted is not None:
        task = _check_wanted(task, unwanted)
    with one_blas_thread() if uses_blas else nullcontext():
        n = n_threads()
        n_helpers = min(n, n_blocks) - 1
        if n_helpers < 1:
            for block in range(n_blocks):
                task(block)
            return
        blocks = itertools.count()  # its next() is atomic
        stop = threading.Event()
        idle = threading.Condition()
        n_busy = 0
        errors: list[BaseException] = []

        def work() -> None:
            nonlocal n_busy
            with idle:
                if stop.is_set():
                    return  # a pool may come to what it was given long after the run
                n_busy += 1
            try:
                while not stop.is_set() and (block := next(blocks)) < n_blocks:
                    task(block)
            except BaseException as error:
                errors.append(error)
                stop.set()
            finally:
                with idle:
                    n_busy -= 1
                    idle.notify_all()

        try:
            # One pool serves all runs: a pool for each number of blocks would leave n (n - 1) / 2 threads idle.
            pool = _make_pool(n - 1)
            with suppress(RuntimeError):  # the system has no more threads: those that there are do what is left
                for _ in range(n_helpers):
                    _start(pool, work)
            work()
        finally:
            # Not until its future is done: a pool that found no thread for work keeps it, and gives no future for it.
            with idle:
                stop.set()
                idle.wait_for(lambda: n_busy == 0)
        if errors:
            try:
                raise errors[0]
            finally:
                errors.clear()  # or the error would hold the frame that holds it


def _check_wanted(task: Callable[[int], Any], unwanted: threading.Event) -> Callable[[int], Any]:
    def checked(block: int) -> None:
        if unwanted.is_set():
            raise Unwanted
        task(block)

    return checked


def _start(pool: ThreadPoolExecutor, work: Callable[[], None]) -> None:
    """Start work on a thread of the pool, or on one of its own where the main thread has ended, and pools with it."""
    try:
        pool.submit(work)
    except RuntimeError:
        threading.Thread(target=work, name="tastemap").start()


def row_blocks(n_rows: int, size: int) -> list[slice]:
    """Return slices of `size` rows that cover n_rows; they depend on the data alone, not on the threads."""
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def even_blocks(indptr: npt.NDArray[np.int64], size: int = 1 << 14, row_cost: int = 32) -> list[tuple[int, int]]:
    """Cut the rows of a CSR matrix into blocks (start, stop) of about equal work.

    indptr : where each row starts, and the end
    size : the work of a block; an entry counts 1
    row_cost : what a row counts beside its entries
    """
    work = indptr + row_cost * np.arange(len(indptr))
    cuts = np.searchsorted(work, np.arange(0, work[-1], size))
    return list(itertools.pairwise(np.unique(np.append(cuts, len(work) - 1)).tolist()))


def solver_blocks(indptr: npt.NDArray[np.int64], n_factors: int) -> list[tuple[int, int]]:
    """Cut rows that are solved, each with n_factors unknowns, into blocks that take less than about a second.

    An entry takes n_factors^2 steps and a row n_factors^3 / 3, so with many factors the blocks are smaller.
    """
    if n_factors <= _USUAL_FACTORS:
        return even_blocks(indptr)
    return even_blocks(indptr, max(1, (1 << 14) * _USUAL_FACTORS**2 // n_factors**2), n_factors // 3)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread inside the block, and in the process until the last such block ends.

    The limit belongs to the process and threadpoolctl's own context manager is not re-entrant over threads, so entries
    are counted: the first sets the limit, the last restores what was there.
    """
    limit = _blas  # a child forked inside the block has a new limit, which it did not enter and must not leave
    limit.enter()
    try:
        yield
    finally:
        limit.leave()


class _BlasLimit:
    """Counts the calls inside `one_blas_thread`: the first sets the limit, the last restores what was there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limiter: Any = None

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limiter = _make_controller().limit(limits=1, user_api="blas")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limiter.restore_original_limits()
                self._limiter = None


_blas = _BlasLimit()


def _reset_after_fork() -> None:
    """Replace in a forked child the pools, whose threads are not copied, and the lock, which may stay locked."""
    global _blas
    _make_pool.cache_clear()
    _blas = _BlasLimit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


@cache
def _make_controller() -> Any:
    # Making one scans the loaded libraries (1 ms). scipy brings a BLAS of its own, so load it before the scan.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@cache
def _make_pool(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=n, thread_name_prefix="tastemap")


def _count_usable_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux reports the cores of this process
        return os.cpu_count() or 1
