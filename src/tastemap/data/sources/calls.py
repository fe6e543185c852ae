"""Calls of drivers that do not hear Ctrl-C while they work: they are made where it is heard, and end or are left."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Self, TypeVar

# The seconds that a call has to end once it is stopped.
GRACE = 0.5
# The instructions of SQLite's machine between two looks for Ctrl-C, about a millisecond.
INSTRUCTIONS = 100_000

Made = TypeVar("Made")


class Caller:
    """Makes the calls of one connection in a thread, one after the other, and waits for them where Ctrl-C is heard.

    A call that cannot be stopped is left to the thread, and what it works with is closed behind it: a driver whose
    connection is closed while it works reads memory that is gone. Python does not wait for the thread when it ends.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._is_left = False
        self._thread = threading.Thread(target=self._work, daemon=True, name="tastemap driver")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tasks.put(None)

    def call(self, work: Callable[[], Made], stop: Callable[[], object] | None = None) -> Made:
        """Return what a call returns; ``stop`` ends it from another thread."""
        if threading.current_thread() is self._thread:  # Python collects what nobody needs in any thread
            return work()
        called: Future[Made] = Future()
        self._tasks.put((work, called))
        try:
            # The system may give the signal to another thread, which does not wake this one.
            while not called.done():
                wait([called], timeout=0.1)
            return called.result()
        except BaseException:
            if not called.done():
                if stop is not None:
                    stop()
                self._is_left = not wait([called], timeout=GRACE).done
            raise

    @contextmanager
    def closing(self, close: Callable[[], object]) -> Iterator[None]:
        """Close what calls work with after a block, or after the call that was left."""
        try:
            yield
        finally:
            if self._is_left:
                self._tasks.put((close, Future()))
            else:
                self.call(close)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            work, called = task
            try:
                called.set_result(work())
            except BaseException as error:  # for whoever waits
                called.set_exception(error)
            del task, work, called  # it would keep the last batch until the next call


def interruptibly(work: Callable[[], Made], stop: Callable[[], object]) -> Made:
    """Return what a call returns that takes no notice of Ctrl-C; ``stop`` ends it from another thread.

    The call has ended in any case, so that what it works with may be closed.
    """
    with Caller() as caller:
        try:
            return caller.call(work, stop)
        finally:
            caller.call(lambda: None)


@contextmanager
def heeding(connection: sqlite3.Connection) -> Iterator[None]:
    """Let Ctrl-C end what an open connection of sqlite3 does, which often works in the thread alone that made it.

    A progress handler of the connection's own is gone afterwards.
    """
    raised: list[BaseException] = []

    def look() -> Iterator[int]:
        # A function would be interrupted before its first line, and sqlite3 would drop what is raised there. This goes
        # on within the try.
        while True:
            try:
                yield len(raised)
            except GeneratorExit:
                raise
            except BaseException as error:
                raised.append(error)

    looking = look()
    next(looking)
    connection.set_progress_handler(looking.__next__, INSTRUCTIONS)
    try:
        yield
    except Exception:  # what is between here and sqlite3 has errors of its own for "interrupted"
        if not raised:
            raise
    finally:
        connection.set_progress_handler(None, INSTRUCTIONS)
    if raised:
        raise raised[0]
