"""The ASGI application: hot routes first, without a framework, then all others."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from tastemap.parallel import one_blas_thread
from tastemap.serve.batching import Batcher
from tastemap.serve.events import Events
from tastemap.serve.guard import Guard, Message, Receive, Send, send_json
from tastemap.serve.hot import Hot
from tastemap.serve.listing import Job, make_lists
from tastemap.serve.metrics import Metrics
from tastemap.serve.routes import make_routes
from tastemap.serve.served import Served
from tastemap.serve.shelf import Shelf
from tastemap.serve.since import Since

logger = logging.getLogger("tastemap.serve")

# Seconds that a thread of Python may keep the others waiting: the event loop and the thread that ranks take turns, and
# the usual 5 ms are as long as many requests take.
SWITCH = 0.0005

# Users whose events are compared with a new model at a time.
SOME_USERS = 100


class App:
    """The HTTP service of the models on a shelf."""

    def __init__(self, shelf: Shelf, events: Path | None, metrics: Metrics) -> None:
        self._shelf, self._since, self._metrics = shelf, Since(), metrics
        self._events = None if events is None else Events(events, self._since, metrics.count_events)
        self._since.forget(shelf.models, self._since.users)
        self._batcher = Batcher[Job, bytes](make_lists, observe=self._observe)
        self._hot = Hot(shelf, self._since, self._batcher)
        self._rest = make_routes(shelf, metrics, take_events=None if self._events is None else self._events.take)
        self._tasks = list[asyncio.Task[None]]()
        self._limits = ExitStack()
        shelf.changed.append(self._forget_soon)

    def _observe(self, size: int) -> None:
        self._metrics.observe_batch(size)
        self._metrics.observe_waiting(len(self._batcher))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            return await self._live(receive, send)
        if scope["type"] != "http":
            return None
        if not self._tasks:  # a server without a lifespan
            self._start()

        async def read() -> bytes:
            return bytes((await receive())["body"])  # the guard has read all of it

        answer = await self._hot.answer(scope["path"], scope["method"], scope["query_string"], read)
        if answer is not None:
            return await send_json(send, *answer)
        try:
            await self._rest(scope, receive, send)
        except Exception:
            # Starlette has answered with `describe_error`, and raises again for the server's log.
            logger.exception("%s %s failed", scope["method"], scope["path"])

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _start(self) -> None:
        sys.setswitchinterval(SWITCH)
        # For good: a batch would set and lift the limit, and BLAS's threads would spin between two batches.
        self._limits.enter_context(one_blas_thread())
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._shelf.watch()))
        if self._events is not None:
            self._tasks.append(loop.create_task(self._events.follow()))

    def _forget_soon(self, served: Served) -> None:
        """Forget what a new model has learned, some users at a time, between which requests are answered."""

        async def forget() -> None:
            users = self._since.users
            for start in range(0, len(users), SOME_USERS):
                self._since.forget(self._shelf.models, users[start : start + SOME_USERS])
                await asyncio.sleep(0)

        running = [task for task in self._tasks if not task.done()]
        self._tasks = [*running, asyncio.get_running_loop().create_task(forget())]

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._events is not None:
            await self._events.close()
        self._batcher.close()
        self._shelf.close()
        self._limits.close()


def make_app(
    models: dict[str, Path],
    *,
    items: Path | None,
    item_id: str | None,
    title_column: str | None,
    token: str | None,
    events: Path | None,
    hosts: Iterable[str],
    copies: Path | None,
) -> Guard:
    """Make the application; see `tastemap.serve.app`."""
    metrics = Metrics()
    shelf = Shelf(
        models, items=items, item_id=item_id, title_column=title_column, copies=copies, failed=metrics.count_failure
    )
    return Guard(App(shelf, events, metrics), metrics, token=token, hosts=hosts)
