"""The ASGI application: hot routes first, without a framework, then all others."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

from tastemap.parallel import one_blas_thread
from tastemap.serve.asked import Explain, Recommend, SimilarItems
from tastemap.serve.batching import Batcher
from tastemap.serve.events import Events
from tastemap.serve.guard import Guard, Message, Receive, Send, send_json
from tastemap.serve.hot import Hot
from tastemap.serve.listing import Job, make_lists
from tastemap.serve.metrics import Metrics
from tastemap.serve.routes import Json, explain, make_routes
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
    """The HTTP service of the models on a shelf.

    shelf : the models
    rest : the application of the routes that are not hot, to which others can be added
    """

    def __init__(self, shelf: Shelf, events: Path | None, metrics: Metrics) -> None:
        self.shelf, self._since, self._metrics = shelf, Since(), metrics
        self._events = None if events is None else Events(events, self._since, metrics.count_events)
        self._since.forget(shelf.models, self._since.users)
        self._batcher = Batcher[Job, bytes](make_lists, observe=self._observe)
        self._hot = Hot(shelf, self._since, self._batcher)
        self.rest = make_routes(
            shelf, self._since, metrics, take_events=None if self._events is None else self._events.take
        )
        self._tasks = list[asyncio.Task[None]]()
        self._running = AsyncExitStack()
        shelf.changed.append(self._forget_soon)

    def ask(self, asked: Recommend | SimilarItems) -> asyncio.Future[bytes]:
        """Return the future JSON of a list, which is made with those of the others who ask now."""
        return self._hot.ask(asked)

    def explain(self, asked: Explain) -> Json:
        """Return what the route /explain answers, beside the model's name."""
        return explain(self.shelf.get(asked.model), asked, self._since.of(asked.user))

    def _observe(self, size: int) -> None:
        self._metrics.observe_batch(size)
        self._metrics.observe_waiting(len(self._batcher))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            return await self._live(receive, send)
        if not self._tasks:  # a server without a lifespan
            await self._start()
        if scope["type"] == "websocket":
            return await self.rest(scope, receive, send)

        async def read() -> bytes:
            return bytes((await receive())["body"])  # the guard has read all of it

        answer = await self._hot.answer(scope["path"], scope["method"], scope["query_string"], read)
        if answer is not None:
            return await send_json(send, *answer)
        try:
            await self.rest(scope, receive, send)
        except Exception:
            # Starlette has answered with `describe_error`, and raises again for the server's log.
            logger.exception("%s %s failed", scope["method"], scope["path"])

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _start(self) -> None:
        sys.setswitchinterval(SWITCH)
        # For good: a batch would set and lift the limit, and BLAS's threads would spin between two batches.
        self._running.enter_context(one_blas_thread())
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self.shelf.watch()))
        if self._events is not None:
            self._tasks.append(loop.create_task(self._events.follow()))
        await self._running.enter_async_context(self.rest.router.lifespan_context(self.rest))

    def _forget_soon(self, served: Served) -> None:
        """Forget what a new model has learned, some users at a time, between which requests are answered."""

        async def forget() -> None:
            users = self._since.users
            for start in range(0, len(users), SOME_USERS):
                self._since.forget(self.shelf.models, users[start : start + SOME_USERS])
                await asyncio.sleep(0)

        running = [task for task in self._tasks if not task.done()]
        self._tasks = [*running, asyncio.get_running_loop().create_task(forget())]

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._events is not None:
            await self._events.close()
        self._batcher.close()
        self.shelf.close()
        await self._running.aclose()


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
    pages: Callable[[App], object] | None = None,
) -> Guard:
    """Make the application; see `tastemap.serve.app`.

    pages : adds pages, and has the models rank once when the first page is there
    """
    metrics = Metrics()
    shelf = Shelf(
        models,
        items=items,
        item_id=item_id,
        title_column=title_column,
        copies=copies,
        failed=metrics.count_failure,
        warm=pages is None,
    )
    app = App(shelf, events, metrics)
    if pages is not None:
        pages(app)
    return Guard(app, metrics, token=token, hosts=hosts)
