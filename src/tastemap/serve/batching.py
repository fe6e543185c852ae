"""Batches without waiting: what arrives while a batch is at work is the next batch."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from tastemap.errors import TastemapError

Job = TypeVar("Job")
Answer = TypeVar("Answer")

MOST_AT_ONCE = 512
MOST_WAITING = 4_096


class BusyError(TastemapError):
    """Too much is waiting already."""


class Batcher(Generic[Job, Answer]):
    """Answers jobs in batches, in a thread of its own, one batch at a time.

    work : takes a batch and returns an answer, or an error to raise, for each of its jobs
    most : the most jobs in a batch
    observe : gets the size of every batch

    A job never waits for others to come: with nobody else there it is a batch alone.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Job]], Sequence[Answer | Exception]],
        most: int = MOST_AT_ONCE,
        observe: Callable[[int], object] = lambda size: None,
    ) -> None:
        self._work, self._most, self._observe = work, most, observe
        self._waiting: deque[tuple[Job, asyncio.Future[Answer]]] = deque()
        self._is_working = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tastemap-batch")

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, job: Job) -> asyncio.Future[Answer]:
        """Return the future answer of a job; raises BusyError where too many are waiting."""
        if len(self._waiting) >= MOST_WAITING:
            raise BusyError(f"{MOST_WAITING:,} requests are waiting already: ask again in a second")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, future))
        if not self._is_working:
            self._start()
        return future

    def close(self) -> None:
        """End the thread; nothing can be asked any more."""
        self._thread.shutdown(wait=False)

    def _start(self) -> None:
        batch = list[tuple[Job, asyncio.Future[Answer]]]()
        while self._waiting and len(batch) < self._most:
            one = self._waiting.popleft()
            if not one[1].done():  # whoever asked has gone
                batch.append(one)
        if not batch:
            return
        self._is_working = True
        self._observe(len(batch))
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._thread, self._work, [job for job, _ in batch])
        done.add_done_callback(lambda done: self._finish(batch, done))

    def _finish(
        self,
        batch: Sequence[tuple[Job, asyncio.Future[Answer]]],
        done: asyncio.Future[Sequence[Answer | Exception]],
    ) -> None:
        self._is_working = False
        self._start()  # the next batch first: the thread should not wait for answers to be sent
        failed = BusyError("the server is shutting down") if done.cancelled() else done.exception()
        answers = done.result() if failed is None else [failed] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
